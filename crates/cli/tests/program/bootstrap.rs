//! Intervals from few identities or pairs.

use super::Workplace;
use super::evaluation::{csv, found, place};
use serde_json::Value;

/// The findings for `classes` classes of four rows.
fn of_classes(place: &Workplace, classes: usize) -> Value {
    with_singles(place, classes, 0)
}

/// As [`of_classes`], with further classes of one row.
fn with_singles(place: &Workplace, classes: usize, singles: usize) -> Value {
    let names: Vec<(String, String, f64)> = (0..classes * 4)
        .map(|row| (format!("r{row}"), format!("c{}", row / 4), (row / 4 * 30 + row % 4 * 11) as f64))
        .chain((0..singles).map(|row| (format!("s{row}"), format!("d{row}"), (row * 5) as f64)))
        .collect();
    let rows: Vec<(&str, &str, f64)> =
        names.iter().map(|(id, label, angle)| (id.as_str(), label.as_str(), *angle)).collect();
    place.write("few.csv", csv(&rows).as_bytes());
    found(place, &["verification", "few.csv", "--bootstrap", "200"])
}

#[test]
fn intervals_of_few_identities_are_refused_or_reported_as_too_narrow() {
    let place = place();
    let two = of_classes(&place, 2);
    assert!(two["verification"]["auc"].is_number() && two["bootstrap"]["intervals"].is_null(), "{two}");
    let said = two["warnings"].to_string();
    assert!(said.contains("no intervals are given: intervals need at least 3 identities"), "{said}");
    let table = place.run(&["eval", "verification", "few.csv", "--bootstrap", "200"]);
    assert!(!String::from_utf8_lossy(&table.stdout).contains("interval"));
    for (classes, few) in [(3, true), (9, true), (10, false)] {
        let found = of_classes(&place, classes);
        assert!(found["bootstrap"]["intervals"]["auc"]["low"].is_number(), "{found}");
        let said = found["warnings"].to_string();
        assert_eq!(
            said.contains(&format!("drawing {classes} identities. With fewer than 10")),
            few,
            "{said}"
        );
        let discarded = found["bootstrap"]["intervals"]["discarded"].as_u64().expect("a number");
        assert_eq!(discarded > 0, classes == 3, "{classes}: {discarded}");
        assert_eq!(said.contains(&format!("{discarded} of 200 resamples were discarded")), discarded > 0);
    }
    // The same for pairs of unknown identities.
    let scores = |genuine: usize| -> Value {
        let genuine: String = (0..genuine).map(|at| format!("0.{},1\n", 9 - at % 5)).collect();
        let impostor: String = (0..12).map(|at| format!("0.{},0\n", at % 7)).collect();
        place.write("scores.csv", format!("score,same\n{genuine}{impostor}").as_bytes());
        found(&place, &["scores", "scores.csv", "--bootstrap", "50"])
    };
    assert!(scores(2)["bootstrap"]["intervals"].is_null());
    let said = scores(3)["warnings"].to_string();
    assert!(said.contains("drawing 3 genuine pairs. With fewer than 10"), "{said}");
    assert!(!scores(12)["warnings"].to_string().contains("With fewer than"));
}

#[test]
fn classes_of_one_sample_do_not_count_as_identities_with_genuine_pairs() {
    let place = place();
    let two = with_singles(&place, 2, 30);
    assert!(two["bootstrap"]["intervals"].is_null(), "{two}");
    let said = two["warnings"].to_string();
    assert!(said.contains("need at least 3 identities with genuine pairs to draw from, found 2"), "{said}");
    let five = with_singles(&place, 5, 30);
    let drawn = &five["bootstrap"]["intervals"];
    assert_eq!((&drawn["drawn"], &drawn["drawn_genuine"]), (&Value::from(35), &Value::from(5)));
    let said = five["warnings"].to_string();
    assert!(said.contains("drawing 5 identities with genuine pairs. With fewer than 10"), "{said}");
    let table = place.run(&["eval", "verification", "few.csv", "--bootstrap", "50", "--figures", "drawn"]);
    let heading = "drawing 35 identities, 5 of them with genuine pairs";
    // A wide heading has two lines.
    let told = String::from_utf8_lossy(&table.stdout).into_owned();
    for part in ["drawing 35 identities,", "5 of them with genuine pairs"] {
        assert!(told.contains(part) && heading.contains(part), "{part}: {told}");
    }
    let page = std::fs::read_to_string(place.path().join("drawn/evaluation.html")).expect("there");
    assert!(page.contains(heading));
}

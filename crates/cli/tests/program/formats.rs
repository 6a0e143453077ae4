//! Archives of numpy and files of Arrow, and columns that are chosen by name, in every command that reads a table.

use super::foreign::fixture;
use super::{Workplace, success};

#[test]
fn archives_and_files_of_arrow_are_evaluated_and_described() {
    let place = Workplace::new();
    for name in
        ["stored.npz", "deflated.npz", "list.arrow", "stream.arrow", "list.feather", "columns.feather"]
    {
        fixture(&place, name);
        let evaluated = place.run(&["eval", "retrieval", name, "--json"]);
        success(&evaluated);
        let found: serde_json::Value = serde_json::from_slice(&evaluated.stdout).expect("JSON");
        assert_eq!(found["compared"], format!("{name}: 3 embeddings of 2 classes, dimension 4."));
        let described = place.run(&["data", "info", name, "--json"]);
        success(&described);
        let found: serde_json::Value = serde_json::from_slice(&described.stdout).expect("JSON");
        assert_eq!((&found["samples"], &found["classes"]), (&3.into(), &2.into()), "{name}");
    }
    fixture(&place, "ambiguous.npz");
    let said = place.refused(
        &["eval", "all", "ambiguous.npz"],
        &["ambiguous.npz: several arrays may be the embeddings: embeddings, x", "--embedding-column NAME"],
    );
    assert!(said.contains("labels [3]"), "{said}");
    let flags = ["--embedding-column", "x", "--label-column", "y"];
    for command in [&["eval", "geometry"][..], &["data", "info"]] {
        success(&place.run(&[command, &["ambiguous.npz"], &flags[..]].concat()));
    }
    place.refused(
        &["eval", "all", "ambiguous.npz", "--embedding-column", "z"],
        &["--embedding-column: has no column `z`; its columns are embeddings, labels, x, y"],
    );
}

/// The same rows with the labels in a column of another name give the same run.
#[test]
fn the_column_of_the_labels_is_chosen_in_every_command() {
    let place = Workplace::new();
    let row = |row: usize| {
        let (class, each) = (row % 6, row / 6);
        format!("s{class},c{},{class}.{each}5,-{each}.{class}5,{}.5\n", each % 2, class * each % 5)
    };
    let rows: String = (0..60).map(row).collect();
    place.write("species.csv", format!("species,label,x0,x1,x2\n{rows}").as_bytes());
    place.write(
        "label.csv",
        format!("label,other,x0,x1,x2\n{}", rows.replace(",c0", ",0").replace(",c1", ",1")).as_bytes(),
    );
    let by = ["--label-column", "species"];
    let json = |command: &[&str]| -> serde_json::Value {
        let output = place.run(command);
        success(&output);
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let [own, other] = [
        json(&[&["eval", "retrieval", "species.csv", "--json"], &by[..]].concat()),
        json(&["eval", "retrieval", "label.csv", "--columns", "x*", "--json"]),
    ];
    assert_eq!(own["retrieval"], other["retrieval"]);
    let info = json(&[&["data", "info", "species.csv", "--json"], &by[..]].concat());
    assert_eq!(info["classes"], 6);
    let train =
        ["train", "--data", "species.csv", "--unseen", "2", "--epochs", "1", "--embedding", "2", "--json"];
    let report = json(&[&train[..], &by, &["--out", "run"]].concat());
    assert_eq!(report["known"]["classes"].as_u64().unwrap_or(4), 4, "{report}");
    let config = std::fs::read_to_string(place.path().join("run/config.toml")).expect("there");
    assert!(config.contains("label_column = \"species\""), "{config}");
    success(&place.run(&["train", "--config", "run/config.toml", "--out", "again"]));
    success(&place.run(&[&["embed", "--model", "run", "species.csv", "-o", "e.csv"], &by[..]].concat()));
    let embedded = std::fs::read_to_string(place.path().join("e.csv")).expect("there");
    assert!(embedded.lines().nth(1).is_some_and(|line| line.contains(",s0,")), "{embedded}");
    success(&place.run(&[&["data", "suspects", "--run", "run", "--data", "species.csv"], &by[..]].concat()));
    success(
        &place.run(&[&["data", "split", "species.csv", "--by", "class", "-o", "s.csv"], &by[..]].concat()),
    );
    for command in [
        &["eval", "retrieval", "species.csv"][..],
        &["data", "info", "species.csv"],
        &["embed", "--model", "run", "species.csv", "-o", "f.csv"],
        &["train", "--data", "species.csv", "--out", "run2"],
        &["nearest", "--model", "run", "--embeddings", "species.csv", "species.csv"],
    ] {
        place.refused(
            &[command, &["--label-column", "kind"]].concat(),
            &["species.csv: --label-column: has no column `kind`; its columns are species, label, x0, x1, x2"],
        );
    }
}

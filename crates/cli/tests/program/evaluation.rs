//! `widemargin eval` on small files whose figures can be worked out by hand, and on files that are wrong in every way.

use super::{Workplace, success};
use serde_json::Value;

/// Directions in the plane, by angle in degrees, with a class each.
pub(super) fn csv(rows: &[(&str, &str, f64)]) -> String {
    let line = |(id, label, angle): &(&str, &str, f64)| {
        let (y, x) = angle.to_radians().sin_cos();
        format!("{id},{label},{x},{y}\n")
    };
    std::iter::once("id,label,x,y\n".to_owned()).chain(rows.iter().map(line)).collect()
}

/// Two tight classes and one that lies between them and is taken for both.
pub(super) const ROWS: [(&str, &str, f64); 7] = [
    ("a1", "bag", 0.0),
    ("a2", "bag", 4.0),
    ("a3", "bag", 9.0),
    ("b1", "boot", 80.0),
    ("b2", "boot", 90.0),
    ("c1", "coat", 12.0),
    ("c2", "coat", 77.0),
];

pub(super) fn place() -> Workplace {
    let place = Workplace::new();
    place.write("set.csv", csv(&ROWS).as_bytes());
    place
}

/// Runs `eval` with `--json` and gives the object.
pub(super) fn found(place: &Workplace, arguments: &[&str]) -> Value {
    let output = place.run(&[&["eval"], arguments, &["--json"]].concat());
    success(&output);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error} in {}", String::from_utf8_lossy(&output.stdout));
    })
}

pub(super) fn near(value: &Value, expected: f64) {
    let found = value.as_f64().unwrap_or(f64::NAN);
    assert!((found - expected).abs() < 1e-6, "found {value}, expected {expected}");
}

/// A matrix of numpy's, version 1.
pub(super) fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn verification_of_all_pairs_is_right_by_hand() {
    let place = place();
    let found = found(&place, &["verification", "set.csv", "--far", "0,0.25"]);
    // Genuine angles: 4, 5, 9, 10, 65. Impostors below 65: 3 (a3 c1), 3 (b1 c2), 8, 12, 13.
    near(&found["verification"]["genuine"], 5.0);
    near(&found["verification"]["impostor"], 16.0);
    let wins = [14.0, 14.0, 13.0, 13.0, 11.0];
    near(&found["verification"]["auc"], wins.iter().sum::<f64>() / 80.0);
    near(&found["tar_at_far"][0]["tar"], 0.0);
    near(&found["tar_at_far"][1]["tar"], 0.8);
    assert!(found["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty()));
    let output = place.run(&["eval", "verification", "set.csv", "--figures", "figures"]);
    success(&output);
    let table = String::from_utf8_lossy(&output.stdout);
    for words in ["7 embeddings of 3 classes, dimension 2", "AUC", "EER", "1e-3", "minimum Cllr"] {
        assert!(table.contains(words), "{words} is missing in {table}");
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("only 5 genuine pairs"));
    for file in ["roc.svg", "det.svg", "scores.svg", "evaluation.html"] {
        let text = std::fs::read_to_string(place.path().join("figures").join(file)).expect("there");
        assert!(text.contains("<svg") && !text.contains("NaN"), "{file}");
    }
}

#[test]
fn labels_lie_beside_and_streaming_agrees_with_keeping() {
    let place = place();
    let data: Vec<u8> = ROWS
        .iter()
        .flat_map(|row| [row.2.to_radians().cos(), row.2.to_radians().sin()])
        .flat_map(|value| (value as f32).to_le_bytes())
        .collect();
    place.write("set.npy", &npy("<f4", "7, 2", &data));
    let names: Vec<&str> = ROWS.iter().map(|row| row.1).collect();
    place.write("labels.txt", names.join("\n").as_bytes());
    let set = ["verification", "set.npy", "--labels", "labels.txt"];
    let exact = found(&place, &set);
    let streamed = found(&place, &[&set[..], &["--exact-up-to", "20"]].concat());
    assert!(exact["verification"]["resolution"].is_null() && streamed["verification"]["resolution"].is_f64());
    for measure in ["auc", "genuine", "impostor"] {
        near(&streamed["verification"][measure], exact["verification"][measure].as_f64().expect("a number"));
    }
    let sampled = found(&place, &[&set[..], &["--sampled", "10", "--seed", "3"]].concat());
    near(&sampled["verification"]["pairs"], 10.0);
    let balanced = found(&place, &[&set[..], &["--balanced"]].concat());
    assert_eq!(balanced["verification"]["genuine"], balanced["verification"]["impostor"]);
}

#[test]
fn pairs_are_named_by_id_and_folds_choose_blindly() {
    let place = place();
    let pairs = "a,b,same,fold\na1,a2,1,1\na1,b1,0,1\nb1,b2,yes,2\na2,b2,no,2\na2,a3,true,5\na3,b1,false,5\n";
    place.write("pairs.csv", pairs.as_bytes());
    let list = ["verification", "set.csv", "--pairs", "pairs.csv"];
    let evaluated = found(
        &place,
        &[&list[..], &["--costs", "0.5,1,1", "--costs", "0.01,10,1", "--bootstrap", "50"]].concat(),
    );
    near(&evaluated["verification"]["auc"], 1.0);
    // The others of fold 2 choose the cosine of 5 degrees, which refuses its genuine pair of 10.
    near(&evaluated["cross_validation"]["accuracy"], 5.0 / 6.0);
    assert_eq!(evaluated["cross_validation"]["folds"].as_array().map(Vec::len), Some(3));
    assert_eq!(evaluated["bootstrap"]["drawn"], "identities");
    assert!(evaluated["bootstrap"]["intervals"].is_null(), "two identities");
    near(&evaluated["costs"][1]["minimum"]["normalised"], 0.0);
    place.refused(
        &[&["eval"], &list[..], &["--folds", "2"]].concat(),
        &["--folds: found 2, but pairs.csv has a column `fold`"],
    );
    let unfolded = "a,b,same\na1,a2,1\na1,b1,0\nb1,b2,yes\na2,b2,no\na2,a3,true\na3,b1,false\n";
    place.write("unfolded.csv", unfolded.as_bytes());
    let two = found(&place, &["verification", "set.csv", "--pairs", "unfolded.csv", "--folds", "2"]);
    assert_eq!(two["cross_validation"]["folds"].as_array().map(Vec::len), Some(2));
    let classes = found(&place, &["verification", "set.csv", "--bootstrap", "50"]);
    assert_eq!(classes["bootstrap"]["drawn"], "identities");
    near(&classes["bootstrap"]["intervals"]["drawn"], 3.0);
    // Without labels there are only pairs to draw.
    place.write("bare.csv", b"id,x,y\na1,1,0\na2,0.9,0.1\na3,0.8,0.1\nb1,0,1\nb2,0.1,0.9\n");
    place.write("bare-pairs.csv", b"a,b,same\na1,a2,1\na1,a3,1\nb1,b2,1\na1,b1,0\na2,b2,0\na3,b1,0\n");
    let bare = ["verification", "bare.csv", "--pairs", "bare-pairs.csv", "--bootstrap", "50"];
    let bare = found(&place, &bare);
    assert_eq!(bare["bootstrap"]["drawn"], "pairs");
    assert!(bare["warnings"].to_string().contains("drawing pairs"), "{}", bare["warnings"]);
    for pairs in [&["--sampled", "15"][..], &["--balanced"], &["--probe", "set.csv", "--keep-self"]] {
        let intervals = found(&place, &[&["verification", "set.csv", "--bootstrap", "50"], pairs].concat());
        assert_eq!(intervals["bootstrap"]["drawn"], "identities", "{pairs:?}");
    }
    let output = place.run(&["eval", "verification", "set.csv", "--bootstrap", "50", "--figures", "drawn"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("95 % interval,") && told.contains("drawing 3 identities"), "{told}");
    let page = std::fs::read_to_string(place.path().join("drawn/evaluation.html")).expect("there");
    assert!(page.contains("drawing 3 identities"));
}

#[test]
fn probes_meet_templates_and_a_cohort() {
    let place = place();
    place.write("probe.csv", csv(&[("p1", "bag", 5.0), ("p2", "boot", 84.0)]).as_bytes());
    let impostors: Vec<String> = (0..8).map(|nth| format!("{}", 17 * nth)).collect();
    let impostors: Vec<(&str, &str, f64)> =
        impostors.iter().enumerate().map(|(nth, id)| (id.as_str(), "x", 150.0 + 9.0 * nth as f64)).collect();
    place.write("cohort.csv", csv(&impostors).as_bytes());
    let sets = ["verification", "set.csv", "--probe", "probe.csv"];
    near(&found(&place, &sets)["verification"]["pairs"], 14.0);
    let templates = found(&place, &[&sets[..], &["--templates", "mean-direction"]].concat());
    near(&templates["verification"]["pairs"], 6.0);
    near(&templates["verification"]["genuine"], 2.0);
    for (name, score) in [("z", "Z-normalised score"), ("adaptive-s", "adaptively S-normalised score")] {
        let cohort = ["--cohort", "cohort.csv", "--normalisation", name];
        let top: &[&str] = if name == "adaptive-s" { &["--top", "4"] } else { &[] };
        let normalised = found(&place, &[&sets[..], &cohort, top].concat());
        assert_eq!(normalised["score"], score);
        near(&normalised["verification"]["pairs"], 14.0);
    }
    place.write("pairs.csv", b"a,b,same\na1,a2,1\na1,b1,0\n");
    let cohort = ["--cohort", "cohort.csv", "--normalisation", "s"];
    let list = found(&place, &[&["verification", "set.csv", "--pairs", "pairs.csv"], &cohort[..]].concat());
    near(&list["verification"]["pairs"], 2.0);
    place.refused(&[&["eval", "verification", "set.csv"], &cohort[..]].concat(), &["--cohort", "--probe"]);
}

#[test]
fn a_calibration_says_if_its_slope_is_not_of_the_scores() {
    let place = place();
    for (scores, apart) in [("0.9,1\n0.8,1\n0.2,0\n0.1,0\n", true), ("0.9,1\n0.3,1\n0.4,0\n0.1,0\n", false)] {
        place.write("scores.csv", format!("score,same\n{scores}").as_bytes());
        for prior in ["1e-6", "0.5"] {
            let made = found(&place, &["calibrate", "scores.csv", "--prior", prior]);
            let warned = made["warnings"].to_string().contains("separates the genuine");
            assert_eq!(warned, apart, "{made}");
            let slope = made["saved"]["calibration"]["slope"].as_f64().expect("a number");
            assert!(slope > 1.0 && slope < 1e4, "{prior}: {slope}");
        }
    }
}

#[test]
fn crowded_cosines_are_printed_by_their_distance() {
    let place = place();
    let rows: String = (0..8).map(|row| format!("{},{},{}\n", row % 2, 1e6 + f64::from(row), 1e6)).collect();
    place.write("crowded.csv", format!("label,x0,x1\n{rows}").as_bytes());
    let made = found(&place, &["geometry", "crowded.csv"]);
    // Of rows n apart, the cosine is 1 - (n / 1e6)^2 / 8; between the classes, n is 1, 3, 5 or 7, with 7, 5, 3 or 1 pairs.
    let expected = (7.0 * 1.0 + 5.0 * 9.0 + 3.0 * 25.0 + 49.0) / 16.0 / 8e12;
    let distance = made["geometry"]["between"]["mean_distance"].as_f64().expect("a number");
    assert!((distance / expected - 1.0).abs() < 1e-3, "{distance} {expected}");
}

#[test]
fn a_calibration_is_saved_and_evaluated_on_other_pairs() {
    let place = place();
    let made = found(&place, &["calibrate", "set.csv", "--far", "0.2", "-o", "calibration.json"]);
    let saved: Value =
        serde_json::from_slice(&std::fs::read(place.path().join("calibration.json")).expect("there"))
            .expect("JSON");
    assert_eq!(made["saved"], saved);
    assert_eq!((&saved["version"], &saved["score"]), (&1.into(), &"cosine".into()));
    assert!(saved["calibration"]["slope"].as_f64().is_some_and(|slope| slope > 0.0));
    assert!(made["cllr"].as_f64() >= made["minimum_cllr"].as_f64());
    let evaluated = found(
        &place,
        &["verification", "set.csv", "--calibration", "calibration.json", "--costs", "0.5,1,1"],
    );
    assert_eq!(evaluated["calibration"]["at_threshold"], made["at_threshold"]);
    near(&evaluated["calibration"]["cllr"], made["cllr"].as_f64().expect("a number"));
    assert!(
        evaluated["costs"][0]["actual"]["cost"].as_f64() >= evaluated["costs"][0]["minimum"]["cost"].as_f64()
    );
    let by_cost = found(&place, &["calibrate", "set.csv", "--costs", "0.5,1,1"]);
    near(&by_cost["saved"]["chosen_for"]["costs"]["prior"], 0.5);

    // The warning about few pairs is in the file.
    assert!(saved["warnings"].to_string().contains("only 5 genuine pairs"), "{saved}");
    let text = saved.to_string();
    let changed = |key: &str, value: Value, checked: bool| {
        let mut changed = saved.clone();
        changed[key] = value;
        if !checked {
            changed.as_object_mut().expect("an object").remove("checksum");
        }
        changed.to_string()
    };
    // Files of earlier versions have no checksum and no warnings, and the layout of the text does not matter.
    for text in [changed("version", 1.into(), false), serde_json::to_string_pretty(&saved).expect("text")] {
        place.write("read.json", text.as_bytes());
        found(&place, &["verification", "set.csv", "--calibration", "read.json"]);
    }
    for (bad, fragment) in [
        (changed("threshold", 0.9.into(), true), "checksum"),
        (changed("impostor", 17.into(), true), "checksum"),
        (changed("threshold", 2.644.into(), false), "the threshold 2.644, expected a cosine from -1 to 1"),
        (changed("threshold", (-1.5).into(), false), "threshold -1.5"),
        (changed("genuine", 0.into(), false), "0 genuine"),
        (changed("chosen_for", serde_json::json!({"far": 1.5}), false), "false accept rate of 1.5"),
        (text.replace("\"version\":1", "\"version\":2"), "version 2"),
        (text.replace("\"slope\":", "\"slope\":-"), "slope"),
        (changed("score", "other score".into(), false), "other score"),
        (text.replace("\"impostor\"", "\"imposter\""), "imposter"),
        ("{}".to_owned(), "missing field"),
    ] {
        place.write("bad.json", bad.as_bytes());
        place.refused(&["eval", "verification", "set.csv", "--calibration", "bad.json"], &[fragment]);
    }
}

#[test]
fn flags_without_effect_are_refused() {
    let place = place();
    place.write("pairs.csv", b"a,b,same\na1,a2,1\na1,b1,0\n");
    place.write("scores.csv", b"score,same\n0.9,1\n0.1,0\n0.8,1\n");
    let clustering = |method: &[&'static str], flag: &[&'static str]| {
        let arguments = [&["eval", "clustering", "set.csv"], method, flag].concat();
        let name = method.get(1).map_or("k-means", |name| name);
        place.refused(&arguments, &[&format!("{}: has no effect with --method {name}", flag[0])]);
    };
    let k_means = [["--clusters", "2"], ["--starts", "2"], ["--steps", "2"], ["--seed", "2"]];
    let (least, linkage) = (["--least", "2"], ["--linkage", "single"]);
    for flag in [least, linkage, ["--cosine", "0.5"]] {
        clustering(&[], &flag);
    }
    for flag in k_means.iter().chain([&linkage]) {
        clustering(&["--method", "dbscan", "--cosine", "0.9"], flag);
    }
    for flag in k_means.iter().chain([&least]) {
        clustering(&["--method", "agglomerative", "--cosine", "0.9"], flag);
    }
    for (arguments, fragments) in [
        (
            &["verification", "set.csv", "--keep-self"][..],
            &["--keep-self: has no effect without --probe or --cohort"][..],
        ),
        (
            &["verification", "set.csv", "--pairs", "pairs.csv", "--keep-self"],
            &["--keep-self: has no effect"],
        ),
        (&["calibrate", "set.csv", "--keep-self"], &["--keep-self: has no effect"]),
        (&["retrieval", "set.csv", "--keep-self"], &["--keep-self: has no effect without --gallery"]),
        (
            &["verification", "set.csv", "--seed", "1"],
            &["--seed: has no effect without --sampled, --balanced or --bootstrap"],
        ),
        (
            &["calibrate", "set.csv", "--seed", "1"],
            &["--seed: has no effect without --sampled or --balanced"],
        ),
        (&["scores", "scores.csv", "--seed", "1"], &["--bootstrap"]),
        (&["verification", "scores.csv", "--columns", "x*"], &["--columns: scores.csv has scores"]),
        (&["verification", "scores.csv", "--exact-up-to", "9"], &["--exact-up-to: scores.csv has scores"]),
        (
            &["verification", "set.csv", "--pairs", "pairs.csv", "--exact-up-to", "9"],
            &["--exact-up-to", "--pairs"],
        ),
        (
            &["verification", "set.csv", "--sampled", "9", "--exact-up-to", "9"],
            &["--exact-up-to", "--sampled"],
        ),
    ] {
        place.refused(&[&["eval"], arguments].concat(), fragments);
    }
    for (flag, value, part) in [
        ("--classes-per-batch", "3", "without --sampler class-balanced"),
        ("--samples-per-class", "3", "without --sampler class-balanced"),
        ("--sampling-power", "0.5", "without --sampler by-frequency"),
    ] {
        place.refused(&["train", "--quick", flag, value], &[&format!("{flag}: has no effect {part}")]);
    }
    let batch = ["train", "--quick", "--sampler", "class-balanced", "--batch", "32"];
    place.refused(&batch, &["--batch: has no effect with the sampler class-balanced"]);
    place.refused(&["loss", "--list", "--objective", "arcface"], &["--list", "--objective"]);
    // As many confusions in JSON as were asked for.
    let listed = |count: &str| {
        let found = found(&place, &["retrieval", "set.csv", "--confusions", count]);
        found["confusions"].as_array().map(Vec::len)
    };
    assert_eq!((listed("1"), listed("2"), listed("0")), (Some(1), Some(2), None));
}

#[test]
fn files_and_calibrations_of_several_models_are_not_mixed() {
    let place = place();
    place.write("probes.csv", csv(&[("p", "bag", 2.0), ("q", "boot", 85.0), ("r", "coat", 40.0)]).as_bytes());
    let made_by = |file: &str, checksum: u32, rows: usize| {
        let about =
            format!("{{\"model\": [1000, {checksum}], \"input\": \"x\", \"rows\": {rows}, \"dim\": 2}}");
        place.write(&format!("{file}.about.json"), about.as_bytes());
    };
    let compare = ["verification", "set.csv", "--probe", "probes.csv"];
    let search = ["retrieval", "probes.csv", "--gallery", "set.csv"];
    let enrol = ["identification", "probes.csv", "--gallery", "set.csv"];
    let cohort = [
        "verification",
        "set.csv",
        "--probe",
        "probes.csv",
        "--cohort",
        "cohort.csv",
        "--normalisation",
        "s",
        "--keep-self",
    ];
    place.write("cohort.csv", csv(&ROWS).as_bytes());
    let commands = [&compare[..], &search, &enrol, &cohort];
    let says =
        |arguments: &[&str], part: &str| found(&place, arguments)["warnings"].to_string().contains(part);
    // Of no file the model is known, then of one, then of both.
    for command in commands {
        assert!(!says(command, "which model made it"));
    }
    made_by("set.csv", 1, 7);
    for command in commands {
        assert!(says(command, "does not state which model made it, but set.csv does"), "{command:?}");
    }
    made_by("probes.csv", 2, 3);
    for command in commands {
        place.refused(&[&["eval"], command].concat(), &["made by a different model"]);
    }
    made_by("probes.csv", 1, 3);
    assert!(!says(&compare, "which model made it"));
    assert!(says(&cohort, "cohort.csv does not state which model made it"));
    // More rows than were written.
    made_by("probes.csv", 1, 2);
    assert!(says(&search, "probes.csv has 3 rows, but `embed` wrote 2"));
    for task in ["clustering", "geometry", "verification", "calibrate"] {
        made_by("set.csv", 1, 6);
        assert!(says(&[task, "set.csv"], "set.csv has 7 rows, but `embed` wrote 6"), "{task}");
    }

    // The calibration states its model.
    made_by("set.csv", 1, 7);
    let saved = found(&place, &["calibrate", "set.csv", "-o", "one.json"])["saved"].clone();
    assert_eq!(saved["model"], serde_json::json!([1000, 1]));
    let with = ["verification", "set.csv", "--calibration", "one.json"];
    assert!(!says(&with, "model"));
    made_by("set.csv", 2, 7);
    place.refused(
        &[&["eval"], &with[..]].concat(),
        &["--calibration", "one.json: the calibration of another model than set.csv"],
    );
    std::fs::remove_file(place.path().join("set.csv.about.json")).expect("there");
    assert!(says(&with, "set.csv does not state which model made it"));
    found(&place, &["calibrate", "set.csv", "-o", "unknown.json"]);
    assert!(says(
        &["verification", "set.csv", "--calibration", "unknown.json"],
        "unknown.json does not state which model"
    ));
}

#[test]
fn retrieval_finds_what_can_be_counted() {
    let place = place();
    let within = found(&place, &["retrieval", "set.csv", "--k", "1,6"]);
    // a1 finds a2, a2 a1, a3 c1 (wrong), b1 c2 (wrong), b2 b1, c1 a3 (wrong), c2 b1 (wrong).
    near(&within["retrieval"]["precision_at_1"], 3.0 / 7.0);
    near(&within["retrieval"]["recall_at"]["6"], 1.0);
    let output = place.run(&["eval", "retrieval", "set.csv", "--confusions", "2", "--figures", "figures"]);
    success(&output);
    let table = String::from_utf8_lossy(&output.stdout);
    for words in ["recall at 5", "MAP@R", "mAP", "nDCG", "Most frequent confusions", "coat"] {
        assert!(table.contains(words), "{words} is missing in {table}");
    }
    for file in ["cmc.svg", "precision-at-recall.svg", "confusion.svg", "evaluation.html"] {
        assert!(place.exists(&format!("figures/{file}")), "{file}");
    }
    place.write("query.csv", b"label,camera,x,y\nbag,1,1,0\nboot,2,0,1\n");
    place.write("gallery.csv", b"label,camera,x,y\nbag,1,1,0.01\nboot,1,1,0.1\nbag,2,0.5,1\nboot,1,0.01,1\n");
    let sets = ["retrieval", "query.csv", "--gallery", "gallery.csv"];
    near(&found(&place, &sets)["retrieval"]["precision_at_1"], 1.0);
    let cameras = found(&place, &[&sets[..], &["--exclude-same-camera"]].concat());
    near(&cameras["retrieval"]["precision_at_1"], 0.5);
    place.write("cameras.txt", b"7\n7\n");
    let beside = ["--exclude-same-camera", "--cameras", "cameras.txt"];
    near(&found(&place, &[&sets[..], &beside].concat())["retrieval"]["precision_at_1"], 1.0);
}

#[test]
fn identification_clustering_and_geometry_answer() {
    let place = place();
    place.write("gallery.csv", csv(&ROWS[..5]).as_bytes());
    let open = found(&place, &["identification", "set.csv", "--gallery", "gallery.csv", "--far", "0.5,1"]);
    near(&open["identification"]["known"], 5.0);
    near(&open["identification"]["rank_1"], 1.0);
    near(&open["dir_at_far"][1]["dir"], 1.0);
    near(&open["identification"]["closed_set"]["rank"]["1"], 1.0);
    let two = found(&place, &["clustering", "gallery.csv"]);
    near(&two["agreement"]["ari"], 1.0);
    near(&two["clusters"], 2.0);
    let dense = found(
        &place,
        &["clustering", "gallery.csv", "--method", "dbscan", "--cosine", "0.99", "--least", "2"],
    );
    assert_eq!((&dense["noise"], &dense["clusters"]), (&2.into(), &1.into()));
    let said = dense["warnings"].to_string();
    assert!(said.contains("All 3 embeddings that are not noise are in one cluster"), "{said}");
    let lines = |arguments: &[&str]| {
        let cluster = ["clustering", "gallery.csv", "--assignments", "clusters.csv"];
        found(&place, &[&cluster[..], arguments].concat());
        std::fs::read_to_string(place.path().join("clusters.csv")).expect("there")
    };
    let text = lines(&["--method", "dbscan", "--cosine", "0.99", "--least", "2"]);
    // The boots are too far from each other.
    assert_eq!(text, "row,id,label,cluster\n0,a1,bag,0\n1,a2,bag,0\n2,a3,bag,0\n3,b1,boot,\n4,b2,boot,\n");
    let text = lines(&[]);
    let cluster =
        |row: usize| text.lines().nth(row + 1).and_then(|line| line.rsplit(',').next()).expect("a row");
    assert!(cluster(0) == cluster(2) && cluster(3) == cluster(4) && cluster(0) != cluster(3), "{text}");
    for (how, part) in [
        (&["--clusters", "1"][..], "in one cluster"),
        (&["--clusters", "5"], "a cluster of its own"),
        (&["--method", "dbscan", "--cosine", "0.9999"], "All embeddings are noise"),
    ] {
        let found = found(&place, &[&["clustering", "gallery.csv"], how].concat());
        assert!(found["warnings"].to_string().contains(part), "{found}");
    }
    let tree = found(&place, &["clustering", "gallery.csv", "--method", "agglomerative", "--cosine", "0.9"]);
    near(&tree["agreement"]["nmi"], 1.0);
    let shape = found(&place, &["geometry", "gallery.csv"]);
    near(&shape["geometry"]["centres"]["bound"], 180.0);
    assert!(shape["geometry"]["effective_rank"].as_f64().is_some_and(|rank| (1.0..=2.0).contains(&rank)));
    for task in ["identification", "clustering", "geometry"] {
        let gallery: &[&str] = if task == "identification" { &["--gallery", "gallery.csv"] } else { &[] };
        success(&place.run(&[&["eval", task, "set.csv", "--figures", task], gallery].concat()));
        assert!(place.exists(&format!("{task}/evaluation.html")));
    }
    assert!(place.exists("identification/identification.svg") && place.exists("identification/cmc.svg"));
    // Without unknown probes, the closed-set question remains. The nearest other class of b1 is that of c2.
    let closed = found(&place, &["identification", "set.csv", "--gallery", "set.csv"]);
    near(&closed["identification"]["known"], 7.0);
    near(&closed["identification"]["unknown"], 0.0);
    near(&closed["identification"]["closed_set"]["rank"]["1"], 3.0 / 7.0);
    assert_eq!(closed["identification"]["closed_set"]["cmc"][1], serde_json::json!([2, 1.0]));
    assert!(closed["warnings"].to_string().contains("only the closed-set results"), "{closed}");
    success(&place.run(&[
        "eval",
        "identification",
        "set.csv",
        "--gallery",
        "set.csv",
        "--figures",
        "closed",
    ]));
    assert!(!place.exists("closed/identification.svg"));
}

#[test]
fn samples_of_both_files_are_not_compared_with_themselves() {
    let place = place();
    let within = found(&place, &["retrieval", "set.csv", "--k", "1,5"]);
    // The same file, a copy without ids, and a scaled copy with other ids.
    let scaled: String = csv(&ROWS)
        .lines()
        .enumerate()
        .map(|(nth, line)| {
            let fields: Vec<&str> = line.split(',').collect();
            let [x, y] = [2, 3]
                .map(|at| fields[at].parse::<f64>().map_or(fields[at].to_owned(), |v| (4.0 * v).to_string()));
            let id = if nth == 0 { "id".to_owned() } else { format!("other{nth}") };
            format!("{id},{},{x},{y}\n", fields[1])
        })
        .collect();
    place.write("scaled.csv", scaled.as_bytes());
    place.write(
        "copy.csv",
        csv(&ROWS).replace("id,", "sample,").replace("sample,label", "id,label").as_bytes(),
    );
    for gallery in ["set.csv", "copy.csv", "scaled.csv"] {
        let sets = ["retrieval", "set.csv", "--gallery", gallery, "--k", "1,5"];
        let apart = found(&place, &sets);
        for measure in
            ["queries", "precision_at_1", "r_precision", "map_at_r", "mean_average_precision", "ndcg"]
        {
            near(&apart["retrieval"][measure], within["retrieval"][measure].as_f64().expect("a number"));
        }
        near(&apart["self_matches"]["pairs"], 7.0);
        assert_eq!(apart["self_matches"]["excluded"], true);
        assert!(apart["warnings"].to_string().contains("7 queries are also in the gallery"), "{apart}");
        let kept = found(&place, &[&sets[..], &["--keep-self"]].concat());
        near(&kept["retrieval"]["precision_at_1"], 1.0);
        assert!(kept["warnings"].to_string().contains("each finds itself"), "{kept}");
        let table = place.run(&[&["eval"], &sets[..]].concat());
        assert!(String::from_utf8_lossy(&table.stdout).contains("self-matches, left out"));
        assert!(String::from_utf8_lossy(&table.stderr).contains("--keep-self"));
    }
    let probes = ["verification", "set.csv", "--probe", "scaled.csv"];
    let pairs = |more: &[&str]| found(&place, &[&probes[..], more].concat())["verification"]["pairs"].clone();
    assert_eq!([pairs(&[]), pairs(&["--keep-self"])], [42, 49].map(Value::from));
    assert_eq!(pairs(&["--exact-up-to", "10"]), 42, "counted in bins");
    // Another embedding of a sample that is known by its id, and ids that only number the rows.
    place
        .write("again.csv", csv(&[("a1", "bag", 1.0), ("b1", "boot", 81.0), ("x", "coat", 50.0)]).as_bytes());
    let by_id = found(&place, &["retrieval", "again.csv", "--gallery", "set.csv"]);
    assert_eq!([&by_id["self_matches"]["pairs_by_id"], &by_id["self_matches"]["pairs_by_value"]], [2, 0]);
    let numbered = |labels: [&str; 3], turn: f64| {
        csv(&[("0", labels[0], 3.0 + turn), ("1", labels[1], 70.0 + turn), ("2", labels[2], 40.0 + turn)])
    };
    place.write("left.csv", numbered(["bag", "boot", "coat"], 0.0).as_bytes());
    place.write("right.csv", numbered(["boot", "bag", "coat"], 5.0).as_bytes());
    let independent = found(&place, &["retrieval", "left.csv", "--gallery", "right.csv"]);
    near(&independent["self_matches"]["conflicting_ids"], 2.0);
    near(&independent["self_matches"]["pairs"], 0.0);
    assert!(independent["warnings"].to_string().contains("ids do not identify samples"), "{independent}");
    // Templates are made without the probes, and a cohort is used without the evaluated embeddings.
    let templates = ["identification", "again.csv", "--gallery", "set.csv", "--templates", "mean"];
    let templates = found(&place, &templates);
    near(&templates["self_matches"]["gallery"], 2.0);
    assert!(templates["warnings"].to_string().contains("not in the templates"), "{templates}");
    let cohort = csv(&ROWS) + &csv(&[("z1", "z", 200.0), ("z2", "z", 230.0)]).split_off(13);
    place.write("cohort.csv", cohort.as_bytes());
    let cohort = ["--cohort", "cohort.csv", "--normalisation", "s", "--probe", "again.csv"];
    let cohort = found(&place, &[&["verification", "set.csv"], &cohort[..]].concat());
    assert!(cohort["warnings"].to_string().contains("7 embeddings of the cohort"), "{cohort}");
}

#[test]
fn copies_within_a_set_are_reported() {
    let place = place();
    let mut rows = ROWS.to_vec();
    rows.extend([("a9", "bag", 4.0), ("c9", "coat", 90.0)]);
    place.write("twice.csv", csv(&rows).as_bytes());
    for task in ["retrieval", "verification", "calibrate"] {
        let repeated = found(&place, &[task, "twice.csv"]);
        let expected = serde_json::json!({"rows": 4, "groups": 2, "groups_of_several_classes": 1});
        assert_eq!(repeated["repeated"], expected, "{task}");
        assert!(repeated["warnings"].to_string().contains("4 embeddings equal another one"), "{repeated}");
    }
    // One sample with two labels, in one file and in two.
    let contradiction = "equal embeddings have different labels (1 groups), so at least one label of each group is wrong. The first is \\\"b2\\\" \
                         with the label \\\"boot\\\" and \\\"c9\\\" with the label \\\"coat\\\".";
    for task in ["retrieval", "verification", "calibrate", "clustering", "geometry"] {
        let warnings = found(&place, &[task, "twice.csv"])["warnings"].to_string();
        assert!(warnings.contains(contradiction), "{task}: {warnings}");
        assert!(
            !found(&place, &[task, "set.csv"])["warnings"].to_string().contains("different labels"),
            "{task}"
        );
    }
    place.write("other.csv", csv(&[("x", "bag", 3.0), ("y", "coat", 90.0), ("z", "boot", 70.0)]).as_bytes());
    for sets in [
        ["retrieval", "other.csv", "--gallery", "set.csv"],
        ["identification", "other.csv", "--gallery", "set.csv"],
        ["verification", "set.csv", "--probe", "other.csv"],
    ] {
        let warnings = found(&place, &sets)["warnings"].to_string();
        assert!(
            warnings.contains("1 queries have another label")
                || warnings.contains("1 probes have another label"),
            "{warnings}"
        );
        assert!(
            warnings
                .contains("\\\"y\\\" with the label \\\"coat\\\", \\\"b2\\\" with the label \\\"boot\\\""),
            "{warnings}"
        );
    }
    assert!(found(&place, &["retrieval", "set.csv"])["repeated"].is_null());
    place.write("pairs.csv", b"a,b,same\na1,a1,1\na1,a2,1\na1,b1,0\n");
    let listed = found(&place, &["verification", "set.csv", "--pairs", "pairs.csv"]);
    near(&listed["pairs_of_equal_rows"], 1.0);
    assert!(listed["warnings"].to_string().contains("1 pairs of pairs.csv compare an embedding with itself"));
    place.write("pairs.csv", b"a,b,same\nb2,c9,0\na1,a2,1\na1,b1,0\n");
    let listed = found(&place, &["verification", "twice.csv", "--pairs", "pairs.csv"]);
    assert!(
        listed["warnings"].to_string().contains("1 of these pairs are listed as of different classes"),
        "{listed}"
    );
}

#[test]
fn crowded_cosines_are_separated_and_reported() {
    let place = place();
    // Four classes in three dimensions, then the same with a mean that is 10,000 times as long.
    let values: Vec<[f64; 3]> = (0..24)
        .map(|row| {
            let (class, step) = (f64::from(row % 4), f64::from(row * row % 11) / 11.0);
            [(class * 1.7).cos() + 0.9 * step, (class * 1.7).sin() - 0.8 * step, 0.6 * (step - 0.5)]
        })
        .collect();
    let labels: Vec<String> = (0..24).map(|row| format!("class-{}", row % 4)).collect();
    place.write("labels.txt", labels.join("\n").as_bytes());
    let write = |name: &str, offset: f64| -> Vec<Vec<f64>> {
        let data: Vec<f32> = values.iter().flatten().map(|value| (value + offset) as f32).collect();
        let bytes: Vec<u8> = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        place.write(name, &npy("<f4", "24, 3", &bytes));
        let unit = |row: &[f32]| -> Vec<f64> {
            let norm = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            row.iter().map(|&v| f64::from(v) / norm).collect()
        };
        data.chunks(3).map(unit).collect()
    };
    for (name, offset) in [("plain.npy", 0.0), ("far.npy", 1e4)] {
        let rows = write(name, offset);
        let distance = |a: usize, b: usize| -> f64 {
            rows[a].iter().zip(&rows[b]).map(|(x, y)| (x - y) * (x - y)).sum()
        };
        let pairs: Vec<(usize, usize)> = (0..24).flat_map(|a| (a + 1..24).map(move |b| (a, b))).collect();
        let (mut won, mut count) = (0.0, 0.0);
        for &(a, b) in pairs.iter().filter(|(a, b)| a % 4 == b % 4) {
            for &(c, d) in pairs.iter().filter(|(c, d)| c % 4 != d % 4) {
                won += f64::from(u8::from(distance(a, b) < distance(c, d)));
                count += 1.0;
            }
        }
        let nearest = |a: usize| {
            let others = (0..24).filter(|&b| b != a);
            others.min_by(|&b, &c| distance(a, b).total_cmp(&distance(a, c))).expect("others")
        };
        let first = (0..24).filter(|&row| nearest(row) % 4 == row % 4).count() as f64 / 24.0;
        let set = [name, "--labels", "labels.txt"];
        for more in [&[][..], &["--exact-up-to", "50"]] {
            let verified = found(&place, &[&["verification"], &set[..], more].concat());
            let auc = verified["verification"]["auc"].as_f64().expect("a number");
            assert!((auc - won / count).abs() < 1e-3, "{name} {more:?}: {auc}, expected {}", won / count);
            assert_eq!(verified["warnings"].to_string().contains("precision of float32"), offset > 0.0);
            assert_eq!(verified["crowding"].is_null(), offset == 0.0);
        }
        let ranked = found(&place, &[&["retrieval"], &set[..]].concat());
        near(&ranked["retrieval"]["precision_at_1"], first);
        assert_eq!(ranked["warnings"].to_string().contains("precision of float32"), offset > 0.0);
        for task in ["clustering", "geometry"] {
            let found = found(&place, &[&[task], &set[..]].concat());
            assert_eq!(
                found["warnings"].to_string().contains("precision of float32"),
                offset > 0.0,
                "{task}"
            );
        }
        let text = place.run(&[&["eval", "verification"], &set[..]].concat());
        assert_eq!(String::from_utf8_lossy(&text.stdout).contains("1 - "), offset > 0.0);
    }
}

#[test]
fn each_way_to_be_wrong_names_the_file_the_row_or_the_flag() {
    let place = place();
    let set = |name: &str, text: &str| place.write(name, text.as_bytes());
    set("nan.csv", "id,label,x,y\np,a,1,0\nq,b,NaN,1\n");
    set("zero.csv", "label,x,y\na,1,0\nb,0,0\n");
    set("one.csv", "label,x,y\na,1,0\na,0,1\n");
    set("singles.csv", "label,x,y\na,1,0\nb,0,1\n");
    set("bare.csv", "x,y\n1,0\n0,1\n");
    set("empty.csv", "label,x,y\n");
    set("three.csv", "label,x,y,z\na,1,0,0\nb,0,1,0\nb,0,1,1\n");
    set("two-labels.txt", "a\nb\n");
    place.write("no-rows.npy", &npy("<f4", "0, 2", &[]));
    let refused = |arguments: &[&str], fragments: &[&str]| {
        place.refused(&[&["eval"], arguments].concat(), fragments);
    };
    for task in ["verification", "retrieval", "clustering", "geometry", "calibrate"] {
        refused(&[task, "nan.csv"], &["nan.csv", "row 1", "column 0", "NaN", "\"q\""]);
        refused(&[task, "zero.csv"], &["zero.csv", "row 1", "zeros"]);
        refused(&[task, "one.csv"], &["one.csv", "class \"a\"", "2 classes"]);
        refused(&[task, "bare.csv"], &["bare.csv", "no labels"]);
        refused(&[task, "empty.csv"], &["empty.csv", "no rows"]);
        refused(&[task, "missing.csv"], &["missing.csv"]);
        refused(
            &[task, "set.csv", "--labels", "two-labels.txt"],
            &["two-labels.txt", "2 labels for 7 embeddings"],
        );
        refused(&[task, "no-rows.npy", "--labels", "two-labels.txt"], &["two-labels.txt", "0 embeddings"]);
    }
    refused(&["verification", "singles.csv"], &["singles.csv", "none of the 2 classes has two samples"]);
    refused(&["retrieval", "singles.csv"], &["singles.csv", "none of the 2 queries"]);
    // Pairs.
    for (text, fragments) in [
        ("a,b,same\na1,zz,1\n", &["pairs.csv", "line 2", "zz", "set.csv"][..]),
        ("a,b,same\na1,a2,perhaps\n", &["pairs.csv", "line 2", "same", "perhaps"]),
        ("a,b\na1,a2\n", &["pairs.csv", "same"]),
        ("a,b,same\n", &["pairs.csv", "no rows"]),
        ("a,b,same\na1,a2,1\n", &["pairs.csv", "1 genuine and 0 impostor"]),
        ("a,b,same,fold\na1,a2,1,1\na1,b1,0,2\n", &["folds of pairs.csv", "fold 0"]),
    ] {
        set("pairs.csv", text);
        refused(&["verification", "set.csv", "--pairs", "pairs.csv"], fragments);
    }
    let folds = ["verification", "set.csv", "--pairs", "pairs.csv", "--folds", "3"];
    refused(&folds, &["--folds", "found 3", "pairs.csv has a column `fold`"]);
    set("pairs.csv", "a,b,same\na1,a2,1\na1,b1,0\n");
    refused(&folds, &["--folds", "found 3", "2 to 2"]);
    let columns = ["three.csv: the columns of the embedding are not those of set.csv", "found also z"];
    refused(&["verification", "set.csv", "--probe", "three.csv"], &columns);
    refused(&["verification", "set.csv", "--far", "1.5"], &["--far", "1.5", "from 0 to 1"]);
    refused(&["verification", "set.csv", "--costs", "0.5,1"], &["--costs", "expected three"]);
    refused(&["verification", "set.csv", "--costs", "2,1,1"], &["--costs", "prior"]);
    refused(&["verification", "set.csv", "--sampled", "1"], &["--sampled", "at least 2"]);
    refused(&["verification", "set.csv", "--bootstrap", "3"], &["--bootstrap", "at least 20"]);
    refused(&["calibrate", "set.csv", "--prior", "1"], &["prior", "between 0 and 1"]);
    set("given.csv", "a,b,same\na1,a2,1\na1,b1,0\n");
    for command in ["verification", "calibrate"] {
        refused(
            &[command, "set.csv", "--pairs", "given.csv", "--labels", "empty.txt"],
            &["--labels", "empty.txt", "--pairs"],
        );
    }
    // Retrieval.
    refused(&["retrieval", "set.csv", "--k", "7"], &["--k", "set.csv", "k = 7", "the 6 rows"]);
    refused(&["retrieval", "set.csv", "--k", "0"], &["--k", "at least 1"]);
    // No output replaces an input.
    for arguments in
        [["clustering", "set.csv", "--assignments", "./set.csv"], ["calibrate", "set.csv", "-o", "set.csv"]]
    {
        refused(&arguments, &["set.csv", "also an input"]);
    }
    success(&place.run(&["eval", "retrieval", "set.csv"]));
    // Nor a file of another kind.
    place.write("mine.txt", b"my notes");
    for arguments in
        [["clustering", "set.csv", "--assignments", "mine.txt"], ["calibrate", "set.csv", "-o", "mine.txt"]]
    {
        refused(&arguments, &["mine.txt: already exists and is not"]);
    }
    let calibrate = ["eval", "calibrate", "set.csv", "-o", "mine.json"];
    place.write("mine.json", b"");
    for _ in 0..2 {
        success(&place.run(&calibrate));
    }
    assert_eq!(std::fs::read(place.path().join("mine.txt")).expect("there"), b"my notes");
    refused(&["retrieval", "set.csv", "--gallery", "empty.csv"], &["empty.csv", "no rows"]);
    refused(
        &["retrieval", "set.csv", "--gallery", "no-rows.npy", "--gallery-labels", "empty.txt"],
        &["empty.txt"],
    );
    set("empty.txt", "");
    refused(
        &["retrieval", "set.csv", "--gallery", "no-rows.npy", "--gallery-labels", "empty.txt"],
        &["empty.txt: is empty"],
    );
    refused(&["retrieval", "set.csv", "--exclude-same-camera"], &["set.csv", "no cameras", "--cameras"]);
    let cameras = ["retrieval", "set.csv", "--exclude-same-camera", "--cameras", "two-labels.txt"];
    refused(&cameras, &["--cameras: two-labels.txt", "2 cameras for 7 embeddings"]);
    // Identification and clustering.
    set("others.csv", "label,x,y\nz,1,0\ny,0,1\n");
    refused(
        &["identification", "set.csv", "--gallery", "others.csv"],
        &["set.csv and others.csv", "no probe shows an enrolled identity: 7 show others"],
    );
    set("first.csv", "id,label,x,y\na1,bag,1,0\n");
    refused(
        &["identification", "first.csv", "--gallery", "first.csv"],
        &["first.csv and first.csv", "1 only match copies of themselves"],
    );
    refused(
        &["identification", "set.csv", "--gallery", "set.csv", "--templates", "mean"],
        &["set.csv: all 7 embeddings are also probes of set.csv", "--keep-self"],
    );
    refused(&["retrieval", "first.csv", "--gallery", "first-and-other.csv"], &["first-and-other.csv"]);
    set("first-and-other.csv", "id,label,x,y\na1,bag,1,0\nb1,boot,0,1\n");
    refused(
        &["retrieval", "first.csv", "--gallery", "first-and-other.csv"],
        &["first.csv and first-and-other.csv", "self-matches are excluded", "--keep-self"],
    );
    refused(&["clustering", "set.csv", "--clusters", "8"], &["set.csv", "8 clusters for 7"]);
    refused(&["clustering", "set.csv", "--method", "dbscan"], &["--cosine"]);
    refused(&["clustering", "set.csv", "--method", "dbscan", "--cosine", "3"], &["set.csv", "cosine", "3"]);
}

#[test]
fn scores_labels_and_classes_that_are_probably_mistakes_are_named() {
    let place = place();
    let scores = "a,b,score,same\np,q,0.9,1\nr,s,0.1,0\nq,p,0.9,0\nr,s,0.2,0\nt,t,1,1\n";
    place.write("scores.csv", scores.as_bytes());
    let warnings = found(&place, &["scores", "scores.csv"])["warnings"].to_string();
    for said in
        ["1 scores of scores.csv are of pairs that another row", "have a score already", "with itself"]
    {
        assert!(warnings.contains(said), "{said}: {warnings}");
    }
    let labelled = |labels: [&str; 2], turn: f64| {
        let row = |id, label, angle: f64| (id, label, angle + turn);
        csv(&[
            row("u", labels[0], 1.0),
            row("v", labels[0], 3.0),
            row("w", labels[1], 80.0),
            row("x", labels[1], 90.0),
        ])
    };
    place.write("none.csv", labelled(["bag", "None"], 0.0).as_bytes());
    let warnings = found(&place, &["retrieval", "none.csv"])["warnings"].to_string();
    assert!(warnings.contains("2 embeddings have the label"), "{warnings}");
    // No class of one file is in the other, because of the spelling.
    place.write("lower.csv", labelled(["c1", "c10"], 0.0).as_bytes());
    place.write("upper.csv", labelled(["C1", "C10"], 5.0).as_bytes());
    for [task, flag] in
        [["retrieval", "--gallery"], ["identification", "--gallery"], ["verification", "--probe"]]
    {
        place.refused(
            &["eval", task, "lower.csv", flag, "upper.csv"],
            &["\"c1\"", "\"C1\"", "differ only in upper and lower case"],
        );
    }
}

#[test]
fn intervals_are_of_the_rates_that_were_asked_for() {
    let place = place();
    let asked = ["--far", "0.3,0.05", "--bootstrap", "50"];
    place.write("scores.csv", b"score,same\n0.9,1\n0.6,1\n0.4,1\n0.5,0\n0.3,0\n0.1,0\n");
    for (task, file) in [("verification", "set.csv"), ("scores", "scores.csv")] {
        let found = found(&place, &[&[task, file], &asked[..]].concat());
        let intervals = found["bootstrap"]["intervals"]["tar_at_far"].as_array().expect("a list");
        let lines = found["tar_at_far"].as_array().expect("a list");
        assert_eq!(intervals.len(), 2, "{found}");
        for (interval, line) in intervals.iter().zip(lines) {
            assert_eq!(interval["far"], line["far"]);
            assert!(interval["low"].as_f64() <= line["tar"].as_f64(), "{found}");
            assert!(line["tar"].as_f64() <= interval["high"].as_f64(), "{found}");
        }
        let output = place.run(&[&["eval", task, file], &asked[..]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.matches("95 % interval,").count(), 2, "{text}");
        assert_eq!(text.matches("drawing ").count(), 2, "{text}");
        let line = text.lines().find(|line| line.starts_with("5e-2")).expect("a line");
        assert!(line.contains(" % to "), "{line}");
    }
    let all = found(&place, &["verification", "set.csv", "--bootstrap", "50"]);
    let rates = |list: &Value| -> Vec<Value> {
        list.as_array().expect("a list").iter().map(|line| line["far"].clone()).collect()
    };
    assert_eq!(rates(&all["bootstrap"]["intervals"]["tar_at_far"]), rates(&all["tar_at_far"]));
}

#[test]
fn a_calibration_is_used_for_its_own_kind_of_comparison() {
    let place = place();
    place
        .write("probe.csv", csv(&[("p1", "bag", 5.0), ("p2", "boot", 84.0), ("p3", "bag", 61.0)]).as_bytes());
    let cohort = |name: &str, first: f64, reversed: bool| {
        let mut lines: Vec<String> =
            (0..8).map(|nth| csv(&[(&format!("{nth}"), "x", first + 9.0 * f64::from(nth))])).collect();
        for line in &mut lines {
            *line = line.lines().nth(1).expect("a row").to_owned();
        }
        if reversed {
            lines.reverse();
        }
        place.write(name, format!("id,label,x,y\n{}\n", lines.join("\n")).as_bytes());
    };
    cohort("one.csv", 150.0, false);
    cohort("same.csv", 150.0, true);
    cohort("two.csv", 151.0, false);
    let sets = ["set.csv", "--probe", "probe.csv"];
    let with = |task: &'static str, more: &[&'static str]| [&[task], &sets[..], more].concat();
    let normalised = |cohort: &'static str, top: &'static str| {
        ["--cohort", cohort, "--normalisation", "adaptive-s", "--top", top]
    };
    let made =
        found(&place, &[&with("calibrate", &normalised("one.csv", "4"))[..], &["-o", "c.json"]].concat());
    assert_eq!((&made["saved"]["cohort"]["rows"], &made["saved"]["cohort"]["top"]), (&8.into(), &4.into()));
    assert!(made["compared"].to_string().contains("Adaptively S-normalised scores with the cohort one.csv"));
    let calibrated = ["--calibration", "c.json"];
    let evaluate = |more: &[&'static str]| [&with("verification", more)[..], &calibrated].concat();
    for cohort in ["one.csv", "same.csv"] {
        found(&place, &evaluate(&normalised(cohort, "4")));
    }
    let refused = |arguments: &[&str], fragments: &[&str]| {
        place.refused(&[&["eval"], arguments].concat(), fragments);
    };
    refused(&evaluate(&normalised("two.csv", "4")), &["--calibration", "another cohort normalised"]);
    refused(&evaluate(&normalised("one.csv", "5")), &["with --top 4, found --top 5"]);

    // Single embeddings and templates.
    found(&place, &[&with("calibrate", &["--templates", "mean"])[..], &["-o", "t.json"]].concat());
    found(&place, &[&with("calibrate", &[])[..], &["-o", "s.json"]].concat());
    let using = |file: &'static str, more: &[&'static str]| {
        [&with("verification", more)[..], &["--calibration", file]].concat()
    };
    found(&place, &using("t.json", &["--templates", "mean"]));
    found(&place, &using("s.json", &[]));
    let templates = "templates (--templates mean)";
    refused(&using("t.json", &[]), &["a calibration of", templates, "the pairs are of single embeddings"]);
    refused(&using("s.json", &["--templates", "mean"]), &["a calibration of single embeddings", templates]);
    refused(&using("t.json", &["--templates", "mean-direction"]), &["--templates mean-direction"]);
}

#[test]
fn flags_that_another_flag_rules_out_are_refused() {
    let place = place();
    place.write("pairs.csv", b"a,b,same\na1,a2,1\na1,b1,0\n");
    for (arguments, fragment) in [
        (&["--pairs", "pairs.csv", "--templates", "mean"][..], "--templates: has no effect without --probe"),
        (&["--pairs", "pairs.csv", "--part", "train"], "--part: has no effect with --pairs"),
        (&["--sampled", "9", "--probe-labels", "x.txt"], "--probe-labels: has no effect without --probe"),
    ] {
        place.refused(&[&["eval", "verification", "set.csv"], arguments].concat(), &[fragment]);
    }
    let nearest = ["nearest", "--embeddings", "set.csv", "--row", "a1", "-k", "1"];
    place.refused(&[&nearest[..], &["--query-columns", "nosuch"]].concat(), &["--query-columns"]);
    let unknown = r#"{"features": [[1, 0]], "weights": [[1, 0]], "labels": [0], "scale": 5}"#;
    place.write("loss.json", unknown.as_bytes());
    place.refused(&["loss", "loss.json"], &["loss.json", "scale", "features", "weights", "labels"]);
}

#[test]
fn figures_do_not_replace_other_files() {
    let place = place();
    let draw = ["eval", "verification", "set.csv", "--figures", "drawn"];
    place.write("drawn/evaluation.html", b"<html>my notes</html>");
    place.refused(&draw, &["evaluation.html: already exists and is not a page of `eval`"]);
    std::fs::remove_file(place.path().join("drawn/evaluation.html")).expect("there");
    place.write("drawn/roc.svg", b"<svg>mine</svg>");
    place.refused(&draw, &["--figures", "roc.svg: already exists and is not a figure of `eval`"]);
    assert!(!place.exists("drawn/det.svg") && !place.exists("drawn/evaluation.html"));
    std::fs::remove_file(place.path().join("drawn/roc.svg")).expect("there");
    // Its own files are replaced.
    for _ in 0..2 {
        success(&place.run(&draw));
    }
    success(&place.run(&["eval", "clustering", "set.csv", "--figures", "drawn"]));
}

#[test]
fn lists_cameras_and_folds_that_are_probably_mistakes_are_named() {
    let place = place();
    let says = |arguments: &[&str], part: &str| {
        let warnings = found(&place, arguments)["warnings"].to_string();
        assert!(warnings.contains(part), "{part}: {warnings}");
    };
    place.write("again.csv", b"a,b,same\na1,a2,1\na1,b1,0\na2,a1,1\n");
    let again = ["verification", "set.csv", "--pairs", "again.csv"];
    says(&again, "1 lines of again.csv list a pair again");
    place.write("sorted.csv", b"a,b,same\na1,a2,1\nb1,b2,1\na1,a3,1\na1,b1,0\na2,b2,0\na3,b1,0\n");
    says(
        &["verification", "set.csv", "--pairs", "sorted.csv", "--folds", "3"],
        "2 of 3 folds have pairs of one kind only",
    );
    let with_cameras = |cameras: [&str; 4]| {
        let rows = csv(&[("a", "bag", 0.0), ("b", "bag", 5.0), ("c", "boot", 80.0), ("d", "boot", 90.0)]);
        let lines = rows.lines().skip(1).zip(cameras).map(|(line, camera)| format!("{line},{camera}\n"));
        place.write("seen.csv", format!("id,label,x,y,camera\n{}", lines.collect::<String>()).as_bytes());
    };
    with_cameras(["1", "2", "3", "4"]);
    let excluding = ["retrieval", "seen.csv", "--exclude-same-camera"];
    says(&excluding, "no two rows of seen.csv have the same class and camera");
    with_cameras(["1"; 4]);
    place.refused(&[&["eval"], &excluding[..]].concat(), &["none has one of another camera"]);
    place.write("parts.csv", b"label,split,x,y\na,train,1,0\na,test,0.9,0.1\nb,train,0,1\nb,test,0.1,0.9\n");
    says(&["retrieval", "parts.csv"], "the rows of all parts in the column `split` are evaluated");
    // The same id for two samples.
    place.write("other.csv", csv(&[("a1", "bag", 30.0), ("b1", "boot", 60.0)]).as_bytes());
    for kept in [&["--keep-self"][..], &[]] {
        let probes = [&["retrieval", "other.csv", "--gallery", "set.csv"], kept].concat();
        says(&probes, "their embeddings differ");
    }
}

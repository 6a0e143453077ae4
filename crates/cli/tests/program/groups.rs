//! Samples that belong together: groups and cameras.

use super::evaluation::found;
use super::{Workplace, json, success};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Classes with two groups of five rows each, and a camera per row.
fn table() -> String {
    let mut text = String::from("id,label,group,camera,x,y,z\n");
    for row in 0..200_u32 {
        let wave = |by: f64| (f64::from(row) * by).cos() + f64::from(row / 10 % 7);
        let (x, y, z) = (wave(0.7), wave(1.9), wave(3.1));
        writeln!(text, "r{row},c{},g{},cam{},{x},{y},{z}", row / 10, row / 5, row % 2).expect("a text");
    }
    text
}

#[test]
fn groups_of_unseen_classes_are_evaluated_as_a_whole_and_pairs_within_them_are_counted() {
    let place = Workplace::new();
    place.write("t.csv", table().as_bytes());
    let train = ["train", "--data", "t.csv", "--batch", "10", "--epochs", "1", "--out", "run"];
    let output = place.run(&train);
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("Left out"), "{said}");
    let report = json(&place.path().join("run/report.json"));
    let unseen: BTreeSet<&str> =
        report["unseen"]["classes"].as_array().expect("classes").iter().filter_map(|c| c.as_str()).collect();
    assert_eq!((unseen.len(), &report["unseen"]["samples"]), (4, &serde_json::json!(40)));
    let within = "80 of 180 genuine pairs of the evaluation set (44 %) are within one group.";
    let cameras = "The column `camera` is not used";
    let page = std::fs::read_to_string(place.path().join("run/report.html")).expect("a page");
    for sentence in [within, cameras] {
        assert!(said.contains(sentence), "{sentence}: {said}");
        assert!(report["warnings"].to_string().contains(sentence), "{sentence}: {}", report["warnings"]);
    }
    assert!(page.contains(within));
    // The same for the table, without a model.
    for command in ["retrieval", "verification"] {
        let said = found(&place, &[command, "t.csv"])["warnings"].to_string();
        assert!(said.contains("400 of 900 genuine pairs") && said.contains("t.csv"), "{command}: {said}");
    }
}

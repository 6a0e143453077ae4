//! `widemargin eval all`: every protocol on the same rows.

use super::evaluation::{ROWS, csv, found, place};
use super::success;

const PROTOCOLS: [&str; 4] = ["verification", "retrieval", "clustering", "geometry"];

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn all_protocols_give_the_results_of_their_own_commands() {
    let place = place();
    place.write(
        "split.csv",
        b"sample,part\na1,train\na2,train\na3,train\nb1,test\nb2,test\nc1,test\nc2,test\n",
    );
    for flags in [&["set.csv"][..], &["set.csv", "--split", "split.csv"], &["set.csv", "--ignore", "boot"]] {
        let all = found(&place, &[&["all"], flags].concat());
        for protocol in PROTOCOLS {
            assert_eq!(all[protocol], found(&place, &[&[protocol], flags].concat()), "{protocol} {flags:?}");
        }
        assert_eq!(all["skipped"], serde_json::json!({}));
        assert!(all["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty()), "{all}");
    }
    // A part that has no row, and a label that no row has, as for the single commands.
    place.refused(
        &["eval", "all", "set.csv", "--split", "split.csv", "--part", "validation"],
        &["--part validation: no row of set.csv"],
    );
    place.refused(&["eval", "all", "set.csv", "--ignore", "bags"], &["no row has the label \"bags\""]);
}

#[test]
fn the_summary_fits_a_terminal_and_the_page_has_everything() {
    let place = place();
    let output = place.run(&["eval", "all", "set.csv", "--figures", "figures"]);
    success(&output);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    for words in ["verification", "EER", "recall at 1", "MAP@R", "NMI", "effective rank", "7 embeddings of 3"]
    {
        assert!(table.contains(words), "{words} is missing in {table}");
    }
    let page = std::fs::read_to_string(place.path().join("figures/evaluation.html")).expect("there");
    for words in [
        "<h3>Verification</h3>",
        "<h3>Verification: True accept rate",
        "<h3>Retrieval</h3>",
        "<h3>Clustering</h3>",
        "<h3>Geometry: Cosines</h3>",
        "minimum Cllr",
        "nDCG at 5",
    ] {
        assert!(page.contains(words), "{words} is missing");
    }
    for file in ["roc", "det", "scores", "cmc", "precision-at-recall", "confusion", "cosines"] {
        assert!(place.exists(&format!("figures/{file}.svg")), "{file}");
    }
    // Each warning once, although several protocols give it.
    place.write("twice.csv", b"label,x,y\na,1,0\na,1,0\nb,0,1\nb,1,1\n");
    let output = place.run(&["eval", "all", "twice.csv"]);
    success(&output);
    assert_eq!(said(&output).matches("embeddings equal another one").count(), 1, "{}", said(&output));
}

#[test]
fn a_protocol_that_the_data_cannot_support_is_skipped_with_the_reason() {
    let place = place();
    // Without two samples of a class, there are no genuine pairs.
    let single: Vec<_> = ROWS.iter().map(|(id, _, angle)| (*id, *id, *angle)).collect();
    place.write("single.csv", csv(&single).as_bytes());
    let all = found(&place, &["all", "single.csv"]);
    for protocol in ["verification", "retrieval", "geometry"] {
        assert!(all[protocol].is_null(), "{protocol}");
        assert!(
            all["skipped"][protocol].as_str().is_some_and(|why| why.starts_with("single.csv: ")),
            "{all}"
        );
    }
    assert_eq!(all["clustering"], found(&place, &["clustering", "single.csv"]));
    let output = place.run(&["eval", "all", "single.csv"]);
    success(&output);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("verification  skipped") && table.contains("NMI"), "{table}");
    let warning =
        "warning: The protocol verification is skipped: single.csv: none of the 7 classes has two samples";
    assert!(said(&output).contains(warning), "{}", said(&output));
    // The mean of two opposite embeddings has no direction.
    place.write("opposite.csv", b"label,x,y\na,1,0\na,-1,0\nb,0,1\nb,0.1,1\n");
    let all = found(&place, &["all", "opposite.csv"]);
    assert_eq!(
        all["skipped"].as_object().map(|skipped| skipped.keys().cloned().collect()),
        Some(vec!["geometry".to_owned()])
    );
    assert!(all["skipped"]["geometry"].to_string().contains("class \\\"a\\\" is zero"), "{}", all["skipped"]);
    // A single class supports no protocol.
    place.write("one.csv", b"label,x,y\na,1,0\na,0,1\n");
    place.refused(
        &["eval", "all", "one.csv"],
        &["all 2 embeddings are of class \"a\"; need at least 2 classes"],
    );
}

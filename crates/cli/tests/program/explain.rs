//! Tests of `widemargin explain`: the pages that it writes, and the features that `--train` trains.

use crate::{Workplace, success};

#[test]
fn explain_writes_both_languages_or_one() {
    let place = Workplace::new();
    let output = place.run(&["explain", "-o", "new/page"]);
    success(&output);
    let said = String::from_utf8_lossy(&output.stdout).replace('\\', "/");
    assert_eq!(said, "new/page/index.html\nnew/page/index.zh.html\n");
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).expect(name);
    let (english, chinese) = (read("new/page/index.html"), read("new/page/index.zh.html"));
    assert!(english.contains("<html lang=\"en\">") && english.contains("href=\"index.zh.html\""));
    assert!(chinese.contains("<html lang=\"zh-Hans\">") && chinese.contains("href=\"index.html\""));

    success(&place.run(&["explain", "-o", "one", "--lang", "zh"]));
    assert!(place.exists("one/index.zh.html") && !place.exists("one/index.html"));
    assert!(
        !read("one/index.zh.html").contains("href=\"index.html\""),
        "no link to a page that was not written"
    );
}

#[test]
fn wrong_arguments_are_rejected() {
    let place = Workplace::new();
    place.write("taken", b"");
    place.refused(&["explain", "-o", "taken"], &["taken is a file; give a folder"]);
    place.refused(&["explain", "--lang", "fr"], &["'fr'", "en", "zh"]);
    place.refused(&["explain", "--epochs", "2"], &["--train"]);
    std::fs::create_dir_all(place.path().join("old/training/2d-softmax")).expect("a folder");
    place.refused(&["explain", "-o", "old", "--train"], &["2d-softmax already exists"]);
}

#[test]
fn the_features_of_the_page_can_be_trained_again() {
    let place = Workplace::new();
    success(
        &place.run(&["explain", "-o", "page", "--lang", "en", "--train", "--images", "150", "--epochs", "1"]),
    );
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).expect(name);
    let features: serde_json::Value = serde_json::from_str(&read("page/features.json")).expect("JSON");
    let runs = features["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 10);
    for run in runs {
        let dim = run["dim"].as_u64().expect("a number") as usize;
        let points = run["points"].as_array().expect("a list");
        assert_eq!(points.len(), 10);
        for class in points {
            let class = class.as_array().expect("a list");
            assert_eq!(class.len() % dim, 0);
            let first: f64 = class[..dim].iter().map(|v| v.as_f64().expect("a number").powi(2)).sum();
            assert!((first.sqrt() - 1000.0).abs() < 2.0, "a unit vector in thousandths: {first}");
        }
        assert_eq!(run["centres"].as_array().expect("a list").len(), 7 * dim);
    }
    let settings = features["training"].as_str().expect("a text");
    assert!(settings.contains("1 epochs") && read("page/index.html").contains(settings), "{settings}");
}

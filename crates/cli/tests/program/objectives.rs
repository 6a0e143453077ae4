//! Objectives that are composed in a configuration, and comparisons with several seeds.

use super::{Workplace, image_folder, json, success};
use serde_json::Value;

const TINY: &str = "[data]\nheight = 8\nwidth = 8\nchannels = 1\n\n[model]\nembedding = 4\n\n[sampler]\nbatch = 16\n\n\
                    [schedule]\nmargin_warm_up_epochs = 1.0\n\n[training]\nepochs = 2\n\n[objective]\n";

fn place() -> Workplace {
    let place = Workplace::new();
    image_folder(&place, "images", 8, 8);
    place
}

#[test]
fn a_comparison_with_seeds_reports_spread_and_paired_differences() {
    let place = place();
    place.write("tiny.toml", TINY.replace("[objective]\n", "").as_bytes());
    let compare = ["train", "--data", "images", "--config", "tiny.toml", "--compare", "softmax,am-softmax"];
    let output = place.run(&[&compare[..], &["--seeds", "3", "--seed", "4", "--out", "all"]].concat());
    success(&output);
    let report = json(&place.path().join("all/report.json"));
    let runs = report["objectives"].as_array().expect("a list");
    let of = |run: &Value| {
        (run["objective"].as_str().expect("a name").to_owned(), run["seed"].as_u64().expect("a seed"))
    };
    let expected: Vec<(String, u64)> = ["softmax", "am-softmax"]
        .iter()
        .flat_map(|name| [4, 5, 6].map(|seed| ((*name).to_owned(), seed)))
        .collect();
    assert_eq!(runs.iter().map(of).collect::<Vec<_>>(), expected);
    for (name, seed) in &expected {
        assert!(place.exists(&format!("all/{name}-seed-{seed}/model.safetensors")), "{name} {seed}");
    }
    let eer = |run: &Value| run["unseen"]["verification"]["eer"].as_f64().expect("a number");
    let find = |measures: &Value| -> Value {
        let all = measures.as_array().expect("a list");
        all.iter().find(|found| found["measure"] == "EER").expect("it is measured").clone()
    };
    let seeds = &report["seeds"];
    for (at, objective) in seeds["objectives"].as_array().expect("a list").iter().enumerate() {
        let values: Vec<f64> = runs[3 * at..][..3].iter().map(eer).collect();
        let found = find(&objective["measures"]);
        assert_eq!(found["values"], serde_json::json!(values));
        let mean = values.iter().sum::<f64>() / 3.0;
        assert!((found["mean"].as_f64().expect("a number") - mean).abs() < 1e-12);
    }
    let paired = find(&seeds["differences"][0]["measures"]);
    let differences: Vec<f64> = (0..3).map(|at| eer(&runs[3 + at]) - eer(&runs[at])).collect();
    let mean = differences.iter().sum::<f64>() / 3.0;
    assert!((paired["mean"].as_f64().expect("a number") - mean).abs() < 1e-12, "{paired} {differences:?}");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["over 3 seeds (4, 5, 6)", "am-softmax against softmax, seed by seed", "95 % interval", " ± "]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(!printed.contains("one seed") && !printed.contains("samples/s"), "{printed}");
    let page = std::fs::read_to_string(place.path().join("all/report.html")).expect("there");
    assert!(page.contains("over 3 seeds") && page.contains("those of the first seed"));
    // A run of a comparison is the run with this seed.
    success(&place.run(&[
        "train",
        "--data",
        "images",
        "--config",
        "tiny.toml",
        "--objective",
        "softmax",
        "--seed",
        "5",
        "--out",
        "one",
    ]));
    let read = |path: &str| std::fs::read(place.path().join(path)).expect("there");
    assert!(read("one/model.safetensors") == read("all/softmax-seed-5/model.safetensors"));
    // Resumed after the last run is lost.
    std::fs::remove_dir_all(place.path().join("all/am-softmax-seed-6")).expect("there");
    success(&place.run(&["train", "--resume", "all"]));
    assert_eq!(
        find(&json(&place.path().join("all/report.json"))["seeds"]["differences"][0]["measures"]),
        paired
    );

    place.refused(&[&compare[..], &["--seeds", "0", "--out", "none"]].concat(), &["--seeds: found 0"]);
    place.refused(&["train", "--data", "images", "--seeds", "3"], &["--compare"]);
    // One seed: no verdict about which is better.
    let output = place.run(&[&compare[..], &["--epochs", "1", "--out", "once"]].concat());
    success(&output);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        printed.contains("am-softmax against softmax: EER ") && printed.contains("--seeds 5"),
        "{printed}"
    );
    assert!(json(&place.path().join("once/report.json"))["seeds"].is_null());
}

#[test]
fn any_combination_can_be_composed_in_the_configuration() {
    let place = place();
    let train = |name: &str, objective: &str, more: &[&str]| {
        place.write("own.toml", format!("{TINY}{objective}").as_bytes());
        place.run(&[&["train", "--data", "images", "--config", "own.toml", "--out", name], more].concat())
    };
    // The same point of the family under both names trains to the same bits.
    success(&train("named", "name = \"am-softmax\"\nscale = 16\nmargin = 0.2\n", &[]));
    success(&train("composed", "name = \"family\"\nscale = 16\ncosine_margin = 0.2\n", &[]));
    let weights = |run: &str| {
        let bytes = std::fs::read(place.path().join(run).join("model.safetensors")).expect("there");
        let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight")) as usize;
        bytes[8 + header..].to_vec()
    };
    assert!(weights("named") == weights("composed"));
    assert_eq!(json(&place.path().join("composed/report.json"))["objective"], "family");
    let points = "name = \"family\"\nscale = 16\nmargin_points = [[-1, -1.6], [0.2, -0.2], [1, 0.8]]\npool = \"max\"\nlink = \"hinge\"\n";
    success(&train("points", points, &[]));
    let stored = std::fs::read_to_string(place.path().join("points/config.toml")).expect("there");
    assert!(stored.contains("margin_points") && stored.contains("pool = \"max\""), "{stored}");
    // A run with it resumes to the same bits.
    success(&train("cut", points, &["--epochs", "1"]));
    success(&place.run(&["train", "--resume", "cut", "--epochs", "2"]));
    assert_eq!(json(&place.path().join("cut/report.json"))["objective"], "family");
    for (objective, expected) in [
        ("name = \"family\"\nmargin = 0.2\n", "has no parameter `margin`"),
        ("name = \"family\"\npool = \"mean\"\n", "objective.pool"),
        ("name = \"family\"\nmargin_points = [[-1, -1], [0.5, 0.2]]\n", "from the cosine -1 to the cosine 1"),
        ("name = \"family\"\nscore = \"dot\"\nangle_margin = 0.2\n", "a dot product has no angle"),
    ] {
        let output = train("none", objective, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(2) && said.contains(expected) && said.contains("own.toml"),
            "{said}"
        );
    }
}

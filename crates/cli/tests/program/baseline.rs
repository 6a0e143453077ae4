//! What a result is worth: the untrained baseline, warnings, the classes of loaded weights, and runs that diverge.

use super::{Workplace, json, success};
use serde_json::Value;
use std::fmt::Write;
use std::process::Output;

/// A table of `classes` classes of 12 rows in 8 dimensions. A class is an axis or the sum of two, and `noise` is added to every value.
fn table(place: &Workplace, name: &str, classes: usize, noise: f64) {
    let mut text = String::from("label,e0,e1,e2,e3,e4,e5,e6,e7\n");
    for class in 0..classes {
        for row in 0..12 {
            write!(text, "class-{class}").expect("room");
            for axis in 0..8 {
                let own = axis == class % 8 || (class >= 8 && axis == (class + 3) % 8);
                let wave = ((row * 31 + axis * 17 + class * 7) as f64 * 1.7).sin();
                write!(text, ",{}", if own { 1.0 + noise * wave } else { noise * wave }).expect("room");
            }
            text.push('\n');
        }
    }
    place.write(name, text.as_bytes());
}

/// The settings of these runs; `more` goes to `[training]` and to sections after it.
fn settings(place: &Workplace, data: &str, more: &str) {
    let text = format!(
        "[data]\npath = \"{data}\"\nunseen = 3\n[model]\nbackbone = \"linear\"\nembedding = 6\n[sampler]\nbatch = 16\n\
         [training]\nepochs = 2\n{more}"
    );
    place.write("run.toml", text.as_bytes());
}

fn train(place: &Workplace, out: &str, extra: &[&str]) -> Output {
    place.run(&[&["train", "--config", "run.toml", "--out", out], extra].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn warnings(report: &Value) -> Vec<String> {
    let list = report["warnings"].as_array().expect("a list");
    list.iter().map(|warning| warning.as_str().expect("text").to_owned()).collect()
}

#[test]
fn every_run_is_compared_with_its_untrained_model() {
    let place = Workplace::new();
    table(&place, "data.csv", 12, 0.6);
    settings(&place, "data.csv", "");
    let output = train(&place, "run", &[]);
    success(&output);
    let report = json(&place.path().join("run/report.json"));
    for (pointer, sign) in [
        ("/unseen/verification/eer", -1.0),
        ("/unseen/verification/auc", 1.0),
        ("/unseen/verification/tar_at_far/1e-2", 1.0),
        ("/unseen/retrieval/recall_at/1", 1.0),
        ("/unseen/retrieval/r_precision", 1.0),
        ("/unseen/retrieval/map_at_r", 1.0),
    ] {
        let of = |part: &Value| part.pointer(pointer).and_then(Value::as_f64).expect(pointer);
        let expected = sign * (of(&report) - of(&report["untrained"]));
        assert!((of(&report["gain"]) - expected).abs() < 1e-12, "{pointer}: {report}");
    }
    // The centres are random, so there is no accuracy on the known classes to compare with.
    for part in ["untrained", "gain"] {
        let accuracy = report[part].pointer("/known/accuracy");
        assert!(accuracy.is_none_or(Value::is_null), "{part}: {accuracy:?}");
    }
    assert_eq!(report["untrained"]["weights"], "random");
    let shown = text(&output.stdout);
    let rows: Vec<&str> =
        shown.lines().filter(|line| line.contains(" %") || line.contains("gain ")).collect();
    assert!(rows[0].starts_with("untrained") && rows[1].starts_with("am-softmax"), "{shown}");
    assert!(rows[2].trim_start().starts_with("gain") && rows[2].contains(['+', '-']), "{shown}");
    let page = std::fs::read_to_string(place.path().join("run/report.html")).expect("there");
    assert!(page.contains(">untrained</th>") && page.contains(">gain</th>"));

    // A resumed run has the baseline of its initial weights, not of those of the checkpoint.
    std::fs::remove_file(place.path().join("run/report.json")).expect("there");
    success(&place.run(&["train", "--resume", "run"]));
    let again = json(&place.path().join("run/report.json"));
    assert_eq!((&again["untrained"], &again["gain"]), (&report["untrained"], &report["gain"]));

    // So has every run of a comparison and of a sweep, also for a closed set.
    success(&train(&place, "both", &["--compare", "softmax,am-softmax", "--closed-set", "--epochs", "1"]));
    let both = json(&place.path().join("both/report.json"));
    for entry in both["objectives"].as_array().expect("a list") {
        let base = &entry["untrained"]["known"]["verification"]["eer"];
        assert!(base.is_number() && entry["gain"]["known"]["retrieval"]["map_at_r"].is_number(), "{entry}");
        assert!(entry["untrained"]["unseen"].is_null());
    }
    let output = place.run(&["sweep", "--config", "run.toml", "--margin", "0.1,0.3", "--out", "swept"]);
    success(&output);
    let swept = json(&place.path().join("swept/sweep.json"));
    for run in swept["runs"].as_array().expect("runs") {
        assert_eq!(run["rounds"][0]["untrained"]["unseen"], report["untrained"]["unseen"], "{run}");
    }
    assert!(text(&output.stdout).contains("gain: by how many percentage points MAP@R"));
}

#[test]
fn a_model_that_does_not_beat_its_untrained_one_is_told_everywhere() {
    let place = Workplace::new();
    // So clear that a random projection separates every class, too.
    table(&place, "data.csv", 8, 0.001);
    settings(&place, "data.csv", "");
    place.write("seeds.toml", b"training.seed = [1, 2, 3, 4]\n");
    let sweep = ["sweep", "--config", "run.toml", "--grid", "seeds.toml", "--epochs", "2", "--halving"];
    for (by, expected) in [
        (
            "recall-at-1",
            "4 of 4 runs have the same recall at 1 as another one: their order is that of the list. 2 of them stopped although",
        ),
        ("tar", "The ranking by TAR at FAR 1e-3 rests on fewer than 10 false accepts: there are only"),
    ] {
        success(&place.run(&[&sweep[..], &["--by", by, "--out", by]].concat()));
        let warnings = json(&place.path().join(by).join("sweep.json"))["warnings"].to_string();
        assert!(warnings.contains(expected), "{warnings}");
    }
    let output = train(&place, "run", &[]);
    success(&output);
    let sentence = "am-softmax does not beat the untrained model: EER (both 0.00 %)";
    let found = warnings(&json(&place.path().join("run/report.json")));
    assert!(found.iter().any(|warning| warning.starts_with(sentence)), "{found:?}");
    let page = std::fs::read_to_string(place.path().join("run/report.html")).expect("there");
    assert!(page.contains("does not beat the untrained model"));
    let shown = text(&output.stdout);
    assert!(shown.contains(&format!("warning: {sentence}")), "{shown}");

    // Without trained parameters there is nothing to gain.
    success(&train(&place, "as-is", &["--backbone", "identity", "--embedding", "8"]));
    let found = warnings(&json(&place.path().join("as-is/report.json")));
    assert!(found.iter().any(|warning| warning.contains("no trained parameters")), "{found:?}");
}

#[test]
fn few_unseen_classes_are_told_everywhere() {
    let place = Workplace::new();
    table(&place, "data.csv", 30, 0.5);
    settings(&place, "data.csv", "");
    let output = train(&place, "run", &["--unseen", "19"]);
    success(&output);
    let sentence = "only 19 unseen classes";
    for shown in [&output.stdout, &output.stderr] {
        assert!(text(shown).contains(sentence), "{}", text(shown));
    }
    let found = warnings(&json(&place.path().join("run/report.json")));
    assert!(found.iter().any(|warning| warning.contains(sentence)), "{found:?}");
    let page = std::fs::read_to_string(place.path().join("run/report.html")).expect("there");
    assert!(page.contains(sentence) && page.contains("Warnings"));
    success(&train(&place, "more", &["--unseen", "20"]));
    let found = warnings(&json(&place.path().join("more/report.json")));
    assert!(!found.iter().any(|warning| warning.contains("unseen classes")), "{found:?}");
}

/// One short run with three weaknesses: an unseen class of one sample, few samples behind the known accuracy, and a setting of another sampler.
#[test]
fn results_of_few_samples_and_settings_without_effect_are_told() {
    let place = Workplace::new();
    table(&place, "data.csv", 26, 0.5);
    let mut data = std::fs::read_to_string(place.path().join("data.csv")).expect("there");
    data.push_str("alone,1,1,1,0,0,0,0,0\n");
    place.write("data.csv", data.as_bytes());
    settings(&place, "data.csv", "");
    let drawn = std::fs::read_to_string(place.path().join("run.toml")).expect("there");
    let few = drawn
        .replace("unseen = 3", "hold_out = 0.01")
        .replace("[sampler]", "[sampler]\npower = 0.3\nsamples_per_class = 3");
    place.write("run.toml", few.as_bytes());
    let unseen: Vec<String> = (0..19).map(|class| format!("class-{class}")).chain(["alone".into()]).collect();
    let output = train(&place, "run", &["--unseen-classes", &unseen.join(",")]);
    success(&output);
    let report = json(&place.path().join("run/report.json"));
    let page = std::fs::read_to_string(place.path().join("run/report.html")).expect("there");
    // 20 unseen classes would be enough. One sample of each of the 7 known classes is held out.
    assert_eq!(
        (&report["unseen"]["retrieval"]["excluded_queries"], &report["known"]["samples"]),
        (&1.into(), &7.into())
    );
    let said = warnings(&report);
    for sentence in [
        "Only 19 of the 20 unseen classes have at least two samples, fewer than 20",
        "The accuracy on known classes is of only 7 vectors, of 7 of the 7 known classes",
    ] {
        assert!(said.iter().any(|warning| warning.contains(sentence)), "{sentence}: {said:?}");
        for shown in [&output.stdout, &output.stderr] {
            assert!(text(shown).contains(sentence), "{sentence}: {}", text(shown));
        }
        assert!(page.contains(sentence), "{sentence}");
    }
    for (key, sampler) in [("power", "by-frequency"), ("samples_per_class", "class-balanced")] {
        let sentence = format!("sampler.{key}: no effect, because only the sampler `{sampler}` uses it");
        assert!(text(&output.stderr).contains(&sentence), "{sentence}: {}", text(&output.stderr));
    }
}

#[test]
fn classes_that_were_unseen_for_the_weights_stay_unseen() {
    let place = Workplace::new();
    table(&place, "data.csv", 12, 0.5);
    settings(&place, "data.csv", "");
    success(&train(&place, "first", &[]));
    let classes = |run: &str| {
        let report = json(&place.path().join(run).join("report.json"));
        (report["unseen"]["classes"].clone(), warnings(&report))
    };
    let (unseen, _) = classes("first");

    // Another draw of classes would be trained on by the weights.
    let weights = ["--weights", "first/model.safetensors"];
    let drawn = std::fs::read_to_string(place.path().join("run.toml")).expect("there");
    place.write("run.toml", drawn.replace("unseen = 3", "unseen = 3\nsplit_seed = 9").as_bytes());
    success(&train(&place, "alone", &[]));
    assert_ne!(classes("alone").0, unseen, "the seed draws other classes");
    let output = train(&place, "second", &weights);
    success(&output);
    let (kept, said) = classes("second");
    assert_eq!(kept, unseen);
    assert!(!said.iter().any(|warning| warning.contains("vectors of unseen classes")), "{said:?}");
    let report = json(&place.path().join("second/report.json"));
    assert!(
        report["untrained"]["weights"].as_str().is_some_and(|path| path.ends_with("first/model.safetensors"))
    );
    assert!(text(&output.stdout).lines().any(|line| line.starts_with("loaded weights ")));

    // A run of the second one's weights, resumed without them, keeps the classes, too.
    let weights = ["--weights", "second/model.safetensors"];
    success(&train(&place, "third", &weights));
    std::fs::remove_dir_all(place.path().join("second")).expect("gone");
    success(&place.run(&["train", "--resume", "third"]));
    assert_eq!(classes("third").0, unseen);

    // A number of unseen classes that the weights do not allow is refused: the configuration of a run has no number that was not used.
    for number in ["2", "5"] {
        let more = ["--weights", "third/model.safetensors", "--unseen", number];
        let expected = format!("found {number}, expected 3 or no number");
        place.refused(
            &[&["train", "--config", "run.toml", "--out", "no"], &more[..]].concat(),
            &["--unseen", &expected, "stay unseen"],
        );
        assert!(!place.exists("no"));
    }

    // A choice of the user holds, with a warning that names the classes.
    let named = |class: &str| !unseen.as_array().expect("a list").contains(&class.into());
    let known: Vec<String> =
        (0..12).map(|class| format!("class-{class}")).filter(|name| named(name)).take(2).collect();
    let weights = ["--weights", "third/model.safetensors", "--unseen-classes"];
    let output = train(&place, "chosen", &[&weights[..], &[&known.join(",")]].concat());
    success(&output);
    let (_, said) = classes("chosen");
    let leaked = said.iter().find(|warning| warning.contains("trained on 2 of the 2 unseen classes"));
    assert!(
        leaked.is_some_and(|warning| known.iter().all(|name| warning.contains(name.as_str()))),
        "{said:?}"
    );
    let lost = said.iter().find(|warning| warning.contains("trains on 3 classes that were unseen"));
    let names = unseen.as_array().expect("a list").iter().filter_map(Value::as_str);
    assert!(lost.is_some_and(|warning| names.clone().all(|name| warning.contains(name))), "{said:?}");
    assert!(text(&output.stderr).contains("the results are too good"), "also at the start");
}

#[test]
fn samples_that_the_weights_were_trained_on_are_told_if_a_run_is_evaluated_on_them() {
    let place = Workplace::new();
    table(&place, "data.csv", 12, 0.5);
    settings(&place, "data.csv", "");
    success(&train(&place, "first", &[]));
    let leaks = |run: &str| -> Vec<String> {
        let report = json(&place.path().join(run).join("report.json"));
        let all = warnings(&report);
        all.into_iter().filter(|warning| warning.starts_with("The loaded weights were trained on")).collect()
    };
    let weights = ["--weights", "first/model.safetensors"];
    // The same split: nothing to say, also with the file of the run.
    success(&train(&place, "same", &weights));
    let plain = std::fs::read_to_string(place.path().join("run.toml")).expect("there");
    place.write("run.toml", plain.replace("unseen = 3\n", "").as_bytes());
    success(&train(&place, "file", &[&weights[..], &["--split", "first/split.csv"]].concat()));
    assert_eq!((leaks("same"), leaks("file")), (Vec::new(), Vec::new()));

    // Another hold-out, and the names of the classes and rows are others, too.
    let renamed = std::fs::read_to_string(place.path().join("data.csv")).expect("there");
    place.write("renamed.csv", renamed.replace("class-", "kind-").as_bytes());
    for data in ["data.csv", "renamed.csv"] {
        settings(&place, data, "");
        let other = std::fs::read_to_string(place.path().join("run.toml")).expect("there");
        place.write("run.toml", other.replace("unseen = 3", "split_seed = 7").as_bytes());
        let out = format!("other-{data}");
        let output = train(&place, &out, &weights);
        success(&output);
        let said = leaks(&out).join(" ");
        assert!(
            said.contains(
                "test vectors of known classes, so the accuracy on known classes is too good; the first is "
            ) && said.contains("--split ")
                && said.contains("first/split.csv"),
            "{said}"
        );
        assert!(text(&output.stderr).contains("The loaded weights were trained on"), "also at the start");
        assert_eq!(said.contains("vectors of unseen classes"), data == "renamed.csv", "{said}");
    }
    // All classes: the evaluation set has samples of every class.
    settings(&place, "data.csv", "");
    let closed = std::fs::read_to_string(place.path().join("run.toml")).expect("there");
    place.write("run.toml", closed.replace("unseen = 3", "split_seed = 7").as_bytes());
    success(&train(&place, "closed", &[&weights[..], &["--closed-set"]].concat()));
    assert!(leaks("closed").join(" ").contains("so the results are too good"), "{:?}", leaks("closed"));

    // The samples of the first run are known through a chain, resumed without the weights.
    success(&train(&place, "second", &[&weights[..], &["--split", "first/split.csv"]].concat()));
    std::fs::remove_dir_all(place.path().join("first")).expect("gone");
    success(&place.run(&["train", "--resume", "second"]));
    place.write("run.toml", closed.replace("unseen = 3", "split_seed = 7").as_bytes());
    success(&train(&place, "third", &["--weights", "second/model.safetensors", "--closed-set"]));
    assert_eq!(leaks("third").len(), 1, "{:?}", leaks("third"));
}

#[test]
fn the_classes_in_the_file_of_the_weights_count_and_not_those_that_a_configuration_stored() {
    let place = Workplace::new();
    table(&place, "data.csv", 12, 0.5);
    settings(&place, "data.csv", "");
    success(&train(&place, "first", &[]));
    success(&train(&place, "second", &["--weights", "first/model.safetensors"]));
    // Other weights under the same name.
    let other = std::fs::read_to_string(place.path().join("run.toml")).expect("there");
    place.write("run.toml", other.replace("unseen = 3", "unseen = 3\nsplit_seed = 9").as_bytes());
    success(&train(&place, "other", &[]));
    std::fs::copy(place.path().join("other/model.safetensors"), place.path().join("first/model.safetensors"))
        .expect("copied");
    let output = place.run(&["train", "--config", "second/config.toml", "--out", "third"]);
    success(&output);
    let said = text(&output.stderr);
    assert!(
        said.contains(
            "warning: model.weights_classes of the configuration is not the list of the classes in "
        ) && said.contains("first/model.safetensors, which is used"),
        "{said}"
    );
    let unseen = |run: &str| json(&place.path().join(run).join("report.json"))["unseen"]["classes"].clone();
    assert_eq!(unseen("third"), unseen("other"));
    let config = |run: &str| {
        let text = std::fs::read_to_string(place.path().join(run).join("config.toml")).expect("there");
        text.lines().find(|line| line.starts_with("unseen = [")).map(str::to_owned)
    };
    assert_ne!(config("third"), config("second"));
}

#[test]
fn a_table_has_one_measure_of_the_accuracy_on_known_classes() {
    let place = Workplace::new();
    table(&place, "data.csv", 12, 0.5);
    settings(&place, "data.csv", "");
    let entries = |run: &str| -> Vec<Value> {
        let report = json(&place.path().join(run).join("report.json"));
        report["objectives"].as_array().cloned().unwrap_or_else(|| vec![report])
    };
    let by = |entry: &Value| entry["known"]["accuracy_by"].as_str().map(str::to_owned);
    for (names, expected, has_baseline) in
        [("softmax,triplet-margin", "class means", true), ("softmax,am-softmax", "class centres", false)]
    {
        let output = train(&place, expected, &["--compare", names]);
        success(&output);
        let found = entries(expected);
        assert_eq!(found.len(), 2);
        for entry in &found {
            assert_eq!(by(entry).as_deref(), Some(expected));
            assert!(entry["known"]["accuracy"].is_f64(), "{entry}");
            for part in ["untrained", "gain"] {
                assert_eq!(entry[part]["known"]["accuracy"].is_f64(), has_baseline, "{part}: {entry}");
            }
        }
        let told = text(&output.stdout);
        let sentence =
            if has_baseline { "by the nearest mean of training samples" } else { "by the class centres" };
        let page = std::fs::read_to_string(place.path().join(expected).join("report.html")).expect("there");
        assert!(told.contains(sentence) && page.contains(sentence), "{told}");
    }
    place.write("grid.toml", b"objective.name = [\"softmax\", \"triplet-margin\"]\n");
    let output = place.run(&[
        "sweep",
        "--config",
        "run.toml",
        "--out",
        "sweep",
        "--grid",
        "grid.toml",
        "--by",
        "accuracy",
    ]);
    success(&output);
    assert_eq!(json(&place.path().join("sweep/sweep.json"))["accuracy_by"], "class means");
    let page = std::fs::read_to_string(place.path().join("sweep/sweep.html")).expect("there");
    assert!(
        page.contains("by the nearest mean of training samples")
            && text(&output.stdout).contains("nearest mean")
    );
    // The same run with the same measure.
    success(&train(&place, "alone", &["--objective", "softmax"]));
    assert_eq!(by(&entries("alone")[0]).as_deref(), Some("class centres"));
}

#[test]
fn a_run_that_diverges_says_so_and_writes_no_model() {
    let place = Workplace::new();
    table(&place, "data.csv", 8, 0.5);
    settings(&place, "data.csv", "checkpoint_every = 1\n");
    for (run, extra) in [
        // The gradient or the loss overflows.
        ("loss", &["--objective", "softmax", "--learning-rate", "1e30"][..]),
        // Cosines and gradients stay small, and only the norms of the embeddings explode.
        ("norm", &["--learning-rate", "1e25"]),
    ] {
        let said = place.refused(
            &[&["train", "--config", "run.toml", "--out", run], extra].concat(),
            &["the run diverged at step ", "Try a lower learning rate", "last good checkpoint"],
        );
        assert!(!said.contains("resume"), "{said}");
        assert!(!place.exists(&format!("{run}/model.safetensors")), "{said}");
        assert!(!place.exists(&format!("{run}/report.json")), "{said}");
        assert!(place.exists(&format!("{run}/checkpoints/step-0000000000")), "{said}");
    }
}

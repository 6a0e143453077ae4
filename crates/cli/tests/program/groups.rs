//! Samples that belong together: groups and cameras.

use super::evaluation::{found, near};
use super::{CLOTHING, SMALL, Workplace, json, success};
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

/// Of 20 classes with 10 rows each, of which each camera has 5: pairs within a class are 5 x 5 across cameras and 2 x 10 within.
#[test]
fn only_rows_of_different_cameras_are_compared_if_asked_for() {
    let place = Workplace::new();
    place.write("t.csv", table().as_bytes());
    let across = found(&place, &["verification", "t.csv", "--across-cameras"]);
    assert_eq!(
        (&across["verification"]["genuine"], &across["verification"]["impostor"]),
        (&500.into(), &9500.into())
    );
    assert!(
        across["compared"]
            .as_str()
            .is_some_and(|text| text.ends_with("only rows of different cameras are compared."))
    );
    let all = found(&place, &["verification", "t.csv"]);
    assert_eq!(all["verification"]["genuine"], 900);
    let retrieval = found(&place, &["retrieval", "t.csv", "--across-cameras"]);
    assert_ne!(
        retrieval["retrieval"]["map_at_r"],
        found(&place, &["retrieval", "t.csv"])["retrieval"]["map_at_r"]
    );
    let together = found(&place, &["all", "t.csv", "--across-cameras"]);
    assert_eq!(together["verification"]["verification"], across["verification"]);
    assert_eq!(together["retrieval"]["retrieval"], retrieval["retrieval"]);
    place.refused(
        &["eval", "retrieval", "t.csv", "--gallery", "t.csv", "--across-cameras"],
        &["--across-cameras", "--gallery"],
    );
    place.refused(
        &["eval", "verification", "t.csv", "--probe", "t.csv", "--across-cameras"],
        &["--across-cameras", "--probe"],
    );
    place.write("plain.csv", b"label,x,y\na,1,2\na,2,2\nb,1,0\nb,2,-1\n");
    place
        .refused(&["eval", "all", "plain.csv", "--across-cameras"], &["plain.csv", "has no column `camera`"]);

    // The same in training, and with a camera that is held out of it.
    let train = |more: &[&str], out: &str| {
        let base = ["train", "--data", "t.csv", "--batch", "10", "--epochs", "1", "--out", out];
        let output = place.run(&[&base[..], more].concat());
        success(&output);
        let config = std::fs::read_to_string(place.path().join(out).join("config.toml")).expect("written");
        (json(&place.path().join(out).join("report.json")), config)
    };
    let (plain, _) = train(&[], "plain");
    let (report, config) = train(&["--across-cameras"], "across");
    assert!(config.contains("across_cameras = true"), "{config}");
    let pairs = |report: &serde_json::Value| report["unseen"]["verification"]["genuine"].as_u64();
    assert_eq!((pairs(&plain), pairs(&report)), (Some(180), Some(100)));
    assert!(!report["warnings"].to_string().contains("camera"), "{}", report["warnings"]);
    let (held, config) = train(&["--held-out-camera", "cam1"], "held");
    assert!(config.contains("held_out_camera = \"cam1\""), "{config}");
    assert_eq!(pairs(&held), Some(100));
    let split = std::fs::read_to_string(place.path().join("held/split.csv")).expect("written");
    // Odd rows have the camera cam1.
    let trained =
        split.lines().filter_map(|line| line.strip_suffix(",train")?.strip_prefix('r')?.parse::<u32>().ok());
    let trained: Vec<u32> = trained.collect();
    assert!(trained.len() > 50 && trained.iter().all(|row| row % 2 == 0), "{trained:?}");
    // A known class of which only this camera has training samples is dropped, with a warning. Five classes are so, and four are unseen.
    let one_camera = |line: &str| {
        let row = line.split_once(',').and_then(|(id, _)| id.strip_prefix('r')?.parse::<u32>().ok());
        let line =
            if row.is_some_and(|row| row < 50) { line.replace("cam0", "cam1") } else { line.to_owned() };
        line + "\n"
    };
    place.write("one.csv", table().lines().map(one_camera).collect::<String>().as_bytes());
    let command =
        ["train", "--data", "one.csv", "--held-out-camera", "cam1", "--batch", "10", "--epochs", "1"];
    let output = place.run(&[&command[..], &["--out", "one"]].concat());
    success(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("of 16 known classes without a training sample; they are left out"), "{said}");
    place.refused(&["train", "--data", "t.csv", "--held-out-camera", "cam7"], &["cam7", "cam0, cam1"]);
    place.refused(
        &["train", "--data", "t.csv", "--held-out-camera", "cam1", "--evaluate-every", "1"],
        &["--held-out-camera", "evaluate_every"],
    );
    place
        .refused(&["train", "--data", "plain.csv", "--across-cameras"], &["plain.csv", "no column `camera`"]);
}

#[test]
fn the_built_in_set_can_be_written_and_read_again() {
    let place = Workplace::new();
    let output = place.run(&["data", "emoji", "-o", "emoji"]);
    success(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("10845 drawings of 1429 emoji"));
    let list = std::fs::read_to_string(place.path().join("emoji/emoji.csv")).expect("a list");
    assert_eq!((list.lines().count(), list.lines().next()), (10_846, Some("path,label,camera")));
    assert!(list.contains("\nred-heart/noto.png,red-heart,google\n"));
    let licences = std::fs::read_to_string(place.path().join("emoji/README.md")).expect("licences");
    assert!(licences.contains("CC BY 4.0"));
    let image = image::open(place.path().join("emoji/red-heart/noto.png")).expect("an image").into_rgb8();
    assert_eq!((image.dimensions(), image.get_pixel(0, 0).0), ((32, 32), [255; 3]));
    place.refused(&["data", "emoji", "-o", "emoji"], &["emoji"]);

    // Embedded from its files, with the split of the run, it has the results that the run reports.
    place.write("emoji.toml", SMALL.replace(CLOTHING, "set = \"emoji\"").as_bytes());
    success(&place.run(&["train", "--config", "emoji.toml", "--out", "run"]));
    success(&place.run(&["embed", "--model", "run", "emoji/emoji.csv", "--out", "e.npy"]));
    let evaluated = found(&place, &["all", "e.npy", "--split", "run/split.csv", "--across-cameras"]);
    let report = json(&place.path().join("run/report.json"));
    let (of_run, of_file) = (&report["unseen"], &evaluated["verification"]["verification"]);
    assert_eq!((&of_file["genuine"], &of_file["impostor"]), (&7735.into(), &2_665_490.into()));
    assert_eq!(of_run["verification"]["pairs"], 2_673_225);
    for measure in ["eer", "auc"] {
        near(&of_file[measure], of_run["verification"][measure].as_f64().expect("a number"));
    }
    let (of_file, map) = (&evaluated["retrieval"]["retrieval"], &of_run["mean_average_precision"]);
    near(&of_file["mean_average_precision"], map.as_f64().expect("a number"));
    near(&of_file["map_at_r"], of_run["retrieval"]["map_at_r"].as_f64().expect("a number"));
}

#[test]
fn a_set_with_a_name_has_the_size_of_its_images() {
    let place = Workplace::new();
    place.refused(&["train", "--size", "48"], &["--size", "found 48, expected 32", "emoji"]);
    let printed = place.run(&["train", "--data", "emoji", "--print-config"]);
    success(&printed);
    let config = String::from_utf8_lossy(&printed.stdout).into_owned();
    for line in [
        "set = \"emoji\"",
        "height = 32",
        "unseen = 357",
        "embedding = 256",
        "scale = 20.0",
        "epochs = 36",
        "hold_out = 0.1",
    ] {
        assert!(config.lines().any(|found| found == line), "{line}: {config}");
    }
    // A folder with the name is meant first.
    super::image_folder(&place, "emoji", 5, 6);
    let said = place.run(&["train", "--data", "emoji", "--print-config"]);
    success(&said);
    assert!(String::from_utf8_lossy(&said.stdout).contains("path = "));
}

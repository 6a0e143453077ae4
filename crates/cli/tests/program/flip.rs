//! Flip averaging: `--flip` of the commands that embed images.

use super::{Workplace, json, success};
use serde_json::Value;

const SETTINGS: &str = "[data]\nchannels = 1\nheight = 8\nwidth = 8\n[model]\nbackbone = \"mlp\"\nhidden = [16]\nembedding = 4\n[augment]\n\
                        flip = false\npad_and_crop = 0\n[sampler]\nbatch = 16\n[training]\nepochs = 3\n";

/// An image of 8 x 8 that says which class it is of, and is not its own mirror image.
fn png(class: u8, number: u8) -> Vec<u8> {
    let pixels =
        (0..64u8).map(|at| (at / 8 * 20).wrapping_mul(class + 1).wrapping_add(at % 8 * (5 + class) + number));
    let image = image::GrayImage::from_raw(8, 8, pixels.collect()).expect("64 values");
    let mut bytes = Vec::new();
    image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).expect("encoded");
    bytes
}

fn place() -> Workplace {
    let place = Workplace::new();
    for class in 0..6 {
        for number in 0..12 {
            place.write(&format!("images/class-{class}/{number:02}.png"), &png(class, number));
        }
    }
    place.write("settings.toml", SETTINGS.as_bytes());
    success(&place.run(&["train", "--data", "images", "--config", "settings.toml", "--out", "run"]));
    for (more, out) in [(&["--flip"][..], "flip"), (&[], "plain")] {
        for ending in ["npy", "parquet"] {
            let file = format!("{out}.{ending}");
            success(&place.run(&[&["embed", "--model", "run", "images", "-o", &file], more].concat()));
        }
    }
    place
}

fn answer(place: &Workplace, arguments: &[&str]) -> Value {
    let output = place.run(&[arguments, &["--json"]].concat());
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn embeddings_state_that_they_are_flip_averaged_and_are_not_mixed_with_others() {
    let place = place();
    assert_eq!(json(&place.path().join("flip.npy.about.json"))["flip"], true);
    assert!(json(&place.path().join("plain.npy.about.json"))["flip"].is_null());
    let (a, b) = ("images/class-0/00.png", "images/class-3/04.png");
    let cosine = |more: &[&str]| {
        let found = answer(&place, &[&["compare", "--model", "run", a, b], more].concat());
        found["similarity"].as_f64().expect("a number")
    };
    let (with, without) = (cosine(&["--flip"]), cosine(&[]));
    assert!((with - without).abs() > 1e-4, "{with} {without}");

    // The same cosine between the rows of the file, and for a query that is embedded alike.
    for ending in ["npy", "parquet"] {
        let (flip, plain) = (format!("flip.{ending}"), format!("plain.{ending}"));
        let ask = ["nearest", "--model", "run", "--embeddings", &flip, "-k", "71", a];
        let found = answer(&place, &[&ask[..], &["--flip"]].concat());
        let neighbours = found["queries"][0]["neighbours"].as_array().expect("a list");
        let other = neighbours.iter().find(|found| found["id"] == "class-3/04.png").expect("listed");
        assert!((other["cosine"].as_f64().expect("a number") - with).abs() < 1e-5, "{other} {with}");
        place.refused(&ask, &[&flip, "made with --flip, but the queries without it"]);
        let ask = ["nearest", "--model", "run", "--embeddings", &plain, "-k", "3", "--flip", a];
        place.refused(&ask, &[&plain, "made without --flip, but the queries with it"]);
        place.refused(
            &["eval", "retrieval", &flip, "--gallery", &plain],
            &["made without --flip, but", &flip, "with it; use --flip for both or for neither"],
        );
    }
    // An embed that was interrupted does not go on with other rows.
    let about = std::fs::read(place.path().join("flip.npy.about.json")).expect("there");
    assert!(String::from_utf8_lossy(&about).contains("\"flip\": true"));
}

#[test]
fn a_calibration_without_flip_averaging_is_said_where_it_is_used_with_it() {
    let place = place();
    let pair = ["compare", "--model", "run", "images/class-0/00.png", "images/class-0/01.png"];
    let warnings = |found: &Value| found["warnings"].to_string();
    let expected = "calibration.json is of embeddings made without --flip, and these are made with it";
    let found = answer(&place, &[&pair[..], &["--flip"]].concat());
    assert!(warnings(&found).contains(expected), "{found}");
    assert_eq!(
        (&found["calibration_applies"], &found["far"], &found["probability"]),
        (&false.into(), &Value::Null, &Value::Null)
    );
    assert!(!warnings(&answer(&place, &pair)).contains("--flip"));
    let output = place.run(&["export", "--model", "run", "--flip", "-o", "model.onnx"]);
    success(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains(expected));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("each row of length one, averaged over the image and its mirror image"), "{told}");
    assert!(told.contains("the file contains no threshold; to add one: embed --flip"), "{told}");

    // A calibration of flip-averaged embeddings fits them, and no others.
    let calibrate = ["eval", "calibrate", "flip.npy", "--labels", "flip.names.csv", "-o", "flip.json"];
    success(&place.run(&calibrate));
    assert_eq!(json(&place.path().join("flip.json"))["flip"], true);
    let with = ["--calibration", "flip.json"];
    let export = |extra: &[&str], file: &str| {
        place.run(&[&["export", "--model", "run", "-o", file, "--json"][..], &with, extra].concat())
    };
    let flipped = export(&["--flip"], "flipped.onnx");
    success(&flipped);
    let metadata: Value = serde_json::from_slice(&flipped.stdout).expect("JSON");
    let stored = &json(&place.path().join("flip.json"))["threshold"];
    assert_eq!(&metadata["metadata"]["calibration"]["threshold"], stored);
    let refused = ["export", "--model", "run", "-o", "plain.onnx", "--calibration", "flip.json"];
    place.refused(&refused, &["--calibration: found one of embeddings that were made with --flip"]);
    let found = answer(&place, &[&pair[..], &with, &["--flip"]].concat());
    assert!(!warnings(&found).contains("--flip"), "{found}");
    let found = answer(&place, &[&pair[..], &with].concat());
    assert!(
        warnings(&found)
            .contains("flip.json is of embeddings made with --flip, and these are made without it")
    );
    let verify = |file: &str, names: &str| {
        let of = ["eval", "verification", file, "--labels", names, "--calibration", "flip.json"];
        warnings(&answer(&place, &of))
    };
    assert!(verify("plain.npy", "plain.names.csv").contains("made with --flip"));
    assert!(!verify("flip.npy", "flip.names.csv").contains("--flip"));
}

#[test]
fn vectors_have_no_mirror_image() {
    let place = Workplace::new();
    let mut table = String::from("label,e0,e1,e2\n");
    for row in 0..72 {
        table += &format!("c{},{},{},{}\n", row % 6, row % 6 + 1, row % 5, (row * 7) % 11);
    }
    place.write("table.csv", table.as_bytes());
    let train =
        ["train", "--data", "table.csv", "--embedding", "2", "--batch", "8", "--epochs", "1", "--out", "run"];
    success(&place.run(&train));
    let refused = |arguments: &[&str]| {
        place.refused(arguments, &["--flip: run: flip averaging is for images; the model takes vectors"]);
    };
    refused(&["embed", "--model", "run", "table.csv", "--flip", "-o", "e.npy"]);
    refused(&["export", "--model", "run", "--flip", "-o", "e.onnx"]);
    success(&place.run(&["embed", "--model", "run", "table.csv", "-o", "e.npy"]));
    refused(&["nearest", "--model", "run", "--embeddings", "e.npy", "-k", "1", "--flip", "table.csv"]);
}

//! Own data without flags: what `train` chooses, prints and stores, and whether it says that the result is no good.

use super::{Workplace, json, png, success};
use std::process::Output;

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder `images` with so many classes of `each` images of 8 x 8.
fn images(classes: u8, each: u8) -> Workplace {
    let place = Workplace::new();
    for class in 0..classes {
        for number in 0..each {
            place.write(&format!("images/c{class:02}/{number}.png"), &png(class, number));
        }
    }
    place
}

#[test]
fn settings_are_chosen_for_the_data_printed_with_reasons_and_stored() {
    let place = images(10, 11);
    let printed = place.run(&["train", "--data", "images", "--epochs", "2", "--print-config"]);
    success(&printed);
    assert!(!place.exists("runs"), "nothing is trained");
    let output = place.run(&["train", "--data", "images", "--epochs", "2", "--out", "run"]);
    success(&output);
    let said = stderr(&output);
    for part in ["data.height, width", "16 x 16", "the images are grey", "sampler.batch", "known classes"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for line in said.lines().filter(|line| line.contains("  ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let stored = std::fs::read_to_string(place.path().join("run/config.toml")).expect("there");
    for part in ["batch = 4", "channels = 1", "height = 16", "scale = ", "margin = ", "flip = false"] {
        assert!(stored.contains(part), "{part}: {stored}");
    }
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(stored.ends_with(&printed) || stored.contains(printed.trim()), "{printed} against {stored}");
    // The stored configuration leaves nothing to choose.
    let output = place.run(&["train", "--config", "run/config.toml", "--out", "again"]);
    success(&output);
    assert!(!stderr(&output).contains("chosen because of"), "{}", stderr(&output));
    let [first, again] = ["run", "again"].map(|run| json(&place.path().join(run).join("report.json")));
    assert_eq!(first["unseen"], again["unseen"]);
}

#[test]
fn flags_and_keys_of_a_file_are_kept() {
    let place = images(10, 11);
    place.write("mine.toml", b"[sampler]\nbatch = 20\n[augment]\nflip = true\n");
    let arguments = [
        "train",
        "--data",
        "images",
        "--config",
        "mine.toml",
        "--size",
        "12x20",
        "--epochs",
        "1",
        "--print-config",
    ];
    let output = place.run(&arguments);
    success(&output);
    let printed = String::from_utf8_lossy(&output.stdout);
    for part in ["batch = 20", "flip = true", "height = 12", "width = 20", "epochs = 1", "channels = 1"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    place.refused(&["train", "--size", "12by20"], &["--size", "such as 112 or 112x96"]);
    place.refused(&["train", "--minutes", "0"], &["--minutes", "above 0"]);
}

#[test]
fn weights_of_another_run_bring_the_size_and_channels_of_its_images() {
    let place = images(10, 11);
    let train = ["train", "--data", "images", "--epochs", "1"];
    success(&place.run(&[&train[..], &["--size", "12x20", "--out", "first"]].concat()));
    let output = place.run(&[&train[..], &["--weights", "first", "--print-config"]].concat());
    success(&output);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["height = 12", "width = 20", "channels = 1"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(stderr(&output).contains("as in the training of --weights"), "{}", stderr(&output));
    let output = place.run(&[&train[..], &["--weights", "first", "--size", "16", "--print-config"]].concat());
    success(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("height = 16"));
    let named = [&train[..], &["--unseen-classes", "nothing-like-it"]].concat();
    place.refused(&named, &["no class \"nothing-like-it\"; its classes are c00, c01"]);
}

#[test]
fn a_time_budget_chooses_the_epochs_and_is_said() {
    let place = images(8, 12);
    let output = place.run(&["train", "--data", "images", "--minutes", "0.01", "--print-config"]);
    success(&output);
    let said = stderr(&output);
    assert!(said.contains("0.01 minutes") && said.contains("of training on this machine"), "{said}");
}

#[test]
fn a_model_that_learned_nothing_is_called_useless_in_the_last_line_and_in_its_calibration() {
    let place = Workplace::new();
    // Noise: nothing of a class can be known.
    let mut value = 1_u32;
    for class in 0..8 {
        for number in 0..12 {
            let pixels = (0..64).map(|_| {
                value = value.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (value >> 24) as u8
            });
            let image = image::GrayImage::from_raw(8, 8, pixels.collect()).expect("64 values");
            let mut bytes = Vec::new();
            let target = &mut std::io::Cursor::new(&mut bytes);
            image.write_to(target, image::ImageFormat::Png).expect("encoded");
            place.write(&format!("noise/c{class}/{number}.png"), &bytes);
        }
    }
    let output = place.run(&["train", "--data", "noise", "--epochs", "1", "--out", "run"]);
    success(&output);
    let printed = String::from_utf8_lossy(&output.stdout);
    let last = printed.trim_end().lines().last().expect("a line");
    assert!(last.starts_with("Do not use this model: "), "{printed}");
    assert_eq!(printed.matches("Do not use this model").count(), 1, "{printed}");
    let warnings = json(&place.path().join("run/calibration.json"))["warnings"].to_string();
    assert!(warnings.contains("Do not use this model"), "{warnings}");
    assert!(json(&place.path().join("run/report.json"))["verdict"].is_string());
    let (a, b) = ("noise/c0/0.png", "noise/c0/1.png");
    let compared = place.run(&["compare", "--model", "run", a, b]);
    assert!(stderr(&compared).contains("Do not use this model"), "{}", stderr(&compared));
}

#[test]
fn a_table_of_vectors_gets_batch_and_epochs_for_its_rows() {
    let place = Workplace::new();
    let mut text = "label,x,y,z\n".to_owned();
    for class in 0..8 {
        for row in 0..9 {
            let at = f64::from(class * 31 + row * 7);
            text += &format!("c{class},{:.3},{:.3},{:.3}\n", at.sin(), at.cos(), (at * 0.3).sin());
        }
    }
    place.write("table.csv", text.as_bytes());
    let output = place.run(&["train", "--data", "table.csv", "--epochs", "1", "--print-config"]);
    success(&output);
    let said = stderr(&output);
    assert!(said.contains("sampler.batch") && !said.contains("data.height"), "{said}");
}

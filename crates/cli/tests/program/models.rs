//! Models out and in: `export`, and `train` with weights, frozen parts and factors.

use super::{SMALL, Workplace, image_folder, json, success};

fn trained(place: &Workplace, out: &str, extra: &[&str]) {
    success(&place.run(&[&["train", "--config", "small.toml", "--out", out], extra].concat()));
}

fn said(output: &std::process::Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A model file with another value of its normalisation, and without its checksum.
fn normalised(model: &[u8], key: &str, value: &str) -> Vec<u8> {
    let (length, rest) = model.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("8 bytes"));
    let (header, tensors) = rest.split_at(usize::try_from(length).expect("small"));
    let mut header: serde_json::Value = serde_json::from_slice(header).expect("JSON");
    let about = header["__metadata__"]["widemargin"].as_str().expect("text");
    let mut about: serde_json::Value = serde_json::from_str(about).expect("JSON");
    about.as_object_mut().expect("an object").remove("crc32").expect("a checksum");
    about["normalisation"][key] = serde_json::json!([value.parse::<f64>().expect("a number")]);
    header["__metadata__"]["widemargin"] = about.to_string().into();
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), tensors].concat()
}

#[test]
fn a_run_is_exported_with_what_must_be_known() {
    let place = Workplace::new();
    trained(&place, "run", &["--epochs", "1"]);
    let output = place.run(&["export", "--model", "run", "-o", "model.onnx"]);
    success(&output);
    let (told, _) = said(&output);
    for part in [
        "model.onnx: mlp, 0.1 MB",
        "input images: [batch, 1, 28, 28], grey values from 0 to 255",
        "output embeddings: [batch, 4], each row of length one",
        "same if cosine >= ",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    place.refused(&["export", "--model", "run", "-o", "model.onnx"], &["model.onnx: already exists"]);
    place.refused(&["export", "--model", "run", "-o", "model.bin"], &["--out: found model.bin", ".onnx"]);
    place.refused(&["export", "--model", "none", "-o", "a.onnx"], &["none", "cannot be read"]);
    // A file of another program, without a checksum, whose normalisation is none of pixels from 0 to 1.
    image_folder(&place, "images", 2, 2);
    let good = std::fs::read(place.path().join("run/model.safetensors")).expect("written");
    for (key, value, expected) in [
        ("deviation", "0.0", "deviation is 0; expected a finite number above 0"),
        ("mean", "127.5", "mean is [127.5]; expected values from 0 to 1"),
        ("deviation", "63.75", "divided by 255, these are [0.25]"),
    ] {
        place.write("bad.safetensors", &normalised(&good, key, value));
        let named = ["bad.safetensors: ", expected];
        place.refused(&["embed", "--model", "bad.safetensors", "images", "-o", "e.npy"], &named);
        place.refused(&["export", "--model", "bad.safetensors", "-o", "bad.onnx"], &named);
        assert!(!place.exists("e.npy") && !place.exists("bad.onnx"));
    }
    place.write("same.safetensors", &normalised(&good, "deviation", "0.25"));
    success(&place.run(&["embed", "--model", "same.safetensors", "images", "-o", "e.npy"]));

    let output = place.run(&["export", "--model", "run/model.safetensors", "-o", "again.onnx", "--json"]);
    success(&output);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let bytes = std::fs::read(place.path().join("again.onnx")).expect("written");
    assert_eq!(answer["bytes"].as_u64(), Some(bytes.len() as u64));
    assert!(bytes == std::fs::read(place.path().join("model.onnx")).expect("written"), "the same bytes");
    let (metadata, saved) = (&answer["metadata"], json(&place.path().join("run/calibration.json")));
    assert_eq!(metadata["calibration"]["threshold"], saved["threshold"]);
    assert_eq!(metadata["calibration"]["slope"], saved["calibration"]["slope"]);
    assert_eq!((&metadata["backbone"], &metadata["input"]["takes"]), (&"mlp".into(), &"images".into()));
    // It stands in the file word for word.
    let text = serde_json::to_string(&metadata["output"]).expect("JSON");
    assert!(bytes.windows(11).any(|window| window == b"\"length\":\"o"), "{text}");

    std::fs::remove_file(place.path().join("run/calibration.json")).expect("there");
    let output = place.run(&["export", "--model", "run", "-o", "plain.onnx"]);
    success(&output);
    assert!(said(&output).0.contains("the file contains no threshold"));
}

#[test]
fn a_run_begins_with_the_weights_of_another() {
    let place = Workplace::new();
    trained(&place, "first", &[]);
    let weights = "first/model.safetensors";
    let fine = ["--weights", weights, "--freeze", "hidden", "--factors", "embedding=0.5,normalisation=0.25"];
    let output = place.run(&[&["train", "--config", "small.toml", "--out", "second"], &fine[..]].concat());
    success(&output);
    let told = said(&output).1;
    assert!(told.contains("normalising pixels as the weights were trained"), "{told}");
    let config = std::fs::read_to_string(place.path().join("second/config.toml")).expect("written");
    for part in ["freeze = [\"hidden\"]", "embedding = 0.5", "normalisation = 0.25", "mean = [", "weights = "]
    {
        assert!(config.contains(part), "{part}: {config}");
    }

    // The configuration of that run with other weights: their normalisation is used. One of the user's own is kept.
    let mean = |run: &str| {
        let config = std::fs::read_to_string(place.path().join(run).join("config.toml")).expect("written");
        config.lines().find(|line| line.starts_with("mean = ")).map(str::to_owned)
    };
    place.write("fewer.toml", SMALL.replace("limit = 420", "limit = 210").as_bytes());
    success(&place.run(&["train", "--config", "fewer.toml", "--out", "other"]));
    let other = ["--weights", "other/model.safetensors", "--epochs", "1"];
    let with_other = |config: &str, out: &str| {
        let output = place.run(&[&["train", "--config", config, "--out", out], &other[..]].concat());
        success(&output);
        said(&output).1
    };
    let told = with_other("second/config.toml", "with-other");
    assert!(told.contains("normalising pixels as the weights were trained"), "{told}");
    assert!(mean("with-other").is_some() && mean("with-other") != mean("second"));
    place.write(
        "own.toml",
        SMALL.replace("[sampler]", "mean = [0.25]\ndeviation = [0.5]\n[sampler]").as_bytes(),
    );
    let told = with_other("own.toml", "own");
    let expected = "warning: model.mean is [0.25] and model.deviation is [0.5], but ";
    assert!(told.contains(expected) && told.contains("other/model.safetensors was trained with ["), "{told}");
    assert_eq!(mean("own").as_deref(), Some("mean = [0.25]"));
    place.write(
        "pixels.toml",
        SMALL.replace("[sampler]", "mean = [127.5]\ndeviation = [63.75]\n[sampler]").as_bytes(),
    );
    for weights in [&[][..], &["--weights", "other/model.safetensors"]] {
        place.refused(
            &[&["train", "--config", "pixels.toml", "--out", "pixels"], weights].concat(),
            &["model.mean", "mean is [127.5]", "divided by 255, these are [0.5]"],
        );
    }

    // Another embedding dimension: the last layer is not loaded, and the program reports it.
    let mut other = vec!["train", "--config", "small.toml", "--out", "third", "--weights", weights];
    other.extend(["--embedding", "6", "--epochs", "1", "--backbone-factor", "0.1"]);
    let output = place.run(&other);
    success(&output);
    let told = said(&output).1;
    assert!(
        told.contains("keeps its random weights: Perceptron.embedding.weight is [16, 4], expected [16, 6]"),
        "{told}"
    );

    let refused = |extra: &[&str], fragments: &[&str]| {
        place.refused(&[&["train", "--config", "small.toml", "--out", "bad"], extra].concat(), fragments);
        assert!(!place.exists("bad"), "{extra:?}");
    };
    refused(&["--weights", "none.safetensors"], &["none.safetensors", "cannot be read"]);
    refused(&["--weights", "small.toml"], &["small.toml", "not a safetensors file"]);
    refused(&["--freeze", "layer1"], &["model.freeze", "\"layer1\"", "hidden, normalisation"]);
    refused(&["--factors", "embedding=0"], &["optimiser.factors", "embedding = 0"]);
    refused(&["--factors", "embedding"], &["--factors", "expected NAME=FACTOR"]);
    refused(
        &["--weights", weights, "--backbone", "linear"],
        &["does not fit linear", "unknown Perceptron.embedding_normalisation.running_mean, "],
    );
    place.write("pickle.pth", b"PK\x03\x04 and so on");
    refused(&["--weights", "pickle.pth"], &["pickle.pth", "PyTorch pickle", "save_file"]);
    place.write("wide.toml", SMALL.replace("[16]", "[17]").as_bytes());
    place.refused(
        &["train", "--config", "wide.toml", "--out", "bad", "--weights", weights],
        &["of another shape Perceptron.hidden.0.weight is [784, 16], expected [784, 17]"],
    );
}

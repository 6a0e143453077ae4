//! Writing, loading and using models, and damaged files.
#![expect(clippy::disallowed_methods, reason = "the tests read and damage files of their own")]

use std::path::PathBuf;

use widemargin_data::{ImageShape, Normalisation, Preprocessing};
use widemargin_model::parameters::{self, Parameter};
use widemargin_model::{Backbone, BackboneConfig, BackboneName};

use super::*;

fn description(name: BackboneName) -> Description {
    let input = ImageShape { channels: 1, height: 8, width: 8 };
    let embedding = if name == BackboneName::Identity { 64 } else { 6 };
    Description {
        backbone: BackboneConfig { name, input, embedding, dropout: 0.1, hidden: vec![12] },
        takes: Takes::Images,
        normalisation: Normalisation { mean: vec![0.4], deviation: vec![0.3] },
        preprocessing: Some(Preprocessing::default()),
        objective: "am-softmax".to_owned(),
        classes: Some(TrainingClasses {
            data: "images".to_owned(),
            trained: vec!["mug".to_owned(), "kettle, \"old\"".to_owned()],
            unseen: vec!["Tür\n".to_owned()],
            validation: vec!["lamp".to_owned()],
        }),
        columns: None,
        trained_samples: Some(TrainedSamples::new([5, 0xabcd_ef01])),
    }
}

fn weights(description: &Description) -> Vec<Parameter> {
    let device = widemargin_model::device::by_name("cpu").unwrap();
    parameters::parameters(&Backbone::new(&description.backbone, 5, &device).unwrap())
}

fn pixels(count: usize, channels: usize) -> Vec<u8> {
    (0..count * channels * 64).map(|at| (at * at % 251) as u8).collect()
}

/// A grey image file.
fn image(folder: &tempfile::TempDir, name: &str, pixels: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    image::GrayImage::from_raw(8, 8, pixels.to_vec()).unwrap().save(&path).unwrap();
    path
}

#[test]
fn every_backbone_is_loaded_with_the_same_embeddings() {
    let folder = tempfile::tempdir().unwrap();
    for name in BackboneName::ALL {
        // the deeper ones are the same code with more blocks
        let smallest = [BackboneName::Iresnet18, BackboneName::Resnet18, BackboneName::Resnet50];
        if name.depths().is_some() && !smallest.contains(&name) {
            continue;
        }
        let mut description = description(name);
        if name.as_str().contains("resnet") {
            description.backbone.input = ImageShape { channels: 1, height: 16, width: 16 };
        }
        let numbers = weights(&description);
        let path = folder.path().join(name.as_str());
        Model::write(&path, &description, &numbers).unwrap();
        let (made, read) = (Model::new(description.clone(), &numbers).unwrap(), Model::load(&path).unwrap());
        assert_eq!(read.description(), &description);
        assert_eq!(Description::read(&path).unwrap(), description);
        let bytes = std::fs::read(&path).unwrap();
        let fingerprint = Fingerprint { bytes: bytes.len(), checksum: crc32fast::hash(&bytes) };
        assert_eq!((read.fingerprint(), made.fingerprint()), (Some(fingerprint), None));
        let pixels: Vec<u8> = (0..3 * description.shape().values()).map(|at| (at * at % 251) as u8).collect();
        let (expected, found) = (made.embed_pixels(&pixels).unwrap(), read.embed_pixels(&pixels).unwrap());
        assert_eq!(found, expected, "{name}");
        assert_eq!(found.len(), 3 * read.dim());
        for embedding in found.chunks(read.dim()) {
            let length: f64 = embedding.iter().map(|value| f64::from(*value).powi(2)).sum();
            assert!((length - 1.0).abs() < 1e-6, "{name}: {length}");
        }
    }
}

#[test]
fn a_model_of_vectors_accepts_only_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors");
    let description = Description {
        backbone: BackboneConfig {
            input: ImageShape { channels: 1, height: 1, width: 4 },
            embedding: 3,
            hidden: vec![512],
            ..description(BackboneName::Linear).backbone
        },
        takes: Takes::Vectors,
        preprocessing: None,
        normalisation: Normalisation { mean: vec![0.0], deviation: vec![2.0] },
        ..description(BackboneName::Linear)
    };
    Model::write(&path, &description, &weights(&description)).unwrap();
    let model = Model::load(&path).unwrap();
    assert_eq!(model.description(), &description);
    let rows: Vec<f32> = (0..1500 * 4).map(|at| (at * at % 251) as f32 - 100.0).collect();
    let found = model.embed_vectors(&rows).unwrap();
    assert_eq!(found.len(), 1500 * 3);
    let last = model.embed_vectors(&rows[1499 * 4..]).unwrap();
    assert!(
        found[1499 * 3..].iter().zip(&last).all(|(a, b)| (a - b).abs() < 1e-6),
        "for any number of rows in the batch"
    );
    assert!(matches!(model.embed_vectors(&rows[..6]), Err(Error::Vectors { found: 6, dim: 4 })));
    let zero = model.embed_vectors(&[1.0, 2.0, 3.0, 4.0, f32::NAN, 0.0, 0.0, 0.0]).unwrap_err().to_string();
    assert!(zero.starts_with("row 1: "), "{zero}");
    let zero = model.embed_vectors(&[1.0, 2.0, 3.0, 4.0, 0.0, -0.0, 0.0, 0.0]);
    assert!(matches!(zero, Err(Error::ZeroVector { row: 1 })), "{zero:?}");
    let error = model.embed_pixels(&[0; 4]).unwrap_err().to_string();
    assert!(error.contains("vectors") && error.contains("not images"), "{error}");
    assert!(matches!(model.embed(&["a.png"]), Err(Error::Takes { .. })));
    let images = Model::new(
        self::description(BackboneName::Linear),
        &weights(&self::description(BackboneName::Linear)),
    );
    assert!(matches!(images.unwrap().embed_vectors(&[0.0; 64]), Err(Error::Takes { .. })));
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let description = description(BackboneName::SmallCnn);
    let bytes = ["a", "b"].map(|name| {
        Model::write(folder.path().join(name), &description, &weights(&description)).unwrap();
        std::fs::read(folder.path().join(name)).unwrap()
    });
    assert!(bytes[0] == bytes[1]);
}

#[test]
fn files_and_memory_agree_for_more_than_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let description = description(BackboneName::Mlp);
    let model = Model::new(description.clone(), &weights(&description)).unwrap();
    let count = crate::model::BATCH + 3;
    let pixels = pixels(count, 1);
    let files: Vec<PathBuf> = pixels
        .chunks(64)
        .enumerate()
        .map(|(at, pixels)| image(&folder, &format!("{at}.png"), pixels))
        .collect();
    let embeddings = model.embed(&files).unwrap();
    assert_eq!(embeddings, model.embed_pixels(&pixels).unwrap());
    assert!((model.compare(&files[0], &files[0]).unwrap() - 1.0).abs() < 1e-6);
    let expected: f64 = (0..model.dim())
        .map(|at| f64::from(embeddings[at]) * f64::from(embeddings[(count - 1) * model.dim() + at]))
        .sum();
    assert!((f64::from(model.compare(&files[0], &files[count - 1]).unwrap()) - expected).abs() < 1e-6);
}

#[test]
fn errors_name_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Description {
        normalisation: Normalisation { mean: vec![0.0], deviation: vec![1.0] },
        ..description(BackboneName::Identity)
    };
    let model = Model::new(identity, &[]).unwrap();
    let (good, black) = (image(&folder, "a.png", &[9; 64]), image(&folder, "black.png", &[0; 64]));
    let error = model.embed(&[good, black]).unwrap_err().to_string();
    assert!(error.contains("black.png") && error.contains("no direction"), "{error}");
    let error = model.embed(&[folder.path().join("none.png")]).unwrap_err().to_string();
    assert!(error.contains("none.png"), "{error}");
    assert!(matches!(model.embed_pixels(&[0; 63]), Err(Error::Pixels { found: 63, .. })));
    assert!(model.embed_pixels(&[]).unwrap().is_empty());
}

#[test]
fn errors_of_damaged_files_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let description = description(BackboneName::SmallCnn);
    let good = weights(&description);
    let path = folder.path().join(MODEL_FILE);
    let fails_with = |what: &str| {
        let error = Model::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains(MODEL_FILE) && error.contains(what), "expected {what}: {error}");
    };
    fails_with("cannot be read");
    let put = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
    put(b"no model");
    fails_with("not a safetensors file");
    put(&safetensors::serialize(Vec::<(String, TensorOf)>::new(), None).unwrap());
    fails_with("not a widemargin model");

    Model::write(&path, &description, &good[1..]).unwrap();
    fails_with(&good[0].name);
    let mut damaged = good.clone();
    damaged[0].values[3] = f32::NAN;
    Model::write(&path, &description, &damaged).unwrap();
    fails_with("value 3: found NaN");
    let mut large = description.clone();
    large.backbone.embedding = usize::MAX / 2;
    Model::write(&path, &large, &good).unwrap();
    fails_with("too few for");
    let mut colour = description.clone();
    colour.normalisation = Normalisation::half(3);
    Model::write(&path, &colour, &good).unwrap();
    fails_with("means");

    // Truncated files and changed bytes in the header give an error or a model, never a panic.
    Model::write(&path, &description, &good).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(977) {
        put(&whole[..length]);
        assert!(Model::load(&path).is_err(), "{length}");
    }
    let pixels = vec![90; description.shape().values()];
    put(&whole);
    let expected = Model::load(&path).unwrap().embed_pixels(&pixels).unwrap();
    for at in (0..1500).chain((1500..whole.len()).step_by(4999)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        put(&bytes);
        // A flipped bit is noticed, or changes nothing (a letter of JSON in upper case instead of lower case, for example).
        if let Ok(model) = Model::load(&path) {
            assert_eq!(model.embed_pixels(&pixels).unwrap(), expected, "byte {at}");
            assert_eq!(*model.description(), description, "byte {at}");
        }
    }
}

type TensorOf = safetensors::tensor::TensorView<'static>;

/// The embedding is the direction of the sum of the two that the backbone computes, and does not depend on which of both images is given.
#[test]
fn flip_averaging_adds_the_embeddings_of_the_mirror_image() {
    for name in [BackboneName::SmallCnn, BackboneName::Mlp, BackboneName::Identity] {
        let description = description(name);
        let numbers = weights(&description);
        let plain = Model::new(description.clone(), &numbers).unwrap();
        let flipped = Model::new(description, &numbers).unwrap().with_flip().unwrap();
        assert_eq!((plain.flips(), flipped.flips()), (false, true));
        let images = pixels(3, 1);
        let mirrored: Vec<u8> = images.chunks(8).flat_map(|row| row.iter().rev().copied()).collect();
        let found = flipped.embed_pixels(&images).unwrap();
        // a sum of two numbers is the same in both orders
        assert_eq!(found, flipped.embed_pixels(&mirrored).unwrap(), "{name}");
        assert_ne!(found, plain.embed_pixels(&images).unwrap(), "{name}");
        if name == BackboneName::Identity {
            // Its output is the normalised pixels, so the sum is known without the model.
            for (row, image) in found.chunks(64).zip(images.chunks(64)) {
                let value = |at: usize| (f64::from(image[at]) / 255.0 - 0.4) / 0.3;
                let sum: Vec<f64> = (0..64).map(|at| value(at) + value(at / 8 * 8 + 7 - at % 8)).collect();
                let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
                for (found, expected) in row.iter().zip(&sum) {
                    assert!((f64::from(*found) - expected / length).abs() < 1e-6, "{found} {expected}");
                }
            }
        }
    }
}

#[test]
fn flip_averaging_of_vectors_is_refused() {
    let mut description = description(BackboneName::Linear);
    description.takes = Takes::Vectors;
    description.preprocessing = None;
    let input = ImageShape { channels: 1, height: 1, width: 8 };
    description.backbone.input = input;
    let model = Model::new(description.clone(), &weights(&description)).unwrap();
    let error = model.with_flip().unwrap_err();
    assert!(matches!(error, Error::FlipOfVectors) && error.to_string().contains("is for images"), "{error}");
}

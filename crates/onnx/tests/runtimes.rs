//! Every backbone as an ONNX file, run by two other programs: ONNX Runtime (by Python) and tract.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::path::Path;
use std::process::Command;

use widemargin_data::Normalisation;
use widemargin_embedder::{Description, Model, Takes};
use widemargin_model::parameters::{self, Parameter};
use widemargin_model::{Backbone, BackboneConfig, BackboneName, ImageShape, device};
use widemargin_onnx::{Calibration, encode};

const SAMPLES: usize = 3;

const HUGE: f32 = 1e24;

const CALIBRATION: Calibration =
    Calibration { threshold: 0.25, slope: 9.5, offset: -3.0, warnings: Vec::new() };

/// A model with weights as after training: none has its initial value.
fn model(name: BackboneName, takes: Takes) -> Model {
    scaled(name, takes, 1.0)
}

/// [`model`] with its weights multiplied by a factor. With [`HUGE`] the squares of a `linear` backbone's outputs exceed the range of `f32`.
fn scaled(name: BackboneName, takes: Takes, factor: f32) -> Model {
    let (channels, height, width) = match takes {
        Takes::Images => (if name == BackboneName::SmallCnn { 1 } else { 3 }, 24, 17),
        Takes::Vectors => (1, 1, 19),
    };
    let input = ImageShape { channels, height, width };
    let embedding = if name == BackboneName::Identity { input.values() } else { 12 };
    let config = BackboneConfig { name, input, embedding, dropout: 0.1, hidden: vec![23, 9] };
    let normalisation = Normalisation {
        mean: [0.45, 0.5, 0.41][..channels].to_vec(),
        deviation: [0.22, 0.31, 0.27][..channels].to_vec(),
    };
    let description = Description {
        backbone: config,
        takes,
        normalisation,
        preprocessing: None,
        objective: "am-softmax".to_owned(),
        classes: None,
        trained_samples: None,
        columns: None,
    };
    let backbone = Backbone::new(&description.backbone, 7, &device::by_name("cpu").unwrap()).unwrap();
    let mut weights: Vec<Parameter> = parameters::parameters(&backbone).into_iter().map(trained).collect();
    for value in weights.iter_mut().flat_map(|parameter| &mut parameter.values) {
        *value *= factor;
    }
    Model::new(description, &weights).unwrap()
}

fn trained(mut parameter: Parameter) -> Parameter {
    let variance = parameter.name.ends_with("running_variance");
    if parameter.shape.len() == 1 {
        for (at, value) in parameter.values.iter_mut().enumerate() {
            let noise = ((at * 7919 + parameter.name.len() * 31) % 101) as f32 / 101.0 - 0.5;
            *value = if variance { *value + 0.8 * noise } else { *value + 0.2 * noise };
        }
    }
    parameter
}

/// Deeper versions of other networks, with 43 to 106 million parameters.
const DEEP: [BackboneName; 4] =
    [BackboneName::Iresnet100, BackboneName::Iresnet200, BackboneName::Resnet101, BackboneName::Resnet152];

/// Number of [`models`].
const SHALLOW: usize = BackboneName::ALL.len() - DEEP.len() + 4 + FLIPPED.len();

/// Backbones that are also written with flip averaging: with and without residual paths, with and without convolutions.
const FLIPPED: [BackboneName; 5] = [
    BackboneName::SmallCnn,
    BackboneName::Iresnet18,
    BackboneName::Resnet18,
    BackboneName::Mlp,
    BackboneName::Identity,
];

/// Every backbone except [`DEEP`] with images; those that take vectors also with vectors, one of them with huge embeddings; and [`FLIPPED`].
fn models() -> impl Iterator<Item = (String, Model)> {
    let flat = BackboneName::ALL.into_iter().filter(|name| name.is_flat());
    let vectors = flat.map(|name| (format!("{name}-vectors"), model(name, Takes::Vectors)));
    let shallow = BackboneName::ALL.into_iter().filter(|name| !DEEP.contains(name));
    let images = shallow.map(|name| (name.to_string(), model(name, Takes::Images)));
    let huge = scaled(BackboneName::Linear, Takes::Vectors, HUGE);
    let flipped = FLIPPED
        .map(|name| (format!("{name}-flip"), model(name, Takes::Images).with_flip().expect("takes images")));
    images.chain(vectors).chain([("linear-huge".to_owned(), huge)]).chain(flipped)
}

/// Shape and values of an input, and the embeddings of the model.
fn samples(model: &Model) -> (Vec<usize>, Vec<f32>, Vec<f32>) {
    let shape = model.description().shape();
    let count = SAMPLES * shape.values();
    if model.description().takes == Takes::Vectors {
        let values: Vec<f32> = (0..count).map(|at| (at * at % 251) as f32 / 40.0 - 2.5).collect();
        let expected = model.embed_vectors(&values).unwrap();
        return (vec![SAMPLES, shape.values()], values, expected);
    }
    let pixels: Vec<u8> = (0..count).map(|at| (at * at % 251) as u8).collect();
    let expected = model.embed_pixels(&pixels).unwrap();
    let values = pixels.iter().map(|pixel| f32::from(*pixel)).collect();
    (vec![SAMPLES, shape.channels, shape.height, shape.width], values, expected)
}

/// The weights are not stored twice, and nothing but the metadata and the mirrored pass is added.
#[test]
fn flip_averaging_adds_hardly_anything_to_the_file() {
    let plain = encode(&model(BackboneName::Resnet18, Takes::Images), None).unwrap();
    let flipped = encode(&model(BackboneName::Resnet18, Takes::Images).with_flip().unwrap(), None).unwrap();
    let added = flipped.len() - plain.len();
    assert!((500..20_000).contains(&added), "{added} of {}", plain.len());
    assert!(model(BackboneName::Linear, Takes::Vectors).with_flip().is_err());
}

#[test]
fn a_model_of_vectors_with_a_backbone_for_images_is_an_error() {
    let error = encode(&model(BackboneName::Resnet18, Takes::Vectors), None).unwrap_err().to_string();
    assert!(error.contains("resnet18") && error.contains("expected mlp"), "{error}");
}

/// Runs where `WIDEMARGIN_PYTHON` names a Python with onnx and onnxruntime, or `WIDEMARGIN_TRACT` the program `check` of `tract/`.
#[test]
fn other_runtimes_give_the_embeddings_of_every_backbone() {
    let python = std::env::var_os("WIDEMARGIN_PYTHON");
    let tract = std::env::var_os("WIDEMARGIN_TRACT");
    for (name, value) in [("WIDEMARGIN_PYTHON", &python), ("WIDEMARGIN_TRACT", &tract)] {
        if value.is_none() {
            #[expect(
                clippy::disallowed_methods,
                reason = "past the test harness, which shows the output of failed tests only"
            )]
            writeln!(
                std::io::stderr(),
                "not run: the ONNX files with the runtime of {name}, which is not set"
            )
            .unwrap();
        }
    }
    let (shallow, deep) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    if python.is_some() || tract.is_some() {
        assert_eq!(write_all(shallow.path(), models()), SHALLOW);
    }
    if let Some(python) = python {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check_onnx.py");
        check(Command::new(&python).arg(&script).arg(shallow.path()), SHALLOW);
        let deep_models = DEEP.into_iter().map(|name| (name.to_string(), model(name, Takes::Images)));
        let written = write_all(deep.path(), deep_models);
        check(Command::new(&python).arg(&script).arg(deep.path()), written);
    }
    if let Some(tract) = tract {
        check(Command::new(tract).arg(shallow.path()), SHALLOW);
    }
}

/// Writes models with samples and their embeddings; returns the number of models.
fn write_all(folder: &Path, models: impl Iterator<Item = (String, Model)>) -> usize {
    let mut written = 0;
    for (name, model) in models {
        let (shape, values, expected) = samples(&model);
        let path = folder.join(format!("{name}.onnx"));
        widemargin_onnx::write(&path, &model, Some(CALIBRATION)).unwrap();
        array(&path.with_extension("input.npy"), &shape, &values);
        array(&path.with_extension("embeddings.npy"), &[SAMPLES, expected.len() / SAMPLES], &expected);
        written += 1;
    }
    written
}

/// Runs a program that prints `NAME: ...: ok` for each of `count` files.
fn check(command: &mut Command, count: usize) {
    let output = command.output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{errors}");
    assert_eq!(out.lines().filter(|line| line.ends_with(": ok")).count(), count, "{out}");
}

/// Writes an array of `f32` for numpy, row-major.
fn array(path: &Path, shape: &[usize], values: &[f32]) {
    let sides = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sides},), }}");
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = [b"\x93NUMPY\x01\x00".as_slice(), &(length as u16).to_le_bytes()].concat();
    bytes.extend(format!("{text:<width$}\n", width = length - 1).bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    widemargin_durable::write_atomic(path, &bytes).unwrap();
}

//! Every backbone as ONNX, run by two programs that are not ours: tract, and ONNX Runtime by Python.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

use tract_onnx::prelude::*;
use widemargin_data::Normalisation;
use widemargin_embedder::{Description, Model, Takes};
use widemargin_model::parameters::{self, Parameter};
use widemargin_model::{Backbone, BackboneConfig, BackboneName, ImageShape, device};
use widemargin_onnx::{Calibration, Input, Metadata, encode, metadata};

/// What two runtimes may differ by in a number of an embedding of length one.
const TOLERANCE: f32 = 1e-5;

const SAMPLES: usize = 3;

const CALIBRATION: Calibration = Calibration { threshold: 0.25, slope: 9.5, offset: -3.0 };

/// A model with numbers as training might leave them: nothing at its first value.
fn model(name: BackboneName, takes: Takes) -> Model {
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
    let description =
        Description { backbone: config, takes, normalisation, objective: "am-softmax".to_owned() };
    let backbone = Backbone::new(&description.backbone, 7, &device::by_name("cpu").unwrap()).unwrap();
    let numbers: Vec<Parameter> = parameters::parameters(&backbone).into_iter().map(trained).collect();
    Model::new(description, &numbers).unwrap()
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

/// The same as others with more blocks, and of 43 to 106 million numbers.
const DEEP: [BackboneName; 4] =
    [BackboneName::Iresnet100, BackboneName::Iresnet200, BackboneName::Resnet101, BackboneName::Resnet152];

/// Every backbone but [`DEEP`] with images, and those that take vectors with vectors too.
fn models() -> impl Iterator<Item = (String, Model)> {
    let flat = BackboneName::ALL.into_iter().filter(|name| name.is_flat());
    let vectors = flat.map(|name| (format!("{name}-vectors"), model(name, Takes::Vectors)));
    let shallow = BackboneName::ALL.into_iter().filter(|name| !DEEP.contains(name));
    shallow.map(|name| (name.to_string(), model(name, Takes::Images))).chain(vectors)
}

/// Numbers for the graph, and what the model makes of them.
fn samples(model: &Model) -> (Vec<usize>, Vec<f32>, Vec<f32>) {
    let shape = model.description().shape();
    let count = SAMPLES * shape.values();
    if model.description().takes == Takes::Vectors {
        let numbers: Vec<f32> = (0..count).map(|at| (at * at % 251) as f32 / 40.0 - 2.5).collect();
        let expected = model.embed_vectors(&numbers).unwrap();
        return (vec![SAMPLES, shape.values()], numbers, expected);
    }
    let pixels: Vec<u8> = (0..count).map(|at| (at * at % 251) as u8).collect();
    let expected = model.embed_pixels(&pixels).unwrap();
    let numbers = pixels.iter().map(|pixel| f32::from(*pixel)).collect();
    (vec![SAMPLES, shape.channels, shape.height, shape.width], numbers, expected)
}

/// tract's embeddings of all samples and, by the same runnable since the batch is open, of the first alone.
fn by_tract(bytes: &[u8], shape: &[usize], numbers: &[f32]) -> TractResult<[Vec<f32>; 2]> {
    let model = tract_onnx::onnx().model_for_read(&mut &bytes[..])?.into_optimized()?.into_runnable()?;
    let run = |count: usize| -> TractResult<Vec<f32>> {
        let shape = [&[count], &shape[1..]].concat();
        let numbers = &numbers[..shape.iter().product()];
        let found = model.run(tvec!(Tensor::from_shape(&shape, numbers)?.into()))?;
        Ok(found[0].to_plain_array_view::<f32>()?.iter().copied().collect())
    };
    Ok([run(SAMPLES)?, run(1)?])
}

#[test]
fn tract_gives_the_embeddings_of_every_backbone() {
    let mut checked = 0;
    for (name, model) in models() {
        let (shape, numbers, expected) = samples(&model);
        let bytes = encode(&model, None).unwrap();
        let [found, one] =
            by_tract(&bytes, &shape, &numbers).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!((found.len(), one.len()), (expected.len(), expected.len() / SAMPLES), "{name}");
        for (found, count) in [(found, "all"), (one, "one alone")] {
            let error = found.iter().zip(&expected).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(error <= TOLERANCE, "{name}, {count}: differs by {error}");
        }
        checked += 1;
    }
    assert_eq!(checked, BackboneName::ALL.len() - DEEP.len() + 3);
}

#[test]
fn metadata_tells_what_the_graph_does_not_do() {
    let model = model(BackboneName::Resnet18, Takes::Images);
    let bytes = encode(&model, Some(CALIBRATION)).unwrap();
    assert_eq!(bytes, encode(&model, Some(CALIBRATION)).unwrap(), "the same bytes");
    let file = tract_onnx::onnx().proto_model_for_read(&mut bytes.as_slice()).unwrap();
    assert_eq!(file.metadata_props.len(), 1);
    assert_eq!(file.metadata_props[0].key, widemargin_onnx::METADATA_KEY);
    let read: Metadata = serde_json::from_str(&file.metadata_props[0].value).unwrap();
    assert_eq!(read, metadata(&model, Some(CALIBRATION)));
    assert_eq!(read.calibration, Some(CALIBRATION));
    assert!(
        matches!(&read.input, Input::Images { channels: 3, height: 24, width: 17, colour, .. } if colour == "RGB"),
        "{read:?}"
    );
    assert_eq!((read.output.numbers, read.objective.as_str()), (12, "am-softmax"));
}

#[test]
fn a_model_of_vectors_with_a_backbone_for_images_is_refused() {
    let error = encode(&model(BackboneName::Resnet18, Takes::Vectors), None).unwrap_err().to_string();
    assert!(error.contains("resnet18") && error.contains("expected mlp"), "{error}");
}

#[test]
#[ignore = "wants Python with onnx and onnxruntime, named by WIDEMARGIN_PYTHON; .ci/run runs it"]
fn onnx_runtime_gives_the_embeddings_of_every_backbone() {
    let python =
        std::env::var_os("WIDEMARGIN_PYTHON").expect("WIDEMARGIN_PYTHON names a Python with onnxruntime");
    let folder = tempfile::tempdir().unwrap();
    let deep = DEEP.into_iter().map(|name| (name.to_string(), model(name, Takes::Images)));
    let mut written = 0;
    for (name, model) in models().chain(deep) {
        let (shape, numbers, expected) = samples(&model);
        let path = folder.path().join(format!("{name}.onnx"));
        widemargin_onnx::write(&path, &model, Some(CALIBRATION)).unwrap();
        array(&path.with_extension("input.npy"), &shape, &numbers);
        array(&path.with_extension("embeddings.npy"), &[SAMPLES, expected.len() / SAMPLES], &expected);
        written += 1;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check_onnx.py");
    let said = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}\n{errors}");
    assert_eq!(out.lines().filter(|line| line.ends_with(": ok")).count(), written, "{out}");
}

/// Writes an `.npy` file of `f32` (numpy's format, version 1.0).
fn array(path: &Path, shape: &[usize], numbers: &[f32]) {
    let sides: String = shape.iter().map(|side| format!("{side},")).collect();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sides}), }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let mut bytes = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat();
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    widemargin_durable::write_atomic(path, &bytes).unwrap();
}

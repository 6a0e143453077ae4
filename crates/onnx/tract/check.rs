//! Checks ONNX files with tract.
//!
//!     check FOLDER
//!
//! For every NAME.onnx in the folder, tract must map NAME.input.npy to NAME.embeddings.npy to 1e-5, for the whole batch and for one
//! sample. Prints one line per file. The tests of widemargin-onnx write these files and call this program.

use std::fs;
use std::path::Path;

use tract_onnx::prelude::*;

const TOLERANCE: f32 = 1e-5;

type Anything = Box<dyn std::error::Error>;

fn main() -> Result<(), Anything> {
    let folder = std::env::args().nth(1).ok_or("expected FOLDER")?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "onnx") {
            files.push(path);
        }
    }
    files.sort();
    for path in files {
        let error = check(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{}: {error:.1e}: ok", path.display());
    }
    Ok(())
}

/// The largest difference from the expected embeddings.
fn check(path: &Path) -> Result<f32, Anything> {
    let (shape, samples) = array(&path.with_extension("input.npy"))?;
    let (_, expected) = array(&path.with_extension("embeddings.npy"))?;
    let model = tract_onnx::onnx().model_for_path(path)?.into_optimized()?.into_runnable()?;
    let (batch, mut largest) = (shape[0], 0.0_f32);
    // the batch size is free, so the same model takes both
    for count in [batch, 1] {
        let shape = [&[count], &shape[1..]].concat();
        let input = Tensor::from_shape(&shape, &samples[..shape.iter().product()])?;
        let output = model.run(tvec!(input.into()))?;
        let found: Vec<f32> = output[0].to_plain_array_view::<f32>()?.iter().copied().collect();
        let expected = &expected[..expected.len() / batch * count];
        if found.len() != expected.len() {
            return Err(
                format!("{} values for {count} samples, expected {}", found.len(), expected.len()).into()
            );
        }
        largest = found.iter().zip(expected).fold(largest, |most, (a, b)| most.max((a - b).abs()));
    }
    if largest > TOLERANCE {
        return Err(format!("the largest difference is {largest:e}, expected at most {TOLERANCE:e}").into());
    }
    Ok(largest)
}

/// The shape and values of a `.npy` file of `<f4`, row-major, as the tests write it.
fn array(path: &Path) -> Result<(Vec<usize>, Vec<f32>), Anything> {
    let bytes = fs::read(path)?;
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..start])?;
    let shape = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')'));
    let (shape, _) = shape.ok_or("no shape in the header")?;
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
    let shape: Vec<usize> = sides.map(str::parse).collect::<Result<_, _>>()?;
    let values =
        bytes[start..].chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    Ok((shape, values.collect()))
}

//! Named tensors in the safetensors format, for model files and for the tensors of checkpoints.
//!
//! The format fixes the order of the names, so equal tensors give equal bytes.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};

use crate::checksum;
use crate::parameters::{Parameter, Role};

/// The safetensors metadata key that marks a model file of this program.
pub const METADATA_KEY: &str = "widemargin";

/// `f32` tensors by name: shape and values.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Packs `tensors`, preserving every bit.
///
/// # Panics
/// If the number of values of a tensor does not match its shape.
pub fn pack(tensors: &Tensors) -> Vec<u8> {
    pack_with(tensors, None)
}

/// [`pack`] with one metadata entry. Only one, because the format does not fix the order of several.
///
/// `text` is JSON with a field `crc32` whose value is [`checksum::UNKNOWN`]; the checksum takes its place.
///
/// # Panics
/// As [`pack`], and if the text has no such field.
pub fn pack_sealed(tensors: &Tensors, key: &str, text: &str) -> Vec<u8> {
    pack_with(tensors, Some((key, text)))
}

fn pack_with(tensors: &Tensors, entry: Option<(&str, &str)>) -> Vec<u8> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views: Vec<(&str, TensorView<'_>)> = bytes
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, (*shape).clone(), bytes).expect("shape and length match");
            (name.as_str(), view)
        })
        .collect();
    let metadata = entry.map(|(key, text)| {
        let text = checksum::sealed(text, views.iter().map(|(name, view)| (*name, view)));
        HashMap::from([(key.to_owned(), text)])
    });
    safetensors::serialize(views, metadata).expect("names and shapes always serialise")
}

/// Unpacks the output of [`pack`].
///
/// # Errors
/// A sentence, if the bytes are not in the safetensors format or contain another type than `f32`.
pub fn unpack(bytes: &[u8]) -> Result<Tensors, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("not safetensors: {error}"))?;
    let mut tensors = Tensors::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(format!("tensor '{name}' is {:?}, expected F32", view.dtype()));
        }
        let (values, _) = view.data().as_chunks::<4>();
        let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        tensors.insert(name, (view.shape().to_vec(), values));
    }
    Ok(tensors)
}

/// The parameters of a backbone as tensors.
pub fn of_parameters(parameters: &[Parameter]) -> Tensors {
    parameters.iter().map(|p| (p.name.clone(), (p.shape.clone(), p.values.clone()))).collect()
}

/// The inverse of [`of_parameters`], except for the roles, which are not stored: every role becomes [`Role::Weight`].
/// [`crate::parameters::with_parameters`] does not need them.
pub fn into_parameters(tensors: Tensors) -> Vec<Parameter> {
    let parameter = |(name, (shape, values))| Parameter { name, shape, values, role: Role::Weight };
    tensors.into_iter().map(parameter).collect()
}

/// Removes one tensor and checks its length.
///
/// # Errors
/// A sentence with the tensor's name, if it is missing or has another length.
pub fn take(tensors: &mut Tensors, name: &str, length: usize) -> Result<Vec<f32>, String> {
    match tensors.remove(name) {
        None => Err(format!("tensor '{name}' is missing")),
        Some((shape, values)) if values.len() != length => {
            Err(format!("tensor '{name}' has shape {shape:?}, expected {length} values"))
        }
        Some((_, values)) => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_survive() {
        let odd = vec![0.0, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX, 1.0 / 3.0, f32::NEG_INFINITY];
        let mut tensors = Tensors::new();
        tensors.insert("b".to_owned(), (vec![2, 3], odd.clone()));
        tensors.insert("a".to_owned(), (vec![0], vec![]));
        let bytes = pack(&tensors);
        assert_eq!(bytes, pack(&tensors));
        let mut back = unpack(&bytes).expect("our own bytes");
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back["b"].1), bits(&odd));
        assert!(take(&mut back, "b", 5).expect_err("wrong length").contains("'b'"));
        assert!(take(&mut back, "c", 1).expect_err("missing").contains("'c' is missing"));
        assert!(unpack(&bytes[..bytes.len() - 1]).is_err());
    }
}

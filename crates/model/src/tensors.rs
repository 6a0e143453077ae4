//! Named tensors as safetensors bytes and back: the payload of every file of a checkpoint that holds numbers, and the file of a model.
//!
//! The order of the names is fixed by the format, so the same tensors give the same bytes.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};

use crate::parameters::{Parameter, Role};

/// The key of safetensors metadata that says that this program wrote the file of a model.
pub const METADATA_KEY: &str = "widemargin";

/// Named tensors of `f32`.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Packs `tensors`, bit for bit.
///
/// # Panics
/// If a tensor has not as many values as its shape says.
pub fn pack(tensors: &Tensors) -> Vec<u8> {
    pack_with(tensors, None)
}

/// [`pack`] with one entry of metadata, key and value; more of them would be written in any order.
///
/// # Panics
/// As [`pack`].
pub fn pack_with(tensors: &Tensors, entry: Option<(&str, String)>) -> Vec<u8> {
    let metadata = entry.map(|(key, value)| HashMap::from([(key.to_owned(), value)]));
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, (*shape).clone(), bytes)
            .expect("shape and length agree in this program");
        (name.as_str(), view)
    });
    safetensors::serialize(views, metadata).expect("names and shapes always serialise")
}

/// Unpacks what [`pack`] made.
///
/// # Errors
/// A sentence saying what is wrong, for bytes that are not safetensors or hold another type than `f32`.
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

/// The numbers of a backbone by name.
pub fn of_parameters(parameters: &[Parameter]) -> Tensors {
    parameters.iter().map(|p| (p.name.clone(), (p.shape.clone(), p.values.clone()))).collect()
}

/// The same back. Roles are not stored: whoever takes these in ([`crate::parameters::with_parameters`]) knows them by name.
pub fn into_parameters(tensors: Tensors) -> Vec<Parameter> {
    let parameter = |(name, (shape, values))| Parameter { name, shape, values, role: Role::Weight };
    tensors.into_iter().map(parameter).collect()
}

/// Takes one tensor out, checking its length.
///
/// # Errors
/// A sentence naming the tensor when it is missing or has another length.
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

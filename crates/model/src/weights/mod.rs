//! Pretrained weights: a safetensors file with PyTorch's names, or a model file of this program.
//!
//! The networks `iresnet*` and `resnet*` are those of insightface and torchvision, so the names of their `state_dict()`, saved
//! with `safetensors.torch.save_file`, map one to one. Only a layout differs: PyTorch stores the matrix of a fully connected
//! layer as `[outputs, inputs]`. Missing names, unknown names and other shapes are an error that lists the first of each kind.
//! Only the last layer may have another size, because it belongs to the task the network was trained for. In that case it is not
//! loaded, and a message is returned.
//!
//! Pickles are never read: they can run code.

use crate::checksum;
use crate::parameters::{self, Parameter};
use crate::tensors::METADATA_KEY;
use crate::{Backbone, BackboneName, Error};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names of each kind that an error lists.
const FIRST: usize = 4;

/// First parts of the names of the last layer.
const LAST_LAYER: [&str; 2] = ["embedding", "embedding_normalisation"];

/// PyTorch's count of batches, next to every running mean. It does not affect the result.
const COUNT: &str = "num_batches_tracked";

/// The weight of insightface's last batch normalisation, which is fixed at 1.
const FIXED: &str = "features.weight";

/// The naming scheme of the tensors in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// This program's names, as in `model.safetensors`.
    Own,
    /// The names of the PyTorch network; see [`usual_name`].
    Usual,
}

/// The tensors of a file, by the file's names.
#[derive(Clone, Debug)]
pub struct Weights {
    path: PathBuf,
    names: Names,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Weights {
    /// Reads a safetensors file with tensors of `F32`, `F16`, `BF16` or `F64`.
    ///
    /// # Errors
    /// [`Error::BadWeights`] if the file cannot be read, is not a safetensors file (the message names a pickle as such), or
    /// has a tensor of a different type or a value that is not finite.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bad = |reason: String| Error::BadWeights { path: path.to_owned(), reason };
        let bytes = widemargin_durable::read_file(path, u64::MAX)
            .map_err(|error| bad(format!("cannot be read: {error}")))?;
        Self::parse(path, &bytes).map_err(bad)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, String> {
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x80, 0x02]) {
            let how =
                "save the weights with safetensors.torch.save_file(model.state_dict(), FILE) in PyTorch";
            return Err(format!("a PyTorch pickle, which can run code, expected a safetensors file; {how}"));
        }
        let broken = |error| format!("not a safetensors file, or damaged: {error}");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let own = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA_KEY));
        let file = SafeTensors::deserialize(bytes).map_err(broken)?;
        if let Some(text) = own {
            checksum::check(text, &file)?;
        }
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            if name.rsplit('.').next() == Some(COUNT) {
                continue;
            }
            let values = floats(&view).ok_or_else(|| {
                format!("tensor '{name}' is {:?}, expected F32, F16, BF16 or F64", view.dtype())
            })?;
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                let found = values[at];
                return Err(format!("tensor '{name}', value {at}: found {found}, expected a finite value"));
            }
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        let names = if own.is_some() { Names::Own } else { Names::Usual };
        Ok(Self { path: path.to_owned(), names, tensors })
    }

    /// The naming scheme of the file.
    pub fn names(&self) -> Names {
        self.names
    }

    /// Loads the weights into `backbone`, a network of kind `name`. If the last layer has another size, it is not loaded and
    /// the second value is a sentence saying so.
    ///
    /// # Errors
    /// [`Error::BadWeights`] with the first names that are missing, unknown or of a different shape.
    pub fn into_backbone(
        self,
        name: BackboneName,
        backbone: Backbone,
    ) -> Result<(Backbone, Option<String>), Error> {
        let path = self.path.clone();
        let bad = |reason: String| Error::BadWeights { path: path.clone(), reason };
        let (stored, left_out) = self.fit(name, &backbone).map_err(bad)?;
        let backbone = parameters::with_parameters(backbone, &stored)?;
        Ok((backbone, left_out))
    }

    /// Every parameter of `backbone` with the file's values, or its own values for a last layer that is not loaded.
    fn fit(
        mut self,
        name: BackboneName,
        backbone: &Backbone,
    ) -> Result<(Vec<Parameter>, Option<String>), String> {
        let theirs = |own: &str| match self.names {
            Names::Own => Some(own.to_owned()),
            Names::Usual => usual_name(name, own),
        };
        let mut expected = parameters::parameters(backbone);
        let names: Vec<Option<String>> = expected.iter().map(|parameter| theirs(&parameter.name)).collect();
        if names.iter().any(Option::is_none) || names.is_empty() {
            return Err(match self.names {
                Names::Own => format!("backbone {name} has no weights"),
                Names::Usual => format!(
                    "a file with PyTorch's names, which {name} does not have; expected a model.safetensors of this program. Only iresnet* and resnet* accept PyTorch's names"
                ),
            });
        }
        let names: Vec<String> = names.into_iter().flatten().collect();
        let transposed = self.names == Names::Usual;
        let (mut missing, mut misshapen) = (Vec::new(), Vec::new());
        let mut last: Vec<String> = Vec::new();
        for (parameter, name) in expected.iter().zip(&names) {
            let shape = file_shape(&parameter.shape, transposed);
            match self.tensors.get(name) {
                None => missing.push(name.clone()),
                Some((found, _)) if *found != shape => {
                    let said = format!("{name} is {found:?}, expected {shape:?}");
                    if is_last(&parameter.name) { last.push(said) } else { misshapen.push(said) }
                }
                Some(_) => {}
            }
        }
        let has_bias = names.iter().any(|name| name == "features.bias");
        let fixed = self.tensors.get(FIXED).filter(|_| has_bias);
        let unexpected: Vec<String> = self
            .tensors
            .keys()
            .filter(|found| !names.contains(found) && (fixed.is_none() || *found != FIXED))
            .cloned()
            .collect();
        let kinds = [("missing", missing), ("unknown", unexpected), ("of another shape", misshapen)];
        let complaints: Vec<String> = kinds
            .into_iter()
            .filter(|(_, found)| !found.is_empty())
            .map(|(kind, found)| format!("{kind} {}", first(&found)))
            .collect();
        if !complaints.is_empty() {
            return Err(format!("does not fit {name}: {}", complaints.join("; ")));
        }
        if let Some(at) = fixed
            .and_then(|(_, values)| values.iter().position(|value| *value != 1.0))
            .filter(|_| last.is_empty())
        {
            return Err(format!("{FIXED}, value {at}: not 1; insightface fixes these values at 1"));
        }
        let whole = last.len() < names.len() && !expected.iter().all(|parameter| is_last(&parameter.name));
        if !last.is_empty() && !whole {
            return Err(format!("does not fit {name}: of another shape {}", first(&last)));
        }
        for (parameter, name) in expected.iter_mut().zip(&names) {
            if !last.is_empty() && is_last(&parameter.name) {
                continue;
            }
            let Some((_, values)) = self.tensors.remove(name) else { continue };
            parameter.values = match *parameter.shape {
                [rows, columns] if transposed => transpose(&values, rows, columns),
                _ => values,
            };
        }
        let said = format!("the last layer has another size and keeps its random weights: {}", first(&last));
        Ok((expected, (!last.is_empty()).then_some(said)))
    }
}

/// A parameter's name without the kind of network at its start: `stem.weight` for `Residual.stem.weight`.
pub fn within_network(own: &str) -> &str {
    match own.split_once('.') {
        Some((kind, rest)) if kind.starts_with(|letter: char| letter.is_ascii_uppercase()) => rest,
        _ => own,
    }
}

fn is_last(own: &str) -> bool {
    let first = within_network(own).split('.').next().unwrap_or(own);
    LAST_LAYER.contains(&first)
}

/// The shape in the file of a parameter of `shape`.
fn file_shape(shape: &[usize], transposed: bool) -> Vec<usize> {
    match *shape {
        [rows, columns] if transposed => vec![columns, rows],
        _ => shape.to_vec(),
    }
}

/// Transposes `[columns, rows]` to `[rows, columns]`.
fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows).flat_map(|row| (0..columns).map(move |column| values[column * rows + row])).collect()
}

/// The first few names, and the number of the others.
fn first(found: &[String]) -> String {
    widemargin_data::first_names(found, FIRST)
}

fn floats(view: &TensorView) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect(),
        _ => return None,
    })
}

/// The PyTorch name of a parameter or buffer: the name in insightface's `iresnet.py` for `iresnet*`, in torchvision's
/// `resnet.py` for `resnet*`, and `None` for other backbones.
///
/// ```
/// use widemargin_model::{BackboneName, weights::usual_name};
///
/// let usual = usual_name(BackboneName::Iresnet50, "ImprovedResidual.blocks.3.middle_normalisation.slope");
/// assert_eq!(usual.as_deref(), Some("layer2.0.prelu.weight"));
/// ```
pub fn usual_name(backbone: BackboneName, own: &str) -> Option<String> {
    let depths = backbone.depths()?;
    let parts: Vec<&str> = within_network(own).split('.').collect();
    let (place, rest) = match parts.as_slice() {
        ["blocks", block, rest @ ..] => {
            let (mut index, mut stage) = (block.parse::<usize>().ok()?, 0);
            while index >= *depths.get(stage)? {
                index -= depths[stage];
                stage += 1;
            }
            (format!("layer{}.{index}.", stage + 1), rest)
        }
        rest => (String::new(), rest),
    };
    let (layer, field) = match *rest {
        [layer, field] => (layer.to_owned(), field),
        [layer, index, field] => (format!("{layer}.{index}"), field),
        _ => return None,
    };
    // In PyTorch a PReLU is a separate layer.
    if field == "slope" {
        return Some(format!("{place}prelu.weight"));
    }
    let inside = !place.is_empty();
    let layer = match layer.as_str() {
        "stem" | "first" | "convolution.0" => "conv1",
        "second" | "convolution.1" => "conv2",
        "convolution.2" => "conv3",
        "stem_normalisation" | "first_normalisation" | "normalisation.0" => "bn1",
        "middle_normalisation" | "normalisation.1" => "bn2",
        "last_normalisation" if !inside => "bn2",
        "last_normalisation" | "normalisation.2" => "bn3",
        "short_cut" => "downsample.0",
        "short_cut_normalisation" => "downsample.1",
        "embedding" => "fc",
        "embedding_normalisation" => "features",
        _ => return None,
    };
    let field = if field == "running_variance" { "running_var" } else { field };
    Some(format!("{place}{layer}.{field}"))
}

/// Whether a parameter's name, this program's or PyTorch's, starts with `beginning`. Only whole words between dots count:
/// `layer1` matches `layer1.0.conv1.weight` but not `layer10`.
pub fn begins(beginning: &str, backbone: BackboneName, own: &str) -> bool {
    let begins = |name: &str| {
        name.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    begins(own)
        || begins(within_network(own))
        || usual_name(backbone, own).is_some_and(|usual| begins(&usual))
}

#[cfg(test)]
mod tests;

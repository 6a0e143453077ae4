//! The file of a model: safetensors, with a description in its metadata.

use std::path::{Path, PathBuf};

use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize};
use widemargin_model::BackboneName;
use widemargin_model::parameters::Parameter;
use widemargin_model::tensors;

use crate::{Description, Error, Fingerprint, Model, Result};

/// Name of a model's file in a run folder.
pub const MODEL_FILE: &str = "model.safetensors";

/// The one key of the metadata, so that the same model gives the same bytes.
const KEY: &str = tensors::METADATA_KEY;

/// The version that is written, and the newest that is read.
const VERSION: u32 = 1;

/// Most values that a backbone without numbers of its own may take.
const MOST_VALUES: usize = 1 << 24;

/// The metadata.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    #[serde(flatten)]
    description: Description,
}

impl Model {
    /// Writes a model's file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Durable`] if it cannot be written.
    pub fn write(path: impl AsRef<Path>, description: &Description, numbers: &[Parameter]) -> Result<()> {
        let header = Header { version: VERSION, description: description.clone() };
        let header = serde_json::to_string(&header).expect("numbers and names always have a JSON form");
        let bytes = tensors::pack_with(&tensors::of_parameters(numbers), Some((KEY, header)));
        Ok(widemargin_durable::write_atomic(path, &bytes)?)
    }

    /// The file of a model: the one given, or that of the run whose folder is given.
    pub fn file(path: &Path) -> PathBuf {
        if path.is_dir() { path.join(MODEL_FILE) } else { path.to_path_buf() }
    }

    /// Reads a model from its file, or from the folder of the run that made it.
    ///
    /// # Errors
    /// [`Error::BadFile`] for a file that is missing, damaged, of a newer version or no model; [`Error::Model`] for numbers that do
    /// not fit.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let given = path.as_ref();
        let path = Self::file(given);
        let bad = |reason: String| Error::BadFile { path: path.clone(), reason };
        let bytes = std::fs::read(&path).map_err(|error| {
            let hint = if given.is_dir() { "; a run leaves its model there when it is finished" } else { "" };
            bad(format!("cannot be read: {error}{hint}"))
        })?;
        let (header, numbers) = parse(&bytes).map_err(bad)?;
        check_size(&header.description, &numbers).map_err(bad)?;
        let fingerprint = Fingerprint { bytes: bytes.len(), checksum: crc32fast::hash(&bytes) };
        let model = Self::new(header.description, &numbers).map_err(|error| match error {
            Error::Model(error) => bad(error.to_string()),
            Error::Data(error) => bad(error.to_string()),
            error => error,
        })?;
        Ok(Self { fingerprint: Some(fingerprint), ..model })
    }
}

impl Description {
    /// Reads the description of a model's file alone.
    ///
    /// # Errors
    /// [`Error::BadFile`] for a file that cannot be read or is no model.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bad = |reason: String| Error::BadFile { path: path.to_owned(), reason };
        let bytes = std::fs::read(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
        Ok(header(&bytes).map_err(bad)?.description)
    }
}

fn header(bytes: &[u8]) -> std::result::Result<Header, String> {
    let damaged = |error| format!("not a safetensors file, or a damaged one: {error}");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let header = header.ok_or_else(|| format!("no metadata '{KEY}': not a model of this program"))?;
    let version: Version =
        serde_json::from_str(header).map_err(|error| format!("its metadata cannot be read: {error}"))?;
    if version.version != VERSION {
        return Err(format!("found version {}, expected {VERSION}", version.version));
    }
    serde_json::from_str(header).map_err(|error| format!("its metadata cannot be read: {error}"))
}

fn parse(bytes: &[u8]) -> std::result::Result<(Header, Vec<Parameter>), String> {
    let header = header(bytes)?;
    let tensors = tensors::unpack(bytes)?;
    for (name, (_, values)) in &tensors {
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(format!(
                "tensor '{name}', value {at}: found {}, expected a finite number",
                values[at]
            ));
        }
    }
    Ok((header, tensors::into_parameters(tensors)))
}

/// What a header of any version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Refuses a description that asks for far more numbers than the file has, before memory is taken for them.
fn check_size(description: &Description, numbers: &[Parameter]) -> std::result::Result<(), String> {
    let config = &description.backbone;
    let there: usize = numbers.iter().map(|parameter| parameter.values.len()).sum();
    let input = config.input;
    let values = input.channels.checked_mul(input.height).and_then(|all| all.checked_mul(input.width));
    let most = if config.name == BackboneName::Identity { MOST_VALUES } else { there.saturating_mul(4) };
    // the other backbones have no use for hidden widths, whatever the configuration said
    let hidden = if config.name == BackboneName::Mlp { config.hidden.as_slice() } else { &[] };
    let widths = hidden.iter().chain([&config.embedding]);
    match values {
        Some(values) if values <= most && widths.clone().all(|width| *width <= most) => Ok(()),
        _ => Err(format!(
            "found {there} numbers, too few for images of {} and embeddings of {}",
            description.shape(),
            config.embedding
        )),
    }
}

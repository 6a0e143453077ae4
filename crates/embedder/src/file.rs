//! The file of a model: safetensors with a [`Description`] in its metadata.

use std::path::{Path, PathBuf};

use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize};
use widemargin_model::BackboneName;
use widemargin_model::parameters::Parameter;
use widemargin_model::{checksum, tensors};

use crate::description::{Description, Takes};
use crate::error::{Error, Result};
use crate::model::{Fingerprint, Model};

/// Name of the model file in a run folder.
pub const MODEL_FILE: &str = "model.safetensors";

/// File of the model with the trained weights themselves, in the folder of a run whose model has averaged weights.
pub const UNAVERAGED_FILE: &str = "unaveraged.safetensors";

/// The only key of the metadata, so that the same model gives the same bytes.
const KEY: &str = tensors::METADATA_KEY;

/// The version of the format.
const VERSION: u32 = 1;

/// Largest input, in values, of a backbone without parameters.
const MOST_VALUES: usize = 1 << 24;

/// The metadata.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    /// Of the whole content; files of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crc32: Option<String>,
    #[serde(flatten)]
    description: Description,
}

impl Model {
    /// Writes a model file atomically.
    ///
    /// # Errors
    /// [`Error::Durable`] if the file cannot be written.
    pub fn write(path: impl AsRef<Path>, description: &Description, weights: &[Parameter]) -> Result<()> {
        let header = Header {
            version: VERSION,
            crc32: Some(checksum::UNKNOWN.to_owned()),
            description: description.clone(),
        };
        let header =
            serde_json::to_string(&header).expect("numbers and strings can always be written as JSON");
        let bytes = tensors::pack_sealed(&tensors::of_parameters(weights), KEY, &header);
        Ok(widemargin_durable::write_atomic(path, &bytes)?)
    }

    /// The path of a model file: `path` itself, or the model file in a run folder.
    pub fn file(path: &Path) -> PathBuf {
        if path.is_dir() { path.join(MODEL_FILE) } else { path.to_path_buf() }
    }

    /// Loads a model from its file or from a run folder.
    ///
    /// # Errors
    /// [`Error::BadFile`] for a file that is missing, damaged, of a different version or not a model, or whose weights do not fit its
    /// backbone.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let given = path.as_ref();
        let path = Self::file(given);
        let bad = |reason: String| Error::BadFile { path: path.clone(), reason };
        let bytes = widemargin_durable::read_file(&path, u64::MAX).map_err(|error| {
            let hint = if given.is_dir() {
                "; `train` writes it at the end of a run: finish the run with --resume"
            } else {
                ""
            };
            bad(format!("cannot be read: {error}{hint}"))
        })?;
        let (header, weights) = parse(&bytes).map_err(bad)?;
        check_size(&header.description, &weights).map_err(bad)?;
        let fingerprint = Fingerprint::of(&bytes);
        let model = Self::new(header.description, &weights).map_err(|error| match error {
            Error::Model(error) => bad(error.to_string()),
            Error::Data(error) => bad(error.to_string()),
            error => error,
        })?;
        Ok(model.with_fingerprint(fingerprint))
    }
}

impl Fingerprint {
    fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len(), checksum: crc32fast::hash(bytes) }
    }

    /// The fingerprint of a model file.
    ///
    /// # Errors
    /// [`Error::BadFile`] for a file that cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::of(&bytes_of(path.as_ref())?))
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    widemargin_durable::read_file(path, u64::MAX)
        .map_err(|error| Error::BadFile { path: path.to_owned(), reason: format!("cannot be read: {error}") })
}

impl Description {
    /// Reads only the description of a model file.
    ///
    /// # Errors
    /// [`Error::BadFile`] for a file that cannot be read or is not a model.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bad = |reason: String| Error::BadFile { path: path.to_owned(), reason };
        Ok(header(&bytes_of(path)?).map_err(bad)?.description)
    }
}

/// The header of a file whose content fits its checksum.
fn header(bytes: &[u8]) -> std::result::Result<Header, String> {
    let damaged = |error| format!("not a safetensors file, or damaged: {error}");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let header =
        header.ok_or_else(|| format!("not a widemargin model: the metadata key `{KEY}` is missing"))?;
    let version: Version =
        serde_json::from_str(header).map_err(|error| format!("the metadata cannot be read: {error}"))?;
    if version.version != VERSION {
        return Err(format!("found version {}, expected {VERSION}", version.version));
    }
    checksum::check(header, &file)?;
    serde_json::from_str(header).map_err(|error| format!("the metadata cannot be read: {error}"))
}

fn parse(bytes: &[u8]) -> std::result::Result<(Header, Vec<Parameter>), String> {
    let header = header(bytes)?;
    let tensors = tensors::unpack(bytes)?;
    for (name, (_, values)) in &tensors {
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(format!(
                "tensor `{name}`, value {at}: found {}, expected a finite number",
                values[at]
            ));
        }
    }
    Ok((header, tensors::into_parameters(tensors)))
}

/// The part of the header that all versions have in common.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Rejects a description that needs far more parameters than the file has, before memory is allocated for them.
fn check_size(description: &Description, weights: &[Parameter]) -> std::result::Result<(), String> {
    let config = &description.backbone;
    if let Some(columns) = &description.columns
        && (description.takes != Takes::Vectors || columns.len() != config.input.width)
    {
        let (found, expected) = (columns.len(), config.input);
        return Err(format!(
            "found names of {found} columns, expected none or one per value of the input, {expected}"
        ));
    }
    let there: usize = weights.iter().map(|parameter| parameter.values.len()).sum();
    let input = config.input;
    let values = input.channels.checked_mul(input.height).and_then(|all| all.checked_mul(input.width));
    let most = if config.name == BackboneName::Identity { MOST_VALUES } else { there.saturating_mul(4) };
    // other backbones ignore the hidden widths
    let hidden = if config.name == BackboneName::Mlp { config.hidden.as_slice() } else { &[] };
    let widths = hidden.iter().chain([&config.embedding]);
    match values {
        Some(values) if values <= most && widths.clone().all(|width| *width <= most) => Ok(()),
        _ => Err(format!(
            "found {there} parameters, too few for images of {} and embeddings of dimension {}",
            description.shape(),
            config.embedding
        )),
    }
}

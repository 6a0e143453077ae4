//! The model that made a file of embeddings, as stored in the file and next to it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use widemargin_durable::{MOST_TEXT, read_file};

use super::error::Result;
use super::rows::Rows;
use super::spelling::appearance;

/// The key of the metadata of a `.parquet` or `.safetensors`.
pub(super) const KEY: &str = "widemargin";

/// Rows that are read at once.
const BLOCK: usize = 4096;

/// The classes of a model's training by name, so that what is trained from the model or its embeddings can keep unseen classes unseen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingClasses {
    /// Name of the data set of the last run.
    pub data: String,
    /// Classes that the model was trained on: those of the last run, and of the runs whose weights or embeddings it started from.
    pub trained: Vec<String>,
    /// Classes of the evaluation sets of these runs that no run was trained on.
    pub unseen: Vec<String>,
    /// Classes of the validation parts of these runs, by which the model was chosen; no run was trained on them. Files of versions without
    /// evaluation during training have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<String>,
}

/// Identifies the model that made the rows of a file. It is part of `.parquet` and `.safetensors` files, so a copy keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelMark {
    /// Length of the model file in bytes.
    pub model_bytes: u64,
    /// CRC-32 of the model file.
    pub model_checksum: u32,
    /// Number of rows that were written. A file with more rows was merged from several.
    pub rows: u64,
    /// Checksum of the values that were written, in any order of the rows; older files have none.
    /// [`write_table`](super::write_table) computes it if it is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<u64>,
    /// The classes of the model's training, if its file lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<TrainingClasses>,
    /// Whether each embedding is averaged over the image and its mirror image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flip: bool,
    /// Whether the file has as many rows as were written, but other values: rows may be those of another model.
    #[serde(skip)]
    pub is_altered: bool,
}

impl ModelMark {
    /// Finds out whether values have been replaced, and says so.
    pub(super) fn compare(&mut self, rows: &Rows) -> Result<Option<String>> {
        let Some(written) = self.values.filter(|_| rows.rows() as u64 == self.rows) else { return Ok(None) };
        self.is_altered = values_checksum(rows)? != written;
        Ok(self.is_altered.then(|| {
            format!(
                "{}: it has as many rows as `embed` wrote, but other values: rows were replaced or changed, so the model that the file states need not have \
                 made all of them.",
                rows.path().display()
            )
        }))
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("numbers and strings can always be written as JSON")
    }

    /// The error is the reason.
    pub(super) fn from_text(text: &str) -> std::result::Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("its metadata `{KEY}` is damaged: {error}"))
    }

    /// Those of some classes that the model was trained on, in the same spelling or one that looks the same.
    pub fn trained_on<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let Some(classes) = &self.classes else { return Vec::new() };
        let trained: HashSet<String> = classes.trained.iter().map(|name| appearance(name)).collect();
        names.filter(|name| trained.contains(&appearance(name))).collect()
    }

    /// Whether both name the same model.
    pub fn is_same_model(&self, other: &Self) -> bool {
        (self.model_bytes, self.model_checksum) == (other.model_bytes, other.model_checksum)
    }
}

/// A checksum of the values as `f32`, the same for the same rows in any order.
pub(super) fn values_checksum(rows: &Rows) -> Result<u64> {
    let (dim, mut sum, mut values) = (rows.dim().max(1), 0_u64, Vec::new());
    for first in (0..rows.rows()).step_by(BLOCK) {
        values.resize(BLOCK.min(rows.rows() - first) * rows.dim(), 0.0);
        rows.read_into(first, &mut values)?;
        sum = values.chunks_exact(dim).fold(sum, |sum, row| sum.wrapping_add(hash(row)));
    }
    Ok(sum)
}

/// A hash of a row whose bits all depend on all values, so that a sum of hashes hardly stays the same when rows change.
fn hash(row: &[f32]) -> u64 {
    let step = |hash: u64, value: &f32| {
        (hash.rotate_left(5) ^ u64::from(value.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    let mixed = row.iter().fold(0, step);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

/// The file that `embed` writes next to a file of embeddings, with the model and input that made it.
pub fn made_by_path(embeddings: &Path) -> PathBuf {
    let mut name = embeddings.as_os_str().to_owned();
    name.push(".about.json");
    name.into()
}

/// The model that made a file of embeddings: the one that the file next to it states, or else the one stated `inside`. A file next to it that
/// `embed` did not write states none.
pub fn model_of(embeddings: &Path, inside: Option<ModelMark>) -> Option<ModelMark> {
    /// What this needs of the file.
    #[derive(Deserialize)]
    struct MadeBy {
        model: (u64, u32),
        rows: u64,
        #[serde(default)]
        classes: Option<TrainingClasses>,
        #[serde(default)]
        flip: bool,
    }
    let path = made_by_path(embeddings);
    let bytes = path.is_file().then(|| read_file(&path, MOST_TEXT).ok()).flatten();
    let beside = bytes.and_then(|bytes| serde_json::from_slice::<MadeBy>(&bytes).ok());
    let marked = |MadeBy { model: (model_bytes, model_checksum), rows, classes, flip }| ModelMark {
        model_bytes,
        model_checksum,
        rows,
        values: None,
        classes,
        flip,
        is_altered: false,
    };
    beside.map(marked).or(inside)
}

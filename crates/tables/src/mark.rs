//! The model that made a file of embeddings, as stored in the file.

use serde::{Deserialize, Serialize};

/// The key of the metadata of a `.parquet` or `.safetensors`.
pub(super) const KEY: &str = "widemargin";

/// Identifies the model that made the rows of a file. It is part of `.parquet` and `.safetensors` files, so a copy keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelMark {
    /// Length of the model file in bytes.
    pub model_bytes: u64,
    /// CRC-32 of the model file.
    pub model_checksum: u32,
    /// Number of rows that were written. A file with more rows was merged from several.
    pub rows: u64,
}

impl ModelMark {
    pub(super) fn to_text(self) -> String {
        serde_json::to_string(&self).expect("numbers can always be written as JSON")
    }

    /// The error is the reason.
    pub(super) fn from_text(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("its metadata `{KEY}` is damaged: {error}"))
    }

    /// Whether both name the same model.
    pub fn is_same_model(&self, other: &Self) -> bool {
        (self.model_bytes, self.model_checksum) == (other.model_bytes, other.model_checksum)
    }
}

//! Images that cannot be used, with the reason.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

/// How many bad images an error names.
const NAMED: usize = 5;

/// An image that cannot be used, and why. The path of one inside a tar file treats that file as a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadImage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// An error that names the first few of `bad`, if they are more than the share `allowed` of all `files`.
pub(crate) fn require_few_bad(
    root: &Path,
    bad: &[BadImage],
    files: usize,
    allowed: f64,
) -> crate::Result<()> {
    if bad.len() as f64 <= allowed * files as f64 {
        return Ok(());
    }
    let first: Vec<String> =
        bad.iter().take(NAMED).map(|image| format!("{}: {}", image.path.display(), image.reason)).collect();
    Err(Error::TooManyBad {
        path: root.to_path_buf(),
        bad: bad.len(),
        files,
        allowed_percent: allowed * 100.0,
        first: first.join("; "),
    })
}

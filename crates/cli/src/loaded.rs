//! Loads a model for a command that uses it, and says what the user must know about its run and about the images it reads.

use anyhow::anyhow;
use std::path::Path;
use widemargin_data::PixelFacts;
use widemargin_embedder::{Fingerprint, Model};

/// Loads the model of a run or of a file, with flip averaging if `flip`. The warning says that its run was extended and has not ended, so that it is
/// a model of fewer epochs than the configuration of the run has.
pub(crate) fn load(path: &Path, flip: bool) -> anyhow::Result<(Model, Option<String>)> {
    let mut model = Model::load(path)?;
    if flip {
        model = model.with_flip().map_err(|error| anyhow!("--flip: {}: {error}", path.display()))?;
    }
    let warning = model.fingerprint().and_then(|fingerprint| unfinished(path, fingerprint));
    Ok((model, warning))
}

/// The warning of [`load`] for a model that was read from `path`.
pub(crate) fn unfinished(path: &Path, model: Fingerprint) -> Option<String> {
    let folder = if path.is_dir() { path } else { path.parent()? };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let name = folder.display();
    match widemargin_train::earlier_model(folder, model) {
        Ok(None) => None,
        Ok(Some((epochs, earlier))) => Some(format!(
            "{name}: the run was extended to {epochs} epochs and is not finished; its model is that of {} epochs. To finish it: widemargin train \
             --resume {name}",
            earlier.epochs
        )),
        Err(error) => Some(format!("{error}; whether the run is finished is not known.")),
    }
}

/// Warnings about images that a model has read.
pub(crate) fn about_pixels(facts: &PixelFacts) -> Vec<String> {
    let as_trained = |sentence| format!("{sentence} The model reads images as it did in its training.");
    facts.sentences().into_iter().map(as_trained).collect()
}

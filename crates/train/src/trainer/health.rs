//! Whether a model in training is still sound: finite weights, and embeddings that have a direction.

use super::Trainer;
use crate::{Error, Prepared};
use widemargin_model::tensors::Tensors;
use widemargin_objective::norm;

/// Larger norms overflow in programs that square the values of an embedding in `f32`.
const LARGEST_NORM: f64 = 1e19;

/// The first embedding of `[rows, dim]` that shows divergence, as its row and a sentence without the name of the sample.
pub(super) fn bad_embedding(embeddings: &[f32], dim: usize) -> Option<(usize, String)> {
    embeddings.chunks_exact(dim).enumerate().find_map(|(row, embedding)| {
        let norm = norm(embedding);
        if !norm.is_finite() || embedding.iter().any(|value| !value.is_finite()) {
            Some((row, "an embedding is not finite".to_owned()))
        } else if norm > LARGEST_NORM {
            Some((row, format!("an embedding has the norm {norm:.1e}, expected at most {LARGEST_NORM:e}")))
        } else {
            None
        }
    })
}

/// Checks that all tensors of a state are finite, before a checkpoint of them replaces a good one. `owner` names whose they are.
///
/// # Errors
/// [`Error::Diverged`] with the step and the tensor.
pub(super) fn require_finite(tensors: &Tensors, owner: &str, step: u64) -> Result<(), Error> {
    match tensors.iter().find(|(_, (_, values))| values.iter().any(|value| !value.is_finite())) {
        Some((name, _)) => {
            let what = format!("{name} of the {owner} has a value that is not finite");
            Err(Error::Diverged { what, step, samples: Vec::new() })
        }
        None => Ok(()),
    }
}

impl Trainer {
    /// Checks that the embeddings of these samples are finite, of a reasonable norm, and not all zero.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the step and a sample; those of reading the samples.
    pub fn check_embeddings(&self, prepared: &Prepared, samples: &[u32], step: u64) -> Result<(), Error> {
        let embeddings = self.embed(prepared, samples)?;
        let name = |row: usize| prepared.set.sample_id(samples[row] as usize);
        let what = match bad_embedding(&embeddings, self.head.dim()) {
            Some((row, problem)) => format!("{problem} (sample {})", name(row)),
            None if embeddings.iter().all(|value| *value == 0.0) => {
                format!("the embeddings of {} evaluation samples are all zero", samples.len())
            }
            None => return Ok(()),
        };
        Err(Error::Diverged { what, step, samples: Vec::new() })
    }
}

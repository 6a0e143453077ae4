//! Embeddings of samples as they are compared in every evaluation of a run.

use widemargin_data::{Labelled, SampleSet};
use widemargin_eval::Embeddings;

/// Embeddings of these samples of a set, `values` `[samples, dim]`, with the numbers of their classes as labels. If the set has
/// [cameras](Labelled::cameras), only samples of different cameras are compared.
///
/// # Errors
/// Those of [`Embeddings::new`] for values that cannot be compared.
pub fn compared(
    set: &SampleSet,
    samples: &[u32],
    values: &[f32],
    dim: usize,
) -> Result<Embeddings, widemargin_eval::Error> {
    let of_samples = |of: &[u32]| samples.iter().map(|sample| of[*sample as usize]).collect::<Vec<u32>>();
    let embeddings = Embeddings::new(values, samples.len(), dim, &of_samples(set.labels()))?;
    match set.cameras() {
        Some(cameras) => embeddings.across_cameras(of_samples(cameras)),
        None => Ok(embeddings),
    }
}

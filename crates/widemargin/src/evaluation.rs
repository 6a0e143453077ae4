//! Evaluation of a trained model: verification and retrieval on samples that training did not use.
//!
//! The program `widemargin train` calls the same function, so a report and a program of your own print the same numbers.

use serde::Serialize;
use widemargin_data::{Labelled, SampleSet};
use widemargin_embedder::Model;
use widemargin_eval::Embeddings;
use widemargin_eval::retrieval::{self, Retrieval};
use widemargin_eval::verification::{self, Verification, VerificationOptions};
use widemargin_train::{Config, Prepared, Trainer};

use crate::Result;

/// The values of k for which [`evaluate`] reports recall at k.
pub const RECALL_AT: [usize; 3] = [1, 5, 10];

/// How well a model's embeddings separate classes.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// Names of the classes of the samples.
    pub classes: Vec<String>,
    /// Number of samples.
    pub samples: usize,
    /// Are two samples of the same class? All pairs are compared, or a random sample of the pairs if there are more than
    /// [`VerificationOptions`] allows.
    pub verification: Verification,
    /// Are the nearest neighbours of a sample of its class? Every sample is a query once.
    pub retrieval: Retrieval,
    /// The embeddings that were compared, one row per sample, labelled with class numbers of the set. Not serialised.
    #[serde(skip)]
    pub embeddings: Embeddings,
}

/// Evaluates `model` on the evaluation samples of `data`: samples of classes that training never saw, or the test samples of a closed set
/// ([`Prepared::evaluation_samples`]).
///
/// # Errors
/// Those of [`evaluate_samples`].
pub fn evaluate(model: &Model, data: &Prepared) -> Result<Evaluation> {
    evaluate_samples(model, &data.set, data.evaluation_samples())
}

/// Evaluates the model of `config` before its first training step, in the same way as [`evaluate`]: with the random weights of its seed, or
/// with the weights that it loads. A trained model that is not better than this baseline learned nothing that shows on these samples.
///
/// # Errors
/// [`Error::Train`](crate::Error::Train) for a configuration or weights that do not fit; those of [`evaluate_samples`].
pub fn evaluate_untrained(config: &Config, data: &Prepared) -> Result<Evaluation> {
    let mut config = config.clone();
    config.objective.resolve(data.split.known().len(), config.model.embedding)?;
    let mut trainer = Trainer::new(&config, data)?;
    trainer.load_weights(&config, data)?;
    evaluate(&trainer.model(data)?, data)
}

/// Evaluates `model` on chosen samples of a set, given by their positions.
///
/// # Errors
/// [`Error::Embedder`](crate::Error::Embedder) if the model takes samples of another kind or shape, or if a sample cannot be read or embedded;
/// [`Error::Eval`](crate::Error::Eval) if there are no samples, all are of one class, or no class has two.
pub fn evaluate_samples(model: &Model, set: &SampleSet, samples: &[u32]) -> Result<Evaluation> {
    let labels: Vec<u32> = samples.iter().map(|sample| set.labels()[*sample as usize]).collect();
    let values = model.embed_samples(set, samples)?;
    let embeddings = Embeddings::new(&values, samples.len(), model.dim(), &labels)?;
    let mut classes = labels;
    classes.sort_unstable();
    classes.dedup();
    Ok(Evaluation {
        classes: classes.into_iter().map(|class| set.class_names()[class as usize].clone()).collect(),
        samples: samples.len(),
        verification: verification::all_pairs(&embeddings, &VerificationOptions::default())?,
        retrieval: retrieval::evaluate(&embeddings, &RECALL_AT)?,
        embeddings,
    })
}

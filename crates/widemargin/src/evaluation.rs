//! Evaluation of a trained model: verification and retrieval on samples that training did not use.
//!
//! The program `widemargin train` calls the same function, so a report and a program of your own print the same numbers.

use serde::Serialize;
use widemargin_data::{Labelled, SampleSet};
use widemargin_embedder::Model;
use widemargin_eval::Embeddings;
use widemargin_eval::retrieval::{self, Gallery, Ranks, Retrieval, RetrievalIntervals};
use widemargin_eval::verification::bootstrap::{self, BootstrapOptions, FEW_DRAWN, Intervals};
use widemargin_eval::verification::{self, Verification, VerificationOptions};
use widemargin_train::{Config, Prepared, Trainer, compared};

use crate::Result;

/// The values of k for which [`evaluate`] reports recall at k.
pub const RECALL_AT: [usize; 3] = [1, 5, 10];

/// Most samples whose mean average precision [`evaluate`] reports: it needs all pairs, so the time grows with the square.
pub const MOST_RANKED: usize = 20_000;

/// Most pairs of which [`Evaluation::intervals`] takes the intervals of verification.
pub const INTERVAL_PAIRS: u64 = 2_000_000;

/// Draws of the classes.
const RESAMPLES: usize = 200;

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
    /// Mean average precision over the whole ranking; absent for more than [`MOST_RANKED`] samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_average_precision: Option<f64>,
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

/// Evaluates `model` on chosen samples of a set, given by their positions. If the set has cameras
/// ([`Labelled::cameras`]), only samples of different cameras are compared.
///
/// # Errors
/// [`Error::Embedder`](crate::Error::Embedder) if the model takes samples of another kind or shape, or if a sample cannot be read or embedded;
/// [`Error::Eval`](crate::Error::Eval) if there are no samples, all are of one class, or no class has two.
pub fn evaluate_samples(model: &Model, set: &SampleSet, samples: &[u32]) -> Result<Evaluation> {
    let values = model.embed_samples(set, samples)?;
    let embeddings = compared(set, samples, &values, model.dim())?;
    let mut classes = embeddings.labels().to_vec();
    classes.sort_unstable();
    classes.dedup();
    Ok(Evaluation {
        classes: classes.into_iter().map(|class| set.class_names()[class as usize].clone()).collect(),
        samples: samples.len(),
        verification: verification::all_pairs(&embeddings, &VerificationOptions::default())?,
        retrieval: retrieval::evaluate(&embeddings, &RECALL_AT)?,
        mean_average_precision: of_ranks(&embeddings, |ranks| Ok(ranks.mean_average_precision()))?,
        embeddings,
    })
}

/// A result of the whole ranking; `None` for so many embeddings that it takes long.
fn of_ranks<T>(
    embeddings: &Embeddings,
    result: impl Fn(&Ranks) -> widemargin_eval::Result<T>,
) -> Result<Option<T>> {
    if embeddings.rows() > MOST_RANKED {
        return Ok(None);
    }
    Ok(Some(result(&retrieval::ranks(embeddings, Gallery::others())?)?))
}

/// 95 % intervals of the measures of an [`Evaluation`], from drawing the classes again: how far they would differ on other classes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationIntervals {
    /// Intervals of verification. With more than [`INTERVAL_PAIRS`] pairs, of a sample of them.
    pub verification: Intervals,
    /// Intervals of retrieval; absent for more than [`MOST_RANKED`] samples.
    pub retrieval: Option<RetrievalIntervals>,
}

impl Evaluation {
    /// The intervals of these measures; `None` with fewer than [`FEW_DRAWN`] classes, whose intervals would be too narrow.
    ///
    /// # Errors
    /// [`Error::Eval`](crate::Error::Eval) if the embeddings have no pairs or no answers, which those of an evaluation have.
    pub fn intervals(&self) -> Result<Option<EvaluationIntervals>> {
        if self.classes.len() < FEW_DRAWN {
            return Ok(None);
        }
        let options = BootstrapOptions {
            resamples: RESAMPLES,
            far: verification::TABULATED_FAR.map(|(_, far)| far).to_vec(),
            ..BootstrapOptions::default()
        };
        let sample = VerificationOptions { max_pairs: INTERVAL_PAIRS, seed: 0 };
        let pairs = verification::identity_pairs(&self.embeddings, &sample, false)?;
        let found = bootstrap::identities(&pairs, &options);
        let verification = match found {
            Ok(found) if found.drawn_genuine.min(found.drawn_impostor) >= FEW_DRAWN => found,
            Ok(_) | Err(widemargin_eval::Error::TooFewToDraw { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let retrieval = of_ranks(&self.embeddings, |ranks| ranks.intervals(&RECALL_AT, &options))?;
        Ok(Some(EvaluationIntervals { verification, retrieval }))
    }
}

//! What a trained model is worth: accuracy on known classes, verification and retrieval on unseen ones.

use serde::Serialize;
use widemargin_data::Labelled;
use widemargin_eval::Embeddings;
use widemargin_eval::retrieval::{self, Retrieval};
use widemargin_eval::verification::{self, Verification, VerificationOptions};
use widemargin_train::{Prepared, Trainer};

/// The k of recall at k.
const RECALL_AT: [usize; 3] = [1, 5, 10];

/// One objective's part of `report.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Judgement {
    /// Name of the objective.
    pub(crate) objective: String,
    /// The objective with its numbers.
    pub(crate) formula: String,
    /// Figures on classes never trained on; absent for a closed set.
    pub(crate) unseen: Option<Comparison>,
    /// Figures on classes trained on.
    pub(crate) known: Known,
    /// Seconds of training.
    pub(crate) seconds: f64,
    /// Training images a second.
    pub(crate) samples_per_second: f64,
    /// Seed of the run.
    pub(crate) seed: u64,
    /// Device of the run.
    pub(crate) device: String,
    /// Amount of the margin, in the objective's own unit.
    #[serde(skip)]
    pub(crate) margin: f64,
}

/// Comparing images with each other.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) classes: Vec<String>,
    pub(crate) images: usize,
    pub(crate) verification: Verification,
    pub(crate) retrieval: Retrieval,
}

/// Classifying test images of known classes; and, for a closed set, comparing them.
#[derive(Debug, Serialize)]
pub(crate) struct Known {
    pub(crate) accuracy: Option<f64>,
    #[serde(flatten)]
    pub(crate) comparison: Option<Comparison>,
}

/// A judgement with what the page shows of it.
pub(crate) struct Judged {
    pub(crate) judgement: Judgement,
    /// The images that were compared, and their embeddings.
    pub(crate) compared: Vec<u32>,
    pub(crate) embeddings: Embeddings,
    /// Embeddings of known test images, for the figure of dimension 2 or 3.
    pub(crate) known_embeddings: Vec<f32>,
    pub(crate) centres: Vec<f32>,
    pub(crate) dim: usize,
}

/// Judges `trainer` on the test images of `prepared`.
pub(crate) fn judge(
    trainer: &Trainer,
    prepared: &Prepared,
    (objective, seed, device): (&str, u64, &str),
    (seconds, samples_per_second): (f64, f64),
) -> anyhow::Result<Judged> {
    let accuracy = trainer.known_accuracy(prepared)?;
    let closed = prepared.split.is_closed();
    let compared = if closed { prepared.known.samples.clone() } else { prepared.unseen.clone() };
    let labels: Vec<u32> = compared.iter().map(|sample| prepared.set.labels()[*sample as usize]).collect();
    let values = trainer.embed(prepared, &compared)?;
    let dim = trainer.head().dim();
    let embeddings = Embeddings::new(&values, compared.len(), dim, &labels)?;
    let classes = if closed { prepared.split.known() } else { prepared.split.unseen() };
    let comparison = Comparison {
        classes: classes.iter().map(|class| prepared.set.class_names()[*class as usize].clone()).collect(),
        images: compared.len(),
        verification: verification::all_pairs(&embeddings, &VerificationOptions::default())?,
        retrieval: retrieval::evaluate(&embeddings, &RECALL_AT)?,
    };
    let (unseen, known) = if closed { (None, Some(comparison)) } else { (Some(comparison), None) };
    let known_embeddings =
        if matches!(dim, 2 | 3) { trainer.embed(prepared, &prepared.known.samples)? } else { Vec::new() };
    Ok(Judged {
        judgement: Judgement {
            objective: objective.to_owned(),
            formula: trainer.head().formula(),
            unseen,
            known: Known { accuracy, comparison: known },
            seconds,
            samples_per_second,
            seed,
            device: device.to_owned(),
            margin: trainer.head().margin_in_force(),
        },
        compared,
        embeddings,
        known_embeddings,
        centres: trainer.head().class_head().map_or_else(Vec::new, |head| {
            // the first of each class
            let each = head.sub_centres();
            let (centres, dim) = (head.settled_centres(), head.dim());
            centres.chunks(dim).step_by(each).flatten().copied().collect()
        }),
        dim,
    })
}

impl Judgement {
    /// The comparison that was made: of unseen classes, or of known ones for a closed set.
    pub(crate) fn comparison(&self) -> Option<&Comparison> {
        self.unseen.as_ref().or(self.known.comparison.as_ref())
    }
}

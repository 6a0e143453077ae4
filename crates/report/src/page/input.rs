//! What a report is made of: plain numbers and names, from whatever measured them.

use crate::figure::{ClassFeatures, RatePoint};
use crate::neighbours::NeighbourRow;

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportInput {
    /// Heading of the page.
    pub title: String,
    /// A sentence or two below the heading: data set, backbone, how long; may be empty.
    pub lead: String,
    /// What verification, retrieval and neighbours were measured on, to follow "Measured on": for example
    /// `3 classes never trained on: bag, boot, shirt (3000 images)`.
    pub judged_on: String,
    /// The resolved configuration: key and value.
    pub configuration: Vec<(String, String)>,
    /// What the reader must know to trust the numbers, whole sentences: skipped images, too few pairs.
    pub notes: Vec<String>,
    /// One entry an objective; more than one makes the page a comparison.
    pub objectives: Vec<ObjectiveReport>,
}

/// What was measured with one objective. Whatever is missing is left out of the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObjectiveReport {
    /// Its name in tables and legends.
    pub name: String,
    /// Wall-clock time of training.
    pub seconds: Option<f64>,
    /// Training samples a second.
    pub samples_per_second: Option<f64>,
    /// Accuracy in [0, 1] on test samples of the classes trained on.
    pub known_accuracy: Option<f64>,
    /// Verification on what `judged_on` says.
    pub verification: Option<VerificationNumbers>,
    /// Retrieval on what `judged_on` says.
    pub retrieval: Option<RetrievalNumbers>,
    /// The course of training.
    pub curves: Curves,
    /// Cosines of genuine and impostor pairs.
    pub histograms: Option<Histograms>,
    /// The ROC curve in order of growing FAR; the DET curve is drawn from it too.
    pub roc: Vec<RatePoint>,
    /// Queries with their nearest neighbours.
    pub neighbours: Vec<NeighbourRow>,
    /// The embeddings themselves, where their dimension can be seen.
    pub features: Option<Features>,
}

/// Numbers of verification.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VerificationNumbers {
    /// Pairs of one class compared.
    pub genuine: u64,
    /// Pairs of two classes compared.
    pub impostor: u64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Equal error rate in [0, 1].
    pub eer: f64,
    /// The cosine at which both errors are `eer`.
    pub eer_threshold: f64,
    /// (key, TAR) for each FAR, the key as it is to be shown, such as `1e-3`.
    pub tar_at_far: Vec<(String, f64)>,
    /// What to keep in mind, whole sentences.
    pub warnings: Vec<String>,
}

/// Numbers of retrieval.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RetrievalNumbers {
    /// Queries that counted.
    pub queries: u64,
    /// (k, recall at k).
    pub recall_at: Vec<(usize, f64)>,
    /// Mean R-precision.
    pub r_precision: f64,
    /// Mean average precision at R.
    pub map_at_r: f64,
}

/// The course of training: (step, value) each, empty if it was not recorded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curves {
    /// Loss with the margin, as optimised.
    pub loss: Vec<(f64, f64)>,
    /// Learning rate.
    pub learning_rate: Vec<(f64, f64)>,
    /// Accuracy in [0, 1] without the margin.
    pub accuracy: Vec<(f64, f64)>,
    /// Mean cosine between an embedding and the centre of its class.
    pub target_cosine: Vec<(f64, f64)>,
    /// Mean push `1 - p_y` of a sample.
    pub push: Vec<(f64, f64)>,
    /// Among how many competitors the push is shared.
    pub effective_competitors: Vec<(f64, f64)>,
    /// Share of samples in [0, 1] that meet the margin.
    pub margin_met: Vec<(f64, f64)>,
}

/// Cosines of pairs in equal bins.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histograms {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin.
    pub high: f64,
    /// Genuine pairs a bin.
    pub genuine: Vec<u64>,
    /// Impostor pairs a bin.
    pub impostor: Vec<u64>,
}

/// Embeddings that can be drawn as they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// Of dimension 2.
    Circle(Vec<ClassFeatures<2>>),
    /// Of dimension 3.
    Sphere(Vec<ClassFeatures<3>>),
}

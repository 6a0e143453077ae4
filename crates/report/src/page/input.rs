//! The data of a report: plain values and names.

use crate::figure::{ClassFeatures, RatePoint};
use crate::thumbnail::Image;

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportInput {
    /// Heading of the page.
    pub title: String,
    /// A sentence or two below the heading, such as the data set, the backbone and the duration; may be empty.
    pub lead: String,
    /// The evaluation set, to follow "Evaluated on": for example `3 unseen classes: bag, boot, shirt (3000 images)`.
    pub evaluated_on: String,
    /// The resolved configuration: keys and values.
    pub configuration: Vec<(String, String)>,
    /// What a reader must know before using the results, as whole sentences: skipped images, few classes, a model that does not beat its
    /// untrained baseline.
    pub warnings: Vec<String>,
    /// Notes on the comparison, as whole sentences.
    pub notes: Vec<String>,
    /// The samples of the evaluation set that the results refer to by position. Each is stored once, however often it is shown.
    pub samples: Vec<ShownSample>,
    /// Whose the samples are; may be empty.
    pub credits: String,
    /// One entry per objective; with more than one the page is a comparison.
    pub objectives: Vec<ObjectiveReport>,
}

/// The results of one objective. Missing results are left out of the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObjectiveReport {
    /// Its name in tables and legends.
    pub name: String,
    /// The results of the same model before training, under their own name; only its measures are shown.
    pub untrained: Option<Box<ObjectiveReport>>,
    /// Wall-clock time of training.
    pub seconds: Option<f64>,
    /// Training samples per second.
    pub samples_per_second: Option<f64>,
    /// Accuracy in [0, 1] on held-out samples of the known classes.
    pub known_accuracy: Option<f64>,
    /// Verification on the evaluation set.
    pub verification: Option<VerificationResults>,
    /// Retrieval on the evaluation set.
    pub retrieval: Option<RetrievalResults>,
    /// The training curves.
    pub curves: Curves,
    /// Cosines of genuine and impostor pairs.
    pub histograms: Option<Histograms>,
    /// The ROC curve in order of rising FAR; the DET curve is drawn from it too.
    pub roc: Vec<RatePoint>,
    /// Which classes are taken for which.
    pub confusions: Option<ConfusionResults>,
    /// The pairs that are hardest to verify.
    pub worst_pairs: Option<WorstPairs>,
    /// Queries with their nearest neighbours, in groups.
    pub neighbours: Vec<QueryGroup>,
    /// Maps of the embeddings.
    pub maps: Vec<EmbeddingMap>,
    /// The embeddings themselves, if they have dimension 2 or 3.
    pub drawable: Option<DrawableEmbeddings>,
}

/// A sample of the evaluation set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShownSample {
    /// Its unique name, such as a file or a row.
    pub name: String,
    /// Name of its class.
    pub class: String,
    /// Its image; a sample without one is shown by its name.
    pub image: Option<Image>,
}

/// Two samples, as positions in [`ReportInput::samples`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ShownPair {
    /// The first sample; of a confusion the query.
    pub first: usize,
    /// The second sample; of a confusion the nearest neighbour.
    pub second: usize,
    /// Their cosine.
    pub cosine: f64,
}

/// The classes of queries by the classes of their nearest neighbours.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfusionResults {
    /// Names of the classes of the matrix.
    pub classes: Vec<String>,
    /// For each class of queries, the number of nearest neighbours in each class, in the order of `classes`.
    pub counts: Vec<Vec<u64>>,
    /// The number of queries of each class.
    pub totals: Vec<u64>,
    /// The number of classes of the evaluation set, of which the matrix has the most confused.
    pub all_classes: usize,
    /// The most frequent confusions, most frequent first.
    pub most_frequent: Vec<FrequentConfusion>,
}

/// A class taken for another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FrequentConfusion {
    /// The class of the queries.
    pub class: String,
    /// The class of their nearest neighbours.
    pub found: String,
    /// Number of such queries.
    pub queries: u64,
    /// Number of all queries of the class.
    pub total: u64,
    /// Some of these queries with their nearest neighbours.
    pub examples: Vec<ShownPair>,
}

/// The pairs on which verification fails first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorstPairs {
    /// Genuine pairs, smallest cosine first.
    pub genuine: Vec<ShownPair>,
    /// Impostor pairs, largest cosine first.
    pub impostor: Vec<ShownPair>,
    /// How many samples were compared with each other, and how many the evaluation set has.
    pub compared: [u64; 2],
}

/// Queries that have something in common.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueryGroup {
    /// What they have in common, such as `Hardest queries`.
    pub heading: String,
    /// A sentence on how they were chosen.
    pub chosen: String,
    /// The queries.
    pub rows: Vec<NeighbourRow>,
}

/// A query and its neighbours, as positions in [`ReportInput::samples`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NeighbourRow {
    /// The query.
    pub query: usize,
    /// Its neighbours with their cosines, nearest first.
    pub neighbours: Vec<(usize, f64)>,
}

/// Embeddings in the plane.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingMap {
    /// How they were projected.
    pub projection: Projection,
    /// The samples, as positions in [`ReportInput::samples`], with their places.
    pub points: Vec<(usize, [f64; 2])>,
    /// Number of samples in the evaluation set, of which the map may have a part.
    pub samples: u64,
}

/// A projection of embeddings to the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Projection {
    /// The two principal components, with the share of the variance along each.
    Principal([f64; 2]),
    /// t-SNE, which keeps neighbours near.
    Neighbours,
}

/// Results of verification.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VerificationResults {
    /// Genuine pairs compared.
    pub genuine: u64,
    /// Impostor pairs compared.
    pub impostor: u64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Equal error rate in [0, 1].
    pub eer: f64,
    /// The cosine at which both errors are `eer`.
    pub eer_threshold: f64,
    /// (key, TAR) for each FAR; the key is shown as it is, such as `1e-3`.
    pub tar_at_far: Vec<(String, f64)>,
}

/// Results of retrieval.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RetrievalResults {
    /// Number of queries.
    pub queries: u64,
    /// (k, recall at k).
    pub recall_at: Vec<(usize, f64)>,
    /// Mean R-precision.
    pub r_precision: f64,
    /// Mean average precision at R.
    pub map_at_r: f64,
    /// Mean average precision over the whole ranking, if it is known.
    pub mean_average_precision: Option<f64>,
}

/// Training curves: lists of (step, value), empty if not recorded.
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
    /// Number of non-target classes that share the push.
    pub effective_competitors: Vec<(f64, f64)>,
    /// Share of samples in [0, 1] that meet the margin.
    pub margin_met: Vec<(f64, f64)>,
    /// MAP@R in [0, 1] on the validation part.
    pub validation_map_at_r: Vec<(f64, f64)>,
    /// Recall at 1 in [0, 1] on the validation part.
    pub validation_recall_at_1: Vec<(f64, f64)>,
}

/// Cosines of pairs in equal bins.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histograms {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin.
    pub high: f64,
    /// Genuine pairs per bin.
    pub genuine: Vec<u64>,
    /// Impostor pairs per bin.
    pub impostor: Vec<u64>,
}

/// Embeddings of a dimension that can be drawn directly.
#[derive(Debug, Clone, PartialEq)]
pub enum DrawableEmbeddings {
    /// Embeddings of dimension 2.
    Circle(Vec<ClassFeatures<2>>),
    /// Embeddings of dimension 3.
    Sphere(Vec<ClassFeatures<3>>),
}

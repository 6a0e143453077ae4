//! Verification: are these two of one class?
//!
//! A pair of embeddings of one class is *genuine*, a pair of two classes is an *impostor*; a threshold `t` accepts a pair
//! when its cosine is at least `t`. The two error rates that follow, false accepts (FAR, the share of impostor pairs
//! accepted) and false rejects (`1 - TAR`, the share of genuine pairs refused), trade against each other as `t` moves.
//! [`all_pairs`] measures that trade on all pairs of a set, [`from_cosines`] on scores from anywhere.
//!
//! Pairs come from one labelled set ([`all_pairs`], [`balanced_pairs`]), from a list ([`pair_list`]), from two sets
//! ([`enrol_probe`]) or as scores from anywhere ([`from_cosines`], [`from_scores`]); [`normalised`](cohort::normalised)
//! scores are made with a cohort. Scores are sorted, never binned: every number is exact for the pairs compared, and
//! memory is 4 bytes a pair. Only [`streaming`] bins, for pairs too many to hold, and says how narrowly.
//!
//! Rates are taken within each kind of pair, so that they do not depend on how many of each there are. What errors cost
//! is in [`costs`], what a score means in [`calibration`], thresholds chosen without looking in [`folds`], and how far all
//! these numbers can be trusted in [`bootstrap`].

pub mod bootstrap;
pub mod calibration;
pub mod cohort;
pub mod costs;
pub mod folds;
mod histogram;
mod list;
mod pairs;
mod scores;
mod sets;
pub mod streaming;

use std::collections::BTreeMap;

use serde::Serialize;

pub use histogram::Histogram;
pub use scores::{BestAccuracy, OperatingPoint};
pub use sets::{enrol_probe, pair_list, pair_scores};
pub use widemargin_tables::Pair;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
pub(crate) use pairs::compare as compare_pairs;
use scores::SortedScores;
pub(crate) use scores::accepts_within;
pub(crate) use sets::known_probes;

/// Points of [`Verification::roc`] at most.
pub const ROC_POINTS: usize = 512;

/// The rates at which [`Verification::tar_at_far`] is tabulated, with their keys.
pub const TABULATED_FAR: [(&str, f64); 3] = [("1e-1", 1e-1), ("1e-2", 1e-2), ("1e-3", 1e-3)];

/// The rates of [`Verification::tar_table`].
pub const TABLE_FAR: [f64; 6] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// False accepts that a rate should rest on at least, lest one pair more or less change it by over 10 %.
const ENOUGH_FALSE_ACCEPTS: f64 = 10.0;

/// Which pairs [`all_pairs`] compares.
///
/// If there are more than `max_pairs` pairs, at most half of `max_pairs` goes to either kind, what one kind cannot use
/// goes to the other, and a kind with more pairs than its share is sampled: its pairs, in a fixed order, are cut into
/// as many slices of (almost) equal width as pairs are expected, and one is drawn evenly from each. No pair is drawn twice
/// and each is about equally likely, so the rates within each kind are estimated without bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerificationOptions {
    /// Pairs compared at most; at least 2. Default: 50 million, which take 200 MB.
    pub max_pairs: u64,
    /// Seed of the sample; without effect while all pairs are compared. Default: 0.
    pub seed: u64,
}

impl Default for VerificationOptions {
    fn default() -> Self {
        Self { max_pairs: 50_000_000, seed: 0 }
    }
}

/// How well a threshold on the cosine tells genuine pairs from impostors.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Pairs compared: `genuine + impostor`.
    pub pairs: u64,
    /// Pairs of one class compared; at least 1.
    pub genuine: u64,
    /// Pairs of two classes compared; at least 1.
    pub impostor: u64,
    /// Pairs that exist; more than `pairs` if they were sampled.
    pub pairs_in_all: u64,
    /// Area under the ROC curve: the chance that a random genuine pair has a higher cosine than a random impostor, a tie
    /// counting one half (the Mann-Whitney statistic over the product of the counts). In [0, 1]; 0.5 is guessing.
    pub auc: f64,
    /// Equal error rate: the error at the threshold where as many impostors are accepted as genuine pairs refused.
    ///
    /// As the threshold falls through the observed scores, (FAR, FRR) moves in steps from (0, 1) to (1, 0). At the first
    /// step with FAR >= FRR the line from the step before is cut with FAR = FRR; both this rate and `eer_threshold` are
    /// interpolated linearly between the two steps with the same weight.
    pub eer: f64,
    /// The threshold of `eer`, interpolated as said there.
    pub eer_threshold: f64,
    /// [`Verification::tar_at_far`] at the rates of [`TABULATED_FAR`], by their keys `"1e-1"`, `"1e-2"` and `"1e-3"`.
    pub tar_at_far: BTreeMap<&'static str, f64>,
    /// The same at the rates of [`TABLE_FAR`], with what each rests on.
    pub tar_table: Vec<TarAtFar>,
    /// Best share of right decisions over all pairs that exist. With few genuine pairs, refusing everything does well
    /// here: compare `best_balanced_accuracy`.
    pub best_accuracy: BestAccuracy,
    /// Best mean of TAR and `1 - FAR`: the accuracy if genuine pairs and impostors were equally many.
    pub best_balanced_accuracy: BestAccuracy,
    /// The ROC curve for plotting: at most [`ROC_POINTS`] points of the exact curve in order of falling threshold, from
    /// (FAR, TAR) = (0, 0) to (1, 1), chosen to keep its shape on linear, logarithmic and probit axes.
    pub roc: Vec<OperatingPoint>,
    /// Cosines of the genuine pairs, 100 bins over [-1, 1] (scores of another kind: over the range of both lists).
    pub genuine_histogram: Histogram,
    /// Cosines of the impostor pairs, in the same bins.
    pub impostor_histogram: Histogram,
    /// Width of the bins that scores were counted in, for [`streaming`]; absent where every number is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<f64>,
    /// What to keep in mind when reading these numbers: rates that rest on too few pairs. Whole sentences.
    pub warnings: Vec<String>,
    #[serde(skip)]
    scores: SortedScores,
}

/// One line of [`Verification::tar_table`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TarAtFar {
    /// The false accept rate allowed.
    pub far: f64,
    /// The largest true accept rate within it.
    pub tar: f64,
    /// The threshold that reaches it.
    pub threshold: f64,
    /// Impostor pairs compared: what the rate is a share of.
    pub impostors: u64,
    /// Impostor pairs that the threshold accepts.
    pub false_accepts: u64,
    /// Why the line should not be trusted, if it rests on too few pairs. A whole sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Verification {
    /// The largest true accept rate among thresholds whose false accept rate is at most `far`.
    ///
    /// Exact: pairs with equal cosines are accepted or refused together, nothing is interpolated. `far` is in [0, 1]; NaN
    /// is returned for any other value. With `n` impostor pairs, any `far < 1 / n` asks for no false accept at all.
    pub fn tar_at_far(&self, far: f64) -> f64 {
        self.operating_point_at_far(far).map_or(f64::NAN, |point| point.tar)
    }

    /// The operating point behind [`Verification::tar_at_far`], or `None` if `far` is not in [0, 1].
    ///
    /// Its threshold is the lowest cosine accepted (just above the highest cosine if none may be).
    pub fn operating_point_at_far(&self, far: f64) -> Option<OperatingPoint> {
        (0.0..=1.0).contains(&far).then(|| self.scores.at_far(far))
    }

    /// A line of [`Verification::tar_table`] at another rate, or `None` if `far` is not in [0, 1].
    pub fn tar_line_at(&self, far: f64) -> Option<TarAtFar> {
        (0.0..=1.0).contains(&far).then(|| Self::tar_line(&self.scores, far))
    }

    fn tar_line(scores: &SortedScores, far: f64) -> TarAtFar {
        let impostors = scores.impostor().len() as u64;
        let point = scores.at_far(far);
        let expected = far * impostors as f64;
        // The product of 1e-6 and 10^7 may round below 10.
        let warning = (expected < ENOUGH_FALSE_ACCEPTS * (1.0 - 1e-12)).then(|| {
            format!(
                "FAR {far:e} of {impostors} impostor pairs allows {} false accepts; at least ten would make the rate steady.",
                expected as u64
            )
        });
        TarAtFar {
            far,
            tar: point.tar,
            threshold: point.threshold,
            impostors,
            false_accepts: (point.far * impostors as f64).round() as u64,
            warning,
        }
    }

    /// The rates of a threshold on the cosine; a NaN threshold accepts nothing.
    pub fn operating_point_at_threshold(&self, threshold: f32) -> OperatingPoint {
        self.scores.at_threshold(threshold)
    }

    fn new(scores: SortedScores, all_genuine: u64, all_impostor: u64) -> Self {
        let (genuine, impostor) = (scores.genuine().len() as u64, scores.impostor().len() as u64);
        let (eer, eer_threshold) = scores.equal_error();
        let mut warnings = Vec::new();
        if genuine < 100 {
            warnings.push(format!(
                "There are only {genuine} genuine pairs: one of them moves TAR by more than 1 %."
            ));
        }
        // The highest rate that fails implies all lower ones, so one sentence is enough.
        if let Some((key, _)) = TABULATED_FAR.iter().find(|(_, far)| (impostor as f64) < 10.0 / far) {
            warnings.push(format!(
                "TAR at FAR {key} and below rests on fewer than ten false accepts: there are only {impostor} impostor pairs."
            ));
        }
        Self {
            pairs: genuine + impostor,
            genuine,
            impostor,
            pairs_in_all: all_genuine + all_impostor,
            auc: scores.auc(),
            eer,
            eer_threshold,
            tar_at_far: TABULATED_FAR.iter().map(|&(key, far)| (key, scores.at_far(far).tar)).collect(),
            tar_table: TABLE_FAR.iter().map(|&far| Self::tar_line(&scores, far)).collect(),
            best_accuracy: scores.best_accuracy(all_genuine, all_impostor),
            best_balanced_accuracy: scores.best_accuracy(1, 1),
            roc: scores.curve(ROC_POINTS),
            genuine_histogram: Histogram::of_cosines(scores.genuine()),
            impostor_histogram: Histogram::of_cosines(scores.impostor()),
            resolution: None,
            warnings,
            scores,
        }
    }
}

/// Judges embeddings by all pairs `i < j`, or by a sample of them if they are too many.
///
/// The order of the rows does not matter while all pairs are compared.
///
/// # Errors
/// [`Error::MaxPairs`] if fewer than 2 pairs are allowed, [`Error::OneClass`] if there is no impostor pair and
/// [`Error::NoGenuinePairs`] if every class has a single sample.
pub fn all_pairs(embeddings: &Embeddings, options: &VerificationOptions) -> Result<Verification> {
    let scores = pairs::compare(embeddings, options.max_pairs, options.seed, false)?;
    let sorted = SortedScores::new(scores.genuine, scores.impostor);
    Ok(Verification::new(sorted, scores.all_genuine, scores.all_impostor))
}

/// Judges embeddings by equally many genuine and impostor pairs, as accuracy on balanced pairs wants it.
///
/// All pairs of the rarer kind are compared (half of `max_pairs` at most) and the other kind is sampled to the same number
/// as described at [`VerificationOptions`].
///
/// # Errors
/// As [`all_pairs`].
pub fn balanced_pairs(embeddings: &Embeddings, options: &VerificationOptions) -> Result<Verification> {
    let scores = pairs::compare(embeddings, options.max_pairs, options.seed, true)?;
    let (genuine, impostor) = (scores.genuine.len() as u64, scores.impostor.len() as u64);
    let mut found = Verification::new(SortedScores::new(scores.genuine, scores.impostor), genuine, impostor);
    found.pairs_in_all = scores.all_genuine + scores.all_impostor;
    Ok(found)
}

/// Judges scores of any kind, such as normalised scores or log-likelihood ratios; higher must mean more alike.
///
/// # Errors
/// [`Error::MissingScores`] if one list is empty, [`Error::NonFiniteScore`] for a score that is NaN or infinite.
pub fn from_scores(genuine: Vec<f32>, impostor: Vec<f32>) -> Result<Verification> {
    require_both(genuine.len(), impostor.len())?;
    for (kind, scores) in [("genuine", &genuine), ("impostor", &impostor)] {
        if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::NonFiniteScore { kind, index, value: scores[index] });
        }
    }
    let (all_genuine, all_impostor) = (genuine.len() as u64, impostor.len() as u64);
    let scores = SortedScores::new(genuine, impostor);
    let (low, high) = scores.range();
    let mut found = Verification::new(scores, all_genuine, all_impostor);
    let histogram = |list| Histogram::between(list, f64::from(low), f64::from(high));
    found.genuine_histogram = histogram(found.scores.genuine());
    found.impostor_histogram = histogram(found.scores.impostor());
    Ok(found)
}

/// Judges scored pairs, for instance those of [`normalised_pairs`](cohort::normalised_pairs).
///
/// # Errors
/// As [`from_scores`].
pub fn from_pairs(pairs: &[folds::ScoredPair]) -> Result<Verification> {
    let of_kind = |same| pairs.iter().filter(|pair| pair.same == same).map(|pair| pair.score).collect();
    from_scores(of_kind(true), of_kind(false))
}

/// Counts cosines in 100 bins over [-1, 1].
pub(crate) fn histogram_of_cosines(cosines: &[f32]) -> Histogram {
    // Counting does not need them in order.
    Histogram::of_cosines(&list::ScoreList::Sorted(cosines.to_vec()))
}

fn require_both(genuine: usize, impostor: usize) -> Result<()> {
    if genuine == 0 || impostor == 0 {
        return Err(Error::MissingScores { genuine, impostor });
    }
    Ok(())
}

/// Judges cosines computed elsewhere, of genuine and of impostor pairs, each in any order.
///
/// # Errors
/// [`Error::MissingScores`] if one list is empty, [`Error::NotACosine`] for a score that is NaN or outside [-1, 1].
pub fn from_cosines(genuine: Vec<f32>, impostor: Vec<f32>) -> Result<Verification> {
    require_both(genuine.len(), impostor.len())?;
    for (kind, scores) in [("genuine", &genuine), ("impostor", &impostor)] {
        if let Some(index) = scores.iter().position(|score| !(-1.0..=1.0).contains(score)) {
            return Err(Error::NotACosine { kind, index, value: scores[index] });
        }
    }
    let (all_genuine, all_impostor) = (genuine.len() as u64, impostor.len() as u64);
    Ok(Verification::new(SortedScores::new(genuine, impostor), all_genuine, all_impostor))
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

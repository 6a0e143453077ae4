//! The measures of a verification, from scores.

use std::collections::BTreeMap;

use serde::Serialize;

use super::folds::ScoredPair;
use super::histogram::Histogram;
use super::scores::{BestAccuracy, OperatingPoint, SortedScores};
use crate::error::{Error, Result};

/// Largest number of points of [`Verification::roc`].
pub const ROC_POINTS: usize = 512;

/// The false accept rates of the field [`Verification::tar_at_far`], with their keys.
pub const TABULATED_FAR: [(&str, f64); 3] = [("1e-1", 1e-1), ("1e-2", 1e-2), ("1e-3", 1e-3)];

/// The false accept rates of [`Verification::tar_table`].
pub const TABLE_FAR: [f64; 6] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// The fewest false accepts for a reliable rate: with fewer, one pair changes it by more than 10 %.
const ENOUGH_FALSE_ACCEPTS: f64 = 10.0;

/// How well a threshold on the cosine separates genuine pairs from impostor pairs.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Pairs compared: `genuine + impostor`.
    pub pairs: u64,
    /// Genuine pairs compared; at least 1.
    pub genuine: u64,
    /// Impostor pairs compared; at least 1.
    pub impostor: u64,
    /// All pairs that exist; more than `pairs` if pairs were sampled.
    pub pairs_in_all: u64,
    /// Area under the ROC curve: the probability that a random genuine pair has a higher cosine than a random impostor pair, with
    /// a tie counted as one half (the Mann-Whitney statistic over the product of the counts). In [0, 1]; 0.5 is chance level.
    pub auc: f64,
    /// Equal error rate: the error rate at the threshold where FAR = FRR (false reject rate).
    ///
    /// As the threshold falls through the observed scores, (FAR, FRR) moves in steps from (0, 1) to (1, 0). The last step with
    /// FAR < FRR and the first with FAR >= FRR are joined by a line, which meets FAR = FRR at this rate. `eer_threshold` is
    /// interpolated between the same two steps with the same weight.
    pub eer: f64,
    /// The threshold of `eer`, interpolated as described there.
    pub eer_threshold: f64,
    /// [`Verification::tar_at_far`] at the rates of [`TABULATED_FAR`], by their keys `"1e-1"`, `"1e-2"` and `"1e-3"`.
    pub tar_at_far: BTreeMap<&'static str, f64>,
    /// TAR at the rates of [`TABLE_FAR`], with the number of pairs behind each.
    pub tar_table: Vec<TarAtFar>,
    /// Best share of correct decisions over all pairs that exist. If genuine pairs are rare, rejecting every pair scores high
    /// here: compare `best_balanced_accuracy`.
    pub best_accuracy: BestAccuracy,
    /// Best mean of TAR and `1 - FAR`: the accuracy if genuine and impostor pairs were equally frequent.
    pub best_balanced_accuracy: BestAccuracy,
    /// The ROC curve for plotting: at most [`ROC_POINTS`] points of the exact curve in order of falling threshold, from
    /// (FAR, TAR) = (0, 0) to (1, 1), chosen to keep its shape on linear, logarithmic and probit axes.
    pub roc: Vec<OperatingPoint>,
    /// Cosines of the genuine pairs in 100 bins over [-1, 1] (over the range of both lists for scores of another kind, and for
    /// cosines that would all be in one bin).
    pub genuine_histogram: Histogram,
    /// Cosines of the impostor pairs, in the same bins.
    pub impostor_histogram: Histogram,
    /// Width of the bins of [`streaming`](super::streaming); absent if every value is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<f64>,
    /// Warnings about rates that rest on too few pairs, as whole sentences.
    pub warnings: Vec<String>,
    #[serde(skip)]
    pub(super) scores: SortedScores,
}

/// One line of [`Verification::tar_table`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TarAtFar {
    /// The false accept rate allowed.
    pub far: f64,
    /// The largest true accept rate at that false accept rate.
    pub tar: f64,
    /// The threshold that reaches `tar`.
    pub threshold: f64,
    /// Impostor pairs compared.
    pub impostors: u64,
    /// Impostor pairs that the threshold accepts.
    pub false_accepts: u64,
    /// A warning if the rate rests on too few pairs, as a whole sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Verification {
    /// The largest true accept rate among thresholds whose false accept rate is at most `far`.
    ///
    /// Exact: pairs with equal cosines are accepted or rejected together, and nothing is interpolated. `far` is in [0, 1]; any
    /// other value gives NaN. With `n` impostor pairs, any `far < 1 / n` allows no false accept.
    pub fn tar_at_far(&self, far: f64) -> f64 {
        self.operating_point_at_far(far).map_or(f64::NAN, |point| point.tar)
    }

    /// The operating point of [`Verification::tar_at_far`], or `None` if `far` is not in [0, 1].
    ///
    /// Its threshold is the lowest accepted cosine (just above the highest cosine if no pair can be accepted).
    pub fn operating_point_at_far(&self, far: f64) -> Option<OperatingPoint> {
        (0.0..=1.0).contains(&far).then(|| self.scores.at_far(far))
    }

    /// The entry of [`Verification::tar_table`] for any rate, or `None` if `far` is not in [0, 1].
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
                "FAR {far:e} allows {} false accepts among {impostors} impostor pairs; a reliable rate needs at least 10.",
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

    /// Whether a threshold separates the two kinds of pairs completely, possibly but for scores equal to it. Then the slope of a
    /// [calibration](super::calibration) does not follow from the scores.
    pub fn is_separated(&self) -> bool {
        self.scores.are_separated()
    }

    /// The rates at a threshold on the cosine; a NaN threshold accepts nothing.
    pub fn operating_point_at_threshold(&self, threshold: f64) -> OperatingPoint {
        self.scores.at_threshold(threshold)
    }

    pub(super) fn new(scores: SortedScores, all_genuine: u64, all_impostor: u64) -> Self {
        let (genuine, impostor) = (scores.genuine().len() as u64, scores.impostor().len() as u64);
        let (eer, eer_threshold) = scores.equal_error();
        let mut warnings = Vec::new();
        if genuine < 100 {
            warnings.push(format!(
                "There are only {genuine} genuine pairs: a single pair changes TAR by more than 1 %."
            ));
        }
        // If one rate rests on too few pairs, so do all lower ones: one warning is enough.
        if let Some((key, _)) = TABULATED_FAR.iter().find(|(_, far)| (impostor as f64) < 10.0 / far) {
            warnings.push(format!(
                "TAR at FAR {key} and below rests on fewer than 10 false accepts: there are only {impostor} impostor pairs."
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
            genuine_histogram: Histogram::of_cosines(scores.genuine(), scores.range()),
            impostor_histogram: Histogram::of_cosines(scores.impostor(), scores.range()),
            resolution: None,
            warnings,
            scores,
        }
    }
}

/// Evaluates scores of any kind, such as normalised scores or log-likelihood ratios; a higher score must mean more similar.
///
/// # Errors
/// [`Error::MissingScores`] if one list is empty, [`Error::NonFiniteScore`] for a score that is NaN or infinite.
pub fn from_scores(genuine: Vec<f64>, impostor: Vec<f64>) -> Result<Verification> {
    require_both(genuine.len(), impostor.len())?;
    for (kind, scores) in [("genuine", &genuine), ("impostor", &impostor)] {
        if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::NonFiniteScore { kind, index, value: scores[index] });
        }
    }
    let (all_genuine, all_impostor) = (genuine.len() as u64, impostor.len() as u64);
    let scores = SortedScores::of_scores(genuine, impostor);
    let (low, high) = scores.range();
    let mut found = Verification::new(scores, all_genuine, all_impostor);
    let histogram = |list| Histogram::between(list, low, high);
    found.genuine_histogram = histogram(found.scores.genuine());
    found.impostor_histogram = histogram(found.scores.impostor());
    Ok(found)
}

/// Evaluates scored pairs, for instance those of [`normalised_pairs`](super::cohort::normalised_pairs).
///
/// # Errors
/// As [`from_scores`].
pub fn from_pairs(pairs: &[ScoredPair]) -> Result<Verification> {
    let of_kind = |same| pairs.iter().filter(|pair| pair.same == same).map(|pair| pair.score).collect();
    from_scores(of_kind(true), of_kind(false))
}

pub(super) fn require_both(genuine: usize, impostor: usize) -> Result<()> {
    if genuine == 0 || impostor == 0 {
        return Err(Error::MissingScores { genuine, impostor });
    }
    Ok(())
}

/// Evaluates cosines computed elsewhere, of genuine and of impostor pairs, each in any order.
///
/// # Errors
/// [`Error::MissingScores`] if one list is empty, [`Error::NotACosine`] for a score that is NaN or outside [-1, 1].
pub fn from_cosines(genuine: Vec<f64>, impostor: Vec<f64>) -> Result<Verification> {
    require_both(genuine.len(), impostor.len())?;
    for (kind, scores) in [("genuine", &genuine), ("impostor", &impostor)] {
        if let Some(index) = scores.iter().position(|score| !(-1.0..=1.0).contains(score)) {
            return Err(Error::NotACosine { kind, index, value: scores[index] });
        }
    }
    let (all_genuine, all_impostor) = (genuine.len() as u64, impostor.len() as u64);
    Ok(Verification::new(SortedScores::of_scores(genuine, impostor), all_genuine, all_impostor))
}

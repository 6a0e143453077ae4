//! Accuracy by cross-validation: the ten folds of *Labeled Faces in the Wild*.
//!
//! A threshold evaluated on the same pairs it was chosen on looks too good. The protocol of Huang, Ramesh, Berg and
//! Learned-Miller, *Labeled Faces in the Wild* (2007), section 3, chooses the threshold on nine folds and evaluates it on the
//! tenth. Each fold is the tenth once. The result is the mean accuracy with its standard error.

use serde::Serialize;

use super::scores::SortedScores;
use crate::error::{Error, Result};

/// A score and whether its pair is of one class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScoredPair {
    /// The score; higher means more similar.
    pub score: f64,
    /// Whether both samples are of one class.
    pub same: bool,
}

/// The accuracy on one fold with the threshold chosen on the other folds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FoldAccuracy {
    /// Number of the fold.
    pub fold: usize,
    /// Number of pairs of the fold.
    pub pairs: usize,
    /// Number of its genuine pairs.
    pub genuine: usize,
    /// The threshold with the best accuracy on the other folds; among equally good scores the largest.
    pub threshold: f64,
    /// Share of the fold's pairs that this threshold decides correctly, in [0, 1].
    pub accuracy: f64,
}

/// Accuracy by cross-validation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrossValidation {
    /// Mean of the folds' accuracies.
    pub accuracy: f64,
    /// Standard error of that mean: the folds' standard deviation (with `folds - 1`) over the root of their number.
    pub standard_error: f64,
    /// One entry per fold, in order.
    pub folds: Vec<FoldAccuracy>,
}

/// Cross-validates over ten folds of consecutive pairs, as the pairs file of *Labeled Faces in the Wild* is laid out.
///
/// Fold `f` is pairs `f * n / 10 .. (f + 1) * n / 10`.
///
/// # Errors
/// As [`cross_validate`].
pub fn ten_folds(pairs: &[ScoredPair]) -> Result<CrossValidation> {
    let count = pairs.len();
    let ends: Vec<usize> = (1..=10).map(|fold| fold * count / 10).collect();
    let folds: Vec<usize> = (0..count).map(|at| ends.partition_point(|&end| end <= at)).collect();
    cross_validate(pairs, &folds, 10)
}

/// Cross-validates with a fold number (less than `count`) given for each pair.
///
/// # Errors
/// [`Error::Length`] unless there is one fold number per pair; [`Error::Option`] for fewer than two folds;
/// [`Error::Fold`] for a number out of range, an empty fold, or a fold without which the other folds lack one kind of pair;
/// [`Error::NonFiniteScore`] for a score that is NaN or infinite.
pub fn cross_validate(pairs: &[ScoredPair], folds: &[usize], count: usize) -> Result<CrossValidation> {
    if folds.len() != pairs.len() {
        return Err(Error::Length { what: "fold numbers", expected: pairs.len(), found: folds.len() });
    }
    if count < 2 {
        return Err(Error::Option { name: "number of folds", value: count as f64, expected: "at least 2" });
    }
    if let Some(index) = pairs.iter().position(|pair| !pair.score.is_finite()) {
        return Err(Error::NonFiniteScore { kind: "pair", index, value: pairs[index].score });
    }
    if let Some(&fold) = folds.iter().find(|&&fold| fold >= count) {
        return Err(Error::Fold {
            fold,
            problem: "does not exist: fold numbers must be less than the number of folds",
        });
    }
    let results: Vec<FoldAccuracy> =
        (0..count).map(|fold| evaluate(pairs, folds, fold)).collect::<Result<_>>()?;
    let mean = results.iter().map(|fold| fold.accuracy).sum::<f64>() / count as f64;
    let squares: f64 = results.iter().map(|fold| (fold.accuracy - mean).powi(2)).sum();
    let standard_error = (squares / (count as f64 - 1.0) / count as f64).sqrt();
    Ok(CrossValidation { accuracy: mean, standard_error, folds: results })
}

fn evaluate(pairs: &[ScoredPair], folds: &[usize], fold: usize) -> Result<FoldAccuracy> {
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for (pair, _) in pairs.iter().zip(folds).filter(|&(_, &of)| of != fold) {
        if pair.same { &mut genuine } else { &mut impostor }.push(pair.score);
    }
    if genuine.is_empty() || impostor.is_empty() {
        return Err(Error::Fold {
            fold,
            problem: "cannot be evaluated: the other folds lack genuine or impostor pairs",
        });
    }
    let weights = (genuine.len() as u64, impostor.len() as u64);
    let threshold = SortedScores::of_scores(genuine, impostor).best_accuracy(weights.0, weights.1).threshold;
    let own = || pairs.iter().zip(folds).filter(|&(_, &of)| of == fold).map(|(pair, _)| pair);
    let count = own().count();
    if count == 0 {
        return Err(Error::Fold { fold, problem: "has no pairs" });
    }
    let genuine = own().filter(|pair| pair.same).count();
    let right = own().filter(|pair| (pair.score >= threshold) == pair.same).count();
    Ok(FoldAccuracy { fold, pairs: count, genuine, threshold, accuracy: right as f64 / count as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(score: f64, same: bool) -> ScoredPair {
        ScoredPair { score, same }
    }

    #[test]
    fn the_threshold_of_a_fold_does_not_depend_on_it() {
        // Fold 0 alone would choose 0.2; the others choose 0.7, which costs it one of two pairs.
        let pairs = [
            pair(0.2, true),
            pair(0.1, false),
            pair(0.7, true),
            pair(0.3, false),
            pair(0.8, true),
            pair(0.4, false),
        ];
        let found = cross_validate(&pairs, &[0, 0, 1, 1, 2, 2], 3).unwrap();
        let accuracies: Vec<f64> = found.folds.iter().map(|fold| fold.accuracy).collect();
        // Without fold 1 or 2 the best are {0.2, 0.8 | 0.1, 0.4}: 0.8 and {0.2, 0.7 | 0.1, 0.3}: 0.7, one error each.
        assert_eq!(accuracies, [0.5, 0.5, 1.0]);
        assert_eq!(found.folds[0].threshold, 0.7);
        assert!((found.accuracy - 2.0 / 3.0).abs() < 1e-15);
        assert!((found.standard_error - (1.0_f64 / 12.0 / 3.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn ten_folds_are_consecutive_and_even() {
        let pairs: Vec<ScoredPair> =
            (0..43).map(|at| pair(if at % 2 == 0 { 0.9 } else { 0.1 }, at % 2 == 0)).collect();
        let found = ten_folds(&pairs).unwrap();
        let sizes: Vec<usize> = found.folds.iter().map(|fold| fold.pairs).collect();
        assert_eq!(sizes, [4, 4, 4, 5, 4, 4, 5, 4, 4, 5]);
        assert_eq!((found.accuracy, found.standard_error), (1.0, 0.0));
    }

    #[test]
    fn invalid_folds_are_errors() {
        let pairs = [pair(0.5, true), pair(0.1, false), pair(0.6, true), pair(0.2, false)];
        let error = |folds: &[usize], count| cross_validate(&pairs, folds, count).unwrap_err();
        assert_eq!(error(&[0, 1], 2), Error::Length { what: "fold numbers", expected: 4, found: 2 });
        assert!(matches!(error(&[0, 0, 1, 1], 1), Error::Option { .. }));
        assert!(matches!(error(&[0, 0, 2, 1], 2), Error::Fold { fold: 2, .. }));
        assert!(matches!(error(&[0, 0, 1, 1], 3), Error::Fold { fold: 2, .. }));
        assert!(matches!(error(&[0, 1, 0, 1], 2), Error::Fold { fold: 0, .. }));
        assert!(matches!(ten_folds(&[]), Err(Error::Fold { .. })));
        let nan = [pair(f64::NAN, true), pair(0.0, false)];
        assert!(matches!(cross_validate(&nan, &[0, 1], 2), Err(Error::NonFiniteScore { index: 0, .. })));
    }
}

//! Score normalisation: scores relative to those with a cohort of other identities.
//!
//! Some embeddings are close to many others and accept impostors at a threshold that suits the rest. A cohort of embeddings of
//! other identities corrects for that: each enrolled and each probe embedding has a mean `m` and a standard deviation `d` of its
//! scores with the cohort, and a score `s` is replaced by
//!
//! - Z-norm: `(s - m_enrol) / d_enrol` (Li and Porter 1988; Reynolds 1997);
//! - T-norm: `(s - m_probe) / d_probe` (Auckenthaler, Carey and Lloyd-Thomas 2000);
//! - S-norm: the mean of both (Kenny 2010);
//! - adaptive S-norm: S-norm with the statistics of the `top` highest cohort scores of each side only (Matějka et al.
//!   2017, section 2, the variant in which each side selects its own cohort).
//!
//! Standard deviations divide by the number of scores. The labels of the cohort are not used, but it should contain no identity
//! of the evaluation set.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use widemargin_tables::Pair;

use super::folds::ScoredPair;
use super::identity::IdentityPair;
use super::measures::{Verification, from_scores};
use super::pairs::VerificationOptions;
use super::sets::{between, pair_scores};
use crate::copies::Copies;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::score;
use crate::similarity::{self, QUERIES};

/// The kind of score normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScoreNormalisation {
    /// Z-norm: by the statistics of the enrolled embedding.
    Z,
    /// T-norm: by the statistics of the probe.
    T,
    /// S-norm: the mean of both.
    S,
    /// Adaptive S-norm: the mean of both, each from its `top` most similar cohort embeddings.
    AdaptiveS {
        /// How many cohort scores are used; between 2 and the size of the cohort. Typical values are 200 to 500.
        top: usize,
    },
}

/// Mean and standard deviation of an embedding's scores with a cohort.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CohortStatistics {
    /// Mean cosine.
    pub mean: f64,
    /// Standard deviation, dividing by the number of scores; positive.
    pub deviation: f64,
}

impl CohortStatistics {
    fn apply(self, score: f64) -> f64 {
        (score - self.mean) / self.deviation
    }
}

/// Statistics of each row of `embeddings` with the cohort, from all scores or from the `top` highest.
///
/// `side` names the rows in errors.
///
/// # Errors
/// [`Error::Dimensions`], [`Error::CohortSize`] for a `top` outside `2..=cohort.rows()` (or a cohort of one), and
/// [`Error::FlatCohort`] for a row whose scores are all equal.
pub fn statistics(
    embeddings: &Embeddings,
    cohort: &Embeddings,
    top: Option<usize>,
    side: &'static str,
) -> Result<Vec<CohortStatistics>> {
    embeddings.require_same_dim(cohort)?;
    let used = top.unwrap_or(cohort.rows());
    if used < 2 || used > cohort.rows() {
        return Err(Error::CohortSize { used, cohort: cohort.rows() });
    }
    let rows = embeddings.rows();
    let blocks: Vec<Vec<CohortStatistics>> = (0..rows.div_ceil(QUERIES))
        .into_par_iter()
        .map_init(Vec::new, |scratch, nth| {
            let queries = nth * QUERIES..((nth + 1) * QUERIES).min(rows);
            similarity::block(embeddings, queries.clone(), cohort, 0..cohort.rows(), scratch);
            queries
                .zip(scratch.chunks_exact_mut(cohort.rows()))
                .map(|(row, scores)| {
                    if used < scores.len() {
                        scores.select_nth_unstable_by(used - 1, |a, b| b.total_cmp(a));
                    }
                    let scores = &mut scores[..used];
                    // Sorted, so that the sums do not depend on the order of the cohort.
                    scores.sort_unstable_by(|a, b| b.total_cmp(a));
                    let mean = scores.iter().map(|&s| score::cosine(s)).sum::<f64>() / used as f64;
                    let squares = scores.iter().map(|&s| (score::cosine(s) - mean).powi(2)).sum::<f64>();
                    if scores[0] == scores[used - 1] {
                        return Err(Error::FlatCohort { side, row });
                    }
                    Ok(CohortStatistics { mean, deviation: (squares / used as f64).sqrt() })
                })
                .collect::<Result<Vec<_>>>()
        })
        .collect::<Result<_>>()?;
    Ok(blocks.concat())
}

/// The statistics that a normalisation needs.
struct Normaliser {
    of_enrol: Option<Vec<CohortStatistics>>,
    of_probe: Option<Vec<CohortStatistics>>,
}

impl Normaliser {
    fn new(
        enrol: &Embeddings,
        probe: &Embeddings,
        cohort: &Embeddings,
        normalisation: ScoreNormalisation,
    ) -> Result<Self> {
        let top = match normalisation {
            ScoreNormalisation::AdaptiveS { top } => Some(top),
            _ => None,
        };
        let of_side = |side: bool, embeddings, name| {
            if side { statistics(embeddings, cohort, top, name).map(Some) } else { Ok(None) }
        };
        Ok(Self {
            of_enrol: of_side(normalisation != ScoreNormalisation::T, enrol, "enrol")?,
            of_probe: of_side(normalisation != ScoreNormalisation::Z, probe, "probe")?,
        })
    }

    /// The normalised score of an enrol row and a probe row, rounded to `f32` so that scores that differ by rounding only are equal.
    fn score(&self, cosine: f64, enrol: usize, probe: usize) -> f64 {
        let z = self.of_enrol.as_ref().map(|statistics| statistics[enrol].apply(cosine));
        let t = self.of_probe.as_ref().map(|statistics| statistics[probe].apply(cosine));
        match (z, t) {
            (Some(z), Some(t)) => f64::from(f64::midpoint(z, t) as f32),
            (Some(one), None) | (None, Some(one)) => f64::from(one as f32),
            (None, None) => cosine,
        }
    }
}

/// [`pair_scores`] normalised by a cohort. In each pair, `a` counts as enrolled and `b` as the probe.
///
/// # Errors
/// Those of [`statistics`] and of [`pair_scores`].
pub fn normalised_pairs(
    embeddings: &Embeddings,
    pairs: &[Pair],
    cohort: &Embeddings,
    normalisation: ScoreNormalisation,
) -> Result<Vec<ScoredPair>> {
    let mut scored = pair_scores(embeddings, pairs)?;
    let normaliser = Normaliser::new(embeddings, embeddings, cohort, normalisation)?;
    for (scored, pair) in scored.iter_mut().zip(pairs) {
        scored.score = normaliser.score(scored.score, pair.a, pair.b);
    }
    Ok(scored)
}

/// [`enrol_probe`](super::enrol_probe) with scores normalised by a cohort.
///
/// # Errors
/// Those of [`statistics`] and of [`enrol_probe`](super::enrol_probe).
pub fn normalised(
    enrol: &Embeddings,
    probe: &Embeddings,
    copies: Option<&Copies>,
    cohort: &Embeddings,
    normalisation: ScoreNormalisation,
    options: &VerificationOptions,
) -> Result<Verification> {
    let pairs = normalised_identity_pairs(enrol, probe, copies, cohort, normalisation, options)?;
    let of_kind = |same| pairs.iter().filter(|pair| pair.same == same).map(|pair| pair.score).collect();
    from_scores(of_kind(true), of_kind(false))
}

/// The pairs that [`normalised`] compares, with the classes of both rows: for intervals by
/// [`bootstrap::identities`](super::bootstrap::identities).
///
/// # Errors
/// Those of [`statistics`], and [`Error::TooManyPairs`].
pub fn normalised_identity_pairs(
    enrol: &Embeddings,
    probe: &Embeddings,
    copies: Option<&Copies>,
    cohort: &Embeddings,
    normalisation: ScoreNormalisation,
    options: &VerificationOptions,
) -> Result<Vec<IdentityPair>> {
    let normaliser = Normaliser::new(enrol, probe, cohort, normalisation)?;
    between(enrol, probe, copies, options.max_pairs, |stored, same, a, b| IdentityPair {
        score: normaliser.score(score::cosine(stored), a, b),
        same,
        identities: (enrol.labels()[a], probe.labels()[b]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(angles: &[f64], labels: &[u32]) -> Embeddings {
        let data: Vec<f32> =
            angles.iter().flat_map(|angle| [angle.cos() as f32, angle.sin() as f32]).collect();
        Embeddings::new(&data, labels.len(), 2, labels).unwrap()
    }

    #[test]
    fn each_normalisation_follows_its_formula() {
        let enrol = wheel(&[0.1, 1.3], &[1, 2]);
        let probe = wheel(&[0.4], &[1]);
        let others = [2.0_f64, 2.5, 0.7, -0.6];
        let cohort = wheel(&others, &[0, 0, 0, 0]);
        let statistics = |angle: f64, top: usize| {
            let mut scores: Vec<f64> = others.iter().map(|other| (angle - other).cos()).collect();
            scores.sort_by(|a, b| b.partial_cmp(a).unwrap());
            scores.truncate(top);
            let mean = scores.iter().sum::<f64>() / top as f64;
            (mean, (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / top as f64).sqrt())
        };
        let apply = |score: f64, (mean, deviation): (f64, f64)| (score - mean) / deviation;
        for (normalisation, sides, top) in [
            (ScoreNormalisation::Z, (true, false), 4),
            (ScoreNormalisation::T, (false, true), 4),
            (ScoreNormalisation::S, (true, true), 4),
            (ScoreNormalisation::AdaptiveS { top: 2 }, (true, true), 2),
        ] {
            let found =
                normalised(&enrol, &probe, None, &cohort, normalisation, &VerificationOptions::default())
                    .unwrap();
            for (list, angle) in [(found.scores.genuine(), 0.1), (found.scores.impostor(), 1.3)] {
                let cosine = (angle - 0.4_f64).cos();
                let (z, t) = (apply(cosine, statistics(angle, top)), apply(cosine, statistics(0.4, top)));
                let expected = match sides {
                    (true, true) => f64::midpoint(z, t),
                    (true, false) => z,
                    _ => t,
                };
                assert!((list.at(0) - expected).abs() < 1e-5, "{normalisation:?}: {} {expected}", list.at(0));
            }
        }
    }

    #[test]
    fn a_pair_of_a_list_scores_as_between_sets() {
        let all = wheel(&[0.1, 1.3, 0.4], &[1, 2, 1]);
        let (enrol, probe) = (wheel(&[0.1, 1.3], &[1, 2]), wheel(&[0.4], &[1]));
        let cohort = wheel(&[2.0, 2.5, 0.7], &[0; 3]);
        let pairs = [Pair { a: 0, b: 2, same: true }, Pair { a: 1, b: 2, same: false }];
        for normalisation in
            [ScoreNormalisation::Z, ScoreNormalisation::T, ScoreNormalisation::AdaptiveS { top: 2 }]
        {
            let list = normalised_pairs(&all, &pairs, &cohort, normalisation).unwrap();
            let sets =
                normalised(&enrol, &probe, None, &cohort, normalisation, &VerificationOptions::default());
            let sets = sets.unwrap().scores;
            assert_eq!([list[0].score, list[1].score], [sets.genuine().at(0), sets.impostor().at(0)]);
            assert_eq!([list[0].same, list[1].same], [true, false]);
        }
    }

    #[test]
    fn invalid_cohorts_are_errors() {
        let (enrol, probe) = (wheel(&[0.1, 1.3], &[1, 2]), wheel(&[0.4, 0.0], &[1, 1]));
        let flat = wheel(&[1.0, -1.0], &[0, 0]);
        let run = |cohort: &Embeddings, normalisation| {
            normalised(&enrol, &probe, None, cohort, normalisation, &VerificationOptions::default())
                .unwrap_err()
        };
        assert_eq!(run(&flat, ScoreNormalisation::T), Error::FlatCohort { side: "probe", row: 1 });
        for used in [0, 1, 3] {
            let found = run(&flat, ScoreNormalisation::AdaptiveS { top: used });
            assert_eq!(found, Error::CohortSize { used, cohort: 2 });
        }
        let line = Embeddings::new(&[1.0, 2.0], 2, 1, &[0, 0]).unwrap();
        assert_eq!(run(&line, ScoreNormalisation::Z), Error::Dimensions { left: 2, right: 1 });
    }
}

//! Confidence intervals by the bootstrap.
//!
//! On other images the measures of a verification would be slightly different. The bootstrap (Efron and Tibshirani 1993,
//! chapter 13) imitates that: it resamples the data with replacement many times, computes the measures each time, and reports
//! the middle share of the results (the percentile interval). The meaning of the interval depends on what is resampled:
//!
//! - [`pairs`] resamples genuine and impostor scores. Pairs that share an image are not independent, so these intervals are too
//!   narrow for all pairs of a set. They suit lists of disjoint pairs.
//! - [`identities`] resamples classes: a class drawn `m` times counts `m` times in each of its genuine pairs and `m * n` times in
//!   impostor pairs with a class drawn `n` times. The interval says how far the measures carry over to other people or products.
//!   [`classes`] does this for all pairs of a set.
//!
//! Few things to draw from give intervals that are too narrow ([`FEW_DRAWN`]), and two give none ([`LEAST_DRAWN`]). Each kind of pair counts
//! by itself: identities without genuine pairs add nothing to how genuine scores vary.

use std::collections::HashSet;

use rayon::prelude::*;
use serde::Serialize;
use widemargin_chance::{Purpose, Stream};

use super::identity::IdentityPair;
use super::list::ScoreList;
use super::measures::{TABLE_FAR, Verification, require_both};
use super::pairs::{VerificationOptions, identity_pairs};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};

/// Fewest identities with pairs of each kind, or pairs of each kind, to draw from. Two give resamples of one of them, or the data itself.
pub const LEAST_DRAWN: usize = 3;

/// Fewest identities with pairs of each kind, or pairs of each kind, that give intervals of about the stated confidence. With 3 classes, intervals of 95 % contain the
/// true value in 77 % of all cases, with 4 in 85 %.
pub const FEW_DRAWN: usize = 10;

/// How to resample.
#[derive(Debug, Clone, PartialEq)]
pub struct BootstrapOptions {
    /// Number of resamples, at least 20. Default 1000.
    pub resamples: usize,
    /// Share of the results inside the interval, in (0, 1). Default 0.95.
    pub confidence: f64,
    /// Seed of the resamples. Default 0.
    pub seed: u64,
    /// Largest number of scores to resample; each thread needs 8 bytes per score. Default: 50 million.
    pub max_pairs: u64,
    /// False accept rates, in [0, 1], whose TAR gets an interval. Default: [`TABLE_FAR`].
    pub far: Vec<f64>,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        let far = TABLE_FAR.to_vec();
        Self { resamples: 1000, confidence: 0.95, seed: 0, max_pairs: 50_000_000, far }
    }
}

/// The bootstrap interval of one measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Intervals of the main measures of a [`Verification`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Intervals {
    /// Share of results inside each interval.
    pub confidence: f64,
    /// Resamples used.
    pub resamples: usize,
    /// Resamples of classes that were left out, because they did not have both kinds of pair.
    pub discarded: usize,
    /// What was drawn for each resample: this many identities, or this many pairs.
    pub drawn: usize,
    /// The identities among them that have genuine pairs, or the genuine pairs.
    pub drawn_genuine: usize,
    /// The identities among them that have impostor pairs, or the impostor pairs.
    pub drawn_impostor: usize,
    /// Area under the ROC curve.
    pub auc: Interval,
    /// Equal error rate.
    pub eer: Interval,
    /// Best balanced accuracy.
    pub best_balanced_accuracy: Interval,
    /// TAR at the rates of [`BootstrapOptions::far`], in their order.
    pub tar_at_far: Vec<TarInterval>,
}

/// The bootstrap interval of TAR at a false accept rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TarInterval {
    /// The false accept rate allowed.
    pub far: f64,
    /// The interval.
    #[serde(flatten)]
    pub tar: Interval,
}

/// The measures of one resample: AUC, EER, balanced accuracy, and TAR at each FAR.
type Measures = Vec<f64>;

/// A distinct score, with the end of its pairs in both lists.
struct Step {
    genuine: usize,
    impostor: usize,
}

/// Intervals from resampling scores: of each kind as many as there are.
///
/// # Errors
/// [`Error::Option`] for options outside their range or a verification that was binned by
/// [`streaming`](super::streaming); [`Error::TooManyPairs`] beyond `max_pairs`; [`Error::TooFewToDraw`] with fewer than [`LEAST_DRAWN`]
/// pairs of a kind.
pub fn pairs(verification: &Verification, options: &BootstrapOptions) -> Result<Intervals> {
    check(options, verification.pairs)?;
    if let Some(resolution) = verification.resolution {
        return Err(Error::Option {
            name: "resolution",
            value: resolution,
            expected: "absent: binned scores cannot be resampled",
        });
    }
    let (genuine, impostor) = (verification.scores.genuine(), verification.scores.impostor());
    require_enough("genuine pairs", genuine.len())?;
    require_enough("impostor pairs", impostor.len())?;
    let steps: Vec<Step> = verification
        .scores
        .steps()
        .skip(1)
        .map(|step| Step { genuine: step.genuine, impostor: step.impostor })
        .collect();
    let draw = |random: &mut Stream, list: &ScoreList| {
        let mut weights = vec![0_u64; list.len()];
        for _ in 0..list.len() {
            weights[random.below(list.len())] += 1;
        }
        weights
    };
    let found = resample(options, |random| {
        let weights = (draw(random, genuine), draw(random, impostor));
        Some(measures(&steps, &weights.0, &weights.1, &options.far))
    })?;
    Ok(Intervals {
        drawn: genuine.len() + impostor.len(),
        drawn_genuine: genuine.len(),
        drawn_impostor: impostor.len(),
        ..found
    })
}

/// Intervals from resampling classes, with all pairs of the embeddings.
///
/// # Errors
/// [`Error::OneClass`] and [`Error::NoGenuinePairs`] as [`all_pairs`](super::all_pairs); those of [`identities`].
pub fn classes(embeddings: &Embeddings, options: &BootstrapOptions) -> Result<Intervals> {
    let rows = embeddings.rows() as u64;
    check(options, rows * (rows - 1) / 2)?;
    let all = VerificationOptions { max_pairs: u64::MAX, seed: 0 };
    identities(&identity_pairs(embeddings, &all, false)?, options)
}

/// Intervals from resampling the classes of the pairs. A genuine pair counts as often as its first class was drawn.
///
/// # Errors
/// [`Error::MissingScores`] if one kind of pair is missing; [`Error::NonFiniteScore`]; [`Error::Option`] for options outside their
/// range; [`Error::TooManyPairs`] beyond `max_pairs`; [`Error::TooFewToDraw`] with fewer than [`LEAST_DRAWN`] classes
/// that have pairs of a kind. Each pair takes 40 bytes, in addition to those per thread.
pub fn identities(pairs: &[IdentityPair], options: &BootstrapOptions) -> Result<Intervals> {
    check(options, pairs.len() as u64)?;
    if let Some(index) = pairs.iter().position(|pair| !pair.score.is_finite()) {
        return Err(Error::NonFiniteScore { kind: "pair", index, value: pairs[index].score });
    }
    let mut labels: Vec<u32> = pairs.iter().flat_map(|pair| [pair.identities.0, pair.identities.1]).collect();
    labels.par_sort_unstable();
    labels.dedup();
    let number = |label: u32| labels.partition_point(|&other| other < label) as u32;
    let scored: Vec<(f64, u32, u32, bool)> = pairs
        .par_iter()
        .map(|pair| (pair.score, number(pair.identities.0), number(pair.identities.1), pair.same))
        .collect();
    let (mut genuine, mut impostor): (Vec<_>, Vec<_>) = scored.into_iter().partition(|pair| pair.3);
    require_both(genuine.len(), impostor.len())?;
    let different = |identities: &mut dyn Iterator<Item = u32>| identities.collect::<HashSet<u32>>().len();
    let drawn_genuine = different(&mut genuine.iter().map(|pair| pair.1));
    let drawn_impostor = different(&mut impostor.iter().flat_map(|pair| [pair.1, pair.2]));
    require_enough("identities with genuine pairs", drawn_genuine)?;
    require_enough("identities with impostor pairs", drawn_impostor)?;
    for list in [&mut genuine, &mut impostor] {
        list.par_sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    }
    let mut steps = Vec::new();
    let (mut g, mut i) = (0, 0);
    while g < genuine.len() || i < impostor.len() {
        let score =
            [genuine.get(g), impostor.get(i)].into_iter().flatten().map(|p| p.0).fold(f64::MIN, f64::max);
        g += genuine[g..].iter().take_while(|p| p.0 == score).count();
        i += impostor[i..].iter().take_while(|p| p.0 == score).count();
        steps.push(Step { genuine: g, impostor: i });
    }
    let count = labels.len();
    let found = resample(options, |random| {
        let mut times = vec![0_u64; count];
        for _ in 0..count {
            times[random.below(count)] += 1;
        }
        let weights_g: Vec<u64> = genuine.iter().map(|p| times[p.1 as usize]).collect();
        let weights_i: Vec<u64> =
            impostor.iter().map(|p| times[p.1 as usize] * times[p.2 as usize]).collect();
        let both = weights_g.iter().any(|&w| w > 0) && weights_i.iter().any(|&w| w > 0);
        both.then(|| measures(&steps, &weights_g, &weights_i, &options.far))
    })?;
    Ok(Intervals { drawn: count, drawn_genuine, drawn_impostor, ..found })
}

/// Intervals of means over things of several classes, from resampling the classes. Each class has its number of things, then the sum of each measure
/// over them.
pub(crate) fn of_sums(
    what: &'static str,
    of_class: &[Vec<f64>],
    options: &BootstrapOptions,
) -> Result<Vec<Interval>> {
    check(options, 0)?;
    require_enough(what, of_class.len())?;
    let results = resamples(options, |random| {
        let mut sums = vec![0.0; of_class[0].len()];
        for _ in 0..of_class.len() {
            let drawn = &of_class[random.below(of_class.len())];
            sums.iter_mut().zip(drawn).for_each(|(sum, value)| *sum += value);
        }
        Some(sums[1..].iter().map(|sum| sum / sums[0]).collect())
    });
    Ok((0..of_class[0].len() - 1).map(|measure| interval(&results, measure, options.confidence)).collect())
}

fn require_enough(what: &'static str, found: usize) -> Result<()> {
    if found < LEAST_DRAWN { Err(Error::TooFewToDraw { what, found, least: LEAST_DRAWN }) } else { Ok(()) }
}

fn check(options: &BootstrapOptions, pairs: u64) -> Result<()> {
    if options.resamples < 20 {
        return Err(Error::Option {
            name: "resamples",
            value: options.resamples as f64,
            expected: "at least 20",
        });
    }
    if !(options.confidence > 0.0 && options.confidence < 1.0) {
        let value = options.confidence;
        return Err(Error::Option { name: "confidence", value, expected: "between 0 and 1, both excluded" });
    }
    if let Some(&value) = options.far.iter().find(|far| !(0.0..=1.0).contains(*far)) {
        return Err(Error::Option { name: "far", value, expected: "from 0 to 1" });
    }
    if pairs > options.max_pairs {
        return Err(Error::TooManyPairs { pairs, max_pairs: options.max_pairs });
    }
    Ok(())
}

/// The measures of each resample that has any. Each has its own random stream, so that the result does not depend on threads.
fn resamples(
    options: &BootstrapOptions,
    draw: impl Fn(&mut Stream) -> Option<Measures> + Sync,
) -> Vec<Measures> {
    (0..options.resamples)
        .into_par_iter()
        .filter_map(|nth| draw(&mut Stream::new(options.seed, Purpose::Bootstrap, nth as u64, 0)))
        .collect()
}

/// The intervals of a verification.
fn resample(
    options: &BootstrapOptions,
    draw: impl Fn(&mut Stream) -> Option<Measures> + Sync,
) -> Result<Intervals> {
    let results = resamples(options, draw);
    if results.is_empty() {
        let value = options.resamples as f64;
        return Err(Error::Option {
            name: "resamples",
            value,
            expected: "large enough to give a resample with both kinds of pair",
        });
    }
    let interval = |measure: usize| interval(&results, measure, options.confidence);
    Ok(Intervals {
        confidence: options.confidence,
        resamples: results.len(),
        discarded: options.resamples - results.len(),
        drawn: 0,
        drawn_genuine: 0,
        drawn_impostor: 0,
        auc: interval(0),
        eer: interval(1),
        best_balanced_accuracy: interval(2),
        tar_at_far: (3..)
            .zip(&options.far)
            .map(|(measure, &far)| TarInterval { far, tar: interval(measure) })
            .collect(),
    })
}

/// The middle share of a measure of all resamples.
fn interval(results: &[Measures], measure: usize, confidence: f64) -> Interval {
    let mut values: Vec<f64> = results.iter().map(|result| result[measure]).collect();
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Interval { low: quantile(&values, tail), high: quantile(&values, 1.0 - tail) }
}

/// Interpolates linearly between the order statistics, as numpy does by default.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let below = (place as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

/// The measures of weighted scores, by the definitions of [`Verification`].
fn measures(steps: &[Step], genuine: &[u64], impostor: &[u64], far_allowed: &[f64]) -> Measures {
    let all_genuine = genuine.iter().sum::<u64>() as f64;
    let all_impostor = impostor.iter().sum::<u64>() as f64;
    let mut result = vec![0.0; 3 + far_allowed.len()];
    let (mut from, mut before, mut won) = ((0, 0), (0.0, 0.0), 0.0);
    let (mut eer, mut best) = (None, 0.5_f64);
    for step in steps {
        let more = |weights: &[u64], from: usize, to: usize| weights[from..to].iter().sum::<u64>() as f64;
        let won_g = more(genuine, from.0, step.genuine);
        let won_i = more(impostor, from.1, step.impostor);
        from = (step.genuine, step.impostor);
        won += won_i * (before.0 + won_g / 2.0);
        let (g, i) = (before.0 + won_g, before.1 + won_i);
        let (tar, far) = (g / all_genuine, i / all_impostor);
        let (tar_before, far_before) = (before.0 / all_genuine, before.1 / all_impostor);
        let (gap, gap_before) = (1.0 - tar - far, 1.0 - tar_before - far_before);
        if eer.is_none() && gap <= 0.0 {
            eer = Some(far_before + gap_before / (gap_before - gap) * (far - far_before));
        }
        best = best.max(f64::midpoint(tar, 1.0 - far));
        for (result, allowed) in result[3..].iter_mut().zip(far_allowed) {
            if far <= *allowed {
                *result = tar;
            }
        }
        before = (g, i);
    }
    result[0] = won / (all_genuine * all_impostor);
    result[1] = eer.unwrap_or(1.0);
    result[2] = best;
    result
}

#[cfg(test)]
mod tests {
    use super::super::{all_pairs, enrol_probe, from_cosines, identity_pairs_between};
    use super::*;

    fn pairs_of(seed: u64, count: usize) -> Verification {
        let mut random = Stream::new(seed, Purpose::Test, 0, 0);
        let mut list =
            |mean: f64| (0..count).map(|_| (mean + 0.1 * random.normal()).clamp(-1.0, 1.0)).collect();
        let genuine = list(0.3);
        from_cosines(genuine, list(0.1)).unwrap()
    }

    #[test]
    fn weights_of_one_give_the_measures_themselves() {
        let found = pairs_of(1, 150);
        let steps: Vec<Step> =
            found.scores.steps().skip(1).map(|s| Step { genuine: s.genuine, impostor: s.impostor }).collect();
        let rates = [0.3, 0.05, 0.007];
        let same = measures(&steps, &[1; 150], &[1; 150], &rates);
        let mut expected = vec![found.auc, found.eer, found.best_balanced_accuracy.accuracy];
        expected.extend(rates.map(|far| found.tar_at_far(far)));
        assert_eq!(same.len(), expected.len());
        for (a, b) in same.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-12, "{same:?} {expected:?}");
        }
        // Doubling every weight changes nothing.
        let double = measures(&steps, &[2; 150], &[2; 150], &rates);
        assert!(same.iter().zip(double).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn intervals_are_those_of_the_rates_asked_for() {
        let found = pairs_of(1, 150);
        let with = |far: &[f64]| {
            let far = far.to_vec();
            pairs(&found, &BootstrapOptions { resamples: 200, far, ..BootstrapOptions::default() }).unwrap()
        };
        let (asked, all) = (with(&[0.3, 0.05]), with(&[0.05, 0.01, 0.3]));
        assert_eq!(asked.tar_at_far.iter().map(|line| line.far).collect::<Vec<_>>(), [0.3, 0.05]);
        assert_eq!(asked.tar_at_far, [all.tar_at_far[2], all.tar_at_far[0]]);
        for TarInterval { far, tar: Interval { low, high } } in asked.tar_at_far {
            let tar = found.tar_at_far(far);
            assert!(low < tar && tar < high, "{far}: {tar} {low} {high}");
        }
        let default = pairs(&found, &BootstrapOptions::default()).unwrap();
        assert!(default.tar_at_far.iter().map(|line| line.far).eq(TABLE_FAR));
    }

    #[test]
    fn few_classes_or_pairs_give_no_intervals_and_discarded_resamples_are_counted() {
        let pair = |score: f64, a: u32, b: u32| IdentityPair { score, identities: (a, b), same: a == b };
        let mut list = vec![pair(0.9, 0, 0), pair(0.7, 1, 1), pair(0.4, 0, 1)];
        let options = BootstrapOptions { resamples: 300, ..BootstrapOptions::default() };
        let two = identities(&list, &options);
        assert_eq!(
            two,
            Err(Error::TooFewToDraw { what: "identities with genuine pairs", found: 2, least: 3 })
        );
        // Identities without genuine pairs add nothing to how genuine scores vary, and those of few impostor pairs little to the others.
        let singles: Vec<IdentityPair> = (2..62).map(|single| pair(0.2, 0, single)).collect();
        assert_eq!(identities(&[&list[..], &singles].concat(), &options), two);
        let own: Vec<IdentityPair> = (0..20).map(|class| pair(0.9, class, class)).collect();
        let expected = Error::TooFewToDraw { what: "identities with impostor pairs", found: 2, least: 3 };
        assert_eq!(identities(&[&own[..], &[pair(0.4, 0, 1)]].concat(), &options), Err(expected));
        list.extend([pair(0.8, 2, 2), pair(0.1, 0, 2), pair(0.3, 1, 2)]);
        let three = identities(&list, &options).unwrap();
        // Three draws of one class have no impostor pairs: a ninth of the resamples.
        assert!((15..=55).contains(&three.discarded), "{three:?}");
        assert_eq!(three.resamples + three.discarded, 300);
        let more = identities(&[&list[..], &singles].concat(), &options).unwrap();
        assert_eq!((more.drawn, more.drawn_genuine, more.drawn_impostor), (62, 3, 62));
        let few = from_cosines(vec![0.9, 0.8, 0.7], vec![0.1, 0.2]).unwrap();
        let expected = Error::TooFewToDraw { what: "impostor pairs", found: 2, least: 3 };
        assert_eq!(pairs(&few, &options), Err(expected));
    }

    #[test]
    fn intervals_of_pairs_cover_the_true_value_as_often_as_stated() {
        // Two normal distributions two deviations apart: AUC is Phi(sqrt 2).
        let truth = 0.921_35;
        let options = BootstrapOptions { resamples: 200, confidence: 0.9, ..BootstrapOptions::default() };
        let inside = (0..60)
            .filter(|&seed| {
                let found = pairs(&pairs_of(seed, 200), &options).unwrap();
                found.auc.low <= truth && truth <= found.auc.high
            })
            .count();
        // 54 are expected with a deviation of 2.3.
        assert!((46..=60).contains(&inside), "{inside} of 60");
    }

    #[test]
    fn intervals_of_classes_are_repeatable_and_wider_than_those_of_pairs() {
        let mut random = Stream::new(5, Purpose::Test, 0, 0);
        let (rows, dim) = (60, 6);
        let labels: Vec<u32> = (0..rows).map(|row| row as u32 / 6).collect();
        let centres: Vec<f32> = (0..10 * dim).map(|_| random.normal() as f32).collect();
        let data: Vec<f32> = (0..rows * dim)
            .map(|at| centres[at / dim / 6 * dim + at % dim] + 1.2 * random.normal() as f32)
            .collect();
        let set = Embeddings::new(&data, rows, dim, &labels).unwrap();
        let options = BootstrapOptions { resamples: 300, ..BootstrapOptions::default() };
        let by_class = classes(&set, &options).unwrap();
        let whole = all_pairs(&set, &VerificationOptions::default()).unwrap();
        let by_pair = pairs(&whole, &options).unwrap();
        let width = |interval: Interval| interval.high - interval.low;
        assert!(width(by_class.auc) > width(by_pair.auc), "{by_class:?} {by_pair:?}");
        assert!(by_class.auc.low < whole.auc && whole.auc < by_class.auc.high);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| classes(&set, &options).unwrap()), by_class);
        }
        assert_ne!(classes(&set, &BootstrapOptions { seed: 1, ..options.clone() }).unwrap(), by_class);
        assert_eq!((by_class.drawn, by_pair.drawn as u64), (10, whole.pairs));

        // Between two sets and for a sample of the pairs, classes are drawn in the same way.
        let all = VerificationOptions::default();
        let between = identity_pairs_between(&set, &set, None, &all).unwrap();
        let found = identities(&between, &options).unwrap();
        let measured = enrol_probe(&set, &set, None, &all).unwrap();
        assert_eq!((found.drawn, between.len() as u64), (10, measured.pairs));
        assert!(found.auc.low < measured.auc && measured.auc < found.auc.high);
        let sampled = VerificationOptions { max_pairs: 200, seed: 4 };
        for balanced in [false, true] {
            let found = identities(&identity_pairs(&set, &sampled, balanced).unwrap(), &options).unwrap();
            assert!(found.drawn <= 10 && width(found.auc) > width(by_pair.auc), "{found:?}");
        }
    }

    #[test]
    fn the_pairs_of_an_interval_are_those_of_its_measures() {
        let mut random = Stream::new(6, Purpose::Test, 0, 0);
        let labels: Vec<u32> = (0..40).map(|row| row / 5).collect();
        let data: Vec<f32> = (0..160).map(|_| random.normal() as f32).collect();
        let set = Embeddings::new(&data, 40, 4, &labels).unwrap();
        for (max_pairs, balanced) in [(10_000, false), (10_000, true), (150, false)] {
            let options = VerificationOptions { max_pairs, seed: 3 };
            let found = if balanced {
                super::super::balanced_pairs(&set, &options).unwrap()
            } else {
                all_pairs(&set, &options).unwrap()
            };
            let pairs = identity_pairs(&set, &options, balanced).unwrap();
            let of_kind =
                |same| pairs.iter().filter(|pair| pair.same == same).map(|pair| pair.score).collect();
            let listed = from_cosines(of_kind(true), of_kind(false)).unwrap();
            assert_eq!((listed.auc, listed.eer, listed.pairs), (found.auc, found.eer, found.pairs));
        }
        let nan = IdentityPair { score: f64::NAN, same: true, identities: (0, 0) };
        let error = identities(&[nan], &BootstrapOptions::default()).unwrap_err();
        assert!(matches!(error, Error::NonFiniteScore { kind: "pair", index: 0, .. }));
    }

    #[test]
    fn invalid_options_are_errors() {
        let found = pairs_of(1, 30);
        let options = BootstrapOptions::default();
        let error = |options| pairs(&found, &options).unwrap_err();
        assert!(matches!(
            error(BootstrapOptions { resamples: 19, ..options.clone() }),
            Error::Option { name: "resamples", .. }
        ));
        assert!(matches!(
            error(BootstrapOptions { confidence: 1.0, ..options.clone() }),
            Error::Option { name: "confidence", .. }
        ));
        assert!(matches!(
            error(BootstrapOptions { max_pairs: 59, ..options.clone() }),
            Error::TooManyPairs { pairs: 60, .. }
        ));
        assert!(matches!(
            error(BootstrapOptions { far: vec![0.1, 1.5], ..options.clone() }),
            Error::Option { name: "far", .. }
        ));
        let lone = Embeddings::new(&[1.0, 0.0, 0.0, 1.0], 2, 2, &[1, 2]).unwrap();
        assert_eq!(classes(&lone, &options).unwrap_err(), Error::NoGenuinePairs { classes: 2 });
    }

    #[test]
    fn quantiles_are_linear_between_values() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.25), 1.5);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 1.0), 4.0);
        assert_eq!(quantile(&[3.0], 0.3), 3.0);
    }
}

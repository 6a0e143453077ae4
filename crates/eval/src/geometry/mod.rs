//! The geometry of embeddings: how compact the classes are, how far apart they are, and how much of the space they use.
//!
//! Verification and retrieval measure how well embeddings work; these measures help to explain why. With unit rows `x`:
//!
//! - cosines within and between classes, over all pairs or a sample of each kind;
//! - class centres (normalised means of their unit rows) and the angles between them, compared with the largest possible
//!   angle for their number and dimension ([`widemargin_objective::packing`]): 90 degrees or less if there are more centres than
//!   `d + 1`, 36 for ten in two dimensions;
//! - alignment, `mean |x - y|^2` over pairs of a class, and uniformity, `ln mean exp(-2 |x - y|^2)` over all pairs (Wang and
//!   Isola, *Understanding contrastive representation learning through alignment and uniformity on the hypersphere*, 2020,
//!   section 4.1, with alpha 2 and t 2);
//! - effective rank, `exp(-sum p ln p)` with `p` the singular values of the matrix of rows over their sum (Roy and Vetterli,
//!   *The effective rank*, 2007, definition 1).

mod centres;
mod spectrum;

use serde::Serialize;

pub use centres::CentreAngles;
pub use spectrum::effective_rank;

use crate::embeddings::Embeddings;
use crate::error::Result;
use crate::score;
use crate::verification::{Histogram, compare_pairs, histogram_of_cosines};

/// How many pairs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeometryOptions {
    /// Largest number of pairs, shared between the kinds as described at
    /// [`VerificationOptions`](crate::verification::VerificationOptions). Default: 10 million.
    pub max_pairs: u64,
    /// Seed of the sample if there are more pairs. Default: 0.
    pub seed: u64,
}

impl Default for GeometryOptions {
    fn default() -> Self {
        Self { max_pairs: 10_000_000, seed: 0 }
    }
}

/// The distribution of the cosines of one kind of pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CosineDistribution {
    /// Pairs compared.
    pub pairs: u64,
    /// All pairs that exist.
    pub pairs_in_all: u64,
    /// Mean cosine.
    pub mean: f64,
    /// Mean of `1 - cosine`: `1 - mean`, but with all its digits if the cosines are close to 1.
    pub mean_distance: f64,
    /// Standard deviation of the cosines (divided by their number).
    pub standard_deviation: f64,
    /// 100 bins over [-1, 1].
    pub histogram: Histogram,
}

/// Results of [`geometry`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Geometry {
    /// Cosines of pairs of the same class.
    pub within: CosineDistribution,
    /// Cosines of pairs of different classes.
    pub between: CosineDistribution,
    /// Angles between class centres.
    pub centres: CentreAngles,
    /// Mean squared distance within classes, in [0, 4]; lower is more compact.
    pub alignment: f64,
    /// Logarithm of the mean of `exp(-2 |x - y|^2)` over all pairs, in [-8, 0]; lower is more evenly spread.
    pub uniformity: f64,
    /// Effective rank, between 1 and the smaller of rows and dimension; a low value means that few directions are used.
    pub effective_rank: f64,
}

/// Measures the geometry of labelled embeddings.
///
/// If pairs are sampled, the uniformity weights within-class and between-class pairs by their true numbers.
///
/// # Errors
/// [`Error::MaxPairs`](crate::Error::MaxPairs), [`Error::OneClass`](crate::Error::OneClass) and
/// [`Error::NoGenuinePairs`](crate::Error::NoGenuinePairs) as in verification;
/// [`Error::ZeroMean`](crate::Error::ZeroMean) for a class whose rows cancel out.
pub fn geometry(embeddings: &Embeddings, options: &GeometryOptions) -> Result<Geometry> {
    let scores = compare_pairs(embeddings, options.max_pairs, options.seed, false)?;
    // Sums are of distances, not of cosines: a sum of numbers such as 1 - 1e-12 would round them away.
    let squared = |cosine: f64| 2.0 - 2.0 * cosine;
    let mean = |stored: &[f32], of: &dyn Fn(f64) -> f64| {
        stored.iter().map(|&stored| of(score::cosine(stored))).sum::<f64>() / stored.len() as f64
    };
    let distribution = |cosines: &[f32], pairs_in_all| {
        let distance = mean(cosines, &|cosine| 1.0 - cosine);
        CosineDistribution {
            pairs: cosines.len() as u64,
            pairs_in_all,
            mean: 1.0 - distance,
            mean_distance: distance,
            standard_deviation: mean(cosines, &|cosine| (1.0 - cosine - distance).powi(2)).sqrt(),
            histogram: histogram_of_cosines(cosines),
        }
    };
    // One less than exp(-2 |x - y|^2), which is close to 1 for crowded cosines.
    let closeness = |cosine: f64| (-2.0 * squared(cosine)).exp_m1();
    let (genuine, impostor) = (scores.all_genuine as f64, scores.all_impostor as f64);
    let close = genuine * mean(&scores.genuine, &closeness) + impostor * mean(&scores.impostor, &closeness);
    Ok(Geometry {
        alignment: mean(&scores.genuine, &squared),
        uniformity: (close / (genuine + impostor)).ln_1p(),
        within: distribution(&scores.genuine, scores.all_genuine),
        between: distribution(&scores.impostor, scores.all_impostor),
        centres: centres::angles(embeddings)?,
        effective_rank: effective_rank(embeddings),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn numpy_agrees() {
        let reference: serde_json::Value =
            serde_json::from_str(include_str!("../../fixtures/geometry.json")).unwrap();
        let cases = reference["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 2);
        for case in cases {
            let list = |key: &str| -> Vec<i64> {
                case[key].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
            };
            let data: Vec<f32> = list("data").iter().map(|&v| v as f32).collect();
            let labels: Vec<u32> = list("labels").iter().map(|&v| v as u32).collect();
            let dim = data.len() / labels.len();
            let set = Embeddings::new(&data, labels.len(), dim, &labels).unwrap();
            let found = geometry(&set, &GeometryOptions::default()).unwrap();
            for (key, value) in [
                ("within_mean", found.within.mean),
                ("within_deviation", found.within.standard_deviation),
                ("between_mean", found.between.mean),
                ("between_deviation", found.between.standard_deviation),
                ("alignment", found.alignment),
                ("uniformity", found.uniformity),
                ("effective_rank", found.effective_rank),
                ("smallest_angle", found.centres.smallest),
                ("mean_angle", found.centres.mean),
                ("mean_nearest_angle", found.centres.mean_nearest),
                ("largest_angle", found.centres.largest),
            ] {
                let expected = case[key].as_f64().unwrap();
                assert!((value - expected).abs() < 1e-9, "{key}: {value} {expected}");
            }
        }
    }

    #[test]
    fn a_sample_is_close_to_all_pairs() {
        let (rows, dim) = (300, 4);
        let data: Vec<f32> =
            (0..rows * dim).map(|at| ((at * at) as f32 * 0.37).sin() + (at / dim % 3) as f32).collect();
        let labels: Vec<u32> = (0..rows as u32).map(|row| row % 3).collect();
        let set = Embeddings::new(&data, rows, dim, &labels).unwrap();
        let whole = geometry(&set, &GeometryOptions::default()).unwrap();
        let sample = geometry(&set, &GeometryOptions { max_pairs: 8000, seed: 3 }).unwrap();
        assert_eq!((sample.within.pairs, sample.between.pairs), (4000, 4000));
        assert_eq!(sample.within.pairs_in_all, whole.within.pairs);
        for (a, b) in [(sample.uniformity, whole.uniformity), (sample.alignment, whole.alignment)] {
            assert!((a - b).abs() < 0.05, "{a} {b}");
        }
    }

    #[test]
    fn crowded_distances_keep_their_digits() {
        let (rows, dim) = (40, 6);
        let labels: Vec<u32> = (0..rows as u32).map(|row| row % 8).collect();
        let plain: Vec<f64> = (0..rows * dim)
            .map(|at| ((at * at) as f64 * 0.37).sin() + f64::from(labels[at / dim] * 5 + at as u32 % 6).cos())
            .collect();
        for offset in [1e4, 1e6, 1e7] {
            // Of x + m, with m the same large number in every column, the squared distance of the unit rows is that of the parts of x at
            // right angles to the mean, over the squared length.
            let data: Vec<f64> = plain.iter().map(|value| value + offset).collect();
            let single: Vec<f32> = data.iter().map(|&value| value as f32).collect();
            let rests: Vec<f32> =
                data.iter().zip(&single).map(|(value, &single)| (value - f64::from(single)) as f32).collect();
            let set = Embeddings::precise(&single, Some(&rests), rows, dim, &labels).unwrap();
            let found = geometry(&set, &GeometryOptions::default()).unwrap();
            let length = offset * (dim as f64).sqrt();
            let across: Vec<Vec<f64>> = plain
                .chunks_exact(dim)
                .map(|row| row.iter().map(|v| v - row.iter().sum::<f64>() / dim as f64).collect())
                .collect();
            let squared = |a: &[f64], b: &[f64]| {
                a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / length.powi(2)
            };
            let (mut within, mut between) = (Vec::new(), Vec::new());
            for a in 0..rows {
                for b in 0..a {
                    let distance = squared(&across[a], &across[b]);
                    if labels[a] == labels[b] { &mut within } else { &mut between }.push(distance);
                }
            }
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let all = [&within[..], &between[..]].concat();
            let centre = |class: usize| -> Vec<f64> {
                let rows = || (class..rows).step_by(8).map(|row| &across[row]);
                (0..dim).map(|c| rows().map(|row| row[c]).sum::<f64>() / rows().count() as f64).collect()
            };
            let angle = (1..8)
                .flat_map(|a| (0..a).map(move |b| (a, b)))
                .map(|(a, b)| squared(&centre(a), &centre(b)).sqrt().to_degrees())
                .fold(0.0, f64::max);
            for (name, value, expected) in [
                ("within", found.within.mean_distance, mean(&within) / 2.0),
                ("between", found.between.mean_distance, mean(&between) / 2.0),
                ("alignment", found.alignment, mean(&within)),
                ("uniformity", found.uniformity, -2.0 * mean(&all)),
                ("largest angle", found.centres.largest, angle),
            ] {
                assert!((value / expected - 1.0).abs() < 1e-2, "{offset} {name}: {value} {expected}");
            }
        }
    }

    #[test]
    fn classes_that_cancel_out_are_errors() {
        let set = Embeddings::new(&[1.0, 0.0, -1.0, 0.0, 0.0, 1.0], 3, 2, &[4, 4, 5]).unwrap();
        let error = geometry(&set, &GeometryOptions::default()).unwrap_err();
        assert_eq!(error, Error::ZeroMean { class: 4, rows: 2 });
    }
}

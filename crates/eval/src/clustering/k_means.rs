//! Spherical k-means: centres are directions, and a row belongs to the centre with the highest cosine.
//!
//! Lloyd's algorithm alternates two steps: each row joins its nearest centre (the first of equally near ones), and each centre
//! becomes the normalised sum of its rows. Neither step lowers the mean cosine of rows with their centres, so the search ends
//! (Dhillon and Modha, *Concept decompositions for large sparse text data*, 2001, section 3). The first centres are rows, drawn
//! one by one with a probability proportional to `1 - cosine` with the nearest centre so far (k-means++, Arthur and Vassilvitskii
//! 2007; `1 - cosine` is half the squared distance). The best of several starts is kept. If the cosines of a set are crowded
//! ([`Embeddings::crowding`]), rows and centres are compared by their difference in `f64`.

use rayon::prelude::*;
use serde::Serialize;
use widemargin_chance::{Purpose, Stream};
use widemargin_kernels::matrix::{self, MatRef, Threads, Write};

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::score;
use crate::similarity;

/// Rows whose cosines with all centres are computed together.
const TILE: usize = 256;

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KMeansOptions {
    /// Largest number of steps per start; at least 1. Default 300.
    pub steps: usize,
    /// Number of starts, of which the best is kept; at least 1. Default 5.
    pub starts: usize,
    /// Seed of the starts. Default 0.
    pub seed: u64,
}

impl Default for KMeansOptions {
    fn default() -> Self {
        Self { steps: 300, starts: 5, seed: 0 }
    }
}

/// Clusters and their centres.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KMeans {
    /// The cluster of each row, from 0.
    pub clusters: Vec<u32>,
    /// Unit centres, row-major `[clusters, dim]`.
    pub centres: Vec<f32>,
    /// Mean cosine of a row with its centre, in [-1, 1]; the search maximises it.
    pub mean_cosine: f64,
    /// Number of steps of the best start.
    pub steps: usize,
    /// Whether its last step changed no cluster.
    pub converged: bool,
}

/// Divides the rows into `clusters` clusters.
///
/// # Errors
/// [`Error::Clusters`] unless `1 <= clusters <= rows`, [`Error::Option`] if `steps` or `starts` is 0.
pub fn k_means(embeddings: &Embeddings, clusters: usize, options: &KMeansOptions) -> Result<KMeans> {
    let rows = embeddings.rows();
    if clusters == 0 || clusters > rows {
        return Err(Error::Clusters { clusters, rows });
    }
    for (name, value) in [("steps", options.steps), ("starts", options.starts)] {
        if value == 0 {
            return Err(Error::Option { name, value: 0.0, expected: "at least 1" });
        }
    }
    let mut best: Option<KMeans> = None;
    for start in 0..options.starts {
        let mut random = Stream::new(options.seed, Purpose::ClusterInit, start as u64, 0);
        let found = refine(embeddings, &draw_centres(embeddings, clusters, &mut random), options.steps);
        if best.as_ref().is_none_or(|best| found.mean_cosine > best.mean_cosine) {
            best = Some(found);
        }
    }
    Ok(best.expect("there is at least one start"))
}

/// Starts from given rows as centres, for instance to compare with another program.
///
/// # Errors
/// [`Error::Clusters`] if `first_rows` is empty or has more rows than exist, [`Error::RowOutOfRange`], [`Error::Option`] if
/// `steps` is 0.
pub fn k_means_from(embeddings: &Embeddings, first_rows: &[usize], steps: usize) -> Result<KMeans> {
    let rows = embeddings.rows();
    if first_rows.is_empty() || first_rows.len() > rows {
        return Err(Error::Clusters { clusters: first_rows.len(), rows });
    }
    if steps == 0 {
        return Err(Error::Option { name: "steps", value: 0.0, expected: "at least 1" });
    }
    if let Some(position) = first_rows.iter().position(|&row| row >= rows) {
        return Err(Error::RowOutOfRange { what: "first centre", position, row: first_rows[position], rows });
    }
    Ok(refine(embeddings, first_rows, steps))
}

/// Draws the rows of the first centres by k-means++.
fn draw_centres(embeddings: &Embeddings, clusters: usize, random: &mut Stream) -> Vec<usize> {
    let rows = embeddings.rows();
    let mut centres = Vec::with_capacity(clusters);
    let mut far = vec![f64::INFINITY; rows];
    let mut next = random.below(rows);
    // In spite of rounding, a row must not be drawn twice.
    let least = if embeddings.crowding().is_some() { 0.0 } else { 1e-6 };
    loop {
        centres.push(next);
        if centres.len() == clusters {
            return centres;
        }
        far.par_iter_mut().enumerate().for_each(|(row, far)| {
            let distance = 1.0 - score::cosine(similarity::score(embeddings, row, embeddings, next));
            *far = far.min(if distance < least { 0.0 } else { distance });
        });
        let total: f64 = far.iter().sum();
        if total > 0.0 {
            let mut left = random.unit_f64() * total;
            let drawn = far.iter().position(|&weight| {
                left -= weight;
                left < 0.0 && weight > 0.0
            });
            // If rounding leaves a rest at the end, draw the last row with a positive weight.
            next = drawn.or_else(|| far.iter().rposition(|&weight| weight > 0.0)).unwrap_or(0);
        } else {
            // Fewer distinct rows than clusters.
            next = random.below(rows);
        }
    }
}

fn refine(embeddings: &Embeddings, first_rows: &[usize], limit: usize) -> KMeans {
    let clusters = first_rows.len();
    let mut centres: Vec<f64> = first_rows.iter().flat_map(|&row| embeddings.precise_row(row)).collect();
    let mut nearest = assign(embeddings, &centres);
    let (mut steps, mut converged) = (0, false);
    while steps < limit && !converged {
        centres = move_centres(embeddings, &nearest, &centres, clusters);
        let next = assign(embeddings, &centres);
        converged = next.iter().zip(&nearest).all(|(a, b)| a.0 == b.0);
        nearest = next;
        steps += 1;
    }
    let mean_cosine = nearest.iter().map(|&(_, cosine)| cosine).sum::<f64>() / nearest.len() as f64;
    KMeans {
        clusters: nearest.into_iter().map(|(cluster, _)| cluster).collect(),
        centres: centres.into_iter().map(|value| value as f32).collect(),
        mean_cosine,
        steps,
        converged,
    }
}

/// The nearest centre of each row, and its cosine.
fn assign(embeddings: &Embeddings, centres: &[f64]) -> Vec<(u32, f64)> {
    if embeddings.crowding().is_some() {
        assign_by_difference(embeddings, centres)
    } else {
        assign_by_product(embeddings, centres)
    }
}

fn assign_by_difference(embeddings: &Embeddings, centres: &[f64]) -> Vec<(u32, f64)> {
    let nearest = |row: usize| {
        let values = embeddings.precise_row(row);
        let mut best = (0, f64::INFINITY);
        for (cluster, centre) in centres.chunks_exact(embeddings.dim()).enumerate() {
            let squares = values.iter().zip(centre).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
            if squares < best.1 {
                best = (cluster as u32, squares);
            }
        }
        (best.0, 1.0 - best.1 / 2.0)
    };
    (0..embeddings.rows()).into_par_iter().map(nearest).collect()
}

fn assign_by_product(embeddings: &Embeddings, centres: &[f64]) -> Vec<(u32, f64)> {
    let dim = embeddings.dim();
    let clusters = centres.len() / dim;
    let centres: Vec<f32> = centres.iter().map(|&value| value as f32).collect();
    let blocks: Vec<Vec<(u32, f64)>> = embeddings
        .unit_rows()
        .par_chunks(TILE * dim)
        .map_init(Vec::new, |tile, rows| {
            let count = rows.len() / dim;
            tile.resize(count * clusters, 0.0_f32);
            matrix::matmul_transposed_b(
                tile,
                MatRef::new(rows, count, dim).expect("whole rows of a matrix"),
                MatRef::new(&centres, clusters, dim).expect("whole rows of a matrix"),
                Write::Replace,
                Threads::Serial,
            );
            let nearest = |cosines: &[f32]| {
                let mut best = (0, cosines[0]);
                for (cluster, &cosine) in cosines.iter().enumerate() {
                    if cosine > best.1 {
                        best = (cluster as u32, cosine);
                    }
                }
                (best.0, f64::from(best.1))
            };
            tile.chunks_exact(clusters).map(nearest).collect()
        })
        .collect();
    blocks.concat()
}

/// The normalised sum of the rows of each cluster. An empty cluster moves to the row with the lowest cosine with its centre. If a
/// sum is zero, the centre stays where it was.
fn move_centres(
    embeddings: &Embeddings,
    nearest: &[(u32, f64)],
    before: &[f64],
    clusters: usize,
) -> Vec<f64> {
    let dim = embeddings.dim();
    let mut sums = vec![0.0_f64; clusters * dim];
    let mut sizes = vec![0_usize; clusters];
    for (row, &(cluster, _)) in nearest.iter().enumerate() {
        let cluster = cluster as usize;
        sizes[cluster] += 1;
        let sums = &mut sums[cluster * dim..(cluster + 1) * dim];
        let mut add = |values: &[f32]| sums.iter_mut().zip(values).for_each(|(sum, &v)| *sum += f64::from(v));
        add(embeddings.row(row));
        embeddings.rest(row).into_iter().for_each(add);
    }
    let mut worst: Vec<usize> = Vec::new();
    if sizes.contains(&0) {
        worst = (0..nearest.len()).collect();
        worst.sort_by(|&a, &b| nearest[b].1.total_cmp(&nearest[a].1).then(b.cmp(&a)));
    }
    let mut centres = Vec::with_capacity(clusters * dim);
    for (cluster, sum) in sums.chunks_exact(dim).enumerate() {
        let norm = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
        if let (0, Some(row)) = (sizes[cluster], worst.pop()) {
            centres.extend(embeddings.precise_row(row));
        } else if norm > 1e-9 {
            centres.extend(sum.iter().map(|v| v / norm));
        } else {
            centres.extend_from_slice(&before[cluster * dim..(cluster + 1) * dim]);
        }
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::super::agreement;
    use super::*;

    fn planted(classes: usize, each: usize, noise: f32) -> Embeddings {
        let mut random = Stream::new(3, Purpose::Test, 0, 0);
        let dim = 8;
        let mut value = || random.unit() - 0.5;
        let centres: Vec<f32> = (0..classes * dim).map(|_| value()).collect();
        let labels: Vec<u32> = (0..classes * each).map(|row| (row % classes) as u32).collect();
        let data: Vec<f32> = (0..classes * each * dim)
            .map(|at| centres[labels[at / dim] as usize * dim + at % dim] + noise * value())
            .collect();
        Embeddings::new(&data, classes * each, dim, &labels).unwrap()
    }

    #[test]
    fn planted_clusters_are_recovered() {
        let set = planted(6, 50, 0.3);
        let found = k_means(&set, 6, &KMeansOptions::default()).unwrap();
        assert_eq!(agreement(set.labels(), &found.clusters).unwrap().ari, 1.0);
        assert!(found.converged && found.mean_cosine > 0.9);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| k_means(&set, 6, &KMeansOptions::default()).unwrap()), found);
        }
    }

    #[test]
    fn clusters_are_recovered_where_cosines_are_crowded() {
        let plain = planted(6, 50, 0.3);
        let data: Vec<f32> = plain.unit_rows().iter().map(|value| 8.0 * value + 3e4).collect();
        let set = Embeddings::new(&data, 300, 8, plain.labels()).unwrap();
        assert!(set.crowding().is_some());
        let found = k_means(&set, 6, &KMeansOptions::default()).unwrap();
        assert!(agreement(set.labels(), &found.clusters).unwrap().ari > 0.99);
        assert!(found.mean_cosine < 1.0 && found.mean_cosine > 1.0 - 1e-6);
    }

    #[test]
    fn every_step_raises_the_mean_cosine() {
        let set = planted(5, 60, 2.0);
        let first = [0, 1, 2, 3, 4, 5, 6, 7];
        let mut before = -1.0;
        for steps in 1..12 {
            let found = k_means_from(&set, &first, steps).unwrap();
            assert!(found.mean_cosine >= before - 1e-7, "step {steps}: {} after {before}", found.mean_cosine);
            before = found.mean_cosine;
        }
        let more = KMeansOptions { starts: 8, ..KMeansOptions::default() };
        let less = KMeansOptions { starts: 1, ..more };
        assert!(k_means(&set, 8, &more).unwrap().mean_cosine >= k_means(&set, 8, &less).unwrap().mean_cosine);
    }

    #[test]
    fn numpy_agrees_from_the_same_start() {
        let reference: serde_json::Value =
            serde_json::from_str(include_str!("../../fixtures/clustering.json")).unwrap();
        let case = &reference["k_means"];
        let numbers = |key: &str| -> Vec<f64> {
            case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
        };
        let data: Vec<f32> = numbers("data").iter().map(|&v| v as f32).collect();
        let rows = data.len() / 6;
        let set = Embeddings::new(&data, rows, 6, &vec![0; rows]).unwrap();
        let first: Vec<usize> = numbers("first_rows").iter().map(|&v| v as usize).collect();
        let found = k_means_from(&set, &first, 300).unwrap();
        let expected: Vec<u32> = numbers("clusters").iter().map(|&v| v as u32).collect();
        assert_eq!(found.clusters, expected);
        assert!((found.mean_cosine - case["mean_cosine"].as_f64().unwrap()).abs() < 1e-6);
        assert!(found.converged);
    }

    #[test]
    fn edge_cases_work() {
        // One cluster; as many clusters as rows; fewer distinct rows than clusters; opposites that cancel.
        let set = planted(3, 4, 0.1);
        assert_eq!(k_means(&set, 1, &KMeansOptions::default()).unwrap().clusters, [0; 12]);
        let each = k_means(&set, 12, &KMeansOptions::default()).unwrap();
        assert!((each.mean_cosine - 1.0).abs() < 1e-6);
        let same = Embeddings::new(&[1.0; 10], 5, 2, &[0; 5]).unwrap();
        assert!((k_means(&same, 3, &KMeansOptions::default()).unwrap().mean_cosine - 1.0).abs() < 1e-6);
        let opposite = Embeddings::new(&[1.0, -1.0], 2, 1, &[0, 1]).unwrap();
        assert_eq!(k_means(&opposite, 1, &KMeansOptions::default()).unwrap().mean_cosine, 0.0);
    }

    #[test]
    fn invalid_arguments_are_errors() {
        let set = planted(2, 2, 0.1);
        let options = KMeansOptions::default();
        for clusters in [0, 5] {
            assert_eq!(k_means(&set, clusters, &options).unwrap_err(), Error::Clusters { clusters, rows: 4 });
        }
        let none = KMeansOptions { starts: 0, ..options };
        assert!(matches!(k_means(&set, 2, &none), Err(Error::Option { name: "starts", .. })));
        let error = k_means_from(&set, &[0, 4], 3).unwrap_err();
        assert_eq!(error, Error::RowOutOfRange { what: "first centre", position: 1, row: 4, rows: 4 });
    }
}

//! Agglomerative clustering: merge the two nearest clusters until none are near enough.
//!
//! The distance of two rows is `1 - cosine`. The distance of two clusters is the smallest, the largest or the mean distance of
//! their rows (single, complete and average linkage). Merging stops when the distance exceeds `1 - cosine` of the threshold.
//! Merges are found with nearest-neighbour chains, which give the same tree as merging the nearest two each time, in time
//! proportional to the square of the number of rows (Murtagh 1983; Müllner, *Modern hierarchical, agglomerative clustering
//! algorithms*, 2011, section 3). Distances of merged clusters follow from the formula of Lance and Williams. If distances are
//! equal, the tree depends on the order of the rows.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::score;
use crate::similarity;

/// Largest number of rows: their distances take 3.2 GB.
pub const MAX_ROWS: usize = 40_000;

/// How the distance of two clusters follows from the distances of their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Linkage {
    /// The smallest distance: long chains form one cluster.
    Single,
    /// The largest distance: all rows of a cluster are near each other.
    Complete,
    /// The mean distance.
    Average,
}

/// Merges clusters as long as their distance is at most `1 - cosine`.
///
/// The result has one entry per row; clusters are numbered in order of their first row. Memory is 4 bytes per pair of rows.
///
/// # Errors
/// [`Error::Option`] unless `cosine` is in [-1, 1]; [`Error::TooManyPairs`] for more than [`MAX_ROWS`] rows.
pub fn agglomerative(embeddings: &Embeddings, linkage: Linkage, cosine: f64) -> Result<Vec<u32>> {
    if !(-1.0..=1.0).contains(&cosine) {
        return Err(Error::Option { name: "cosine", value: cosine, expected: "between -1 and 1" });
    }
    let rows = embeddings.rows();
    if rows > MAX_ROWS {
        let pairs = |rows: usize| rows as u64 * (rows as u64 - 1) / 2;
        return Err(Error::TooManyPairs { pairs: pairs(rows), max_pairs: pairs(MAX_ROWS) });
    }
    let mut parents: Vec<usize> = (0..rows).collect();
    for (a, b, distance) in merges(Distances::new(embeddings), linkage) {
        if distance <= 1.0 - cosine {
            let (a, b) = (root(&mut parents, a), root(&mut parents, b));
            parents[a.max(b)] = a.min(b);
        }
    }
    let mut numbers = vec![None; rows];
    let mut next = 0;
    Ok((0..rows)
        .map(|row| {
            *numbers[root(&mut parents, row)].get_or_insert_with(|| {
                next += 1;
                next - 1
            })
        })
        .collect())
}

/// The first row of the cluster of `row`; shortens the path to it.
fn root(parents: &mut [usize], mut row: usize) -> usize {
    while parents[row] != row {
        parents[row] = parents[parents[row]];
        row = parents[row];
    }
    row
}

/// Distances for `a > b`, the rows of a triangle one after another.
struct Distances {
    rows: usize,
    triangle: Vec<f32>,
}

impl Distances {
    fn new(embeddings: &Embeddings) -> Self {
        let rows = embeddings.rows();
        let mut triangle = vec![0.0; rows * (rows - 1) / 2];
        let mut rest = triangle.as_mut_slice();
        let mut lines = Vec::with_capacity(rows);
        for a in 0..rows {
            let (line, after) = rest.split_at_mut(a);
            lines.push(line);
            rest = after;
        }
        lines.into_par_iter().enumerate().for_each(|(a, line)| {
            for (b, distance) in line.iter_mut().enumerate() {
                *distance = (1.0 - score::cosine(similarity::score(embeddings, a, embeddings, b))) as f32;
            }
        });
        Self { rows, triangle }
    }

    fn at(a: usize, b: usize) -> usize {
        let (high, low) = (a.max(b), a.min(b));
        high * (high - 1) / 2 + low
    }

    fn get(&self, a: usize, b: usize) -> f32 {
        self.triangle[Self::at(a, b)]
    }
}

/// All merges of the tree, in no particular order: a row of each part and their distance.
fn merges(mut distances: Distances, linkage: Linkage) -> Vec<(usize, usize, f64)> {
    let rows = distances.rows;
    // A merged cluster is stored at the index of one of its rows.
    let mut sizes = vec![1_usize; rows];
    let mut alive: Vec<usize> = (0..rows).collect();
    let mut chain: Vec<usize> = Vec::new();
    let mut found = Vec::with_capacity(rows - 1);
    while alive.len() > 1 {
        let end = chain.pop().unwrap_or(alive[0]);
        // Among equally near clusters prefer the previous one of the chain, so that the chain cannot loop.
        let before = chain.last().copied();
        let mut nearest = before.map(|other| (other, distances.get(end, other)));
        for &other in alive.iter().filter(|&&other| other != end) {
            let distance = distances.get(end, other);
            if nearest.is_none_or(|(_, least)| distance < least) {
                nearest = Some((other, distance));
            }
        }
        let (other, distance) = nearest.expect("another cluster is alive");
        if before != Some(other) {
            chain.extend([end, other]);
            continue;
        }
        chain.pop();
        found.push((end, other, f64::from(distance)));
        let (keep, gone) = (end.min(other), end.max(other));
        alive.retain(|&cluster| cluster != gone);
        let (of_keep, of_gone) = (sizes[keep] as f64, sizes[gone] as f64);
        for &third in alive.iter().filter(|&&third| third != keep) {
            let (a, b) = (distances.get(keep, third), distances.get(gone, third));
            distances.triangle[Distances::at(keep, third)] = match linkage {
                Linkage::Single => a.min(b),
                Linkage::Complete => a.max(b),
                Linkage::Average => {
                    ((of_keep * f64::from(a) + of_gone * f64::from(b)) / (of_keep + of_gone)) as f32
                }
            };
        }
        sizes[keep] += sizes[gone];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scikit_learn_agrees() {
        let reference: serde_json::Value =
            serde_json::from_str(include_str!("../../fixtures/clustering.json")).unwrap();
        let case = &reference["by_cosine"];
        let data: Vec<f32> =
            case["data"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        let rows = data.len() / 4;
        let set = Embeddings::new(&data, rows, 4, &vec![0; rows]).unwrap();
        let runs = case["agglomerative"].as_array().unwrap();
        assert_eq!(runs.len(), 9);
        for run in runs {
            let linkage = match run["linkage"].as_str().unwrap() {
                "single" => Linkage::Single,
                "complete" => Linkage::Complete,
                _ => Linkage::Average,
            };
            let cosine = run["cosine"].as_f64().unwrap();
            let found = agglomerative(&set, linkage, cosine).unwrap();
            let expected: Vec<u32> =
                run["clusters"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect();
            assert_eq!(found, expected, "{linkage:?} {cosine}");
        }
    }

    #[test]
    fn linkages_differ_on_a_chain() {
        let angles = [0.0_f32, 0.2, 0.4, 0.6, 2.0];
        let data: Vec<f32> = angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
        let set = Embeddings::new(&data, 5, 2, &[0; 5]).unwrap();
        let near = 0.25_f64.cos();
        assert_eq!(agglomerative(&set, Linkage::Single, near).unwrap(), [0, 0, 0, 0, 1]);
        assert_eq!(agglomerative(&set, Linkage::Complete, near).unwrap(), [0, 0, 1, 1, 2]);
        assert_eq!(agglomerative(&set, Linkage::Average, -1.0).unwrap(), [0; 5]);
        assert!(matches!(agglomerative(&set, Linkage::Single, 1.1), Err(Error::Option { .. })));
        let one = Embeddings::new(&[1.0], 1, 1, &[0]).unwrap();
        assert_eq!(agglomerative(&one, Linkage::Average, 0.5).unwrap(), [0]);
        // Equal rows end in one cluster.
        let same = Embeddings::new(&[1.0; 7], 7, 1, &[0; 7]).unwrap();
        assert_eq!(agglomerative(&same, Linkage::Average, 0.9).unwrap(), [0; 7]);
    }
}

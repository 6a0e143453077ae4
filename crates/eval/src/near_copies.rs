//! Queries that are much nearer to one row of the gallery than to all others, as copies are that were computed or rounded in another way:
//! in mixed precision, with few decimals, from an image that was stored anew.
//!
//! The distance of such copies depends on how they were made, so no distance tells them from other samples. What tells them is the gap to the
//! other rows. They are reported, and not left out, because a sample that is nearly the same, such as the next frame of a video, has one too.

use rayon::prelude::*;
use serde::Serialize;

use crate::embeddings::Embeddings;

/// A copy is so many times as near as the other rows near it.
const FAR: f32 = 16.0;
/// Queries whose nearest row is at least so many times as near, but not [`FAR`], are in the gap. In sets without copies they are more than those
/// beyond it, whatever the dimension: distances that fall like a power of the rank have three times as many there, or more.
const GAP: f32 = 4.0;
/// The rank of the row that stands for the other rows near a query: a gallery may have some copies of a sample.
const RANK: usize = 6;
/// Most queries that are tried.
const MOST: usize = 256;
/// Fewest queries that are tried, however large the gallery is.
const FEWEST: usize = 16;
/// Differences of values that are computed for all of them, about: a second or two.
const WORK: usize = 20_000_000_000;
/// Partial sums of a squared distance, which processors compute at once.
const LANES: usize = 16;

/// How many queries look like copies of a row of the gallery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NearCopies {
    /// Queries that were tried, evenly spaced among those that are no copies for certain.
    pub tried: usize,
    /// Those of them that look like copies.
    pub found: usize,
    /// The first of them, and its nearest row.
    #[serde(skip)]
    pub first: (usize, usize),
}

impl NearCopies {
    /// Tries some of the queries; `None` if none look like copies, or the rows of the two sets cannot be compared.
    pub(crate) fn of(
        queries: &Embeddings,
        gallery: &Embeddings,
        is_copy: impl Fn(usize) -> bool,
    ) -> Option<Self> {
        let values = gallery.rows() * gallery.dim();
        // In crowded sets the rounding of the values is as large as the distances.
        let is_crowded = queries.crowding().is_some() || gallery.crowding().is_some();
        if queries.dim() != gallery.dim() || is_crowded || gallery.rows() < RANK {
            return None;
        }
        let others: Vec<usize> = (0..queries.rows()).filter(|query| !is_copy(*query)).collect();
        let tried = (WORK / values.max(1)).clamp(FEWEST, MOST).min(others.len());
        let nearness = |nth: usize| {
            let query = others[nth * others.len() / tried];
            let (row, ratio) = nearest(queries.row(query), gallery);
            (query, row, ratio)
        };
        let all: Vec<(usize, usize, f32)> = (0..tried).into_par_iter().map(nearness).collect();
        let far = all.iter().filter(|(_, _, ratio)| *ratio > FAR);
        let (found, in_gap) =
            (far.clone().count(), all.iter().filter(|of| (GAP..=FAR).contains(&of.2)).count());
        let (query, row, _) = far.clone().next().filter(|_| found > in_gap)?;
        Some(Self { tried, found, first: (*query, *row) })
    }
}

/// The nearest row, and how many times as far the row of rank [`RANK`] is.
fn nearest(query: &[f32], gallery: &Embeddings) -> (usize, f32) {
    let mut least = [(f32::INFINITY, 0); RANK];
    for row in 0..gallery.rows() {
        let squared = squared_distance(query, gallery.row(row));
        if squared < least[RANK - 1].0 {
            let place = least.partition_point(|(other, _)| *other <= squared);
            least.copy_within(place..RANK - 1, place + 1);
            least[place] = (squared, row);
        }
    }
    let [nearest, .., other] = least;
    // Rows that are all equal are no gap.
    let ratio = if other.0 > 0.0 { (other.0 / nearest.0.max(f32::MIN_POSITIVE)).sqrt() } else { 1.0 };
    (nearest.1, ratio)
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += (a - b) * (a - b);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from -1 to 1.
    fn uniform(count: usize, seed: u64) -> Vec<f32> {
        let of = |at: u64| {
            let mixed = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed;
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((mixed ^ (mixed >> 32)) >> 40) as f32 / 8_388_608.0 - 1.0
        };
        (0..count as u64).map(of).collect()
    }

    fn of(data: &[f32], dim: usize) -> Embeddings {
        let rows = data.len() / dim;
        Embeddings::new(data, rows, dim, &vec![0; rows]).unwrap()
    }

    fn found(queries: &Embeddings, gallery: &Embeddings) -> Option<NearCopies> {
        NearCopies::of(queries, gallery, |_| false)
    }

    #[test]
    fn copies_are_found_whatever_changed_their_values() {
        for dim in [8, 64, 1536] {
            let data = uniform(300 * dim, 1);
            let gallery = of(&data, dim);
            let unit = gallery.unit_rows().to_vec();
            // Independent errors of each value, relative to its size.
            let noise = |size: f32| -> Vec<f32> {
                let errors = uniform(100 * dim, 2);
                let own = &data[100 * dim..200 * dim];
                own.iter().zip(errors).map(|(value, error)| value + size * error).collect()
            };
            let decimals =
                unit[100 * dim..200 * dim].iter().map(|value| (value * 1e3).round() / 1e3).collect();
            for (name, values) in
                [("mixed", noise(0.004)), ("stored anew", noise(0.02)), ("three decimals", decimals)]
            {
                let near = found(&of(&values, dim), &gallery).unwrap_or_else(|| panic!("{name} {dim}"));
                assert_eq!((near.tried, near.found, near.first), (100, 100, (0, 100)), "{name} {dim}");
            }
        }
    }

    #[test]
    fn other_samples_are_no_copies_in_any_dimension() {
        for dim in [2, 3, 4, 8, 64] {
            for seed in 1..6 {
                let (queries, gallery) =
                    (of(&uniform(250 * dim, seed), dim), of(&uniform(900 * dim, seed + 10), dim));
                assert_eq!(found(&queries, &gallery), None, "{dim} {seed}");
            }
        }
        // Samples near the centre of their class, one of each class in the gallery.
        let (dim, classes) = (32, 40);
        let centres = uniform(classes * dim, 1);
        let near = |seed: u64| -> Vec<f32> {
            centres
                .iter()
                .zip(uniform(classes * dim, seed))
                .map(|(centre, error)| centre + 0.2 * error)
                .collect()
        };
        assert_eq!(found(&of(&near(2), dim), &of(&near(3), dim)), None);
    }

    #[test]
    fn few_or_equal_rows_are_no_copies() {
        let one = of(&[1.0, 0.5, 0.25], 3);
        assert_eq!(found(&one, &of(&[1.0, 0.5, 0.250_000_1].repeat(5), 3)), None);
        assert_eq!(found(&one, &of(&[1.0, 0.5, 0.25].repeat(9), 3)), None);
        assert_eq!(found(&one, &of(&uniform(80, 1), 8)), None, "another dimension");
    }
}

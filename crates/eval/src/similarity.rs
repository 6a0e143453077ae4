//! Cosines of unit rows: the definition of a cosine in this crate.
//!
//! A dot product is summed in [`LANES`] parallel partial sums, which are then added in a fixed order. If it exceeds [`NEAR`], the
//! cosine is computed from the difference of the rows instead, as `1 - |a - b|^2 / 2` in `f64`: there the dot product in `f32` no
//! longer tells rows apart. Rows of small whole numbers, such as binary codes, have exact cosines, because equal cosines are frequent
//! there. Scores are [`stored`](crate::score) cosines. The order of summation depends only on the dimension. So
//! a score is symmetric to the bit, and the same whether a pair is computed alone, in a block of queries or on another thread.
//! The blocks are for speed: [`QUERIES`] rows share each load of a gallery row.

use std::ops::Range;

use rayon::prelude::*;

use crate::embeddings::Embeddings;
use crate::score::{self, NEAR};

/// Partial sums of one dot product.
const LANES: usize = 8;
/// Rows that are compared with the gallery in one pass.
pub(crate) const QUERIES: usize = 4;

impl Embeddings {
    /// The cosine of two rows, in [-1, 1], or `None` if a row does not exist.
    pub fn cosine(&self, a: usize, b: usize) -> Option<f64> {
        let exists = a < self.rows() && b < self.rows();
        exists.then(|| score::cosine(score(self, a, self, b)))
    }
}

/// The score of two rows, which must exist, of sets of the same dimension.
pub(crate) fn score(a: &Embeddings, row_a: usize, b: &Embeddings, row_b: usize) -> f32 {
    let [product] = products([a.row(row_a)], b.row(row_b));
    refined(product, a, row_a, b, row_b)
}

/// The score of two rows with this dot product.
fn refined(product: f32, a: &Embeddings, row_a: usize, b: &Embeddings, row_b: usize) -> f32 {
    if let (Some(square_a), Some(square_b)) = (a.square(row_a), b.square(row_b)) {
        return exact(product, square_a * square_b);
    }
    if product > NEAR { near(a, row_a, b, row_b) } else { product }
}

/// The score of two rows of whole numbers from their rounded cosine and the product of their squared lengths. Their dot product is the nearest
/// whole number, and equal cosines are equal fractions, however the rows are long.
fn exact(product: f32, squares: f64) -> f32 {
    let dot = (f64::from(product) * squares.sqrt()).round();
    score::stored((dot * dot / squares).sqrt().min(1.0).copysign(dot))
}

/// The score of two rows from their difference. Exact up to rounding in `f64` if both sets keep their rests. Otherwise the rounding
/// of the unit rows to `f32` changes a distance `d` by about `3e-8 sqrt(d)`.
fn near(a: &Embeddings, row_a: usize, b: &Embeddings, row_b: usize) -> f32 {
    let pairs = a.row(row_a).iter().zip(b.row(row_b));
    let mut sums = [0.0_f64; LANES];
    let mut add = |at: usize, difference: f64| sums[at % LANES] += difference * difference;
    match (a.rest(row_a), b.rest(row_b)) {
        (Some(rest_a), Some(rest_b)) => {
            for (at, ((x, y), (p, q))) in pairs.zip(rest_a.iter().zip(rest_b)).enumerate() {
                add(at, (f64::from(*x) - f64::from(*y)) + (f64::from(*p) - f64::from(*q)));
            }
        }
        _ => pairs.enumerate().for_each(|(at, (x, y))| add(at, f64::from(*x) - f64::from(*y))),
    }
    score::stored(1.0 - sums.iter().sum::<f64>() / 2.0)
}

/// Dot products of `N` unit rows with one gallery row, clamped to [-1, 1] because rounding can overshoot; never -0. All slices have
/// the same length.
fn products<const N: usize>(queries: [&[f32]; N], gallery: &[f32]) -> [f32; N] {
    let mut sums = [[0.0_f32; LANES]; N];
    let whole = gallery.len() / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        let there = &gallery[start..start + LANES];
        for (sum, query) in sums.iter_mut().zip(&queries) {
            let here = &query[start..start + LANES];
            for lane in 0..LANES {
                sum[lane] += here[lane] * there[lane];
            }
        }
    }
    let mut result = [0.0; N];
    for ((out, sum), query) in result.iter_mut().zip(&mut sums).zip(&queries) {
        for (lane, position) in (whole..gallery.len()).enumerate() {
            sum[lane] += query[position] * gallery[position];
        }
        let total = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
        // Adding zero turns -0 into 0, so that equal scores have equal bits.
        *out = total.clamp(-1.0, 1.0) + 0.0;
    }
    result
}

/// The largest difference between a cosine from a matrix product and a [`score`] rounded to `f32`.
///
/// A sum of `dim` products of unit rows in `f32`, in any order, is within `dim` half-ulps of 1 of the true value; a score is summed
/// in eight lanes or from differences. The remaining terms cover rows whose rounded length is not exactly 1, and the rounding.
pub(crate) fn product_error(dim: usize) -> f32 {
    ((1.125 * dim as f64 + 32.0) * f64::from(f32::EPSILON) / 2.0 * 1.01) as f32
}

/// Scores of the rows `queries` (at most [`QUERIES`]) of one set with the rows `gallery` of another or the same.
///
/// `out` is overwritten with `queries.len()` rows of `gallery.len()` scores.
pub(crate) fn block(
    left: &Embeddings,
    queries: Range<usize>,
    right: &Embeddings,
    gallery: Range<usize>,
    out: &mut Vec<f32>,
) {
    debug_assert!(queries.len() <= QUERIES && !queries.is_empty());
    let width = gallery.len();
    out.clear();
    out.resize(queries.len() * width, 0.0);
    // A short last block repeats its last row; the repeated results are dropped.
    let rows: [&[f32]; QUERIES] =
        std::array::from_fn(|nth| left.row((queries.start + nth).min(queries.end - 1)));
    for (column, row) in gallery.enumerate() {
        let found = products(rows, right.row(row));
        for (nth, &product) in found.iter().enumerate().take(queries.len()) {
            out[nth * width + column] = refined(product, left, queries.start + nth, right, row);
        }
    }
}

/// For each row, its scores with the rows of `partners(row)`; the results of all rows are concatenated.
///
/// Ranges of neighbouring rows should overlap well: each block computes their union.
pub(crate) fn with_partners(set: &Embeddings, partners: impl Fn(usize) -> Range<usize> + Sync) -> Vec<f32> {
    let rows = set.rows();
    let blocks: Vec<Vec<f32>> = (0..rows.div_ceil(QUERIES))
        .into_par_iter()
        .map_init(Vec::new, |scratch, nth| {
            let queries = nth * QUERIES..((nth + 1) * QUERIES).min(rows);
            let ranges: Vec<Range<usize>> = queries
                .clone()
                .map(&partners)
                .map(|range| if range.is_empty() { 0..0 } else { range })
                .collect();
            let filled = || ranges.iter().filter(|range| !range.is_empty());
            let Some(start) = filled().map(|range| range.start).min() else {
                return Vec::new();
            };
            let end = filled().map(|range| range.end).max().unwrap_or(start);
            block(set, queries, set, start..end, scratch);
            let mut scores = Vec::with_capacity(ranges.iter().map(ExactSizeIterator::len).sum());
            for (scores_of_row, range) in scratch.chunks_exact(end - start).zip(&ranges) {
                if !range.is_empty() {
                    scores.extend_from_slice(&scores_of_row[range.start - start..range.end - start]);
                }
            }
            scores
        })
        .collect();
    blocks.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize, dim: usize) -> Vec<f32> {
        let mut data = Vec::new();
        for row in 0..count {
            let values: Vec<f64> =
                (0..dim).map(|c| ((row * 37 + c * 11 + row * c * 3) as f64).sin() + 0.1).collect();
            let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
            data.extend(values.iter().map(|v| (v / norm) as f32));
        }
        data
    }

    fn set(count: usize, dim: usize) -> Embeddings {
        Embeddings::new(&rows(count, dim), count, dim, &vec![0; count]).unwrap()
    }

    fn twin(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
    }

    #[test]
    fn scores_follow_the_f64_twin_at_odd_dimensions() {
        for dim in [1, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 507] {
            let set = set(2, dim);
            let found = score(&set, 0, &set, 1);
            // Each of dim/8 partial sums adds one rounding of at most half an ulp of 1.
            let allowed = (dim as f64 / 8.0 + 8.0) * f64::from(f32::EPSILON);
            let expected = twin(set.row(0), set.row(1)).clamp(-1.0, 1.0);
            assert!((score::cosine(found) - expected).abs() <= allowed, "dim {dim}");
            assert_eq!(found.to_bits(), score(&set, 1, &set, 0).to_bits(), "dim {dim}: not symmetric");
        }
    }

    #[test]
    fn equal_cosines_of_whole_numbers_are_equal_scores() {
        for (dim, of_kind) in [(8, 0), (16, 0), (100, 0), (100, 1), (24, 2)] {
            let value = |row: usize, at: usize| {
                let hash = (row * 7919 + at * 104_729 + row * at * 31) % 1009;
                [
                    if hash.is_multiple_of(2) { 1.0 } else { -1.0 },
                    f32::from(u8::from(hash.is_multiple_of(3) || at == 0)),
                    (hash % 7) as f32 - 3.0,
                ][of_kind]
            };
            let count = 40;
            let data: Vec<f32> = (0..count * dim).map(|at| value(at / dim, at % dim)).collect();
            let set = Embeddings::new(&data, count, dim, &vec![0; count]).unwrap();
            let whole =
                |a: usize, b: usize| -> i64 { (0..dim).map(|at| (value(a, at) * value(b, at)) as i64).sum() };
            // The fraction dot^2 / squares in lowest terms, with the sign of the dot product.
            let cosine = |a: usize, b: usize| {
                let (dot, squares) = (whole(a, b), whole(a, a) * whole(b, b));
                let (mut divisor, mut rest) = (squares, dot * dot);
                while rest != 0 {
                    (divisor, rest) = (rest, divisor % rest);
                }
                (dot.signum(), dot * dot / divisor, squares / divisor)
            };
            let mut scores = std::collections::HashMap::new();
            for (a, b) in (0..count).flat_map(|a| (0..a).map(move |b| (a, b))) {
                let found = score(&set, a, &set, b);
                let known = scores.entry(cosine(a, b)).or_insert(found);
                assert_eq!(known.to_bits(), found.to_bits(), "dim {dim}: rows {a} and {b}");
                let expected = twin(set.row(a), set.row(b));
                assert!((score::cosine(found) - expected).abs() < 1e-5, "dim {dim}: rows {a} and {b}");
            }
            assert!(of_kind > 0 || scores.len() < 60, "dim {dim}: cosines are hardly ever equal");
        }
        // Too large to be exact, and not whole: computed as before.
        for data in [[3e5, 1.0, 1.0, 2e5], [0.5, 1.0, 1.0, 2.0]] {
            assert_eq!(Embeddings::new(&data, 2, 2, &[0; 2]).unwrap().square(0), None);
        }
    }

    #[test]
    fn blocks_agree_with_single_pairs_to_the_bit() {
        for dim in [1, 5, 8, 33] {
            let set = set(11, dim);
            let mut out = Vec::new();
            for queries in [0..1, 0..4, 7..11, 9..11] {
                block(&set, queries.clone(), &set, 2..9, &mut out);
                for (nth, query) in queries.enumerate() {
                    for gallery in 2..9 {
                        let alone = score(&set, query, &set, gallery);
                        assert_eq!(out[nth * 7 + gallery - 2].to_bits(), alone.to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn partners_come_row_by_row() {
        let (count, dim) = (13, 6);
        let set = set(count, dim);
        // Ragged and partly empty on purpose.
        let partners = |row: usize| {
            if row.is_multiple_of(3) { 5..5 } else { row + 1..(row + 1 + row % 5).min(13) }
        };
        let mut expected = Vec::new();
        for row in 0..count {
            for other in partners(row) {
                expected.push(score(&set, row, &set, other));
            }
        }
        assert_eq!(with_partners(&set, partners), expected);
        assert!(with_partners(&set, |_| 0..0).is_empty());
    }

    #[test]
    fn negative_zero_is_never_returned() {
        let set = Embeddings::new(&[-1.0, 0.0, 0.0, 1.0], 2, 2, &[0, 0]).unwrap();
        assert_eq!(score(&set, 0, &set, 1).to_bits(), 0.0_f32.to_bits());
    }
}

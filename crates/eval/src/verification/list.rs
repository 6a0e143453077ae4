//! The scores of one kind of pair, in falling order: exact, or counted in narrow bins.
//!
//! [`scores`](super::scores) needs four things only: the number of scores, the `r`-th highest score, the number of scores at or
//! above a threshold, and the number of equal scores. A sorted list gives them exactly, with 4 bytes per cosine
//! ([`score`](crate::score)) and 8 bytes per score of another kind. Bins give them with 8 bytes per bin for any number of cosines;
//! all scores of a bin then count as equal to its lower edge. There are equal bins over [-1, 1], whose number is a power of two, so
//! that every edge is exact. Cosines near 1 have their own bins, narrower the nearer they are.

use rayon::prelude::*;

use crate::score::{self, NEAR};

/// Scores that one thread sums. Changing it changes the order of summation and so the rounding.
const CHUNK: usize = 1 << 16;
/// About how far a cosine from a matrix product can be from that of a pair computed alone.
const PRODUCT_ROUNDING: f64 = 1e-6;

/// Scores of one kind of pair; never empty.
#[derive(Debug, Clone)]
pub(super) enum ScoreList {
    /// All cosines as stored values, falling.
    Cosines(Vec<f32>),
    /// All scores of another kind, falling.
    Scores(Vec<f64>),
    /// For each bin, the number of cosines in it or above; one entry more than bins, and the last is 0.
    Binned(Vec<u64>),
}

impl ScoreList {
    /// From stored values of cosines.
    pub(super) fn of_cosines(mut stored: Vec<f32>) -> Self {
        stored.par_sort_unstable_by(|a, b| b.total_cmp(a));
        Self::Cosines(stored)
    }

    pub(super) fn of_scores(mut scores: Vec<f64>) -> Self {
        // Adding zero turns -0 into 0, so that equal scores have equal bits.
        scores.par_iter_mut().for_each(|score| *score += 0.0);
        scores.par_sort_unstable_by(|a, b| b.total_cmp(a));
        Self::Scores(scores)
    }

    /// From one count per bin: those over [-1, 1], then those near 1.
    pub(super) fn binned(mut counts: Vec<u64>) -> Self {
        let mut sum = 0;
        for count in counts.iter_mut().rev() {
            sum += *count;
            *count = sum;
        }
        counts.push(0);
        Self::Binned(counts)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Cosines(scores) => scores.len(),
            Self::Scores(scores) => scores.len(),
            Self::Binned(at_least) => at_least[0] as usize,
        }
    }

    /// The `rank`-th highest score, counted from 0.
    pub(super) fn get(&self, rank: usize) -> Option<f64> {
        match self {
            Self::Cosines(scores) => scores.get(rank).map(|&stored| score::cosine(stored)),
            Self::Scores(scores) => scores.get(rank).copied(),
            Self::Binned(at_least) => Some(edge(bin_of_rank(at_least, rank)?, even_bins(at_least))),
        }
    }

    /// The `rank`-th highest score, which must exist.
    pub(super) fn at(&self, rank: usize) -> f64 {
        self.get(rank).expect("a list of scores is not empty and ranks are taken from its length")
    }

    pub(super) fn lowest(&self) -> f64 {
        self.at(self.len() - 1)
    }

    /// The lowest threshold that surely rejects the `rank`-th highest score and all that equal it, or `None` if there is no such score.
    /// All scores of a bin equal its lower edge here, so the threshold is the upper edge of the bin, or a little more: the same pairs,
    /// computed alone, may round to the next bin. Cosines near 1 were computed alone.
    pub(super) fn above(&self, rank: usize) -> Option<f64> {
        let Self::Binned(at_least) = self else {
            return self.get(rank).map(f64::next_up);
        };
        let (bins, all) = (even_bins(at_least), at_least.len() - 1);
        let bin = bin_of_rank(at_least, rank)?;
        let guard = (PRODUCT_ROUNDING * bins as f64 / 2.0).ceil() as usize;
        let first = if bin < bins { (bin + 1 + guard).min(bins) } else { bin + 1 };
        // The bins near 1 begin with scores above the limit itself.
        Some(match first {
            first if first == all => 1.0_f64.next_up(),
            first if first == bins => edge(bins, bins).next_up(),
            first => edge(first, bins),
        })
    }

    /// How many scores lie at or above `threshold`; none do if it is NaN.
    pub(super) fn count_at_least(&self, threshold: f64) -> usize {
        match self {
            Self::Cosines(scores) => scores.partition_point(|&stored| score::cosine(stored) >= threshold),
            Self::Scores(scores) => scores.partition_point(|&score| score >= threshold),
            Self::Binned(at_least) => {
                let bins = even_bins(at_least);
                if threshold.is_nan() {
                    return 0;
                }
                let first = if threshold > f64::from(NEAR) {
                    bins + score::near_bin_from(threshold)
                } else {
                    let bin = (((threshold + 1.0) * (bins as f64 / 2.0)).ceil().max(0.0) as usize).min(bins);
                    // The sum rounds a threshold just above an edge to the edge.
                    bin + usize::from(bin < bins && edge(bin, bins) < threshold)
                };
                at_least[first] as usize
            }
        }
    }

    /// How many scores from `rank` on equal the `rank`-th; 0 past the end.
    pub(super) fn run(&self, rank: usize) -> usize {
        fn equal<T: PartialEq>(rest: &[T]) -> usize {
            rest.iter().take_while(|&score| *score == rest[0]).count()
        }
        match self {
            Self::Cosines(scores) => equal(&scores[rank.min(scores.len())..]),
            Self::Scores(scores) => equal(&scores[rank.min(scores.len())..]),
            Self::Binned(at_least) => {
                bin_of_rank(at_least, rank).map_or(0, |bin| at_least[bin] as usize - rank)
            }
        }
    }

    /// Sums `N` values of each score, in an order that does not depend on threads. A binned score counts as the middle of its
    /// bin.
    pub(super) fn sum<const N: usize>(&self, of: impl Fn(f64) -> [f64; N] + Sync) -> [f64; N] {
        let add = |mut a: [f64; N], b: [f64; N]| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        };
        match self {
            Self::Cosines(scores) => {
                let chunk = |scores: &[f32]| {
                    scores.iter().map(|&stored| of(score::cosine(stored))).fold([0.0; N], &add)
                };
                let sums: Vec<[f64; N]> = scores.par_chunks(CHUNK).map(chunk).collect();
                sums.into_iter().fold([0.0; N], add)
            }
            Self::Scores(scores) => {
                let chunk = |scores: &[f64]| scores.iter().map(|&score| of(score)).fold([0.0; N], &add);
                let sums: Vec<[f64; N]> = scores.par_chunks(CHUNK).map(chunk).collect();
                sums.into_iter().fold([0.0; N], add)
            }
            Self::Binned(at_least) => {
                let (bins, all) = (even_bins(at_least), at_least.len() - 1);
                let mut total = [0.0; N];
                for bin in 0..all {
                    let count = at_least[bin] - at_least[bin + 1];
                    if count > 0 {
                        let above = if bin + 1 == bins || bin + 1 == all { 1.0 } else { edge(bin + 1, bins) };
                        let middle = f64::midpoint(edge(bin, bins), above);
                        total = add(total, of(middle).map(|value| value * count as f64));
                    }
                }
                total
            }
        }
    }

    /// Counts scores in equal bins over [low, high]; the last bin includes its upper edge.
    pub(super) fn histogram(&self, low: f64, high: f64, bins: usize) -> Vec<u64> {
        let mut counts = vec![0; bins];
        let mut count = |score: f64, number: u64| {
            let bin = (score - low) * (bins as f64 / (high - low));
            counts[(bin as usize).min(bins - 1)] += number;
        };
        match self {
            Self::Cosines(scores) => scores.iter().for_each(|&stored| count(score::cosine(stored), 1)),
            Self::Scores(scores) => scores.iter().for_each(|&score| count(score, 1)),
            Self::Binned(at_least) => {
                for (bin, two) in at_least.windows(2).enumerate() {
                    count(edge(bin, even_bins(at_least)), two[0] - two[1]);
                }
            }
        }
        counts
    }
}

/// The number of equal bins over [-1, 1].
fn even_bins(at_least: &[u64]) -> usize {
    at_least.len() - 1 - score::NEAR_BINS
}

/// Lower edge of a bin, with `bins` equal bins below those near 1; exact because `bins` is a power of two.
fn edge(bin: usize, bins: usize) -> f64 {
    match bin.checked_sub(bins) {
        Some(near) => score::cosine(score::near_edge(near)),
        None => bin as f64 * 2.0 / bins as f64 - 1.0,
    }
}

fn bin_of_rank(at_least: &[u64], rank: usize) -> Option<usize> {
    at_least.partition_point(|&count| count > rank as u64).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_equal_a_list_of_their_edges() {
        // Scores that are edges of 16 bins, or of bins near 1, lose nothing by being binned.
        let eighths: [i32; 9] = [7, 7, 3, 3, 3, 0, -1, -8, -8];
        let mut scores: Vec<f32> = eighths.iter().map(|&e| e as f32 / 8.0).collect();
        let mut counts = vec![0; 16 + score::NEAR_BINS];
        for eighth in eighths {
            counts[(eighth + 8) as usize] += 1;
        }
        for distance in [0.75e-3_f32, 1e-9, 1e-9] {
            let edge = score::near_edge(score::near_bin(score::stored(1.0 - f64::from(distance))));
            counts[16 + score::near_bin(edge)] += 1;
            scores.push(edge);
        }
        let (sorted, binned) = (ScoreList::of_cosines(scores), ScoreList::binned(counts));
        assert_eq!(sorted.len(), binned.len());
        for rank in 0..15 {
            assert_eq!(sorted.get(rank), binned.get(rank), "rank {rank}");
            assert_eq!(sorted.run(rank), binned.run(rank), "run at {rank}");
        }
        for threshold in [
            -2.0,
            -1.0,
            -0.99,
            -0.125,
            0.0,
            0.1,
            0.375,
            0.376,
            0.875,
            0.9,
            0.9991,
            1.0 - 1e-6,
            1.0 - 1e-10,
            1.0,
            7.0,
            f64::NAN,
        ] {
            assert_eq!(sorted.count_at_least(threshold), binned.count_at_least(threshold), "{threshold}");
        }
        assert_eq!(sorted.histogram(-1.0, 1.0, 4), binned.histogram(-1.0, 1.0, 4));
        assert_eq!(sorted.lowest(), -1.0);
        let sums = [&sorted, &binned].map(|list| list.sum(|score| [score, 1.0]));
        assert_eq!((sums[0][1], sums[1][1]), (12.0, 12.0));
        // Each binned score counts as the middle of its bin, 1/16 above its edge, or less than 1e-6 near 1.
        assert!((sums[1][0] - sums[0][0] - 9.0 / 16.0).abs() < 1e-6);
    }
}

//! Histograms of cosines, for plotting only: no reported rate is computed from them.

use serde::Serialize;

use super::list::ScoreList;

/// Bins over [-1, 1].
const BINS: usize = 100;

/// The number of values in each of equally wide bins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin.
    pub high: f64,
    /// One count per bin. A bin includes its lower edge and excludes its upper edge; the last bin includes both.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Counts cosines, all of which lie in [-1, 1].
    pub(super) fn of_cosines(scores: &ScoreList) -> Self {
        Self::between(scores, -1.0, 1.0)
    }

    /// Counts scores, all of which lie in [low, high].
    pub(super) fn between(scores: &ScoreList, low: f64, high: f64) -> Self {
        // If all scores are equal, give the range a width.
        let (low, high) = if low < high { (low, high) } else { (low - 0.5, high + 0.5) };
        Self { low, high, counts: scores.histogram(low, high, BINS) }
    }
}

/// Counts cosines in 100 bins over [-1, 1].
pub(crate) fn histogram_of_cosines(cosines: &[f32]) -> Histogram {
    // Counting does not need sorted scores.
    Histogram::of_cosines(&ScoreList::Sorted(cosines.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_counted_as_documented() {
        let histogram =
            Histogram::of_cosines(&ScoreList::sorted(vec![-1.0, -0.999, 0.0, 0.01, 0.5, 0.999, 1.0]));
        assert_eq!(histogram.counts.len(), 100);
        assert_eq!(histogram.counts.iter().sum::<u64>(), 7);
        assert_eq!(histogram.counts[0], 2);
        assert_eq!(histogram.counts[50], 2);
        assert_eq!(histogram.counts[75], 1);
        assert_eq!(histogram.counts[99], 2);
        let flat = Histogram::between(&ScoreList::sorted(vec![3.0; 4]), 3.0, 3.0);
        assert_eq!((flat.low, flat.high, flat.counts[50]), (2.5, 3.5, 4));
    }
}

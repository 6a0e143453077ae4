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
    /// Counts cosines over [-1, 1], or over [low, high] if all of them lie within one bin of that.
    pub(super) fn of_cosines(scores: &ScoreList, (low, high): (f64, f64)) -> Self {
        if low < high && high - low < 2.0 / BINS as f64 {
            return Self::between(scores, low, high);
        }
        Self::between(scores, -1.0, 1.0)
    }

    /// Counts scores, all of which lie in [low, high].
    pub(super) fn between(scores: &ScoreList, low: f64, high: f64) -> Self {
        // If all scores are equal, give the range a width.
        let (low, high) = if low < high { (low, high) } else { (low - 0.5, high + 0.5) };
        Self { low, high, counts: scores.histogram(low, high, BINS) }
    }
}

/// Counts stored cosines in 100 bins over [-1, 1].
pub(crate) fn histogram_of_cosines(stored: &[f32]) -> Histogram {
    // Counting does not need sorted scores.
    Histogram::between(&ScoreList::Cosines(stored.to_vec()), -1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_counted_as_documented() {
        let histogram = Histogram::between(
            &ScoreList::of_scores(vec![-1.0, -0.999, 0.0, 0.01, 0.5, 0.999, 1.0]),
            -1.0,
            1.0,
        );
        assert_eq!(histogram.counts.len(), 100);
        assert_eq!(histogram.counts.iter().sum::<u64>(), 7);
        assert_eq!(histogram.counts[0], 2);
        assert_eq!(histogram.counts[50], 2);
        assert_eq!(histogram.counts[75], 1);
        assert_eq!(histogram.counts[99], 2);
        let flat = Histogram::between(&ScoreList::of_scores(vec![3.0; 4]), 3.0, 3.0);
        assert_eq!((flat.low, flat.high, flat.counts[50]), (2.5, 3.5, 4));
        let near = ScoreList::of_scores(vec![0.9991, 0.9995]);
        let narrow = Histogram::of_cosines(&near, (0.9991, 0.9995));
        assert_eq!((narrow.low, narrow.counts[0], narrow.counts[99]), (0.9991, 1, 1));
        assert_eq!(Histogram::of_cosines(&near, (-0.5, 0.9995)).low, -1.0);
    }
}

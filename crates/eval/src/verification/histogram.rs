//! Counts of cosines in equal bins, for plotting only: no reported rate is computed from them.

use serde::Serialize;

/// Bins over [-1, 1].
const BINS: usize = 100;

/// How many values fall into each of equally wide bins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin.
    pub high: f64,
    /// One count a bin. A bin holds its lower edge and not its upper one; the last holds both.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Counts cosines, all of which lie in [-1, 1].
    pub(super) fn of_cosines(scores: &[f32]) -> Self {
        let mut counts = vec![0; BINS];
        for &score in scores {
            let bin = (f64::from(score) + 1.0) * (BINS as f64 / 2.0);
            counts[(bin as usize).min(BINS - 1)] += 1;
        }
        Self { low: -1.0, high: 1.0, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_go_where_the_words_say() {
        let histogram = Histogram::of_cosines(&[-1.0, -0.999, 0.0, 0.01, 0.5, 0.999, 1.0]);
        assert_eq!(histogram.counts.len(), 100);
        assert_eq!(histogram.counts.iter().sum::<u64>(), 7);
        assert_eq!(histogram.counts[0], 2);
        assert_eq!(histogram.counts[50], 2);
        assert_eq!(histogram.counts[75], 1);
        assert_eq!(histogram.counts[99], 2);
    }
}

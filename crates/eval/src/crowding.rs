//! Sets whose cosines are too close to 1 for `f32`, as of embeddings that share a large mean.
//!
//! Between 0.5 and 1 an `f32` has steps of 6e-8, and a cosine summed in `f32` is off by about 1e-7. Embeddings whose cosines differ
//! by less cannot be told apart in this way. A fixed sample of pairs shows whether a set is like that.

use serde::Serialize;

use crate::embeddings::Embeddings;
use crate::score;
use crate::similarity;

/// Distances from 1 below this are crowded: rounding in `f32` changes them by about 1 %.
const CLOSE: f64 = 1.0 / 65536.0;
/// The least share of close pairs that makes a set crowded.
const LEAST_SHARE: f64 = 0.01;
/// Rows of the sample, and the rows each of them is compared with.
const SAMPLE: (usize, usize) = (16, 256);

/// Cosines that `f32` cannot separate, estimated from a fixed sample of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Crowding {
    /// Share of the pairs of different rows whose cosine is within 2^-16 (1.5e-5) of 1, in (0, 1].
    pub share: f64,
    /// Median distance of these cosines from 1.
    pub distance: f64,
}

impl Crowding {
    /// Whether the values of a file in `float32` are themselves too coarse for such distances: their rounding alone gives distances
    /// of about 6e-16.
    pub fn is_beyond_float32(&self) -> bool {
        self.distance < 1e-11
    }
}

/// The crowding of a set, if there is any. Equal rows are left out: they are not separate in any precision.
pub(crate) fn of(set: &Embeddings) -> Option<Crowding> {
    let rows = set.rows();
    let spread = |count: usize| (0..count.min(rows)).map(move |nth| nth * rows / count.min(rows));
    let (mut pairs, mut close) = (0_usize, Vec::new());
    for a in spread(SAMPLE.0) {
        for b in spread(SAMPLE.1).filter(|&b| b != a && set.row(a) != set.row(b)) {
            pairs += 1;
            let distance = 1.0 - score::cosine(similarity::score(set, a, set, b));
            if distance < CLOSE {
                close.push(distance);
            }
        }
    }
    let share = close.len() as f64 / pairs.max(1) as f64;
    if share < LEAST_SHARE {
        return None;
    }
    close.sort_unstable_by(f64::total_cmp);
    Some(Crowding { share, distance: close[close.len() / 2] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shifted(offset: f32) -> Embeddings {
        let data: Vec<f32> =
            (0..200 * 8).map(|at| offset + ((at * at + 3 * at) as f32 * 0.37).sin()).collect();
        Embeddings::new(&data, 200, 8, &[0; 200]).unwrap()
    }

    #[test]
    fn a_large_mean_is_crowded_and_an_ordinary_set_is_not() {
        assert_eq!(shifted(0.0).crowding(), None);
        assert_eq!(shifted(20.0).crowding(), None);
        let found = shifted(1e4).crowding().unwrap();
        assert!(found.share > 0.99 && (1e-10..1e-7).contains(&found.distance), "{found:?}");
        assert!(!found.is_beyond_float32() && shifted(1e6).crowding().unwrap().is_beyond_float32());
        // equal rows are no crowd
        let equal = Embeddings::new(&[0.3; 40], 20, 2, &[0; 20]).unwrap();
        assert_eq!(equal.crowding(), None);
    }

    #[test]
    fn cosines_of_a_crowded_set_are_those_of_its_values_in_f64() {
        let dim = 8;
        for offset in [0.0_f32, 30.0, 1e3, 1e5] {
            let data: Vec<f32> =
                (0..40 * dim).map(|at| offset + ((at * at + 3 * at) as f32 * 0.37).sin()).collect();
            let set = Embeddings::new(&data, 40, dim, &[0; 40]).unwrap();
            let unit = |row: usize| -> Vec<f64> {
                let values: Vec<f64> = data[row * dim..][..dim].iter().map(|&v| f64::from(v)).collect();
                let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
                values.iter().map(|v| v / norm).collect()
            };
            for a in 0..40 {
                for b in 0..a {
                    let squares = unit(a).iter().zip(unit(b)).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
                    let (expected, found) = (squares / 2.0, 1.0 - set.cosine(a, b).unwrap());
                    // 1e-16 is the resolution of the cosine in f64
                    let allowed = if expected < 9e-4 { expected * 1e-4 + 2e-16 } else { 1e-6 };
                    assert!((found - expected).abs() <= allowed, "{offset}: {found} {expected}");
                }
            }
        }
    }
}

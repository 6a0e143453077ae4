//! Angles between class centres.

use rayon::prelude::*;
use serde::Serialize;
use widemargin_objective::packing::closest_cosine;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};

/// Angles between class centres, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CentreAngles {
    /// Number of classes.
    pub classes: usize,
    /// Smallest angle between two centres: the most similar classes.
    pub smallest: f64,
    /// Mean over classes of the angle to the nearest other centre.
    pub mean_nearest: f64,
    /// Mean over all pairs of centres.
    pub mean: f64,
    /// Largest angle.
    pub largest: f64,
    /// Upper bound of `smallest` for this number of classes and this dimension, from [`closest_cosine`].
    pub bound: f64,
    /// Whether some arrangement of the centres is known to attain `bound`.
    pub bound_attained: bool,
    /// Mean cosine of two centres; at least `-1 / (classes - 1)` in any dimension.
    pub mean_cosine: f64,
}

/// The angles between one centre and all others.
struct Line {
    smallest: f64,
    largest: f64,
    sum: f64,
    cosines: f64,
}

pub(super) fn angles(embeddings: &Embeddings) -> Result<CentreAngles> {
    embeddings.require_two_classes()?;
    let dim = embeddings.dim();
    let mut centres: Vec<Vec<f64>> = Vec::new();
    for (class, rows) in embeddings.classes() {
        let mut sum = vec![0.0_f64; dim];
        for &row in &rows {
            sum.iter_mut().zip(embeddings.precise_row(row)).for_each(|(sum, value)| *sum += value);
        }
        let norm = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm <= 1e-7 * rows.len() as f64 {
            return Err(Error::ZeroMean { class, rows: rows.len() });
        }
        centres.push(sum.into_iter().map(|v| v / norm).collect());
    }
    let classes = centres.len();
    let line_of = |a: usize, others: &mut dyn Iterator<Item = usize>| {
        let mut line = Line { smallest: f64::INFINITY, largest: 0.0, sum: 0.0, cosines: 0.0 };
        for b in others {
            let (angle, cosine) = angle(&centres[a], &centres[b]);
            line.smallest = line.smallest.min(angle);
            line.largest = line.largest.max(angle);
            line.sum += angle;
            line.cosines += cosine;
        }
        line
    };
    let lines: Vec<Line> =
        (0..classes).into_par_iter().map(|a| line_of(a, &mut (0..classes).filter(|&b| b != a))).collect();
    // Every pair was counted from both sides.
    let twice = (classes * (classes - 1)) as f64;
    let closest = closest_cosine(classes, dim);
    Ok(CentreAngles {
        classes,
        smallest: lines.iter().map(|line| line.smallest).fold(f64::INFINITY, f64::min),
        mean_nearest: lines.iter().map(|line| line.smallest).sum::<f64>() / classes as f64,
        mean: lines.iter().map(|line| line.sum).sum::<f64>() / twice,
        largest: lines.iter().map(|line| line.largest).fold(0.0, f64::max),
        bound: closest.cosine.acos().to_degrees(),
        bound_attained: closest.attained,
        mean_cosine: lines.iter().map(|line| line.cosines).sum::<f64>() / twice,
    })
}

/// The angle in degrees, accurate near 0 and 180 where the arc cosine is not (Kahan 2006), and the cosine.
fn angle(a: &[f64], b: &[f64]) -> (f64, f64) {
    let (mut minus, mut plus, mut cosine) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        minus += (x - y) * (x - y);
        plus += (x + y) * (x + y);
        cosine += x * y;
    }
    ((2.0 * minus.sqrt().atan2(plus.sqrt())).to_degrees(), cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_simplex_reaches_its_bound() {
        // Unit vectors less their mean: 5 corners of a simplex.
        let data: Vec<f32> = (0..25).map(|at| if at / 5 == at % 5 { 0.8 } else { -0.2 }).collect();
        let found = angles(&Embeddings::new(&data, 5, 5, &[0, 1, 2, 3, 4]).unwrap()).unwrap();
        for angle in [found.smallest, found.mean_nearest, found.mean, found.largest] {
            assert!((angle - found.bound).abs() < 1e-5, "{found:?}");
        }
        assert!((found.mean_cosine + 0.25).abs() < 1e-7);
    }

    /// Ten centres spread evenly over a circle.
    #[test]
    fn a_regular_polygon_reaches_its_bound() {
        let angle = |at: u32| std::f32::consts::TAU * at as f32 / 10.0;
        let data: Vec<f32> = (0..10).flat_map(|at| [angle(at).cos(), angle(at).sin()]).collect();
        let labels: Vec<u32> = (0..10).collect();
        let found = angles(&Embeddings::new(&data, 10, 2, &labels).unwrap()).unwrap();
        assert!((found.bound - 36.0).abs() < 1e-9 && found.bound_attained, "{found:?}");
        assert!((found.smallest - 36.0).abs() < 1e-4, "{found:?}");
    }
}

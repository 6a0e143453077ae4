//! t-SNE (van der Maaten and Hinton, *Visualizing data using t-SNE*, 2008), exact: all pairs are compared in every step.
//!
//! The distribution over the neighbours of a row has a given perplexity, the effective number of its neighbours. The points are
//! moved down the gradient of the Kullback-Leibler divergence to the distribution in the plane, which has heavier tails. The schedule
//! is that of scikit-learn. All sums are in `f64` and in a fixed order, which those of the crate `bhtsne` are not.

use rayon::prelude::*;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};

/// About how many neighbours of a row count.
const PERPLEXITY: f64 = 30.0;
/// Fewer rows say too little about their neighbours.
const LEAST_ROWS: usize = 12;
/// Standard deviation of the first axis at the start, far below the final distances.
const START: f64 = 1e-4;
/// Steps with exaggerated attraction, in which groups form, and all steps.
const EXAGGERATED: usize = 250;
const STEPS: usize = 750;
const EXAGGERATION: f64 = 12.0;

type Point = [f64; 2];

/// Places the unit rows in the plane so that near rows stay near, starting with `points`, one per row, such as those of
/// [`principal()`](super::principal()). `None` if there are too few rows or the start has no extent.
///
/// The time grows with the square of the number of rows: half a second for 600 of them. The result does not depend on the number of
/// threads.
///
/// # Errors
/// [`Error::Length`] if there is not one point per row.
pub fn neighbour_map(embeddings: &Embeddings, points: &[[f64; 2]]) -> Result<Option<Vec<[f64; 2]>>> {
    let rows = embeddings.rows();
    if points.len() != rows {
        return Err(Error::Length { what: "points", found: points.len(), expected: rows });
    }
    let deviation = (points.iter().map(|point| point[0] * point[0]).sum::<f64>() / rows as f64).sqrt();
    // The deviation of equal rows is that of rounding.
    if rows < LEAST_ROWS || deviation < 1e-12 {
        return Ok(None);
    }
    let start = points.iter().map(|point| point.map(|value| value / deviation * START)).collect();
    Ok(Some(descend(&affinities(embeddings), start)))
}

/// The probability of each pair of rows, symmetric, row by row.
fn affinities(embeddings: &Embeddings) -> Vec<f64> {
    let rows = embeddings.rows();
    let perplexity = PERPLEXITY.min((rows as f64 - 1.0) / 3.0);
    let given = |row: usize| {
        let squared = |other: usize| 2.0 - 2.0 * embeddings.cosine(row, other).unwrap_or(1.0);
        neighbours(&(0..rows).map(squared).collect::<Vec<f64>>(), row, perplexity)
    };
    let given: Vec<Vec<f64>> = (0..rows).into_par_iter().map(given).collect();
    let pair = |at: usize| (given[at / rows][at % rows] + given[at % rows][at / rows]) / (2.0 * rows as f64);
    (0..rows * rows).map(pair).collect()
}

/// The probabilities of the neighbours of a row by their squared distances, with the given perplexity.
fn neighbours(squared: &[f64], row: usize, perplexity: f64) -> Vec<f64> {
    // Differences to the nearest neighbour: without them, all probabilities of a row far from the others could be zero.
    let others = || squared.iter().enumerate().filter(|&(other, _)| other != row).map(|(_, value)| *value);
    let nearest = others().fold(f64::INFINITY, f64::min);
    let weight = |value: f64, precision: f64| (-(value - nearest) * precision).exp();
    // The entropy falls as the precision rises.
    let entropy = |precision: f64| {
        let sum: f64 = others().map(|value| weight(value, precision)).sum();
        let mean = others().map(|value| (value - nearest) * weight(value, precision)).sum::<f64>() / sum;
        sum.ln() + precision * mean
    };
    // In powers of two, so that any scale of distances is found.
    let (mut low, mut high) = (-60.0, 60.0);
    for _ in 0..60 {
        let middle: f64 = f64::midpoint(low, high);
        if entropy(middle.exp2()) > perplexity.ln() { low = middle } else { high = middle }
    }
    let precision = f64::midpoint(low, high).exp2();
    let sum: f64 = others().map(|value| weight(value, precision)).sum();
    let share =
        |(other, &value): (usize, &f64)| if other == row { 0.0 } else { weight(value, precision) / sum };
    squared.iter().enumerate().map(share).collect()
}

/// The gradient of the divergence, with attraction multiplied by a factor.
fn gradient(affinities: &[f64], points: &[Point], exaggeration: f64) -> Vec<Point> {
    let rows = points.len();
    // Student's distribution with one degree of freedom, not normalised.
    let near = |a: &Point, b: &Point| 1.0 / (1.0 + (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2));
    let sums: Vec<f64> = points
        .par_iter()
        .map(|point| points.iter().map(|other| near(point, other)).sum::<f64>() - 1.0)
        .collect();
    let total: f64 = sums.iter().sum();
    let of_row = |(point, affinities): (&Point, &[f64])| {
        let mut sum = [0.0; 2];
        for (other, affinity) in points.iter().zip(affinities) {
            let near = near(point, other);
            let force = 4.0 * (exaggeration * affinity - near / total) * near;
            sum[0] += force * (point[0] - other[0]);
            sum[1] += force * (point[1] - other[1]);
        }
        sum
    };
    points.par_iter().zip(affinities.par_chunks_exact(rows)).map(of_row).collect()
}

/// Gradient descent with momentum, and a gain per coordinate that grows while its direction stays the same.
fn descend(affinities: &[f64], mut points: Vec<Point>) -> Vec<Point> {
    let rate = (points.len() as f64 / EXAGGERATION / 4.0).max(50.0);
    let mut speeds = vec![[0.0; 2]; points.len()];
    let mut gains = vec![[1.0_f64; 2]; points.len()];
    for step in 0..STEPS {
        let (exaggeration, momentum) = if step < EXAGGERATED { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        let slopes = gradient(affinities, &points, exaggeration);
        for (((point, speed), gain), slope) in points.iter_mut().zip(&mut speeds).zip(&mut gains).zip(&slopes)
        {
            for axis in 0..2 {
                let turns = speed[axis] * slope[axis] >= 0.0;
                gain[axis] = if turns { (0.8 * gain[axis]).max(0.01) } else { gain[axis] + 0.2 };
                speed[axis] = momentum * speed[axis] - rate * gain[axis] * slope[axis];
                point[axis] += speed[axis];
            }
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::principal;

    /// Clusters around the unit vectors of a space.
    fn clusters(count: usize, each: usize) -> Embeddings {
        let noise = |at: usize| ((at * at) as f32 * 0.37).sin() * 0.15;
        let data: Vec<f32> = (0..count * each * count)
            .map(|at| f32::from(u8::from(at % count == at / count / each)) + noise(at))
            .collect();
        let labels: Vec<u32> = (0..count * each).map(|row| (row / each) as u32).collect();
        Embeddings::new(&data, count * each, count, &labels).unwrap()
    }

    #[test]
    fn the_gradient_is_that_of_the_divergence() {
        let set = clusters(3, 4);
        let given = affinities(&set);
        let rows = set.rows();
        let mut points: Vec<Point> =
            (0..rows).map(|row| [(row as f64).sin(), 0.5 * (2.0 * row as f64).cos()]).collect();
        let divergence = |points: &[Point]| {
            let near = |a: usize, b: usize| {
                1.0 / (1.0 + (0..2).map(|axis| (points[a][axis] - points[b][axis]).powi(2)).sum::<f64>())
            };
            let pairs = || (0..rows).flat_map(|a| (0..rows).filter(move |&b| b != a).map(move |b| (a, b)));
            let total: f64 = pairs().map(|(a, b)| near(a, b)).sum();
            pairs()
                .map(|(a, b)| given[a * rows + b] * (given[a * rows + b] * total / near(a, b)).ln())
                .sum::<f64>()
        };
        let found = gradient(&given, &points, 1.0);
        for row in 0..rows {
            for axis in 0..2 {
                let h = 1e-5;
                let mut at = |shift: f64| {
                    let before = points[row][axis];
                    points[row][axis] = before + shift;
                    let value = divergence(&points);
                    points[row][axis] = before;
                    value
                };
                let expected = (at(h) - at(-h)) / (2.0 * h);
                // h^2 + 1e-16/h, relative to values of order 1
                assert!((found[row][axis] - expected).abs() < 1e-9, "{row}: {expected} {found:?}");
            }
        }
    }

    #[test]
    fn neighbours_have_the_perplexity() {
        for scale in [1e-9, 1.0, 1e9] {
            let squared: Vec<f64> = (0..80).map(|at| scale * (f64::from(at) * 0.7).sin().powi(2)).collect();
            let found = neighbours(&squared, 3, 12.0);
            let entropy: f64 = found.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
            assert!((entropy.exp() - 12.0).abs() < 1e-6, "{scale}: {}", entropy.exp());
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12 && found[3] == 0.0);
        }
        // Equal distances have equal probabilities, whatever the perplexity.
        assert!(neighbours(&[0.0, 1.0, 1.0, 1.0, 1.0], 0, 2.0)[1..].iter().all(|p| (p - 0.25).abs() < 1e-12));
    }

    #[test]
    fn clusters_stay_together_where_principal_axes_cannot_separate_them() {
        let set = clusters(8, 15);
        let start = principal(&set).points;
        let of_other_class = |points: &[Point]| {
            let squared = |a: usize, b: usize| {
                (0..2).map(|axis| (points[a][axis] - points[b][axis]).powi(2)).sum::<f64>()
            };
            let nearest = |row: usize| {
                let others = (0..set.rows()).filter(|&other| other != row);
                others.min_by(|&a, &b| squared(row, a).total_cmp(&squared(row, b))).unwrap()
            };
            (0..set.rows()).filter(|&row| set.labels()[row] != set.labels()[nearest(row)]).count()
        };
        let placed = neighbour_map(&set, &start).unwrap().unwrap();
        assert_eq!(of_other_class(&placed), 0);
        assert!(of_other_class(&start) > 10, "the test is too easy");
    }

    #[test]
    fn the_result_does_not_depend_on_threads() {
        let set = clusters(4, 20);
        let start = principal(&set).points;
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| neighbour_map(&set, &start)).unwrap().unwrap()
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn few_and_equal_rows_have_no_map_and_copies_have_one() {
        let few = clusters(2, 5);
        assert_eq!(neighbour_map(&few, &principal(&few).points).unwrap(), None);
        let equal = Embeddings::new(&[1.0; 40], 20, 2, &[0; 20]).unwrap();
        assert_eq!(neighbour_map(&equal, &principal(&equal).points).unwrap(), None);
        assert!(matches!(neighbour_map(&few, &[]), Err(Error::Length { found: 0, expected: 10, .. })));
        // Two places, ten rows each.
        let data: Vec<f32> = (0..20).flat_map(|row| if row < 10 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
        let copies = Embeddings::new(&data, 20, 2, &[0; 20]).unwrap();
        let placed = neighbour_map(&copies, &principal(&copies).points).unwrap().unwrap();
        assert!(placed.iter().flatten().all(|value| value.is_finite()), "{placed:?}");
    }
}

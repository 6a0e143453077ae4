//! Norms, normalised vectors, and the gradient through the normalisation.

use crate::Real;

/// Smaller norms are raised to this value, as in `torch.nn.functional.normalize`, so that the cosine of a zero vector with
/// anything is 0 and not `NaN`.
pub const NORM_FLOOR: f64 = 1e-12;

/// Euclidean norm of a vector, accumulated in `f64`; no overflow or underflow at magnitudes such as 1e±30 (in `f64`:
/// 1e±250).
pub fn norm<T: Real>(vector: &[T]) -> f64 {
    let sum = dot(vector, vector);
    if sum.is_finite() && sum > 1e-200 {
        return sum.sqrt();
    }
    let largest = vector.iter().map(|&value| value.into().abs()).fold(0.0, f64::max);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * vector.iter().map(|&value| (value.into() / largest).powi(2)).sum::<f64>().sqrt()
}

/// Dot product in `f64`, summed in a fixed order that vectorises (eight partial sums).
pub fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    fold(a, b, |x, y| x * y)
}

/// Squared Euclidean distance in `f64`, accurate also for vectors that are close.
pub(crate) fn squared_distance<T: Real>(a: &[T], b: &[T]) -> f64 {
    fold(a, b, |x, y| (x - y) * (x - y))
}

fn fold<T: Real>(a: &[T], b: &[T], term: impl Fn(f64, f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let mut partial = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f64 = rest.map(|(&x, &y)| term(x.into(), y.into())).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            partial[lane] += term(x[lane].into(), y[lane].into());
        }
    }
    partial.iter().sum::<f64>() + rest
}

/// Divides a vector by its norm, or by [`NORM_FLOOR`] if the norm is below that.
///
/// Returns the norm, or 0 if the floor was applied; [`project`] expects this value.
pub fn normalise<T: Real>(vector: &mut [T]) -> f64 {
    let norm = norm(vector);
    let factor = norm.max(NORM_FLOOR).recip();
    for value in vector.iter_mut() {
        *value = T::from_f64((*value).into() * factor);
    }
    if norm < NORM_FLOOR { 0.0 } else { norm }
}

/// Turns the gradient with respect to a unit vector `u = x / |x|` into the gradient with respect to `x`:
/// `(g - (g . u) u) / |x|`, which is orthogonal to `x`.
///
/// `norm` is the value that [`normalise`] returned. If the floor was applied (`norm` 0), the direction of `x` is meaningless and
/// the gradient is set to zero. PyTorch returns `g / 1e-12`, so a single zero vector can ruin a model.
pub fn project<T: Real>(gradient: &mut [T], unit: &[T], norm: f64) {
    if norm == 0.0 {
        gradient.fill(T::zero());
        return;
    }
    let along = dot(gradient, unit);
    let factor = norm.recip();
    for (g, &u) in gradient.iter_mut().zip(unit) {
        *g = T::from_f64(((*g).into() - along * u.into()) * factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_are_accurate_at_any_magnitude() {
        for exponent in [-250, -30, -7, 0, 7, 30, 250] {
            let unit = 10.0_f64.powi(exponent);
            let found = norm(&[3.0 * unit, -4.0 * unit]);
            assert!((found / (5.0 * unit) - 1.0).abs() < 1e-15, "1e{exponent}: {found}");
        }
        assert!((norm(&[3e30_f32, 4e30]) / 5e30 - 1.0).abs() < 1e-7);
        assert!((norm(&[3e-30_f32, 4e-30]) / 5e-30 - 1.0).abs() < 1e-7);
        assert_eq!(norm::<f32>(&[]), 0.0);
        assert_eq!(norm(&[0.0_f64; 3]), 0.0);
    }

    #[test]
    fn a_vector_without_direction_becomes_small_and_gets_no_gradient() {
        let mut tiny = [1e-13_f64, 0.0];
        let norm = normalise(&mut tiny);
        assert_eq!(norm, 0.0);
        assert!((tiny[0] - 0.1).abs() < 1e-15, "divided by the floor: {tiny:?}");
        let mut gradient = [1.0, 2.0];
        project(&mut gradient, &tiny, norm);
        assert_eq!(gradient, [0.0, 0.0]);
    }
}

//! Templates: one embedding for an identity with several images.
//!
//! The mean of several embeddings is more stable than each of them. Two means are common: of the embeddings as the network
//! computes them, where long ones (usually of clear images) have more weight, or of their directions, where all have the same
//! weight. Both are normalised at the end.

use std::collections::BTreeMap;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};

/// Whether the length of an embedding is its weight in the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TemplateMean {
    /// The mean of the embeddings, weighted by length: `sum x`, normalised.
    BeforeNormalising,
    /// The mean of the directions, equally weighted: `sum x / |x|`, normalised.
    AfterNormalising,
}

/// Builds one template per label from a row-major matrix `[rows, dim]`. The result has one row per label, in order of label.
///
/// Sums are computed in `f64`.
///
/// # Errors
/// Those of [`Embeddings::new`], and [`Error::ZeroMean`] for a class whose rows cancel out (up to rounding in `f64`).
pub fn build(
    data: &[f32],
    rows: usize,
    dim: usize,
    labels: &[u32],
    mean: TemplateMean,
) -> Result<Embeddings> {
    build_precise(data, None, rows, dim, labels, mean)
}

/// As [`build`], from values of 64 bits, as [`Embeddings::precise`] takes them.
///
/// # Errors
/// As [`build`].
pub fn build_precise(
    data: &[f32],
    rests: Option<&[f32]>,
    rows: usize,
    dim: usize,
    labels: &[u32],
    mean: TemplateMean,
) -> Result<Embeddings> {
    // Checks the rows.
    Embeddings::precise(data, rests, rows, dim, labels)?;
    let value = |at: usize| f64::from(data[at]) + rests.map_or(0.0, |rests| f64::from(rests[at]));
    let mut sums: BTreeMap<u32, (usize, Vec<f64>, f64)> = BTreeMap::new();
    for (row, &label) in labels.iter().enumerate() {
        let values = || (row * dim..(row + 1) * dim).map(value);
        let norm = values().map(|value| value * value).sum::<f64>().sqrt();
        let weight = match mean {
            TemplateMean::BeforeNormalising => 1.0,
            TemplateMean::AfterNormalising => 1.0 / norm,
        };
        let (count, sum, length) = sums.entry(label).or_insert_with(|| (0, vec![0.0; dim], 0.0));
        *count += 1;
        *length += norm * weight;
        for (total, value) in sum.iter_mut().zip(values()) {
            *total += value * weight;
        }
    }
    let (mut templates, mut lost) =
        (Vec::with_capacity(sums.len() * dim), Vec::with_capacity(sums.len() * dim));
    for (&class, (rows, sum, length)) in &sums {
        let norm = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        if norm <= 1e-12 * length {
            return Err(Error::ZeroMean { class, rows: *rows });
        }
        templates.extend(sum.iter().map(|value| (value / norm) as f32));
        lost.extend(sum.iter().map(|value| (value / norm - f64::from((value / norm) as f32)) as f32));
    }
    let labels: Vec<u32> = sums.keys().copied().collect();
    Embeddings::precise(&templates, Some(&lost), labels.len(), dim, &labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_weights_before_normalising_only() {
        let data = [0.0, 5.0, 3.0, 0.0, 0.0, 4.0];
        let build = |mean| build(&data, 3, 2, &[9, 4, 4], mean).unwrap();
        let before = build(TemplateMean::BeforeNormalising);
        assert_eq!(before.labels(), [4, 9]);
        assert_eq!(before.unit_row(0).unwrap(), [0.6, 0.8]);
        let after = build(TemplateMean::AfterNormalising);
        assert_eq!(after.unit_row(0).unwrap(), [0.5_f32.sqrt(), 0.5_f32.sqrt()]);
        assert_eq!(after.unit_row(1), before.unit_row(1));
    }

    #[test]
    fn opposite_rows_cancel_and_zero_rows_are_errors() {
        let error = |data: &[f32]| build(data, 2, 2, &[3, 3], TemplateMean::AfterNormalising).unwrap_err();
        assert_eq!(error(&[0.1, 0.3, -0.2, -0.6]), Error::ZeroMean { class: 3, rows: 2 });
        assert_eq!(error(&[0.1, 0.3, 0.0, 0.0]), Error::ZeroRow { row: 1 });
        // With different lengths they do not cancel before normalising.
        assert!(build(&[0.1, 0.3, -0.2, -0.6], 2, 2, &[3, 3], TemplateMean::BeforeNormalising).is_ok());
    }
}

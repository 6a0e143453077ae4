//! One embedding for an identity of several images.
//!
//! The mean of several embeddings is steadier than any of them. Two means are in use: of the embeddings as the network
//! gave them, where long ones (usually clear images) weigh more, or of their directions, where each counts the same.
//! Either way the template is normalised in the end.

use std::collections::BTreeMap;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};

/// Whether lengths count in a mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TemplateMean {
    /// The mean of the rows as they are: `sum x`, normalised.
    BeforeNormalising,
    /// The mean of the directions: `sum x / |x|`, normalised.
    AfterNormalising,
}

/// Makes one template of each label from a row-major matrix `[rows, dim]`; the result has one row a label, by rising label.
///
/// Sums are taken in `f64`.
///
/// # Errors
/// Those of [`Embeddings::new`], and [`Error::ZeroMean`] for a class whose rows cancel out (up to the rounding of `f64`).
pub fn build(
    data: &[f32],
    rows: usize,
    dim: usize,
    labels: &[u32],
    mean: TemplateMean,
) -> Result<Embeddings> {
    // All checks of the rows are those of a set of embeddings.
    Embeddings::new(data, rows, dim, labels)?;
    let mut sums: BTreeMap<u32, (usize, Vec<f64>, f64)> = BTreeMap::new();
    for (values, &label) in data.chunks_exact(dim).zip(labels) {
        let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        let weight = match mean {
            TemplateMean::BeforeNormalising => 1.0,
            TemplateMean::AfterNormalising => 1.0 / norm,
        };
        let (count, sum, length) = sums.entry(label).or_insert_with(|| (0, vec![0.0; dim], 0.0));
        *count += 1;
        *length += norm * weight;
        for (total, &value) in sum.iter_mut().zip(values) {
            *total += f64::from(value) * weight;
        }
    }
    let mut templates = Vec::with_capacity(sums.len() * dim);
    for (&class, (rows, sum, length)) in &sums {
        let norm = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        if norm <= 1e-12 * length {
            return Err(Error::ZeroMean { class, rows: *rows });
        }
        templates.extend(sum.iter().map(|value| (value / norm) as f32));
    }
    let labels: Vec<u32> = sums.keys().copied().collect();
    Embeddings::new(&templates, labels.len(), dim, &labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_before_and_not_after() {
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
    fn opposites_cancel_and_bad_rows_are_named() {
        let error = |data: &[f32]| build(data, 2, 2, &[3, 3], TemplateMean::AfterNormalising).unwrap_err();
        assert_eq!(error(&[0.1, 0.3, -0.2, -0.6]), Error::ZeroMean { class: 3, rows: 2 });
        assert_eq!(error(&[0.1, 0.3, 0.0, 0.0]), Error::ZeroRow { row: 1 });
        // Of different lengths they do not cancel before normalising.
        assert!(build(&[0.1, 0.3, -0.2, -0.6], 2, 2, &[3, 3], TemplateMean::BeforeNormalising).is_ok());
    }
}

//! The samples of a batch, checked and prepared for scoring.

use rayon::prelude::*;
use widemargin_kernels::mixed::{Left, Right};
use widemargin_objective::{Error as ObjectiveError, MatRef, Score, normalise};

use crate::error::Error;
use crate::storage::ProductPrecision;

/// The features of a batch as they are multiplied with class centres: unit vectors and their former norms for cosines, the
/// features themselves and no norms for dot products.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) units: Vec<f32>,
    pub(crate) norms: Vec<f64>,
    pub(crate) rows: usize,
    pub(crate) dim: usize,
    /// The features for products in bfloat16.
    pub(crate) rounded: Option<Rounded>,
}

/// Features rounded to bfloat16: `[batch, dim]` as either factor of a product.
#[derive(Clone, Debug)]
pub(crate) struct Rounded {
    pub(crate) left: Left,
    pub(crate) right: Right,
}

impl Batch {
    pub(crate) fn new(features: MatRef<'_>, score: Score) -> Self {
        let mut units = features.data().to_vec();
        let norms = if score.is_cosine() {
            units.par_chunks_mut(features.cols()).map(normalise).collect()
        } else {
            Vec::new()
        };
        Self { units, norms, rows: features.rows(), dim: features.cols(), rounded: None }
    }

    /// Prepares the products of a training step.
    pub(crate) fn for_products(mut self, products: ProductPrecision) -> Self {
        self.rounded = (products == ProductPrecision::Bf16).then(|| {
            let (mut left, mut right) = (Left::default(), Right::default());
            left.store(self.view());
            right.store(self.view());
            Rounded { left, right }
        });
        self
    }

    pub(crate) fn view(&self) -> MatRef<'_> {
        MatRef::new(&self.units, self.rows, self.dim).expect("as many values as the features have")
    }
}

/// A batch without its ignored samples.
pub(crate) struct Active {
    rows: Vec<usize>,
    values: Vec<f32>,
    pub(crate) labels: Vec<u32>,
    pub(crate) dim: usize,
    batch: usize,
}

impl Active {
    /// `None` if no sample is ignored.
    pub(crate) fn of(features: MatRef<'_>, labels: &[u32], ignore: Option<u32>) -> Option<Self> {
        let ignore = ignore.filter(|ignore| labels.contains(ignore))?;
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] != ignore).collect();
        Some(Self {
            values: rows.iter().flat_map(|&row| features.row(row).iter().copied()).collect(),
            labels: rows.iter().map(|&row| labels[row]).collect(),
            dim: features.cols(),
            batch: labels.len(),
            rows,
        })
    }

    pub(crate) fn features(&self) -> Result<MatRef<'_>, Error> {
        Ok(MatRef::new(&self.values, self.rows.len(), self.dim).map_err(ObjectiveError::from)?)
    }

    /// Puts the rows of the active samples back in their places, with zeros for the ignored samples.
    pub(crate) fn spread(&self, values: &[f32], cols: usize) -> Vec<f32> {
        let mut all = vec![0.0; self.batch * cols];
        for (values, &row) in values.chunks(cols).zip(&self.rows) {
            all[row * cols..(row + 1) * cols].copy_from_slice(values);
        }
        all
    }
}

/// The target class of each sample: the nearest of its centres, and how the sample relates to it.
pub(crate) struct Targets {
    pub(crate) similarities: Vec<f32>,
    pub(crate) cosines: Vec<f64>,
    /// A similarity is a cosine times this: 1 for cosines, the product of both norms for dot products.
    pub(crate) lengths: Vec<f32>,
    /// Norms of the features as given.
    pub(crate) feature_norms: Vec<f64>,
    /// Norms of the target's centres, as `normalise` returns them; 1 where centres are not normalised.
    pub(crate) centre_norms: Vec<f64>,
    /// Row of the target's centre among all.
    pub(crate) rows: Vec<usize>,
}

/// Checks that there is one label per sample, and that each names a class or is the label to ignore.
pub(crate) fn check_labels(
    labels: &[u32],
    samples: usize,
    classes: usize,
    ignore: Option<u32>,
) -> Result<(), Error> {
    if labels.len() != samples {
        return Err(Error::LabelCount { found: labels.len(), expected: samples });
    }
    match labels.iter().position(|&label| label as usize >= classes && Some(label) != ignore) {
        Some(row) => Err(Error::Label { row, found: labels[row], classes }),
        None => Ok(()),
    }
}

/// The position of the first value that is not finite.
pub(crate) fn first_not_finite(values: &[f32]) -> Option<usize> {
    const CHUNK: usize = 1 << 14;
    let found = |(_, chunk): &(usize, &[f32])| !all_finite(chunk);
    let (at, chunk) = values.par_chunks(CHUNK).enumerate().find_first(found)?;
    chunk.iter().position(|value| !value.is_finite()).map(|place| at * CHUNK + place)
}

/// Reads all values: an early return would keep the loop from being vectorised.
fn all_finite(values: &[f32]) -> bool {
    let exponent = f32::INFINITY.to_bits();
    !values.iter().fold(false, |found, value| found | (value.to_bits() & exponent == exponent))
}

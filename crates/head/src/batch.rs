//! The samples of a batch, checked and made ready to be scored.

use rayon::prelude::*;
use widemargin_objective::{MatRef, NORM_FLOOR, Score, dot, norm, normalise};

use crate::forward::first_not_finite;
use crate::tile::Centres;
use crate::{Error, HeadForward};

/// The features of a batch, ready to be multiplied: of length one and with their norms for cosines, as they are and without for dot
/// products.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) units: Vec<f32>,
    pub(crate) norms: Vec<f64>,
    pub(crate) rows: usize,
    pub(crate) dim: usize,
}

impl Batch {
    pub(crate) fn new(features: MatRef<'_>, score: Score) -> Self {
        let mut units = features.data().to_vec();
        let norms = if score.is_cosine() {
            units.par_chunks_mut(features.cols()).map(normalise).collect()
        } else {
            Vec::new()
        };
        Self { units, norms, rows: features.rows(), dim: features.cols() }
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
    dim: usize,
    batch: usize,
}

impl Active {
    /// `None` where no sample is ignored.
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
        Ok(MatRef::new(&self.values, self.rows.len(), self.dim).map_err(widemargin_objective::Error::from)?)
    }

    /// What came of the active samples, with zeros in the places of the ignored ones.
    pub(crate) fn with_ignored(&self, found: HeadForward) -> HeadForward {
        HeadForward {
            losses: self.spread(&found.losses, 1),
            grad_features: self.spread(&found.grad_features, self.dim),
            ..found
        }
    }

    /// Rows of the active samples in their places, zeros in those of the ignored ones.
    pub(crate) fn spread(&self, values: &[f32], cols: usize) -> Vec<f32> {
        let mut all = vec![0.0; self.batch * cols];
        for (values, &row) in values.chunks(cols).zip(&self.rows) {
            all[row * cols..(row + 1) * cols].copy_from_slice(values);
        }
        all
    }
}

/// What each sample and its own class centre have to do with each other.
pub(crate) struct Targets {
    pub(crate) similarities: Vec<f32>,
    pub(crate) cosines: Vec<f64>,
    /// What a similarity is the cosine times of: 1 for cosines.
    pub(crate) lengths: Vec<f32>,
    /// Norms of the features as they came.
    pub(crate) feature_norms: Vec<f64>,
    /// Norms of the own centres, as `normalise` gives them; 1 where centres are not normalised.
    pub(crate) centre_norms: Vec<f64>,
    /// Row of the own centre among all.
    pub(crate) rows: Vec<usize>,
}

impl Centres<'_> {
    /// Similarity of each sample with its own class: one product a sample and centre of the class.
    pub(crate) fn targets(&self, batch: &Batch, features: MatRef<'_>, labels: &[u32]) -> Targets {
        let own = |(at, (unit, &label)): (usize, (&[f32], &u32))| {
            let mut best = (f32::NEG_INFINITY, 0, 0.0, 0.0);
            let mut centre = vec![0.0; batch.dim];
            for row in label as usize * self.each..(label as usize + 1) * self.each {
                let centre_norm = self.unit(row, &mut centre);
                let similarity = dot(unit, &centre) as f32;
                if similarity > best.0 {
                    let centre_length = if self.score.normalises_centres() { 1.0 } else { norm(&centre) };
                    best = (similarity, row, centre_length, centre_norm);
                }
            }
            let feature_norm = norm(features.row(at));
            let length = if self.score.is_cosine() { 1.0 } else { feature_norm * best.2 };
            let cosine = f64::from(best.0)
                / if self.score.is_cosine() {
                    1.0
                } else {
                    feature_norm.max(NORM_FLOOR) * best.2.max(NORM_FLOOR)
                };
            (best.0, cosine, length as f32, feature_norm, best.1, best.3)
        };
        let all: Vec<_> =
            batch.units.par_chunks(batch.dim).zip(labels.par_iter()).enumerate().map(own).collect();
        Targets {
            similarities: all.iter().map(|own| own.0).collect(),
            cosines: all.iter().map(|own| own.1).collect(),
            lengths: all.iter().map(|own| own.2).collect(),
            feature_norms: all.iter().map(|own| own.3).collect(),
            rows: all.iter().map(|own| own.4).collect(),
            centre_norms: all.iter().map(|own| own.5).collect(),
        }
    }

    pub(crate) fn check_features(&self, features: MatRef<'_>) -> Result<(), Error> {
        let dim = self.dim;
        if features.cols() != dim {
            return Err(Error::Dimension { found: features.cols(), expected: dim });
        }
        if let Some(at) = first_not_finite(features.data()) {
            return Err(Error::NonFiniteFeature {
                row: at / dim,
                column: at % dim,
                found: features.data()[at],
            });
        }
        Ok(())
    }

    pub(crate) fn check(
        &self,
        features: MatRef<'_>,
        labels: &[u32],
        ignore: Option<u32>,
    ) -> Result<(), Error> {
        self.check_features(features)?;
        check_labels(labels, features.rows(), self.classes(), ignore)
    }
}

/// Whether there is a label for each of `samples`, and each names one of `classes` or is the one to ignore.
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

//! The input of a miner: the matrix of distances or cosines and the pairs of each anchor.

use crate::pairs::distance::Matrix;
use crate::pairs::tuples::Pairing;
use crate::real::Real;

/// A batch as a miner sees it.
pub(crate) struct View<'a, T> {
    pub(crate) matrix: Matrix<T>,
    pub(crate) labels: &'a [u32],
    pub(crate) pairing: Pairing<'a>,
    /// Dimension of the embeddings.
    pub(crate) dim: usize,
}

impl<T: Real> View<'_, T> {
    pub(crate) fn value(&self, anchor: usize, at: usize) -> f64 {
        self.matrix.row(anchor)[at].into()
    }

    /// Every anchor with the positions of its positives and negatives.
    pub(crate) fn anchors(&self, mut each: impl FnMut(usize, &[usize], &[usize])) {
        let (mut plus, mut minus) = (Vec::new(), Vec::new());
        for anchor in 0..self.labels.len() {
            self.pairing.fill(anchor, &mut plus, &mut minus);
            let positives: Vec<usize> = plus.iter().map(|entry| entry.at).collect();
            let negatives: Vec<usize> = minus.iter().map(|entry| entry.at).collect();
            each(anchor, &positives, &negatives);
        }
    }
}

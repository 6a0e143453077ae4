//! Cross-batch memory: the most recent embeddings, as additional rows to compare with.
//!
//! Embeddings drift slowly once training is under way, so those of the last few steps are nearly as good as new ones and
//! cost nothing. A batch is first stored and then compared with everything in the memory, itself included; no row is its own
//! positive. Stored rows are constants. Source: Wang et al., *Cross-Batch Memory for Embedding Learning*, 2020,
//! section 3.2; `CrossBatchMemory` of pytorch-metric-learning.

use serde::{Deserialize, Serialize};

use widemargin_kernels::matrix::MatRef;

use super::evaluate::{PairEvaluation, PairOptions};
use super::miners::Miner;
use super::objectives::PairObjective;
use super::reference::{PairReference, check_rows};
use crate::error::{Error, Result};
use crate::real::Real;

/// A ring buffer of embeddings and labels; new rows replace the oldest.
///
/// Saved with a checkpoint through `serde`, and checked when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State<T>", into = "State<T>")]
#[serde(bound(serialize = "T: Serialize + Clone", deserialize = "T: Deserialize<'de>"))]
pub struct CrossBatchMemory<T> {
    embeddings: Vec<T>,
    labels: Vec<u32>,
    capacity: usize,
    dim: usize,
    /// Position of the next row.
    next: usize,
}

/// The serialised form.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State<T> {
    embeddings: Vec<T>,
    labels: Vec<u32>,
    capacity: usize,
    dim: usize,
    next: usize,
}

impl<T> From<CrossBatchMemory<T>> for State<T> {
    fn from(memory: CrossBatchMemory<T>) -> Self {
        let CrossBatchMemory { embeddings, labels, capacity, dim, next } = memory;
        Self { embeddings, labels, capacity, dim, next }
    }
}

impl<T> TryFrom<State<T>> for CrossBatchMemory<T> {
    type Error = Error;

    fn try_from(state: State<T>) -> Result<Self> {
        let State { embeddings, labels, capacity, dim, next } = state;
        let refuse = |reason| Err(Error::MemoryState { reason });
        if labels.len().checked_mul(dim) != Some(embeddings.len()) {
            return refuse("it has another number of embeddings than labels");
        }
        if capacity == 0 || labels.len() > capacity {
            return refuse("it holds more rows than its capacity");
        }
        let expected = if labels.len() < capacity { next == labels.len() } else { next < capacity };
        if !expected {
            return refuse("the place of the next row is outside it");
        }
        Ok(Self { embeddings, labels, capacity, dim, next })
    }
}

impl<T: Real> CrossBatchMemory<T> {
    /// An empty memory for `capacity` embeddings of dimension `dim`. pytorch-metric-learning's default capacity is 1024.
    ///
    /// # Errors
    /// If the capacity is 0.
    pub fn new(capacity: usize, dim: usize) -> Result<Self> {
        if capacity == 0 {
            return Err(Error::OutOfRange {
                setting: "capacity",
                found: 0.0,
                expected: "1 or more".to_owned(),
            });
        }
        Ok(Self { embeddings: Vec::new(), labels: Vec::new(), capacity, dim, next: 0 })
    }

    /// Rows stored.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether nothing is stored yet.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The largest number of rows.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The stored labels, in the order of the buffer.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.embeddings.clear();
        self.labels.clear();
        self.next = 0;
    }

    /// Stores a batch in place of the oldest rows and returns the position of each row.
    ///
    /// # Errors
    /// A batch larger than the memory, a different dimension, not one label per row, or `NaN` or infinity. Nothing is stored
    /// then.
    pub fn push(&mut self, embeddings: MatRef<'_, T>, labels: &[u32]) -> Result<Vec<usize>> {
        check_rows("embeddings", "labels", embeddings, labels)?;
        let batch = labels.len();
        if batch > self.capacity {
            return Err(Error::MemoryTooSmall { batch, capacity: self.capacity });
        }
        if embeddings.cols() != self.dim {
            let (features, found) = (embeddings.cols(), self.dim);
            return Err(Error::Dimension { what: "memory", features, found });
        }
        let mut places = Vec::with_capacity(batch);
        for (row, &label) in labels.iter().enumerate() {
            if self.next == self.labels.len() {
                self.labels.push(label);
                self.embeddings.extend_from_slice(embeddings.row(row));
            } else {
                self.labels[self.next] = label;
                self.embeddings[self.next * self.dim..(self.next + 1) * self.dim]
                    .copy_from_slice(embeddings.row(row));
            }
            places.push(self.next);
            self.next = (self.next + 1) % self.capacity;
        }
        Ok(places)
    }

    /// Stores a batch and compares it with all stored rows.
    ///
    /// The miner, if there is one, searches the whole memory; `draw` is the step, for miners that draw at random. The batch's rows
    /// are the anchors and get the gradient; stored rows, including the copies of the batch, are constants.
    ///
    /// # Errors
    /// The errors of [`CrossBatchMemory::push`] and [`PairObjective::evaluate`]; [`Error::Unsupported`] for objectives
    /// without references ([`PairObjective::takes_references`]), before anything is stored.
    pub fn evaluate(
        &mut self,
        objective: &PairObjective,
        embeddings: MatRef<'_, T>,
        labels: &[u32],
        miner: Option<&Miner>,
        draw: u64,
    ) -> Result<PairEvaluation<T>> {
        if !objective.takes_references() {
            return Err(Error::Unsupported {
                objective: objective.name().to_owned(),
                what: "a cross-batch memory",
                reason: "it is defined only on the batch and its proxies",
            });
        }
        objective.validate()?;
        let places = self.push(embeddings, labels)?;
        let reference = PairReference {
            embeddings: MatRef::new(&self.embeddings, self.labels.len(), self.dim)?,
            labels: &self.labels,
            own_rows: Some(&places),
        };
        let options = PairOptions { miner, draw, reference: Some(reference), ..PairOptions::default() };
        objective.evaluate(embeddings, None, labels, &options)
    }
}

//! Miners: which of a batch's pairs or triplets are worth a loss.
//!
//! Each looks at the matrix of distances (or cosines) and the labels and writes a list of [`Tuples`], by rising anchor.
//! Definitions and defaults are those of pytorch-metric-learning 2.9.0. Mining has no gradient.

mod batch_easy_hard;
mod distance_weighted;
mod threshold;

use serde::{Deserialize, Serialize};

pub use batch_easy_hard::{BatchEasyHard, MiningStrategy};
pub use distance_weighted::DistanceWeighted;
pub use threshold::{MinedTriplets, MultiSimilarityMiner, PairMargin, TripletMarginMiner};

use super::distance::{Matrix, Measure};
use super::evaluate::{check_reference, check_rows};
use super::parameters::{PairParameters, known_name, read};
use super::tuples::{Own, Pairing};
use super::units::Units;
use super::{PairError, PairReference, TripletKind, Tuples};
use crate::{MatRef, Real};

/// A way to choose pairs or triplets. The settings are checked by [`Miner::from_name`] and whenever it mines.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Miner {
    /// Every pair; the same as no miner, but written down.
    All,
    /// For each anchor the farthest positive with the nearest negative, as a triplet. Source: Hermans, Beyer and Leibe,
    /// *In Defense of the Triplet Loss for Person Re-Identification*, 2017, section 2.
    BatchHard,
    /// One positive and one negative an anchor, or all of a kind, each easy, semi-hard or hard.
    BatchEasyHard(BatchEasyHard),
    /// Triplets by how they meet a margin.
    TripletMargin(TripletMarginMiner),
    /// Pairs that are hard for each other.
    MultiSimilarity(MultiSimilarityMiner),
    /// Pairs on the wrong side of two distances.
    PairMargin(PairMargin),
    /// Triplets whose negatives are drawn evenly over the range of distances.
    DistanceWeighted(DistanceWeighted),
}

const NAMES: &[&str] = &[
    "all",
    "batch-hard",
    "batch-easy-hard",
    "triplet-margin",
    "multi-similarity",
    "pair-margin",
    "distance-weighted",
];

const ALIASES: &[(&str, &str)] = &[("hard", "batch-hard"), ("triplet", "triplet-margin")];

/// What a miner has to look at.
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

    /// Every anchor with the places of its positives and negatives.
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

impl Miner {
    /// All names, as [`Miner::name`] gives them.
    pub const fn names() -> &'static [&'static str] {
        NAMES
    }

    /// A miner by name: those of pytorch-metric-learning without `Miner`, with hyphens (underscores are taken too).
    ///
    /// Parameters have the names of the fields of the miner's settings. `hard` is `batch-hard`.
    ///
    /// # Errors
    /// [`PairError::UnknownName`], [`PairError::Parameter`], [`PairError::OutOfRange`].
    pub fn from_name(name: &str, parameters: &PairParameters) -> Result<Self, PairError> {
        let name = known_name("miner", name, NAMES, ALIASES)?;
        let miner = match name {
            "batch-easy-hard" => Self::BatchEasyHard(read(name, parameters)?),
            "triplet-margin" => Self::TripletMargin(read(name, parameters)?),
            "multi-similarity" => Self::MultiSimilarity(read(name, parameters)?),
            "pair-margin" => Self::PairMargin(read(name, parameters)?),
            "distance-weighted" => Self::DistanceWeighted(read(name, parameters)?),
            _ => {
                if let Some(parameter) = parameters.keys().next() {
                    let reason = format!("unknown field `{parameter}`, there are no fields");
                    return Err(PairError::Parameter { name, reason });
                }
                if name == "all" { Self::All } else { Self::BatchHard }
            }
        };
        miner.validate()?;
        Ok(miner)
    }

    /// The miner's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::BatchHard => "batch-hard",
            Self::BatchEasyHard(_) => "batch-easy-hard",
            Self::TripletMargin(_) => "triplet-margin",
            Self::MultiSimilarity(_) => "multi-similarity",
            Self::PairMargin(_) => "pair-margin",
            Self::DistanceWeighted(_) => "distance-weighted",
        }
    }

    /// Refuses settings outside their ranges.
    ///
    /// # Errors
    /// [`PairError::OutOfRange`], or [`PairError::Parameter`] for strategies that exclude each other.
    pub fn validate(&self) -> Result<(), PairError> {
        match self {
            Self::All | Self::BatchHard => Ok(()),
            Self::BatchEasyHard(of) => of.validate(),
            Self::TripletMargin(of) => of.validate(),
            Self::MultiSimilarity(of) => of.validate(),
            Self::PairMargin(of) => of.validate(),
            Self::DistanceWeighted(of) => of.validate(),
        }
    }

    /// Tuples within a batch. `draw` is the number of the step, for miners that draw at random; others ignore it.
    ///
    /// Shapes: `embeddings` `[batch, dim]`, one label a row. A batch without pairs gives no tuples.
    ///
    /// # Errors
    /// Settings out of range, labels that are not one a row, `NaN` or infinity in the embeddings.
    pub fn mine<T: Real>(
        &self,
        embeddings: MatRef<'_, T>,
        labels: &[u32],
        draw: u64,
    ) -> Result<Tuples, PairError> {
        self.mine_with(embeddings, labels, None, draw)
    }

    /// Tuples of a batch with references, or within the batch where there are none.
    ///
    /// As in pytorch-metric-learning a row's own place among the references counts as one of its positives while mining,
    /// and is taken out of the result.
    ///
    /// # Errors
    /// Those of [`Miner::mine`], and references that do not fit the batch.
    pub fn mine_with<T: Real>(
        &self,
        embeddings: MatRef<'_, T>,
        labels: &[u32],
        reference: Option<&PairReference<'_, T>>,
        draw: u64,
    ) -> Result<Tuples, PairError> {
        self.validate()?;
        check_rows("embeddings", "labels", embeddings, labels)?;
        if let Some(reference) = reference {
            check_reference(embeddings, labels, reference)?;
        }
        let queries = Units::new(embeddings, false);
        let references = reference.map(|reference| Units::new(reference.embeddings, false));
        let measure =
            if matches!(self, Self::MultiSimilarity(_)) { Measure::Cosine } else { Measure::Euclidean };
        let (other, own) = reference.map_or((labels, Own::Same), |r| (r.labels, Own::Nowhere));
        let view = View {
            matrix: Matrix::new(measure, queries, references),
            labels,
            pairing: Pairing::labels(labels, other, own),
            dim: embeddings.cols(),
        };
        let tuples = match self {
            Self::All => all(&view),
            Self::BatchHard => {
                let hardest = BatchEasyHard {
                    pos_strategy: MiningStrategy::Hard,
                    neg_strategy: MiningStrategy::Hard,
                    ..BatchEasyHard::default()
                };
                Tuples::Triplets(hardest.mine(&view).0)
            }
            Self::BatchEasyHard(of) => of.mine(&view).1,
            Self::TripletMargin(of) => of.mine(&view),
            Self::MultiSimilarity(of) => of.mine(&view),
            Self::PairMargin(of) => of.mine(&view),
            Self::DistanceWeighted(of) => of.mine(&view, draw),
        };
        Ok(match reference.and_then(|reference| reference.own_rows) {
            None => tuples,
            Some(own) => tuples.without_positives(|anchor, at| own[anchor] == at),
        })
    }

    /// The triplet miner of one kind, with the default margin.
    pub fn triplets(kind: TripletKind) -> Self {
        Self::TripletMargin(TripletMarginMiner {
            type_of_triplets: kind.into(),
            ..TripletMarginMiner::default()
        })
    }
}

fn all<T: Real>(view: &View<'_, T>) -> Tuples {
    let (mut positives, mut negatives) = (Vec::new(), Vec::new());
    view.anchors(|anchor, plus, minus| {
        positives.extend(plus.iter().map(|&at| [anchor, at]));
        negatives.extend(minus.iter().map(|&at| [anchor, at]));
    });
    Tuples::Pairs { positives, negatives }
}

//! Miners choose the pairs or triplets of a batch that a loss uses.
//!
//! A miner reads the matrix of distances (or cosines) and the labels, and lists [`Tuples`] by increasing anchor. Definitions
//! and defaults are those of pytorch-metric-learning 2.9.0. Mining has no gradient.

mod batch_easy_hard;
mod distance_weighted;
mod threshold;
mod view;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use widemargin_kernels::matrix::MatRef;

pub use batch_easy_hard::{BatchEasyHard, MiningStrategy};
pub use distance_weighted::DistanceWeighted;
pub use threshold::{MinedTriplets, MultiSimilarityMiner, PairMargin, TripletMarginMiner};

use self::view::View;
use super::distance::{Matrix, Measure};
use super::objectives::TripletKind;
use super::reference::{PairReference, check_reference, check_rows};
use super::tags::Tags;
use super::tuples::{Own, Pairing, Tuples};
use super::units::Units;
use crate::error::{Error, Result};
use crate::names;
use crate::parameter::{self, ObjectiveParameter, Parameters, Settings};
use crate::real::Real;

/// A way to choose pairs or triplets. The settings are checked by [`Miner::from_name`] and whenever it mines.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Miner {
    /// Every pair; the same as no miner, but as a list.
    All,
    /// For each anchor the farthest positive with the nearest negative, as a triplet. Source: Hermans, Beyer and Leibe,
    /// *In Defense of the Triplet Loss for Person Re-Identification*, 2017, section 2.
    BatchHard,
    /// One positive and one negative per anchor, or all of a kind; each easy, semi-hard or hard.
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

static TAGS: LazyLock<Tags<Miner>> = LazyLock::new(|| Tags::of_all(&Miner::all()));

impl Miner {
    /// Every miner with its default settings.
    pub fn all() -> Vec<Self> {
        vec![
            Self::All,
            Self::BatchHard,
            Self::BatchEasyHard(BatchEasyHard::default()),
            Self::TripletMargin(TripletMarginMiner::default()),
            Self::MultiSimilarity(MultiSimilarityMiner::default()),
            Self::PairMargin(PairMargin::default()),
            Self::DistanceWeighted(DistanceWeighted::default()),
        ]
    }

    /// The names of all miners.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TAGS.iter()
    }

    /// A miner by name, with the names of pytorch-metric-learning without `Miner` and with hyphens (underscores are
    /// accepted). `hard` is `batch-hard`.
    ///
    /// The parameters are the fields of the miner's settings; absent parameters have their defaults.
    ///
    /// # Errors
    /// An unknown name or parameter, or a value outside its range.
    pub fn from_name(name: &str, parameters: &Parameters) -> Result<Self> {
        let all = Self::all();
        let spellings = all.iter().flat_map(|miner| {
            miner.aliases().iter().copied().chain([miner.name()]).map(|alias| (alias, miner.name()))
        });
        let name = names::find(name, spellings).map_err(|suggestion| Error::UnknownName {
            kind: "miner",
            found: name.to_owned(),
            suggestion,
            known: Self::names().collect(),
        })?;
        let known = all.iter().find(|miner| miner.name() == name).map(Self::parameters).unwrap_or_default();
        let mut saved = parameter::check(name, &known, parameters)?.into_map();
        saved.insert("name".to_owned(), name.into());
        let miner: Self = serde_json::from_value(saved.into()).expect("checked against the settings");
        miner.validate()?;
        Ok(miner)
    }

    /// The miner's name: its tag in files.
    pub fn name(&self) -> &'static str {
        TAGS.tag(self)
    }

    fn aliases(&self) -> &'static [&'static str] {
        match self {
            Self::BatchHard => &["hard"],
            Self::TripletMargin(_) => &["triplet"],
            _ => &[],
        }
    }

    fn parameters(&self) -> Vec<ObjectiveParameter> {
        match self {
            Self::All | Self::BatchHard => Vec::new(),
            Self::BatchEasyHard(_) => BatchEasyHard::parameters(),
            Self::TripletMargin(_) => TripletMarginMiner::parameters(),
            Self::MultiSimilarity(_) => MultiSimilarityMiner::parameters(),
            Self::PairMargin(_) => PairMargin::parameters(),
            Self::DistanceWeighted(_) => DistanceWeighted::parameters(),
        }
    }

    /// Rejects settings outside their ranges, and strategies that exclude each other.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] or [`Error::Incompatible`].
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::All | Self::BatchHard => Ok(()),
            Self::BatchEasyHard(of) => {
                of.check_ranges()?;
                of.check_strategies()
            }
            Self::TripletMargin(of) => of.check_ranges(),
            Self::MultiSimilarity(of) => of.check_ranges(),
            Self::PairMargin(of) => of.check_ranges(),
            Self::DistanceWeighted(of) => of.check_ranges(),
        }
    }

    /// Tuples within a batch. `draw` is the step, for miners that draw at random; others ignore it.
    ///
    /// Shapes: `embeddings` `[batch, dim]`, one label per row. A batch without pairs gives no tuples.
    ///
    /// # Errors
    /// Settings outside their range, not one label per row, `NaN` or infinity in the embeddings.
    pub fn mine<T: Real>(&self, embeddings: MatRef<'_, T>, labels: &[u32], draw: u64) -> Result<Tuples> {
        self.mine_with(embeddings, labels, None, draw)
    }

    /// Tuples of a batch with references, or within the batch if there are none.
    ///
    /// As in pytorch-metric-learning, a row's own place among the references counts as one of its positives while mining and is
    /// removed from the result.
    ///
    /// # Errors
    /// The errors of [`Miner::mine`], and references that do not fit the batch.
    pub fn mine_with<T: Real>(
        &self,
        embeddings: MatRef<'_, T>,
        labels: &[u32],
        reference: Option<&PairReference<'_, T>>,
        draw: u64,
    ) -> Result<Tuples> {
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
            type_of_triplets: match kind {
                TripletKind::All => MinedTriplets::All,
                TripletKind::Hard => MinedTriplets::Hard,
                TripletKind::Semihard => MinedTriplets::Semihard,
            },
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

//! All pair and proxy objectives under one type.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::{
    Angular, Circle, Contrastive, FastAp, IntraPairVariance, LiftedStructure, MultiSimilarity, NtXent,
    ProxyAnchor, ProxyNca, RankedList, SignalToNoiseRatioContrastive, SoftTriple, Supcon, TripletMargin,
    TupletMargin,
};
use crate::error::Result;
use crate::pairs::tags::Tags;
use crate::parameter::{ObjectiveParameter, Settings};

macro_rules! pair_objectives {
    ($($Objective:ident),+ $(,)?) => {
        /// An objective on pairs or triplets of embeddings, or on embeddings and proxies.
        ///
        /// The settings are public; they are checked whenever the objective is evaluated. Saved as name and settings:
        /// `{"name": "contrastive", "neg_margin": 0.8}`.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name", rename_all = "kebab-case")]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each variant is its settings, documented there")]
        pub enum PairObjective {
            $($Objective($Objective)),+
        }

        impl PairObjective {
            /// Every objective with its default settings.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$Objective($Objective::default())),+]
            }

            /// The parameters of this kind of objective, which are the fields of its settings.
            pub(crate) fn parameters(&self) -> Vec<ObjectiveParameter> {
                match self {
                    $(Self::$Objective(_) => $Objective::parameters()),+
                }
            }

            /// Rejects settings outside their ranges.
            ///
            /// # Errors
            /// [`Error::OutOfRange`](crate::Error::OutOfRange).
            pub fn validate(&self) -> Result<()> {
                match self {
                    $(Self::$Objective(of) => of.check_ranges()),+
                }
            }
        }
    };
}

pair_objectives!(
    Contrastive,
    TripletMargin,
    Circle,
    MultiSimilarity,
    NtXent,
    Supcon,
    LiftedStructure,
    Angular,
    SignalToNoiseRatioContrastive,
    TupletMargin,
    IntraPairVariance,
    FastAp,
    RankedList,
    ProxyNca,
    ProxyAnchor,
    SoftTriple,
);

static TAGS: LazyLock<Tags<PairObjective>> = LazyLock::new(|| Tags::of_all(&PairObjective::all()));

impl PairObjective {
    /// The objective's name: its tag in files.
    pub fn name(&self) -> &'static str {
        TAGS.tag(self)
    }

    /// How many proxies each class has; `None` for objectives without proxies.
    ///
    /// An objective with proxies learns a matrix `[classes * proxies_per_class, dim]`, the proxies of a class one after the
    /// other.
    pub fn proxies_per_class(&self) -> Option<usize> {
        match self {
            Self::ProxyNca(_) | Self::ProxyAnchor(_) => Some(1),
            Self::SoftTriple(of) => Some(of.centers_per_class),
            _ => None,
        }
    }

    /// Whether the batch can be compared with embeddings other than its own, such as a cross-batch memory.
    pub fn takes_references(&self) -> bool {
        self.proxies_per_class().is_none() && !matches!(self, Self::FastAp(_) | Self::RankedList(_))
    }

    /// Whether the pairs or triplets can be chosen, by a list or a miner.
    pub fn takes_tuples(&self) -> bool {
        !matches!(self, Self::RankedList(_))
    }
}

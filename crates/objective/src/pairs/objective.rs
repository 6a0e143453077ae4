//! All pair and proxy objectives under one type, by name.

use serde::{Deserialize, Serialize};

use super::parameters::{PairParameters, known_name, read};
use super::{
    Angular, Circle, Contrastive, FastAp, IntraPairVariance, LiftedStructure, MultiSimilarity, NtXent,
    PairError, ProxyAnchor, ProxyNca, RankedList, SignalToNoiseRatioContrastive, SoftTriple, SupCon,
    TripletMargin, TupletMargin,
};

/// An objective on pairs or triplets of embeddings, or on embeddings and proxies.
///
/// The settings are public, and checked whenever the objective is evaluated; [`PairObjective::from_name`] checks them at
/// once. Saved as its name and settings: `{"name": "contrastive", "neg_margin": 0.8}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is its settings, documented there")]
pub enum PairObjective {
    Contrastive(Contrastive),
    TripletMargin(TripletMargin),
    Circle(Circle),
    MultiSimilarity(MultiSimilarity),
    NtXent(NtXent),
    #[serde(rename = "supcon")]
    SupCon(SupCon),
    LiftedStructure(LiftedStructure),
    Angular(Angular),
    SignalToNoiseRatioContrastive(SignalToNoiseRatioContrastive),
    TupletMargin(TupletMargin),
    IntraPairVariance(IntraPairVariance),
    FastAp(FastAp),
    RankedList(RankedList),
    ProxyNca(ProxyNca),
    ProxyAnchor(ProxyAnchor),
    SoftTriple(SoftTriple),
}

const NAMES: &[&str] = &[
    "contrastive",
    "triplet-margin",
    "circle",
    "multi-similarity",
    "nt-xent",
    "supcon",
    "lifted-structure",
    "angular",
    "signal-to-noise-ratio-contrastive",
    "tuplet-margin",
    "intra-pair-variance",
    "fast-ap",
    "ranked-list",
    "proxy-nca",
    "proxy-anchor",
    "soft-triple",
];

const ALIASES: &[(&str, &str)] = &[
    ("triplet", "triplet-margin"),
    ("ntxent", "nt-xent"),
    ("supervised-contrastive", "supcon"),
    ("sup-con", "supcon"),
    ("generalized-lifted-structure", "lifted-structure"),
    ("generalised-lifted-structure", "lifted-structure"),
    ("fastap", "fast-ap"),
    ("proxynca", "proxy-nca"),
    ("proxyanchor", "proxy-anchor"),
    ("softtriple", "soft-triple"),
];

impl PairObjective {
    /// All names, as [`PairObjective::name`] gives them.
    pub const fn names() -> &'static [&'static str] {
        NAMES
    }

    /// An objective by name: those of pytorch-metric-learning without `Loss`, with hyphens (underscores are taken too).
    ///
    /// Parameters have the names of the fields of the objective's settings; what is absent takes its default. Other
    /// spellings: `triplet`, `ntxent`, `supervised-contrastive`, `generalized-lifted-structure` (which is what
    /// `lifted-structure` means), `fastap`, `softtriple`.
    ///
    /// # Errors
    /// [`PairError::UnknownName`] with the nearest name; [`PairError::Parameter`] for one that the objective does not
    /// have; [`PairError::OutOfRange`].
    pub fn from_name(name: &str, parameters: &PairParameters) -> Result<Self, PairError> {
        let name = known_name("pair objective", name, NAMES, ALIASES)?;
        let objective = match name {
            "contrastive" => Self::Contrastive(read(name, parameters)?),
            "triplet-margin" => Self::TripletMargin(read(name, parameters)?),
            "circle" => Self::Circle(read(name, parameters)?),
            "multi-similarity" => Self::MultiSimilarity(read(name, parameters)?),
            "nt-xent" => Self::NtXent(read(name, parameters)?),
            "supcon" => Self::SupCon(read(name, parameters)?),
            "lifted-structure" => Self::LiftedStructure(read(name, parameters)?),
            "angular" => Self::Angular(read(name, parameters)?),
            "signal-to-noise-ratio-contrastive" => {
                Self::SignalToNoiseRatioContrastive(read(name, parameters)?)
            }
            "tuplet-margin" => Self::TupletMargin(read(name, parameters)?),
            "intra-pair-variance" => Self::IntraPairVariance(read(name, parameters)?),
            "fast-ap" => Self::FastAp(read(name, parameters)?),
            "ranked-list" => Self::RankedList(read(name, parameters)?),
            "proxy-nca" => Self::ProxyNca(read(name, parameters)?),
            "proxy-anchor" => Self::ProxyAnchor(read(name, parameters)?),
            // soft-triple, the only name left
            _ => Self::SoftTriple(read(name, parameters)?),
        };
        objective.validate()?;
        Ok(objective)
    }

    /// The objective's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Contrastive(_) => "contrastive",
            Self::TripletMargin(_) => "triplet-margin",
            Self::Circle(_) => "circle",
            Self::MultiSimilarity(_) => "multi-similarity",
            Self::NtXent(_) => "nt-xent",
            Self::SupCon(_) => "supcon",
            Self::LiftedStructure(_) => "lifted-structure",
            Self::Angular(_) => "angular",
            Self::SignalToNoiseRatioContrastive(_) => "signal-to-noise-ratio-contrastive",
            Self::TupletMargin(_) => "tuplet-margin",
            Self::IntraPairVariance(_) => "intra-pair-variance",
            Self::FastAp(_) => "fast-ap",
            Self::RankedList(_) => "ranked-list",
            Self::ProxyNca(_) => "proxy-nca",
            Self::ProxyAnchor(_) => "proxy-anchor",
            Self::SoftTriple(_) => "soft-triple",
        }
    }

    /// Refuses settings outside their ranges.
    ///
    /// # Errors
    /// [`PairError::OutOfRange`] with the setting, its value and the range.
    pub fn validate(&self) -> Result<(), PairError> {
        match self {
            Self::Contrastive(of) => of.validate(),
            Self::TripletMargin(of) => of.validate(),
            Self::Circle(of) => of.validate(),
            Self::MultiSimilarity(of) => of.validate(),
            Self::NtXent(of) => of.validate(),
            Self::SupCon(of) => of.validate(),
            Self::LiftedStructure(of) => of.validate(),
            Self::Angular(of) => of.validate(),
            Self::SignalToNoiseRatioContrastive(of) => Contrastive::from(*of).validate(),
            Self::TupletMargin(of) => of.validate(),
            Self::IntraPairVariance(of) => of.validate(),
            Self::FastAp(of) => of.validate(),
            Self::RankedList(of) => of.validate(),
            Self::ProxyNca(of) => of.validate(),
            Self::ProxyAnchor(of) => of.validate(),
            Self::SoftTriple(of) => of.validate(),
        }
    }

    /// How many proxies each class has; `None` for objectives without proxies.
    ///
    /// Such an objective learns a matrix of `[classes * proxies_per_class, dim]`, the proxies of a class one after the
    /// other.
    pub fn proxies_per_class(&self) -> Option<usize> {
        match self {
            Self::ProxyNca(_) | Self::ProxyAnchor(_) => Some(1),
            Self::SoftTriple(of) => Some(of.centers_per_class),
            _ => None,
        }
    }

    /// Whether the batch may be compared with other embeddings than its own, such as a cross-batch memory.
    pub fn takes_references(&self) -> bool {
        self.proxies_per_class().is_none() && !matches!(self, Self::FastAp(_) | Self::RankedList(_))
    }

    /// Whether it may be told which pairs or triplets to use.
    pub fn takes_tuples(&self) -> bool {
        !matches!(self, Self::RankedList(_))
    }
}

//! One row of the catalogue.

use serde::Serialize;

use crate::class::{Name, Rule};
use crate::error::Result;
use crate::family::{Objective, ObjectiveBuilder};
use crate::pairs::PairObjective;
use crate::parameter::{ObjectiveParameter, Values};

/// What an objective compares features with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveKind {
    /// Learnt class centres, by margins, pools and links.
    ClassCentres,
    /// Learnt proxies of classes, as pytorch-metric-learning does.
    Proxies,
    /// The other features of the batch, in pairs or triplets.
    Pairs,
}

/// A named objective.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct CatalogueEntry {
    /// The name.
    pub name: &'static str,
    /// Other spellings that are accepted.
    pub aliases: &'static [&'static str],
    /// What features are compared with.
    pub kind: ObjectiveKind,
    /// The parameters, with defaults and ranges.
    pub parameters: Vec<ObjectiveParameter>,
    /// The paper.
    pub source: &'static str,
    #[serde(skip)]
    pub(super) builder: Builder,
}

/// How an objective is built from checked parameters.
#[derive(Debug)]
pub(super) enum Builder {
    /// On class centres: the point of the family and its rule, for some number of classes.
    Classes {
        recipe: fn(&Values, usize) -> Result<Recipe>,
        /// Whether a point of the family, whatever its scale, margin and temperature, has this name.
        describes: fn(&Objective) -> bool,
    },
    /// On pairs or proxies: any objective of the same kind.
    Pairs(PairObjective),
}

/// A point of the family that is still to be checked, and the rule that adapts it.
pub(super) struct Recipe {
    pub(super) base: ObjectiveBuilder,
    pub(super) rule: Rule,
}

impl From<ObjectiveBuilder> for Recipe {
    fn from(base: ObjectiveBuilder) -> Self {
        Self { base, rule: Rule::Fixed }
    }
}

impl CatalogueEntry {
    pub(super) fn class_name(&self) -> Name {
        Name(self.name)
    }

    pub(super) fn describes(&self, objective: &Objective) -> bool {
        matches!(self.builder, Builder::Classes { describes, .. } if describes(objective))
    }
}

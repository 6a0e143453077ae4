//! An objective on class centres: a point of the family and the rule that adapts it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::state::ClassState;
use crate::bounds;
use crate::error::{Error, Result};
use crate::family::{Margin, Objective, Score};

/// An objective on class centres, with its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassObjective {
    pub(super) name: Name,
    pub(super) base: Objective,
    pub(super) rule: Rule,
    pub(super) classes: usize,
    pub(super) sub_centres: usize,
    pub(super) ignore_label: Option<u32>,
    pub(super) class_margins: Option<Vec<f64>>,
    pub(super) margin_share: f64,
    pub(super) state: ClassState,
}

/// A name of the catalogue, or [`Name::COMPOSED`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Name(pub(crate) &'static str);

impl Name {
    /// The name of a point of the family that has none.
    pub(crate) const COMPOSED: Self = Self("composed");
}

/// How the point of a sample is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Rule {
    /// The same for every sample of every batch.
    Fixed,
    Curricular {
        momentum: f64,
    },
    AdaFace {
        margin: f64,
        concentration: f64,
        momentum: f64,
    },
    MagFace {
        norms: [f64; 2],
        margins: [f64; 2],
        weight: f64,
    },
    Elastic {
        deviation: f64,
        seed: u64,
    },
    DynamicScale,
    LearntScale,
    Binary {
        balance: f64,
        exponent: f64,
    },
}

impl ClassObjective {
    /// An objective for `classes` classes, with one centre per class and nothing ignored. `usize::MAX` means any number of classes.
    pub(crate) fn new(name: Name, base: Objective, rule: Rule, classes: usize) -> Self {
        let state = ClassState::first(base.score().scale());
        Self {
            name,
            base,
            rule,
            classes,
            sub_centres: 1,
            ignore_label: None,
            class_margins: None,
            margin_share: 1.0,
            state,
        }
    }

    /// The name it was built by, or that of its point of the family, or `composed`.
    pub fn name(&self) -> &'static str {
        self.name.0
    }

    /// The point of the family that the rule adapts per batch or sample.
    pub fn base(&self) -> &Objective {
        &self.base
    }

    /// How the similarities are scored.
    pub fn score(&self) -> Score {
        self.base.score()
    }

    /// Class centres per class; the similarity with the class is the largest of theirs. The matrix of centres is
    /// `[classes * sub_centres, dim]`, the centres of a class one after the other.
    pub fn sub_centres(&self) -> usize {
        self.sub_centres
    }

    /// Samples of this label have loss 0 and no gradient, and do not count.
    pub fn ignore_label(&self) -> Option<u32> {
        self.ignore_label
    }

    /// The parameter that is learnt besides the centres, if there is one: `scale` or `bias`, with its value.
    pub fn learnt(&self) -> Option<(&'static str, f64)> {
        match self.rule {
            Rule::LearntScale => Some(("scale", self.state.scale)),
            Rule::Binary { .. } => Some(("bias", self.state.bias)),
            _ => None,
        }
    }

    /// The factor on similarities in the exponents of the pool at the current state: the scale, which may be learnt or chosen per
    /// batch, divided by the temperature. `None` without exponents.
    pub fn sharpness(&self) -> Option<f64> {
        let base = self.base.score().scale();
        let scale = match self.rule {
            Rule::LearntScale | Rule::DynamicScale => self.state.scale,
            _ => base,
        };
        self.base.sharpness().map(|sharpness| sharpness * (scale / base))
    }

    /// The running statistics and learnt parameters.
    pub fn state(&self) -> &ClassState {
        &self.state
    }

    /// Sets the state: the next one of an evaluation, or that of a checkpoint.
    ///
    /// # Errors
    /// If a value is outside its range.
    pub fn commit(&mut self, state: ClassState) -> Result<()> {
        state.validate()?;
        self.state = state;
        Ok(())
    }

    /// Sets the learnt parameter, as an optimiser does. A scale is clamped to `[1e-3, 1e4]`.
    ///
    /// # Errors
    /// If it is not finite, or nothing is learnt.
    pub fn set_learnt(&mut self, value: f64) -> Result<()> {
        bounds::FINITE.check("learnt parameter", value)?;
        match self.rule {
            Rule::LearntScale => self.state.scale = value.clamp(1e-3, 1e4),
            Rule::Binary { .. } => self.state.bias = value.clamp(-1e6, 1e6),
            _ => {
                let expected = "none: this objective learns only its class centres".to_owned();
                return Err(Error::OutOfRange { setting: "learnt parameter", found: value, expected });
            }
        }
        Ok(())
    }

    /// Sets the share of the margin that is applied, 0 to 1. A margin warm-up calls this at each step.
    pub fn set_margin_share(&mut self, share: f64) {
        self.margin_share = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
    }

    /// Whether there is one margin per class.
    pub fn has_class_margins(&self) -> bool {
        self.class_margins.is_some()
    }

    /// Whether every sample's loss is a softmax over unchanged non-target classes ([`Objective::is_softmax`]).
    pub fn is_softmax(&self) -> bool {
        self.base.is_softmax() && !matches!(self.rule, Rule::Curricular { .. } | Rule::Binary { .. })
    }

    /// Whether there is a margin that could be warmed up.
    pub fn has_margin(&self) -> bool {
        *self.base.margin() != Margin::None || self.class_margins.is_some()
    }

    /// The current amount of the margin, in its unit; see [`Margin::amount`].
    pub fn margin_in_force(&self) -> f64 {
        self.base.margin().with_share(self.margin_share).amount()
    }

    /// The same objective with `count` centres per class.
    ///
    /// # Errors
    /// If the count is not from 1 to 1000.
    pub fn with_sub_centres(mut self, count: usize) -> Result<Self> {
        bounds::COUNT.check("sub_centres", count as f64)?;
        self.sub_centres = count;
        Ok(self)
    }

    /// The same objective with one margin per class, in the unit of the objective's margin.
    ///
    /// For long-tailed data: give classes with few samples a larger margin ([`ClassObjective::with_margins_by_count`]).
    /// ElasticFace draws around the margin of the sample's class.
    ///
    /// # Errors
    /// If the number of margins differs from the number of classes, if a margin is outside its range, or if the objective's
    /// margin is not one amount in cosine, angle or score.
    pub fn with_class_margins(mut self, margins: &[f64]) -> Result<Self> {
        let simple = matches!(
            self.base.margin(),
            Margin::Additive(_) | Margin::AdditiveCosine(_) | Margin::AdditiveAngle { .. }
        );
        if !simple || !matches!(self.rule, Rule::Fixed | Rule::Curricular { .. } | Rule::Elastic { .. }) {
            return Err(Error::Incompatible {
                first: "one margin per class",
                second: "an objective without one plain margin",
                reason: "use an additive margin in cosine, angle or score",
            });
        }
        if self.classes != usize::MAX && margins.len() != self.classes {
            return Err(Error::Count { what: "class margins", found: margins.len(), expected: self.classes });
        }
        for &margin in margins {
            self.base.with_margin(margin)?;
        }
        self.class_margins = Some(margins.to_vec());
        Ok(self)
    }

    /// The same objective, ignoring the samples of one label.
    #[must_use]
    pub fn with_ignore_label(mut self, label: Option<u32>) -> Self {
        self.ignore_label = label;
        self
    }
}

impl fmt::Display for ClassObjective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.base)?;
        match self.rule {
            Rule::Fixed => {}
            Rule::Curricular { .. } => f.write_str(", non-targets by a curriculum")?,
            Rule::AdaFace { margin, concentration, .. } => {
                write!(f, ", margin {margin} by the quality of the norm (h {concentration})")?;
            }
            Rule::MagFace { norms: [a, b], margins: [c, d], .. } => {
                write!(f, ", margin {c} to {d} rad by norms {a} to {b}")?;
            }
            Rule::Elastic { deviation, .. } => write!(f, ", margin drawn with deviation {deviation}")?,
            Rule::DynamicScale => f.write_str(", scale chosen per batch")?,
            Rule::LearntScale => f.write_str(", scale learnt")?,
            Rule::Binary { balance, exponent } => {
                write!(f, ", {balance} : {} binary classifications, t {exponent}", 1.0 - balance)?;
            }
        }
        if self.sub_centres > 1 {
            write!(f, ", {} centres per class", self.sub_centres)?;
        }
        if self.class_margins.is_some() {
            f.write_str(", one margin per class")?;
        }
        Ok(())
    }
}

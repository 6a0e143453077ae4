//! Objectives against class centres as training uses them: a point of the family, and what chooses it anew for each batch
//! or sample.
//!
//! Most margin softmaxes of the literature are one point of the [family](crate::Objective). Some choose their margin or
//! scale by the batch (CurricularFace, AdaCos), by the sample (AdaFace, MagFace, ElasticFace, margins a class) or learn it
//! (NormFace, SphereFace2). A [`ClassObjective`] is either: for each batch it *resolves* to one [`Point`] a sample,
//! and tells the state that follows. Nothing is changed by evaluating: the caller commits the next state with
//! [`ClassObjective::commit`] once the step is taken, so that a step refused for `NaN` leaves no trace.
//!
//! ```
//! use widemargin_objective::{ClassObjective, ClassParameters, EvaluateOptions, MatRef};
//!
//! let mut objective = ClassObjective::from_name("curricularface", &ClassParameters::default(), 3)?;
//! let (features, centres) = ([1.0_f64, 0.2, -0.3, 0.9], [1.0, 0.0, 0.0, 1.0, -1.0, -1.0]);
//! let (features, centres) = (MatRef::new(&features, 2, 2)?, MatRef::new(&centres, 3, 2)?);
//! let out = objective.evaluate(features, centres, &[0, 1], &EvaluateOptions::default())?;
//! objective.commit(out.next_state)?;
//! assert!(objective.state().running_target > 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod by_count;
mod evaluate;
mod parameters;
mod point;
mod presets;
mod resolve;
mod state;

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

pub use by_count::{FOURTH_ROOT, margins_by_count};
pub use evaluate::ClassEvaluation;
pub use parameters::{ClassParameters, TargetMargin};
pub use point::{Binary, BinaryPass, Point, PointOutcome, PointPass};
pub use resolve::{BatchFacts, BatchPoints, NormTerm};
pub use state::ClassState;

use crate::builder::within;
use crate::{Margin, Objective, ObjectiveError, Score};

/// An objective against class centres, with what it remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassObjective {
    name: Name,
    base: Objective,
    rule: Rule,
    classes: usize,
    sub_centres: usize,
    ignore_label: Option<u32>,
    class_margins: Option<Vec<f64>>,
    margin_share: f64,
    state: ClassState,
}

/// One of this crate's names, also when it was read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Name(&'static str);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = String::deserialize(deserializer)?;
        let known = ClassObjective::names().iter().chain([&COMPOSED]).find(|name| **name == found);
        let known = known
            .copied()
            .ok_or_else(|| D::Error::custom(format_args!("no objective is called `{found}`")))?;
        Ok(Self(known))
    }
}

/// The name of a point of the family that has none.
const COMPOSED: &str = "composed";

/// What chooses a sample's point; see the [page of formulas](ClassObjective::from_name).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Rule {
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

impl From<Objective> for ClassObjective {
    /// A point of the family that stays what it is, for any number of classes.
    fn from(base: Objective) -> Self {
        Self {
            name: Name(base.name().unwrap_or(COMPOSED)),
            base,
            rule: Rule::Fixed,
            classes: usize::MAX,
            sub_centres: 1,
            ignore_label: None,
            class_margins: None,
            margin_share: 1.0,
            state: ClassState::first(base.score().scale()),
        }
    }
}

impl ClassObjective {
    /// The name it was asked for by, or that of its point of the family.
    pub fn name(&self) -> &'static str {
        self.name.0
    }

    /// The point of the family that everything else is a variation of, without what the batch decides.
    pub fn base(&self) -> &Objective {
        &self.base
    }

    /// How the similarities are scored.
    pub fn score(&self) -> Score {
        self.base.score()
    }

    /// Class centres of each class; the similarity with the class is the largest of theirs. The matrix of centres is
    /// `[classes * sub_centres, dim]`, those of a class one after the other.
    pub fn sub_centres(&self) -> usize {
        self.sub_centres
    }

    /// Samples of this label take no part: loss 0, no gradient, not counted.
    pub fn ignore_label(&self) -> Option<u32> {
        self.ignore_label
    }

    /// What is learnt by gradient beside the centres, if anything: `scale` or `bias`, with its value now.
    pub fn learnt(&self) -> Option<(&'static str, f64)> {
        match self.rule {
            Rule::LearntScale => Some(("scale", self.state.scale)),
            Rule::Binary { .. } => Some(("bias", self.state.bias)),
            _ => None,
        }
    }

    /// The running statistics and learnt numbers.
    pub fn state(&self) -> &ClassState {
        &self.state
    }

    /// Takes a state: the next one of an evaluation, or that of a checkpoint.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn commit(&mut self, state: ClassState) -> Result<(), ObjectiveError> {
        state.validate()?;
        self.state = state;
        Ok(())
    }

    /// Sets the learnt number, as an optimiser does; a scale is kept within `[1e-3, 1e4]`.
    ///
    /// # Errors
    /// If it is not finite, or nothing is learnt.
    pub fn set_learnt(&mut self, value: f64) -> Result<(), ObjectiveError> {
        within(-1e30..=1e30, "learnt number", value, "a finite number")?;
        match self.rule {
            Rule::LearntScale => self.state.scale = value.clamp(1e-3, 1e4),
            Rule::Binary { .. } => self.state.bias = value.clamp(-1e6, 1e6),
            _ => {
                return Err(ObjectiveError::OutOfRange {
                    setting: "learnt number",
                    found: value,
                    expected: "none: this objective learns nothing beside its centres",
                });
            }
        }
        Ok(())
    }

    /// Puts a share of the margin in force, from none at 0 to all at 1; what a margin warm-up calls at each step.
    pub fn set_margin_share(&mut self, share: f64) {
        self.margin_share = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
    }

    /// Whether each class has a margin of its own.
    pub fn has_class_margins(&self) -> bool {
        self.class_margins.is_some()
    }

    /// Whether every sample's loss is a softmax over competitors that enter as they are ([`Objective::is_softmax`]).
    pub fn is_softmax(&self) -> bool {
        self.base.is_softmax() && !matches!(self.rule, Rule::Curricular { .. } | Rule::Binary { .. })
    }

    /// Whether there is a margin that could be warmed up.
    pub fn has_margin(&self) -> bool {
        self.base.margin() != Margin::None || self.class_margins.is_some()
    }

    /// The amount of the margin that is in force now, in its own unit; see [`Margin::amount`].
    pub fn margin_in_force(&self) -> f64 {
        self.base.margin().with_share(self.margin_share).amount()
    }

    /// The same with `count` centres a class.
    ///
    /// # Errors
    /// If the count is not from 1 to 1000.
    pub fn with_sub_centres(mut self, count: usize) -> Result<Self, ObjectiveError> {
        within(1.0..=1000.0, "sub-centres", count as f64, "1 to 1000 centres a class")?;
        self.sub_centres = count;
        Ok(self)
    }

    /// The same with a margin of its own for each class, in the unit of the objective's margin.
    ///
    /// For long-tailed data: a larger margin for classes with few samples ([`ClassObjective::with_margins_by_count`]). ElasticFace draws
    /// around the margin of the sample's class.
    ///
    /// # Errors
    /// If there is not one a class, if one is out of range, or if the objective's margin is not one amount in cosine, angle or
    /// score.
    pub fn with_class_margins(mut self, margins: &[f64]) -> Result<Self, ObjectiveError> {
        let simple = matches!(
            self.base.margin(),
            Margin::Additive(_) | Margin::AdditiveCosine(_) | Margin::AdditiveAngle { .. }
        );
        if !simple || !matches!(self.rule, Rule::Fixed | Rule::Curricular { .. } | Rule::Elastic { .. }) {
            return Err(ObjectiveError::Incompatible {
                first: "a margin for each class",
                second: "an objective without one plain margin",
                reason: "take an additive margin in cosine, angle or score",
            });
        }
        if self.classes != usize::MAX && margins.len() != self.classes {
            return Err(ObjectiveError::Count {
                what: "class margins",
                found: margins.len(),
                expected: self.classes,
            });
        }
        for &margin in margins {
            self.base.with_margin(margin)?;
        }
        self.class_margins = Some(margins.to_vec());
        Ok(self)
    }

    /// The same without the samples of one label.
    #[must_use]
    pub fn with_ignore_label(mut self, label: Option<u32>) -> Self {
        self.ignore_label = label;
        self
    }
}

impl fmt::Display for ClassObjective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base.to_string();
        if !base.starts_with(self.name()) {
            write!(f, "{}: ", self.name())?;
        }
        f.write_str(&base)?;
        match self.rule {
            Rule::Fixed => {}
            Rule::Curricular { .. } => f.write_str(", competitors by a curriculum")?,
            Rule::AdaFace { margin, concentration, .. } => {
                write!(f, ", margin {margin} by the quality of the norm (h {concentration})")?;
            }
            Rule::MagFace { norms: [a, b], margins: [c, d], .. } => {
                write!(f, ", margin {c} to {d} rad by norms {a} to {b}")?;
            }
            Rule::Elastic { deviation, .. } => write!(f, ", margin drawn with deviation {deviation}")?,
            Rule::DynamicScale => f.write_str(", scale by the batch")?,
            Rule::LearntScale => f.write_str(", scale learnt")?,
            Rule::Binary { balance, exponent } => {
                write!(f, ", {balance} : {} binary classifications, t {exponent}", 1.0 - balance)?;
            }
        }
        if self.sub_centres > 1 {
            write!(f, ", {} centres a class", self.sub_centres)?;
        }
        if self.class_margins.is_some() {
            f.write_str(", a margin for each class")?;
        }
        Ok(())
    }
}

//! Rules that change the similarities of non-target classes before they are pooled.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A rule for the non-target classes; needs cosine scores and a log-sum-exp pool. A non-target is *ahead* if its cosine is above
/// the target's cosine after the margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Competitors {
    /// No change.
    #[default]
    Unchanged,
    /// Non-targets that are ahead become `cos_i (t + cos_i)` (CurricularFace: Huang et al., 2020, section 3.2).
    Curricular {
        /// `t`, the running mean of the target cosines, in `[-1, 1]`: near 0 early in training, which makes hard samples easier.
        running_target: f64,
    },
    /// Non-targets that are ahead become `(1 + v) cos_i + v` (MV-Softmax: Wang et al., 2020, section 3.2).
    Emphasised {
        /// `v`, in `[0, 10]`.
        emphasis: f64,
    },
    /// The `count` largest become `cos_i + m'` (inter-top-k: Zhao et al., 2022, section 3).
    TopK {
        /// How many, 1 to 1000; all if there are fewer. Among equals the lowest class comes first.
        count: usize,
        /// `m'`, in `[0, 2]`.
        margin: f64,
    },
    /// Non-targets above the bound leave the sum, since they are likely mislabelled samples of the target class.
    Filtered {
        /// The bound, in `[-1, 1]`.
        bound: f64,
    },
}

impl Competitors {
    /// The changed similarity and its derivative with respect to the plain one; `None` if the class leaves the sum.
    /// [`Competitors::TopK`] needs the whole row and changes nothing here.
    pub(crate) fn of(self, similarity: f64, target: f64) -> Option<(f64, f64)> {
        match self {
            Self::Curricular { running_target } if similarity > target => {
                Some((similarity * (running_target + similarity), running_target + 2.0 * similarity))
            }
            Self::Emphasised { emphasis } if similarity > target => {
                Some(((1.0 + emphasis) * similarity + emphasis, 1.0 + emphasis))
            }
            Self::Filtered { bound } if similarity > bound => None,
            _ => Some((similarity, 1.0)),
        }
    }
}

impl fmt::Display for Competitors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => f.write_str("all non-targets alike"),
            Self::Curricular { running_target } => {
                write!(f, "non-targets ahead weighted by {running_target} + cosine")
            }
            Self::Emphasised { emphasis } => write!(f, "non-targets ahead raised by {emphasis}"),
            Self::TopK { count, margin } => write!(f, "the {count} nearest non-targets raised by {margin}"),
            Self::Filtered { bound } => write!(f, "non-targets above {bound} left out"),
        }
    }
}

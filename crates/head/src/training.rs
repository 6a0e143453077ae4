//! A head of either kind, for training loops that take any objective.

use serde::{Deserialize, Serialize};
use widemargin_objective::pairs::Miner;
use widemargin_objective::{AnyObjective, Diagnostics, MatRef};

use crate::config::{HeadConfig, HeadMode};
use crate::error::Error;
use crate::forward::PendingUpdate;
use crate::head::Head;
use crate::inherit::ClassOrigin;
use crate::pairs::{PairHead, PairHeadConfig, PairHeadState, PendingProxies};
use crate::state::{HeadState, HeadTensor};

/// A [`Head`] or a [`PairHead`], depending on the objective.
#[derive(Clone, Debug)]
pub enum TrainingHead {
    /// For an objective on class centres.
    Classes(Box<Head>),
    /// For an objective on pairs, triplets or proxies.
    Pairs(Box<PairHead>),
}

/// Result of [`TrainingHead::forward`].
#[derive(Clone, Debug)]
pub struct TrainingForward {
    /// Loss of the batch.
    pub loss: f64,
    /// Gradient of the loss with respect to the features: `[batch, dim]`, row-major, finite.
    pub grad_features: Vec<f32>,
    /// Diagnostics of the batch; those that need class centres are `NaN` if there are none.
    pub diagnostics: Diagnostics,
    /// Why the batch had no effect, if it had none.
    pub warning: Option<String>,
    /// The update of centres or proxies, for [`TrainingHead::apply`].
    pub pending: TrainingUpdate,
}

/// The update of class centres or proxies, computed but not yet applied.
#[derive(Clone, Debug)]
#[must_use = "the head does not change until the update is applied"]
pub enum TrainingUpdate {
    /// Of class centres.
    Classes(PendingUpdate),
    /// Of proxies.
    Pairs(PendingProxies),
}

/// The whole state of a [`TrainingHead`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainingHeadState {
    /// Of a [`Head`].
    Classes(Box<HeadState>),
    /// Of a [`PairHead`].
    Pairs(Box<PairHeadState>),
}

impl TrainingHeadState {
    /// The tensors, for a caller that stores them in another format than the rest.
    pub fn tensors_mut(&mut self) -> &mut Vec<HeadTensor> {
        match self {
            Self::Classes(state) => &mut state.tensors,
            Self::Pairs(state) => &mut state.tensors,
        }
    }
}

impl TrainingHead {
    /// Creates a head with initial centres or proxies. `miner` and `memory` are for objectives on pairs
    /// ([`PairHeadConfig`]); `config.mode` is for objectives on class centres.
    ///
    /// # Errors
    /// The errors of [`Head::new`] or [`PairHead::new`].
    pub fn new(
        classes: usize,
        dim: usize,
        objective: AnyObjective,
        config: HeadConfig,
        miner: Option<Miner>,
        memory: usize,
    ) -> Result<Self, Error> {
        Ok(match objective {
            AnyObjective::Classes(objective) => {
                Self::Classes(Box::new(Head::new(classes, dim, *objective, config)?))
            }
            AnyObjective::Pairs(objective) => {
                let HeadConfig { optimiser, seed, .. } = config;
                let config = PairHeadConfig { optimiser, seed, miner, memory };
                Self::Pairs(Box::new(PairHead::new(classes, dim, objective, config)?))
            }
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        match self {
            Self::Classes(head) => head.classes(),
            Self::Pairs(head) => head.classes(),
        }
    }

    /// Dimension of the embeddings.
    pub fn dim(&self) -> usize {
        match self {
            Self::Classes(head) => head.dim(),
            Self::Pairs(head) => head.dim(),
        }
    }

    /// The head with class centres, if the objective has them.
    pub fn class_head(&self) -> Option<&Head> {
        match self {
            Self::Classes(head) => Some(head),
            Self::Pairs(_) => None,
        }
    }

    /// The objective and its parameters.
    pub fn formula(&self) -> String {
        match self {
            Self::Classes(head) => head.objective().to_string(),
            Self::Pairs(head) => serde_json::to_string(head.objective()).expect("plain data"),
        }
    }

    /// Applies a share of the margin, 0 to 1; has no effect without a margin on class centres.
    pub fn set_margin_share(&mut self, share: f64) {
        if let Self::Classes(head) = self {
            head.set_margin_share(share);
        }
    }

    /// The current margin; 0 without a margin on class centres.
    pub fn margin_in_force(&self) -> f64 {
        self.class_head().map_or(0.0, |head| head.objective().margin_in_force())
    }

    /// Loss and gradients of a batch. Nothing is updated, except that a cross-batch memory stores the batch.
    ///
    /// # Errors
    /// The errors of [`Head::forward`] or [`PairHead::forward`].
    pub fn forward(&mut self, features: MatRef<'_>, labels: &[u32]) -> Result<TrainingForward, Error> {
        match self {
            Self::Classes(head) => {
                let found = head.forward(features, labels)?;
                Ok(TrainingForward {
                    loss: found.loss,
                    grad_features: found.grad_features,
                    diagnostics: found.diagnostics,
                    warning: None,
                    pending: TrainingUpdate::Classes(found.pending),
                })
            }
            Self::Pairs(head) => {
                let found = head.forward(features, labels)?;
                let active = found.counts.active_share();
                let diagnostics = Diagnostics {
                    samples: labels.len(),
                    mean_push: active,
                    effective_competitors: f64::NAN,
                    mean_target_cosine: f64::NAN,
                    margin_met: 1.0 - active,
                    accuracy: f64::NAN,
                };
                Ok(TrainingForward {
                    loss: found.loss,
                    grad_features: found.grad_features,
                    diagnostics,
                    warning: found.warning.map(|warning| warning.to_string()),
                    pending: TrainingUpdate::Pairs(found.pending),
                })
            }
        }
    }

    /// Euclidean norm of the gradient of everything that the head learns: centres with the learnt value of the objective, or
    /// proxies.
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update of another step; [`Error::OtherKind`] for one of the other kind of head.
    pub fn gradient_norm(&self, pending: &TrainingUpdate) -> Result<f64, Error> {
        match (self, pending) {
            (Self::Classes(head), TrainingUpdate::Classes(pending)) => head.gradient_norm(pending),
            (Self::Pairs(head), TrainingUpdate::Pairs(pending)) => Ok(head.gradient_norm(pending)),
            _ => Err(self.other_kind()),
        }
    }

    /// Applies a pending update: one optimiser step with `clip_factor` times its gradient.
    ///
    /// # Errors
    /// The errors of [`Head::apply`] or [`PairHead::apply`]; [`Error::OtherKind`]. On error the head is unchanged.
    pub fn apply(
        &mut self,
        pending: TrainingUpdate,
        learning_rate: f64,
        clip_factor: f64,
    ) -> Result<(), Error> {
        match (self, pending) {
            (Self::Classes(head), TrainingUpdate::Classes(pending)) => {
                head.apply(pending, learning_rate, clip_factor)
            }
            (Self::Pairs(head), TrainingUpdate::Pairs(pending)) => {
                head.apply(pending, learning_rate, clip_factor)
            }
            (head, _) => Err(head.other_kind()),
        }
    }

    /// [`TrainingHead::apply`] without clipping; also returns [`TrainingHead::gradient_norm`], which a head of class centres
    /// computes in the same pass.
    ///
    /// # Errors
    /// The errors of [`TrainingHead::apply`].
    pub fn apply_and_measure(&mut self, pending: TrainingUpdate, learning_rate: f64) -> Result<f64, Error> {
        match (self, pending) {
            (Self::Classes(head), TrainingUpdate::Classes(pending)) => {
                head.apply_and_measure(pending, learning_rate)
            }
            (head, pending) => {
                let norm = head.gradient_norm(&pending)?;
                head.apply(pending, learning_rate, 1.0)?;
                Ok(norm)
            }
        }
    }

    /// [`Head::set_mode`]; has no effect on an objective on pairs.
    ///
    /// # Errors
    /// The errors of [`Head::set_mode`]. On error the head is unchanged.
    pub fn set_mode(&mut self, mode: HeadMode) -> Result<(), Error> {
        match self {
            Self::Classes(head) => head.set_mode(mode),
            Self::Pairs(_) => Ok(()),
        }
    }

    /// Whether [`TrainingHead::predict`] needs class means, because there are no class centres.
    pub fn needs_class_means(&self) -> bool {
        matches!(self, Self::Pairs(_))
    }

    /// The class of each row of `features`: by the class centres, or by the nearest of `class_means` (`[classes, dim]`) if there are
    /// none.
    ///
    /// # Errors
    /// The errors of [`Head::predict`] or [`PairHead::predict`].
    pub fn predict(&self, features: MatRef<'_>, class_means: &[f32]) -> Result<Vec<u32>, Error> {
        match self {
            Self::Classes(head) => head.predict(features),
            Self::Pairs(head) => head.predict(features, class_means),
        }
    }

    /// A copy of the whole state.
    pub fn state(&self) -> TrainingHeadState {
        match self {
            Self::Classes(head) => TrainingHeadState::Classes(Box::new(head.state())),
            Self::Pairs(head) => TrainingHeadState::Pairs(Box::new(head.state())),
        }
    }

    /// Restores a state of a head with the same objective and settings, to the bit.
    ///
    /// # Errors
    /// The errors of [`Head::restore`] or [`PairHead::restore`]; [`Error::OtherKind`]. On error the head is unchanged.
    pub fn restore(&mut self, state: TrainingHeadState) -> Result<(), Error> {
        match (self, state) {
            (Self::Classes(head), TrainingHeadState::Classes(state)) => head.restore(*state),
            (Self::Pairs(head), TrainingHeadState::Pairs(state)) => head.restore(*state),
            (head, _) => Err(head.other_kind()),
        }
    }

    /// Continues `earlier` with the classes of this head, which has just been created: [`Head::inherit`] or [`PairHead::inherit`].
    ///
    /// # Errors
    /// The errors of the two; [`Error::OtherKind`]. On error the head is unchanged.
    pub fn inherit(&mut self, earlier: Self, origins: &[ClassOrigin]) -> Result<(), Error> {
        match (self, earlier) {
            (Self::Classes(head), Self::Classes(earlier)) => head.inherit(*earlier, origins),
            (Self::Pairs(head), Self::Pairs(earlier)) => head.inherit(&earlier, origins),
            (head, _) => Err(head.other_kind()),
        }
    }

    /// Centres or proxies per class; 0 for an objective on pairs without proxies.
    pub fn rows_per_class(&self) -> usize {
        match self {
            Self::Classes(head) => head.sub_centres(),
            Self::Pairs(head) => head.objective().proxies_per_class().unwrap_or(0),
        }
    }

    fn other_kind(&self) -> Error {
        let [classes, pairs] = ["an objective on class centres", "an objective on pairs"];
        match self {
            Self::Classes(_) => Error::OtherKind { found: pairs, expected: classes },
            Self::Pairs(_) => Error::OtherKind { found: classes, expected: pairs },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{labels, values, view};

    /// Stopped and restored in the middle, both kinds end with the same bits.
    #[test]
    fn a_restored_head_continues_to_the_same_bits() {
        let (batch, classes, dim) = (12, 4, 6);
        for (name, memory) in [("am-softmax", 0), ("proxy-nca", 0), ("soft-triple", 0), ("contrastive", 30)] {
            let new = || {
                let objective = AnyObjective::from_name(name, &serde_json::Map::default(), classes);
                let (objective, config) = (objective.expect("defaults"), HeadConfig::default());
                TrainingHead::new(classes, dim, objective, config, None, memory).expect("in range")
            };
            let step = |head: &mut TrainingHead, step: u64| {
                let (x, y) = (values(batch * dim, step), labels(batch, classes, 50 + step));
                let found = head.forward(view(&x, batch, dim), &y).expect("finite");
                let norm = head.gradient_norm(&found.pending).expect("of this step");
                let measured = head.apply_and_measure(found.pending, 0.1).expect("in range");
                assert!((norm - measured).abs() <= 1e-6 * norm, "{name}: {norm} {measured}");
                (found.loss.to_bits(), found.grad_features)
            };
            let mut head = new();
            (0..3).for_each(|at| drop(step(&mut head, at)));
            let text = serde_json::to_string(&head.state()).expect("plain data");
            let mut restored = new();
            restored.restore(serde_json::from_str(&text).expect("just written")).expect("the same head");
            assert!((3..6).all(|at| step(&mut head, at) == step(&mut restored, at)), "{name}");
            assert!(head.state() == restored.state(), "{name}");
            let x = values(batch * dim, 9);
            let means = if head.needs_class_means() { values(classes * dim, 8) } else { Vec::new() };
            let predicted = head.predict(view(&x, batch, dim), &means).expect("finite");
            assert!(predicted.iter().all(|class| (*class as usize) < classes), "{name}");
        }
    }

    #[test]
    fn the_state_of_the_other_kind_is_rejected() {
        let new = |name| {
            let objective = AnyObjective::from_name(name, &serde_json::Map::default(), 3).expect("defaults");
            TrainingHead::new(3, 2, objective, HeadConfig::default(), None, 0).expect("in range")
        };
        let (mut classes, mut pairs) = (new("am-softmax"), new("proxy-nca"));
        let (of_classes, of_pairs) = (classes.state(), pairs.state());
        assert!(matches!(classes.restore(of_pairs), Err(Error::OtherKind { .. })));
        assert!(matches!(pairs.restore(of_classes), Err(Error::OtherKind { .. })));
        let mut short = pairs.state();
        short.tensors_mut().pop();
        assert!(matches!(pairs.restore(short), Err(Error::MissingTensor { .. })));
    }
}

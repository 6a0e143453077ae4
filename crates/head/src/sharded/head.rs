//! One rank's part of a sharded head.

use std::borrow::Cow;
use std::ops::Range;

use widemargin_objective::{ClassObjective, MatRef};

use super::agreement::{Fact, agree, of_text};
use super::division::{check_shards, classes_of, dense};
use super::state::ShardState;
use crate::communicator::Communicator;
use crate::config::HeadConfig;
use crate::error::{Error, within};
use crate::forward::{HeadForward, PendingUpdate, with_learnt};
use crate::head::{Head, HeadStep};
use crate::initial::{check_size, initial_rows};
use crate::state::{HeadState, HeadTensor};
use crate::storage::CENTRES;

/// One rank's part of a sharded head: a range of the classes with the optimiser's memory of them, and a [`Communicator`] to the
/// ranks that hold the others.
///
/// The ranks hold contiguous ranges of the classes, in order: of `C` classes on `R` ranks each has `C / R`, and the first
/// `C mod R` ranks have one more. A rank needs the memory and time of a dense [`Head`] of its classes.
///
/// A *collective* method returns when every rank has called it; all ranks must call it with the same batch and learning rate. Each
/// forward pass compares what the ranks must have in common ([`Error::RanksDiffer`]). An error on one rank is an error on all
/// ([`Error::RankFailed`]).
///
/// ```
/// use widemargin_head::{HeadConfig, MatRef, Objective, ShardedHead, ThreadGroup};
///
/// let objective = Objective::am_softmax(30.0, 0.35)?;
/// let features = [0.1_f32, 0.2, -0.3, 0.4, -0.5, 0.6, 0.7, -0.8];
/// std::thread::scope(|scope| {
///     for rank in ThreadGroup::new().ranks(3) {
///         let objective = objective.clone();
///         scope.spawn(move || {
///             let mut head = ShardedHead::new(rank, 10, 4, objective, HeadConfig::default())?;
///             let features = MatRef::new(&features, 2, 4).expect("two rows of four");
///             let first = head.step(features, &[3, 7], 0.1)?;
///             let second = head.step(features, &[3, 7], 0.1)?;
///             assert!(second.loss < first.loss);
///             Ok::<(), widemargin_head::Error>(())
///         });
///     }
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ShardedHead<C> {
    pub(super) communicator: C,
    /// Number of classes of all ranks.
    pub(super) classes: usize,
    /// The classes of this rank.
    pub(super) own: Range<usize>,
    /// A dense head of the classes of this rank.
    pub(super) local: Head,
}

impl<C: Communicator> ShardedHead<C> {
    /// Creates the shard of this rank with initial class centres: those of [`Head::new`] with the same seed, for any number of ranks.
    /// Collective, one gather.
    ///
    /// [`HeadMode::Auto`](crate::HeadMode::Auto) is dense.
    ///
    /// # Errors
    /// The errors of [`Head::new`]; [`Error::OutOfRange`] with more ranks than classes; [`Error::NotShardable`] for a screened or sampled
    /// mode; [`Error::RanksDiffer`] if the ranks were given different arguments; those of the [`Communicator`].
    pub fn new(
        communicator: C,
        classes: usize,
        dim: usize,
        objective: impl Into<ClassObjective>,
        config: HeadConfig,
    ) -> Result<Self, Error> {
        let (shard, shards) = (communicator.rank(), communicator.size());
        Self::connected(communicator, fresh(shard, shards, classes, dim, objective.into(), config))
    }

    /// Restores the shard that a state was taken from, to the bit. Collective, one gather.
    ///
    /// For another number of ranks use [`join_shards`](crate::join_shards) and [`split_shards`](crate::split_shards), or
    /// [`ShardedHead::load`].
    ///
    /// # Errors
    /// [`Error::OtherShard`] for the state of another rank; those of [`Head::from_state`]; [`Error::RanksDiffer`] if the states are
    /// not those of one head at one step; those of the [`Communicator`].
    pub fn from_state(communicator: C, state: ShardState) -> Result<Self, Error> {
        Self::connected(communicator, Ok(state))
    }

    /// Compares with the other ranks what all must have in common.
    fn connected(communicator: C, state: Result<ShardState, Error>) -> Result<Self, Error> {
        let (rank, size) = (communicator.rank(), communicator.size());
        let opened = state.and_then(|state| state.open(rank, size));
        let facts: [Fact; 6] = match &opened {
            Err(_) => [("", 0); 6],
            Ok((_, classes, local)) => {
                let state = local.config();
                [
                    ("number of classes", *classes as u64),
                    ("dimension", local.dim() as u64),
                    ("objective", of_text(&format!("{:?}", local.objective()))),
                    ("configuration", of_text(&format!("{state:?}"))),
                    ("number of steps", local.steps()),
                    ("memory of the learnt value", of_text(&format!("{:?}", local.learnt_memory()))),
                ]
            }
        };
        let (own, classes, local) = agree(&communicator, opened, &facts)?;
        Ok(Self { communicator, classes, own, local })
    }

    /// Number of classes of all ranks.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The classes of this rank.
    pub fn own_classes(&self) -> Range<usize> {
        self.own.clone()
    }

    /// Dimension of features and class centres.
    pub fn dim(&self) -> usize {
        self.local.dim()
    }

    /// The objective with its current margin.
    pub fn objective(&self) -> &ClassObjective {
        self.local.objective()
    }

    /// The settings.
    pub fn config(&self) -> &HeadConfig {
        self.local.config()
    }

    /// Updates applied so far.
    pub fn steps(&self) -> u64 {
        self.local.steps()
    }

    /// Class centres per class.
    pub fn sub_centres(&self) -> usize {
        self.local.sub_centres()
    }

    /// The class centres of this rank, `[own classes * sub_centres, dim]`; see [`Head::centres`].
    pub fn centres(&self) -> Cow<'_, [f32]> {
        self.local.centres()
    }

    /// The gradient of a pending update with respect to the centres of this rank, `[own classes * sub_centres, dim]`; see
    /// [`Head::gradient`].
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update of another step of the head.
    pub fn gradient(&self, pending: &PendingUpdate) -> Result<Vec<f32>, Error> {
        self.local.gradient(pending)
    }

    /// Euclidean norm of the gradient of a pending update with respect to the centres of all ranks and the learnt value. Collective,
    /// one gather; see [`Head::gradient_norm`].
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update of another step of the head; those of the [`Communicator`].
    pub fn gradient_norm(&self, pending: &PendingUpdate) -> Result<f64, Error> {
        Ok(pending.with_learnt(self.norm_of_all(self.local.centres_norm(pending)?)?))
    }

    /// This rank of the group.
    pub fn communicator(&self) -> &C {
        &self.communicator
    }

    /// Applies a share of the objective's margin, 0 to 1. Every rank must do so.
    pub fn set_margin_share(&mut self, share: f64) {
        self.local.set_margin_share(share);
    }

    /// Applies a pending update to the class centres of this rank; see [`Head::apply`]. Not collective, but every rank must do so with
    /// the same rate and factor.
    ///
    /// # Errors
    /// The errors of [`Head::apply`]. On error the head is unchanged.
    pub fn apply(
        &mut self,
        pending: PendingUpdate,
        learning_rate: f64,
        clip_factor: f64,
    ) -> Result<(), Error> {
        self.local.apply(pending, learning_rate, clip_factor)
    }

    /// [`ShardedHead::forward`] and [`ShardedHead::apply`] in one call, without clipping. Collective.
    ///
    /// # Errors
    /// The errors of the two; on error the head is unchanged. If gathering the gradient's norm at the end fails, the centres have moved
    /// already.
    pub fn step(
        &mut self,
        features: MatRef<'_>,
        labels: &[u32],
        learning_rate: f64,
    ) -> Result<HeadStep, Error> {
        let HeadForward { loss, grad_features, diagnostics, pending, .. } = self.forward(features, labels)?;
        let learnt = pending.learnt;
        let own_norm = self.local.apply_and_measure_centres(pending, learning_rate)?;
        let centre_gradient_norm = with_learnt(self.norm_of_all(own_norm)?, learnt);
        Ok(HeadStep { loss, grad_features, diagnostics, centre_gradient_norm })
    }

    /// A copy of the state of this rank's shard. Not collective.
    pub fn state(&self) -> ShardState {
        ShardState {
            shard: self.communicator.rank(),
            shards: self.communicator.size(),
            first_class: self.own.start,
            all_classes: self.classes,
            part: self.local.state(),
        }
    }
}

/// The initial state of a shard.
fn fresh(
    shard: usize,
    shards: usize,
    classes: usize,
    dim: usize,
    objective: ClassObjective,
    config: HeadConfig,
) -> Result<ShardState, Error> {
    let per_class = objective.sub_centres();
    check_size(classes, per_class, dim)?;
    check_shards(shards, classes)?;
    within(0.0..shards as f64, "rank", shard as f64, "below the number of ranks")?;
    config.check()?;
    let config = dense(config)?;
    let own = classes_of(shard, shards, classes);
    let shape = [own.len() * per_class, dim];
    let count = shape[0] * dim;
    let normalised = objective.score().normalises_centres();
    let centres = initial_rows(own.start * per_class * dim, count, dim, normalised, config.seed);
    let names = config.optimiser.memory_names();
    let memory =
        names.iter().map(|&name| HeadTensor { name: name.to_owned(), shape, values: vec![0.0; count] });
    let centres = HeadTensor { name: CENTRES.to_owned(), shape, values: centres };
    let learns = usize::from(objective.learnt().is_some());
    let part = HeadState {
        classes: own.len(),
        dim,
        learnt_memory: vec![0.0; learns * names.len()],
        config,
        steps: 0,
        tensors: std::iter::once(centres).chain(memory).collect(),
        objective,
    };
    Ok(ShardState { shard, shards, first_class: own.start, all_classes: classes, part })
}

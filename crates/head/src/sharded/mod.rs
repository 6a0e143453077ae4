//! The classes of a head among several ranks: each holds a range of them, with its part of the optimiser.
//!
//! Every rank works on the same batch. The rank that holds a sample's class says what its similarity is; each rank takes its own
//! classes through the first pass of the loss, and what the passes come to, some numbers a sample, is gathered and put
//! together in the order of the classes ([`PointPass::observe_part`](widemargin_objective::PointPass::observe_part)). From
//! there on every rank knows loss and partition of each sample, has the gradient of its own centres by itself, and adds its
//! part to the gradient of the features. No centre and no score ever travels: a step sends some numbers a sample, and the
//! gradient of the features.
//!
//! It is the dense mode of [`Head`], for every objective; results differ in rounding only, as with another size of tiles.

mod agreement;
mod files;
mod pass;
mod state;

use std::borrow::Cow;
use std::ops::Range;

use widemargin_objective::{ClassObjective, MatRef};

use crate::error::within;
use crate::head::{check_size, first_centres};
use crate::state::CENTRES;
use crate::{
    Communicator, Error, Head, HeadConfig, HeadForward, HeadMode, HeadState, HeadStep, HeadTensor,
    PendingUpdate,
};

pub use files::{ShardFileError, load_shard, load_shards, save_shard};
pub use state::{ShardState, join_shards, split_shards};

use agreement::{Fact, agree, of_text};

/// One rank's part of a head whose classes are sharded: a range of the classes, what the optimiser remembers of them, and a
/// [`Communicator`] to the ranks that hold the others.
///
/// The ranks hold contiguous ranges of the classes in their order; of `C` classes on `R` ranks each has `C / R`, and the first
/// `C mod R` ranks one more. Memory and work of a rank are those of a dense [`Head`] of its classes.
///
/// Ranks work in step: a method that is *collective* returns when every rank has called it, and must be called by all with
/// the same batch, at the same learning rates. What they must have in common is compared in each forward pass
/// ([`Error::RanksDiffer`]); an error that one rank alone meets is an error for all ([`Error::RankFailed`]).
///
/// ```
/// use widemargin_head::{HeadConfig, MatRef, Objective, ShardedHead, ThreadGroup};
///
/// let objective = Objective::am_softmax(30.0, 0.35)?;
/// let features = [0.1_f32, 0.2, -0.3, 0.4, -0.5, 0.6, 0.7, -0.8];
/// std::thread::scope(|scope| {
///     for rank in ThreadGroup::new().ranks(3) {
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
    communicator: C,
    /// Classes of all ranks.
    classes: usize,
    /// Those of this one.
    own: Range<usize>,
    /// A dense head of the own classes, which keeps them and moves them.
    local: Head,
}

impl<C: Communicator> ShardedHead<C> {
    /// The shard of this rank of a head with fresh class centres: those that [`Head::new`] has for the same seed, however many
    /// ranks there are. Collective, one gather.
    ///
    /// [`HeadMode::Auto`] is dense.
    ///
    /// # Errors
    /// Those of [`Head::new`]; [`Error::OutOfRange`] with more ranks than classes; [`Error::NotShardable`] for a
    /// screened or sampled mode; [`Error::RanksDiffer`] if the ranks were not given the same;
    /// [`Error::Communicator`].
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

    /// The shard that a state was taken from, to the bit. Collective, one gather.
    ///
    /// For another number of ranks go through [`join_shards`] and [`split_shards`], or [`ShardedHead::load`].
    ///
    /// # Errors
    /// [`Error::OtherShard`] for the state of another rank; those of [`Head::from_state`]; [`Error::RanksDiffer`] if the
    /// states are not of one head at one step; [`Error::Communicator`].
    pub fn from_state(communicator: C, state: ShardState) -> Result<Self, Error> {
        Self::connected(communicator, Ok(state))
    }

    /// Agrees with the other ranks on what all have in common.
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
                    ("memory of what is learnt", of_text(&format!("{:?}", local.learnt_memory()))),
                ]
            }
        };
        let (own, classes, local) = agree(&communicator, opened, &facts)?;
        Ok(Self { communicator, classes, own, local })
    }

    /// Number of classes, of all ranks.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The classes of this rank.
    pub fn own_classes(&self) -> Range<usize> {
        self.own.clone()
    }

    /// Dimensions of features and class centres.
    pub fn dim(&self) -> usize {
        self.local.dim()
    }

    /// The objective, with the margin that is in force now.
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

    /// Class centres of each class.
    pub fn sub_centres(&self) -> usize {
        self.local.sub_centres()
    }

    /// The class centres of this rank, `[own classes * sub_centres, dim]`; see [`Head::centres`].
    pub fn centres(&self) -> Cow<'_, [f32]> {
        self.local.centres()
    }

    /// The gradient of a pending update by the centres of this rank, `[own classes * sub_centres, dim]`; see
    /// [`Head::gradient`].
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update of another step of the head.
    pub fn gradient(&self, pending: &PendingUpdate) -> Result<Vec<f32>, Error> {
        self.local.gradient(pending)
    }

    /// Euclidean norm of the gradient of a pending update by the centres of all ranks. Collective, one gather; see
    /// [`Head::gradient_norm`].
    ///
    /// # Errors
    /// [`Error::StaleUpdate`] for an update of another step of the head; [`Error::Communicator`].
    pub fn gradient_norm(&self, pending: &PendingUpdate) -> Result<f64, Error> {
        self.norm_of_all(self.local.gradient_norm(pending)?)
    }

    /// This rank of the group.
    pub fn communicator(&self) -> &C {
        &self.communicator
    }

    /// Puts a share of the objective's margin in force, 0 to 1; every rank must.
    pub fn set_margin_share(&mut self, share: f64) {
        self.local.set_margin_share(share);
    }

    /// Moves the class centres of this rank by a pending update; see [`Head::apply`]. Not collective, but every rank must, with
    /// the same rate and factor.
    ///
    /// # Errors
    /// Those of [`Head::apply`]. Nothing has moved then.
    pub fn apply(
        &mut self,
        pending: PendingUpdate,
        learning_rate: f64,
        clip_factor: f64,
    ) -> Result<(), Error> {
        self.local.apply(pending, learning_rate, clip_factor)
    }

    /// [`ShardedHead::forward`] and [`ShardedHead::apply`] in one, without clipping. Collective.
    ///
    /// # Errors
    /// Those of the two; nothing has moved then. If the ranks cannot agree on the gradient's norm in the end, the centres have
    /// moved, and [`Error::Communicator`] says so.
    pub fn step(
        &mut self,
        features: MatRef<'_>,
        labels: &[u32],
        learning_rate: f64,
    ) -> Result<HeadStep, Error> {
        let HeadForward { loss, grad_features, diagnostics, pending, .. } = self.forward(features, labels)?;
        let own_norm = self.local.apply_and_measure(pending, learning_rate)?;
        let centre_gradient_norm = self.norm_of_all(own_norm)?;
        Ok(HeadStep { loss, grad_features, diagnostics, centre_gradient_norm })
    }
}

/// The classes of a shard: contiguous, in the order of the shards, and no shard has two more than another.
fn classes_of(shard: usize, shards: usize, classes: usize) -> Range<usize> {
    let (each, more) = (classes / shards, classes % shards);
    let first = shard * each + shard.min(more);
    first..first + each + usize::from(shard < more)
}

/// Every shard has a class.
fn check_shards(shards: usize, classes: usize) -> Result<(), Error> {
    let most = 1.0..=classes as f64;
    within(most, "number of shards", shards as f64, "from 1 to the number of classes")
}

/// The configuration of a head that is sharded: dense.
fn dense(config: HeadConfig) -> Result<HeadConfig, Error> {
    match config.mode {
        HeadMode::Sampled { rate } if rate < 1.0 => Err(Error::NotShardable { mode: "sampled" }),
        HeadMode::Screened { threshold } if threshold != Some(0.0) => {
            Err(Error::NotShardable { mode: "screened" })
        }
        _ => Ok(HeadConfig { mode: HeadMode::Dense, ..config }),
    }
}

/// The first state of a shard.
fn fresh(
    shard: usize,
    shards: usize,
    classes: usize,
    dim: usize,
    objective: ClassObjective,
    config: HeadConfig,
) -> Result<ShardState, Error> {
    let each = objective.sub_centres();
    check_size(classes, each, dim)?;
    check_shards(shards, classes)?;
    within(0.0..shards as f64, "rank", shard as f64, "below the number of ranks")?;
    config.check()?;
    let config = dense(config)?;
    let own = classes_of(shard, shards, classes);
    let shape = [own.len() * each, dim];
    let count = shape[0] * dim;
    let centres = first_centres(own.start * each * dim, count, dim, &objective, config.seed);
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

//! What can be wrong with a head or with what it is given.

use crate::CommunicatorError;

/// Anything that keeps a head from being built, computed, moved or restored. Nothing has changed when one is returned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range.
    #[error("{setting} of the head is {found}; expected {expected}")]
    OutOfRange {
        /// The setting, in the words of the configuration.
        setting: &'static str,
        /// The value given.
        found: f64,
        /// The range, in words.
        expected: &'static str,
    },

    /// An objective that cannot have the margin asked for.
    #[error(transparent)]
    Objective(#[from] widemargin_objective::Error),

    /// Features of another dimension than the class centres.
    #[error("features have {found} dimensions; the class centres of this head have {expected}")]
    Dimension {
        /// Columns of the features.
        found: usize,
        /// Dimensions of the head.
        expected: usize,
    },

    /// Not one label a sample.
    #[error("{found} labels for a batch of {expected} samples; expected one each")]
    LabelCount {
        /// Labels found.
        found: usize,
        /// Samples in the batch.
        expected: usize,
    },

    /// A label that names no class of this head.
    #[error("row {row} of the batch has label {found}; this head has classes 0 to {}", .classes - 1)]
    Label {
        /// Row of the batch.
        row: usize,
        /// The label.
        found: u32,
        /// Number of classes.
        classes: usize,
    },

    /// `NaN` or infinity among the features.
    #[error("row {row} of the batch has a feature that is not finite (dimension {column}: {found})")]
    NonFiniteFeature {
        /// Row of the batch.
        row: usize,
        /// Dimension of the feature.
        column: usize,
        /// The value.
        found: f32,
    },

    /// `NaN` or infinity in the loss although the features are finite.
    #[error(
        "the loss of row {row} of the batch (label {label}) is not finite; its scores exceed the range of f32"
    )]
    NonFiniteLoss {
        /// Row of the batch.
        row: usize,
        /// Its label.
        label: u32,
    },

    /// `NaN` or infinity in the gradient of the features.
    #[error("the gradient of row {row} of the batch (label {label}) is not finite")]
    NonFiniteFeatureGradient {
        /// Row of the batch.
        row: usize,
        /// Its label.
        label: u32,
    },

    /// `NaN` or infinity in the gradient of the class centres.
    #[error("the gradient of the centre of class {class} is not finite")]
    NonFiniteCentreGradient {
        /// The class.
        class: usize,
    },

    /// Classes added to or dropped from a head whose objective has a margin for each.
    #[error(
        "the objective has a margin for each class; make a new objective with other margins and a head of it"
    )]
    ClassMarginsFixed,

    /// A new class without an embedding, or with embeddings whose mean has no direction.
    #[error(
        "new class {class} has no embedding, or embeddings that cancel; expected at least one with a direction"
    )]
    EmptyClass {
        /// Its number among the new ones.
        class: usize,
    },

    /// An objective for which classes cannot be screened.
    #[error("a screened head cannot train {objective}: it needs {why}; use the dense mode")]
    NotScreenable {
        /// The objective's name.
        objective: &'static str,
        /// What is missing.
        why: &'static str,
    },

    /// A pending update of another head, or one computed before the last update of this one.
    #[error(
        "the pending update was computed at step {found} of a head of {found_values} values; this head is at step {expected} with {expected_values}"
    )]
    StaleUpdate {
        /// Step at which the update was computed.
        found: u64,
        /// Step of the head.
        expected: u64,
        /// Values in the update.
        found_values: usize,
        /// Values in the class centres.
        expected_values: usize,
    },

    /// A state without a tensor that its configuration needs.
    #[error("the head's state has no tensor `{name}`")]
    MissingTensor {
        /// Name of the tensor.
        name: &'static str,
    },

    /// A state with a tensor that its configuration has no use for, or with one twice.
    #[error("the head's state has a tensor `{name}` that its configuration has no use for")]
    UnexpectedTensor {
        /// Name of the tensor.
        name: String,
    },

    /// A tensor of a state with another shape than the head.
    #[error(
        "tensor `{name}` of the head's state has shape {found:?} and {values} values; expected {expected:?}"
    )]
    TensorShape {
        /// Name of the tensor.
        name: String,
        /// Shape found.
        found: [usize; 2],
        /// Values found.
        values: usize,
        /// Shape expected.
        expected: [usize; 2],
    },

    /// A tensor of a state that contains `NaN` or infinity.
    #[error("tensor `{name}` of the head's state is not finite in row {row}")]
    NonFiniteTensor {
        /// Name of the tensor.
        name: String,
        /// The class whose row it is.
        row: usize,
    },

    /// A mode in which classes are not sharded.
    #[error("a sharded head cannot be {mode}; use the dense mode")]
    NotShardable {
        /// The mode, in words.
        mode: &'static str,
    },

    /// The group of a sharded head cannot communicate.
    #[error(transparent)]
    Communicator(#[from] CommunicatorError),

    /// Another rank of a sharded head has refused what it was given.
    #[error("rank {rank} of the sharded head has refused what it was given; its own error says why")]
    RankFailed {
        /// The first rank that has.
        rank: usize,
    },

    /// Ranks of a sharded head that were not given the same.
    #[error("rank {rank} of the sharded head has another {what} than rank {own}; all must have the same")]
    RanksDiffer {
        /// What they have to have in common.
        what: &'static str,
        /// A rank that differs.
        rank: usize,
        /// The rank that tells.
        own: usize,
    },

    /// A state of a shard that is not that of this rank.
    #[error("the state is that of shard {shard} of {shards}; expected shard {rank} of {size}")]
    OtherShard {
        /// Shard in the state.
        shard: usize,
        /// Shards in the state.
        shards: usize,
        /// Rank of the head.
        rank: usize,
        /// Ranks in its group.
        size: usize,
    },

    /// A shard without a state.
    #[error("the state of shard {shard} of {shards} is missing")]
    MissingShard {
        /// The shard.
        shard: usize,
        /// How many there are.
        shards: usize,
    },

    /// A shard with two states.
    #[error("there are two states of shard {shard}")]
    DuplicateShard {
        /// The shard.
        shard: usize,
    },

    /// States of shards that are not of one head at one moment.
    #[error("shard {shard} has {what} {found}; expected {expected}")]
    ShardsDiffer {
        /// The shard.
        shard: usize,
        /// What differs.
        what: &'static str,
        /// What that shard has.
        found: String,
        /// What the first shard has, or what follows from it.
        expected: String,
    },
}

/// Checks a setting against its range; `NaN` is in none.
pub(crate) fn within(
    range: impl std::ops::RangeBounds<f64>,
    setting: &'static str,
    found: f64,
    expected: &'static str,
) -> Result<(), Error> {
    if range.contains(&found) { Ok(()) } else { Err(Error::OutOfRange { setting, found, expected }) }
}

//! Everything that can go wrong in this crate.

use std::path::PathBuf;

use widemargin_objective::Error as ObjectiveError;

/// Why a head could not be built, computed, updated, saved or restored.
///
/// The head is unchanged when a call returns an error, unless the call's documentation says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range.
    #[error("{setting} of the head is {found}; expected {expected}")]
    OutOfRange {
        /// The setting, named as in the configuration.
        setting: &'static str,
        /// The value given.
        found: f64,
        /// The range, in words.
        expected: &'static str,
    },

    /// The objective rejected a parameter or a batch.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),

    /// Features of a different dimension than the class centres.
    #[error("features have dimension {found}; the class centres of this head have {expected}")]
    Dimension {
        /// Columns of the features.
        found: usize,
        /// Dimension of the head.
        expected: usize,
    },

    /// The number of labels differs from the number of samples.
    #[error("{found} labels for a batch of {expected} samples; give one label per sample")]
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

    /// `NaN` or infinity in the scores of a prediction although the features are finite.
    #[error(
        "a score of row {row} is not finite; class centres or features exceed the range of f32, as after a step that diverged"
    )]
    NonFiniteScore {
        /// Row of the features.
        row: usize,
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

    /// Classes cannot be added to or dropped from a head whose objective has one margin per class.
    #[error("the objective has one margin per class; build a new objective and a new head for other classes")]
    ClassMarginsFixed,

    /// A new class without an embedding, or whose embeddings have a mean without a direction.
    #[error(
        "new class {class} has no embedding, or its embeddings cancel; give at least one with a direction"
    )]
    EmptyClass {
        /// Its number among the new classes.
        class: usize,
    },

    /// The objective cannot be trained with a screened head.
    #[error("a screened head cannot train {objective}: it needs {why}; use the dense mode")]
    NotScreenable {
        /// The objective's name.
        objective: &'static str,
        /// The requirement that is not met.
        why: &'static str,
    },

    /// A pending update of another head, or one computed before the last update of this head.
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

    /// The state of a head with other classes or dimensions.
    #[error("the state has {} classes of dimension {}; expected {} of dimension {}", .found[0], .found[1], .expected[0], .expected[1])]
    OtherHead {
        /// Classes and dimension of the state.
        found: [usize; 2],
        /// Classes and dimension of the head.
        expected: [usize; 2],
    },

    /// A state or an update of the other kind of head.
    #[error("it is that of a head for {found}; expected one for {expected}")]
    OtherKind {
        /// Kind of objective found.
        found: &'static str,
        /// Kind of objective expected.
        expected: &'static str,
    },

    /// A state without a tensor that its configuration needs.
    #[error("the head's state has no tensor `{name}`")]
    MissingTensor {
        /// Name of the tensor.
        name: &'static str,
    },

    /// A state with a tensor that its configuration does not use, or with the same tensor twice.
    #[error("the head's state has a tensor `{name}` that its configuration does not use")]
    UnexpectedTensor {
        /// Name of the tensor.
        name: String,
    },

    /// A tensor of a state with a different shape than the head.
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
        /// The row.
        row: usize,
    },

    /// A mean of squares in the state of AdamW that is below 0.
    #[error("value {at} of `square` in the optimiser's state is {found}; a mean of squares is 0 or above")]
    NegativeSquare {
        /// Position in the memory.
        at: usize,
        /// The value.
        found: f32,
    },

    /// Only the dense mode can be sharded.
    #[error("a sharded head cannot be {mode}; use the dense mode")]
    NotShardable {
        /// The mode, in words.
        mode: &'static str,
    },

    /// Another rank of a sharded head rejected its input.
    #[error("rank {rank} of the sharded head rejected its input; see the error of that rank")]
    RankFailed {
        /// The first rank that failed.
        rank: usize,
    },

    /// The ranks of a sharded head were given different values.
    #[error("rank {rank} of the sharded head has another {what} than rank {own}; all must have the same")]
    RanksDiffer {
        /// What the ranks must have in common.
        what: &'static str,
        /// A rank that differs.
        rank: usize,
        /// The rank that reports it.
        own: usize,
    },

    /// A rank of the group has ended, or was dropped by a panic. The group cannot be used any more.
    #[error("rank {rank} of the group has ended; look for its own error, then start all ranks again")]
    RankGone {
        /// The rank.
        rank: usize,
    },

    /// The ranks of a group did not make the same call. The group cannot be used any more.
    #[error(
        "rank {rank} of the group called {found} where rank {own} called {expected}; all must make the same calls"
    )]
    OutOfStep {
        /// A rank that made another call.
        rank: usize,
        /// Its call.
        found: String,
        /// The rank that reports it.
        own: usize,
        /// Its own call.
        expected: String,
    },

    /// A rank is alive but did not make the call in time. The group cannot be used any more.
    #[error("rank {rank} of the group did not make the call within {seconds} s")]
    TimedOut {
        /// The rank.
        rank: usize,
        /// Time waited.
        seconds: f64,
    },

    /// The error of a [`Communicator`](crate::Communicator) outside this crate. The group cannot be used any more.
    #[error("{0}")]
    Transport(String),

    /// The state of another rank's shard.
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
        /// Number of shards.
        shards: usize,
    },

    /// A shard with two states.
    #[error("there are two states of shard {shard}")]
    DuplicateShard {
        /// The shard.
        shard: usize,
    },

    /// The states of the shards are not those of one head at one step.
    #[error("shard {shard} has {what} {found}; expected {expected}")]
    ShardsDiffer {
        /// The shard.
        shard: usize,
        /// What differs.
        what: &'static str,
        /// The value of that shard.
        found: String,
        /// The value of the first shard, or the one that follows from it.
        expected: String,
    },

    /// A file that cannot be written or read, is no shard, or is damaged.
    #[error(transparent)]
    File(#[from] widemargin_durable::Error),

    /// A folder that cannot be listed.
    #[error("{folder}: cannot list it")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// An intact container whose content is not the state of a shard.
    #[error("{path}: not the state of a shard: {reason}")]
    FileContent {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A file whose name and content disagree on the shard.
    #[error("{path}: holds shard {shard} of {shards}; was it renamed?")]
    RenamedFile {
        /// The file.
        path: PathBuf,
        /// The shard in it.
        shard: usize,
        /// Shards of its head.
        shards: usize,
    },

    /// A folder without shards.
    #[error("{folder}: no shards of a head; expected files named head-0-of-N and on")]
    NoShardFiles {
        /// The folder.
        folder: PathBuf,
    },

    /// A folder with the shards of several heads.
    #[error("{folder}: found shards of heads with {found:?} shards; keep those of one head")]
    SeveralHeads {
        /// The folder.
        folder: PathBuf,
        /// Numbers of shards found.
        found: Vec<usize>,
    },

    /// The file of a shard is missing.
    #[error("{path}: missing; the other shards of its head are there")]
    MissingFile {
        /// The file.
        path: PathBuf,
    },

    /// The shards in a folder do not form a head.
    #[error("{folder}: the shards do not fit together")]
    ShardFolder {
        /// The folder.
        folder: PathBuf,
        /// The shard and the reason.
        source: Box<Error>,
    },
}

impl Error {
    /// Whether a feature, a class centre, a loss or a gradient was not finite.
    pub fn is_not_finite(&self) -> bool {
        matches!(
            self,
            Self::NonFiniteFeature { .. }
                | Self::NonFiniteLoss { .. }
                | Self::NonFiniteFeatureGradient { .. }
                | Self::NonFiniteCentreGradient { .. }
                | Self::NonFiniteTensor { .. }
                | Self::NonFiniteScore { .. }
                | Self::Objective(
                    ObjectiveError::NonFiniteInput { .. }
                        | ObjectiveError::NonFiniteLoss { .. }
                        | ObjectiveError::NonFiniteResult { .. }
                )
        )
    }

    /// The row of the batch at fault, if there is one.
    pub fn row(&self) -> Option<usize> {
        match self {
            Self::Label { row, .. }
            | Self::NonFiniteFeature { row, .. }
            | Self::NonFiniteLoss { row, .. }
            | Self::NonFiniteFeatureGradient { row, .. }
            | Self::Objective(
                ObjectiveError::NonFiniteInput { row, .. } | ObjectiveError::NonFiniteLoss { row, .. },
            ) => Some(*row),
            _ => None,
        }
    }
}

/// Checks a setting against its range; `NaN` is outside every range.
pub(crate) fn within(
    range: impl std::ops::RangeBounds<f64>,
    setting: &'static str,
    found: f64,
    expected: &'static str,
) -> Result<(), Error> {
    if range.contains(&found) { Ok(()) } else { Err(Error::OutOfRange { setting, found, expected }) }
}

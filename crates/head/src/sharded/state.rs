//! The state of a shard; joining the states of all shards into that of one head, and splitting it again.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::division::{check_shards, classes_of, dense};
use crate::config::HeadConfig;
use crate::error::Error;
use crate::head::Head;
use crate::initial::check_size;
use crate::state::{HeadState, HeadTensor, stored_mode};

/// The state of one rank's shard: its classes, and its place among the shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardState {
    /// The rank.
    pub shard: usize,
    /// Number of ranks in its group.
    pub shards: usize,
    /// The first class of the shard; it has `part.classes` classes.
    pub first_class: usize,
    /// Number of classes of all shards.
    pub all_classes: usize,
    /// The shard as a head of its own classes. Everything that is not per class (steps, the objective with the margins of all
    /// classes, the memory of its learnt value) is the same in every shard.
    pub part: HeadState,
}

impl ShardState {
    /// The range, the number of all classes and the head of a rank.
    pub(super) fn open(self, rank: usize, size: usize) -> Result<(Range<usize>, usize, Head), Error> {
        let Self { shard, shards, .. } = self;
        if (shard, shards) != (rank, size) {
            return Err(Error::OtherShard { shard, shards, rank, size });
        }
        self.check_range()?;
        check_tensors(&self.part)?;
        let own = self.first_class..self.first_class + self.part.classes;
        let config = dense(self.part.config)?;
        Ok((own, self.all_classes, Head::from_state(HeadState { config, ..self.part })?))
    }

    /// Checks that the classes are those of this shard among that many shards.
    fn check_range(&self) -> Result<(), Error> {
        check_size(self.all_classes, self.part.objective.sub_centres(), self.part.dim)?;
        check_shards(self.shards, self.all_classes)?;
        if self.shard >= self.shards {
            return Err(self.differs("number", self.shard, format!("a number below {}", self.shards)));
        }
        let expected = classes_of(self.shard, self.shards, self.all_classes);
        let found = self.first_class..self.first_class.saturating_add(self.part.classes);
        if found != expected {
            return Err(self.differs("classes", format!("{found:?}"), format!("{expected:?}")));
        }
        Ok(())
    }

    fn differs(&self, what: &'static str, found: impl ToString, expected: impl ToString) -> Error {
        let (found, expected) = (found.to_string(), expected.to_string());
        Error::ShardsDiffer { shard: self.shard, what, found, expected }
    }

    /// Checks that this is a shard of the same head at the same step as the first.
    fn check_same(&self, first: &Self) -> Result<(), Error> {
        let (part, expected) = (&self.part, &first.part);
        if self.all_classes != first.all_classes {
            return Err(self.differs("number of all classes", self.all_classes, first.all_classes));
        }
        if part.dim != expected.dim {
            return Err(self.differs("dimension", part.dim, expected.dim));
        }
        if part.steps != expected.steps {
            return Err(self.differs("number of steps", part.steps, expected.steps));
        }
        if part.config != expected.config {
            let (found, expected) = (format!("{:?}", part.config), format!("{:?}", expected.config));
            return Err(self.differs("configuration", found, expected));
        }
        if part.objective != expected.objective {
            let (found, expected) = (format!("{:?}", part.objective), format!("{:?}", expected.objective));
            return Err(self.differs("objective", found, expected));
        }
        if part.learnt_memory != expected.learnt_memory {
            let (found, expected) =
                (format!("{:?}", part.learnt_memory), format!("{:?}", expected.learnt_memory));
            return Err(self.differs("memory of the learnt value", found, expected));
        }
        let names =
            |part: &HeadState| part.tensors.iter().map(|tensor| tensor.name.clone()).collect::<Vec<_>>();
        if names(part) != names(expected) {
            return Err(self.differs("tensors", names(part).join(", "), names(expected).join(", ")));
        }
        Ok(())
    }
}

/// Joins the states of all shards, in any order, into the state of a dense [`Head`], for [`Head::from_state`] or
/// [`split_shards`].
///
/// # Errors
/// [`Error::MissingShard`], [`Error::DuplicateShard`]; [`Error::ShardsDiffer`] for a shard with another number of shards, with
/// classes that are not its own, or of another head or step; [`Error::TensorShape`].
pub fn join_shards(states: impl IntoIterator<Item = ShardState>) -> Result<HeadState, Error> {
    let mut states: Vec<ShardState> = states.into_iter().collect();
    states.sort_by_key(|state| state.shard);
    let Some(shards) = states.first().map(|state| state.shards) else {
        return Err(Error::MissingShard { shard: 0, shards: 1 });
    };
    if let Some(other) = states.iter().find(|state| state.shards != shards) {
        return Err(other.differs("number of shards", other.shards, shards));
    }
    for (at, state) in states.iter().enumerate() {
        if at > 0 && states[at - 1].shard == state.shard {
            return Err(Error::DuplicateShard { shard: state.shard });
        }
        if state.shard < shards && state.shard != at {
            return Err(Error::MissingShard { shard: at, shards });
        }
        state.check_same(&states[0])?;
        state.check_range()?;
        check_tensors(&state.part)?;
    }
    if states.len() < shards {
        return Err(Error::MissingShard { shard: states.len(), shards });
    }

    let mut parts = states.into_iter().map(|state| (state.all_classes, state.part));
    let Some((classes, mut whole)) = parts.next() else {
        return Err(Error::MissingShard { shard: 0, shards });
    };
    for (_, part) in parts {
        for (whole, part) in whole.tensors.iter_mut().zip(part.tensors) {
            whole.shape[0] += part.shape[0];
            whole.values.extend(part.values);
        }
    }
    whole.classes = classes;
    Ok(whole)
}

/// Splits the state of a dense [`Head`], or the result of [`join_shards`], into the states of `shards` shards, in order.
///
/// # Errors
/// [`Error::OutOfRange`] for 0 shards or more shards than classes; [`Error::NotShardable`] for the state of a screened or sampled
/// head, which [`Head::set_mode`] makes dense; [`Error::TensorShape`].
pub fn split_shards(state: &HeadState, shards: usize) -> Result<Vec<ShardState>, Error> {
    check_size(state.classes, state.objective.sub_centres(), state.dim)?;
    check_shards(shards, state.classes)?;
    let mode = stored_mode(state.config.mode, &state.tensors);
    let config = dense(HeadConfig { mode, ..state.config })?;
    check_tensors(state)?;
    let per_class = state.objective.sub_centres();
    let part = |shard: usize| {
        let own = classes_of(shard, shards, state.classes);
        let tensors = state.tensors.iter().map(|tensor| HeadTensor {
            name: tensor.name.clone(),
            shape: [own.len() * per_class, state.dim],
            values: tensor.values[own.start * per_class * state.dim..own.end * per_class * state.dim]
                .to_vec(),
        });
        ShardState {
            shard,
            shards,
            first_class: own.start,
            all_classes: state.classes,
            part: HeadState {
                classes: own.len(),
                dim: state.dim,
                objective: state.objective.clone(),
                learnt_memory: state.learnt_memory.clone(),
                config,
                steps: state.steps,
                tensors: tensors.collect(),
            },
        }
    };
    Ok((0..shards).map(part).collect())
}

/// Checks that every tensor has one row per centre. Restoring the state checks the rest.
fn check_tensors(state: &HeadState) -> Result<(), Error> {
    let per_class = state.objective.sub_centres();
    let expected = [state.classes * per_class, state.dim];
    for tensor in &state.tensors {
        let values = tensor.values.len();
        if tensor.shape != expected || values != expected[0] * expected[1] {
            let (name, found) = (tensor.name.clone(), tensor.shape);
            return Err(Error::TensorShape { name, found, values, expected });
        }
    }
    Ok(())
}

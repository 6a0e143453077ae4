//! The state of a shard, and how the states of all become that of one head and back.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{check_shards, classes_of, dense};
use crate::head::check_size;
use crate::{Error, Head, HeadState, HeadTensor};

/// The state of one rank's shard: what the rank holds, and where it belongs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardState {
    /// The rank.
    pub shard: usize,
    /// Ranks in its group.
    pub shards: usize,
    /// The first class of the shard; it has those up to `first_class + part.classes`.
    pub first_class: usize,
    /// Classes of all shards.
    pub all_classes: usize,
    /// The shard as a head of its own classes. What is not by class (steps, the objective with margins for all classes, what is
    /// remembered of what it learns) is the same in every shard.
    pub part: HeadState,
}

impl ShardState {
    /// Range, number of all classes and head of a rank.
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

    /// Whether the classes are those that this shard of so many has.
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

    /// Whether this is a shard of the same head at the same moment as the first.
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
            return Err(self.differs("memory of what is learnt", found, expected));
        }
        let names =
            |part: &HeadState| part.tensors.iter().map(|tensor| tensor.name.clone()).collect::<Vec<_>>();
        if names(part) != names(expected) {
            return Err(self.differs("tensors", names(part).join(", "), names(expected).join(", ")));
        }
        Ok(())
    }
}

impl<C: crate::Communicator> super::ShardedHead<C> {
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

/// The state of the whole head from those of all its shards, in any order: that of a dense [`Head`], for
/// [`Head::from_state`] or [`split_shards`].
///
/// # Errors
/// [`Error::MissingShard`], [`Error::DuplicateShard`]; [`Error::ShardsDiffer`] for a shard that says another number
/// of shards, whose classes are not those that it should have, or that is not of the same head at the same step;
/// [`Error::TensorShape`].
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

/// The states of `shards` shards from that of a whole head, a dense [`Head`] or what [`join_shards`] made; in their order.
///
/// # Errors
/// [`Error::OutOfRange`] without a shard or with more of them than classes; [`Error::NotShardable`] for the state of a
/// screened or sampled head; [`Error::TensorShape`].
pub fn split_shards(state: &HeadState, shards: usize) -> Result<Vec<ShardState>, Error> {
    check_size(state.classes, state.objective.sub_centres(), state.dim)?;
    check_shards(shards, state.classes)?;
    if state.config.mode.threshold(&state.objective, state.classes)?.is_some() {
        return Err(Error::NotShardable { mode: "screened" });
    }
    let config = dense(state.config)?;
    check_tensors(state)?;
    let each = state.objective.sub_centres();
    let part = |shard: usize| {
        let own = classes_of(shard, shards, state.classes);
        let tensors = state.tensors.iter().map(|tensor| HeadTensor {
            name: tensor.name.clone(),
            shape: [own.len() * each, state.dim],
            values: tensor.values[own.start * each * state.dim..own.end * each * state.dim].to_vec(),
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

/// Whether every tensor has a row for each centre; what else there is to check is up to who takes the state.
fn check_tensors(state: &HeadState) -> Result<(), Error> {
    let each = state.objective.sub_centres();
    let expected = [state.classes * each, state.dim];
    for tensor in &state.tensors {
        let values = tensor.values.len();
        if tensor.shape != expected || values != expected[0] * expected[1] {
            let (name, found) = (tensor.name.clone(), tensor.shape);
            return Err(Error::TensorShape { name, found, values, expected });
        }
    }
    Ok(())
}

//! The state of a shard, and how the states of all become that of one head and back.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{check_shards, classes_of, dense};
use crate::head::check_size;
use crate::{Head, HeadError, HeadState, HeadTensor};

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
    pub(super) fn open(self, rank: usize, size: usize) -> Result<(Range<usize>, usize, Head), HeadError> {
        let Self { shard, shards, .. } = self;
        if (shard, shards) != (rank, size) {
            return Err(HeadError::OtherShard { shard, shards, rank, size });
        }
        self.check_range()?;
        check_tensors(&self.part)?;
        let own = self.first_class..self.first_class + self.part.classes;
        let config = dense(self.part.config)?;
        Ok((own, self.all_classes, Head::from_state(HeadState { config, ..self.part })?))
    }

    /// Whether the classes are those that this shard of so many has.
    fn check_range(&self) -> Result<(), HeadError> {
        check_size(self.all_classes, self.part.objective.sub_centres(), self.part.dim)?;
        check_shards(self.shards, self.all_classes)?;
        if self.shard >= self.shards {
            return Err(self.differs("number", self.shard, format!("a number below {}", self.shards)));
        }
        let wanted = classes_of(self.shard, self.shards, self.all_classes);
        let found = self.first_class..self.first_class.saturating_add(self.part.classes);
        if found != wanted {
            return Err(self.differs("classes", format!("{found:?}"), format!("{wanted:?}")));
        }
        Ok(())
    }

    fn differs(&self, what: &'static str, found: impl ToString, wanted: impl ToString) -> HeadError {
        let (found, wanted) = (found.to_string(), wanted.to_string());
        HeadError::ShardsDiffer { shard: self.shard, what, found, wanted }
    }

    /// Whether this is a shard of the same head at the same moment as the first.
    fn check_same(&self, first: &Self) -> Result<(), HeadError> {
        let (part, wanted) = (&self.part, &first.part);
        if self.all_classes != first.all_classes {
            return Err(self.differs("number of all classes", self.all_classes, first.all_classes));
        }
        if part.dim != wanted.dim {
            return Err(self.differs("dimension", part.dim, wanted.dim));
        }
        if part.steps != wanted.steps {
            return Err(self.differs("number of steps", part.steps, wanted.steps));
        }
        if part.config != wanted.config {
            let (found, wanted) = (format!("{:?}", part.config), format!("{:?}", wanted.config));
            return Err(self.differs("configuration", found, wanted));
        }
        if part.objective != wanted.objective {
            let (found, wanted) = (format!("{:?}", part.objective), format!("{:?}", wanted.objective));
            return Err(self.differs("objective", found, wanted));
        }
        if part.learnt_memory != wanted.learnt_memory {
            let (found, wanted) =
                (format!("{:?}", part.learnt_memory), format!("{:?}", wanted.learnt_memory));
            return Err(self.differs("memory of what is learnt", found, wanted));
        }
        let names =
            |part: &HeadState| part.tensors.iter().map(|tensor| tensor.name.clone()).collect::<Vec<_>>();
        if names(part) != names(wanted) {
            return Err(self.differs("tensors", names(part).join(", "), names(wanted).join(", ")));
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
/// [`HeadError::MissingShard`], [`HeadError::DuplicateShard`]; [`HeadError::ShardsDiffer`] for a shard that says another number
/// of shards, whose classes are not those that it should have, or that is not of the same head at the same step;
/// [`HeadError::TensorShape`].
pub fn join_shards(states: impl IntoIterator<Item = ShardState>) -> Result<HeadState, HeadError> {
    let mut states: Vec<ShardState> = states.into_iter().collect();
    states.sort_by_key(|state| state.shard);
    let Some(shards) = states.first().map(|state| state.shards) else {
        return Err(HeadError::MissingShard { shard: 0, shards: 1 });
    };
    if let Some(other) = states.iter().find(|state| state.shards != shards) {
        return Err(other.differs("number of shards", other.shards, shards));
    }
    for (at, state) in states.iter().enumerate() {
        if at > 0 && states[at - 1].shard == state.shard {
            return Err(HeadError::DuplicateShard { shard: state.shard });
        }
        if state.shard < shards && state.shard != at {
            return Err(HeadError::MissingShard { shard: at, shards });
        }
        state.check_same(&states[0])?;
        state.check_range()?;
        check_tensors(&state.part)?;
    }
    if states.len() < shards {
        return Err(HeadError::MissingShard { shard: states.len(), shards });
    }

    let mut parts = states.into_iter().map(|state| (state.all_classes, state.part));
    let Some((classes, mut whole)) = parts.next() else {
        return Err(HeadError::MissingShard { shard: 0, shards });
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
/// [`HeadError::OutOfRange`] without a shard or with more of them than classes; [`HeadError::NotShardable`] for the state of a
/// screened or sampled head; [`HeadError::TensorShape`].
pub fn split_shards(state: &HeadState, shards: usize) -> Result<Vec<ShardState>, HeadError> {
    check_size(state.classes, state.objective.sub_centres(), state.dim)?;
    check_shards(shards, state.classes)?;
    if state.config.mode.threshold(&state.objective, state.classes)?.is_some() {
        return Err(HeadError::NotShardable { mode: "screened" });
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
fn check_tensors(state: &HeadState) -> Result<(), HeadError> {
    let each = state.objective.sub_centres();
    let wanted = [state.classes * each, state.dim];
    for tensor in &state.tensors {
        let values = tensor.values.len();
        if tensor.shape != wanted || values != wanted[0] * wanted[1] {
            let (name, found) = (tensor.name.clone(), tensor.shape);
            return Err(HeadError::TensorShape { name, found, values, wanted });
        }
    }
    Ok(())
}

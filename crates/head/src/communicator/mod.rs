//! How the shards of a head talk to each other.
//!
//! A [`Communicator`] is one rank of a group that runs the same program in step: four collective calls, each made by every
//! rank in the same order. [`Solo`] is a group of one; [`ThreadGroup`] makes the ranks of one process, a thread each. A
//! group over many machines (MPI, say) implements the same trait outside this crate.
//!
//! A collective call is never hidden: what of a sharded head communicates says so in its documentation, and how often.

mod threads;

pub use threads::{ThreadGroup, ThreadRank};

/// One rank of a group. Every call but [`Communicator::rank`] and [`Communicator::size`] is *collective*: it returns when all
/// ranks have made it, so every rank must make the same calls in the same order.
///
/// What an implementation has to hold to:
///
/// - every rank gets the same bits, whatever the order in which messages arrive. The ranks of a sharded head choose alike
///   because they see alike; where a library's reduction does not promise it (MPI recommends it and does not ask for it),
///   gather and add up in the order of the ranks, or reduce on one rank and broadcast;
/// - numbers arrive as they were sent, infinities and `NaN` included;
/// - a rank that is gone, or makes another call than the others, is an error for all that wait for it, not an endless wait.
///   After an error the group is of no use any more.
pub trait Communicator {
    /// Number of this rank, from 0 to below [`Communicator::size`].
    fn rank(&self) -> usize;

    /// Ranks in the group, 1 or more.
    fn size(&self) -> usize;

    /// Replaces each value by its sum over the ranks; all give as many.
    ///
    /// # Errors
    /// If a rank is gone, or does not take part in this very call with as many values.
    fn all_reduce_sum_f32(&self, values: &mut [f32]) -> Result<(), CommunicatorError>;

    /// See [`Communicator::all_reduce_sum_f32`].
    ///
    /// # Errors
    /// See [`Communicator::all_reduce_sum_f32`].
    fn all_reduce_sum_f64(&self, values: &mut [f64]) -> Result<(), CommunicatorError>;

    /// The values of each rank, in the order of the ranks; they may give different numbers of them.
    ///
    /// # Errors
    /// If a rank is gone, or does not take part in this very call.
    fn all_gather_f32(&self, values: &[f32]) -> Result<Vec<Vec<f32>>, CommunicatorError>;

    /// See [`Communicator::all_gather_f32`].
    ///
    /// # Errors
    /// See [`Communicator::all_gather_f32`].
    fn all_gather_f64(&self, values: &[f64]) -> Result<Vec<Vec<f64>>, CommunicatorError>;
}

/// So that a head and a backbone can use the same rank in turn.
impl<C: Communicator + ?Sized> Communicator for &C {
    fn rank(&self) -> usize {
        (**self).rank()
    }

    fn size(&self) -> usize {
        (**self).size()
    }

    fn all_reduce_sum_f32(&self, values: &mut [f32]) -> Result<(), CommunicatorError> {
        (**self).all_reduce_sum_f32(values)
    }

    fn all_reduce_sum_f64(&self, values: &mut [f64]) -> Result<(), CommunicatorError> {
        (**self).all_reduce_sum_f64(values)
    }

    fn all_gather_f32(&self, values: &[f32]) -> Result<Vec<Vec<f32>>, CommunicatorError> {
        (**self).all_gather_f32(values)
    }

    fn all_gather_f64(&self, values: &[f64]) -> Result<Vec<Vec<f64>>, CommunicatorError> {
        (**self).all_gather_f64(values)
    }
}

/// What keeps a group from communicating. It is of no use any more then.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CommunicatorError {
    /// A rank that has ended, or was dropped by a panic.
    #[error("rank {rank} of the group has ended; look for its own error, then start all ranks again")]
    RankGone {
        /// The rank.
        rank: usize,
    },

    /// Ranks that do not make the same call.
    #[error(
        "rank {rank} of the group called {found} where rank {own} called {expected}; all must make the same calls"
    )]
    OutOfStep {
        /// A rank that made another call.
        rank: usize,
        /// Its call.
        found: String,
        /// The rank that tells.
        own: usize,
        /// Its own call.
        expected: String,
    },

    /// A rank that lives but did not come.
    #[error("rank {rank} of the group did not make the call within {seconds} s")]
    TimedOut {
        /// The rank.
        rank: usize,
        /// How long was waited.
        seconds: f64,
    },

    /// What an implementation outside this crate has to say.
    #[error("{0}")]
    Transport(String),
}

/// A group of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Solo;

impl Communicator for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn all_reduce_sum_f32(&self, _: &mut [f32]) -> Result<(), CommunicatorError> {
        Ok(())
    }

    fn all_reduce_sum_f64(&self, _: &mut [f64]) -> Result<(), CommunicatorError> {
        Ok(())
    }

    fn all_gather_f32(&self, values: &[f32]) -> Result<Vec<Vec<f32>>, CommunicatorError> {
        Ok(vec![values.to_vec()])
    }

    fn all_gather_f64(&self, values: &[f64]) -> Result<Vec<Vec<f64>>, CommunicatorError> {
        Ok(vec![values.to_vec()])
    }
}

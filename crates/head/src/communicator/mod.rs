//! Communication between the shards of a head.
//!
//! A [`Communicator`] is one rank of a group whose ranks run the same program: it has four collective calls, and every rank
//! makes each call in the same order. [`Solo`] is a group of one; [`ThreadGroup`](crate::ThreadGroup) makes the ranks of one
//! process, one thread each. A group across machines (for example with MPI) implements the same trait outside this crate.
//!
//! Every method of a sharded head that communicates says so in its documentation, and how often.

pub(crate) mod threads;

use crate::error::Error;

/// One rank of a group. Every call except [`Communicator::rank`] and [`Communicator::size`] is *collective*: it returns when all
/// ranks have made it, so every rank must make the same calls in the same order.
///
/// An implementation must guarantee:
///
/// - Every rank gets the same bits, in whatever order messages arrive. The ranks of a sharded head make the same decisions
///   because they see the same values. If a library's reduction does not guarantee this (MPI recommends it but does not require
///   it), gather and sum in the order of the ranks, or reduce on one rank and broadcast.
/// - Values arrive as they were sent, including infinities and `NaN`.
/// - If a rank has ended or makes another call, the ranks waiting for it get an error instead of waiting forever. After an error
///   the group cannot be used any more.
pub trait Communicator {
    /// Number of this rank: 0 or more, below [`Communicator::size`].
    fn rank(&self) -> usize;

    /// Number of ranks in the group, 1 or more.
    fn size(&self) -> usize;

    /// Replaces each value by its sum over the ranks. All ranks must pass the same number of values.
    ///
    /// # Errors
    /// [`Error::RankGone`], [`Error::OutOfStep`], [`Error::TimedOut`] or [`Error::Transport`].
    fn all_reduce_sum_f32(&self, values: &mut [f32]) -> Result<(), Error>;

    /// See [`Communicator::all_reduce_sum_f32`].
    ///
    /// # Errors
    /// See [`Communicator::all_reduce_sum_f32`].
    fn all_reduce_sum_f64(&self, values: &mut [f64]) -> Result<(), Error>;

    /// Returns the values of each rank, in the order of the ranks. Ranks may pass different numbers of values.
    ///
    /// # Errors
    /// See [`Communicator::all_reduce_sum_f32`].
    fn all_gather_f32(&self, values: &[f32]) -> Result<Vec<Vec<f32>>, Error>;

    /// See [`Communicator::all_gather_f32`].
    ///
    /// # Errors
    /// See [`Communicator::all_gather_f32`].
    fn all_gather_f64(&self, values: &[f64]) -> Result<Vec<Vec<f64>>, Error>;
}

/// Lets a head and a backbone share one rank.
impl<C: Communicator + ?Sized> Communicator for &C {
    fn rank(&self) -> usize {
        (**self).rank()
    }

    fn size(&self) -> usize {
        (**self).size()
    }

    fn all_reduce_sum_f32(&self, values: &mut [f32]) -> Result<(), Error> {
        (**self).all_reduce_sum_f32(values)
    }

    fn all_reduce_sum_f64(&self, values: &mut [f64]) -> Result<(), Error> {
        (**self).all_reduce_sum_f64(values)
    }

    fn all_gather_f32(&self, values: &[f32]) -> Result<Vec<Vec<f32>>, Error> {
        (**self).all_gather_f32(values)
    }

    fn all_gather_f64(&self, values: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        (**self).all_gather_f64(values)
    }
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

    fn all_reduce_sum_f32(&self, _: &mut [f32]) -> Result<(), Error> {
        Ok(())
    }

    fn all_reduce_sum_f64(&self, _: &mut [f64]) -> Result<(), Error> {
        Ok(())
    }

    fn all_gather_f32(&self, values: &[f32]) -> Result<Vec<Vec<f32>>, Error> {
        Ok(vec![values.to_vec()])
    }

    fn all_gather_f64(&self, values: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        Ok(vec![values.to_vec()])
    }
}

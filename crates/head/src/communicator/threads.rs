//! Ranks in one process, for tests and for sharding over the memory of one machine.
//!
//! A call stores its values in the group's current round and waits until all ranks have done so. Then every rank reads all values
//! and sums them in the order of the ranks, so all get the same bits. A rank that is dropped, at the end of its thread or by a
//! panic, marks itself as gone and wakes the others.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Communicator;
use crate::error::Error;

/// Creates the ranks of one process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadGroup {
    timeout: Option<Duration>,
}

impl ThreadGroup {
    /// Ranks that wait for each other without a time limit.
    pub const fn new() -> Self {
        Self { timeout: None }
    }

    /// Ranks that give up a call after waiting this long for another rank.
    pub const fn with_timeout(timeout: Duration) -> Self {
        Self { timeout: Some(timeout) }
    }

    /// The ranks of a group of `size`, in order; none for size 0. Move each to its own thread, not to a task of a thread pool: they
    /// block while they wait for each other.
    ///
    /// ```
    /// use widemargin_head::{Communicator, ThreadGroup};
    ///
    /// std::thread::scope(|scope| {
    ///     for rank in ThreadGroup::new().ranks(3) {
    ///         scope.spawn(move || {
    ///             let mut values = [1.0, rank.rank() as f32];
    ///             rank.all_reduce_sum_f32(&mut values).expect("all ranks are alive");
    ///             assert_eq!(values, [3.0, 3.0]);
    ///         });
    ///     }
    /// });
    /// ```
    pub fn ranks(self, size: usize) -> Vec<ThreadRank> {
        let round =
            Round { number: 0, given: vec![None; size], last: Arc::default(), gone: vec![false; size] };
        let shared = Arc::new(Shared { round: Mutex::new(round), changed: Condvar::new() });
        (0..size)
            .map(|rank| ThreadRank { rank, size, timeout: self.timeout, shared: Arc::clone(&shared) })
            .collect()
    }
}

/// A rank of a [`ThreadGroup`]. Dropping it ends the group: the calls of the others fail from then on.
#[derive(Debug)]
pub struct ThreadRank {
    rank: usize,
    size: usize,
    timeout: Option<Duration>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    round: Mutex<Round>,
    changed: Condvar,
}

#[derive(Debug)]
struct Round {
    number: u64,
    /// What each rank passed in this round.
    given: Vec<Option<Given>>,
    /// What all ranks passed in the round before. It is replaced only after every rank made its next call, and so has read it.
    last: Arc<Vec<Given>>,
    gone: Vec<bool>,
}

#[derive(Clone, Debug)]
struct Given {
    call: Call,
    values: Values,
}

/// What the calls of one round must have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Sum { values: usize },
    Gather,
}

#[derive(Clone, Debug)]
enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Given {
    fn describe(&self) -> String {
        let (name, count) = match &self.values {
            Values::F32(values) => ("f32", values.len()),
            Values::F64(values) => ("f64", values.len()),
        };
        match self.call {
            Call::Sum { .. } => format!("all_reduce_sum_{name} of {count} values"),
            Call::Gather => format!("all_gather_{name}"),
        }
    }

    fn is_in_step_with(&self, other: &Self) -> bool {
        self.call == other.call
            && std::mem::discriminant(&self.values) == std::mem::discriminant(&other.values)
    }
}

impl ThreadRank {
    /// No code panics while it holds the lock, and the data behind it is always consistent.
    fn lock(&self) -> MutexGuard<'_, Round> {
        self.shared.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes values to the group; returns those of all ranks, in order.
    fn exchange(&self, call: Call, values: Values) -> Result<Arc<Vec<Given>>, Error> {
        let mut round = self.lock();
        if round.gone[self.rank] {
            return Err(Error::RankGone { rank: self.rank });
        }
        let number = round.number;
        round.given[self.rank] = Some(Given { call, values });
        if round.given.iter().all(Option::is_some) {
            round.last = Arc::new(round.given.iter_mut().filter_map(Option::take).collect());
            round.number += 1;
            self.shared.changed.notify_all();
        }
        let start = Instant::now();
        while round.number == number {
            let missing = |rank: &usize| round.given[*rank].is_none();
            if let Some(rank) = (0..self.size).filter(missing).find(|&rank| round.gone[rank]) {
                return Err(Error::RankGone { rank });
            }
            round = match self.timeout {
                None => self.shared.changed.wait(round).unwrap_or_else(PoisonError::into_inner),
                Some(timeout) => {
                    let left = timeout.saturating_sub(start.elapsed());
                    let first_missing = (0..self.size).find(|rank| round.given[*rank].is_none());
                    if let (true, Some(rank)) = (left.is_zero(), first_missing) {
                        // a late rank must not find the values of a call that this rank gave up
                        (round.given[self.rank], round.gone[self.rank]) = (None, true);
                        self.shared.changed.notify_all();
                        return Err(Error::TimedOut { rank, seconds: timeout.as_secs_f64() });
                    }
                    let waited = self.shared.changed.wait_timeout(round, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        let all = Arc::clone(&round.last);
        drop(round);
        let own = &all[self.rank];
        match all.iter().position(|theirs| !theirs.is_in_step_with(own)) {
            Some(rank) => Err(Error::OutOfStep {
                rank,
                found: all[rank].describe(),
                own: self.rank,
                expected: own.describe(),
            }),
            None => Ok(all),
        }
    }
}

impl Drop for ThreadRank {
    fn drop(&mut self) {
        self.lock().gone[self.rank] = true;
        self.shared.changed.notify_all();
    }
}

impl Communicator for ThreadRank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_reduce_sum_f32(&self, values: &mut [f32]) -> Result<(), Error> {
        let all = self.exchange(Call::Sum { values: values.len() }, Values::F32(values.to_vec()))?;
        values.fill(0.0);
        for given in all.iter() {
            if let Values::F32(theirs) = &given.values {
                values.iter_mut().zip(theirs).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(())
    }

    fn all_reduce_sum_f64(&self, values: &mut [f64]) -> Result<(), Error> {
        let all = self.exchange(Call::Sum { values: values.len() }, Values::F64(values.to_vec()))?;
        values.fill(0.0);
        for given in all.iter() {
            if let Values::F64(theirs) = &given.values {
                values.iter_mut().zip(theirs).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(())
    }

    fn all_gather_f32(&self, values: &[f32]) -> Result<Vec<Vec<f32>>, Error> {
        let all = self.exchange(Call::Gather, Values::F32(values.to_vec()))?;
        let theirs = |given: &Given| match &given.values {
            Values::F32(values) => values.clone(),
            Values::F64(_) => unreachable!("the exchange rejects ranks that are out of step"),
        };
        Ok(all.iter().map(theirs).collect())
    }

    fn all_gather_f64(&self, values: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        let all = self.exchange(Call::Gather, Values::F64(values.to_vec()))?;
        let theirs = |given: &Given| match &given.values {
            Values::F64(values) => values.clone(),
            Values::F32(_) => unreachable!("the exchange rejects ranks that are out of step"),
        };
        Ok(all.iter().map(theirs).collect())
    }
}

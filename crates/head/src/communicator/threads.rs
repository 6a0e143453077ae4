//! Ranks in one process: the tests' group, and a way to shard over the memory of one machine.
//!
//! A call leaves its values in the group's place for this round and waits until all have; then every rank reads all of them
//! and adds up for itself in the order of the ranks, so all get the same bits. A rank that is dropped, by the end of its
//! thread or by a panic, marks itself as gone and wakes the others.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Communicator, CommunicatorError};

/// Makes the ranks of one process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadGroup {
    timeout: Option<Duration>,
}

impl ThreadGroup {
    /// Ranks that wait for each other as long as all live.
    pub const fn new() -> Self {
        Self { timeout: None }
    }

    /// Ranks that give up a call for which another lets them wait longer than this.
    pub const fn with_timeout(timeout: Duration) -> Self {
        Self { timeout: Some(timeout) }
    }

    /// The ranks of a group of `size`, in their order; none for a size of 0. Each is to be moved to a thread of its own, not to a
    /// task of a thread pool: they wait for each other.
    ///
    /// ```
    /// use widemargin_head::{Communicator, ThreadGroup};
    ///
    /// std::thread::scope(|scope| {
    ///     for rank in ThreadGroup::new().ranks(3) {
    ///         scope.spawn(move || {
    ///             let mut values = [1.0, rank.rank() as f32];
    ///             rank.all_reduce_sum_f32(&mut values).expect("all ranks live");
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

/// A rank of a [`ThreadGroup`]. Dropping it ends the group: the others' calls fail from then on.
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
    /// What each rank has given in this round.
    given: Vec<Option<Given>>,
    /// What all gave in the round before. It cannot be replaced before all have read it: that takes a call of each.
    last: Arc<Vec<Given>>,
    gone: Vec<bool>,
}

#[derive(Clone, Debug)]
struct Given {
    call: Call,
    values: Values,
}

/// What ranks must have in common to be in step.
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
    /// No code panics while it holds the lock, and what is behind it is whole at any moment.
    fn lock(&self) -> MutexGuard<'_, Round> {
        self.shared.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives something and gets what all gave, in the order of the ranks.
    fn exchange(&self, call: Call, values: Values) -> Result<Arc<Vec<Given>>, CommunicatorError> {
        let mut round = self.lock();
        if round.gone[self.rank] {
            return Err(CommunicatorError::RankGone { rank: self.rank });
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
                return Err(CommunicatorError::RankGone { rank });
            }
            round = match self.timeout {
                None => self.shared.changed.wait(round).unwrap_or_else(PoisonError::into_inner),
                Some(timeout) => {
                    let left = timeout.saturating_sub(start.elapsed());
                    let first_missing = (0..self.size).find(|rank| round.given[*rank].is_none());
                    if let (true, Some(rank)) = (left.is_zero(), first_missing) {
                        // a rank that comes late must not find what this one has given up on
                        (round.given[self.rank], round.gone[self.rank]) = (None, true);
                        self.shared.changed.notify_all();
                        return Err(CommunicatorError::TimedOut { rank, seconds: timeout.as_secs_f64() });
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
            Some(rank) => Err(CommunicatorError::OutOfStep {
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

    fn all_reduce_sum_f32(&self, values: &mut [f32]) -> Result<(), CommunicatorError> {
        let all = self.exchange(Call::Sum { values: values.len() }, Values::F32(values.to_vec()))?;
        values.fill(0.0);
        for given in all.iter() {
            if let Values::F32(theirs) = &given.values {
                values.iter_mut().zip(theirs).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(())
    }

    fn all_reduce_sum_f64(&self, values: &mut [f64]) -> Result<(), CommunicatorError> {
        let all = self.exchange(Call::Sum { values: values.len() }, Values::F64(values.to_vec()))?;
        values.fill(0.0);
        for given in all.iter() {
            if let Values::F64(theirs) = &given.values {
                values.iter_mut().zip(theirs).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(())
    }

    fn all_gather_f32(&self, values: &[f32]) -> Result<Vec<Vec<f32>>, CommunicatorError> {
        let all = self.exchange(Call::Gather, Values::F32(values.to_vec()))?;
        let theirs = |given: &Given| match &given.values {
            Values::F32(values) => values.clone(),
            Values::F64(_) => unreachable!("ranks out of step are refused by the exchange"),
        };
        Ok(all.iter().map(theirs).collect())
    }

    fn all_gather_f64(&self, values: &[f64]) -> Result<Vec<Vec<f64>>, CommunicatorError> {
        let all = self.exchange(Call::Gather, Values::F64(values.to_vec()))?;
        let theirs = |given: &Given| match &given.values {
            Values::F64(values) => values.clone(),
            Values::F32(_) => unreachable!("ranks out of step are refused by the exchange"),
        };
        Ok(all.iter().map(theirs).collect())
    }
}

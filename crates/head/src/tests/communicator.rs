//! The ranks of one process: the results of collective calls, and the errors when a rank does not make one.

use std::time::Duration;

use super::values;
use crate::{Communicator, Error, ThreadGroup, ThreadRank};

/// Runs every rank of a group on its own thread; returns their results in order. A group that hangs fails after a minute.
pub(super) fn on_ranks<T: Send>(size: usize, run: impl Fn(ThreadRank) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let run = &run;
        let ranks = ThreadGroup::with_timeout(Duration::from_mins(1)).ranks(size);
        let threads: Vec<_> = ranks.into_iter().map(|rank| scope.spawn(move || run(rank))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a rank panicked")).collect()
    })
}

#[test]
fn collectives_give_every_rank_the_same_bits() {
    for size in [1, 2, 5] {
        let found = on_ranks(size, |rank| {
            let own = rank.rank();
            let mut sums = Vec::new();
            for round in 0..50 {
                let mut narrow = values(3, (round * 10 + own) as u64);
                let mut wide = [0.1 * own as f64, f64::NEG_INFINITY];
                rank.all_reduce_sum_f32(&mut narrow).expect("all live");
                rank.all_reduce_sum_f64(&mut wide).expect("all live");
                let gathered = rank.all_gather_f32(&vec![own as f32; own]).expect("all live");
                assert_eq!(gathered.len(), size);
                assert!(gathered.iter().enumerate().all(|(at, row)| *row == vec![at as f32; at]));
                let gathered = rank.all_gather_f64(&[own as f64, f64::NAN]).expect("all live");
                assert!(gathered.iter().enumerate().all(|(at, row)| row[0] == at as f64 && row[1].is_nan()));
                sums.push((
                    narrow.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
                    wide[0].to_bits(),
                ));
                assert_eq!(wide[1], f64::NEG_INFINITY);
            }
            sums
        });
        for (round, (narrow, _)) in found[0].iter().enumerate() {
            let own =
                |at: usize| (0..size).map(|rank| values(3, (round * 10 + rank) as u64)[at]).sum::<f32>();
            assert_eq!(*narrow, [own(0), own(1), own(2)].map(f32::to_bits));
        }
        assert!(found.iter().all(|rank| *rank == found[0]));
    }
}

#[test]
fn a_rank_that_ends_or_panics_is_an_error_for_the_others() {
    let end: [fn(); 2] = [|| (), || std::panic::resume_unwind(Box::new("a rank fails"))];
    for end in end {
        let ranks = ThreadGroup::with_timeout(Duration::from_mins(1)).ranks(3);
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = ranks
                .into_iter()
                .map(|rank| {
                    scope.spawn(move || {
                        let mut values = [1.0_f32];
                        rank.all_reduce_sum_f32(&mut values).expect("all live");
                        if rank.rank() == 1 {
                            end();
                            return Ok(());
                        }
                        let first = rank.all_reduce_sum_f32(&mut values);
                        assert_eq!(
                            rank.all_gather_f64(&[1.0]).map(|_| ()),
                            first,
                            "the group stays unusable"
                        );
                        first
                    })
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let errors = found.iter().filter(|found| **found == Err(Error::RankGone { rank: 1 }));
        assert_eq!(errors.count(), 2, "{found:?}");
    }
}

#[test]
fn ranks_out_of_step_and_ranks_that_time_out_have_different_errors() {
    let found = on_ranks(2, |rank| match rank.rank() {
        0 => rank.all_gather_f32(&[1.0]).map(|_| ()),
        _ => rank.all_reduce_sum_f64(&mut [1.0, 2.0]),
    });
    let (gather, sum) = ("all_gather_f32".to_owned(), "all_reduce_sum_f64 of 2 values".to_owned());
    let expected = |rank, found: &String, own, expected: &String| {
        Err(Error::OutOfStep { rank, found: found.clone(), own, expected: expected.clone() })
    };
    assert_eq!(found, [expected(1, &sum, 0, &gather), expected(0, &gather, 1, &sum)]);
    let found = on_ranks(2, |rank| rank.all_reduce_sum_f32(&mut vec![1.0; 2 + rank.rank()]));
    assert!(found.iter().all(|found| matches!(found, Err(Error::OutOfStep { .. }))), "{found:?}");

    let mut ranks = ThreadGroup::with_timeout(Duration::from_millis(20)).ranks(2);
    let late = ranks.remove(1);
    let found = ranks[0].all_gather_f64(&[1.0]).map(|_| ());
    assert_eq!(found, Err(Error::TimedOut { rank: 1, seconds: 0.02 }));
    // for the late rank, the one that timed out has ended
    assert_eq!(late.all_gather_f64(&[1.0]).map(|_| ()), Err(Error::RankGone { rank: 0 }));
}

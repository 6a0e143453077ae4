//! Maps positions to results with several threads, in order.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Positions that a thread takes at a time.
const CHUNK: usize = 16;

/// `work(0), work(1), ... work(count - 1)`, computed by `threads` threads; 0 means one per core.
///
/// Which thread computes which position depends on timing; the result does not.
pub(crate) fn map_positions<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let available = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { available() } else { threads }.min(count.div_ceil(CHUNK));
    if threads <= 1 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut chunks = Vec::new();
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            if start >= count {
                return chunks;
            }
            chunks.push((start, (start..count.min(start + CHUNK)).map(&work).collect::<Vec<T>>()));
        }
    };
    let mut chunks: Vec<(usize, Vec<T>)> = std::thread::scope(|scope| {
        let start = || std::thread::Builder::new().spawn_scoped(scope, worker);
        // This thread works too, so that the work is done even if the system starts no other thread.
        let others: Vec<_> = (1..threads).map_while(|_| start().ok()).collect();
        let mut chunks = worker();
        for other in others {
            chunks.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        chunks
    });
    chunks.sort_unstable_by_key(|(start, _)| *start);
    chunks.into_iter().flat_map(|(_, chunk)| chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_at_any_number_of_threads() {
        for count in [0, 1, 15, 16, 17, 100] {
            let expected: Vec<usize> = (0..count).map(|position| position * position).collect();
            for threads in [0, 1, 3, 40] {
                assert_eq!(map_positions(threads, count, |position| position * position), expected);
            }
        }
    }
}

//! Bounds the memory that reading and decoding images takes, for the whole process.
//!
//! Without it every thread could hold the largest image that is accepted. A thread that needs memory waits until others have given theirs
//! back. One image is always let through, however large: its own size is limited elsewhere.

use std::sync::{Condvar, Mutex, PoisonError};

/// The content of image files.
pub(crate) static FILES: Budget = Budget::new(512 << 20);
/// Decoded pixels with their conversions. A thread that waits for these holds a share of [`FILES`]; never the reverse, so no two threads
/// wait for each other.
pub(crate) static PIXELS: Budget = Budget::new(1 << 30);

/// A number of bytes that threads share.
pub(crate) struct Budget {
    most: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

/// Bytes taken from a budget until this is dropped.
pub(crate) struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    const fn new(most: u64) -> Self {
        Self { most, used: Mutex::new(0), freed: Condvar::new() }
    }

    /// Takes `bytes`, and waits until they are free or nobody else has any.
    pub(crate) fn take(&self, bytes: u64) -> Share<'_> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used > 0 && used.saturating_add(bytes) > self.most {
            used = self.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used = used.saturating_add(bytes);
        Share { budget: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut used = self.budget.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(self.bytes);
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn threads_together_stay_within_the_budget() {
        let budget = Budget::new(100);
        let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for bytes in [10, 60, 90, 100] {
                        let share = budget.take(bytes);
                        most.fetch_max(held.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                        std::thread::yield_now();
                        held.fetch_sub(bytes, Ordering::SeqCst);
                        drop(share);
                    }
                });
            }
        });
        assert!((1..=100).contains(&most.into_inner()));
        // One that is larger than the whole budget gets it alone.
        drop(budget.take(1000));
        assert_eq!(*budget.used.lock().unwrap(), 0);
    }
}

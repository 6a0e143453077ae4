//! Reuse of freed memory.

/// Makes the allocator keep freed memory for later allocations instead of returning it to the system.
///
/// A training step allocates and frees the same tensors again and again. If their pages are returned, the system must map
/// and clear them again and, with several threads, interrupt the other processors. That costs a fifth of a training step of
/// a small network. A program calls this once when it starts. Peak memory hardly changes. Only Linux with glibc is affected,
/// whose `malloc` returns blocks of 128 KiB and more at once (`mallopt(3)`); elsewhere the function does nothing.
pub fn keep_freed_pages() {
    /// The largest value that glibc accepts.
    const LARGEST: i32 = 32 << 20;
    set(MMAP_THRESHOLD, LARGEST);
    set(TRIM_THRESHOLD, i32::MAX);
}

/// As [`keep_freed_pages`], for blocks above 32 MiB too, which the main thread allocates.
///
/// The output of one layer for a batch of large images is such a block. Call it before training, after the data is read: a
/// vector of that size that grows is moved each time, while a mapping of its own grows in place.
pub fn keep_large_freed_pages() {
    keep_freed_pages();
    set(MMAP_MAX, 0);
}

const TRIM_THRESHOLD: i32 = -1;
const MMAP_THRESHOLD: i32 = -3;
const MMAP_MAX: i32 = -4;

/// Sets a parameter of the allocator, if it is glibc's.
fn set(parameter: i32, value: i32) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn mallopt(parameter: core::ffi::c_int, value: core::ffi::c_int) -> core::ffi::c_int;
        }
        // SAFETY: sets a parameter of the allocator under its own lock; it ignores values that it does not accept.
        unsafe {
            mallopt(parameter, value);
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = (parameter, value);
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "files of the system")]
    fn a_freed_block_costs_no_new_pages() {
        keep_freed_pages();
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
        if ["vgpreload", "jemalloc", "mimalloc"].iter().any(|other| maps.contains(other)) {
            // Another allocator has replaced glibc's.
            return;
        }
        let faults = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux has it");
            // The name in brackets may contain anything; minor faults are the eighth field after it.
            let rest = stat.rsplit(')').next().expect("a line");
            rest.split_whitespace().nth(7).expect("a number").parse::<u64>().expect("a number")
        };
        let block = || std::hint::black_box(vec![1_u8; 8 << 20]);
        drop(block());
        let before = faults();
        for _ in 0..10 {
            drop(block());
        }
        // Ten blocks of 2,048 pages would all be new otherwise.
        assert!(faults() - before < 2048, "{} page faults", faults() - before);
    }
}

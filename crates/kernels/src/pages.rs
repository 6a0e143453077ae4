//! Reuse of freed memory.

/// Makes the allocator keep freed memory for later allocations instead of returning it to the system.
///
/// A training step allocates and frees the same tensors again and again. If their pages are returned, the system must map
/// and clear them again and, with several threads, interrupt the other processors. That costs a fifth of a training step of
/// a small network. A program calls this once when it starts. Peak memory hardly changes. Only Linux with glibc is affected,
/// whose `malloc` returns blocks of 128 KiB and more at once (`mallopt(3)`); elsewhere the function does nothing.
pub fn keep_freed_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn mallopt(parameter: core::ffi::c_int, value: core::ffi::c_int) -> core::ffi::c_int;
        }
        const TRIM_THRESHOLD: core::ffi::c_int = -1;
        const MMAP_THRESHOLD: core::ffi::c_int = -3;
        /// The largest value that glibc accepts.
        const LARGEST_KEPT: core::ffi::c_int = 32 << 20;
        // SAFETY: sets two parameters of the allocator under its own lock; it ignores values that it does not accept.
        unsafe {
            mallopt(MMAP_THRESHOLD, LARGEST_KEPT);
            mallopt(TRIM_THRESHOLD, core::ffi::c_int::MAX);
        }
    }
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

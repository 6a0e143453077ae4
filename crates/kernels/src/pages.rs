//! What becomes of memory that is freed.

/// Keeps freed memory for what is asked for next, instead of giving it back to the system.
///
/// A training step takes and frees the same tensors again and again. Given back, each of their pages has to be asked for anew, cleared by the
/// system and, with several threads, taken from the others by an interruption: a fifth of a step of a small network. A program calls this
/// once as it starts; what it holds at most is nearly unchanged. Does something under Linux with glibc, whose `malloc` gives blocks of 128 KiB and
/// more back at once (`mallopt(3)`); elsewhere nothing.
pub fn keep_freed_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn mallopt(parameter: core::ffi::c_int, value: core::ffi::c_int) -> core::ffi::c_int;
        }
        const TRIM_THRESHOLD: core::ffi::c_int = -1;
        const MMAP_THRESHOLD: core::ffi::c_int = -3;
        /// The largest that glibc takes.
        const LARGEST_KEPT: core::ffi::c_int = 32 << 20;
        // SAFETY: sets two numbers of the allocator under its own lock; one that it does not take it leaves as it was.
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
    fn a_freed_block_costs_no_new_pages() {
        keep_freed_pages();
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
        if ["vgpreload", "jemalloc", "mimalloc"].iter().any(|other| maps.contains(other)) {
            // the promise is about glibc's allocator, and another one has been put before it
            return;
        }
        let faults = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux has it");
            // the name in brackets may hold anything; minor faults are the eighth number behind it
            let rest = stat.rsplit(')').next().expect("a line");
            rest.split_whitespace().nth(7).expect("a number").parse::<u64>().expect("a number")
        };
        let block = || std::hint::black_box(vec![1_u8; 8 << 20]);
        drop(block());
        let before = faults();
        for _ in 0..10 {
            drop(block());
        }
        // ten blocks of 2,048 pages, were they all new
        assert!(faults() - before < 2048, "{} pages asked for", faults() - before);
    }
}

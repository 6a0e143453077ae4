//! The memory that a table may take: what the system has available.

use std::path::Path;

use super::error::{Problem, Result};

/// Memory that is available, in bytes; no limit where the system does not say.
pub(super) fn available() -> u64 {
    let text = |path: &str| {
        widemargin_durable::read_file(path, 1 << 16).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let system = text("/proc/meminfo").and_then(|text| kilobytes(&text));
    let group = text("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    system.unwrap_or(u64::MAX).min(group.unwrap_or(u64::MAX))
}

/// The bytes of a file that fits into memory.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = widemargin_durable::read_file(path, available());
    bytes.map_err(|error| Problem::Read(error.to_string()).at(path))
}

/// The line `MemAvailable` of `/proc/meminfo`, in bytes.
fn kilobytes(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Rejects a matrix of `values` values of `bytes` bytes that would not fit into memory.
pub(super) fn require(values: u128, bytes: u128, path: &Path) -> Result<()> {
    within(values.saturating_mul(bytes), available()).map_err(|problem| problem.at(path))
}

fn within(needed: u128, available: u64) -> Result<(), Problem> {
    if needed <= u128::from(available) {
        return Ok(());
    }
    let mebibytes = |bytes: u128| u64::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u64::MAX);
    Err(Problem::Memory { needed: mebibytes(needed), available: mebibytes(u128::from(available)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_available_memory_is_an_error() {
        assert_eq!(kilobytes("MemTotal: 9 kB\nMemAvailable:    5 kB\n"), Some(5120));
        assert_eq!((kilobytes("MemTotal: 9 kB\n"), kilobytes("MemAvailable: x kB")), (None, None));
        assert!(within(5, 5).is_ok() && available() > 1 << 20);
        let said = within(3 << 20, 2 << 20).unwrap_err().to_string();
        assert!(said.contains("needs 3 MiB of memory, but 2 MiB are available"), "{said}");
    }
}

//! Memory of this process.

/// Peak resident memory in MiB, if the system reports it (Linux).
pub(crate) fn peak_memory() -> Option<f64> {
    let status = widemargin_durable::read_text("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

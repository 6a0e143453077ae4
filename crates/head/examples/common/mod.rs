//! What the examples share.

use std::error::Error;
use std::fs;

/// CPU time of all threads of this process so far, in seconds. Unlike the time of the clock it does not include the time in which
/// other programs ran. Reads `/proc`, so it needs Linux.
#[expect(clippy::disallowed_methods, reason = "a file of the system")]
pub(crate) fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}

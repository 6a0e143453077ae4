//! SIGINT and SIGTERM: the first asks the run to save and end, the second ends the program at once.

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// The number of the first signal, 0 before it.
pub(crate) fn listen() -> anyhow::Result<Arc<AtomicI32>> {
    let received = Arc::new(AtomicI32::new(0));
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("listening for signals")?;
    let shared = Arc::clone(&received);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if shared.swap(signal, Ordering::Relaxed) != 0 {
                    std::process::exit(128 + signal);
                }
                eprintln!("stopping behind this step; once more to stop at once without saving");
            }
        })
        .context("starting the thread that listens for signals")?;
    Ok(received)
}

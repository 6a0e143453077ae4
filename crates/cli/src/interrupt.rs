//! SIGINT and SIGTERM: the first signal makes the run save and stop, the second ends the program at once.

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Listens for signals; the returned number is 0 until one arrives.
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
                eprintln!("saving and stopping after this step; Ctrl-C again quits without saving");
            }
        })
        .context("starting the thread that listens for signals")?;
    Ok(received)
}

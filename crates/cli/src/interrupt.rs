//! SIGINT and SIGTERM: the first signal makes the run save and stop, the second ends the program at once. If nothing can be saved, as
//! while data is read or a model is evaluated, the first ends the program. SIGXFSZ becomes an error.

use crate::say::say;
use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes a write beyond the limit on file sizes (`ulimit -f`) an error. Without a handler, the signal ends the program without a word.
pub(crate) fn report_large_files() -> anyhow::Result<()> {
    // Nobody reads the flag: the write that failed says more.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))
        .context("listening for signals")?;
    Ok(())
}

/// What to say when a signal ends the program at once, if it does. The number of a signal is stored under the same lock, so that a signal
/// before [`EndsAtOnce`] is seen by a caller that reads the number after making one.
static AT_ONCE: Mutex<Option<String>> = Mutex::new(None);

/// While this exists, a signal ends the program at once with the status 128 + signal.
#[must_use]
pub(crate) struct EndsAtOnce(());

impl EndsAtOnce {
    /// `message` is said when a signal arrives.
    pub(crate) fn saying(message: String) -> Self {
        *AT_ONCE.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
        Self(())
    }
}

impl Drop for EndsAtOnce {
    fn drop(&mut self) {
        *AT_ONCE.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Listens for signals; the returned number is 0 until one arrives.
pub(crate) fn listen() -> anyhow::Result<Arc<AtomicI32>> {
    listen_while(Arc::new(AtomicBool::new(true)))
}

/// As [`listen`], but while `saves` is false there is nothing to save, and the first signal ends the program at once.
pub(crate) fn listen_while(saves: Arc<AtomicBool>) -> anyhow::Result<Arc<AtomicI32>> {
    let received = Arc::new(AtomicI32::new(0));
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("listening for signals")?;
    let shared = Arc::clone(&received);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                let (at_once, earlier) = {
                    let at_once = AT_ONCE.lock().unwrap_or_else(PoisonError::into_inner);
                    (at_once.clone(), shared.swap(signal, Ordering::Relaxed))
                };
                if let Some(message) = at_once {
                    say!("{message}");
                    std::process::exit(128 + signal);
                }
                if earlier != 0 {
                    std::process::exit(128 + signal);
                }
                if !saves.load(Ordering::Relaxed) {
                    say!("stopped; a run that has begun can be resumed with --resume");
                    std::process::exit(128 + signal);
                }
                say!("saving and stopping after this step; Ctrl-C again quits without saving");
            }
        })
        .context("starting the thread that listens for signals")?;
    Ok(received)
}

//! Standard error, written by a thread of its own, so that a reader that stops reading does not stop the work.
//!
//! A message waits until it is written, so that lines of standard error and standard output keep their order. If nobody reads for
//! [`PATIENCE`], messages are queued without waiting, up to [`MOST`] bytes; later ones are dropped and counted. The count is written when
//! the reader reads again.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a message waits for its reader.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes that are queued while nobody reads.
const MOST: usize = 1 << 20;

/// The thread that writes, and what it has to write.
pub(super) struct Speaker {
    state: Mutex<State>,
    changed: Condvar,
    patience: Duration,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    /// In `waiting` and in the message that is being written.
    bytes: usize,
    /// Messages so far.
    said: u64,
    /// Those that were written, or could not be.
    written: u64,
    /// Nobody has read for a while, so that messages do not wait.
    unread: bool,
    /// Messages that were dropped since the last one that was queued.
    lost: u64,
}

impl Speaker {
    /// Starts the thread that writes to `out`.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        Self::with_patience(out, PATIENCE)
    }

    fn with_patience(mut out: impl Write + Send + 'static, patience: Duration) -> io::Result<Arc<Self>> {
        let speaker = Arc::new(Self { state: Mutex::default(), changed: Condvar::new(), patience });
        let shared = Arc::clone(&speaker);
        std::thread::Builder::new()
            .name("standard error".to_owned())
            .spawn(move || shared.write_all_to(&mut out))?;
        Ok(speaker)
    }

    /// Writes a message. Returns when it is written, or when nobody reads.
    pub(super) fn say(&self, message: Vec<u8>) {
        let mut state = self.lock();
        if state.unread && state.bytes + message.len() > MOST {
            state.lost += 1;
            return;
        }
        state.push(message);
        self.changed.notify_all();
        if !state.unread {
            let last = state.said;
            let waited = self
                .changed
                .wait_timeout_while(state, self.patience, |state| state.written < last && !state.unread);
            let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.written < last {
                state.unread = true;
                self.changed.notify_all();
            }
        }
    }

    /// Waits for everything to be written, but not long for a reader that does not read.
    pub(super) fn finish(&self) {
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, self.patience, |state| state.written < state.said));
    }

    fn write_all_to(&self, out: &mut dyn Write) {
        loop {
            let waited = self.changed.wait_while(self.lock(), |state| state.waiting.is_empty());
            let message = waited.unwrap_or_else(PoisonError::into_inner).waiting.pop_front();
            let Some(message) = message else { continue };
            // If it cannot be written, nothing can be said about it.
            let _ = out.write_all(&message);
            let mut state = self.lock();
            state.written += 1;
            state.bytes -= message.len();
            state.unread = false;
            if state.waiting.is_empty() && state.lost > 0 {
                let lost = std::mem::take(&mut state.lost);
                state.push(format!("{lost} messages were lost: standard error was not read\n").into_bytes());
            }
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, message: Vec<u8>) {
        self.bytes += message.len();
        self.said += 1;
        self.waiting.push_back(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::Instant;

    /// Hands over each message to a receiver; without a receiver it fails.
    struct Pipe(SyncSender<String>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0.send(text).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn speaker() -> (Arc<Speaker>, Receiver<String>) {
        let (sender, receiver) = sync_channel(0);
        (Speaker::with_patience(Pipe(sender), Duration::from_millis(1)).expect("a thread"), receiver)
    }

    #[test]
    fn without_a_reader_messages_are_queued_then_dropped_and_counted() {
        let (speaker, reader) = speaker();
        let long = "x".repeat(MOST / 4 - 10);
        // One is in the hands of the thread, and three or four fit into the queue.
        for number in 0..9 {
            speaker.say(format!("{number} {long}").into_bytes());
        }
        speaker.finish();
        let first: Vec<String> = (0..4).map(|_| reader.recv().expect("sent")[..2].to_owned()).collect();
        assert_eq!(first, ["0 ", "1 ", "2 ", "3 "]);
        assert_eq!(
            reader.recv().expect("sent"),
            "5 messages were lost: standard error was not read\n",
            "of nine, four fit"
        );
        let waits = std::thread::spawn(move || {
            speaker.say(b"again".to_vec());
            speaker
        });
        assert_eq!(reader.recv().expect("sent"), "again");
        let speaker = waits.join().expect("it returned");
        // A reader that is gone is not waited for.
        drop(reader);
        speaker.say(b"to nobody".to_vec());
        let start = Instant::now();
        let unwritten = || {
            let state = speaker.lock();
            (state.bytes, state.said - state.written)
        };
        while unwritten() != (0, 0) {
            assert!(start.elapsed() < Duration::from_mins(1), "{:?}", unwritten());
            std::thread::yield_now();
        }
    }
}

//! What a run writes down as it goes: `metrics.jsonl`, one line a step, and the same figures as TensorBoard events.
//!
//! Both are append-only: every step is with the operating system at once, so that a killed run loses none, and on the
//! disk at every checkpoint ([`RunLog::sync`]). A run that is resumed from a checkpoint cuts both back to that
//! checkpoint's step first, so that its log is that of a run which was never stopped, but for the times.

use crate::Error;
use crate::events;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use widemargin_durable::{AppendFile, truncate_to};

/// The figures of one step: a line of `metrics.jsonl`.
///
/// JSON has no NaN and no infinity; both are written as `null` and read back as NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Steps done, from 1.
    pub step: u64,
    /// Epoch, from 1.
    pub epoch: u64,
    /// Mean loss of the batch.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Learning rate of this step.
    #[serde(deserialize_with = "number")]
    pub learning_rate: f64,
    /// Margin of this step; 0 for an objective without one.
    #[serde(deserialize_with = "number")]
    pub margin: f64,
    /// Share of the batch whose own class has the largest score, without the margin.
    #[serde(deserialize_with = "number")]
    pub accuracy: f64,
    /// Mean cosine between a feature and its own class centre.
    #[serde(deserialize_with = "number")]
    pub target_cosine: f64,
    /// Mean push `1 - p_y`: how much a sample still moves.
    #[serde(deserialize_with = "number")]
    pub push: f64,
    /// Among how many competitors the push is shared.
    #[serde(deserialize_with = "number")]
    pub effective_competitors: f64,
    /// Share of the batch that meets the margin.
    #[serde(deserialize_with = "number")]
    pub margin_met: f64,
    /// Norm of the gradient of all parameters and centres, before clipping.
    #[serde(deserialize_with = "number")]
    pub gradient_norm: f64,
    /// Images a second, this step.
    #[serde(deserialize_with = "number")]
    pub samples_per_second: f64,
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Metrics {
    fn scalars(&self) -> [(&'static str, f64); 10] {
        [
            ("train/loss", self.loss),
            ("train/learning_rate", self.learning_rate),
            ("train/margin", self.margin),
            ("train/accuracy", self.accuracy),
            ("train/target_cosine", self.target_cosine),
            ("train/push", self.push),
            ("train/effective_competitors", self.effective_competitors),
            ("train/margin_met", self.margin_met),
            ("train/gradient_norm", self.gradient_norm),
            ("train/samples_per_second", self.samples_per_second),
        ]
    }
}

const METRICS: &str = "metrics.jsonl";
/// Fixed, so that a resumed run goes on in the same file; TensorBoard looks for the first two words.
const EVENTS: &str = "events.out.tfevents.0.widemargin";

/// The two logs of a run folder.
#[derive(Debug)]
pub struct RunLog {
    metrics: AppendFile,
    events: AppendFile,
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl RunLog {
    /// New logs in a run folder.
    ///
    /// # Errors
    /// If they exist already or cannot be written.
    pub fn create(run: &Path) -> Result<Self, Error> {
        let metrics = AppendFile::create(run.join(METRICS))?;
        let mut events = AppendFile::create(run.join(EVENTS))?;
        events.append(&events::header(wall_time()))?;
        Ok(Self { metrics, events })
    }

    /// The logs of a run folder, cut back to `step`: what later steps wrote and what a crash left half written goes.
    ///
    /// A log that was removed is begun anew.
    ///
    /// # Errors
    /// If they cannot be read or written.
    pub fn resume(run: &Path, step: u64) -> Result<Self, Error> {
        let metrics = cut_back(&run.join(METRICS), |bytes| lines_up_to(bytes, step))?;
        let mut events = cut_back(&run.join(EVENTS), |bytes| events::length_up_to(bytes, step))?;
        if events.length() == 0 {
            events.append(&events::header(wall_time()))?;
        }
        Ok(Self { metrics, events })
    }

    /// Appends one step to both logs.
    ///
    /// # Errors
    /// If the disk is full or a log cannot be written.
    pub fn append(&mut self, metrics: &Metrics) -> Result<(), Error> {
        let mut line = serde_json::to_string(metrics).expect("numbers always have a JSON form");
        line.push('\n');
        self.metrics.append(line.as_bytes())?;
        self.events.append(&events::scalars(wall_time(), metrics.step, &metrics.scalars()))?;
        Ok(())
    }

    /// Makes sure that both are on disk.
    ///
    /// # Errors
    /// If they are not.
    pub fn sync(&self) -> Result<(), Error> {
        self.metrics.sync()?;
        self.events.sync()?;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path)
        .map_err(|error| Error::BadFile { path: path.to_owned(), reason: format!("cannot be read: {error}") })
}

/// A log without what lies behind the length that `kept` finds for its bytes.
fn cut_back(path: &Path, kept: impl Fn(&[u8]) -> usize) -> Result<AppendFile, Error> {
    if path.exists() {
        truncate_to(path, kept(&read(path)?) as u64)?;
    }
    Ok(AppendFile::open(path)?)
}

/// The finished lines of `metrics.jsonl`; what a crash left behind the last line's end is none.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

/// The figures of a line; `None` if they cannot be read.
fn figures(line: &[u8]) -> Option<Metrics> {
    serde_json::from_slice(line).ok()
}

/// Length of the finished lines before the first of a later step than `step`. One that cannot be read is kept: it is
/// not for us to throw away.
fn lines_up_to(bytes: &[u8], step: u64) -> usize {
    let later = |line: &&[u8]| figures(line).is_some_and(|metrics| metrics.step > step);
    lines(bytes).take_while(|line| !later(line)).map(<[u8]>::len).sum()
}

/// Every step of a run's log, oldest first. Lines that cannot be read as [`Metrics`] are passed over.
///
/// # Errors
/// If `metrics.jsonl` cannot be read.
pub fn history(run: &Path) -> Result<Vec<Metrics>, Error> {
    Ok(lines(&read(&run.join(METRICS))?).filter_map(figures).collect())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests cut files short on purpose")]
mod tests {
    use super::*;

    fn metrics(step: u64) -> Metrics {
        Metrics {
            step,
            epoch: 1 + step / 200,
            loss: 1.0 / step as f64,
            learning_rate: 0.1,
            margin: 0.35,
            accuracy: 0.5,
            target_cosine: 0.25,
            push: 0.125,
            effective_competitors: 3.5,
            margin_met: 0.1,
            gradient_norm: 2.0,
            samples_per_second: 1000.0,
        }
    }

    #[test]
    fn a_resumed_log_continues_at_its_step() {
        let run = tempfile::tempdir().expect("a folder");
        let mut log = RunLog::create(run.path()).expect("new");
        for step in 1..=300 {
            log.append(&metrics(step)).expect("appended");
        }
        drop(log);
        // A crash in the middle of both last records.
        for name in [METRICS, EVENTS] {
            let path = run.path().join(name);
            let bytes = std::fs::read(&path).expect("there");
            std::fs::write(&path, &bytes[..bytes.len() - 5]).expect("cut");
        }
        let mut log = RunLog::resume(run.path(), 130).expect("resumed");
        for step in 131..=140 {
            log.append(&metrics(step)).expect("appended");
        }
        log.sync().expect("on disk");
        assert_eq!(history(run.path()).expect("read"), (1..=140).map(metrics).collect::<Vec<_>>());
        let bytes = std::fs::read(run.path().join(EVENTS)).expect("there");
        assert_eq!(events::length_up_to(&bytes, u64::MAX), bytes.len(), "whole records to the end");
        assert!(events::length_up_to(&bytes, 139) < bytes.len());
        assert!(RunLog::create(run.path()).is_err(), "an existing log is not overwritten");
    }

    #[test]
    fn figures_read_back_to_the_bit_and_what_is_not_finite_as_nan() {
        let run = tempfile::tempdir().expect("a folder");
        let mut log = RunLog::create(run.path()).expect("new");
        // Values whose shortest decimal has 16 and 17 digits, where a fast parser is off by one bit.
        let mut expected: Vec<Metrics> = (1..200).map(metrics).collect();
        for (at, metrics) in expected.iter_mut().enumerate() {
            metrics.learning_rate = 0.1 * (0.1 + at as f64).sqrt();
            log.append(metrics).expect("appended");
        }
        let odd = Metrics { push: f64::NAN, gradient_norm: f64::INFINITY, ..metrics(200) };
        log.append(&odd).expect("appended");
        log.append(&metrics(201)).expect("appended");
        let found = history(run.path()).expect("read");
        assert_eq!(found[..199], expected);
        assert!(found[199].push.is_nan() && found[199].gradient_norm.is_nan());
        assert_eq!(found[200], metrics(201), "what follows is not lost");
    }

    #[test]
    fn a_line_that_cannot_be_read_stays_and_a_log_that_is_gone_is_begun_anew() {
        let run = tempfile::tempdir().expect("a folder");
        let mut log = RunLog::create(run.path()).expect("new");
        log.append(&metrics(1)).expect("appended");
        log.metrics.append(b"?\n").expect("appended");
        for step in 2..=4 {
            log.append(&metrics(step)).expect("appended");
        }
        drop(log);
        drop(RunLog::resume(run.path(), 3).expect("resumed"));
        assert_eq!(history(run.path()).expect("read"), (1..=3).map(metrics).collect::<Vec<_>>());
        let text = std::fs::read_to_string(run.path().join(METRICS)).expect("there");
        assert_eq!(text.lines().nth(1), Some("?"));
        std::fs::remove_file(run.path().join(EVENTS)).expect("removed");
        let mut log = RunLog::resume(run.path(), 3).expect("resumed");
        log.append(&metrics(4)).expect("appended");
        let bytes = std::fs::read(run.path().join(EVENTS)).expect("there");
        assert!(bytes.starts_with(&24u64.to_le_bytes()), "with the record that names the format");
        assert_eq!(events::length_up_to(&bytes, 4), bytes.len());
    }

    #[test]
    fn nothing_half_written_stays_behind_the_checkpoint() {
        let last = serde_json::to_vec(&metrics(3)).expect("JSON");
        // Cut in the middle, and just before the line's end.
        for cut in [1, 20, last.len()] {
            let run = tempfile::tempdir().expect("a folder");
            let mut log = RunLog::create(run.path()).expect("new");
            log.append(&metrics(1)).expect("appended");
            log.append(&metrics(2)).expect("appended");
            log.metrics.append(&last[..cut]).expect("a part");
            log.events.append(&events::scalars(0.0, 3, &[])[..12]).expect("a part");
            drop(log);
            assert_eq!(history(run.path()).expect("read").len(), 2);
            let mut log = RunLog::resume(run.path(), 2).expect("resumed");
            log.append(&metrics(3)).expect("appended");
            assert_eq!(history(run.path()).expect("read"), (1..=3).map(metrics).collect::<Vec<_>>(), "{cut}");
            let bytes = std::fs::read(run.path().join(EVENTS)).expect("there");
            assert_eq!(events::length_up_to(&bytes, 3), bytes.len());
        }
    }
}

//! What a run writes down as it goes: `metrics.jsonl`, one line a step, and the same figures as TensorBoard events.
//!
//! Both are append-only. A run that is resumed from a checkpoint cuts both back to that checkpoint's step first, so that its
//! log is that of a run which was never stopped, but for the times.

use crate::Error;
use crate::events;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use widemargin_durable::{AppendFile, truncate_to};

/// The figures of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Steps done, from 1.
    pub step: u64,
    /// Epoch, from 1.
    pub epoch: u64,
    /// Mean loss of the batch.
    pub loss: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Margin of this step; 0 for an objective without one.
    pub margin: f64,
    /// Share of the batch whose own class has the largest score, without the margin.
    pub accuracy: f64,
    /// Mean cosine between a feature and its own class centre.
    pub target_cosine: f64,
    /// Mean push `1 - p_y`: how much a sample still moves.
    pub push: f64,
    /// Among how many competitors the push is shared.
    pub effective_competitors: f64,
    /// Share of the batch that meets the margin.
    pub margin_met: f64,
    /// Norm of the gradient of all parameters and centres, before clipping.
    pub gradient_norm: f64,
    /// Pictures a second, this step.
    pub samples_per_second: f64,
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

    /// The logs of a run folder, cut back to `step`.
    ///
    /// # Errors
    /// If they cannot be read or written.
    pub fn resume(run: &Path, step: u64) -> Result<Self, Error> {
        let kept = read(run)?;
        let path = run.join(METRICS);
        let length: usize = kept.iter().filter(|(m, _)| m.step <= step).map(|(_, bytes)| bytes).sum();
        truncate_to(&path, length as u64)?;
        let path = run.join(EVENTS);
        let bytes = read_bytes(&path)?;
        truncate_to(&path, events_up_to(&bytes, step) as u64)?;
        let mut log = Self { metrics: AppendFile::open(run.join(METRICS))?, events: AppendFile::open(run.join(EVENTS))? };
        if log.events.length() == 0 {
            log.events.append(&events::header(wall_time()))?;
        }
        Ok(log)
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

fn read_bytes(path: &PathBuf) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::BadFile { path: path.clone(), reason: format!("cannot be read: {error}") })
}

/// The whole lines of `metrics.jsonl` with their lengths in bytes; a last line that a crash cut off ends the list.
fn read(run: &Path) -> Result<Vec<(Metrics, usize)>, Error> {
    let bytes = read_bytes(&run.join(METRICS))?;
    let mut found = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(metrics) if line.ends_with(b"\n") => found.push((metrics, line.len())),
            _ => break,
        }
    }
    Ok(found)
}

/// Every step of a run's log, oldest first.
///
/// # Errors
/// If `metrics.jsonl` cannot be read.
pub fn history(run: &Path) -> Result<Vec<Metrics>, Error> {
    Ok(read(run)?.into_iter().map(|(metrics, _)| metrics).collect())
}

/// Length of the prefix of an event file that holds whole records of at most `step`.
fn events_up_to(bytes: &[u8], step: u64) -> usize {
    let mut at = 0;
    while let Some(length) = bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes) {
        let end = usize::try_from(length).ok().and_then(|length| at.checked_add(16)?.checked_add(length));
        let Some(data) = end.and_then(|end| bytes.get(at + 12..end - 4)) else { break };
        if step_of(data).is_some_and(|found| found > step) {
            break;
        }
        at += 16 + data.len();
    }
    at
}

/// The step of an event of ours: behind the nine bytes of the wall time, if it has one.
fn step_of(event: &[u8]) -> Option<u64> {
    let rest = event.get(9..).filter(|rest| rest.first() == Some(&(2 << 3)))?;
    let (mut value, mut shift) = (0u64, 0);
    for byte in rest.iter().skip(1).take(10) {
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
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
        assert_eq!(events_up_to(&bytes, u64::MAX), bytes.len(), "whole records to the end");
        assert!(events_up_to(&bytes, 139) < bytes.len());
        assert!(RunLog::create(run.path()).is_err(), "an existing log is not overwritten");
    }
}

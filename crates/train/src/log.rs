//! The logs of a run: `metrics.jsonl`, one line per step; `validation.jsonl`, one line per evaluation during training, if there are any; and the
//! same values as TensorBoard events.
//!
//! All are append-only. Every step is written immediately, so that a killed run loses none, and is synced to disk with every
//! checkpoint ([`RunLog::sync`]). A run that resumes from a checkpoint first truncates the logs to that step, so its log equals
//! that of an uninterrupted run, except for the times.

use crate::Error;
use crate::events;
use crate::validation::Validated;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use widemargin_durable::{AppendFile, truncate_to};

/// The metrics of one step: a line of `metrics.jsonl`.
///
/// JSON has neither NaN nor infinity; both are written as `null` and read as NaN.
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
    /// Share of the batch whose target class has the largest score, without the margin.
    #[serde(deserialize_with = "number")]
    pub accuracy: f64,
    /// Mean cosine between a feature and its target's centre.
    #[serde(deserialize_with = "number")]
    pub target_cosine: f64,
    /// Mean push `1 - p_y`.
    #[serde(deserialize_with = "number")]
    pub push: f64,
    /// Effective number of non-target classes among which the push is shared.
    #[serde(deserialize_with = "number")]
    pub effective_competitors: f64,
    /// Share of the batch that meets the margin.
    #[serde(deserialize_with = "number")]
    pub margin_met: f64,
    /// Norm of the gradient of all parameters and centres, before clipping.
    #[serde(deserialize_with = "number")]
    pub gradient_norm: f64,
    /// Samples per second of this step.
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
const VALIDATION: &str = "validation.jsonl";
/// Fixed, so that a resumed run appends to the same file; TensorBoard looks for the first three components.
const EVENTS: &str = "events.out.tfevents.0.widemargin";

/// The logs of a run folder.
#[derive(Debug)]
pub struct RunLog {
    metrics: Summed,
    events: Summed,
    /// The file appears with the first evaluation.
    validation: Option<Summed>,
    /// The file of the evaluations.
    validation_path: PathBuf,
}

/// A log with the checksum of its content.
#[derive(Debug)]
struct Summed {
    file: AppendFile,
    sum: crc32fast::Hasher,
}

impl Summed {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.append(bytes)?;
        self.sum.update(bytes);
        Ok(())
    }
}

/// The checksums of the logs, which a checkpoint stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogSums {
    metrics: u32,
    events: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    validation: Option<u32>,
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl RunLog {
    /// Creates the logs of a new run.
    ///
    /// # Errors
    /// If they already exist or cannot be written.
    pub fn create(run: &Path) -> Result<Self, Error> {
        let create = |name: &str| -> Result<Summed, Error> {
            Ok(Summed { file: AppendFile::create(run.join(name))?, sum: crc32fast::Hasher::new() })
        };
        let (metrics, mut events) = (create(METRICS)?, create(EVENTS)?);
        events.append(&events::header(wall_time()))?;
        Ok(Self { metrics, events, validation: None, validation_path: run.join(VALIDATION) })
    }

    /// Opens the logs of a run and truncates them to `step`: removes the entries of later steps and half-written entries.
    ///
    /// A missing log is created.
    ///
    /// # Errors
    /// If they cannot be read or written.
    pub fn resume(run: &Path, step: u64) -> Result<Self, Error> {
        let metrics = cut_back(&run.join(METRICS), |bytes| lines_up_to(bytes, step))?;
        let mut events = cut_back(&run.join(EVENTS), |bytes| events::length_up_to(bytes, step))?;
        if events.file.length() == 0 {
            events.append(&events::header(wall_time()))?;
        }
        let validation_path = run.join(VALIDATION);
        let validation = if validation_path.exists() {
            Some(cut_back(&validation_path, |bytes| lines_up_to(bytes, step))?)
        } else {
            None
        };
        Ok(Self { metrics, events, validation, validation_path })
    }

    /// Appends one step to the logs.
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

    /// Appends an evaluation during training to the logs.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_validation(&mut self, found: &Validated) -> Result<(), Error> {
        let mut line = serde_json::to_string(found).expect("numbers always have a JSON form");
        line.push('\n');
        if self.validation.is_none() {
            self.validation = Some(cut_back(&self.validation_path, |_| 0)?);
        }
        if let Some(log) = &mut self.validation {
            log.append(line.as_bytes())?;
        }
        let scalars =
            [("validation/recall_at_1", found.recall_at_1), ("validation/map_at_r", found.map_at_r)];
        self.events.append(&events::scalars(wall_time(), found.step, &scalars))
    }

    /// Syncs the logs to disk.
    ///
    /// # Errors
    /// If syncing fails.
    pub fn sync(&self) -> Result<(), Error> {
        self.metrics.file.sync()?;
        self.events.file.sync()?;
        if let Some(log) = &self.validation {
            log.file.sync()?;
        }
        Ok(())
    }

    /// The checksums of the logs.
    pub(crate) fn sums(&self) -> LogSums {
        let sum = |log: &Summed| log.sum.clone().finalize();
        let validation = self.validation.as_ref().filter(|log| log.file.length() > 0).map(sum);
        LogSums { metrics: sum(&self.metrics), events: sum(&self.events), validation }
    }

    /// Warnings about logs that are not as the run wrote them, which had these checksums at the step to which they were truncated.
    pub(crate) fn changes(&self, expected: LogSums) -> Vec<String> {
        let found = self.sums();
        let shown = "the curves of the report show it as it is";
        let logs = [
            (self.metrics.file.path(), found.metrics == expected.metrics, shown),
            (&*self.validation_path, found.validation == expected.validation, shown),
            (
                self.events.file.path(),
                found.events == expected.events,
                "records after the first damaged one are removed",
            ),
        ];
        let changed = logs.into_iter().filter(|(_, same, _)| !same);
        let said = changed.map(|(log, _, so)| {
            format!("{}: damaged, edited or removed since the run wrote it; {so}", log.display())
        });
        said.collect()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    widemargin_durable::read_file(path, u64::MAX)
        .map_err(|error| Error::BadFile { path: path.to_owned(), reason: format!("cannot be read: {error}") })
}

/// Whether the log of a run has a step.
pub(crate) fn has_steps(run: &Path) -> bool {
    std::fs::metadata(run.join(METRICS)).is_ok_and(|file| file.len() > 0)
}

/// Opens a log and truncates it to the length that `kept` computes from its bytes.
fn cut_back(path: &Path, kept: impl Fn(&[u8]) -> usize) -> Result<Summed, Error> {
    let mut sum = crc32fast::Hasher::new();
    if path.exists() {
        let bytes = read(path)?;
        let kept = kept(&bytes);
        truncate_to(path, kept as u64)?;
        sum.update(&bytes[..kept]);
    }
    Ok(Summed { file: AppendFile::open(path)?, sum })
}

/// The complete lines of `metrics.jsonl`.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

/// The values of a line; `None` if it cannot be parsed.
fn figures<Line: DeserializeOwned>(line: &[u8]) -> Option<Line> {
    serde_json::from_slice(line).ok()
}

/// The step that every line has.
#[derive(Deserialize)]
struct AtStep {
    step: u64,
}

/// Length of the complete lines before the first line of a step after `step`. Lines that cannot be parsed are kept.
fn lines_up_to(bytes: &[u8], step: u64) -> usize {
    let later = |line: &&[u8]| figures(line).is_some_and(|at: AtStep| at.step > step);
    lines(bytes).take_while(|line| !later(line)).map(<[u8]>::len).sum()
}

/// The metrics of every step of a run, oldest first. Lines that cannot be parsed are skipped.
///
/// # Errors
/// If `metrics.jsonl` cannot be read.
pub fn history(run: &Path) -> Result<Vec<Metrics>, Error> {
    Ok(lines(&read(&run.join(METRICS))?).filter_map(figures).collect())
}

/// The evaluations during the training of a run, oldest first; empty if there were none. Lines that cannot be parsed are skipped.
///
/// # Errors
/// If `validation.jsonl` cannot be read.
pub fn validations(run: &Path) -> Result<Vec<Validated>, Error> {
    let path = run.join(VALIDATION);
    if !path.exists() {
        return Ok(Vec::new());
    }
    Ok(lines(&read(&path)?).filter_map(figures).collect())
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
        // a crash in the middle of both last records
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
    fn evaluations_have_a_log_of_their_own_that_is_cut_back_with_the_others() {
        let run = tempfile::tempdir().expect("a folder");
        let mut log = RunLog::create(run.path()).expect("new");
        log.append(&metrics(1)).expect("appended");
        assert!(log.sums().validation.is_none() && !run.path().join(VALIDATION).exists());
        let found =
            |step: u64| Validated { step, epoch: step, recall_at_1: 0.7, map_at_r: 1.0 / step as f64 };
        for step in [2, 4, 6] {
            log.append(&metrics(step)).expect("appended");
            log.append_validation(&found(step)).expect("appended");
        }
        let sums = log.sums();
        drop(log);
        assert!(RunLog::resume(run.path(), 6).expect("resumed").changes(sums).is_empty());
        let log = RunLog::resume(run.path(), 4).expect("resumed");
        assert_eq!(validations(run.path()).expect("read"), [found(2), found(4)]);
        let sums = log.sums();
        drop(log);
        std::fs::remove_file(run.path().join(VALIDATION)).expect("removed");
        assert_eq!(validations(run.path()).expect("none"), []);
        let said = RunLog::resume(run.path(), 4).expect("resumed").changes(sums);
        assert!(said.len() == 1 && said[0].contains(VALIDATION), "{said:?}");
        let bytes = std::fs::read(run.path().join(EVENTS)).expect("there");
        let has = |text: &str| bytes.windows(text.len()).filter(|part| *part == text.as_bytes()).count();
        assert_eq!((has("validation/map_at_r"), has("validation/recall_at_1")), (2, 2));
    }

    #[test]
    fn a_log_that_is_not_as_it_was_written_is_noticed() {
        let run = tempfile::tempdir().expect("a folder");
        let mut log = RunLog::create(run.path()).expect("new");
        for step in 1..=4 {
            log.append(&metrics(step)).expect("appended");
        }
        let expected = log.sums();
        log.append(&metrics(5)).expect("appended");
        drop(log);
        let changes = || RunLog::resume(run.path(), 4).expect("resumed").changes(expected);
        assert_eq!(changes(), Vec::<String>::new(), "later steps do not count");
        for name in [METRICS, EVENTS] {
            let path = run.path().join(name);
            let good = std::fs::read(&path).expect("there");
            let mut bad = good.clone();
            bad[good.len() / 2] ^= 1;
            std::fs::write(&path, &bad).expect("damaged");
            let said = changes();
            assert!(said.len() == 1 && said[0].contains(name), "{said:?}");
            std::fs::write(&path, &good).expect("repaired");
        }
        std::fs::remove_file(run.path().join(METRICS)).expect("removed");
        assert_eq!(changes().len(), 1);
    }

    #[test]
    fn metrics_read_back_to_the_bit_and_non_finite_ones_as_nan() {
        let run = tempfile::tempdir().expect("a folder");
        let mut log = RunLog::create(run.path()).expect("new");
        // values whose shortest decimal has 16 or 17 digits, where a fast parser is off by one bit
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
        assert_eq!(found[200], metrics(201), "the next line is read");
    }

    #[test]
    fn a_line_that_cannot_be_parsed_stays_and_a_missing_log_is_created() {
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
    fn nothing_half_written_stays_after_the_checkpoint() {
        let last = serde_json::to_vec(&metrics(3)).expect("JSON");
        // cut in the middle, and just before the end of the line
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

//! Threads that read, augment and normalise batches ahead of the model and deliver them in order.
//!
//! A worker claims the next batch number, makes the batch alone, and puts it on a shelf, from which the caller takes the batches in order.
//! Workers are at most `ahead` batches ahead of the caller, which bounds the memory. A batch depends only on its epoch and step, so the
//! number of threads, even 0, does not change the result.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::batches::augment::Augment;
use crate::batches::reader::SampleReader;
use crate::batches::sampler::Sampler;
use crate::{Error, Labelled, Normalisation, Result, SampleSet};

/// The samples to train on, each with its training label.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrainingSamples {
    /// Indices of samples in the set.
    pub samples: Vec<u32>,
    /// One label per sample: dense labels of known classes, not the class numbers of the set.
    pub labels: Vec<u32>,
}

impl TrainingSamples {
    /// Those of `samples` whose class is known, with their dense labels.
    pub fn known(set: &impl Labelled, split: &crate::OpenSetSplit, samples: &[u32]) -> Self {
        let labelled = |sample: &u32| {
            let class = *set.labels().get(*sample as usize)?;
            Some((*sample, split.known_label(class)?))
        };
        let (samples, labels) = samples.iter().filter_map(labelled).unzip();
        Self { samples, labels }
    }
}

/// Settings of a [`Loader`].
#[derive(Debug, Clone)]
pub struct LoaderSettings {
    /// Which samples are in which batch.
    pub sampler: Sampler,
    /// Random changes to images; vectors are not augmented.
    pub augment: Augment,
    /// Normalisation of the samples.
    pub normalisation: Normalisation,
    /// Seed of order and augmentation.
    pub seed: u64,
    /// First epoch and first step in it, for a resumed run; `(0, 0)` for a new one. A step at the end of an epoch means the start of the
    /// next.
    pub start: (u64, u64),
    /// Number of epochs in all; the loader ends before epoch `epochs`.
    pub epochs: u64,
    /// Number of threads; 0 to make batches in the calling thread.
    pub threads: usize,
    /// Most batches that are ready or being made, at least 1.
    pub ahead: usize,
}

impl LoaderSettings {
    /// Default settings: one epoch from the start, no augmentation, 2 threads, 8 batches ahead.
    pub fn new(sampler: Sampler, normalisation: Normalisation, seed: u64) -> Self {
        let (augment, start, epochs, threads, ahead) = (Augment::NONE, (0, 0), 1, 2, 8);
        Self { sampler, augment, normalisation, seed, start, epochs, threads, ahead }
    }
}

/// Images or vectors ready for the model.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingBatch {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Step in the epoch, from 0.
    pub step_in_epoch: u64,
    /// Normalised images, `[batch, channels, height, width]`, or vectors, `[batch, 1, 1, dim]`.
    pub pixels: Vec<f32>,
    /// One label per sample, from [`TrainingSamples::labels`].
    pub labels: Vec<u32>,
    /// Index of each sample in the set.
    pub sample_ids: Vec<u32>,
}

/// An iterator over batches, in order. It ends after an error, and stops its threads when dropped.
#[derive(Debug)]
pub struct Loader {
    maker: Arc<Maker>,
    shelf: Arc<Shelf>,
    workers: Vec<JoinHandle<()>>,
}

impl Loader {
    /// Checks the settings and starts the threads.
    ///
    /// # Errors
    /// [`Error::Length`] for different numbers of samples and labels, [`Error::NoSuchSample`], [`Error::Setting`] (a start beyond the last
    /// step of an epoch, `ahead` of 0, augmentation, batch), [`Error::NoSamples`], [`Error::Read`] if a thread cannot be started.
    pub fn new(set: impl Into<SampleSet>, data: TrainingSamples, settings: LoaderSettings) -> Result<Self> {
        let set = set.into();
        if data.samples.len() != data.labels.len() {
            let (found, expected) = (data.labels.len(), data.samples.len());
            return Err(Error::Length { what: "labels (one per sample)", found, expected });
        }
        if let Some(sample) = data.samples.iter().find(|sample| **sample as usize >= set.len()) {
            return Err(Error::NoSuchSample { sample: *sample as usize, count: set.len() });
        }
        if settings.ahead == 0 {
            return Err(Error::setting("batches ahead", &0, "at least 1"));
        }
        settings.augment.validate(set.shape())?;
        let reader = set.reader(&settings.normalisation)?;
        let (epoch, step) = settings.start;
        let plan = Arc::new(settings.sampler.epoch_batches(&data.labels, settings.seed, epoch)?);
        let steps = plan.len() as u64;
        if step > steps {
            return Err(Error::setting(
                "first step",
                &step,
                format!("at most {steps}, the steps of an epoch"),
            ));
        }

        let threads = settings.threads;
        let state = LoaderState { epoch, step, plan, claimed: 0, taken: 0, ready: BTreeMap::new() };
        let shelf = Arc::new(Shelf {
            state: Mutex::new(state),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
        });
        let maker = Arc::new(Maker { reader, data, settings });
        let mut loader = Self { maker, shelf, workers: Vec::with_capacity(threads) };
        for number in 0..threads {
            let (maker, shelf) = (Arc::clone(&loader.maker), Arc::clone(&loader.shelf));
            let worker = std::thread::Builder::new()
                .name(format!("loader-{number}"))
                .spawn(move || work(&maker, &shelf))
                .map_err(|source| Error::NoThread { number: number + 1, of: threads, source })?;
            loader.workers.push(worker);
        }
        Ok(loader)
    }

    /// Number of batches per epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.maker.settings.sampler.batches_per_epoch(self.maker.data.samples.len()) as u64
    }
}

impl Iterator for Loader {
    type Item = Result<TrainingBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.shelf.stopped.load(Ordering::Acquire) {
            return None;
        }
        let made = if self.workers.is_empty() {
            let claim = self.shelf.lock().claim(&self.maker);
            claim.map(|claim| self.maker.make_guarded(&claim, &self.shelf.stopped))
        } else {
            self.shelf.take(&self.maker)
        };
        if !matches!(made, Some(Ok(_))) {
            self.shelf.stop();
        }
        made
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shelf.stop();
        for worker in self.workers.drain(..) {
            // Panics inside a batch are caught; nobody could handle another one here.
            let _ = worker.join();
        }
    }
}

/// A batch that a worker has claimed.
struct ClaimedBatch {
    number: u64,
    epoch: u64,
    step: u64,
    plan: Arc<Vec<Vec<u32>>>,
}

/// The progress of the work.
#[derive(Debug)]
struct LoaderState {
    /// Epoch and step of the next batch to claim.
    epoch: u64,
    step: u64,
    /// The batches of that epoch.
    plan: Arc<Vec<Vec<u32>>>,
    /// Numbers of batches claimed by workers and taken by the caller.
    claimed: u64,
    taken: u64,
    /// Batches that are done and not yet taken.
    ready: BTreeMap<u64, Result<TrainingBatch>>,
}

impl LoaderState {
    /// Claims the next batch; `None` after the last.
    fn claim(&mut self, maker: &Maker) -> Option<ClaimedBatch> {
        let settings = &maker.settings;
        if self.step >= self.plan.len() as u64 && self.epoch < settings.epochs {
            (self.epoch, self.step) = (self.epoch + 1, 0);
            if self.epoch < settings.epochs {
                let plan = settings.sampler.epoch_batches(&maker.data.labels, settings.seed, self.epoch);
                self.plan = Arc::new(plan.expect("whether a sampler can plan does not depend on the epoch"));
            }
        }
        if self.epoch >= settings.epochs {
            return None;
        }
        let claim = ClaimedBatch {
            number: self.claimed,
            epoch: self.epoch,
            step: self.step,
            plan: Arc::clone(&self.plan),
        };
        self.claimed += 1;
        self.step += 1;
        Some(claim)
    }

    /// Whether every batch has been claimed.
    fn is_exhausted(&self, maker: &Maker) -> bool {
        let epochs = maker.settings.epochs;
        self.epoch >= epochs || (self.epoch + 1 == epochs && self.step >= self.plan.len() as u64)
    }
}

/// The state that workers and the caller share.
#[derive(Debug)]
struct Shelf {
    state: Mutex<LoaderState>,
    changed: Condvar,
    stopped: AtomicBool,
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, LoaderState> {
        // The code that holds the lock does not panic, so a poisoned lock still protects a consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, LoaderState>) -> MutexGuard<'a, LoaderState> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        // Under the lock, so that no worker is between checking the flag and waiting.
        let guard = self.lock();
        self.stopped.store(true, Ordering::Release);
        drop(guard);
        self.changed.notify_all();
    }

    /// Waits for the next batch in order; `None` after the last.
    fn take(&self, maker: &Maker) -> Option<Result<TrainingBatch>> {
        let mut state = self.lock();
        loop {
            let number = state.taken;
            if let Some(batch) = state.ready.remove(&number) {
                state.taken += 1;
                drop(state);
                self.changed.notify_all();
                return Some(batch);
            }
            if state.taken == state.claimed && state.is_exhausted(maker) {
                return None;
            }
            state = self.wait(state);
        }
    }
}

/// The loop of a worker thread.
fn work(maker: &Maker, shelf: &Shelf) {
    let ahead = maker.settings.ahead as u64;
    loop {
        let mut state = shelf.lock();
        while !shelf.stopped.load(Ordering::Acquire) && state.claimed >= state.taken + ahead {
            state = shelf.wait(state);
        }
        if shelf.stopped.load(Ordering::Acquire) {
            return;
        }
        let Some(claim) = state.claim(maker) else { return };
        drop(state);
        let batch = maker.make_guarded(&claim, &shelf.stopped);
        shelf.lock().ready.insert(claim.number, batch);
        shelf.changed.notify_all();
    }
}

/// Makes batches.
#[derive(Debug)]
struct Maker {
    reader: SampleReader,
    data: TrainingSamples,
    settings: LoaderSettings,
}

impl Maker {
    /// Makes a batch. Turns a panic, which would be a bug, into an error, so that the caller does not wait forever.
    fn make_guarded(&self, claim: &ClaimedBatch, stopped: &AtomicBool) -> Result<TrainingBatch> {
        catch_unwind(AssertUnwindSafe(|| self.make(claim, stopped)))
            .unwrap_or(Err(Error::Panicked { epoch: claim.epoch, step: claim.step }))
    }

    fn make(&self, claim: &ClaimedBatch, stopped: &AtomicBool) -> Result<TrainingBatch> {
        let ClaimedBatch { epoch, step, .. } = *claim;
        let positions = &claim.plan[step as usize];
        let settings = &self.settings;
        // Position of the first sample in the epoch; all batches but the last have the same size.
        let start = step * claim.plan.first().map_or(0, Vec::len) as u64;
        let pick =
            |from: &[u32]| positions.iter().map(|position| from[*position as usize]).collect::<Vec<u32>>();
        let (sample_ids, labels) = (pick(&self.data.samples), pick(&self.data.labels));

        let values = self.reader.set.shape().values();
        let mut bytes = Vec::new();
        let mut pixels = vec![0.0; positions.len() * values];
        for ((sample, place), out) in sample_ids.iter().zip(start..).zip(pixels.chunks_exact_mut(values)) {
            if stopped.load(Ordering::Relaxed) {
                break; // This batch will not be used.
            }
            let variation = (&settings.augment, settings.seed, epoch, place);
            self.reader.read(*sample as usize, Some(variation), &mut bytes, out).map_err(|source| {
                Error::Sample {
                    epoch,
                    step,
                    id: self.reader.set.sample_id(*sample as usize),
                    source: Box::new(source),
                }
            })?;
        }
        Ok(TrainingBatch { epoch, step_in_epoch: step, pixels, labels, sample_ids })
    }
}

/// A batch of samples to embed, in the requested order.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationBatch {
    /// Indices of the samples in the set.
    pub sample_ids: Vec<u32>,
    /// Normalised images or vectors, `[batch, channels, height, width]`.
    pub pixels: Vec<f32>,
}

/// Reads `samples` in order, normalised and not augmented, in batches of `batch` samples (the last may be smaller).
///
/// Batches are read in the calling thread. The iterator ends after an error. A `batch` of 0 counts as 1.
///
/// # Errors
/// As [`Normalisation::validate`].
pub fn evaluation_batches<'a>(
    set: &SampleSet,
    samples: &'a [u32],
    batch: usize,
    normalisation: &Normalisation,
) -> Result<impl Iterator<Item = Result<EvaluationBatch>> + use<'a>> {
    let reader = set.reader(normalisation)?;
    let mut rest: VecDeque<&[u32]> = samples.chunks(batch.max(1)).collect();
    Ok(std::iter::from_fn(move || {
        let ids = rest.pop_front()?;
        let pixels = reader.read_all(ids);
        if pixels.is_err() {
            rest.clear();
        }
        Some(pixels.map(|pixels| EvaluationBatch { sample_ids: ids.to_vec(), pixels }))
    }))
}

#[cfg(test)]
mod tests;

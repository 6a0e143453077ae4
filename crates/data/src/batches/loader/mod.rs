//! Threads that read, augment and normalise batches ahead of the model, and hand them over in order.
//!
//! A worker claims the next batch number, works on it alone, and puts the result on a shelf; the caller takes batch
//! after batch from the shelf, whoever made them. Workers may be at most so many batches ahead, which bounds memory.
//! What is in a batch follows from its epoch and step alone, so the number of threads, even none, changes nothing.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::batches::augment::Augment;
use crate::batches::reader::Reader;
use crate::batches::sampler::Sampler;
use crate::{Error, Labelled, Normalisation, Result, SampleSet};

/// The samples to train on, each with the label that the model is to learn for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrainingSamples {
    /// Numbers of samples in the set.
    pub samples: Vec<u32>,
    /// One label a sample: dense labels of known classes, not the class numbers of the set.
    pub labels: Vec<u32>,
}

impl TrainingSamples {
    /// The samples of known classes in `samples` with their dense labels; others are left out.
    pub fn known(set: &impl Labelled, split: &crate::OpenSetSplit, samples: &[u32]) -> Self {
        let labelled = |sample: &u32| {
            let class = *set.labels().get(*sample as usize)?;
            Some((*sample, split.known_label(class)?))
        };
        let (samples, labels) = samples.iter().filter_map(labelled).unzip();
        Self { samples, labels }
    }
}

/// What a [`Loader`] does.
#[derive(Debug, Clone)]
pub struct LoaderSettings {
    /// Which samples stand in which batch.
    pub sampler: Sampler,
    /// What is done to images by chance; nothing to vectors.
    pub augment: Augment,
    /// What makes numbers of bytes.
    pub normalisation: Normalisation,
    /// Decides order and augmentation.
    pub seed: u64,
    /// First epoch and, in it, first step: where a resumed run goes on. `(0, 0)` from the start; a step at the end of
    /// an epoch is the start of the next.
    pub start: (u64, u64),
    /// Ends before this epoch.
    pub epochs: u64,
    /// Threads; 0 to do the work in the thread that asks for batches.
    pub threads: usize,
    /// How many batches may lie ready or be in the making, at least 1.
    pub ahead: usize,
}

impl LoaderSettings {
    /// Usual settings: one epoch from the start, no augmentation, 2 threads, 8 batches ahead.
    pub fn new(sampler: Sampler, normalisation: Normalisation, seed: u64) -> Self {
        let (augment, start, epochs, threads, ahead) = (Augment::NONE, (0, 0), 1, 2, 8);
        Self { sampler, augment, normalisation, seed, start, epochs, threads, ahead }
    }
}

/// Images or vectors ready for the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Batch in the epoch, from 0.
    pub step_in_epoch: u64,
    /// Normalised images, `[batch, channels, height, width]`, or vectors, `[batch, 1, 1, numbers]`.
    pub pixels: Vec<f32>,
    /// One label an image, from [`TrainingSamples::labels`].
    pub labels: Vec<u32>,
    /// One sample number an image, in the set.
    pub sample_ids: Vec<u32>,
}

/// An iterator over batches, in order. After an error it ends. Dropped, it stops its threads.
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
    /// [`Error::Length`] unless samples and labels are as many, [`Error::NoSuchSample`],
    /// [`Error::Setting`] (a start beyond the last step of an epoch, `ahead` of 0, augmentation, batch),
    /// [`Error::NoSamples`], [`Error::Read`] if a thread cannot be started.
    pub fn new(set: impl Into<SampleSet>, data: TrainingSamples, settings: LoaderSettings) -> Result<Self> {
        let set = set.into();
        if data.samples.len() != data.labels.len() {
            let (found, expected) = (data.labels.len(), data.samples.len());
            return Err(Error::Length { what: "labels (one a sample)", found, expected });
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
        let state = State { epoch, step, plan, claimed: 0, taken: 0, ready: BTreeMap::new() };
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
                .map_err(|error| Error::read(std::path::Path::new("a loader thread"), error))?;
            loader.workers.push(worker);
        }
        Ok(loader)
    }

    /// Number of batches in each epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.maker.settings.sampler.batches_per_epoch(self.maker.data.samples.len()) as u64
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

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
            // Panics inside a batch are caught; there is none to hear of another.
            let _ = worker.join();
        }
    }
}

/// A batch to be made.
struct Claim {
    number: u64,
    epoch: u64,
    step: u64,
    plan: Arc<Vec<Vec<u32>>>,
}

/// Where the work stands.
#[derive(Debug)]
struct State {
    /// The next batch to be claimed.
    epoch: u64,
    step: u64,
    /// The batches of that epoch.
    plan: Arc<Vec<Vec<u32>>>,
    /// How many were claimed and taken.
    claimed: u64,
    taken: u64,
    /// What is done and not taken.
    ready: BTreeMap<u64, Result<Batch>>,
}

impl State {
    /// The next batch; None after the last.
    fn claim(&mut self, maker: &Maker) -> Option<Claim> {
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
        let claim =
            Claim { number: self.claimed, epoch: self.epoch, step: self.step, plan: Arc::clone(&self.plan) };
        self.claimed += 1;
        self.step += 1;
        Some(claim)
    }

    /// Whether every batch was claimed.
    fn is_exhausted(&self, maker: &Maker) -> bool {
        let epochs = maker.settings.epochs;
        self.epoch >= epochs || (self.epoch + 1 == epochs && self.step >= self.plan.len() as u64)
    }
}

/// Where workers and caller meet.
#[derive(Debug)]
struct Shelf {
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is changed in small steps that do not panic, so it is sound even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        // Under the lock, so that nobody is between looking at the flag and going to sleep.
        let guard = self.lock();
        self.stopped.store(true, Ordering::Release);
        drop(guard);
        self.changed.notify_all();
    }

    /// The next batch in order, as soon as it is ready; None after the last.
    fn take(&self, maker: &Maker) -> Option<Result<Batch>> {
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

/// The life of a worker.
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

/// What it takes to make a batch.
#[derive(Debug)]
struct Maker {
    reader: Reader,
    data: TrainingSamples,
    settings: LoaderSettings,
}

impl Maker {
    /// A panic, which would be a bug, becomes an error, so that nobody waits for a batch that never comes.
    fn make_guarded(&self, claim: &Claim, stopped: &AtomicBool) -> Result<Batch> {
        catch_unwind(AssertUnwindSafe(|| self.make(claim, stopped)))
            .unwrap_or(Err(Error::Panicked { epoch: claim.epoch, step: claim.step }))
    }

    fn make(&self, claim: &Claim, stopped: &AtomicBool) -> Result<Batch> {
        let Claim { epoch, step, .. } = *claim;
        let positions = &claim.plan[step as usize];
        let settings = &self.settings;
        // Where this batch starts in the epoch; all batches but the last are equally long.
        let start = step * claim.plan.first().map_or(0, Vec::len) as u64;
        let pick =
            |from: &[u32]| positions.iter().map(|position| from[*position as usize]).collect::<Vec<u32>>();
        let (sample_ids, labels) = (pick(&self.data.samples), pick(&self.data.labels));

        let values = self.reader.set.shape().values();
        let mut bytes = Vec::new();
        let mut pixels = vec![0.0; positions.len() * values];
        for ((sample, place), out) in sample_ids.iter().zip(start..).zip(pixels.chunks_exact_mut(values)) {
            if stopped.load(Ordering::Relaxed) {
                break; // Nobody will look at this batch.
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
        Ok(Batch { epoch, step_in_epoch: step, pixels, labels, sample_ids })
    }
}

/// Samples to be embedded, in the order they were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationBatch {
    /// Sample numbers in the set.
    pub sample_ids: Vec<u32>,
    /// Normalised images or vectors, `[batch, channels, height, width]`.
    pub pixels: Vec<f32>,
}

/// The given samples in order, in batches of `batch` (the last may be smaller), normalised and not augmented.
///
/// Read in the thread that asks. An error ends the iteration; `batch` of 0 counts as 1.
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

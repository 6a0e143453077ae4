//! From the configuration's words to the pictures of a run: which are trained on, which judge the result.

use crate::Error;
use crate::config::{AugmentConfig, Config, SamplerConfig, SamplerName};
use std::sync::Arc;
use widemargin_data::{
    Augment, Loader, LoaderSettings, Normalisation, OpenOptions, OpenSetSplit, Part, PictureSet, Sampler,
    TrainingSamples,
};

/// A data set, split and measured.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// All pictures.
    pub set: Arc<PictureSet>,
    /// Known and unseen classes.
    pub split: OpenSetSplit,
    /// Training pictures of known classes with their dense labels.
    pub training: TrainingSamples,
    /// Test pictures of known classes with their dense labels.
    pub known: TrainingSamples,
    /// Test pictures of unseen classes; empty for a closed set.
    pub unseen: Vec<u32>,
    /// Mean and deviation of the training pictures.
    pub normalisation: Normalisation,
}

impl Prepared {
    /// Opens and splits what `config` asks for.
    ///
    /// # Errors
    /// Those of the data, and [`Error::TooFew`] where there are fewer training pictures than a batch.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let d = &config.data;
        let set = match &d.path {
            Some(path) => {
                let options = OpenOptions {
                    channels: d.channels,
                    height: d.height,
                    width: d.width,
                    hold_out: d.hold_out,
                    max_bad: d.max_bad,
                    seed: d.split_seed,
                    ..OpenOptions::default()
                };
                PictureSet::open(path, &options)?
            }
            None if d.built_in => PictureSet::embedded(),
            None => PictureSet::fashion_mnist_installed().unwrap_or_else(|| Ok(PictureSet::embedded()))?,
        };
        let names = set.class_names();
        let split = if d.closed_set {
            OpenSetSplit::closed(names)?
        } else if d.unseen_classes.is_empty() {
            OpenSetSplit::by_seed(names, d.unseen, d.split_seed)?
        } else {
            OpenSetSplit::by_names(names, &d.unseen_classes)?
        };
        let mut samples = split.known_samples(&set, Part::Train);
        if config.training.limit > 0 {
            let share = config.training.limit.div_ceil(split.known().len());
            let mut left = vec![share; names.len()];
            samples.retain(|sample| {
                let left = &mut left[set.labels()[*sample as usize] as usize];
                *left = left.saturating_sub(1);
                *left > 0 || share == 1
            });
        }
        let training = TrainingSamples::known(&set, &split, &samples);
        let batch = config.sampler.batch_size();
        if training.samples.len() < batch {
            let found = training.samples.len();
            return Err(Error::TooFew(format!(
                "sampler: a batch has {batch} pictures, but only {found} are there to train on; choose a smaller batch"
            )));
        }
        let known = TrainingSamples::known(&set, &split, &split.known_samples(&set, Part::Test));
        let unseen = split.unseen_samples(&set, Part::Test);
        let normalisation = set.mean_and_deviation(&training.samples)?;
        Ok(Self { set: set.shared(), split, training, known, unseen, normalisation })
    }

    /// The batches of a run from `start` (epoch, step in it) on.
    pub(crate) fn loader(&self, config: &Config, start: (u64, u64)) -> Result<Loader, Error> {
        let settings = LoaderSettings {
            augment: augment(&config.augment),
            start,
            epochs: config.training.epochs as u64,
            threads: config.training.loader_threads,
            ..LoaderSettings::new(sampler(&config.sampler), self.normalisation.clone(), config.training.seed)
        };
        Ok(Loader::new(Arc::clone(&self.set), self.training.clone(), settings)?)
    }
}

fn sampler(config: &SamplerConfig) -> Sampler {
    match config.name {
        // A last batch of a few pictures would make batch statistics of a few values.
        SamplerName::Shuffled => Sampler::Shuffled { batch: config.batch, drop_last: true },
        SamplerName::ClassBalanced => Sampler::ClassBalanced {
            classes_per_batch: config.classes_per_batch,
            samples_per_class: config.samples_per_class,
            batches: 0,
        },
    }
}

fn augment(config: &AugmentConfig) -> Augment {
    Augment { flip: config.flip, pad_and_crop: config.pad_and_crop, erase: config.erase }
}

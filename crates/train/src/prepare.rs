//! From the configuration's words to the samples of a run: which are trained on, which judge the result.

use crate::Error;
use crate::config::{AugmentConfig, Config, DataConfig, SamplerConfig, SamplerName};
use crate::fine_tuning;
use widemargin_data::{
    Augment, Labelled, Loader, LoaderSettings, Normalisation, OpenOptions, OpenSetSplit, Part, PictureSet,
    SampleSet, Sampler, TrainingSamples, VectorOptions, VectorSet,
};

/// A data set, split and measured.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// All pictures or vectors.
    pub set: SampleSet,
    /// Known and unseen classes.
    pub split: OpenSetSplit,
    /// Training samples of known classes with their dense labels.
    pub training: TrainingSamples,
    /// Test samples of known classes with their dense labels.
    pub known: TrainingSamples,
    /// Samples of unseen classes to judge by; empty for a closed set. Those of the test part, or all rows of a table that has no parts of
    /// its own.
    pub unseen: Vec<u32>,
    /// What the training samples are normalised by.
    pub normalisation: Normalisation,
}

impl Prepared {
    /// Opens and splits what `config` asks for.
    ///
    /// # Errors
    /// Those of the data, and [`Error::TooFew`] where there are fewer training pictures than a batch.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let d = &config.data;
        let set = open(d)?;
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
                "sampler: a batch has {batch} {}, but only {found} are there to train on; choose a smaller batch",
                set.kind()
            )));
        }
        let known = TrainingSamples::known(&set, &split, &split.known_samples(&set, Part::Test));
        let mut unseen = split.unseen_samples(&set, Part::Test);
        if matches!(&set, SampleSet::Vectors(set) if !set.parts_are_given()) {
            unseen.extend(split.unseen_samples(&set, Part::Train));
            unseen.sort_unstable();
        }
        let normalisation = match fine_tuning::normalisation(config)? {
            Some(chosen) => {
                chosen.validate(set.shape().channels).map_err(|error| Error::BadValue {
                    key: "model.mean".to_owned(),
                    message: format!("{error}, as the data has them"),
                })?;
                chosen
            }
            None => set.normalisation(&training.samples)?,
        };
        Ok(Self { set, split, training, known, unseen, normalisation })
    }

    /// The set that `[data]` of a configuration names, as it is: nothing of it is split or measured.
    ///
    /// # Errors
    /// Those of the data.
    pub fn open(data: &DataConfig) -> Result<SampleSet, Error> {
        open(data)
    }

    /// The batches of a run from `start` (epoch, step in it) on.
    pub(crate) fn loader(&self, config: &Config, start: (u64, u64)) -> Result<Loader, Error> {
        let vectors = matches!(self.set, SampleSet::Vectors(_));
        let sampler = sampler(&config.sampler, vectors);
        let settings = LoaderSettings {
            augment: if vectors { Augment::NONE } else { augment(&config.augment) },
            start,
            epochs: config.training.epochs as u64,
            threads: config.training.loader_threads,
            ..LoaderSettings::new(sampler, self.normalisation.clone(), config.training.seed)
        };
        Ok(Loader::new(self.set.clone(), self.training.clone(), settings)?)
    }
}

/// The set that `[data]` names.
fn open(d: &DataConfig) -> Result<SampleSet, Error> {
    if d.is_table()
        && let Some(path) = &d.path
    {
        let options = VectorOptions { hold_out: d.hold_out, seed: d.split_seed };
        return Ok(VectorSet::open(path, d.labels.as_deref(), options)?.shared().into());
    }
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
    Ok(set.shared().into())
}

/// Neighbouring rows of a table that stay together in an epoch's order, and how many such blocks are shuffled as one: a table of up to
/// 262,144 rows is shuffled as a whole, of a larger one 16 places are read at a time.
const BLOCK: usize = 16_384;
const BLOCKS_TOGETHER: usize = 16;

fn sampler(config: &SamplerConfig, vectors: bool) -> Sampler {
    match config.name {
        SamplerName::Shuffled if vectors => Sampler::ShuffledBlocks {
            batch: config.batch,
            drop_last: true,
            block: BLOCK,
            blocks_together: BLOCKS_TOGETHER,
        },
        // A last batch of a few pictures would make batch statistics of a few values.
        SamplerName::Shuffled => Sampler::Shuffled { batch: config.batch, drop_last: true },
        SamplerName::ByFrequency => Sampler::ByFrequency { batch: config.batch, power: config.power },
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

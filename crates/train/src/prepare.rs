//! Opens the data of a run and splits it into training samples and an evaluation set, as the configuration says.

use crate::Error;
use crate::config::{AugmentConfig, Config, DataConfig, SamplerConfig, SamplerName};
use crate::fine_tuning;
use widemargin_data::{
    Augment, ImageSet, Labelled, Loader, LoaderSettings, Normalisation, OpenOptions, OpenSetSplit, Part,
    SampleSet, Sampler, SplitFile, SplitPart, TrainingSamples, require_comparable,
};

/// A data set, split and with its normalisation computed.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// All images or vectors.
    pub set: SampleSet,
    /// Known and unseen classes.
    pub split: OpenSetSplit,
    /// What each sample is used for.
    pub parts: Vec<SplitPart>,
    /// Training samples of known classes with their dense labels.
    pub training: TrainingSamples,
    /// Held-out samples of known classes with their dense labels; the evaluation set of a closed set.
    pub known: TrainingSamples,
    /// Samples of unseen classes, which are the evaluation set; empty for a closed set. Only the held-out ones if the data or a split file
    /// marks them.
    pub unseen: Vec<u32>,
    /// Normalisation of the samples.
    pub normalisation: Normalisation,
}

impl Prepared {
    /// Opens and splits the data of `config`.
    ///
    /// # Errors
    /// The errors of the data; [`Error::TooFew`] if there are fewer training samples than a batch, or too few samples for evaluation.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Self::from_set(open(&config.data)?, config)
    }

    /// Splits a set that is already open, such as one in memory, as `config` specifies.
    ///
    /// The run folder does not record such a set. To resume the run, build the same set again and call [`train()`](crate::train()) with
    /// [`RunStart::Resume`](crate::RunStart::Resume).
    ///
    /// # Errors
    /// The errors of [`Prepared::new`].
    pub fn from_set(set: impl Into<SampleSet>, config: &Config) -> Result<Self, Error> {
        let set = set.into();
        let (split, parts) = divided(&set, &config.data)?;
        let of = |part: SplitPart, known: bool| -> Vec<u32> {
            let labels = set.labels().iter().zip(&parts);
            let expected = labels.enumerate().filter(|(_, (class, found))| {
                **found == part && split.known_label(**class).is_some() == known
            });
            expected.map(|(sample, _)| sample as u32).collect()
        };
        let mut samples = of(SplitPart::Train, true);
        if config.training.limit > 0 {
            let share = config.training.limit.div_ceil(split.known().len());
            let mut left = vec![share; set.class_names().len()];
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
                "sampler: found {found} training {}, fewer than one batch of {batch}; choose a smaller batch",
                set.kind()
            )));
        }
        let known = TrainingSamples::known(&set, &split, &of(SplitPart::Test, true));
        let unseen = if split.is_closed() { Vec::new() } else { of(SplitPart::Test, false) };
        let evaluated = if split.is_closed() { &known.samples } else { &unseen };
        if evaluated.len() < 2 {
            return Err(Error::TooFew(format!(
                "data: {} {} in the evaluation set, expected at least 2: hold out more samples or more classes",
                evaluated.len(),
                set.kind()
            )));
        }
        require_comparable(evaluated.iter().map(|sample| set.labels()[*sample as usize]))?;
        let normalisation = match fine_tuning::normalisation(config)? {
            Some(chosen) => {
                chosen.validate(set.shape().channels).map_err(|error| Error::BadValue {
                    key: "model.mean".to_owned(),
                    message: format!("{error}; give one value per channel of the data"),
                })?;
                chosen
            }
            None => set.normalisation(&training.samples)?,
        };
        Ok(Self { set, split, parts, training, known, unseen, normalisation })
    }

    /// The samples that a trained model is evaluated on: those of unseen classes, or the test samples of a closed set.
    pub fn evaluation_samples(&self) -> &[u32] {
        if self.split.is_closed() { &self.known.samples } else { &self.unseen }
    }

    /// What each sample is used for, as a file that is kept with the run.
    pub fn split_file(&self) -> SplitFile {
        let named =
            (0..self.set.len()).map(|sample| self.set.sample_id(sample)).zip(self.parts.iter().copied());
        SplitFile::new(format!("{}, as this run used it", self.set.name()), named)
    }

    /// Opens the set that `[data]` of a configuration names, without splitting it.
    ///
    /// # Errors
    /// The errors of the data.
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
    let options = OpenOptions {
        channels: d.channels,
        height: d.height,
        width: d.width,
        hold_out: d.hold_out,
        max_bad: d.max_bad,
        seed: d.split_seed,
        class_folder: d.class_folder,
        ..OpenOptions::default()
    };
    let set = match &d.path {
        Some(path) => return Ok(SampleSet::open(path, d.labels.as_deref(), &options)?),
        None if d.built_in => ImageSet::embedded(),
        None => ImageSet::fashion_mnist_installed().unwrap_or_else(|| Ok(ImageSet::embedded()))?,
    };
    Ok(set.shared().into())
}

/// Known and unseen classes, and what each sample is used for.
///
/// Parts that the data marks are kept. If parts were drawn, every sample of an unseen class is in the evaluation set.
fn divided(set: &SampleSet, d: &DataConfig) -> Result<(OpenSetSplit, Vec<SplitPart>), Error> {
    if let Some(path) = &d.split {
        let parts = SplitFile::read(path)?.parts_of(set, path)?;
        return Ok((OpenSetSplit::by_parts(set, &parts)?, parts));
    }
    let names = set.class_names();
    let split = if d.closed_set {
        OpenSetSplit::closed(names)?
    } else if d.unseen_classes.is_empty() {
        OpenSetSplit::by_seed(names, d.unseen, d.split_seed)?
    } else {
        OpenSetSplit::by_names(names, &d.unseen_classes)?
    };
    let part = |(sample, class): (usize, &u32)| match (split.known_label(*class), set.part(sample)) {
        (Some(_), part) => part.into(),
        (None, Part::Train) if set.parts_are_given() => SplitPart::Out,
        (None, _) => SplitPart::Test,
    };
    let parts = set.labels().iter().enumerate().map(part).collect();
    Ok((split, parts))
}

/// Neighbouring rows of a table that stay together in an epoch's order, and the number of such blocks that are shuffled together.
/// A table of up to 262,144 rows is shuffled as a whole; a larger one is read at 16 positions at a time.
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
        // a last batch of a few images would compute batch statistics from a few values
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

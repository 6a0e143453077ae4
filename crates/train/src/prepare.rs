//! Opens the data of a run and splits it into training samples and an evaluation set, as the configuration says.

use crate::Error;
use crate::config::{AugmentConfig, Config, DataConfig, HeadModeName, SamplerConfig, SamplerName};
use crate::division::{divided, known_classes, leave_out_camera, limited, parts_are_drawn, with_validation};
use crate::earlier_run::EarlierRun;
use crate::fine_tuning;
use crate::leak::{self, HeldOut};
use crate::warm_start::{self, Origin};
use std::collections::BTreeMap;
use widemargin_data::{
    Augment, Division, FolderOptions, Labelled, Loader, LoaderSettings, Normalisation, OpenOptions,
    OpenSetSplit, Preprocessing, SampleSet, Sampler, SourceKind, SplitFile, SplitPart, TrainingBatch,
    TrainingSamples, require_comparable,
};
use widemargin_embedder::{TrainedSamples, TrainingClasses};

/// With fewer unseen classes than this, a report warns about them.
const FEW_UNSEEN_CLASSES: usize = 20;

/// With fewer test samples of known classes than this, a report warns about them.
const FEW_KNOWN_SAMPLES: usize = 10;

/// Training images that are checked for colours, if colours are augmented.
const COLOURS_CHECKED: usize = 64;

/// The file of a run folder with the use of each sample.
pub(crate) const SPLIT_FILE: &str = "split.csv";

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
    /// The samples of the validation part; see [`Division::with_validation`].
    pub validation: Vec<u32>,
    /// Normalisation of the samples.
    pub normalisation: Normalisation,
    /// Whether the unseen classes were drawn at random; false if the data, a split file or the configuration names them, or if there are none.
    pub unseen_drawn: bool,
    /// What a reader of the results must know about the data, as whole sentences. They are printed when the run starts, and are in its
    /// reports.
    pub warnings: Vec<String>,
    /// The classes that a model trained on this data has seen and not seen, which its file lists; `None` if the names are too long for it.
    pub classes: Option<TrainingClasses>,
    /// The samples that the initial weights were trained on: none without weights or if another program wrote them; `None` if it is not known.
    pub(crate) trained_before: Option<TrainedSamples>,
}

impl Prepared {
    /// Opens and splits the data of `config`.
    ///
    /// # Errors
    /// The errors of the data; [`Error::TooFew`] if there are fewer training samples than a batch, or too few samples for evaluation.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Self::split(config)?.accepting(config)
    }

    /// As [`Prepared::new`], before it is known how the samples will be trained on: nothing requires a batch. Call
    /// [`accepting`](Self::accepting) when the settings are chosen.
    ///
    /// # Errors
    /// The errors of the data; [`Error::TooFew`] for too few samples for evaluation.
    pub fn split(config: &Config) -> Result<Self, Error> {
        let columns = fine_tuning::columns(config)?;
        let set = open(&config.data, fine_tuning::preprocessing(config)?, columns.as_deref())?;
        let note = fine_tuning::require_columns(config, &set, columns.as_deref())?;
        let mut prepared = Self::split_set(set, config)?;
        prepared.warnings.extend(note);
        Ok(prepared)
    }

    /// Checks that the samples fill a batch of `config`, and adds warnings about batches and the head.
    ///
    /// # Errors
    /// [`Error::TooFew`] if there are fewer training samples than a batch.
    pub fn accepting(mut self, config: &Config) -> Result<Self, Error> {
        let samples = self.training.samples.len();
        require_batch(config, samples, self.set.kind(), &self.warnings)?;
        self.warnings.extend(incomplete_batch(config, samples));
        self.warnings.extend(needless_rate(config, &self.training));
        Ok(self)
    }

    /// Splits a set that is already open, such as one in memory, as `config` specifies.
    ///
    /// The run folder does not record such a set. To resume the run, build the same set again and call [`train()`](crate::train()) with
    /// [`RunStart::Resume`](crate::RunStart::Resume).
    ///
    /// # Errors
    /// The errors of [`Prepared::new`].
    pub fn from_set(set: impl Into<SampleSet>, config: &Config) -> Result<Self, Error> {
        Self::split_set(set.into(), config)?.accepting(config)
    }

    pub(crate) fn split_set(set: SampleSet, config: &Config) -> Result<Self, Error> {
        let evaluates = config.training.evaluate_every > 0;
        let earlier = EarlierRun::of(config)?;
        if let Some(earlier) = &earlier {
            earlier.require_fits(&set)?;
        }
        let classes = warm_start::classes(config)?.with(&warm_start::of_embeddings(&set));
        let mut division = divided(&set, config, &classes)?;
        if let Some(earlier) = earlier.as_ref().filter(|_| parts_are_drawn(&set, &config.data)) {
            earlier.keep_parts(&set, &mut division);
        }
        if let Some(earlier) = earlier.as_ref().filter(|_| evaluates && config.data.split.is_none()) {
            earlier.keep_validation(&set, &mut division)?;
        }
        let division = with_validation(division, &set, config)?;
        let mut prepared = Self::of_division(set, config, division, None)?;
        prepared.trained_before = leak::trained_before(config, earlier.as_ref())?;
        let held_out = HeldOut {
            set: &prepared.set,
            unseen: &prepared.unseen,
            known: &prepared.known.samples,
            is_closed: prepared.split.is_closed(),
        };
        let leaks = leak::warnings(config, prepared.trained_before.as_ref(), &held_out, SPLIT_FILE);
        prepared.warnings.extend(leaks);
        let d = &config.data;
        if d.hold_out != DataConfig::default().hold_out
            && (d.split.is_some() || prepared.set.parts_are_marked())
        {
            let by = if d.split.is_some() { "a split file" } else { "the data" };
            prepared.warnings.push(format!("data.hold_out: no effect, because {by} says what is held out."));
        }
        Ok(prepared)
    }

    /// A set with this division; `normalisation` is that of the configuration or the data if it is not given.
    pub(crate) fn of_division(
        set: SampleSet,
        config: &Config,
        mut division: Division,
        normalisation: Option<Normalisation>,
    ) -> Result<Self, Error> {
        let (weights, embeddings) = (warm_start::classes(config)?, warm_start::of_embeddings(&set));
        leave_out_camera(&set, &mut division)?;
        let samples = limited(&set, &mut division, config.training.limit)?;
        let Division { classes: split, mut parts, drawn: unseen_drawn, warnings: of_split } = division;
        let mut warnings = set.warnings().to_vec();
        warnings.extend(of_split);
        warnings.extend(left_out(&set));
        warnings.extend(weights.warnings(set.class_names(), &split, Origin::Weights));
        warnings.extend(embeddings.warnings(set.class_names(), &split, Origin::Embeddings));
        let chosen_by = warm_start::validation_classes(config, set.labels(), &parts, &split);
        let before = weights.with(&embeddings);
        let classes = before.after_training(set.name(), set.class_names(), &split, &chosen_by);
        let known_names = known_classes(&set, &split);
        let ignored = config.objective.ignored_among(&known_names)?;
        let ignored_tests =
            ignored.map_or(0, |label| leave_out_tests(&set, &mut parts, split.known()[label as usize]));
        let of = |part: SplitPart, known: bool| -> Vec<u32> {
            let labels = set.labels().iter().zip(&parts);
            let expected = labels.enumerate().filter(|(_, (class, found))| {
                **found == part && split.known_label(**class).is_some() == known
            });
            expected.map(|(sample, _)| sample as u32).collect()
        };
        let training = TrainingSamples::known(&set, &split, &samples);
        warnings.extend(Self::colourless(&set, &config.augment, &training.samples));
        warnings.extend(
            ignored
                .map(|label| ignored_class(known_names[label as usize], label, (&training, ignored_tests))),
        );
        let known = TrainingSamples::known(&set, &split, &of(SplitPart::Test, true));
        let unseen = if split.is_closed() { Vec::new() } else { of(SplitPart::Test, false) };
        let validation: Vec<u32> = (0..)
            .zip(&parts)
            .filter(|(_, part)| **part == SplitPart::Validation)
            .map(|(sample, _)| sample)
            .collect();
        warnings.extend(unused_validation(config, set.kind(), validation.len()));
        let evaluated = if split.is_closed() { &known.samples } else { &unseen };
        let counts = counted(evaluated.iter().map(|sample| set.labels()[*sample as usize]));
        let in_pairs = counts.values().filter(|count| **count > 1).count();
        if !split.is_closed() {
            warnings.extend(few_unseen_classes(&split, in_pairs));
            warnings.extend(few_known_samples(&split, &known, set.kind()));
        }
        if evaluated.len() < 2 {
            return Err(Error::TooFew(format!(
                "{}: {} {} in the evaluation set, expected at least 2: hold out more samples (--hold-out) or more classes (--unseen), or \
                 use a file of `data split` that does",
                set.name(),
                evaluated.len(),
                set.kind()
            )));
        }
        require_comparable(evaluated.iter().map(|sample| set.labels()[*sample as usize]))
            .map_err(|error| error.of_data(set.name()))?;
        let chosen = match normalisation {
            Some(given) => Some(given),
            None => fine_tuning::normalisation(config)?,
        };
        let normalisation = match chosen {
            Some(chosen) => {
                let (channels, is_images) = (set.shape().channels, set.images().is_some());
                let fits =
                    if is_images { chosen.validate_pixels(channels) } else { chosen.validate(channels) };
                fits.map_err(|error| Error::BadValue {
                    key: "model.mean, model.deviation".to_owned(),
                    message: format!("{error}; give one value per channel of the data"),
                })?;
                chosen
            }
            None => set.normalisation(&training.samples)?,
        };
        Ok(Self {
            set,
            split,
            parts,
            training,
            known,
            unseen,
            validation,
            normalisation,
            unseen_drawn,
            warnings,
            classes,
            trained_before: Some(TrainedSamples::default()),
        })
    }

    /// The samples that a model has seen after this training; `None` if it is not known, or if they are too many for its file.
    pub(crate) fn trained_samples(&self) -> Option<TrainedSamples> {
        let own = self.training.samples.iter().map(|sample| leak::digest(&self.set, *sample));
        Some(self.trained_before.as_ref()?.with(&TrainedSamples::new(own)))
            .filter(TrainedSamples::fits_a_file)
    }

    /// The samples that a trained model is evaluated on: those of unseen classes, or the test samples of a closed set.
    pub fn evaluation_samples(&self) -> &[u32] {
        if self.split.is_closed() { &self.known.samples } else { &self.unseen }
    }

    /// Checks the settings of another run on this data: that the samples fill a batch, and that the objective can be built for the classes.
    ///
    /// # Errors
    /// [`Error::TooFew`]; [`Error::BadValue`] for the objective.
    pub fn require_settings(&self, config: &Config) -> Result<(), Error> {
        require_batch(config, self.training.samples.len(), self.set.kind(), &self.warnings)?;
        let objective = config.objective.of_classes(&self.known_classes())?;
        config.objective.by_count(objective, &self.training_counts()).map(|_| ())
    }

    /// Names of the known classes, in the order of their dense labels.
    pub(crate) fn known_classes(&self) -> Vec<&str> {
        known_classes(&self.set, &self.split)
    }

    /// Number of training samples per known class.
    pub(crate) fn training_counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.split.known().len()];
        self.training.labels.iter().for_each(|label| counts[*label as usize] += 1);
        counts
    }

    /// What each sample is used for, as a file that is kept with the run.
    pub fn split_file(&self) -> SplitFile {
        let named =
            (0..self.set.len()).map(|sample| self.set.sample_id(sample)).zip(self.parts.iter().copied());
        let classes = self.set.labels().iter().map(|class| self.set.class_names()[*class as usize].as_str());
        SplitFile::new(format!("{}, as this run used it", self.set.name()), named)
            .of_classes(classes)
            .of_contents((0..self.set.len()).map(|sample| self.set.digest(sample)))
    }

    /// Opens the set that `[data]` of a configuration names, without splitting it. Vectors with just these `columns`, those of a model or run, get
    /// their order.
    ///
    /// # Errors
    /// The errors of the data.
    pub fn open(data: &DataConfig, columns: Option<&[String]>) -> Result<SampleSet, Error> {
        open(data, data.preprocessing(Preprocessing::default()), columns)
    }

    /// A warning if the images have no colours and `augment` changes colours: it has no effect on grey images, which may also be stored as RGB. Up to
    /// 64 of the samples `training` are read.
    pub fn colourless(set: &SampleSet, augment: &AugmentConfig, training: &[u32]) -> Option<String> {
        let keys = augment.colour_keys();
        // Images of one channel have a warning about the configuration.
        let images = set.images().filter(|images| !keys.is_empty() && images.shape().channels == 3)?;
        let checked: Vec<u32> = spread(training, COLOURS_CHECKED).collect();
        let plane = images.shape().plane();
        let is_grey = |sample: &u32| {
            // An image that cannot be read is an error of the first batch that has it.
            let pixels = images.read(*sample as usize).ok()?;
            Some(pixels[..plane] == pixels[plane..2 * plane] && pixels[..plane] == pixels[2 * plane..])
        };
        let grey = !checked.is_empty() && checked.iter().filter_map(is_grey).all(|grey| grey);
        grey.then(|| {
            let keys: Vec<String> = keys.iter().map(|key| format!("augment.{key}")).collect();
            format!(
                "{}: no effect on grey images, and the {} training images that were checked are all grey.",
                keys.join(", "),
                checked.len()
            )
        })
    }

    /// The steps of a run from `start` (epoch, step in it) on, each with its batches.
    pub(crate) fn steps(&self, config: &Config, (epoch, step): (u64, u64)) -> Result<Steps, Error> {
        let of_step = config.training.accumulate as u64;
        let loader = self.loader(config, (epoch, step * of_step))?;
        let per_epoch = loader.steps_per_epoch() / of_step;
        if per_epoch == 0 {
            let found = loader.steps_per_epoch();
            let message = format!("found {of_step}, expected at most {found}, the batches of an epoch");
            return Err(Error::BadValue { key: "training.accumulate".to_owned(), message });
        }
        Ok(Steps { loader, of_step, per_epoch })
    }

    /// The batches of a run from `start` (epoch, batch in it) on.
    pub(crate) fn loader(&self, config: &Config, start: (u64, u64)) -> Result<Loader, Error> {
        let vectors = matches!(self.set, SampleSet::Vectors(_));
        let sampler = sampler(&config.sampler, vectors);
        let settings = LoaderSettings {
            augment: if vectors { Augment::NONE } else { config.augment },
            start,
            epochs: config.training.epochs as u64,
            threads: config.training.loader_threads,
            ..LoaderSettings::new(sampler, self.normalisation.clone(), config.training.seed)
        };
        Ok(Loader::new(self.set.clone(), self.training.clone(), settings)?)
    }
}

/// The steps of a run: the batches of each. Batches at the end of an epoch that do not fill a step are left out.
#[derive(Debug)]
pub(crate) struct Steps {
    loader: Loader,
    of_step: u64,
    per_epoch: u64,
}

impl Steps {
    pub(crate) fn per_epoch(&self) -> u64 {
        self.per_epoch
    }
}

impl Iterator for Steps {
    type Item = Result<Vec<TrainingBatch>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batches = Vec::with_capacity(self.of_step as usize);
        while (batches.len() as u64) < self.of_step {
            match self.loader.next()? {
                Ok(batch) if batch.step_in_epoch >= self.per_epoch * self.of_step => {}
                Ok(batch) => batches.push(batch),
                Err(error) => return Some(Err(error.into())),
            }
        }
        Some(Ok(batches))
    }
}

/// Checks that there are samples for the batches of a step; the error has the `warnings` about samples that were left out.
fn require_batch(config: &Config, found: usize, kind: &str, warnings: &[String]) -> Result<(), Error> {
    let (batch, accumulate) = (config.sampler.batch_size(), config.training.accumulate);
    if found >= config.step_size() {
        return Ok(());
    }
    let advice = match (found, accumulate) {
        (0, _) => "no sample of a known class is left",
        (_, 1) => "choose a smaller batch",
        _ => "choose a smaller batch or accumulate fewer",
    };
    let batches = if accumulate == 1 {
        format!("one batch of {batch}")
    } else {
        format!("the {accumulate} batches of {batch} of one step")
    };
    let reasons: Vec<&str> = warnings
        .iter()
        .filter(|warning| warning.to_lowercase().contains("left out"))
        .map(|warning| warning.trim_end_matches('.'))
        .collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
    Err(Error::TooFew(format!(
        "sampler: found {found} training {kind}, fewer than {batches}; {advice}{reasons}"
    )))
}

/// A sentence on the samples of the validation part of a run that does not use them.
fn unused_validation(config: &Config, kind: &str, samples: usize) -> Option<String> {
    (samples > 0 && config.training.evaluate_every == 0).then(|| {
        format!(
            "{samples} {kind} in the part `validation` are kept for validation and not used for training or the final evaluation. To evaluate on them \
             during training, use --evaluate-every."
        )
    })
}

/// Leaves out the held-out samples of the class that the objective ignores: they have no class, so there is nothing to evaluate. Returns the number
/// of those in the test part.
fn leave_out_tests(set: &SampleSet, parts: &mut [SplitPart], ignored: u32) -> usize {
    let mut left_out = 0;
    for (class, part) in set.labels().iter().zip(parts) {
        if *class == ignored && matches!(part, SplitPart::Test | SplitPart::Validation) {
            left_out += usize::from(*part == SplitPart::Test);
            *part = SplitPart::Out;
        }
    }
    left_out
}

/// A sentence on the class that the objective ignores: the counts of samples include it. `tests` of its test samples were left out.
fn ignored_class(name: &str, label: u32, (training, tests): (&TrainingSamples, usize)) -> String {
    let count = training.labels.iter().filter(|found| **found == label).count();
    format!(
        "The training samples of {name} have loss 0 (objective.ignore_label): {count} of {}. The counts of training samples include them. The \
         {tests} test samples of {name} are left out, because they have no class.",
        training.labels.len()
    )
}

/// The number of samples of each class.
fn counted(classes: impl Iterator<Item = u32>) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for class in classes {
        *counts.entry(class).or_default() += 1;
    }
    counts
}

/// With few unseen classes, the draw of these classes changes the results more than most settings do. `in_pairs` is the number of those with at
/// least two samples: others have no genuine pair.
fn few_unseen_classes(split: &OpenSetSplit, in_pairs: usize) -> Option<String> {
    let unseen = split.unseen().len();
    (in_pairs < FEW_UNSEEN_CLASSES).then(|| {
        let found = if in_pairs == unseen {
            format!("There are only {unseen} unseen classes")
        } else {
            format!("Only {in_pairs} of the {unseen} unseen classes have at least two samples")
        };
        format!(
            "{found}, fewer than {FEW_UNSEEN_CLASSES}: the results depend on which classes were drawn. Compare \
             runs on the same unseen classes, and repeat them with other draws (data.split_seed)."
        )
    })
}

/// A sentence if the accuracy on known classes is of few samples, or of a minority of the classes.
fn few_known_samples(split: &OpenSetSplit, known: &TrainingSamples, unit: &str) -> Option<String> {
    let (samples, classes) = (known.samples.len(), counted(known.labels.iter().copied()).len());
    let of = split.known().len();
    (samples > 0 && (samples < FEW_KNOWN_SAMPLES || 2 * classes < of)).then(|| {
        format!(
            "The accuracy on known classes is of only {samples} {unit}, of {classes} of the {of} known classes: it says little about the others. \
             Hold out more samples for a better estimate."
        )
    })
}

fn left_out(set: &SampleSet) -> Option<String> {
    let first = set.bad().first()?;
    Some(format!(
        "{} {} could not be read and were left out; the first is {} ({}).",
        set.bad().len(),
        set.kind(),
        first.path.display(),
        first.reason
    ))
}

/// The set that `[data]` names.
pub(crate) fn open(
    d: &DataConfig,
    preprocessing: Preprocessing,
    columns: Option<&[String]>,
) -> Result<SampleSet, Error> {
    let options = OpenOptions {
        channels: d.channels,
        height: d.height,
        width: d.width,
        hold_out: d.hold_out,
        max_bad: d.max_bad,
        seed: d.split_seed,
        folders: FolderOptions { class_folder: d.class_folder, parts: d.parts },
        preprocessing,
        columns: d.columns.clone(),
        label_column: d.label_column.clone(),
        order: columns.map(<[String]>::to_vec),
        across_cameras: d.across_cameras,
        held_out_camera: d.held_out_camera.clone(),
        ..OpenOptions::default()
    };
    if let Some(path) = &d.path {
        return Ok(SampleSet::open(path, d.labels.as_deref(), &options)?);
    }
    let set = d.set.unwrap_or_default();
    options.folders.require_for(SourceKind::Idx, set.name())?;
    Ok(set.open(&options)?.shared().into())
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

/// A last batch that is not full is reported from this share of the samples on.
const NOTABLE_SHARE: f64 = 0.05;

/// The warning that an epoch leaves out many samples, because the last batch of `shuffled` is dropped if it is not full.
fn incomplete_batch(config: &Config, samples: usize) -> Option<String> {
    let (batch, accumulate) = (config.sampler.batch, config.training.accumulate);
    let left = samples % (batch * accumulate).max(1);
    let notable =
        config.sampler.name == SamplerName::Shuffled && left as f64 >= NOTABLE_SHARE * samples as f64;
    notable.then(|| {
        format!(
            "Each epoch trains on {} of {samples} training samples: the last {left} of the shuffled order do not fill {}. \
             A batch that divides the number with a smaller rest leaves out fewer.",
            samples - left,
            if accumulate == 1 { format!("a batch of {batch}") } else { format!("{accumulate} batches of {batch}") }
        )
    })
}

/// The classes of a batch are always scored, so a sampled head scores no others if they are already more than its rate asks for.
fn needless_rate(config: &Config, training: &TrainingSamples) -> Option<String> {
    let counts = counted(training.labels.iter().copied());
    let (sampler, rate, classes) = (&config.sampler, config.head.rate, counts.len());
    let asked = (rate * classes as f64).ceil();
    let weight = |count: &usize| match sampler.name {
        SamplerName::ByFrequency => (*count as f64).powf(sampler.power),
        SamplerName::Shuffled | SamplerName::ClassBalanced => *count as f64,
    };
    let all: f64 = counts.values().map(weight).sum();
    let expected = match sampler.name {
        SamplerName::ClassBalanced => sampler.classes_per_batch.min(classes) as f64,
        SamplerName::Shuffled | SamplerName::ByFrequency => {
            counts.values().map(|count| 1.0 - (1.0 - weight(count) / all).powf(sampler.batch as f64)).sum()
        }
    };
    let needless = config.head.mode == HeadModeName::Sampled && rate < 1.0 && expected >= asked;
    needless.then(|| {
        format!(
            "head.rate: {rate} of {classes} classes is {asked}, but a batch has samples of about {expected:.0} classes, and these are always scored. \
             So no class is drawn, and a smaller rate changes nothing."
        )
    })
}

/// At most `most` of the samples, at equal distances.
fn spread(samples: &[u32], most: usize) -> impl Iterator<Item = u32> {
    let count = samples.len().min(most);
    (0..count).map(move |at| samples[at * samples.len() / count])
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_data::ImageSet;

    #[test]
    fn changes_of_colours_are_reported_if_no_image_has_colours() {
        let options = OpenOptions { channels: 3, height: 4, width: 4, ..OpenOptions::default() };
        let set = |coloured: bool| -> SampleSet {
            let image = |number: u8| {
                let grey = [number; 48];
                let mut image = grey;
                // One pixel of one image is enough.
                image[47] = if coloured && number == 3 { 200 } else { number };
                image
            };
            let pixels: Vec<u8> = (0..8).flat_map(image).collect();
            let classes = ["a", "b"].repeat(4);
            ImageSet::from_pixels("eight", &pixels, &classes, &options).expect("a set").into()
        };
        let colours = AugmentConfig { hue: Some(0.1.into()), grey: 0.2, ..AugmentConfig::default() };
        let all: Vec<u32> = (0..8).collect();
        let said = Prepared::colourless(&set(false), &colours, &all).expect("grey");
        assert!(said.starts_with("augment.hue, augment.grey: no effect"), "{said}");
        assert!(said.contains("the 8 training images"), "{said}");
        assert_eq!(Prepared::colourless(&set(true), &colours, &all), None);
        assert_eq!(Prepared::colourless(&set(false), &AugmentConfig::default(), &all), None);
        assert_eq!(spread(&all, 3).collect::<Vec<u32>>(), [0, 2, 5]);
        assert_eq!(spread(&[], 3).count(), 0);
    }

    #[test]
    fn samples_that_do_not_fill_a_batch_are_reported() {
        let of = |batch, samples| {
            let sampler = SamplerConfig { batch, ..SamplerConfig::default() };
            incomplete_batch(&Config { sampler, ..Config::default() }, samples)
        };
        let said = of(160, 319).unwrap();
        assert!(said.contains("trains on 160 of 319") && said.contains("last 159"), "{said}");
        assert_eq!((of(160, 320), of(128, 10_500), of(7, 7)), (None, None, None));
        let name = SamplerName::ByFrequency;
        let sampler = SamplerConfig { name, batch: 160, ..SamplerConfig::default() };
        assert_eq!(incomplete_batch(&Config { sampler, ..Config::default() }, 319), None);
        let mut several = Config::default();
        (several.sampler.batch, several.training.accumulate) = (40, 4);
        let said = incomplete_batch(&several, 319).unwrap();
        assert!(
            said.contains("trains on 160 of 319") && said.contains("do not fill 4 batches of 40"),
            "{said}"
        );
    }

    #[test]
    fn a_rate_below_the_classes_of_a_batch_is_reported() {
        let mut config = Config::default();
        config.data.path = Some(crate::testing::clothing());
        (config.head.mode, config.head.rate) = (HeadModeName::Sampled, 0.3);
        let said = |config: &Config| Prepared::new(config).unwrap().warnings.join(" ");
        let all = said(&config);
        assert!(
            all.contains("head.rate: 0.3 of 7 classes is 3, but a batch has samples of about 7 classes"),
            "{all}"
        );
        (config.sampler.name, config.sampler.classes_per_batch) = (SamplerName::ClassBalanced, 2);
        assert!(!said(&config).contains("head.rate"));
        (config.head.mode, config.sampler.classes_per_batch) = (HeadModeName::Dense, 7);
        assert!(!said(&config).contains("head.rate: 0.3 of"));
    }

    #[test]
    fn a_limit_takes_exactly_so_many_samples() {
        let of = |limit: usize| {
            let mut config = Config::default();
            config.data.path = Some(crate::testing::clothing());
            (config.training.limit, config.sampler.batch) = (limit, 2);
            Prepared::new(&config)
        };
        for limit in [7, 70, 403, 413, 420, 99_999] {
            let prepared = of(limit).unwrap();
            assert_eq!(prepared.training.samples.len(), limit.min(420));
            let trained = prepared.parts.iter().filter(|part| **part == SplitPart::Train).count();
            assert_eq!(trained, limit.min(420), "in the split of the run");
            assert_eq!((prepared.split.known().len(), prepared.unseen_drawn), (7, true));
            assert!(
                !prepared.warnings.iter().any(|text| text.contains("The limit")),
                "{:?}",
                prepared.warnings
            );
        }
        // Two of the seven known classes are left without training samples, so they are not known classes.
        let prepared = of(5).unwrap();
        assert_eq!((prepared.training.samples.len(), prepared.split.known().len()), (5, 5));
        assert_eq!(prepared.known.samples.len(), 5 * 20);
        assert_eq!((prepared.split.unseen().len(), prepared.unseen.len()), (3, 3 * 20));
        let said = prepared.warnings.join(" ");
        assert!(said.contains("leaves 2 of 7 known classes without one"), "{said}");
        let said = of(1).unwrap_err().to_string();
        assert!(said.contains("training.limit: found 1, expected at least 2"), "{said}");
    }

    #[test]
    fn test_samples_of_the_ignored_class_are_not_evaluated() {
        let of = |text: &str| {
            let text = format!("[data]\n{text}");
            let mut config = Config::from_toml(std::path::Path::new("run.toml"), &text).expect("valid");
            config.data.path = Some(crate::testing::clothing());
            config.sampler.batch = 20;
            Prepared::new(&config).expect("prepared")
        };
        let ignored = of("closed_set = true\n[objective]\nignore_label = \"Bag\"");
        let all = of("closed_set = true");
        assert_eq!(all.evaluation_samples().len(), 200);
        assert_eq!(ignored.evaluation_samples().len(), 180);
        assert_eq!(
            ignored.training.samples.len(),
            all.training.samples.len(),
            "they are counted in training"
        );
        let said = ignored.warnings.join(" ");
        assert!(
            said.contains("The 20 test samples of Bag are left out, because they have no class."),
            "{said}"
        );
        let out = ignored.parts.iter().filter(|part| **part == SplitPart::Out).count();
        assert_eq!(out, 20, "in the split of the run");
    }
}

//! The run that a new run starts from (`model.from`): what the new run keeps of its settings, its classes and its split.
//!
//! The new run stores all of it: settings and classes in its configuration, the split in its record, and backbone, centres and optimisers in its
//! first checkpoint. It resumes without the earlier run.

use crate::Error;
use crate::config::{Config, ObjectiveConfig, OptimiserName};
use crate::record::Record;
use crate::run::settings::{Settings, configuration};
use crate::warm_start::{self, WeightsClasses};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use widemargin_data::{Division, Labelled, Preprocessing, SampleSet, SplitPart, appearance};
use widemargin_embedder::{TrainedSamples, TrainingClasses};
use widemargin_objective::AnyObjective;
use widemargin_tables::echo_list;

/// Divisor of the earlier run's peak learning rate. Measured: see the chapter on fine-tuning in the book.
const RATE_DIVISOR: f64 = 10.0;

/// Fewest validation classes, and fewest known ones next to them.
const LEAST: usize = 2;

/// A run without its checkpoints.
#[derive(Debug)]
pub(crate) struct EarlierRun {
    pub(crate) folder: PathBuf,
    pub(crate) config: Config,
    pub(crate) record: Record,
    /// The checksums of the settings with which it started and of its record, which its checkpoints have.
    pub(crate) checksums: (u32, u32),
}

impl EarlierRun {
    /// The run that `config` starts from; `None` if it starts from weights or at random.
    ///
    /// # Errors
    /// If its files cannot be read.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, Error> {
        config.model.from.as_deref().map(Self::read).transpose()
    }

    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// [`Error::BadFile`] if it is not a run folder; those of its settings and its record.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        configuration(folder)?;
        let settings = Settings::read(folder)?;
        let (record, samples) = Record::read(folder)?;
        let checksums = (settings.checksum(), samples);
        Ok(Self { folder: folder.to_owned(), config: settings.config().clone(), record, checksums })
    }

    /// The classes that a model of this run has seen and not seen; `None` if their names take too much room.
    fn classes(&self) -> Option<TrainingClasses> {
        let before = self.config.model.weights_classes.clone();
        let before = before.map_or(WeightsClasses::None, WeightsClasses::Listed);
        let record = &self.record;
        let (labels, parts) = (&record.labels, &record.parts);
        let chosen_by = warm_start::validation_classes(&self.config, labels, parts, &record.split);
        before.after_training(&record.data, &record.class_names, &record.split, &chosen_by)
    }

    /// The samples that a model of this run has seen; `None` if it is not known.
    pub(crate) fn trained_samples(&self) -> Option<TrainedSamples> {
        let record = &self.record;
        let m = &self.config.model;
        let random = m.weights.is_none() && m.from.is_none();
        let before = record.trained_before.clone().or_else(|| random.then(TrainedSamples::default))?;
        let own = (0..record.names.len()).filter(|at| {
            record.parts[*at] == SplitPart::Train && record.split.known_label(record.labels[*at]).is_some()
        });
        Some(before.with(&TrainedSamples::new(own.map(|at| record.digests[at] as u32))))
    }

    /// Whether it was trained on images: the shape of vectors is `1 x 1 x dim`, and images are higher.
    fn takes_images(&self) -> bool {
        self.record.shape.height > 1
    }

    /// Rejects samples that the model of the run cannot take: of another kind or shape, or with other columns.
    pub(crate) fn require_fits(&self, set: &SampleSet) -> Result<(), Error> {
        let of = |images: bool| if images { "images" } else { "vectors" };
        let (found, expected) = (set.images().is_some(), self.takes_images());
        let wrong = |found: &str, expected: &str| {
            bad(
                "model.from",
                format!("the run {} was trained on {expected}; the data has {found}", self.folder.display()),
            )
        };
        if found != expected {
            return Err(wrong(of(found), of(expected)));
        }
        if set.shape() != self.record.shape {
            let of = |shape| format!("{} of {shape}", of(expected));
            return Err(wrong(&of(set.shape()), &of(self.record.shape)));
        }
        match (set.columns(), self.record.columns()) {
            (Some(found), Some(expected)) if found != expected => Err(wrong(
                &format!("the columns {}", echo_list(found)),
                &format!("the columns {}", echo_list(expected)),
            )),
            _ => Ok(()),
        }
    }

    /// Keeps the part of each sample of known classes that the run had already, by its content: training samples are trained on, and test
    /// samples stay test samples. A class that would have no training sample left keeps its new parts.
    ///
    /// Only where parts are drawn: those that a split file, the data or its groups define are kept.
    pub(crate) fn keep_parts(&self, set: &SampleSet, division: &mut Division) {
        let known = |class: u32| division.classes.known_label(class).is_some();
        let mut earlier: HashMap<u64, SplitPart> = HashMap::new();
        for (digest, part) in self.record.digests.iter().zip(&self.record.parts) {
            match part {
                SplitPart::Train => drop(earlier.insert(*digest, SplitPart::Train)),
                SplitPart::Test => drop(earlier.entry(*digest).or_insert(SplitPart::Test)),
                SplitPart::Validation | SplitPart::Out => {}
            }
        }
        let used = |part: SplitPart| matches!(part, SplitPart::Train | SplitPart::Test);
        let mut kept = division.parts.clone();
        let mut trained = vec![0_usize; set.class_names().len()];
        for (sample, class) in set.labels().iter().enumerate().filter(|(_, class)| known(**class)) {
            if used(kept[sample]) {
                kept[sample] = *earlier.get(&set.digest(sample)).unwrap_or(&kept[sample]);
                trained[*class as usize] += usize::from(kept[sample] == SplitPart::Train);
            }
        }
        for (sample, class) in set.labels().iter().enumerate() {
            if trained[*class as usize] > 0 {
                division.parts[sample] = kept[sample];
            }
        }
    }

    /// Keeps the validation part of the run: its validation classes, or in a closed set its validation samples, by their content. Only where the data
    /// has none of its own, and if enough of it is there.
    ///
    /// # Errors
    /// None in practice: the numbers of classes are those of the set.
    pub(crate) fn keep_validation(&self, set: &SampleSet, division: &mut Division) -> Result<(), Error> {
        let record = &self.record;
        let held: Vec<usize> =
            (0..record.parts.len()).filter(|at| record.parts[*at] == SplitPart::Validation).collect();
        if held.is_empty() || !division.validation().is_empty() {
            return Ok(());
        }
        if division.classes.is_closed() {
            let digests: HashSet<u64> = held.iter().map(|at| record.digests[*at]).collect();
            let trained = (0..).zip(&mut division.parts).filter(|(_, part)| **part == SplitPart::Train);
            for (_, part) in trained.filter(|(sample, _)| digests.contains(&set.digest(*sample))) {
                *part = SplitPart::Validation;
            }
            return Ok(());
        }
        let names: HashSet<&str> =
            held.iter().map(|at| record.class_names[record.labels[*at] as usize].as_str()).collect();
        let (kept, left): (Vec<u32>, Vec<u32>) = division
            .classes
            .known()
            .iter()
            .partition(|class| names.contains(set.class_names()[**class as usize].as_str()));
        if kept.len() < LEAST || left.len() < LEAST {
            return Ok(());
        }
        for (class, part) in set.labels().iter().zip(&mut division.parts) {
            if kept.contains(class) && *part != SplitPart::Out {
                let is_marked = *part == SplitPart::Test && set.parts_are_marked();
                *part = if is_marked { SplitPart::Out } else { SplitPart::Validation };
            }
        }
        division.classes = division.classes.with_known(set.class_names().len(), left)?;
        Ok(())
    }

    /// For each of the classes `names`, the class of the run whose centre it continues, as a label of the run: that of the same name, or of the
    /// only name that looks the same.
    pub(crate) fn continued<'a>(&'a self, names: &[&str]) -> Vec<Option<(u32, &'a str)>> {
        let own: Vec<&str> = self.record.known_classes().collect();
        let labels: HashMap<&str, u32> = own.iter().copied().zip(0..).collect();
        // Names that have an equal one on the other side look like no other.
        let given: HashSet<&str> = names.iter().copied().collect();
        let free = |all: &[&str], other: &dyn Fn(&str) -> bool| {
            let mut looks: HashMap<String, Vec<usize>> = HashMap::new();
            for (at, name) in all.iter().enumerate().filter(|(_, name)| !other(name)) {
                looks.entry(appearance(name)).or_default().push(at);
            }
            looks
        };
        let of_run = free(&own, &|name| given.contains(name));
        let of_data = free(names, &|name| labels.contains_key(name));
        let alike = |name: &str| {
            let looks = appearance(name);
            match (of_run.get(&looks).map(Vec::as_slice), of_data.get(&looks).map(Vec::as_slice)) {
                (Some([one]), Some([_])) => Some((*one as u32, own[*one])),
                _ => None,
            }
        };
        names
            .iter()
            .map(|name| match labels.get_key_value::<str>(name) {
                Some((name, label)) => Some((*label, *name)),
                None => alike(name),
            })
            .collect()
    }

    /// The settings of `config` that belong to the model of this run, with their values.
    fn fixed(&self, config: &Config) -> Config {
        let mut fixed = config.clone();
        let (m, own) = (&mut fixed.model, &self.config.model);
        (m.backbone, m.embedding) = (own.backbone, own.embedding);
        m.hidden.clone_from(&own.hidden);
        m.weights = None;
        let normalisation = self.record.normalisation();
        (m.mean, m.deviation) = (normalisation.mean.clone(), normalisation.deviation.clone());
        let d = &mut fixed.data;
        let read = self.config.data.preprocessing(Preprocessing::default());
        (d.background, d.depth, d.resize) = (Some(read.background), Some(read.depth), Some(read.resize));
        if self.takes_images() {
            let shape = self.record.shape;
            (d.channels, d.height, d.width) = (shape.channels, shape.height, shape.width);
        }
        fixed
    }

    /// Rejects settings of `config` that contradict the model of this run, by key, and adds those that are absent.
    fn complete(&self, config: &mut Config) -> Result<(), Error> {
        let wrong = |key: &str, found: &str, expected: &str| {
            let run = self.folder.display();
            bad(
                key,
                format!(
                    "found {found}, expected {expected} as in the run {run}, whose model is continued (model.from)"
                ),
            )
        };
        let fixed = self.fixed(config);
        let mut found = config.clone();
        if found.model.mean.is_empty() && found.model.deviation.is_empty() {
            (found.model.mean, found.model.deviation) =
                (fixed.model.mean.clone(), fixed.model.deviation.clone());
        }
        let (d, own, of_run) = (&mut found.data, &self.config.data, &fixed.data);
        d.background = d.background.or(of_run.background);
        d.depth = d.depth.or(of_run.depth);
        d.resize = d.resize.or(of_run.resize);
        // The configuration of a run on IDX files has sides that it did not use.
        if (d.channels, d.height, d.width) == (own.channels, own.height, own.width) {
            (d.channels, d.height, d.width) = (of_run.channels, of_run.height, of_run.width);
        }
        if let Some(difference) = found.differences(&fixed).first() {
            return Err(wrong(&difference.key, &difference.found, &difference.expected));
        }
        let memory = |config: &Config| {
            let o = &config.optimiser;
            (o.name, o.name == OptimiserName::Sgd && o.momentum == 0.0)
        };
        if memory(config).0 != memory(&self.config).0 {
            let name = |name| if name == OptimiserName::Sgd { "sgd" } else { "adamw" };
            let [found, expected] = [config, &self.config].map(|config| name(config.optimiser.name));
            return Err(wrong("optimiser.name", found, expected));
        }
        if memory(config) != memory(&self.config) {
            let [found, expected] =
                [config, &self.config].map(|config| config.optimiser.momentum.to_string());
            return Err(wrong("optimiser.momentum", &found, &expected));
        }
        let [found_rows, expected] = [&config.objective, &self.config.objective].map(centres);
        let (found_rows, expected) = (found_rows?, expected?);
        if found_rows != expected {
            let found = format!("`{}` with {found_rows}", config.objective.name);
            let expected = format!("an objective with {expected}, such as `{}`", self.config.objective.name);
            return Err(wrong("objective.name", &found, &expected));
        }
        // Sides are for image files; those of IDX files would be settings without an effect.
        let sides = (config.data.channels, config.data.height, config.data.width);
        let without_files = config.data.is_table() || config.data.is_idx();
        *config = fixed;
        if without_files {
            (config.data.channels, config.data.height, config.data.width) = sides;
        }
        config.model.weights_classes = self.classes();
        Ok(())
    }
}

impl Config {
    /// The settings of a new run that continues the run in the folder `run` with other data: those of that run, with the backbone, the centres
    /// of its classes and the state of its optimisers.
    ///
    /// These differ: the peak learning rate is a tenth, unless that run continued another one itself; the margin has its full value from the first
    /// step on; and the settings that choose samples of that run's data (split file, unseen classes, limit) are the defaults. Then set
    /// `data.path`, other settings, and call [`resolve_weights`](Self::resolve_weights).
    ///
    /// # Errors
    /// If the files of the run cannot be read.
    pub fn after(run: &Path) -> Result<Self, Error> {
        let earlier = EarlierRun::read(run)?;
        let mut config = earlier.config.clone();
        config.model.from = Some(std::path::absolute(run).unwrap_or_else(|_| run.to_owned()));
        config.model.weights = None;
        (config.data.split, config.data.unseen, config.data.unseen_classes) = (None, None, Vec::new());
        config.training.limit = 0;
        config.schedule.margin_warm_up_epochs = 0.0;
        if earlier.config.model.from.is_none() {
            config.optimiser.learning_rate /= RATE_DIVISOR;
        }
        Ok(config)
    }
}

/// Adds to a configuration with `model.from` what belongs to the model of that run; with messages about it.
///
/// # Errors
/// [`Error::BadValue`] for a setting that contradicts it; if its files cannot be read.
pub(crate) fn complete(config: &mut Config) -> Result<Vec<String>, Error> {
    let Some(earlier) = EarlierRun::of(config)? else { return Ok(Vec::new()) };
    earlier.complete(config)?;
    let (rate, before) = (config.optimiser.learning_rate, earlier.config.optimiser.learning_rate);
    let share = if rate == before / RATE_DIVISOR { ", a tenth of" } else { "; that run had" };
    Ok(vec![format!(
        "continuing the run {}: its preprocessing, backbone, class centres and optimiser state; peak learning rate {rate}{share} {before}",
        earlier.folder.display()
    )])
}

/// What an objective keeps for each class, in words.
fn centres(objective: &ObjectiveConfig) -> Result<String, Error> {
    Ok(match objective.build(None)? {
        AnyObjective::Classes(objective) => format!("{} class centres per class", objective.sub_centres()),
        AnyObjective::Pairs(objective) => match objective.proxies_per_class() {
            None => "no class centres".to_owned(),
            Some(count) => format!("{count} proxies per class"),
        },
    })
}

fn bad(key: &str, message: String) -> Error {
    Error::BadValue { key: key.to_owned(), message }
}

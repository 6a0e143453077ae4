//! The recipe: settings that fit the data, for every key that nobody has set.
//!
//! It has two parts, because images are resized when they are opened: [`Recipe::of_images`] chooses from a look at some image files,
//! [`Recipe::of_samples`] from the numbers of training samples and classes. The rules and their constants were chosen on the data sets of
//! `docs/src/benchmarks/recipe.md`, which compares each default with a sweep.

use crate::config::{Amount, AugmentConfig, Config, OptimiserName, SamplerName};
use crate::{Error, Prepared, fine_tuning, step_seconds};
use std::collections::BTreeSet;
use std::time::Duration;
use widemargin_data::{Glance, ImageShape, Labelled, NamedSet, Spread, Strength};

/// Sides to which images are resized. The area of the chosen size is at most that of the median image, which enlarging would not make sharper.
/// Smaller images keep their size, in steps of four pixels, down to `SMALLEST`. Steps take four times as long at 64 as at 32.
const SIDES: [usize; 2] = [32, 48];
const SMALLEST: usize = 16;

/// Images between `1 / SQUARE` and `SQUARE` times as high as wide become squares. Others keep their proportions, in steps of eight pixels.
const SQUARE: f64 = 1.4;

/// Images have three channels if one in so many has colours.
const COLOURED: usize = 20;

/// Augmentation of images. Each change leaves an image what it is: small ones of place, size, angle and light, and those of colours, which also
/// differ between cameras and drawings. The shift depends on the size.
const GREY_IMAGES: AugmentConfig = AugmentConfig {
    scale: Some(Strength::between(0.85, 1.15)),
    rotate: Some(Strength::number(10.0)),
    brightness: Some(Strength::number(0.2)),
    contrast: Some(Strength::number(0.2)),
    ..AugmentConfig::NONE
};
const COLOURED_IMAGES: AugmentConfig = AugmentConfig {
    brightness: Some(Strength::number(0.3)),
    contrast: Some(Strength::number(0.3)),
    saturation: Some(Strength::number(0.3)),
    hue: Some(Strength::number(0.05)),
    grey: 0.1,
    ..GREY_IMAGES
};

/// Training samples per step, at most. A small set has at least `LEAST_BATCHES` batches.
const BATCH: usize = 64;
const LEAST_BATCHES: usize = 8;

/// Peak learning rate of steps with `BATCH` samples. Smaller steps have a proportionally smaller one (Goyal et al., 2017, arXiv:1706.02677).
const RATE: f64 = 0.1;

/// Steps of a run on images, and the epochs between which they lie: a large set is seen a few times, a small one not for ever.
const STEPS: usize = 2_000;
const EPOCHS: std::ops::RangeInclusive<usize> = 5..=120;

/// With a given time, a run has at most so many times the steps of the recipe: more have not helped.
const MOST_TIMES: usize = 4;

/// Share of the given time that is left for reading the data and for the evaluation.
const FOR_EVALUATION: f64 = 0.1;

/// Timed steps, after one that is not timed. The fastest counts: other programs only make steps slower.
const TIMED: usize = 5;

/// Steps from which it is worth saying how long they take, which costs `TIMED` of them.
const WORTH_TIMING: usize = 100;

/// The key of the number of epochs.
const EPOCHS_KEY: &str = "training.epochs";

/// Settings for the built-in emoji, chosen on validation classes among the known ones (`docs/src/benchmarks/emoji.md`).
const EMOJI_HOLD_OUT: f64 = 0.1;
const EMOJI_EMBEDDING: usize = 256;
const EMOJI_WEIGHT_DECAY: f64 = 0.001;
const EMOJI_SCALE: f64 = 20.0;
const EMOJI_EPOCHS: usize = 36;

/// Samples per class in a batch, for an objective on pairs.
const PER_CLASS: usize = 4;

/// A setting that the recipe chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it is: the key of the configuration, or several of them in words.
    pub setting: &'static str,
    /// Its value.
    pub value: String,
    /// Why it fits the data.
    pub reason: String,
}

/// The settings that were chosen so far, and the keys that are not to be chosen.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    /// Keys that the user set.
    given: BTreeSet<String>,
    /// Whether every key is given.
    fixed: bool,
    /// The choices, in order.
    choices: Vec<Choice>,
    /// Parameters of the objective that were set to `auto`.
    automatic: Vec<&'static str>,
}

impl Recipe {
    /// A recipe that leaves the keys in `given`, such as `sampler.batch`, as they are.
    pub fn new(given: impl IntoIterator<Item = String>) -> Self {
        Self { given: given.into_iter().collect(), ..Self::default() }
    }

    /// A recipe that chooses nothing: for a run that continues another one with its settings.
    pub fn fixed() -> Self {
        Self { fixed: true, ..Self::default() }
    }

    /// The recipe that leaves these keys, too.
    #[must_use]
    pub fn without(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.given.extend(keys);
        self
    }

    /// The choices so far.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// Whether none of the keys is given.
    fn is_free(&self, keys: &[&str]) -> bool {
        !self.fixed && keys.iter().all(|key| !self.given.contains(*key))
    }

    fn choose(&mut self, setting: &'static str, value: impl ToString, reason: impl Into<String>) {
        self.choices.push(Choice { setting, value: value.to_string(), reason: reason.into() });
    }

    /// Chooses size and channels of images for weights of this program: those of the images that they were trained on.
    ///
    /// # Errors
    /// If the weights cannot be read.
    pub fn of_weights(&mut self, config: &mut Config) -> Result<(), Error> {
        let Some(shape) = fine_tuning::shape_of_weights(config)? else { return Ok(()) };
        let reason = "as in the training of --weights";
        if self.is_free(&["data.channels"]) {
            config.data.channels = shape.channels;
            self.choose("data.channels", shape.channels, reason);
        }
        if self.is_free(&["data.height", "data.width"]) {
            (config.data.height, config.data.width) = (shape.height, shape.width);
            self.choose("data.height, width", format!("{} x {}", shape.height, shape.width), reason);
        }
        Ok(())
    }

    /// Chooses size and channels for images that look like those of `glance`. Pretrained weights and a run to continue have a size and channels of
    /// their own.
    pub fn of_images(&mut self, config: &mut Config, glance: &Glance) {
        let d = &mut config.data;
        if self.is_free(&["data.channels", "model.weights", "model.from"]) {
            d.channels = if glance.coloured * COLOURED >= glance.looked_at { 3 } else { 1 };
            let all = glance.looked_at;
            let reason = match glance.coloured {
                0 => "the images are grey".to_owned(),
                coloured if coloured == all => "the images have colours".to_owned(),
                coloured => format!("{coloured} of {all} images have colours"),
            };
            self.choose("data.channels", d.channels, reason);
        }
        if self.is_free(&["data.height", "data.width", "model.weights", "model.from"]) {
            let usual = config.model.backbone.usual_input();
            (d.height, d.width) = shape(glance, usual.height.min(usual.width));
            let value = format!("{} x {}", d.height, d.width);
            self.choose("data.height, width", value, format!("images of {}", sides(glance)));
        }
    }

    /// Chooses the settings of a set that has a name instead of a path, if it has settings of its own.
    pub fn of_set(&mut self, config: &mut Config) {
        if config.data.path.is_some() || config.data.set.unwrap_or_default() != NamedSet::Emoji {
            return;
        }
        let reason = "best for classes of emoji kept for validation";
        // A closed set is evaluated on the held-out drawings, of which each class needs two.
        if !config.data.closed_set && self.takes("data.hold_out") {
            config.data.hold_out = EMOJI_HOLD_OUT;
            self.choose("data.hold_out", EMOJI_HOLD_OUT, "of each class, so that more is left to train on");
        }
        if self.takes("model.embedding") {
            config.model.embedding = EMOJI_EMBEDDING;
            self.choose("model.embedding", EMOJI_EMBEDDING, reason);
        }
        if self.takes("optimiser.weight_decay") {
            config.optimiser.weight_decay = EMOJI_WEIGHT_DECAY;
            self.choose("weight decay", EMOJI_WEIGHT_DECAY, reason);
        }
        if config.objective.takes_auto("scale") && self.takes("objective.scale") {
            config.objective.set("scale", Some(Amount::Value(EMOJI_SCALE)));
            self.choose("objective.scale", EMOJI_SCALE, reason);
        }
        if self.takes(EPOCHS_KEY) {
            config.training.epochs = EMOJI_EPOCHS;
            self.choose(EPOCHS_KEY, EMOJI_EPOCHS, "a few minutes on two cores");
        }
    }

    /// Whether a key is free, which it is not any more.
    fn takes(&mut self, key: &str) -> bool {
        let free = self.is_free(&[key]);
        if free {
            self.given.insert(key.to_owned());
        }
        free
    }

    /// Records the size of the images of a set that has a name instead of a path: they are used as they are.
    ///
    /// # Errors
    /// [`Error::BadValue`] for another size or number of channels that the user set.
    pub fn shape_of_set(&self, config: &mut Config, prepared: &Prepared) -> Result<(), Error> {
        if config.data.path.is_some() {
            return Ok(());
        }
        let (shape, name) = (prepared.set.shape(), prepared.set.name());
        let d = &mut config.data;
        for (key, value, own) in [
            ("data.channels", &mut d.channels, shape.channels),
            ("data.height", &mut d.height, shape.height),
            ("data.width", &mut d.width, shape.width),
        ] {
            if !self.is_free(&[key]) && *value != own && !self.fixed {
                let message =
                    format!("found {value}, expected {own}: the images of {name} are used as they are");
                return Err(Error::BadValue { key: key.to_owned(), message });
            }
            *value = own;
        }
        Ok(())
    }

    /// Chooses batch, epochs, sampler, augmentation, scale and margin for the training samples and known classes of `prepared`.
    ///
    /// # Errors
    /// Those of an objective that cannot be built.
    pub fn of_samples(&mut self, config: &mut Config, prepared: &Prepared) -> Result<(), Error> {
        let samples = prepared.training.samples.len();
        let classes = prepared.split.known().len();
        if prepared.unseen_drawn && self.is_free(&["data.unseen", "data.unseen_classes"]) {
            let (unseen, all) = (prepared.split.unseen().len(), prepared.set.class_names().len());
            config.data.unseen = Some(unseen);
            let reason = match prepared.set.usual_unseen() {
                Some(_) => format!("of {all}, as usual with {}", prepared.set.name()),
                None => format!("a fifth of {all}, at least 3"),
            };
            self.choose("data.unseen", format!("{unseen} classes"), reason);
        }
        if self.is_free(&["model.backbone", "model.weights"]) {
            let reason = if prepared.set.images().is_some() {
                "for small images, from random weights"
            } else {
                "one matrix for ready-made vectors"
            };
            self.choose("model.backbone", config.model.backbone, reason);
        }
        let per_class = Spread::of(prepared.training_counts()).map_or(0, |counts| counts.median as usize);
        let in_pairs = config.objective.build(None)?.pair_objective().is_some();
        if in_pairs
            && self.is_free(&[
                "sampler.name",
                "sampler.classes_per_batch",
                "sampler.samples_per_class",
                "sampler.batch",
            ])
        {
            let s = &mut config.sampler;
            s.name = SamplerName::ClassBalanced;
            s.samples_per_class = PER_CLASS.min(per_class).max(2);
            s.classes_per_batch = (batch(samples) / s.samples_per_class).clamp(2, classes.max(2));
            let value = format!("{} classes x {}", s.classes_per_batch, s.samples_per_class);
            self.choose("sampler", value, "the objective needs pairs in a batch");
        } else if self.is_free(&["sampler.batch"]) && config.sampler.name != SamplerName::ClassBalanced {
            config.sampler.batch = batch(samples);
            self.choose(
                "sampler.batch",
                config.sampler.batch,
                format!("{samples} training {}", prepared.set.kind()),
            );
        }
        if config.sampler.name == SamplerName::Shuffled && self.is_free(&["sampler.name"]) {
            self.choose(
                "sampler.name",
                "shuffled",
                format!("all training {} once per epoch", prepared.set.kind()),
            );
        }
        if config.optimiser.name == OptimiserName::Sgd && self.is_free(&["optimiser.learning_rate"]) {
            config.optimiser.learning_rate = rate(config.step_size());
            let schedule = format!("{:?}", config.schedule.name).to_lowercase();
            let value = format!("{}, {schedule}", config.optimiser.learning_rate);
            self.choose("learning rate", value, format!("steps of {} samples", config.step_size()));
        }
        if self.is_free(&[EPOCHS_KEY]) {
            let steps = steps_per_epoch(config, prepared);
            config.training.epochs = epochs(steps);
            let total = config.training.epochs * steps;
            self.choose(EPOCHS_KEY, config.training.epochs, format!("{total} steps, {steps} per epoch"));
        }
        if let Some(images) = prepared.set.images() {
            self.of_augmentation(config, images.shape());
        }
        for (key, name) in [("scale", "objective.scale"), ("margin", "objective.margin")] {
            if self.is_free(&[name]) && config.objective.takes_auto(key) {
                config.objective.set(key, Some(Amount::Auto));
                self.automatic.push(key);
            }
        }
        Ok(())
    }

    /// Chooses the augmentation of images with this shape; [`of_samples`](Self::of_samples) does so, too.
    pub fn of_augmentation(&mut self, config: &mut Config, images: ImageShape) {
        if !self.fixed && !self.given.iter().any(|key| key.starts_with("augment.")) {
            let shift = images.height.min(images.width) / 12;
            let (augment, changes) =
                if images.channels == 3 { (COLOURED_IMAGES, "colours") } else { (GREY_IMAGES, "light") };
            config.augment = AugmentConfig { pad_and_crop: shift, ..augment };
            self.choose(
                "augment",
                format!("shift, rotate, {changes}"),
                "not mirrored: signs would be others",
            );
        }
    }

    /// Adds scale and margin, once they are numbers.
    pub fn resolved(&mut self, config: &Config, prepared: &Prepared) {
        let chosen: Vec<String> = std::mem::take(&mut self.automatic)
            .into_iter()
            .filter_map(|key| {
                let value = config.objective.parameters.get(key)?;
                let number = value.as_f64().map(|number| number.to_string());
                Some(format!("{key} {}", number.unwrap_or_else(|| "auto".to_owned())))
            })
            .collect();
        if !chosen.is_empty() {
            let reason = format!("{} known classes", prepared.split.known().len());
            self.choose("objective", chosen.join(", "), reason);
        }
    }

    /// Whether it is worth timing some steps, to say how long the training will take.
    pub fn is_worth_timing(&self, config: &Config, prepared: &Prepared) -> bool {
        !self.fixed && config.training.epochs * steps_per_epoch(config, prepared) >= WORTH_TIMING
    }

    /// Chooses the epochs that fit into `time` on this machine, if it is given, and returns how long the training will take: some steps are timed.
    ///
    /// # Errors
    /// Those of a training step.
    pub fn of_time(
        &mut self,
        config: &mut Config,
        prepared: &Prepared,
        time: Option<Duration>,
    ) -> Result<Duration, Error> {
        let seconds = step_seconds(config, prepared, 1, TIMED)?.seconds;
        let step = seconds.into_iter().reduce(f64::min).unwrap_or_default();
        let epoch = step * steps_per_epoch(config, prepared) as f64;
        if let Some(time) = time {
            let most = config.training.epochs * MOST_TIMES;
            let fit = time.as_secs_f64() * (1.0 - FOR_EVALUATION) / epoch.max(1e-9);
            config.training.epochs = (fit as usize).clamp(1, most);
            self.choices.retain(|choice| choice.setting != EPOCHS_KEY);
            let reason = format!("{} minutes, {:.2} s per step", time.as_secs_f64() / 60.0, step);
            self.choose(EPOCHS_KEY, config.training.epochs, reason);
        }
        Ok(Duration::from_secs_f64(epoch * config.training.epochs as f64))
    }
}

/// Height and width for images like these and a backbone that is usually trained on images of a side of `usual`.
fn shape(glance: &Glance, usual: usize) -> (usize, usize) {
    let sides = SIDES.iter().chain([&usual].into_iter().filter(|side| **side > SIDES[SIDES.len() - 1]));
    let area = glance.width.median as f64 * glance.height.median as f64;
    let fits = |side: &&usize| (side.pow(2) as f64) <= area;
    let own = ((area.sqrt() / 4.0).round() as usize * 4).max(SMALLEST);
    let side = *sides.rev().find(fits).unwrap_or(&own);
    if (1.0 / SQUARE..=SQUARE).contains(&glance.ratio) {
        return (side, side);
    }
    let stretch = glance.ratio.sqrt().clamp(0.5, 2.0);
    let rounded = |length: f64| ((length / 8.0).round() as usize * 8).max(8);
    (rounded(side as f64 * stretch), rounded(side as f64 / stretch))
}

/// The sizes of the images in words.
fn sides(glance: &Glance) -> String {
    let Glance { width, height, .. } = glance;
    let (least, most) = (width.min.min(height.min), width.max.max(height.max));
    if least == most { format!("{least} pixels") } else { format!("{least} to {most} pixels") }
}

/// Steps of an epoch, of which there is at least one.
fn steps_per_epoch(config: &Config, prepared: &Prepared) -> usize {
    (prepared.training.samples.len() / config.step_size()).max(1)
}

/// The peak learning rate of steps with so many samples: with two digits.
fn rate(samples: usize) -> f64 {
    let exact = RATE * (samples as f64 / BATCH as f64).min(1.0);
    format!("{exact:.1e}").parse().unwrap_or(exact)
}

/// The batch for a number of training samples: a power of two.
fn batch(samples: usize) -> usize {
    let most = (samples / LEAST_BATCHES).max(2);
    BATCH.min(1 << most.ilog2())
}

/// The epochs of a run with so many steps per epoch.
fn epochs(steps: usize) -> usize {
    STEPS.div_ceil(steps).clamp(*EPOCHS.start(), *EPOCHS.end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_data::{ImageSet, OpenOptions};

    fn glance(width: u64, height: u64, coloured: usize) -> Glance {
        let spread = |median| Spread { min: median / 2, median, max: median * 2 };
        let ratio = height as f64 / width as f64;
        Glance { images: 900, looked_at: 100, width: spread(width), height: spread(height), ratio, coloured }
    }

    #[test]
    fn images_are_not_enlarged_and_keep_their_proportions() {
        let chosen = |width, height| shape(&glance(width, height, 0), 28);
        assert_eq!(
            [chosen(20, 20), chosen(40, 40), chosen(50, 60), chosen(3000, 2500)],
            [(20, 20), (32, 32), (48, 48), (48, 48)]
        );
        assert_eq!(shape(&glance(200, 150, 0), 112), (112, 112), "a backbone for large images");
        assert_eq!(shape(&glance(50, 50, 0), 112), (48, 48));
        // Persons, as in Market-1501, and panoramas.
        assert_eq!([chosen(64, 128), chosen(900, 200)], [(64, 32), (24, 96)]);
    }

    #[test]
    fn grey_images_have_one_channel_whatever_their_files_have() {
        let channels = |coloured| {
            let (mut config, mut recipe) = (Config::default(), Recipe::default());
            recipe.of_images(&mut config, &glance(60, 60, coloured));
            assert_eq!(recipe.choices().len(), 2);
            config.data.channels
        };
        assert_eq!([channels(0), channels(4), channels(5), channels(100)], [1, 1, 3, 3]);
    }

    #[test]
    fn what_is_given_stays() {
        let keys = [
            "data.channels",
            "data.width",
            "sampler.batch",
            "training.epochs",
            "augment.flip",
            "objective.margin",
            "optimiser.learning_rate",
            "data.unseen",
        ];
        let mut recipe = Recipe::new(keys.map(str::to_owned));
        let mut config = Config::default();
        config.sampler.batch = 16;
        let before = config.clone();
        recipe.of_images(&mut config, &glance(60, 60, 100));
        recipe.of_samples(&mut config, &striped(6, 40)).expect("an objective");
        assert_eq!(config.objective.parameters.len(), 1, "the scale: {:?}", config.objective.parameters);
        config.objective = before.objective.clone();
        assert_eq!(config, before);
        let mut recipe = Recipe::fixed();
        recipe.of_images(&mut config, &glance(60, 60, 100));
        recipe.of_samples(&mut config, &striped(6, 40)).expect("an objective");
        assert_eq!((config, recipe.choices().len()), (before, 0));
    }

    #[test]
    fn small_sets_have_small_batches_and_a_bounded_number_of_epochs() {
        assert_eq!([2, 15, 88, 500, 512, 100_000].map(batch), [2, 2, 8, 32, 64, 64]);
        assert_eq!([1, 20, 200, 2_000_000].map(epochs), [120, 100, 10, 5]);
        let (mut config, mut recipe) = (Config::default(), Recipe::default());
        let prepared = striped(10, 11);
        recipe.of_samples(&mut config, &prepared).expect("an objective");
        let prepared = prepared.accepting(&config).expect("a batch");
        config.objective.resolve(prepared.split.known().len(), 128).expect("numbers");
        recipe.resolved(&config, &prepared);
        let settings: Vec<&str> = recipe.choices().iter().map(|choice| choice.setting).collect();
        assert_eq!(
            settings,
            [
                "data.unseen",
                "model.backbone",
                "sampler.batch",
                "sampler.name",
                "learning rate",
                "training.epochs",
                "augment",
                "objective"
            ]
        );
        assert_eq!((config.sampler.batch, config.optimiser.learning_rate), (4, 0.0063));
        assert_eq!([64, 256, 16, 2].map(rate), [0.1, 0.1, 0.025, 0.0031]);
        config.check().expect("in range");
    }

    #[test]
    fn an_objective_on_pairs_gets_batches_with_pairs() {
        let (mut config, mut recipe) = (Config::default(), Recipe::default());
        config.objective.name = "triplet-margin".to_owned();
        recipe.of_samples(&mut config, &striped(10, 40)).expect("an objective");
        let s = &config.sampler;
        assert_eq!((s.name, s.classes_per_batch, s.samples_per_class), (SamplerName::ClassBalanced, 4, 4));
        assert!(config.objective.parameters.is_empty());
        config.check().expect("in range");
    }

    #[test]
    fn a_time_is_turned_into_epochs() {
        let prepared = striped(6, 40);
        let epochs = |seconds| {
            let (mut config, mut recipe) = (Config::default(), Recipe::default());
            config.training.loader_threads = 0;
            recipe.of_samples(&mut config, &prepared).expect("an objective");
            let most = MOST_TIMES * config.training.epochs;
            let time = Some(Duration::from_secs(seconds));
            recipe.of_time(&mut config, &prepared, time).expect("steps");
            (config.training.epochs, most)
        };
        assert_eq!(epochs(0).0, 1);
        let (found, most) = epochs(1_000_000);
        assert_eq!(found, most);
    }

    /// Random images, split: `classes` of `each`.
    fn striped(classes: usize, each: usize) -> Prepared {
        let options = OpenOptions { channels: 1, height: 16, width: 16, ..OpenOptions::default() };
        let pixels: Vec<u8> = (0..classes * each * 256).map(|at| (at * 7 % 251) as u8).collect();
        let names: Vec<String> = (0..classes * each).map(|at| format!("c{:02}", at / each)).collect();
        let set = ImageSet::from_pixels("striped", &pixels, &names, &options).expect("images");
        Prepared::split_set(set.into(), &Config::default()).expect("split")
    }
}

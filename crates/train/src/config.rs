//! The configuration of a run, with every value resolved.
//!
//! A configuration file is TOML with the sections below; whatever it leaves out has the default written here. Unknown keys and
//! impossible values are refused with the key, what was found and what is wanted, before anything is written.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use widemargin_model::BackboneName;
use widemargin_objective::{Objective, Parameters};

/// Everything that fixes a run: together with the data it determines the result to the bit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is learnt from.
    pub data: DataConfig,
    /// The backbone.
    pub model: ModelConfig,
    /// What is optimised.
    pub objective: ObjectiveConfig,
    /// How the parameters move.
    pub optimiser: OptimiserSection,
    /// How learning rate and margin change over the run.
    pub schedule: ScheduleConfig,
    /// How training pictures are varied.
    pub augment: AugmentConfig,
    /// How batches are drawn.
    pub sampler: SamplerConfig,
    /// Length, seed, threads, checkpoints, device.
    pub training: TrainingConfig,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Folder of IDX files or of pictures, one folder a class. Without it, Fashion-MNIST: the whole set where Debian's package
    /// `dataset-fashion-mnist` is installed, else the part that is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Take the built-in part even where the whole set is installed.
    pub built_in: bool,
    /// How many classes are kept from training, chosen by `split_seed`; at least 2, unless `closed_set`.
    pub unseen: usize,
    /// Names of the classes kept from training; takes precedence over `unseen`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unseen_classes: Vec<String>,
    /// Seed that chooses the unseen classes; apart from the training seed, so that runs with other seeds compare.
    pub split_seed: u64,
    /// Train on every class; verification and retrieval then use test pictures of known classes.
    pub closed_set: bool,
    /// Channels that pictures of an image folder are converted to: 1 or 3.
    pub channels: usize,
    /// Rows that pictures of an image folder are resized to, 4 to 1024.
    pub height: usize,
    /// Columns that pictures of an image folder are resized to, 4 to 1024.
    pub width: usize,
    /// Largest share of unreadable pictures before the run refuses to start, 0 to 1.
    pub max_bad: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            path: None,
            built_in: false,
            unseen: 3,
            unseen_classes: Vec::new(),
            split_seed: 1,
            closed_set: false,
            channels: 3,
            height: 112,
            width: 112,
            max_bad: 0.001,
        }
    }
}

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// `small-cnn`, `iresnet18`, `iresnet34`, `iresnet50`, `mlp`, `linear` or `identity`.
    pub backbone: BackboneName,
    /// Numbers in an embedding, 1 to 65536; 2 and 3 give the figure on the circle or sphere.
    pub embedding: usize,
    /// Share of values dropped before the last layer (`iresnet*`, `mlp`), at least 0 and below 1.
    pub dropout: f32,
    /// Widths of the hidden layers of `mlp`.
    pub hidden: Vec<usize>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self { backbone: BackboneName::SmallCnn, embedding: 128, dropout: 0.0, hidden: vec![512] }
    }
}

/// `[objective]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectiveConfig {
    /// Name of the objective, for example `am-softmax`, `normalized-softmax`, `softmax`.
    pub name: String,
    /// Scale `s` on the cosine; the objective's own default where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Margin `m`; the objective's own default where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Temperature; the objective's own default where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self { name: "am-softmax".to_owned(), scale: None, margin: None, temperature: None }
    }
}

impl ObjectiveConfig {
    /// The objective itself.
    ///
    /// # Errors
    /// [`Error::BadValue`] for an unknown name (with the nearest known one) or a parameter out of its range.
    pub fn build(&self) -> Result<Objective, Error> {
        let parameters = Parameters { scale: self.scale, margin: self.margin, temperature: self.temperature };
        Objective::from_name(&self.name, &parameters)
            .map_err(|error| Error::BadValue { key: "objective".to_owned(), message: error.to_string() })
    }
}

/// Which rule moves the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserName {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    AdamW,
}

/// `[optimiser]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserSection {
    /// `sgd` or `adamw`.
    pub name: OptimiserName,
    /// Largest learning rate of the schedule, above 0.
    pub learning_rate: f64,
    /// Factor on the learning rate of the class centres, above 0.
    pub centres_factor: f64,
    /// Momentum of `sgd`, at least 0 and below 1.
    pub momentum: f64,
    /// Decay of the first moment of `adamw`, at least 0 and below 1.
    pub beta_1: f64,
    /// Decay of the second moment of `adamw`, at least 0 and below 1.
    pub beta_2: f64,
    /// Added to the root of the second moment of `adamw`, above 0.
    pub epsilon: f64,
    /// Weight decay of weights and centres, at least 0; biases, slopes and normalisations are never decayed.
    pub weight_decay: f64,
    /// Longest allowed gradient (norm over all parameters and centres); 0 for no clipping.
    pub clip_norm: f64,
}

impl Default for OptimiserSection {
    fn default() -> Self {
        Self {
            name: OptimiserName::Sgd,
            learning_rate: 0.1,
            centres_factor: 1.0,
            momentum: 0.9,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 5e-4,
            clip_norm: 0.0,
        }
    }
}

/// The course of the learning rate behind its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleName {
    /// Always the same.
    Constant,
    /// Multiplied by `factor` at every milestone.
    Step,
    /// Half a cosine from the full rate to `floor` times it.
    Cosine,
    /// `(1 - progress) ^ power`.
    Polynomial,
}

/// `[schedule]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// `constant`, `step`, `cosine` or `polynomial`.
    pub name: ScheduleName,
    /// Epochs over which the learning rate rises in a straight line from 0, at least 0.
    pub warm_up_epochs: f64,
    /// Epochs over which the margin rises in a straight line from 0 to its full value, at least 0.
    pub margin_warm_up_epochs: f64,
    /// Epochs at which `step` lowers the rate.
    pub milestones: Vec<f64>,
    /// What `step` multiplies with, above 0 and at most 1.
    pub factor: f64,
    /// Share of the full rate at which `cosine` ends, 0 to 1.
    pub floor: f64,
    /// Power of `polynomial`, above 0.
    pub power: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            name: ScheduleName::Cosine,
            warm_up_epochs: 0.5,
            margin_warm_up_epochs: 0.0,
            milestones: Vec::new(),
            factor: 0.1,
            floor: 0.0,
            power: 2.0,
        }
    }
}

/// `[augment]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Mirror left and right with probability 1/2.
    pub flip: bool,
    /// Pad by so many pixels on each side and crop at a random place, 0 to 64.
    pub pad_and_crop: usize,
    /// Probability of erasing a random rectangle, 0 to 1.
    pub erase: f32,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self { flip: true, pad_and_crop: 2, erase: 0.0 }
    }
}

/// How batches are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerName {
    /// Every picture once an epoch, in random order.
    Shuffled,
    /// P classes with K samples each.
    ClassBalanced,
}

/// `[sampler]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerConfig {
    /// `shuffled` or `class-balanced`.
    pub name: SamplerName,
    /// Pictures in a batch of `shuffled`, 2 to 65536.
    pub batch: usize,
    /// P: classes in a batch of `class-balanced`, at least 2.
    pub classes_per_batch: usize,
    /// K: samples of each class in a batch of `class-balanced`, at least 1.
    pub samples_per_class: usize,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self { name: SamplerName::Shuffled, batch: 128, classes_per_batch: 7, samples_per_class: 16 }
    }
}

impl SamplerConfig {
    /// Pictures in one batch.
    pub fn batch_size(&self) -> usize {
        match self.name {
            SamplerName::Shuffled => self.batch,
            SamplerName::ClassBalanced => self.classes_per_batch * self.samples_per_class,
        }
    }
}

/// `[training]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Passes over the training pictures, at least 1.
    pub epochs: usize,
    /// Seed of weights, order, augmentation and dropout.
    pub seed: u64,
    /// Threads that read and vary pictures ahead of the model, 0 (in the training thread) to 64; no influence on the result.
    pub loader_threads: usize,
    /// Steps between checkpoints; 0 for one at the end of every epoch.
    pub checkpoint_every: usize,
    /// Checkpoints kept, at least 1.
    pub keep_checkpoints: usize,
    /// `cpu`, or `wgpu` in a build with that feature.
    pub device: String,
    /// Most training pictures that are used, the first of each class in equal shares; 0 for all.
    pub limit: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 8,
            seed: 1,
            loader_threads: 1,
            checkpoint_every: 0,
            keep_checkpoints: 2,
            device: "cpu".to_owned(),
            limit: 0,
        }
    }
}

impl Config {
    /// Reads a configuration file's text; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::BadConfiguration`] for text that is no TOML or has unknown keys, naming file, line and the nearest known key;
    /// [`Error::BadValue`] as [`Config::check`].
    pub fn from_toml(path: &Path, text: &str) -> Result<Self, Error> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let message = error.message().to_owned();
            let hint = nearest_key(&message).map(|key| format!("; did you mean `{key}`?")).unwrap_or_default();
            Error::BadConfiguration { path: path.to_owned(), line, message: message + &hint }
        })?;
        config.check()?;
        Ok(config)
    }

    /// The whole configuration as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("numbers, texts and lists of them always have a TOML form")
    }

    /// A small, quick run: for tests and for a first look. Sizes change, nothing else.
    #[must_use]
    pub fn quick(mut self) -> Self {
        self.data.built_in |= self.data.path.is_none();
        self.training.epochs = self.training.epochs.min(2);
        self.training.limit = if self.training.limit == 0 { 2_100 } else { self.training.limit.min(2_100) };
        self.sampler.batch = self.sampler.batch.min(64);
        self
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    /// [`Error::BadValue`] naming the key, what was found and what is wanted.
    pub fn check(&self) -> Result<(), Error> {
        let wants = |fine: bool, key: &str, found: &dyn std::fmt::Display, wanted: &str| {
            let message = format!("found {found}, wanted {wanted}");
            if fine { Ok(()) } else { Err(Error::BadValue { key: key.to_owned(), message }) }
        };
        let d = &self.data;
        let unseen = if d.unseen_classes.is_empty() { d.unseen } else { d.unseen_classes.len() };
        wants(d.closed_set || unseen >= 2, "data.unseen", &unseen, "at least 2 classes, or closed_set = true")?;
        wants(matches!(d.channels, 1 | 3), "data.channels", &d.channels, "1 or 3")?;
        wants((4..=1024).contains(&d.height), "data.height", &d.height, "4 to 1024")?;
        wants((4..=1024).contains(&d.width), "data.width", &d.width, "4 to 1024")?;
        wants((0.0..=1.0).contains(&d.max_bad), "data.max_bad", &d.max_bad, "0 to 1")?;
        let m = &self.model;
        wants((1..=65_536).contains(&m.embedding), "model.embedding", &m.embedding, "1 to 65536")?;
        wants((0.0..1.0).contains(&m.dropout), "model.dropout", &m.dropout, "at least 0 and below 1")?;
        wants(m.hidden.iter().all(|w| (1..=65_536).contains(w)), "model.hidden", &"a width of 0 or too large", "1 to 65536")?;
        self.objective.build()?;
        let o = &self.optimiser;
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let share = |v: f64| (0.0..1.0).contains(&v);
        let not_negative = |v: f64| v.is_finite() && v >= 0.0;
        wants(positive(o.learning_rate), "optimiser.learning_rate", &o.learning_rate, "above 0")?;
        wants(positive(o.centres_factor), "optimiser.centres_factor", &o.centres_factor, "above 0")?;
        wants(share(o.momentum), "optimiser.momentum", &o.momentum, "at least 0 and below 1")?;
        wants(share(o.beta_1), "optimiser.beta_1", &o.beta_1, "at least 0 and below 1")?;
        wants(share(o.beta_2), "optimiser.beta_2", &o.beta_2, "at least 0 and below 1")?;
        wants(positive(o.epsilon), "optimiser.epsilon", &o.epsilon, "above 0")?;
        wants(not_negative(o.weight_decay), "optimiser.weight_decay", &o.weight_decay, "at least 0")?;
        wants(not_negative(o.clip_norm), "optimiser.clip_norm", &o.clip_norm, "at least 0 (0: no clipping)")?;
        let s = &self.schedule;
        wants(not_negative(s.warm_up_epochs), "schedule.warm_up_epochs", &s.warm_up_epochs, "at least 0")?;
        let margin_warm_up = s.margin_warm_up_epochs;
        wants(not_negative(margin_warm_up), "schedule.margin_warm_up_epochs", &margin_warm_up, "at least 0")?;
        let rising = s.milestones.windows(2).all(|pair| pair[0] < pair[1]) && s.milestones.iter().all(|v| not_negative(*v));
        wants(rising, "schedule.milestones", &format!("{:?}", s.milestones), "rising epochs")?;
        wants(positive(s.factor) && s.factor <= 1.0, "schedule.factor", &s.factor, "above 0 and at most 1")?;
        wants((0.0..=1.0).contains(&s.floor), "schedule.floor", &s.floor, "0 to 1")?;
        wants(positive(s.power), "schedule.power", &s.power, "above 0")?;
        wants(self.augment.pad_and_crop <= 64, "augment.pad_and_crop", &self.augment.pad_and_crop, "0 to 64")?;
        wants((0.0..=1.0).contains(&self.augment.erase), "augment.erase", &self.augment.erase, "0 to 1")?;
        let p = &self.sampler;
        wants((2..=65_536).contains(&p.batch), "sampler.batch", &p.batch, "2 to 65536")?;
        wants(p.classes_per_batch >= 2, "sampler.classes_per_batch", &p.classes_per_batch, "at least 2")?;
        wants(p.samples_per_class >= 1, "sampler.samples_per_class", &p.samples_per_class, "at least 1")?;
        let t = &self.training;
        wants(t.epochs >= 1, "training.epochs", &t.epochs, "at least 1")?;
        wants(t.loader_threads <= 64, "training.loader_threads", &t.loader_threads, "0 to 64")?;
        wants(t.keep_checkpoints >= 1, "training.keep_checkpoints", &t.keep_checkpoints, "at least 1")
    }
}

/// The known key nearest to the unknown one, out of serde's message "unknown field `x`, expected one of `a`, `b`".
fn nearest_key(message: &str) -> Option<&str> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown"))?;
    quoted
        .map(|key| (strsim::damerau_levenshtein(unknown, key), key))
        .min()
        .filter(|(distance, key)| *distance <= key.len().div_ceil(2))
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Error> {
        Config::from_toml(Path::new("run.toml"), text)
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut config = Config::default();
        config.data.unseen_classes = vec!["Bag".to_owned(), "Coat".to_owned()];
        config.objective.margin = Some(0.2);
        assert_eq!(parse(&config.to_toml()).expect("our own text"), config);
        assert_eq!(parse("").expect("all defaults"), Config::default());
    }

    #[test]
    fn an_unknown_key_names_the_line_and_the_nearest() {
        let text = parse("[training]\nepochs = 3\n\n[optimiser]\nlearning_rte = 0.1\n").expect_err("unknown key").to_string();
        assert!(text.contains("run.toml") && text.contains("line 5"), "{text}");
        assert!(text.contains("did you mean `learning_rate`"), "{text}");
        assert!(parse("[modle]\n").expect_err("unknown section").to_string().contains("did you mean `model`"));
    }

    #[test]
    fn impossible_values_name_the_key() {
        for (text, key) in [
            ("[objective]\nmargin = 7.0", "objective"),
            ("[objective]\nscale = -1.0", "objective"),
            ("[objective]\nname = \"am-sotfmax\"", "am-softmax"),
            ("[optimiser]\nlearning_rate = 0.0", "optimiser.learning_rate"),
            ("[optimiser]\nmomentum = 1.0", "optimiser.momentum"),
            ("[sampler]\nbatch = 1", "sampler.batch"),
            ("[schedule]\nmilestones = [3.0, 2.0]", "schedule.milestones"),
            ("[data]\nunseen = 1", "data.unseen"),
            ("[data]\nchannels = 2", "data.channels"),
            ("[training]\nepochs = 0", "training.epochs"),
            ("[model]\nbackbone = \"resnet\"", "small-cnn"),
        ] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains(key), "{text}: {message}");
        }
    }
}

//! The configuration of a run, with every value resolved.
//!
//! A configuration file is TOML with the sections below; whatever it leaves out has the default written here. Unknown
//! keys and impossible values are refused with the key, what was found and what is expected, before anything is
//! written: `read` finds the line, `check` knows the ranges.

mod check;
mod objective;
mod read;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use widemargin_data::ClassFolder;
use widemargin_head::{CentrePrecision, HeadMode};
use widemargin_model::BackboneName;

pub use objective::{Amount, ObjectiveConfig};

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
    /// The class centres.
    pub head: HeadSection,
    /// How learning rate and margin change over the run.
    pub schedule: ScheduleConfig,
    /// How training images are varied.
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
    /// Folder of IDX files or of images, one folder a class; a manifest (`.csv` or `.parquet` with a column `path`); `.tar` shards; or a
    /// table of ready-made embeddings (`.npy`, `.safetensors`, `.csv`, `.parquet`). Without it, Fashion-MNIST: the whole set where
    /// Debian's package `dataset-fashion-mnist` is installed, else the part that is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Labels of a table, one a row, if they are not inside: `.npy`, `.csv` with a column `label`, or text with one a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// A file of `data split`, which says what each sample is used for; takes precedence over `unseen` and `hold_out`. The run keeps a
    /// copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<PathBuf>,
    /// Which folder of a deeper tree is the class: `top` or `deepest`.
    pub class_folder: ClassFolder,
    /// Take the built-in part even where the whole set is installed.
    pub built_in: bool,
    /// How many classes are kept from training, chosen by `split_seed`; at least 2, unless `closed_set`.
    pub unseen: usize,
    /// Names of the classes kept from training; takes precedence over `unseen`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unseen_classes: Vec<String>,
    /// Seed that chooses the unseen classes; apart from the training seed, so that runs with other seeds compare.
    pub split_seed: u64,
    /// Train on every class; verification and retrieval then use test images of known classes.
    pub closed_set: bool,
    /// Channels that images of an image folder are converted to: 1 or 3.
    pub channels: usize,
    /// Rows that images of an image folder are resized to, 4 to 1024.
    pub height: usize,
    /// Columns that images of an image folder are resized to, 4 to 1024.
    pub width: usize,
    /// Share of each class of an image folder or table (or of the groups of a table that has them) that is kept from training to judge
    /// by, above 0 and below 1; IDX files, and tables with a column `split`, say themselves which those are.
    pub hold_out: f64,
    /// Largest share of unreadable images before the run refuses to start, 0 to 1.
    pub max_bad: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            path: None,
            labels: None,
            split: None,
            class_folder: ClassFolder::Top,
            built_in: false,
            unseen: 3,
            unseen_classes: Vec::new(),
            split_seed: 1,
            closed_set: false,
            channels: 3,
            height: 112,
            width: 112,
            hold_out: 0.2,
            max_bad: 0.001,
        }
    }
}

impl DataConfig {
    /// Whether ready-made embeddings are trained on, by the ending of the file's name and, of a table, whether it is one of paths.
    pub fn is_table(&self) -> bool {
        let table = |path: &Path| widemargin_tables::is_table(path) && !widemargin_tables::is_manifest(path);
        self.path.as_deref().is_some_and(table)
    }
}

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// `small-cnn`, `iresnet18`, `iresnet34`, `iresnet50`, `iresnet100`, `iresnet200`, `resnet18`, `resnet34`, `resnet50`, `resnet101`,
    /// `resnet152`, `mlp`, `linear` or `identity`.
    pub backbone: BackboneName,
    /// Numbers in an embedding, 1 to 65536; 2 and 3 give the figure on the circle or sphere.
    pub embedding: usize,
    /// Share of values dropped before the last layer (`iresnet*`, `mlp`), at least 0 and below 1.
    pub dropout: f32,
    /// Widths of the hidden layers of `mlp`.
    pub hidden: Vec<usize>,
    /// Weights to begin with: a safetensors file of PyTorch weights, or a model of this program. Read when a run starts, not when it is
    /// resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Beginnings of the names of parameters that are not trained, this program's names or PyTorch's; normalisations among them keep
    /// their running statistics and normalise by them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// What pixels are normalised by, one mean a channel; without it what `weights` were trained with, and without these the mean of
    /// the training images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f32>,
    /// The deviations that belong to `mean`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deviation: Vec<f32>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            backbone: BackboneName::SmallCnn,
            embedding: 128,
            dropout: 0.0,
            hidden: vec![512],
            weights: None,
            freeze: Vec::new(),
            mean: Vec::new(),
            deviation: Vec::new(),
        }
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

/// `[head]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeadSection {
    /// `auto`, `dense`, `sampled` or `screened`: how many of the classes a step touches.
    pub mode: HeadModeName,
    /// Share of the classes that `sampled` scores, above 0 and at most 1.
    pub rate: f64,
    /// Share of the competitors' sum from which `screened` keeps a class for certain, at least 0 and below 1; chosen for each
    /// sample where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// `f32`, or `bf16` for half the memory: in what numbers the class centres are kept.
    pub centres: CentrePrecision,
    /// MiB of scores that a `dense` step keeps rather than compute them again; see [`widemargin_head::HeadConfig::kept_scores_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_scores_mib: Option<usize>,
}

impl Default for HeadSection {
    fn default() -> Self {
        Self {
            mode: HeadModeName::Auto,
            rate: 0.1,
            threshold: None,
            centres: CentrePrecision::F32,
            kept_scores_mib: None,
        }
    }
}

/// How many of the classes a step touches; see [`HeadMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadModeName {
    /// Screened where classes are many and the objective allows it, dense otherwise.
    Auto,
    /// All.
    Dense,
    /// The batch's own and some drawn at random.
    Sampled,
    /// All by rough scores, few exactly.
    Screened,
}

impl HeadSection {
    /// The mode with its parameter.
    pub(crate) fn head_mode(&self) -> HeadMode {
        match self.mode {
            HeadModeName::Auto => HeadMode::Auto,
            HeadModeName::Dense => HeadMode::Dense,
            HeadModeName::Sampled => HeadMode::Sampled { rate: self.rate },
            HeadModeName::Screened => HeadMode::Screened { threshold: self.threshold },
        }
    }
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
    /// Factor on the learning rate of the backbone, above 0.
    pub backbone_factor: f64,
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
    /// Factors on the learning rate of parts of the backbone, each above 0, by the beginning of their parameters' names; the longest
    /// beginning counts, in the place of `backbone_factor`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub factors: BTreeMap<String, f64>,
}

impl Default for OptimiserSection {
    fn default() -> Self {
        Self {
            name: OptimiserName::Sgd,
            learning_rate: 0.1,
            centres_factor: 1.0,
            backbone_factor: 1.0,
            momentum: 0.9,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 5e-4,
            clip_norm: 0.0,
            factors: BTreeMap::new(),
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
    /// Every image once an epoch, in random order.
    Shuffled,
    /// P classes with K samples each.
    ClassBalanced,
    /// Classes drawn by a power of their number of samples, which evens out a long tail.
    ByFrequency,
}

/// `[sampler]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerConfig {
    /// `shuffled`, `class-balanced` or `by-frequency`.
    pub name: SamplerName,
    /// Images in a batch of `shuffled` and `by-frequency`, 2 to 65536. Unused by `class-balanced`, where P and K say it.
    pub batch: usize,
    /// P: classes in a batch of `class-balanced`, at least 2; P times K at most 65536.
    pub classes_per_batch: usize,
    /// K: samples of each class in a batch of `class-balanced`, at least 1.
    pub samples_per_class: usize,
    /// Power of the number of samples that `by-frequency` draws classes by, 0 to 1: 1 as they are, 0.5 by the square root, 0 all alike
    /// (a sample by the inverse of its class's frequency).
    pub power: f64,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self {
            name: SamplerName::Shuffled,
            batch: 128,
            classes_per_batch: 7,
            samples_per_class: 16,
            power: 0.5,
        }
    }
}

impl SamplerConfig {
    /// Images in one batch.
    pub fn batch_size(&self) -> usize {
        match self.name {
            SamplerName::Shuffled | SamplerName::ByFrequency => self.batch,
            SamplerName::ClassBalanced => self.classes_per_batch.saturating_mul(self.samples_per_class),
        }
    }
}

/// What the backbone computes in while it trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionName {
    /// `f32` throughout.
    Full,
    /// Half precision where it is safe.
    Mixed,
}

/// `[training]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Passes over the training images, 1 to 1000000.
    pub epochs: usize,
    /// Seed of weights, order, augmentation and dropout.
    pub seed: u64,
    /// Threads that read and vary images ahead of the model, 0 (in the training thread) to 64; no influence on the
    /// result.
    pub loader_threads: usize,
    /// Steps between checkpoints; 0 for one at the end of every epoch.
    pub checkpoint_every: usize,
    /// Checkpoints kept, at least 1.
    pub keep_checkpoints: usize,
    /// `cpu`, or `wgpu` in a build with that feature.
    pub device: String,
    /// `full`, or `mixed` on a device with arithmetic of half precision (not the CPU): activations and matrix products in
    /// half precision; parameters, statistics, embeddings, head and loss in `f32`.
    pub precision: PrecisionName,
    /// Most training images that are used, the first of each class in equal shares; 0 for all.
    pub limit: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 3,
            seed: 1,
            loader_threads: 1,
            checkpoint_every: 0,
            keep_checkpoints: 2,
            device: "cpu".to_owned(),
            precision: PrecisionName::Full,
            limit: 0,
        }
    }
}

impl Config {
    /// The whole configuration as TOML; [`Config::from_toml`] reads it back to the bit.
    ///
    /// A path that is not Unicode has no TOML form. [`Config::check`] refuses it; here its odd bytes become
    /// U+FFFD, a path that is then not found rather than other data.
    pub fn to_toml(&self) -> String {
        let text = |config: &Self| toml::to_string(config);
        text(self).unwrap_or_else(|_| {
            let mut rest = self.clone();
            for path in
                [&mut rest.data.path, &mut rest.data.labels, &mut rest.data.split, &mut rest.model.weights]
                    .into_iter()
                    .flatten()
            {
                *path = path.to_string_lossy().into_owned().into();
            }
            text(&rest).expect("numbers, Unicode texts and lists of them always have a TOML form")
        })
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
}

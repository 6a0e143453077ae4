//! The configuration of a run, with every value resolved.
//!
//! A configuration file is TOML with the sections below; missing keys have the defaults defined here. Unknown keys and values outside
//! their range are errors that name the key, what was found and what is expected, before anything is written: `read` finds the
//! line, `check` has the ranges.

mod check;
mod difference;
mod effect;
mod objective;
mod read;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use widemargin_data::{
    Background, ClassFolder, NamedSet, PartFolders, Preprocessing, ResizeMode, Source, SourceKind,
};
use widemargin_embedder::TrainingClasses;
use widemargin_head::{HeadConfig, HeadMode, ProductPrecision, StoragePrecision};
use widemargin_model::BackboneName;
use widemargin_tables::ColumnPattern;

pub use difference::Difference;
pub use objective::{Amount, ObjectiveConfig};
pub use read::keys;

/// All settings of a run: together with the data they determine the result to the bit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The data, and how it is split.
    pub data: DataConfig,
    /// The backbone.
    pub model: ModelConfig,
    /// The objective.
    pub objective: ObjectiveConfig,
    /// The optimiser of backbone and class centres.
    pub optimiser: OptimiserSection,
    /// The class centres.
    pub head: HeadSection,
    /// The course of learning rate and margin.
    pub schedule: ScheduleConfig,
    /// Augmentation of training images.
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
    /// Folder of IDX files or of images, one folder per class; a manifest (`.csv` or `.parquet` with a column `path`); `.tar` shards; or a
    /// table of ready-made embeddings (`.npy`, `.npz`, `.safetensors`, `.csv`, `.parquet`, `.arrow`, `.feather`). If absent, the set that `set` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A set that has a name instead of a path: `emoji`, the built-in one, or `fashion-mnist`, which Debian's package `dataset-fashion-mnist` installs. If
    /// both are absent, `emoji`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<NamedSet>,
    /// Labels of a table, one per row, if the file does not contain them: `.npy`, `.csv` with a column `label`, or text with one per line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// The columns of a table that are the vectors, such as `e*` or `!age`. Without it, a column with a name unlike the others is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<ColumnPattern>,
    /// The column of a table, or of its file of labels, that has the labels, instead of `label`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// A file of `data split`, which defines the use of each sample; takes precedence over `unseen` and `hold_out`. The run keeps a
    /// copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<PathBuf>,
    /// Level of the folders that name the classes in a nested tree: `top` or `deepest`.
    pub class_folder: ClassFolder,
    /// Whether folders named `train`, `test`, `val` and so on are parts of the data: `auto`, `none` (they are classes) or `only` (other folders
    /// are left out).
    pub parts: PartFolders,
    /// Compare only samples of different cameras in evaluations, by the column `camera` of the data. In the set `emoji`, whose cameras are its
    /// vendors, this is always so.
    pub across_cameras: bool,
    /// A camera whose samples are not trained on. Evaluations then compare its samples with those of all other cameras, and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out_camera: Option<String>,
    /// Number of unseen classes, which are not trained on, drawn with `split_seed`; at least 2. If absent, the classes that occur only in the
    /// test part of the data; if there are none, 20 % of the classes, at least 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<usize>,
    /// Names of the unseen classes; takes precedence over `unseen`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unseen_classes: Vec<String>,
    /// Seed that chooses the unseen classes; separate from the training seed, so that runs with different seeds are comparable.
    pub split_seed: u64,
    /// Train on every class; verification and retrieval then use test images of known classes.
    pub closed_set: bool,
    /// Channels to which images are converted: 1 or 3.
    pub channels: usize,
    /// Height to which images are resized, 4 to 1024.
    pub height: usize,
    /// Width to which images are resized, 4 to 1024.
    pub width: usize,
    /// Colour behind transparent pixels of image files: `white`, `black`, a colour such as `#80c0ff`, or `none` to ignore transparency. If
    /// absent, that of a model in `model.weights`, otherwise white. The model stores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// Bits that the values of 16-bit image files use, 1 to 16: the value `2^depth - 1` becomes white. If absent, that of a model in
    /// `model.weights`, otherwise 16. The model stores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u8>,
    /// How images of another aspect ratio get the size: `stretch`, `pad` with the background, or `crop` the centre. If absent, that of a model in
    /// `model.weights`, otherwise `stretch`. The model stores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<ResizeMode>,
    /// Share of each class (or of the groups, if the data has them) that is held out for evaluation, above 0 and below 1. IDX files and
    /// tables with a column `split` define the held-out part themselves.
    pub hold_out: f64,
    /// Share of the known classes (at least 3 of them) that become validation classes with `training.evaluate_every`, if the data has no validation
    /// part; in a closed set, share of the training samples of each class. Above 0 and below 1.
    pub validation: f64,
    /// Largest accepted share of unreadable images, 0 to 1.
    pub max_bad: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            path: None,
            set: None,
            labels: None,
            columns: None,
            label_column: None,
            split: None,
            class_folder: ClassFolder::Top,
            parts: PartFolders::Auto,
            across_cameras: false,
            held_out_camera: None,
            unseen: None,
            unseen_classes: Vec::new(),
            split_seed: 1,
            closed_set: false,
            channels: 3,
            height: 112,
            width: 112,
            background: None,
            depth: None,
            resize: None,
            hold_out: 0.2,
            validation: 0.1,
            max_bad: 0.01,
        }
    }
}

impl DataConfig {
    /// How image files are read, with `usual` for the keys that are absent. In the configuration of a run that has started, none is, except for
    /// `resize` in runs of earlier versions, which stretched all images.
    pub(crate) fn preprocessing(&self, usual: Preprocessing) -> Preprocessing {
        Preprocessing {
            background: self.background.unwrap_or(usual.background),
            depth: self.depth.unwrap_or(usual.depth),
            resize: self.resize.unwrap_or(usual.resize),
        }
    }

    /// Whether all keys of [`preprocessing`](Self::preprocessing) are set.
    pub(crate) fn has_preprocessing(&self) -> bool {
        self.background.is_some() && self.depth.is_some() && self.resize.is_some()
    }

    /// Whether the data is a table of ready-made embeddings: by the file extension, and by whether the table has a column of paths.
    pub fn is_table(&self) -> bool {
        let table = |path: &Path| widemargin_tables::is_table(path) && !widemargin_tables::is_manifest(path);
        self.path.as_deref().is_some_and(table)
    }

    /// The backbone if none is chosen: `linear` for a table, otherwise that of [`ModelConfig::default`].
    pub fn usual_backbone(&self) -> BackboneName {
        if self.is_table() { BackboneName::Linear } else { ModelConfig::default().backbone }
    }

    /// Whether the data is IDX files, as Fashion-MNIST is: their images have one size and are not decoded.
    pub(crate) fn is_idx(&self) -> bool {
        let idx = |path: &PathBuf| Source::detect(path).is_ok_and(|source| source.kind() == SourceKind::Idx);
        self.path.as_ref().is_none_or(idx)
    }
}

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// `small-cnn`, `iresnet18`, `iresnet34`, `iresnet50`, `iresnet100`, `iresnet200`, `resnet18`, `resnet34`, `resnet50`, `resnet101`,
    /// `resnet152`, `mlp`, `linear` or `identity`.
    pub backbone: BackboneName,
    /// Embedding dimension, 1 to 65536; 2 and 3 add a figure on the circle or sphere to the report.
    pub embedding: usize,
    /// Dropout before the last layer (`iresnet*`, `mlp`), at least 0 and below 1.
    pub dropout: f32,
    /// Widths of the hidden layers of `mlp`.
    pub hidden: Vec<usize>,
    /// Pretrained weights: a safetensors file of PyTorch weights, or a model of this program. Read when a run starts, not when it resumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// The folder of a run that this run continues on other data: with its preprocessing and backbone, the centres of its classes and the state
    /// of its optimisers. Read when a run starts, not when it resumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Beginnings of the names of parameters that are not trained, in this program's naming or PyTorch's; frozen normalisation layers use
    /// and keep their running statistics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Mean by which pixels are normalised, one value per channel. If absent, that of `weights`; without weights, that of the training
    /// images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f32>,
    /// Standard deviations, one value per channel, together with `mean`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deviation: Vec<f32>,
    /// Classes that `weights`, or the run in `from`, were trained on and that were unseen, as they are listed there. Stored when a run starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_classes: Option<TrainingClasses>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            backbone: BackboneName::SmallCnn,
            embedding: 128,
            dropout: 0.0,
            hidden: vec![512],
            weights: None,
            from: None,
            freeze: Vec::new(),
            mean: Vec::new(),
            deviation: Vec::new(),
            weights_classes: None,
        }
    }
}

/// The optimiser.
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
    /// `auto`, `dense`, `sampled` or `screened`: how many classes a step touches.
    pub mode: HeadModeName,
    /// Share of the classes that `sampled` scores, above 0 and at most 1.
    pub rate: f64,
    /// Share of the non-target classes' sum from which `screened` certainly keeps a class, at least 0 and below 1; chosen for each sample
    /// if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Error budget of `screened` where `threshold` is absent; see [`widemargin_head::HeadConfig::screened_error`].
    pub screened_error: f64,
    /// Precision in which the class centres are stored: `f32`, or `bf16` for half the memory.
    pub centres: StoragePrecision,
    /// Precision in which the optimiser's state of the class centres is stored: `f32`, or `bf16` for half the memory.
    #[serde(skip_serializing_if = "is_default")]
    pub optimiser_state: StoragePrecision,
    /// Precision of the factors of the matrix products of a `dense` or `sampled` step: `f32`, or `bf16` with sums in `f32`. If absent,
    /// `bf16` with `training.precision = "mixed"` and `f32` otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub products: Option<ProductPrecision>,
    /// MiB of scores that a `dense` step keeps instead of computing them again; see [`widemargin_head::HeadConfig::kept_scores_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_scores_mib: Option<usize>,
}

/// A setting that was added later is left out of a configuration that does not use it.
fn is_default<T: Default + PartialEq>(setting: &T) -> bool {
    *setting == T::default()
}

impl Default for HeadSection {
    fn default() -> Self {
        Self {
            mode: HeadModeName::Auto,
            rate: 0.1,
            threshold: None,
            screened_error: HeadConfig::default().screened_error,
            centres: StoragePrecision::F32,
            optimiser_state: StoragePrecision::F32,
            products: None,
            kept_scores_mib: None,
        }
    }
}

/// How many classes a step touches; see [`HeadMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadModeName {
    /// Screened where that saves time and costs no accuracy, dense otherwise; see [`HeadConfig::resolved_mode`]. Chosen when a run starts; a
    /// resumed run keeps the mode of its checkpoint.
    Auto,
    /// All.
    Dense,
    /// The classes of the batch and a random sample of the others.
    Sampled,
    /// All by 7-bit scores, a few exactly.
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
    /// Peak learning rate, above 0.
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
    /// Added to the square root of the second moment of `adamw`, above 0.
    pub epsilon: f64,
    /// Weight decay of weights and centres, at least 0; biases, slopes and normalisation layers are never decayed.
    pub weight_decay: f64,
    /// Largest gradient norm, over all parameters and centres; larger gradients are scaled down to it. 0 for no clipping.
    pub clip_norm: f64,
    /// Factors on the learning rate of parts of the backbone, each above 0, by the beginning of their parameter names. The longest matching
    /// beginning counts and replaces `backbone_factor`.
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

/// The course of the learning rate after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleName {
    /// Constant.
    Constant,
    /// Multiplied by `factor` at every milestone.
    Step,
    /// Half a cosine from the full rate down to `floor` times the full rate.
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
    /// Epochs over which the learning rate rises linearly from 0, at least 0.
    pub warm_up_epochs: f64,
    /// Epochs over which the margin rises linearly from 0 to its full value, at least 0.
    pub margin_warm_up_epochs: f64,
    /// Epochs at which `step` lowers the rate.
    pub milestones: Vec<f64>,
    /// Factor of `step`, above 0 and at most 1.
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

/// `[augment]`: random changes to training images.
pub type AugmentConfig = widemargin_data::Augment;

/// How batches are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerName {
    /// Every image once per epoch, in random order.
    Shuffled,
    /// P classes with K samples each.
    ClassBalanced,
    /// Classes drawn by a power of their number of samples, to balance a long tail.
    ByFrequency,
}

/// `[sampler]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerConfig {
    /// `shuffled`, `class-balanced` or `by-frequency`.
    pub name: SamplerName,
    /// Batch size of `shuffled` and `by-frequency`, 2 to 65536. The batch size of `class-balanced` is P times K.
    pub batch: usize,
    /// P: classes per batch of `class-balanced`, at least 2; P times K at most 65536.
    pub classes_per_batch: usize,
    /// K: samples per class in a batch of `class-balanced`, at least 1.
    pub samples_per_class: usize,
    /// Power of the number of samples with which `by-frequency` draws classes, 0 to 1: 1 in proportion, 0.5 by the square root, 0 all equally
    /// (each sample by the inverse frequency of its class).
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
    /// Number of images in a batch.
    pub fn batch_size(&self) -> usize {
        match self.name {
            SamplerName::Shuffled | SamplerName::ByFrequency => self.batch,
            SamplerName::ClassBalanced => self.classes_per_batch.saturating_mul(self.samples_per_class),
        }
    }
}

/// Precision of the backbone in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionName {
    /// `f32` throughout.
    #[default]
    Full,
    /// On the CPU, factors of products in bfloat16. On other devices, activations and matrix products in half precision.
    Mixed,
}

/// The model that a run with evaluations during training ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptModel {
    /// That of the epoch with the best evaluation.
    #[default]
    Best,
    /// That of the last epoch.
    Last,
}

/// `[training]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Passes over the training images, 1 to 1000000.
    pub epochs: usize,
    /// Seed of weights, order, augmentation and dropout.
    pub seed: u64,
    /// Threads that read and augment images ahead of the model, 0 (in the training thread) to 64. They do not change the result.
    pub loader_threads: usize,
    /// Steps between checkpoints; 0 for one checkpoint per epoch.
    pub checkpoint_every: usize,
    /// Number of checkpoints kept, at least 1.
    pub keep_checkpoints: usize,
    /// `cpu`, or `wgpu` in a build with that feature.
    pub device: String,
    /// `full` or `mixed`. On the CPU, `mixed` rounds the factors of the products in convolutions, fully connected layers and the head
    /// to bfloat16; sums and everything else are `f32`. On a device that supports half precision, activations and matrix products of the
    /// backbone are in half precision; parameters, statistics and embeddings in `f32`. Inference is always `f32`.
    pub precision: PrecisionName,
    /// Number of training samples, the first ones of each class in equal shares; 0 for all.
    pub limit: usize,
    /// Batches per step of the optimiser, 1 to 65536. The loss is that of all their samples together.
    pub accumulate: usize,
    /// Decay of the exponential moving average of the weights, at least 0 and below 1; 0 for none. The averaged model is evaluated and written.
    pub average: f64,
    /// Epochs between evaluations on the validation part, 0 to 1000000; 0 for none. The last epoch is always evaluated.
    pub evaluate_every: usize,
    /// With `evaluate_every`: whether the run ends with its `best` model or the `last` one.
    pub keep: KeptModel,
    /// With `evaluate_every`: evaluations in a row that are not better than the best one, after which training ends; 0 to train all epochs.
    pub patience: usize,
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
            accumulate: 1,
            average: 0.0,
            evaluate_every: 0,
            keep: KeptModel::Best,
            patience: 0,
        }
    }
}

impl Config {
    /// Number of samples of a step of the optimiser: of all its batches.
    pub fn step_size(&self) -> usize {
        self.sampler.batch_size().saturating_mul(self.training.accumulate)
    }

    /// Precision of the head's products: as configured, or that of the run.
    pub fn head_products(&self) -> ProductPrecision {
        self.head.products.unwrap_or(match self.training.precision {
            PrecisionName::Full => ProductPrecision::F32,
            PrecisionName::Mixed => ProductPrecision::Bf16,
        })
    }

    /// The whole configuration as TOML; [`Config::from_toml`] reads it back to the bit.
    ///
    /// A path that is not valid Unicode has no TOML form. [`Config::check`] rejects it; here its invalid bytes become U+FFFD, which gives
    /// a path that does not exist.
    pub fn to_toml(&self) -> String {
        let text = |config: &Self| toml::to_string(config);
        text(self).unwrap_or_else(|_| {
            let mut rest = self.clone();
            for (_, path) in rest.paths_mut() {
                *path = path.take().map(|path| path.to_string_lossy().into_owned().into());
            }
            text(&rest).expect("numbers, strings and lists of them always have a TOML form")
        })
    }

    /// The settings that are paths, by key.
    pub fn paths_mut(&mut self) -> [(&'static str, &mut Option<PathBuf>); 5] {
        let (d, m) = (&mut self.data, &mut self.model);
        [
            ("data.path", &mut d.path),
            ("data.labels", &mut d.labels),
            ("data.split", &mut d.split),
            ("model.weights", &mut m.weights),
            ("model.from", &mut m.from),
        ]
    }

    /// A smaller, quicker run, for tests and a first try: fewer images, epochs and images per batch.
    #[must_use]
    pub fn quick(mut self) -> Self {
        const EPOCHS: usize = 3;
        const SAMPLES: usize = 8_000;
        self.training.epochs = self.training.epochs.min(EPOCHS);
        self.training.limit =
            if self.training.limit == 0 { SAMPLES } else { self.training.limit.min(SAMPLES) };
        if self.sampler.name != SamplerName::ClassBalanced {
            self.sampler.batch = self.sampler.batch.min(64);
        }
        self
    }
}

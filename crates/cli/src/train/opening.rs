//! How runs begin, one of `train` or the many of a `sweep`: the flags that both have, the configuration that these make, and the data.

use crate::{page, progress};
use anyhow::{Context, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use widemargin_data::{ClassFolder, Labelled, Source, SourceKind};
use widemargin_model::BackboneName;
use widemargin_train::progress::Observer;
use widemargin_train::{Config, Prepared};

/// What is learnt from, what is optimised and how long.
#[derive(Args)]
pub(crate) struct Opening {
    /// Folder of IDX files, or of images with one folder a class; a manifest (.csv or .parquet with a column `path`); .tar shards (a
    /// file, a pattern, a folder); or a table of embeddings: .npy, .safetensors, .csv, .parquet [default: Fashion-MNIST]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Labels of a table, one a row, if they are not inside: .npy, .csv with a column `label`, or text with one a line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Which samples are trained on and which judge: a file of `data split`. Classes without a sample to train on are unseen
    #[arg(long, value_name = "FILE", conflicts_with = "unseen")]
    split: Option<PathBuf>,
    /// Which folder of a deeper tree is the class: top (the default), or deepest
    #[arg(long, value_name = "WHICH", value_parser = crate::arguments::class_folder)]
    class_folder: Option<ClassFolder>,
    /// TOML file with the configuration; flags take precedence
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use the built-in part of Fashion-MNIST even where the whole set is installed
    #[arg(long, conflicts_with = "data")]
    built_in: bool,
    /// How many classes are kept from training and judged on
    #[arg(long, value_name = "COUNT")]
    unseen: Option<usize>,
    /// Objective: am-softmax, normalized-softmax, softmax, arcface, ...
    #[arg(long, value_name = "NAME")]
    objective: Option<String>,
    /// Passes over the training images
    #[arg(long)]
    epochs: Option<usize>,
    /// Seed of weights, order, augmentation and dropout
    #[arg(long)]
    seed: Option<u64>,
    /// Small and quick: the built-in images where no others are named, at most two epochs on about 2,100 of them
    #[arg(long)]
    quick: bool,
}

impl Opening {
    /// Whether a file says what is wished.
    pub(crate) fn has_file(&self) -> bool {
        self.config.is_some()
    }

    /// The configuration as the file and these flags have it; `--quick` comes [last](Self::shortened).
    pub(crate) fn configuration(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("reading the configuration {}", path.display()))?;
                Config::from_toml(path, &text)?
            }
            None => Config::default(),
        };
        let data = &mut config.data;
        data.path = self.data.as_deref().map(whole).or_else(|| data.path.take());
        data.labels = self.labels.as_deref().map(whole).or_else(|| data.labels.take());
        data.split = self.split.as_deref().map(whole).or_else(|| data.split.take());
        if let Some(class_folder) = self.class_folder {
            data.class_folder = class_folder;
            require_folders(class_folder, data.path.as_deref())?;
        }
        data.built_in |= self.built_in;
        data.unseen = self.unseen.unwrap_or(data.unseen);
        if self.config.is_none() && config.data.is_table() {
            config.model.backbone = BackboneName::Linear;
        }
        config.objective.name = self.objective.clone().unwrap_or(config.objective.name);
        config.training.epochs = self.epochs.unwrap_or(config.training.epochs);
        config.training.seed = self.seed.unwrap_or(config.training.seed);
        Ok(config)
    }

    /// The finished configuration, made small where that is wished.
    pub(crate) fn shortened(&self, config: Config) -> Config {
        if self.quick { config.quick() } else { config }
    }
}

/// The whole path, so that a run can be continued from any folder.
pub(crate) fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Refuses to look for the class in the deepest folder where there are no folders; what is not there at all is told later.
fn require_folders(class_folder: ClassFolder, data: Option<&Path>) -> anyhow::Result<()> {
    let is_folder = |source: &Source| source.kind() == SourceKind::Folder;
    let folders = data.is_some_and(|path| Source::detect(path).as_ref().map_or(true, is_folder));
    ensure!(
        class_folder == ClassFolder::Top || folders,
        "--class-folder: found deepest, expected top: only an image folder has folders of classes, and {} is none",
        data.map_or("Fashion-MNIST".into(), Path::to_string_lossy)
    );
    Ok(())
}

/// Writes down what the configured weights want of images.
pub(crate) fn settle_weights(config: &mut Config, observer: &mut progress::Bar) -> anyhow::Result<()> {
    if let Some(said) = config.resolve_weights()? {
        observer.message(&said);
    }
    Ok(())
}

/// Opens and splits the data, and says what is hardly meant, what there is and what was left out.
pub(crate) fn prepare(config: &Config, observer: &mut progress::Bar) -> anyhow::Result<Prepared> {
    for warning in config.warnings() {
        observer.message(&format!("warning: {warning}"));
    }
    let prepared = Prepared::new(config)?;
    let set = &prepared.set;
    let (kind, shape) = (set.kind(), set.shape());
    observer.message(&format!(
        "{}: {} {kind} of {}, training on {} of {} known classes, judging on {}",
        set.name(),
        set.len(),
        if set.images().is_some() { shape.to_string() } else { format!("{} numbers", shape.values()) },
        prepared.training.samples.len(),
        prepared.split.known().len(),
        if prepared.split.is_closed() {
            format!("{} test {kind} of the same classes", prepared.known.samples.len())
        } else {
            let names = prepared.split.unseen().iter().map(|class| &set.class_names()[*class as usize]);
            let unseen = page::first_names(names, "more classes");
            format!("{} {kind} of unseen {unseen}", prepared.unseen.len())
        }
    ));
    for bad in set.bad() {
        observer.message(&format!("left out {}: {}", bad.path.display(), bad.reason));
    }
    Ok(prepared)
}

/// With numbers in the place of "auto", and the only embedding that `identity` can have where no other is wished. Also a sentence that
/// says which numbers, where there were none.
pub(crate) fn resolved(
    mut config: Config,
    wished: bool,
    prepared: &Prepared,
) -> anyhow::Result<(Config, Option<String>)> {
    if config.model.backbone == BackboneName::Identity && !wished {
        config.model.embedding = prepared.set.shape().values();
    }
    let said = config.objective.resolve(prepared.split.known().len(), config.model.embedding)?;
    let said = said.map(|said| format!("{}: {said}", config.objective.name));
    Ok((config, said))
}

/// The first of `runs/NAME`, `runs/NAME-2`, ... that does not exist.
pub(crate) fn free_folder(name: &str) -> PathBuf {
    let safe: String =
        name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    let numbered = (2..).map(|number| format!("{safe}-{number}"));
    let mut candidates =
        std::iter::once(safe.clone()).chain(numbered).map(|name| Path::new("runs").join(name));
    candidates.find(|folder| !folder.exists()).unwrap_or_else(|| Path::new("runs").join(safe))
}

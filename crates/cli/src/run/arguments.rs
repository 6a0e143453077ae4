//! The flags that every run has, and the configuration that they make.

use crate::arguments::{class_folder, heading, part_folders, size};
use crate::say::say;
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};
use widemargin_data::{ClassFolder, NamedSet, PartFolders};
use widemargin_tables::ColumnPattern;
use widemargin_train::config::ObjectiveConfig;
use widemargin_train::{Change, Config, Error, Recipe, is_changed};

/// Data, objective and length of a run.
#[derive(Args)]
pub(crate) struct RunArguments {
    /// Training data: a folder with one sub-folder per class, IDX files, a manifest (.csv or .parquet with a column `path`), .tar shards, a
    /// table of embeddings (.npy, .npz, .safetensors, .csv, .parquet, .arrow, .feather), or the name emoji or fashion-mnist [default: emoji, which
    /// is built in]
    #[arg(help_heading = heading::DATA, long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Labels of a table, one per row, if the table does not contain them: .npy, .csv with a column `label`, or text with one per line
    #[arg(help_heading = heading::DATA, long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Columns of a table that are the vectors, such as 'e*' or '!age' [default: all; a name unlike the others is an error]
    #[arg(help_heading = heading::DATA, long, value_name = "PATTERN")]
    columns: Option<ColumnPattern>,
    /// Column of lists with the vectors, or array of a .npz or .safetensors [default: that of a usual name, such as `embedding`]
    #[arg(help_heading = heading::DATA, long, value_name = "NAME", conflicts_with = "columns")]
    embedding_column: Option<String>,
    /// Column of the labels, in the file of --labels or else in the table [default: label]
    #[arg(help_heading = heading::DATA, long, value_name = "NAME")]
    label_column: Option<String>,
    /// Use the split in this file, written by `data split`; classes without training samples are unseen
    #[arg(help_heading = heading::DATA, long, value_name = "FILE", conflicts_with = "unseen")]
    split: Option<PathBuf>,
    /// Level of the folders that name the classes in a nested tree: top or deepest [default: top]
    #[arg(help_heading = heading::DATA, long, value_name = "LEVEL", value_parser = class_folder)]
    class_folder: Option<ClassFolder>,
    /// What folders named train, test, val and so on are: auto, none (classes like others) or only (parts; others are left out)
    /// [default: auto]
    #[arg(help_heading = heading::DATA, long, value_name = "RULE", value_parser = part_folders)]
    parts: Option<PartFolders>,
    /// Height and width to which images are resized, such as 64 or 64x48 [default: chosen for the data]
    #[arg(help_heading = heading::DATA, long, value_name = "H[xW]", value_parser = size)]
    size: Option<[usize; 2]>,
    /// Read the configuration from this TOML file; flags override it
    #[arg(help_heading = heading::RUN, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Compare only samples of different cameras in the evaluation, by the column `camera` of the data; for emoji, whose cameras are its vendors, always
    #[arg(help_heading = heading::DATA, long)]
    across_cameras: bool,
    /// Do not train on samples of this camera; the evaluation compares them with those of all others
    #[arg(help_heading = heading::DATA, long, value_name = "NAME")]
    held_out_camera: Option<String>,
    /// Number of classes to draw and hold out from training for evaluation [default: the classes only in the test part; else 20 %, at least 3]
    #[arg(help_heading = heading::DATA, long, value_name = "COUNT")]
    unseen: Option<usize>,
    /// Objective, such as am-softmax, arcface or triplet-margin; `widemargin loss --list` prints all [default: am-softmax]
    #[arg(help_heading = heading::OBJECTIVE, long, value_name = "NAME")]
    objective: Option<String>,
    /// Passes over the training images [default: chosen for the data]
    #[arg(help_heading = heading::TRAINING, long)]
    epochs: Option<usize>,
    /// Seed of initial weights, sample order, augmentation and dropout [default: 1]
    #[arg(help_heading = heading::RUN, long)]
    seed: Option<u64>,
    /// Shorten the run: at most 3 epochs, 8,000 samples and batches of 64, unless flags say otherwise
    #[arg(help_heading = heading::RUN, long)]
    quick: bool,
}

impl RunArguments {
    /// Whether data was given.
    pub(crate) fn has_data(&self) -> bool {
        self.data.is_some()
    }

    /// Whether unseen classes are to be drawn or are in a given split file.
    pub(crate) fn chooses_unseen(&self) -> bool {
        self.unseen.is_some() || self.split.is_some()
    }

    /// Whether a configuration file was given.
    pub(crate) fn has_file(&self) -> bool {
        self.config.is_some()
    }

    /// The configuration from the file and these flags, and a recipe for all that they do not set; then call [`shortened`](Self::shortened). `further` applies other flags, `given` are the keys
    /// of all flags. A configuration that `compares` objectives is checked without its objective.
    pub(crate) fn configuration(
        &self,
        further: impl Fn(Config) -> Config,
        given: &[(&'static str, &'static str)],
        compares: bool,
    ) -> anyhow::Result<(Config, Recipe)> {
        let mut set: Vec<String> = given.iter().map(|(key, _)| (*key).to_owned()).collect();
        if self.quick {
            set.extend(["training.epochs", "sampler.batch"].map(str::to_owned));
        }
        let mut backbone_given = false;
        let base = match &self.config {
            Some(path) => {
                let text = widemargin_durable::read_text(path)
                    .with_context(|| format!("{}: cannot be read", path.display()))?;
                let of_file = widemargin_train::config::keys(&text);
                backbone_given = of_file.iter().any(|key| key == "model.backbone");
                set.extend(of_file);
                let check = |config: &Config| {
                    let mut config = further(self.completed(config.clone(), backbone_given));
                    if compares {
                        config.objective = ObjectiveConfig::default();
                    }
                    match config.check() {
                        // The check of the configuration that a run has names the flag.
                        Err(Error::BadValue { key, .. }) if given.iter().any(|(flag, _)| *flag == key) => {
                            Ok(())
                        }
                        checked => checked,
                    }
                };
                let mut config = Config::from_toml_checked(path, &text, check)?;
                let margin_given = given.iter().any(|(key, _)| *key == "objective.margin");
                if let Some(name) = self.objective.as_ref().filter(|_| !margin_given) {
                    let required = config.objective.require_margin_for(name);
                    required.with_context(|| format!("{}, with --objective {name}", path.display()))?;
                }
                // The run stores where its data is, and can be resumed from any folder.
                for (_, path) in config.paths_mut() {
                    *path = path.as_deref().map(absolute);
                }
                if is_changed(&text) {
                    say!(
                        "note: {}: edited since the run wrote it; delete its first line, the checksum, if that was on purpose",
                        path.display()
                    );
                }
                config
            }
            None => Config::default(),
        };
        Ok((further(self.completed(base, backbone_given)), Recipe::new(set)))
    }

    /// The configuration `config` with these flags, and with the usual backbone for its data if no other is given.
    fn completed(&self, config: Config, backbone_given: bool) -> Config {
        let mut config = self.applied(config);
        if !backbone_given {
            config.model.backbone = config.data.usual_backbone();
        }
        config
    }

    /// The configuration `config` with these flags.
    pub(crate) fn applied(&self, mut config: Config) -> Config {
        let data = &mut config.data;
        if let Some(given) = &self.data {
            let named = named_set(given);
            data.path = named.is_none().then(|| absolute(given));
            data.set = named;
        }
        if data.path.is_none() {
            data.set = data.set.or_else(|| Some(NamedSet::default()));
        }
        data.labels = self.labels.as_deref().map(absolute).or_else(|| data.labels.take());
        let exactly = self.embedding_column.as_deref().map(ColumnPattern::exactly);
        data.columns = exactly.or_else(|| self.columns.clone()).or_else(|| data.columns.take());
        data.label_column = self.label_column.clone().or_else(|| data.label_column.take());
        data.split = self.split.as_deref().map(absolute).or_else(|| data.split.take());
        data.class_folder = self.class_folder.unwrap_or(data.class_folder);
        data.parts = self.parts.unwrap_or(data.parts);
        data.across_cameras |= self.across_cameras;
        data.held_out_camera = self.held_out_camera.clone().or_else(|| data.held_out_camera.take());
        data.unseen = self.unseen.or(data.unseen);
        [data.height, data.width] = self.size.unwrap_or([data.height, data.width]);
        config.objective.name = self.objective.clone().unwrap_or(config.objective.name);
        config.training.epochs = self.epochs.unwrap_or(config.training.epochs);
        config.training.seed = self.seed.unwrap_or(config.training.seed);
        config
    }

    /// The keys of the configuration that were set by a flag, with the flag.
    pub(crate) fn given(&self) -> Vec<(&'static str, &'static str)> {
        given([
            ("data.path", "--data", self.data.is_some()),
            ("data.labels", "--labels", self.labels.is_some()),
            ("data.columns", "--columns", self.columns.is_some()),
            ("data.columns", "--embedding-column", self.embedding_column.is_some()),
            ("data.label_column", "--label-column", self.label_column.is_some()),
            ("data.split", "--split", self.split.is_some()),
            ("data.class_folder", "--class-folder", self.class_folder.is_some()),
            ("data.parts", "--parts", self.parts.is_some()),
            ("data.across_cameras", "--across-cameras", self.across_cameras),
            ("data.held_out_camera", "--held-out-camera", self.held_out_camera.is_some()),
            ("data.unseen", "--unseen", self.unseen.is_some()),
            ("data.height", "--size", self.size.is_some()),
            ("data.width", "--size", self.size.is_some()),
            ("objective.name", "--objective", self.objective.is_some()),
            ("training.epochs", "--epochs", self.epochs.is_some()),
            ("training.seed", "--seed", self.seed.is_some()),
        ])
    }

    /// The changes that these flags make to a run that is resumed.
    pub(crate) fn change(&self) -> Change {
        Change {
            epochs: self.epochs,
            data: self.data.as_deref().map(absolute),
            labels: self.labels.as_deref().map(absolute),
        }
    }

    /// The finished configuration, made small if `--quick` is given.
    pub(crate) fn shortened(&self, config: Config) -> Config {
        if !self.quick {
            return config;
        }
        let mut quick = config.quick();
        // A flag overrides `--quick`.
        quick.training.epochs = self.epochs.unwrap_or(quick.training.epochs);
        quick
    }
}

/// The set that is meant by its name: a file or folder with the name is meant first.
pub(crate) fn named_set(data: &Path) -> Option<NamedSet> {
    NamedSet::named(data.to_str()?).filter(|_| !data.exists())
}

/// The key and the flag of those that are given.
pub(crate) fn given<const N: usize>(
    flags: [(&'static str, &'static str, bool); N],
) -> Vec<(&'static str, &'static str)> {
    flags.into_iter().filter(|(.., given)| *given).map(|(key, flag, _)| (key, flag)).collect()
}

/// Adds the flag to an error about a value of the configuration that a flag has set.
pub(crate) fn naming_flag(error: anyhow::Error, given: &[(&'static str, &'static str)]) -> anyhow::Error {
    let Some(widemargin_train::Error::BadValue { key, message }) = error.downcast_ref() else { return error };
    match given.iter().find(|(found, _)| found == key) {
        Some((_, flag)) => anyhow::anyhow!("{flag} ({key}): {message}"),
        None => error,
    }
}

/// The absolute path, so that a run can be resumed from any folder.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

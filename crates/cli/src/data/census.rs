//! The data that `data info` and `data split` examine.

use crate::arguments::{ColumnArguments, heading};
use crate::embed::require_as_embedded;
use crate::progress;
use clap::Args;
use std::path::PathBuf;
use widemargin_data::{Census, ClassFolder, Error, FolderOptions, PartFolders};

#[derive(Args)]
pub(super) struct CensusArguments {
    /// Image folder, folder of IDX files, manifest (.csv, .parquet, .arrow, .feather), .tar shards (file, pattern or folder), or table of embeddings
    #[arg(value_name = "PATH")]
    data: PathBuf,
    /// Labels of a table that does not contain them, one per row: .npy, .csv with a column `label`, or text with one per line
    #[arg(help_heading = heading::INPUT, long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    columns: ColumnArguments,
    /// Level of the folders that name the classes in a nested tree: top or deepest
    #[arg(help_heading = heading::INPUT, long, value_name = "LEVEL", value_parser = crate::arguments::class_folder, default_value = "top")]
    class_folder: ClassFolder,
    /// What folders named train, test, val and so on are: auto, none (classes like others) or only (parts; others are left out)
    #[arg(help_heading = heading::INPUT, long, value_name = "RULE", value_parser = crate::arguments::part_folders, default_value = "auto")]
    parts: PartFolders,
}

impl CensusArguments {
    /// Examines every sample and shows the progress. Folders that can be understood in two ways are an error.
    pub(super) fn take(&self) -> anyhow::Result<Census> {
        require_as_embedded(&self.data)?;
        Ok(self.with(self.parts)?)
    }

    /// [`take`](Self::take), but of folders that can be understood in two ways, or whose labels are somewhere else: every folder is a class, and
    /// the error is returned as the second value.
    pub(super) fn take_ambiguous(&self) -> anyhow::Result<(Census, Option<Error>)> {
        require_as_embedded(&self.data)?;
        match self.with(self.parts) {
            Err(error @ (Error::MixedFolders { .. } | Error::UnclearParts { .. })) => {
                Ok((self.with(PartFolders::None)?, Some(error)))
            }
            // It is clear what the parts are.
            Err(error @ Error::PartInOneFolder { .. }) => Ok((self.with(PartFolders::Only)?, Some(error))),
            census => Ok((census?, None)),
        }
    }

    fn with(&self, parts: PartFolders) -> widemargin_data::Result<Census> {
        let bar = progress::counted("samples", 0);
        let advance = progress::advancing(&bar);
        let folders = FolderOptions { class_folder: self.class_folder, parts };
        Census::take(&self.data, self.labels.as_deref(), &self.columns.chosen(), folders, &advance)
    }
}

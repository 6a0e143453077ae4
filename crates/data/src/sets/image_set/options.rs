//! Options for opening images.

use serde::{Deserialize, Serialize};
use widemargin_tables::ColumnPattern;

use crate::decode::MAX_SIDE;
use crate::sources::folder_options::FolderOptions;
use crate::{Error, ImageShape, Preprocessing, Result};

/// Options for opening images. For IDX files only `memory_limit` applies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct OpenOptions {
    /// 1 for grey, 3 for colour. Default 3.
    pub channels: usize,
    /// Rows that images are resized to. Default 112.
    pub height: usize,
    /// Columns that images are resized to. Default 112.
    pub width: usize,
    /// Largest accepted share of unreadable images, 0 to 1. Default 0.01.
    pub max_bad: f64,
    /// Share of the samples to hold out, above 0 and below 1, if the data does not mark its parts. Drawn per class, or in whole groups if
    /// the data has groups; at least one sample and not all. Default 0.2.
    pub hold_out: f64,
    /// Seed for drawing the held-out samples. Default 0.
    pub seed: u64,
    /// Most bytes of pixels to keep in memory. Larger sets of IDX files are an error; images of larger other sets are decoded again at each
    /// read. Default 2 GiB.
    pub memory_limit: u64,
    /// Number of decoding threads; 0, the default, for one per core.
    pub threads: usize,
    /// How the folders of an image folder are understood.
    pub folders: FolderOptions,
    /// How the pixels of image files become 8-bit colours. Default: on white, with 16 bits.
    pub preprocessing: Preprocessing,
    /// Whether only samples of different cameras are compared in an evaluation; the data must have a column `camera`. Default: no. Has no effect on the
    /// built-in set, which always does so.
    pub across_cameras: bool,
    /// A camera whose samples are not trained on, and are compared with those of all others only. Implies `across_cameras`. Default: none.
    pub held_out_camera: Option<String>,
    /// For a table of vectors: the columns of the vectors. Default: all with a name like the others.
    pub columns: Option<ColumnPattern>,
    /// For a table of vectors: the column of the labels. Default: `label`.
    pub label_column: Option<String>,
    /// For a table of vectors: see [`VectorOptions::order`](crate::VectorOptions::order). Default: none.
    pub order: Option<Vec<String>>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            channels: 3,
            height: 112,
            width: 112,
            max_bad: 0.01,
            hold_out: 0.2,
            seed: 0,
            memory_limit: 2 << 30,
            threads: 0,
            folders: FolderOptions::default(),
            preprocessing: Preprocessing::default(),
            across_cameras: false,
            held_out_camera: None,
            columns: None,
            label_column: None,
            order: None,
        }
    }
}

impl OpenOptions {
    /// Whether only samples of different cameras are compared.
    pub(crate) fn uses_cameras(&self) -> bool {
        self.across_cameras || self.held_out_camera.is_some()
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        if ![1, 3].contains(&self.channels) {
            return Err(Error::setting("channels", &self.channels, "1 or 3"));
        }
        let most = MAX_SIDE as usize;
        for (name, side) in [("height", self.height), ("width", self.width)] {
            if !(1..=most).contains(&side) {
                return Err(Error::setting(name, &side, format!("1 to {most}")));
            }
        }
        if !(0.0..=1.0).contains(&self.max_bad) {
            return Err(Error::setting("max-bad", &self.max_bad, "a share from 0 to 1"));
        }
        if !(self.hold_out > 0.0 && self.hold_out < 1.0) {
            return Err(Error::setting("hold-out", &self.hold_out, "a share above 0 and below 1"));
        }
        self.preprocessing.validate()
    }

    pub(crate) fn shape(&self) -> ImageShape {
        ImageShape { channels: self.channels, height: self.height, width: self.width }
    }
}

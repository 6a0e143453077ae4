//! How the folders of an image folder are understood.

use serde::{Deserialize, Serialize};

use crate::sources::source::SourceKind;
use crate::{Error, Result};

/// Which folder is the class if folders are nested.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassFolder {
    /// The first folder below the data folder (or below `train` and `test`): `bird` for `bird/duck/1.png`.
    #[default]
    Top,
    /// The path to the file's folder: `bird/duck` for `bird/duck/1.png`.
    Deepest,
}

/// Whether folders named `train`, `test`, `val` and so on are parts of the data or classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartFolders {
    /// Parts if they have sub-folders, otherwise classes. An error if there are both part folders and other folders with images.
    #[default]
    Auto,
    /// Classes like all others.
    None,
    /// Parts; folders with other names are left out.
    Only,
}

/// How the folders of an image folder are understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct FolderOptions {
    /// Which folder is the class if folders are nested.
    pub class_folder: ClassFolder,
    /// Whether folders with the name of a part are parts.
    pub parts: PartFolders,
}

impl FolderOptions {
    /// Rejects options for image folders if the data is of another kind; `what` names the data.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn require_for(self, kind: SourceKind, what: &str) -> Result<()> {
        let is_default = |found: &'static str, name: &'static str, expected: &str, default: bool| {
            let expected = format!("{expected}: {what} is not a folder with one sub-folder per class");
            if default { Ok(()) } else { Err(Error::setting(name, &found, expected)) }
        };
        if kind == SourceKind::Folder {
            return Ok(());
        }
        is_default("deepest", "--class-folder", "top", self.class_folder == ClassFolder::Top)?;
        let found = if self.parts == PartFolders::None { "none" } else { "only" };
        is_default(found, "--parts", "auto", self.parts == PartFolders::Auto)
    }
}

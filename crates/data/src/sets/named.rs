//! Data sets that have a name instead of a path.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, ImageSet, OpenOptions, Result};

/// Where the Debian package `dataset-fashion-mnist` installs Fashion-MNIST.
pub const FASHION_MNIST_FOLDER: &str = "/usr/share/datasets/fashion-mnist";

/// The classes of Fashion-MNIST, in the order of their labels.
pub const FASHION_MNIST_CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// The digest of the first training image of Fashion-MNIST, by which it is recognised.
pub(crate) const FASHION_MNIST_FIRST: u64 = 0x310_f270_beb5;

/// A data set that has a name instead of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedSet {
    /// The built-in set; see [`ImageSet::emoji`].
    #[default]
    Emoji,
    /// Fashion-MNIST: 60,000 training and 10,000 test images of clothing, 1 x 28 x 28, in 10 classes; if Debian's package `dataset-fashion-mnist` is
    /// installed.
    FashionMnist,
}

impl NamedSet {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Emoji, Self::FashionMnist];

    /// Its name: `emoji` or `fashion-mnist`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emoji => "emoji",
            Self::FashionMnist => "fashion-mnist",
        }
    }

    /// The set with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Opens the set. The options apply that do so for [`ImageSet::emoji`] or for IDX files.
    ///
    /// # Errors
    /// [`Error::NotInstalled`]; those of [`ImageSet::open`] for files that cannot be read.
    pub fn open(self, options: &OpenOptions) -> Result<ImageSet> {
        match self {
            Self::Emoji => ImageSet::emoji(options),
            Self::FashionMnist if Path::new(FASHION_MNIST_FOLDER).is_dir() => {
                ImageSet::open(FASHION_MNIST_FOLDER, options)
            }
            Self::FashionMnist => Err(Error::NotInstalled {
                name: self.name(),
                folder: FASHION_MNIST_FOLDER.into(),
                package: "dataset-fashion-mnist",
            }),
        }
    }
}

impl fmt::Display for NamedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

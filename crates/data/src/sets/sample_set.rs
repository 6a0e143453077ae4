//! The data of a run: images or ready-made vectors.

use std::path::Path;
use std::sync::Arc;

use widemargin_tables::{ChosenColumns, ModelMark};

use crate::normalise::Normalisation;
use crate::sets::image_set::{ImageSet, OpenOptions};
use crate::sets::vector_set::{VectorOptions, VectorSet};
use crate::sources::source::{Source, SourceKind};
use crate::{BadImage, Catalogue, ImageShape, Labelled, Result};

/// A set of images or of vectors.
#[derive(Debug, Clone)]
pub enum SampleSet {
    /// Images.
    Images(Arc<ImageSet>),
    /// Vectors.
    Vectors(Arc<VectorSet>),
}

impl From<Arc<ImageSet>> for SampleSet {
    fn from(set: Arc<ImageSet>) -> Self {
        Self::Images(set)
    }
}

impl From<Arc<VectorSet>> for SampleSet {
    fn from(set: Arc<VectorSet>) -> Self {
        Self::Vectors(set)
    }
}

impl From<ImageSet> for SampleSet {
    fn from(set: ImageSet) -> Self {
        Self::Images(set.shared())
    }
}

impl From<VectorSet> for SampleSet {
    fn from(set: VectorSet) -> Self {
        Self::Vectors(set.shared())
    }
}

impl Labelled for SampleSet {
    fn catalogue(&self) -> &Catalogue {
        match self {
            Self::Images(set) => set.catalogue(),
            Self::Vectors(set) => set.catalogue(),
        }
    }
}

impl SampleSet {
    /// Opens the data at `path`; see [`Source`]. `labels` is the file with the labels of a table that does not contain them.
    ///
    /// # Errors
    /// Those of [`ImageSet::open`] and [`VectorSet::open`]; [`Error::Setting`](crate::Error::Setting) for `labels` with anything but a
    /// table.
    pub fn open(path: impl AsRef<Path>, labels: Option<&Path>, options: &OpenOptions) -> Result<Self> {
        options.validate()?;
        let source = Source::detect(path)?;
        source.require_no_labels(labels)?;
        options.folders.require_for(source.kind(), &source.path().display().to_string())?;
        let chosen =
            ChosenColumns { embedding: options.columns.clone(), label: options.label_column.clone() };
        source.require_no_columns(&chosen)?;
        if source.kind() == SourceKind::Table {
            let (hold_out, seed, order) = (options.hold_out, options.seed, options.order.clone());
            let ChosenColumns { embedding: columns, label: label_column } = chosen;
            let (across_cameras, held_out_camera) = (options.across_cameras, options.held_out_camera.clone());
            let options = VectorOptions {
                hold_out,
                seed,
                columns,
                label_column,
                order,
                across_cameras,
                held_out_camera,
            };
            return Ok(VectorSet::open(source.path(), labels, options)?.shared().into());
        }
        Ok(ImageSet::from_source(&source, options)?.shared().into())
    }

    /// Unique name of a sample.
    pub fn sample_id(&self, sample: usize) -> String {
        match self {
            Self::Images(set) => set.sample_id(sample),
            Self::Vectors(set) => set.sample_id(sample),
        }
    }

    /// A digest of a sample's content, by which a resumed run notices data that changed: CRC-32 in the low 32 bits, the number of bytes
    /// modulo 2^32 in the high ones.
    ///
    /// The content is the file of an image, also one in a tar file or a manifest; the pixels of an image in an IDX file or in memory; and the
    /// values of a vector as little-endian `f32`. Names, labels and times of modification are not part of it.
    ///
    /// # Panics
    /// If `sample` is not less than [`len`](Labelled::len).
    pub fn digest(&self, sample: usize) -> u64 {
        match self {
            Self::Images(set) => set.digest(sample),
            Self::Vectors(set) => set.digest(sample),
        }
    }

    /// Shape of a sample; `1 x 1 x dim` for vectors.
    pub fn shape(&self) -> ImageShape {
        match self {
            Self::Images(set) => set.shape(),
            Self::Vectors(set) => set.shape(),
        }
    }

    /// What the samples are, for messages: `images` or `vectors`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Images(_) => "images",
            Self::Vectors(_) => "vectors",
        }
    }

    /// The set of images; `None` for vectors.
    pub fn images(&self) -> Option<&ImageSet> {
        match self {
            Self::Images(set) => Some(set),
            Self::Vectors(_) => None,
        }
    }

    /// Names of the columns of vectors, if their table has them.
    pub fn columns(&self) -> Option<&[String]> {
        match self {
            Self::Images(_) => None,
            Self::Vectors(set) => set.columns(),
        }
    }

    /// The model that made the vectors, if `embed` wrote them.
    pub fn made_by(&self) -> Option<&ModelMark> {
        match self {
            Self::Images(_) => None,
            Self::Vectors(set) => set.made_by(),
        }
    }

    /// Whether the data itself marks parts or groups.
    ///
    /// If not, parts were drawn, and every sample of an unseen class can be used for evaluation, regardless of its part.
    pub fn parts_are_given(&self) -> bool {
        match self {
            Self::Images(set) => set.parts_are_given(),
            Self::Vectors(set) => set.parts_are_given(),
        }
    }

    /// Whether the data marks which samples are for training and which are held out. Groups are not such marks.
    pub fn parts_are_marked(&self) -> bool {
        match self {
            Self::Images(set) => set.parts_are_marked(),
            Self::Vectors(set) => set.parts_are_marked(),
        }
    }

    /// Files that cannot be used and were left out; always empty for vectors.
    pub fn bad(&self) -> &[BadImage] {
        self.images().map_or(&[], ImageSet::bad)
    }

    /// The normalisation of `samples`: mean and deviation per channel of images, or the root mean square of vectors.
    ///
    /// # Errors
    /// As [`ImageSet::mean_and_deviation`] and [`VectorSet::scale`].
    pub fn normalisation(&self, samples: &[u32]) -> Result<Normalisation> {
        match self {
            Self::Images(set) => set.mean_and_deviation(samples),
            Self::Vectors(set) => set.scale(samples),
        }
    }
}

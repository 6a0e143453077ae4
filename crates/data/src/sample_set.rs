//! What a run learns from: images or ready-made vectors.

use std::sync::Arc;

use crate::normalise::apply_tables;
use crate::{Augment, BadImage, Catalogue, ImageSet, ImageShape, Labelled, Normalisation, Result, VectorSet};

/// A set of images or of vectors.
#[derive(Debug, Clone)]
pub enum SampleSet {
    /// Images, as bytes.
    Images(Arc<ImageSet>),
    /// Vectors: rows of a table.
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
    /// What to call a sample in a message.
    pub fn sample_id(&self, sample: usize) -> String {
        match self {
            Self::Images(set) => set.sample_id(sample),
            Self::Vectors(set) => set.sample_id(sample),
        }
    }

    /// Shape of a sample; `1 x 1 x n` for vectors of n numbers.
    pub fn shape(&self) -> ImageShape {
        match self {
            Self::Images(set) => set.shape(),
            Self::Vectors(set) => set.shape(),
        }
    }

    /// What a sample is, for messages: `images` or `vectors`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Images(_) => "images",
            Self::Vectors(_) => "vectors",
        }
    }

    /// The images, if it is a set of images.
    pub fn images(&self) -> Option<&ImageSet> {
        match self {
            Self::Images(set) => Some(set),
            Self::Vectors(_) => None,
        }
    }

    /// Whether the data says itself what is test, or what belongs together. If not, the parts were drawn, and nothing of a class that is
    /// not trained on has been seen, whatever its part.
    pub fn parts_are_given(&self) -> bool {
        match self {
            Self::Images(set) => set.parts_are_given(),
            Self::Vectors(set) => set.parts_are_given(),
        }
    }

    /// Files that were left out; none for vectors, of which each must be sound.
    pub fn bad(&self) -> &[BadImage] {
        self.images().map_or(&[], ImageSet::bad)
    }

    /// What brings `samples` to a size that networks train well with: mean and deviation of each channel of images, the root mean
    /// square of vectors.
    ///
    /// # Errors
    /// As [`ImageSet::mean_and_deviation`] and [`VectorSet::scale`].
    pub fn normalisation(&self, samples: &[u32]) -> Result<Normalisation> {
        match self {
            Self::Images(set) => set.mean_and_deviation(samples),
            Self::Vectors(set) => set.scale(samples),
        }
    }

    /// Normalised samples, `[samples, channels, height, width]`, without augmentation.
    ///
    /// # Errors
    /// As [`Normalisation::validate`], [`ImageSet::read`] and [`VectorSet::read_into`].
    pub fn read_batch(&self, samples: &[u32], normalisation: &Normalisation) -> Result<Vec<f32>> {
        self.reader(normalisation)?.read_all(samples)
    }

    /// A way to read samples with one normalisation.
    pub(crate) fn reader(&self, normalisation: &Normalisation) -> Result<Reader> {
        normalisation.validate(self.shape().channels)?;
        let tables = match self {
            Self::Images(_) => normalisation.tables(),
            Self::Vectors(_) => Vec::new(),
        };
        Ok(Reader { set: self.clone(), tables, normalisation: normalisation.clone() })
    }
}

/// Reads normalised samples.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) set: SampleSet,
    normalisation: Normalisation,
    /// The number that each byte becomes, a table a channel; none for vectors.
    tables: Vec<[f32; 256]>,
}

/// Chance that varies a training image: what is done, seed, epoch and place in it.
pub(crate) type Variation<'a> = (&'a Augment, u64, u64, u64);

impl Reader {
    /// A sample into `out`, which has the length of one; images are varied first. `bytes` is room to work in.
    pub(crate) fn read(
        &self,
        sample: usize,
        variation: Option<Variation<'_>>,
        bytes: &mut Vec<u8>,
        out: &mut [f32],
    ) -> Result<()> {
        match &self.set {
            SampleSet::Images(set) => {
                bytes.resize(set.shape().values(), 0);
                set.read_into(sample, bytes)?;
                if let Some((augment, seed, epoch, place)) = variation {
                    augment.apply_valid(bytes, set.shape(), seed, epoch, place);
                }
                apply_tables(&self.tables, bytes, out);
            }
            SampleSet::Vectors(set) => {
                set.read_with(sample, bytes, out)?;
                self.normalisation.apply_to_numbers(out);
            }
        }
        Ok(())
    }

    /// Several samples, one after another, none varied.
    pub(crate) fn read_all(&self, samples: &[u32]) -> Result<Vec<f32>> {
        let values = self.set.shape().values();
        let (mut bytes, mut out) = (Vec::new(), vec![0.0; samples.len() * values]);
        for (sample, out) in samples.iter().zip(out.chunks_exact_mut(values)) {
            self.read(*sample as usize, None, &mut bytes, out)?;
        }
        Ok(out)
    }
}

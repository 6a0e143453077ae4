//! Reads normalised samples: images are decoded and optionally augmented, vectors are scaled.

use crate::Result;
use crate::batches::augment::Augment;
use crate::normalise::{Normalisation, apply_tables};
use crate::sets::sample_set::SampleSet;

impl SampleSet {
    /// Reads normalised samples, `[samples, channels, height, width]`, without augmentation.
    ///
    /// # Errors
    /// As [`Normalisation::validate`], [`ImageSet::read`](crate::ImageSet::read) and [`VectorSet::read_into`](crate::VectorSet::read_into).
    pub fn read_batch(&self, samples: &[u32], normalisation: &Normalisation) -> Result<Vec<f32>> {
        self.reader(normalisation)?.read_all(samples)
    }

    /// A reader with this normalisation.
    pub(crate) fn reader(&self, normalisation: &Normalisation) -> Result<SampleReader> {
        normalisation.validate(self.shape().channels)?;
        let tables = match self {
            Self::Images(_) => normalisation.tables(),
            Self::Vectors(_) => Vec::new(),
        };
        Ok(SampleReader { set: self.clone(), tables, normalisation: normalisation.clone() })
    }
}

/// Reads normalised samples.
#[derive(Debug)]
pub(crate) struct SampleReader {
    pub(crate) set: SampleSet,
    normalisation: Normalisation,
    /// The normalised value of each byte, one table per channel; empty for vectors.
    tables: Vec<[f32; 256]>,
}

/// The random variation of a training image: augmentations, seed, epoch and position in the epoch.
pub(crate) type Variation<'a> = (&'a Augment, u64, u64, u64);

impl SampleReader {
    /// Reads a sample into `out`, which has its length. Images are augmented first. `bytes` is a working buffer.
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
                self.normalisation.apply_to_vectors(out);
            }
        }
        Ok(())
    }

    /// Reads several samples without augmentation.
    pub(crate) fn read_all(&self, samples: &[u32]) -> Result<Vec<f32>> {
        let values = self.set.shape().values();
        let (mut bytes, mut out) = (Vec::new(), vec![0.0; samples.len() * values]);
        for (sample, out) in samples.iter().zip(out.chunks_exact_mut(values)) {
            self.read(*sample as usize, None, &mut bytes, out)?;
        }
        Ok(out)
    }
}

//! A set of labelled images of one shape, from any source.
//!
//! The images of IDX files, such as the embedded set, are one block of memory. All other images are decoded when the set is opened, to find
//! bad ones before hours of training. Their pixels stay in memory if all of them fit.

mod emoji;
mod from_memory;
mod open;
mod options;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::decode::{self, Target};
use crate::digest::digest;
use crate::normalise::Normalisation;
use crate::parallel::map_positions;
use crate::part::PartsFrom;
use crate::place::ImagePlace;
use crate::{BadImage, Catalogue, Error, ImageShape, Labelled, Part, Preprocessing, Result};

pub use options::OpenOptions;

/// Where the pixels are.
#[derive(Debug)]
enum PixelStore {
    /// One block, image after image.
    Block(Vec<u8>),
    /// One decoded image per file.
    Decoded(Vec<Box<[u8]>>),
    /// In the files; decoded at each read.
    Files,
    /// Made by a function at each read.
    Made(Made),
}

/// A function that makes images.
struct Made {
    make: Arc<dyn Fn(usize) -> Result<Vec<u8>> + Send + Sync>,
    /// Which of its images each sample is.
    order: Vec<usize>,
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("images", &self.order.len()).finish_non_exhaustive()
    }
}

/// Labelled images as bytes, `[channels, height, width]` each.
///
/// Samples are numbered from 0, training samples first. There are at least two classes, each with at least one sample. If held-out samples
/// are drawn, the only sample of a class is never one of them.
#[derive(Debug)]
pub struct ImageSet {
    catalogue: Catalogue,
    shape: ImageShape,
    /// How its files are read; `None` for IDX files and images in memory, which have 8-bit pixels already.
    preprocessing: Option<Preprocessing>,
    /// File name endings of the samples, in lower case, with how many have each.
    endings: BTreeMap<String, usize>,
    store: PixelStore,
    parts_from: PartsFrom,
    /// Name and place of each sample, and the shards that the places refer to; empty for IDX files.
    files: Vec<(String, ImagePlace)>,
    /// Digest of each sample's file, or of the image that a function makes; empty for IDX files and images in memory.
    digests: Vec<u64>,
    shards: Vec<PathBuf>,
    bad: Vec<BadImage>,
    /// The names of images that were listed but cannot be decoded, with their positions in `bad`.
    undecoded: HashMap<String, usize>,
    ignored: usize,
}

impl Labelled for ImageSet {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

impl ImageSet {
    /// Whether the data itself marks parts or groups.
    ///
    /// If not, parts were drawn, and every sample of an unseen class can be used for evaluation, regardless of its part.
    pub fn parts_are_given(&self) -> bool {
        self.parts_from != PartsFrom::Drawing
    }

    /// Whether the data marks which images are for training and which are held out. Groups are not such marks.
    pub fn parts_are_marked(&self) -> bool {
        self.parts_from == PartsFrom::Marks
    }

    /// Shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// How the pixels of its files become 8-bit colours; `None` for IDX files and images in memory, which have 8-bit pixels already.
    pub fn preprocessing(&self) -> Option<Preprocessing> {
        self.preprocessing
    }

    /// File name endings of the samples, in lower case and with the dot, with how many have each; empty for IDX files and images in memory.
    pub fn endings(&self) -> &BTreeMap<String, usize> {
        &self.endings
    }

    /// The samples of a part, in ascending order.
    pub fn samples(&self, part: Part) -> Vec<u32> {
        (0..self.len()).filter(|sample| self.part(*sample) == part).map(|sample| sample as u32).collect()
    }

    /// Unique name of a sample: its path in the data folder or the manifest, shard and key, or part and position in the IDX file, as in
    /// `test/123`. For an index beyond the end it is `no sample N`.
    pub fn sample_id(&self, sample: usize) -> String {
        if let Some((id, _)) = self.files.get(sample) {
            return id.clone();
        }
        let parts = &self.catalogue.parts;
        let train = parts.partition_point(|part| *part == Part::Train);
        match parts.get(sample) {
            Some(Part::Train) => format!("train/{sample}"),
            Some(part) => format!("{}/{}", part.name(), sample - train),
            None => format!("no sample {sample}"),
        }
    }

    /// A digest of a sample's file, or of its pixels for IDX files and images in memory; see [`SampleSet::digest`](crate::SampleSet::digest).
    ///
    /// # Panics
    /// If `sample` is not less than [`len`](Labelled::len).
    pub fn digest(&self, sample: usize) -> u64 {
        match &self.store {
            PixelStore::Block(block) => digest(&block[sample * self.shape.values()..][..self.shape.values()]),
            PixelStore::Decoded(_) | PixelStore::Files | PixelStore::Made(_) => self.digests[sample],
        }
    }

    /// Why the image with this name cannot be used; `None` if it can, or if there is none.
    pub fn reason_left_out(&self, id: &str) -> Option<&str> {
        self.undecoded.get(id).map(|at| self.bad[*at].reason.as_str())
    }

    /// Image files that cannot be used and were left out, in order.
    pub fn bad(&self) -> &[BadImage] {
        &self.bad
    }

    /// Number of files and folders in an image folder that are neither images nor classes.
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Whether all samples are in memory, so that reading needs no file access and no work.
    pub fn is_in_memory(&self) -> bool {
        !matches!(self.store, PixelStore::Files | PixelStore::Made(_))
    }

    /// The bytes of a sample, `[channels, height, width]`.
    ///
    /// # Errors
    /// [`Error::NoSuchSample`]; [`Error::BadImage`] if its file can no longer be decoded.
    pub fn read(&self, sample: usize) -> Result<Vec<u8>> {
        let mut pixels = vec![0; self.shape.values()];
        self.read_into(sample, &mut pixels)?;
        Ok(pixels)
    }

    /// As [`read`](Self::read), but writes into `pixels`.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`Error::Length`] if `pixels` does not have the length of an image.
    pub fn read_into(&self, sample: usize, pixels: &mut [u8]) -> Result<()> {
        let values = self.shape.values();
        if pixels.len() != values {
            let found = pixels.len();
            return Err(Error::Length { what: "values of an image", found, expected: values });
        }
        if sample >= self.len() {
            return Err(Error::NoSuchSample { sample, count: self.len() });
        }
        match &self.store {
            PixelStore::Block(block) => pixels.copy_from_slice(&block[sample * values..][..values]),
            PixelStore::Decoded(images) => pixels.copy_from_slice(&images[sample]),
            PixelStore::Made(Made { make, order }) => pixels.copy_from_slice(&make(order[sample])?),
            PixelStore::Files => {
                let (_, place) = &self.files[sample];
                let preprocessing = self.preprocessing.unwrap_or_default();
                let target = Target { shape: self.shape, preprocessing };
                let decoded = place
                    .read(&self.shards)
                    .and_then(|bytes| decode::decode_bytes(&bytes, &target))
                    .map_err(|reason| Error::BadImage { path: place.path(&self.shards), reason })?;
                pixels.copy_from_slice(&decoded);
            }
        }
        Ok(())
    }

    /// Mean and standard deviation per channel over `samples`, for values scaled to 0..1.
    ///
    /// Computed from integer counts, so the result is the same to the bit in any order and with any number of threads.
    ///
    /// # Errors
    /// [`Error::NoSamples`], and as [`read`](Self::read).
    pub fn mean_and_deviation(&self, samples: &[u32]) -> Result<Normalisation> {
        if samples.is_empty() {
            return Err(Error::NoSamples { purpose: "take the mean of" });
        }
        let count = |samples: &[u32]| {
            let mut counts = vec![[0u64; 256]; self.shape.channels];
            let mut pixels = vec![0; self.shape.values()];
            for sample in samples {
                self.read_into(*sample as usize, &mut pixels)?;
                for (counts, plane) in counts.iter_mut().zip(pixels.chunks_exact(self.shape.plane())) {
                    for value in plane {
                        counts[usize::from(*value)] += 1;
                    }
                }
            }
            Ok::<_, Error>(counts)
        };
        let groups: Vec<&[u32]> = samples.chunks(64).collect();
        let mut total = vec![[0u64; 256]; self.shape.channels];
        for counts in map_positions(0, groups.len(), |group| count(groups[group])) {
            for (total, counts) in total.iter_mut().flatten().zip(counts?.into_iter().flatten()) {
                *total += counts;
            }
        }
        Ok(Normalisation::from_counts(&total))
    }

    /// Rejects sets with a single class.
    fn checked(self, path: &Path) -> Result<Self> {
        match self.class_names() {
            [class] => {
                let class = class.clone();
                Err(Error::OnlyOneClass { path: path.to_path_buf(), class, advice: "" })
            }
            _ => Ok(self),
        }
    }

    /// The set in an [`Arc`], as the loader requires.
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

#[cfg(test)]
mod bad_files;
#[cfg(test)]
mod tests;

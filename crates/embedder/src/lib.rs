//! A trained model in use: images, or ready-made vectors, to embeddings of length one.
//!
//! ```no_run
//! use widemargin_embedder::Model;
//!
//! let model = Model::load("runs/fashion")?;
//! let embeddings = model.embed(&["a.png", "b.png"])?;
//! let similarity = model.compare("a.png", "b.png")?;
//! # Ok::<(), widemargin_embedder::Error>(())
//! ```
//!
//! A model is one safetensors file, `model.safetensors`, which a training run leaves in its folder: the backbone's numbers by
//! name, and in its metadata what must be known beside them ([`Description`]).
#![forbid(unsafe_code)]

mod error;
mod file;
#[cfg(test)]
mod tests;

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use widemargin_data::{ImageShape, Normalisation, SampleSet, evaluation_batches, read_image};
use widemargin_model::parameters::{self, Parameter};
use widemargin_model::steps::Step;
use widemargin_model::{Backbone, BackboneConfig, Pass};
use widemargin_objective::normalise;

pub use error::Error;
pub use file::MODEL_FILE;

/// What this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Images that are in memory at a time.
const BATCH: usize = 64;

/// Vectors that go through the backbone at a time.
const VECTORS: usize = 1024;

/// Samples of a set that go through the backbone at a time.
const SAMPLES: usize = 256;

/// What a model makes embeddings of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Takes {
    /// Images, as files or bytes.
    #[default]
    Images,
    /// Ready-made embeddings, as rows of numbers.
    Vectors,
}

impl Takes {
    /// Images are what is not said.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
    fn is_images(&self) -> bool {
        *self == Self::Images
    }
}

/// What must be known of a model beside its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The backbone, and the shape of the images that it takes.
    pub backbone: BackboneConfig,
    /// Whether it takes images or vectors.
    #[serde(default, skip_serializing_if = "Takes::is_images")]
    pub takes: Takes,
    /// What is done to the bytes of an image, or the numbers of a vector, as in training.
    pub normalisation: Normalisation,
    /// What it was trained by, in words.
    pub objective: String,
}

impl Description {
    /// The shape that images are brought to.
    pub fn shape(&self) -> ImageShape {
        self.backbone.input
    }
}

/// A backbone with its numbers and its preprocessing.
#[derive(Debug)]
pub struct Model {
    description: Description,
    backbone: Backbone,
    device: Device,
    fingerprint: Option<Fingerprint>,
}

/// What tells one model's file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its length.
    pub bytes: usize,
    /// Its CRC-32.
    pub checksum: u32,
}

impl Model {
    /// A model of a backbone's numbers, to be used on the processor.
    ///
    /// # Errors
    /// [`Error::Model`] for numbers that do not fit the backbone, [`Error::Data`] for a normalisation that does not fit its
    /// images.
    pub fn new(description: Description, numbers: &[Parameter]) -> Result<Self> {
        description.normalisation.validate(description.backbone.input.channels)?;
        let device = widemargin_model::device::by_name("cpu")?;
        let backbone = Backbone::empty(&description.backbone, &device)?;
        let backbone = parameters::with_parameters(backbone, numbers)?;
        Ok(Self { description, backbone, device, fingerprint: None })
    }

    /// A model of a backbone that already has its weights, used on the backbone's device.
    ///
    /// # Errors
    /// [`Error::Data`] for a normalisation that does not fit the backbone's input.
    pub fn from_backbone(description: Description, backbone: Backbone, device: Device) -> Result<Self> {
        description.normalisation.validate(description.backbone.input.channels)?;
        Ok(Self { description, backbone, device, fingerprint: None })
    }

    /// What the model takes and how it was trained.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// That of the file that it was loaded from.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// What the backbone does with normalised samples, step by step with all numbers; see [`Backbone::steps`].
    pub fn steps(&self) -> Vec<Step> {
        self.backbone.steps()
    }

    /// Numbers in an embedding.
    pub fn dim(&self) -> usize {
        self.description.backbone.embedding
    }

    /// Embeddings of image files, `[images, dim]`, row-major, each of length one.
    ///
    /// PNG, JPEG and WebP of any size are read as for training: turned as their metadata says, stretched to the model's shape,
    /// grey or colour as it wants them.
    ///
    /// # Errors
    /// [`Error::Takes`] for a model of vectors; [`Error::Data`] naming the file that cannot be read as an image; [`Error::NoDirection`] for an image whose embedding is
    /// zero or not finite.
    pub fn embed(&self, images: &[impl AsRef<Path> + Sync]) -> Result<Vec<f32>> {
        self.require(Takes::Images)?;
        let shape = self.description.shape();
        let mut embeddings = Vec::with_capacity(images.len() * self.dim());
        for images in images.chunks(BATCH) {
            let pixels = images.par_iter().map(|image| Ok(read_image(image, shape)?));
            let pixels: Vec<Vec<u8>> = pixels.collect::<Result<_>>()?;
            let name = |at: usize| images[at].as_ref().display().to_string();
            embeddings.extend(self.embed_named(&pixels.concat(), name)?);
        }
        Ok(embeddings)
    }

    /// Embeddings of images that are in memory: bytes, `[images, channels, height, width]`.
    ///
    /// # Errors
    /// [`Error::Pixels`] if that is not a whole number of images; [`Error::NoDirection`] with the image's place, from 0.
    pub fn embed_pixels(&self, pixels: &[u8]) -> Result<Vec<f32>> {
        self.require(Takes::Images)?;
        let shape = self.description.shape();
        if !pixels.len().is_multiple_of(shape.values()) {
            return Err(Error::Pixels { found: pixels.len(), shape });
        }
        self.embed_named(pixels, |at| at.to_string())
    }

    /// Embeddings of vectors such as the model was trained on: `[rows, numbers]`, row-major, as they are in a table.
    ///
    /// # Errors
    /// [`Error::Takes`] for a model of images; [`Error::Numbers`] if that is not a whole number of rows; [`Error::NoDirection`] with
    /// the row's place, from 0.
    pub fn embed_vectors(&self, numbers: &[f32]) -> Result<Vec<f32>> {
        self.require(Takes::Vectors)?;
        let dim = self.description.shape().values();
        if !numbers.len().is_multiple_of(dim) {
            return Err(Error::Numbers { found: numbers.len(), dim });
        }
        let mut embeddings = Vec::with_capacity(numbers.len() / dim * self.dim());
        for rows in numbers.chunks(VECTORS * dim) {
            let mut rows = rows.to_vec();
            self.description.normalisation.apply_to_vectors(&mut rows);
            embeddings.extend(self.forward(rows));
        }
        self.directions(embeddings, |at| format!("row {at}"))
    }

    /// Embeddings of samples of a set, `[samples, dim]`, row-major, each of length one. `samples` are positions in the set.
    ///
    /// # Errors
    /// [`Error::Takes`] for images where the model takes vectors, or the reverse; [`Error::InputShape`] for samples of another shape
    /// than the model was trained on; [`Error::Data`] for a sample that cannot be read; [`Error::NoDirection`] with the sample's id.
    pub fn embed_samples(&self, set: &SampleSet, samples: &[u32]) -> Result<Vec<f32>> {
        self.require(match set {
            SampleSet::Images(_) => Takes::Images,
            SampleSet::Vectors(_) => Takes::Vectors,
        })?;
        let (found, expected) = (set.shape(), self.description.shape());
        if found != expected {
            return Err(Error::InputShape { found, expected });
        }
        let mut embeddings = Vec::with_capacity(samples.len() * self.dim());
        for batch in evaluation_batches(set, samples, SAMPLES, &self.description.normalisation)? {
            embeddings.extend(self.forward(batch?.pixels));
        }
        self.directions(embeddings, |at| set.sample_id(samples[at] as usize))
    }

    fn require(&self, expected: Takes) -> Result<()> {
        let takes = self.description.takes;
        if takes == expected { Ok(()) } else { Err(Error::Takes { takes }) }
    }

    /// What the backbone makes of normalised samples.
    fn forward(&self, values: Vec<f32>) -> Vec<f32> {
        let shape = self.description.shape();
        let size = [values.len() / shape.values(), shape.channels, shape.height, shape.width];
        let input = Tensor::from_data(TensorData::new(values, size), &self.device);
        parameters::host_values(self.backbone.forward(input, Pass::Inference))
    }

    /// Embeddings with length one; `name` says what a sample is called.
    fn directions(&self, mut embeddings: Vec<f32>, name: impl Fn(usize) -> String) -> Result<Vec<f32>> {
        for (sample, embedding) in embeddings.chunks_mut(self.dim()).enumerate() {
            let length = normalise(embedding);
            let finite = length.is_finite() && embedding.iter().all(|value| value.is_finite());
            if !(finite && embedding.iter().any(|value| *value != 0.0)) {
                return Err(Error::NoDirection { sample: name(sample) });
            }
        }
        Ok(embeddings)
    }

    /// Whole images; `name` says what one is called.
    fn embed_named(&self, pixels: &[u8], name: impl Fn(usize) -> String) -> Result<Vec<f32>> {
        let shape = self.description.shape();
        let mut embeddings = Vec::with_capacity(pixels.len() / shape.values() * self.dim());
        for pixels in pixels.chunks(BATCH * shape.values()) {
            let mut values = vec![0.0; pixels.len()];
            let images = pixels.chunks(shape.values()).zip(values.chunks_mut(shape.values()));
            for (pixels, values) in images {
                self.description.normalisation.apply(pixels, shape, values)?;
            }
            embeddings.extend(self.forward(values));
        }
        self.directions(embeddings, name)
    }

    /// Cosine of the embeddings of two images, -1 to 1.
    ///
    /// # Errors
    /// As [`Model::embed`].
    pub fn compare(&self, a: impl AsRef<Path>, b: impl AsRef<Path>) -> Result<f32> {
        let embeddings = self.embed(&[a.as_ref(), b.as_ref()])?;
        let (a, b) = embeddings.split_at(self.dim());
        Ok(widemargin_objective::dot(a, b) as f32)
    }
}

//! A trained model: from images or vectors to embeddings of length one.

use std::path::Path;
use std::sync::OnceLock;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use widemargin_data::{
    ImageProperties, ImageSet, PixelFacts, SampleSet, evaluation_batches, read_image_with_properties,
};
use widemargin_model::parameters::{self, Parameter};
use widemargin_model::steps::Step;
use widemargin_model::{Backbone, Inference, Pass, ProductPrecision};
use widemargin_objective::normalise;
use widemargin_tables::{OpenTable, unsorted_columns};

use crate::description::{Description, Takes};
use crate::error::{Error, Result};

/// Images per batch.
pub(crate) const BATCH: usize = 64;

/// Vectors per batch.
const VECTORS: usize = 1024;

/// Samples of a set per batch.
const SAMPLES: usize = 256;

/// A trained backbone with its preprocessing.
#[derive(Debug)]
pub struct Model {
    description: Description,
    backbone: Backbone,
    device: Device,
    /// The backbone for the CPU, made at the first use there.
    inference: OnceLock<Inference>,
    products: ProductPrecision,
    /// Whether an embedding is the sum of those of the image and its mirror image.
    flips: bool,
    fingerprint: Option<Fingerprint>,
}

/// Identifies a model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Length of the file in bytes.
    pub bytes: usize,
    /// CRC-32 of the file.
    pub checksum: u32,
}

impl Model {
    /// Builds a model from a backbone's weights. It runs on the CPU.
    ///
    /// # Errors
    /// [`Error::Model`] for weights that do not fit the backbone, [`Error::Data`] for a normalisation that does not fit the input.
    pub fn new(description: Description, weights: &[Parameter]) -> Result<Self> {
        description.check_normalisation()?;
        let device = widemargin_model::device::by_name("cpu")?;
        let backbone = Backbone::empty(&description.backbone, &device)?;
        let backbone = parameters::with_parameters(backbone, weights)?;
        Ok(Self::of(description, backbone, device))
    }

    fn of(description: Description, backbone: Backbone, device: Device) -> Self {
        let (inference, products) = (OnceLock::new(), ProductPrecision::F32);
        Self { description, backbone, device, inference, products, flips: false, fingerprint: None }
    }

    pub(crate) fn with_fingerprint(self, fingerprint: Fingerprint) -> Self {
        Self { fingerprint: Some(fingerprint), ..self }
    }

    /// A model of a backbone that already has its weights, used on the backbone's device.
    ///
    /// # Errors
    /// [`Error::Data`] for a normalisation that does not fit the backbone's input.
    pub fn from_backbone(description: Description, backbone: Backbone, device: Device) -> Result<Self> {
        description.check_normalisation()?;
        Ok(Self::of(description, backbone, device))
    }

    /// The same model with products of bfloat16 factors on the CPU, or of f32 again. Sums, normalisation and the rest stay f32. The cosine of
    /// an embedding with its f32 version is about 0.9999.
    #[must_use]
    pub fn with_products(self, products: ProductPrecision) -> Self {
        Self { products, inference: OnceLock::new(), ..self }
    }

    /// The same model with flip averaging: the embedding of an image is the direction of the sum of its embedding and that of its mirror image (left
    /// and right exchanged), both as the backbone computes them. Takes twice as long.
    ///
    /// # Errors
    /// [`Error::FlipOfVectors`] for a model of vectors.
    pub fn with_flip(self) -> Result<Self> {
        if self.description.takes == Takes::Vectors {
            return Err(Error::FlipOfVectors);
        }
        Ok(Self { flips: true, ..self })
    }

    /// Whether it averages over an image and its mirror image; see [`Model::with_flip`].
    pub fn flips(&self) -> bool {
        self.flips
    }

    /// The input of the model and how it was trained.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The fingerprint of the file it was loaded from; `None` for a model that was not loaded from a file.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// The steps of the backbone with their weights; see [`Backbone::steps`].
    pub fn steps(&self) -> Vec<Step> {
        self.backbone.steps()
    }

    /// Dimension of the embeddings.
    pub fn dim(&self) -> usize {
        self.description.backbone.embedding
    }

    /// Embeddings of image files, `[images, dim]`, row-major, each of length one.
    ///
    /// Files of any format and size that training reads are read as in training: rotated by their EXIF data, blended with the model's background,
    /// resized to its shape, and converted to its colours.
    ///
    /// # Errors
    /// [`Error::Takes`] for a model of vectors; [`Error::Data`] for a file that cannot be read as an image;
    /// [`Error::NoDirection`] for an image whose embedding is zero or not finite.
    pub fn embed(&self, images: &[impl AsRef<Path> + Sync]) -> Result<Vec<f32>> {
        self.embed_with_facts(images, &mut PixelFacts::new(self.description.preprocessing()))
    }

    /// As [`embed`](Self::embed). Adds what a user should know about the pixels of the files to `facts`.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub fn embed_with_facts(
        &self,
        images: &[impl AsRef<Path> + Sync],
        facts: &mut PixelFacts,
    ) -> Result<Vec<f32>> {
        self.require(Takes::Images)?;
        let (shape, preprocessing) = (self.description.shape(), self.description.preprocessing());
        let mut embeddings = Vec::with_capacity(images.len() * self.dim());
        for images in images.chunks(BATCH) {
            let read =
                images.par_iter().map(|image| Ok(read_image_with_properties(image, shape, &preprocessing)?));
            let read: Vec<(Vec<u8>, ImageProperties)> = read.collect::<Result<_>>()?;
            let name = |at: usize| images[at].as_ref().display().to_string();
            let mut pixels = Vec::with_capacity(read.len() * shape.values());
            for (at, (image, properties)) in read.into_iter().enumerate() {
                pixels.extend(image);
                facts.add(&name(at), &properties);
            }
            embeddings.extend(self.embed_named(&pixels, name)?);
        }
        Ok(embeddings)
    }

    /// Embeddings of images in memory: bytes, `[images, channels, height, width]`.
    ///
    /// # Errors
    /// [`Error::Takes`] for a model of vectors; [`Error::Pixels`] unless the bytes are a whole number of images;
    /// [`Error::NoDirection`] with the position of the image, from 0.
    pub fn embed_pixels(&self, pixels: &[u8]) -> Result<Vec<f32>> {
        self.require(Takes::Images)?;
        let shape = self.description.shape();
        if !pixels.len().is_multiple_of(shape.values()) {
            return Err(Error::Pixels { found: pixels.len(), shape });
        }
        self.embed_named(pixels, |at| at.to_string())
    }

    /// Embeddings of vectors such as the model was trained on: `[rows, dimension]`, row-major, without normalisation.
    ///
    /// # Errors
    /// [`Error::Takes`] for a model of images; [`Error::Vectors`] unless the values are a whole number of vectors;
    /// [`Error::ZeroVector`] and [`Error::NoDirection`] with the row, from 0.
    pub fn embed_vectors(&self, values: &[f32]) -> Result<Vec<f32>> {
        self.require(Takes::Vectors)?;
        let dim = self.description.shape().values();
        if !values.len().is_multiple_of(dim) {
            return Err(Error::Vectors { found: values.len(), dim });
        }
        if let Some(row) = values.chunks(dim).position(|row| row.iter().all(|value| *value == 0.0)) {
            return Err(Error::ZeroVector { row });
        }
        let mut embeddings = Vec::with_capacity(values.len() / dim * self.dim());
        for rows in values.chunks(VECTORS * dim) {
            let mut rows = rows.to_vec();
            self.description.normalisation.apply_to_vectors(&mut rows);
            embeddings.extend(self.forward(rows));
        }
        self.directions(embeddings, |at| format!("row {at}"))
    }

    /// Puts the columns of a table of vectors into the order in which the model was trained on them. A table or model without names of columns is
    /// not changed; the table gets a note if the names of the other are not in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::Takes`] for a model of images; [`Error::Table`] if the names are not those of the model, or the dimension differs.
    pub fn match_columns(&self, table: &mut OpenTable) -> Result<()> {
        self.require(Takes::Vectors)?;
        if let Some(expected) = &self.description.columns {
            table.match_columns(expected, "the model")?;
        }
        let found = (table.columns.as_deref(), &table.rows.path().display() as &dyn std::fmt::Display);
        let note = unsorted_columns((self.description.columns.as_deref(), &"the model"), found);
        table.notes.extend(note);
        Ok(())
    }

    /// Embeddings of samples of a set, `[samples, dim]`, row-major, each of length one. `samples` are positions in the set.
    ///
    /// # Errors
    /// [`Error::Takes`] for images where the model takes vectors, or the reverse; [`Error::Columns`], [`Error::InputShape`] and
    /// [`Error::Preprocessing`] for samples of other columns, of a different shape, or read in a different way, than those that the model was trained on; [`Error::Data`] for a sample that cannot be read; [`Error::NoDirection`] with the sample's id.
    pub fn embed_samples(&self, set: &SampleSet, samples: &[u32]) -> Result<Vec<f32>> {
        self.require(match set {
            SampleSet::Images(_) => Takes::Images,
            SampleSet::Vectors(_) => Takes::Vectors,
        })?;
        if let (Some(found), Some(expected)) = (set.columns(), &self.description.columns)
            && found != expected
        {
            return Err(Error::Columns { found: found.to_vec(), expected: expected.clone() });
        }
        let (found, expected) = (set.shape(), self.description.shape());
        if found != expected {
            return Err(Error::InputShape { found, expected });
        }
        let read = set.images().and_then(ImageSet::preprocessing);
        if let Some(found) = read.filter(|found| *found != self.description.preprocessing()) {
            return Err(Error::Preprocessing { found, expected: self.description.preprocessing() });
        }
        let mut embeddings = Vec::with_capacity(samples.len() * self.dim());
        for batch in evaluation_batches(set, samples, SAMPLES, &self.description.normalisation)? {
            embeddings.extend(self.outputs(batch?.pixels));
        }
        self.directions(embeddings, |at| set.sample_id(samples[at] as usize))
    }

    fn require(&self, expected: Takes) -> Result<()> {
        let takes = self.description.takes;
        if takes == expected { Ok(()) } else { Err(Error::Takes { takes }) }
    }

    /// The embeddings of normalised samples before they are scaled to length one.
    fn outputs(&self, values: Vec<f32>) -> Vec<f32> {
        if !self.flips {
            return self.forward(values);
        }
        let mut mirrored = values.clone();
        mirrored.chunks_mut(self.description.shape().width).for_each(<[f32]>::reverse);
        let mut sums = self.forward(values);
        sums.iter_mut().zip(self.forward(mirrored)).for_each(|(sum, value)| *sum += value);
        sums
    }

    /// The output of the backbone for normalised samples.
    fn forward(&self, values: Vec<f32>) -> Vec<f32> {
        let shape = self.description.shape();
        if self.device == Device::flex() {
            let inference = self.inference.get_or_init(|| Inference::new(&self.backbone, self.products));
            return inference.forward(values, [shape.channels, shape.height, shape.width]);
        }
        let size = [values.len() / shape.values(), shape.channels, shape.height, shape.width];
        let input = Tensor::from_data(TensorData::new(values, size), &self.device);
        parameters::host_values(self.backbone.forward(input, Pass::Inference))
    }

    /// Scales embeddings to length one; `name` gives the name of a sample for errors.
    fn directions(&self, mut embeddings: Vec<f32>, name: impl Fn(usize) -> String) -> Result<Vec<f32>> {
        for (sample, embedding) in embeddings.chunks_mut(self.dim()).enumerate() {
            let length = normalise(embedding);
            let finite = length.is_finite() && embedding.iter().all(|value| value.is_finite());
            // 0 stands for a norm below the floor of `normalise`, whose direction is rounding error.
            if !finite || length == 0.0 {
                return Err(Error::NoDirection { sample: name(sample) });
            }
        }
        Ok(embeddings)
    }

    /// Embeddings of a whole number of images; `name` gives the name of an image for errors.
    fn embed_named(&self, pixels: &[u8], name: impl Fn(usize) -> String) -> Result<Vec<f32>> {
        let shape = self.description.shape();
        let mut embeddings = Vec::with_capacity(pixels.len() / shape.values() * self.dim());
        for pixels in pixels.chunks(BATCH * shape.values()) {
            let mut values = vec![0.0; pixels.len()];
            let images = pixels.chunks(shape.values()).zip(values.chunks_mut(shape.values()));
            for (pixels, values) in images {
                self.description.normalisation.apply(pixels, shape, values)?;
            }
            embeddings.extend(self.outputs(values));
        }
        self.directions(embeddings, name)
    }

    /// The cosine of the embeddings of two images, in [-1, 1].
    ///
    /// # Errors
    /// As [`Model::embed`].
    pub fn compare(&self, a: impl AsRef<Path>, b: impl AsRef<Path>) -> Result<f32> {
        let embeddings = self.embed(&[a.as_ref(), b.as_ref()])?;
        let (a, b) = embeddings.split_at(self.dim());
        Ok(widemargin_objective::dot(a, b) as f32)
    }
}

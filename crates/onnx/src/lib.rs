//! A trained model as an [ONNX](https://onnx.ai) file, which other runtimes and languages run without this program.
//!
//! The graph holds everything between the bytes of an image and an embedding of length one: normalisation, backbone, division by the
//! length. What is left to the user, decoding and resizing, is written down in the file's metadata ([`Metadata`]). The steps come from the
//! same description of the network that training runs by ([`widemargin_model::Backbone::steps`]).
//!
//! ```no_run
//! use widemargin_embedder::Model;
//!
//! let model = Model::load("runs/fashion")?;
//! widemargin_onnx::write("fashion.onnx", &model, None)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The messages are encoded by `prost`: it is what the Rust world encodes protobuf with, and a dozen annotated structs are all that it
//! needs here (`messages.rs`).
#![forbid(unsafe_code)]

mod graph;
mod messages;

use std::path::Path;

use prost::Message;
use serde::{Deserialize, Serialize};
use widemargin_embedder::{Model, Takes};

/// The key of the file's metadata whose value is a [`Metadata`] as JSON.
pub const METADATA_KEY: &str = "widemargin";

/// Version of the metadata.
const VERSION: u32 = 1;

/// How the crate `image`, which decodes images for training, makes colours grey: the luminance of sRGB.
const GREY: [f32; 3] = [0.21265, 0.71518, 0.07217];

/// Bytes of a protobuf message at most: what readers take.
const MOST_BYTES: usize = i32::MAX as usize;

/// What can go wrong with an export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model of vectors with a backbone that is for images.
    #[error("the model takes vectors and has the backbone {backbone}; expected mlp, linear or identity")]
    Backbone {
        /// Its name.
        backbone: String,
    },
    /// A file that no reader would take.
    #[error("the model has {found} bytes; an ONNX file has at most {MOST_BYTES}")]
    TooLarge {
        /// How many there are.
        found: usize,
    },
    /// The file could not be written.
    #[error(transparent)]
    Durable(#[from] widemargin_durable::Error),
}

/// What must be known beside the graph, in the file's metadata as JSON under [`METADATA_KEY`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Version of this description: 1.
    pub version: u32,
    /// What the graph takes.
    pub input: Input,
    /// What it gives.
    pub output: Output,
    /// `(x / 255 - mean) / deviation` for images, `(x - mean) / deviation` for vectors: done in the graph, and told for the record.
    pub normalisation: InputNormalisation,
    /// The backbone's name.
    pub backbone: String,
    /// What it was trained by, in words.
    pub objective: String,
    /// How a cosine of two embeddings is to be read, if that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub calibration: Option<Calibration>,
}

/// What a graph takes: `f32`, `[batch, channels, height, width]` of 0 to 255 for images, `[batch, numbers]` for vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "takes", rename_all = "lowercase")]
pub enum Input {
    /// Images.
    Images {
        /// The input's name in the graph.
        name: String,
        /// 1 or 3.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// `grey` or `RGB`.
        colour: String,
        /// For grey: the weights of red, green and blue; their sum is rounded.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        grey: Option<[f32; 3]>,
        /// How images are brought to this size: `stretch`, without regard to their proportions.
        resize: String,
        /// By which filter: `bilinear`, as wide as the pixels it takes together (Pillow's `BILINEAR`).
        filter: String,
        /// What is done first: `exif`, turned as their metadata says.
        orientation: String,
    },
    /// Ready-made embeddings.
    Vectors {
        /// The input's name in the graph.
        name: String,
        /// In a vector.
        numbers: usize,
    },
}

/// What a graph gives: `[batch, numbers]`, each row of length one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The output's name in the graph.
    pub name: String,
    /// In an embedding.
    pub numbers: usize,
    /// `one`: embeddings are divided by their length in the graph, so that their product is the cosine.
    pub length: String,
}

/// One number a channel, or one for all numbers of a vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputNormalisation {
    /// Means.
    pub mean: Vec<f32>,
    /// Deviations.
    pub deviation: Vec<f32>,
}

/// When two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The same from this cosine on.
    pub threshold: f64,
    /// The logarithm of how much likelier a cosine is for two that are the same: `slope * cosine + offset`.
    pub slope: f64,
    /// See `slope`.
    pub offset: f64,
}

/// What is written beside the graph of `model`.
pub fn metadata(model: &Model, calibration: Option<Calibration>) -> Metadata {
    let description = model.description();
    let shape = description.shape();
    let input = match description.takes {
        Takes::Images => Input::Images {
            name: "images".to_owned(),
            channels: shape.channels,
            height: shape.height,
            width: shape.width,
            colour: if shape.channels == 1 { "grey" } else { "RGB" }.to_owned(),
            grey: (shape.channels == 1).then_some(GREY),
            resize: "stretch".to_owned(),
            filter: "bilinear".to_owned(),
            orientation: "exif".to_owned(),
        },
        Takes::Vectors => Input::Vectors { name: "vectors".to_owned(), numbers: shape.values() },
    };
    let output = Output { name: "embeddings".to_owned(), numbers: model.dim(), length: "one".to_owned() };
    let normalisation = InputNormalisation {
        mean: description.normalisation.mean.clone(),
        deviation: description.normalisation.deviation.clone(),
    };
    Metadata {
        version: VERSION,
        input,
        output,
        normalisation,
        backbone: description.backbone.name.to_string(),
        objective: description.objective.clone(),
        calibration,
    }
}

/// The bytes of the ONNX file of `model`; the same model gives the same bytes.
///
/// # Errors
/// [`Error::Backbone`] for a model of vectors whose backbone wants images; [`Error::TooLarge`] for more than 2 GiB.
pub fn encode(model: &Model, calibration: Option<Calibration>) -> Result<Vec<u8>, Error> {
    let description = model.description();
    let backbone = description.backbone.name;
    if description.takes == Takes::Vectors && !backbone.is_flat() {
        return Err(Error::Backbone { backbone: backbone.to_string() });
    }
    let metadata = metadata(model, calibration);
    let (Input::Images { name, .. } | Input::Vectors { name, .. }) = &metadata.input;
    let graph = graph::build(description, &model.steps(), name, &metadata.output.name);
    let value = serde_json::to_string(&metadata).expect("numbers and names always have a JSON form");
    let file = messages::Model {
        ir_version: messages::IR_VERSION,
        producer_name: "widemargin".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![messages::OperatorSet { domain: String::new(), version: messages::OPERATOR_SET }],
        metadata_props: vec![messages::Entry { key: METADATA_KEY.to_owned(), value }],
    };
    let found = file.encoded_len();
    if found > MOST_BYTES {
        return Err(Error::TooLarge { found });
    }
    Ok(file.encode_to_vec())
}

/// Writes the ONNX file of `model`, whole or not at all; gives the number of its bytes.
///
/// # Errors
/// Those of [`encode`], and [`Error::Durable`] if it cannot be written.
pub fn write(
    path: impl AsRef<Path>,
    model: &Model,
    calibration: Option<Calibration>,
) -> Result<usize, Error> {
    let bytes = encode(model, calibration)?;
    widemargin_durable::write_atomic(path, &bytes)?;
    Ok(bytes.len())
}

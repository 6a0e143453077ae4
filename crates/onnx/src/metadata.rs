//! The metadata of an ONNX file: the preprocessing before the graph, and how to read its output.

use serde::{Deserialize, Serialize};
use widemargin_embedder::{Model, Takes};

/// The key of the file's metadata whose value is a [`Metadata`] as JSON.
pub const METADATA_KEY: &str = "widemargin";

/// Version of the metadata.
const VERSION: u32 = 1;

/// How the crate `image` converts colours to grey when it decodes images for training: the luminance of sRGB.
const GREY: [f32; 3] = [0.21265, 0.71518, 0.07217];

/// What a user needs in addition to the graph: stored in the file as JSON under [`METADATA_KEY`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Version of the metadata: 1.
    pub version: u32,
    /// The input of the graph.
    pub input: Input,
    /// The output of the graph.
    pub output: Output,
    /// `(x / 255 - mean) / deviation` for images, `(x - mean) / deviation` for vectors. The graph applies it; this is for
    /// information.
    pub normalisation: InputNormalisation,
    /// The backbone's name.
    pub backbone: String,
    /// The training objective, as text.
    pub objective: String,
    /// From a cosine to a decision, if the model has a calibration.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub calibration: Option<Calibration>,
}

/// The input of a graph, `f32`: `[batch, channels, height, width]` with values from 0 to 255 for images, `[batch, dimension]` for
/// vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "takes", rename_all = "lowercase")]
pub enum Input {
    /// Images.
    Images {
        /// The input's name in the graph.
        name: String,
        /// 1 or 3.
        channels: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// `grey` or `RGB`.
        colour: String,
        /// For grey: the weights of red, green and blue. The weighted sum is rounded.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        grey: Option<[f32; 3]>,
        /// How images are resized: `stretch`, which ignores the aspect ratio; `pad`, with the whole image in the middle of the colour
        /// `background`, white if there is none; or `crop`, of the largest centred part with the aspect ratio of the size.
        resize: String,
        /// The resize filter: `bilinear`, with antialiasing (Pillow's `BILINEAR`).
        filter: String,
        /// The first step: `exif`, rotate images by their EXIF data.
        orientation: String,
        /// The frame of an image with several: `first`.
        frame: String,
        /// The colour that transparent pixels are blended with, as red, green and blue; `None` if transparency is ignored.
        background: Option<[u8; 3]>,
        /// For 16-bit images: the value `2^depth - 1`, and every larger one, becomes 255.
        depth: u8,
    },
    /// Ready-made embeddings.
    Vectors {
        /// The input's name in the graph.
        name: String,
        /// Dimension of the vectors.
        dimension: usize,
        /// Names of the columns of the vectors in the order of the input, if the table of the training had names.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        columns: Option<Vec<String>>,
    },
}

/// The output of a graph: `[batch, dimension]`, each row of length one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The output's name in the graph.
    pub name: String,
    /// Dimension of the embeddings.
    pub dimension: usize,
    /// `one`: the graph divides embeddings by their length, so that their dot product is the cosine.
    pub length: String,
    /// Whether an embedding is averaged over the image and its mirror image, which the graph makes itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flip: bool,
}

/// One value per channel of an image, or one for all dimensions of a vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputNormalisation {
    /// Means.
    pub mean: Vec<f32>,
    /// Standard deviations.
    pub deviation: Vec<f32>,
}

/// From the cosine of two embeddings to a decision and a likelihood ratio.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The lowest cosine accepted as the same class.
    pub threshold: f64,
    /// The log-likelihood ratio of a cosine is `slope * cosine + offset`.
    pub slope: f64,
    /// See `slope`.
    pub offset: f64,
    /// What a user must know about the threshold, such as that it was chosen from few pairs or that the model should not be used, as whole
    /// sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The metadata of the ONNX file of `model`.
pub fn metadata(model: &Model, calibration: Option<Calibration>) -> Metadata {
    let description = model.description();
    let (shape, preprocessing) = (description.shape(), description.preprocessing());
    let input = match description.takes {
        Takes::Images => Input::Images {
            name: "images".to_owned(),
            channels: shape.channels,
            height: shape.height,
            width: shape.width,
            colour: if shape.channels == 1 { "grey" } else { "RGB" }.to_owned(),
            grey: (shape.channels == 1).then_some(GREY),
            resize: preprocessing.resize.to_string(),
            filter: "bilinear".to_owned(),
            orientation: "exif".to_owned(),
            frame: "first".to_owned(),
            background: preprocessing.background.colour(),
            depth: preprocessing.depth,
        },
        Takes::Vectors => Input::Vectors {
            name: "vectors".to_owned(),
            dimension: shape.values(),
            columns: description.columns.clone(),
        },
    };
    let output = Output {
        name: "embeddings".to_owned(),
        dimension: model.dim(),
        length: "one".to_owned(),
        flip: model.flips(),
    };
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

//! Makes a model from insightface's weights, without training.
//!
//! ```sh
//! cargo run --release -p widemargin-embedder --example model_of_weights -- iresnet100 iresnet100.safetensors faces.safetensors
//! widemargin compare --model faces.safetensors a.png b.png --threshold 0.3
//! ```
//!
//! The weights are for faces of 112 x 112 pixels and embeddings of dimension 512. Faces must be cropped and aligned like
//! insightface's.

use widemargin_data::Normalisation;
use widemargin_embedder::{Description, Model, Takes};
use widemargin_model::weights::Weights;
use widemargin_model::{Backbone, BackboneConfig, ImageShape, device, parameters};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, weights, file] = arguments.as_slice() else {
        return Err("expected BACKBONE WEIGHTS.safetensors MODEL.safetensors".into());
    };
    let input = ImageShape { channels: 3, height: 112, width: 112 };
    let backbone =
        BackboneConfig { name: name.parse()?, input, embedding: 512, dropout: 0.0, hidden: Vec::new() };
    let empty = Backbone::empty(&backbone, &device::by_name("cpu")?)?;
    let (trained, left_out) = Weights::read(weights)?.into_backbone(backbone.name, empty)?;
    if let Some(left_out) = left_out {
        return Err(format!("{weights}: {left_out}").into());
    }
    let description = Description {
        backbone,
        takes: Takes::Images,
        normalisation: Normalisation::half(input.channels),
        // How the images of those weights were read: without a blend of transparent pixels.
        preprocessing: None,
        objective: "trained by insightface".to_owned(),
        classes: None,
        trained_samples: None,
        columns: None,
    };
    Model::write(file, &description, &parameters::parameters(&trained))?;
    Ok(())
}

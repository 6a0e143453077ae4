#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod graph;
mod messages;
mod metadata;

use std::path::Path;

use prost::Message;
use widemargin_embedder::{Model, Takes};

use error::MOST_BYTES;
pub use error::{Error, Result};
pub use metadata::{Calibration, Input, InputNormalisation, METADATA_KEY, Metadata, Output, metadata};

/// The ONNX file of `model`, as bytes. The same model gives the same bytes.
///
/// # Errors
/// [`Error::Backbone`] for a model of vectors with a backbone for images; [`Error::TooLarge`] for more than 2 GiB.
pub fn encode(model: &Model, calibration: Option<Calibration>) -> Result<Vec<u8>> {
    let description = model.description();
    let backbone = description.backbone.name;
    if description.takes == Takes::Vectors && !backbone.is_flat() {
        return Err(Error::Backbone { backbone: backbone.to_string() });
    }
    let metadata = metadata(model, calibration);
    let (Input::Images { name, .. } | Input::Vectors { name, .. }) = &metadata.input;
    let graph = graph::build(description, &model.steps(), name, &metadata.output);
    let value = serde_json::to_string(&metadata).expect("numbers and strings can always be written as JSON");
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

/// Writes the ONNX file of `model` atomically and returns its size in bytes.
///
/// # Errors
/// The errors of [`encode`], and [`Error::Durable`] if the file cannot be written.
pub fn write(path: impl AsRef<Path>, model: &Model, calibration: Option<Calibration>) -> Result<usize> {
    let bytes = encode(model, calibration)?;
    widemargin_durable::write_atomic(path, &bytes)?;
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use widemargin_data::Normalisation;
    use widemargin_embedder::Description;
    use widemargin_model::{Backbone, BackboneConfig, BackboneName, ImageShape, device, parameters};

    use super::*;

    #[test]
    fn metadata_describes_what_the_graph_does_not_do() {
        let input = ImageShape { channels: 3, height: 24, width: 17 };
        let name = BackboneName::SmallCnn;
        let backbone = BackboneConfig { name, input, embedding: 12, dropout: 0.0, hidden: Vec::new() };
        let normalisation = Normalisation { mean: vec![0.5; 3], deviation: vec![0.25; 3] };
        let objective = "am-softmax".to_owned();
        let weights = Backbone::new(&backbone, 7, &device::by_name("cpu").unwrap()).unwrap();
        let description = Description {
            backbone,
            takes: Takes::Images,
            normalisation,
            preprocessing: None,
            objective,
            classes: None,
            trained_samples: None,
            columns: None,
        };
        let model = Model::new(description, &parameters::parameters(&weights)).unwrap();
        let calibration = Some(Calibration {
            threshold: 0.25,
            slope: 9.5,
            offset: -3.0,
            warnings: vec!["Few pairs.".to_owned()],
        });

        let bytes = encode(&model, calibration.clone()).unwrap();
        assert_eq!(bytes, encode(&model, calibration.clone()).unwrap(), "the same bytes");
        let file = messages::Model::decode(bytes.as_slice()).unwrap();
        assert_eq!(file.metadata_props.len(), 1);
        assert_eq!(file.metadata_props[0].key, METADATA_KEY);
        let read: Metadata = serde_json::from_str(&file.metadata_props[0].value).unwrap();
        assert_eq!(read, metadata(&model, calibration.clone()));
        assert_eq!(read.calibration, calibration);
        assert!(
            matches!(&read.input, Input::Images { channels: 3, height: 24, width: 17, colour, .. } if colour == "RGB"),
            "{read:?}"
        );
        // A model without preprocessing ignores transparency.
        assert!(
            matches!(&read.input, Input::Images { background: None, depth: 16, frame, .. } if frame == "first"),
            "{read:?}"
        );
        assert_eq!((read.output.dimension, read.objective.as_str()), (12, "am-softmax"));
    }
}

//! `mlp`, `linear` and `identity`: the backbones without convolutions.

use super::BackboneConfig;
use crate::layers::{BatchNorm, Dropout, FullyConnected, Init};
use crate::traversal::Traversal;
use burn::module::Module;
use burn::tensor::Device;

/// Any number of hidden layers (linear, batch normalisation, PReLU) and a last linear layer; or no layer at all.
#[derive(Module, Debug)]
pub struct Perceptron {
    hidden: Vec<FullyConnected>,
    normalisation: Vec<BatchNorm>,
    dropout: Dropout,
    embedding: Option<FullyConnected>,
    embedding_normalisation: Option<BatchNorm>,
}

impl Perceptron {
    /// `mlp`. As in the other backbones, a batch normalisation without an affine part follows the embedding.
    pub(super) fn with_hidden(
        widths: &[usize],
        config: &BackboneConfig,
        init: &mut Init,
        device: &Device,
    ) -> Self {
        let mut inputs = config.input.values();
        let mut hidden = Vec::new();
        for width in widths {
            hidden.push(FullyConnected::new(inputs, *width, init, device));
            inputs = *width;
        }
        Self {
            hidden,
            normalisation: widths.iter().map(|width| BatchNorm::with_prelu(*width, device)).collect(),
            dropout: Dropout::new(config.dropout),
            embedding: Some(FullyConnected::new(inputs, config.embedding, init, device)),
            embedding_normalisation: Some(BatchNorm::plain(config.embedding, device)),
        }
    }

    /// `linear`: one linear layer.
    pub(super) fn linear(config: &BackboneConfig, init: &mut Init, device: &Device) -> Self {
        let embedding = FullyConnected::new(config.input.values(), config.embedding, init, device);
        Self { embedding: Some(embedding), ..Self::identity() }
    }

    /// `identity`: the flattened input.
    pub(super) fn identity() -> Self {
        Self {
            hidden: Vec::new(),
            normalisation: Vec::new(),
            dropout: Dropout::new(0.0),
            embedding: None,
            embedding_normalisation: None,
        }
    }

    pub(super) fn traverse<W: Traversal>(&self, traversal: &mut W, input: W::Value<4>) -> W::Value<2> {
        let mut value = traversal.flatten(input);
        for (layer, normalisation) in self.hidden.iter().zip(&self.normalisation) {
            value = traversal.fully_connected(layer, value);
            value = traversal.batch_norm(normalisation, value);
        }
        let Some(embedding) = &self.embedding else { return value };
        value = traversal.dropout(&self.dropout, value);
        value = traversal.fully_connected(embedding, value);
        match &self.embedding_normalisation {
            Some(normalisation) => traversal.batch_norm(normalisation, value),
            None => value,
        }
    }
}

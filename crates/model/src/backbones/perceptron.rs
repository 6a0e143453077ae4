//! `mlp`, `linear` and `identity`: the backbones without convolutions.

use super::BackboneConfig;
use crate::layers::{BatchNorm, Dropout, FullyConnected, Start};
use crate::walk::Walk;
use burn::module::Module;
use burn::tensor::Device;

/// Any number of hidden layers (matrix, batch normalisation, PReLU), then one matrix; or nothing at all.
#[derive(Module, Debug)]
pub struct Perceptron {
    hidden: Vec<FullyConnected>,
    normalisation: Vec<BatchNorm>,
    dropout: Dropout,
    embedding: Option<FullyConnected>,
    embedding_normalisation: Option<BatchNorm>,
}

impl Perceptron {
    /// `mlp`: the embedding is normalised over the batch, without affine part, as the other backbones' is.
    pub(super) fn with_hidden(
        widths: &[usize],
        config: &BackboneConfig,
        start: &mut Start,
        device: &Device,
    ) -> Self {
        let mut inputs = config.input.values();
        let mut hidden = Vec::new();
        for width in widths {
            hidden.push(FullyConnected::new(inputs, *width, start, device));
            inputs = *width;
        }
        Self {
            hidden,
            normalisation: widths.iter().map(|width| BatchNorm::with_prelu(*width, device)).collect(),
            dropout: Dropout::new(config.dropout),
            embedding: Some(FullyConnected::new(inputs, config.embedding, start, device)),
            embedding_normalisation: Some(BatchNorm::plain(config.embedding, device)),
        }
    }

    /// `linear`: a projection, nothing else.
    pub(super) fn linear(config: &BackboneConfig, start: &mut Start, device: &Device) -> Self {
        let embedding = FullyConnected::new(config.input.values(), config.embedding, start, device);
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

    pub(super) fn walk<W: Walk>(&self, walk: &mut W, input: W::Value<4>) -> W::Value<2> {
        let mut value = walk.flatten(input);
        for (layer, normalisation) in self.hidden.iter().zip(&self.normalisation) {
            value = walk.fully_connected(layer, value);
            value = walk.normalisation(normalisation, value);
        }
        let Some(embedding) = &self.embedding else { return value };
        value = walk.dropout(&self.dropout, value);
        value = walk.fully_connected(embedding, value);
        match &self.embedding_normalisation {
            Some(normalisation) => walk.normalisation(normalisation, value),
            None => value,
        }
    }
}

//! `small-cnn`: four convolutions in two stages, for images of about 28 x 28.

use super::BackboneConfig;
use crate::layers::{BatchNorm, Convolution, FullyConnected, Start};
use crate::operations::Squares;
use crate::walk::Walk;
use burn::module::Module;
use burn::tensor::Device;

/// Channels of the two stages.
const CHANNELS: [usize; 2] = [32, 64];

/// Two stages of twice conv 3 x 3, batch normalisation, PReLU, each stage closed by a 2 x 2 maximum; then one matrix to the
/// embedding and a batch normalisation without affine part, which keeps the embedding's scale in hand.
#[derive(Module, Debug)]
pub struct SmallCnn {
    convolution: Vec<Convolution>,
    normalisation: Vec<BatchNorm>,
    embedding: FullyConnected,
    embedding_normalisation: BatchNorm,
}

impl SmallCnn {
    pub(super) fn new(config: &BackboneConfig, start: &mut Start, device: &Device) -> Self {
        let mut channels = config.input.channels;
        let (mut convolution, mut normalisation) = (Vec::new(), Vec::new());
        for stage in CHANNELS {
            for _ in 0..2 {
                convolution.push(Convolution::new([channels, stage], 3, 1, start, device));
                normalisation.push(BatchNorm::with_prelu(stage, device));
                channels = stage;
            }
        }
        let features = channels * (config.input.height / 4) * (config.input.width / 4);
        Self {
            convolution,
            normalisation,
            embedding: FullyConnected::new(features, config.embedding, start, device),
            embedding_normalisation: BatchNorm::plain(config.embedding, device),
        }
    }

    pub(super) fn walk<W: Walk>(&self, walk: &mut W, input: W::Value<4>) -> W::Value<2> {
        let mut value = input;
        for (at, (convolution, normalisation)) in self.convolution.iter().zip(&self.normalisation).enumerate()
        {
            value = walk.convolution(convolution, value);
            value = walk.normalisation(normalisation, value);
            if at % 2 == 1 {
                value = walk.max_pool(Squares::side_by_side(2), value);
            }
        }
        let flat = walk.flatten(value);
        let embedding = walk.fully_connected(&self.embedding, flat);
        walk.normalisation(&self.embedding_normalisation, embedding)
    }
}

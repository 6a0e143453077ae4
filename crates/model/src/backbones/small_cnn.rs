//! `small-cnn`: four convolutions in two stages, for images of about 28 x 28.

use super::config::BackboneConfig;
use crate::layers::{BatchNorm, Convolution, FullyConnected, Init};
use crate::operations::PoolWindow;
use crate::traversal::Traversal;
use burn::module::Module;
use burn::tensor::Device;

/// Channels of the two stages.
const CHANNELS: [usize; 2] = [32, 64];

/// Two stages, each with two blocks of conv 3 x 3 - BN - PReLU and a 2 x 2 maximum pooling; then a linear layer to the embedding
/// and a batch normalisation without an affine part, which fixes the embedding's scale.
#[derive(Module, Debug)]
pub struct SmallCnn {
    convolution: Vec<Convolution>,
    normalisation: Vec<BatchNorm>,
    embedding: FullyConnected,
    embedding_normalisation: BatchNorm,
}

impl SmallCnn {
    pub(super) fn new(config: &BackboneConfig, init: &mut Init, device: &Device) -> Self {
        let mut channels = config.input.channels;
        let (mut convolution, mut normalisation) = (Vec::new(), Vec::new());
        for stage in CHANNELS {
            for _ in 0..2 {
                convolution.push(Convolution::new([channels, stage], 3, 1, init, device));
                normalisation.push(BatchNorm::with_prelu(stage, device));
                channels = stage;
            }
        }
        let features = channels * (config.input.height / 4) * (config.input.width / 4);
        Self {
            convolution,
            normalisation,
            embedding: FullyConnected::new(features, config.embedding, init, device),
            embedding_normalisation: BatchNorm::plain(config.embedding, device),
        }
    }

    pub(super) fn traverse<W: Traversal>(&self, traversal: &mut W, input: W::Value<4>) -> W::Value<2> {
        let mut value = input;
        for (at, (convolution, normalisation)) in self.convolution.iter().zip(&self.normalisation).enumerate()
        {
            value = traversal.convolution(convolution, value);
            value = traversal.batch_norm(normalisation, value);
            if at % 2 == 1 {
                value = traversal.max_pool(PoolWindow::disjoint(2), value);
            }
        }
        let flat = traversal.flatten(value);
        let embedding = traversal.fully_connected(&self.embedding, flat);
        traversal.batch_norm(&self.embedding_normalisation, embedding)
    }
}

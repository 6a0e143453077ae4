//! `iresnet18` to `iresnet200`: the improved residual networks of face recognition.
//!
//! Blocks are BN - conv - BN - PReLU - conv - BN with an identity or projected short cut (Duta et al., Improved Residual
//! Networks, 2020, section 3), in the arrangement of ArcFace (Deng et al., 2019, section 3.1). Instead of pooling, the
//! network ends with BN - dropout - fully connected - BN, the last with a bias and no weight. It equals insightface's
//! `iresnet.py` layer by layer and can load its weights ([`crate::weights`]).

use super::BackboneConfig;
use crate::layers::{BatchNorm, Convolution, Dropout, FullyConnected, Init};
use crate::traversal::Traversal;
use burn::module::Module;
use burn::tensor::Device;

/// Channels of the four stages; each starts with a stride of 2.
const CHANNELS: [usize; 4] = [64, 128, 256, 512];

#[derive(Module, Debug)]
struct Block {
    first_normalisation: BatchNorm,
    first: Convolution,
    middle_normalisation: BatchNorm,
    second: Convolution,
    last_normalisation: BatchNorm,
    short_cut: Option<Convolution>,
    short_cut_normalisation: Option<BatchNorm>,
}

impl Block {
    fn new(channels: [usize; 2], stride: usize, init: &mut Init, device: &Device) -> Self {
        let [inputs, outputs] = channels;
        let projected = stride != 1 || inputs != outputs;
        Self {
            first_normalisation: BatchNorm::new(inputs, device),
            first: Convolution::new(channels, 3, 1, init, device),
            middle_normalisation: BatchNorm::with_prelu(outputs, device),
            second: Convolution::new([outputs, outputs], 3, stride, init, device),
            last_normalisation: BatchNorm::new(outputs, device),
            short_cut: projected.then(|| Convolution::new(channels, 1, stride, init, device)),
            short_cut_normalisation: projected.then(|| BatchNorm::new(outputs, device)),
        }
    }

    fn traverse<W: Traversal>(&self, traversal: &mut W, input: W::Value<4>) -> W::Value<4> {
        let mut value = traversal.batch_norm(&self.first_normalisation, input.clone());
        value = traversal.convolution(&self.first, value);
        value = traversal.batch_norm(&self.middle_normalisation, value);
        value = traversal.convolution(&self.second, value);
        value = traversal.batch_norm(&self.last_normalisation, value);
        let short = match (&self.short_cut, &self.short_cut_normalisation) {
            (Some(convolution), Some(normalisation)) => {
                let projected = traversal.convolution(convolution, input);
                traversal.batch_norm(normalisation, projected)
            }
            _ => input,
        };
        traversal.add(value, short)
    }
}

/// An improved residual network.
#[derive(Module, Debug)]
pub struct ImprovedResidual {
    stem: Convolution,
    stem_normalisation: BatchNorm,
    blocks: Vec<Block>,
    last_normalisation: BatchNorm,
    dropout: Dropout,
    embedding: FullyConnected,
    embedding_normalisation: BatchNorm,
}

impl ImprovedResidual {
    pub(super) fn new(depths: [usize; 4], config: &BackboneConfig, init: &mut Init, device: &Device) -> Self {
        let stem = Convolution::new([config.input.channels, CHANNELS[0]], 3, 1, init, device);
        let (mut blocks, mut inputs) = (Vec::new(), CHANNELS[0]);
        let (mut height, mut width) = (config.input.height, config.input.width);
        for (depth, channels) in depths.into_iter().zip(CHANNELS) {
            for index in 0..depth {
                blocks.push(Block::new([inputs, channels], if index == 0 { 2 } else { 1 }, init, device));
                inputs = channels;
            }
            (height, width) = (height.div_ceil(2), width.div_ceil(2));
        }
        Self {
            stem,
            stem_normalisation: BatchNorm::with_prelu(CHANNELS[0], device),
            blocks,
            last_normalisation: BatchNorm::new(inputs, device),
            dropout: Dropout::new(config.dropout),
            embedding: FullyConnected::new(inputs * height * width, config.embedding, init, device),
            embedding_normalisation: BatchNorm::shifted(config.embedding, device),
        }
    }

    pub(super) fn traverse<W: Traversal>(&self, traversal: &mut W, input: W::Value<4>) -> W::Value<2> {
        let mut value = traversal.convolution(&self.stem, input);
        value = traversal.batch_norm(&self.stem_normalisation, value);
        for block in &self.blocks {
            value = block.traverse(traversal, value);
        }
        value = traversal.batch_norm(&self.last_normalisation, value);
        value = traversal.dropout(&self.dropout, value);
        let flat = traversal.flatten(value);
        let embedding = traversal.fully_connected(&self.embedding, flat);
        traversal.batch_norm(&self.embedding_normalisation, embedding)
    }
}

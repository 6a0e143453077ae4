//! `iresnet18` to `iresnet200`: the improved residual networks of face recognition.
//!
//! Blocks are BN - conv - BN - PReLU - conv - BN with an identity or a projected short cut (Duta et al., Improved Residual Networks,
//! 2020, section 3; in the arrangement that ArcFace's authors train: Deng et al., 2019, section 3.1); no pooling at the
//! end, but BN - dropout - fully connected - BN with a bias and no weight. It is the network of insightface's `iresnet.py`, layer for layer,
//! and takes its weights ([`crate::weights`]).

use super::BackboneConfig;
use crate::layers::{BatchNorm, Convolution, Dropout, FullyConnected, Start};
use crate::walk::Walk;
use burn::module::Module;
use burn::tensor::Device;

/// Channels of the four stages; each begins with a stride of 2.
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
    fn new(channels: [usize; 2], stride: usize, start: &mut Start, device: &Device) -> Self {
        let [inputs, outputs] = channels;
        let projected = stride != 1 || inputs != outputs;
        Self {
            first_normalisation: BatchNorm::new(inputs, device),
            first: Convolution::new(channels, 3, 1, start, device),
            middle_normalisation: BatchNorm::with_prelu(outputs, device),
            second: Convolution::new([outputs, outputs], 3, stride, start, device),
            last_normalisation: BatchNorm::new(outputs, device),
            short_cut: projected.then(|| Convolution::new(channels, 1, stride, start, device)),
            short_cut_normalisation: projected.then(|| BatchNorm::new(outputs, device)),
        }
    }

    fn walk<W: Walk>(&self, walk: &mut W, input: W::Value<4>) -> W::Value<4> {
        let mut value = walk.normalisation(&self.first_normalisation, input.clone());
        value = walk.convolution(&self.first, value);
        value = walk.normalisation(&self.middle_normalisation, value);
        value = walk.convolution(&self.second, value);
        value = walk.normalisation(&self.last_normalisation, value);
        let short = match (&self.short_cut, &self.short_cut_normalisation) {
            (Some(convolution), Some(normalisation)) => {
                let projected = walk.convolution(convolution, input);
                walk.normalisation(normalisation, projected)
            }
            _ => input,
        };
        walk.add(value, short)
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
    pub(super) fn new(
        depths: [usize; 4],
        config: &BackboneConfig,
        start: &mut Start,
        device: &Device,
    ) -> Self {
        let stem = Convolution::new([config.input.channels, CHANNELS[0]], 3, 1, start, device);
        let (mut blocks, mut inputs) = (Vec::new(), CHANNELS[0]);
        let (mut height, mut width) = (config.input.height, config.input.width);
        for (depth, channels) in depths.into_iter().zip(CHANNELS) {
            for index in 0..depth {
                blocks.push(Block::new([inputs, channels], if index == 0 { 2 } else { 1 }, start, device));
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
            embedding: FullyConnected::new(inputs * height * width, config.embedding, start, device),
            embedding_normalisation: BatchNorm::shifted(config.embedding, device),
        }
    }

    pub(super) fn walk<W: Walk>(&self, walk: &mut W, input: W::Value<4>) -> W::Value<2> {
        let mut value = walk.convolution(&self.stem, input);
        value = walk.normalisation(&self.stem_normalisation, value);
        for block in &self.blocks {
            value = block.walk(walk, value);
        }
        value = walk.normalisation(&self.last_normalisation, value);
        value = walk.dropout(&self.dropout, value);
        let flat = walk.flatten(value);
        let embedding = walk.fully_connected(&self.embedding, flat);
        walk.normalisation(&self.embedding_normalisation, embedding)
    }
}

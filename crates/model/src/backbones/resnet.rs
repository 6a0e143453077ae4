//! `resnet18` to `resnet152`: residual networks (He et al., 2016, table 1).
//!
//! A 7 x 7 convolution of stride 2 and 3 x 3 maximum pooling of stride 2, four stages of blocks, the mean over all
//! positions, and one linear layer to the embedding. From `resnet50` on, blocks have three convolutions, with the stride
//! in the 3 x 3 one. It equals torchvision's `resnet.py` layer by layer and can load its weights ([`crate::weights`]).

use super::config::BackboneConfig;
use crate::layers::{BatchNorm, Convolution, FullyConnected, Init};
use crate::operations::PoolWindow;
use crate::traversal::Traversal;
use burn::module::Module;
use burn::tensor::Device;

/// Channels of the four stages; all but the first start with a stride of 2.
const CHANNELS: [usize; 4] = [64, 128, 256, 512];

/// Output channels of a block of three convolutions, per inner channel.
const EXPANSION: usize = 4;

/// The maximum pooling after the stem.
const STEM_POOL: PoolWindow = PoolWindow { size: 3, stride: 2, padding: 1 };

/// The kind of the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// Two convolutions of 3 x 3.
    Basic,
    /// 1 x 1 to fewer channels, 3 x 3, 1 x 1 to four times as many.
    Bottleneck,
}

#[derive(Module, Debug)]
struct Block {
    convolution: Vec<Convolution>,
    normalisation: Vec<BatchNorm>,
    short_cut: Option<Convolution>,
    short_cut_normalisation: Option<BatchNorm>,
}

impl Block {
    /// `channels`: of the input, of the inner layers, and of the output.
    fn new(kind: BlockKind, channels: [usize; 3], stride: usize, init: &mut Init, device: &Device) -> Self {
        let [inputs, inner, outputs] = channels;
        // Channels, kernel and stride of each convolution.
        let layers = match kind {
            BlockKind::Basic => vec![([inputs, inner], 3, stride), ([inner, outputs], 3, 1)],
            BlockKind::Bottleneck => {
                vec![([inputs, inner], 1, 1), ([inner, inner], 3, stride), ([inner, outputs], 1, 1)]
            }
        };
        let last = layers.len() - 1;
        let normalisation = layers.iter().enumerate().map(|(at, ([_, channels], ..))| {
            if at == last {
                BatchNorm::new(*channels, device)
            } else {
                BatchNorm::rectified(*channels, device)
            }
        });
        let normalisation = normalisation.collect();
        let projected = stride != 1 || inputs != outputs;
        Self {
            convolution: layers
                .into_iter()
                .map(|(channels, kernel, stride)| Convolution::new(channels, kernel, stride, init, device))
                .collect(),
            normalisation,
            short_cut: projected.then(|| Convolution::new([inputs, outputs], 1, stride, init, device)),
            short_cut_normalisation: projected.then(|| BatchNorm::new(outputs, device)),
        }
    }

    fn traverse<W: Traversal>(&self, traversal: &mut W, input: W::Value<4>) -> W::Value<4> {
        let mut value = input.clone();
        for (convolution, normalisation) in self.convolution.iter().zip(&self.normalisation) {
            value = traversal.convolution(convolution, value);
            value = traversal.batch_norm(normalisation, value);
        }
        let short = match (&self.short_cut, &self.short_cut_normalisation) {
            (Some(convolution), Some(normalisation)) => {
                let projected = traversal.convolution(convolution, input);
                traversal.batch_norm(normalisation, projected)
            }
            _ => input,
        };
        traversal.add_rectified(value, short)
    }
}

/// A residual network.
#[derive(Module, Debug)]
pub struct Residual {
    stem: Convolution,
    stem_normalisation: BatchNorm,
    blocks: Vec<Block>,
    embedding: FullyConnected,
}

impl Residual {
    pub(super) fn new(
        (kind, depths): (BlockKind, [usize; 4]),
        config: &BackboneConfig,
        init: &mut Init,
        device: &Device,
    ) -> Self {
        let stem = Convolution::new([config.input.channels, CHANNELS[0]], 7, 2, init, device);
        let (mut blocks, mut inputs) = (Vec::new(), CHANNELS[0]);
        for (stage, (depth, inner)) in depths.into_iter().zip(CHANNELS).enumerate() {
            let outputs = if kind == BlockKind::Bottleneck { EXPANSION * inner } else { inner };
            for index in 0..depth {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                blocks.push(Block::new(kind, [inputs, inner, outputs], stride, init, device));
                inputs = outputs;
            }
        }
        Self {
            stem,
            stem_normalisation: BatchNorm::rectified(CHANNELS[0], device),
            blocks,
            embedding: FullyConnected::new(inputs, config.embedding, init, device),
        }
    }

    pub(super) fn traverse<W: Traversal>(&self, traversal: &mut W, input: W::Value<4>) -> W::Value<2> {
        let mut value = traversal.convolution(&self.stem, input);
        value = traversal.batch_norm(&self.stem_normalisation, value);
        value = traversal.max_pool(STEM_POOL, value);
        for block in &self.blocks {
            value = block.traverse(traversal, value);
        }
        let means = traversal.mean_of_positions(value);
        traversal.fully_connected(&self.embedding, means)
    }
}

//! The choice between the algorithms, by measured rules.

use super::ConvolutionShape;
use super::arithmetic::Arithmetic;
use super::winograd::{self, TileSize};

/// How a product of the weights is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// On the padded image, where every tap is a shift.
    Shifted,
    /// On packed patches of several images.
    Packed,
    /// With Winograd's algorithm.
    Winograd(TileSize),
}

impl Method {
    /// The faster method for a convolution of so many rows and columns of outputs.
    pub(super) fn faster(arithmetic: Arithmetic, shape: &ConvolutionShape, outputs: [usize; 2]) -> Self {
        let direct = || Self::direct(arithmetic, shape.kernel, outputs[0] * outputs[1]);
        winograd::faster(shape, outputs).map_or_else(direct, Self::Winograd)
    }

    /// The faster direct method for a kernel and planes of so many output positions. On one core with AVX-512, a kernel of 3 x 3 with 512 channels runs
    /// at 200 GFLOP/s on packed patches of 7 x 7 positions and at 130 as a shifted product, of 4 x 4 at 150 and 85, of 1 x 1 at 110 and 5;
    /// with 128 channels and 28 x 28 positions at 200 and 240. Without a kernel every value is packed once: 1 x 1 at 14 x 14 and 28 x 28 positions is
    /// 1.1 to 1.9 times as fast on packed patches.
    ///
    /// AMX reads the rows of a factor at a constant distance, which only packed patches have.
    pub(super) fn direct(arithmetic: Arithmetic, kernel: usize, positions: usize) -> Self {
        if arithmetic.is_of_tiles() || kernel == 1 || positions <= MOST_PACKED {
            Self::Packed
        } else {
            Self::Shifted
        }
    }
}

/// Most positions of a plane that is computed on packed patches.
const MOST_PACKED: usize = 64;

//! The shape of an image.

use serde::{Deserialize, Serialize};

/// Channels, height and width of every image in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl ImageShape {
    /// Values per image: channels times height times width.
    pub const fn values(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Values per channel: height times width.
    pub const fn plane(&self) -> usize {
        self.height * self.width
    }
}

impl std::fmt::Display for ImageShape {
    /// As in "3 x 112 x 112".
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} x {} x {}", self.channels, self.height, self.width)
    }
}

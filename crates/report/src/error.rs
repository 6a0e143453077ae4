//! The error type of this crate. Only images can be invalid: any values and names can be drawn.

/// A result whose error is this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an image could not be shown on a page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The number of bytes does not match the shape, or the shape is not that of an image.
    #[error(
        "{found} bytes for an image of {channels} x {height} x {width} (channels, height, width); expected 1, 3 or 4 channels, at \
         least one pixel and channels x height x width bytes"
    )]
    ImageShape {
        /// Number of channels.
        channels: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// Number of bytes.
        found: usize,
    },
    /// The image could not be encoded.
    #[error("an image of {height} x {width} pixels could not be encoded")]
    ImageEncoding {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// The error of the encoder.
        #[source]
        source: image::ImageError,
    },
}

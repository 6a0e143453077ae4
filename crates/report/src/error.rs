//! What can be wrong with what is to be shown. Only images can: numbers and names are always drawable.

/// A result whose error is this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an image could not be put on a page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not fill the announced shape, or the shape is not one of an image.
    #[error(
        "an image of {channels} x {height} x {width} (channels, height, width) cannot be shown from {found} bytes; \
         expected 1, 3 or 4 channels, at least one pixel and exactly channels x height x width bytes"
    )]
    ImageShape {
        /// Channels announced.
        channels: usize,
        /// Rows announced.
        height: usize,
        /// Columns announced.
        width: usize,
        /// Bytes given.
        found: usize,
    },
    /// The image could not be encoded as PNG.
    #[error("an image of {height} x {width} pixels could not be encoded as PNG")]
    ImageEncoding {
        /// Rows of the image.
        height: usize,
        /// Columns of the image.
        width: usize,
        /// What the encoder said.
        #[source]
        source: image::ImageError,
    },
}

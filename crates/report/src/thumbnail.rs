//! Images for pages: encoded inside the page, so that it needs no other files.

use base64::Engine;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, ImageEncoder, RgbImage, RgbaImage};

use crate::error::{Error, Result};

/// Quality of a JPEG: differences to the original are hard to see at the size of a thumbnail.
const QUALITY: u8 = 85;

/// An image to show: checked and encoded as a data URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    data_uri: String,
    width: u32,
    height: u32,
}

impl Image {
    /// Encodes `pixels`, bytes of shape `[channels, height, width]`, with 1 (grey), 3 (RGB) or 4 (RGBA) channels, as a PNG.
    ///
    /// # Errors
    /// [`Error::ImageShape`] if the bytes do not match the shape, [`Error::ImageEncoding`] if the encoder fails.
    pub fn new(channels: usize, height: usize, width: usize, pixels: &[u8]) -> Result<Self> {
        let image = decoded(channels, height, width, pixels)?;
        Ok(Self::of("png", &png(&image)?, &image))
    }

    /// As [`new`](Self::new), but reduced to at most `side` pixels in both directions, and as a PNG or JPEG, whichever is smaller.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn thumbnail(channels: usize, height: usize, width: usize, pixels: &[u8], side: u32) -> Result<Self> {
        let mut image = decoded(channels, height, width, pixels)?;
        if image.width().max(image.height()) > side {
            image = image.resize(side, side, FilterType::Triangle);
        }
        let png = png(&image)?;
        // A JPEG has no transparency.
        if !image.color().has_alpha() {
            let jpeg = jpeg(&image)?;
            if jpeg.len() < png.len() {
                return Ok(Self::of("jpeg", &jpeg, &image));
            }
        }
        Ok(Self::of("png", &png, &image))
    }

    fn of(kind: &str, bytes: &[u8], image: &DynamicImage) -> Self {
        let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
        Self {
            data_uri: format!("data:image/{kind};base64,{encoded}"),
            width: image.width(),
            height: image.height(),
        }
    }

    /// The image as a `data:` URI.
    pub fn data_uri(&self) -> &str {
        &self.data_uri
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }
}

/// The image of these bytes, whose channels are stored one after the other.
fn decoded(channels: usize, height: usize, width: usize, pixels: &[u8]) -> Result<DynamicImage> {
    let wrong_shape = || Error::ImageShape { channels, height, width, found: pixels.len() };
    let plane = height.checked_mul(width).filter(|&plane| plane > 0).ok_or_else(wrong_shape)?;
    if plane.checked_mul(channels) != Some(pixels.len()) {
        return Err(wrong_shape());
    }
    let (Ok(columns), Ok(rows)) = (u32::try_from(width), u32::try_from(height)) else {
        return Err(wrong_shape());
    };
    let pixel = |at: usize| (0..channels).map(move |channel| pixels[channel * plane + at]);
    let together: Vec<u8> = (0..plane).flat_map(pixel).collect();
    let image = match channels {
        1 => GrayImage::from_raw(columns, rows, together).map(DynamicImage::ImageLuma8),
        3 => RgbImage::from_raw(columns, rows, together).map(DynamicImage::ImageRgb8),
        4 => RgbaImage::from_raw(columns, rows, together).map(DynamicImage::ImageRgba8),
        _ => None,
    };
    image.ok_or_else(wrong_shape)
}

fn png(image: &DynamicImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(image, PngEncoder::new(&mut bytes))?;
    Ok(bytes)
}

fn jpeg(image: &DynamicImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(image, JpegEncoder::new_with_quality(&mut bytes, QUALITY))?;
    Ok(bytes)
}

fn encode(image: &DynamicImage, encoder: impl ImageEncoder) -> Result<()> {
    let (width, height) = (image.width(), image.height());
    encoder
        .write_image(image.as_bytes(), width, height, image.color().into())
        .map_err(|source| Error::ImageEncoding { height: height as usize, width: width as usize, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(image: &Image) -> Vec<u8> {
        let (_, encoded) = image.data_uri().split_once(";base64,").unwrap();
        base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()
    }

    #[test]
    fn an_encoded_image_can_be_decoded() {
        // Red, green / blue, white; channel by channel.
        let pixels = [255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255];
        let image = Image::new(3, 2, 2, &pixels).unwrap();
        assert!(image.data_uri().starts_with("data:image/png;base64,"));
        let decoded = image::load_from_memory(&bytes(&image)).unwrap().to_rgb8();
        assert_eq!(decoded.dimensions(), (2, 2));
        assert_eq!(decoded.into_raw(), [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]);
        assert!(Image::new(1, 28, 28, &[7; 784]).is_ok());
        assert!(Image::new(4, 1, 1, &[7; 4]).is_ok());
    }

    #[test]
    fn wrong_shapes_are_errors() {
        for (channels, height, width, bytes) in
            [(2, 2, 2, 8), (3, 2, 2, 11), (1, 0, 2, 0), (1, 2, 0, 0), (0, 1, 1, 0), (3, usize::MAX, 2, 6)]
        {
            for thumbnail in [false, true] {
                let pixels = vec![0; bytes];
                let error = if thumbnail {
                    Image::thumbnail(channels, height, width, &pixels, 9).unwrap_err()
                } else {
                    Image::new(channels, height, width, &pixels).unwrap_err()
                };
                assert!(matches!(error, Error::ImageShape { found, .. } if found == bytes), "{error}");
            }
        }
    }

    #[test]
    fn a_thumbnail_keeps_its_proportions_and_small_images_their_pixels() {
        let noise = |count: usize| -> Vec<u8> { (0..count).map(|at| (at * at % 251) as u8).collect() };
        let large = Image::thumbnail(3, 60, 120, &noise(3 * 60 * 120), 40).unwrap();
        assert_eq!((large.width(), large.height()), (40, 20));
        assert!(large.data_uri().starts_with("data:image/jpeg;"), "noise is smaller as JPEG");
        let decoded = image::load_from_memory(&bytes(&large)).unwrap();
        assert_eq!((decoded.width(), decoded.height()), (40, 20));
        let flat = Image::thumbnail(1, 8, 8, &[200; 64], 40).unwrap();
        assert!(flat.data_uri().starts_with("data:image/png;"));
        assert_eq!(image::load_from_memory(&bytes(&flat)).unwrap().to_luma8().into_raw(), [200; 64]);
        let transparent = Image::thumbnail(4, 50, 50, &noise(10_000), 40).unwrap();
        assert!(transparent.data_uri().starts_with("data:image/png;"), "JPEG has no transparency");
    }
}

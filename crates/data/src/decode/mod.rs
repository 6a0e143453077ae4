//! Decodes image files to bytes of a given shape, without trusting the file.
//!
//! A file that claims 20,000 x 20,000 pixels in a few kilobytes is rejected by its header, before any memory is allocated. JPEG decoders
//! silently fill the missing rest of a truncated file with grey, so this module looks for the end-of-image marker itself. A panic of a
//! decoder counts as a bad image.

mod colour_space;
pub(crate) mod metadata;
pub(crate) mod preprocessing;
mod properties;

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use widemargin_tables::catch_panic;

use crate::memory::{PIXELS, Share};
use crate::place::{MAX_BYTES, read_file};
use crate::resize::{resize, resize_cropped, resize_padded};
use crate::{Error, ImageShape};

use colour_space::colour_space;
use metadata::{
    format_names, has_associated_alpha, has_reversed_bits, is_big_tiff, jpeg_has_end, name_of_format,
    orientation,
};
use preprocessing::{Preprocessing, ResizeMode, separate_alpha};
pub use properties::{ContentDigest, ImageProperties};
use properties::{digest, is_lost, stored_contrast};

/// Longest side of an image file, in pixels.
pub(crate) const MAX_SIDE: u32 = 20_000;
/// Bytes in memory per byte of decoded pixels: the pixels, and one conversion of them.
const COPIES: u64 = 2;

/// How images are read: the shape they are resized to, and how their pixels become 8-bit colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) shape: ImageShape,
    pub(crate) preprocessing: Preprocessing,
}

/// Decodes the content of an image file to `target.shape` as `[channels, height, width]`, rotated as its metadata requires.
///
/// The filter is bilinear over the area of a target pixel. The error is the reason, without the path.
pub(crate) fn decode_bytes(bytes: &[u8], target: &Target) -> Result<Vec<u8>, String> {
    caught(|| {
        let opened = Opened::new(bytes)?;
        fitted(target.preprocessing.apply(opened.image)?, target)
    })
}

/// As [`decode_bytes`], with the properties of the file and a digest of its content.
pub(crate) fn decode_examined(
    bytes: &[u8],
    target: &Target,
) -> Result<(Vec<u8>, ImageProperties, ContentDigest), String> {
    caught(|| {
        let opened = Opened::new(bytes)?;
        let digest = digest(&opened.image);
        let (image, properties) = converted(bytes, opened, target.preprocessing)?;
        Ok((fitted(image, target)?, properties, digest))
    })
}

/// As [`decode_bytes`], with the properties of the file.
pub(crate) fn decode_with_properties(
    bytes: &[u8],
    target: &Target,
) -> Result<(Vec<u8>, ImageProperties), String> {
    caught(|| {
        let (image, properties) = converted(bytes, Opened::new(bytes)?, target.preprocessing)?;
        Ok((fitted(image, target)?, properties))
    })
}

/// Reads an image file as bytes of `shape`, `[channels, height, width]`, like the images of an [`ImageSet`](crate::ImageSet).
///
/// The file is PNG, JPEG, WebP, BMP, TIFF, GIF, PNM or QOI. Its first frame is rotated as its metadata requires, its pixels become 8-bit
/// colours as `preprocessing` says, and it is resized to the shape: stretched, padded or cropped, as `preprocessing` says too.
///
/// # Errors
/// [`Error::BadImage`] with the reason.
pub fn read_image(
    path: impl AsRef<Path>,
    shape: ImageShape,
    preprocessing: &Preprocessing,
) -> crate::Result<Vec<u8>> {
    let path = path.as_ref();
    let target = Target { shape, preprocessing: *preprocessing };
    read_file(path)
        .and_then(|bytes| decode_bytes(&bytes, &target))
        .map_err(|reason| Error::BadImage { path: path.to_path_buf(), reason })
}

/// As [`read_image`], with the properties of the file.
///
/// # Errors
/// [`Error::BadImage`] with the reason.
pub fn read_image_with_properties(
    path: impl AsRef<Path>,
    shape: ImageShape,
    preprocessing: &Preprocessing,
) -> crate::Result<(Vec<u8>, ImageProperties)> {
    let path = path.as_ref();
    let target = Target { shape, preprocessing: *preprocessing };
    read_file(path)
        .and_then(|bytes| decode_with_properties(&bytes, &target))
        .map_err(|reason| Error::BadImage { path: path.to_path_buf(), reason })
}

/// Checks that an image can be decoded.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    caught(|| {
        let opened = Opened::new(bytes)?;
        Preprocessing::default().apply(opened.image).map(drop)
    })
}

/// Properties of an image file, read with the default preprocessing, and a digest of its content.
pub(crate) fn examine(bytes: &[u8]) -> Result<(ImageProperties, ContentDigest), String> {
    caught(|| {
        let opened = Opened::new(bytes)?;
        let digest = digest(&opened.image);
        let (_, properties) = converted(bytes, opened, Preprocessing::default())?;
        Ok((properties, digest))
    })
}

/// A panic of a decoder as a reason, without its text on the terminal.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_panic(work).unwrap_or_else(|| Err("the decoder panicked on this file".to_owned()))
}

/// The image as 8-bit colours, and its properties.
fn converted(
    bytes: &[u8],
    opened: Opened,
    preprocessing: Preprocessing,
) -> Result<(DynamicImage, ImageProperties), String> {
    let Opened { image, format, name, profile, _share: _held } = opened;
    let mut properties = ImageProperties::of(bytes, &image, format, name);
    properties.colour_space = colour_space(bytes, format, profile.as_deref());
    let stored = properties.transparent.then(|| stored_contrast(&image));
    let image = preprocessing.apply(image)?;
    properties.hidden = stored.is_some_and(|stored| is_lost(stored, &image));
    Ok((image, properties))
}

/// 8-bit colours as bytes of the shape.
fn fitted(image: DynamicImage, target: &Target) -> Result<Vec<u8>, String> {
    let (shape, mode) = (target.shape, target.preprocessing.resize);
    let (height, width) = (image.height() as usize, image.width() as usize);
    let ground = target.preprocessing.background.colour().unwrap_or([255; 3]);
    // Grey images stay grey until they are small, unless they get a coloured edge.
    let coloured_edge = mode == ResizeMode::Pad && ground != [ground[0]; 3];
    let (pixels, channels) = match image {
        DynamicImage::ImageLuma8(grey) if shape.channels == 1 || !coloured_edge => (grey.into_raw(), 1),
        image if shape.channels == 1 => (image.into_luma8().into_raw(), 1),
        image => (image.into_rgb8().into_raw(), 3),
    };
    if pixels.len() != height * width * channels {
        return Err("the decoder returned too few pixels".to_owned());
    }
    let pixels = if (height, width) == (shape.height, shape.width) {
        pixels
    } else {
        let shape = ImageShape { channels, ..shape };
        match mode {
            ResizeMode::Stretch => resize(&pixels, height, width, shape),
            ResizeMode::Crop => resize_cropped(&pixels, height, width, shape),
            ResizeMode::Pad => resize_padded(&pixels, (height, width), shape, &in_channels(ground, channels)),
        }
    };
    Ok(match (channels, shape.channels) {
        (1, 1) => pixels,
        (1, more) => pixels.repeat(more),
        (channels, _) => channels_first(&pixels, channels),
    })
}

/// A colour in as many channels, made grey like images.
fn in_channels(colour: [u8; 3], channels: usize) -> Vec<u8> {
    let pixel = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(1, 1, image::Rgb(colour)));
    if channels == 1 { pixel.into_luma8().into_raw() } else { colour.to_vec() }
}

/// A decoded image, rotated as its metadata requires, with the memory that it takes.
struct Opened {
    image: DynamicImage,
    format: ImageFormat,
    name: &'static str,
    /// The ICC profile of its colours.
    profile: Option<Vec<u8>>,
    _share: Share<'static>,
}

impl Opened {
    fn new(bytes: &[u8]) -> Result<Self, String> {
        let mut reader =
            ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
        if is_big_tiff(bytes) {
            reader.set_format(ImageFormat::Tiff);
        }
        let none = || format!("not a {} file", format_names());
        let format = reader.format().ok_or_else(none)?;
        let name = name_of_format(format).ok_or_else(|| format!("{} but {format:?}", none()))?;
        if format == ImageFormat::Jpeg && !jpeg_has_end(bytes) {
            return Err("truncated JPEG: no end-of-image marker".to_owned());
        }
        // The decoder ignores the tag, and would return other pixels.
        if has_reversed_bits(bytes, format) {
            return Err(
                "a TIFF with reversed bits (FillOrder is 2), which is not read; convert it, for example with `tiffcp -f msb2lsb`"
                    .to_owned(),
            );
        }
        let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
        let (width, height) = decoder.dimensions();
        let pixel_bytes = decoder.total_bytes();
        if width > MAX_SIDE || height > MAX_SIDE || pixel_bytes > MAX_BYTES {
            return Err(format!(
                "{width} x {height} pixels ({pixel_bytes} bytes) in a file of {} bytes: more than the limit of {MAX_SIDE} pixels per side and \
                 {MAX_BYTES} bytes (a decompression bomb?)",
                bytes.len()
            ));
        }
        if width == 0 || height == 0 {
            return Err(format!("{width} x {height} pixels: empty"));
        }
        let share = PIXELS.take(COPIES * pixel_bytes);
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES);
        decoder.set_limits(limits).map_err(|error| error.to_string())?;
        let orientation = orientation(bytes, format, &mut decoder)?;
        // A profile that cannot be read says nothing.
        let profile = decoder.icc_profile().ok().flatten();
        let mut image = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
        if has_associated_alpha(bytes, format) {
            separate_alpha(&mut image);
        }
        image.apply_orientation(orientation);
        Ok(Self { image, format, name, profile, _share: share })
    }
}

/// `[height, width, channels]` to `[channels, height, width]`.
fn channels_first(pixels: &[u8], channels: usize) -> Vec<u8> {
    (0..channels).flat_map(|channel| pixels.iter().skip(channel).step_by(channels).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{image, put};

    const SHAPE: ImageShape = ImageShape { channels: 3, height: 4, width: 6 };

    fn decoded(bytes: &[u8], shape: ImageShape) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        put(&path, bytes);
        let target = Target { shape, preprocessing: Preprocessing::default() };
        read_file(&path).and_then(|bytes| decode_bytes(&bytes, &target))
    }

    #[test]
    fn colours_and_layout_of_each_format() {
        for (format, _) in metadata::FORMATS {
            let pixels = decoded(&image(format, 6, 4, [200, 100, 50]), SHAPE).unwrap();
            assert_eq!(pixels.len(), 72);
            let off = if format == ImageFormat::Jpeg { 40 } else { 0 };
            for (channel, colour) in [200u8, 100, 50].into_iter().enumerate() {
                for row in 0..4 {
                    let at = |column: usize| pixels[(channel * 4 + row) * 6 + column];
                    assert!(at(0).abs_diff(colour / 2) <= off, "{format:?} {channel} {}", at(0));
                    assert!(at(5).abs_diff(colour) <= off, "{format:?} {channel} {}", at(5));
                }
            }
        }
    }

    #[test]
    fn grey_and_another_size() {
        let shape = ImageShape { channels: 1, height: 9, width: 5 };
        let pixels = decoded(&image(ImageFormat::Png, 60, 40, [90, 90, 90]), shape).unwrap();
        assert_eq!(pixels.len(), 45);
        assert!(pixels.chunks(5).all(|row| row[4] == 90 && row[0] < 90), "{pixels:?}");
        let again = decoded(&image(ImageFormat::Png, 60, 40, [90, 90, 90]), shape).unwrap();
        assert_eq!(pixels, again);
    }

    #[test]
    fn padding_has_the_background_in_the_channels_of_the_model() {
        let grey = image::GrayImage::from_pixel(2, 4, image::Luma([77]));
        let colour = image::RgbImage::from_pixel(2, 4, image::Rgb([77, 77, 77]));
        let read = |image: DynamicImage, channels: usize, background: &str| {
            let background = background.parse().unwrap();
            let preprocessing =
                Preprocessing { background, resize: ResizeMode::Pad, ..Preprocessing::default() };
            let target = Target { shape: ImageShape { channels, height: 4, width: 4 }, preprocessing };
            let pixels = fitted(image, &target).unwrap();
            assert_eq!(pixels.len(), channels * 16);
            pixels.chunks(16).map(|plane| plane[..4].to_vec()).collect::<Vec<_>>()
        };
        for image in [DynamicImage::ImageLuma8(grey), DynamicImage::ImageRgb8(colour)] {
            let of = |channels, background| read(image.clone(), channels, background);
            assert_eq!(of(3, "#ff8000"), [[255, 77, 77, 255], [128, 77, 77, 128], [0, 77, 77, 0]]);
            assert_eq!(of(3, "black"), [[0, 77, 77, 0]; 3]);
            assert_eq!(of(1, "white"), [[255, 77, 77, 255]]);
            assert_eq!(of(1, "none"), [[255, 77, 77, 255]]);
            // The luma of orange, as for images.
            assert_eq!(of(1, "#ff8000"), [[146, 77, 77, 146]]);
        }
    }

    #[test]
    fn a_cut_image_is_bad_in_each_format() {
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
            let whole = image(format, 40, 30, [200, 100, 50]);
            assert!(decoded(&whole, SHAPE).is_ok());
            // Not the last few bytes: the last chunk of a PNG is empty and its loss costs no pixel.
            for length in [0, 1, 2, 3, 8, whole.len() / 3, whole.len() / 2, whole.len() - 20] {
                assert!(
                    decoded(&whole[..length], SHAPE).is_err(),
                    "{format:?} cut to {length} of {}",
                    whole.len()
                );
            }
        }
        let whole = image(ImageFormat::Jpeg, 40, 30, [200, 100, 50]);
        assert!(decoded(&whole[..whole.len() - 1], SHAPE).unwrap_err().contains("truncated"));
    }

    #[test]
    fn a_decompression_bomb_is_rejected_by_its_header() {
        // The header of a PNG that claims 30,000 x 30,000; chunk lengths and checksum are right.
        let mut bomb = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec();
        let mut header = Vec::new();
        header.extend(30_000u32.to_be_bytes());
        header.extend(30_000u32.to_be_bytes());
        header.extend([8, 2, 0, 0, 0]);
        bomb.extend(&header);
        let mut crc = flate2::Crc::new();
        crc.update(b"IHDR");
        crc.update(&header);
        bomb.extend(crc.sum().to_be_bytes());
        bomb.extend(b"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e");
        let reason = decoded(&bomb, SHAPE).unwrap_err();
        assert!(reason.contains("limit"), "{reason}");
    }

    #[test]
    fn a_tiff_with_reversed_bits_is_rejected() {
        // 8 x 1 pixels of 1 bit, without compression.
        let tiff = |big: bool, order: u16| {
            let short = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
            let long = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
            let tags = [
                (256, 8),
                (257, 1),
                (258, 1),
                (259, 1),
                (262, 1),
                (266, order),
                (273, 122),
                (277, 1),
                (279, 1),
            ];
            let mut bytes = if big { b"MM".to_vec() } else { b"II".to_vec() };
            bytes.extend(short(42));
            bytes.extend(long(8));
            bytes.extend(short(tags.len() as u16));
            for (tag, value) in tags {
                bytes.extend([short(tag), short(3)].concat());
                bytes.extend(long(1));
                bytes.extend([short(value), short(0)].concat());
            }
            bytes.extend(long(0));
            bytes.push(0b1110_1010);
            bytes
        };
        let shape = ImageShape { channels: 1, height: 1, width: 8 };
        for big in [false, true] {
            assert_eq!(tiff(big, 1).len(), 123);
            assert_eq!(decoded(&tiff(big, 1), shape).unwrap(), [255, 255, 255, 0, 255, 0, 255, 0]);
            let reason = decoded(&tiff(big, 2), shape).unwrap_err();
            assert!(reason.contains("FillOrder is 2"), "{reason}");
        }
    }

    #[test]
    fn other_content_and_missing_files_are_bad() {
        assert!(decoded(b"GIF89a cut", SHAPE).is_err());
        assert!(
            decoded(b"just text", SHAPE)
                .unwrap_err()
                .contains("not a PNG, JPEG, WebP, BMP, TIFF, GIF, PNM or QOI file")
        );
        let missing = read_image("no/such/file.png", SHAPE, &Preprocessing::default());
        assert!(missing.unwrap_err().to_string().contains("cannot be read"));
    }
}

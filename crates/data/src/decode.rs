//! Decodes image files to bytes of a given shape, without trusting the file.
//!
//! A file that claims 20,000 x 20,000 pixels in a few kilobytes is rejected by its header, before any memory is allocated. JPEG decoders
//! silently fill the missing rest of a truncated file with grey, so this module looks for the end-of-image marker itself. A panic of a
//! decoder counts as a bad image.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use sha2::{Digest, Sha256};

use crate::place::{MAX_BYTES, read_file};
use crate::resize::resize;
use crate::{Error, ImageShape};

/// Longest side of an image file, in pixels.
pub(crate) const MAX_SIDE: u32 = 20_000;

/// Decodes a PNG, JPEG or WebP file to `shape` as `[channels, height, width]`, rotated as its metadata requires.
///
/// The alpha channel is dropped, not blended. The aspect ratio may change; the filter is bilinear over the area of a target pixel. The
/// error is the reason, without the path.
pub(crate) fn decode_file(path: &Path, shape: ImageShape) -> Result<Vec<u8>, String> {
    decode_bytes(&read_file(path)?, shape)
}

/// As [`decode_file`], from the content of the file.
pub(crate) fn decode_bytes(bytes: &[u8], shape: ImageShape) -> Result<Vec<u8>, String> {
    catch_unwind(AssertUnwindSafe(|| decode(bytes, shape)))
        .unwrap_or_else(|_| Err("the decoder panicked on this file".to_owned()))
}

/// Reads an image file as bytes of `shape`, `[channels, height, width]`, like the images of an [`ImageSet`](crate::ImageSet).
///
/// The file is PNG, JPEG or WebP. It is rotated as its metadata requires, its alpha channel is dropped, and it is resized to the shape, even
/// if the aspect ratio changes.
///
/// # Errors
/// [`Error::BadImage`] with the reason.
pub fn read_image(path: impl AsRef<Path>, shape: ImageShape) -> crate::Result<Vec<u8>> {
    let path = path.as_ref();
    decode_file(path, shape).map_err(|reason| Error::BadImage { path: path.to_path_buf(), reason })
}

/// Checks that an image can be decoded.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| decode_limited(bytes).map(drop)))
        .unwrap_or_else(|_| Err("the decoder panicked on this file".to_owned()))
}

/// Properties of an image file, and a digest of its pixels.
///
/// The digest covers the pixels as 8-bit RGB after rotation. The same image in another lossless format or with other metadata has the same
/// digest.
pub(crate) fn examine(bytes: &[u8]) -> Result<(ImageProperties, ContentDigest), String> {
    let examined = || {
        let image = decode_limited(bytes)?;
        let mode = match (image.color(), jpeg_channels(bytes)) {
            (_, Some(4)) => "CMYK",
            (ColorType::L8, _) => "grey",
            (ColorType::La8, _) => "grey and alpha",
            (ColorType::Rgb8, _) => "RGB",
            (ColorType::Rgba8, _) => "RGB and alpha",
            (ColorType::L16, _) => "16-bit grey",
            (ColorType::La16, _) => "16-bit grey and alpha",
            (ColorType::Rgb16, _) => "16-bit RGB",
            (ColorType::Rgba16, _) => "16-bit RGB and alpha",
            _ => "other",
        };
        let format = match image::guess_format(bytes) {
            Ok(ImageFormat::Png) => "PNG",
            Ok(ImageFormat::Jpeg) => "JPEG",
            _ => "WebP",
        };
        let (width, height) = (image.width(), image.height());
        let properties = ImageProperties { format, mode, animated: is_animated(bytes), width, height };
        let sides = [width.to_le_bytes(), height.to_le_bytes()].concat();
        Ok((properties, ContentDigest::of(&[&sides, image.into_rgb8().as_raw()])))
    };
    catch_unwind(AssertUnwindSafe(examined))
        .unwrap_or_else(|_| Err("the decoder panicked on this file".to_owned()))
}

/// Properties of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageProperties {
    /// `PNG`, `JPEG` or `WebP`.
    pub format: &'static str,
    /// Its colour mode in words, as in `RGB and alpha`.
    pub mode: &'static str,
    /// Whether it has several frames; only the first is read.
    pub animated: bool,
    /// Columns of pixels, after rotation.
    pub width: u32,
    /// Rows of pixels, after rotation.
    pub height: u32,
}

/// A digest that identifies equal content: the first half of SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentDigest([u8; 16]);

impl ContentDigest {
    /// The digest of several pieces in order.
    pub(crate) fn of(pieces: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for piece in pieces {
            digest.update(piece);
        }
        let whole: [u8; 32] = digest.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        Self(half)
    }
}

/// Whether a PNG has animation frames (`acTL` before its pixels), or a WebP its animation flag set.
fn is_animated(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"RIFF") {
        return bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0);
    }
    let mut at = 8_usize;
    while let Some(&[a, b, c, d, ref kind @ ..]) = bytes.get(at..at.saturating_add(8)) {
        match kind {
            b"acTL" => return true,
            b"IDAT" => return false,
            _ => at = at.saturating_add(12).saturating_add(u32::from_be_bytes([a, b, c, d]) as usize),
        }
    }
    false
}

/// Number of channels in the frame header of a JPEG.
fn jpeg_channels(bytes: &[u8]) -> Option<u8> {
    let mut at = 2_usize;
    while bytes.starts_with(b"\xff\xd8") {
        let &[0xff, marker, high, low] = bytes.get(at..at + 4)? else { return None };
        // The frame headers; c4, c8 and cc are tables.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            return bytes.get(at + 9).copied();
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    None
}

fn decode(bytes: &[u8], shape: ImageShape) -> Result<Vec<u8>, String> {
    let image = decode_limited(bytes)?;
    let (height, width) = (image.height() as usize, image.width() as usize);
    let pixels =
        if shape.channels == 1 { image.into_luma8().into_raw() } else { image.into_rgb8().into_raw() };
    let pixels = if (height, width) == (shape.height, shape.width) {
        pixels
    } else {
        resize(&pixels, height, width, shape)
    };
    Ok(if shape.channels == 1 { pixels } else { channels_first(&pixels, shape.channels) })
}

fn decode_limited(bytes: &[u8]) -> Result<DynamicImage, String> {
    let reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let format = reader.format().ok_or("not a PNG, JPEG or WebP file")?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) {
        return Err(format!("not a PNG, JPEG or WebP file but {format:?}"));
    }
    if format == ImageFormat::Jpeg && !jpeg_has_end(bytes) {
        return Err("truncated JPEG: no end-of-image marker".to_owned());
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
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    decoder.set_limits(limits).map_err(|error| error.to_string())?;
    let orientation = decoder.orientation().map_err(|error| error.to_string())?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// `[height, width, channels]` to `[channels, height, width]`.
fn channels_first(pixels: &[u8], channels: usize) -> Vec<u8> {
    (0..channels).flat_map(|channel| pixels.iter().skip(channel).step_by(channels).copied()).collect()
}

/// Whether the markers of a JPEG lead from its start to an end-of-image marker.
///
/// Segments are skipped by their lengths, so the end marker of an embedded thumbnail does not count.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    const FILL_OR_MARKER: u8 = 0xff;
    const END: u8 = 0xd9;
    let mut at = 2;
    loop {
        // To the next marker: 0xff and neither a stuffed zero, a restart marker nor another 0xff.
        let Some(offset) =
            bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == FILL_OR_MARKER))
        else {
            return false;
        };
        at += offset + 1;
        match bytes.get(at) {
            None => return false,
            Some(&END) => return true,
            Some(0xff) => {}
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 1,
            Some(_) => match bytes.get(at + 1..at + 3) {
                Some(&[high, low]) => at += 1 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        }
    }
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
        decode_file(&path, shape)
    }

    #[test]
    fn colours_and_layout_of_each_format() {
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
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
    fn the_end_of_a_thumbnail_is_not_the_end() {
        // SOI, a comment segment that holds an end marker, then nothing.
        assert!(!jpeg_has_end(b"\xff\xd8\xff\xfe\x00\x06ab\xff\xd9"));
        assert!(jpeg_has_end(b"\xff\xd8\xff\xfe\x00\x06ab\xff\xd9\xff\xd9"));
        assert!(jpeg_has_end(b"\xff\xd8\xff\xda\x00\x02\x11\xff\x00\x22\xff\xd0\x33\xff\xff\xd9trailing"));
        for bytes in [&b""[..], b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xda\x00"] {
            assert!(!jpeg_has_end(bytes));
        }
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
    fn other_content_and_missing_files_are_bad() {
        assert!(decoded(b"GIF89a not enabled", SHAPE).is_err());
        assert!(decoded(b"just text", SHAPE).unwrap_err().contains("not a PNG, JPEG or WebP"));
        assert!(decode_file(Path::new("no/such/file.png"), SHAPE).unwrap_err().contains("cannot be read"));
    }
}

//! What the files say besides their pixels: the format, the orientation, whether there are several frames, whether a JPEG is complete.

use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat};

/// The formats that are read, with their names.
pub(super) const FORMATS: [(ImageFormat, &str); 8] = [
    (ImageFormat::Png, "PNG"),
    (ImageFormat::Jpeg, "JPEG"),
    (ImageFormat::WebP, "WebP"),
    (ImageFormat::Bmp, "BMP"),
    (ImageFormat::Tiff, "TIFF"),
    (ImageFormat::Gif, "GIF"),
    (ImageFormat::Pnm, "PNM"),
    (ImageFormat::Qoi, "QOI"),
];

/// What may stand before the TIFF header in EXIF data.
const EXIF_PREFIX: &[u8] = b"Exif\0\0";

/// The formats that are read, as in `PNG, JPEG or WebP`.
pub(crate) fn format_names() -> String {
    let names = FORMATS.map(|(_, name)| name);
    format!("{} or {}", names[..names.len() - 1].join(", "), names[names.len() - 1])
}

/// The name of a format that is read.
pub(super) fn name_of_format(format: ImageFormat) -> Option<&'static str> {
    FORMATS.iter().find(|(known, _)| *known == format).map(|(_, name)| *name)
}

/// The rotation that the metadata requires: from EXIF data, with or without its prefix, or from the tags of a TIFF.
pub(super) fn orientation(
    bytes: &[u8],
    format: ImageFormat,
    decoder: &mut impl ImageDecoder,
) -> Result<Orientation, String> {
    let exif = match format {
        // The chunk may also follow the pixels, where the decoder does not look.
        ImageFormat::Png => png_chunk(bytes, *b"eXIf").map(<[u8]>::to_vec),
        ImageFormat::WebP => decoder.exif_metadata().map_err(|error| error.to_string())?,
        _ => return decoder.orientation().map_err(|error| error.to_string()),
    };
    let exif = exif.as_deref().map(|exif| exif.strip_prefix(EXIF_PREFIX).unwrap_or(exif));
    Ok(exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms))
}

/// The kinds and contents of the chunks of a PNG, as far as they are complete.
fn png_chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut at = 8_usize;
    std::iter::from_fn(move || {
        let head = bytes.get(at..at.checked_add(8)?)?;
        let (length, kind) = (head.first_chunk::<4>()?, head.last_chunk::<4>()?);
        let start = at + 8;
        let end = start.checked_add(u32::from_be_bytes(*length) as usize)?;
        at = end.checked_add(4)?;
        Some((*kind, bytes.get(start..end)?))
    })
}

pub(super) fn png_chunk(bytes: &[u8], kind: [u8; 4]) -> Option<&[u8]> {
    png_chunks(bytes).find(|(found, _)| *found == kind).map(|(_, content)| content)
}

/// Whether a file has several frames: animation frames of a PNG before its pixels, the animation flag of a WebP, more than one image of a GIF,
/// or more than one page of a TIFF.
pub(super) fn is_animated(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Png => {
            png_chunks(bytes).take_while(|(kind, _)| kind != b"IDAT").any(|(kind, _)| kind == *b"acTL")
        }
        ImageFormat::WebP => {
            bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0)
        }
        ImageFormat::Gif => gif_images(bytes) > 1,
        ImageFormat::Tiff => has_second_page(bytes).unwrap_or(false),
        _ => false,
    }
}

/// Number of images in a GIF, at most 2.
fn gif_images(bytes: &[u8]) -> usize {
    let colours = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    // Blocks of data, each with its length before it, up to an empty one.
    let after_blocks = |mut at: usize| loop {
        match bytes.get(at) {
            Some(0) => return Some(at + 1),
            Some(length) => at += 1 + usize::from(*length),
            None => return None,
        }
    };
    let (mut at, mut images) = (13 + bytes.get(10).map_or(0, |flags| colours(*flags)), 0);
    while images < 2 {
        let next = match bytes.get(at) {
            Some(0x21) => after_blocks(at + 2),
            Some(0x2c) => {
                images += 1;
                bytes.get(at + 9).and_then(|flags| after_blocks(at + 11 + colours(*flags)))
            }
            _ => None,
        };
        let Some(next) = next else { break };
        at = next;
    }
    images
}

/// Whether a file is a `BigTIFF`, a TIFF with offsets of 64 bits, which the decoder reads but the crate does not recognise.
pub(super) fn is_big_tiff(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II+\0\x08\0") || bytes.starts_with(b"MM\0+\0\x08")
}

/// The first directory of a TIFF: a list of entries, each with a tag and values.
struct TiffDirectory<'a> {
    bytes: &'a [u8],
    little: bool,
    /// The first byte of the entries, their number, and the bytes of each; 12 in a TIFF, 20 in a `BigTIFF`.
    entries: (usize, usize, usize),
    /// Bytes of an offset: 4 in a TIFF, 8 in a `BigTIFF`.
    offset: usize,
}

impl<'a> TiffDirectory<'a> {
    /// `None` if the file is cut.
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let mut directory = Self { bytes, little: bytes.starts_with(b"II"), entries: (0, 0, 12), offset: 4 };
        let mut count = 2;
        let mut at = 4;
        if directory.number(2, 2)? == 43 {
            (directory.offset, directory.entries.2, count, at) = (8, 20, 8, 8);
        }
        let first = directory.number(at, directory.offset)?;
        directory.entries = (first.checked_add(count)?, directory.number(first, count)?, directory.entries.2);
        Some(directory)
    }

    /// The directory of a TIFF without 64-bit offsets, such as EXIF data, to which a tag points.
    fn below(&self, tag: usize) -> Option<Self> {
        let place = self.number(self.entry(tag)? + 8, 4)?;
        let entries = (place.checked_add(2)?, self.number(place, 2)?, self.entries.2);
        Some(Self { entries, ..*self })
    }

    fn number(&self, at: usize, length: usize) -> Option<usize> {
        let field = self.bytes.get(at..at.checked_add(length)?)?;
        let add = |sum: usize, byte: &u8| (sum << 8) | usize::from(*byte);
        Some(if self.little { field.iter().rev().fold(0, add) } else { field.iter().fold(0, add) })
    }

    /// Whether another directory follows.
    fn has_successor(&self) -> Option<bool> {
        let (first, count, size) = self.entries;
        Some(self.number(first.checked_add(count.checked_mul(size)?)?, self.offset)? != 0)
    }

    /// The place of the entry of a tag.
    fn entry(&self, tag: usize) -> Option<usize> {
        let (first, count, size) = self.entries;
        // A directory of a damaged file can claim any number of entries.
        let mut entries = (0..count).map_while(|entry| first.checked_add(entry.checked_mul(size)?));
        entries.find_map(|at| match self.number(at, 2) {
            Some(found) => (found == tag).then_some(Some(at)),
            None => Some(None),
        })?
    }

    /// The place of the values of a tag, and their number; each has so many bytes.
    fn values(&self, tag: usize, bytes: usize) -> Option<(usize, usize)> {
        let at = self.entry(tag)?;
        let count = self.number(at + 4, self.offset)?;
        let place = at + 4 + self.offset;
        let inside = count.checked_mul(bytes)? <= self.offset;
        Some((if inside { place } else { self.number(place, self.offset)? }, count))
    }

    /// The first of the 16-bit values of a tag.
    fn short(&self, tag: usize) -> Option<usize> {
        self.number(self.values(tag, 2)?.0, 2)
    }

    /// The bytes of a tag.
    fn content(&self, tag: usize) -> Option<&'a [u8]> {
        let (place, count) = self.values(tag, 1)?;
        self.bytes.get(place..place.checked_add(count)?)
    }
}

/// The ICC profile of a TIFF.
pub(super) fn tiff_profile(bytes: &[u8]) -> Option<&[u8]> {
    const ICC_PROFILE: usize = 34_675;
    TiffDirectory::first(bytes)?.content(ICC_PROFILE)
}

/// Whether the channels of a TIFF are inks, as the tag `PhotometricInterpretation` says.
pub(super) fn has_inks(bytes: &[u8]) -> bool {
    const PHOTOMETRIC: usize = 262;
    const SEPARATED: usize = 5;
    TiffDirectory::first(bytes).and_then(|first| first.short(PHOTOMETRIC)) == Some(SEPARATED)
}

/// Whether the EXIF data of a JPEG says that its colours are Adobe RGB, as cameras do that write no profile (Exif 2.3 and DCF 2.0): the
/// colour space is not sRGB and the interoperability index is `R03`.
pub(super) fn is_adobe_camera(bytes: &[u8]) -> bool {
    const EXIF: usize = 0x8769;
    const COLOUR_SPACE: usize = 0xa001;
    const INTEROPERABILITY: usize = 0xa005;
    const INDEX: usize = 1;
    const SRGB: usize = 1;
    let says = || {
        let first = TiffDirectory::first(jpeg_exif(bytes)?)?;
        let exif = first.below(EXIF)?;
        let index = exif.below(INTEROPERABILITY)?.content(INDEX)?;
        Some(exif.short(COLOUR_SPACE)? != SRGB && index.starts_with(b"R03"))
    };
    says().unwrap_or(false)
}

/// The EXIF data of a JPEG, without its prefix.
fn jpeg_exif(bytes: &[u8]) -> Option<&[u8]> {
    const APPLICATION: std::ops::RangeInclusive<u8> = 0xe0..=0xef;
    let mut at = 2_usize;
    while bytes.starts_with(b"\xff\xd8") {
        let &[0xff, marker, high, low] = bytes.get(at..at + 4)? else { return None };
        // Cameras write the segments of applications first.
        if !APPLICATION.contains(&marker) {
            return None;
        }
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        let exif = bytes.get(at + 4..end)?.strip_prefix(EXIF_PREFIX);
        if marker == 0xe1 && exif.is_some() {
            return exif;
        }
        at = end;
    }
    None
}

/// Whether the colours of an image are stored multiplied by its transparency, as the tag `ExtraSamples` of a TIFF says.
pub(super) fn has_associated_alpha(bytes: &[u8], format: ImageFormat) -> bool {
    const EXTRA_SAMPLES: usize = 338;
    const ASSOCIATED: usize = 1;
    let directory = || TiffDirectory::first(bytes);
    format == ImageFormat::Tiff
        && directory().and_then(|first| first.short(EXTRA_SAMPLES)) == Some(ASSOCIATED)
}

/// Whether the bits of each byte of a TIFF are stored in reverse order, as the tag `FillOrder` says. Fax programs and scanners write it.
pub(super) fn has_reversed_bits(bytes: &[u8], format: ImageFormat) -> bool {
    const FILL_ORDER: usize = 266;
    const LOWEST_FIRST: usize = 2;
    let directory = || TiffDirectory::first(bytes);
    format == ImageFormat::Tiff && directory().and_then(|first| first.short(FILL_ORDER)) == Some(LOWEST_FIRST)
}

/// Whether the first directory of a TIFF has a successor; `None` if it is cut.
fn has_second_page(bytes: &[u8]) -> Option<bool> {
    TiffDirectory::first(bytes)?.has_successor()
}

/// Number of channels in the frame header of a JPEG.
pub(super) fn jpeg_channels(bytes: &[u8]) -> Option<u8> {
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

/// Whether the markers of a JPEG lead from its start to an end-of-image marker.
///
/// Segments are skipped by their lengths, so the end marker of an embedded thumbnail does not count.
pub(super) fn jpeg_has_end(bytes: &[u8]) -> bool {
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
    fn frames_are_counted_without_decoding() {
        let head = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
        let frame = b"\x21\xf9\x04\0\0\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
        let of = |frames: usize| [&head[..], &frame.repeat(frames), b"\x3b"].concat();
        for frames in 0..4 {
            assert_eq!(gif_images(&of(frames)), frames.min(2));
        }
        for length in 0..of(2).len() {
            assert!(gif_images(&of(2)[..length]) <= 2);
        }
        let page = |next: u8| [&b"II*\0\x08\0\0\0\x01\0"[..], &[0; 12], &[next, 0, 0, 0]].concat();
        assert_eq!((has_second_page(&page(0)), has_second_page(&page(9))), (Some(false), Some(true)));
        assert_eq!(has_second_page(&page(9)[..20]), None);
        assert_eq!(format_names(), "PNG, JPEG, WebP, BMP, TIFF, GIF, PNM or QOI");
    }
}

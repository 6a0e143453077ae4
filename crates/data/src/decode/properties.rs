//! Properties of an image file that matter before training, and a digest by which duplicate images are found.

use image::{ColorType, DynamicImage, ImageFormat};
use sha2::{Digest, Sha256};

use super::metadata::{is_animated, jpeg_channels};

/// Properties of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageProperties {
    /// `PNG`, `JPEG`, `WebP`, `BMP`, `TIFF`, `GIF`, `PNM` or `QOI`.
    pub format: &'static str,
    /// Its colour mode in words, as in `RGB and alpha`.
    pub mode: &'static str,
    /// Whether it has several frames; only the first is read.
    pub animated: bool,
    /// Columns of pixels, after rotation.
    pub width: u32,
    /// Rows of pixels, after rotation.
    pub height: u32,
    /// Smallest and largest colour value of a 16-bit image; `None` for other images.
    pub deep_range: Option<(u16, u16)>,
    /// The colour value of a 16-bit image above which one value in a thousand lies at most: a few bright pixels say nothing about its range.
    /// `None` for other images.
    pub deep_most: Option<u16>,
    /// Whether any pixel is not opaque.
    pub transparent: bool,
    /// Whether it is transparent and has one colour only after blending, or nearly so, and its content is lost.
    pub hidden: bool,
    /// The colour space of its pixels, which are read as if they were sRGB; `None` for sRGB, and if the file does not say it.
    pub colour_space: Option<&'static str>,
}

impl ImageProperties {
    /// The properties of a decoded file, before its pixels are converted.
    pub(super) fn of(bytes: &[u8], image: &DynamicImage, format: ImageFormat, name: &'static str) -> Self {
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
        let (width, height) = (image.width(), image.height());
        let animated = is_animated(bytes, format);
        let (deep, transparent) = (deep_values(image), is_transparent(image));
        let (deep_range, deep_most) = (deep.map(|(low, _, high)| (low, high)), deep.map(|(_, most, _)| most));
        Self {
            format: name,
            mode,
            animated,
            width,
            height,
            deep_range,
            deep_most,
            transparent,
            hidden: false,
            colour_space: None,
        }
    }
}

/// One value in so many may be larger than the bulk of the values.
const BRIGHT: usize = 1000;

/// Smallest, bulk and largest colour value of a 16-bit image.
fn deep_values(image: &DynamicImage) -> Option<(u16, u16, u16)> {
    let range = |values: &mut dyn Iterator<Item = u16>| {
        let mut counts = vec![0_usize; 1 << 16];
        values.for_each(|value| counts[usize::from(value)] += 1);
        let low = counts.iter().position(|count| *count > 0)?;
        let high = counts.iter().rposition(|count| *count > 0)?;
        let mut above = counts.iter().sum::<usize>() / BRIGHT;
        let mut most = high;
        while most > low && counts[most] <= above {
            above -= counts[most];
            most -= 1;
        }
        Some((low as u16, most as u16, high as u16))
    };
    match image {
        DynamicImage::ImageLuma16(deep) => range(&mut deep.as_raw().iter().copied()),
        DynamicImage::ImageRgb16(deep) => range(&mut deep.as_raw().iter().copied()),
        DynamicImage::ImageLumaA16(deep) => range(&mut deep.pixels().map(|pixel| pixel.0[0])),
        DynamicImage::ImageRgba16(deep) => {
            range(&mut deep.pixels().flat_map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2]]))
        }
        _ => None,
    }
}

fn is_transparent(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageLumaA8(pixels) => pixels.pixels().any(|pixel| pixel.0[1] != u8::MAX),
        DynamicImage::ImageRgba8(pixels) => pixels.pixels().any(|pixel| pixel.0[3] != u8::MAX),
        DynamicImage::ImageLumaA16(pixels) => pixels.pixels().any(|pixel| pixel.0[1] != u16::MAX),
        DynamicImage::ImageRgba16(pixels) => pixels.pixels().any(|pixel| pixel.0[3] != u16::MAX),
        _ => false,
    }
}

/// The content of an image is lost if at most so many of 255 levels remain of it, and it had so many.
const FAINT: u8 = 24;
const VISIBLE: u8 = 64;

/// Whether blending an image of this contrast gave `blended`, of 8 bits, which has no contrast or hardly any.
pub(super) fn is_lost(stored: u8, blended: &DynamicImage) -> bool {
    let left = contrast(blended.as_bytes(), blended.color().channel_count());
    left == 0 || left <= FAINT && stored >= VISIBLE
}

/// The contrast of an image with transparency, which counts like a colour, in levels of 8 bits.
pub(super) fn stored_contrast(image: &DynamicImage) -> u8 {
    let channels = image.color().channel_count();
    match image {
        DynamicImage::ImageLumaA16(deep) => (contrast(deep.as_raw(), channels) >> 8) as u8,
        DynamicImage::ImageRgba16(deep) => (contrast(deep.as_raw(), channels) >> 8) as u8,
        image => contrast(image.as_bytes(), channels),
    }
}

/// The largest difference of two values of one channel.
fn contrast<Value: Copy + Ord + std::ops::Sub<Output = Value> + Default>(
    values: &[Value],
    channels: u8,
) -> Value {
    let channels = usize::from(channels);
    let difference = |channel: usize| {
        let of_channel = || values.iter().skip(channel).step_by(channels).copied();
        Some(of_channel().max()? - of_channel().min()?)
    };
    (0..channels).filter_map(difference).max().unwrap_or_default()
}

/// A digest that identifies equal content: the first half of SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentDigest([u8; 16]);

impl ContentDigest {
    /// The digest of several pieces in order.
    pub(crate) fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut digest = Sha256::new();
        for piece in pieces {
            digest.update(piece);
        }
        let whole: [u8; 32] = digest.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        Self(half)
    }

    /// The digest of a vector. Zeros of either sign are equal.
    pub(crate) fn of_row(values: &[f32], bytes: &mut Vec<u8>) -> Self {
        bytes.clear();
        bytes.extend(values.iter().flat_map(|value| (value + 0.0).to_le_bytes()));
        Self::of([bytes.as_slice()])
    }
}

/// The digest of an image's size and pixels, after rotation and before conversion.
///
/// Equal pixels have the same digest in every format and colour mode that holds them: unused transparency, 16-bit values that are exact in 8
/// bits, and colours that are all grey do not count. Transparent pixels count with their colour.
pub(super) fn digest(image: &DynamicImage) -> ContentDigest {
    let sides = [image.width().to_le_bytes(), image.height().to_le_bytes()].concat();
    let bytes = image.as_bytes();
    let (values, channels) = match image.color() {
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16
            if bytes.chunks_exact(2).all(|value| value[0] == value[1]) =>
        {
            (bytes.iter().step_by(2).copied().collect::<Vec<u8>>().into(), image.color().channel_count())
        }
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            let channels = image.color().channel_count();
            return ContentDigest::of([&sides[..], &[16, channels], bytes]);
        }
        colour => (std::borrow::Cow::Borrowed(bytes), colour.channel_count()),
    };
    let channels = usize::from(channels);
    let has_alpha = channels.is_multiple_of(2)
        && values.iter().skip(channels - 1).step_by(channels).any(|alpha| *alpha != u8::MAX);
    let colours = if channels.is_multiple_of(2) { channels - 1 } else { channels };
    let grey = colours == 1
        || values.chunks_exact(channels).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    let kept: Vec<usize> = match (grey, has_alpha) {
        (true, false) => vec![0],
        (true, true) => vec![0, channels - 1],
        (false, false) => vec![0, 1, 2],
        (false, true) => vec![0, 1, 2, 3],
    };
    let kind = [8, kept.len() as u8];
    if kept.len() == channels {
        return ContentDigest::of([&sides[..], &kind, &values]);
    }
    let reduced: Vec<u8> =
        values.chunks_exact(channels).flat_map(|pixel| kept.iter().map(|at| pixel[*at])).collect();
    ContentDigest::of([&sides[..], &kind, &reduced])
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};

    #[test]
    fn equal_pixels_have_one_digest_in_every_mode_that_holds_them() {
        let value = |x: u32| (x * 60) as u8;
        let deep = |x: u32| u16::from(value(x)) * 257;
        let same: Vec<DynamicImage> = vec![
            GrayImage::from_fn(4, 1, |x, _| Luma([value(x)])).into(),
            GrayAlphaImage::from_fn(4, 1, |x, _| LumaA([value(x), 255])).into(),
            RgbImage::from_fn(4, 1, |x, _| Rgb([value(x); 3])).into(),
            RgbaImage::from_fn(4, 1, |x, _| Rgba([value(x), value(x), value(x), 255])).into(),
            DynamicImage::ImageLuma16(ImageBuffer::from_fn(4, 1, |x, _| Luma([deep(x)]))),
            DynamicImage::ImageRgba16(ImageBuffer::from_fn(4, 1, |x, _| {
                Rgba([deep(x), deep(x), deep(x), 65_535])
            })),
        ];
        assert!(same.iter().all(|image| digest(image) == digest(&same[0])));
        let other: Vec<DynamicImage> = vec![
            GrayImage::from_fn(1, 4, |_, y| Luma([value(y)])).into(),
            GrayAlphaImage::from_fn(4, 1, |x, _| LumaA([value(x), 254])).into(),
            RgbImage::from_fn(4, 1, |x, _| Rgb([value(x), 0, 0])).into(),
            DynamicImage::ImageLuma16(ImageBuffer::from_fn(4, 1, |x, _| Luma([deep(x) + 1]))),
            DynamicImage::ImageLuma16(ImageBuffer::from_fn(4, 1, |x, _| Luma([deep(x) + 2]))),
        ];
        let mut all: Vec<ContentDigest> = other.iter().chain(&same[..1]).map(digest).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
        let mut bytes = Vec::new();
        assert_eq!(
            ContentDigest::of_row(&[0.0, 1.0], &mut bytes),
            ContentDigest::of_row(&[-0.0, 1.0], &mut bytes)
        );
    }

    #[test]
    fn ranges_and_transparency() {
        let deep =
            DynamicImage::ImageRgba16(ImageBuffer::from_fn(2, 1, |x, _| Rgba([5, 9 + x as u16, 7, 65_535])));
        assert_eq!((deep_values(&deep), is_transparent(&deep)), (Some((5, 10, 10)), false));
        let clear: DynamicImage = RgbaImage::from_pixel(2, 2, Rgba([1, 2, 3, 0])).into();
        assert_eq!((deep_values(&clear), is_transparent(&clear)), (None, true));
        let bright = DynamicImage::ImageLuma16(ImageBuffer::from_fn(100, 10, |x, y| {
            Luma([if x + y == 0 { u16::MAX } else { 7 + (x as u16) * 3 }])
        }));
        assert_eq!(deep_values(&bright), Some((7, 304, u16::MAX)));
    }

    #[test]
    fn contents_are_lost_where_blending_leaves_hardly_any_contrast() {
        let grey = |low: u8, high: u8| {
            GrayImage::from_fn(2, 1, |x, _| Luma([if x > 0 { low } else { high }])).into()
        };
        assert!(is_lost(0, &grey(7, 7)) && is_lost(255, &grey(245, 255)) && is_lost(255, &grey(0, 24)));
        // It had no more contrast before, or still has some.
        assert!(!is_lost(20, &grey(245, 255)) && !is_lost(255, &grey(200, 255)));
        let icon: DynamicImage =
            RgbaImage::from_fn(2, 2, |x, _| Rgba([250, 250, 250, (x * 255) as u8])).into();
        assert_eq!((stored_contrast(&icon), stored_contrast(&icon.to_rgba16().into())), (255, 255));
    }
}

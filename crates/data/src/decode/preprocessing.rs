//! From decoded pixels to 8-bit colours: 16-bit values are scaled, transparent pixels are blended with a background.

use std::fmt;
use std::str::FromStr;

use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Bits of a full 16-bit value.
const FULL_DEPTH: u8 = 16;

/// How the pixels of image files become 8-bit colours of a given size. Part of a trained model: all later images must be read the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// The colour behind transparent pixels. Default white.
    pub background: Background,
    /// Bits that the values of 16-bit images use, 1 to 16: the value `2^depth - 1` becomes 255, and larger ones too. Default 16.
    pub depth: u8,
    /// How images of another aspect ratio get the size of the model. Default `stretch`, also for models that do not store it.
    #[serde(default, skip_serializing_if = "ResizeMode::is_stretch")]
    pub resize: ResizeMode,
}

/// How an image gets a size with another aspect ratio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeMode {
    /// The aspect ratio changes.
    #[default]
    Stretch,
    /// The whole image in the middle, with the background on both sides; white if there is no background.
    Pad,
    /// The largest centred part with the aspect ratio of the size.
    Crop,
}

impl ResizeMode {
    /// Its name in configurations and models.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stretch => "stretch",
            Self::Pad => "pad",
            Self::Crop => "crop",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_stretch(&self) -> bool {
        *self == Self::Stretch
    }
}

impl fmt::Display for ResizeMode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The colour that transparent pixels are blended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    /// A colour: red, green and blue.
    Colour([u8; 3]),
    /// None: transparency is ignored, and pixels have the colour that is stored for them.
    None,
}

impl Background {
    /// Its red, green and blue; `None` if there is no background.
    pub fn colour(self) -> Option<[u8; 3]> {
        match self {
            Self::Colour(colour) => Some(colour),
            Self::None => None,
        }
    }
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self { background: Background::Colour([255; 3]), depth: FULL_DEPTH, resize: ResizeMode::Stretch }
    }
}

impl fmt::Display for Preprocessing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "background {}, depth {}, resize {}", self.background, self.depth, self.resize)
    }
}

impl Preprocessing {
    /// How images were read before this was a setting: transparency ignored, all 16 bits used.
    pub const EARLIER: Self =
        Self { background: Background::None, depth: FULL_DEPTH, resize: ResizeMode::Stretch };

    /// Checks the depth.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        if !(1..=FULL_DEPTH).contains(&self.depth) {
            return Err(Error::setting("depth", &self.depth, "1 to 16 bits"));
        }
        Ok(())
    }

    /// The largest value of a 16-bit image that is not clipped.
    pub fn largest(&self) -> u16 {
        u16::MAX >> FULL_DEPTH.saturating_sub(self.depth)
    }

    /// The pixels as 8-bit grey or RGB. The error is the reason.
    pub(super) fn apply(self, image: DynamicImage) -> std::result::Result<DynamicImage, String> {
        let image = self.to_bytes(image)?;
        if !image.color().has_alpha() {
            return Ok(image);
        }
        let Background::Colour(ground) = self.background else {
            return Ok(match image {
                DynamicImage::ImageLumaA8(_) => DynamicImage::ImageLuma8(image.into_luma8()),
                image => DynamicImage::ImageRgb8(image.into_rgb8()),
            });
        };
        Ok(match image {
            DynamicImage::ImageLumaA8(grey) if ground[0] == ground[1] && ground[1] == ground[2] => {
                let (width, height) = grey.dimensions();
                let pixels = grey.pixels().map(|pixel| blend(pixel.0[0], ground[0], pixel.0[1])).collect();
                DynamicImage::ImageLuma8(raw(GrayImage::from_raw(width, height, pixels))?)
            }
            image => {
                let colours: RgbaImage = image.into_rgba8();
                let (width, height) = colours.dimensions();
                let blended = colours.pixels().flat_map(|pixel| {
                    let [red, green, blue, alpha] = pixel.0;
                    [
                        blend(red, ground[0], alpha),
                        blend(green, ground[1], alpha),
                        blend(blue, ground[2], alpha),
                    ]
                });
                DynamicImage::ImageRgb8(raw(RgbImage::from_raw(width, height, blended.collect()))?)
            }
        })
    }

    /// Scales 16-bit colours by the depth, and 16-bit transparency by all its bits.
    fn to_bytes(self, image: DynamicImage) -> std::result::Result<DynamicImage, String> {
        let largest = u32::from(self.largest());
        let colour = |value: u16| ((u32::from(value).min(largest) * 255 + largest / 2) / largest) as u8;
        let alpha = |value: u16| ((u32::from(value) * 255 + 32_767) / 65_535) as u8;
        let (width, height) = (image.width(), image.height());
        let pixels = |values: &[u16], channels: usize| -> Vec<u8> {
            let has_alpha = channels.is_multiple_of(2);
            let pixel = |pixel: &[u16]| {
                let mut bytes: Vec<u8> = pixel.iter().map(|value| colour(*value)).collect();
                if let (true, Some(last)) = (has_alpha, pixel.last()) {
                    bytes[channels - 1] = alpha(*last);
                }
                bytes
            };
            values.chunks_exact(channels).flat_map(pixel).collect()
        };
        Ok(match image {
            DynamicImage::ImageLuma16(deep) => {
                let grey = deep.as_raw().iter().map(|value| colour(*value)).collect();
                DynamicImage::ImageLuma8(raw(GrayImage::from_raw(width, height, grey))?)
            }
            DynamicImage::ImageRgb16(deep) => {
                let colours = deep.as_raw().iter().map(|value| colour(*value)).collect();
                DynamicImage::ImageRgb8(raw(RgbImage::from_raw(width, height, colours))?)
            }
            DynamicImage::ImageLumaA16(deep) => {
                let bytes = pixels(deep.as_raw(), 2);
                DynamicImage::ImageLumaA8(raw(image::ImageBuffer::from_raw(width, height, bytes))?)
            }
            DynamicImage::ImageRgba16(deep) => {
                let bytes = pixels(deep.as_raw(), 4);
                DynamicImage::ImageRgba8(raw(RgbaImage::from_raw(width, height, bytes))?)
            }
            DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => {
                return Err(
                    "pixels of 32-bit floating point, whose range is not known; convert it to 8 or 16 bits"
                        .to_owned(),
                );
            }
            bytes => bytes,
        })
    }
}

/// An image of a buffer that has one byte per value of an image of the same size.
fn raw<Image>(image: Option<Image>) -> std::result::Result<Image, String> {
    image.ok_or_else(|| "the decoder returned too few pixels".to_owned())
}

/// Divides colours that are stored multiplied by the opacity of their pixel, so that all images have plain colours. Colours of pixels that are
/// fully transparent are not stored, and become black.
pub(super) fn separate_alpha(image: &mut DynamicImage) {
    fn divide<Value: Copy + Into<u64> + TryFrom<u64>>(pixels: &mut [Value], channels: usize, most: Value) {
        for pixel in pixels.chunks_exact_mut(channels) {
            let Some((alpha, colours)) = pixel.split_last_mut() else { continue };
            let alpha: u64 = (*alpha).into();
            for colour in colours {
                let stored: u64 = (*colour).into();
                let plain = (stored * most.into() + alpha / 2).checked_div(alpha).unwrap_or(0);
                *colour = Value::try_from(plain.min(most.into())).unwrap_or(most);
            }
        }
    }
    match image {
        DynamicImage::ImageLumaA8(pixels) => divide(pixels, 2, u8::MAX),
        DynamicImage::ImageRgba8(pixels) => divide(pixels, 4, u8::MAX),
        DynamicImage::ImageLumaA16(pixels) => divide(pixels, 2, u16::MAX),
        DynamicImage::ImageRgba16(pixels) => divide(pixels, 4, u16::MAX),
        _ => {}
    }
}

/// A colour over a background, rounded.
fn blend(colour: u8, ground: u8, alpha: u8) -> u8 {
    let (colour, ground, alpha) = (u32::from(colour), u32::from(ground), u32::from(alpha));
    ((colour * alpha + ground * (255 - alpha) + 127) / 255) as u8
}

impl FromStr for Background {
    type Err = String;

    /// `white`, `black`, `none`, or a colour such as `#80c0ff`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "none" => return Ok(Self::None),
            "white" => return Ok(Self::Colour([255; 3])),
            "black" => return Ok(Self::Colour([0; 3])),
            _ => {}
        }
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii());
        let byte = |digits: &str, at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        let colour = digits.and_then(|digits| Some([byte(digits, 0)?, byte(digits, 2)?, byte(digits, 4)?]));
        colour
            .map(Self::Colour)
            .ok_or_else(|| format!("found {text:?}, expected white, black, none or a colour such as #80c0ff"))
    }
}

impl fmt::Display for Background {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("none"),
            Self::Colour([255, 255, 255]) => formatter.write_str("white"),
            Self::Colour([0, 0, 0]) => formatter.write_str("black"),
            Self::Colour([red, green, blue]) => write!(formatter, "#{red:02x}{green:02x}{blue:02x}"),
        }
    }
}

impl Serialize for Background {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Background {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};
    use proptest::prelude::*;

    fn with(background: &str, depth: u8) -> Preprocessing {
        Preprocessing { background: background.parse().unwrap(), depth, ..Preprocessing::default() }
    }

    fn applied(image: impl Into<DynamicImage>, preprocessing: Preprocessing) -> Vec<u8> {
        preprocessing.apply(image.into()).unwrap().into_bytes()
    }

    #[test]
    fn transparent_pixels_show_the_background() {
        let image = RgbaImage::from_fn(3, 1, |x, _| Rgba([200, 100, 0, [0, 128, 255][x as usize]]));
        let of = |background| applied(image.clone(), with(background, 16));
        assert_eq!(of("white"), [255, 255, 255, 227, 177, 127, 200, 100, 0]);
        assert_eq!(of("black"), [0, 0, 0, 100, 50, 0, 200, 100, 0]);
        assert_eq!(of("#0000ff")[..6], [0, 0, 255, 100, 50, 127]);
        assert_eq!(of("none"), [200, 100, 0].repeat(3));
        let grey = ImageBuffer::from_fn(2, 1, |x, _| LumaA([7_u8, [0, 255][x as usize]]));
        assert_eq!(applied(grey.clone(), with("white", 16)), [255, 7]);
        assert_eq!(applied(grey.clone(), with("#102030", 16)), [0x10, 0x20, 0x30, 7, 7, 7]);
        assert_eq!(applied(grey, with("none", 16)), [7, 7]);
        let deep = ImageBuffer::from_pixel(1, 1, LumaA([100_u16, 32_768]));
        assert_eq!(applied(deep, with("white", 7)), [blend(201, 255, 128)]);
        let deep = ImageBuffer::from_pixel(1, 1, Rgba([0_u16, 65_535, 257, 0]));
        assert_eq!(applied(deep.clone(), with("black", 16)), [0, 0, 0]);
        assert_eq!(applied(deep, with("none", 16)), [0, 255, 1]);
    }

    #[test]
    fn the_depth_gives_the_value_that_becomes_white() {
        let image = ImageBuffer::from_fn(4, 1, |x, _| Luma([[0_u16, 51, 127, 40_000][x as usize]]));
        assert_eq!(applied(image.clone(), with("white", 7)), [0, 102, 255, 255]);
        assert_eq!(applied(image, with("white", 16)), [0, 0, 0, 156]);
        let colours = ImageBuffer::from_pixel(1, 1, Rgb([4_095_u16, 2_048, 0]));
        assert_eq!(applied(colours, with("white", 12)), [255, 128, 0]);
        assert_eq!(
            (with("white", 16).largest(), with("white", 7).largest(), with("white", 1).largest()),
            (65_535, 127, 1)
        );
        assert!(with("white", 0).validate().is_err() && with("white", 17).validate().is_err());
        let float = ImageBuffer::from_pixel(1, 1, Rgb([0.5_f32, 200.0, 0.0]));
        assert!(
            Preprocessing::default()
                .apply(DynamicImage::ImageRgb32F(float))
                .unwrap_err()
                .contains("floating")
        );
    }

    #[test]
    fn backgrounds_are_read_and_written_as_words() {
        for text in ["white", "black", "none", "#80c0ff"] {
            let background: Background = text.parse().unwrap();
            assert_eq!(background.to_string(), text);
        }
        assert_eq!("#FFFFFF".parse::<Background>().unwrap().to_string(), "white");
        for text in ["", "red", "#fff", "#gg0000", "#ääää", "White "] {
            assert!(
                text.parse::<Background>().unwrap_err().contains("expected white, black, none"),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn blending_stays_between_and_keeps_opaque_colours(colour: u8, ground: u8, alpha: u8) {
            let found = blend(colour, ground, alpha);
            prop_assert!(found >= colour.min(ground) && found <= colour.max(ground));
            prop_assert_eq!(blend(colour, ground, 255), colour);
            prop_assert_eq!(blend(colour, ground, 0), ground);
        }
    }
}

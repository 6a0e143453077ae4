//! Colours: brightness, contrast, saturation, hue and grey, as torchvision's `ColorJitter` and `RandomGrayscale` define them.
//!
//! The order is fixed: brightness, contrast, saturation, hue, grey. Colours are rounded to bytes once, at the end.

use crate::ImageShape;

/// Shares of red, green and blue in the lightness of a colour (ITU-R BT.601).
const LIGHTNESS: [f32; 3] = [0.299, 0.587, 0.114];

/// A change of all colours of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Recolour {
    /// Factor of all values.
    pub(super) brightness: Option<f32>,
    /// Factor of the distances to the mean lightness of the image.
    pub(super) contrast: Option<f32>,
    /// Factor of the distances of a pixel to its lightness.
    pub(super) saturation: Option<f32>,
    /// Turn of the colour circle, as a share of it.
    pub(super) hue: Option<f32>,
    /// Whether colours are removed.
    pub(super) grey: bool,
}

impl Recolour {
    /// Changes the colours of an image. Saturation, hue and grey need three channels.
    pub(super) fn apply(&self, pixels: &mut [u8], shape: ImageShape) {
        let colours = shape.channels == 3 && (self.saturation.is_some() || self.hue.is_some() || self.grey);
        if self.brightness.is_none() && self.contrast.is_none() && !colours {
            return;
        }
        let values = self.values(pixels, shape);
        if colours {
            self.mix(pixels, shape, &values);
        } else {
            let bytes = values.map(|value| (value + 0.5) as u8);
            for pixel in pixels {
                *pixel = bytes[usize::from(*pixel)];
            }
        }
    }

    /// Brightness and contrast: what becomes of each of the 256 values.
    fn values(&self, pixels: &[u8], shape: ImageShape) -> [f32; 256] {
        let brightness = self.brightness.unwrap_or(1.0);
        let mut values: [f32; 256] = std::array::from_fn(|value| (value as f32 * brightness).min(255.0));
        if let Some(contrast) = self.contrast {
            let mean = mean_lightness(pixels, shape, &values);
            for value in &mut values {
                *value = (contrast * *value + (1.0 - contrast) * mean).clamp(0.0, 255.0);
            }
        }
        values
    }

    /// Saturation, hue and grey, after `values`.
    fn mix(&self, pixels: &mut [u8], shape: ImageShape, values: &[f32; 256]) {
        let (red, rest) = pixels.split_at_mut(shape.plane());
        let (green, blue) = rest.split_at_mut(shape.plane());
        for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
            let mut colour = [*red, *green, *blue].map(|value| values[usize::from(value)]);
            if let Some(saturation) = self.saturation {
                let grey = (1.0 - saturation) * lightness(colour);
                colour = colour.map(|value| (saturation * value + grey).clamp(0.0, 255.0));
            }
            if let Some(turn) = self.hue {
                colour = turned(colour, 6.0 * turn);
            }
            if self.grey {
                colour = [lightness(colour); 3];
            }
            [*red, *green, *blue] = colour.map(|value| (value + 0.5) as u8);
        }
    }
}

fn lightness(colour: [f32; 3]) -> f32 {
    LIGHTNESS[0] * colour[0] + LIGHTNESS[1] * colour[1] + LIGHTNESS[2] * colour[2]
}

/// The mean lightness of an image whose bytes stand for `values`.
fn mean_lightness(pixels: &[u8], shape: ImageShape, values: &[f32; 256]) -> f32 {
    let mean = |plane: &[u8]| {
        let mut counts = [0_u32; 256];
        for value in plane {
            counts[usize::from(*value)] += 1;
        }
        let sum: f64 =
            counts.iter().zip(values).map(|(count, value)| f64::from(*count) * f64::from(*value)).sum();
        sum / plane.len() as f64
    };
    let means = pixels.chunks_exact(shape.plane()).map(mean);
    let mean = if shape.channels == 3 {
        means.zip(LIGHTNESS).map(|(mean, share)| mean * f64::from(share)).sum()
    } else {
        means.sum::<f64>() / shape.channels as f64
    };
    mean as f32
}

/// Turns the hue of a colour by `turn` sixths of the circle, -3 to 3. The largest and smallest of the three values stay the same.
fn turned([red, green, blue]: [f32; 3], turn: f32) -> [f32; 3] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let spread = most - least;
    if spread == 0.0 {
        return [red, green, blue];
    }
    // Sixths of the circle from red, -1 to 5.
    let hue = if most == red {
        (green - blue) / spread
    } else if most == green {
        (blue - red) / spread + 2.0
    } else {
        (red - green) / spread + 4.0
    };
    // At most one circle too many or too few.
    let within = |hue: f32| {
        let hue = if hue < 0.0 { hue + 6.0 } else { hue };
        if hue >= 6.0 { hue - 6.0 } else { hue }
    };
    let hue = within(hue + turn);
    // Each primary colour is full within a sixth of its place and absent from two sixths on.
    [5.0, 3.0, 1.0].map(|place| {
        let distance = within(hue + place);
        most - spread * distance.min(4.0 - distance).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use widemargin_chance::{Purpose, Stream};

    fn noise(shape: ImageShape) -> Vec<u8> {
        let mut pixels = vec![0; shape.values()];
        Stream::new(5, Purpose::Test, 0, 0).fill(&mut pixels);
        pixels
    }

    /// The definitions, in `f64`, on whole images and one after the other.
    fn reference(change: Recolour, pixels: &[u8], shape: ImageShape) -> Vec<f64> {
        let plane = shape.plane();
        let mut image: Vec<f64> = pixels.iter().map(|value| f64::from(*value)).collect();
        let grey = |image: &[f64]| -> Vec<f64> {
            let at = |at: usize| match shape.channels {
                3 => 0.299 * image[at] + 0.587 * image[plane + at] + 0.114 * image[2 * plane + at],
                channels => {
                    (0..channels).map(|channel| image[channel * plane + at]).sum::<f64>() / channels as f64
                }
            };
            (0..plane).map(at).collect()
        };
        // torchvision's `_blend`.
        let blend =
            |one: f64, other: f64, share: f64| (share * one + (1.0 - share) * other).clamp(0.0, 255.0);
        if let Some(factor) = change.brightness {
            image = image.iter().map(|value| blend(*value, 0.0, f64::from(factor))).collect();
        }
        if let Some(factor) = change.contrast {
            let mean = grey(&image).iter().sum::<f64>() / plane as f64;
            image = image.iter().map(|value| blend(*value, mean, f64::from(factor))).collect();
        }
        if shape.channels != 3 {
            return image;
        }
        if let Some(factor) = change.saturation {
            let grey = grey(&image);
            for (at, value) in image.iter_mut().enumerate() {
                *value = blend(*value, grey[at % plane], f64::from(factor));
            }
        }
        if let Some(turn) = change.hue {
            for at in 0..plane {
                let colour = [image[at] / 255.0, image[plane + at] / 255.0, image[2 * plane + at] / 255.0];
                let [hue, saturation, value] = to_hsv(colour);
                let colour = from_hsv([(hue + f64::from(turn)).rem_euclid(1.0), saturation, value]);
                (0..3).for_each(|channel| image[channel * plane + at] = 255.0 * colour[channel]);
            }
        }
        if change.grey {
            image = grey(&image).repeat(3);
        }
        image
    }

    /// Hue, saturation and value, each 0 to 1.
    fn to_hsv([red, green, blue]: [f64; 3]) -> [f64; 3] {
        let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
        if most == least {
            return [0.0, 0.0, most];
        }
        let part = |value: f64| (most - value) / (most - least);
        let (red_part, green_part, blue_part) = (part(red), part(green), part(blue));
        let hue = if most == red {
            blue_part - green_part
        } else if most == green {
            2.0 + red_part - blue_part
        } else {
            4.0 + green_part - red_part
        };
        [(hue / 6.0).rem_euclid(1.0), (most - least) / most, most]
    }

    /// The six sectors of the colour circle.
    fn from_hsv([hue, saturation, value]: [f64; 3]) -> [f64; 3] {
        let sector = (hue * 6.0).floor();
        let rest = hue * 6.0 - sector;
        let p = value * (1.0 - saturation);
        let q = value * (1.0 - saturation * rest);
        let t = value * (1.0 - saturation * (1.0 - rest));
        match sector as usize % 6 {
            0 => [value, t, p],
            1 => [q, value, p],
            2 => [p, value, t],
            3 => [p, q, value],
            4 => [t, p, value],
            _ => [value, p, q],
        }
    }

    fn changed(change: Recolour, pixels: &[u8], shape: ImageShape) -> Vec<u8> {
        let mut pixels = pixels.to_vec();
        change.apply(&mut pixels, shape);
        pixels
    }

    #[test]
    fn equals_the_definitions() {
        let mut random = Stream::new(6, Purpose::Test, 0, 0);
        for (channels, height, width) in [(1, 1, 1), (3, 1, 1), (1, 7, 9), (2, 3, 4), (3, 31, 33)] {
            let shape = ImageShape { channels, height, width };
            let pixels = noise(shape);
            for at in 0..64 {
                // Every combination of changes.
                let change = Recolour {
                    brightness: (at & 1 > 0).then(|| random.between(0.0, 2.0)),
                    contrast: (at & 2 > 0).then(|| random.between(0.0, 3.0)),
                    saturation: (at & 4 > 0).then(|| random.between(0.0, 3.0)),
                    hue: (at & 8 > 0).then(|| random.between(-0.5, 0.5)),
                    grey: at & 16 > 0,
                };
                let found = changed(change, &pixels, shape);
                for (found, expected) in found.iter().zip(reference(change, &pixels, shape)) {
                    // Half a step of rounding, and 255 times the rounding of f32, which the hue of a nearly grey pixel enlarges.
                    assert!((f64::from(*found) - expected).abs() < 0.51, "{change:?}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn known_colours() {
        let shape = ImageShape { channels: 3, height: 1, width: 4 };
        // Red, orange, grey, white.
        let pixels = [255, 255, 128, 255, 0, 128, 128, 255, 0, 0, 128, 255];
        let of = |change: Recolour| changed(change, &pixels, shape);
        let none = Recolour::default();
        assert_eq!(of(none), pixels);
        let third = of(Recolour { hue: Some(1.0 / 3.0), ..none });
        assert_eq!(third, [0, 0, 128, 255, 255, 255, 128, 255, 0, 128, 128, 255], "green, and spring green");
        let pale = of(Recolour { saturation: Some(0.0), ..none });
        assert_eq!(pale, of(Recolour { grey: true, ..none }));
        assert_eq!(pale, [76, 151, 128, 255].repeat(3));
        let flat = of(Recolour { contrast: Some(0.0), ..none });
        assert!(flat.iter().all(|value| *value == flat[0]), "{flat:?}");
        assert_eq!(of(Recolour { brightness: Some(0.5), ..none })[..4], [128, 128, 64, 128]);
        assert_eq!(of(Recolour { brightness: Some(2.0), ..none })[2..6], [255, 255, 0, 255]);
    }

    /// Expected values from Pillow 13.0, which torchvision calls for the same changes: `ImageEnhance.Brightness(image).enhance(1.3)` and so on.
    #[test]
    fn equals_pillow_up_to_its_rounding() {
        let shape = ImageShape { channels: 3, height: 2, width: 5 };
        let source = [
            40, 49, 58, 67, 76, 45, 54, 63, 72, 81, 230, 223, 216, 209, 202, 224, 217, 210, 203, 196, 60, 60,
            60, 60, 60, 60, 63, 66, 69, 72,
        ];
        let none = Recolour::default();
        let cases = [
            (
                Recolour { brightness: Some(1.3), ..none },
                [
                    52, 63, 75, 87, 98, 58, 70, 81, 93, 105, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                    254, 78, 78, 78, 78, 78, 78, 81, 85, 89, 93,
                ],
            ),
            (
                Recolour { contrast: Some(0.6), ..none },
                [
                    84, 89, 94, 100, 105, 87, 92, 97, 103, 108, 198, 193, 189, 185, 181, 194, 190, 186, 181,
                    177, 96, 96, 96, 96, 96, 96, 97, 99, 101, 103,
                ],
            ),
            (
                Recolour { saturation: Some(1.7), ..none },
                [
                    0, 0, 0, 8, 25, 0, 0, 2, 18, 34, 255, 255, 255, 250, 239, 255, 255, 252, 240, 230, 0, 0,
                    0, 0, 0, 0, 1, 7, 13, 19,
                ],
            ),
            (
                Recolour { saturation: Some(0.4), ..none },
                [
                    108, 110, 113, 116, 119, 109, 112, 115, 118, 120, 184, 180, 177, 173, 169, 180, 177, 174,
                    170, 166, 116, 115, 114, 114, 112, 115, 115, 116, 117, 117,
                ],
            ),
        ];
        for (change, expected) in cases {
            for (found, expected) in changed(change, &source, shape).iter().zip(expected) {
                // Pillow rounds greys to bytes, and results down.
                assert!(found.abs_diff(expected) <= 1, "{change:?}: {found} {expected}");
            }
        }
    }

    proptest! {
        #[test]
        fn grey_images_have_no_hue_or_saturation(value: u8, saturation in 0.0f32..3.0, hue in -0.5f32..0.5) {
            let shape = ImageShape { channels: 3, height: 1, width: 1 };
            let change = Recolour { saturation: Some(saturation), hue: Some(hue), grey: true, ..Recolour::default() };
            prop_assert_eq!(changed(change, &[value; 3], shape), vec![value; 3]);
            let one = ImageShape { channels: 1, ..shape };
            prop_assert_eq!(changed(change, &[value], one), vec![value]);
        }
    }
}

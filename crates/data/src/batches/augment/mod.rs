//! Random changes to training images.
//!
//! They apply to bytes, before normalisation. The random numbers of a sample depend on seed, epoch and position in the epoch, so neither
//! threads nor resuming a run change them. A change that is off draws no numbers: a configuration of an earlier version gives the same
//! images as then.

mod blur;
mod colour;
mod erase;
mod geometry;
mod jpeg;
mod noise;
mod strength;

use serde::{Deserialize, Serialize};

use crate::{Error, ImageShape, Result};
use colour::Recolour;
use geometry::{Crop, Warp};
use strength::{
    BLUR, BRIGHTNESS, CONTRAST, HUE, JPEG, Kind, NOISE, RESIZED_CROP, ROTATE, SATURATION, SCALE, SHEAR,
    check_probability,
};
use widemargin_chance::{Purpose, Stream};

pub use strength::{Strength, StrengthRange};

/// Largest shift: more is most likely a typing error.
const LARGEST_PAD: usize = 64;
/// Keys of settings without a range.
const PAD_AND_CROP: &str = "pad_and_crop";
const GREY: &str = "grey";

/// `[augment]`: random changes to training images, in the order they are made.
///
/// The default is that of a run: mirrored and shifted by two pixels. [`Augment::NONE`] changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Mirrors left and right with probability 0.5.
    pub flip: bool,
    /// Shifts by up to this many pixels in each direction: pads each side and crops to the old size at a random place. At most 64 and the
    /// shorter side. Pads with zeros; with the pixels at the edge if there is also a resized crop, scale, rotation or shear.
    pub pad_and_crop: usize,
    /// Probability, 0 to 1, of replacing a random rectangle by random bytes, after all other changes.
    pub erase: f32,
    /// Smallest and largest share of the image that is erased, above 0 and at most 1; 0.02 and 0.2 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erase_area: Option<[f32; 2]>,
    /// Mirrors up and down with probability 0.5.
    #[serde(skip_serializing_if = "is_default")]
    pub flip_vertical: bool,
    /// Crops a rectangle with this share of the area, 0.01 to 1, and enlarges it to the size of the image. It is stretched by 3/4 to 4/3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resized_crop: Option<Strength>,
    /// Enlarges by this factor, 0.1 to 10, around the centre; below 1 it shrinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<Strength>,
    /// Rotates by this angle in degrees, -180 to 180, around the centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Strength>,
    /// Shears parallel to the rows by this angle in degrees, -60 to 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shear: Option<Strength>,
    /// Multiplies all values by this factor, 0 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brightness: Option<Strength>,
    /// Multiplies the distances to the mean lightness of the image by this factor, 0 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: Option<Strength>,
    /// Multiplies the distances of a pixel to its own lightness by this factor, 0 to 10. No effect on grey images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturation: Option<Strength>,
    /// Turns the colour circle by this share of it, -0.5 to 0.5. No effect on grey images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hue: Option<Strength>,
    /// Probability, 0 to 1, of removing the colours. No effect on grey images.
    #[serde(skip_serializing_if = "is_default")]
    pub grey: f32,
    /// Blurs with a Gaussian of this deviation in pixels, 0 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blur: Option<Strength>,
    /// Adds normal noise of this deviation to every value, as a share of white, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<Strength>,
    /// Adds the artefacts of a JPEG file of this quality, 1 to 100, with colours at half the resolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jpeg: Option<Strength>,
}

/// A setting that was added later is left out of a configuration that does not use it.
fn is_default<T: Default + PartialEq>(setting: &T) -> bool {
    *setting == T::default()
}

impl Default for Augment {
    fn default() -> Self {
        Self { flip: true, pad_and_crop: 2, ..Self::NONE }
    }
}

impl Augment {
    /// No augmentation.
    pub const NONE: Self = Self {
        flip: false,
        pad_and_crop: 0,
        erase: 0.0,
        erase_area: None,
        flip_vertical: false,
        resized_crop: None,
        scale: None,
        rotate: None,
        shear: None,
        brightness: None,
        contrast: None,
        saturation: None,
        hue: None,
        grey: 0.0,
        blur: None,
        noise: None,
        jpeg: None,
    };

    /// Whether there is no augmentation.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// The changes with a strength.
    fn strengths(&self) -> [(Kind, Option<Strength>); 11] {
        [
            (RESIZED_CROP, self.resized_crop),
            (SCALE, self.scale),
            (ROTATE, self.rotate),
            (SHEAR, self.shear),
            (BRIGHTNESS, self.brightness),
            (CONTRAST, self.contrast),
            (SATURATION, self.saturation),
            (HUE, self.hue),
            (BLUR, self.blur),
            (NOISE, self.noise),
            (JPEG, self.jpeg),
        ]
    }

    /// The keys that are set and change colours only: they have no effect on grey images.
    pub fn colour_keys(&self) -> Vec<&'static str> {
        let keys = [
            (SATURATION.key, self.saturation.is_some()),
            (HUE.key, self.hue.is_some()),
            (GREY, self.grey != 0.0),
        ];
        keys.into_iter().filter_map(|(key, is_set)| is_set.then_some(key)).collect()
    }

    /// Checks the ranges that do not depend on the images.
    ///
    /// # Errors
    /// [`Error::Setting`] with the key, what was found and the accepted range.
    pub fn check(&self) -> Result<()> {
        if self.pad_and_crop > LARGEST_PAD {
            return Err(Error::setting(
                PAD_AND_CROP,
                &self.pad_and_crop,
                format!("0 to {LARGEST_PAD} pixels"),
            ));
        }
        check_probability("erase", self.erase)?;
        if let Some(area @ [least, most]) = self.erase_area
            && !(0.0 < least && least <= most && most <= 1.0)
        {
            let expected = "two shares of the image [low, high], above 0 and at most 1";
            return Err(Error::setting("erase_area", &StrengthRange::Between(area), expected));
        }
        check_probability(GREY, self.grey)?;
        self.strengths()
            .into_iter()
            .try_for_each(|(kind, strength)| strength.map_or(Ok(()), |strength| kind.check(strength)))
    }

    /// Checks the settings, also against the shape of the images.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn validate(&self, shape: ImageShape) -> Result<()> {
        self.check()?;
        let side = shape.height.min(shape.width);
        if self.pad_and_crop > side {
            let expected = format!("at most {side}, the shorter side of the images");
            return Err(Error::setting(PAD_AND_CROP, &self.pad_and_crop, expected));
        }
        Ok(())
    }

    /// Augments an image, `[channels, height, width]`. The same seed, epoch and position always give the same result.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`Error::Length`] if `pixels` does not have `shape`'s length.
    pub fn apply(
        &self,
        pixels: &mut [u8],
        shape: ImageShape,
        seed: u64,
        epoch: u64,
        position: u64,
    ) -> Result<()> {
        self.validate(shape)?;
        if pixels.len() != shape.values() {
            let (found, expected) = (pixels.len(), shape.values());
            return Err(Error::Length { what: "values of an image", found, expected });
        }
        self.apply_valid(pixels, shape, seed, epoch, position);
        Ok(())
    }

    /// As [`apply`](Self::apply), for settings and lengths that have been checked.
    pub(crate) fn apply_valid(
        &self,
        pixels: &mut [u8],
        shape: ImageShape,
        seed: u64,
        epoch: u64,
        position: u64,
    ) {
        if self.is_none() || shape.values() == 0 {
            return;
        }
        let mut random = Stream::new(seed, Purpose::Augment, epoch, position);
        self.move_pixels(pixels, shape, &mut random);
        self.recolour(&mut random).apply(pixels, shape);
        if let Some(sigma) = BLUR.draw(self.blur, &mut random) {
            blur::blur(pixels, shape, sigma);
        }
        if let Some(deviation) = NOISE.draw(self.noise, &mut random) {
            noise::noise(pixels, deviation, &mut random);
        }
        if let Some(quality) = JPEG.draw(self.jpeg, &mut random) {
            jpeg::jpeg(pixels, shape, quality as u32);
        }
        if self.erase > 0.0 && random.unit() < self.erase {
            erase::erase(pixels, shape, self.erase_area, &mut random);
        }
    }

    fn move_pixels(&self, pixels: &mut [u8], shape: ImageShape, random: &mut Stream) {
        if self.flip && random.unit() < 0.5 {
            geometry::flip(pixels, shape);
        }
        if self.flip_vertical && random.unit() < 0.5 {
            geometry::flip_vertical(pixels, shape);
        }
        let mut shift = [0.0; 2];
        if self.pad_and_crop > 0 {
            let pad = self.pad_and_crop;
            let down = random.below(2 * pad + 1) as isize - pad as isize;
            let right = random.below(2 * pad + 1) as isize - pad as isize;
            if self.has_warp() {
                // Part of the map: zeros at an edge would fill whole corners.
                shift = [right as f32, down as f32];
            } else {
                for plane in pixels.chunks_exact_mut(shape.plane()) {
                    geometry::shift(plane, shape.width, down, right);
                }
            }
        }
        let crop = RESIZED_CROP.draw(self.resized_crop, random);
        let warp = Warp {
            shift,
            crop: crop.map_or(Crop::WHOLE, |area| Crop::draw(area, random)),
            scale: SCALE.draw(self.scale, random).unwrap_or(1.0),
            rotate: ROTATE.draw(self.rotate, random).unwrap_or(0.0),
            shear: SHEAR.draw(self.shear, random).unwrap_or(0.0),
        };
        if warp != Warp::NONE {
            warp.apply(pixels, shape);
        }
    }

    /// Whether pixels are moved by an affine map.
    fn has_warp(&self) -> bool {
        [self.resized_crop, self.scale, self.rotate, self.shear].iter().any(Option::is_some)
    }

    fn recolour(&self, random: &mut Stream) -> Recolour {
        Recolour {
            brightness: BRIGHTNESS.draw(self.brightness, random),
            contrast: CONTRAST.draw(self.contrast, random),
            saturation: SATURATION.draw(self.saturation, random),
            hue: HUE.draw(self.hue, random),
            grey: self.grey > 0.0 && random.unit() < self.grey,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHAPE: ImageShape = ImageShape { channels: 2, height: 3, width: 4 };

    fn numbered() -> Vec<u8> {
        (1..=24).collect()
    }

    /// The numbered image, augmented at 400 positions.
    fn outcomes(augment: Augment) -> Vec<Vec<u8>> {
        let outcome = |position| {
            let mut pixels = numbered();
            augment.apply(&mut pixels, SHAPE, 1, 0, position).unwrap();
            pixels
        };
        (0..400).map(outcome).collect()
    }

    #[test]
    fn flip_mirrors_rows_half_of_the_time() {
        let mirrored: Vec<u8> =
            numbered().chunks(4).flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>()).collect();
        let outcomes = outcomes(Augment { flip: true, ..Augment::NONE });
        let flipped = outcomes.iter().filter(|pixels| **pixels == mirrored).count();
        let same = outcomes.iter().filter(|pixels| **pixels == numbered()).count();
        assert_eq!(flipped + same, 400);
        assert!((150..250).contains(&flipped), "{flipped}");
    }

    #[test]
    fn pad_and_crop_reaches_every_shift_and_is_the_same_in_each_channel() {
        // A slow reference: a padded image, cropped at (row, column).
        let cut = |row: usize, column: usize| -> Vec<u8> {
            let at = |channel: usize, row: usize, column: usize| {
                let inside = (1..=3).contains(&row) && (1..=4).contains(&column);
                if inside { numbered()[(channel * 3 + row - 1) * 4 + column - 1] } else { 0 }
            };
            let place = |index: usize| at(index / 12, row + index / 4 % 3, column + index % 4);
            (0..24).map(place).collect()
        };
        let found: std::collections::BTreeSet<Vec<u8>> =
            outcomes(Augment { pad_and_crop: 1, ..Augment::NONE }).into_iter().collect();
        let expected = (0..3)
            .flat_map(|row| (0..3).map(move |column| (row, column)))
            .map(|(row, column)| cut(row, column));
        assert_eq!(found, expected.collect());
    }

    #[test]
    fn the_erased_area_is_as_set() {
        let shape = ImageShape { channels: 1, height: 40, width: 40 };
        let erased = |area: Option<[f32; 2]>| -> Vec<f32> {
            let augment = Augment { erase: 1.0, erase_area: area, ..Augment::NONE };
            (0..200)
                .map(|position| {
                    let mut pixels = vec![0; 1600];
                    augment.apply(&mut pixels, shape, 1, 0, position).unwrap();
                    // A random byte is 0 in one of 256 cases.
                    pixels.iter().filter(|value| **value > 0).count() as f32 / 1600.0
                })
                .collect()
        };
        let [usual, given] = [None, Some([0.3, 0.4])].map(erased);
        assert_eq!(usual, erased(Some([0.02, 0.2])), "the default is written out");
        assert!(usual.iter().all(|share| (0.01..0.22).contains(share)), "{usual:?}");
        // A rectangle that would be higher or wider than the image is cut.
        assert!(given.iter().all(|share| (0.25..0.43).contains(share)), "{given:?}");
        assert!(given.iter().filter(|share| **share > 0.35).count() > 50);
        for wrong in [[0.0, 0.2], [0.3, 0.2], [0.1, 1.1], [f32::NAN, 0.2]] {
            let said = Augment { erase_area: Some(wrong), ..Augment::NONE }.check().unwrap_err().to_string();
            assert!(said.starts_with("erase_area is [") && said.contains("two shares"), "{said}");
        }
    }

    #[test]
    fn erase_changes_one_rectangle() {
        let shape = ImageShape { channels: 1, height: 20, width: 20 };
        let erased = Augment { erase: 1.0, ..Augment::NONE };
        for position in 0..50 {
            let mut pixels = vec![0; 400];
            erased.apply(&mut pixels, shape, 9, 0, position).unwrap();
            let changed = pixels.iter().filter(|value| **value != 0).count();
            assert!((1..=110).contains(&changed), "{changed}");
            let rows: Vec<usize> = (0..400).filter(|at| pixels[*at] != 0).map(|at| at / 20).collect();
            let columns: Vec<usize> = (0..400).filter(|at| pixels[*at] != 0).map(|at| at % 20).collect();
            let extent = |places: &[usize]| places.iter().max().unwrap() - places.iter().min().unwrap() + 1;
            // Few of the random bytes are 0.
            assert!(changed * 10 >= extent(&rows) * extent(&columns) * 9 || changed < 20);
        }
    }

    #[test]
    fn settings_out_of_range() {
        let rejected = |augment: Augment| matches!(augment.validate(SHAPE), Err(Error::Setting { .. }));
        assert!(rejected(Augment { pad_and_crop: 4, ..Augment::NONE }));
        assert!(!rejected(Augment { pad_and_crop: 3, ..Augment::NONE }));
        for wrong in [-0.1, 1.1, f32::NAN] {
            assert!(rejected(Augment { erase: wrong, ..Augment::NONE }));
            assert!(rejected(Augment { grey: wrong, ..Augment::NONE }));
            assert!(rejected(Augment { resized_crop: Some(wrong.into()), ..Augment::NONE }));
        }
        let shape = ImageShape { channels: 1, height: 200, width: 200 };
        assert!(Augment { pad_and_crop: 65, ..Augment::NONE }.validate(shape).is_err());
        let short = Augment::NONE.apply(&mut [0; 3], SHAPE, 0, 0, 0);
        assert!(matches!(short, Err(Error::Length { .. })));
    }

    proptest! {
        #[test]
        fn the_same_position_gives_the_same_result(
            height in 1usize..12, width in 1usize..12, channels in 1usize..4,
            flip: bool, pad in 0usize..12, chance in 0.0f32..=1.0, seed: u64, epoch in 0u64..9, position in 0u64..99,
        ) {
            let shape = ImageShape { channels, height, width };
            let often = |strength: f32| Some(Strength::from(strength).with_probability(chance));
            let augment = Augment {
                flip,
                flip_vertical: !flip,
                pad_and_crop: pad.min(height).min(width),
                erase: chance,
                erase_area: None,
                resized_crop: often(0.3),
                scale: often(0.2),
                rotate: often(180.0),
                shear: often(30.0),
                brightness: often(0.5),
                contrast: often(0.5),
                saturation: often(0.5),
                hue: often(0.5),
                grey: chance,
                blur: often(3.0),
                noise: often(0.2),
                jpeg: often(1.0),
            };
            let apply = || {
                let mut pixels: Vec<u8> = (0..shape.values()).map(|value| value as u8).collect();
                augment.apply(&mut pixels, shape, seed, epoch, position).map(|()| pixels)
            };
            prop_assert_eq!(apply().unwrap(), apply().unwrap());
        }
    }

    /// Checksums of images that version 0.1.0 made before the changes with a strength existed: an old configuration gives the same images.
    #[test]
    fn settings_of_earlier_versions_give_the_same_images() {
        let shape = ImageShape { channels: 3, height: 13, width: 9 };
        let checksum = |augment: Augment| {
            let mut hasher = crc32fast::Hasher::new();
            for position in 0..64 {
                let mut pixels: Vec<u8> = (0..shape.values()).map(|value| value as u8).collect();
                augment.apply(&mut pixels, shape, 7, 2, position).unwrap();
                hasher.update(&pixels);
            }
            hasher.finalize()
        };
        let all = Augment { flip: true, pad_and_crop: 2, erase: 0.5, ..Augment::NONE };
        assert_eq!(checksum(Augment::NONE), 51_355_639);
        assert_eq!(checksum(Augment::default()), 1_265_530_875);
        assert_eq!(checksum(all), 3_089_709_555);
    }

    #[test]
    fn every_setting_changes_images() {
        let shape = ImageShape { channels: 3, height: 16, width: 16 };
        let outcomes = |augment: Augment| -> std::collections::BTreeSet<Vec<u8>> {
            let outcome = |position| {
                // Colours, and an edge that every movement moves.
                let value =
                    |at: usize| (at % 16 * 12 + at / 256 * 20 + usize::from(at % 256 < 64) * 15) as u8;
                let mut pixels: Vec<u8> = (0..shape.values()).map(value).collect();
                augment.apply(&mut pixels, shape, 1, 0, position).unwrap();
                pixels
            };
            (0..40).map(outcome).collect()
        };
        assert_eq!(outcomes(Augment::NONE).len(), 1);
        for (augment, least) in [
            (Augment { flip_vertical: true, ..Augment::NONE }, 2),
            (Augment { grey: 0.5, ..Augment::NONE }, 2),
            (Augment { resized_crop: Some(0.3.into()), ..Augment::NONE }, 30),
            (Augment { scale: Some(0.3.into()), ..Augment::NONE }, 30),
            (Augment { rotate: Some(30.0.into()), ..Augment::NONE }, 30),
            (Augment { shear: Some(30.0.into()), ..Augment::NONE }, 30),
            (Augment { brightness: Some(0.5.into()), ..Augment::NONE }, 30),
            (Augment { contrast: Some(0.5.into()), ..Augment::NONE }, 30),
            (Augment { saturation: Some(0.9.into()), ..Augment::NONE }, 15),
            (Augment { hue: Some(0.5.into()), ..Augment::NONE }, 30),
            (Augment { blur: Some(3.0.into()), ..Augment::NONE }, 20),
            (Augment { noise: Some(0.1.into()), ..Augment::NONE }, 40),
            (Augment { jpeg: Some(1.0.into()), ..Augment::NONE }, 15),
        ] {
            let found = outcomes(augment).len();
            assert!(found >= least, "{augment:?}: {found}");
        }
    }

    #[test]
    fn a_white_image_stays_white_whatever_moves_it() {
        let shape = ImageShape { channels: 3, height: 12, width: 10 };
        let moved = Augment {
            flip_vertical: true,
            pad_and_crop: 4,
            resized_crop: Some(0.4.into()),
            // Most images are only shifted.
            rotate: Some(Strength::from(40.0).with_probability(0.3)),
            scale: Some(Strength::from(0.3).with_probability(0.3)),
            shear: Some(Strength::from(20.0).with_probability(0.3)),
            ..Augment::NONE
        };
        let shifted =
            Augment { rotate: Some(Strength::from(9.0).with_probability(0.0)), ..Augment::default() };
        for augment in [moved, shifted] {
            for position in 0..100 {
                let mut pixels = vec![255; shape.values()];
                augment.apply(&mut pixels, shape, 1, 0, position).unwrap();
                assert!(pixels.iter().all(|value| *value == 255), "{position}");
            }
        }
    }

    #[test]
    fn colour_keys_are_those_without_effect_on_grey_images() {
        let shape = ImageShape { channels: 1, height: 4, width: 4 };
        let colours =
            Augment { saturation: Some(0.5.into()), hue: Some(0.5.into()), grey: 1.0, ..Augment::NONE };
        assert_eq!(colours.colour_keys(), ["saturation", "hue", "grey"]);
        assert_eq!(Augment { contrast: Some(0.5.into()), ..Augment::default() }.colour_keys(), [""; 0]);
        let source: Vec<u8> = (0..16).map(|value| value * 16).collect();
        for position in 0..9 {
            let mut pixels = source.clone();
            colours.apply(&mut pixels, shape, 0, 0, position).unwrap();
            assert_eq!(pixels, source);
        }
    }
}

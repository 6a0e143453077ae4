//! Random changes to training images: mirroring, shifting, erasing a rectangle.
//!
//! They apply to bytes, before normalisation. The random numbers of a sample depend on seed, epoch and position in the epoch, so neither
//! threads nor resuming a run change them.

use serde::{Deserialize, Serialize};

use crate::{Error, ImageShape, Result};
use widemargin_chance::{Purpose, Stream};

/// Smallest and largest erased share of the image, and the largest aspect ratio: Zhong et al., "Random Erasing Data Augmentation", AAAI
/// 2020, with half the upper share, for small images.
const ERASED_AREA: (f32, f32) = (0.02, 0.2);
const ERASED_RATIO: f32 = 10.0 / 3.0;

/// Augmentations, in the order they are applied. The default is none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Augment {
    /// Mirrors left and right with probability 0.5.
    pub flip: bool,
    /// Shifts by up to this many pixels in each direction: pads each side with zeros and crops to the old size at a random place. At most
    /// the shorter side.
    pub pad_and_crop: usize,
    /// Probability, 0 to 1, of replacing a random rectangle by random bytes.
    pub erase: f32,
}

impl Augment {
    /// No augmentation.
    pub const NONE: Self = Self { flip: false, pad_and_crop: 0, erase: 0.0 };

    /// Whether there is no augmentation.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Checks the settings against the shape of the images.
    ///
    /// # Errors
    /// [`Error::Setting`] with the accepted range.
    pub fn validate(&self, shape: ImageShape) -> Result<()> {
        let side = shape.height.min(shape.width);
        if self.pad_and_crop > side {
            let expected = format!("at most {side}, the shorter side of the images");
            return Err(Error::setting("pad-and-crop", &self.pad_and_crop, expected));
        }
        if !(0.0..=1.0).contains(&self.erase) {
            return Err(Error::setting("erase", &self.erase, "a probability from 0 to 1"));
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
        if self.flip && random.unit() < 0.5 {
            for row in pixels.chunks_exact_mut(shape.width) {
                row.reverse();
            }
        }
        if self.pad_and_crop > 0 {
            let pad = self.pad_and_crop;
            let down = random.below(2 * pad + 1) as isize - pad as isize;
            let right = random.below(2 * pad + 1) as isize - pad as isize;
            for plane in pixels.chunks_exact_mut(shape.plane()) {
                shift(plane, shape.width, down, right);
            }
        }
        if self.erase > 0.0 && random.unit() < self.erase {
            erase(pixels, shape, &mut random);
        }
    }
}

/// Moves a plane with rows of `width` down and to the right; the uncovered pixels become 0.
fn shift(plane: &mut [u8], width: usize, down: isize, right: isize) {
    let height = plane.len() / width;
    let (old, columns) = (plane.to_vec(), right.unsigned_abs().min(width));
    plane.fill(0);
    for row in 0..height {
        let Some(from) = row.checked_add_signed(-down).filter(|from| *from < height) else { continue };
        let (target, source) = (&mut plane[row * width..][..width], &old[from * width..][..width]);
        if right >= 0 {
            target[columns..].copy_from_slice(&source[..width - columns]);
        } else {
            target[..width - columns].copy_from_slice(&source[columns..]);
        }
    }
}

/// Fills a rectangle of random area, aspect ratio and place with random bytes.
fn erase(pixels: &mut [u8], shape: ImageShape, random: &mut Stream) {
    let (least, most) = ERASED_AREA;
    let area = (least + (most - least) * random.unit()) * shape.plane() as f32;
    // The aspect ratios r and 1/r are equally likely.
    let ratio = ERASED_RATIO.powf(2.0 * random.unit() - 1.0);
    let height = ((area * ratio).sqrt().round() as usize).clamp(1, shape.height);
    let width = ((area / ratio).sqrt().round() as usize).clamp(1, shape.width);
    let top = random.below(shape.height - height + 1);
    let left = random.below(shape.width - width + 1);
    for plane in pixels.chunks_exact_mut(shape.plane()) {
        for row in plane.chunks_exact_mut(shape.width).skip(top).take(height) {
            random.fill(&mut row[left..left + width]);
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
        for erase in [-0.1, 1.1, f32::NAN] {
            assert!(rejected(Augment { erase, ..Augment::NONE }));
        }
        let short = Augment::NONE.apply(&mut [0; 3], SHAPE, 0, 0, 0);
        assert!(matches!(short, Err(Error::Length { .. })));
    }

    proptest! {
        #[test]
        fn the_same_position_gives_the_same_result(
            height in 1usize..12, width in 1usize..12, channels in 1usize..4,
            flip: bool, pad in 0usize..12, erase in 0.0f32..=1.0, seed: u64, epoch in 0u64..9, position in 0u64..99,
        ) {
            let shape = ImageShape { channels, height, width };
            let augment = Augment { flip, pad_and_crop: pad.min(height).min(width), erase };
            let apply = || {
                let mut pixels: Vec<u8> = (0..shape.values()).map(|value| value as u8).collect();
                augment.apply(&mut pixels, shape, seed, epoch, position).map(|()| pixels)
            };
            prop_assert_eq!(apply().unwrap(), apply().unwrap());
        }
    }
}

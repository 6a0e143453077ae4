//! From bytes to the input of a network: `(x / 255 - mean) / deviation`, per channel.

use serde::{Deserialize, Serialize};

use crate::{Error, ImageShape, Result};

/// Values in messages are rounded to one in so many.
const ROUNDED: f32 = 1e4;

/// Mean and standard deviation per channel, for values scaled to 0..1.
///
/// Vectors have one channel and are not scaled to 0..1; see [`VectorSet::scale`](crate::VectorSet::scale).
///
/// The normalisation is part of a trained model, like its weights: all later inputs must be normalised the same way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// One mean per channel, in 0..=1.
    pub mean: Vec<f32>,
    /// One standard deviation per channel, above 0.
    pub deviation: Vec<f32>,
}

impl Normalisation {
    /// Mean 0.5 and deviation 0.5 in every channel, which gives values from -1 to 1; common for faces.
    pub fn half(channels: usize) -> Self {
        Self { mean: vec![0.5; channels], deviation: vec![0.5; channels] }
    }

    /// From how often each byte value occurs per channel. A constant channel gets the deviation 1/255.
    pub(crate) fn from_counts(counts: &[[u64; 256]]) -> Self {
        let moments = |counts: &[u64; 256]| {
            // Integers, so that the order of summation does not matter.
            let (mut number, mut sum, mut squares) = (0u128, 0u128, 0u128);
            for (value, count) in counts.iter().enumerate() {
                let (value, count) = (value as u128, u128::from(*count));
                number += count;
                sum += count * value;
                squares += count * value * value;
            }
            let number = number.max(1) as f64;
            let mean = sum as f64 / number;
            let variance = (squares as f64 / number - mean * mean).max(0.0);
            ((mean / 255.0) as f32, (variance.sqrt().max(1.0) / 255.0) as f32)
        };
        let (mean, deviation) = counts.iter().map(moments).unzip();
        Self { mean, deviation }
    }

    /// Checks the number of channels and the ranges.
    ///
    /// # Errors
    /// [`Error::Length`], or [`Error::Setting`] for a mean that is not finite or a deviation that is not
    /// finite and above 0.
    pub fn validate(&self, channels: usize) -> Result<()> {
        for (what, found) in [
            ("means (one per channel)", self.mean.len()),
            ("deviations (one per channel)", self.deviation.len()),
        ] {
            if found != channels {
                return Err(Error::Length { what, found, expected: channels });
            }
        }
        if let Some(bad) = self.mean.iter().find(|mean| !mean.is_finite()) {
            return Err(Error::setting("mean", &bad, "a finite number"));
        }
        if let Some(bad) =
            self.deviation.iter().find(|deviation| !(deviation.is_finite() && **deviation > 0.0))
        {
            return Err(Error::setting("deviation", &bad, "a finite number above 0"));
        }
        Ok(())
    }

    /// As [`validate`](Self::validate), for pixels: means and deviations are in units of the largest pixel value, as in PyTorch.
    ///
    /// # Errors
    /// As [`validate`](Self::validate), and [`Error::Setting`] for a value above 1 or a negative mean.
    pub fn validate_pixels(&self, channels: usize) -> Result<()> {
        self.validate(channels)?;
        for (name, values) in [("mean", &self.mean), ("deviation", &self.deviation)] {
            let fit = |values: &[f32]| values.iter().all(|value| (0.0..=1.0).contains(value));
            if fit(values) {
                continue;
            }
            let mut expected = "values from 0 to 1, because a pixel is divided by 255 first".to_owned();
            let divided: Vec<f32> =
                values.iter().map(|value| (value / 255.0 * ROUNDED).round() / ROUNDED).collect();
            if fit(&divided) {
                expected = format!("{expected}; divided by 255, these are {divided:?}");
            }
            return Err(Error::setting(name, &format!("{values:?}"), expected));
        }
        Ok(())
    }

    /// The normalised value of each byte, one table per channel.
    pub(crate) fn tables(&self) -> Vec<[f32; 256]> {
        let table = |(mean, deviation): (&f32, &f32)| {
            std::array::from_fn(|value| (value as f32 / 255.0 - mean) / deviation)
        };
        self.mean.iter().zip(&self.deviation).map(table).collect()
    }

    /// Normalises one image, `[channels, height, width]`, into `out` of the same length.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`Error::Length`] if `pixels` or `out` do not have `shape`'s length.
    pub fn apply(&self, pixels: &[u8], shape: ImageShape, out: &mut [f32]) -> Result<()> {
        self.validate(shape.channels)?;
        for (what, found) in
            [("values of an image", pixels.len()), ("values of the normalised image", out.len())]
        {
            if found != shape.values() {
                return Err(Error::Length { what, found, expected: shape.values() });
            }
        }
        apply_tables(&self.tables(), pixels, out);
        Ok(())
    }

    /// Normalises vectors in place: `(x - mean) / deviation` with mean and deviation of the only channel, without the division by 255.
    pub fn apply_to_vectors(&self, values: &mut [f32]) {
        if let ([mean], [deviation]) = (self.mean.as_slice(), self.deviation.as_slice()) {
            for value in values {
                *value = (*value - mean) / deviation;
            }
        }
    }
}

/// Looks up each byte in the table of its channel. The lengths must match.
pub(crate) fn apply_tables(tables: &[[f32; 256]], pixels: &[u8], out: &mut [f32]) {
    let plane = (pixels.len() / tables.len().max(1)).max(1);
    for ((table, pixels), out) in tables.iter().zip(pixels.chunks(plane)).zip(out.chunks_mut(plane)) {
        for (out, pixel) in out.iter_mut().zip(pixels) {
            *out = table[usize::from(*pixel)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 2, height: 1, width: 2 };

    #[test]
    fn formula_per_channel() {
        let normalisation = Normalisation { mean: vec![0.0, 0.5], deviation: vec![1.0, 0.25] };
        let mut out = [0.0; 4];
        normalisation.apply(&[0, 255, 0, 255], SHAPE, &mut out).unwrap();
        assert_eq!(out, [0.0, 1.0, -2.0, 2.0]);
    }

    #[test]
    fn mean_and_deviation_of_counts() {
        let mut counts = [[0; 256]; 2];
        counts[0][0] = 3;
        counts[0][255] = 1;
        counts[1][51] = 9;
        let found = Normalisation::from_counts(&counts);
        assert_eq!(found.mean, [0.25, 0.2]);
        // Variance of one in four: 1/4 * 3/4. The second channel is constant.
        assert!((found.deviation[0] - 0.1875f32.sqrt()).abs() < 1e-7);
        assert_eq!(found.deviation[1], 1.0 / 255.0);
    }

    #[test]
    fn wrong_lengths_and_ranges_are_rejected() {
        let good = Normalisation::half(2);
        let mut out = [0.0; 4];
        assert!(matches!(
            good.apply(&[0; 3], SHAPE, &mut out),
            Err(Error::Length { found: 3, expected: 4, .. })
        ));
        assert!(matches!(good.validate(3), Err(Error::Length { .. })));
        for (mean, deviation) in
            [(f32::NAN, 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, f32::INFINITY), (0.0, f32::NAN)]
        {
            let bad = Normalisation { mean: vec![mean], deviation: vec![deviation] };
            assert!(matches!(bad.validate(1), Err(Error::Setting { .. })), "{bad:?}");
        }
        let imagenet =
            Normalisation { mean: vec![123.675, 116.28, 103.53], deviation: vec![58.395, 57.12, 57.375] };
        assert!(imagenet.validate(3).is_ok(), "as for vectors");
        let said = imagenet.validate_pixels(3).unwrap_err().to_string();
        assert!(
            said.starts_with("mean is [123.675, 116.28, 103.53]; expected values from 0 to 1")
                && said.ends_with("divided by 255, these are [0.485, 0.456, 0.406]"),
            "{said}"
        );
        for (mean, deviation, fits) in
            [(0.0, 1.0, true), (1.0, 0.5, true), (0.5, 127.5, false), (-0.5, 0.5, false), (999.0, 1.0, false)]
        {
            let one = Normalisation { mean: vec![mean], deviation: vec![deviation] };
            assert_eq!(one.validate_pixels(1).is_ok(), fits, "{one:?}");
        }
    }
}

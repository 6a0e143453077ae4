//! Noise of a camera: a normal number on every value.

use widemargin_chance::{Stream, indexed};

/// Bytes per normal number. Their sum is close to normal (kurtosis 2.85 instead of 3) and costs far less than logarithms and sines.
const BYTES: f32 = 8.0;
/// Mean and standard deviation of a sum of as many uniform bytes.
const MEAN: f32 = BYTES * 255.0 / 2.0;
const DEVIATION: f32 = 209.021_53;

/// Adds noise of the standard deviation `deviation`, as a share of white, independently to every value.
pub(super) fn noise(pixels: &mut [u8], deviation: f32, random: &mut Stream) {
    let (key, factor) = (random.bits(), deviation * 255.0 / DEVIATION);
    for (value, at) in pixels.iter_mut().zip(0..) {
        let sum = byte_sum(indexed(key, 2 * at)) + byte_sum(indexed(key, 2 * at + 1));
        *value = (f32::from(*value) + factor * (sum as f32 - MEAN) + 0.5) as u8;
    }
}

/// The sum of the four bytes of a number.
fn byte_sum(bits: u32) -> i32 {
    let pairs = (bits & 0x00FF_00FF) + (bits >> 8 & 0x00FF_00FF);
    ((pairs & 0xFFFF) + (pairs >> 16)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_chance::Purpose;

    #[test]
    fn noise_has_the_deviation_and_is_nearly_normal() {
        const COUNT: usize = 40_000;
        for deviation in [0.02_f32, 0.1] {
            let mut pixels = vec![128; COUNT];
            noise(&mut pixels, deviation, &mut Stream::new(8, Purpose::Test, 0, 0));
            let sigma = f64::from(deviation) * 255.0;
            let moment = |power: i32| {
                let values = pixels.iter().map(|value| ((f64::from(*value) - 128.0) / sigma).powi(power));
                values.sum::<f64>() / COUNT as f64
            };
            // Five standard errors. Rounding to bytes adds a twelfth of a step to the variance; the kurtosis of the sum is 2.85.
            assert!(moment(1).abs() < 5.0 / 200.0, "{}", moment(1));
            let variance = 1.0 + 1.0 / (12.0 * sigma * sigma);
            assert!((moment(2) - variance).abs() < 5.0 * 2.0_f64.sqrt() / 200.0, "{}", moment(2));
            assert!((moment(4) / moment(2).powi(2) - 2.85).abs() < 5.0 * 24.0_f64.sqrt() / 200.0);
            let steps: f64 = pixels
                .windows(2)
                .map(|pair| (f64::from(pair[0]) - 128.0) * (f64::from(pair[1]) - 128.0) / (sigma * sigma))
                .sum();
            assert!((steps / COUNT as f64).abs() < 5.0 / 200.0, "neighbours are independent");
        }
    }

    #[test]
    fn no_deviation_changes_nothing_and_values_stay_in_range() {
        let mut pixels: Vec<u8> = (0..=255).collect();
        noise(&mut pixels, 0.0, &mut Stream::new(9, Purpose::Test, 0, 0));
        assert_eq!(pixels, (0..=255).collect::<Vec<u8>>());
        let mut black = vec![0; 1000];
        noise(&mut black, 1.0, &mut Stream::new(9, Purpose::Test, 0, 0));
        let dark = black.iter().filter(|value| **value < 1).count();
        assert!((400..600).contains(&dark), "{dark}: half of the values are below black");
    }

    #[test]
    fn the_deviation_is_that_of_a_sum_of_bytes() {
        let variance = f64::from(BYTES) * (256.0 * 256.0 - 1.0) / 12.0;
        assert!((f64::from(DEVIATION) - variance.sqrt()).abs() < 1e-4, "{}", variance.sqrt());
        assert_eq!(byte_sum(0xFF01_02FE), 255 + 1 + 2 + 254);
    }
}

//! Gaussian blur.

use crate::ImageShape;

/// Deviations after which the kernel is cut off; the rest is less than 0.3 % of it.
const REACH: f32 = 3.0;

/// The weights at distances 0, 1, ... from the centre; with those on the other side they sum to 1.
fn kernel(sigma: f32) -> Vec<f32> {
    let reach = (REACH * sigma).ceil() as usize;
    let weight = |distance: usize| (-0.5 * (distance as f64 / f64::from(sigma)).powi(2)).exp();
    let sum = 1.0 + 2.0 * (1..=reach).map(weight).sum::<f64>();
    (0..=reach).map(|distance| (weight(distance) / sum) as f32).collect()
}

/// Blurs an image with a Gaussian of deviation `sigma` in pixels. Outside the image are the pixels of its edge.
pub(super) fn blur(pixels: &mut [u8], shape: ImageShape, sigma: f32) {
    // Below this, the neighbours of a pixel have less than 1/1000 of its weight, which is no step of a byte.
    if sigma < 0.27 {
        return;
    }
    let weights = kernel(sigma);
    let (height, width, reach) = (shape.height, shape.width, weights.len() - 1);
    // A row between copies of its ends, the blurred rows, and their weighted sum. Loops over whole rows vectorise.
    let (mut padded, mut rows) = (vec![0.0_f32; width + 2 * reach], vec![0.0_f32; shape.plane()]);
    let mut sum = vec![0.0_f32; width];
    for plane in pixels.chunks_exact_mut(shape.plane()) {
        for (bytes, row) in plane.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
            padded[..reach].fill(f32::from(bytes[0]));
            padded[width + reach..].fill(f32::from(bytes[width - 1]));
            for (value, byte) in padded[reach..].iter_mut().zip(bytes) {
                *value = f32::from(*byte);
            }
            row.fill(0.0);
            for (distance, weight) in weights.iter().enumerate() {
                add(row, &padded[reach - distance..], &padded[reach + distance..], half(*weight, distance));
            }
        }
        for (at, bytes) in plane.chunks_exact_mut(width).enumerate() {
            sum.fill(0.0);
            for (distance, weight) in weights.iter().enumerate() {
                let row = |at: usize| &rows[at * width..][..width];
                let (above, below) = (at.saturating_sub(distance), (at + distance).min(height - 1));
                add(&mut sum, row(above), row(below), half(*weight, distance));
            }
            for (byte, value) in bytes.iter_mut().zip(&sum) {
                *byte = (value + 0.5) as u8;
            }
        }
    }
}

/// The pixel itself is its own neighbour on both sides.
fn half(weight: f32, distance: usize) -> f32 {
    if distance == 0 { weight / 2.0 } else { weight }
}

fn add(sum: &mut [f32], one: &[f32], other: &[f32], weight: f32) {
    for ((sum, one), other) in sum.iter_mut().zip(one).zip(other) {
        *sum += weight * (one + other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_chance::{Purpose, Stream};

    #[test]
    fn equals_a_sum_over_all_neighbours() {
        let mut random = Stream::new(7, Purpose::Test, 0, 0);
        for (channels, height, width) in [(1, 1, 1), (1, 1, 5), (3, 6, 1), (3, 8, 11)] {
            let shape = ImageShape { channels, height, width };
            for sigma in [0.3_f32, 0.8, 2.0, 10.0] {
                let mut source = vec![0; shape.values()];
                random.fill(&mut source);
                let mut found = source.clone();
                blur(&mut found, shape, sigma);
                let reach = (3.0 * sigma).ceil() as isize;
                let gauss = |d: isize| (-0.5 * (d as f64 / f64::from(sigma)).powi(2)).exp();
                let whole: f64 = (-reach..=reach).map(gauss).sum();
                for (at, found) in found.iter().enumerate() {
                    let (channel, row, column) = (at / shape.plane(), at % shape.plane() / width, at % width);
                    let mut expected = 0.0;
                    for down in -reach..=reach {
                        for right in -reach..=reach {
                            let row = (row as isize + down).clamp(0, height as isize - 1) as usize;
                            let column = (column as isize + right).clamp(0, width as isize - 1) as usize;
                            let value = f64::from(source[channel * shape.plane() + row * width + column]);
                            expected += gauss(down) * gauss(right) * value / (whole * whole);
                        }
                    }
                    // Half a step of rounding, and the rounding of sums of 61 terms in f32, twice.
                    assert!((f64::from(*found) - expected).abs() < 0.502, "{sigma}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn a_tiny_deviation_changes_nothing_and_one_colour_stays() {
        let shape = ImageShape { channels: 1, height: 16, width: 16 };
        let mut pixels: Vec<u8> = (0..=255).collect();
        // The longest step between neighbours is that of the columns, 16, of which 1/1000 is no step of a byte.
        for sigma in [0.0, 0.1, 0.26] {
            blur(&mut pixels, shape, sigma);
            assert_eq!(pixels, (0..=255).collect::<Vec<u8>>());
        }
        for value in [0, 1, 254, 255] {
            let mut pixels = vec![value; 256];
            blur(&mut pixels, shape, 3.3);
            assert_eq!(pixels, [value; 256]);
        }
    }
}

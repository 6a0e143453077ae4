//! Resizes images with a bilinear filter (a triangle over the area of a target pixel), rows first, then columns.
//!
//! The arithmetic is plain `f32` in a fixed order, so every processor gives the same bytes. The result equals Pillow's `BILINEAR` except
//! for rounding between the two passes. A library for this exists, but compiles to more code than all image decoders together.

use crate::ImageShape;

/// The source pixels that contribute to a target pixel: the first position, and the weights from there on.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// The taps of every target pixel along one side. The weights of a pixel sum to 1.
fn taps(source: usize, target: usize) -> Vec<Taps> {
    let scale = source as f64 / target as f64;
    let reach = scale.max(1.0);
    let tap = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(source);
        let weight = |at: usize| (1.0 - ((at as f64 + 0.5 - centre) / reach).abs()).max(0.0);
        let sum: f64 = (first..end).map(weight).sum();
        Taps { first, weights: (first..end).map(|at| (weight(at) / sum) as f32).collect() }
    };
    (0..target).map(tap).collect()
}

/// Resizes `[height, width, channels]` bytes to the height and width of `shape`, which has the same channels.
pub(crate) fn resize(pixels: &[u8], height: usize, width: usize, shape: ImageShape) -> Vec<u8> {
    let (channels, row_length) = (shape.channels, width * shape.channels);
    let columns = taps(width, shape.width);
    let mut row = vec![0.0f32; row_length];
    let mut out = Vec::with_capacity(shape.values());
    for Taps { first, weights } in taps(height, shape.height) {
        row.fill(0.0);
        for (weight, source) in weights.iter().zip(pixels[first * row_length..].chunks_exact(row_length)) {
            for (sum, value) in row.iter_mut().zip(source) {
                *sum += weight * f32::from(*value);
            }
        }
        for Taps { first, weights } in &columns {
            for channel in 0..channels {
                let source = row[first * channels + channel..].iter().step_by(channels);
                let sum: f32 = weights.iter().zip(source).map(|(weight, value)| weight * value).sum();
                out.push((sum + 0.5) as u8);
            }
        }
    }
    out
}

/// As [`resize`], of the largest centred part with the aspect ratio of `shape`. Cut out first, so that a long image needs no more memory.
pub(crate) fn resize_cropped(pixels: &[u8], height: usize, width: usize, shape: ImageShape) -> Vec<u8> {
    let rows = rounded_share(width, shape.height, shape.width).clamp(1, height);
    let columns = rounded_share(height, shape.width, shape.height).clamp(1, width);
    let (top, left) = ((height - rows) / 2, (width - columns) / 2);
    let channels = shape.channels;
    let part: Vec<u8> = pixels
        .chunks_exact(width * channels)
        .skip(top)
        .take(rows)
        .flat_map(|row| &row[left * channels..(left + columns) * channels])
        .copied()
        .collect();
    resize(&part, rows, columns, shape)
}

/// As [`resize`], with the same factor in both directions, in the middle of an image of the colour `ground`.
pub(crate) fn resize_padded(
    pixels: &[u8],
    (height, width): (usize, usize),
    shape: ImageShape,
    ground: &[u8],
) -> Vec<u8> {
    let rows = rounded_share(shape.width, height, width).clamp(1, shape.height);
    let columns = rounded_share(shape.height, width, height).clamp(1, shape.width);
    let (top, left) = ((shape.height - rows) / 2, (shape.width - columns) / 2);
    let channels = shape.channels;
    let resized = resize(pixels, height, width, ImageShape { channels, height: rows, width: columns });
    let mut out = ground.repeat(shape.plane());
    let places = out.chunks_exact_mut(shape.width * channels).skip(top);
    for (place, row) in places.zip(resized.chunks_exact(columns * channels)) {
        place[left * channels..(left + columns) * channels].copy_from_slice(row);
    }
    out
}

/// `of * part / whole`, rounded to the nearest number, and up in the middle.
fn rounded_share(of: usize, part: usize, whole: usize) -> usize {
    (2 * of * part + whole) / (2 * whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grey(height: usize, width: usize) -> ImageShape {
        ImageShape { channels: 1, height, width }
    }

    /// Expected values from Pillow 13.0: `list(image.resize((width, height), Image.BILINEAR).tobytes())`, for a 9 x 7 image with
    /// `image.putdata([(37 * x + 91 * y + 5 * x * y) % 256 for y in range(7) for x in range(9)])`.
    #[test]
    fn equals_pillow_up_to_one_step_of_rounding() {
        let source: Vec<u8> = (0..7 * 9)
            .map(|at| (at / 9, at % 9))
            .map(|(y, x)| ((37 * x + 91 * y + 5 * x * y) % 256) as u8)
            .collect();
        for (height, width, expected) in PILLOW {
            let found = resize(&source, 7, 9, grey(*height, *width));
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(*expected) {
                assert!(found.abs_diff(*expected) <= 1, "{height} x {width}: {found} {expected}");
            }
        }
    }

    const PILLOW: &[(usize, usize, &[u8])] = &[
        (3, 4, &[101, 118, 122, 116, 114, 124, 125, 150, 103, 132, 152, 150]),
        (1, 1, &[125]),
        (
            7,
            5,
            &[
                21, 79, 148, 169, 37, 115, 180, 63, 82, 147, 191, 74, 114, 202, 147, 47, 128, 165, 67, 147,
                141, 149, 80, 187, 147, 106, 75, 191, 131, 148, 72, 176, 106, 172, 148,
            ],
        ),
        (
            10,
            13,
            &[
                0, 20, 46, 71, 97, 122, 148, 174, 199, 205, 54, 20, 40, 50, 72, 99, 127, 154, 138, 68, 96,
                123, 142, 90, 90, 112, 114, 137, 153, 138, 163, 134, 31, 61, 91, 121, 150, 151, 140, 177,
                202, 179, 43, 57, 84, 108, 141, 173, 206, 238, 158, 52, 75, 102, 116, 89, 117, 151, 186, 106,
                89, 124, 159, 152, 131, 49, 78, 115, 152, 134, 137, 174, 96, 82, 119, 157, 152, 133, 113,
                137, 170, 210, 100, 46, 86, 125, 160, 191, 231, 159, 59, 176, 106, 59, 101, 104, 121, 163,
                205, 173, 98, 140, 152, 150, 125, 84, 63, 107, 152, 161, 126, 170, 160, 118, 163, 155, 127,
                34, 70, 116, 163, 209, 177, 46, 92, 139, 185, 232, 160, 58,
            ],
        ),
        (
            2,
            20,
            &[
                84, 92, 112, 127, 118, 110, 120, 133, 125, 110, 104, 105, 112, 132, 151, 147, 144, 128, 111,
                104, 110, 107, 99, 95, 114, 132, 130, 128, 129, 131, 136, 144, 148, 140, 133, 160, 187, 162,
                127, 113,
            ],
        ),
    ];

    #[test]
    fn a_crop_is_the_centre_and_a_padded_image_is_whole() {
        // 2 x 6 with a different value in each column.
        let wide: Vec<u8> = [10, 20, 30, 40, 50, 60].repeat(2);
        assert_eq!(resize_cropped(&wide, 2, 6, grey(2, 2)), [30, 40, 30, 40]);
        assert_eq!(resize_cropped(&wide, 2, 6, grey(4, 4))[..4], [30, 33, 38, 40]);
        let tall: Vec<u8> = [1, 2, 3, 4, 5].iter().flat_map(|value| [*value; 2]).collect();
        assert_eq!(resize_cropped(&tall, 5, 2, grey(2, 2)), [2, 2, 3, 3], "the upper of two centres");
        let padded = resize_padded(&wide, (2, 6), grey(6, 6), &[7]);
        let expected = [vec![7; 12], wide.clone(), vec![7; 12]].concat();
        assert_eq!(padded, expected);
        let padded = resize_padded(&tall, (5, 2), grey(5, 5), &[9]);
        assert_eq!(
            padded,
            [1, 2, 3, 4, 5].iter().flat_map(|value| [9, *value, *value, 9, 9]).collect::<Vec<u8>>()
        );
        let colour =
            resize_padded(&[1, 2, 3], (1, 1), ImageShape { channels: 3, height: 1, width: 3 }, &[7, 8, 9]);
        assert_eq!(colour, [7, 8, 9, 1, 2, 3, 7, 8, 9]);
    }

    #[test]
    fn channels_do_not_mix() {
        let pixels: Vec<u8> = (0..5 * 6).flat_map(|at| [at as u8 * 3, 200, 255 - at as u8]).collect();
        let shape = ImageShape { channels: 3, height: 3, width: 2 };
        let together = resize(&pixels, 5, 6, shape);
        for channel in 0..3 {
            let plane: Vec<u8> = pixels.iter().skip(channel).step_by(3).copied().collect();
            let alone = resize(&plane, 5, 6, grey(3, 2));
            assert_eq!(together.iter().skip(channel).step_by(3).copied().collect::<Vec<u8>>(), alone);
        }
    }

    proptest! {
        #[test]
        fn stays_in_range_and_keeps_constants(
            height in 1usize..40, width in 1usize..40, new_height in 1usize..40, new_width in 1usize..40, value: u8, seed: u64,
        ) {
            let constant = resize(&vec![value; height * width], height, width, grey(new_height, new_width));
            prop_assert_eq!(constant, vec![value; new_height * new_width]);
            let noise: Vec<u8> = (0..height * width).map(|at| (seed.rotate_left(at as u32) >> 3) as u8).collect();
            let found = resize(&noise, height, width, grey(new_height, new_width));
            let (least, most) = (noise.iter().min().unwrap(), noise.iter().max().unwrap());
            prop_assert!(found.iter().all(|value| (least..=most).contains(&value)));
            let same = resize(&noise, height, width, grey(height, width));
            prop_assert_eq!(&same, &noise);
            // With the same aspect ratio, the three modes are the same.
            let double = grey(2 * height, 2 * width);
            let stretched = resize(&noise, height, width, double);
            prop_assert_eq!(&resize_cropped(&noise, height, width, double), &stretched);
            prop_assert_eq!(&resize_padded(&noise, (height, width), double, &[7]), &stretched);
            let new = grey(new_height, new_width);
            prop_assert_eq!(resize_cropped(&noise, height, width, new).len(), new.values());
            prop_assert_eq!(resize_padded(&noise, (height, width), new, &[7]).len(), new.values());
        }
    }
}

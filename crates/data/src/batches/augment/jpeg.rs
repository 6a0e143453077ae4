//! Artefacts of JPEG compression.
//!
//! What JPEG loses is the rounding of the coefficients of 8 x 8 blocks, and the resolution of colours. Both are computed here as
//! encoders and decoders do. The rest of a file is lossless and is left out, which is several times as fast as to encode and decode.

use std::sync::LazyLock;

use crate::ImageShape;

/// Side of a block.
const SIDE: usize = 8;
/// Rows of a block.
type Block = [[f32; SIDE]; SIDE];

/// The tables for lightness and colour of the standard (ITU-T T.81, annex K.1), which encoders scale by the quality.
const LIGHTNESS: [[u16; SIDE]; SIDE] = [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
];
const COLOUR: [[u16; SIDE]; SIDE] = [
    [17, 18, 24, 47, 99, 99, 99, 99],
    [18, 21, 26, 66, 99, 99, 99, 99],
    [24, 26, 56, 99, 99, 99, 99, 99],
    [47, 66, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99],
];

/// The cosine transform: the row of each frequency. And its transpose, which is its inverse.
static COSINES: LazyLock<[Block; 2]> = LazyLock::new(|| {
    let cosine = |frequency: usize, place: usize| {
        let size: f64 = if frequency == 0 { 0.125 } else { 0.25 };
        let angle = (2 * place + 1) as f64 * frequency as f64 * std::f64::consts::PI / 16.0;
        (size.sqrt() * angle.cos()) as f32
    };
    let square = |value: &dyn Fn(usize, usize) -> f32| {
        std::array::from_fn(|row| std::array::from_fn(|column| value(row, column)))
    };
    [square(&cosine), square(&|row, column| cosine(column, row))]
});

/// The product of two blocks.
fn product(one: &Block, other: &Block) -> Block {
    let mut out = [[0.0; SIDE]; SIDE];
    for (out, factors) in out.iter_mut().zip(one) {
        for (factor, row) in factors.iter().zip(other) {
            for (sum, value) in out.iter_mut().zip(row) {
                *sum += factor * value;
            }
        }
    }
    out
}

/// The steps to which coefficients are rounded at a quality of 1 to 100, as libjpeg scales them, and their inverses.
fn steps(table: &[[u16; SIDE]; SIDE], quality: u32) -> [Block; 2] {
    let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    let step = |base: u16| ((u32::from(base) * scale + 50) / 100).clamp(1, 255) as f32;
    let steps = table.map(|row| row.map(step));
    [steps, steps.map(|row| row.map(f32::recip))]
}

/// A rounded value of 0 to 255.
fn byte(value: f32) -> f32 {
    f32::from((value + 0.5) as u8)
}

/// Values in rows, filled up to whole blocks.
struct Plane {
    values: Vec<f32>,
    height: usize,
    width: usize,
    /// Length of a row in `values`.
    stride: usize,
}

impl Plane {
    fn new(height: usize, width: usize) -> Self {
        let (rows, stride) = (height.next_multiple_of(SIDE), width.next_multiple_of(SIDE));
        Self { values: vec![0.0; rows * stride], height, width, stride }
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..][..self.width]
    }

    fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.stride..][..self.width]
    }

    /// Copies the last column and row into the rest of the blocks.
    fn fill_up(&mut self) {
        for row in self.values.chunks_exact_mut(self.stride) {
            let last = row[self.width - 1];
            row[self.width..].fill(last);
        }
        let (used, rest) = self.values.split_at_mut(self.height * self.stride);
        let last = &used[used.len() - self.stride..];
        rest.chunks_exact_mut(self.stride).for_each(|row| row.copy_from_slice(last));
    }

    /// Rounds the coefficients of every block.
    fn compress(&mut self, table: &[[u16; SIDE]; SIDE], quality: u32) {
        self.fill_up();
        let [cosines, back] = &*COSINES;
        let [steps, inverse] = steps(table, quality);
        let stride = self.stride;
        for blocks in self.values.chunks_exact_mut(SIDE * stride) {
            for left in (0..stride).step_by(SIDE) {
                let mut block = [[0.0; SIDE]; SIDE];
                for (row, values) in block.iter_mut().zip(blocks.chunks_exact(stride)) {
                    for (value, source) in row.iter_mut().zip(&values[left..]) {
                        *value = source - 128.0;
                    }
                }
                block = product(&product(cosines, &block), back);
                for ((row, steps), inverse) in block.iter_mut().zip(&steps).zip(&inverse) {
                    for ((value, step), inverse) in row.iter_mut().zip(steps).zip(inverse) {
                        let share = *value * inverse;
                        // Rounds to the nearest whole number; `f32::round` is a function call.
                        *value = (share + 0.5_f32.copysign(share)) as i32 as f32 * step;
                    }
                }
                block = product(&product(back, &block), cosines);
                for (row, values) in block.iter().zip(blocks.chunks_exact_mut(stride)) {
                    for (value, target) in row.iter().zip(&mut values[left..]) {
                        *target = byte(value + 128.0);
                    }
                }
            }
        }
    }

    /// The plane with half the resolution in both directions: means of 2 x 2 values.
    fn halved(&self) -> Self {
        let mut half = Self::new(self.height.div_ceil(2), self.width.div_ceil(2));
        for row in 0..half.height {
            let (upper, lower) = (self.row(2 * row), self.row((2 * row + 1).min(self.height - 1)));
            for (column, value) in half.row_mut(row).iter_mut().enumerate() {
                let (left, right) = (2 * column, (2 * column + 1).min(self.width - 1));
                *value = byte((upper[left] + upper[right] + lower[left] + lower[right]) / 4.0);
            }
        }
        half
    }

    /// The row of a plane of twice the size: three quarters of the nearest value and one of the next, in both directions. `between` has
    /// the length of a row of this plane.
    fn doubled_row(&self, row: usize, between: &mut [f32], out: &mut [f32]) {
        let neighbour = |at: usize, count: usize| {
            if at % 2 == 1 { (at / 2 + 1).min(count - 1) } else { (at / 2).saturating_sub(1) }
        };
        let rows = self.row(row / 2).iter().zip(self.row(neighbour(row, self.height)));
        for (value, (near, far)) in between.iter_mut().zip(rows) {
            *value = 0.75 * near + 0.25 * far;
        }
        for (column, value) in out.iter_mut().enumerate() {
            *value = 0.75 * between[column / 2] + 0.25 * between[neighbour(column, between.len())];
        }
    }
}

/// Compresses an image with a quality of 1 to 100. Colour images get half the resolution of colours (4:2:0), which is what encoders do by
/// default. With other numbers of channels than 3, each is compressed like the lightness.
pub(super) fn jpeg(pixels: &mut [u8], shape: ImageShape, quality: u32) {
    if shape.channels == 3 {
        return jpeg_colours(pixels, shape, quality);
    }
    let mut plane = Plane::new(shape.height, shape.width);
    for pixels in pixels.chunks_exact_mut(shape.plane()) {
        for (row, bytes) in pixels.chunks_exact(shape.width).enumerate() {
            plane.row_mut(row).iter_mut().zip(bytes).for_each(|(value, byte)| *value = f32::from(*byte));
        }
        plane.compress(&LIGHTNESS, quality);
        for (row, bytes) in pixels.chunks_exact_mut(shape.width).enumerate() {
            bytes.iter_mut().zip(plane.row(row)).for_each(|(byte, value)| *byte = *value as u8);
        }
    }
}

fn jpeg_colours(pixels: &mut [u8], shape: ImageShape, quality: u32) {
    let (height, width) = (shape.height, shape.width);
    let new = || Plane::new(height, width);
    let (mut lightness, mut blueness, mut redness) = (new(), new(), new());
    let (red, rest) = pixels.split_at_mut(shape.plane());
    let (green, blue) = rest.split_at_mut(shape.plane());
    for row in 0..height {
        let part = row * width..(row + 1) * width;
        let (red, green, blue) = (&red[part.clone()], &green[part.clone()], &blue[part]);
        let (light, cool, warm) = (lightness.row_mut(row), blueness.row_mut(row), redness.row_mut(row));
        for at in 0..width {
            let [red, green, blue] = [red[at], green[at], blue[at]].map(f32::from);
            light[at] = byte(0.299 * red + 0.587 * green + 0.114 * blue);
            cool[at] = byte(128.0 - 0.168_735_9 * red - 0.331_264_1 * green + 0.5 * blue);
            warm[at] = byte(128.0 + 0.5 * red - 0.418_687_6 * green - 0.081_312_4 * blue);
        }
    }
    let (mut blueness, mut redness) = (blueness.halved(), redness.halved());
    lightness.compress(&LIGHTNESS, quality);
    blueness.compress(&COLOUR, quality);
    redness.compress(&COLOUR, quality);
    let mut between = vec![0.0; blueness.width];
    let (mut cool, mut warm) = (vec![0.0; width], vec![0.0; width]);
    for row in 0..height {
        blueness.doubled_row(row, &mut between, &mut cool);
        redness.doubled_row(row, &mut between, &mut warm);
        let part = row * width..(row + 1) * width;
        let (red, green, blue) = (&mut red[part.clone()], &mut green[part.clone()], &mut blue[part]);
        for (at, light) in lightness.row(row).iter().enumerate() {
            let (cool, warm) = (byte(cool[at]) - 128.0, byte(warm[at]) - 128.0);
            red[at] = (light + 1.402 * warm + 0.5) as u8;
            green[at] = (light - 0.344_136_3 * cool - 0.714_136_3 * warm + 0.5) as u8;
            blue[at] = (light + 1.772 * cool + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder};
    use widemargin_chance::{Purpose, Stream};

    /// A smooth image with some noise.
    fn picture(shape: ImageShape) -> Vec<u8> {
        let mut random = Stream::new(10, Purpose::Test, 0, 0);
        let value = |at: usize| {
            let (channel, row, column) =
                (at / shape.plane(), at % shape.plane() / shape.width, at % shape.width);
            let wave = ((row * (channel + 1)) as f32 * 0.2).sin() + (column as f32 * 0.13).cos();
            (128.0 + 50.0 * wave + random.between(-12.0, 12.0)) as u8
        };
        (0..shape.values()).map(value).collect()
    }

    fn compressed(pixels: &[u8], shape: ImageShape, quality: u32) -> Vec<u8> {
        let mut pixels = pixels.to_vec();
        jpeg(&mut pixels, shape, quality);
        pixels
    }

    #[test]
    fn equals_an_encoder_and_decoder_for_grey() {
        for (height, width) in [(1, 1), (8, 8), (7, 17), (32, 24), (33, 65)] {
            let shape = ImageShape { channels: 1, height, width };
            let source = picture(shape);
            for quality in [1, 10, 49, 50, 75, 95, 100] {
                let mut file = Vec::new();
                JpegEncoder::new_with_quality(&mut file, quality as u8)
                    .write_image(&source, width as u32, height as u32, ExtendedColorType::L8)
                    .unwrap();
                let expected = image::load_from_memory(&file).unwrap().into_luma8().into_raw();
                let found = compressed(&source, shape, quality);
                let difference = |one: &[u8], other: &[u8]| {
                    let sum: f64 =
                        one.iter().zip(other).map(|(one, other)| f64::from(one.abs_diff(*other))).sum();
                    sum / one.len() as f64
                };
                let error = difference(&found, &expected);
                // The encoder of `image` rounds coefficients to whole numbers before it rounds them to steps, so where steps are small, some
                // end at the next one. libjpeg does not.
                let most = if quality <= 10 { 0.01 } else { 1.5 };
                assert!(error < most, "{shape}, quality {quality}: {error}");
            }
        }
    }

    /// Expected values from Pillow 13.0: an image of 13 x 10 with the pixels `[40 + 9 * x + 5 * y, 230 - 7 * x - 6 * y, 60 + (x * y * 3) % 150]`,
    /// saved with `quality=30`, which uses 4:2:0, and opened again.
    #[test]
    fn equals_pillow_for_colours() {
        let shape = ImageShape { channels: 3, height: 10, width: 13 };
        let value = |at: usize| {
            let (y, x) = (at % 130 / 13, at % 13);
            [40 + 9 * x + 5 * y, 230 - 7 * x - 6 * y, 60 + (x * y * 3) % 150][at / 130] as u8
        };
        let source: Vec<u8> = (0..390).map(value).collect();
        let found = compressed(&source, shape, 30);
        let difference = |one: &[u8], other: &[u8]| {
            one.iter().zip(other).map(|(one, other)| f64::from(one.abs_diff(*other))).sum::<f64>() / 390.0
        };
        let (error, loss) = (difference(&found, &PILLOW), difference(&source, &PILLOW));
        assert!(error < 1.0 && loss > 10.0, "{error} {loss}");
    }

    const PILLOW: [u8; 390] = [
        49, 51, 58, 65, 77, 89, 99, 112, 120, 129, 137, 141, 145, 51, 53, 59, 68, 78, 90, 102, 113, 125, 132,
        141, 146, 149, 53, 55, 62, 71, 82, 93, 107, 117, 131, 138, 147, 152, 155, 56, 58, 66, 76, 86, 99,
        113, 124, 138, 145, 154, 158, 162, 59, 62, 70, 80, 92, 106, 120, 131, 143, 151, 160, 164, 168, 63,
        67, 74, 85, 98, 112, 127, 139, 145, 154, 161, 167, 171, 68, 71, 80, 91, 104, 117, 132, 146, 148, 157,
        164, 169, 174, 73, 75, 84, 95, 108, 123, 138, 152, 151, 161, 168, 173, 176, 76, 81, 92, 103, 114,
        122, 130, 139, 146, 161, 172, 176, 175, 77, 82, 94, 105, 116, 125, 132, 140, 150, 165, 175, 179, 177,
        225, 222, 215, 208, 197, 188, 178, 170, 160, 154, 149, 144, 140, 222, 219, 213, 206, 196, 187, 176,
        169, 160, 154, 148, 144, 141, 216, 214, 207, 200, 192, 182, 174, 165, 159, 153, 147, 143, 140, 209,
        206, 201, 194, 186, 178, 169, 162, 156, 150, 143, 140, 136, 200, 198, 195, 188, 180, 173, 164, 157,
        148, 144, 137, 133, 130, 192, 191, 186, 181, 174, 167, 159, 153, 141, 134, 129, 124, 121, 184, 183,
        180, 175, 169, 162, 155, 148, 132, 125, 120, 116, 112, 179, 177, 175, 169, 164, 158, 150, 143, 124,
        119, 113, 110, 105, 175, 175, 175, 170, 162, 150, 135, 123, 112, 112, 110, 105, 96, 174, 174, 172,
        169, 160, 148, 133, 122, 111, 111, 110, 103, 95, 56, 56, 62, 66, 74, 80, 89, 94, 98, 99, 103, 101,
        98, 58, 59, 63, 69, 76, 84, 91, 98, 102, 105, 106, 105, 104, 61, 62, 68, 74, 80, 88, 97, 103, 110,
        112, 113, 112, 111, 65, 66, 73, 80, 87, 95, 104, 111, 118, 120, 121, 120, 119, 70, 72, 78, 86, 94,
        104, 113, 120, 125, 128, 129, 128, 127, 76, 79, 84, 92, 102, 112, 122, 130, 130, 133, 134, 133, 132,
        83, 85, 92, 100, 111, 121, 129, 137, 135, 138, 137, 136, 135, 89, 91, 98, 106, 117, 128, 136, 144,
        139, 143, 142, 141, 139, 93, 97, 107, 116, 124, 128, 131, 134, 136, 144, 149, 147, 141, 95, 99, 110,
        117, 127, 130, 135, 136, 140, 147, 153, 150, 143,
    ];

    #[test]
    fn one_colour_stays_and_quality_counts() {
        for (channels, height, width) in [(1, 1, 1), (3, 1, 1), (3, 2, 3), (3, 9, 17), (2, 8, 8)] {
            let shape = ImageShape { channels, height, width };
            let white = vec![255; shape.values()];
            assert_eq!(compressed(&white, shape, 1), white, "{shape}");
        }
        let shape = ImageShape { channels: 3, height: 40, width: 30 };
        let source = picture(shape);
        let loss = |quality: u32| {
            let found = compressed(&source, shape, quality);
            found.iter().zip(&source).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / 3600.0
        };
        let losses = [95, 60, 30, 10, 2].map(loss);
        assert!(losses.is_sorted() && losses[4] > 2.0 * losses[0], "{losses:?}");
    }
}

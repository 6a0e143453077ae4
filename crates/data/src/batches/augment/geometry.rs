//! Moving pixels: mirroring, shifting, and one affine map for crop, scale, rotation and shear, so that pixels are interpolated once.

use widemargin_chance::Stream;

use crate::ImageShape;

/// A crop is stretched by at most this, in either direction, as in torchvision's `RandomResizedCrop`.
const LARGEST_STRETCH: f32 = 4.0 / 3.0;
/// Attempts at a crop that fits into the image, as in torchvision.
const ATTEMPTS: usize = 10;

/// Mirrors left and right.
pub(super) fn flip(pixels: &mut [u8], shape: ImageShape) {
    for row in pixels.chunks_exact_mut(shape.width) {
        row.reverse();
    }
}

/// Mirrors up and down.
pub(super) fn flip_vertical(pixels: &mut [u8], shape: ImageShape) {
    for plane in pixels.chunks_exact_mut(shape.plane()) {
        for upper in 0..shape.height / 2 {
            let (above, below) = plane.split_at_mut((shape.height - 1 - upper) * shape.width);
            above[upper * shape.width..][..shape.width].swap_with_slice(&mut below[..shape.width]);
        }
    }
}

/// Moves a plane with rows of `width` down and to the right; the uncovered pixels become 0.
pub(super) fn shift(plane: &mut [u8], width: usize, down: isize, right: isize) {
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

/// A rectangle of an image, in shares of its width and height: its centre, from that of the image, and its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Crop {
    centre: [f32; 2],
    size: [f32; 2],
}

impl Crop {
    /// The whole image.
    pub(super) const WHOLE: Self = Self { centre: [0.0; 2], size: [1.0; 2] };

    /// A rectangle with this share of the area, of random shape and place. The whole image if no shape fits.
    pub(super) fn draw(area: f32, random: &mut Stream) -> Self {
        for _ in 0..ATTEMPTS {
            // The stretches s and 1/s are equally likely.
            let stretch = LARGEST_STRETCH.powf(2.0 * random.unit() - 1.0);
            let size = [(area * stretch).sqrt(), (area / stretch).sqrt()];
            if size.iter().all(|side| *side <= 1.0) {
                let centre = size.map(|side| (random.unit() - 0.5) * (1.0 - side));
                return Self { centre, size };
            }
        }
        Self::WHOLE
    }
}

/// An affine map of the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Warp {
    /// How far the image is moved to the right and down first, in pixels.
    pub(super) shift: [f32; 2],
    /// The part of the image that fills the result.
    pub(super) crop: Crop,
    /// Factor of the size of what the image shows.
    pub(super) scale: f32,
    /// Rotation, clockwise, in degrees.
    pub(super) rotate: f32,
    /// Shear parallel to the rows, in degrees: before the rotation, vertical lines lean to the left by this angle.
    pub(super) shear: f32,
}

impl Warp {
    /// No change.
    pub(super) const NONE: Self =
        Self { shift: [0.0; 2], crop: Crop::WHOLE, scale: 1.0, rotate: 0.0, shear: 0.0 };

    /// The place in the source of the places in the result: `[a, b, c, d, e, f]` for `x = a u + b v + c`, `y = d u + e v + f`. All places
    /// are in pixels from the centre of the first one.
    fn inverse(&self, shape: ImageShape) -> [f32; 6] {
        let (height, width) = (shape.height as f32, shape.width as f32);
        let (sine, cosine) = self.rotate.to_radians().sin_cos();
        let tangent = self.shear.to_radians().tan();
        // The inverses of rotation, shear and scale, in the reverse order.
        let straight = [[cosine, sine], [-sine, cosine]];
        let upright = [straight[0].map(|x| x / self.scale), straight[1].map(|x| x / self.scale)];
        let [x, y] = [[0, 1].map(|at| upright[0][at] + tangent * upright[1][at]), upright[1]];
        let [across, down] = self.crop.size;
        let (a, b, d, e) = (x[0] * across, x[1] * across, y[0] * down, y[1] * down);
        let (u, v) = ((width - 1.0) / 2.0, (height - 1.0) / 2.0);
        let c = u + self.crop.centre[0] * width - a * u - b * v - self.shift[0];
        let f = v + self.crop.centre[1] * height - d * u - e * v - self.shift[1];
        [a, b, c, d, e, f]
    }

    /// Maps an image, with bilinear interpolation. Places outside the image have the colour of the nearest pixel at its edge.
    pub(super) fn apply(&self, pixels: &mut [u8], shape: ImageShape) {
        let [a, b, c, d, e, f] = self.inverse(shape);
        let (width, plane) = (shape.width, shape.plane());
        let (right, bottom) = ((width - 1) as f32, (shape.height - 1) as f32);
        let source = pixels.to_vec();
        // Of each pixel in a row of the result: the four source pixels around its place, and how far it is to the right and down.
        let mut taps = vec![([0_usize; 4], [0.0_f32; 2]); width];
        for row in 0..shape.height {
            for (column, (corners, shares)) in taps.iter_mut().enumerate() {
                let (u, v) = (column as f32, row as f32);
                let x = (a * u + b * v + c).clamp(0.0, right);
                let y = (d * u + e * v + f).clamp(0.0, bottom);
                let (left, top) = (x as usize, y as usize);
                let (next, below) = ((left + 1).min(width - 1), (top + 1).min(shape.height - 1));
                let (top_row, below_row) = (top * width, below * width);
                *corners = [top_row + left, top_row + next, below_row + left, below_row + next];
                *shares = [x - left as f32, y - top as f32];
            }
            for (source, target) in source.chunks_exact(plane).zip(pixels.chunks_exact_mut(plane)) {
                let target = &mut target[row * width..][..width];
                for ((corners, [across, down]), target) in taps.iter().zip(target) {
                    let [one, two, three, four] = corners.map(|at| f32::from(source[at]));
                    let (upper, lower) = (one + across * (two - one), three + across * (four - three));
                    *target = (upper + down * (lower - upper) + 0.5) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use widemargin_chance::Purpose;

    fn noise(shape: ImageShape) -> Vec<u8> {
        let mut pixels = vec![0; shape.values()];
        Stream::new(1, Purpose::Test, 0, 0).fill(&mut pixels);
        pixels
    }

    fn warped(warp: Warp, shape: ImageShape) -> Vec<u8> {
        let mut pixels = noise(shape);
        warp.apply(&mut pixels, shape);
        pixels
    }

    /// The obvious version: a pixel of the result is put through rotation, shear and scale backwards, one after the other.
    fn reference(warp: Warp, shape: ImageShape) -> Vec<f64> {
        let source = noise(shape);
        let (height, width) = (shape.height as f64, shape.width as f64);
        let turn = -f64::from(warp.rotate).to_radians();
        let value = |at: usize| {
            let (channel, row, column) =
                (at / shape.plane(), at % shape.plane() / shape.width, at % shape.width);
            let (x, y) = (column as f64 + 0.5 - width / 2.0, row as f64 + 0.5 - height / 2.0);
            let (x, y) = (x * turn.cos() - y * turn.sin(), x * turn.sin() + y * turn.cos());
            let x = x + y * f64::from(warp.shear).to_radians().tan();
            let (x, y) = (x / f64::from(warp.scale), y / f64::from(warp.scale));
            let [across, down] = warp.crop.size.map(f64::from);
            let [centre_x, centre_y] = warp.crop.centre.map(f64::from);
            let [right, below] = warp.shift.map(f64::from);
            let x = (x * across + (0.5 + centre_x) * width - 0.5 - right).clamp(0.0, width - 1.0);
            let y = (y * down + (0.5 + centre_y) * height - 0.5 - below).clamp(0.0, height - 1.0);
            // A sum over all pixels, weighted by a tent.
            let tent = |distance: f64| (1.0 - distance.abs()).max(0.0);
            let weighted = |at: usize| {
                let weight = tent((at / shape.width) as f64 - y) * tent((at % shape.width) as f64 - x);
                weight * f64::from(source[channel * shape.plane() + at])
            };
            (0..shape.plane()).map(weighted).sum()
        };
        (0..shape.values()).map(value).collect()
    }

    #[test]
    fn one_map_equals_the_steps_one_after_the_other() {
        let mut random = Stream::new(2, Purpose::Test, 0, 0);
        for (height, width, channels) in [(1, 1, 1), (1, 7, 3), (9, 2, 1), (16, 16, 3), (11, 17, 3)] {
            let shape = ImageShape { channels, height, width };
            for _ in 0..8 {
                let warp = Warp {
                    shift: [random.below(5) as f32 - 2.0, random.below(5) as f32 - 2.0],
                    crop: Crop::draw(random.between(0.2, 1.0), &mut random),
                    scale: random.between(0.5, 2.0),
                    rotate: random.between(-180.0, 180.0),
                    shear: random.between(-40.0, 40.0),
                };
                for (found, expected) in warped(warp, shape).iter().zip(reference(warp, shape)) {
                    // Half a step of rounding, and 255 steps per pixel times the error of a place: a few dozen pixels at 1e-7, enlarged
                    // by the shear.
                    let distance = (f64::from(*found) - expected).abs();
                    assert!(distance <= 0.51, "{shape} {warp:?}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn no_change_and_quarter_turns_are_exact() {
        let shape = ImageShape { channels: 2, height: 5, width: 5 };
        assert_eq!(warped(Warp::NONE, shape), noise(shape));
        let turned = warped(Warp { rotate: 90.0, ..Warp::NONE }, shape);
        let source = noise(shape);
        for (at, value) in turned.iter().enumerate() {
            let (plane, row, column) = (at / 25, at % 25 / 5, at % 5);
            // Clockwise: the left column becomes the top row.
            assert_eq!(*value, source[plane * 25 + (4 - column) * 5 + row]);
        }
    }

    #[test]
    fn uncovered_pixels_have_the_colour_of_the_edge() {
        let shape = ImageShape { channels: 1, height: 9, width: 9 };
        let mut pixels = vec![255; 81];
        pixels[40] = 0;
        Warp { rotate: 45.0, scale: 0.5, shear: 20.0, ..Warp::NONE }.apply(&mut pixels, shape);
        assert!(pixels.iter().enumerate().all(|(at, value)| *value == 255 || (30..=50).contains(&at)));
        assert!(pixels[40] < 255, "the dot is still there");
    }

    #[test]
    fn crops_have_the_area_and_stay_inside() {
        let mut random = Stream::new(4, Purpose::Test, 0, 0);
        let mut stretches = Vec::new();
        for _ in 0..500 {
            let area = random.between(0.3, 0.7);
            let Crop { centre, size } = Crop::draw(area, &mut random);
            assert!((size[0] * size[1] - area).abs() < 1e-5, "the rounding of two roots");
            assert!(centre.iter().zip(size).all(|(centre, side)| centre.abs() + side / 2.0 <= 0.5 + 1e-6));
            stretches.push(size[0] / size[1]);
        }
        let (least, most) =
            stretches.iter().fold((9.0_f32, 0.0_f32), |(least, most), x| (least.min(*x), most.max(*x)));
        assert!((0.75..0.78).contains(&least) && (1.29..1.3334).contains(&most), "{least} {most}");
        assert_eq!(Crop::draw(1.0, &mut random), Crop::WHOLE, "no other shape fits");
    }

    #[test]
    fn mirrored_twice_is_the_same() {
        for (height, width) in [(1, 1), (1, 4), (4, 1), (3, 5), (4, 4)] {
            let shape = ImageShape { channels: 2, height, width };
            let source = noise(shape);
            let mut pixels = source.clone();
            flip_vertical(&mut pixels, shape);
            for (at, value) in pixels.iter().enumerate() {
                let (plane, row, column) = (at / shape.plane(), at % shape.plane() / width, at % width);
                assert_eq!(*value, source[plane * shape.plane() + (height - 1 - row) * width + column]);
            }
            flip_vertical(&mut pixels, shape);
            flip(&mut pixels, shape);
            flip(&mut pixels, shape);
            assert_eq!(pixels, source);
        }
    }

    proptest! {
        #[test]
        fn a_warp_of_one_colour_changes_nothing(
            height in 1usize..20, width in 1usize..20, value: u8, rotate in -180.0f32..180.0, shear in -60.0f32..60.0, scale in 0.1f32..10.0,
        ) {
            let shape = ImageShape { channels: 1, height, width };
            let mut pixels = vec![value; shape.values()];
            Warp { scale, rotate, shear, ..Warp::NONE }.apply(&mut pixels, shape);
            prop_assert_eq!(pixels, vec![value; shape.values()]);
        }
    }
}

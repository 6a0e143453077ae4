//! Draws an outline as an image: white ink on black, centred.
//!
//! Distortions transform the outline, not pixels, so a distorted sample is as sharp as a plain one. Only additions,
//! multiplications, divisions and square roots are used, which give the same result on every machine; sines do not.

use serde::Serialize;
use zeno::{Join, Mask, Stroke, Transform};

use crate::outline::Outline;
use widemargin_chance::Stream;

/// Side of the plain drawings that are compared, whatever the size of the samples.
pub(crate) const PLAIN: usize = 32;
/// Size of an em as a share of the image's side. An East Asian character fills most of an em, so this leaves a margin for
/// distortion.
const EM: f32 = 0.86;
/// Largest size of a drawing before distortion, as a share of the image's side.
const LARGEST: f32 = 0.84;
/// Smaller changes of the stroke weight, in pixels, are skipped.
const LEAST_WEIGHT: f32 = 0.05;

/// The ranges of distortions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DistortionRanges {
    /// Largest shift either way, as a share of the side.
    pub shift: f32,
    /// Smallest and largest factor on the size.
    pub scale: [f32; 2],
    /// Largest tangent of half the rotation angle, either way.
    pub half_turn: f32,
    /// Largest shear either way, in columns per row.
    pub shear: f32,
    /// Largest change of the stroke width either way, as a share of the side.
    pub weight: f32,
}

/// The ranges in use: rotations of up to about 7 degrees, strokes up to half a pixel wider or thinner at 32 pixels.
pub(crate) const RANGES: DistortionRanges =
    DistortionRanges { shift: 0.05, scale: [0.86, 1.08], half_turn: 0.06, shear: 0.1, weight: 0.016 };

/// The distortion of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distortion {
    /// Shift to the right, as a share of the side.
    pub right: f32,
    /// Shift down, as a share of the side.
    pub down: f32,
    /// Factor on the size.
    pub scale: f32,
    /// Tangent of half the rotation angle, counter-clockwise.
    pub half_turn: f32,
    /// Shear to the right, in columns per row above the middle.
    pub shear: f32,
    /// Increase of the stroke width, as a share of the side; negative for a decrease.
    pub weight: f32,
}

impl Distortion {
    /// No distortion.
    pub const NONE: Self =
        Self { right: 0.0, down: 0.0, scale: 1.0, half_turn: 0.0, shear: 0.0, weight: 0.0 };

    pub(crate) fn drawn(random: &mut Stream) -> Self {
        let mut around = |range: f32| random.between(-range, range);
        Self {
            right: around(RANGES.shift),
            down: around(RANGES.shift),
            half_turn: around(RANGES.half_turn),
            shear: around(RANGES.shear),
            weight: around(RANGES.weight),
            scale: random.between(RANGES.scale[0], RANGES.scale[1]),
        }
    }
}

/// The undistorted image of an outline, `size` x `size` bytes.
pub(crate) fn plain(outline: &Outline, size: usize) -> Vec<u8> {
    draw(outline, size, &Distortion::NONE)
}

/// The image of an outline, `size` x `size` bytes. The size and shift of the drawing are limited so that it is completely
/// inside the image.
pub(crate) fn draw(outline: &Outline, size: usize, distortion: &Distortion) -> Vec<u8> {
    let side = size as f32;
    let extent = [0, 1].map(|axis| outline.high[axis] - outline.low[axis]);
    let fitting = EM.min(LARGEST / extent[0].max(extent[1]));

    // Shear, then rotate; the y axis points up.
    let t = distortion.half_turn;
    let (cosine, sine) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
    let rotated = [[cosine, cosine * distortion.shear - sine], [sine, sine * distortion.shear + cosine]];
    let reach = rotated.map(|[x, y]| x.abs() * extent[0] + y.abs() * extent[1]);
    let room = side - distortion.weight.max(0.0) * side;
    let scale = (side * fitting * distortion.scale).min(room / reach[0].max(reach[1]));
    // Without free space, rounding can give a negative value.
    let free = reach.map(|reach| ((room - scale * reach) / 2.0).max(0.0));
    let middle = [
        side / 2.0 + (distortion.right * side).clamp(-free[0], free[0]),
        side / 2.0 + (distortion.down * side).clamp(-free[1], free[1]),
    ];
    // Rows of the image count down.
    let [[a, b], [c, d]] = [rotated[0].map(|value| scale * value), rotated[1].map(|value| -scale * value)];
    let centre = [0, 1].map(|axis| f32::midpoint(outline.low[axis], outline.high[axis]));
    let transform = Transform::new(
        a,
        c,
        b,
        d,
        middle[0] - a * centre[0] - b * centre[1],
        middle[1] - c * centre[0] - d * centre[1],
    );
    let mut ink = vec![0; size * size];
    Mask::new(&outline.commands[..])
        .transform(Some(transform))
        .size(size as u32, size as u32)
        .render_into(&mut ink, None);

    // Half of a stroke along the outline is inside the ink, half outside.
    let weight = distortion.weight * side;
    if weight.abs() > LEAST_WEIGHT {
        let mut edge = vec![0; size * size];
        // The stroke is applied before the transformation, in ems.
        Mask::new(&outline.commands[..])
            .transform(Some(transform))
            .style(Stroke::new(weight.abs() / scale).join(Join::Round))
            .size(size as u32, size as u32)
            .render_into(&mut edge, None);
        for (ink, edge) in ink.iter_mut().zip(edge) {
            // Keep half of the ink, so that strokes thinner than a pixel do not vanish.
            *ink = if weight > 0.0 { (*ink).max(edge) } else { ink.saturating_sub(edge).max(*ink / 2) };
        }
    }
    ink
}

#[cfg(test)]
mod tests {
    use zeno::Command;

    use super::*;
    use widemargin_chance::Purpose;

    #[test]
    fn shapes_of_any_proportion_stay_inside() {
        let mut random = Stream::new(1, Purpose::GlyphDistortion, 0, 0);
        for _ in 0..3000 {
            let [width, height] = [0, 1].map(|_| 10_f32.powf(random.between(-4.0, 1.5)));
            let corners = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
            let mut commands: Vec<Command> = corners.map(|[x, y]| Command::LineTo([x, y].into())).to_vec();
            commands[0] = Command::MoveTo(corners[0].into());
            commands.push(Command::Close);
            let outline = Outline { commands, low: corners[0], high: corners[2] };
            let distortion = Distortion::drawn(&mut random);
            let ink = draw(&outline, 16, &distortion);
            // A shape outside the image would leave no ink; one that is wide enough must leave some.
            let thinnest = 16.0 * EM * width.min(height) / width.max(height).max(1.0);
            assert!(
                thinnest < 2.0 || ink.iter().any(|value| *value > 0),
                "{width} x {height}, {distortion:?}"
            );
        }
    }
}

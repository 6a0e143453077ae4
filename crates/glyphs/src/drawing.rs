//! An outline to an image: white ink on black, the middle of what is inked in the middle of the image.
//!
//! Distortion is put into the transformation of the outline, never done on pixels, so that a distorted sample is as
//! sharp as a plain one. Only additions, multiplications, divisions and square roots are used, which give the same on
//! every machine; sines would not.

use serde::Serialize;
use zeno::{Join, Mask, Stroke, Transform};

use crate::outline::Outline;
use widemargin_chance::Stream;

/// Side of the images in which plain drawings are compared, whatever the size of the samples.
pub(crate) const PLAIN: usize = 32;
/// Size of an em: a character of East Asia fills most of it and leaves a margin for distortion.
const EM: f32 = 0.86;
/// Largest share of the image's side that a drawing takes before distortion.
const LARGEST: f32 = 0.84;
/// Below this many pixels a change of the weight of strokes is not worth a second pass.
const LEAST_WEIGHT: f32 = 0.05;

/// How far distortions go, either way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DistortionRanges {
    /// Shift in shares of the side, each way.
    pub shift: f32,
    /// Least and largest factor on the size.
    pub scale: [f32; 2],
    /// Tangent of half the angle.
    pub half_turn: f32,
    /// Columns by which a row moves for each row above the middle.
    pub shear: f32,
    /// What strokes gain in width, in shares of the side.
    pub weight: f32,
}

/// The ranges that are drawn from: about 7 degrees, and half a pixel of stroke at 32 pixels.
pub(crate) const RANGES: DistortionRanges =
    DistortionRanges { shift: 0.05, scale: [0.86, 1.08], half_turn: 0.06, shear: 0.1, weight: 0.016 };

/// What was done to one sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distortion {
    /// Shift to the right, in shares of the side.
    pub right: f32,
    /// Shift downwards, in shares of the side.
    pub down: f32,
    /// Factor on the size.
    pub scale: f32,
    /// Tangent of half the angle, counter-clockwise.
    pub half_turn: f32,
    /// Columns by which a row moves to the right for each row above the middle.
    pub shear: f32,
    /// What strokes gain in width, in shares of the side; below 0 they lose.
    pub weight: f32,
}

impl Distortion {
    /// As the font has it.
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

/// The image of an outline as the font has it, `size` x `size` bytes.
pub(crate) fn plain(outline: &Outline, size: usize) -> Vec<u8> {
    draw(outline, size, &Distortion::NONE)
}

/// The image of an outline, `size` x `size` bytes. It lies in the image as a whole: where it would not, it is
/// drawn smaller and moved less.
pub(crate) fn draw(outline: &Outline, size: usize, distortion: &Distortion) -> Vec<u8> {
    let side = size as f32;
    let extent = [0, 1].map(|axis| outline.high[axis] - outline.low[axis]);
    let fitting = EM.min(LARGEST / extent[0].max(extent[1]));

    // Shear, then turn, upwards positive.
    let t = distortion.half_turn;
    let (cosine, sine) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
    let turned = [[cosine, cosine * distortion.shear - sine], [sine, sine * distortion.shear + cosine]];
    let reach = turned.map(|[x, y]| x.abs() * extent[0] + y.abs() * extent[1]);
    let room = side - distortion.weight.max(0.0) * side;
    let scale = (side * fitting * distortion.scale).min(room / reach[0].max(reach[1]));
    // Where nothing is free, rounding may say less than nothing.
    let free = reach.map(|reach| ((room - scale * reach) / 2.0).max(0.0));
    let middle = [
        side / 2.0 + (distortion.right * side).clamp(-free[0], free[0]),
        side / 2.0 + (distortion.down * side).clamp(-free[1], free[1]),
    ];
    // Rows are counted downwards.
    let [[a, b], [c, d]] = [turned[0].map(|value| scale * value), turned[1].map(|value| -scale * value)];
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

    // A stroke along the outline lies half within the ink and half outside.
    let weight = distortion.weight * side;
    if weight.abs() > LEAST_WEIGHT {
        let mut edge = vec![0; size * size];
        // The stroke is made before the transformation, in ems.
        Mask::new(&outline.commands[..])
            .transform(Some(transform))
            .style(Stroke::new(weight.abs() / scale).join(Join::Round))
            .size(size as u32, size as u32)
            .render_into(&mut edge, None);
        for (ink, edge) in ink.iter_mut().zip(edge) {
            // Half of the ink stays, or nothing would be left of strokes thinner than a pixel.
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
            // What lies outside the image would have no ink, so a shape that is wide enough leaves some.
            let thinnest = 16.0 * EM * width.min(height) / width.max(height).max(1.0);
            assert!(
                thinnest < 2.0 || ink.iter().any(|value| *value > 0),
                "{width} x {height}, {distortion:?}"
            );
        }
    }
}

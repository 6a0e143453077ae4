//! Erasing a rectangle.

use widemargin_chance::Stream;

use crate::ImageShape;

/// Smallest and largest erased share of the image, and the largest aspect ratio: Zhong et al., "Random Erasing Data Augmentation", AAAI
/// 2020, with half the upper share, for small images.
const ERASED_AREA: [f32; 2] = [0.02, 0.2];
const ERASED_RATIO: f32 = 10.0 / 3.0;

/// Fills a rectangle of random area, with a share from `area` of the image, aspect ratio and place with random bytes.
pub(super) fn erase(pixels: &mut [u8], shape: ImageShape, area: Option<[f32; 2]>, random: &mut Stream) {
    let [least, most] = area.unwrap_or(ERASED_AREA);
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

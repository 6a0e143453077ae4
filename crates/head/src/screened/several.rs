//! Several centres per class: a class has the score of its nearest centre, and its other centres do not count.
//!
//! The rows of a class are neighbours and may lie in two panels. So as many panels are scored together as a class has centres:
//! they hold sixteen whole classes.

use widemargin_kernels::screening::PANEL;

/// Panels per chunk: 1024 rows, or slightly fewer where classes have several.
const CHUNK_PANELS: usize = 64;

/// Most centres per class that can be screened.
pub(crate) const MOST: usize = CHUNK_PANELS;

/// A score so low that its exponential is 0.
const NO_SCORE: i32 = i32::MIN;

/// Panels per chunk: whole classes, and as near to [`CHUNK_PANELS`] as that allows.
pub(crate) fn panels_of_chunk(per_class: usize) -> usize {
    CHUNK_PANELS / per_class * per_class
}

/// Whether a score was kept by [`keep_nearest`].
pub(crate) fn counts(score: i32) -> bool {
    score != NO_SCORE
}

/// A quantisation step that leaves [`NO_SCORE`] low. Rows of zeros have step 0, but their scores are 0 as well.
pub(crate) fn live_step(step: f32) -> f32 {
    if step > 0.0 { step } else { 1.0 }
}

/// Keeps only the largest score of each class, and no score of a sample's target class.
///
/// `scores` is `[panel][padded sample][row of the panel]`, of panels that begin with the first row of `first_class`. `steps` are
/// the quantisation steps of their rows, including padding after the last class; `targets` has the class of each sample.
pub(crate) fn keep_nearest(
    scores: &mut [i32],
    steps: &[f32],
    first_class: usize,
    classes: usize,
    per_class: usize,
    targets: impl ExactSizeIterator<Item = u32>,
) {
    let panel_size = scores.len() / (steps.len() / PANEL);
    for (sample, target) in targets.enumerate() {
        let at = |row: usize| row / PANEL * panel_size + sample * PANEL + row % PANEL;
        for class in 0..classes {
            let rows = class * per_class..(class + 1) * per_class;
            let value = |scores: &[i32], row: usize| scores[at(row)] as f32 * steps[row];
            let mut nearest = rows.start;
            let mut largest = value(scores, nearest);
            for row in rows.start + 1..rows.end {
                let here = value(scores, row);
                let further = if here > largest {
                    largest = here;
                    std::mem::replace(&mut nearest, row)
                } else {
                    row
                };
                scores[at(further)] = NO_SCORE;
            }
            if first_class + class == target as usize {
                scores[at(nearest)] = NO_SCORE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_score_per_class_remains_and_none_of_the_target() {
        // Two samples, classes of three rows over three panels.
        let (per_class, classes, samples) = (3, 16, 4);
        let steps: Vec<f32> =
            (0..3 * PANEL).map(|row| if row == 4 { 0.0 } else { 0.5 + row as f32 }).collect();
        let mut scores: Vec<i32> =
            (0..3 * samples * PANEL).map(|at| (at as i32).wrapping_mul(7919) % 101 - 50).collect();
        let before = scores.clone();
        keep_nearest(&mut scores, &steps, 32, classes, per_class, [35, 7].into_iter());
        for sample in 0..2 {
            let at = |row: usize| row / PANEL * samples * PANEL + sample * PANEL + row % PANEL;
            for class in 0..classes {
                let value = |row: usize| f64::from(before[at(row)]) * f64::from(steps[row]);
                let rows = class * per_class..(class + 1) * per_class;
                let largest = rows.clone().map(value).fold(f64::NEG_INFINITY, f64::max);
                let left: Vec<usize> = rows.filter(|&row| counts(scores[at(row)])).collect();
                if (sample, class) == (0, 3) {
                    assert!(left.is_empty(), "the target class");
                } else {
                    assert_eq!(left.len(), 1);
                    assert_eq!(value(left[0]), largest);
                    assert_eq!(scores[at(left[0])], before[at(left[0])]);
                }
            }
        }
        assert!(scores[2 * PANEL..4 * PANEL] == before[2 * PANEL..4 * PANEL], "padding is unchanged");
    }
}

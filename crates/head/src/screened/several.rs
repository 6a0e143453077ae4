//! Several centres a class: a class has the score of the nearest of them, and the others are as if they were not there.
//!
//! The rows of a class lie one after the other and may lie in two panels. So panels are scored as many at a time as a class
//! has centres: together they hold sixteen whole classes.

use widemargin_kernels::screening::PANEL;

use super::CHUNK_PANELS;

/// Centres of a class that can be screened.
pub(crate) const MOST: usize = CHUNK_PANELS;

/// A score so low that its exponential is 0.
const NO_SCORE: i32 = i32::MIN;

/// Panels of a chunk: whole classes, and as near to [`CHUNK_PANELS`] as that allows.
pub(crate) fn panels_of_chunk(each: usize) -> usize {
    CHUNK_PANELS / each * each
}

/// Whether a row is left in by [`keep_nearest`].
pub(crate) fn counts(score: i32) -> bool {
    score != NO_SCORE
}

/// A step that [`NO_SCORE`] stays low under; that of a row of zeros is 0, but so are its scores.
pub(crate) fn live_step(step: f32) -> f32 {
    if step > 0.0 { step } else { 1.0 }
}

/// Leaves each class the largest of its scores, and a sample's own class none.
///
/// `scores` are `[panel][sample, filled up][row of the panel]` of panels that begin with the first row of `first_class`, `steps` those of
/// their rows, 0 and other rows behind the last class included; `own` has the class of each sample.
pub(crate) fn keep_nearest(
    scores: &mut [i32],
    steps: &[f32],
    first_class: usize,
    classes: usize,
    each: usize,
    own: impl ExactSizeIterator<Item = u32>,
) {
    let panel_size = scores.len() / (steps.len() / PANEL);
    for (sample, own) in own.enumerate() {
        let at = |row: usize| row / PANEL * panel_size + sample * PANEL + row % PANEL;
        for class in 0..classes {
            let rows = class * each..(class + 1) * each;
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
            if first_class + class == own as usize {
                scores[at(nearest)] = NO_SCORE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_score_a_class_is_left_and_none_of_the_own() {
        // Two samples, classes of three rows over three panels.
        let (each, classes, samples) = (3, 16, 4);
        let steps: Vec<f32> =
            (0..3 * PANEL).map(|row| if row == 4 { 0.0 } else { 0.5 + row as f32 }).collect();
        let mut scores: Vec<i32> =
            (0..3 * samples * PANEL).map(|at| (at as i32).wrapping_mul(7919) % 101 - 50).collect();
        let before = scores.clone();
        keep_nearest(&mut scores, &steps, 32, classes, each, [35, 7].into_iter());
        for sample in 0..2 {
            let at = |row: usize| row / PANEL * samples * PANEL + sample * PANEL + row % PANEL;
            for class in 0..classes {
                let value = |row: usize| f64::from(before[at(row)]) * f64::from(steps[row]);
                let rows = class * each..(class + 1) * each;
                let largest = rows.clone().map(value).fold(f64::NEG_INFINITY, f64::max);
                let left: Vec<usize> = rows.filter(|&row| counts(scores[at(row)])).collect();
                if (sample, class) == (0, 3) {
                    assert!(left.is_empty(), "the own class");
                } else {
                    assert_eq!(left.len(), 1);
                    assert_eq!(value(left[0]), largest);
                    assert_eq!(scores[at(left[0])], before[at(left[0])]);
                }
            }
        }
        assert!(scores[2 * PANEL..4 * PANEL] == before[2 * PANEL..4 * PANEL], "what fills up is left alone");
    }
}

//! The gradient descents in the script-free figures: fixed features, class centres that learn.
//!
//! They start from the same features and centres as the live figures (`page/figures/descent.js` and `growth.js`), so a reader
//! without scripts sees the same curves.

use std::f64::consts::PI;

use widemargin_chance::box_muller;
use widemargin_objective::{MatRef, Objective, norm, normalise};

/// The random number generator of the page's script (Mulberry32, `page/kit.js`). It must give the same numbers as the script,
/// which has no ChaCha8; everything else in the project draws from `widemargin_chance::Stream`.
struct PageGenerator(u32);

impl PageGenerator {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x6d2b_79f5);
        let state = self.0;
        let mut mixed = (state ^ (state >> 15)).wrapping_mul(1 | state);
        mixed = mixed.wrapping_add((mixed ^ (mixed >> 7)).wrapping_mul(0x3d | mixed)) ^ mixed;
        f64::from(mixed ^ (mixed >> 14)) / 4_294_967_296.0
    }

    fn normal(&mut self) -> f64 {
        box_muller(self.uniform(), self.uniform())[0]
    }
}

/// Labelled features, and the class centres to start from.
pub(crate) struct Problem {
    dim: usize,
    features: Vec<f64>,
    labels: Vec<u32>,
    centres: Vec<f64>,
}

impl Problem {
    /// Two samples per class in eight dimensions, close to a random direction.
    pub(crate) fn many(classes: u32) -> Self {
        const DIM: usize = 8;
        let mut generator = PageGenerator(7);
        let (mut features, mut labels) = (Vec::new(), Vec::new());
        for label in 0..classes {
            let mut direction: Vec<f64> = (0..DIM).map(|_| generator.normal()).collect();
            normalise(&mut direction);
            for _ in 0..2 {
                let mut feature: Vec<f64> =
                    direction.iter().map(|value| value + 0.18 * generator.normal()).collect();
                normalise(&mut feature);
                features.extend(feature);
                labels.push(label);
            }
        }
        let centres = (0..classes as usize * DIM).map(|_| 0.05 * generator.normal()).collect();
        Self { dim: DIM, features, labels, centres }
    }

    /// Three classes in the plane, six unit features each.
    pub(crate) fn three() -> Self {
        let mut generator = PageGenerator(3);
        let (mut features, mut labels) = (Vec::new(), Vec::new());
        for label in 0..3 {
            for _ in 0..6 {
                let angle = 0.4 + 2.0 * PI * f64::from(label) / 3.0 + 0.3 * generator.normal();
                features.extend([angle.cos(), angle.sin()]);
                labels.push(label);
            }
        }
        let centres = (0..6).map(|_| 0.3 * generator.normal()).collect();
        Self { dim: 2, features, labels, centres }
    }
}

/// The state at one step of the descent, before the update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DescentStep {
    /// Share of samples whose target class has the largest score.
    pub(crate) accuracy: f64,
    /// Mean norm of the centres.
    pub(crate) centre_norm: f64,
}

/// Gradient descent on the centres, one step per item, without end.
pub(crate) struct Descent<'a> {
    problem: &'a Problem,
    objective: Objective,
    rate: f64,
    centres: Vec<f64>,
}

impl<'a> Descent<'a> {
    pub(crate) fn new(problem: &'a Problem, objective: Objective, rate: f64) -> Self {
        Self { problem, objective, rate, centres: problem.centres.clone() }
    }
}

impl Iterator for Descent<'_> {
    type Item = DescentStep;

    fn next(&mut self) -> Option<DescentStep> {
        let dim = self.problem.dim;
        let features = matrix(&self.problem.features, dim);
        let found =
            self.objective.evaluate(features, matrix(&self.centres, dim), &self.problem.labels).ok()?;
        let count = self.centres.len() / dim;
        let centre_norm = self.centres.chunks_exact(dim).map(norm).sum::<f64>() / count as f64;
        for (centre, slope) in self.centres.iter_mut().zip(&found.grad_centres) {
            *centre -= self.rate * slope;
        }
        Some(DescentStep { accuracy: found.diagnostics.accuracy, centre_norm })
    }
}

fn matrix(values: &[f64], columns: usize) -> MatRef<'_, f64> {
    MatRef::new(values, values.len() / columns, columns).expect("problems have whole rows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_the_numbers_of_the_script() {
        // computed by page/kit.js: chance(7).uniform(), three times
        let mut generator = PageGenerator(7);
        let found = [generator.uniform(), generator.uniform(), generator.uniform()];
        assert_eq!(found, [0.011_704_753_153_026_104, 0.061_958_257_574_588_06, 0.976_907_632_779_33]);
    }

    #[test]
    fn a_descent_learns_and_the_centres_grow_with_dot_products() {
        let problem = Problem::three();
        let steps: Vec<DescentStep> = Descent::new(&problem, Objective::softmax(), 2.0).take(100).collect();
        assert_eq!(steps[99].accuracy, 1.0);
        assert!(steps[99].centre_norm > 3.0 * steps[0].centre_norm);
    }
}

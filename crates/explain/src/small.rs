//! Small problems for the plain figures of a descent: features that do not move, centres that learn.
//!
//! The live figures have the same ones, from the same random numbers (`page/kit.js`, `page/figures/descent.js`, `growth.js`).

use std::f64::consts::{PI, TAU};

use widemargin_objective::{Objective, norm, normalise};

use crate::plain::matrix;

/// Random numbers as the page's own script makes them (Mulberry32), so that both draw the same pictures.
struct Chance(u32);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x6d2b_79f5);
        let state = self.0;
        let mut mixed = (state ^ (state >> 15)).wrapping_mul(1 | state);
        mixed = mixed.wrapping_add((mixed ^ (mixed >> 7)).wrapping_mul(0x3d | mixed)) ^ mixed;
        f64::from(mixed ^ (mixed >> 14)) / 4_294_967_296.0
    }

    fn normal(&mut self) -> f64 {
        let length = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        length * (TAU * self.uniform()).cos()
    }
}

/// Features with labels, and centres to start from.
pub(crate) struct Problem {
    dim: usize,
    features: Vec<f64>,
    labels: Vec<u32>,
    centres: Vec<f64>,
}

impl Problem {
    /// Two samples around a random direction of each class in eight dimensions.
    pub(crate) fn many(classes: u32) -> Self {
        const DIM: usize = 8;
        let mut chance = Chance(7);
        let (mut features, mut labels) = (Vec::new(), Vec::new());
        for label in 0..classes {
            let mut direction: Vec<f64> = (0..DIM).map(|_| chance.normal()).collect();
            normalise(&mut direction);
            for _ in 0..2 {
                let mut feature: Vec<f64> =
                    direction.iter().map(|value| value + 0.18 * chance.normal()).collect();
                normalise(&mut feature);
                features.extend(feature);
                labels.push(label);
            }
        }
        let centres = (0..classes as usize * DIM).map(|_| 0.05 * chance.normal()).collect();
        Self { dim: DIM, features, labels, centres }
    }

    /// Three fans of unit features in the plane.
    pub(crate) fn three() -> Self {
        let mut chance = Chance(3);
        let (mut features, mut labels) = (Vec::new(), Vec::new());
        for label in 0..3 {
            for _ in 0..6 {
                let angle = 0.4 + 2.0 * PI * f64::from(label) / 3.0 + 0.3 * chance.normal();
                features.extend([angle.cos(), angle.sin()]);
                labels.push(label);
            }
        }
        let centres = (0..6).map(|_| 0.3 * chance.normal()).collect();
        Self { dim: 2, features, labels, centres }
    }
}

/// What a step of the descent finds before it moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// Share of samples whose own class has the largest score.
    pub(crate) accuracy: f64,
    /// Mean length of the centres.
    pub(crate) centre_norm: f64,
}

/// Gradient descent on the centres, a step at a time, for ever.
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
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let dim = self.problem.dim;
        let features = matrix(&self.problem.features, dim);
        let found =
            self.objective.evaluate(features, matrix(&self.centres, dim), &self.problem.labels).ok()?;
        let count = self.centres.len() / dim;
        let centre_norm = self.centres.chunks_exact(dim).map(norm).sum::<f64>() / count as f64;
        for (centre, slope) in self.centres.iter_mut().zip(&found.grad_centres) {
            *centre -= self.rate * slope;
        }
        Some(Step { accuracy: found.diagnostics.accuracy, centre_norm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_those_of_the_script() {
        // computed by page/kit.js: chance(7).uniform(), three times
        let mut chance = Chance(7);
        let found = [chance.uniform(), chance.uniform(), chance.uniform()];
        assert_eq!(found, [0.011_704_753_153_026_104, 0.061_958_257_574_588_06, 0.976_907_632_779_33]);
    }

    #[test]
    fn a_descent_learns_and_dot_products_grow() {
        let problem = Problem::three();
        let steps: Vec<Step> = Descent::new(&problem, Objective::softmax(), 2.0).take(100).collect();
        assert_eq!(steps[99].accuracy, 1.0);
        assert!(steps[99].centre_norm > 3.0 * steps[0].centre_norm);
    }
}

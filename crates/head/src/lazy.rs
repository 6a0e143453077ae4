//! Deferred updates: a row without a gradient is not visited, and its steps are applied later in closed form.
//!
//! A step of a plain optimiser moves every row: a row without a gradient still moves under its momentum and shrinks under weight
//! decay. Visiting a million rows for that costs more than the rest of the step. Without a gradient a step is linear in the
//! row and its memory, so any number of steps is one small table entry:
//!
//! - SGD, `v' = momentum v + decay w`, `w' = w - rate v'`: a 2 x 2 matrix per step, and the product of these over `k` steps;
//! - AdamW, `m' = beta1 m`, `s' = beta2 s`, `w' = keep w - rate_t m' / (sqrt(s') + epsilon_t)`: every step moves `w` along the
//!   same `m / (sqrt(s) + epsilon)` up to the `epsilon`, which grows relative to the shrinking root. A sum of `k` factors with
//!   their mean `epsilon` is exact to first order in `epsilon`.
//!
//! Rows whose remaining movement across their own direction would change a score by more than [`NOTICEABLE`] are *active*:
//! every step visits them. The remaining movement is computed at the learning rate of the row's last visit, so a row is visited again
//! when the rate has grown to more than [`GROWN`] times that: in a warm-up, or when a schedule starts again. Weight decay changes no
//! direction unless it is so strong that rows swing through zero; then every step visits every row. All rows are visited at least
//! every [`OLDEST`] steps, which bounds the table.

use std::collections::VecDeque;

use widemargin_kernels::vector::{combine, products};

use crate::optimiser::OptimiserConfig;

/// Steps after which a row's deferred updates are applied in any case.
pub(crate) const OLDEST: u32 = 1024;

/// Change of an exponent that requires a visit. A change of 0.03 changes a probability by 3 %, no more than 7-bit scoring does.
pub(crate) const NOTICEABLE: f64 = 0.03;

/// Growth of the learning rate since a row's last visit that requires another visit.
pub(crate) const GROWN: f64 = 2.0;

/// `k` steps without a gradient, combined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Motion {
    /// `[w; v]` is multiplied by this.
    Sgd([[f64; 2]; 2]),
    /// `w = keep w - along m / (sqrt(s) + epsilon)`, `m = decays[0] m`, `s = decays[1] s`.
    AdamW { keep: f64, along: f64, decays: [f64; 2], epsilon: f64 },
}

/// The number of deferred steps of each row, and how to apply them.
#[derive(Clone, Debug)]
pub(crate) struct Lazy {
    config: OptimiserConfig,
    /// Deferred steps of each row.
    ages: Vec<u32>,
    /// Rows that still move noticeably.
    active: Vec<bool>,
    /// Learning rates of the last steps, newest first.
    rates: VecDeque<f64>,
    /// `motions[k]` applies the last `k` steps.
    motions: Vec<Motion>,
}

/// The part of a head's state about deferred updates.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct LazyState {
    pub(crate) ages: Vec<u32>,
    pub(crate) active: Vec<bool>,
    pub(crate) rates: Vec<f64>,
}

impl Lazy {
    /// Rows without deferred updates; `active` if they may be moving.
    pub(crate) fn new(config: OptimiserConfig, rows: usize, active: bool) -> Self {
        let (ages, active) = (vec![0; rows], vec![active || !defers(config); rows]);
        Self { config, ages, active, rates: VecDeque::new(), motions: vec![identity(config)] }
    }

    /// Restores a state; `steps` is the number of steps the optimiser has made.
    pub(crate) fn restored(config: OptimiserConfig, steps: u64, state: LazyState) -> Self {
        let mut lazy = Self {
            config,
            ages: state.ages,
            active: state.active.into_iter().map(|active| active || !defers(config)).collect(),
            rates: VecDeque::new(),
            motions: vec![identity(config)],
        };
        let first = steps.saturating_sub(state.rates.len() as u64);
        for (at, &rate) in state.rates.iter().rev().enumerate() {
            lazy.push_rate(first + at as u64 + 1, rate);
        }
        lazy
    }

    pub(crate) fn state(&self) -> LazyState {
        LazyState {
            ages: self.ages.clone(),
            active: self.active.clone(),
            rates: self.rates.iter().copied().collect(),
        }
    }

    /// Deferred steps of a row.
    pub(crate) fn age(&self, row: usize) -> usize {
        self.ages[row] as usize
    }

    /// The motion that applies a row's deferred steps; `None` if it has none.
    pub(crate) fn motion(&self, row: usize) -> Option<Motion> {
        let age = self.age(row);
        (age > 0).then(|| self.motions[age])
    }

    /// For each age, whether rows of this age must be visited in a step with this learning rate.
    pub(crate) fn due(&self, rate: f64) -> Vec<bool> {
        // a row that has waited for `age` steps was last visited in the step before them; if there was none, it has never moved
        let grown = |age: usize| self.rates.get(age).is_some_and(|&visited| rate > GROWN * visited);
        let all = swings(self.config, rate);
        (0..self.motions.len()).map(|age| all || age + 1 >= OLDEST as usize || grown(age)).collect()
    }

    /// The motions, and the rows' ages and active marks for changes chunk by chunk.
    pub(crate) fn split(&mut self) -> (&[Motion], &mut [u32], &mut [bool]) {
        (&self.motions, &mut self.ages, &mut self.active)
    }

    /// Records the learning rate of a step. The caller has reset or increased the ages.
    pub(crate) fn push_rate(&mut self, step: u64, rate: f64) {
        let newest = single(self.config, step, rate);
        let mut motions = vec![identity(self.config)];
        motions.extend(self.motions.iter().take(OLDEST as usize).map(|&older| after(older, newest)));
        self.motions = motions;
        self.rates.push_front(rate);
        self.rates.truncate(OLDEST as usize);
    }
}

fn identity(config: OptimiserConfig) -> Motion {
    match config {
        OptimiserConfig::Sgd { .. } => Motion::Sgd([[1.0, 0.0], [0.0, 1.0]]),
        OptimiserConfig::AdamW { epsilon, .. } => {
            Motion::AdamW { keep: 1.0, along: 0.0, decays: [1.0, 1.0], epsilon }
        }
    }
}

/// Whether steps of a row without a gradient can be deferred. For AdamW the closed form needs a movement that shrinks from step to
/// step, faster than the `epsilon` gains on the root, and powers of `beta2` that do not vanish within [`OLDEST`] steps. Both hold for
/// all usual settings. With others, every step visits every row.
pub(crate) fn defers(config: OptimiserConfig) -> bool {
    match config {
        OptimiserConfig::Sgd { .. } => true,
        OptimiserConfig::AdamW { beta1, beta2, .. } => beta2 >= 0.5 && beta1 <= 0.99 * beta2.sqrt(),
    }
}

/// Whether weight decay alone may carry a row through zero, after which it points the other way. With SGD it does if the product of
/// rate and decay is above `(1 - sqrt(momentum))^2`, which is about `(1 - momentum)^2 / 4`.
fn swings(config: OptimiserConfig, rate: f64) -> bool {
    match config {
        OptimiserConfig::Sgd { momentum, weight_decay } => {
            rate * weight_decay >= (1.0 - momentum.sqrt()).powi(2)
        }
        OptimiserConfig::AdamW { weight_decay, .. } => rate * weight_decay >= 1.0,
    }
}

/// One step without a gradient.
fn single(config: OptimiserConfig, step: u64, rate: f64) -> Motion {
    match config {
        OptimiserConfig::Sgd { momentum, weight_decay } => {
            Motion::Sgd([[1.0 - rate * weight_decay, -rate * momentum], [weight_decay, momentum]])
        }
        OptimiserConfig::AdamW { beta1, beta2, epsilon, weight_decay } => {
            let power = i32::try_from(step).unwrap_or(i32::MAX);
            let rate_now = rate / (1.0 - beta1.powi(power));
            let root = (1.0 - beta2.powi(power)).sqrt() / beta2.sqrt();
            Motion::AdamW {
                keep: 1.0 - rate * weight_decay,
                along: rate_now * root * beta1,
                decays: [beta1, beta2],
                epsilon: epsilon * root,
            }
        }
    }
}

/// The combination of two motions, the older applied first.
fn after(older: Motion, newer: Motion) -> Motion {
    match (older, newer) {
        (Motion::Sgd(a), Motion::Sgd(b)) => {
            let entry = |row: usize, col: usize| b[row][0] * a[0][col] + b[row][1] * a[1][col];
            Motion::Sgd([[entry(0, 0), entry(0, 1)], [entry(1, 0), entry(1, 1)]])
        }
        (
            Motion::AdamW { keep, along, decays, epsilon },
            Motion::AdamW { keep: keep_new, along: along_new, decays: new, epsilon: epsilon_new },
        ) => {
            // the newer step has the older one's direction, shrunk as `m / sqrt(s)` has shrunk since
            let shrunk = decays[1].sqrt();
            let (old, new_along) = (along * keep_new, along_new * decays[0] / shrunk);
            let (all, epsilon_new) = (old + new_along, epsilon_new / shrunk);
            Motion::AdamW {
                keep: keep * keep_new,
                along: all,
                decays: [decays[0] * new[0], decays[1] * new[1]],
                epsilon: if all > 0.0 {
                    (old * epsilon + new_along * epsilon_new) / all
                } else {
                    epsilon_new
                },
            }
        }
        _ => unreachable!("one optimiser makes motions of one kind"),
    }
}

impl Motion {
    /// Applies the steps to the values of a row and to their memory.
    pub(crate) fn apply(self, values: &mut [f32], memory: &mut [&mut [f32]]) {
        match (self, memory) {
            (Self::Sgd([[a, b], [c, d]]), [velocity, ..]) => {
                let [a, b, c, d] = [a, b, c, d].map(|factor| factor as f32);
                for (w, v) in values.iter_mut().zip(velocity.iter_mut()) {
                    (*w, *v) = (a * *w + b * *v, c * *w + d * *v);
                }
            }
            (Self::Sgd([[a, _], _]), []) => values.iter_mut().for_each(|w| *w *= a as f32),
            (Self::AdamW { keep, along, decays, epsilon }, [mean, square, ..]) => {
                let [keep, along, epsilon] = [keep, along, epsilon].map(|factor| factor as f32);
                let [first, second] = decays.map(|factor| factor as f32);
                for (w, (m, s)) in values.iter_mut().zip(mean.iter_mut().zip(square.iter_mut())) {
                    *w = keep * *w - along * *m / (s.sqrt() + epsilon);
                    (*m, *s) = (first * *m, second * *s);
                }
            }
            (Self::AdamW { .. }, _) => unreachable!("AdamW has two memories"),
        }
    }

    /// Writes the values after the steps to `out`.
    pub(crate) fn values(self, values: &[f32], memory: &[&[f32]], out: &mut [f32]) {
        match (self, memory) {
            (Self::Sgd([[a, b], _]), [velocity, ..]) => combine(out, [a as f32, b as f32], values, velocity),
            (Self::Sgd([[a, _], _]), []) => {
                out.iter_mut().zip(values).for_each(|(out, w)| *out = a as f32 * w);
            }
            (Self::AdamW { keep, along, epsilon, .. }, [mean, square, ..]) => {
                let [keep, along, epsilon] = [keep, along, epsilon].map(|factor| factor as f32);
                for ((out, w), (m, s)) in out.iter_mut().zip(values).zip(mean.iter().zip(square.iter())) {
                    *out = keep * w - along * m / (s.sqrt() + epsilon);
                }
            }
            (Self::AdamW { .. }, _) => unreachable!("AdamW has two memories"),
        }
    }
}

/// Upper bound on how far a row will still move across its own direction under its momentum after `step` steps, at this learning
/// rate. Movement along the row, such as weight decay, changes only its length and no cosine.
pub(crate) fn remaining(
    config: OptimiserConfig,
    step: u64,
    rate: f64,
    values: &[f32],
    memory: &[&[f32]],
) -> f64 {
    let across = |square: f64, along: f64, length_square: f64| {
        let taken = if length_square > 0.0 { along * along / length_square } else { 0.0 };
        (square - taken).max(0.0).sqrt()
    };
    match (config, memory) {
        (OptimiserConfig::Sgd { momentum, .. }, [velocity, ..]) => {
            let [length_square, along, square] = products(values, velocity).map(f64::from);
            rate * momentum / (1.0 - momentum) * across(square, along, length_square)
        }
        (OptimiserConfig::AdamW { beta1, beta2, epsilon, .. }, [mean, square, ..]) => {
            let shrink = beta1 / beta2.sqrt();
            let steps = if shrink < 1.0 { shrink / (1.0 - shrink) } else { f64::from(OLDEST) };
            let (mut sum, mut along, mut length_square) = (0.0, 0.0, 0.0);
            for (&w, (&m, &s)) in values.iter().zip(mean.iter().zip(square.iter())) {
                let (w, step) = (f64::from(w), f64::from(m) / (f64::from(s).sqrt() + epsilon));
                sum += step * step;
                along += step * w;
                length_square += w * w;
            }
            // the bias correction of the mean makes early steps longer
            let power = i32::try_from(step.saturating_add(1)).unwrap_or(i32::MAX);
            rate / (1.0 - beta1.powi(power)) * steps * across(sum, along, length_square)
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimiser::Optimiser;
    use crate::tests::values;

    /// A velocity along the row, as weight decay causes, does not rotate it; only the component across it counts.
    #[test]
    fn only_movement_across_a_row_counts() {
        let dim = 64;
        let w = values(dim, 1);
        let unit = {
            let length = w.iter().map(|w| w * w).sum::<f32>().sqrt();
            w.iter().map(|w| w / length).collect::<Vec<f32>>()
        };
        let other = values(dim, 2);
        let along: f32 = other.iter().zip(&unit).map(|(o, u)| o * u).sum();
        let across: Vec<f32> = other.iter().zip(&unit).map(|(o, u)| o - along * u).collect();
        let size = f64::from(across.iter().map(|a| a * a).sum::<f32>()).sqrt();
        let sgd = OptimiserConfig::sgd(0.9, 5e-4);
        let adam = OptimiserConfig::adam_w(0.01);
        let square = vec![1.0_f32; dim];
        for (config, memory_of, times) in [
            (sgd, 1, 0.1 * 0.9 / (1.0 - 0.9)),
            (adam, 2, 0.1 * (0.9 / 0.999_f64.sqrt()) / (1.0 - 0.9 / 0.999_f64.sqrt())),
        ] {
            let found =
                |velocity: &[f32]| remaining(config, 10_000, 0.1, &w, &[velocity, &square][..memory_of]);
            let moved: Vec<f32> = w.iter().map(|w| 0.3 * w).collect();
            // the square root of a rounding of 1e-7, for a velocity of length about 0.3
            assert!(found(&moved) < 1e-2, "{config:?}: {}", found(&moved));
            let both: Vec<f32> = across.iter().zip(&w).map(|(a, w)| a + 0.3 * w).collect();
            let expected = times * size;
            assert!((found(&both) / expected - 1.0).abs() < 1e-4, "{config:?}: {} {expected}", found(&both));
            assert!((found(&across) / expected - 1.0).abs() < 1e-4, "{config:?}");
        }
        assert_eq!(remaining(sgd, 3, 0.1, &[0.0; 4], &[&[0.0; 4]]), 0.0, "a row without a direction");
    }

    /// Three steps with a gradient, then steps without one at changing rates: the closed form against the optimiser itself.
    #[test]
    fn deferred_steps_equal_steps_without_a_gradient() {
        let dim = 8;
        let configs = [
            (OptimiserConfig::sgd(0.9, 5e-4), 1e-5),
            (OptimiserConfig::sgd(0.99, 0.1), 1e-5),
            (OptimiserConfig::sgd(0.0, 0.01), 1e-5),
            (OptimiserConfig::adam_w(0.01), 1e-5),
            // epsilon counts: the roots of the mean squares are about 1e-2
            (OptimiserConfig::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-3, weight_decay: 0.01 }, 1e-4),
            // epsilon grows quickly relative to the root
            (OptimiserConfig::AdamW { beta1: 0.5, beta2: 0.9, epsilon: 1e-3, weight_decay: 0.01 }, 1e-5),
        ];
        for (config, tolerance) in configs {
            let mut w = values(dim, 1);
            let mut optimiser = Optimiser::new(config, dim).expect("in range");
            for step in 0..3 {
                optimiser.step(&mut w, &values(dim, 2 + step), 0.1, 1.0);
            }
            let memory = |optimiser: &Optimiser| -> Vec<Vec<f32>> {
                optimiser.memory().map(|(_, values)| values.to_vec()).collect()
            };
            let (start, before) = (w.clone(), memory(&optimiser));
            let mut lazy = Lazy::new(config, 1, false);
            for step in 0..200_u32 {
                let rate = 0.1 / (1.0 + f64::from(step) / 50.0);
                optimiser.step(&mut w, &vec![0.0; dim], rate, 1.0);
                lazy.push_rate(optimiser.steps(), rate);
                lazy.split().1[0] += 1;
                let motion = lazy.motion(0).expect("deferred");
                let rows: Vec<&[f32]> = before.iter().map(Vec::as_slice).collect();
                let mut found = vec![0.0; dim];
                motion.values(&start, &rows, &mut found);
                let (mut moved, mut remembered) = (start.clone(), before.clone());
                let mut rows: Vec<&mut [f32]> = remembered.iter_mut().map(Vec::as_mut_slice).collect();
                motion.apply(&mut moved, &mut rows);
                for (moved, found) in moved.iter().zip(&found) {
                    // one of the two may use fused multiply-add
                    assert!((moved - found).abs() <= 1e-6, "{config:?}: {moved} {found} either way");
                }
                for (found, expected) in found.iter().zip(&w) {
                    assert!(
                        (found - expected).abs() <= tolerance,
                        "{config:?} step {step}: {found} {expected}"
                    );
                }
                for (found, expected) in remembered.iter().flatten().zip(memory(&optimiser).iter().flatten())
                {
                    assert!(
                        (found - expected).abs() <= tolerance,
                        "{config:?} step {step}: {found} {expected}"
                    );
                }
            }
            let restored = Lazy::restored(config, optimiser.steps(), lazy.state());
            assert_eq!(restored.motions, lazy.motions, "{config:?}");
        }
    }
}

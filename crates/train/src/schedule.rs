//! Learning rate and margin as functions of the step, so that a resumed run continues them exactly.

use crate::config::{ScheduleConfig, ScheduleName};

/// The schedule of one run.
#[derive(Clone, Debug)]
pub struct Schedule {
    config: ScheduleConfig,
    full_rate: f64,
    steps_per_epoch: f64,
    /// Length of the run in steps as it was planned, then after each extension.
    lengths: Vec<f64>,
}

impl Schedule {
    /// `full_rate` is reached at the end of the warm-up; `epochs` of `steps_per_epoch` steps (at least 1).
    ///
    /// `config` is one that [`Config::check`](crate::Config::check) accepts.
    pub fn new(config: &ScheduleConfig, full_rate: f64, steps_per_epoch: usize, epochs: usize) -> Self {
        let steps_per_epoch = steps_per_epoch.max(1) as f64;
        let lengths = vec![steps_per_epoch * epochs as f64];
        Self { config: config.clone(), full_rate, steps_per_epoch, lengths }
    }

    /// The same schedule up to its end, and from there on that of a run of `epochs`, which are more than before.
    ///
    /// With `constant` and `step` this is the schedule of a run that was planned for `epochs`, unless the warm-up was longer than the run.
    /// With `cosine` and `polynomial` the rate rises at the first added step.
    #[must_use]
    pub fn extended_to(mut self, epochs: usize) -> Self {
        self.lengths.push(self.steps_per_epoch * epochs as f64);
        self
    }

    /// The length of the run on whose schedule `step` is.
    fn length(&self, step: f64) -> f64 {
        let last = self.lengths.last().copied().unwrap_or_default();
        self.lengths.iter().copied().find(|length| step < *length).unwrap_or(last)
    }

    /// The learning rate of `step`, counted from 0.
    ///
    /// During a warm-up of `w` steps (at most the whole run) it is `full (step + 1) / w`. After it, progress `t` runs from 0 to 1
    /// over the remaining steps:
    ///
    /// | schedule | share of the full rate |
    /// |---|---|
    /// | `constant` | 1 |
    /// | `step` | `factor ^ (milestones passed)`, milestones counted from the start of the run |
    /// | `cosine` | `floor + (1 - floor) (1 + cos(pi t)) / 2` |
    /// | `polynomial` | `(1 - t) ^ power` |
    ///
    /// Between 0 and the full rate for every step; steps after the end of the run get the last value.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let (step, c) = (step as f64, &self.config);
        let steps = self.length(step);
        let warm_up = (c.warm_up_epochs * self.steps_per_epoch).min(steps);
        if step < warm_up.floor() {
            return self.full_rate * (step + 1.0) / warm_up;
        }
        let progress = ((step - warm_up) / (steps - warm_up).max(1.0)).clamp(0.0, 1.0);
        let share = match c.name {
            ScheduleName::Constant => 1.0,
            ScheduleName::Step => {
                let passed =
                    c.milestones.iter().filter(|epoch| step >= **epoch * self.steps_per_epoch).count();
                c.factor.powi(passed as i32)
            }
            ScheduleName::Cosine => {
                c.floor + (1.0 - c.floor) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            ScheduleName::Polynomial => (1.0 - progress).powf(c.power),
        };
        self.full_rate * share
    }

    /// The share of the full margin at `step`: rises linearly to 1 during the margin's warm-up.
    pub fn margin_share(&self, step: u64) -> f64 {
        let warm_up = self.config.margin_warm_up_epochs * self.steps_per_epoch;
        if warm_up <= 0.0 { 1.0 } else { (step as f64 / warm_up).min(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule(name: ScheduleName) -> Schedule {
        let config = ScheduleConfig {
            name,
            warm_up_epochs: 1.0,
            margin_warm_up_epochs: 2.0,
            milestones: vec![2.0, 3.0],
            factor: 0.1,
            floor: 0.01,
            power: 2.0,
        };
        Schedule::new(&config, 0.4, 10, 4)
    }

    #[test]
    fn warm_up_reaches_the_full_rate_and_every_schedule_starts_there() {
        for name in
            [ScheduleName::Constant, ScheduleName::Step, ScheduleName::Cosine, ScheduleName::Polynomial]
        {
            let s = schedule(name);
            assert!((s.learning_rate(0) - 0.04).abs() < 1e-12);
            assert!((s.learning_rate(9) - 0.4).abs() < 1e-12);
            assert!((s.learning_rate(10) - 0.4).abs() < 1e-12, "{name:?}");
            assert!((0..40).all(|step| s.learning_rate(step) >= 0.0 && s.learning_rate(step) <= 0.4 + 1e-12));
        }
    }

    #[test]
    fn schedules_end_at_their_documented_values() {
        let at = |name, step| schedule(name).learning_rate(step);
        assert!((at(ScheduleName::Constant, 39) - 0.4).abs() < 1e-12);
        assert!((at(ScheduleName::Step, 19) - 0.4).abs() < 1e-12);
        assert!((at(ScheduleName::Step, 20) - 0.04).abs() < 1e-12);
        assert!((at(ScheduleName::Step, 30) - 0.004).abs() < 1e-12);
        assert!((at(ScheduleName::Cosine, 40) - 0.004).abs() < 1e-12);
        assert!((at(ScheduleName::Cosine, 25) - 0.4 * (0.01 + 0.99 * 0.5)).abs() < 1e-12, "half way");
        assert!((at(ScheduleName::Polynomial, 25) - 0.1).abs() < 1e-12);
        assert_eq!(at(ScheduleName::Polynomial, 1000), 0.0);
    }

    #[test]
    fn an_extension_keeps_the_past_and_follows_the_longer_schedule() {
        for name in
            [ScheduleName::Constant, ScheduleName::Step, ScheduleName::Cosine, ScheduleName::Polynomial]
        {
            let config = schedule(name).config;
            let of = |epochs| Schedule::new(&config, 0.4, 10, epochs);
            let extended = of(4).extended_to(6).extended_to(9);
            for (steps, epochs) in [(0..40, 4), (40..60, 6), (60..95, 9)] {
                for step in steps {
                    assert_eq!(
                        extended.learning_rate(step),
                        of(epochs).learning_rate(step),
                        "{name:?}, {step}"
                    );
                    assert_eq!(extended.margin_share(step), of(epochs).margin_share(step));
                }
            }
        }
        let constant = schedule(ScheduleName::Step);
        let longer = Schedule::new(&constant.config, 0.4, 10, 9);
        let extended = constant.extended_to(9);
        assert!((0..90).all(|step| extended.learning_rate(step) == longer.learning_rate(step)));
    }

    #[test]
    fn the_margin_rises_and_stays() {
        let s = schedule(ScheduleName::Cosine);
        assert_eq!(
            (s.margin_share(0), s.margin_share(10), s.margin_share(20), s.margin_share(35)),
            (0.0, 0.5, 1.0, 1.0)
        );
        let none = Schedule::new(&ScheduleConfig::default(), 0.1, 10, 2);
        assert_eq!(none.margin_share(0), 1.0);
    }

    proptest! {
        #[test]
        fn the_rate_stays_in_range_and_only_falls_after_the_warm_up(
            kind in 0..4usize,
            (warm_up_epochs, margin_warm_up_epochs) in (0.0..6.0f64, 0.0..6.0f64),
            (factor, floor, power) in (0.01..1.0f64, 0.0..1.0f64, 0.1..4.0f64),
            (steps_per_epoch, epochs) in (1..30usize, 1..6usize),
        ) {
            use ScheduleName::{Constant, Cosine, Polynomial, Step};
            let name = [Constant, Step, Cosine, Polynomial][kind];
            let milestones = vec![0.5, 1.7];
            let config = ScheduleConfig {
                name, warm_up_epochs, margin_warm_up_epochs, milestones, factor, floor, power,
            };
            let s = Schedule::new(&config, 0.4, steps_per_epoch, epochs);
            // a few steps after the end, too
            let steps = (steps_per_epoch * epochs) as u64 + 3;
            let warm_up = (warm_up_epochs * steps_per_epoch as f64).floor() as u64;
            for step in 0..steps {
                let (rate, next) = (s.learning_rate(step), s.learning_rate(step + 1));
                prop_assert!((0.0..=0.4 + 1e-12).contains(&rate), "step {}: {}", step, rate);
                let (share, next_share) = (s.margin_share(step), s.margin_share(step + 1));
                prop_assert!((0.0..=1.0).contains(&share) && share <= next_share);
                if step >= warm_up {
                    prop_assert!(next <= rate + 1e-12, "step {}: {} then {}", step, rate, next);
                }
                if step + 1 < warm_up.min(steps - 3) {
                    prop_assert!(next > rate, "step {}: {} then {}", step, rate, next);
                }
            }
        }
    }
}

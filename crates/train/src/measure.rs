//! Timing of training steps, for `widemargin bench train`.

use crate::{Config, Error, Prepared, Schedule, Trainer};
use std::time::Instant;

/// What [`step_seconds`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTimes {
    /// Seconds of each timed step.
    pub seconds: Vec<f64>,
    /// Trained values of the backbone.
    pub weights: usize,
    /// Classes of the head.
    pub classes: usize,
}

/// Times `steps` training steps after `warm_up` steps that are not timed; returns the seconds of each. A step includes waiting for
/// images, forward pass, head, backward pass and update.
///
/// Nothing is written. The run takes as many epochs as it needs.
///
/// # Errors
/// As [`train`](crate::train()).
pub fn step_seconds(
    config: &Config,
    prepared: &Prepared,
    warm_up: usize,
    steps: usize,
) -> Result<StepTimes, Error> {
    let mut trainer = Trainer::new(config, prepared)?;
    let (weights, classes) = (trainer.parameter_count(), trainer.head().classes());
    let steps_per_epoch = prepared.steps(config, (0, 0))?.per_epoch() as usize;
    let mut config = config.clone();
    config.training.epochs = (warm_up + steps).div_ceil(steps_per_epoch.max(1));
    let schedule = Schedule::new(
        &config.schedule,
        config.optimiser.learning_rate,
        steps_per_epoch,
        config.training.epochs,
    );
    let mut seconds = Vec::with_capacity(steps);
    let mut clock = Instant::now();
    for (step, batches) in prepared.steps(&config, (0, 0))?.take(warm_up + steps).enumerate() {
        let at = step as u64;
        let name_of = |id: u32| prepared.set.sample_id(id as usize);
        trainer.step(batches?, at, schedule.learning_rate(at), schedule.margin_share(at), name_of)?;
        if step >= warm_up {
            seconds.push(clock.elapsed().as_secs_f64());
        }
        clock = Instant::now();
    }
    Ok(StepTimes { seconds, weights, classes })
}

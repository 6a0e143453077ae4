//! Progress reports of a run.

use crate::log::Metrics;
use crate::{Error, Trainer};

/// Receives the progress of a run. The program draws progress bars with it; [`Silent`] does nothing.
pub trait Observer {
    /// A new run has its initial weights, and its folder exists; no step was done. A resumed run does not call it.
    ///
    /// # Errors
    /// An error ends the run.
    fn initialised(&mut self, trainer: &Trainer) -> Result<(), Error> {
        let _ = trainer;
        Ok(())
    }
    /// A run of `steps` steps starts; `done` of them are done already.
    fn begin(&mut self, name: &str, done: u64, steps: u64);
    /// One step was done.
    fn step(&mut self, metrics: &Metrics);
    /// A message for the user.
    fn message(&mut self, text: &str);
    /// The run has finished or was stopped.
    fn end(&mut self);
}

/// Ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn begin(&mut self, _name: &str, _done: u64, _steps: u64) {}
    fn step(&mut self, _metrics: &Metrics) {}
    fn message(&mut self, _text: &str) {}
    fn end(&mut self) {}
}

//! How a run tells what it is doing, to whoever wants to know.

use crate::log::Metrics;

/// Looks on while a run goes. The program draws progress bars with it; [`Silent`] does nothing.
pub trait Observer {
    /// A run of `steps` steps begins, of which `done` are behind it.
    fn begin(&mut self, name: &str, done: u64, steps: u64);
    /// One step was done.
    fn step(&mut self, metrics: &Metrics);
    /// Something worth a line.
    fn message(&mut self, text: &str);
    /// The run has ended or was stopped.
    fn end(&mut self);
}

/// Sees nothing, says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn begin(&mut self, _name: &str, _done: u64, _steps: u64) {}
    fn step(&mut self, _metrics: &Metrics) {}
    fn message(&mut self, _text: &str) {}
    fn end(&mut self) {}
}

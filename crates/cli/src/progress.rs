//! The progress bar of a run, with rate, time left, loss, learning rate, accuracy without the margin and mean target cosine; and plain bars for
//! other long work.
//!
//! Prints only messages if standard error is not a terminal.

use crate::say::say;
use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use widemargin_report::terminal::visible;
use widemargin_train::log::Metrics;
use widemargin_train::progress::Observer;

/// Weight of the newest step in the displayed running means.
const SHARE: f64 = 0.05;

/// A bar for `count` items of `what`; it disappears when dropped.
pub(crate) fn counted(what: &str, count: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("[{bar:24}] {percent} % of {len} {msg}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(count)
        .with_style(style.progress_chars("=> "))
        .with_message(what.to_owned())
        .with_finish(ProgressFinish::AndClear)
}

/// A function that moves the bar from any thread, given the items done and the total.
pub(crate) fn advancing(bar: &ProgressBar) -> impl Fn(u64, u64) + Sync + '_ {
    |done, all| {
        bar.set_length(all);
        // Reports of several threads may arrive out of order.
        bar.update(|state| state.set_pos(state.pos().max(done)));
    }
}

/// A spinner for work of unknown length; it disappears when dropped.
pub(crate) fn waiting(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner()
        .with_style(style)
        .with_message(what.to_owned())
        .with_finish(ProgressFinish::AndClear);
    // The bar panics if it cannot start its thread, so another one tries first.
    if !bar.is_hidden() && std::thread::Builder::new().spawn(|| ()).is_ok() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

/// A bar on the terminal.
#[derive(Default)]
pub(crate) struct Bar {
    drawn: Option<ProgressBar>,
    loss: f64,
    accuracy: f64,
    cosine: f64,
    shown: u64,
}

impl Observer for Bar {
    fn begin(&mut self, name: &str, done: u64, steps: u64) {
        let style = ProgressStyle::with_template(
            "{prefix} [{bar:24}] {pos}/{len} steps, {per_sec}, {eta} left\n  {wide_msg}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(steps)
            .with_style(style.progress_chars("=> "))
            .with_prefix(visible(name).into_owned());
        bar.set_position(done);
        bar.reset_eta();
        *self = Self { drawn: Some(bar), ..Self::default() };
    }

    fn step(&mut self, metrics: &Metrics) {
        let Some(bar) = &self.drawn else { return };
        self.shown += 1;
        let share = SHARE.max(1.0 / self.shown as f64);
        self.loss += share * (metrics.loss - self.loss);
        self.accuracy += share * (metrics.accuracy - self.accuracy);
        self.cosine += share * (metrics.target_cosine - self.cosine);
        let mut message = format!(
            "epoch {}  loss {:.3}  learning rate {:.4}",
            metrics.epoch, self.loss, metrics.learning_rate
        );
        // Objectives on pairs have no class centres, and so no such values.
        if self.accuracy.is_finite() {
            let _ = write!(
                message,
                "  accuracy {:.1} %  target cosine {:.3}",
                100.0 * self.accuracy,
                self.cosine
            );
        }
        bar.set_message(message);
        bar.set_position(metrics.step);
    }

    fn message(&mut self, text: &str) {
        match &self.drawn {
            Some(bar) if !bar.is_hidden() => bar.println(visible(text)),
            _ => say!("{text}"),
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.drawn.take() {
            bar.finish_and_clear();
        }
    }
}

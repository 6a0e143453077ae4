//! The progress bar of a run, with rate, time left, loss, learning rate, accuracy without the margin and mean target cosine; and plain bars for
//! other long work.
//!
//! Where standard error is not a terminal, a line every 30 seconds says how far the work is. With `--quiet` there is neither, and messages that
//! are no warnings are left out.

use crate::say::{is_quiet, say};
use std::fmt::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use widemargin_report::terminal::visible;
use widemargin_train::log::Metrics;
use widemargin_train::progress::Observer;

/// Weight of the newest step in the displayed running means.
const SHARE: f64 = 0.05;

/// Time between two lines where no bar can be drawn.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// Where a bar is drawn.
fn target() -> ProgressDrawTarget {
    if is_quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
}

/// Says how far long work is, every so often, where no bar is drawn.
#[derive(Debug)]
struct Lines {
    began: Instant,
    last: Instant,
    /// Items that were done at the first call: those of an earlier run say nothing about the time.
    first: Option<u64>,
}

impl Lines {
    fn new() -> Self {
        let now = Instant::now();
        Self { began: now, last: now, first: None }
    }

    /// How far the work is, if a line is due: as in "120 of 1500 (8 %), about 4 minutes left".
    fn due(&mut self, now: Instant, done: u64, all: u64) -> Option<String> {
        let first = *self.first.get_or_insert(done);
        if now.duration_since(self.last) < BETWEEN_LINES || is_quiet() {
            return None;
        }
        self.last = now;
        let new = done.saturating_sub(first).max(1) as f64;
        let left = now.duration_since(self.began).as_secs_f64() / new * all.saturating_sub(done) as f64;
        let share = 100 * done / all.max(1);
        Some(format!("{done} of {all} ({share} %), about {} left", in_words(Duration::from_secs_f64(left))))
    }
}

/// A time in words, as in "4 minutes".
pub(crate) fn in_words(time: Duration) -> String {
    let counted = |count: f64, unit: &str| format!("{count} {unit}{}", if count == 1.0 { "" } else { "s" });
    match time.as_secs_f64() {
        seconds if seconds < 100.0 => counted(seconds.ceil(), "second"),
        seconds if seconds < 100.0 * 60.0 => counted((seconds / 60.0).round(), "minute"),
        seconds => format!("{:.1} hours", seconds / 3600.0),
    }
}

/// A bar for `count` items of `what`; it disappears when dropped.
pub(crate) fn counted(what: &str, count: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("[{bar:24}] {percent} % of {len} {msg}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(count), target())
        .with_style(style.progress_chars("=> "))
        .with_message(what.to_owned())
        .with_finish(ProgressFinish::AndClear)
}

/// A function that moves the bar from any thread, given the items done and the total.
pub(crate) fn advancing(bar: &ProgressBar) -> impl Fn(u64, u64) + Sync + '_ {
    let lines = Mutex::new(Lines::new());
    move |done, all| {
        bar.set_length(all);
        // Reports of several threads may arrive out of order.
        bar.update(|state| state.set_pos(state.pos().max(done)));
        if bar.is_hidden()
            && let Ok(mut lines) = lines.try_lock()
            && let Some(line) = lines.due(Instant::now(), done, all)
        {
            say!("{}: {line}", bar.message());
        }
    }
}

/// A spinner for work of unknown length; it disappears when dropped.
pub(crate) fn waiting(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::with_draw_target(None, target())
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
    lines: Option<Lines>,
    loss: f64,
    accuracy: f64,
    cosine: f64,
    shown: u64,
}

impl Observer for Bar {
    fn begin(&mut self, name: &str, done: u64, steps: u64) {
        let mut lines = Lines::new();
        lines.first = Some(done);
        let style = ProgressStyle::with_template(
            "{prefix} [{bar:24}] {pos}/{len} steps, {per_sec}, {eta} left\n  {wide_msg}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(steps), target())
            .with_style(style.progress_chars("=> "))
            .with_prefix(visible(name).into_owned());
        bar.set_position(done);
        bar.reset_eta();
        *self = Self { drawn: Some(bar), lines: Some(lines), ..Self::default() };
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
            let _ = write!(message, "  accuracy {:.1} %  cosine {:.3}", 100.0 * self.accuracy, self.cosine);
        }
        if bar.is_hidden() {
            let all = bar.length().unwrap_or_default();
            let due = self.lines.as_mut().and_then(|lines| lines.due(Instant::now(), metrics.step, all));
            if let Some(line) = due {
                say!("{}: step {line}; {message}", bar.prefix());
            }
        }
        bar.set_message(message);
        bar.set_position(metrics.step);
    }

    fn message(&mut self, text: &str) {
        if is_quiet() && !text.starts_with("warning: ") {
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_said_every_half_minute_with_the_time_left() {
        let mut lines = Lines::new();
        let begin = lines.began;
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(lines.due(at(0), 100, 400), None);
        assert_eq!(lines.due(at(29), 150, 400), None);
        assert_eq!(lines.due(at(30), 160, 400).as_deref(), Some("160 of 400 (40 %), about 2 minutes left"));
        assert_eq!(lines.due(at(59), 200, 400), None);
        assert_eq!(lines.due(at(60), 400, 400).as_deref(), Some("400 of 400 (100 %), about 0 seconds left"));
    }

    #[test]
    fn times_in_words() {
        for (seconds, words) in
            [(0.2, "1 second"), (60.0, "60 seconds"), (240.0, "4 minutes"), (9000.0, "2.5 hours")]
        {
            assert_eq!(in_words(Duration::from_secs_f64(seconds)), words);
        }
    }
}

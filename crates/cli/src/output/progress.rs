//! Progress of long work, on one line of standard error that is drawn anew a few times a second.
//!
//! Nothing is drawn where standard error is no terminal. The bar's owner says how far it is; the
//! bar decides when to draw. Absent: threads and timers.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::{duration, number};

/// Time between two drawings.
const REDRAW: Duration = Duration::from_millis(100);

/// Cells of the bar.
const CELLS: usize = 30;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Messages, keys, anything that is counted in ones.
    Items,
    /// Bytes.
    Bytes,
}

/// A bar on standard error.
pub(crate) struct Progress {
    label: String,
    unit: Unit,
    total: u64,
    done: u64,
    started: Instant,
    drawn: Option<Instant>,
    visible: bool,
}

impl Progress {
    /// A bar towards `total`; of unknown length if that is 0. `wanted` is the user's choice.
    pub(crate) fn new(label: impl Into<String>, total: u64, unit: Unit, wanted: bool) -> Self {
        let visible = wanted && io::stderr().is_terminal();
        Progress {
            label: super::clean::clean(&label.into()).into_owned(),
            unit,
            total,
            done: 0,
            started: Instant::now(),
            drawn: None,
            visible,
        }
    }

    /// Says how far the work is in all.
    pub(crate) fn set(&mut self, done: u64) {
        self.done = done;
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        if self.visible && due {
            self.draw();
        }
    }

    /// Says how much more is done.
    pub(crate) fn add(&mut self, more: u64) {
        self.set(self.done.saturating_add(more));
    }

    /// Whether somebody sees it.
    pub(crate) fn is_visible(&self) -> bool {
        self.visible
    }

    /// How much is done.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Draws the last state and leaves the line.
    pub(crate) fn finish(&mut self) {
        if std::mem::take(&mut self.visible) {
            self.draw();
            let _ = io::stderr().write_all(b"\n");
        }
    }

    fn draw(&mut self) {
        self.drawn = Some(Instant::now());
        let line = format!("\r\x1b[2K{}", self.line(self.started.elapsed()));
        let mut stderr = io::stderr().lock();
        let _ = stderr
            .write_all(line.as_bytes())
            .and_then(|()| stderr.flush());
    }

    fn line(&self, elapsed: Duration) -> String {
        let amount = |value: u64| match self.unit {
            Unit::Items => number::grouped(value),
            Unit::Bytes => number::bytes(value),
        };
        let rate = amount((self.done as f64 / elapsed.as_secs_f64().max(0.001)) as u64);
        let label = &self.label;
        if self.total == 0 {
            return format!(
                "{label} {} {rate}/s {}",
                amount(self.done),
                duration::human(elapsed)
            );
        }
        let share = (self.done as f64 / self.total as f64).clamp(0.0, 1.0);
        let full = (share * CELLS as f64).round() as usize;
        let bar = format!(
            "{}{}",
            "█".repeat(full),
            "░".repeat(CELLS.saturating_sub(full))
        );
        let (done, total) = (amount(self.done), amount(self.total));
        format!(
            "{label} {bar} {:3.0}% {done} / {total} {rate}/s",
            share * 100.0
        )
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_how_far_it_is() {
        let mut bar = Progress::new("put", 2048, Unit::Bytes, false);
        bar.add(1024);
        let line = bar.line(Duration::from_secs(1));
        let half = CELLS / 2;
        assert_eq!(
            line,
            format!(
                "put {}{}  50% 1.0 KiB / 2.0 KiB 1.0 KiB/s",
                "█".repeat(half),
                "░".repeat(half)
            )
        );
    }
}

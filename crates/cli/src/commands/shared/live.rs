//! Charts that are drawn anew every second, until interrupted: `stream graph`, `consumer graph`.

use std::pin::pin;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::output::{self, chart, terminal};

/// Smallest terminal on which something can be seen.
const MIN_SIZE: usize = 20;

/// Seconds that a chart remembers.
const MAX_SECONDS: usize = 1_000;

/// A line of a chart.
pub(crate) struct Series {
    caption: &'static str,
    /// Whether what is sampled is a counter, of which the rate is shown.
    is_rate: bool,
    last: Option<f64>,
    values: Vec<f64>,
}

impl Series {
    /// Shows values as they are.
    pub(crate) fn level(caption: &'static str) -> Self {
        Self::of(caption, false)
    }

    /// Shows how much a counter grows in a second.
    pub(crate) fn rate(caption: &'static str) -> Self {
        Self::of(caption, true)
    }

    fn of(caption: &'static str, is_rate: bool) -> Self {
        Series {
            caption,
            is_rate,
            last: None,
            values: Vec::new(),
        }
    }

    fn push(&mut self, sample: f64, elapsed: Duration) {
        let value = if self.is_rate {
            let before = self.last.replace(sample).unwrap_or(sample);
            (sample - before).max(0.0) / elapsed.as_secs_f64().max(0.001)
        } else {
            sample
        };
        self.values.push(value);
        if self.values.len() > MAX_SECONDS {
            self.values.remove(0);
        }
    }
}

/// Refuses to draw where nothing can be seen.
pub(crate) fn check_terminal() -> Result<()> {
    if !terminal::is_interactive() {
        return Err(Error::new("can only graph data on an interactive terminal"));
    }
    match terminal::size() {
        Some((width, height)) if width < MIN_SIZE || height < MIN_SIZE => {
            Err(Error::new("please increase terminal dimensions")
                .hint(format!("{MIN_SIZE} columns and rows are needed.")))
        }
        _ => Ok(()),
    }
}

/// Asks `sample` every second for a value per series, and draws, until interrupted.
pub(crate) async fn graph(
    title: &str,
    mut series: Vec<Series>,
    mut sample: impl AsyncFnMut() -> Result<Vec<f64>>,
) -> Result<()> {
    check_terminal()?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut last = Instant::now();
    // One for all rounds: an interruption while a sample is taken is seen in the next.
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = &mut interrupted => {
                output::print(b"\x1b[2J\x1b[H");
                return Ok(());
            }
        }
        let values = sample().await?;
        let elapsed = last.elapsed();
        last = Instant::now();
        for (series, value) in series.iter_mut().zip(values) {
            series.push(value, elapsed);
        }
        let (width, height) = terminal::size().unwrap_or((80, 40));
        let picture = render(title, &series, width, height);
        let screen = format!("\x1b[2J\x1b[H{}", output::harmless(&picture));
        output::print(screen.as_bytes());
    }
}

fn render(title: &str, series: &[Series], width: usize, height: usize) -> String {
    let rows = (height.saturating_sub(4) / series.len().max(1))
        .saturating_sub(2)
        .clamp(2, 20);
    let charts: Vec<String> = series
        .iter()
        .map(|series| chart::line(series.caption, &series.values, width, rows))
        .collect();
    format!("{title}\n\n{}", charts.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_rates() {
        let mut series = [Series::level("Stored"), Series::rate("Stored / second")];
        for sample in [10.0, 30.0] {
            for series in &mut series {
                series.push(sample, Duration::from_secs(2));
            }
        }
        assert_eq!(series[0].values, [10.0, 30.0]);
        assert_eq!(series[1].values, [0.0, 10.0]);
        let text = render("T", &series, 40, 20);
        assert!(
            text.starts_with("T\n\n") && text.contains("Stored / second"),
            "{text}"
        );
    }
}

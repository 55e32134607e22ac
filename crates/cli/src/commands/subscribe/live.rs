//! Counts instead of messages: a table of active subjects, or charts of rates, drawn once a second.
//!
//! Where there is no terminal nothing is drawn until the end, and the table is printed once.

use std::collections::HashMap;

use super::Event;
use crate::error::{Error, Result};
use crate::output::{self, chart, number, table::Table, terminal};

/// Subjects that are counted apart; further ones are counted together.
const MAX_SUBJECTS: usize = 100_000;

/// Charts drawn at once.
const MAX_CHARTS: usize = 4;

/// Seconds that a chart remembers.
const MAX_SECONDS: usize = 1_000;

/// What is counted, and how it is drawn.
pub(super) struct Live {
    kind: Kind,
}

enum Kind {
    Report {
        top: usize,
        by_filter: bool,
        counts: HashMap<String, (u64, u64)>,
    },
    Graph {
        series: Vec<Series>,
    },
}

struct Series {
    filter: String,
    now: u64,
    rates: Vec<f64>,
}

impl Live {
    pub(super) fn report(top: usize, by_filter: bool) -> Result<Self> {
        if top == 0 {
            return Err(Error::new("subject count must be at least one"));
        }
        Ok(Live {
            kind: Kind::Report {
                top,
                by_filter,
                counts: HashMap::new(),
            },
        })
    }

    pub(super) fn graph(filters: Vec<String>) -> Result<Self> {
        if filters.len() > MAX_CHARTS {
            return Err(Error::new(format!(
                "maximum {MAX_CHARTS} subject patterns may be graphed"
            )));
        }
        let series = filters.into_iter().map(|filter| Series {
            filter,
            now: 0,
            rates: Vec::new(),
        });
        Ok(Live {
            kind: Kind::Graph {
                series: series.collect(),
            },
        })
    }

    pub(super) fn count(&mut self, event: &Event) {
        match &mut self.kind {
            Kind::Report {
                by_filter, counts, ..
            } => {
                let subject = if *by_filter {
                    &event.filter
                } else {
                    &event.subject
                };
                let known = counts.len() < MAX_SUBJECTS || counts.contains_key(subject);
                let key = if known { subject.as_str() } else { "(others)" };
                let count = counts.entry(key.to_owned()).or_default();
                count.0 += 1;
                count.1 += event.body.len() as u64;
            }
            Kind::Graph { series } => {
                let found = series
                    .iter_mut()
                    .find(|series| series.filter == event.filter);
                if let Some(series) = found {
                    series.now += 1;
                }
            }
        }
    }

    /// Draws the state of a second on a terminal.
    pub(super) fn draw(&mut self) {
        if let Kind::Graph { series } = &mut self.kind {
            for series in series {
                series.rates.push(std::mem::take(&mut series.now) as f64);
                if series.rates.len() > MAX_SECONDS {
                    series.rates.remove(0);
                }
            }
        }
        if terminal::is_interactive() {
            let picture = self.render();
            output::print(format!("\x1b[2J\x1b[H{}", output::harmless(&picture)).as_bytes());
        }
    }

    /// Prints the last state where nothing was drawn before.
    pub(super) fn finish(&mut self) {
        if !terminal::is_interactive() {
            output::show(&self.render());
        }
    }

    fn render(&self) -> String {
        let (width, height) = terminal::size().unwrap_or((100, 30));
        match &self.kind {
            Kind::Report { top, counts, .. } => report(*top, counts, width),
            Kind::Graph { series } => {
                let rows = (height / series.len().max(1))
                    .saturating_sub(3)
                    .clamp(3, 20);
                let draw = |series: &Series| {
                    chart::line(
                        &format!("{} / second", series.filter),
                        &series.rates,
                        width,
                        rows,
                    )
                };
                series.iter().map(draw).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

fn report(top: usize, counts: &HashMap<String, (u64, u64)>, width: usize) -> String {
    let mut rows: Vec<_> = counts.iter().collect();
    rows.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(b.0)));
    rows.truncate(top);
    let title = match top {
        1 => "Top Subject Report".to_owned(),
        top => format!("Top {top} Active Subjects Report"),
    };
    let mut table = Table::new(title, &["Subject", "Message Count", "Bytes"]);
    let mut totals = (0, 0);
    for (subject, (count, bytes)) in rows {
        table.row([
            subject.clone(),
            number::grouped(*count),
            number::bytes(*bytes),
        ]);
        totals = (totals.0 + count, totals.1 + bytes);
    }
    table.footer([
        "Totals".to_owned(),
        number::grouped(totals.0),
        number::bytes(totals.1),
    ]);
    table.render(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_subjects_are_reported() {
        let counts = HashMap::from([
            ("a".to_owned(), (5, 5)),
            ("b".to_owned(), (7, 7)),
            ("c".to_owned(), (5, 5)),
        ]);
        let expected = "\
╭─────────────────────────────────╮
│   Top 2 Active Subjects Report  │
├─────────┬───────────────┬───────┤
│ Subject │ Message Count │ Bytes │
├─────────┼───────────────┼───────┤
│ b       │             7 │ 7 B   │
│ a       │             5 │ 5 B   │
├─────────┼───────────────┼───────┤
│ Totals  │            12 │ 12 B  │
╰─────────┴───────────────┴───────╯
";
        assert_eq!(report(2, &counts, 100), expected);
    }
}

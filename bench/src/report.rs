//! The result table: medians, ratios and verdicts, as text, Markdown or JSON.
//!
//! Takes the numbers of all rounds and knows nothing of how they came about. Invariant: a verdict
//! is given only if the metric has a bar and the numbers it needs are there. Absent: output; the
//! functions return text.

use std::fmt::Write as _;

use crate::args::Side;
use crate::scenario::{Bar, Metric, Scenario};
use crate::stats::{extremes, median, ratio};

/// What one side's runs of a scenario gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Runs {
    /// For each metric, one number per successful round.
    pub(crate) numbers: Vec<Vec<f64>>,
    /// What went wrong in the other rounds.
    pub(crate) failures: Vec<String>,
}

impl Runs {
    /// Adds the numbers of one round, in the order of the scenario's metrics.
    pub(crate) fn add(&mut self, round: &[f64]) {
        self.numbers
            .resize(self.numbers.len().max(round.len()), Vec::new());
        for (all, number) in self.numbers.iter_mut().zip(round) {
            all.push(*number);
        }
    }

    fn of(&self, metric: usize) -> &[f64] {
        self.numbers.get(metric).map_or(&[], Vec::as_slice)
    }
}

/// Both sides of one scenario.
pub(crate) struct Entry<'a> {
    /// The scenario.
    pub(crate) scenario: &'a Scenario,
    /// Our runs.
    pub(crate) ours: Runs,
    /// Their runs.
    pub(crate) theirs: Runs,
}

impl<'a> Entry<'a> {
    /// No runs yet.
    pub(crate) fn new(scenario: &'a Scenario) -> Self {
        Self {
            scenario,
            ours: Runs::default(),
            theirs: Runs::default(),
        }
    }

    /// The runs of one side.
    pub(crate) fn side(&mut self, side: Side) -> &mut Runs {
        match side {
            Side::Ours => &mut self.ours,
            Side::Theirs => &mut self.theirs,
        }
    }

    fn row(&self, index: usize, metric: &Metric) -> Row {
        let (ours, theirs) = (median(self.ours.of(index)), median(self.theirs.of(index)));
        let ratio = ours
            .zip(theirs)
            .and_then(|(ours, theirs)| ratio(ours, theirs));
        let shown = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), figure);
        Row {
            cells: [
                self.scenario.name.to_owned(),
                format!("{}, {}", metric.name, metric.unit),
                shown(theirs),
                shown(ours),
                shown(ratio),
                bar_text(metric),
                verdict(metric.bar, ours, ratio).to_owned(),
                shown(metric.quiet),
            ],
        }
    }
}

struct Row {
    cells: [String; 8],
}

const TITLES: [&str; 8] = [
    "scenario",
    "metric",
    "theirs",
    "ours",
    "ours/theirs",
    "bar",
    "verdict",
    "theirs, quiet",
];

/// The table as aligned text or as Markdown.
pub(crate) fn table(entries: &[Entry<'_>], markdown: bool) -> String {
    let mut rows = vec![Row {
        cells: TITLES.map(str::to_owned),
    }];
    for entry in entries {
        let metrics = entry.scenario.metrics.iter().enumerate();
        rows.extend(metrics.map(|(index, metric)| entry.row(index, metric)));
    }
    let widths: Vec<usize> = (0..TITLES.len())
        .map(|column| {
            rows.iter()
                .map(|row| row.cells[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let padded: Vec<String> = row.cells.iter().zip(&widths).enumerate().map(pad).collect();
        if markdown {
            let _ = writeln!(text, "| {} |", padded.join(" | "));
        } else {
            let _ = writeln!(text, "{}", padded.join("  ").trim_end());
        }
        if number == 0 && markdown {
            let rules = widths
                .iter()
                .enumerate()
                .map(|(column, width)| match column {
                    0 | 1 | 5 | 6 => "-".repeat(*width),
                    _ => format!("{}:", "-".repeat(width.saturating_sub(1))),
                });
            let _ = writeln!(text, "| {} |", rules.collect::<Vec<_>>().join(" | "));
        }
    }
    text
}

/// Names on the left, numbers on the right.
fn pad((column, (cell, width)): (usize, (&String, &usize))) -> String {
    match column {
        0 | 1 | 5 | 6 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    }
}

/// Three significant digits, without an exponent.
pub(crate) fn figure(number: f64) -> String {
    let decimals = match number.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{number:.decimals$}")
}

/// The bar as people write it.
pub(crate) fn bar_text(metric: &Metric) -> String {
    match metric.bar {
        Bar::RatioAtMost(most) => format!("≤ {most}"),
        Bar::RatioAtLeast(least) => format!("≥ {least}"),
        Bar::OursAtMost(most) => format!("ours ≤ {most} {}", metric.unit),
        Bar::OursAtLeast(least) => format!("ours ≥ {least} {}", metric.unit),
        Bar::TimesWithout(most) => format!("ours ≤ {most} × without"),
        Bar::None => String::new(),
    }
}

fn verdict(bar: Bar, ours: Option<f64>, ratio: Option<f64>) -> &'static str {
    let passed = match bar {
        Bar::RatioAtMost(most) => ratio.map(|ratio| ratio <= most),
        Bar::RatioAtLeast(least) => ratio.map(|ratio| ratio >= least),
        Bar::OursAtMost(most) | Bar::TimesWithout(most) => ours.map(|ours| ours <= most),
        Bar::OursAtLeast(least) => ours.map(|ours| ours >= least),
        Bar::None => None,
    };
    match passed {
        Some(true) => "pass",
        Some(false) => "MISS",
        None => "",
    }
}

/// Every number of every round, with medians, extremes and failures.
pub(crate) fn json(entries: &[Entry<'_>], facts: &[(&str, String)]) -> String {
    let mut text = String::from("{\n");
    for (name, value) in facts {
        let _ = writeln!(text, "  {}: {},", quoted(name), quoted(value));
    }
    text.push_str("  \"scenarios\": [\n");
    let scenarios: Vec<String> = entries.iter().map(scenario_json).collect();
    let _ = writeln!(text, "{}\n  ]\n}}", scenarios.join(",\n"));
    text
}

fn scenario_json(entry: &Entry<'_>) -> String {
    let metrics = entry
        .scenario
        .metrics
        .iter()
        .enumerate()
        .map(|(index, metric)| {
            let row = entry.row(index, metric);
            format!(
                "      {{\"metric\": {}, \"unit\": {}, \"bar\": {}, \"verdict\": {}, \"ours\": {}, \
             \"theirs\": {}}}",
                quoted(metric.name),
                quoted(metric.unit),
                quoted(&bar_text(metric)),
                quoted(&row.cells[6]),
                numbers_json(entry.ours.of(index)),
                numbers_json(entry.theirs.of(index)),
            )
        });
    let failures = entry.ours.failures.iter().chain(&entry.theirs.failures);
    format!(
        "    {{\"name\": {}, \"failures\": [{}], \"metrics\": [\n{}\n    ]}}",
        quoted(entry.scenario.name),
        failures
            .map(|text| quoted(text))
            .collect::<Vec<_>>()
            .join(", "),
        metrics.collect::<Vec<_>>().join(",\n")
    )
}

fn numbers_json(numbers: &[f64]) -> String {
    let (Some(middle), Some((least, most))) = (median(numbers), extremes(numbers)) else {
        return "null".to_owned();
    };
    let rounds = numbers
        .iter()
        .map(|number| finite(*number))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "{{\"median\": {}, \"min\": {}, \"max\": {}, \"rounds\": [{rounds}]}}",
        finite(middle),
        finite(least),
        finite(most)
    )
}

/// JSON has no infinities.
fn finite(number: f64) -> String {
    if number.is_finite() {
        number.to_string()
    } else {
        "null".to_owned()
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        let all = crate::scenario::all().into_iter();
        all.into_iter()
            .find(|scenario| scenario.name == "1to1-16b")
            .expect("a scenario")
    }

    fn entry<'a>(scenario: &'a Scenario, ours: &[f64], theirs: &[f64]) -> Entry<'a> {
        let mut entry = Entry::new(scenario);
        for number in ours {
            entry.ours.add(&[*number, 10.0, 0.1, 5.0]);
        }
        for number in theirs {
            entry.theirs.add(&[*number, 3.0, 0.1, 15.0]);
        }
        entry
    }

    #[test]
    fn the_table_compares_medians_with_the_bar() {
        let scenario = scenario();
        let entries = [entry(&scenario, &[0.06, 0.05, 9.0], &[0.3, 0.29, 0.31])];
        let lines: Vec<Vec<String>> = table(&entries, true)
            .lines()
            .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
            .collect();
        assert_eq!(lines[0][1..9], TITLES);
        assert_eq!(
            lines[2][1..9],
            [
                "1to1-16b",
                "server CPU, s/1M",
                "0.300",
                "0.060",
                "0.200",
                "≤ 0.23",
                "pass",
                "0.290"
            ]
        );
        assert_eq!(
            lines[3][1..8],
            [
                "1to1-16b",
                "throughput, M/s",
                "3.00",
                "10.0",
                "3.33",
                "≥ 2.5",
                "pass"
            ]
        );
        assert_eq!(lines[4][7], "", "no verdict without a bar");
    }

    #[test]
    fn a_missed_bar_is_shown_and_one_side_has_no_verdict() {
        let scenario = scenario();
        let missed = table(&[entry(&scenario, &[0.3], &[0.3])], false);
        assert!(
            missed
                .lines()
                .nth(1)
                .is_some_and(|line| line.contains("MISS")),
            "{missed}"
        );
        let alone = table(&[entry(&scenario, &[], &[0.3])], false);
        assert!(
            !alone.contains("MISS") && !alone.contains("pass"),
            "{alone}"
        );
        assert!(alone.contains("0.300"), "{alone}");
    }

    #[test]
    fn a_ratio_to_ours_without_is_compared_whatever_theirs_is() {
        let all = crate::scenario::all();
        let mut rows = all.iter();
        let row = rows.find(|scenario| scenario.name == "import-1to1-128b");
        for (ratio, verdict) in [(1.5, "pass"), (1.6, "MISS")] {
            let mut entry = Entry::new(row.expect("a scenario"));
            entry.ours.add(&[0.1, ratio, 5.0]);
            let table = table(&[entry], true);
            let line = table.lines().nth(3).unwrap_or_default();
            assert!(line.contains("ours ≤ 1.5 × without | "), "{line}");
            assert!(line.contains(verdict), "{line}");
        }
    }

    #[test]
    fn columns_line_up() {
        let scenario = scenario();
        let text = table(&[entry(&scenario, &[0.06], &[0.3])], false);
        let starts: Vec<usize> = text
            .lines()
            .take(3)
            .filter_map(|line| {
                line.find("metric")
                    .or_else(|| line.find("server"))
                    .or_else(|| line.find("through"))
            })
            .collect();
        assert!(starts.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    }

    #[test]
    fn figures_have_three_digits() {
        let shown = [365.4, 24.81, 1.674, 0.0456].map(figure);
        assert_eq!(shown, ["365", "24.8", "1.67", "0.046"]);
    }

    #[test]
    fn json_escapes_and_keeps_every_round() {
        let scenario = scenario();
        let mut entry = entry(&scenario, &[1.5, 2.5], &[]);
        entry.ours.failures.push("a \"quoted\"\nline".to_owned());
        let text = json(&[entry], &[("machine", "x\\y".to_owned())]);
        assert!(text.contains(r#""machine": "x\\y","#), "{text}");
        assert!(
            text.contains(r#""failures": ["a \"quoted\"\nline"]"#),
            "{text}"
        );
        let ours = r#""ours": {"median": 2, "min": 1.5, "max": 2.5, "rounds": [1.5, 2.5]}"#;
        assert!(text.contains(ours), "{text}");
        assert!(text.contains(r#""theirs": null"#), "{text}");
    }
}

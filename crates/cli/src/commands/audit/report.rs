//! What an audit found, as text, JSON and Markdown, and as a file that can be shown again.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::archive::{Archive, Metadata};
use super::checks::CHECKS;
use crate::commands::shared::doc::Doc;
use crate::error::{Context, Error, Result};
use crate::output::columns::Columns;
use crate::output::terminal::Style;
use crate::output::time;
use crate::{note, say};

const KIND: &str = "io.nats.audit.v1.analysis";

/// How a check went, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// There was nothing to look at, or the user did not want to.
    Skip,
    Pass,
    Warn,
    Fail,
}

impl Outcome {
    /// All, in the order in which they are counted.
    const ALL: [Outcome; 4] = [Outcome::Warn, Outcome::Fail, Outcome::Skip, Outcome::Pass];

    fn name(self) -> &'static str {
        match self {
            Outcome::Skip => "SKIP",
            Outcome::Pass => "PASS",
            Outcome::Warn => "WARN",
            Outcome::Fail => "FAIL",
        }
    }

    /// Its number in reports.
    fn number(self) -> u8 {
        match self {
            Outcome::Pass => 0,
            Outcome::Warn => 1,
            Outcome::Fail => 2,
            Outcome::Skip => 3,
        }
    }

    fn painted(name: &str) -> String {
        match name {
            "PASS" => Style::Green.paint(name),
            "WARN" => Style::Yellow.paint(name),
            "FAIL" => Style::Red.paint(name),
            _ => Style::Dim.paint(name),
        }
    }
}

/// The findings of all checks. A check is kept as the document that it is in a file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    r#type: String,
    time: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    skipped_checks: Vec<String>,
    #[serde(default)]
    skipped_suites: Vec<String>,
    checks: Vec<Value>,
    #[serde(default)]
    outcomes: Value,
}

impl Report {
    /// Runs all checks but those that are to be skipped.
    pub(super) fn of(archive: &Archive, skip: &[String], is_verbose: bool) -> Result<Self> {
        for code in skip {
            if !CHECKS
                .iter()
                .any(|check| check.code.eq_ignore_ascii_case(code))
            {
                return Err(Error::new(format!("there is no check {code}"))
                    .hint("`nats audit checks` lists them."));
            }
        }
        let mut checks = Vec::new();
        for check in CHECKS {
            let is_skipped = skip
                .iter()
                .any(|code| check.code.eq_ignore_ascii_case(code));
            if is_verbose {
                note!("Running check {}: {}", check.code, check.description);
            }
            let (outcome, examples) = match is_skipped {
                true => (Outcome::Skip, Vec::new()),
                false => check.run(archive).context(check.code)?,
            };
            let examples = match examples.is_empty() {
                true => json!({}),
                false => json!({ "examples": examples }),
            };
            checks.push(json!({
                "check": check.to_json(), "outcome": outcome.number(),
                "outcome_string": outcome.name(), "examples": examples,
            }));
        }
        let count = |outcome: Outcome| {
            let name = outcome.name();
            checks
                .iter()
                .filter(|check| check.text("outcome_string") == name)
                .count()
        };
        let counts = Outcome::ALL.map(|outcome| (outcome.name().to_owned(), json!(count(outcome))));
        Ok(Report {
            r#type: KIND.to_owned(),
            time: jiff::Timestamp::now().to_string(),
            metadata: archive.metadata.clone(),
            skipped_checks: skip.to_vec(),
            skipped_suites: Vec::new(),
            outcomes: counts.into_iter().collect::<serde_json::Map<_, _>>().into(),
            checks,
        })
    }

    /// Reads a report that was saved.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).context(path.display())?;
        let report: Report = serde_json::from_slice(&text).context(path.display())?;
        match report.r#type == KIND {
            true => Ok(report),
            false => Err(Error::new(format!(
                "{}: no report of an audit",
                path.display()
            ))),
        }
    }

    /// Prints the report.
    pub(super) fn print(&self, name: &str, max_examples: usize) {
        let captured = time::local_text(&self.metadata.capture_timestamp);
        say!("NATS Audit Report {name:?} captured at {captured}\n");
        for check in &self.checks {
            let outcome = Outcome::painted(check.text("outcome_string"));
            let (code, description) = (check.text("check.code"), check.text("check.description"));
            say!("[{outcome}] [{code}] {description}");
            let (shown, more) = examples(check, max_examples);
            for example in &shown {
                say!(" - {example}");
            }
            if more > 0 {
                say!(" - ...{more} more ...");
            }
            if !shown.is_empty() {
                say!();
            }
        }
        let metadata = &self.metadata;
        let mut page = Columns::new("\nReport Summary");
        page.section("Archive Information")
            .row_if_set("Connection Server", &metadata.connect_url)
            .row_if_set("Server Version", &metadata.connected_server_version)
            .row_if_set("Creator", &metadata.version)
            .row_if_set("User", &metadata.user_name)
            .section("Summary of Checks");
        for outcome in Outcome::ALL {
            page.row(outcome.name(), self.outcomes.count(outcome.name()));
        }
        page.print();
    }

    /// The report as Markdown.
    pub(super) fn markdown(&self, max_examples: usize) -> String {
        let metadata = &self.metadata;
        let mut out = format!(
            "# NATS Audit Report produced {}\n\n## Connection Details\n\n\
             Report generated using archive from **{}** by **{}** created **{}**\n\n\
             ## Report Summary\n\n|Status|Count|\n|------|-----|\n",
            time::local_text(&self.time),
            metadata.connect_url,
            metadata.user_name,
            time::local_text(&metadata.capture_timestamp)
        );
        for name in ["FAIL", "WARN", "PASS", "SKIP"] {
            out.push_str(&format!("|{name}|{}|\n", self.outcomes.count(name)));
        }
        out.push_str("\n## Results\n");
        let mut suite = "";
        for check in &self.checks {
            if check.text("check.suite") != suite {
                suite = check.text("check.suite");
                out.push_str(&format!("### Check Suite: {suite}\n"));
            }
            let (name, outcome) = (check.text("check.name"), check.text("outcome_string"));
            out.push_str(&format!("#### {name}\n\nOutcome: **{outcome}**\n\n"));
            let (shown, more) = examples(check, max_examples);
            if shown.is_empty() {
                continue;
            }
            out.push_str("|#|Example|\n|-|-------|\n");
            for (at, example) in shown.iter().enumerate() {
                // A bar would end the cell.
                let example = example.replace('|', "\\|");
                out.push_str(&format!("|{}|{example}|\n", at + 1));
            }
            if more > 0 {
                out.push_str(&format!("||... {more} more ...|\n"));
            }
            out.push('\n');
        }
        out
    }
}

/// The examples that are shown, 0 for all, and how many are not.
fn examples(check: &Value, max: usize) -> (Vec<String>, usize) {
    let mut examples = check.texts("examples.examples");
    let count = examples.len();
    if max > 0 {
        examples.truncate(max);
    }
    let more = count - examples.len();
    (examples, more)
}

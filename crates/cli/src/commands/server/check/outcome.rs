//! What a check found, and how monitoring systems are told: Nagios, JSON, Prometheus or a table.
//!
//! An outcome is critical if anything was, else a warning if anything was, else fine. The exit codes
//! are Nagios's; with Prometheus it is 0 always, because a scraper reads the status from the text.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::commands::shared::file;
use crate::error::{Error, Result};
use crate::output::table::Table;
use crate::output::{self, number, terminal};

/// How an outcome is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Nagios,
    Json,
    Prometheus,
    Text,
}

/// A value that was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) value: f64,
    /// The threshold of a warning; 0 for none.
    pub(crate) warning: f64,
    /// The threshold of a failure; 0 for none.
    pub(crate) critical: f64,
    pub(crate) unit: &'static str,
}

impl Measure {
    /// A value without thresholds.
    pub(crate) fn new(name: &'static str, value: f64, help: &'static str) -> Self {
        Measure {
            name,
            help,
            value,
            ..Measure::default()
        }
    }

    /// In this unit: `s`, `B`, `%`.
    pub(crate) fn in_unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// With thresholds; what is not positive is none.
    pub(crate) fn within(mut self, warning: f64, critical: f64) -> Self {
        self.warning = warning.max(0.0);
        self.critical = critical.max(0.0);
        self
    }

    /// As Nagios reads it: `rtt=0.0012s;0.5000;1.0000`.
    fn nagios(&self) -> String {
        let number = |value: f64| match self.unit {
            "s" => format!("{value:.4}"),
            _ => format!("{value:.0}"),
        };
        let mut text = format!("{}={}{}", self.name, number(self.value), self.unit);
        if self.warning != 0.0 {
            text.push_str(&format!(";{}", number(self.warning)));
        } else if self.critical != 0.0 {
            text.push(';');
        }
        if self.critical != 0.0 {
            text.push_str(&format!(";{}", number(self.critical)));
        }
        text
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    suite: &'static str,
    name: String,
    pub(crate) criticals: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) oks: Vec<String>,
    pub(crate) measures: Vec<Measure>,
}

impl Outcome {
    /// Nothing found yet by the check `suite` of the thing `name`.
    pub(crate) fn new(suite: &'static str, name: impl Into<String>) -> Self {
        Outcome {
            suite,
            name: name.into(),
            ..Outcome::default()
        }
    }

    /// Calls it something else.
    pub(crate) fn rename(&mut self, name: &str) {
        if !name.is_empty() {
            name.clone_into(&mut self.name);
        }
    }

    /// Something is broken.
    pub(crate) fn critical(&mut self, what: impl Into<String>) {
        self.criticals.push(what.into());
    }

    /// Something needs attention.
    pub(crate) fn warning(&mut self, what: impl Into<String>) {
        self.warnings.push(what.into());
    }

    /// Something is as it should be.
    pub(crate) fn ok(&mut self, what: impl Into<String>) {
        self.oks.push(what.into());
    }

    /// Something is as it should be, if nothing else was wrong.
    pub(crate) fn ok_if_fine(&mut self, what: impl Into<String>) {
        if self.criticals.is_empty() && self.warnings.is_empty() {
            self.ok(what);
        }
    }

    /// Something was measured.
    pub(crate) fn measured(&mut self, measure: Measure) {
        self.measures.push(measure);
    }

    /// The value if there is one, else the failure is what was found.
    pub(crate) fn or_critical<T>(&mut self, result: Result<T>, attempt: &str) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.critical(format!("{attempt}: {}", error.message()));
                None
            }
        }
    }

    /// Its Nagios code.
    pub(crate) fn code(&self) -> i32 {
        match (self.criticals.is_empty(), self.warnings.is_empty()) {
            (false, _) => 2,
            (true, false) => 1,
            (true, true) => 0,
        }
    }

    fn status(&self) -> &'static str {
        match self.code() {
            0 => "OK",
            1 => "WARNING",
            _ => "CRITICAL",
        }
    }

    /// The outcome as text, without a last newline.
    pub(crate) fn render(&self, format: Format, namespace: &str) -> Result<String> {
        Ok(match format {
            Format::Nagios => self.nagios(),
            Format::Json => serde_json::to_string_pretty(&self.json())?,
            Format::Prometheus => self.prometheus(namespace),
            Format::Text => self.text(),
        })
    }

    fn nagios(&self) -> String {
        let mut parts = vec![self.name.clone()];
        parts.extend(self.criticals.iter().map(|text| format!("Crit:{text}")));
        parts.extend(self.warnings.iter().map(|text| format!("Warn:{text}")));
        parts.extend(self.oks.iter().map(|text| format!("OK:{text}")));
        let measures: Vec<String> = self.measures.iter().map(Measure::nagios).collect();
        let text = format!("{} {}", self.status(), parts.join(" "));
        match measures.is_empty() {
            true => text,
            false => format!("{text} | {}", measures.join(" ")),
        }
    }

    fn json(&self) -> Value {
        let mut document = Map::new();
        document.insert("status".into(), json!(self.status()));
        document.insert("check_suite".into(), json!(self.suite));
        document.insert("check_name".into(), json!(self.name));
        let lists = [
            ("warning", &self.warnings),
            ("critical", &self.criticals),
            ("ok", &self.oks),
        ];
        for (key, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            document.insert((*key).into(), json!(list));
        }
        let measures = self.measures.iter().map(|measure| {
            let mut entry = json!({
                "name": measure.name,
                "value": whole(measure.value),
                "warning": whole(measure.warning),
                "critical": whole(measure.critical),
            });
            if !measure.unit.is_empty() {
                entry["unit"] = json!(measure.unit);
            }
            entry
        });
        document.insert("perf_data".into(), measures.collect());
        Value::Object(document)
    }

    fn prometheus(&self, namespace: &str) -> String {
        exposition(std::slice::from_ref(self), namespace)
    }

    /// Its families: name, help, and the sample.
    fn families(&self, namespace: &str) -> Vec<(String, String, String)> {
        let item = self.name.replace(['"', '\\', '\n'], ".");
        let prefix = match namespace {
            "" => self.suite.to_owned(),
            namespace => format!("{namespace}_{}", self.suite),
        };
        let measures = self.measures.iter().map(|measure| {
            let name = format!("{prefix}_{}", measure.name);
            let help = match measure.help {
                "" => format!("Data about the NATS CLI check {}", self.suite),
                help => help.to_owned(),
            };
            let sample = format!("{name}{{item=\"{item}\"}} {}\n", measure.value);
            (name, help, sample)
        });
        let name = format!("{prefix}_status_code");
        let sample = format!(
            "{name}{{item=\"{item}\",status=\"{}\"}} {}\n",
            self.status(),
            self.code()
        );
        let help = format!("Nagios compatible status code for {}", self.suite);
        measures.chain([(name, help, sample)]).collect()
    }

    fn text(&self) -> String {
        let mut out = format!("{}: {}\n\n", self.name, self.status());
        let mut table = Table::new("", &["Status", "Message"]);
        let lists = [
            ("OK", &self.oks),
            ("Warning", &self.warnings),
            ("Critical", &self.criticals),
        ];
        for (status, list) in lists {
            for text in list {
                table.row([status, text]);
            }
        }
        if !table.is_empty() {
            out.push_str(&format!(
                "Status Detail\n\n{}",
                table.render(terminal::width())
            ));
        }
        let mut table = Table::new(
            "",
            &[
                "Metric",
                "Value",
                "Unit",
                "Critical Threshold",
                "Warning Threshold",
                "Description",
            ],
        );
        for measure in &self.measures {
            table.row([
                measure.name.to_owned(),
                number::grouped_float(measure.value, 3),
                measure.unit.to_owned(),
                number::grouped_float(measure.critical, 3),
                number::grouped_float(measure.warning, 3),
                measure.help.to_owned(),
            ]);
        }
        if !table.is_empty() {
            out.push_str(&format!(
                "\nCheck Metrics\n\n{}",
                table.render(terminal::width())
            ));
        }
        out
    }
}

/// Outcomes in Prometheus's exposition format: families by name, each described once.
pub(crate) fn exposition(outcomes: &[Outcome], namespace: &str) -> String {
    let mut families = BTreeMap::<String, (String, String)>::new();
    for (name, help, sample) in outcomes.iter().flat_map(|o| o.families(namespace)) {
        let family = families
            .entry(name)
            .or_insert_with(|| (help, String::new()));
        family.1.push_str(&sample);
    }
    let text = families.into_iter().map(|(name, (help, samples))| {
        format!("# HELP {name} {help}\n# TYPE {name} gauge\n{samples}")
    });
    text.collect()
}

/// Writes an outcome where it is wanted, and turns it into the exit code.
pub(crate) fn report(
    outcome: &Outcome,
    format: Format,
    namespace: &str,
    file: Option<&Path>,
) -> Result<()> {
    let text = outcome.render(format, namespace)? + "\n";
    match file {
        Some(path) => file::replace(path, text.as_bytes(), file::ORDINARY)?,
        None => output::show(&text),
    }
    match outcome.code() {
        0 => Ok(()),
        _ if format == Format::Prometheus => Ok(()),
        code => Err(Error::new("").code(code)),
    }
}

/// Up to here floats hold whole numbers exactly.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// A number as JSON writers of other languages write it: without a fraction that is nothing.
fn whole(value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < MAX_WHOLE {
        true => json!(value as i64),
        false => json!(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        let mut outcome = Outcome::new("connections", "Connection");
        outcome.ok("connected");
        outcome.warning("slow");
        outcome.measured(
            Measure::new("rtt", 0.0012, "The round-trip-time")
                .in_unit("s")
                .within(0.5, 1.0),
        );
        outcome.measured(Measure::new("mem", 2048.0, "").within(0.0, 4096.0));
        outcome
    }

    #[test]
    fn nagios_reads_it() {
        assert_eq!(
            outcome().render(Format::Nagios, "x").ok().as_deref(),
            Some(
                "WARNING Connection Warn:slow OK:connected | rtt=0.0012s;0.5000;1.0000 mem=2048;;4096"
            )
        );
        assert_eq!(outcome().code(), 1);
    }

    #[test]
    fn prometheus_reads_it() {
        let expected = "\
# HELP nats_connections_mem Data about the NATS CLI check connections
# TYPE nats_connections_mem gauge
nats_connections_mem{item=\"Connection\"} 2048
# HELP nats_connections_rtt The round-trip-time
# TYPE nats_connections_rtt gauge
nats_connections_rtt{item=\"Connection\"} 0.0012
# HELP nats_connections_status_code Nagios compatible status code for connections
# TYPE nats_connections_status_code gauge
nats_connections_status_code{item=\"Connection\",status=\"WARNING\"} 1
";
        assert_eq!(
            outcome().render(Format::Prometheus, "nats").ok().as_deref(),
            Some(expected)
        );
    }

    #[test]
    fn programs_read_it() {
        let json = outcome().json();
        assert_eq!(json["status"], "WARNING");
        assert_eq!(json["perf_data"][0]["unit"], "s");
        assert!(json.get("critical").is_none());
    }
}

//! `nats server check server`: what one server says about itself.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::outcome::{Measure, Outcome};
use super::{Verdict, judge};
use crate::app::App;
use crate::commands::server::info;
use crate::commands::server::sys::System;
use crate::commands::shared::doc::Doc;
use crate::output::duration;

/// Checks a NATS Server health
///
/// A critical threshold below that of the warning turns the checks of connections and subscriptions
/// around: then few are what is bad.
#[derive(clap::Args, Default)]
pub(super) struct ServerCheck {
    /// Server name to require in the result
    #[arg(long)]
    name: String,

    /// Warning threshold for CPU usage, in percent
    #[arg(long, default_value_t = 0)]
    cpu_warn: u64,

    /// Critical threshold for CPU usage, in percent
    #[arg(long, default_value_t = 0)]
    cpu_critical: u64,

    /// Warning threshold for Memory usage, in bytes
    #[arg(long, default_value_t = 0)]
    mem_warn: u64,

    /// Critical threshold Memory CPU usage, in bytes
    #[arg(long, default_value_t = 0)]
    mem_critical: u64,

    /// Warning threshold for connections, supports inversion
    #[arg(long, default_value_t = 0)]
    conn_warn: u64,

    /// Critical threshold for connections, supports inversion
    #[arg(long, default_value_t = 0)]
    conn_critical: u64,

    /// Warning threshold for number of active subscriptions, supports inversion
    #[arg(long, default_value_t = 0)]
    subs_warn: u64,

    /// Critical threshold for number of active subscriptions, supports inversion
    #[arg(long, default_value_t = 0)]
    subs_critical: u64,

    /// Warning threshold for server uptime as duration
    #[arg(long, value_parser = duration::arg)]
    uptime_warn: Option<Duration>,

    /// Critical threshold for server uptime as duration
    #[arg(long, value_parser = duration::arg)]
    uptime_critical: Option<Duration>,

    /// Checks that authentication is enabled
    #[arg(long)]
    auth_required: bool,

    /// Checks that TLS is required
    #[arg(long)]
    tls_required: bool,

    /// Checks that JetStream is enabled
    #[arg(long)]
    js_required: bool,

    /// Warning threshold for TLS certificate expiry like 1d3h5m
    #[arg(long, value_parser = duration::arg, requires = "tls_cert_crit")]
    tls_cert_warn: Option<Duration>,

    /// Critical threshold for TLS certificate expiry like 1d3h5m
    #[arg(long, value_parser = duration::arg, requires = "tls_cert_warn")]
    tls_cert_crit: Option<Duration>,
}

impl ServerCheck {
    pub(super) async fn run(&self, app: &App) -> Outcome {
        let mut outcome = Outcome::new("server", &self.name);
        let loaded = async {
            let system = System::connect(app).await?;
            info::variables(&system, &self.name).await
        };
        if let Some(answer) = outcome.or_critical(loaded.await, "varz failed") {
            self.judge(answer.data(), &mut outcome);
        }
        outcome
    }

    fn judge(&self, doc: &Value, outcome: &mut Outcome) {
        let name = doc.text("server_name");
        if name != self.name {
            return outcome.critical(format!("result from wrong server {name:?}"));
        }
        self.judge_needs(doc, outcome);
        let now = doc.time("now").unwrap_or_else(Timestamp::now);
        if let (Some(warning), Some(critical)) = (self.tls_cert_warn, self.tls_cert_crit)
            && !certificates(doc, now, warning, critical, outcome)
        {
            return outcome.critical(
                "TLS certificate expiry thresholds configured but no TLS certificates found",
            );
        }
        let up = doc.time("start").map_or(Duration::ZERO, |start| {
            Duration::try_from(now.duration_since(start)).unwrap_or_default()
        });
        if !self.judge_uptime(up, outcome) {
            return;
        }
        self.measure(doc, up, outcome);
        self.judge_values(doc, outcome);
    }

    /// What must be switched on.
    fn judge_needs(&self, doc: &Value, outcome: &mut Outcome) {
        let needs = [
            (
                self.js_required,
                doc.at("jetstream.config").is_object(),
                "JetStream enabled",
                "JetStream not enabled",
            ),
            (
                self.tls_required,
                doc.flag("tls_required"),
                "TLS required",
                "TLS not required",
            ),
            (
                self.auth_required,
                doc.flag("auth_required"),
                "Authentication required",
                "Authentication not required",
            ),
        ];
        for (_, is_so, good, bad) in needs.iter().filter(|(is_needed, ..)| *is_needed) {
            match is_so {
                true => outcome.ok(*good),
                false => outcome.critical(*bad),
            }
        }
    }

    /// Load, connections and subscriptions.
    fn judge_values(&self, doc: &Value, outcome: &mut Outcome) {
        let values = [
            (
                "CPU",
                self.cpu_warn,
                self.cpu_critical,
                doc.float("cpu"),
                false,
            ),
            (
                "Memory",
                self.mem_warn,
                self.mem_critical,
                doc.float("mem"),
                false,
            ),
            (
                "Connections",
                self.conn_warn,
                self.conn_critical,
                doc.float("connections"),
                true,
            ),
            (
                "Subscriptions",
                self.subs_warn,
                self.subs_critical,
                doc.float("subscriptions"),
                true,
            ),
        ];
        for (title, warning, critical, value, may_turn) in values {
            if warning == 0 && critical == 0 {
                continue;
            }
            if critical < warning && !may_turn {
                outcome.critical(format!("{title} invalid thresholds"));
                continue;
            }
            judge(value, Some(warning as f64), Some(critical as f64))
                .note(outcome, format!("{title} {value:.2}"));
        }
    }

    /// False if the thresholds make no sense.
    fn judge_uptime(&self, up: Duration, outcome: &mut Outcome) -> bool {
        let warning = self.uptime_warn.unwrap_or_default();
        let critical = self.uptime_critical.unwrap_or_default();
        if warning.is_zero() && critical.is_zero() {
            return true;
        }
        if critical > warning {
            outcome.critical("Up invalid thresholds");
            return false;
        }
        let verdict = match () {
            () if up <= critical => Verdict::Critical,
            () if up <= warning => Verdict::Warning,
            () => Verdict::Ok,
        };
        verdict.note(outcome, format!("Up {}", duration::human(up)));
        true
    }

    fn measure(&self, doc: &Value, up: Duration, outcome: &mut Outcome) {
        let seconds = |limit: Option<Duration>| limit.unwrap_or_default().as_secs_f64();
        let counted = |name, path: &str, help, warning: u64, critical: u64| {
            Measure::new(name, doc.float(path), help).within(warning as f64, critical as f64)
        };
        outcome.measures.extend([
            Measure::new("uptime", up.as_secs_f64(), "NATS Server uptime in seconds")
                .in_unit("s")
                .within(seconds(self.uptime_warn), seconds(self.uptime_critical)),
            counted(
                "cpu",
                "cpu",
                "NATS Server CPU usage in percentage",
                self.cpu_warn,
                self.cpu_critical,
            )
            .in_unit("%"),
            counted(
                "mem",
                "mem",
                "NATS Server memory usage in bytes",
                self.mem_warn,
                self.mem_critical,
            ),
            counted(
                "connections",
                "connections",
                "Active connections",
                self.conn_warn,
                self.conn_critical,
            ),
            counted(
                "subscriptions",
                "subscriptions",
                "Active subscriptions",
                self.subs_warn,
                self.subs_critical,
            ),
        ]);
    }
}

/// Judges the certificates of all listeners; false if there are none.
fn certificates(
    doc: &Value,
    now: Timestamp,
    warning: Duration,
    critical: Duration,
    outcome: &mut Outcome,
) -> bool {
    let places = [
        ("server", "tls_cert_not_after"),
        ("cluster", "cluster.tls_cert_not_after"),
        ("gateway", "gateway.tls_cert_not_after"),
        ("leafnode", "leaf.tls_cert_not_after"),
        ("mqtt", "mqtt.tls_cert_not_after"),
        ("websocket", "websocket.tls_cert_not_after"),
    ];
    let found = places
        .iter()
        .filter_map(|(name, path)| Some((name, doc.time(path)?)));
    let found: Vec<_> = found.collect();
    for (name, expires) in &found {
        let left = Duration::try_from(expires.duration_since(now)).unwrap_or_default();
        let left = Duration::from_secs(left.as_secs());
        if left.is_zero() {
            outcome.critical(format!(
                "{name} TLS certificate expired (expired_at={expires})"
            ));
            continue;
        }
        let text = format!(
            "{name} TLS certificate expires in {} (expires_at={expires})",
            duration::human(left)
        );
        let verdict = match () {
            () if !critical.is_zero() && left <= critical => Verdict::Critical,
            () if !warning.is_zero() && left <= warning => Verdict::Warning,
            () => Verdict::Ok,
        };
        verdict.note(outcome, text);
    }
    !found.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(check: &ServerCheck) -> Outcome {
        let doc = json!({
            "server_name": "n1", "now": "2026-01-02T00:00:00Z", "start": "2026-01-01T00:00:00Z",
            "cpu": 50.0, "mem": 1000, "connections": 10, "subscriptions": 70,
            "tls_cert_not_after": "2026-01-03T00:00:00Z",
        });
        let mut outcome = Outcome::default();
        check.judge(&doc, &mut outcome);
        outcome
    }

    fn check() -> ServerCheck {
        ServerCheck {
            name: "n1".to_owned(),
            ..ServerCheck::default()
        }
    }

    #[test]
    fn thresholds_are_held_against_it() {
        let outcome = judged(&ServerCheck {
            cpu_warn: 40,
            cpu_critical: 60,
            conn_warn: 20,
            conn_critical: 10,
            auth_required: true,
            uptime_warn: Some(Duration::from_secs(86400 * 2)),
            ..check()
        });
        assert_eq!(outcome.warnings, ["Up 1d0h0m0s", "CPU 50.00"]);
        assert_eq!(
            outcome.criticals,
            ["Authentication not required", "Connections 10.00"]
        );
        assert_eq!(judged(&check()).code(), 0);
        let wrong = ServerCheck {
            mem_warn: 2,
            mem_critical: 1,
            ..check()
        };
        assert_eq!(judged(&wrong).criticals, ["Memory invalid thresholds"]);
    }

    #[test]
    fn certificates_expire() {
        let days = |days: u64| Some(Duration::from_secs(days * 86400));
        let within = |warning, critical| {
            judged(&ServerCheck {
                tls_cert_warn: days(warning),
                tls_cert_crit: days(critical),
                ..check()
            })
            .code()
        };
        assert_eq!(
            (within(2, 1), within(2, 0), within(1, 0), within(0, 0)),
            (2, 1, 1, 0)
        );
    }
}

//! `/metrics`: the figures for Prometheus, in its text format 0.0.4.
//!
//! Names and labels are stable and documented in `docs/metrics.md`; a test keeps the two in
//! step. Invariants: base units (seconds, bytes), counters end in `_total`, each name has HELP
//! and TYPE and appears once. Absent: anything per connection, whose number has no bound.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use hyper::StatusCode;

use super::jetstream_metrics;
use super::varz::between;
use crate::answer::{Answer, Kind};
use crate::facts::{Monitored, ServerFacts};

/// The answer from what `source` knows now and the requests counted here.
pub(crate) fn answer(source: &dyn Monitored, requests: &BTreeMap<&'static str, u64>) -> Answer {
    let facts = source.server();
    let pending = source
        .connections()
        .iter()
        .map(|facts| facts.pending_bytes)
        .sum();
    let ready = source.health().error.is_none();
    let mut page = Page(String::with_capacity(8 << 10));
    identity(&mut page, &facts, ready);
    process(&mut page, &facts);
    clients(&mut page, &facts, pending);
    jetstream_metrics::write(&mut page, source);
    page.head(
        "http_requests_total",
        "counter",
        "Monitoring requests by endpoint.",
    );
    for (path, count) in requests {
        page.sample("http_requests_total", &[("path", path)], count);
    }
    Answer {
        status: StatusCode::OK,
        kind: Kind::Metrics,
        body: page.0.into_bytes(),
    }
}

fn identity(page: &mut Page, facts: &ServerFacts, ready: bool) {
    let build = [
        ("version", facts.cognate_version.as_str()),
        ("compatible_version", facts.version.as_str()),
        ("git_commit", facts.git_commit.as_str()),
    ];
    page.head("build_info", "gauge", "Versions of the server; always 1.");
    page.sample("build_info", &build, 1);
    let server = [
        ("server_id", facts.server_id.as_str()),
        ("server_name", &facts.server_name),
    ];
    page.head("server_info", "gauge", "Identity of the server; always 1.");
    page.sample("server_info", &server, 1);
    page.gauge(
        "ready",
        "Whether the server takes connections (1) or not (0).",
        u8::from(ready),
    );
}

fn process(page: &mut Page, facts: &ServerFacts) {
    page.gauge(
        "start_time_seconds",
        "When the server started, since the Unix epoch.",
        epoch_seconds(facts.start),
    );
    page.gauge(
        "uptime_seconds",
        "How long the server has been running.",
        between(facts.start, facts.now).as_secs_f64(),
    );
    page.gauge(
        "config_load_time_seconds",
        "When the configuration in force was loaded, since the Unix epoch.",
        epoch_seconds(facts.config_load_time),
    );
    page.counter(
        "cpu_seconds_total",
        "CPU time used by the process, user and system.",
        facts.cpu_time.as_secs_f64(),
    );
    page.gauge("cores", "Cores the process may run on.", facts.cores);
    page.gauge(
        "resident_memory_bytes",
        "Resident memory of the process.",
        facts.mem,
    );
    if let Some(end) = facts.tls_cert_not_after {
        page.gauge(
            "tls_certificate_not_after_seconds",
            "When the certificate for clients ends, since the Unix epoch.",
            epoch_seconds(end),
        );
    }
}

fn clients(page: &mut Page, facts: &ServerFacts, pending: u64) {
    page.gauge("connections", "Open client connections.", facts.connections);
    page.gauge(
        "max_connections",
        "Client connections allowed.",
        facts.max_connections,
    );
    page.counter(
        "connections_opened_total",
        "Client connections accepted.",
        facts.total_connections,
    );
    page.counter("in_messages_total", "Messages received.", facts.in_msgs.all);
    page.counter(
        "in_bytes_total",
        "Payload bytes received.",
        facts.in_bytes.all,
    );
    page.counter("out_messages_total", "Messages sent.", facts.out_msgs.all);
    page.counter(
        "out_bytes_total",
        "Payload bytes sent.",
        facts.out_bytes.all,
    );
    page.gauge(
        "pending_bytes",
        "Bytes waiting to be sent, over all clients.",
        pending,
    );
    page.gauge(
        "subscriptions",
        "Living subscriptions.",
        facts.subscriptions,
    );
    page.counter(
        "slow_consumers_total",
        "Connections cut off because they read too slowly.",
        facts.slow_consumers,
    );
    page.counter(
        "stale_connections_total",
        "Connections cut off because they answered no pings.",
        facts.stale_connections,
    );
    page.counter(
        "stalls_total",
        "Times a publisher was slowed down for a slow subscriber.",
        facts.stalled_clients,
    );
}

fn epoch_seconds(time: SystemTime) -> f64 {
    between(SystemTime::UNIX_EPOCH, time).as_secs_f64()
}

/// The text so far. Names are written without the prefix `cognate_`.
pub(super) struct Page(String);

impl Page {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, "gauge", help);
        self.sample(name, &[], value);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, "counter", help);
        self.sample(name, &[], value);
    }

    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            self.0,
            "# HELP cognate_{name} {help}\n# TYPE cognate_{name} {kind}"
        );
    }

    pub(super) fn sample(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) {
        let _ = write!(self.0, "cognate_{name}");
        for (index, (label, text)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{}\"", label_value(text));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

fn label_value(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

//! Services as they are shown: `service list`, `info`, `stats`, `ping`.

use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};

use super::{ask, subject};
use crate::app::App;
use crate::commands::server::sys::System;
use crate::commands::shared::doc::Doc;
use crate::commands::stream::regex_arg;
use crate::error::{Context, Error, Result};
use crate::output::columns::Columns;
use crate::output::{duration, json, number, table::Table, time};
use crate::say;

#[derive(clap::Args)]
pub(super) struct ListArgs {
    /// List instances of a specific service
    service: Option<String>,
    /// Show JSON output
    #[arg(short, long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct InfoArgs {
    /// Service to show
    service: String,
    /// Show info for a specific ID
    id: Option<String>,
    /// Filter shown endpoints using a regular expression
    #[arg(short, long, value_name = "REGEX", value_parser = regex_arg)]
    endpoint: Option<Regex>,
    /// Show JSON output
    #[arg(short, long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct StatsArgs {
    /// Service to show
    service: String,
    /// Show statistics of a specific ID
    id: Option<String>,
    /// Show JSON output
    #[arg(short, long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct PingArgs {
    /// Service to ping
    service: Option<String>,
}

impl ListArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let system = System::connect(app).await?;
        let found = ask(&system, "INFO", self.service.as_deref(), None, 0).await?;
        if self.json {
            return json::print(&found);
        }
        let title = match &self.service {
            None => "All Services".to_owned(),
            Some(name) => format!("{name} Service Instances"),
        };
        let mut table = Table::new(title, &["Name", "Version", "ID", "Description"]);
        // What an instance has in common with the one above is not said again.
        let mut above = ["", "", ""];
        for info in &found {
            let now = ["name", "version", "description"].map(|field| info.text(field));
            let [name, version, description] =
                [0, 1, 2].map(|at| if above[at] == now[at] { "" } else { now[at] });
            table.row([name, version, info.text("id"), description]);
            above = now;
        }
        table.print();
        Ok(())
    }
}

impl InfoArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let system = System::connect(app).await?;
        let (name, id) = (Some(self.service.as_str()), self.id.as_deref());
        let mut info = first(ask(&system, "INFO", name, id, 1).await?)?;
        let id = info.text("id").to_owned();
        let mut stats = first(ask(&system, "STATS", name, Some(&id), 1).await?)?;
        for document in [&mut info, &mut stats] {
            if let Some(Value::Array(endpoints)) = document.get_mut("endpoints") {
                endpoints.retain(|endpoint| self.is_wanted(endpoint));
            }
        }
        if self.json {
            return json::print(&json!({ "info": info, "stats": stats }));
        }
        describe(&info, &stats).print();
        Ok(())
    }

    fn is_wanted(&self, endpoint: &Value) -> bool {
        let name = endpoint.text("name");
        self.endpoint
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(name))
    }
}

fn first(found: Vec<Value>) -> Result<Value> {
    found.into_iter().next().context("no results received")
}

fn describe(info: &Value, stats: &Value) -> Columns {
    let mut page = Columns::new("Service Information");
    page.row(
        "Service",
        format!("{} ({})", info.text("name"), info.text("id")),
    )
    .row("Description", info.text("description"))
    .row("Version", info.text("version"))
    .row_if_set("Metadata", metadata(info));
    page.section("Endpoints");
    for (at, endpoint) in info.list("endpoints").iter().enumerate() {
        if at > 0 {
            page.text("");
        }
        page.row("Name", endpoint.text("name"))
            .row("Subject", endpoint.text("subject"))
            .row_if_set("Queue Group", endpoint.text("queue_group"))
            .row_if_set("Metadata", metadata(endpoint));
    }
    for endpoint in stats.list("endpoints") {
        let name = match endpoint.text("name") {
            "" => "default",
            name => name,
        };
        page.section(format!("{name} Endpoint Statistics"))
            .row(
                "Requests",
                format!(
                    "{} in group {:?}",
                    number::grouped(endpoint.count("num_requests")),
                    endpoint.text("queue_group")
                ),
            )
            .row(
                "Processing Time",
                format!(
                    "{} (average {})",
                    nanos(endpoint.count("processing_time")),
                    nanos(endpoint.count("average_processing_time"))
                ),
            )
            .row("Started", started(stats))
            .row("Errors", number::grouped(endpoint.count("num_errors")))
            .row_if_set("Last Error", endpoint.text("last_error"));
        let data = endpoint.at("data");
        if !data.is_null() {
            let text = serde_json::to_string_pretty(data).unwrap_or_default();
            page.row("Endpoint Specific Statistics", text);
        }
    }
    page
}

fn started(stats: &Value) -> String {
    let started = stats.text("started");
    format!("{} ({} ago)", time::local_text(started), time::ago(started))
}

fn nanos(value: u64) -> String {
    duration::human(Duration::from_nanos(value))
}

fn metadata(document: &Value) -> String {
    let pairs = document.entries("metadata").into_iter();
    let pairs = pairs.map(|(key, value)| format!("{key}: {}", value.as_str().unwrap_or_default()));
    pairs.collect::<Vec<_>>().join("\n")
}

impl StatsArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let system = System::connect(app).await?;
        let (name, id) = (Some(self.service.as_str()), self.id.as_deref());
        let expect = usize::from(id.is_some());
        let found = ask(&system, "STATS", name, id, expect).await?;
        if self.json {
            return json::print(&found);
        }
        statistics(&self.service, &found).print();
        Ok(())
    }
}

fn statistics(service: &str, found: &[Value]) -> Table {
    let headers = [
        "ID",
        "Endpoint",
        "Requests",
        "Queue Group",
        "Errors",
        "Processing Time",
        "Average Time",
    ];
    let mut table = Table::new(format!("{service} Service Statistics"), &headers);
    let (mut requests, mut errors, mut busy) = (0_u64, 0_u64, 0_u64);
    for stats in found {
        for (at, endpoint) in stats.list("endpoints").iter().enumerate() {
            let counted = [
                endpoint.count("num_requests"),
                endpoint.count("num_errors"),
                endpoint.count("processing_time"),
            ];
            table.row([
                if at == 0 { stats.text("id") } else { "" }.to_owned(),
                endpoint.text("name").to_owned(),
                number::grouped(counted[0]),
                endpoint.text("queue_group").to_owned(),
                number::grouped(counted[1]),
                nanos(counted[2]),
                nanos(endpoint.count("average_processing_time")),
            ]);
            requests = requests.saturating_add(counted[0]);
            errors = errors.saturating_add(counted[1]);
            busy = busy.saturating_add(counted[2]);
        }
    }
    let average = busy / requests.saturating_add(errors).max(1);
    table.footer([
        String::new(),
        String::new(),
        number::grouped(requests),
        String::new(),
        number::grouped(errors),
        nanos(busy),
        nanos(average),
    ]);
    table
}

impl PingArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let system = System::connect(app).await?;
        let subject = subject("PING", self.service.as_deref(), None);
        let mut count = 0_u64;
        let asked = system
            .ask_each(&subject, &json!({}), |answer| {
                if answer.document.text("type") == "io.nats.micro.v1.ping_response" {
                    let document = &answer.document;
                    let who = format!("{} {}", document.text("name"), document.text("id"));
                    say!("{who:<50} rtt={}", duration::human(answer.after));
                    count += 1;
                }
                0
            })
            .await;
        match count {
            0 => {
                drop(asked);
                Err(Error::new("no service instances answered")
                    .hint("`nats service serve demo` runs one to try."))
            }
            _ => asked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_summed() {
        let endpoint = json!({
            "name": "echo", "num_requests": 3, "num_errors": 1, "queue_group": "q",
            "processing_time": 4_000_000, "average_processing_time": 1_000_000,
        });
        let found = [json!({"id": "A", "endpoints": [endpoint, endpoint]})];
        let drawn = statistics("demo", &found).render(120);
        assert!(
            drawn.contains("│ A  │ echo     │        3 │ q           │"),
            "{drawn}"
        );
        assert!(
            drawn.contains("│        6 │             │      2 │ 8ms"),
            "{drawn}"
        );
    }
}

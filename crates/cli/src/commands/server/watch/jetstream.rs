//! `nats server watch jetstream`: assets, storage and API load of every server.

use std::time::Duration;

use async_nats::Message;
use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;

use super::{Amount, Ask, Latest, View, activity, follow, server_id};
use crate::app::App;
use crate::commands::server::text::{bytes_of, number_of};
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::table::Table;
use crate::output::{duration, number, terminal};

/// Watch JetStream statistics
///
/// This waits for regular updates that each server sends and report seen totals. Since the updates
/// are sent on a 30 second interval this is not a point in time view.
#[derive(clap::Args)]
pub(super) struct JetStreamArgs {
    /// Sorts by a specific property
    #[arg(long, value_enum, default_value = "assets")]
    sort: Key,

    #[command(flatten)]
    amount: Amount,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Key {
    Api,
    Assets,
    File,
    Mem,
}

impl Key {
    fn title_and_path(self) -> (&'static str, &'static str) {
        match self {
            Key::Api => ("API Requests", "stats.api.total"),
            Key::Assets => ("HA Asset", "stats.ha_assets"),
            Key::File => ("File Storage", "stats.storage"),
            Key::Mem => ("Memory Used", "stats.memory"),
        }
    }
}

struct Servers<'a> {
    args: &'a JetStreamArgs,
    latest: Latest,
}

impl JetStreamArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let mut view = Servers {
            args: &self,
            latest: Latest::default(),
        };
        follow(
            app,
            "$SYS.SERVER.*.STATSZ",
            Ask::Statistics,
            &self.amount,
            &mut view,
        )
        .await
    }
}

impl View for Servers<'_> {
    fn receive(&mut self, message: &Message) {
        self.latest.receive(message, |document| {
            let has_jetstream = document.at("statsz.jetstream").is_object();
            has_jetstream.then(|| server_id(document))
        });
    }

    fn draw(&mut self) -> Option<String> {
        let (title, path) = self.args.sort.title_and_path();
        let servers = self
            .latest
            .busiest(|server| server.at("statsz.jetstream").float(path));
        if servers.is_empty() {
            return None;
        }
        let rows = self.args.amount.rows(9);
        let table = table(&servers, rows, title, &self.latest.at, Timestamp::now());
        Some(table.snipped(terminal::width()))
    }
}

fn table(servers: &[&Value], rows: usize, key: &str, last_at: &str, now: Timestamp) -> Table {
    let mut table = Table::new(
        activity(rows, servers, key, last_at),
        &[
            "Server",
            "HA Assets",
            "Memory",
            "File",
            "API",
            "API Errors",
            "Pending",
            "Snapshot Time",
        ],
    );
    for server in servers.iter().take(rows) {
        let js = server.at("statsz.jetstream");
        let name = server.text("server.name");
        let is_leader = js.text("meta.leader") == name;
        let snapshot = js.at("meta.snapshot");
        let snapshot = match snapshot.time("last_time").filter(|_| is_leader) {
            Some(at) => format!(
                "{} ago ({})",
                super::super::text::ago(at, now),
                duration::human(Duration::from_nanos(snapshot.count("last_duration")))
            ),
            None => String::new(),
        };
        let meta = |path: &str| js.at("meta").count(path);
        table.row([
            format!("{name}{}", if is_leader { "*" } else { "" }),
            number_of(js, "stats.ha_assets"),
            bytes_of(js, "stats.memory"),
            bytes_of(js, "stats.storage"),
            number_of(js, "stats.api.total"),
            number_of(js, "stats.api.errors"),
            pending(meta),
            snapshot,
        ]);
    }
    let sum = |path: &str| {
        let all = servers.iter().map(|s| s.at("statsz.jetstream").count(path));
        number::total(all)
    };
    table.footer([
        format!("Totals ({} Servers)", servers.len()),
        number::grouped(sum("stats.ha_assets")),
        number::bytes(sum("stats.memory")),
        number::bytes(sum("stats.storage")),
        number::grouped(sum("stats.api.total")),
        number::grouped(sum("stats.api.errors")),
        pending(|path| sum(&format!("meta.{path}"))),
    ]);
    table
}

/// What waits in the meta group, its kinds only where there are any.
fn pending(count: impl Fn(&str) -> u64) -> String {
    let mut text = number::grouped(count("pending"));
    for (path, word) in [("pending_infos", "info"), ("pending_requests", "req")] {
        if count(path) > 0 {
            text.push_str(&format!(" / {} {word}", number::grouped(count(path))));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn servers_are_drawn() {
        let server = json!({ "server": { "name": "n1" }, "statsz": { "jetstream": {
            "stats": { "ha_assets": 3, "memory": 10, "storage": 2048, "api": { "total": 1000, "errors": 1 } },
            "meta": { "leader": "n1", "pending": 2, "pending_requests": 1,
                "snapshot": { "last_time": "2026-01-01T00:00:00Z", "last_duration": 1500000 } } } } });
        let now = "2026-01-01T00:01:05Z".parse().expect("a time");
        let text = table(&[&server], 5, "HA Asset", "12:00:00", now).render(160);
        for word in [
            "n1*",
            "2.0 KiB",
            "1,000",
            "2 / 1 req",
            "1m5s ago (1.5ms)",
            "Totals (1 Servers)",
        ] {
            assert!(text.contains(word), "{word} is not in {text}");
        }
    }
}

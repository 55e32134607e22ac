//! `nats server watch servers`: load and traffic of every server.

use async_nats::Message;
use clap::ValueEnum;
use serde_json::Value;

use super::{Amount, Ask, Latest, View, activity, follow, server_id};
use crate::app::App;
use crate::commands::server::text::{bytes_of, number_of};
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::table::Table;
use crate::output::{number, terminal};

/// Watch server statistics
///
/// This waits for regular updates that each server sends and report seen totals. Since the updates
/// are sent on a 30 second interval this is not a point in time view.
#[derive(clap::Args)]
pub(super) struct ServersArgs {
    /// Sorts by a specific property
    #[arg(long, value_enum, default_value = "conns")]
    sort: Key,

    #[command(flatten)]
    amount: Amount,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Key {
    Conns,
    Cpu,
    Gway,
    Mem,
    Name,
    Recvb,
    Recvm,
    Route,
    Sentb,
    Sentm,
    Slow,
    Subs,
}

impl Key {
    fn title(self) -> &'static str {
        match self {
            Key::Conns => "Connections",
            Key::Cpu => "CPU",
            Key::Gway => "Gateways",
            Key::Mem => "Memory",
            Key::Name => "Server Name",
            Key::Recvb => "Received Bytes",
            Key::Recvm => "Received Messages",
            Key::Route => "Routes",
            Key::Sentb => "Sent Bytes",
            Key::Sentm => "Sent Messages",
            Key::Slow => "Slow Consumers",
            Key::Subs => "Subscriptions",
        }
    }

    fn of(self, stats: &Value) -> f64 {
        match self {
            Key::Conns => stats.float("connections"),
            Key::Cpu => stats.float("cpu"),
            Key::Gway => stats.list("gateways").len() as f64,
            Key::Mem => stats.float("mem"),
            Key::Name => 0.0,
            Key::Recvb => stats.float("received.bytes"),
            Key::Recvm => stats.float("received.msgs"),
            Key::Route => stats.list("routes").len() as f64,
            Key::Sentb => stats.float("sent.bytes"),
            Key::Sentm => stats.float("sent.msgs"),
            Key::Slow => stats.float("slow_consumers"),
            Key::Subs => stats.float("subscriptions"),
        }
    }
}

struct Servers<'a> {
    args: &'a ServersArgs,
    latest: Latest,
}

impl ServersArgs {
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
        self.latest
            .receive(message, |document| Some(server_id(document)));
    }

    fn draw(&mut self) -> Option<String> {
        let key = self.args.sort;
        let servers = self.latest.busiest(|server| key.of(server.at("statsz")));
        if servers.is_empty() {
            return None;
        }
        let rows = self.args.amount.rows(8);
        let table = table(&servers, rows, key.title(), &self.latest.at);
        Some(table.snipped(terminal::width()))
    }
}

// tidy: long-function: a table, column by column
fn table(servers: &[&Value], rows: usize, key: &str, last_at: &str) -> Table {
    let mut table = Table::new(
        activity(rows, servers, key, last_at),
        &[
            "Server",
            "Connections",
            "Subscription",
            "Slow",
            "Memory",
            "CPU",
            "Cores",
            "Routes",
            "Gateways",
            "Sent",
            "Received",
        ],
    );
    for server in servers.iter().take(rows) {
        let stats = server.at("statsz");
        let traffic = |of: &str| {
            let (messages, bytes) = (format!("{of}.msgs"), format!("{of}.bytes"));
            format!(
                "{} / {}",
                number_of(stats, &messages),
                bytes_of(stats, &bytes)
            )
        };
        table.row([
            server.text("server.name").to_owned(),
            number_of(stats, "connections"),
            number_of(stats, "subscriptions"),
            number_of(stats, "slow_consumers"),
            bytes_of(stats, "mem"),
            number::grouped_float(stats.float("cpu"), 2),
            number_of(stats, "cores"),
            stats.list("routes").len().to_string(),
            stats.list("gateways").len().to_string(),
            traffic("sent"),
            traffic("received"),
        ]);
    }
    let sum = |path: &str| number::total(servers.iter().map(|s| s.at("statsz").count(path)));
    let traffic = |messages: &str, bytes: &str| {
        format!(
            "{} / {}",
            number::grouped(sum(messages)),
            number::bytes(sum(bytes))
        )
    };
    table.footer([
        "Totals (All Servers)".to_owned(),
        number::grouped(sum("connections")),
        number::grouped(sum("subscriptions")),
        number::grouped(sum("slow_consumers")),
        number::bytes(sum("mem")),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        traffic("sent.msgs", "sent.bytes"),
        traffic("received.msgs", "received.bytes"),
    ]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn servers_are_drawn() {
        let server = |name: &str, connections: u64| {
            json!({ "server": { "name": name }, "statsz": { "connections": connections, "subscriptions": 70,
                "mem": 16 << 20, "cpu": 1.25, "cores": 2, "sent": { "msgs": 1000, "bytes": 2048 },
                "received": { "msgs": 1, "bytes": 20 } } })
        };
        let (one, two) = (server("n1", 1200), server("n2", 7));
        let text = table(&[&one, &two], 1, "Connections", "12:00:00").render(160);
        assert!(
            text.contains("Top 1 / 2 Server activity by Connections at 12:00:00"),
            "{text}"
        );
        assert!(text.contains("│ n1 ") && !text.contains("│ n2 "), "{text}");
        assert!(
            text.contains("1,207") && text.contains("2,000 / 4.0 KiB"),
            "{text}"
        );
    }
}

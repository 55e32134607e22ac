//! `nats server watch accounts`: connections and traffic of accounts, summed over servers.

use std::collections::BTreeMap;

use async_nats::Message;
use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;

use super::{Amount, Ask, Latest, View, follow, server_id, top};
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::table::Table;
use crate::output::{number, terminal, time};

/// Seconds after which a server's word is old: it sends one every thirty.
const OLD_SECS: u64 = 35;

/// Watch account usage
///
/// This waits for regular updates that each server sends and report seen totals. Since the updates
/// are sent on a 30 second interval this is not a point in time view. The 'Servers' column shows how
/// many servers sent statistics about an account; only servers with active connections send them.
#[derive(clap::Args)]
pub(super) struct AccountsArgs {
    /// Sorts by a specific property
    #[arg(long, value_enum, default_value = "conns")]
    sort: Key,

    #[command(flatten)]
    amount: Amount,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Key {
    Conns,
    Recvb,
    Recvm,
    Sentb,
    Sentm,
    Slow,
    Subs,
}

#[derive(Default)]
struct Account {
    name: String,
    servers: usize,
    /// Connections, leafnodes, subscriptions, slow consumers, then messages and bytes sent and
    /// received.
    counts: [u64; 8],
}

const COUNTS: [&str; 8] = [
    "conns",
    "leafnodes",
    "num_subscriptions",
    "slow_consumers",
    "sent.msgs",
    "sent.bytes",
    "received.msgs",
    "received.bytes",
];

impl Key {
    fn title_and_count(self) -> (&'static str, usize) {
        match self {
            Key::Conns => ("Connections", 0),
            Key::Subs => ("Subscriptions", 2),
            Key::Slow => ("Slow Consumers", 3),
            Key::Sentm => ("Sent Messages", 4),
            Key::Sentb => ("Sent Bytes", 5),
            Key::Recvm => ("Received Messages", 6),
            Key::Recvb => ("Received Bytes", 7),
        }
    }
}

struct Accounts<'a> {
    args: &'a AccountsArgs,
    latest: Latest,
}

impl AccountsArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let mut view = Accounts {
            args: &self,
            latest: Latest::default(),
        };
        let subject = "$SYS.ACCOUNT.*.SERVER.CONNS";
        follow(app, subject, Ask::Servers, &self.amount, &mut view).await
    }
}

impl View for Accounts<'_> {
    fn receive(&mut self, message: &Message) {
        self.latest.receive(message, |document| {
            Some(format!("{} {}", document.text("acc"), server_id(document)))
        });
    }

    fn draw(&mut self) -> Option<String> {
        let accounts = totals(self.latest.servers.values(), Timestamp::now());
        if accounts.is_empty() {
            return None;
        }
        let rows = self.args.amount.rows(7);
        let table = table(accounts, rows, self.args.sort, &self.latest.at);
        Some(table.snipped(terminal::width()))
    }
}

fn totals<'a>(words: impl Iterator<Item = &'a Value>, now: Timestamp) -> Vec<Account> {
    let mut accounts = BTreeMap::<&str, Account>::new();
    for word in words {
        let is_old = word
            .time("server.time")
            .is_some_and(|at| time::since_at(at, now).as_secs() > OLD_SECS);
        let account = accounts.entry(word.text("acc")).or_default();
        account.name = match word.text("name") {
            "" => word.text("acc").to_owned(),
            name => name.to_owned(),
        };
        if is_old {
            continue;
        }
        account.servers += 1;
        for (total, path) in account.counts.iter_mut().zip(COUNTS) {
            *total += word.count(path);
        }
    }
    accounts.into_values().collect()
}

fn table(mut accounts: Vec<Account>, rows: usize, key: Key, last_at: &str) -> Table {
    let (title, sorted_by) = key.title_and_count();
    accounts.sort_by_key(|account| {
        std::cmp::Reverse((account.counts.get(sorted_by).copied(), account.counts[0]))
    });
    let mut table = Table::new(
        format!(
            "Top {} Account activity by {title} at {last_at}",
            top(rows, accounts.len())
        ),
        &[
            "Account",
            "Servers",
            "Connections",
            "Leafnodes",
            "Subscriptions",
            "Slow",
            "Sent",
            "Received",
        ],
    );
    for account in accounts.iter().take(rows) {
        let [
            connections,
            leafnodes,
            subscriptions,
            slow,
            sent,
            sent_bytes,
            got,
            got_bytes,
        ] = account.counts;
        table.row([
            account.name.clone(),
            account.servers.to_string(),
            number::grouped(connections),
            number::grouped(leafnodes),
            number::grouped(subscriptions),
            number::grouped(slow),
            format!("{} / {}", number::grouped(sent), number::bytes(sent_bytes)),
            format!("{} / {}", number::grouped(got), number::bytes(got_bytes)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn servers_are_added_up_while_they_are_new() {
        let word = |server: &str, time: &str, conns: u64| {
            json!({ "acc": "A", "server": { "id": server, "time": time }, "conns": conns,
                "sent": { "msgs": 1, "bytes": 1024 } })
        };
        let now = "2026-01-01T00:01:00Z".parse().expect("a time");
        let words = [
            word("n1", "2026-01-01T00:00:59Z", 2),
            word("n2", "2026-01-01T00:00:50Z", 3),
            word("n3", "2026-01-01T00:00:00Z", 100),
        ];
        let accounts = totals(words.iter(), now);
        let text = table(accounts, 5, Key::Conns, "12:00:00").render(160);
        assert!(
            text.contains("│ A       │       2 │           5 │"),
            "{text}"
        );
        assert!(text.contains("2 / 2.0 KiB"), "{text}");
    }
}

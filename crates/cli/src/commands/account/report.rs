//! `account report`: the account's connections, and what it moves through each server.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::app::App;
use crate::commands::server::sys::{Answer, System};
use crate::commands::server::text::{connection_amounts, connection_columns, connection_title};
use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};
use crate::output::{duration, json, number, table::Table, time};
use crate::say;

/// Connections asked of a server at a time.
const PAGE: u64 = 1024;

/// Pages asked for at most.
const MAX_PAGES: u64 = 1_000;

#[derive(clap::Args)]
pub(super) struct ReportArgs {
    #[command(subcommand)]
    command: ReportCommand,
}

#[derive(clap::Subcommand)]
enum ReportCommand {
    /// Report on connections
    #[command(visible_aliases = ["conn", "connz", "conns"])]
    Connections(ConnectionsArgs),
    /// Report on server statistics
    #[command(visible_aliases = ["stats", "statsz"])]
    Statistics(StatisticsArgs),
}

#[derive(clap::Args)]
struct ConnectionsArgs {
    /// Sort by a specific property
    #[arg(long, value_enum, default_value = "subs")]
    sort: Key,
    /// Limit results to the top results
    #[arg(long, default_value_t = 1000)]
    top: usize,
    /// Limits responses only to those connections with matching subscription interest
    #[arg(long)]
    subject: Option<String>,
    /// Limits responses only to those connections for a specific authentication username
    #[arg(long)]
    username: Option<String>,
    /// Reverse sort connections
    #[arg(short = 'R', long)]
    reverse: bool,
    /// Limits responses only to those connections that are in a specific state
    #[arg(long, default_value = "open", value_parser = ["open", "closed", "all"])]
    state: String,
    /// Only connections whose reason to be closed contains this
    #[arg(long, value_name = "REASON")]
    closed_reason: Option<String>,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

#[derive(clap::Args)]
struct StatisticsArgs {
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Key {
    InBytes,
    OutBytes,
    InMsgs,
    OutMsgs,
    Uptime,
    Cid,
    Subs,
}

impl ReportArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            ReportCommand::Connections(args) => args.run(app).await,
            ReportCommand::Statistics(args) => args.run(app).await,
        }
    }
}

/// Asks every server about the account; a server without one's account says so.
async fn ask(system: &System, what: &str, body: &Value) -> Result<Vec<Answer>> {
    let subject = format!("$SYS.REQ.ACCOUNT.PING.{what}");
    let answers = system.ask(&subject, body, 0).await.map_err(|error| {
        Error::new("did not get results from any servers").hint(format!(
            "{}; servers answer users about their own account since 2.10.",
            error.message()
        ))
    })?;
    match answers.iter().find_map(Answer::error) {
        Some(error) => Err(error),
        None => Ok(answers),
    }
}

impl ConnectionsArgs {
    async fn run(self, app: &App) -> Result<()> {
        let system = System::connect(app).await?;
        let mut connections = self.gather(&system).await?;
        if let Some(reason) = &self.closed_reason {
            let reason = reason.to_lowercase();
            connections.retain(|c| c.text("reason").to_lowercase().contains(&reason));
        }
        connections.sort_by_cached_key(|connection| match self.sort {
            Key::InBytes => connection.count("in_bytes"),
            Key::OutBytes => connection.count("out_bytes"),
            Key::InMsgs => connection.count("in_msgs"),
            Key::OutMsgs => connection.count("out_msgs"),
            Key::Cid => connection.count("cid"),
            Key::Subs => connection.count("subscriptions"),
            Key::Uptime => connection
                .time("start")
                .map_or(0, |start| time::since(start).as_secs()),
        });
        if self.reverse {
            connections.reverse();
        }
        // The greatest stand at the end, next to the prompt.
        let skipped = connections.len().saturating_sub(self.top);
        let shown = connections.get(skipped..).unwrap_or_default();
        if self.json {
            return json::print(shown);
        }
        if shown.is_empty() {
            say!("No connections found");
            return Ok(());
        }
        self.table(shown, connections.len()).print();
        say!();
        per_server(shown).print();
        Ok(())
    }

    async fn gather(&self, system: &System) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for page in 0..MAX_PAGES {
            let mut body = json!({
                "subscriptions": false,
                "auth": true,
                "state": self.state,
                "offset": page * PAGE,
                "limit": PAGE,
            });
            if let Some(subject) = &self.subject {
                body["filter_subject"] = json!(subject);
            }
            if let Some(user) = &self.username {
                body["user"] = json!(user);
            }
            // The API counts the states: 0 is open, 1 closed, 2 all.
            body["state"] = json!(match self.state.as_str() {
                "closed" => 1,
                "all" => 2,
                _ => 0,
            });
            let mut is_last = true;
            for answer in ask(system, "CONNZ", &body).await? {
                let found = answer.data().list("connections");
                is_last &= (found.len() as u64) < PAGE;
                for connection in found {
                    let mut connection = connection.clone();
                    connection["server"] = answer.server().clone();
                    all.push(connection);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    fn table(&self, shown: &[Value], total: usize) -> Table {
        let has_reason = self.state != "open";
        let title = connection_title(shown.len(), total, &self.sort);
        let mut table = Table::new(title, &connection_columns(has_reason));
        for connection in shown {
            let mut row = vec![
                connection.count("cid").to_string(),
                connection.text("name").to_owned(),
                server_name(connection.at("server")),
                connection.text("server.cluster").to_owned(),
                format!("{}:{}", connection.text("ip"), connection.count("port")),
                connection.text("account").to_owned(),
                uptime(connection),
            ];
            row.extend(connection_amounts(std::iter::once(connection)));
            if has_reason {
                row.push(connection.text("reason").to_owned());
            }
            table.row(row);
        }
        if shown.len() > 1 {
            let mut row = vec![String::new(); 7];
            row.extend(connection_amounts(shown.iter()));
            table.footer(row);
        }
        table
    }
}

/// How many of the connections each server has, the most at the end.
fn per_server(shown: &[Value]) -> Table {
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for connection in shown {
        let server = server_name(connection.at("server"));
        *counts
            .entry((server, connection.text("server.cluster")))
            .or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| *count);
    let mut table = Table::new(
        "Connections per server",
        &["Server", "Cluster", "Connections"],
    );
    for ((server, cluster), count) in counts {
        table.row([server, cluster.to_owned(), number::grouped(count)]);
    }
    table
}

/// A server's name, or where it is if nobody named it.
fn server_name(server: &Value) -> String {
    match server.text("name") {
        name if name == server.text("id") => server.text("host").to_owned(),
        name => name.to_owned(),
    }
}

fn uptime(connection: &Value) -> String {
    connection.time("start").map_or_else(String::new, |start| {
        let seconds = time::since(start).as_secs();
        duration::human(std::time::Duration::from_secs(seconds))
    })
}

impl StatisticsArgs {
    async fn run(self, app: &App) -> Result<()> {
        let system = System::connect(app).await?;
        let answers = ask(&system, "STATZ", &json!({})).await?;
        if self.json {
            let documents: Vec<&Value> = answers.iter().map(|answer| &answer.document).collect();
            return json::print(&documents);
        }
        let headers = [
            "Server",
            "Cluster",
            "Version",
            "Tags",
            "Connections",
            "Subscriptions",
            "Leafnodes",
            "Sent Bytes",
            "Sent Messages",
            "Received Bytes",
            "Received Messages",
            "Slow Consumers",
        ];
        let mut table = Table::new("Server Statistics", &headers);
        let mut sums = [0_u64; 8];
        for answer in &answers {
            let Some(stats) = answer.data().list("account_statz").first() else {
                continue;
            };
            let counts = [
                "conns",
                "num_subscriptions",
                "leafnodes",
                "sent.bytes",
                "sent.msgs",
                "received.bytes",
                "received.msgs",
                "slow_consumers",
            ]
            .map(|field| stats.count(field));
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum = sum.saturating_add(count);
            }
            let server = answer.server();
            let mut row = vec![
                server_name(server),
                server.text("cluster").to_owned(),
                server.text("ver").to_owned(),
                server.texts("tags").join(", "),
            ];
            row.extend(columns(counts));
            table.row(row);
        }
        let mut totals = vec![
            number::grouped(answers.len() as u64),
            String::new(),
            String::new(),
            String::new(),
        ];
        totals.extend(columns(sums));
        table.footer(totals).print();
        Ok(())
    }
}

fn columns(counts: [u64; 8]) -> Vec<String> {
    let column = |(at, count): (usize, u64)| match at {
        3 | 5 => number::bytes(count),
        _ => number::grouped(count),
    };
    counts.into_iter().enumerate().map(column).collect()
}

//! `nats server report jetstream`: what JetStream holds on every server, and the meta group.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Common, Report};
use crate::commands::server::sys::Answer;
use crate::commands::server::text::compact;
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::table::Table;
use crate::output::{duration, number, terminal};

/// Streams of an account that a server lists.
const MAX_STREAMS: u32 = 10_000;

/// Report on JetStream activity
#[derive(clap::Args)]
pub(crate) struct JetStreamArgs {
    #[command(flatten)]
    pub(super) common: Common,

    /// Produce the report for a specific account
    #[arg(long)]
    account: Option<String>,

    /// Sort by a specific property
    #[arg(long, value_enum, default_value = "cluster")]
    sort: Key,

    /// Show server names in full
    #[arg(long)]
    no_compact: bool,

    /// Show details about cluster leaders
    #[arg(short, long)]
    leaders: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Key {
    Name,
    Cluster,
    Streams,
    Consumers,
    Msgs,
    #[value(alias = "mbytes")]
    Bytes,
    Mem,
    #[value(alias = "store")]
    File,
    Api,
    Err,
}

/// One server's row.
struct Row {
    server: Value,
    domain: String,
    streams: u64,
    consumers: u64,
    messages: u64,
    bytes: u64,
    memory: u64,
    file: u64,
    api: u64,
    errors: u64,
    pending: u64,
    is_leader: bool,
    meta: Value,
    stream_leaders: u64,
    consumer_leaders: u64,
}

impl JetStreamArgs {
    pub(super) async fn text(&self, report: &Report<'_>) -> Result<String> {
        let mut body = json!({ "raft": true });
        if let Some(account) = &self.account {
            body = json!({
                "raft": true, "account": account, "streams": true, "consumer": true,
                "limit": MAX_STREAMS,
            });
        }
        let answers = report.documents("JSZ", body).await?;
        let mut rows: Vec<Row> = answers.iter().map(|a| self.row(a)).collect();
        self.sort(report, &mut rows);
        let mut text = self.summary(&rows).render(terminal::width());
        text.push('\n');
        if !report.common.selection.is_some() {
            text.push_str(&self.meta_groups(&rows));
        }
        if self.leaders {
            text.push_str(&leaders(&rows));
        }
        Ok(text)
    }

    fn row(&self, answer: &Answer) -> Row {
        let (server, data) = (answer.server().clone(), answer.data());
        let meta = data.at("meta_cluster").clone();
        let name = server.text("name").to_owned();
        let account = match (&self.account, data.list("account_details")) {
            (Some(_), [only]) => Some(only),
            _ => None,
        };
        let stats = account.unwrap_or(data);
        let streams = stats.list("stream_detail");
        let sum = |path: &str| number::total(streams.iter().map(|s| s.count(path)));
        let leads = |asset: &&Value| asset.text("cluster.leader") == name;
        let consumers = streams.iter().flat_map(|s| s.list("consumer_detail"));
        Row {
            domain: data.text("config.domain").to_owned(),
            streams: account.map_or_else(|| data.count("streams"), |_| streams.len() as u64),
            consumers: account
                .map_or_else(|| data.count("consumers"), |_| sum("state.consumer_count")),
            messages: account.map_or_else(|| data.count("messages"), |_| sum("state.messages")),
            bytes: account.map_or_else(
                || data.count("bytes"),
                |account| number::total([account.count("memory"), account.count("storage")]),
            ),
            memory: stats.count("memory"),
            file: stats.count("storage"),
            api: stats.count("api.total"),
            errors: stats.count("api.errors"),
            pending: meta.count("pending"),
            is_leader: !name.is_empty() && meta.text("leader") == name,
            stream_leaders: account.map_or_else(
                || data.count("streams_leader"),
                |_| streams.iter().filter(leads).count() as u64,
            ),
            consumer_leaders: account.map_or_else(
                || data.count("consumers_leader"),
                |_| consumers.filter(leads).count() as u64,
            ),
            meta,
            server,
        }
    }

    fn sort(&self, report: &Report<'_>, rows: &mut [Row]) {
        let name = |row: &Row| row.server.text("name").to_owned();
        let key: Count = match self.sort {
            Key::Name | Key::Cluster => |_| 0,
            Key::Streams => |row| row.streams,
            Key::Consumers => |row| row.consumers,
            Key::Msgs => |row| row.messages,
            Key::Bytes => |row| row.bytes,
            Key::Mem => |row| row.memory,
            Key::File => |row| row.file,
            Key::Api => |row| row.api,
            Key::Err => |row| row.errors,
        };
        match self.sort {
            Key::Name => report.sort_by_key(rows, name),
            Key::Cluster => report.sort_by_key(rows, |row| {
                (row.server.text("cluster").to_owned(), name(row))
            }),
            _ => report.sort_by_key(rows, |row| (key(row), name(row))),
        }
    }

    fn summary(&self, rows: &[Row]) -> Table {
        let has_domain = rows.iter().any(|row| !row.domain.is_empty());
        let mut header = vec!["Server", "Cluster"];
        if has_domain {
            header.push("Domain");
        }
        header.extend([
            "Streams",
            "Consumers",
            "Messages",
            "Bytes",
            "Memory",
            "File",
            "API Req",
            "Pending",
        ]);
        let title = match &self.account {
            Some(account) => format!("JetStream Summary for Account {account}"),
            None => "JetStream Summary".to_owned(),
        };
        let mut table = Table::new(title, &header);
        let names: Vec<&str> = rows.iter().map(|row| row.server.text("name")).collect();
        let numbers = |row: &dyn Fn(fn(&Row) -> u64) -> u64| {
            vec![
                number::grouped(row(|r| r.streams)),
                number::grouped(row(|r| r.consumers)),
                number::grouped(row(|r| r.messages)),
                number::bytes(row(|r| r.bytes)),
                number::bytes(row(|r| r.memory)),
                number::bytes(row(|r| r.file)),
                number::grouped(row(|r| r.api)),
                number::grouped(row(|r| r.pending)),
            ]
        };
        for (row, name) in rows.iter().zip(compact(&names, !self.no_compact)) {
            let leader = if row.is_leader { "*" } else { "" };
            let mut cells = vec![
                format!("{name}{leader}"),
                row.server.text("cluster").to_owned(),
            ];
            if has_domain {
                cells.push(row.domain.clone());
            }
            cells.extend(numbers(&|value| value(row)));
            table.row(cells);
        }
        let mut footer = vec![String::new(); header.len() - 8];
        footer.extend(numbers(&|value| number::total(rows.iter().map(value))));
        table.footer(footer);
        table
    }

    fn meta_groups(&self, rows: &[Row]) -> String {
        let size = rows.iter().map(|row| row.meta.count("cluster_size")).max();
        let leaders: Vec<&Row> = rows.iter().filter(|row| row.is_leader).collect();
        match size {
            None | Some(0) => String::new(),
            Some(size) if leaders.is_empty() => format!(
                "\nWARNING: No cluster meta leader found. The cluster expects {size} nodes but only {} responded. JetStream operation requires at least {} up nodes.\n",
                rows.len(),
                size / 2 + 1
            ),
            Some(_) => {
                let groups = leaders.iter().map(|row| self.meta_group(&row.meta));
                groups.collect::<Vec<_>>().join("\n")
            }
        }
    }

    fn meta_group(&self, meta: &Value) -> String {
        let leader = json!({
            "name": meta.text("leader"), "peer": meta.text("peer"), "current": true,
        });
        let mut peers: Vec<&Value> = meta.list("replicas").iter().chain([&leader]).collect();
        peers.sort_by_key(|peer| peer.text("name"));
        let names: Vec<&str> = peers.iter().map(|peer| peer.text("name")).collect();
        let mut table = Table::new(
            format!(
                "RAFT Meta Group Information - Lead cluster: {}",
                meta.text("name")
            ),
            &[
                "Connection Name",
                "ID",
                "Leader",
                "Current",
                "Online",
                "Active",
                "Lag",
            ],
        );
        for (peer, name) in peers.iter().zip(compact(&names, !self.no_compact)) {
            let is_leader = peer.text("name") == meta.text("leader");
            table.row([
                name,
                peer.text("peer").to_owned(),
                if is_leader { "yes" } else { "" }.to_owned(),
                peer.flag("current").to_string(),
                (!peer.flag("offline")).to_string(),
                duration::human(Duration::from_nanos(peer.count("active"))),
                number::grouped(peer.count("lag")),
            ]);
        }
        table.render(terminal::width())
    }
}

/// What is counted of a server.
type Count = fn(&Row) -> u64;

/// How leaders are spread over the servers of each cluster.
fn leaders(rows: &[Row]) -> String {
    if rows
        .iter()
        .all(|row| row.stream_leaders == 0 && row.consumer_leaders == 0)
    {
        return "\nNo JetStream asset leader data reported\n".to_owned();
    }
    let mut text = String::new();
    let groups: [(&str, Count); 2] = [
        ("Stream Leaders", |row| row.stream_leaders),
        ("Consumer Leaders", |row| row.consumer_leaders),
    ];
    for (title, count) in groups {
        let mut per_cluster = BTreeMap::<&str, u64>::new();
        for row in rows {
            *per_cluster.entry(row.server.text("cluster")).or_default() += count(row);
        }
        let mut table = Table::new(
            "RAFT Leader Report",
            &["Server", "Cluster", title, "Distribution"],
        );
        let mut sorted: Vec<&Row> = rows.iter().collect();
        sorted.sort_by_key(|row| (row.server.text("cluster"), count(row)));
        for row in sorted {
            let cluster = row.server.text("cluster");
            let all = per_cluster.get(cluster).copied().unwrap_or_default().max(1);
            let stars = match count(row) {
                0 => 0,
                own => (own as f64 / all as f64 * 10.0).round().clamp(1.0, 10.0) as usize,
            };
            table.row([
                row.server.text("name").to_owned(),
                cluster.to_owned(),
                number::grouped(count(row)),
                "*".repeat(stars),
            ]);
        }
        text.push('\n');
        text.push_str(&table.render(terminal::width()));
    }
    text
}

//! `nats server stream-check` and `consumer-check`: what every server says of every replica it keeps,
//! side by side, so that replicas that differ are seen.
//!
//! The documents are those of `nats server request jsz --all --raft`, asked for, or read from standard
//! input or an archive. Servers answer one after the other: a stream that is being written to differs a little.

mod consumers;
mod streams;

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};

use super::request::without_nulls;
use super::source::{ArchiveFlag, Source};
use super::sys::System;
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::{Context, Error, Result};
use crate::output;
use crate::output::table::Table;
use crate::say;

pub(crate) use consumers::ConsumerCheckArgs;
pub(crate) use streams::StreamCheckArgs;

/// Bytes that are read from standard input.
const MAX_INPUT: u64 = 1 << 30;

/// What both checks take.
#[derive(clap::Args)]
struct Common {
    /// Filter results by stream
    #[arg(long)]
    stream: Option<String>,

    /// Filter results by raft group
    #[arg(long)]
    raft_group: Option<String>,

    /// Ask the servers for the health of what is shown
    #[arg(long, conflicts_with_all = ["stdin", "archive"])]
    health: bool,

    /// Expected number of servers
    #[arg(long)]
    expected: Option<usize>,

    /// Show only what is out of sync
    #[arg(long)]
    unsynced: bool,

    /// Process the result of 'nats server request jsz --all --raft' from STDIN
    #[arg(long, conflicts_with = "archive")]
    stdin: bool,

    /// Read timeout in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    read_timeout: u64,

    /// Render CSV format
    #[arg(long)]
    csv: bool,

    #[command(flatten)]
    archive: ArchiveFlag,
}

/// What one server keeps of a stream or a consumer.
struct Replica {
    server: String,
    server_id: String,
    account: String,
    account_id: String,
    raft_group: String,
    stream: Value,
    /// Null where the check is about streams.
    consumer: Value,
}

impl Replica {
    /// What is kept: the consumer if there is one, else the stream.
    fn asset(&self) -> &Value {
        match self.consumer.is_null() {
            true => &self.stream,
            false => &self.consumer,
        }
    }

    fn leader(&self) -> &str {
        self.asset().text("cluster.leader")
    }

    fn is_leader(&self) -> bool {
        !self.leader().is_empty() && self.leader() == self.server
    }

    /// The server's name, with `*` for the leader.
    fn node(&self) -> String {
        let mark = if self.is_leader() { "*" } else { "" };
        format!("{}{mark}", self.server)
    }

    /// The other peers as this server sees them; as narrow as can be unless it is for programs.
    fn peers(&self, is_csv: bool) -> String {
        let peer = |peer: &Value| {
            let (name, current, offline) = (
                peer.text("name"),
                peer.flag("current"),
                peer.flag("offline"),
            );
            match (is_csv, current, offline) {
                (true, ..) => format!("{name}(current={current},offline={offline})"),
                (_, _, true) => format!("{name} offline"),
                (_, true, _) => format!("{name} current"),
                (_, false, _) => format!("{name} behind"),
            }
        };
        let peers: Vec<String> = self
            .asset()
            .list("cluster.replicas")
            .iter()
            .map(peer)
            .collect();
        peers.join(if is_csv { " " } else { "\n" })
    }

    /// What is wrong with the group itself, if anything is.
    fn group_status(&self) -> Option<&'static str> {
        match self.asset().at("cluster") {
            cluster if !cluster.is_object() => None,
            _ if self.leader().is_empty() => Some("LEADERLESS"),
            _ if self.raft_group.is_empty()
                && !self.asset().list("cluster.replicas").is_empty() =>
            {
                Some("MISSING_GROUP")
            }
            _ => None,
        }
    }
}

/// Account, stream and consumer.
type Name = (String, String, String);

/// The replicas of everything, those of one thing together.
type Groups = BTreeMap<Name, Vec<Replica>>;

/// What is known of all servers, and the connection if there is one.
struct Findings {
    groups: Groups,
    system: Option<System>,
}

impl Common {
    /// Asks the servers, or reads what they said.
    async fn gather(&self, app: &App, with_consumers: bool) -> Result<Findings> {
        let (documents, system) = match self.stdin {
            true => (self.read()?, None),
            false => {
                let mut source = Source::open(app, self.archive.archive.as_deref()).await?;
                if let Source::Servers(system) = &mut source {
                    *system = system.waiting(Duration::from_secs(self.read_timeout.max(1)));
                }
                let body = json!({ "streams": true, "consumer": with_consumers, "raft": true });
                let answers = source.documents("JSZ", &body, self.expected.unwrap_or(0));
                let documents = answers.await?.into_iter().map(|answer| answer.document);
                (documents.collect(), source.into_servers())
            }
        };
        if documents.is_empty() {
            return Err(Error::new("no JSZ responses received"));
        }
        if !self.csv {
            say!("Servers: {}", documents.len());
        }
        if let Some(expected) = self.expected.filter(|expected| documents.len() < *expected) {
            output::remark(&format!(
                "Warning: expected {expected} responses got {}",
                documents.len()
            ));
        }
        let mut groups = Groups::new();
        for document in &documents {
            collect(document, with_consumers, &mut groups);
        }
        for replicas in groups.values_mut() {
            replicas.sort_by(|a, b| a.server.cmp(&b.server));
        }
        groups.retain(|(_, stream, _), replicas| {
            let is_group = |wanted: &String| replicas.iter().any(|r| r.raft_group == *wanted);
            self.stream.as_ref().is_none_or(|wanted| wanted == stream)
                && self.raft_group.as_ref().is_none_or(is_group)
        });
        Ok(Findings { groups, system })
    }

    fn read(&self) -> Result<Vec<Value>> {
        let mut text = Vec::new();
        std::io::stdin()
            .lock()
            .take(MAX_INPUT)
            .read_to_end(&mut text)?;
        let documents = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
        documents
            .collect::<std::result::Result<_, _>>()
            .context("standard input is not what `nats server request jsz` prints")
    }

    /// Prints the rows as asked for.
    fn print(&self, title: &str, header: &[&str], rows: &[Vec<String>]) {
        let header = match self.health {
            true => header,
            // Health is the last column.
            false => header.get(..header.len() - 1).unwrap_or(header),
        };
        let cells = |row: &Vec<String>| row.get(..header.len()).unwrap_or(row).to_vec();
        if self.csv {
            let names: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
            say!("{}", csv(&names));
            rows.iter().for_each(|row| say!("{}", csv(&cells(row))));
            return;
        }
        say!("{title}: {}\n", rows.len());
        let mut table = Table::new(title, header);
        for row in rows {
            table.row(cells(row));
        }
        table.print();
    }

    /// What a server says of the health of a replica.
    async fn health(&self, system: Option<&System>, replica: &Replica) -> String {
        let Some(system) = system.filter(|_| self.health) else {
            return String::new();
        };
        let consumer = Some(replica.consumer.text("name")).filter(|name| !name.is_empty());
        let body = without_nulls(json!({
            "account": replica.account,
            "stream": replica.stream.text("name"),
            "consumer": consumer,
        }));
        let subject = format!("$SYS.REQ.SERVER.{}.HEALTHZ", replica.server_id);
        let answer = system.ask(&subject, &body, 1).await;
        match answer.as_deref() {
            Err(error) => error.message().to_owned(),
            Ok([]) => String::new(),
            Ok([first, ..]) => {
                let data = first.data();
                [data.text("status"), data.text("error")]
                    .join(" ")
                    .trim()
                    .to_owned()
            }
        }
    }
}

fn collect(document: &Value, with_consumers: bool, groups: &mut Groups) {
    let server = document.at("server");
    for account in document.list("data.account_details") {
        for stream in account.list("stream_detail") {
            let replica = |consumer: &Value, raft_group: &str| Replica {
                server: server.text("name").to_owned(),
                server_id: server.text("id").to_owned(),
                account: account.text("name").to_owned(),
                account_id: account.text("id").to_owned(),
                raft_group: raft_group.to_owned(),
                stream: stream.clone(),
                consumer: consumer.clone(),
            };
            let name = |consumer: &str| {
                let names = [account.text("name"), stream.text("name"), consumer];
                let [account, stream, consumer] = names.map(str::to_owned);
                (account, stream, consumer)
            };
            if !with_consumers {
                let group = first_of(stream.text("stream_raft_group"), stream);
                let replica = replica(&Value::Null, group);
                groups.entry(name("")).or_default().push(replica);
                continue;
            }
            for consumer in stream.list("consumer_detail") {
                let mut known = stream.list("consumer_raft_groups").iter();
                let known = known.find(|group| group.text("name") == consumer.text("name"));
                let group = known.map_or("", |group| group.text("raft_group"));
                let replica = replica(consumer, first_of(group, consumer));
                let name = name(consumer.text("name"));
                groups.entry(name).or_default().push(replica);
            }
        }
    }
}

fn first_of<'a>(group: &'a str, asset: &'a Value) -> &'a str {
    match group {
        "" => asset.text("cluster.raft_group"),
        group => group,
    }
}

/// A count, with how far it is from the leader's.
fn drift(value: u64, leader: Option<u64>) -> String {
    match leader {
        Some(leader) if leader != value => {
            format!("{value} ({:+})", i128::from(value) - i128::from(leader))
        }
        _ => value.to_string(),
    }
}

fn csv(cells: &[String]) -> String {
    let quoted = |cell: &String| match cell.contains([',', '"', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// An account's name, cut so that tables fit.
fn short(account: &str) -> String {
    account.chars().take(10).collect()
}

/// For tests of the parts: what two servers say.
#[cfg(test)]
fn groups_of(documents: &[Value], with_consumers: bool) -> Groups {
    let mut groups = Groups::new();
    for document in documents {
        collect(document, with_consumers, &mut groups);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_held_against_the_leader() {
        assert_eq!(drift(5, Some(7)), "5 (-2)");
        assert_eq!(drift(7, Some(7)), "7");
        assert_eq!(drift(5, None), "5");
    }

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        let cells = ["a", "b,c", "d\"e"].map(str::to_owned);
        assert_eq!(csv(&cells), "a,\"b,c\",\"d\"\"e\"");
    }
}

//! `nats server report connections`: who is connected, where, and how busy they are.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Common, Report};
use crate::commands::server::request::{State, without_nulls};
use crate::commands::server::text::{connection_amounts, connection_columns, connection_title};
use crate::commands::shared::doc::Doc;
use crate::commands::shared::expr::Expression;
use crate::error::{Error, Result};
use crate::output::table::Table;
use crate::output::{number, terminal};

/// Connections asked of a server at a time.
const PAGE: usize = 1024;

/// Connections that are gathered.
const MAX_CONNECTIONS: usize = 1_000_000;

/// Report on connections
#[derive(clap::Args)]
pub(crate) struct ConnectionsArgs {
    #[command(flatten)]
    pub(super) common: Common,

    /// Limit report to a specific account
    #[arg(long)]
    account: Option<String>,

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

    /// Limits responses only to those connections that are in a specific state
    #[arg(long, value_enum, default_value = "open")]
    state: State,

    /// Only connections whose reason to be closed contains this
    #[arg(long, value_name = "REASON")]
    closed_reason: Option<String>,

    /// Only connections of which an expression is true, as in 'conn.in_msgs > 10 and server.name == "n1"'
    #[arg(long, value_name = "EXPRESSION", value_parser = expression, conflicts_with = "closed_reason")]
    filter: Option<Expression>,

    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

/// What connections and accounts are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Key {
    InBytes,
    OutBytes,
    InMsgs,
    OutMsgs,
    Uptime,
    Cid,
    Subs,
}

/// One connection and its server.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) info: Value,
    pub(super) server: Value,
}

impl Connection {
    /// As `--json` shows it.
    pub(super) fn document(&self) -> Value {
        let mut document = self.info.clone();
        document["server"] = self.server.clone();
        document
    }

    fn subscriptions(&self) -> u64 {
        self.info.count("subscriptions")
    }
}

/// Which connections are gathered.
pub(super) struct Wanted<'a> {
    pub(super) account: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) subject: Option<&'a str>,
    pub(super) state: State,
}

impl ConnectionsArgs {
    pub(super) async fn text(&self, report: &Report<'_>) -> Result<String> {
        let wanted = Wanted {
            account: self.account.as_deref(),
            user: self.username.as_deref(),
            subject: self.subject.as_deref(),
            state: self.state,
        };
        let mut connections = gather(report, &wanted).await?;
        if let Some(reason) = &self.closed_reason {
            let reason = reason.to_lowercase();
            connections.retain(|c| c.info.text("reason").to_lowercase().contains(&reason));
        }
        if let Some(filter) = &self.filter {
            connections = filtered(connections, filter)?;
        }
        sort(report, &mut connections, self.sort);
        if self.json {
            let all: Vec<Value> = connections.iter().map(Connection::document).collect();
            return Ok(serde_json::to_string_pretty(&all)? + "\n");
        }
        let has_reason = !matches!(self.state, State::Open);
        Ok(tables(&connections, self.top, self.sort, has_reason))
    }
}

fn expression(text: &str) -> std::result::Result<Expression, String> {
    // The official tool knows connections by four names.
    let names = ["conn", "server", "Conn", "Server", "conns", "Conns"];
    Expression::parse(text, &names).map_err(|error| error.message().to_owned())
}

/// The connections of which the expression is true.
fn filtered(connections: Vec<Connection>, filter: &Expression) -> Result<Vec<Connection>> {
    let mut kept = Vec::new();
    for connection in connections {
        let (conn, server) = (&connection.info, &connection.server);
        let document = json!({
            "conn": conn, "conns": conn, "Conn": conn, "Conns": conn,
            "server": server, "Server": server,
        });
        if filter.is_true_of(&document)? {
            kept.push(connection);
        }
    }
    Ok(kept)
}

/// All connections of the servers that are meant, a page at a time.
pub(super) async fn gather(report: &Report<'_>, wanted: &Wanted<'_>) -> Result<Vec<Connection>> {
    let mut connections = Vec::new();
    let mut offset = 0;
    loop {
        let body = without_nulls(json!({
            "subscriptions": true,
            "auth": true,
            "user": wanted.user,
            "acc": wanted.account,
            "filter_subject": wanted.subject,
            "state": wanted.state as u8,
            "limit": PAGE,
            "offset": offset,
        }));
        let answers = report.documents("CONNZ", body).await?;
        if answers.is_empty() {
            return Err(Error::new("did not get results from any servers"));
        }
        let mut has_more = false;
        for answer in &answers {
            let page = answer.data();
            connections.extend(page.list("connections").iter().map(|info| Connection {
                info: info.clone(),
                server: answer.server().clone(),
            }));
            let shown = page.count("offset").saturating_add(page.count("limit"));
            // A page without connections is the last one, whatever the total says.
            has_more |= !page.list("connections").is_empty() && shown < page.count("total");
        }
        if !has_more || connections.len() >= MAX_CONNECTIONS {
            return Ok(connections);
        }
        offset += PAGE;
    }
}

/// Sorts by what is asked for.
pub(super) fn sort(report: &Report<'_>, connections: &mut [Connection], key: Key) {
    let by = |path: &'static str| move |c: &Connection| c.info.count(path);
    match key {
        Key::InBytes => report.sort_by_key(connections, by("in_bytes")),
        Key::OutBytes => report.sort_by_key(connections, by("out_bytes")),
        Key::InMsgs => report.sort_by_key(connections, by("in_msgs")),
        Key::OutMsgs => report.sort_by_key(connections, by("out_msgs")),
        Key::Cid => report.sort_by_key(connections, by("cid")),
        // The youngest first, as if sorted by how long they are there.
        Key::Uptime => report.sort_by_key(connections, |c| std::cmp::Reverse(c.info.time("start"))),
        Key::Subs => report.sort_by_key(connections, Connection::subscriptions),
    }
}

/// The connections, and how many each server has.
pub(super) fn tables(connections: &[Connection], top: usize, key: Key, has_reason: bool) -> String {
    let shown = match top {
        0 => connections.len(),
        top => top.min(connections.len()),
    };
    let title = connection_title(shown, connections.len(), &key);
    let mut table = Table::new(title, &connection_columns(has_reason));
    for connection in connections.iter().take(shown) {
        table.row(row(connection, has_reason));
    }
    if connections.len() > 1 {
        let count = number::grouped(connections.len() as u64);
        let mut totals = vec![String::new(); 7];
        totals.splice(1..2, [format!("Totals for {count} connections")]);
        totals.extend(connection_amounts(connections.iter().map(|c| &c.info)));
        table.footer(totals);
    }
    let mut text = table.render(terminal::width());
    if !connections.is_empty() {
        text.push('\n');
        text.push_str(&per_server(connections).render(terminal::width()));
    }
    text
}

fn row(connection: &Connection, has_reason: bool) -> Vec<String> {
    let (info, server) = (&connection.info, &connection.server);
    let mut name = match info.text("name") {
        "" => info.text("mqtt_client").to_owned(),
        name => name.to_owned(),
    };
    if name.chars().count() > 40 {
        name = name.chars().take(40).chain(" ..".chars()).collect();
    }
    let account = match (info.text("account"), info.text("account").get(..12)) {
        (long, Some(head)) if long.len() > 46 => format!("{head} .."),
        (account, _) => account.to_owned(),
    };
    let kind = match info.text("kind") {
        "" | "Client" => String::new(),
        kind => kind.chars().take(1).collect(),
    };
    let mut row = vec![
        format!("{kind}{}", info.count("cid")),
        name,
        server.text("name").to_owned(),
        server.text("cluster").to_owned(),
        format!("{}:{}", info.text("ip"), info.count("port")),
        account,
        info.text("uptime").to_owned(),
    ];
    row.extend(connection_amounts(std::iter::once(info)));
    if has_reason {
        row.push(info.text("reason").to_owned());
    }
    row
}

fn per_server(connections: &[Connection]) -> Table {
    let mut servers = BTreeMap::<(&str, &str), usize>::new();
    for connection in connections {
        let server = &connection.server;
        *servers
            .entry((server.text("name"), server.text("cluster")))
            .or_default() += 1;
    }
    let mut servers: Vec<_> = servers.into_iter().collect();
    servers.sort_by_key(|(_, count)| *count);
    let mut table = Table::new(
        "Connections per server",
        &["Server", "Cluster", "Connections"],
    );
    for ((name, cluster), count) in servers {
        table.row([name, cluster, &count.to_string()]);
    }
    table
}

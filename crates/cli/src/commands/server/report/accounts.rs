//! `nats server report accounts`: what accounts do, from their connections.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::connections::{self, Connection, Wanted, gather, tables};
use super::{Common, Report};
use crate::commands::server::request::State;
use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};
use crate::output::table::Table;
use crate::output::{number, terminal};

/// Report on account activity
#[derive(clap::Args)]
pub(crate) struct AccountsArgs {
    /// Account to produce a report for
    account: Option<String>,

    #[command(flatten)]
    pub(super) common: Common,

    /// Sort by a specific property
    #[arg(long, value_enum, default_value = "subs")]
    sort: Key,

    /// Limit results to the top results
    #[arg(long, default_value_t = 1000)]
    top: usize,

    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Key {
    InBytes,
    OutBytes,
    InMsgs,
    OutMsgs,
    Conns,
    Subs,
}

#[derive(Default)]
struct Account {
    connections: Vec<Connection>,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    subscriptions: u64,
    servers: Vec<Value>,
}

impl AccountsArgs {
    pub(super) async fn text(&self, report: &Report<'_>) -> Result<String> {
        let wanted = Wanted {
            account: self.account.as_deref(),
            user: None,
            subject: None,
            state: State::Open,
        };
        let accounts = totals(gather(report, &wanted).await?);
        if let Some(name) = &self.account {
            let Some((_, account)) = accounts.into_iter().find(|(known, _)| known == name) else {
                return Err(Error::new(format!(
                    "did not receive any results for account {name}"
                ))
                .hint("Only accounts with connections are reported; `nats server request accounts` lists all."));
            };
            return one(report, name, account, self.json, self.top);
        }
        let mut accounts: Vec<_> = accounts.into_iter().collect();
        let key = self.sort;
        report.sort_by_key(&mut accounts, |(_, account)| match key {
            Key::InBytes => account.in_bytes,
            Key::OutBytes => account.out_bytes,
            Key::InMsgs => account.in_msgs,
            Key::OutMsgs => account.out_msgs,
            Key::Conns => account.connections.len() as u64,
            Key::Subs => account.subscriptions,
        });
        // The top is at the end, unless reversed.
        if self.top > 0 && self.top < accounts.len() {
            match report.is_reversed {
                true => accounts.truncate(self.top),
                false => drop(accounts.drain(..accounts.len() - self.top)),
            }
        }
        if self.json {
            let all: Vec<Value> = accounts.iter().map(|(n, a)| document(n, a)).collect();
            return Ok(serde_json::to_string_pretty(&all)? + "\n");
        }
        Ok(overview(&accounts).render(terminal::width()))
    }
}

fn totals(connections: Vec<Connection>) -> BTreeMap<String, Account> {
    let mut accounts = BTreeMap::<String, Account>::new();
    for connection in connections {
        let info = &connection.info;
        // Servers leave the global account's name out where nobody logs in.
        let name = match info.text("account") {
            "" => "$G",
            name => name,
        };
        let account = accounts.entry(name.to_owned()).or_default();
        account.in_msgs += info.count("in_msgs");
        account.out_msgs += info.count("out_msgs");
        account.in_bytes += info.count("in_bytes");
        account.out_bytes += info.count("out_bytes");
        account.subscriptions += info.count("subscriptions");
        let id = connection.server.text("id");
        if account.servers.iter().all(|server| server.text("id") != id) {
            account.servers.push(connection.server.clone());
        }
        account.connections.push(connection);
    }
    accounts
}

fn one(
    report: &Report<'_>,
    name: &str,
    mut account: Account,
    is_json: bool,
    top: usize,
) -> Result<String> {
    if is_json {
        return Ok(serde_json::to_string_pretty(&document(name, &account))? + "\n");
    }
    let key = connections::Key::Subs;
    connections::sort(report, &mut account.connections, key);
    Ok(tables(&account.connections, top, key, false))
}

fn document(name: &str, account: &Account) -> Value {
    let connections: Vec<Value> = account
        .connections
        .iter()
        .map(Connection::document)
        .collect();
    json!({
        "account": name,
        "connections": account.connections.len(),
        "connection_info": connections,
        "in_msgs": account.in_msgs,
        "out_msgs": account.out_msgs,
        "in_bytes": account.in_bytes,
        "out_bytes": account.out_bytes,
        "subscriptions": account.subscriptions,
        "server": account.servers,
    })
}

fn overview(accounts: &[(String, Account)]) -> Table {
    let mut table = Table::new(
        format!("{} Accounts Overview", accounts.len()),
        &[
            "Account",
            "Connections",
            "In Msgs",
            "Out Msgs",
            "In Bytes",
            "Out Bytes",
            "Subs",
        ],
    );
    for (name, account) in accounts {
        table.row([
            name.clone(),
            number::grouped(account.connections.len() as u64),
            number::grouped(account.in_msgs),
            number::grouped(account.out_msgs),
            number::bytes(account.in_bytes),
            number::bytes(account.out_bytes),
            number::grouped(account.subscriptions),
        ]);
    }
    table
}

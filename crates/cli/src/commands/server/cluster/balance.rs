//! `nats server cluster balance`: disconnects clients of the servers that have more than their share,
//! spread over a while, so that they connect again elsewhere.

use std::time::Duration;

use serde_json::json;

use super::super::request::without_nulls;
use super::super::sys::{System, selected};
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};
use crate::output::{duration, number, prompt, time};
use crate::{note, say};

/// Connections asked of a server at a time.
const PAGE: u64 = 1024;

/// Pages that are asked for.
const MAX_PAGES: u64 = 1_000;

#[derive(clap::Args)]
pub(super) struct BalanceArgs {
    /// Spread balance requests over a certain duration
    #[arg(value_name = "DURATION", default_value = "2m", value_parser = duration::arg)]
    over: Duration,

    /// Restrict balancing to a specific server
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,

    /// Restrict balancing to servers in a specific cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// Balance connections that have been idle for a period
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    idle: Option<Duration>,

    /// Balance connections in a certain account only
    #[arg(long)]
    account: Option<String>,

    /// Balance connections interested in certain subjects; needs --account
    #[arg(long, requires = "account")]
    subject: Option<String>,

    /// Balance only certain kinds of connections
    #[arg(long, default_value = "Client", value_parser = ["Client", "Leafnode"])]
    kind: Vec<String>,

    /// Force rebalance without prompting
    #[arg(short, long)]
    force: bool,
}

/// A server and those of its connections that are meant.
#[derive(Debug, Default)]
struct Server {
    id: String,
    name: String,
    connections: Vec<Connection>,
}

#[derive(Clone, Debug)]
struct Connection {
    cid: u64,
    name: String,
    account: String,
}

impl BalanceArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let system = System::connect(app).await?;
        if !self.force {
            self.warn(&system).await?;
        }
        prompt::confirm_or_stop("Really re-balance connections", self.force)?;
        let servers = self.gather(&system).await?;
        let total: usize = servers.iter().map(|server| server.connections.len()).sum();
        let share = total.div_ceil(servers.len().max(1));
        note!(
            "{} connections on {} servers, {share} per server at most",
            number::grouped(total as u64),
            servers.len()
        );
        for server in &servers {
            let count = server.connections.len();
            note!("  Server {:?}: {count} connections", server.name);
        }
        let own = system.client().server_info();
        let mut surplus = surplus(&servers, share);
        surplus.retain(|(server, connection)| {
            server.id != own.server_id || connection.cid != own.client_id
        });
        let pause = self.over / u32::try_from(surplus.len().max(1)).unwrap_or(u32::MAX);
        let mut balanced = 0_u64;
        for (at, (server, connection)) in surplus.iter().enumerate() {
            if at > 0 {
                tokio::time::sleep(pause).await;
            }
            match disconnect(&system, server, connection).await {
                Ok(()) => balanced += 1,
                Err(error) => note!(
                    "Could not disconnect {} of {}: {error}",
                    connection.cid,
                    server.name
                ),
            }
        }
        say!("Balanced {} connections", number::grouped(balanced));
        Ok(())
    }

    async fn warn(&self, system: &System) -> Result<()> {
        say!(
            "Clients are disconnected whatever they are doing. They connect again as after any lost\n\
             connection, which can interrupt work that is under way.\n"
        );
        if self.cluster.is_some() {
            return Ok(());
        }
        let answers = system.documents("VARZ", &json!({}), 0).await?;
        let names = answers
            .iter()
            .map(|answer| answer.data().text("cluster.name"));
        let mut names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() > 1 {
            say!(
                "WARNING: {} clusters are balanced: --cluster names one of {}.\n",
                names.len(),
                names.join(", ")
            );
        }
        Ok(())
    }

    /// The servers that are meant with the connections that are meant.
    async fn gather(&self, system: &System) -> Result<Vec<Server>> {
        let mut servers: Vec<Server> = Vec::new();
        for page in 0..MAX_PAGES {
            let body = without_nulls(json!({
                "acc": self.account,
                "filter_subject": self.subject,
                "limit": PAGE,
                "offset": page * PAGE,
            }));
            let (name, cluster) = (self.server_name.as_deref(), self.cluster.as_deref());
            let body = selected(body, name, None, cluster, &[], "");
            let mut has_more = false;
            for answer in system.documents("CONNZ", &body, 0).await? {
                let (id, data) = (answer.server().text("id"), answer.data());
                let known = servers.iter().position(|server| server.id == id);
                let at = known.unwrap_or_else(|| {
                    servers.push(Server {
                        id: id.to_owned(),
                        name: answer.server().text("name").to_owned(),
                        connections: Vec::new(),
                    });
                    servers.len() - 1
                });
                let found = data.list("connections");
                has_more |= found.len() as u64 >= PAGE;
                let wanted = found.iter().filter(|found| self.is_meant(found));
                if let Some(server) = servers.get_mut(at) {
                    server.connections.extend(wanted.map(|found| Connection {
                        cid: found.count("cid"),
                        name: found.text("name").to_owned(),
                        account: found.text("account").to_owned(),
                    }));
                }
            }
            if !has_more {
                return Ok(servers);
            }
        }
        Err(
            Error::new("there are more connections than can be balanced")
                .hint("Balance some at a time: --server-name, --account, --idle."),
        )
    }

    fn is_meant(&self, found: &serde_json::Value) -> bool {
        let kind = match found.text("kind") {
            "" => "Client",
            kind => kind,
        };
        let is_idle = self.idle.is_none_or(|idle| {
            let last = found.time("last_activity");
            last.is_none_or(|last| time::since(last) > idle)
        });
        is_idle && self.kind.iter().any(|wanted| wanted == kind)
    }
}

/// What servers have above their share.
fn surplus(servers: &[Server], share: usize) -> Vec<(&Server, &Connection)> {
    let of = |server: &'_ Server| server.connections.len().saturating_sub(share);
    servers
        .iter()
        .flat_map(|server| {
            let surplus = server.connections.iter().take(of(server));
            surplus.map(move |connection| (server, connection))
        })
        .collect()
}

async fn disconnect(system: &System, server: &Server, connection: &Connection) -> Result<()> {
    let subject = format!("$SYS.REQ.SERVER.{}.KICK", server.id);
    let answers = system
        .ask(&subject, &json!({ "cid": connection.cid }), 1)
        .await?;
    if let Some(error) = answers.iter().find_map(|answer| answer.error()) {
        return Err(error);
    }
    let name = match connection.name.as_str() {
        "" => String::new(),
        name => format!(" ({name})"),
    };
    let account = match connection.account.as_str() {
        "" => String::new(),
        account => format!(" in account {account}"),
    };
    note!(
        "Balanced client {}{name}{account} on {}",
        connection.cid,
        server.name
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_above_the_share_moves() {
        let server = |name: &str, count: u64| Server {
            id: name.to_owned(),
            name: name.to_owned(),
            connections: (0..count)
                .map(|cid| Connection {
                    cid,
                    name: String::new(),
                    account: String::new(),
                })
                .collect(),
        };
        let servers = [server("a", 5), server("b", 1), server("c", 0)];
        let moved: Vec<_> = surplus(&servers, 2)
            .into_iter()
            .map(|(server, connection)| (server.name.as_str(), connection.cid))
            .collect();
        assert_eq!(moved, [("a", 0), ("a", 1), ("a", 2)]);
    }
}

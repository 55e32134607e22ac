//! `/accstatz`: connections and traffic of each account.

use cognate_process::text::rfc3339_nano;
use serde::Serialize;

use crate::facts::{AccountFacts, Monitored};
use crate::query::{BadQuery, Query};

/// Messages and bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Traffic {
    msgs: u64,
    bytes: u64,
}

/// Traffic by the kind of connection.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct TrafficByKind {
    msgs: u64,
    bytes: u64,
    gateways: Traffic,
    routes: Traffic,
    leafs: Traffic,
}

/// One account, also as events about its connections show it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccountStat {
    acc: String,
    name: String,
    conns: u64,
    leafnodes: u64,
    total_conns: u64,
    num_subscriptions: u64,
    sent: TrafficByKind,
    received: TrafficByKind,
    slow_consumers: u64,
}

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct AccStatz {
    server_id: String,
    now: String,
    account_statz: Vec<AccountStat>,
}

impl AccStatz {
    /// Answers a query from what `source` knows now: `unused` lists accounts without connections
    /// too, and `accounts` (names with commas between them) only some.
    pub(crate) fn new(source: &dyn Monitored, query: &Query) -> Result<Self, BadQuery> {
        let unused = query.boolean("unused")?;
        let names = query.value("accounts").map(String::from_utf8_lossy);
        let shown = |facts: &AccountFacts| unused || facts.connections > 0;
        let wanted = |facts: &AccountFacts| match &names {
            Some(names) => shown(facts) && names.split(',').any(|name| name == facts.name),
            None => shown(facts),
        };
        let server = source.server();
        let accounts = source.accounts().into_iter().filter(wanted);
        Ok(AccStatz {
            server_id: server.server_id,
            now: rfc3339_nano(server.now),
            account_statz: accounts.map(AccountStat::from).collect(),
        })
    }
}

impl From<AccountFacts> for AccountStat {
    fn from(facts: AccountFacts) -> Self {
        let traffic = |(msgs, bytes)| TrafficByKind {
            msgs,
            bytes,
            ..TrafficByKind::default()
        };
        AccountStat {
            acc: facts.name,
            name: facts.name_tag,
            conns: facts.clients,
            leafnodes: facts.leafnodes,
            total_conns: facts.connections,
            num_subscriptions: facts.subscriptions,
            sent: traffic(facts.sent),
            received: traffic(facts.received),
            slow_consumers: facts.slow_consumers,
        }
    }
}

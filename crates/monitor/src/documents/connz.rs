//! `/connz`: the connections, open, lately closed or both.
//!
//! `total` counts the connections in the wanted state (and account) before other filters, as in
//! nats-server. Only the connections on the page are turned into text, and the subscriptions of
//! open ones are looked up for the page alone. Deviations: an unknown account gives an empty
//! list, not null, with the server's id; `user`, `acc` and `mqtt_client` also apply with `cid`.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use cognate_process::text::rfc3339_nano;
use serde::Serialize;

use super::SubscriptionDetail;
use super::connections::{Connection, Identity, Sort};
use crate::facts::{ConnectionFacts, Monitored, SubscriptionFacts};
use crate::query::{BadQuery, Page, Query, SubscriptionList};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnzRequest {
    /// The order.
    pub sort: Sort,
    /// Whether users and accounts are shown.
    pub auth: bool,
    /// How subscriptions are listed.
    pub subscriptions: SubscriptionList,
    /// The part of the list.
    pub page: Page,
    /// Only this connection.
    pub cid: Option<u64>,
    /// Connections in which state.
    pub state: State,
    /// Only connections of this user.
    pub user: Option<Vec<u8>>,
    /// Only connections of this account.
    pub account: Option<Vec<u8>>,
    /// Only the connection of this MQTT client.
    pub mqtt_client: Option<Vec<u8>>,
    /// Only open connections with a subscription that overlaps with this filter.
    pub filter_subject: Option<Vec<u8>>,
}

/// States of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Open.
    Open,
    /// Closed and remembered.
    Closed,
    /// Both.
    Any,
    /// Neither: what a request over NATS asks for with a number that means nothing.
    Nothing,
}

impl ConnzRequest {
    /// Reads a query.
    pub fn parse(query: &Query) -> Result<Self, BadQuery> {
        let auth = query.boolean("auth")?;
        let subscriptions = query.subscription_list()?;
        let mut page = query.page()?;
        let cid = Some(query.unsigned("cid")?).filter(|&cid| cid > 0);
        if cid.is_some() {
            page.limit = 1;
        }
        let state = State::named(query.value("state").unwrap_or_default())?;
        let sort = Sort::named(query.value("sort").unwrap_or_default())?;
        match (sort, state) {
            (_, State::Closed) => Ok(()),
            (Sort::Stop, _) => Err("stop"),
            (Sort::Reason, _) => Err("reason"),
            _ => Ok(()),
        }
        .map_err(|sort| BadQuery(format!("sort by {sort} only valid on closed connections")))?;
        let owned = |name| query.value(name).map(<[u8]>::to_vec);
        let filter_subject = owned("filter_subject").filter(|filter| {
            // Everything has something in common with all subjects.
            !filter.is_empty() && filter != b">"
        });
        if filter_subject.is_some() && query.value("acc").is_none_or(<[u8]>::is_empty) {
            let reason = "filter by subject only valid with account filtering";
            return Err(BadQuery(reason.to_owned()));
        }
        Ok(ConnzRequest {
            sort,
            auth,
            subscriptions,
            page,
            cid,
            state,
            user: owned("user"),
            account: owned("acc"),
            mqtt_client: owned("mqtt_client"),
            filter_subject,
        })
    }

    fn wants(&self, facts: &ConnectionFacts) -> bool {
        self.cid.is_none_or(|cid| cid == facts.cid)
            && is(&self.user, &facts.authorized_user)
            && is(&self.mqtt_client, &facts.mqtt_client)
    }
}

fn is(wanted: &Option<Vec<u8>>, value: &str) -> bool {
    wanted
        .as_ref()
        .is_none_or(|wanted| wanted == value.as_bytes())
}

impl State {
    fn named(name: &[u8]) -> Result<Self, BadQuery> {
        match name.to_ascii_lowercase().as_slice() {
            b"" | b"open" => Ok(State::Open),
            b"closed" => Ok(State::Closed),
            b"any" | b"all" => Ok(State::Any),
            b"#" => Ok(State::Nothing),
            _ => {
                let name = String::from_utf8_lossy(name);
                Err(BadQuery(format!("Error decoding state for {name}")))
            }
        }
    }
}

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Connz {
    server_id: String,
    now: String,
    num_connections: usize,
    total: usize,
    offset: usize,
    limit: usize,
    connections: Vec<Connection>,
}

impl Connz {
    /// Answers `request` from what `source` knows now.
    pub(crate) fn new(source: &dyn Monitored, request: &ConnzRequest) -> Self {
        let server = source.server();
        let mut found = match request.state {
            State::Open => source.connections(),
            State::Closed => source.closed_connections().0,
            State::Any => all(source),
            State::Nothing => Vec::new(),
        };
        found.retain(|facts| is(&request.account, &facts.account));
        let total = found.len();
        found.retain(|facts| request.wants(facts));
        if let Some(filter) = &request.filter_subject {
            let fitting = with_subscription(source, filter);
            found.retain(|facts| facts.stop.is_some() || fitting.contains(&facts.cid));
        }
        request.sort.apply(&mut found, server.now);
        let page = found
            .into_iter()
            .skip(request.page.offset)
            .take(request.page.limit);
        let connections = shown(source, request, page.collect(), server.now);
        Connz {
            server_id: server.server_id,
            now: rfc3339_nano(server.now),
            num_connections: connections.len(),
            total,
            offset: request.page.offset,
            limit: request.page.limit,
            connections,
        }
    }
}

/// The connections with a subscription that overlaps with `filter`.
fn with_subscription(source: &dyn Monitored, filter: &[u8]) -> HashSet<u64> {
    let mut fitting = HashSet::new();
    source.subscriptions(&mut |subscription| {
        if cognate_subject::validate::overlaps(filter, subscription.subject.as_bytes()) {
            fitting.insert(subscription.cid);
        }
    });
    fitting
}

/// Open and closed ones. One that closes between the two snapshots is in both, and is shown closed.
fn all(source: &dyn Monitored) -> Vec<ConnectionFacts> {
    let mut all = source.connections();
    all.extend(source.closed_connections().0);
    all.sort_unstable_by_key(|facts| (facts.cid, facts.stop.is_none()));
    all.dedup_by_key(|facts| facts.cid);
    all
}

fn shown(
    source: &dyn Monitored,
    request: &ConnzRequest,
    page: Vec<ConnectionFacts>,
    now: SystemTime,
) -> Vec<Connection> {
    let identity = if request.auth {
        Identity::Shown
    } else {
        Identity::Omitted
    };
    let mut open = HashMap::new();
    let mut connections = Vec::with_capacity(page.len());
    for facts in page {
        let (cid, is_open) = (facts.cid, facts.stop.is_none());
        let closed_subscriptions = facts.closed_subscriptions.clone();
        let mut connection = Connection::new(facts, now, identity);
        match request.subscriptions {
            _ if is_open => drop(open.insert(cid, connections.len())),
            SubscriptionList::Omitted => {}
            SubscriptionList::Subjects => {
                let subjects = closed_subscriptions.iter().map(|one| one.subject.clone());
                connection.subscriptions_list = subjects.collect();
            }
            SubscriptionList::Detail => {
                let details = closed_subscriptions.iter();
                connection.subscriptions_list_detail = details
                    .map(|one| SubscriptionDetail::of_closed(one, cid))
                    .collect();
            }
        }
        connections.push(connection);
    }
    if request.subscriptions != SubscriptionList::Omitted && !open.is_empty() {
        source.subscriptions(&mut |subscription| {
            let place = open
                .get(&subscription.cid)
                .and_then(|&at| connections.get_mut(at));
            if let Some(connection) = place.filter(|_| !subscription.is_shadow) {
                list(connection, &subscription, request.subscriptions);
            }
        });
    }
    connections
}

fn list(to: &mut Connection, subscription: &SubscriptionFacts<'_>, how: SubscriptionList) {
    match how {
        SubscriptionList::Omitted => {}
        SubscriptionList::Subjects => to.subscriptions_list.push(subscription.subject.to_owned()),
        SubscriptionList::Detail => {
            to.subscriptions_list_detail
                .push(SubscriptionDetail::of_connection(subscription));
        }
    }
}

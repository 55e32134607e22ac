//! Events: clients come and go, accounts change in size, the server stops.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognate_process::text::rfc3339_nano;
use cognate_wire::CloseReason;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Event, System};
use crate::client_info::{Telling, client_info};
use crate::data::{Account, Connection, GLOBAL, Totals};
use crate::ocsp::peers::{REFUSED, Refused, fingerprint};

const CONNECT: &str = "io.nats.server.advisory.v1.client_connect";
const DISCONNECT: &str = "io.nats.server.advisory.v1.client_disconnect";
const CONNECTIONS: &str = "io.nats.server.advisory.v1.account_connections";

const PEER_REJECT: &str = "io.nats.server.advisory.v1.ocsp_peer_reject";
const LINK_INVALID: &str = "io.nats.server.advisory.v1.ocsp_peer_link_invalid";

/// What an account is told of clients that were not let in.
const REFUSED_LOGIN: &str = "$SYS.ACCOUNT.CLIENT.AUTH.ERR";

/// A certificate in an event.
fn certificate_info(der: &[u8]) -> Value {
    let (subject, issuer) = cognate_tls::names_of(der);
    json!({
        "subject": subject,
        "issuer": issuer,
        "fingerprint": fingerprint(der),
        "raw": STANDARD.encode(der),
    })
}

impl System {
    /// Publishes what an event has to say, where somebody listens.
    pub(super) fn publish_event(&self, event: Event) {
        match event {
            Event::Connected(connection) => self.connected(&connection),
            Event::Left(connection, reason) => self.left(&connection, reason),
            Event::Refused(connection, account, reason) => {
                self.refused_login(&connection, &account, &reason);
            }
            Event::Traced(trace) => self.traced(*trace),
            Event::Taken(taken) => self.taken(&taken),
            Event::PeerRefused(refused) => self.peer_refused(&refused),
            Event::LameDuck => self.announce("LAMEDUCK"),
            Event::Shutdown(told) => {
                self.announce("SHUTDOWN");
                // Whoever waits may have gone.
                let _ = told.send(());
            }
        }
    }

    /// Publishes the server's figures, if somebody listens.
    pub(super) fn publish_statsz(&self) {
        let subject = format!("$SYS.SERVER.{}.STATSZ", self.shared.facts.server_id);
        if self.is_heard(&subject) {
            self.publish(&subject, &self.statsz());
        }
    }

    /// Says of accounts how many connections they have if that was not said for a while.
    pub(super) fn repeat_connections(&self) {
        let now = Instant::now();
        loop {
            // Saying it makes the account due again.
            let due = self.heartbeats.lock().take_due(now);
            let Some(name) = due else { return };
            if let Some(account) = self.shared.accounts.get(&name) {
                self.account_changed(&account);
            }
        }
    }

    fn announce(&self, what: &str) {
        let subject = format!("$SYS.SERVER.{}.{what}", self.shared.facts.server_id);
        if self.is_heard(&subject) {
            self.publish(&subject, self.server_info().to_string().as_bytes());
        }
    }

    fn connected(&self, connection: &Arc<Connection>) {
        let Some(account) = connection.account() else {
            return;
        };
        self.account_changed(&account);
        let subject = format!("$SYS.ACCOUNT.{}.CONNECT", account.name);
        if self.is_heard(&subject) {
            let mut members = Map::new();
            let mut client = self.client(connection, None);
            if let Value::Object(client) = &mut client {
                // It was not measured when the client was let in.
                client.remove("rtt");
            }
            members.insert("client".to_owned(), client);
            self.publish(&subject, &self.event(CONNECT, members));
        }
    }

    fn left(&self, connection: &Arc<Connection>, reason: CloseReason) {
        let account = connection.account();
        let name = account.as_ref().map_or(GLOBAL, |account| &account.name);
        let refused = matches!(
            reason,
            CloseReason::AuthenticationFailure
                | CloseReason::ProxyRequired
                | CloseReason::ProxyNotTrusted
        );
        if refused && !connection.is_dismissed() {
            let subject = format!(
                "$SYS.SERVER.{}.CLIENT.AUTH.ERR",
                self.shared.facts.server_id
            );
            if self.is_heard(&subject) {
                self.publish(
                    &subject,
                    &self.disconnect(connection, None, reason.as_str()),
                );
            }
        }
        let subject = format!("$SYS.ACCOUNT.{name}.DISCONNECT");
        if self.is_heard(&subject) {
            self.publish(
                &subject,
                &self.disconnect(connection, None, reason.as_str()),
            );
        }
        if let Some(account) = account {
            self.account_changed(&account);
        }
    }

    /// Tells the users of an account of a client that was not let in.
    fn refused_login(&self, connection: &Connection, account: &Arc<Account>, reason: &str) {
        if account.has_interest(REFUSED_LOGIN.as_bytes(), None) {
            let event = self.disconnect(connection, Some(&account.name), reason);
            self.publish_in(account, REFUSED_LOGIN, &event);
        }
    }

    /// Tells of a client whose certificate is not good.
    fn peer_refused(&self, refused: &Refused) {
        let id = &self.shared.facts.server_id;
        let subject = format!("$SYS.SERVER.{id}.OCSP.PEER.LINK.INVALID");
        if let Some((link, reason)) = &refused.link
            && self.is_heard(&subject)
        {
            let mut members = Map::new();
            members.insert("link".to_owned(), certificate_info(link));
            members.insert("peer".to_owned(), certificate_info(&refused.peer));
            members.insert("reason".to_owned(), reason.as_str().into());
            self.publish(&subject, &self.event(LINK_INVALID, members));
        }
        let subject = format!("$SYS.SERVER.{id}.OCSP.PEER.CONN.REJECT");
        if self.is_heard(&subject) {
            let mut members = Map::new();
            members.insert("kind".to_owned(), "Client".into());
            members.insert("peer".to_owned(), certificate_info(&refused.peer));
            members.insert("reason".to_owned(), REFUSED.into());
            self.publish(&subject, &self.event(PEER_REJECT, members));
        }
    }

    /// A client that leaves, `account` being the one that it wanted to be in, if it is in none.
    fn disconnect(&self, connection: &Connection, account: Option<&str>, reason: &str) -> Vec<u8> {
        let traffic = |totals: Totals| json!({"msgs": totals.msgs, "bytes": totals.bytes});
        let mut members = Map::new();
        let mut client = self.client(connection, Some(SystemTime::now()));
        if let Some(account) = account {
            client["acc"] = account.into();
        }
        members.insert("client".to_owned(), client);
        // As the client sees it.
        members.insert("sent".to_owned(), traffic(connection.received()));
        members.insert("received".to_owned(), traffic(connection.outbound.totals()));
        members.insert("reason".to_owned(), reason.into());
        self.event(DISCONNECT, members)
    }

    /// Says how many connections an account has now. Nobody is told of the global account.
    fn account_changed(&self, account: &Account) {
        let name = &account.name;
        if name == GLOBAL {
            return;
        }
        let in_use = account.clients() > 0;
        let mut heartbeats = self.heartbeats.lock();
        heartbeats.handle_report(name, in_use, Instant::now());
        drop(heartbeats);
        let subjects = [
            format!("$SYS.SERVER.ACCOUNT.{name}.CONNS"),
            format!("$SYS.ACCOUNT.{name}.SERVER.CONNS"),
        ];
        for subject in subjects.iter().filter(|subject| self.is_heard(subject)) {
            if let Some(body) = self.account_connections(name) {
                self.publish(subject, &body);
            }
        }
    }

    /// The event about an account's connections, which can be asked for as well.
    pub(super) fn account_connections(&self, name: &str) -> Option<Vec<u8>> {
        let members = self.documents.account_stat(name)?;
        Some(self.event(CONNECTIONS, members))
    }

    /// A client in an event. Its name for people is its account's.
    fn client(&self, connection: &Connection, stop: Option<SystemTime>) -> Value {
        let mut info = client_info(&self.shared, connection, Telling::Everything);
        info.server.clear();
        let account = connection.account();
        let tag = account.and_then(|account| account.spec().name_tag.clone());
        info.name_tag = tag.unwrap_or_else(|| info.acc.clone());
        let mut value = serde_json::to_value(&info).unwrap_or_default();
        if let Some(stop) = stop {
            value["stop"] = rfc3339_nano(stop).into();
        }
        value
    }
}

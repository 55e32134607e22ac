//! One connection as `/connz` shows it, and the orders a list of them can have.
//!
//! Called by `connz`. Absent: filters and paging.

use std::cmp::{Ordering, Reverse};
use std::time::{Duration, SystemTime};

use cognate_process::text::{duration_text, rfc3339_nano, uptime_text};
use serde::Serialize;

use super::SubscriptionDetail;
use super::varz::between;
use crate::answer::{is_false, is_zero};
use crate::facts::{ClosedSubscription, ConnectionFacts, PeerCertificate};
use crate::query::BadQuery;

/// The account that needs no naming.
const GLOBAL_ACCOUNT: &str = "$G";

/// A connection. The order of the fields is the order in the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Connection {
    cid: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'static str,
    #[serde(rename = "type", skip_serializing_if = "str::is_empty")]
    client_type: &'static str,
    ip: String,
    port: u16,
    start: String,
    last_activity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    rtt: String,
    uptime: String,
    idle: String,
    pending_bytes: u64,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    stalls: u64,
    subscriptions: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    lang: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_cipher_suite: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tls_peer_certs: Vec<Certificate>,
    #[serde(skip_serializing_if = "is_false")]
    tls_first: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    authorized_user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) subscriptions_list_detail: Vec<SubscriptionDetail>,
    #[serde(skip_serializing_if = "String::is_empty")]
    jwt: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    issuer_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name_tag: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    mqtt_client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Proxy>,
}

#[derive(Debug, Serialize)]
struct Certificate {
    #[serde(skip_serializing_if = "String::is_empty")]
    subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    spki_sha256: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cert_sha256: String,
}

#[derive(Debug, Serialize)]
struct Proxy {
    key: String,
}

/// Whether the document tells who a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// User, account, certificates and tags are shown.
    Shown,
    /// They are left out.
    Omitted,
}

impl Connection {
    /// The connection without its subscriptions.
    pub(crate) fn new(facts: ConnectionFacts, now: SystemTime, identity: Identity) -> Self {
        let facts = match identity {
            Identity::Shown => with_tagged_account(facts),
            Identity::Omitted => without_identity(facts),
        };
        let until = facts.stop.unwrap_or(now);
        Connection {
            cid: facts.cid,
            kind: facts.kind,
            client_type: facts.client_type,
            ip: facts.ip,
            port: facts.port,
            start: rfc3339_nano(facts.start),
            last_activity: rfc3339_nano(facts.last_activity),
            stop: facts.stop.map(rfc3339_nano),
            reason: facts.reason,
            rtt: rtt_text(facts.rtt),
            uptime: uptime_text(between(facts.start, until)),
            idle: uptime_text(between(facts.last_activity, until)),
            pending_bytes: facts.pending_bytes,
            in_msgs: facts.in_msgs,
            out_msgs: facts.out_msgs,
            in_bytes: facts.in_bytes,
            out_bytes: facts.out_bytes,
            stalls: facts.stalls,
            subscriptions: facts.subscriptions,
            name: facts.name,
            lang: facts.lang,
            version: facts.version,
            tls_version: facts.tls_version,
            tls_cipher_suite: facts.tls_cipher_suite,
            tls_peer_certs: facts
                .tls_peer_certs
                .into_iter()
                .map(Certificate::from)
                .collect(),
            tls_first: facts.tls_first,
            authorized_user: facts.authorized_user,
            account: facts.account,
            subscriptions_list: Vec::new(),
            subscriptions_list_detail: Vec::new(),
            jwt: facts.jwt,
            issuer_key: facts.issuer_key,
            name_tag: facts.name_tag,
            tags: facts.tags,
            mqtt_client: facts.mqtt_client,
            proxy: (!facts.proxy_key.is_empty()).then_some(Proxy {
                key: facts.proxy_key,
            }),
        }
    }
}

impl From<PeerCertificate> for Certificate {
    fn from(certificate: PeerCertificate) -> Self {
        let PeerCertificate {
            subject,
            spki_sha256,
            cert_sha256,
        } = certificate;
        Certificate {
            subject,
            spki_sha256,
            cert_sha256,
        }
    }
}

impl SubscriptionDetail {
    /// A subscription that connection `cid` had when it ended.
    pub(crate) fn of_closed(subscription: &ClosedSubscription, cid: u64) -> Self {
        SubscriptionDetail {
            subject: subscription.subject.clone(),
            qgroup: subscription.queue.clone(),
            sid: subscription.sid.clone(),
            msgs: subscription.msgs,
            max: subscription.max,
            cid,
            ..SubscriptionDetail::default()
        }
    }
}

/// An open connection in the global account has that account's name as its tag; a closed one
/// there has none. That is how nats-server shows them.
fn with_tagged_account(mut facts: ConnectionFacts) -> ConnectionFacts {
    let global = facts.account == GLOBAL_ACCOUNT;
    if facts.name_tag.is_empty() && !(global && facts.stop.is_some()) {
        facts.name_tag = facts.account.clone();
    }
    if global {
        facts.account.clear();
    }
    facts
}

fn without_identity(facts: ConnectionFacts) -> ConnectionFacts {
    ConnectionFacts {
        tls_peer_certs: Vec::new(),
        authorized_user: String::new(),
        account: String::new(),
        jwt: String::new(),
        issuer_key: String::new(),
        name_tag: String::new(),
        tags: Vec::new(),
        ..facts
    }
}

/// Between a microsecond and a millisecond, round-trip times are cut to whole microseconds.
fn rtt_text(rtt: Duration) -> String {
    const MICROSECOND: Duration = Duration::from_micros(1);
    const MILLISECOND: Duration = Duration::from_millis(1);
    let cut = rtt > MICROSECOND && rtt < MILLISECOND;
    duration_text(if cut {
        Duration::from_micros(u64::from(rtt.subsec_micros()))
    } else {
        rtt
    })
}

/// An order of connections. Those that are equal in it are ordered by `cid`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By connection id, the lowest first (`cid`, `start`).
    #[default]
    Cid,
    /// Most subscriptions first.
    Subs,
    /// Most waiting bytes first.
    Pending,
    /// Most messages sent to it first.
    MsgsTo,
    /// Most messages received from it first.
    MsgsFrom,
    /// Most bytes sent to it first.
    BytesTo,
    /// Most bytes received from it first.
    BytesFrom,
    /// Latest activity first.
    Last,
    /// Longest without activity first.
    Idle,
    /// Shortest life first.
    Uptime,
    /// Longest round trip first.
    Rtt,
    /// Latest end first.
    Stop,
    /// By reason, alphabetically.
    Reason,
}

impl Sort {
    /// The order named `name`.
    pub(crate) fn named(name: &[u8]) -> Result<Self, BadQuery> {
        Ok(match name {
            b"" | b"cid" | b"start" => Sort::Cid,
            b"subs" => Sort::Subs,
            b"pending" => Sort::Pending,
            b"msgs_to" => Sort::MsgsTo,
            b"msgs_from" => Sort::MsgsFrom,
            b"bytes_to" => Sort::BytesTo,
            b"bytes_from" => Sort::BytesFrom,
            b"last" => Sort::Last,
            b"idle" => Sort::Idle,
            b"uptime" => Sort::Uptime,
            b"rtt" => Sort::Rtt,
            b"stop" => Sort::Stop,
            b"reason" => Sort::Reason,
            _ => {
                let name = String::from_utf8_lossy(name);
                return Err(BadQuery(format!("invalid sorting option: {name}")));
            }
        })
    }

    /// Orders connections as of `now`.
    pub(crate) fn apply(self, list: &mut [ConnectionFacts], now: SystemTime) {
        list.sort_unstable_by(|a, b| self.compare(a, b, now).then(a.cid.cmp(&b.cid)));
    }

    fn compare(self, a: &ConnectionFacts, b: &ConnectionFacts, now: SystemTime) -> Ordering {
        match self {
            Sort::Cid => Ordering::Equal,
            Sort::Subs => b.subscriptions.cmp(&a.subscriptions),
            Sort::Pending => b.pending_bytes.cmp(&a.pending_bytes),
            Sort::MsgsTo => b.out_msgs.cmp(&a.out_msgs),
            Sort::MsgsFrom => b.in_msgs.cmp(&a.in_msgs),
            Sort::BytesTo => b.out_bytes.cmp(&a.out_bytes),
            Sort::BytesFrom => b.in_bytes.cmp(&a.in_bytes),
            Sort::Last => b.last_activity.cmp(&a.last_activity),
            // As of one moment, the longest idle is the one active the longest ago.
            Sort::Idle => a.last_activity.cmp(&b.last_activity),
            Sort::Uptime => lived(a, now).cmp(&lived(b, now)),
            Sort::Rtt => b.rtt.cmp(&a.rtt),
            Sort::Stop => Reverse(a.stop).cmp(&Reverse(b.stop)),
            Sort::Reason => a.reason.cmp(b.reason),
        }
    }
}

fn lived(facts: &ConnectionFacts, now: SystemTime) -> Duration {
    between(facts.start, facts.stop.unwrap_or(now))
}

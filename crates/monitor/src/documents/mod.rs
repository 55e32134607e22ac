//! The documents, one module per endpoint.
//!
//! Invariants: each is a pure function of facts and a parsed query, so a document can be made for
//! HTTP and for a request over NATS alike; fields come in the order, with the names and types and
//! the omissions of nats-server 2.14.5. Absent: HTTP.

pub(crate) mod absent;
pub(crate) mod accountz;
pub(crate) mod accstatz;
pub(crate) mod connections;
pub(crate) mod connz;
pub(crate) mod expvarz;
pub(crate) mod healthz;
pub(crate) mod index;
pub(crate) mod jetstream;
pub(crate) mod jetstream_metrics;
pub(crate) mod jsz;
pub(crate) mod metrics;
pub(crate) mod subsz;
pub(crate) mod varz;

use serde::Serialize;

/// Subscription as lists with details show it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct SubscriptionDetail {
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    account_tag: String,
    subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    qgroup: String,
    sid: String,
    msgs: u64,
    #[serde(skip_serializing_if = "crate::answer::is_zero")]
    max: u64,
    cid: u64,
}

//! Fields that several claims share, and how Go leaves out what is empty.

use super::validation::{Issues, check_permission};
use serde::{Deserialize, Deserializer, Serialize};

pub(super) fn is_empty(text: &str) -> bool {
    text.is_empty()
}

pub(super) fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// Lists of subjects for publishing and subscribing, and permission to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// What may be published.
    #[serde(rename = "pub")]
    pub publish: Permission,
    /// What may be subscribed to; entries may name a queue.
    #[serde(rename = "sub")]
    pub subscribe: Permission,
    /// Permission to answer requests.
    #[serde(rename = "resp", skip_serializing_if = "Option::is_none")]
    pub responses: Option<ResponsePermission>,
}

impl Permissions {
    pub(super) fn validate(&self, issues: &mut Issues) {
        check_permission(&self.subscribe, true, issues);
        check_permission(&self.publish, false, issues);
    }
}

/// An allow and a deny list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permission {
    /// What is allowed; empty means everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// What is denied even if allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// How many answers to a request are allowed, and for how long. 0 stands for the defaults,
/// negative numbers for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponsePermission {
    /// Messages.
    pub max: i64,
    /// Nanoseconds.
    pub ttl: i64,
}

/// A time of day, `HH:MM:SS`, from which to another one connecting is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeRange {
    /// The beginning.
    #[serde(skip_serializing_if = "is_empty")]
    pub start: String,
    /// The end; before the beginning it is one of the next day.
    #[serde(skip_serializing_if = "is_empty")]
    pub end: String,
}

/// Reads networks as a list, or as one text with commas as in old tokens.
pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Networks {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Networks::deserialize(from)? {
        Networks::List(list) => list,
        Networks::Text(text) => {
            let mut list = Vec::<String>::new();
            for network in text.split(',') {
                let network = network.trim().to_lowercase();
                if !network.is_empty() && !list.contains(&network) {
                    list.push(network);
                }
            }
            list
        }
    })
}

/// Implements what [`super::Body::prepare`] does to every body.
macro_rules! prepare_generic {
    ($body:expr) => {{
        $body.kind = Self::TYPE.to_owned();
        $body.version = super::codec::VERSION;
    }};
}
pub(super) use prepare_generic;

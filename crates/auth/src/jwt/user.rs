//! Claims about a user: what it may do, when and from where.

use super::fields::{
    Permissions, ResponsePermission, TimeRange, is_empty, is_zero, networks, prepare_generic,
};
use super::limits::NatsLimits;
use super::validation::Issues;
use super::{Body, Registered};
use crate::nkey::{Kind, PublicKey};
use crate::source_net::Network;
use crate::time_window;
use serde::{Deserialize, Serialize};

/// What a user may do; also the template of a scoped signing key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserPermissionLimits {
    /// What may be published and subscribed to.
    #[serde(flatten)]
    pub permissions: Permissions,
    /// Networks (CIDR) the user may come from; empty is anywhere.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "networks")]
    pub src: Vec<String>,
    /// Times of day at which the user may be connected; empty is always.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<TimeRange>,
    /// The time zone that `times` are in (IANA name); the server's if empty.
    #[serde(rename = "times_location", skip_serializing_if = "is_empty")]
    pub locale: String,
    /// Subscriptions and payload.
    #[serde(flatten)]
    pub limits: NatsLimits,
    /// Whether the token alone is enough, without a signature of the nonce.
    #[serde(skip_serializing_if = "is_zero")]
    pub bearer_token: bool,
    /// Whether the user must come through a trusted proxy.
    #[serde(skip_serializing_if = "is_zero")]
    pub proxy_required: bool,
    /// Types of connection the user may use; empty is any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_connection_types: Vec<String>,
}

impl UserPermissionLimits {
    /// No permissions and no limits: what users of a scoped signing key must have.
    pub fn is_empty(&self) -> bool {
        *self == UserPermissionLimits::default()
    }

    /// Everything allowed, nothing limited: what new users are given.
    pub fn unlimited() -> Self {
        UserPermissionLimits {
            limits: NatsLimits::NONE,
            ..UserPermissionLimits::default()
        }
    }

    fn validate(&self, issues: &mut Issues) {
        self.permissions.validate(issues);
        for network in &self.src {
            if Network::parse(network).is_none() {
                issues.error(format!("invalid cidr {network:?} in user src limits"));
            }
        }
        for range in &self.times {
            for (name, text) in [("start", &range.start), ("end", &range.end)] {
                if text.is_empty() {
                    issues.error(format!("time ranges {name} must contain a {name}"));
                } else if time_window::parse_time(text).is_none() {
                    issues.error(format!("{name} in time range is invalid {text:?}"));
                }
            }
        }
        if !self.locale.is_empty() && time_window::zone(&self.locale).is_none() {
            issues.error(format!(
                "could not parse iana time zone by name: {:?}",
                self.locale
            ));
        }
    }
}

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// What the user may do.
    #[serde(flatten)]
    pub allowed: UserPermissionLimits,
    /// The account, if a signing key issued the token.
    #[serde(skip_serializing_if = "is_empty")]
    pub issuer_account: String,
    /// Tags in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `user`.
    #[serde(rename = "type", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// Of the format.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: i64,
}

impl Body for User {
    const TYPE: &'static str = "user";
    const ISSUERS: &'static [Kind] = &[Kind::Account];
    const SUBJECT: Option<Kind> = Some(Kind::User);

    fn validate(&self, _: &Registered, issues: &mut Issues) {
        self.allowed.validate(issues);
        check_issuer_account(&self.issuer_account, issues);
    }

    fn prepare(&mut self) {
        prepare_generic!(self);
    }
}

pub(super) fn check_issuer_account(account: &str, issues: &mut Issues) {
    let valid = PublicKey::parse(account).is_ok_and(|key| key.kind() == Kind::Account);
    if !account.is_empty() && !valid {
        issues.error("account_id is not an account public key");
    }
}

impl ResponsePermission {
    /// The limits with their defaults filled in.
    pub fn limits(&self) -> crate::permissions::ResponseLimits {
        let defaults = crate::permissions::ResponseLimits::default();
        crate::permissions::ResponseLimits {
            max_messages: match self.max {
                0 => defaults.max_messages,
                max => u32::try_from(max).ok(),
            },
            expires: match self.ttl {
                0 => defaults.expires,
                ttl => u64::try_from(ttl).ok().map(std::time::Duration::from_nanos),
            },
        }
    }
}

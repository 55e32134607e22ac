//! Claims about an account: what it exports, imports, allows and may use.

use super::exports::{self, Export};
use super::fields::{Permissions, is_empty, is_zero, prepare_generic};
use super::imports::{self, Import};
use super::limits::{JetStreamTier, OperatorLimits};
use super::signing_keys::SigningKeys;
use super::validation::{Issues, check_info, check_subject, has_wildcards};
use super::{Body, NO_LIMIT, Registered};
use crate::nkey::{Kind, PublicKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `cluster_traffic`: replicas talk in the system account.
pub const TRAFFIC_SYSTEM: &str = "system";
/// `cluster_traffic`: replicas talk in the account itself.
pub const TRAFFIC_OWNER: &str = "owner";

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// What it takes from others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<Import>,
    /// What it offers to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<Export>,
    /// What the operator allows it.
    pub limits: OperatorLimits,
    /// Keys that sign users in its name.
    #[serde(skip_serializing_if = "SigningKeys::is_empty")]
    pub signing_keys: SigningKeys,
    /// User tokens that no longer count: user key or `*`, and the time of issue up to which.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub revocations: BTreeMap<String, i64>,
    /// Permissions of users who have none of their own.
    pub default_permissions: Permissions,
    /// Rewriting of published subjects.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mappings: BTreeMap<String, Vec<WeightedMapping>>,
    /// Who decides about its users, if not their tokens.
    pub authorization: ExternalAuthorization,
    /// Where traces of messages go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<MsgTrace>,
    /// [`TRAFFIC_SYSTEM`], [`TRAFFIC_OWNER`] or empty for the first.
    #[serde(skip_serializing_if = "is_empty")]
    pub cluster_traffic: String,
    /// What it is for.
    #[serde(skip_serializing_if = "is_empty")]
    pub description: String,
    /// Where to read more.
    #[serde(skip_serializing_if = "is_empty")]
    pub info_url: String,
    /// Tags in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `account`.
    #[serde(rename = "type", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// Of the format.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: i64,
}

/// One destination of a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeightedMapping {
    /// Where to.
    pub subject: String,
    /// Percent of the messages; 0 stands for 100.
    #[serde(skip_serializing_if = "is_zero")]
    pub weight: u8,
    /// Only in the cluster of this name.
    #[serde(skip_serializing_if = "is_empty")]
    pub cluster: String,
}

impl WeightedMapping {
    /// The percentage meant.
    pub fn percent(&self) -> u8 {
        match self.weight {
            0 => 100,
            weight => weight,
        }
    }
}

/// Auth callout of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExternalAuthorization {
    /// Users that are let in by their tokens alone, the service's own among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub auth_users: Vec<String>,
    /// Accounts in which the service may place users; `*` is all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_accounts: Vec<String>,
    /// The service's public curve nkey, if requests are to be sealed.
    #[serde(skip_serializing_if = "is_empty")]
    pub xkey: String,
}

/// Message tracing of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MsgTrace {
    /// Where traces go.
    #[serde(rename = "dest", skip_serializing_if = "is_empty")]
    pub destination: String,
    /// Percent of the messages; 0 stands for 100.
    #[serde(skip_serializing_if = "is_zero")]
    pub sampling: i64,
}

impl Body for Account {
    const TYPE: &'static str = "account";
    const ISSUERS: &'static [Kind] = &[Kind::Account, Kind::Operator];
    const SUBJECT: Option<Kind> = Some(Kind::Account);

    fn validate(&self, registered: &Registered, issues: &mut Issues) {
        imports::validate_all(&self.imports, &registered.subject, issues);
        exports::validate_all(&self.exports, issues);
        self.limits.validate(issues);
        self.default_permissions.validate(issues);
        self.check_mappings(issues);
        self.authorization.validate(issues);
        self.check_trace(issues);
        self.check_quotas(issues);
        self.signing_keys.validate(issues);
        check_info(&self.description, &self.info_url, issues);
        let traffic = self.cluster_traffic.as_str();
        if !["", TRAFFIC_SYSTEM, TRAFFIC_OWNER].contains(&traffic) {
            issues.error(format!("unknown cluster traffic option: {traffic:?}"));
        }
        if is_key(&registered.issuer, Kind::Account) && !self.limits.is_empty() {
            issues.warning("self-signed account JWTs shouldn't contain operator limits");
        }
    }

    fn prepare(&mut self) {
        self.exports.sort_by(|a, b| a.subject.cmp(&b.subject));
        self.imports.sort_by(|a, b| a.subject.cmp(&b.subject));
        prepare_generic!(self);
    }

    fn settle(&mut self) {
        // Tiers win.
        if !self.limits.tiered_limits.is_empty() {
            self.limits.jetstream = JetStreamTier::default();
        }
    }
}

impl Account {
    fn check_mappings(&self, issues: &mut Issues) {
        for (source, destinations) in &self.mappings {
            check_subject(source, issues);
            let mut totals = BTreeMap::<&str, u32>::new();
            for destination in destinations {
                check_subject(&destination.subject, issues);
                let percent = destination.percent();
                if percent > 100 {
                    issues.error(format!(
                        "Mapping {source:?} has a weight {percent} that exceeds 100"
                    ));
                }
                let total = totals.entry(&destination.cluster).or_default();
                *total = total.saturating_add(u32::from(percent));
            }
            for (cluster, _) in totals.iter().filter(|(_, total)| **total > 100) {
                let scope = match *cluster {
                    "" => String::new(),
                    cluster => format!(" in cluster {cluster:?}"),
                };
                issues.error(format!(
                    "Mapping {source:?}{scope} exceeds 100% among all of it's weighted to mappings"
                ));
            }
        }
    }

    fn check_trace(&self, issues: &mut Issues) {
        let Some(trace) = &self.trace else {
            return;
        };
        let destination = &trace.destination;
        check_subject(destination, issues);
        if has_wildcards(destination) {
            issues.error(format!(
                "the account Trace.Destination subject {destination:?} is not a valid publish \
                 subject"
            ));
        }
        if !(0..=100).contains(&trace.sampling) {
            issues.error(format!(
                "the account Trace.Sampling value '{}' is not valid, should be in the range \
                 [1..100]",
                trace.sampling
            ));
        }
    }

    fn check_quotas(&self, issues: &mut Issues) {
        let quotas = &self.limits.account;
        let exceeds = |count: usize, quota: i64| {
            quota != NO_LIMIT && i64::try_from(count).unwrap_or(i64::MAX) > quota
        };
        if exceeds(self.imports.len(), quotas.imports) {
            issues.error("the account contains more imports than allowed by the operator");
        }
        if exceeds(self.exports.len(), quotas.exports) {
            issues.error("the account contains more exports than allowed by the operator");
        }
        let wild = |export: &Export| has_wildcards(&export.subject);
        if quotas.exports != NO_LIMIT && !quotas.wildcard_exports && self.exports.iter().any(wild) {
            issues.error(
                "the account contains wildcard exports that are not allowed by the operator",
            );
        }
    }
}

impl ExternalAuthorization {
    /// Whether users are delegated at all.
    pub fn is_enabled(&self) -> bool {
        !self.auth_users.is_empty()
    }

    fn validate(&self, issues: &mut Issues) {
        if !self.allowed_accounts.is_empty() && self.auth_users.is_empty() {
            issues.error("External authorization cannot have accounts without users specified");
        }
        for user in &self.auth_users {
            if !is_key(user, Kind::User) {
                issues.error(format!("AuthUser {user:?} is not a valid user public key"));
            }
        }
        for account in &self.allowed_accounts {
            if account == "*" {
                if self.allowed_accounts.len() > 1 {
                    issues.error("AllowedAccounts can only be a list of accounts or \"*\"");
                }
            } else if !is_key(account, Kind::Account) {
                issues.error(format!(
                    "Account {account:?} is not a valid account public key"
                ));
            }
        }
        if !self.xkey.is_empty() && !is_key(&self.xkey, Kind::Curve) {
            issues.error(format!("XKey {:?} is not a valid public xkey", self.xkey));
        }
    }
}

fn is_key(text: &str, kind: Kind) -> bool {
    PublicKey::parse(text).is_ok_and(|key| key.kind() == kind)
}

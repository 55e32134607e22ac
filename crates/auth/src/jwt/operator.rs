//! Claims about an operator: whose signatures on accounts count.

use super::fields::{is_empty, is_zero, prepare_generic};
use super::validation::{Issues, is_scheme};
use super::{Body, Registered};
use crate::nkey::{Kind, PublicKey};
use serde::{Deserialize, Serialize};

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Operator {
    /// Other operator keys that sign accounts in its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signing_keys: Vec<String>,
    /// Where account tokens are served, for tools and as the default URL resolver.
    #[serde(skip_serializing_if = "is_empty")]
    pub account_server_url: String,
    /// Where tools connect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operator_service_urls: Vec<String>,
    /// The system account's public key.
    #[serde(skip_serializing_if = "is_empty")]
    pub system_account: String,
    /// The oldest server that may run with it, `major.minor.patch`.
    #[serde(skip_serializing_if = "is_empty")]
    pub assert_server_version: String,
    /// Whether accounts and users may be signed by signing keys only.
    #[serde(skip_serializing_if = "is_zero")]
    pub strict_signing_key_usage: bool,
    /// Tags in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `operator`.
    #[serde(rename = "type", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// Of the format.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: i64,
}

impl Operator {
    /// `assert_server_version` as numbers, all zero if there is none.
    ///
    /// # Errors
    /// If it is not three numbers with dots between.
    pub fn server_version(&self) -> Result<[u32; 3], String> {
        let text = self.assert_server_version.as_str();
        if text.is_empty() {
            return Ok([0; 3]);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [major, minor, update] = parts[..] else {
            let form = "asserted server version must be of the form <major>.<minor>.<update>";
            return Err(form.to_owned());
        };
        let number = |text: &str| {
            let error = || format!("asserted server version cant parse {text:?} to int");
            text.parse().map_err(|_| error())
        };
        Ok([number(major)?, number(minor)?, number(update)?])
    }
}

impl Body for Operator {
    const TYPE: &'static str = "operator";
    const ISSUERS: &'static [Kind] = &[Kind::Operator];
    const SUBJECT: Option<Kind> = Some(Kind::Operator);

    fn validate(&self, _: &Registered, issues: &mut Issues) {
        let url = &self.account_server_url;
        if !url.is_empty() && !is_scheme(url.split_once(':').unwrap_or_default().0) {
            issues.error(format!("account server url {url:?} requires a protocol"));
        }
        for url in self.operator_service_urls.iter().filter(|u| !u.is_empty()) {
            check_service_url(url, issues);
        }
        let is_key = |text: &str, kind| PublicKey::parse(text).is_ok_and(|key| key.kind() == kind);
        for key in &self.signing_keys {
            if !is_key(key, Kind::Operator) {
                issues.error(format!("{key} is not an operator public key"));
            }
        }
        let system = &self.system_account;
        if !system.is_empty() && !is_key(system, Kind::Account) {
            issues.error(format!("{system} is not an account public key"));
        }
        if let Err(problem) = self.server_version() {
            issues.error(format!("assert server version error: {problem}"));
        }
    }

    fn prepare(&mut self) {
        prepare_generic!(self);
    }
}

fn check_service_url(url: &str, issues: &mut Issues) {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let known = ["nats", "tls", "ws", "wss"];
    if rest.contains('@') {
        issues.error(format!(
            "operator service url {url:?} - credentials are not supported"
        ));
    } else if rest.contains('/') {
        issues.error(format!(
            "operator service url {url:?} - paths are not supported"
        ));
    } else if !known.iter().any(|name| scheme.eq_ignore_ascii_case(name)) {
        issues.error(format!(
            "operator service url {url:?} - protocol not supported (only 'nats', 'tls', 'ws', \
             'wss' only)"
        ));
    }
}

//! Claims by which an exporter lets one account import a private export.

use super::exports::ExportKind;
use super::fields::{is_empty, is_zero, prepare_generic};
use super::user::check_issuer_account;
use super::validation::{Issues, check_subject};
use super::{Body, Registered};
use crate::nkey::Kind;
use serde::{Deserialize, Serialize};

/// See the module's documentation. The token's subject is the importing account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Activation {
    /// What may be imported.
    #[serde(skip_serializing_if = "is_empty")]
    pub subject: String,
    /// Whether that is a stream or a service.
    #[serde(rename = "kind", skip_serializing_if = "Option::is_none")]
    pub import_kind: Option<ExportKind>,
    /// The exporting account, if a signing key issued the token.
    #[serde(skip_serializing_if = "is_empty")]
    pub issuer_account: String,
    /// Tags in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `activation`.
    #[serde(rename = "type", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// Of the format.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: i64,
}

impl Body for Activation {
    const TYPE: &'static str = "activation";
    const ISSUERS: &'static [Kind] = &[Kind::Account, Kind::Operator];
    const SUBJECT: Option<Kind> = Some(Kind::Account);

    fn validate(&self, _: &Registered, issues: &mut Issues) {
        if self.import_kind.is_none() {
            issues.error("invalid import type: \"unknown\"");
        }
        check_subject(&self.subject, issues);
        check_issuer_account(&self.issuer_account, issues);
    }

    fn prepare(&mut self) {
        prepare_generic!(self);
    }
}

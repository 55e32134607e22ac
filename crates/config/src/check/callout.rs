//! `authorization { auth_callout {} }`.
//!
//! Owns the draft that the rows of `schema::auth` fill. Whether the accounts and users it names
//! exist is checked by `finish`.

use super::{AuthorizationDraft, Check};
use crate::nkey::{self, Kind};
use crate::options::{AuthCallout, GLOBAL_ACCOUNT};
use crate::schema::AUTH_CALLOUT;
use crate::syntax::{Problem, Value, ValueKind};

/// `auth_callout {}` while its keys are being read.
#[derive(Default)]
pub(crate) struct CalloutDraft {
    pub(crate) issuer: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) auth_users: Vec<String>,
    pub(crate) xkey: Option<String>,
    pub(crate) allowed_accounts: Vec<String>,
}

/// Reads the whole block.
pub(crate) fn auth_callout(check: &mut Check<'_>, value: &Value, target: &mut AuthorizationDraft) {
    let errors = check.errors.len();
    let mut draft = CalloutDraft::default();
    check.block(value, "auth_callout", AUTH_CALLOUT, &mut draft);
    check.late.callout = Some(value.span);
    let CalloutDraft {
        issuer,
        account,
        auth_users,
        xkey,
        allowed_accounts,
    } = draft;
    let Some(issuer) = issuer else {
        if check.errors.len() == errors {
            let message = "Authorization callouts require an issuer to be specified";
            check.error(
                Problem::new(value.span, message)
                    .expected("a key \"issuer\": a public account key"),
            );
        }
        return;
    };
    if auth_users.is_empty() {
        if check.errors.len() == errors {
            let message = "Authorization callouts require authorized users to be specified";
            check.error(
                Problem::new(value.span, message)
                    .expected("a key \"auth_users\": the users that the service logs in as"),
            );
        }
        return;
    }
    target.callout = Some(AuthCallout {
        issuer,
        account: account.unwrap_or_else(|| GLOBAL_ACCOUNT.to_owned()),
        auth_users,
        xkey,
        allowed_accounts,
    });
}

/// `issuer`.
pub(crate) fn callout_issuer(check: &mut Check<'_>, value: &Value, draft: &mut CalloutDraft) {
    let what = "Expected callout user to be a valid public account nkey";
    draft.issuer = key(check, value, Kind::Account, what, "beginning with A");
}

/// `xkey`.
pub(crate) fn callout_xkey(check: &mut Check<'_>, value: &Value, draft: &mut CalloutDraft) {
    let what = "Expected callout xkey to be a valid public xkey";
    draft.xkey = key(check, value, Kind::Curve, what, "beginning with X");
}

fn key(check: &mut Check<'_>, value: &Value, kind: Kind, what: &str, form: &str) -> Option<String> {
    let text = check.string(value)?;
    if nkey::is_public_key(text, kind) {
        return Some(text.to_owned());
    }
    // The text may be a seed, which nobody should see again.
    let mut problem = Problem::new(value.span, what).expected(format!("56 characters {form}"));
    if text.starts_with('S') {
        problem = problem.hint("this looks like a seed, which stays with the service");
    }
    check.error(problem);
    None
}

/// `auth_users`.
pub(crate) fn auth_users(check: &mut Check<'_>, value: &Value, draft: &mut CalloutDraft) {
    check.late.auth_users = Some(value.span);
    names(check, value, &mut draft.auth_users);
}

/// `allowed_accounts`.
pub(crate) fn allowed_accounts(check: &mut Check<'_>, value: &Value, draft: &mut CalloutDraft) {
    check.late.allowed_accounts = Some(value.span);
    names(check, value, &mut draft.allowed_accounts);
}

fn names(check: &mut Check<'_>, value: &Value, to: &mut Vec<String>) {
    let ValueKind::Array(items) = &value.kind else {
        return check.wrong_type(value, "an array of names");
    };
    for item in items {
        if let Some(name) = check.string(item) {
            to.push(name.to_owned());
        }
    }
}

//! What can only be said once every key has been read.
//!
//! Owns [`Late`], what the reading of keys leaves behind for the end (mostly places), and
//! [`finish`], which checks accounts against each other and against `authorization`, and settles
//! what several keys decide together: the system account and the resolver. Called by the loader
//! after the last key.

use super::{Check, graph};
use crate::options::{Credential, DEFAULT_SYSTEM_ACCOUNT, GLOBAL_ACCOUNT, Options, Resolver, User};
use crate::syntax::{Problem, Span};
use std::collections::BTreeSet;

/// What was read and waits for the rest.
#[derive(Default)]
pub(crate) struct Late {
    /// Places of the accounts, as in `Options::accounts`.
    pub(crate) accounts: Vec<AccountSpans>,
    /// `system_account`, unless it is empty.
    pub(crate) system_account: Option<(String, Span)>,
    /// `no_system_account`.
    pub(crate) no_system_account: bool,
    /// A resolver is configured, right or wrong.
    pub(crate) has_resolver: bool,
    /// `auth_callout`.
    pub(crate) callout: Option<Span>,
    /// `allowed_accounts` of `auth_callout`.
    pub(crate) allowed_accounts: Option<Span>,
    /// `auth_users` of `auth_callout`.
    pub(crate) auth_users: Option<Span>,
}

/// Where an account is described.
#[derive(Clone, Default)]
pub(crate) struct AccountSpans {
    pub(crate) name: Option<Span>,
    pub(crate) users: Option<Span>,
    pub(crate) jetstream: Option<Span>,
    pub(crate) exports: Vec<Span>,
    pub(crate) imports: Vec<Span>,
}

/// Checks and settles what the keys say together.
pub(crate) fn finish(check: &mut Check<'_>, options: &mut Options) {
    let late = std::mem::take(&mut check.late);
    system_account(options, &late);
    operator_defaults(options, &late);
    users(check, options, &late);
    // Accounts that were not read completely would be blamed for what is missing.
    if check.errors.is_empty() {
        let has_system_account = !late.no_system_account;
        for fault in graph::faults(&options.accounts, has_system_account) {
            let span = late
                .accounts
                .get(fault.account)
                .and_then(|spans| match fault.place {
                    graph::Place::Export(index) => spans.exports.get(index).copied(),
                    graph::Place::Import(index) => spans.imports.get(index).copied(),
                });
            report(check, span, fault.message, &fault.hint);
        }
        callout(check, options, &late);
    }
}

fn report(check: &mut Check<'_>, span: Option<Span>, message: String, hint: &str) {
    check.error(Problem {
        span,
        message,
        expected: None,
        hint: Some(hint.to_owned()),
    });
}

/// The one that is named, else the operator's, else `$SYS` unless none is wanted.
fn system_account(options: &mut Options, late: &Late) {
    let of_operator = match options.operator.operators.as_slice() {
        [operator] => operator.system_account().map(str::to_owned),
        _ => None,
    };
    let named = late.system_account.as_ref().map(|(name, _)| name.clone());
    let described = || {
        let mut accounts = options.accounts.iter();
        accounts
            .any(|account| account.name == DEFAULT_SYSTEM_ACCOUNT)
            .then(|| DEFAULT_SYSTEM_ACCOUNT.to_owned())
    };
    let chosen = named.or(of_operator).or_else(described);
    options.system_account_configured = chosen.is_some();
    options.system_account = match chosen {
        Some(name) => Some(name),
        None if late.no_system_account => None,
        None => Some(DEFAULT_SYSTEM_ACCOUNT.to_owned()),
    };
}

/// The account server of the only operator, where nothing is configured; and the system account
/// can always be used.
fn operator_defaults(options: &mut Options, late: &Late) {
    let operator = &mut options.operator;
    if let [only] = operator.operators.as_slice()
        && !late.has_resolver
    {
        let url = only.claims.nats.account_server_url.trim();
        if !url.is_empty() {
            // What pushes accounts there adds this path too.
            let url = format!("{}/accounts/", url.trim_end_matches('/'));
            operator.resolver = Some(Resolver::Url(url));
        }
    }
    if !operator.operators.is_empty()
        && !operator.resolver_pinned_accounts.is_empty()
        && options.system_account_configured
        && let Some(system) = &options.system_account
    {
        operator.resolver_pinned_accounts.insert(system.clone());
    }
}

/// Names of users are unique over all accounts; users exclude single credentials.
fn users(check: &mut Check<'_>, options: &Options, late: &Late) {
    let single = match &options.authorization.credential {
        Credential::UserPassword { .. } => Some("Can not have a single user/pass and accounts"),
        Credential::Token(_) => Some("Can not have a token and accounts"),
        _ => None,
    };
    let top = options.authorization.credential.users().iter();
    let mut names: BTreeSet<&str> = top.map(User::name).collect();
    let mut faults = Vec::new();
    for (account, spans) in options.accounts.iter().zip(&late.accounts) {
        if let Some(message) = single
            && !account.users.is_empty()
        {
            let hint = "move the user into a users array, or the accounts' users out";
            faults.push((spans.users, message.to_owned(), hint));
        }
        let mut own = BTreeSet::new();
        for user in &account.users {
            // Those in one list were reported when it was read.
            if own.insert(user.name()) && !names.insert(user.name()) {
                let kind = match user {
                    User::Nkey { .. } => "nkey",
                    User::Password { .. } => "user",
                };
                let message = format!("Duplicate {kind} {:?} detected", user.name());
                faults.push((spans.users, message, "a user belongs to one account"));
            }
        }
    }
    for (span, message, hint) in faults {
        report(check, span, message, hint);
    }
}

/// The accounts and users that `auth_callout` names exist.
fn callout(check: &mut Check<'_>, options: &Options, late: &Late) {
    let Some(callout) = &options.authorization.callout else {
        return;
    };
    let exists = |name: &str| options.accounts.iter().any(|account| account.name == name);
    for name in &callout.allowed_accounts {
        // The global account counts as configured when it has mappings.
        let global = name == GLOBAL_ACCOUNT && !options.mappings.is_empty();
        if !global && !exists(name) {
            let message =
                format!("auth_callout allowed account {name:?} not found in configured accounts");
            report(
                check,
                late.allowed_accounts,
                message,
                "describe it in \"accounts\"",
            );
        }
    }
    let is_system = Some(&callout.account) == options.system_account.as_ref();
    if callout.account != GLOBAL_ACCOUNT && !is_system && !exists(&callout.account) {
        let reason = format!(
            "authorization callout account {:?} does not exist, so nobody can be asked",
            callout.account
        );
        check.warn_about("auth_callout", late.callout, &reason);
    }
    for name in &callout.auth_users {
        if !options.users().any(|(_, user)| user.name() == name) {
            let reason = format!("authorization callout user {name:?} does not exist");
            check.warn_about("auth_users", late.auth_users, &reason);
        }
    }
}

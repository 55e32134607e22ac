//! `accounts {}`: the accounts themselves, their limits, JetStream and tracing.
//!
//! Owns the draft that the rows of `schema::accounts` fill and the forms the block can take. What
//! accounts say about each other is checked by `finish`, once all of them are known.

use super::late::AccountSpans;
use super::{Check, LimitNumber};
use crate::nkey::{self, Kind};
use crate::options::{
    Account, AccountJetStream, AccountLimits, ClusterTraffic, GLOBAL_ACCOUNT, MessageTrace,
    Options, User,
};
use crate::schema::{ACCOUNT, ACCOUNT_JETSTREAM, ACCOUNT_LIMITS, MESSAGE_TRACE};
use crate::subjects::is_literal;
use crate::syntax::{Problem, Span, Value, ValueKind};
use std::collections::BTreeSet;

/// One account while its keys are being read.
#[derive(Default)]
pub(crate) struct AccountDraft {
    pub(crate) account: Account,
    pub(crate) users: Option<Vec<User>>,
    pub(crate) users_span: Option<Span>,
    pub(crate) spans: AccountSpans,
}

/// Reads all accounts: an array of names, or a map of descriptions by name.
pub(crate) fn accounts(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    match &value.kind {
        ValueKind::Array(names) => names_only(check, names, options),
        ValueKind::Map(map) => {
            for entry in map.entries() {
                // A key that a variable refers to is a definition and no account.
                if check.is_full() || entry.used_variable.get() {
                    continue;
                }
                if is_reserved(check, &entry.key, entry.key_span) {
                    continue;
                }
                let outer = check.enter(&entry.key);
                account(check, &entry.key, &entry.value, options);
                check.leave(outer);
            }
        }
        _ => check.wrong_type(value, "a map of accounts, or an array of names"),
    }
}

fn names_only(check: &mut Check<'_>, names: &[Value], options: &mut Options) {
    let mut seen = BTreeSet::new();
    for value in names {
        let Some(name) = check.string(value) else {
            continue;
        };
        if is_reserved(check, name, value.span) {
            continue;
        }
        if !seen.insert(name) {
            check.invalid(value, format!("Duplicate Account Entry: {name}"));
            continue;
        }
        options.accounts.push(Account {
            name: name.to_owned(),
            ..Account::default()
        });
        check.late.accounts.push(AccountSpans {
            name: Some(value.span),
            ..AccountSpans::default()
        });
    }
}

fn is_reserved(check: &mut Check<'_>, name: &str, span: Span) -> bool {
    if name == GLOBAL_ACCOUNT {
        check.error(
            Problem::new(span, format!("{name:?} is a Reserved Account"))
                .hint("its users go into \"authorization\", its mappings to the top level"),
        );
    }
    name == GLOBAL_ACCOUNT
}

fn account(check: &mut Check<'_>, name: &str, value: &Value, options: &mut Options) {
    let mut draft = AccountDraft::default();
    name.clone_into(&mut draft.account.name);
    check.block(value, "account", ACCOUNT, &mut draft);
    let AccountDraft {
        mut account,
        users,
        users_span,
        mut spans,
    } = draft;
    account.users = users.unwrap_or_default();
    if let Some(default) = &account.default_permissions {
        for user in &mut account.users {
            user.permissions_mut()
                .get_or_insert_with(|| default.clone());
        }
    }
    spans.name = Some(value.span);
    spans.users = users_span;
    options.accounts.push(account);
    check.late.accounts.push(spans);
}

/// `nkey` of an account.
pub(crate) fn account_nkey(check: &mut Check<'_>, value: &Value, draft: &mut AccountDraft) {
    let Some(text) = check.string(value) else {
        return;
    };
    if nkey::is_public_key(text, Kind::Account) {
        draft.account.nkey = Some(text.to_owned());
    } else {
        let mut problem = Problem::new(value.span, "Not a valid public nkey for an account")
            .expected("56 characters beginning with A");
        if text.starts_with("SA") {
            problem = problem.hint("this looks like a seed, which stays with its owner");
        }
        check.error(problem);
    }
}

/// `limits {}`; a repeated block adds to the first.
pub(crate) fn account_limits(check: &mut Check<'_>, value: &Value, draft: &mut AccountDraft) {
    let limits: &mut AccountLimits = &mut draft.account.limits;
    check.block(value, "account limits", ACCOUNT_LIMITS, limits);
}

/// A limit: -1 is none, 0 allows none.
pub(crate) fn account_limit(check: &mut Check<'_>, value: &Value, slot: &mut Option<u32>) {
    const EXPECTED: &str = "-1 for no limit, or 0 to 2147483647";
    let Some(number) = check.int(value) else {
        return;
    };
    match i32::try_from(number) {
        Ok(-1) => *slot = None,
        Ok(limit) if limit >= 0 => *slot = Some(limit.unsigned_abs()),
        _ => check.out_of_range(value, number, EXPECTED),
    }
}

/// `jetstream`: on or off, or on with limits.
pub(crate) fn account_jetstream(check: &mut Check<'_>, value: &Value, draft: &mut AccountDraft) {
    let slot = &mut draft.account.jetstream;
    match &value.kind {
        ValueKind::Bool(false) => {}
        ValueKind::Bool(true) => *slot = Some(AccountJetStream::default()),
        ValueKind::String(word) => match word.to_ascii_lowercase().as_str() {
            "enabled" | "enable" => *slot = Some(AccountJetStream::default()),
            "disabled" | "disable" => *slot = None,
            _ => check.invalid(
                value,
                format!("Expected 'enabled' or 'disabled' for string value, got '{word}'"),
            ),
        },
        ValueKind::Map(_) => {
            let mut limits = AccountJetStream::default();
            check.block(value, "account jetstream", ACCOUNT_JETSTREAM, &mut limits);
            *slot = Some(limits);
        }
        _ => check.wrong_type(value, "enabled, disabled or a block: { … }"),
    }
    draft.spans.jetstream = Some(value.span);
}

/// A size in bytes that may be 0; negative is no limit.
pub(crate) fn jetstream_bytes(check: &mut Check<'_>, value: &Value, slot: &mut Option<u64>) {
    match size(check, value) {
        LimitNumber::Limit(limit) => *slot = Some(limit),
        LimitNumber::Unlimited => *slot = None,
        LimitNumber::Wrong => {}
    }
}

/// A limit that is none when it is 0 or negative.
pub(crate) fn counted(check: &mut Check<'_>, value: &Value, slot: &mut Option<u64>) {
    match size(check, value) {
        LimitNumber::Limit(limit) if limit > 0 => *slot = Some(limit),
        LimitNumber::Limit(_) | LimitNumber::Unlimited => *slot = None,
        LimitNumber::Wrong => {}
    }
}

fn size(check: &mut Check<'_>, value: &Value) -> LimitNumber {
    match value.kind {
        ValueKind::Int(number) => match u64::try_from(number) {
            Ok(limit) => LimitNumber::Limit(limit),
            Err(_) => LimitNumber::Unlimited,
        },
        _ => {
            let message = format!("Expected a parseable size for {:?}", check.key());
            check.error(
                Problem::new(value.span, message)
                    .expected("an integer such as 1GB, without quotes"),
            );
            LimitNumber::Wrong
        }
    }
}

/// A flag of the block.
pub(crate) fn jetstream_flag(check: &mut Check<'_>, value: &Value, slot: &mut bool) {
    match value.kind {
        ValueKind::Bool(flag) => *slot = flag,
        _ => {
            let message = format!("Expected a parseable bool for {:?}", check.key());
            check.error(Problem::new(value.span, message).expected("true or false"));
        }
    }
}

/// `cluster_traffic`.
pub(crate) fn cluster_traffic(check: &mut Check<'_>, value: &Value, slot: &mut ClusterTraffic) {
    let word = match &value.kind {
        ValueKind::String(word) => Some(&**word),
        _ => None,
    };
    *slot = match word {
        Some("" | "system") => ClusterTraffic::System,
        Some("owner") => ClusterTraffic::Owner,
        _ => {
            let message = format!(
                "Expected 'system' or 'owner' string value for {:?}",
                check.key()
            );
            return check.invalid(value, message);
        }
    };
}

/// `msg_trace {}` while its keys are being read.
#[derive(Default)]
pub(crate) struct TraceDraft {
    pub(crate) dest: Option<String>,
    pub(crate) sampling: Option<u8>,
}

/// `msg_trace`: a subject, or a subject and a share.
pub(crate) fn message_trace(check: &mut Check<'_>, value: &Value, draft: &mut AccountDraft) {
    let mut trace = TraceDraft::default();
    match value.kind {
        ValueKind::String(_) => trace.dest = trace_dest(check, value),
        ValueKind::Map(_) => check.block(value, "msg_trace", MESSAGE_TRACE, &mut trace),
        _ => return check.wrong_type(value, "a string (a subject) or { dest, sampling }"),
    }
    let errors = check.errors.len();
    match trace {
        TraceDraft {
            dest: Some(dest),
            sampling,
        } => {
            let sampling = sampling.unwrap_or(100);
            draft.account.msg_trace = Some(MessageTrace { dest, sampling });
        }
        TraceDraft {
            dest: None,
            sampling: Some(_),
        } if errors == 0 => check.warn(
            value.span,
            "Trace destination sampling ignored since no destination was set",
        ),
        _ => {}
    }
}

/// `dest` of `msg_trace`.
pub(crate) fn trace_dest(check: &mut Check<'_>, value: &Value) -> Option<String> {
    let text = check.string(value)?;
    if is_literal(text) {
        return Some(text.to_owned());
    }
    check.error(
        Problem::new(
            value.span,
            format!("Trace destination {text:?} is not valid"),
        )
        .expected("a subject without wildcards"),
    );
    None
}

/// `sampling` of `msg_trace`.
pub(crate) fn trace_sampling(check: &mut Check<'_>, value: &Value, draft: &mut TraceDraft) {
    draft.sampling = check.percentage(value);
    if draft.sampling.is_none() {
        let message = "Trace destination sampling value is invalid, needs to be [1..100]";
        check.error(Problem::new(value.span, message).expected("1 to 100, with or without %"));
    }
}

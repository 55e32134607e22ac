//! `exports` of an account.
//!
//! Owns the draft of one export, what belongs to services only, and how several entries for the
//! same subject add up. Whether the accounts named exist is checked by `finish`.

use super::{AccountDraft, Check};
use crate::options::{
    Access, Export, Latency, LatencySampling, ResponseType, ServiceExport, StreamExport,
};
use crate::schema::{EXPORT, LATENCY};
use crate::syntax::{Problem, Span, Value, ValueKind};
use std::time::Duration;

/// One export while its keys are being read.
#[derive(Default)]
pub(crate) struct ExportDraft {
    pub(crate) stream: Option<(String, Span)>,
    pub(crate) service: Option<(String, Span)>,
    pub(crate) accounts: Vec<String>,
    pub(crate) token_position: Option<(i64, Span)>,
    pub(crate) response_type: Option<(ResponseType, Span)>,
    pub(crate) response_threshold: Option<(Duration, Span)>,
    pub(crate) latency: Option<(Option<Latency>, Span)>,
    pub(crate) allow_trace: Option<(bool, Span)>,
    pub(crate) accounts_span: Option<Span>,
}

/// Reads all exports.
pub(crate) fn exports(check: &mut Check<'_>, value: &Value, draft: &mut AccountDraft) {
    let ValueKind::Array(items) = &value.kind else {
        return check.wrong_type(
            value,
            "an array of exports: [ { stream: … }, { service: … } ]",
        );
    };
    for item in items {
        if check.is_full() {
            return;
        }
        let errors = check.errors.len();
        let mut export = ExportDraft::default();
        check.block(item, "exports", EXPORT, &mut export);
        let span = export.accounts_span;
        if let Some(export) = complete(check, item, export, errors) {
            merge(draft, export, span.unwrap_or(item.span));
        }
    }
}

/// Checks what keys say together; `errors` is the number of errors before this entry.
fn complete(
    check: &mut Check<'_>,
    item: &Value,
    draft: ExportDraft,
    errors: usize,
) -> Option<Export> {
    let ((subject, _), is_service) = match (&draft.stream, &draft.service) {
        (Some((stream, _)), Some((_, span))) => {
            let message = format!("Detected service but already saw a stream {stream:?}");
            check.error(Problem::new(*span, message).hint("write two entries"));
            return None;
        }
        (Some(stream), None) => (stream.clone(), false),
        (None, Some(service)) => (service.clone(), true),
        (None, None) => {
            if check.errors.len() == errors {
                check.warn(item.span, "an export names neither a stream nor a service");
            }
            return None;
        }
    };
    if !is_service {
        for_services_only(check, &draft);
    }
    let access = access(check, &subject, &draft)?;
    if !is_service {
        return Some(Export::Stream(StreamExport { subject, access }));
    }
    let response_type = draft
        .response_type
        .map_or_else(ResponseType::default, |(kind, _)| kind);
    let threshold = draft.response_threshold.map(|(threshold, _)| threshold);
    Some(Export::Service(ServiceExport {
        subject,
        access,
        response_type,
        response_threshold: threshold
            .filter(|threshold| !threshold.is_zero())
            .unwrap_or(ServiceExport::DEFAULT_RESPONSE_THRESHOLD),
        latency: draft.latency.and_then(|(latency, _)| latency),
        allow_trace: draft.allow_trace.is_some_and(|(allow, _)| allow),
    }))
}

fn for_services_only(check: &mut Check<'_>, draft: &ExportDraft) {
    let keys = [
        (
            "response",
            draft.response_type.as_ref().map(|(_, span)| *span),
        ),
        ("response", draft.response_threshold.map(|(_, span)| span)),
        ("latency", draft.latency.as_ref().map(|(_, span)| *span)),
        ("allow_trace", draft.allow_trace.map(|(_, span)| span)),
    ];
    for (what, span) in keys {
        if let Some(span) = span {
            let message = format!("Detected {what} directive on non-service");
            check.error(Problem::new(span, message).hint("only services have it"));
        }
    }
}

/// Who may import: everyone, some accounts, or those that a token names.
fn access(check: &mut Check<'_>, subject: &str, draft: &ExportDraft) -> Option<Access> {
    let accounts = || match draft.accounts.as_slice() {
        [] => Access::Public,
        names => Access::Accounts(names.to_vec()),
    };
    let Some((number, span)) = draft.token_position.filter(|(number, _)| *number != 0) else {
        return Some(accounts());
    };
    let position = usize::try_from(number).ok();
    let token = position.and_then(|position| subject.split('.').nth(position.checked_sub(1)?));
    match (position, token) {
        (Some(position), Some("*")) => Some(Access::TokenPosition(position)),
        _ => {
            let message = format!(
                "Error adding export {subject:?}: account_token_position {number} is not the \
                 position of a *"
            );
            check
                .error(Problem::new(span, message).expected("the position of a *, counted from 1"));
            None
        }
    }
}

/// Adds an export. Entries for the same subject add up: accounts are joined, the last position
/// and the last special settings count.
fn merge(draft: &mut AccountDraft, export: Export, span: Span) {
    let same = |known: &Export| {
        matches!(known, Export::Stream(_)) == matches!(export, Export::Stream(_))
            && known.subject() == export.subject()
    };
    let Some(at) = draft.account.exports.iter().position(same) else {
        draft.account.exports.push(export);
        draft.spans.exports.push(span);
        return;
    };
    let Some(known) = draft.account.exports.get_mut(at) else {
        return;
    };
    match (known, export) {
        (Export::Stream(known), Export::Stream(new)) => join(&mut known.access, new.access),
        (Export::Service(known), Export::Service(new)) => {
            join(&mut known.access, new.access);
            if new.response_type != ResponseType::Singleton {
                known.response_type = new.response_type;
            }
            known.response_threshold = new.response_threshold;
            known.latency = new.latency.or_else(|| known.latency.take());
            known.allow_trace |= new.allow_trace;
        }
        _ => {}
    }
}

fn join(known: &mut Access, new: Access) {
    match (known, new) {
        (_, Access::Public) => {}
        (Access::Accounts(known), Access::Accounts(new)) => known.extend(new),
        (known, new) => *known = new,
    }
}

/// `accounts` of an export.
pub(crate) fn export_accounts(check: &mut Check<'_>, value: &Value, draft: &mut ExportDraft) {
    let ValueKind::Array(names) = &value.kind else {
        return check.wrong_type(value, "an array of names of accounts");
    };
    for name in names {
        if let Some(name) = check.string(name) {
            draft.accounts.push(name.to_owned());
        }
    }
    draft.accounts_span = Some(value.span);
}

/// `account_token_position`; 0 is none.
pub(crate) fn token_position(check: &mut Check<'_>, value: &Value, draft: &mut ExportDraft) {
    draft.token_position = check.int(value).map(|number| (number, value.span));
}

/// `response_type`.
pub(crate) fn response_type(check: &mut Check<'_>, value: &Value, draft: &mut ExportDraft) {
    if draft.response_type.is_some() {
        return check.invalid(value, "Duplicate response type definition".to_owned());
    }
    let Some(word) = check.string(value) else {
        return;
    };
    let kind = match word.to_ascii_lowercase().as_str() {
        "single" | "singleton" => ResponseType::Singleton,
        "stream" => ResponseType::Stream,
        "chunk" | "chunked" => ResponseType::Chunked,
        _ => {
            let message = format!("Unknown response type: {word:?}");
            return check
                .error(Problem::new(value.span, message).expected("singleton, stream or chunked"));
        }
    };
    draft.response_type = Some((kind, value.span));
}

/// `response_threshold`; 0 is the default.
pub(crate) fn response_threshold(check: &mut Check<'_>, value: &Value, draft: &mut ExportDraft) {
    if draft.response_threshold.is_some() {
        return check.invalid(value, "Duplicate response threshold detected".to_owned());
    }
    draft.response_threshold = check.duration_text(value).map(|time| (time, value.span));
}

/// `latency {}` while its keys are being read.
#[derive(Default)]
pub(crate) struct LatencyDraft {
    pub(crate) sampling: Option<LatencySampling>,
    pub(crate) subject: Option<String>,
}

/// `latency`: a subject, or a share and a subject.
pub(crate) fn latency(check: &mut Check<'_>, value: &Value, draft: &mut ExportDraft) {
    let errors = check.errors.len();
    let mut latency = LatencyDraft::default();
    match &value.kind {
        ValueKind::String(subject) => latency.subject = Some(subject.to_string()),
        ValueKind::Map(_) => check.block(value, "latency", LATENCY, &mut latency),
        _ => return check.wrong_type(value, "a string (a subject) or { sampling, subject }"),
    }
    if latency.subject.is_none() && check.errors.len() == errors {
        check.error(
            Problem::new(value.span, "Latency subject required, but missing")
                .expected("a key \"subject\""),
        );
    }
    let sampling = latency.sampling.unwrap_or(LatencySampling::Percent(100));
    let latency = latency.subject.map(|subject| Latency { sampling, subject });
    draft.latency = Some((latency, value.span));
}

/// `sampling` of `latency`.
pub(crate) fn latency_sampling(check: &mut Check<'_>, value: &Value, draft: &mut LatencyDraft) {
    if let ValueKind::String(word) = &value.kind
        && word.trim().eq_ignore_ascii_case("headers")
    {
        draft.sampling = Some(LatencySampling::Headers);
        return;
    }
    draft.sampling = check.percentage(value).map(LatencySampling::Percent);
    if draft.sampling.is_none() {
        let message = "bad sampling percentage, should be 1-100";
        let expected = "1 to 100, with or without %, or headers";
        check.error(Problem::new(value.span, message).expected(expected));
    }
}

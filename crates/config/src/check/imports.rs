//! `imports` of an account.
//!
//! Owns the draft of one import and what its keys say together. Whether another account exports
//! what is imported is checked by `finish`.

use super::{AccountDraft, Check};
use crate::options::{Import, ServiceImport, StreamImport};
use crate::schema::{IMPORT, REMOTE};
use crate::subjects::has_wildcard;
use crate::syntax::{Problem, Span, Value, ValueKind};

/// One import while its keys are being read.
#[derive(Default)]
pub(crate) struct ImportDraft {
    pub(crate) stream: Option<Remote>,
    pub(crate) service: Option<Remote>,
    pub(crate) to: Option<(String, Span)>,
    pub(crate) prefix: Option<(String, Span)>,
    pub(crate) share: bool,
    pub(crate) share_span: Option<Span>,
    pub(crate) allow_trace: Option<(bool, Span)>,
}

/// `{ account, subject }`, complete.
pub(crate) struct Remote {
    account: String,
    subject: String,
    span: Span,
}

/// `{ account, subject }` while its keys are being read.
#[derive(Default)]
pub(crate) struct RemoteDraft {
    pub(crate) account: Option<String>,
    pub(crate) subject: Option<(String, Span)>,
}

/// Reads all imports.
pub(crate) fn imports(check: &mut Check<'_>, value: &Value, draft: &mut AccountDraft) {
    let ValueKind::Array(items) = &value.kind else {
        let expected = "an array of imports: [ { stream: { account: …, subject: … } } ]";
        return check.wrong_type(value, expected);
    };
    for item in items {
        if check.is_full() {
            return;
        }
        let errors = check.errors.len();
        let mut import = ImportDraft::default();
        check.block(item, "imports", IMPORT, &mut import);
        let Some(import) = complete(check, item, import, errors) else {
            continue;
        };
        if let Import::Service(new) = &import
            && let Some(dup) = same_service(&draft.account.imports, new)
        {
            let message = format!(
                "Duplicate service import subject {:?}, previously used in import for account \
                 {:?}, subject {:?}",
                new.to, dup.account, dup.subject
            );
            check.error(Problem::new(item.span, message).hint("give one of them another \"to\""));
            continue;
        }
        draft.account.imports.push(import);
        draft.spans.imports.push(item.span);
    }
}

/// Another service of the same account on the same subject.
fn same_service<'i>(imports: &'i [Import], new: &ServiceImport) -> Option<&'i ServiceImport> {
    imports.iter().find_map(|import| match import {
        Import::Service(known) if known.to == new.to && known.account == new.account => Some(known),
        _ => None,
    })
}

/// Checks what keys say together; `errors` is the number of errors before this entry.
fn complete(
    check: &mut Check<'_>,
    item: &Value,
    draft: ImportDraft,
    errors: usize,
) -> Option<Import> {
    let to = draft.to.filter(|(to, _)| !to.is_empty());
    let prefix = draft.prefix.filter(|(prefix, _)| !prefix.is_empty());
    match (draft.stream, draft.service) {
        (Some(_), Some(service)) => {
            let message = "Detected service but already saw a stream";
            check.error(Problem::new(service.span, message).hint("write two entries"));
            None
        }
        (None, None) => {
            if check.errors.len() == errors {
                check.warn(item.span, "an import names neither a stream nor a service");
            }
            None
        }
        (Some(stream), None) => {
            if let (Some(_), Some((_, span))) = (&to, &prefix) {
                let message = "Stream import can not have a 'prefix' and a 'to' property";
                check.error(Problem::new(*span, message).hint("keep one of them"));
                return None;
            }
            if let Some(span) = draft.share_span {
                check.warn(span, "only service imports are shared");
            }
            let to = match (to, prefix) {
                (Some((to, _)), _) => to,
                (None, Some((prefix, span))) => prefixed(check, &prefix, &stream.subject, span)?,
                (None, None) => stream.subject.clone(),
            };
            Some(Import::Stream(StreamImport {
                account: stream.account,
                subject: stream.subject,
                to,
                allow_trace: draft.allow_trace.is_some_and(|(allow, _)| allow),
            }))
        }
        (None, Some(service)) => {
            if let Some((_, span)) = draft.allow_trace {
                let message = "Detected allow_trace directive on a non-stream";
                check.error(Problem::new(span, message).hint("only streams have it"));
            }
            if let Some((_, span)) = prefix {
                check.warn(span, "a service import has no 'prefix'; use 'to'");
            }
            Some(Import::Service(ServiceImport {
                to: to.map_or_else(|| service.subject.clone(), |(to, _)| to),
                account: service.account,
                subject: service.subject,
                share: draft.share,
            }))
        }
    }
}

/// A subject with a prefix in front; the prefix may end with the dot or not.
fn prefixed(check: &mut Check<'_>, prefix: &str, subject: &str, span: Span) -> Option<String> {
    if has_wildcard(prefix) {
        let message = format!(
            "Error adding stream import {subject:?}: stream import prefix can not contain \
             wildcard tokens"
        );
        check.error(Problem::new(span, message));
        return None;
    }
    let dot = if prefix.ends_with('.') { "" } else { "." };
    Some(format!("{prefix}{dot}{subject}"))
}

/// `stream` or `service` of an import.
pub(crate) fn import_remote(check: &mut Check<'_>, value: &Value) -> Option<Remote> {
    let errors = check.errors.len();
    let mut draft = RemoteDraft::default();
    check.block(value, "imported subject", REMOTE, &mut draft);
    match draft {
        RemoteDraft {
            account: Some(account),
            subject: Some((subject, _)),
        } => Some(Remote {
            account,
            subject,
            span: value.span,
        }),
        _ if check.errors.len() > errors => None,
        _ => {
            check.error(
                Problem::new(value.span, "Expect an account name and a subject")
                    .expected("{ account: …, subject: … }"),
            );
            None
        }
    }
}

//! Operator mode: operators, trusted keys, and the resolver with its companions.
//!
//! Owns the forms these keys can take. What they say together, and with accounts and users, is
//! checked by `cross`; the files they name are read through the source.

use super::{Check, TlsDraft, tls_block};
use crate::duration::{self, SignedDuration};
use crate::nkey::{self, Kind};
use crate::options::{
    CacheResolver, DEFAULT_FETCH_TIMEOUT, DeletePolicy, FullResolver, Operator, Options, Resolver,
    Secret,
};
use crate::schema::RESOLVER;
use crate::syntax::{Problem, Span, Value, ValueKind};
use cognate_auth::jwt::{Account, Signed};
use std::collections::BTreeMap;
use std::time::Duration;

/// How every JWT begins: `{"` in base64.
const JWT_PREFIX: &str = "eyJ";
/// What a full resolver waits between comparisons.
const FULL_INTERVAL: Duration = Duration::from_secs(60);
/// How many JWTs a cache keeps.
const CACHE_LIMIT: u64 = 1000;

/// `operator`: files with JWTs, or JWTs.
pub(crate) fn operators(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    options.operator.operators.clear();
    for (text, span) in texts(check, value, "a file or a JWT, or an array of them") {
        if let Some(operator) = operator(check, text, span) {
            options.operator.operators.push(operator);
        }
    }
}

fn operator(check: &mut Check<'_>, text: &str, span: Span) -> Option<Operator> {
    let contents = match check.source.read(text) {
        Ok(contents) => contents,
        Err(_) if text.starts_with(JWT_PREFIX) => text.to_owned(),
        Err(reason) => {
            let message = format!("error parsing operator JWT: {reason}");
            check.error(
                Problem::new(span, message).expected("a file with a JWT of an operator, or a JWT"),
            );
            return None;
        }
    };
    let jwt = undecorated(&contents);
    match Signed::decode(jwt) {
        Ok(signed) => Some(Operator {
            jwt: jwt.to_owned(),
            claims: signed.into_claims(),
        }),
        Err(error) => {
            let message = format!("error parsing operator JWT: {error}");
            check.error(Problem::new(span, message).expected("the JWT of an operator"));
            None
        }
    }
}

/// The JWT in a text: between lines of dashes, or the whole text.
fn undecorated(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim);
    match lines.find(|line| line.starts_with("---") && line.ends_with("---")) {
        Some(_) => lines.next().unwrap_or_default(),
        None => text.trim(),
    }
}

/// The strings of a value that is one or an array of them, with their places.
fn texts<'v>(check: &mut Check<'_>, value: &'v Value, expected: &str) -> Vec<(&'v str, Span)> {
    let items = match &value.kind {
        ValueKind::Array(items) => items,
        _ => std::slice::from_ref(value),
    };
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        match &item.kind {
            ValueKind::String(text) => texts.push((&**text, item.span)),
            _ => check.wrong_type(item, expected),
        }
    }
    texts
}

/// `trusted_keys`.
pub(crate) fn trusted_keys(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    options.operator.trusted_keys.clear();
    for (key, span) in texts(check, value, "a public operator key, or an array of them") {
        if nkey::is_public_key(key, Kind::Operator) {
            options.operator.trusted_keys.push(key.to_owned());
        } else {
            let message = "trust key required to be a valid public operator nkey";
            check.error(Problem::new(span, message).expected("56 characters beginning with O"));
        }
    }
}

/// `resolver {}` while its keys are being read.
#[derive(Default)]
pub(crate) struct ResolverDraft {
    pub(crate) kind: Option<String>,
    pub(crate) dir: Option<String>,
    pub(crate) allow_delete: bool,
    pub(crate) hard_delete: Option<bool>,
    pub(crate) limit: Option<i64>,
    pub(crate) ttl: Option<SignedDuration>,
    pub(crate) interval: Option<SignedDuration>,
    pub(crate) timeout: Option<SignedDuration>,
}

/// `resolver`: `MEMORY`, `URL(…)` or a block.
pub(crate) fn resolver(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    const EXPECTED: &str = "MEMORY, URL(\"https://…\") or { type: full, dir: … }";
    check.late.has_resolver = true;
    let resolver = match &value.kind {
        ValueKind::String(text) => word(text),
        ValueKind::Map(_) => {
            let errors = check.errors.len();
            let mut draft = ResolverDraft::default();
            check.block(value, "resolver", RESOLVER, &mut draft);
            match draft.kind.as_deref() {
                Some("mem" | "memory") => Some(Resolver::Memory),
                Some("full") => full(check, value, draft),
                Some("cache") => cache(check, value, draft),
                _ => None,
            }
            .or_else(|| {
                // Reported already, where it is wrong.
                (check.errors.len() > errors).then_some(Resolver::Memory)
            })
        }
        _ => return check.wrong_type(value, EXPECTED),
    };
    match resolver {
        Some(resolver) => options.operator.resolver = Some(resolver),
        None => check
            .error(Problem::new(value.span, "error parsing account resolver").expected(EXPECTED)),
    }
}

/// The short forms.
fn word(text: &str) -> Option<Resolver> {
    let text = text.trim();
    if ["mem", "memory"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return Some(Resolver::Memory);
    }
    let (name, rest) = text.split_at_checked(3)?;
    if !name.eq_ignore_ascii_case("url") {
        return None;
    }
    let url = rest.trim().strip_prefix('(')?.strip_suffix(')')?.trim();
    let url = url.strip_prefix('"').unwrap_or(url);
    let url = url.strip_suffix('"').unwrap_or(url);
    let (scheme, host) = url.split_once("://")?;
    let known = ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    if !known || host.is_empty() || url.contains(char::is_whitespace) {
        return None;
    }
    let slash = if url.ends_with('/') { "" } else { "/" };
    Some(Resolver::Url(format!("{url}{slash}")))
}

fn full(check: &mut Check<'_>, value: &Value, draft: ResolverDraft) -> Option<Resolver> {
    if is_set(draft.ttl) {
        let hint = "only a cache forgets; use \"limit\", or type: cache";
        check.error(Problem::new(value.span, "FULL does not accept ttl").hint(hint));
    }
    if draft.hard_delete.is_some() && !draft.allow_delete {
        check.error(
            Problem::new(value.span, "hard_delete has no effect without delete")
                .hint("add allow_delete: true"),
        );
    }
    let delete = match (draft.allow_delete, draft.hard_delete) {
        (false, _) => DeletePolicy::Refuse,
        (true, Some(true)) => DeletePolicy::Remove,
        (true, _) => DeletePolicy::Rename,
    };
    let interval = positive(draft.interval).unwrap_or(FULL_INTERVAL);
    let timeout = fetch_timeout(check, value, draft.timeout);
    Some(Resolver::Full(FullResolver {
        dir: directory(check, value, draft.dir)?,
        delete,
        interval,
        limit: limit(draft.limit),
        timeout: timeout?,
    }))
}

fn cache(check: &mut Check<'_>, value: &Value, draft: ResolverDraft) -> Option<Resolver> {
    for (given, what) in [
        (is_set(draft.interval), "CACHE does not accept sync"),
        (draft.allow_delete, "CACHE does not accept allow_delete"),
        (
            draft.hard_delete.is_some(),
            "CACHE does not accept hard_delete",
        ),
    ] {
        if given {
            check.error(Problem::new(value.span, what).hint("only type: full has it"));
        }
    }
    let timeout = fetch_timeout(check, value, draft.timeout);
    Some(Resolver::Cache(CacheResolver {
        dir: directory(check, value, draft.dir)?,
        ttl: positive(draft.ttl),
        limit: limit(draft.limit).unwrap_or(CACHE_LIMIT),
        timeout: timeout?,
    }))
}

fn directory(check: &mut Check<'_>, value: &Value, dir: Option<String>) -> Option<String> {
    let Some(dir) = dir else {
        check.error(
            Problem::new(
                value.span,
                "dir has no value and needs to point to a directory",
            )
            .expected("a key \"dir\""),
        );
        return None;
    };
    if check.source.exists(&dir) && !check.source.is_directory(&dir) {
        let message = format!("dir needs to point to an accessible directory, and {dir:?} is none");
        check.invalid(value, message);
        return None;
    }
    Some(dir)
}

/// A limit of 0 or less is none.
fn limit(number: Option<i64>) -> Option<u64> {
    number
        .and_then(|number| u64::try_from(number).ok())
        .filter(|limit| *limit > 0)
}

fn is_set(time: Option<SignedDuration>) -> bool {
    time.is_some_and(|time| !time.length.is_zero())
}

fn positive(time: Option<SignedDuration>) -> Option<Duration> {
    time.filter(|time| !time.negative && !time.length.is_zero())
        .map(|time| time.length)
}

fn fetch_timeout(
    check: &mut Check<'_>,
    value: &Value,
    time: Option<SignedDuration>,
) -> Option<Duration> {
    match (time, positive(time)) {
        (None, _) => Some(DEFAULT_FETCH_TIMEOUT),
        (_, Some(timeout)) => Some(timeout),
        (Some(time), None) => {
            let sign = if time.negative { "-" } else { "" };
            let shown = duration::show(time.length);
            let message = format!("Fetch timeout {sign}{shown} is too small");
            check.error(Problem::new(value.span, message).expected("more than 0"));
            None
        }
    }
}

/// A time of a resolver.
pub(crate) fn resolver_time(check: &mut Check<'_>, value: &Value) -> Option<SignedDuration> {
    check.signed_duration(value)
}

/// `resolver_tls`.
pub(crate) fn resolver_tls(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    let mut draft = TlsDraft::default();
    options.operator.resolver_tls = Some(tls_block(check, value, &mut draft));
}

/// `resolver_preload`: JWTs of accounts by their keys.
pub(crate) fn preload(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    let Some(map) = check.map(value) else {
        return;
    };
    let mut preload = BTreeMap::new();
    for entry in map.entries() {
        if check.is_full() {
            return;
        }
        match &entry.value.kind {
            ValueKind::String(jwt) => match Signed::<Account>::decode(jwt) {
                Ok(signed) => {
                    if signed.claims().registered.subject != entry.key {
                        check.warn(
                            entry.key_span,
                            "the key is not that of the JWT's account, which can't be found so",
                        );
                    }
                    preload.insert(entry.key.clone(), jwt.to_string());
                }
                Err(error) => {
                    let message = format!("invalid account JWT: {error}");
                    check.error(Problem::new(entry.key_span, message));
                }
            },
            _ => check.wrong_type(&entry.value, "a string (the account's JWT)"),
        }
    }
    options.operator.resolver_preload = preload;
}

/// `resolver_pinned_accounts`.
pub(crate) fn pinned_accounts(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    let keys = texts(check, value, "a public account key, or an array of them");
    options.operator.resolver_pinned_accounts =
        keys.into_iter().map(|(key, _)| key.to_owned()).collect();
}

/// `default_sentinel`.
pub(crate) fn default_sentinel(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    if let Some(jwt) = check.string(value) {
        options.operator.default_sentinel = (!jwt.is_empty()).then(|| Secret::new(jwt));
    }
}

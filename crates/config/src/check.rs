//! Checks: from a value tree to typed options.
//!
//! Owns [`Check`], which collects findings, and the reading of typed values. Every `…_into`
//! method stores a value only when it is right, and records what is wrong otherwise, so checking
//! goes on and one run reports everything. Called by the rows of `schema`. Absent: which keys
//! exist.

mod accounts;
mod auth;
mod callout;
mod cross;
mod exports;
mod graph;
mod imports;
mod jetstream;
mod late;
mod mapping;
mod ocsp;
mod operator;
mod proxies;
mod tls;
mod trust;
mod values;

pub(crate) use accounts::{
    AccountDraft, TraceDraft, account_jetstream, account_limit, account_limits, account_nkey,
    accounts, cluster_traffic, counted, jetstream_bytes, jetstream_flag, message_trace, trace_dest,
    trace_sampling,
};
pub(crate) use auth::{
    AuthorizationDraft, SubjectPermissionDraft, UserDraft, auth_timeout, authorization,
    connection_types, permissions, responses, responses_expires, responses_max, subject_permission,
    subject_rules, user_list, user_nkey,
};
pub(crate) use callout::{
    CalloutDraft, allowed_accounts, auth_callout, auth_users, callout_issuer, callout_xkey,
};
pub(crate) use cross::cross_check;
pub(crate) use exports::{
    ExportDraft, LatencyDraft, export_accounts, exports, latency, latency_sampling,
    response_threshold, response_type, token_position,
};
pub(crate) use imports::{ImportDraft, RemoteDraft, import_remote, imports};
pub(crate) use jetstream::{
    JetStreamDraft, batch_limits, concurrent_io, domain, jetstream, jetstream_limits,
    limit_duration, limit_of, maximum, not_negative, previous_key, queue_limit, storage_size,
    store_cipher, store_dir, sync_interval,
};
pub(crate) use late::{Late, finish};
pub(crate) use mapping::{DestinationDraft, mappings, weight};
pub(crate) use ocsp::{
    OcspDraft, cache_kind, ocsp, ocsp_cache, ocsp_mode, ocsp_peer, ocsp_url, peer_time,
    save_interval,
};
pub(crate) use operator::{
    ResolverDraft, default_sentinel, operators, pinned_accounts, preload, resolver, resolver_time,
    resolver_tls, trusted_keys,
};
pub(crate) use proxies::{ProxiesDraft, ProxyDraft, proxies, proxy_key, trusted_proxies};
pub use tls::offered_cipher_suites;
pub(crate) use tls::{
    TlsDraft, certificates, check_known_urls, cipher_suites, curve_preferences, handshake_first,
    min_version, pinned_certs, tls, tls_block, tls_file,
};
pub(crate) use values::{feature_flags, http, is_advertise, listen, server_metadata, tags};

use crate::duration::{self, SignedDuration};
use crate::options::{Port, SubjectList};
use crate::schema::{self, Row};
use crate::source::Source;
use crate::subjects::is_filter;
use crate::suggest;
use crate::syntax::{Entry, Map, Problem, Span, Value, ValueKind};
use foldhash::fast::FixedState;
use std::collections::HashSet;
use std::time::Duration;

/// Errors and warnings after which further ones are dropped.
const MAX_FINDINGS: usize = 100;

/// Collects what is wrong while options are filled.
pub(crate) struct Check<'s> {
    pub(crate) source: &'s dyn Source,
    pub(crate) errors: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    /// Keys whose feature is missing.
    pub(crate) refused: Vec<Problem>,
    /// What waits for the rest of the file.
    pub(crate) late: Late,
    /// The lists of permissions so far: many users have the same.
    lists: HashSet<SubjectList, FixedState>,
    /// The key whose value is being read, for messages.
    key: String,
}

impl<'s> Check<'s> {
    pub(crate) fn new(source: &'s dyn Source) -> Self {
        Self {
            source,
            errors: Vec::new(),
            warnings: Vec::new(),
            refused: Vec::new(),
            late: Late::default(),
            lists: HashSet::default(),
            key: String::new(),
        }
    }

    /// Whether so much is wrong that looking further is of no use.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= MAX_FINDINGS
    }

    /// The list, or one like it that was read before.
    pub(crate) fn shared(&mut self, list: SubjectList) -> SubjectList {
        match self.lists.get(&list) {
            Some(known) => known.clone(),
            None => {
                self.lists.insert(list.clone());
                list
            }
        }
    }

    pub(crate) fn error(&mut self, problem: Problem) {
        if !self.is_full() {
            self.errors.push(problem);
        }
    }

    /// Warns about a key in the form of NATS's warnings.
    pub(crate) fn warn(&mut self, span: Span, reason: &str) {
        if self.warnings.len() < MAX_FINDINGS {
            let message = format!("invalid use of field {:?}: {reason}", self.key);
            self.warnings.push(Problem::new(span, message));
        }
    }

    /// Warns about a key that was read before.
    pub(crate) fn warn_about(&mut self, key: &str, span: Option<Span>, reason: &str) {
        if self.warnings.len() < MAX_FINDINGS {
            self.warnings.push(Problem {
                span,
                message: format!("invalid use of field {key:?}: {reason}"),
                expected: None,
                hint: None,
            });
        }
    }

    /// Begins reading the value of a key that is a name; returns what [`Check::leave`] wants.
    pub(crate) fn enter(&mut self, key: &str) -> String {
        std::mem::replace(&mut self.key, key.to_owned())
    }

    /// Ends reading that value.
    pub(crate) fn leave(&mut self, outer: String) {
        self.key = outer;
    }

    /// The key being read, as it was written.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Reads a map by the rows of its block; reports keys that no row knows.
    pub(crate) fn block<T>(
        &mut self,
        value: &Value,
        block: &'static str,
        rows: &[Row<T>],
        target: &mut T,
    ) {
        if let Some(map) = self.map(value) {
            self.entries(map, block, rows, target);
        }
    }

    /// Reads the entries of a map by the rows of its block.
    pub(crate) fn entries<T>(
        &mut self,
        map: &Map,
        block: &'static str,
        rows: &[Row<T>],
        target: &mut T,
    ) {
        for entry in map.entries() {
            if self.is_full() {
                return;
            }
            let key = entry.key.to_ascii_lowercase();
            let outer = self.enter(&entry.key);
            let row = rows.iter().find(|row| row.names.contains(&key.as_str()));
            let missing = schema::unsupported(block, &key);
            if let Some(missing) = missing.filter(|missing| !(missing.is_off)(&entry.value))
                && self.refused.len() < MAX_FINDINGS
            {
                self.refused.push(missing.refusal(entry));
            }
            if let Some(row) = row {
                (row.apply)(self, &entry.value, target);
            } else if missing.is_none() && !entry.used_variable.get() {
                self.unknown(entry, block, rows);
            }
            self.leave(outer);
        }
    }

    fn unknown<T>(&mut self, entry: &Entry, block: &'static str, rows: &[Row<T>]) {
        let mut problem = Problem::new(entry.key_span, format!("unknown field {:?}", entry.key));
        let known = rows.iter().flat_map(|row| row.names.iter().copied());
        let known = known.chain(schema::unsupported_names(block));
        if let Some(nearest) = suggest::nearest(&entry.key, known) {
            problem = problem.hint(format!("did you mean {nearest:?}?"));
        } else if let Some(other) = schema::block_of(&entry.key) {
            problem = problem.hint(format!("{:?} belongs in {other}", entry.key.to_lowercase()));
        }
        self.error(problem);
    }

    pub(crate) fn wrong_type(&mut self, value: &Value, expected: &str) {
        let message = format!("{:?} is {}", self.key, value.type_name());
        let mut problem = Problem::new(value.span, message).expected(expected);
        if expected.contains("string") && is_number(value) {
            problem = problem.hint("text that looks like a number needs quotes");
        }
        if is_quoted(value) && is_unquoted_kind(expected) {
            problem = problem.hint("write it without quotes");
        }
        self.error(problem);
    }

    pub(crate) fn invalid(&mut self, value: &Value, message: String) {
        self.error(Problem::new(value.span, message));
    }

    pub(crate) fn map<'v, 't>(&mut self, value: &'v Value<'t>) -> Option<&'v Map<'t>> {
        match &value.kind {
            ValueKind::Map(map) => Some(map),
            _ => {
                self.wrong_type(value, "a map: { … }");
                None
            }
        }
    }

    pub(crate) fn string<'v>(&mut self, value: &'v Value) -> Option<&'v str> {
        match &value.kind {
            ValueKind::String(text) => Some(text),
            _ => {
                self.wrong_type(value, "a string");
                None
            }
        }
    }

    /// One string or an array of strings.
    pub(crate) fn strings<'v>(&mut self, value: &'v Value) -> Option<Vec<&'v str>> {
        match &value.kind {
            ValueKind::Array(items) => items.iter().map(|item| self.string(item)).collect(),
            ValueKind::String(text) => Some(vec![&**text]),
            _ => {
                self.wrong_type(value, "a string or an array of strings");
                None
            }
        }
    }

    pub(crate) fn int(&mut self, value: &Value) -> Option<i64> {
        match value.kind {
            ValueKind::Int(number) => Some(number),
            _ => {
                self.wrong_type(value, "an integer");
                None
            }
        }
    }

    pub(crate) fn bool(&mut self, value: &Value) -> Option<bool> {
        match value.kind {
            ValueKind::Bool(flag) => Some(flag),
            _ => {
                self.wrong_type(value, "true or false");
                None
            }
        }
    }

    pub(crate) fn bool_into(&mut self, value: &Value, slot: &mut bool) {
        if let Some(flag) = self.bool(value) {
            *slot = flag;
        }
    }

    /// An optional string; the empty one means "not set".
    pub(crate) fn string_into(&mut self, value: &Value, slot: &mut Option<String>) {
        if let Some(text) = self.string(value) {
            *slot = (!text.is_empty()).then(|| text.to_owned());
        }
    }

    /// A whole number of at most `max`, where 0 keeps the default that is in the slot.
    pub(crate) fn count_into(&mut self, value: &Value, max: u32, slot: &mut u32) {
        let Some(number) = self.int(value) else {
            return;
        };
        match u32::try_from(number) {
            Ok(0) => {}
            Ok(number) if number <= max => *slot = number,
            _ => self.out_of_range(value, number, &format!("at most {max}, more than 0")),
        }
    }

    /// A limit where 0 and negative numbers mean "unlimited".
    pub(crate) fn limit_into<T: TryFrom<i64> + Default>(&mut self, value: &Value, slot: &mut T) {
        let Some(number) = self.int(value) else {
            return;
        };
        match T::try_from(number) {
            Ok(limit) => *slot = limit,
            Err(_) if number < 0 => *slot = T::default(),
            Err(_) => self.out_of_range(value, number, "a smaller number"),
        }
    }

    pub(crate) fn out_of_range(&mut self, value: &Value, number: i64, expected: &str) {
        let what = if number <= 0 {
            "can not be negative"
        } else {
            "is too big"
        };
        let message = format!("{} value {what}", self.key);
        self.error(Problem::new(value.span, message).expected(expected));
    }

    /// A string that is a subject, wildcards allowed, with its place.
    pub(crate) fn subject(&mut self, value: &Value) -> Option<(String, Span)> {
        let text = self.string(value)?;
        if is_filter(text) {
            return Some((text.to_owned(), value.span));
        }
        self.invalid(value, format!("subject {text:?} is not a valid subject"));
        None
    }

    /// 1 to 100, as an integer or as a string with or without `%`; reports nothing.
    pub(crate) fn percentage(&self, value: &Value) -> Option<u8> {
        let number = match &value.kind {
            ValueKind::Int(number) => *number,
            ValueKind::String(text) => text.strip_suffix('%').unwrap_or(text).parse().ok()?,
            _ => return None,
        };
        u8::try_from(number)
            .ok()
            .filter(|percent| (1..=100).contains(percent))
    }

    /// A duration; a plain integer counts seconds and is warned about.
    pub(crate) fn duration(&mut self, value: &Value) -> Option<Duration> {
        match &value.kind {
            ValueKind::Int(seconds) => {
                self.warn(
                    value.span,
                    &format!("{} should be converted to a duration", self.key.clone()),
                );
                match u64::try_from(*seconds) {
                    Ok(seconds) if seconds <= i64::MAX as u64 / 1_000_000_000 => {
                        Some(Duration::from_secs(seconds))
                    }
                    _ => {
                        self.out_of_range(value, *seconds, "a number of seconds");
                        None
                    }
                }
            }
            _ => self.duration_text(value),
        }
    }

    /// A duration that must be written as one, and not be negative.
    pub(crate) fn duration_text(&mut self, value: &Value) -> Option<Duration> {
        let SignedDuration { negative, length } = self.signed_duration(value)?;
        if negative && !length.is_zero() {
            let message = format!("invalid {}, needs to be positive", self.key);
            self.invalid(value, message);
            return None;
        }
        Some(length)
    }

    pub(crate) fn signed_duration(&mut self, value: &Value) -> Option<SignedDuration> {
        const EXPECTED: &str = "a duration such as \"2m\" or \"1h30m\"";
        let ValueKind::String(text) = &value.kind else {
            self.wrong_type(value, EXPECTED);
            return None;
        };
        let parsed = duration::parse(text);
        if parsed.is_none() {
            let message = format!("error parsing {}: invalid duration {text:?}", self.key);
            self.error(
                Problem::new(value.span, message)
                    .expected(EXPECTED)
                    .hint("the units are ns, us, ms, s, m and h"),
            );
        }
        parsed
    }

    /// A duration where 0 keeps the default that is in the slot.
    pub(crate) fn duration_into(&mut self, value: &Value, slot: &mut Duration) {
        if let Some(length) = self.duration(value).filter(|length| !length.is_zero()) {
            *slot = length;
        }
    }

    /// Seconds as a number, or a duration; warns when it is suspiciously long.
    pub(crate) fn timeout(&mut self, value: &Value) -> Option<Duration> {
        let timeout = match value.kind {
            ValueKind::Int(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
            ValueKind::Float(seconds) => Duration::try_from_secs_f64(seconds).ok(),
            ValueKind::String(_) => return self.duration_text(value),
            _ => {
                self.wrong_type(value, "a number of seconds or a duration such as \"2s\"");
                return None;
            }
        };
        if timeout.is_none() {
            let message = format!("{} value is out of range", self.key);
            self.invalid(value, message);
        }
        timeout
    }

    /// A port; `zero` is what 0 stands for.
    pub(crate) fn port(&mut self, value: &Value, number: i64, zero: Option<Port>) -> Option<Port> {
        match u16::try_from(number) {
            Ok(0) => zero,
            Ok(number) => Some(Port::Number(number)),
            Err(_) if number == -1 => Some(Port::Random),
            Err(_) => {
                let message = format!("port {number} is out of range");
                self.error(
                    Problem::new(value.span, message)
                        .expected("1 to 65535, or -1 for any free port"),
                );
                None
            }
        }
    }

    /// Reports a file that is named but does not exist.
    pub(crate) fn file(&mut self, value: &Value) -> Option<String> {
        let path = self.string(value)?;
        if path.is_empty() || self.source.exists(path) {
            return Some(path.to_owned());
        }
        let message = format!("{} {path:?} can not be found", self.key);
        self.error(
            Problem::new(value.span, message)
                .hint("relative paths are relative to the directory the server is started in"),
        );
        None
    }
}

/// A limit as it is written.
pub(crate) enum LimitNumber {
    Limit(u64),
    Unlimited,
    /// No number, which has been reported.
    Wrong,
}

fn is_number(value: &Value) -> bool {
    matches!(
        value.kind,
        ValueKind::Int(_) | ValueKind::Float(_) | ValueKind::Datetime(_)
    )
}

/// Whether a string was written in quotes: then the source is longer than the text.
fn is_quoted(value: &Value) -> bool {
    let source_bytes = (value.span.end - value.span.start) as usize;
    matches!(&value.kind, ValueKind::String(text) if source_bytes != text.len())
}

fn is_unquoted_kind(expected: &str) -> bool {
    expected == "an integer" || expected == "true or false"
}

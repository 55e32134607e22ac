//! `jetstream` in all its forms, and `store_dir` beside it.
//!
//! Owns what sizes may look like and which domains are valid. Called by the rows of
//! `schema::jetstream` and `schema::top`; the rule for domains by `cross` too.

use super::Check;
use crate::duration::SignedDuration;
use crate::options::{
    BatchLimits, JetStreamLimits, JetStreamOptions, Options, Secret, StoreCipher, StoreEncryption,
    SyncPolicy,
};
use crate::schema::{BATCH_LIMITS, JETSTREAM, JETSTREAM_LIMITS};
use crate::subjects::is_filter;
use crate::syntax::{Map, Problem, Span, Value, ValueKind};
use std::time::Duration;

/// A `jetstream {}` block while its keys are being read.
pub(crate) struct JetStreamDraft {
    pub(crate) enabled: bool,
    pub(crate) options: JetStreamOptions,
    pub(crate) request_queue_limit: Option<u64>,
    pub(crate) info_queue_limit: Option<u64>,
    pub(crate) encryption: EncryptionDraft,
}

/// The keys about encryption while they are being read.
#[derive(Default)]
pub(crate) struct EncryptionDraft {
    pub(crate) key: Option<String>,
    previous: Option<(String, Span)>,
    pub(crate) cipher: StoreCipher,
}

impl EncryptionDraft {
    fn finish(self, check: &mut Check<'_>) -> Option<StoreEncryption> {
        let Some(key) = self.key else {
            if let Some((_, span)) = self.previous {
                let problem = Problem::new(span, "prev_key without key".to_owned());
                check.error(problem.hint(
                    "set key to the key to encrypt with; what is encrypted cannot be made plain again",
                ));
            }
            return None;
        };
        Some(StoreEncryption {
            key: Secret::new(key),
            previous: self.previous.map(|(key, _)| Secret::new(key)),
            cipher: self.cipher,
        })
    }
}

/// `jetstream`: on or off, or on with settings.
pub(crate) fn jetstream(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    let on = match &value.kind {
        ValueKind::Bool(on) => *on,
        ValueKind::String(word) => match word.to_ascii_lowercase().as_str() {
            "enabled" | "enable" => true,
            "disabled" | "disable" => false,
            _ => {
                return check.invalid(
                    value,
                    format!("Expected 'enabled' or 'disabled' for string value, got '{word}'"),
                );
            }
        },
        ValueKind::Map(map) => block(check, map, options),
        _ => return check.wrong_type(value, "enabled, disabled or a block: { … }"),
    };
    options.enable_jetstream(on);
}

/// Reads the block into the settings; returns whether JetStream is on.
fn block(check: &mut Check<'_>, map: &Map, options: &mut Options) -> bool {
    let settings = options.jetstream_settings();
    let mut draft = JetStreamDraft {
        enabled: true,
        options: std::mem::take(settings),
        request_queue_limit: None,
        info_queue_limit: None,
        encryption: EncryptionDraft::default(),
    };
    check.entries(map, "jetstream", JETSTREAM, &mut draft);
    let default = JetStreamOptions::default().request_queue_limit;
    draft.options.encryption = draft.encryption.finish(check);
    let settings = options.jetstream_settings();
    *settings = draft.options;
    settings.request_queue_limit = draft.request_queue_limit.unwrap_or(default);
    settings.info_queue_limit = draft
        .info_queue_limit
        .unwrap_or(settings.request_queue_limit);
    draft.enabled
}

/// `store_dir`, at the top level or in the block, but in one of them.
pub(crate) fn store_dir(check: &mut Check<'_>, value: &Value, slot: &mut Option<String>) {
    if slot.is_none() {
        return check.string_into(value, slot);
    }
    check.error(
        Problem::new(value.span, "Duplicate 'store_dir' configuration")
            .hint("keep it at the top level or in the jetstream block, not in both"),
    );
}

/// `prev_key`; the empty one is none.
pub(crate) fn previous_key(check: &mut Check<'_>, value: &Value, draft: &mut EncryptionDraft) {
    if let Some(key) = check.string(value).filter(|key| !key.is_empty()) {
        draft.previous = Some((key.to_owned(), value.span));
    }
}

/// `cipher`, in nats-server's words.
pub(crate) fn store_cipher(check: &mut Check<'_>, value: &Value, slot: &mut StoreCipher) {
    let Some(name) = check.string(value) else {
        return;
    };
    match name.to_ascii_lowercase().as_str() {
        "chacha" | "chachapoly" => *slot = StoreCipher::ChaCha,
        "aes" => *slot = StoreCipher::Aes,
        _ => check.error(
            Problem::new(value.span, format!("Unknown cipher type: {name:?}"))
                .expected("chacha or aes"),
        ),
    }
}

/// A size in bytes: a number, or a string whose K, M, G or T is a power of 1024.
pub(crate) fn storage_size(check: &mut Check<'_>, value: &Value) -> Option<i64> {
    const EXPECTED: &str = "a size such as 10GB or \"10G\"";
    let text = match &value.kind {
        ValueKind::Int(bytes) => return Some(*bytes),
        ValueKind::String(text) if text.is_empty() => return Some(0),
        ValueKind::String(text) => text,
        _ => {
            check.wrong_type(value, EXPECTED);
            return None;
        }
    };
    let problem = match parse_size(text) {
        Ok(bytes) => return Some(bytes),
        Err(SizeError::Malformed) => "sizes defined as strings must end in K, M, G, T",
        Err(SizeError::TooBig) => "is too big",
    };
    let message = format!("{} {problem}: {text:?}", check.key());
    check.error(Problem::new(value.span, message).expected(EXPECTED));
    None
}

enum SizeError {
    Malformed,
    TooBig,
}

fn parse_size(text: &str) -> Result<i64, SizeError> {
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let (digits, shift) = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(*unit)?, *shift)))
        .ok_or(SizeError::Malformed)?;
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SizeError::Malformed);
    }
    let number: i64 = digits.parse().map_err(|_| SizeError::TooBig)?;
    number.checked_mul(1 << shift).ok_or(SizeError::TooBig)
}

/// The most a store may hold; a negative size is "what the machine has".
pub(crate) fn maximum(check: &mut Check<'_>, value: &Value, slot: &mut Option<u64>) {
    if let Some(bytes) = storage_size(check, value) {
        *slot = u64::try_from(bytes).ok();
    }
}

/// A limit, unless it is 0 or negative.
pub(crate) fn limit_of(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|limit| *limit > 0)
}

/// The length of a queue: 0 keeps the default, a negative one is unlimited.
pub(crate) fn queue_limit(number: Option<i64>, slot: &mut u64) {
    match number.map(u64::try_from) {
        None | Some(Ok(0)) => {}
        Some(limit) => *slot = limit.unwrap_or(u64::MAX),
    }
}

pub(crate) fn not_negative(check: &mut Check<'_>, value: &Value, number: Option<i64>) {
    if let Some(number) = number.filter(|number| *number < 0) {
        check.out_of_range(value, number, "0 or more");
    }
}

/// `domain`: a name that is one token of a subject.
pub(crate) fn domain(check: &mut Check<'_>, value: &Value, slot: &mut Option<String>) {
    let Some(name) = check.string(value) else {
        return;
    };
    match domain_error(name) {
        Some(message) if !name.is_empty() => {
            check.error(Problem::new(value.span, message).expected("one token of a subject"));
        }
        _ => check.string_into(value, slot),
    }
}

/// Why a domain is not valid, in nats-server's words.
pub(crate) fn domain_error(name: &str) -> Option<String> {
    let subject = format!("$JS.{name}.API.>");
    if !is_filter(&subject) {
        return Some(format!(
            "invalid domain name: derived {subject:?} is not a valid subject"
        ));
    }
    name.contains(['.', '*', '>'])
        .then(|| "invalid domain name: may not contain ., * or >".to_owned())
}

/// `sync_interval`: zero is no interval, so it is `always` too.
pub(crate) fn sync_interval(check: &mut Check<'_>, value: &Value, draft: &mut JetStreamDraft) {
    let policy = match &value.kind {
        ValueKind::String(word) if word.eq_ignore_ascii_case("always") => SyncPolicy::Always,
        _ => match check.duration(value) {
            Some(Duration::ZERO) => SyncPolicy::Always,
            Some(interval) => SyncPolicy::Interval(interval),
            None => return,
        },
    };
    draft.options.sync_interval = policy;
}

/// `limits {}`; a repeated block starts anew.
pub(crate) fn jetstream_limits(check: &mut Check<'_>, value: &Value, draft: &mut JetStreamDraft) {
    draft.options.limits = JetStreamLimits::default();
    check.block(value, "limits", JETSTREAM_LIMITS, &mut draft.options.limits);
}

/// `limits { batch {} }`.
pub(crate) fn batch_limits(check: &mut Check<'_>, value: &Value, limits: &mut JetStreamLimits) {
    let batch: &mut BatchLimits = &mut limits.batch;
    check.block(value, "batch", BATCH_LIMITS, batch);
}

/// A duration that limits, unless it is zero or negative.
pub(crate) fn limit_duration(check: &mut Check<'_>, value: &Value, slot: &mut Option<Duration>) {
    if let Some(SignedDuration { negative, length }) = check.signed_duration(value) {
        *slot = (!negative && !length.is_zero()).then_some(length);
    }
}

/// `max_concurrent_io`.
pub(crate) fn concurrent_io(check: &mut Check<'_>, value: &Value, draft: &mut JetStreamDraft) {
    let Some(number) = check.int(value) else {
        return;
    };
    match u16::try_from(number) {
        Ok(limit) if (4..=8192).contains(&limit) => draft.options.max_concurrent_io = limit,
        _ => {
            let key = check.key();
            let message =
                format!("Expected an absolute size for {key:?} between 4 and 8192, got {number}");
            check.invalid(value, message);
        }
    }
}

//! `ocsp`, `ocsp_cache` and `tls { ocsp_peer }`.
//!
//! Owns the short forms and the words of these keys. Called by the rows of `schema::ocsp`.

use super::{Check, TlsDraft};
use crate::duration;
use crate::options::{
    OcspCacheKind, OcspCacheOptions, OcspMode, OcspOptions, OcspPeerOptions, Options,
};
use crate::schema::{OCSP, OCSP_CACHE, OCSP_PEER};
use crate::syntax::{Problem, Value, ValueKind};
use std::time::Duration;

/// The shortest `save_interval`.
const MIN_SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// `ocsp {}` while its keys are being read.
pub(crate) type OcspDraft = OcspOptions;

/// `ocsp`: on, off, or a mode and a responder.
pub(crate) fn ocsp(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    let mut ocsp = OcspOptions::default();
    match value.kind {
        ValueKind::Bool(true) => {}
        ValueKind::Bool(false) => ocsp.mode = OcspMode::Never,
        ValueKind::Map(_) => check.block(value, "ocsp", OCSP, &mut ocsp),
        _ => return check.wrong_type(value, "true, false or { mode: auto, url: … }"),
    }
    options.ocsp = Some(ocsp);
}

/// `mode`.
pub(crate) fn ocsp_mode(check: &mut Check<'_>, value: &Value, draft: &mut OcspDraft) {
    let Some(word) = check.string(value) else {
        return;
    };
    draft.mode = match word.to_ascii_lowercase().as_str() {
        "auto" => OcspMode::Auto,
        "must" => OcspMode::Must,
        "always" => OcspMode::Always,
        "never" => OcspMode::Never,
        _ => {
            let message = format!("error parsing ocsp config: unsupported ocsp mode {word:?}");
            return check
                .error(Problem::new(value.span, message).expected("auto, must, always or never"));
        }
    };
}

/// `url`.
pub(crate) fn ocsp_url(check: &mut Check<'_>, value: &Value, draft: &mut OcspDraft) {
    check.string_into(value, &mut draft.url);
}

/// `ocsp_cache`: on, off, or a description.
pub(crate) fn ocsp_cache(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    let mut cache = OcspCacheOptions::default();
    match value.kind {
        ValueKind::Bool(true) => {}
        ValueKind::Bool(false) => cache.kind = OcspCacheKind::None,
        ValueKind::Map(_) => check.block(value, "ocsp_cache", OCSP_CACHE, &mut cache),
        _ => return check.wrong_type(value, "true, false or { type: local, … }"),
    }
    options.ocsp_cache = Some(cache);
}

/// `type` of the cache.
pub(crate) fn cache_kind(check: &mut Check<'_>, value: &Value, cache: &mut OcspCacheOptions) {
    let Some(word) = check.string(value) else {
        return;
    };
    cache.kind = match word.to_ascii_lowercase().as_str() {
        "local" => OcspCacheKind::Local,
        "none" => OcspCacheKind::None,
        _ => {
            let message =
                format!("error parsing OCSP response cache config, unknown type {word:?}");
            return check.error(Problem::new(value.span, message).expected("local or none"));
        }
    };
}

/// `save_interval`: whole seconds, at least one.
pub(crate) fn save_interval(check: &mut Check<'_>, value: &Value, cache: &mut OcspCacheOptions) {
    if let Some(Some(time)) = seconds(check, value) {
        cache.save_interval = Duration::from_secs(time.as_secs()).max(MIN_SAVE_INTERVAL);
    } else {
        cache.save_interval = MIN_SAVE_INTERVAL;
    }
}

/// `ocsp_peer`: on, off, or a description.
pub(crate) fn ocsp_peer(check: &mut Check<'_>, value: &Value, draft: &mut TlsDraft) {
    let mut peer = OcspPeerOptions::default();
    match value.kind {
        ValueKind::Bool(verify) => peer.verify = verify,
        ValueKind::Map(_) => check.block(value, "ocsp_peer", OCSP_PEER, &mut peer),
        _ => return check.wrong_type(value, "true, false or { verify: true, … }"),
    }
    draft.options.ocsp_peer = Some(peer);
}

/// A time of `ocsp_peer`; a negative one keeps the default.
pub(crate) fn peer_time(check: &mut Check<'_>, value: &Value, slot: &mut Duration) {
    if let Some(Some(time)) = seconds(check, value) {
        *slot = time;
    }
}

/// Seconds as a number, or a duration. `None` is wrong, which has been reported; `Some(None)` is
/// negative.
fn seconds(check: &mut Check<'_>, value: &Value) -> Option<Option<Duration>> {
    match &value.kind {
        ValueKind::Int(seconds) => Some(u64::try_from(*seconds).ok().map(Duration::from_secs)),
        ValueKind::Float(seconds) => Some(Duration::try_from_secs_f64(*seconds).ok()),
        ValueKind::String(text) => match duration::parse(text) {
            Some(time) => Some((!time.negative).then_some(time.length)),
            None => {
                check.signed_duration(value);
                None
            }
        },
        _ => {
            check.wrong_type(value, "a number of seconds or a duration such as \"2s\"");
            None
        }
    }
}

//! Requests of the JetStream API: a subject, and the body for each operation.
//!
//! Checks: never panics; a refusal is one of the catalogue with words bounded by the input, in one line;
//! what is read leniently agrees with what is read strictly wherever that is accepted.
#![no_main]

use cognate_api::{
    ConsumerRequest, InfoRequest, MessageRequest, Operation, PageRequest, PauseRequest,
    PurgeRequest, RemoveMessageRequest, ResetRequest, RestoreRequest, SnapshotRequest,
    StreamRequest, SubjectPageRequest, UnpinRequest, expect_empty,
};
use cognate_model::ApiError;
use cognate_model::json::Unknown;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let cut = data
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(data.len());
    let (subject, body) = (&data[..cut], data.get(cut + 1..).unwrap_or_default());
    let subject = [b"$JS.API.", subject].concat();
    if let Some(operation) = Operation::parse(&subject) {
        let _ = (
            operation.response_type(),
            operation.is_system_only(),
            operation.is_cluster_only(),
        );
        both(data, |unknown| {
            ConsumerRequest::parse(&operation, body, unknown)
        });
    }
    both(data, |unknown| StreamRequest::parse(body, unknown));
    both(data, |unknown| InfoRequest::parse(body, unknown));
    both(data, |unknown| MessageRequest::parse(body, unknown));
    both(data, |unknown| PageRequest::parse(body, unknown));
    both(data, |unknown| PauseRequest::parse(body, unknown));
    both(data, |unknown| PurgeRequest::parse(body, unknown));
    both(data, |unknown| RemoveMessageRequest::parse(body, unknown));
    both(data, |unknown| RestoreRequest::parse(body, "S", unknown));
    both(data, |unknown| SnapshotRequest::parse(body, unknown));
    both(data, |unknown| SubjectPageRequest::parse(body, unknown));
    bounded(ResetRequest::parse(body).err(), data);
    bounded(UnpinRequest::parse(body).err(), data);
    bounded(expect_empty(body).err(), data);
    if let Ok(text) = std::str::from_utf8(&subject) {
        let _ = MessageRequest::parse_direct(body);
        let _ = MessageRequest::parse_direct_last(body, text);
    }
});

/// Reads in both ways: what is accepted strictly means the same leniently.
fn both<T: std::fmt::Debug>(data: &[u8], read: impl Fn(Unknown) -> Result<T, ApiError>) {
    let (strict, lenient) = (read(Unknown::Refused), read(Unknown::Ignored));
    if let Ok(strict) = &strict {
        let lenient = lenient.as_ref().expect("it is accepted strictly");
        assert_eq!(format!("{strict:?}"), format!("{lenient:?}"));
    }
    bounded(strict.err(), data);
    bounded(lenient.err(), data);
}

fn bounded(refusal: Option<ApiError>, data: &[u8]) {
    let Some(refusal) = refusal else { return };
    assert!(refusal.err_code >= 10_000 && refusal.code >= 400);
    let text = &refusal.description;
    // An escape takes at most six characters for a byte.
    assert!(
        !text.is_empty() && text.len() <= 200 + 6 * data.len(),
        "{text:?}"
    );
    assert!(!text.contains(['\n', '\r']), "{text:?}");
}

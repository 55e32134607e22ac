//! The query part of monitoring requests.
//!
//! Checks: never panics; a page is never larger than the limit; numbers and values that a query
//! writes plainly come back; a refusal is bounded by the input and, the name being ours, one line.
#![no_main]

use cognate_monitor::query::{BadQuery, Page, Query};
use cognate_monitor::{ConnzRequest, HealthzRequest, SubszRequest, limits};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 12] = [
    "auth",
    "subs",
    "offset",
    "limit",
    "cid",
    "state",
    "sort",
    "user",
    "acc",
    "test",
    "mqtt_client",
    "js-enabled-only",
];

fuzz_target!(|data: &[u8]| {
    let query = Query::parse(data);
    for name in NAMES {
        if let Some(value) = query.value(name) {
            assert!(!value.is_empty() && value.len() <= data.len());
        }
        refused(query.boolean(name), data);
        refused(query.integer(name), data);
        refused(query.unsigned(name), data);
    }
    refused(query.subscription_list(), data);
    if let Ok(Page { offset, limit }) = query.page() {
        assert!((1..=limits::PAGE).contains(&limit));
        let page = Page { offset, limit };
        assert!(page.contains(offset) && !page.contains(offset.wrapping_sub(1)));
        assert!(!page.contains(offset.saturating_add(limit)) || offset > usize::MAX - limit);
    }
    if let Ok(request) = ConnzRequest::parse(&query) {
        assert!((1..=limits::PAGE).contains(&request.page.limit));
        assert_ne!(request.cid, Some(0));
    }
    // These two repeat a subject or a state as it was sent.
    let connz = ConnzRequest::parse(&query).err();
    let subsz = SubszRequest::parse(&query).err();
    for BadQuery(text) in connz.into_iter().chain(subsz) {
        assert!(!text.is_empty() && text.len() <= 200 + 10 * data.len());
    }
    refused(HealthzRequest::parse(&query), data);
    round_trip(data);
});

fn refused<T>(result: Result<T, BadQuery>, data: &[u8]) {
    let Err(BadQuery(text)) = result else { return };
    // An escape takes at most ten characters for a byte of the value.
    assert!(!text.is_empty() && text.len() <= 200 + 10 * data.len());
    assert!(!text.contains(['\n', '\r']), "{text:?}");
}

/// Arbitrary bytes, percent-encoded as a value behind another parameter, come back.
fn round_trip(data: &[u8]) {
    let escaped: String = data.iter().map(|byte| format!("%{byte:02X}")).collect();
    let query = Query::parse(format!("x=1&user={escaped}").as_bytes());
    assert_eq!(query.value("user"), (!data.is_empty()).then_some(data));
}

//! CONNECT: its options, and its text for the trace log.
//!
//! Checks: never panics; what is read lies within bounds; reading over earlier options with `{}`
//! changes nothing; neither `Debug` nor an error shows a secret; the redacted text is the same JSON
//! with the value of every secret key replaced, at any depth, and of a text that is no JSON only
//! the length is shown.
#![no_main]

use cognate_wire::{ConnectOptions, redact_connect};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const REDACTED: &str = "[REDACTED]";

fuzz_target!(|data: &[u8]| {
    read(data);
    redact(data);
});

fn read(data: &[u8]) {
    let options = match ConnectOptions::parse(data) {
        Ok(options) => options,
        Err(error) => return check_error(&error.to_string()),
    };
    assert_eq!(options.updated(b"{}").as_ref(), Ok(&options));
    assert_eq!(
        options.updated(data).as_ref(),
        Ok(&options),
        "not idempotent"
    );
    // Whatever the secrets are, only whether they are set may show.
    let mut masked = options.clone();
    let ConnectOptions {
        jwt,
        sig,
        auth_token,
        pass,
        proxy_sig,
        ..
    } = &mut masked;
    for secret in [jwt, sig, auth_token, pass, proxy_sig] {
        if !secret.is_empty() {
            *secret = "another".to_owned();
        }
    }
    assert_eq!(format!("{options:?}"), format!("{masked:?}"));
}

/// An error says where and what, in words of its own.
fn check_error(text: &str) {
    let (at, problem) = text
        .strip_prefix("CONNECT options at byte ")
        .and_then(|rest| rest.split_once(": "))
        .expect("where it is");
    at.parse::<usize>().expect("an offset");
    let known = [
        "a value has the wrong type",
        "the JSON text ends too early",
        "not valid JSON",
    ];
    assert!(known.contains(&problem), "{problem}");
}

fn redact(data: &[u8]) {
    let shown = redact_connect(data);
    let text = String::from_utf8_lossy(data);
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
        assert_eq!(
            shown,
            format!("[REDACTED] ({} bytes, not valid JSON)", data.len())
        );
        return;
    }
    assert!(
        serde_json::from_str::<serde::de::IgnoredAny>(&shown).is_ok(),
        "{shown}"
    );
    // Too deep, or with half a surrogate pair: there is nothing to compare with.
    let Ok(value) = serde_json::from_str::<Value>(&text) else {
        return;
    };
    let shown: Value = serde_json::from_str(&shown).expect("as readable as before");
    assert_eq!(shown, without_secrets(value));
}

fn without_secrets(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(without_secrets).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| match is_secret(&key) {
                true => (key, Value::from(REDACTED)),
                false => (key, without_secrets(value)),
            })
            .collect(),
        other => other,
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.trim().to_ascii_lowercase();
    let others = ["auth_token", "token", "jwt", "sig", "proxy_sig", "seed"];
    key.starts_with("pass") || others.contains(&key.as_str())
}

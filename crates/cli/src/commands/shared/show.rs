//! How a message is shown: headers, an empty line, the body.

use async_nats::HeaderMap;

use super::headers;

/// Headers and body as text, as the official tool prints them.
pub(crate) fn message(headers: Option<&HeaderMap>, body: &[u8], headers_only: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in headers.map(headers::sorted).unwrap_or_default() {
        out.extend_from_slice(format!("{key}: {value}\n").as_bytes());
    }
    if headers.is_some_and(|headers| !headers.is_empty()) {
        out.push(b'\n');
    }
    if !headers_only {
        match body {
            [] => out.extend_from_slice(b"nil body\n"),
            body => {
                out.extend_from_slice(body);
                if !body.ends_with(b"\n") {
                    out.push(b'\n');
                }
            }
        }
    }
    out
}

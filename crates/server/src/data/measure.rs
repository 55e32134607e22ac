//! Which requests to a service are measured, and what is measured.
//!
//! An exporter has a share of the requests measured, or those whose trace headers ask for it
//! (Jaeger, Zipkin/B3, W3C trace context). Trace headers go into the result, under canonical names.
//! Decided by [`super::crossing`] for each request; the server makes the message of the result.

use std::sync::Arc;
use std::time::Duration;

use cognate_auth::account_spec::Sampling;
use cognate_wire::headers::HeaderBlock;

use super::connection::Connection;

/// Trace headers of a request: canonical names and values.
pub(crate) type TraceHeaders = Vec<(String, String)>;

/// A request that is measured.
#[derive(Clone)]
pub(crate) struct Measured {
    /// Who asked, if it was a client.
    pub requester: Option<Arc<Connection>>,
    /// The account that asked.
    pub account: String,
    /// Whether the exporter is told everything about who asked.
    pub share: bool,
    /// When it was asked; since the server's start.
    pub at: Duration,
    /// What it said about its trace.
    pub headers: TraceHeaders,
}

/// What became of a measured request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was answered by this client (none: by the server).
    Answered,
    /// It named no subject for an answer.
    BadRequest,
    /// Whoever asked is gone.
    RequesterGone,
    /// Nobody serves it.
    NoResponder,
    /// Nobody answered in time.
    TimedOut,
}

impl Fate {
    /// Code and words of the result.
    pub(crate) fn status(self) -> (u16, &'static str) {
        match self {
            Fate::Answered => (200, ""),
            Fate::BadRequest => (400, "Bad Request"),
            Fate::RequesterGone => (408, "Request Timeout"),
            Fate::NoResponder => (503, "Service Unavailable"),
            Fate::TimedOut => (504, "Service Timeout"),
        }
    }
}

/// Whether a request is measured, and its trace headers if they ask for it. `draw` is random, below
/// 100.
pub(crate) fn sample(sampling: Sampling, draw: u8, block: &[u8]) -> Option<TraceHeaders> {
    if let Sampling::Percent(percent) = sampling
        && draw < percent
    {
        return Some(TraceHeaders::new());
    }
    let headers = HeaderBlock::parse(block)?;
    let value = |name: &str| {
        let found = headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))?;
        str::from_utf8(found.1).ok()
    };
    let copied = |wanted: &dyn Fn(&str) -> bool| {
        let all = headers.iter().filter_map(|(key, value)| {
            let key = canonical(key);
            let value = str::from_utf8(value).ok()?.to_owned();
            wanted(&key).then_some((key, value))
        });
        Some(all.collect())
    };
    if let Some(id) = value("Uber-Trace-Id") {
        let wanted = |key: &str| key == "Uber-Trace-Id" || key.starts_with("Uberctx-");
        return if is_sampled_by_jaeger(id) {
            copied(&wanted)
        } else {
            None
        };
    }
    let b3 = |key: &str| key.starts_with("X-B3-");
    match value("X-B3-Sampled") {
        Some("1") => return copied(&b3),
        Some("0") => return None,
        _ => {}
    }
    if value("X-B3-TraceId").is_some() {
        return copied(&b3);
    }
    if let Some(single) = value("B3") {
        let parts: Vec<&str> = single.split('-').collect();
        let denied = match *parts.as_slice() {
            [only] => only == "0",
            [_, _, sampled, ..] => sampled == "0",
            _ => false,
        };
        return if denied {
            None
        } else {
            copied(&|key| key == "B3")
        };
    }
    let context = value("Traceparent")?;
    let wanted = |key: &str| key == "Traceparent" || key == "Tracestate";
    if is_sampled_by_context(context) {
        copied(&wanted)
    } else {
        None
    }
}

/// Whether the flags of `trace:span:parent:flags` say so.
fn is_sampled_by_jaeger(id: &str) -> bool {
    let parts: Vec<&str> = id.split(':').collect();
    match *parts.as_slice() {
        [_, _, _, flags] if (1..=2).contains(&flags.len()) => {
            u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1)
        }
        _ => false,
    }
}

/// Whether the flags of `version-trace-parent-flags` say so.
fn is_sampled_by_context(context: &str) -> bool {
    let parts: Vec<&str> = context.split('-').collect();
    match *parts.as_slice() {
        [_, _, _, flags] if flags.len() == 2 => {
            u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1)
        }
        _ => false,
    }
}

/// A header's name as Go writes it: capitals at the start and behind dashes only.
fn canonical(key: &[u8]) -> String {
    let mut start = true;
    let letters = key.iter().map(|&byte| {
        let letter = if start {
            byte.to_ascii_uppercase()
        } else {
            byte.to_ascii_lowercase()
        };
        start = byte == b'-';
        char::from(letter)
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(headers: &str) -> Option<String> {
        let block = format!("NATS/1.0\r\n{headers}\r\n\r\n");
        let found = sample(Sampling::Headers, 0, block.as_bytes())?;
        let all = found.iter().map(|(key, value)| format!("{key}={value}"));
        Some(all.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn trace_headers_ask_for_a_measurement() {
        let cases = [
            ("uber-trace-id: a:b:c:1", Some("Uber-Trace-Id=a:b:c:1")),
            ("Uber-Trace-Id: a:b:c:0", None),
            ("Uber-Trace-Id: a:b:1", None),
            ("X-B3-Sampled: 1", Some("X-B3-Sampled=1")),
            ("X-B3-Sampled: 0", None),
            ("X-B3-TraceId: 8", Some("X-B3-Traceid=8")),
            ("b3: 8-e-1-0", Some("B3=8-e-1-0")),
            ("b3: 8-e-0", None),
            ("b3: 0", None),
            ("traceparent: 00-4b-00-01", Some("Traceparent=00-4b-00-01")),
            ("traceparent: 00-4b-00-00", None),
            ("Other: 1", None),
        ];
        for (headers, expected) in cases {
            assert_eq!(sampled(headers).as_deref(), expected, "{headers}");
        }
    }

    #[test]
    fn a_share_of_the_requests_is_measured() {
        assert!(sample(Sampling::Percent(10), 9, b"").is_some());
        assert!(sample(Sampling::Percent(10), 10, b"").is_none());
    }
}

//! The protocol trace (`-V`): frames as lines, secrets and excess left out.
//!
//! The lines are those of nats-server, which people read and tools search: verbs in upper case,
//! arguments as sent, a line of its own for a payload.

use cognate_process::trace;
use cognate_router::Subscription;
use cognate_wire::{Publish, redact_connect};

use crate::data::Connection;
use crate::shared::Shared;

/// Logs a frame that a client sent, or its control line alone.
pub(crate) fn trace_in(shared: &Shared, connection: &Connection, frame: &[u8]) {
    let (verb, arguments) = split_verb(line_of(frame));
    let label = connection.label();
    match verb.as_str() {
        "CONNECT" => trace!(
            shared.log,
            "{label} - <<- [CONNECT {}]",
            redact_connect(arguments)
        ),
        // Nothing passes with these.
        "+OK" | "-ERR" | "INFO" => {}
        _ if arguments.is_empty() => trace!(shared.log, "{label} - <<- [{verb}]"),
        _ => {
            trace!(
                shared.log,
                "{label} - <<- [{verb} {}]",
                String::from_utf8_lossy(arguments)
            );
            let payload = frame
                .splitn(2, |&byte| byte == b'\n')
                .nth(1)
                .unwrap_or_default();
            let payload = payload.strip_suffix(b"\r\n").unwrap_or(payload);
            let header_len = if verb == "HPUB" {
                header_len(arguments)
            } else {
                0
            };
            trace_payload(shared, &format!("{label} - <<-"), payload, header_len);
        }
    }
}

/// Logs protocol text that is sent to a client; INFO is not shown.
pub(crate) fn trace_text(shared: &Shared, connection: &Connection, text: &[u8]) {
    let line = String::from_utf8_lossy(line_of(text));
    let label = connection.label();
    match line
        .strip_prefix("-ERR '")
        .and_then(|rest| rest.strip_suffix('\''))
    {
        Some(problem) => trace!(shared.log, "{label} - ->> [-ERR {problem}]"),
        None if line.starts_with("INFO ") => {}
        None => trace!(
            shared.log,
            "{label} - ->> [{}]",
            line.trim_start_matches('+')
        ),
    }
}

/// Logs a message on its way to a subscription.
pub(crate) fn trace_message(
    shared: &Shared,
    sub: &Subscription<Connection>,
    subject: &[u8],
    message: &Publish<'_>,
) {
    let to = sub.destination();
    let Publish {
        reply,
        payload,
        header_len,
        ..
    } = *message;
    let (payload, header_len) = match header_len {
        Some(len) if !to.takes_headers() => (payload.get(len..).unwrap_or_default(), None),
        header_len => (payload, header_len),
    };
    let text = String::from_utf8_lossy;
    let verb = if header_len.is_some() { "HMSG" } else { "MSG" };
    let reply = reply.map_or_else(String::new, |reply| format!(" {}", text(reply)));
    let headers = header_len.map_or_else(String::new, |len| format!(" {len}"));
    let (subject, sid, size) = (text(subject), text(sub.sid()), payload.len());
    let start = format!("{} - ->>", to.label());
    trace!(
        shared.log,
        "{start} [{verb} {subject} {sid}{reply}{headers} {size}]"
    );
    trace_payload(shared, &start, payload, header_len.unwrap_or(0));
}

/// Logs the end of a subscription.
pub(crate) fn trace_end(shared: &Shared, connection: &Connection, sid: &[u8]) {
    let sid = String::from_utf8_lossy(sid);
    trace!(shared.log, "{} - <-> [DELSUB {sid}]", connection.label());
}

/// Logs a payload as the options want it: cut, or its headers only; an empty one is not shown.
fn trace_payload(shared: &Shared, start: &str, payload: &[u8], header_len: usize) {
    let options = shared.options();
    let mut shown = payload;
    if options.trace_headers {
        let headers = payload.get(..header_len).unwrap_or_default();
        shown = headers.strip_suffix(b"\r\n\r\n").unwrap_or(headers);
    }
    let limit = match options.max_traced_msg_len {
        0 => shown.len(),
        limit => limit.min(shown.len()),
    };
    if limit == 0 {
        return;
    }
    let more = if limit < shown.len() { "..." } else { "" };
    let shown = String::from_utf8_lossy(&shown[..limit]);
    trace!(
        shared.log,
        "{start} MSG_PAYLOAD: [\"{}{more}\"]",
        shown.escape_debug()
    );
}

/// The header size that HPUB announces: the last but one of its arguments.
fn header_len(arguments: &[u8]) -> usize {
    let mut words = arguments
        .rsplit(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let size = words.nth(1).and_then(|word| std::str::from_utf8(word).ok());
    size.and_then(|size| size.parse().ok()).unwrap_or(0)
}

/// The control line of a frame, without its end.
pub(crate) fn line_of(frame: &[u8]) -> &[u8] {
    let line = frame
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The verb of a control line in upper case, and its arguments.
pub(crate) fn split_verb(line: &[u8]) -> (String, &[u8]) {
    let end = line
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(line.len());
    let (verb, arguments) = line.split_at(end);
    (
        String::from_utf8_lossy(verb).to_ascii_uppercase(),
        arguments.trim_ascii(),
    )
}

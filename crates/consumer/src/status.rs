//! The header blocks of status replies, in nats-server's words.
//!
//! Each function appends one whole block to a buffer it has cleared. Absent: when they are sent.

use cognate_model::Sequence;

use crate::ack_subject::push_decimal;

/// A status without further headers: `code` is number and description.
pub(crate) fn plain<'a>(out: &'a mut Vec<u8>, code: &[u8]) -> &'a [u8] {
    first_line(out, code);
    finish(out)
}

/// A status that says what a pull request did not get.
pub(crate) fn unfinished<'a>(
    out: &'a mut Vec<u8>,
    code: &[u8],
    messages: i64,
    bytes: i64,
) -> &'a [u8] {
    first_line(out, code);
    signed_header(out, b"Nats-Pending-Messages: ", messages);
    signed_header(out, b"Nats-Pending-Bytes: ", bytes);
    finish(out)
}

/// The heartbeat of an idle consumer; `stalled` is the subject of a flow control request that was
/// not answered.
pub(crate) fn heartbeat<'a>(
    out: &'a mut Vec<u8>,
    consumer: u64,
    stream: Sequence,
    stalled: Option<&[u8]>,
) -> &'a [u8] {
    first_line(out, b"100 Idle Heartbeat");
    header(out, b"Nats-Last-Consumer: ", consumer);
    header(out, b"Nats-Last-Stream: ", stream);
    if let Some(subject) = stalled {
        out.extend_from_slice(b"Nats-Consumer-Stalled: ");
        out.extend_from_slice(subject);
        out.extend_from_slice(b"\r\n");
    }
    finish(out)
}

fn first_line(out: &mut Vec<u8>, code: &[u8]) {
    out.clear();
    out.extend_from_slice(b"NATS/1.0 ");
    out.extend_from_slice(code);
    out.extend_from_slice(b"\r\n");
}

fn header(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    push_decimal(out, value);
    out.extend_from_slice(b"\r\n");
}

fn signed_header(out: &mut Vec<u8>, name: &[u8], value: i64) {
    out.extend_from_slice(name);
    if value < 0 {
        out.push(b'-');
    }
    push_decimal(out, value.unsigned_abs());
    out.extend_from_slice(b"\r\n");
}

fn finish(out: &mut Vec<u8>) -> &[u8] {
    out.extend_from_slice(b"\r\n");
    out
}

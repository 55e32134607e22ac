//! The client protocol's parser on arbitrary bytes under varying limits.
//!
//! Checks: it never panics; an operation takes at least one byte and no more than there are; its
//! slices lie within its frame and obey the limits; the answer for a prefix is never contradicted
//! by more bytes, whatever the cut; what is awaited is bounded, so a reader's memory is; the `tail`
//! of a publish is there exactly when the frame is written canonically, and is what a delivery
//! repeats; the same publish in an unusual spelling means the same (the general reader against the
//! fast one).
#![no_main]

use cognate_fuzz::{choose, settings};
use cognate_wire::{ClientOp, Fault, Limits, Publish, Step, parse_client};
use libfuzzer_sys::fuzz_target;

/// Frames up to this length are cut at every byte, longer ones at some.
const CUT_EVERYWHERE: usize = 40;

/// The longest verb.
const VERB: usize = b"CONNECT".len();

fuzz_target!(|data: &[u8]| {
    let Some(([line, payload, headers, cut], mut rest)) = settings(data) else {
        return;
    };
    let limits = Limits {
        max_control_line: choose(*line, [4096, 64, 16, 5, 0, 1, 1024, 1 << 20]),
        max_payload: choose(*payload, [1 << 20, 64, 8, 1, 0, 1000, 5000, usize::MAX]),
        headers: choose(*headers, [true, false]),
    };
    while !rest.is_empty() {
        let step = parse_client(rest, &limits);
        match step {
            Step::Op { op, len } => {
                assert!(len > 0 && len <= rest.len(), "took {len} of {}", rest.len());
                let (frame, after) = rest.split_at(len);
                assert_eq!(parse_client(frame, &limits), step, "more bytes changed it");
                check_cuts(frame, step, *cut, &limits);
                check_op(frame, op, &limits);
                rest = after;
            }
            Step::Incomplete { total } => {
                check_cuts(rest, step, *cut, &limits);
                return check_awaited(rest, total, &limits);
            }
            Step::Fault(fault) => {
                check_cuts(rest, step, *cut, &limits);
                return check_fault(fault, &limits);
            }
        }
    }
});

/// Compares the answers for prefixes of `frame` with the one for all of it.
fn check_cuts(frame: &[u8], whole: Step<'_>, cut: u8, limits: &Limits) {
    let check = |at: usize| {
        let part = parse_client(&frame[..at], limits);
        let consistent = match (part, whole) {
            (Step::Incomplete { total: None }, _) => true,
            (Step::Incomplete { total: Some(total) }, Step::Op { len, .. }) => total == len,
            (Step::Incomplete { total: Some(total) }, Step::Fault(fault)) => {
                total > at && fault == Fault::PayloadNotTerminated
            }
            (Step::Incomplete { .. }, Step::Incomplete { .. }) => part == whole,
            (Step::Fault(_), Step::Fault(_)) => part == whole,
            _ => false,
        };
        assert!(consistent, "at {at}: {part:?}, but in the end {whole:?}");
    };
    if frame.len() <= CUT_EVERYWHERE {
        return (0..frame.len()).for_each(check);
    }
    let stride = usize::from(cut) + 1;
    (0..8)
        .map(|step| frame.len().saturating_sub(step * stride + 1))
        .for_each(check);
    (0..8)
        .map(|step| step * stride % frame.len())
        .for_each(check);
}

fn check_op(frame: &[u8], op: ClientOp<'_>, limits: &Limits) {
    if let ClientOp::Pub(message) = op {
        check_publish(frame, &message, limits);
        return check_spelling(&message, limits);
    }
    assert_eq!(
        frame.iter().position(|&byte| byte == b'\n'),
        Some(frame.len() - 1)
    );
    assert!(frame.len() <= VERB + 2 * limits.max_control_line + 2);
    let text = |text: &[u8]| {
        assert!(is_within(frame, text) && text.len() <= limits.max_control_line);
        assert!(!text.contains(&b'\n'));
    };
    let token = |token: &[u8]| {
        text(token);
        assert!(!token.is_empty() && !token.iter().any(|byte| b" \t\r".contains(byte)));
    };
    match op {
        ClientOp::Sub {
            subject,
            queue,
            sid,
        } => {
            [Some(subject), queue, Some(sid)]
                .into_iter()
                .flatten()
                .for_each(token);
        }
        ClientOp::Unsub { sid, max } => {
            token(sid);
            assert!(max.is_none_or(|max| (-1..=999_999_999).contains(&max)));
        }
        ClientOp::Connect(json) | ClientOp::Info(json) => text(json),
        ClientOp::Err(reason) => text(reason),
        ClientOp::Ping | ClientOp::Pong | ClientOp::Ok | ClientOp::Pub(_) => {}
    }
}

fn check_publish(frame: &[u8], message: &Publish<'_>, limits: &Limits) {
    let Publish {
        subject,
        reply,
        header_len,
        payload,
        tail,
    } = *message;
    for token in [Some(subject), reply].into_iter().flatten() {
        assert!(is_within(frame, token) && !token.is_empty());
        assert!(!token.iter().any(|byte| b" \t\r\n".contains(byte)));
    }
    assert!(is_within(frame, payload) && frame.ends_with(b"\r\n"));
    assert!(payload.len() <= limits.max_payload);
    assert!(header_len.is_none_or(|len| limits.headers && len > 0 && len <= payload.len()));

    let expected = delivery_tail(message);
    let verb: &[u8] = if header_len.is_some() {
        b"HPUB "
    } else {
        b"PUB "
    };
    let canonical = [verb, subject, b" ", &expected].concat();
    if let Some(tail) = tail {
        assert_eq!(tail, expected);
        assert!(
            std::ptr::eq(tail, &frame[frame.len() - tail.len()..]),
            "not the frame's end"
        );
    }
    let written = canonical.len() == frame.len()
        && canonical[..verb.len()].eq_ignore_ascii_case(&frame[..verb.len()])
        && canonical[verb.len()..] == frame[verb.len()..];
    assert!(tail.is_some() || !written, "canonical, but without a tail");
}

/// What stands in a delivery behind the subscription's id.
fn delivery_tail(message: &Publish<'_>) -> Vec<u8> {
    let mut tail = Vec::new();
    if let Some(reply) = message.reply {
        tail.extend_from_slice(reply);
        tail.push(b' ');
    }
    if let Some(header_len) = message.header_len {
        tail.extend_from_slice(format!("{header_len} ").as_bytes());
    }
    tail.extend_from_slice(format!("{}\r\n", message.payload.len()).as_bytes());
    tail.extend_from_slice(message.payload);
    tail.extend_from_slice(b"\r\n");
    tail
}

/// Writes the publish with other blanks, case and line end, and reads it again.
fn check_spelling(message: &Publish<'_>, limits: &Limits) {
    let mut frame = match message.header_len {
        Some(_) => b"hPuB \t".to_vec(),
        None => b"pUb \t".to_vec(),
    };
    let start = frame.len();
    frame.extend_from_slice(message.subject);
    frame.extend_from_slice(b"\t ");
    if let Some(reply) = message.reply {
        frame.extend_from_slice(reply);
        frame.push(b'\t');
    }
    if let Some(header_len) = message.header_len {
        frame.extend_from_slice(format!("{header_len:09}  ").as_bytes());
    }
    frame.extend_from_slice(format!("{:09} ", message.payload.len()).as_bytes());
    let max_control_line = limits.max_control_line.max(frame.len() - start);
    frame.push(b'\n');
    frame.extend_from_slice(message.payload);
    frame.extend_from_slice(b"\r\n");
    let op = ClientOp::Pub(Publish {
        tail: None,
        ..*message
    });
    let step = Step::Op {
        op,
        len: frame.len(),
    };
    assert_eq!(
        parse_client(
            &frame,
            &Limits {
                max_control_line,
                ..*limits
            }
        ),
        step
    );
}

/// What a reader has to keep and to make room for.
fn check_awaited(rest: &[u8], total: Option<usize>, limits: &Limits) {
    let line_end = rest.iter().position(|&byte| byte == b'\n');
    match (total, line_end) {
        (None, None) => assert!(rest.len() <= VERB + 2 * limits.max_control_line + 1),
        (Some(total), Some(newline)) => {
            assert!(total > rest.len());
            let payload = total - (newline + 1) - 2;
            assert!(payload <= limits.max_payload && payload <= 999_999_999);
            assert!(newline <= VERB + 2 * limits.max_control_line + 1);
        }
        _ => panic!("awaits {total:?} with a line end at {line_end:?}"),
    }
}

fn check_fault(fault: Fault, limits: &Limits) {
    match fault {
        Fault::MaxPayload { size } => assert!(size > limits.max_payload && size <= 999_999_999),
        Fault::HeadersNotSupported => assert!(!limits.headers),
        _ => {}
    }
    assert!(!fault.to_string().is_empty() && !fault.close_reason().to_string().is_empty());
}

fn is_within(outer: &[u8], inner: &[u8]) -> bool {
    let (outer, inner) = (outer.as_ptr_range(), inner.as_ptr_range());
    outer.start <= inner.start && inner.end <= outer.end
}

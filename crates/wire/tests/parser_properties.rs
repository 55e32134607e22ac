//! Properties of the client parser: splits do not matter, nothing panics, and
//! a publish's tail is its delivery.

use cognate_wire::{ClientOp, Limits, Publish, Step, encode, parse_client};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    max_control_line: 48,
    max_payload: 40,
    headers: true,
};

/// What a connection gets out of a stream of bytes: operations, then perhaps
/// a fault, which ends it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    ops: Vec<String>,
    fault: Option<String>,
    left: usize,
}

/// Feeds the chunks one by one, as a read loop does, and checks on the way
/// that announced frame lengths come true.
fn feed<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut buffer: Vec<u8> = Vec::new();
    let mut announced = None;
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match parse_client(&buffer, &LIMITS) {
                Step::Op { op, len } => {
                    assert!(len > 0 && len <= buffer.len());
                    assert_eq!(announced.take().unwrap_or(len), len);
                    outcome.ops.push(format!("{op:?}"));
                    buffer.drain(..len);
                }
                Step::Incomplete { total } => {
                    assert!(total.is_none_or(|total| total > buffer.len()));
                    assert!(announced.is_none() || announced == total);
                    announced = total;
                    break;
                }
                Step::Fault(fault) => {
                    outcome.fault = Some(format!("{fault:?}"));
                    return outcome;
                }
            }
        }
    }
    outcome.left = buffer.len();
    outcome
}

fn check_splits(bytes: &[u8], cuts: &[prop::sample::Index]) {
    let at_once = feed(std::iter::once(bytes));
    assert_eq!(feed(bytes.chunks(1)), at_once);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    assert_eq!(
        feed(cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]])),
        at_once
    );
}

fn any_case(verb: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(any::<bool>(), verb.len()).prop_map(move |upper| {
        let pairs = verb.chars().zip(upper);
        pairs
            .map(|(c, up)| if up { c } else { c.to_ascii_lowercase() })
            .collect()
    })
}

fn blanks() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just(" "), 1 => Just("  "), 1 => Just("\t"), 1 => Just(" \t ")]
}

fn line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("\r\n"), 1 => Just("\n"), 1 => Just(" \r\n")]
}

fn token() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[a-z0-9.*>]{1,12}", 1 => "[0-9]{1,3}", 1 => "\\PC{1,6}"]
}

fn size(right: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        12 => Just(right.to_string()),
        1 => Just(format!("0{right}")),
        1 => "[0-9]{1,12}",
        1 => "[-+x0-9]{1,3}",
    ]
}

/// A PUB or HPUB, mostly right.
fn publish() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..44);
    (payload, any::<bool>(), prop::option::of(token())).prop_flat_map(
        |(payload, headers, reply)| {
            let header_len = payload.len() / 2;
            let verb = any_case(if headers { "HPUB" } else { "PUB" });
            let terminator = prop_oneof![12 => Just("\r\n"), 1 => Just("\n"), 1 => Just("x")];
            let parts = (
                verb,
                token(),
                size(header_len),
                size(payload.len()),
                blanks(),
                line_end(),
                terminator,
            );
            parts.prop_map(
                move |(verb, subject, header, total, blank, end, terminator)| {
                    let mut args = vec![verb, subject];
                    args.extend(reply.clone());
                    args.extend(headers.then_some(header));
                    args.push(total);
                    let mut frame = args.join(blank).into_bytes();
                    frame.extend_from_slice(end.as_bytes());
                    frame.extend_from_slice(&payload);
                    frame.extend_from_slice(terminator.as_bytes());
                    frame
                },
            )
        },
    )
}

fn other_operation() -> impl Strategy<Value = Vec<u8>> {
    let verb = prop_oneof![
        Just("SUB"),
        Just("UNSUB"),
        Just("PING"),
        Just("PONG"),
        Just("CONNECT"),
        Just("INFO"),
        Just("+OK"),
        Just("-ERR"),
        Just("MSG"),
        Just("R"),
    ];
    let args = prop::collection::vec(token(), 0..5);
    (verb.prop_flat_map(any_case), args, blanks(), line_end()).prop_map(
        |(verb, args, blank, end)| {
            let mut words = vec![verb];
            words.extend(args);
            (words.join(blank) + end).into_bytes()
        },
    )
}

fn operations() -> impl Strategy<Value = Vec<u8>> {
    let operation = prop_oneof![3 => publish(), 2 => other_operation()];
    prop::collection::vec(operation, 0..6).prop_map(|frames| frames.concat())
}

/// Bytes that look like the protocol often enough to reach deep places.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        Just(b"PUB ".to_vec()),
        Just(b"HPUB ".to_vec()),
        Just(b"SUB ".to_vec()),
        Just(b" 5".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b" ".to_vec()),
        Just(b"999999999".to_vec()),
        Just(b"0".to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn splits_do_not_matter(bytes in operations(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        check_splits(&bytes, &cuts);
    }

    #[test]
    fn splits_of_noise_do_not_matter(bytes in noise(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4)) {
        check_splits(&bytes, &cuts);
    }

    #[test]
    fn a_tail_makes_the_delivery(frame in publish(), sid in "[a-z0-9]{1,5}") {
        if let Step::Op { op: ClientOp::Pub(message), len } = parse_client(&frame, &LIMITS) {
            prop_assert_eq!(len, frame.len());
            if let Some(tail) = message.tail {
                let mut spliced = if message.header_len.is_some() { b"HMSG ".to_vec() } else { b"MSG ".to_vec() };
                spliced.extend_from_slice(message.subject);
                spliced.extend_from_slice(format!(" {sid} ").as_bytes());
                spliced.extend_from_slice(tail);
                prop_assert_eq!(spliced, delivery(&message, &sid));
            }
        }
    }

    #[test]
    fn canonical_frames_have_a_tail(
        subject in "[a-zA-Z0-9.]{1,20}",
        reply in prop::option::of("[_A-Za-z0-9.]{1,15}"),
        payload in prop::collection::vec(any::<u8>(), 1..40),
        headers in any::<bool>(),
    ) {
        let reply = reply.as_ref().map(String::as_bytes);
        let header_len = headers.then(|| payload.len().div_ceil(2));
        let mut frame = Vec::new();
        encode::write_msg(&mut frame, subject.as_bytes(), b"?", reply, header_len, &payload);
        // A delivery without its sid, under the publisher's verb.
        let text = [subject.as_bytes(), b" ? "].concat();
        let after_sid = if headers { 5 } else { 4 } + text.len();
        let verb: &[u8] = if headers { b"HPUB " } else { b"PUB " };
        let published = [verb, subject.as_bytes(), b" ", &frame[after_sid..]].concat();
        let limits = Limits { max_control_line: 4096, ..LIMITS };
        let expected = Publish {
            subject: subject.as_bytes(),
            reply,
            header_len,
            payload: &payload,
            tail: Some(&frame[after_sid..]),
        };
        let step = parse_client(&published, &limits);
        prop_assert_eq!(step, Step::Op { op: ClientOp::Pub(expected), len: published.len() });
    }
}

/// The delivery of a message, built from its parts.
fn delivery(message: &Publish<'_>, sid: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode::write_msg(
        &mut out,
        message.subject,
        sid.as_bytes(),
        message.reply,
        message.header_len,
        message.payload,
    );
    out
}

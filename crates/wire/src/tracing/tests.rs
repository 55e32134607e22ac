//! What asks for a trace to the letter, and what the event looks like.

use super::*;

fn block(lines: &str) -> Vec<u8> {
    format!("NATS/1.0\r\n{lines}\r\n\r\n").into_bytes()
}

/// What is asked for, on one line.
fn asked(block: &[u8]) -> Option<String> {
    let ask = Ask::read(block)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let destination = ask.destination.map_or("-".to_owned(), text);
    Some(format!("{destination} {} {:?}", ask.only, ask.encoding))
}

#[test]
fn the_letters_of_headers_matter() {
    let cases = [
        ("Nats-Trace-Dest: t", Some("t false Plain")),
        ("Nats-Trace-Dest:  t \t", Some("t false Plain")),
        (
            "Nats-Trace-Dest: t\r\nNats-Trace-Dest: u",
            Some("t false Plain"),
        ),
        (
            "A: b\r\nNats-Trace-Dest: t\r\nNats-Trace-Only: On",
            Some("t true Plain"),
        ),
        (
            "Nats-Trace-Dest: t\r\nNats-Trace-Only: yes",
            Some("t false Plain"),
        ),
        (
            "Nats-Trace-Dest: t\r\nAccept-Encoding: br, GZIP",
            Some("t false Gzip"),
        ),
        (
            "Nats-Trace-Dest: t\r\nAccept-Encoding: gzip, s2",
            Some("t false Snappy"),
        ),
        (
            "Nats-Trace-Dest: t\r\nAccept-Encoding: br",
            Some("t false Identity"),
        ),
        ("nats-trace-dest: t", None),
        ("Nats-Trace-Dest : t", None),
        ("Nats-Trace-Dest: ", None),
        ("Nats-Trace-Dest: trace disabled", None),
        ("no colon\r\nNats-Trace-Dest: t", None),
        ("Nats-Trace-Only: true", None),
        ("traceparent: 00-4b-00-01", Some("- false Plain")),
        (
            "TraceParent: 00-4b-00-03\r\nNats-Trace-Only: true",
            Some("- false Plain"),
        ),
        (
            "traceparent: 00-4b-00-00\r\ntraceparent: 00-4b-00-01",
            Some("- false Plain"),
        ),
        ("traceparent: 00-4b-00-00", None),
        ("traceparent: 00-4b-00-81", None),
        ("traceparent: 00-4b-00-1", None),
        ("traceparent: 00-4b-00-01-", None),
        ("traceparent: 00-01", None),
    ];
    for (lines, expected) in cases {
        let block = block(lines);
        assert_eq!(asked(&block).as_deref(), expected, "{lines}");
        // The quick look never misses one.
        assert!(expected.is_none() || may_ask(&block), "{lines}");
    }
    for other in [
        &b"NATS/1.0 503\r\nNats-Trace-Dest: t\r\n\r\n"[..],
        b"",
        b"\n",
    ] {
        assert_eq!(asked(other), None);
    }
}

#[test]
fn ordinary_headers_are_passed_by() {
    for lines in [
        "Nats-Msg-Id: 1",
        "T: 1\r\nN: 2\r\nNats-Trac",
        "traceparen: x",
    ] {
        assert!(!may_ask(&block(lines)), "{lines}");
    }
}

#[test]
fn the_event_is_as_documented() {
    let block = block("Nats-Trace-Dest: t\r\nA: 1\r\nA: 2");
    let ask = Ask::read(&block).expect("it asks");
    let ts = || "2026-01-02T03:04:05.000000006Z".to_owned();
    let mut record = Record::new(
        &ask,
        11,
        Step::Ingress {
            ts: ts(),
            kind: Kind::Client,
            cid: 7,
            name: String::new(),
            acc: "A".to_owned(),
            subj: "s".to_owned(),
            error: String::new(),
        },
    );
    record.steps.push(Step::JetStream {
        ts: ts(),
        stream: "S".to_owned(),
        subject: "s".to_owned(),
        no_interest: true,
        error: String::new(),
    });
    record.fail("no");
    assert_eq!(
        record.to_json("{}"),
        "{\"server\":{},\"request\":{\"header\":{\"A\":[\"1\",\"2\"],\"Nats-Trace-Dest\":[\"t\"]},\
         \"msgsize\":11},\"events\":[{\"type\":\"in\",\"ts\":\"2026-01-02T03:04:05.000000006Z\",\
         \"kind\":0,\"cid\":7,\"acc\":\"A\",\"subj\":\"s\",\"error\":\"no\"},{\"type\":\"js\",\
         \"ts\":\"2026-01-02T03:04:05.000000006Z\",\"stream\":\"S\",\"subject\":\"s\",\
         \"nointerest\":true}]}"
    );
}

#[test]
fn a_line_ends_at_its_first_feed_wherever_that_is() {
    for before in 0..200 {
        for fill in [b'x', b'\t', 0x0b, 0x8a, 0xff, 0] {
            let mut text = vec![fill; before];
            assert_eq!(line_end(&text), None, "{before} of {fill:#x}");
            text.extend_from_slice(b"\n\n\x0b\n");
            for more in 0..9 {
                text.extend(std::iter::repeat_n(b'\n', more));
                assert_eq!(line_end(&text), Some(before), "{before} of {fill:#x}");
            }
        }
    }
}

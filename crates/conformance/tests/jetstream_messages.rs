//! Reading and deleting single messages: STREAM.MSG.GET, STREAM.MSG.DELETE and every form of
//! direct get, with the exact headers and statuses of the latter.

use cognate_conformance::Message;
use cognate_conformance::jetstream::{JetStream, check_api, check_json, header, server};
use serde_json::json;

/// A stream with `g.a` 1 (deleted 2) `g.a` 3 with a header, `g.c` 4 and `g.b` 5.
fn filled(js: &mut JetStream) {
    js.stream(json!({"name": "G", "subjects": ["g.>"], "allow_direct": true}));
    js.put("g.a", "m1");
    js.put("g.b", "m2");
    assert_eq!(
        js.publish("g.a", &[("K", "v")], "m3"),
        r#"{"stream":"G","seq":3}"#
    );
    js.put("g.c", "m4");
    js.put("g.b", "m5");
    js.ok("STREAM.MSG.DELETE.G", r#"{"seq":2}"#);
}

#[test]
fn a_message_comes_with_base64_headers_and_data() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let kind = "io.nats.jetstream.api.v1.stream_msg_get_response";
    let plain = json!({
        "type": kind, "message": {"subject": "g.a", "seq": 1, "data": "bTE=", "time": "<time>"},
    });
    check_json(&js.ok("STREAM.MSG.GET.G", r#"{"seq":1}"#), &plain);
    let with_headers = json!({
        "type": kind,
        "message": {
            "subject": "g.a", "seq": 3, "hdrs": "TkFUUy8xLjANCks6IHYNCg0K", "data": "bTM=",
            "time": "<time>",
        },
    });
    check_json(&js.ok("STREAM.MSG.GET.G", r#"{"seq":3}"#), &with_headers);
    let without = js.ok("STREAM.MSG.GET.G", r#"{"seq":3,"no_hdr":true}"#);
    assert_eq!(without["message"].get("hdrs"), None);
    js.put("g.e", "");
    let empty = js.ok("STREAM.MSG.GET.G", r#"{"seq":6}"#);
    assert_eq!(empty["message"].get("data"), None);
}

#[test]
fn a_message_is_found_by_each_kind_of_request() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    for (request, sequence) in [
        (r#"{"seq":4}"#, 4),
        (r#"{"last_by_subj":"g.a"}"#, 3),
        (r#"{"last_by_subj":"g.*"}"#, 5),
        (r#"{"last_by_subj":">"}"#, 5),
        (r#"{"next_by_subj":"g.b"}"#, 5),
        (r#"{"next_by_subj":"g.a","seq":1}"#, 1),
        (r#"{"next_by_subj":"g.a","seq":2}"#, 3),
        (r#"{"next_by_subj":"g.*","seq":4}"#, 4),
        (r#"{"start_time":"2020-01-01T00:00:00Z"}"#, 1),
    ] {
        let message = js.ok("STREAM.MSG.GET.G", request)["message"].clone();
        assert_eq!(message["seq"], sequence, "{request}");
    }
    let missing = "404 10037 no message found";
    let bad = "400 10003 bad request";
    check_api(
        &mut js,
        &[
            ("STREAM.MSG.GET.G", r#"{"seq":2}"#, missing),
            ("STREAM.MSG.GET.G", r#"{"seq":99}"#, missing),
            ("STREAM.MSG.GET.G", r#"{"last_by_subj":"g.zz"}"#, missing),
            (
                "STREAM.MSG.GET.G",
                r#"{"next_by_subj":"g.a","seq":9}"#,
                missing,
            ),
            (
                "STREAM.MSG.GET.G",
                r#"{"start_time":"2040-01-01T00:00:00Z"}"#,
                missing,
            ),
            ("STREAM.MSG.GET.G", r#"{"seq":1,"last_by_subj":"g.a"}"#, bad),
            (
                "STREAM.MSG.GET.G",
                r#"{"last_by_subj":"g.a","next_by_subj":"g.a"}"#,
                bad,
            ),
            (
                "STREAM.MSG.GET.G",
                r#"{"start_time":"2020-01-01T00:00:00Z","seq":1}"#,
                bad,
            ),
            ("STREAM.MSG.GET.G", r#"{"batch":3,"seq":1}"#, bad),
            ("STREAM.MSG.GET.G", r#"{"multi_last":["g.a"]}"#, bad),
            ("STREAM.MSG.GET.G", r#"{"no_hdr":true}"#, bad),
        ],
    );
}

#[test]
fn a_message_is_found_by_its_own_time() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let time = js.ok("STREAM.MSG.GET.G", r#"{"seq":4}"#)["message"]["time"].clone();
    let found = js.ok("STREAM.MSG.GET.G", json!({"start_time": time}));
    assert_eq!(found["message"]["seq"], 4);
}

#[test]
fn deleted_messages_are_gone_and_leave_a_gap() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let expected = json!({
        "type": "io.nats.jetstream.api.v1.stream_msg_delete_response", "success": true,
    });
    check_json(&js.ok("STREAM.MSG.DELETE.G", r#"{"seq":4}"#), &expected);
    check_json(
        &js.ok("STREAM.MSG.DELETE.G", r#"{"seq":1,"no_erase":true}"#),
        &expected,
    );
    check_api(
        &mut js,
        &[
            (
                "STREAM.MSG.DELETE.G",
                r#"{"seq":4}"#,
                "400 10043 sequence 4 not found",
            ),
            (
                "STREAM.MSG.DELETE.G",
                r#"{"seq":0}"#,
                "500 10057 no message found",
            ),
            (
                "STREAM.MSG.DELETE.G",
                r#"{"no_erase":true}"#,
                "500 10057 no message found",
            ),
            (
                "STREAM.MSG.GET.G",
                r#"{"seq":4}"#,
                "404 10037 no message found",
            ),
        ],
    );
    let state = js.state("G");
    let seen = ["messages", "first_seq", "last_seq", "num_deleted"].map(|key| state[key].clone());
    assert_eq!(json!(seen), json!([2, 3, 5, 1]), "{state}");
}

#[test]
fn deleting_the_last_message_does_not_free_its_sequence() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    js.ok("STREAM.MSG.DELETE.G", r#"{"seq":5}"#);
    assert_eq!(js.state("G")["last_seq"], 5);
    assert_eq!(js.put("g.a", "m6"), 6);
}

/// Sends a direct get and shows what came until the answer is complete: the header blocks with
/// `<t>` for the time, each followed by its payload.
#[track_caller]
fn direct(js: &mut JetStream, subject: &str, request: &str) -> Vec<String> {
    let subject = format!("$JS.API.DIRECT.GET.{subject}");
    let reply = js.post(&subject, &[], request);
    let mut seen = Vec::new();
    loop {
        let message = js.answer(&reply);
        let more = header(&message, "Nats-Num-Pending").is_some();
        let last = !more
            || message
                .headers
                .as_deref()
                .unwrap_or("")
                .starts_with("NATS/1.0 ");
        seen.push(shown(&message));
        if last {
            return seen;
        }
    }
}

fn shown(message: &Message) -> String {
    let block = message.headers.clone().unwrap_or_default();
    let block = match header(message, "Nats-Time-Stamp") {
        Some(time) => block.replace(time, "<t>"),
        None => block,
    };
    block + &message.payload
}

const M3: &str = "NATS/1.0\r\nK: v\r\nNats-Stream: G\r\nNats-Subject: g.a\r\nNats-Sequence: 3\r\nNats-Time-Stamp: <t>\r\n";
const M4: &str = "NATS/1.0\r\nNats-Stream: G\r\nNats-Subject: g.c\r\nNats-Sequence: 4\r\nNats-Time-Stamp: <t>\r\n";
const M5: &str = "NATS/1.0\r\nNats-Stream: G\r\nNats-Subject: g.b\r\nNats-Sequence: 5\r\nNats-Time-Stamp: <t>\r\n";

#[test]
fn direct_gets_of_one_message() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    for (subject, request, expected) in [
        ("G", r#"{"seq":3}"#, format!("{M3}\r\nm3")),
        ("G", r#"{"seq":3,"no_hdr":true}"#, "m3".to_owned()),
        ("G.g.a", "", format!("{M3}\r\nm3")),
        ("G.g.a", r#"{"no_hdr":true}"#, "m3".to_owned()),
        ("G", r#"{"last_by_subj":"g.b"}"#, format!("{M5}\r\nm5")),
        (
            "G",
            r#"{"next_by_subj":"g.b","seq":3}"#,
            format!("{M5}\r\nm5"),
        ),
        (
            "G",
            r#"{"next_by_subj":"g.>","seq":4}"#,
            format!("{M4}\r\nm4"),
        ),
    ] {
        assert_eq!(
            direct(&mut js, subject, request),
            [expected],
            "{subject} {request}"
        );
    }
}

#[test]
fn direct_gets_that_fail() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    for (subject, request, expected) in [
        ("G", r#"{"seq":2}"#, "404 Message Not Found"),
        ("G", r#"{"seq":99}"#, "404 Message Not Found"),
        ("G.g.zz", "", "404 Message Not Found"),
        ("G", r#"{"batch":3,"seq":99}"#, "404 Message Not Found"),
        (
            "G",
            r#"{"batch":2,"next_by_subj":"zz"}"#,
            "404 Message Not Found",
        ),
        ("G", r#"{"multi_last":["zz"]}"#, "404 No Results"),
        ("G", "", "408 Empty Request"),
        ("G", "{}", "408 Empty Request"),
        ("G", r#"{"batch":3}"#, "408 Empty Request"),
        ("G", r#"{"multi_last":[]}"#, "408 Empty Request"),
        ("G", "x", "408 Malformed Request"),
        ("G", r#"{"seq":1,"last_by_subj":"x"}"#, "408 Bad Request"),
        (
            "G",
            r#"{"batch":3,"last_by_subj":"g.a"}"#,
            "408 Bad Request",
        ),
        (
            "G",
            r#"{"multi_last":["g.*"],"up_to_seq":3,"up_to_time":"2040-01-01T00:00:00Z"}"#,
            "408 Bad Request",
        ),
    ] {
        let expected = format!("NATS/1.0 {expected}\r\n\r\n");
        assert_eq!(
            direct(&mut js, subject, request),
            [expected],
            "{subject} {request}"
        );
    }
}

#[test]
fn a_direct_get_needs_permission_of_the_stream() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.put("s", "x");
    let expected = "NATS/1.0 503\r\nNats-Subject: $JS.API.DIRECT.GET.S\r\n\r\n";
    assert_eq!(direct(&mut js, "S", r#"{"seq":1}"#), [expected]);
    js.ok(
        "STREAM.UPDATE.S",
        json!({"name": "S", "subjects": ["s"], "allow_direct": true}),
    );
    assert!(direct(&mut js, "S", r#"{"seq":1}"#)[0].ends_with("\r\n\r\nx"));
}

/// The header lines that a batch adds to a message.
fn pending(count: u64, last: u64) -> String {
    format!("Nats-Num-Pending: {count}\r\nNats-Last-Sequence: {last}\r\n")
}

#[test]
fn direct_gets_in_batches() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    js.ok("STREAM.MSG.DELETE.G", r#"{"seq":1}"#);
    let m3 = |n: u64| format!("{M3}{}\r\nm3", pending(n, 0));
    let m4 = |n: u64| format!("{M4}{}\r\nm4", pending(n, 3));
    let m5 = |n: u64, last: u64| format!("{M5}{}\r\nm5", pending(n, last));
    let end = |n: u64, last: u64| format!("NATS/1.0 204 EOB\r\n{}\r\n", pending(n, last));
    for (request, expected) in [
        (
            r#"{"batch":10,"seq":1}"#,
            vec![m3(2), m4(1), m5(0, 4), end(0, 5)],
        ),
        (r#"{"batch":2,"seq":1}"#, vec![m3(2), m4(1), end(1, 4)]),
        (
            r#"{"batch":10,"seq":1,"max_bytes":10}"#,
            vec![m3(2), end(2, 3)],
        ),
        (
            r#"{"batch":3,"next_by_subj":"g.b"}"#,
            vec![m5(0, 0), end(0, 5)],
        ),
        (
            r#"{"batch":3,"seq":4,"next_by_subj":"g.b"}"#,
            vec![m5(0, 0), end(0, 5)],
        ),
    ] {
        assert_eq!(direct(&mut js, "G", request), expected, "{request}");
    }
}

#[test]
fn direct_gets_of_the_last_of_many_subjects() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    js.ok("STREAM.MSG.DELETE.G", r#"{"seq":4}"#);
    let m3 = |n: u64| format!("{M3}{}\r\nm3", pending(n, 0));
    let m5 = format!("{M5}{}\r\nm5", pending(0, 3));
    let end = |n: u64, last: u64, up_to: u64| {
        format!(
            "NATS/1.0 204 EOB\r\n{}Nats-UpTo-Sequence: {up_to}\r\n\r\n",
            pending(n, last)
        )
    };
    for (request, expected) in [
        (
            r#"{"multi_last":["g.*"]}"#,
            vec![m3(1), m5.clone(), end(0, 5, 5)],
        ),
        (
            r#"{"multi_last":["g.a","g.b"],"up_to_seq":3}"#,
            vec![m3(0), end(0, 3, 3)],
        ),
        (
            r#"{"multi_last":["g.a","g.b"],"batch":1}"#,
            vec![m3(1), end(1, 3, 5)],
        ),
        (
            r#"{"multi_last":["g.*"],"up_to_time":"2040-01-01T00:00:00Z"}"#,
            vec![m3(1), m5.clone(), end(0, 5, 5)],
        ),
        (
            r#"{"multi_last":["g.>"],"max_bytes":5}"#,
            vec![m3(1), end(1, 3, 5)],
        ),
    ] {
        assert_eq!(direct(&mut js, "G", request), expected, "{request}");
    }
}

#[test]
fn too_many_last_messages_are_refused() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "G", "subjects": ["g.>"], "allow_direct": true, "storage": "memory",
    }));
    for number in 0..1025 {
        js.send(&format!("g.{number}"), "", &[], "x");
    }
    js.until("all messages", |js| {
        (js.state("G")["messages"] == 1025).then_some(())
    });
    assert_eq!(
        direct(&mut js, "G", r#"{"multi_last":["g.*"]}"#),
        ["NATS/1.0 413 Too Many Results\r\n\r\n"]
    );
    js.ok("STREAM.MSG.DELETE.G", r#"{"seq":1}"#);
    let seen = direct(&mut js, "G", r#"{"multi_last":["g.*"]}"#);
    assert_eq!(seen.len(), 1025, "1024 messages and the end");
}

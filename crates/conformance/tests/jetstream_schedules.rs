//! Messages with a time: per-message TTL, delete markers, and scheduled messages.

use cognate_conformance::Message;
use cognate_conformance::jetstream::{
    JetStream, check_publishes, counts, header, payloads, server,
};
use serde_json::json;

const SCHEDULE: &str = "Nats-Schedule";
const TARGET: &str = "Nats-Schedule-Target";
const FAR: &str = "@at 2040-01-01T00:00:00Z";

fn refused(error: u16, text: &str) -> String {
    format!(
        r#"{{"error":{{"code":400,"err_code":{error},"description":"{text}"}},"stream":"S","seq":0}}"#
    )
}

/// The last message of a subject by direct get, once there is one.
#[track_caller]
fn last(js: &mut JetStream, subject: &str) -> Message {
    let get = format!("$JS.API.DIRECT.GET.S.{subject}");
    js.until(&format!("a message on {subject}"), |js| {
        let message = js.request(&get, &[], "");
        header(&message, "Nats-Sequence")
            .is_some()
            .then_some(message)
    })
}

/// Waits until a subject has no message.
#[track_caller]
fn wait_gone(js: &mut JetStream, subject: &str) {
    let get = format!("$JS.API.DIRECT.GET.S.{subject}");
    js.until(&format!("no message on {subject}"), |js| {
        let message = js.request(&get, &[], "");
        let headers = message.headers.unwrap_or_default();
        headers.starts_with("NATS/1.0 404").then_some(())
    });
}

/// The header lines that the publisher and the stream stored, without those of the direct get.
fn own_headers(message: &Message) -> Vec<&str> {
    let block = message.headers.as_deref().unwrap_or_default();
    let lines = block.lines().skip(1);
    lines
        .take_while(|line| !line.is_empty() && !line.starts_with("Nats-Stream: "))
        .collect()
}

#[test]
fn the_ttl_of_a_message_is_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "allow_msg_ttl": true}));
    let invalid = refused(10165, "invalid per-message TTL");
    let mut stored = 0;
    for (value, accepted) in [
        ("1", true),
        ("1s", true),
        ("1h30m", true),
        ("never", true),
        ("", true),
        ("0", false),
        ("-1", false),
        ("x", false),
        ("500ms", false),
    ] {
        let expected = if accepted {
            stored += 1;
            format!(r#"{{"stream":"S","seq":{stored}}}"#)
        } else {
            invalid.clone()
        };
        assert_eq!(
            js.publish("s", &[("Nats-TTL", value)], "x"),
            expected,
            "{value:?}"
        );
    }
}

#[test]
fn a_message_leaves_when_its_time_is_over() {
    for storage in ["file", "memory"] {
        let server = server();
        let mut js = JetStream::connect(&server);
        js.stream(json!({
            "name": "S", "subjects": ["s.>"], "allow_msg_ttl": true, "storage": storage,
            "max_age": 86_400_000_000_000_u64,
        }));
        js.publish("s.short", &[("Nats-TTL", "1")], "x");
        js.publish("s.ever", &[("Nats-TTL", "never")], "x");
        let info = js.until("the short one to leave", |js| {
            let info = js.ok("STREAM.INFO.S", r#"{"subjects_filter":">"}"#);
            (info["state"]["messages"] == 1).then_some(info)
        });
        assert_eq!(info["state"]["subjects"], json!({"s.ever": 1}), "{storage}");
    }
}

#[test]
fn an_aged_subject_leaves_a_marker() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "allow_direct": true}));
    js.put("s.1", "x");
    js.put("s.1", "y");
    // A consumer sees the marker however soon it is gone.
    let delivered = js.subscribe("d");
    js.consumer(
        "S",
        json!({"name": "C", "deliver_subject": "d", "deliver_policy": "new"}),
    );
    // Only now, so that both are there when the first gets too old.
    js.ok(
        "STREAM.UPDATE.S",
        json!({
            "name": "S", "subjects": ["s.>"], "allow_direct": true, "max_age": 500_000_000,
            "duplicate_window": 500_000_000, "subject_delete_marker_ttl": 1_000_000_000,
        }),
    );
    let marker = js.next(delivered);
    assert_eq!(
        own_headers(&marker),
        [
            "Nats-Marker-Reason: MaxAge",
            "Nats-TTL: 1s",
            "Nats-Rollup: sub"
        ]
    );
    assert_eq!((&*marker.payload, counts(&marker)[1]), ("", 3));
    wait_gone(&mut js, "s.1");
}

#[test]
fn a_message_of_short_life_leaves_a_marker_too() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "S", "subjects": ["s.>"], "allow_direct": true,
        "subject_delete_marker_ttl": 1_000_000_000_u64,
    }));
    // A consumer sees the marker however soon it is gone.
    let delivered = js.subscribe("d");
    js.consumer("S", json!({"name": "C", "deliver_subject": "d"}));
    js.publish("s.1", &[("Nats-TTL", "1")], "x");
    assert_eq!(js.next(delivered).payload, "x");
    let marker = js.next(delivered);
    assert_eq!(
        own_headers(&marker),
        [
            "Nats-Marker-Reason: MaxAge",
            "Nats-TTL: 1s",
            "Nats-Rollup: sub"
        ]
    );
    wait_gone(&mut js, "s.1");
}

#[test]
fn purging_and_deleting_leave_no_marker() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "S", "subjects": ["s.>"], "subject_delete_marker_ttl": 60_000_000_000_u64,
    }));
    js.put("s.1", "x");
    js.put("s.2", "x");
    js.ok("STREAM.PURGE.S", r#"{"filter":"s.1"}"#);
    js.ok("STREAM.MSG.DELETE.S", r#"{"seq":2}"#);
    assert_eq!(js.state("S")["last_seq"], 2);
    assert_eq!(js.state("S")["messages"], 0);
}

// tidy: long-function: a table of refusals
#[test]
fn schedules_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "S", "subjects": ["s.>", "t.>"], "allow_msg_schedules": true, "allow_msg_ttl": true,
    }));
    let pattern = refused(10189, "message schedules pattern is invalid");
    let target = refused(10190, "message schedules target is invalid");
    let ttl = refused(10191, "message schedules invalid per-message TTL");
    let rollup = refused(10192, "message schedules invalid rollup");
    let source = refused(10203, "message schedules source is invalid");
    let zone = refused(10223, "message schedules time zone is invalid");
    let scheduler = refused(10212, "message schedules invalid scheduler");
    let to = (TARGET, "t.1");
    let yearly = (SCHEDULE, "0 0 0 1 1 *");
    check_publishes(
        &mut js,
        &[
            ("s.1", &[(SCHEDULE, FAR)], "x", &target),
            (
                "s.1",
                &[(SCHEDULE, FAR), (TARGET, "elsewhere")],
                "x",
                &target,
            ),
            ("s.1", &[(SCHEDULE, FAR), (TARGET, "s.1")], "x", &target),
            ("s.1", &[(SCHEDULE, FAR), (TARGET, "t.*")], "x", &target),
            ("s.1", &[(SCHEDULE, "bogus"), to], "x", &pattern),
            ("s.1", &[(SCHEDULE, "@at tomorrow"), to], "x", &pattern),
            ("s.1", &[(SCHEDULE, "@every 1ms"), to], "x", &pattern),
            ("s.1", &[(SCHEDULE, "* * * * *"), to], "x", &pattern),
            (
                "s.1",
                &[(SCHEDULE, FAR), to, ("Nats-Schedule-TTL", "x")],
                "x",
                &ttl,
            ),
            (
                "s.1",
                &[(SCHEDULE, FAR), to, ("Nats-Schedule-Rollup", "all")],
                "x",
                &rollup,
            ),
            (
                "s.1",
                &[(SCHEDULE, FAR), to, ("Nats-Schedule-Source", "t.*")],
                "x",
                &source,
            ),
            (
                "s.1",
                &[(SCHEDULE, FAR), to, ("Nats-Schedule-Time-Zone", "UTC")],
                "x",
                &pattern,
            ),
            (
                "s.1",
                &[yearly, to, ("Nats-Schedule-Time-Zone", "Mars/Base")],
                "x",
                &zone,
            ),
            (
                "s.1",
                &[("Nats-Scheduler", "s.1"), ("Nats-Schedule-Next", "purge")],
                "x",
                &scheduler,
            ),
            (
                "s.1",
                &[(SCHEDULE, FAR), to],
                "x",
                r#"{"stream":"S","seq":1}"#,
            ),
            ("s.1", &[yearly, to], "x", r#"{"stream":"S","seq":2}"#),
            (
                "s.1",
                &[(SCHEDULE, "@hourly"), to],
                "x",
                r#"{"stream":"S","seq":3}"#,
            ),
            (
                "s.1",
                &[(SCHEDULE, "@every 1h"), to],
                "x",
                r#"{"stream":"S","seq":4}"#,
            ),
            (
                "s.1",
                &[yearly, to, ("Nats-Schedule-Time-Zone", "Europe/Berlin")],
                "x",
                r#"{"stream":"S","seq":5}"#,
            ),
        ],
    );
    let info = js.ok("STREAM.INFO.S", r#"{"subjects_filter":">"}"#);
    assert_eq!(
        info["state"]["subjects"],
        json!({"s.1": 1}),
        "a schedule replaces the last"
    );
}

fn scheduling(js: &mut JetStream) {
    js.stream(json!({
        "name": "S", "subjects": ["s.>", "t.>"], "allow_msg_schedules": true, "allow_msg_ttl": true,
        "allow_direct": true,
    }));
}

#[test]
fn a_due_message_is_produced_once_and_its_schedule_is_gone() {
    let server = server();
    let mut js = JetStream::connect(&server);
    scheduling(&mut js);
    let headers = [
        ("K", "v"),
        (SCHEDULE, "@at 2020-01-01T00:00:00Z"),
        (TARGET, "t.1"),
        ("Nats-Msg-Id", "7"),
    ];
    js.publish("s.1", &headers, "body");
    let produced = last(&mut js, "t.1");
    assert_eq!(produced.payload, "body");
    assert_eq!(
        own_headers(&produced),
        ["K: v", "Nats-Scheduler: s.1", "Nats-Schedule-Next: purge"]
    );
    wait_gone(&mut js, "s.1");
    assert_eq!(js.state("S")["last_seq"], 2);
}

#[test]
fn a_schedule_is_stored_as_a_rollup() {
    let server = server();
    let mut js = JetStream::connect(&server);
    scheduling(&mut js);
    js.publish("s.1", &[(SCHEDULE, FAR), (TARGET, "t.1")], "x");
    let schedule = last(&mut js, "s.1");
    assert_eq!(
        own_headers(&schedule),
        [
            "Nats-Schedule: @at 2040-01-01T00:00:00Z",
            "Nats-Schedule-Target: t.1",
            "Nats-Rollup: sub",
        ]
    );
}

#[test]
fn a_repeated_schedule_goes_on() {
    let server = server();
    let mut js = JetStream::connect(&server);
    scheduling(&mut js);
    let headers = [
        (SCHEDULE, "@every 1s"),
        (TARGET, "t.1"),
        ("Nats-Schedule-TTL", "5s"),
    ];
    js.publish("s.1", &headers, "tick");
    let produced = last(&mut js, "t.1");
    let own = own_headers(&produced);
    assert_eq!(
        (own.len(), own[0], own[2]),
        (3, "Nats-Scheduler: s.1", "Nats-TTL: 5s")
    );
    let next = header(&produced, "Nats-Schedule-Next").expect("the next time");
    assert!(next.starts_with("20") && next.ends_with('Z'), "{next}");
    js.until("the second", |js| {
        (js.state("S")["last_seq"].as_u64() >= Some(3)).then_some(())
    });
    js.ok("STREAM.PURGE.S", r#"{"filter":"s.1"}"#);
}

#[test]
fn a_schedule_can_take_its_body_from_a_subject() {
    let server = server();
    let mut js = JetStream::connect(&server);
    scheduling(&mut js);
    js.publish("t.src", &[("From", "source")], "current");
    let headers = [
        (SCHEDULE, "@at 2020-01-01T00:00:00Z"),
        (TARGET, "t.1"),
        ("Nats-Schedule-Source", "t.src"),
    ];
    js.publish("s.1", &headers, "unused");
    let produced = last(&mut js, "t.1");
    assert_eq!(payloads(&[produced]), ["current"]);
}

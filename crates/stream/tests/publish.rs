//! Publishing single messages: acknowledgements, expectations, duplicates, limits.
//!
//! Errors are as nats-server 2.14.5 sent them to the same messages.

mod support;

use support::check;

const PLAIN: &str = r#"{"name":"A","subjects":["A.>"],"duplicate_window":120000000000}"#;

#[test]
fn messages_are_stored_and_acknowledged() {
    check(
        PLAIN,
        r#"
        > pub A.x hi
        stored 1 A.x hi
        reply {"stream":"A","seq":1}
        > pub> - A.y {K: v}
        stored 2 A.y NATS/1.0|K: v
        > get seq=2
        2 A.y NATS/1.0|K: v
        > state
        messages 2 bytes 58 first 1 last 2
        "#,
    );
}

#[test]
fn without_acks_nobody_is_answered() {
    check(
        r#"{"name":"A","no_ack":true}"#,
        "
        > pub A hi
        stored 1 A hi
        > pub A hi {Nats-Rollup: all}
        ",
    );
}

#[test]
fn expectations() {
    check(
        PLAIN,
        r#"
        > pub A.x hi {Nats-Msg-Id: x}
        stored 1 A.x NATS/1.0|Nats-Msg-Id: x hi
        reply {"stream":"A","seq":1}
        > pub A.x hi {Nats-Expected-Stream: B}
        reply {"error":{"code":400,"err_code":10060,"description":"expected stream does not match"},"stream":"A","seq":0}
        > pub A.x hi {Nats-Expected-Last-Sequence: 7}
        reply {"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1"},"stream":"A","seq":0}
        > pub A.x hi {Nats-Expected-Last-Sequence: x}
        reply {"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1"},"stream":"A","seq":0}
        > pub A.y hi {Nats-Expected-Last-Subject-Sequence: 9}
        reply {"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 0"},"stream":"A","seq":0}
        > pub A.x hi {Nats-Expected-Last-Subject-Sequence-Subject: A.x}
        reply {"error":{"code":400,"err_code":10193,"description":"missing sequence for expected last sequence per subject"},"stream":"A","seq":0}
        > pub A.x hi {Nats-Expected-Last-Msg-Id: <q>"}
        reply {"error":{"code":400,"err_code":10070,"description":"wrong last msg ID: x"},"stream":"A","seq":0}
        > pub A.y hi {Nats-Expected-Stream: A; Nats-Expected-Last-Sequence: 1; Nats-Expected-Last-Subject-Sequence: 0}
        stored 2 A.y NATS/1.0|Nats-Expected-Stream: A|Nats-Expected-Last-Sequence: 1|Nats-Expected-Last-Subject-Sequence: 0 hi
        reply {"stream":"A","seq":2}
        > pub A.x hi {Nats-Expected-Last-Subject-Sequence: 2; Nats-Expected-Last-Subject-Sequence-Subject: A.*}
        stored 3 A.x NATS/1.0|Nats-Expected-Last-Subject-Sequence: 2|Nats-Expected-Last-Subject-Sequence-Subject: A.* hi
        reply {"stream":"A","seq":3}
        > pub A.x hi {Nats-Expected-Last-Subject-Sequence: 2; Nats-Expected-Last-Subject-Sequence-Subject: >}
        reply {"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"A","seq":0}
        > pub A.x hi {Nats-Expected-Last-Msg-Id: x}
        reply {"error":{"code":400,"err_code":10070,"description":"wrong last msg ID: "},"stream":"A","seq":0}
        "#,
    );
}

#[test]
fn what_a_stream_does_not_allow() {
    check(
        PLAIN,
        r#"
        > pub A.x hi {Nats-Rollup: all}
        reply {"error":{"code":500,"err_code":10111,"description":"rollup not permitted"},"stream":"A","seq":0}
        > pub A.x hi {Nats-TTL: 1s}
        reply {"error":{"code":400,"err_code":10166,"description":"per-message TTL is disabled"},"stream":"A","seq":0}
        > pub A.x hi {Nats-TTL: zz}
        reply {"error":{"code":400,"err_code":10165,"description":"invalid per-message TTL"},"stream":"A","seq":0}
        > pub A.x hi {Nats-Incr: +1}
        reply {"error":{"code":400,"err_code":10168,"description":"message counters is disabled"},"stream":"A","seq":0}
        > pub A.x hi {Nats-Incr: x}
        reply {"error":{"code":400,"err_code":10171,"description":"message counter increment is invalid"},"stream":"A","seq":0}
        > pub A.x hi {Nats-Schedule: @at x}
        reply {"error":{"code":400,"err_code":10188,"description":"message schedules is disabled"},"stream":"A","seq":0}
        > pub A.x hi {Nats-Scheduler: x}
        reply {"error":{"code":400,"err_code":10212,"description":"message schedules invalid scheduler"},"stream":"A","seq":0}
        > update {"name":"A","subjects":["A.>"],"sealed":true}
        updated
        > pub A.x hi
        reply {"error":{"code":400,"err_code":10109,"description":"invalid operation on sealed stream"},"stream":"A","seq":0}
        "#,
    );
}

#[test]
fn an_id_is_taken_once_in_the_window() {
    check(
        r#"{"name":"A","duplicate_window":60000000000}"#,
        r#"
        > pub A a {Nats-Msg-Id: 1}
        stored 1 A NATS/1.0|Nats-Msg-Id: 1 a
        reply {"stream":"A","seq":1}
        > wait 30
        > pub A b {Nats-Msg-Id: 2}
        stored 2 A NATS/1.0|Nats-Msg-Id: 2 b
        reply {"stream":"A","seq":2}
        > pub A c {Nats-Msg-Id: 1}
        reply {"stream":"A","seq":1,"duplicate": true}
        > restart
        > pub A c {Nats-Msg-Id: 1}
        reply {"stream":"A","seq":1,"duplicate": true}
        > pub A c {Nats-Expected-Last-Msg-Id: 1}
        reply {"error":{"code":400,"err_code":10070,"description":"wrong last msg ID: 2"},"stream":"A","seq":0}
        > wait 30
        > pub A c {Nats-Msg-Id: 2}
        reply {"stream":"A","seq":2,"duplicate": true}
        > pub A c {Nats-Msg-Id: 1}
        stored 3 A NATS/1.0|Nats-Msg-Id: 1 c
        reply {"stream":"A","seq":3}
        "#,
    );
}

#[test]
fn headers_that_are_not_for_the_stream_are_not_stored() {
    check(
        PLAIN,
        r#"
        > pub A.x a {Nats-Request-Info: [1]; K: v}
        stored 1 A.x NATS/1.0|K: v a
        reply {"stream":"A","seq":1}
        > pub A.x a {Nats-Request-Info: [1]}
        stored 2 A.x a
        reply {"stream":"A","seq":2}
        "#,
    );
}

#[test]
fn sizes() {
    check(
        r#"{"name":"A","max_msg_size":20}"#,
        r#"
        > pub A 12345678901234567890
        stored 1 A 12345678901234567890
        reply {"stream":"A","seq":1}
        > pub A 123456789012345678901
        reply {"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"},"stream":"A","seq":0}
        > pub A 1 {K: v}
        stored 2 A NATS/1.0|K: v 1
        reply {"stream":"A","seq":2}
        > pub A 123 {K: v}
        reply {"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"},"stream":"A","seq":0}
        "#,
    );
    let long = "b".repeat(65_536);
    let mut script = support::Script::new(PLAIN);
    assert_eq!(
        script.run(&format!("pub A.x {{A: {long}}}")),
        r#"reply {"error":{"code":400,"err_code":10097,"description":"header size exceeds maximum allowed of 64k"},"stream":"A","seq":0}"#
    );
}

#[test]
fn a_store_without_room_refuses() {
    check(
        PLAIN,
        r#"
        > full 0
        > pub A.x a {Nats-Msg-Id: 1}
        reply {"error":{"code":503,"err_code":10023,"description":"insufficient resources"},"stream":"A","seq":0}
        > full 1
        > pub A.x a {Nats-Msg-Id: 1}
        stored 1 A.x NATS/1.0|Nats-Msg-Id: 1 a
        reply {"stream":"A","seq":1}
        "#,
    );
}

#[test]
fn the_oldest_messages_give_way() {
    check(
        r#"{"name":"A","subjects":["A.>"],"max_msgs":2}"#,
        r#"
        > pub A.1
        stored 1 A.1
        reply {"stream":"A","seq":1}
        > pub A.2
        stored 2 A.2
        reply {"stream":"A","seq":2}
        > pub A.3
        stored 3 A.3
        removed below 2
        reply {"stream":"A","seq":3}
        > update {"name":"A","subjects":["A.>"],"max_msgs":1}
        updated
        removed below 3
        > dump
        3 A.3
        "#,
    );
    check(
        r#"{"name":"A","subjects":["A.>"],"max_bytes":60}"#,
        r#"
        > pub A.1 a
        stored 1 A.1 a
        reply {"stream":"A","seq":1}
        > pub A.2 b
        stored 2 A.2 b
        reply {"stream":"A","seq":2}
        > pub A.3 12345678901234567890
        stored 3 A.3 12345678901234567890
        removed below 2
        reply {"stream":"A","seq":3}
        > state
        messages 2 bytes 59 first 2 last 3
        "#,
    );
}

#[test]
fn a_subject_keeps_its_last_messages() {
    check(
        r#"{"name":"A","subjects":["A.>"],"max_msgs_per_subject":1}"#,
        r#"
        > pub A.x 1
        stored 1 A.x 1
        reply {"stream":"A","seq":1}
        > pub A.y 2
        stored 2 A.y 2
        reply {"stream":"A","seq":2}
        > pub A.x 3
        stored 3 A.x 3
        removed 1 A.x
        reply {"stream":"A","seq":3}
        "#,
    );
    check(
        r#"{"name":"A","subjects":["A.>"],"max_msgs_per_subject":3}"#,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > pub> - A.x 2
        stored 2 A.x 2
        > pub> - A.x 3
        stored 3 A.x 3
        > update {"name":"A","subjects":["A.>"],"max_msgs_per_subject":1}
        updated
        removed 1 A.x
        removed 2 A.x
        "#,
    );
}

#[test]
fn a_full_stream_that_discards_new_messages_refuses() {
    check(
        r#"{"name":"A","subjects":["A.>"],"discard":"new","max_msgs":2,"max_bytes":100,"max_msgs_per_subject":1}"#,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > pub> - A.y 2
        stored 2 A.y 2
        > pub A.z 3
        reply {"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"A","seq":0}
        > pub A.x 4
        stored 3 A.x 4
        removed 1 A.x
        reply {"stream":"A","seq":3}
        > pub A.x 1234567890123456789012345678901234567890123456789012345678901
        reply {"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"A","seq":0}
        "#,
    );
    check(
        r#"{"name":"A","subjects":["A.>"],"discard":"new","max_msgs_per_subject":1,"discard_new_per_subject":true,"allow_rollup_hdrs":true}"#,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > pub A.x 2
        reply {"error":{"code":503,"err_code":10077,"description":"maximum messages per subject exceeded"},"stream":"A","seq":0}
        > pub A.x 2 {Nats-Rollup: sub}
        stored 2 A.x NATS/1.0|Nats-Rollup: sub 2
        removed 1 A.x
        reply {"stream":"A","seq":2}
        "#,
    );
}

#[test]
fn without_interest_a_message_has_a_number_only() {
    check(
        r#"{"name":"A","retention":"interest","duplicate_window":60000000000}"#,
        r#"
        > interest off
        > pub A a {Nats-Msg-Id: 1}
        reply {"stream":"A","seq":1}
        > pub A a {Nats-Msg-Id: 1}
        reply {"stream":"A","seq":1,"duplicate": true}
        > interest on
        > pub A a
        stored 2 A a
        reply {"stream":"A","seq":2}
        > ack 2
        removed: true
        > ack 2
        removed: false
        > state
        messages 0 bytes 0 first 3 last 2
        "#,
    );
}

#[test]
fn rollups() {
    check(
        r#"{"name":"A","subjects":["A.>"],"allow_rollup_hdrs":true}"#,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > pub> - A.y 2
        stored 2 A.y 2
        > pub> - A.x 3
        stored 3 A.x 3
        > pub A.x 4 {Nats-Rollup: SUB}
        stored 4 A.x NATS/1.0|Nats-Rollup: SUB 4
        removed 1 A.x
        removed 3 A.x
        reply {"stream":"A","seq":4}
        > pub A.z {Nats-Rollup: zz"<}
        reply {"error":{"code":500,"err_code":10111,"description":"rollup value invalid: \"zz\\\"\u003c\""},"stream":"A","seq":0}
        > pub A.z 5 {Nats-Rollup: all}
        stored 5 A.z NATS/1.0|Nats-Rollup: all 5
        removed below 5
        reply {"stream":"A","seq":5}
        > dump
        5 A.z NATS/1.0|Nats-Rollup: all 5
        "#,
    );
}

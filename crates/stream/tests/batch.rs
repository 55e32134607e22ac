//! Atomic and fast batches.

mod support;

use support::check;

const ATOMIC: &str = r#"{"name":"A","subjects":["A.>"],"allow_atomic":true,"allow_rollup_hdrs":true,"duplicate_window":60000000000}"#;

#[test]
fn an_atomic_batch_is_stored_as_a_whole() {
    check(
        ATOMIC,
        r#"
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply
        > pub> - A.y 2 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2}
        > pub A.z other
        stored 1 A.z other
        reply {"stream":"A","seq":1}
        > pub A.z 3 {Nats-Batch-Id: b; Nats-Batch-Sequence: 3; Nats-Batch-Commit: 1}
        stored 2 A.x NATS/1.0|Nats-Batch-Id: b|Nats-Batch-Sequence: 1 1
        stored 3 A.y NATS/1.0|Nats-Batch-Id: b|Nats-Batch-Sequence: 2 2
        stored 4 A.z NATS/1.0|Nats-Batch-Id: b|Nats-Batch-Sequence: 3|Nats-Batch-Commit: 1 3
        reply {"stream":"A","seq":4,"batch":"b","count":3}
        > restart
        > state
        messages 4 bytes 268 first 1 last 4
        "#,
    );
}

#[test]
fn a_batch_may_end_with_a_message_that_is_not_stored() {
    check(
        ATOMIC,
        r#"
        > pub A.x 1 {Nats-Batch-Id: b"; Nats-Batch-Sequence: 1; Nats-Required-Api-Level: 2}
        reply
        > pub A.x {Nats-Batch-Id: b"; Nats-Batch-Sequence: 2; Nats-Batch-Commit: eob}
        stored 1 A.x NATS/1.0|Nats-Batch-Id: b"|Nats-Batch-Sequence: 1|Nats-Batch-Commit: 1 1
        reply {"stream":"A","seq":1,"batch":"b\"","count":1}
        > dump
        1 A.x NATS/1.0|Nats-Batch-Id: b"|Nats-Batch-Sequence: 1|Nats-Batch-Commit: 1 1
        "#,
    );
}

#[test]
fn atomic_batches_that_go_wrong() {
    check(
        ATOMIC,
        r#"
        > pub A.x 1 {Nats-Batch-Id: b}
        reply {"error":{"code":400,"err_code":10175,"description":"atomic publish sequence is missing"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: 12345678901234567890123456789012345678901234567890123456789012345; Nats-Batch-Sequence: 1}
        reply {"error":{"code":400,"err_code":10179,"description":"atomic publish batch ID is invalid"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2}
        reply {"error":{"code":400,"err_code":10176,"description":"atomic publish batch is incomplete"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1001}
        reply {"error":{"code":400,"err_code":10199,"description":"atomic publish batch is too large: 1000"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply
        > pub A.x 3 {Nats-Batch-Id: b; Nats-Batch-Sequence: 3}
        abandoned b incomplete
        reply {"error":{"code":400,"err_code":10176,"description":"atomic publish batch is incomplete"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1; Nats-Batch-Commit: eob}
        abandoned b incomplete
        reply {"error":{"code":400,"err_code":10176,"description":"atomic publish batch is incomplete"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1; Nats-Batch-Commit: 2}
        reply {"error":{"code":400,"err_code":10200,"description":"atomic publish batch commit is invalid"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1; Nats-Required-Api-Level: 99}
        abandoned b unsupported
        reply {"error":{"code":412,"err_code":10185,"description":"JetStream minimum api level required"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1; Nats-Batch-Commit: 1; Nats-Expected-Last-Msg-Id: x}
        reply {"error":{"code":400,"err_code":10177,"description":"atomic publish unsupported header used: Nats-Expected-Last-Msg-Id"},"stream":"A","seq":0}
        > state
        messages 0 bytes 0 first 1 last 0
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply
        > wait 10
        abandoned b timeout
        > pub A.x 2 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2}
        reply {"error":{"code":400,"err_code":10176,"description":"atomic publish batch is incomplete"},"stream":"A","seq":0}
        > update {"name":"A","subjects":["A.>"],"allow_atomic":false}
        updated
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply {"error":{"code":400,"err_code":10174,"description":"atomic publish is disabled"},"stream":"A","seq":0}
        "#,
    );
}

#[test]
fn one_bad_message_spoils_the_batch() {
    check(
        ATOMIC,
        r#"
        > pub A.x 0 {Nats-Msg-Id: i}
        stored 1 A.x NATS/1.0|Nats-Msg-Id: i 0
        reply {"stream":"A","seq":1}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1; Nats-Batch-Commit: 1; Nats-Msg-Id: i}
        reply {"error":{"code":400,"err_code":10201,"description":"atomic publish batch contains duplicate message id"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1; Nats-Msg-Id: j}
        reply
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2; Nats-Batch-Commit: 1; Nats-Msg-Id: j}
        reply {"error":{"code":400,"err_code":10201,"description":"atomic publish batch contains duplicate message id"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2; Nats-Batch-Commit: 1; Nats-Expected-Last-Sequence: 1}
        reply {"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 2"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2; Nats-Batch-Commit: 1; Nats-Expected-Last-Sequence: 2}
        reply {"error":{"code":400,"err_code":10164,"description":"wrong last sequence"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2; Nats-Batch-Commit: 1; Nats-Expected-Last-Subject-Sequence: 1}
        reply {"error":{"code":400,"err_code":10164,"description":"wrong last sequence"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2; Nats-Batch-Commit: 1; Nats-Rollup: sub}
        reply {"error":{"code":500,"err_code":10111,"description":"batch rollup sub invalid"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2; Nats-Batch-Commit: 1; Nats-Rollup: all}
        reply {"error":{"code":500,"err_code":10111,"description":"batch rollup all invalid"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1; Nats-Expected-Last-Subject-Sequence: 1; Nats-Expected-Last-Sequence: 1; Nats-Rollup: sub; Nats-Msg-Id: j}
        reply
        > pub A.y 2 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2; Nats-Batch-Commit: 1; Nats-Expected-Last-Subject-Sequence: 0}
        stored 2 A.x NATS/1.0|Nats-Batch-Id: b|Nats-Batch-Sequence: 1|Nats-Expected-Last-Subject-Sequence: 1|Nats-Expected-Last-Sequence: 1|Nats-Rollup: sub|Nats-Msg-Id: j 1
        stored 3 A.y NATS/1.0|Nats-Batch-Id: b|Nats-Batch-Sequence: 2|Nats-Batch-Commit: 1|Nats-Expected-Last-Subject-Sequence: 0 2
        removed 1 A.x
        reply {"stream":"A","seq":3,"batch":"b","count":2}
        > pub A.x 1 {Nats-Msg-Id: j}
        reply {"stream":"A","seq":2,"duplicate": true}
        "#,
    );
}

#[test]
fn a_batch_that_does_not_fit_leaves_nothing() {
    check(
        r#"{"name":"A","subjects":["A.>"],"allow_atomic":true,"discard":"new","max_msgs":2}"#,
        r#"
        > pub A.x 1
        stored 1 A.x 1
        reply {"stream":"A","seq":1}
        > pub A.x 2 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply
        > pub A.x 3 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2; Nats-Batch-Commit: 1}
        reply {"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"A","seq":0}
        > full 1
        > update {"name":"A","subjects":["A.>"],"allow_atomic":true,"duplicate_window":60000000000}
        updated
        > pub A.x 2 {Nats-Batch-Id: b; Nats-Batch-Sequence: 1; Nats-Msg-Id: i}
        reply
        > pub A.x 3 {Nats-Batch-Id: b; Nats-Batch-Sequence: 2; Nats-Batch-Commit: 1}
        stored 2 A.x NATS/1.0|Nats-Batch-Id: b|Nats-Batch-Sequence: 1|Nats-Msg-Id: i 2
        removed 2 A.x
        reply {"error":{"code":503,"err_code":10023,"description":"insufficient resources"},"stream":"A","seq":0}
        > full
        > pub A.x 4 {Nats-Msg-Id: i}
        stored 3 A.x NATS/1.0|Nats-Msg-Id: i 4
        reply {"stream":"A","seq":3}
        "#,
    );
}

#[test]
fn a_crash_in_the_middle_of_a_batch_leaves_nothing_of_it() {
    let mut script = support::Script::new(ATOMIC);
    script.run("pub A.x 0");
    for number in 1..=3 {
        script.run(&format!(
            "pub A.x {number} {{Nats-Batch-Id: b; Nats-Batch-Sequence: {number}}}"
        ));
    }
    script.run("pub A.x 4 {Nats-Batch-Id: b; Nats-Batch-Sequence: 4; Nats-Batch-Commit: 1}");
    let whole = script.store.clone();
    for kept in 1..=5 {
        script.store = support::store::PlainStore::default();
        for held in whole.held.values().take(kept) {
            cognate_model::MessageStore::append(
                &mut script.store,
                &cognate_model::NewMessage {
                    timestamp: held.timestamp,
                    subject: &held.subject,
                    headers: &held.headers,
                    payload: &held.payload,
                    deadline: None,
                    has_id: false,
                },
            )
            .expect("there is room");
        }
        script.run("restart");
        let left = if kept == 5 { 5 } else { 1 };
        assert_eq!(
            script.run("dump").lines().count(),
            left,
            "{kept} messages kept"
        );
    }
}

#[test]
fn too_many_batches() {
    let mut script = support::Script::new(ATOMIC);
    for number in 0..50 {
        let line = format!("pub A.x {{Nats-Batch-Id: {number}; Nats-Batch-Sequence: 1}}");
        assert_eq!(script.run(&line), "reply");
    }
    assert_eq!(
        script.run("pub A.x {Nats-Batch-Id: x; Nats-Batch-Sequence: 1}"),
        r#"reply {"error":{"code":429,"err_code":10210,"description":"atomic publish too many inflight"},"stream":"A","seq":0}"#
    );
}

const FAST: &str =
    r#"{"name":"A","subjects":["A.>"],"allow_batched":true,"duplicate_window":60000000000}"#;

#[test]
fn a_fast_batch_is_acknowledged_now_and_then() {
    check(
        FAST,
        r#"
        > pub> b.2.fail.1.0.$FI A.x 1
        reply b.2.fail.1.0.$FI {"type":"ack","seq":0,"msgs":2}
        stored 1 A.x 1
        > pub> b.2.fail.2.1.$FI A.x 2 {Nats-Required-Api-Level: 4}
        stored 2 A.x 2
        reply b.2.fail.2.1.$FI {"type":"ack","seq":2,"msgs":2}
        > pub> b.2.fail.2.4.$FI A.x
        reply b.2.fail.2.4.$FI {"type":"ack","seq":2,"msgs":2}
        > pub> b.2.fail.3.2.$FI A.y 3
        stored 3 A.y 3
        reply b.2.fail.3.2.$FI {"stream":"A","seq":3,"batch":"b","count":3}
        > pub> b.2.fail.4.1.$FI A.y 4
        reply b.2.fail.4.1.$FI {"error":{"code":400,"err_code":10208,"description":"batch publish ID unknown"},"stream":"A","seq":0}
        > pub> c.1.fail.1.2.$FI A.y 4
        stored 4 A.y 4
        reply c.1.fail.1.2.$FI {"stream":"A","seq":4,"batch":"c","count":1}
        "#,
    );
}

#[test]
fn a_fast_batch_may_end_without_a_message() {
    check(
        FAST,
        r#"
        > pub> b.1.ok.1.0.$FI A.x 1
        reply b.1.ok.1.0.$FI {"type":"ack","seq":0,"msgs":1}
        stored 1 A.x 1
        reply b.1.ok.1.0.$FI {"type":"ack","seq":1,"msgs":1}
        > pub> b.1.ok.2.3.$FI A.x
        reply b.1.ok.2.3.$FI {"stream":"A","seq":1,"batch":"b","count":1}
        "#,
    );
}

#[test]
fn gaps_in_fast_batches() {
    check(
        FAST,
        r#"
        > pub> b.10.fail.1.0.$FI A.x 1
        reply b.10.fail.1.0.$FI {"type":"ack","seq":0,"msgs":10}
        stored 1 A.x 1
        > pub> b.10.fail.3.1.$FI A.x 3
        reply b.10.fail.3.1.$FI {"type":"gap","last_seq":2,"seq":3}
        reply b.10.fail.3.1.$FI {"stream":"A","seq":1,"batch":"b","count":1}
        > pub> b.10.ok.1.0.$FI A.x 1
        reply b.10.ok.1.0.$FI {"type":"ack","seq":0,"msgs":10}
        stored 2 A.x 1
        > pub> b.10.ok.12.1.$FI A.x 3
        reply b.10.ok.12.1.$FI {"type":"gap","last_seq":2,"seq":12}
        stored 3 A.x 3
        reply b.10.ok.12.1.$FI {"type":"ack","seq":10,"msgs":10}
        > pub> b.10.ok.30.4.$FI A.x
        reply b.10.ok.30.4.$FI {"type":"gap","last_seq":13,"seq":31}
        reply b.10.ok.30.4.$FI {"type":"ack","seq":30,"msgs":10}
        > pub> b.10.ok.5.1.$FI A.x
        reply b.10.ok.5.1.$FI {"stream":"A","seq":3,"batch":"b","count":30}
        > pub> b.10.fail.1.0.$FI A.x 1
        reply b.10.fail.1.0.$FI {"type":"ack","seq":0,"msgs":10}
        stored 4 A.x 1
        > pub> b.10.fail.5.4.$FI A.x
        reply b.10.fail.5.4.$FI {"type":"gap","last_seq":2,"seq":6}
        reply b.10.fail.5.4.$FI {"stream":"A","seq":4,"batch":"b","count":1}
        "#,
    );
}

#[test]
fn errors_and_duplicates_in_fast_batches() {
    check(
        FAST,
        r#"
        > pub A.x 0 {Nats-Msg-Id: i}
        stored 1 A.x NATS/1.0|Nats-Msg-Id: i 0
        reply {"stream":"A","seq":1}
        > pub> b.10.fail.1.2.$FI A.x 1 {Nats-Msg-Id: i}
        reply b.10.fail.1.2.$FI {"stream":"A","seq":1,"duplicate": true,"batch":"b","count":1}
        > pub> b.10.fail.1.0.$FI A.x 1 {Nats-Rollup: sub}
        reply b.10.fail.1.0.$FI {"type":"ack","seq":0,"msgs":10}
        reply b.10.fail.1.0.$FI {"error":{"code":500,"err_code":10111,"description":"rollup not permitted"},"stream":"A","seq":0}
        > pub> b.1.ok.1.0.$FI A.x 1 {Nats-Msg-Id: i}
        reply b.1.ok.1.0.$FI {"type":"ack","seq":0,"msgs":1}
        reply b.1.ok.1.0.$FI {"type":"ack","seq":1,"msgs":1}
        > pub> b.1.ok.2.1.$FI A.x 2 {Nats-TTL: 5}
        reply b.1.ok.2.1.$FI {"type":"err","seq":2,"error":{"code":400,"err_code":10166,"description":"per-message TTL is disabled"}}
        > pub> b.1.ok.3.1.$FI A.x 3
        stored 2 A.x 3
        reply b.1.ok.3.1.$FI {"type":"ack","seq":3,"msgs":1}
        > pub> b.1.ok.4.2.$FI A.x 4 {Nats-TTL: 5}
        reply b.1.ok.4.2.$FI {"type":"err","seq":4,"error":{"code":400,"err_code":10166,"description":"per-message TTL is disabled"}}
        reply b.1.ok.4.2.$FI {"stream":"A","seq":2,"batch":"b","count":3}
        > pub> c.1.fail.1.0.$FI A.x 1
        reply c.1.fail.1.0.$FI {"type":"ack","seq":0,"msgs":1}
        stored 3 A.x 1
        reply c.1.fail.1.0.$FI {"type":"ack","seq":1,"msgs":1}
        > pub> c.1.fail.2.1.$FI A.x 2 {Nats-TTL: 5}
        reply c.1.fail.2.1.$FI {"type":"err","seq":2,"error":{"code":400,"err_code":10166,"description":"per-message TTL is disabled"}}
        reply c.1.fail.2.1.$FI {"stream":"A","seq":3,"batch":"c","count":1}
        > pub> x.$FI A.x
        reply x.$FI {"error":{"code":400,"err_code":10206,"description":"batch publish pattern is invalid"},"stream":"A","seq":0}
        > pub> 12345678901234567890123456789012345678901234567890123456789012345.1.fail.1.0.$FI A.x
        reply 12345678901234567890123456789012345678901234567890123456789012345.1.fail.1.0.$FI {"error":{"code":400,"err_code":10207,"description":"batch publish ID is invalid"},"stream":"A","seq":0}
        > pub> b.1.fail.1.0.$FI A.x {Nats-Required-Api-Level: 5}
        reply b.1.fail.1.0.$FI {"error":{"code":412,"err_code":10185,"description":"JetStream minimum api level required"},"stream":"A","seq":0}
        > update {"name":"A","subjects":["A.>"],"allow_batched":false}
        updated
        > pub> b.1.fail.1.0.$FI A.x
        reply b.1.fail.1.0.$FI {"error":{"code":400,"err_code":10205,"description":"batch publish is disabled"},"stream":"A","seq":0}
        "#,
    );
}

#[test]
fn fast_batches_share_the_window_and_end_when_nothing_comes() {
    check(
        FAST,
        r#"
        > pub> b.500.ok.1.0.$FI A.x 1
        reply b.500.ok.1.0.$FI {"type":"ack","seq":0,"msgs":500}
        stored 1 A.x 1
        > pub> c.500.ok.1.0.$FI A.x 1
        reply c.500.ok.1.0.$FI {"type":"ack","seq":0,"msgs":1}
        stored 2 A.x 1
        reply c.500.ok.1.0.$FI {"type":"ack","seq":1,"msgs":2}
        > pub> c.500.ok.2.1.$FI A.x 2
        stored 3 A.x 2
        > pub> c.500.ok.3.1.$FI A.x 3
        stored 4 A.x 3
        reply c.500.ok.3.1.$FI {"type":"ack","seq":3,"msgs":4}
        > pub> b.500.ok.501.1.$FI A.x
        reply b.500.ok.501.1.$FI {"type":"gap","last_seq":2,"seq":501}
        stored 5 A.x
        reply b.500.ok.501.1.$FI {"type":"ack","seq":500,"msgs":250}
        > wait 10
        > pub> c.500.ok.4.1.$FI A.x 4
        reply c.500.ok.4.1.$FI {"error":{"code":400,"err_code":10208,"description":"batch publish ID unknown"},"stream":"A","seq":0}
        "#,
    );
}

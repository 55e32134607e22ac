//! Reading, purging and deleting, and what age does.

mod support;

use support::check;

const PLAIN: &str = r#"{"name":"A","subjects":["A.>"],"storage":"memory","allow_direct":true}"#;

#[test]
fn single_messages() {
    check(
        PLAIN,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > wait 10
        > pub> - A.y 2
        stored 2 A.y 2
        > wait 10
        > pub> - A.x 3 {K: v}
        stored 3 A.x NATS/1.0|K: v 3
        > get seq=2
        2 A.y 2
        > get seq=4
        error 404 10037: no message found
        > get last=A.x
        3 A.x NATS/1.0|K: v 3
        > get last=A.*
        3 A.x NATS/1.0|K: v 3
        > get last=A.z
        error 404 10037: no message found
        > get next=A.x seq=2
        3 A.x NATS/1.0|K: v 3
        > get next=A.>
        1 A.x 1
        > get at=5
        2 A.y 2
        > get at=5 next=A.x
        3 A.x NATS/1.0|K: v 3
        > get at=99
        error 404 10037: no message found
        > get
        error 400 10003: bad request
        > get seq=1 last=A.x
        error 400 10003: bad request
        > get at=1 last=A.x
        error 400 10003: bad request
        > get next=A.x last=A.x
        error 400 10003: bad request
        "#,
    );
}

#[test]
fn direct_gets() {
    check(
        PLAIN,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > wait 0.5
        > pub> - A.y 2 {K: v}
        stored 2 A.y NATS/1.0|K: v 2
        > direct seq=1
        NATS/1.0|Nats-Stream: A|Nats-Subject: A.x|Nats-Sequence: 1|Nats-Time-Stamp: 2024-02-29T12:34:56Z 1
        > direct last=A.y
        NATS/1.0|K: v|Nats-Stream: A|Nats-Subject: A.y|Nats-Sequence: 2|Nats-Time-Stamp: 2024-02-29T12:34:56.5Z 2
        > direct last=A.y nohdr
        2
        > direct seq=3
        NATS/1.0 404 Message Not Found
        > direct
        NATS/1.0 408 Empty Request
        > direct last=A.x next=A.x
        NATS/1.0 408 Bad Request
        > direct last=A.x batch=2
        NATS/1.0 408 Bad Request
        > direct multi=A.x up=1 uptime=1
        NATS/1.0 408 Bad Request
        "#,
    );
}

#[test]
fn batches_of_direct_gets() {
    check(
        PLAIN,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > pub> - A.y 2
        stored 2 A.y 2
        > pub> - A.x 3
        stored 3 A.x 3
        > direct batch=2 next=A.>
        NATS/1.0|Nats-Stream: A|Nats-Subject: A.x|Nats-Sequence: 1|Nats-Time-Stamp: 2024-02-29T12:34:56Z|Nats-Num-Pending: 2|Nats-Last-Sequence: 0 1
        NATS/1.0|Nats-Stream: A|Nats-Subject: A.y|Nats-Sequence: 2|Nats-Time-Stamp: 2024-02-29T12:34:56Z|Nats-Num-Pending: 1|Nats-Last-Sequence: 1 2
        NATS/1.0 204 EOB|Nats-Num-Pending: 1|Nats-Last-Sequence: 2
        > direct batch=9 seq=2 nohdr
        2
        3
        NATS/1.0 204 EOB|Nats-Num-Pending: 2|Nats-Last-Sequence: 3
        > direct batch=9 bytes=1 seq=1
        NATS/1.0|Nats-Stream: A|Nats-Subject: A.x|Nats-Sequence: 1|Nats-Time-Stamp: 2024-02-29T12:34:56Z|Nats-Num-Pending: 2|Nats-Last-Sequence: 0 1
        NATS/1.0 204 EOB|Nats-Num-Pending: 2|Nats-Last-Sequence: 1
        > direct batch=9 next=A.z
        NATS/1.0 404 Message Not Found
        "#,
    );
}

#[test]
fn the_last_messages_of_many_subjects() {
    check(
        PLAIN,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > pub> - A.y 2
        stored 2 A.y 2
        > wait 10
        > pub> - A.x 3
        stored 3 A.x 3
        > direct multi=A.*,A.x
        NATS/1.0|Nats-Stream: A|Nats-Subject: A.y|Nats-Sequence: 2|Nats-Time-Stamp: 2024-02-29T12:34:56Z|Nats-Num-Pending: 1|Nats-Last-Sequence: 0 2
        NATS/1.0|Nats-Stream: A|Nats-Subject: A.x|Nats-Sequence: 3|Nats-Time-Stamp: 2024-02-29T12:35:06Z|Nats-Num-Pending: 0|Nats-Last-Sequence: 2 3
        NATS/1.0 204 EOB|Nats-Num-Pending: 0|Nats-Last-Sequence: 3|Nats-UpTo-Sequence: 3
        > direct multi=A.x up=2
        NATS/1.0|Nats-Stream: A|Nats-Subject: A.x|Nats-Sequence: 1|Nats-Time-Stamp: 2024-02-29T12:34:56Z|Nats-Num-Pending: 0|Nats-Last-Sequence: 0 1
        NATS/1.0 204 EOB|Nats-Num-Pending: 0|Nats-Last-Sequence: 1|Nats-UpTo-Sequence: 2
        > direct multi=A.* uptime=5 seq=2
        NATS/1.0|Nats-Stream: A|Nats-Subject: A.y|Nats-Sequence: 2|Nats-Time-Stamp: 2024-02-29T12:34:56Z|Nats-Num-Pending: 0|Nats-Last-Sequence: 0 2
        NATS/1.0 204 EOB|Nats-Num-Pending: 0|Nats-Last-Sequence: 2|Nats-UpTo-Sequence: 2
        > direct multi=A.* uptime=0
        NATS/1.0 404 No Results
        > direct multi=B.*
        NATS/1.0 404 No Results
        "#,
    );
}

#[test]
fn too_many_last_messages() {
    let mut script = support::Script::new(PLAIN);
    for number in 0..1025 {
        script.run(&format!("pub> - A.{number}"));
    }
    assert_eq!(
        script.run("direct multi=A.*"),
        "NATS/1.0 413 Too Many Results"
    );
    script.run("delete 1");
    let all = script.run("direct multi=A.* batch=1024");
    assert_eq!(all.lines().count(), 1025);
}

#[test]
fn purges() {
    check(
        PLAIN,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > pub> - A.y 2
        stored 2 A.y 2
        > pub> - A.x 3
        stored 3 A.x 3
        > pub> - A.x 4
        stored 4 A.x 4
        > pub> - A.y 5
        stored 5 A.y 5
        > purge seq=1
        purged 0
        > purge filter=A.x keep=2
        removed 1 A.x
        purged 1
        > purge filter=A.x seq=4
        removed 3 A.x
        purged 1
        > purge filter=A.z
        purged 0
        > purge keep=2
        removed 2 A.y
        purged 1
        > purge seq=5
        removed below 5
        purged 1
        > state
        messages 1 bytes 20 first 5 last 5
        > purge
        removed below 6
        purged 1
        > purge
        purged 0
        > purge seq=100
        removed below 100
        purged 0
        > state
        messages 0 bytes 0 first 100 last 99
        > purge seq=1 keep=1
        error 400 10003: bad request
        "#,
    );
    check(
        r#"{"name":"A","deny_purge":true,"deny_delete":true}"#,
        r#"
        > purge
        error 500 10110: stream purge not permitted
        > delete 1
        error 500 10057: message delete not permitted
        > update {"name":"A","sealed":true}
        updated
        > purge
        error 400 10109: invalid operation on sealed stream
        > delete 1
        error 400 10109: invalid operation on sealed stream
        "#,
    );
}

#[test]
fn a_large_purge_takes_several_steps_and_spares_what_comes_later() {
    let mut script = support::Script::new(PLAIN);
    for _ in 0..3 {
        script.run("pub> - A.x");
    }
    let filter = cognate_subject::Filter::try_from("A.x").expect("a filter");
    let request = cognate_stream::PurgeRequest {
        filter: Some(&filter),
        ..Default::default()
    };
    let (now, store, host) = (script.now, &mut script.store, &mut script.host);
    let started = script.stream.start_purge(&request, now, store, host);
    let mut purge = started.expect("a purge");
    assert!(!purge.is_done());
    script.run("pub> - A.x");
    let (now, store, host) = (script.now, &mut script.store, &mut script.host);
    script
        .stream
        .continue_purge(&mut purge, now, store, host)
        .expect("a purge");
    assert!(purge.is_done());
    assert_eq!(
        (purge.removed(), script.run("dump")),
        (
            3,
            "removed 1 A.x\nremoved 2 A.x\nremoved 3 A.x\n4 A.x".into()
        )
    );
}

#[test]
fn deletions() {
    check(
        PLAIN,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > delete 1
        removed 1 A.x
        deleted
        > delete 1
        error 400 10043: sequence 1 not found
        > delete 99
        error 400 10043: sequence 99 not found
        > delete 0
        error 400 10043: sequence 0 not found
        "#,
    );
    check(
        r#"{"name":"A","subjects":["A.>"],"storage":"file"}"#,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > delete 99
        error 500 10057: stream store EOF
        > delete 0
        error 500 10057: no message found
        "#,
    );
}

#[test]
fn messages_become_too_old() {
    check(
        r#"{"name":"A","subjects":["A.>"],"max_age":10000000000}"#,
        r#"
        > pub> - A.x 1
        stored 1 A.x 1
        > wait 4
        > pub> - A.y 2
        stored 2 A.y 2
        > wait 5.9
        > wait 0.1
        removed below 2
        > wait 4
        removed below 3
        > state
        messages 0 bytes 0 first 3 last 2
        "#,
    );
}

#[test]
fn messages_have_times_to_live_of_their_own() {
    check(
        r#"{"name":"A","subjects":["A.>"],"max_age":10000000000,"allow_msg_ttl":true}"#,
        r#"
        > pub> - A.a 1 {Nats-TTL: 5s}
        stored 1 A.a NATS/1.0|Nats-TTL: 5s 1
        > pub> - A.b 2 {Nats-TTL: never}
        stored 2 A.b NATS/1.0|Nats-TTL: never 2
        > pub> - A.c 3 {Nats-TTL: 99}
        stored 3 A.c NATS/1.0|Nats-TTL: 99 3
        > pub A.d 4 {Nats-TTL: 0.5s}
        reply {"error":{"code":400,"err_code":10165,"description":"invalid per-message TTL"},"stream":"A","seq":0}
        > wait 5
        removed 1 A.a
        > restart
        > pub> - A.e 5
        stored 4 A.e 5
        > wait 5
        removed 3 A.c
        > wait 4
        > wait 1
        removed 4 A.e
        > dump
        2 A.b NATS/1.0|Nats-TTL: never 2
        "#,
    );
}

#[test]
fn markers_stand_for_what_limits_took() {
    check(
        r#"{"name":"A","subjects":["A.>"],"max_age":10000000000,"allow_msg_ttl":true,"allow_rollup_hdrs":true,"subject_delete_marker_ttl":90000000000}"#,
        r#"
        > pub> - A.a 1
        stored 1 A.a 1
        > pub> - A.a 2
        stored 2 A.a 2
        > pub> - A.b 3 {KV-Operation: PURGE}
        stored 3 A.b NATS/1.0|KV-Operation: PURGE 3
        > pub> - A.c 4 {Nats-TTL: 5s}
        stored 4 A.c NATS/1.0|Nats-TTL: 90 4
        > wait 10
        removed 1 A.a
        stored 5 A.a NATS/1.0|Nats-Marker-Reason: MaxAge|Nats-TTL: 1m30s|Nats-Rollup: sub
        removed 2 A.a
        removed 3 A.b
        stored 6 A.c NATS/1.0|Nats-Marker-Reason: MaxAge|Nats-TTL: 1m30s|Nats-Rollup: sub
        removed 4 A.c
        > wait 10
        removed 5 A.a
        removed 6 A.c
        "#,
    );
}

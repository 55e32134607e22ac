//! Counters, schedules, transforms, republishing.

mod support;

use support::check;

const COUNTER: &str = r#"{"name":"A","subjects":["A.>"],"allow_msg_counter":true,"allow_rollup_hdrs":true,"allow_atomic":true}"#;

#[test]
fn counters_count() {
    check(
        COUNTER,
        r#"
        > pub A.x {Nats-Incr: +5}
        stored 1 A.x NATS/1.0|Nats-Incr: +5 {"val":"5"}
        reply {"stream":"A","seq":1,"val":"5"}
        > pub A.x {Nats-Incr: -7}
        stored 2 A.x NATS/1.0|Nats-Incr: -7 {"val":"-2"}
        reply {"stream":"A","seq":2,"val":"-2"}
        > pub A.y {Nats-Incr: 0}
        stored 3 A.y NATS/1.0|Nats-Incr: 0 {"val":"0"}
        reply {"stream":"A","seq":3,"val":"0"}
        > pub A.x {Nats-Incr: 100000000000000000000000000000000000000000}
        stored 4 A.x NATS/1.0|Nats-Incr: 100000000000000000000000000000000000000000 {"val":"99999999999999999999999999999999999999998"}
        reply {"stream":"A","seq":4,"val":"99999999999999999999999999999999999999998"}
        > restart
        > pub A.x {Nats-Incr: 2}
        stored 5 A.x NATS/1.0|Nats-Incr: 2 {"val":"100000000000000000000000000000000000000000"}
        reply {"stream":"A","seq":5,"val":"100000000000000000000000000000000000000000"}
        "#,
    );
}

#[test]
fn what_counters_refuse() {
    check(
        COUNTER,
        r#"
        > pub A.x
        reply {"error":{"code":400,"err_code":10169,"description":"message counter increment is missing"},"stream":"A","seq":0}
        > pub A.x {K: v}
        reply {"error":{"code":400,"err_code":10169,"description":"message counter increment is missing"},"stream":"A","seq":0}
        > pub A.x 1 {Nats-Incr: 1}
        reply {"error":{"code":400,"err_code":10170,"description":"message counter has payload"},"stream":"A","seq":0}
        > pub A.x {Nats-Incr: 1; Nats-Rollup: sub}
        reply {"error":{"code":400,"err_code":10171,"description":"message counter increment is invalid"},"stream":"A","seq":0}
        > pub A.x {Nats-Incr: 1; Nats-Expected-Last-Sequence: 0}
        reply {"error":{"code":400,"err_code":10171,"description":"message counter increment is invalid"},"stream":"A","seq":0}
        > pub A.x {Nats-Incr: 1; Nats-Stream-Source: B 1 > > B.x}
        reply {"error":{"code":400,"err_code":10172,"description":"message counter is broken"},"stream":"A","seq":0}
        "#,
    );
}

#[test]
fn counters_in_batches() {
    check(
        COUNTER,
        r#"
        > pub A.x {Nats-Incr: 1}
        stored 1 A.x NATS/1.0|Nats-Incr: 1 {"val":"1"}
        reply {"stream":"A","seq":1,"val":"1"}
        > pub A.x {Nats-Incr: 2; Nats-Batch-Id: b; Nats-Batch-Sequence: 1}
        reply
        > pub A.x {Nats-Incr: 3; Nats-Batch-Id: b; Nats-Batch-Sequence: 2; Nats-Batch-Commit: 1}
        stored 2 A.x NATS/1.0|Nats-Incr: 2|Nats-Batch-Id: b|Nats-Batch-Sequence: 1 {"val":"3"}
        stored 3 A.x NATS/1.0|Nats-Incr: 3|Nats-Batch-Id: b|Nats-Batch-Sequence: 2|Nats-Batch-Commit: 1 {"val":"6"}
        reply {"stream":"A","seq":3,"batch":"b","count":2}
        > dump
        1 A.x NATS/1.0|Nats-Incr: 1 {"val":"1"}
        2 A.x NATS/1.0|Nats-Incr: 2|Nats-Batch-Id: b|Nats-Batch-Sequence: 1 {"val":"3"}
        3 A.x NATS/1.0|Nats-Incr: 3|Nats-Batch-Id: b|Nats-Batch-Sequence: 2|Nats-Batch-Commit: 1 {"val":"6"}
        "#,
    );
}

#[test]
fn subjects_are_transformed_before_anything_else() {
    check(
        r#"{"name":"A","subjects":["A.>"],"subject_transform":{"src":"A.*","dest":"A.t.$1"}}"#,
        r#"
        > pub A.x 1
        stored 1 A.t.x 1
        reply {"stream":"A","seq":1}
        > pub A.x.y 1 {Nats-Expected-Last-Subject-Sequence: 0}
        stored 2 A.x.y NATS/1.0|Nats-Expected-Last-Subject-Sequence: 0 1
        reply {"stream":"A","seq":2}
        > pub A.x 1 {Nats-Expected-Last-Subject-Sequence: 0}
        reply {"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1"},"stream":"A","seq":0}
        > dump
        1 A.t.x 1
        2 A.x.y NATS/1.0|Nats-Expected-Last-Subject-Sequence: 0 1
        "#,
    );
}

#[test]
fn stored_messages_are_published_again() {
    check(
        r#"{"name":"A","subjects":["A.>"],"republish":{"src":"A.*","dest":"B.$1"}}"#,
        r#"
        > pub A.x 1
        stored 1 A.x 1
        publish B.x NATS/1.0|Nats-Stream: A|Nats-Subject: A.x|Nats-Sequence: 1|Nats-Time-Stamp: 2024-02-29T12:34:56Z|Nats-Last-Sequence: 0 1
        reply {"stream":"A","seq":1}
        > pub A.x.y 1
        stored 2 A.x.y 1
        reply {"stream":"A","seq":2}
        > pub A.x 3 {K: v}
        stored 3 A.x NATS/1.0|K: v 3
        publish B.x NATS/1.0|K: v|Nats-Stream: A|Nats-Subject: A.x|Nats-Sequence: 3|Nats-Time-Stamp: 2024-02-29T12:34:56Z|Nats-Last-Sequence: 1 3
        reply {"stream":"A","seq":3}
        > update {"name":"A","subjects":["A.>"],"republish":{"dest":"B.>","headers_only":true}}
        updated
        > pub> - A.x 345
        stored 4 A.x 345
        publish B.A.x NATS/1.0|Nats-Stream: A|Nats-Subject: A.x|Nats-Sequence: 4|Nats-Time-Stamp: 2024-02-29T12:34:56Z|Nats-Last-Sequence: 3|Nats-Msg-Size: 3
        "#,
    );
}

const SCHEDULES: &str = r#"{"name":"A","subjects":["A.>"],"allow_msg_schedules":true,"allow_rollup_hdrs":true,"allow_msg_ttl":true}"#;

#[test]
fn a_schedule_makes_one_message_and_goes() {
    check(
        SCHEDULES,
        r#"
        > pub A.s hi {Nats-Schedule: @at 2024-02-29T12:35:00Z; Nats-Schedule-Target: A.t; Nats-Schedule-TTL: 5m; Nats-Schedule-Rollup: sub; Nats-Msg-Id: i; Nats-Expected-Stream: A; K: v}
        stored 1 A.s NATS/1.0|Nats-Schedule: @at 2024-02-29T12:35:00Z|Nats-Schedule-Target: A.t|Nats-Schedule-TTL: 5m|Nats-Schedule-Rollup: sub|Nats-Msg-Id: i|Nats-Expected-Stream: A|K: v|Nats-Rollup: sub hi
        reply {"stream":"A","seq":1}
        > wait 3.9
        > restart
        > wait 1
        stored 2 A.t NATS/1.0|K: v|Nats-Scheduler: A.s|Nats-Schedule-Next: purge|Nats-TTL: 5m|Nats-Rollup: sub hi
        removed 1 A.s
        > wait 300
        removed 2 A.t
        "#,
    );
}

#[test]
fn a_schedule_repeats_until_it_is_removed() {
    check(
        SCHEDULES,
        r#"
        > pub> - A.src source {S: 1; Nats-TTL: 9000}
        stored 1 A.src NATS/1.0|S: 1|Nats-TTL: 9000 source
        > pub A.s hi {Nats-Schedule: @every 10s; Nats-Schedule-Target: A.t; Nats-Schedule-Source: A.src}
        stored 2 A.s NATS/1.0|Nats-Schedule: @every 10s|Nats-Schedule-Target: A.t|Nats-Schedule-Source: A.src|Nats-Rollup: sub hi
        reply {"stream":"A","seq":2}
        > wait 11
        stored 3 A.t NATS/1.0|S: 1|Nats-Scheduler: A.s|Nats-Schedule-Next: 2024-02-29T12:35:16Z source
        > restart
        > delete 1
        removed 1 A.src
        deleted
        > wait 10
        stored 4 A.t NATS/1.0|Nats-Scheduler: A.s|Nats-Schedule-Next: 2024-02-29T12:35:26Z hi
        > pub A.t bye {Nats-Scheduler: A.s; Nats-Schedule-Next: purge}
        stored 5 A.t NATS/1.0|Nats-Scheduler: A.s|Nats-Schedule-Next: purge bye
        removed 2 A.s
        reply {"stream":"A","seq":5}
        > wait 100
        > pub> - A.s {Nats-Schedule: 0 30 14 * * *; Nats-Schedule-Target: A.t; Nats-Schedule-Time-Zone: Europe/Berlin}
        stored 6 A.s NATS/1.0|Nats-Schedule: 0 30 14 * * *|Nats-Schedule-Target: A.t|Nats-Schedule-Time-Zone: Europe/Berlin|Nats-Rollup: sub
        > wait 4000
        stored 7 A.t NATS/1.0|Nats-Scheduler: A.s|Nats-Schedule-Next: 2024-03-01T13:30:00Z
        > pub> - A.s no schedule any more
        stored 8 A.s no schedule any more
        > wait 99999
        "#,
    );
}

#[test]
fn what_is_no_schedule() {
    check(
        SCHEDULES,
        r#"
        > pub A.s {Nats-Schedule: x; Nats-Schedule-Target: A.t}
        reply {"error":{"code":400,"err_code":10189,"description":"message schedules pattern is invalid"},"stream":"A","seq":0}
        > pub A.s {Nats-Schedule: @hourly}
        reply {"error":{"code":400,"err_code":10190,"description":"message schedules target is invalid"},"stream":"A","seq":0}
        > pub A.s {Nats-Schedule: @hourly; Nats-Schedule-Target: A.s}
        reply {"error":{"code":400,"err_code":10190,"description":"message schedules target is invalid"},"stream":"A","seq":0}
        > pub A.s {Nats-Schedule: @hourly; Nats-Schedule-Target: B.t}
        reply {"error":{"code":400,"err_code":10190,"description":"message schedules target is invalid"},"stream":"A","seq":0}
        > pub A.s {Nats-Schedule: @hourly; Nats-Schedule-Target: A.t; Nats-Schedule-Source: A.*}
        reply {"error":{"code":400,"err_code":10203,"description":"message schedules source is invalid"},"stream":"A","seq":0}
        > pub A.s {Nats-Schedule: @hourly; Nats-Schedule-Target: A.t; Nats-Schedule-TTL: 0.5s}
        reply {"error":{"code":400,"err_code":10191,"description":"message schedules invalid per-message TTL"},"stream":"A","seq":0}
        > pub A.s {Nats-Schedule: @hourly; Nats-Schedule-Target: A.t; Nats-Schedule-Rollup: all}
        reply {"error":{"code":400,"err_code":10192,"description":"message schedules invalid rollup"},"stream":"A","seq":0}
        > pub A.s {Nats-Schedule: @hourly; Nats-Schedule-Target: A.t; Nats-Rollup: all}
        reply {"error":{"code":400,"err_code":10192,"description":"message schedules invalid rollup"},"stream":"A","seq":0}
        > pub A.s {Nats-Schedule: @hourly; Nats-Schedule-Target: A.t; Nats-Schedule-Time-Zone: Mars/Olympus}
        reply {"error":{"code":400,"err_code":10223,"description":"message schedules time zone is invalid"},"stream":"A","seq":0}
        > pub A.s {Nats-Schedule-Time-Zone:}
        reply {"error":{"code":400,"err_code":10223,"description":"message schedules time zone is invalid"},"stream":"A","seq":0}
        > pub A.s {Nats-Scheduler: A.t}
        reply {"error":{"code":400,"err_code":10212,"description":"message schedules invalid scheduler"},"stream":"A","seq":0}
        > pub A.s {Nats-Schedule-Next: 2024-02-29T12:35:26Z; Nats-Scheduler: A.t}
        reply {"error":{"code":400,"err_code":10212,"description":"message schedules invalid scheduler"},"stream":"A","seq":0}
        > pub> - A.t plain
        stored 1 A.t plain
        > pub A.s {Nats-Schedule-Next: purge; Nats-Scheduler: A.t}
        reply {"error":{"code":400,"err_code":10212,"description":"message schedules invalid scheduler"},"stream":"A","seq":0}
        "#,
    );
}

//! Mirrors and sources: what becomes of messages from other streams.

mod support;

use support::check;

#[test]
fn a_mirror_keeps_numbers_and_times() {
    check(
        r#"{"name":"M","mirror":{"name":"A"}}"#,
        r#"
        > wait 100
        > mirrored 5 A.x 1 {Nats-Expected-Stream: A; Nats-Msg-Id: i}
        stored 5 A.x NATS/1.0|Nats-Msg-Id: i 1
        New(5)
        > mirrored 5 A.x 1
        Old
        > mirrored 8 A.y 2
        stored 8 A.y 2
        New(8)
        > state
        messages 2 bytes 68 first 5 last 8
        > get at=0
        5 A.x NATS/1.0|Nats-Msg-Id: i 1
        > restart
        > mirrored 8 A.y 2
        Old
        > sourced 0 9 A.x 1
        error 500 10096: stream not valid
        > sources
        [None]
        "#,
    );
}

#[test]
fn a_mirror_may_change_subjects_and_be_full() {
    check(
        r#"{"name":"M","mirror":{"name":"A","subject_transforms":[{"src":"A.x","dest":"B.x"},{"src":"A.*","dest":"C.$1"}]},"discard":"new","max_msgs":2}"#,
        r#"
        > mirrored 1 A.x 1
        stored 1 B.x 1
        New(1)
        > mirrored 2 A.y 2
        stored 2 C.y 2
        New(2)
        > mirrored 3 A.x 1
        error 503 10077: maximum messages exceeded
        > purge
        removed below 3
        purged 2
        > mirrored 3 A.x 1
        stored 3 B.x 1
        New(3)
        "#,
    );
}

const SOURCES: &str = r#"{"name":"S","subjects":["S.>"],"duplicate_window":60000000000,"sources":[{"name":"A","filter_subject":"A.*"},{"name":"B","subject_transforms":[{"src":"","dest":"B.>"},{"src":"x.*","dest":"y.$1"}]},{"name":"A","external":{"api":"$JS.hub.API","deliver":""}}]}"#;

#[test]
fn sourced_messages_say_where_they_come_from() {
    check(
        SOURCES,
        r#"
        > sourced 0 7 A.x 1 {K: v; Nats-Expected-Stream: A; Nats-Batch-Id: b; Nats-Stream-Source: Z 1 > > z; Nats-TTL: 5}
        stored 1 A.x NATS/1.0|K: v|Nats-TTL: 5|Nats-Stream-Source: A 7 A.* > A.x 1
        New(1)
        > sourced 1 9 x.q 2
        stored 2 B.x.q NATS/1.0|Nats-Stream-Source: B 9 >␌x.* B.>␌y.$1 x.q 2
        New(2)
        > sourced 2 3 A.x 3 {Nats-Msg-Id: i}
        stored 3 A.x NATS/1.0|Nats-Msg-Id: i|Nats-Stream-Source: A:bTMUkJQk 3 > > A.x 3
        New(3)
        > sourced 0 8 A.x 3 {Nats-Msg-Id: i}
        Duplicate
        > sources
        [Some(7), Some(9), Some(3)]
        > delete 2
        removed 2 B.x.q
        deleted
        > sources
        [Some(7), None, Some(3)]
        > sourced 3 1 A.x
        error 500 10096: stream not valid
        > mirrored 9 A.x
        error 500 10096: stream not valid
        > update {"name":"S","sealed":true,"sources":[{"name":"A"}]}
        updated
        > sourced 0 9 A.x
        error 400 10109: invalid operation on sealed stream
        "#,
    );
}

#[test]
fn counters_add_what_their_sources_grew_by() {
    check(
        r#"{"name":"S","allow_msg_counter":true,"sources":[{"name":"A"},{"name":"B","subject_transforms":[{"src":"y","dest":"x"}]}]}"#,
        r#"
        > sourced 0 7 x {"val":"3"} {Nats-Incr: 3}
        stored 1 x NATS/1.0|Nats-Incr: 3|Nats-Stream-Source: A 7 > > x|Nats-Counter-Sources: {"A":{"x":"3"}} {"val":"3"}
        New(1)
        > sourced 0 9 x {"val":"7"} {Nats-Incr: 1}
        stored 2 x NATS/1.0|Nats-Incr: 4|Nats-Stream-Source: A 9 > > x|Nats-Counter-Sources: {"A":{"x":"7"}} {"val":"7"}
        New(2)
        > sourced 1 1 y {"val":"100"} {Nats-Incr: +100}
        stored 3 x NATS/1.0|Nats-Incr: 100|Nats-Stream-Source: B 1 y x y|Nats-Counter-Sources: {"A":{"x":"7"},"B":{"y":"100"}} {"val":"107"}
        New(3)
        > sourced 0 10 x {"val":"6"} {Nats-Incr: -1}
        stored 4 x NATS/1.0|Nats-Incr: -1|Nats-Stream-Source: A 10 > > x|Nats-Counter-Sources: {"A":{"x":"6"},"B":{"y":"100"}} {"val":"106"}
        New(4)
        > sourced 0 11 x 5 {K: v}
        error 400 10169: message counter increment is missing
        > sourced 0 11 x 5 {Nats-Incr: 1}
        error 400 10172: message counter is broken
        "#,
    );
}

//! Acknowledgements and what they lead to.

use crate::pull::config;
use crate::script::{check, check_in};
use crate::world::World;

#[test]
fn the_floor_follows_the_first_that_is_missing() {
    check(
        &config(r#""max_ack_pending":3"#),
        r#"
        pub o.1
        pub o.2
        pub o.3
        pub o.4
        pull A 10
          > A <- #1 o.1 (x1 c1 +3)
          > A <- #2 o.2 (x1 c2 +2)
          > A <- #3 o.3 (x1 c3 +1)
        ack 2 +ACK @R
          > confirm R
          > A <- #4 o.4 (x1 c4 +0)
        info
          > delivered 4/4 floor 0/0 acks 3 redelivered 0 waiting 1 pending 0
        restart
        ack 1
        info
          > delivered 4/4 floor 2/2 acks 2 redelivered 0 waiting 0 pending 0
        ack 1 @R
          > confirm R
        ack 9 @R
        ack 3
        ack 4
        info
          > delivered 4/4 floor 4/4 acks 0 redelivered 0 waiting 0 pending 0
        "#,
    );
}

#[test]
fn every_kind_of_acknowledgement() {
    check(
        &config(r#""max_waiting":4,"sample_freq":"100%""#),
        r#"
        pub o.1
        pub o.2
        pub o.3
        pub o.4
        pull A 3
          > A <- #1 o.1 (x1 c1 +3)
          > A <- #2 o.2 (x1 c2 +2)
          > A <- #3 o.3 (x1 c3 +1)
        at 1000
        ack 1 +NXT @N
          > sample #1 after 1s
          > N <- #4 o.4 (x1 c4 +0)
        ack 2 +TERM no such order @R
          > terminated #2 x1: no such order
          > confirm R
        ack 3 -NAK @R
          > naked #3 x1
          > confirm R
        ack 4 -NAK {"delay":2000000000}
          > naked #4 x1
        info
          > delivered 4/4 floor 2/2 acks 2 redelivered 0 waiting 0 pending 0
        pull B 5
          > B <- #3 o.3 (x2 c5 +0)
        at 2999
        at 3500
          > B <- #4 o.4 (x2 c6 +0)
        ack 3 +WPI @R
          > confirm R
        ack 3 hello @R
          > confirm R
        restart
        info
          > delivered 6/4 floor 2/2 acks 2 redelivered 2 waiting 0 pending 0
        pull B 5
        at 31200
        at 33500
          > B <- #4 o.4 (x3 c7 +0)
        at 34000
          > B <- #3 o.3 (x3 c8 +0)
        "#,
    );
}

#[test]
fn redelivery_after_ack_wait_keeps_the_order() {
    check(
        &config(r#""max_waiting":4,"ack_wait":1000000000"#),
        r#"
        pub o.1
        pub o.2
        pub o.3
        pull A 3
          > A <- #1 o.1 (x1 c1 +2)
          > A <- #2 o.2 (x1 c2 +1)
          > A <- #3 o.3 (x1 c3 +0)
        ack 3 -NAK
          > naked #3 x1
        at 2000
        pub o.4
        ack 2
        restart
        pull B 4
          > B <- #3 o.3 (x2 c4 +1)
          > B <- #1 o.1 (x2 c5 +1)
          > B <- #4 o.4 (x1 c6 +0)
        info
          > delivered 6/4 floor 0/0 acks 3 redelivered 2 waiting 1 pending 0
        ack 1
        info
          > delivered 6/4 floor 2/2 acks 2 redelivered 1 waiting 1 pending 0
        "#,
    );
}

#[test]
fn backoff_and_the_last_delivery() {
    check(
        &config(
            r#""max_waiting":4,"ack_wait":1000000000,"backoff":[1000000000,5000000000],"max_deliver":3"#,
        ),
        r#"
        pub o.1
        pull A 9
          > A <- #1 o.1 (x1 c1 +0)
        at 1100
          > A <- #1 o.1 (x2 c2 +0)
        at 6000
        at 6200
          > A <- #1 o.1 (x3 c3 +0)
        at 20000
          > max deliveries #1 x3
        info
          > delivered 3/1 floor 3/1 acks 0 redelivered 1 waiting 1 pending 0
        restart
        info
          > delivered 3/1 floor 3/1 acks 0 redelivered 1 waiting 0 pending 0
        ack 1
        info
          > delivered 3/1 floor 3/1 acks 0 redelivered 0 waiting 0 pending 0
        "#,
    );
}

#[test]
fn one_acknowledgement_for_all_before() {
    check(
        r#"{"durable_name":"C","ack_policy":"all","ack_wait":30000000000,"max_ack_pending":3}"#,
        r#"
        pub o.1
        pub o.2
        pub o.3
        pub o.4
        pull A 9
          > A <- #1 o.1 (x1 c1 +3)
          > A <- #2 o.2 (x1 c2 +2)
          > A <- #3 o.3 (x1 c3 +1)
        ack 2 @R
          > confirm R
          > A <- #4 o.4 (x1 c4 +0)
        ack 1 @R
          > confirm R
        restart
        info
          > delivered 4/4 floor 2/2 acks 2 redelivered 0 waiting 0 pending 0
        ack 4
        info
          > delivered 4/4 floor 4/4 acks 0 redelivered 0 waiting 0 pending 0
        "#,
    );
}

#[test]
fn messages_that_leave_the_stream() {
    check(
        &config(r#""max_waiting":4,"filter_subject":"o.*""#),
        r#"
        pub o.1
        pub x
        pub o.2
        pub o.3
        pub o.4
        pub o.5
        pull A 2
          > A <- #1 o.1 (x1 c1 +4)
          > A <- #3 o.2 (x1 c2 +3)
        rm 1
          > terminated #1 x1: Unacknowledged message was deleted
        rm 5
        rm 2
        info
          > delivered 2/3 floor 1/2 acks 1 redelivered 0 waiting 0 pending 2
        purge 4
        info
          > delivered 2/4 floor 2/4 acks 0 redelivered 0 waiting 0 pending 1
        pull A 2
          > A <- #6 o.5 (x1 c3 +0)
        purge 6
        restart
        info
          > delivered 3/6 floor 3/6 acks 0 redelivered 0 waiting 0 pending 0
        pub o.6
        pull A
          > A <- #7 o.6 (x1 c4 +0)
        "#,
    );
}

#[test]
fn interest_is_told_off() {
    let mut world = World::new(&config(r#""max_deliver":1,"max_waiting":4"#));
    world.interested = true;
    world.create();
    check_in(
        &mut world,
        r#"
        pub o.1
        pub o.2
        pull A 2
          > A <- #1 o.1 (x1 c1 +1)
          > A <- #2 o.2 (x1 c2 +0)
        ack 2
          > settled 2 to 2
        at 40000
          > max deliveries #1 x1
        info
          > delivered 2/2 floor 2/2 acks 0 redelivered 0 waiting 0 pending 0
        ack 1
          > settled 1 to 1
        ack 1
        "#,
    );
    assert!(!world.consumer.needs(1) && !world.consumer.needs(2) && world.consumer.needs(3));
}

#[test]
fn dead_letters_are_offered_until_they_are_stored() {
    let metadata = r#""metadata":{"_cognate.dead_letter.subject":"dead.o"}"#;
    let mut world = World::new(&config(&format!(
        r#""max_deliver":1,"ack_wait":1000000000,{metadata}"#
    )));
    world.interested = true;
    world.create();
    check_in(
        &mut world,
        r#"
        pub o.1 Color: red|one
        pub o.2 Nats-Msg-Id: 7|two
        pull A 2
          > A <- #1 o.1 {Color: red} one (x1 c1 +1)
          > A <- #2 o.2 {Nats-Msg-Id: 7} two (x1 c2 +0)
        ack 2 +TERM bad @R
          > letter dead.o {Cognate-Dead-Letter-Reason: terminated; Cognate-Dead-Letter-Detail: bad; Cognate-Dead-Letter-Stream: S; Cognate-Dead-Letter-Consumer: C; Cognate-Dead-Letter-Subject: o.2; Cognate-Dead-Letter-Sequence: 2; Cognate-Dead-Letter-Deliveries: 1; Cognate-Dead-Letter-Stored: 2023-11-14T22:13:20Z; Nats-Msg-Id: S.C.2} two
          > terminated #2 x1: bad
          > confirm R
        at 2000
          > max deliveries #1 x1
          > letter dead.o {Color: red; Cognate-Dead-Letter-Reason: max_deliveries; Cognate-Dead-Letter-Stream: S; Cognate-Dead-Letter-Consumer: C; Cognate-Dead-Letter-Subject: o.1; Cognate-Dead-Letter-Sequence: 1; Cognate-Dead-Letter-Deliveries: 1; Cognate-Dead-Letter-Stored: 2023-11-14T22:13:20Z; Nats-Msg-Id: S.C.1} one
        buried 1
          > settled 1 to 1
        keep
        restart
        letters
          > letter dead.o {Cognate-Dead-Letter-Reason: terminated; Cognate-Dead-Letter-Detail: bad; Cognate-Dead-Letter-Stream: S; Cognate-Dead-Letter-Consumer: C; Cognate-Dead-Letter-Subject: o.2; Cognate-Dead-Letter-Sequence: 2; Cognate-Dead-Letter-Deliveries: 1; Cognate-Dead-Letter-Stored: 2023-11-14T22:13:20Z; Nats-Msg-Id: S.C.2} two
        buried 2
          > settled 2 to 2
        restart
        letters
        "#,
    );
}

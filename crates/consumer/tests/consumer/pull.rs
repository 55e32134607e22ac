//! Pull requests: how they are served, refused and ended.

use crate::script::check;

/// A configuration as the model completes it, and more members.
pub(crate) fn config(more: &str) -> String {
    let common = r#""durable_name":"C","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"max_ack_pending":1000"#;
    format!("{{{common},{more}}}")
}

#[test]
fn serves_requests_in_turn() {
    check(
        &config(r#""max_waiting":4"#),
        r#"
        pull A 2
        pull B {"batch":2}
        pub o.1 one
          > A <- #1 o.1 one (x1 c1 +0)
        pub o.2 two
          > B <- #2 o.2 two (x1 c2 +0)
        info
          > delivered 2/2 floor 0/0 acks 2 redelivered 0 waiting 2 pending 0
        pub o.3 three
          > A <- #3 o.3 three (x1 c3 +0)
        pub o.4 four
          > B <- #4 o.4 four (x1 c4 +0)
        pub o.5 five
        info
          > delivered 4/4 floor 0/0 acks 4 redelivered 0 waiting 0 pending 1
        pull C
          > C <- #5 o.5 five (x1 c5 +0)
        "#,
    );
}

#[test]
fn no_wait_and_expiry() {
    check(
        &config(r#""max_waiting":4"#),
        r#"
        pull A {"no_wait":true}
          > A <- 404 No Messages
        pub o.1
        pull A {"no_wait":true,"batch":5}
          > A <- #1 o.1 (x1 c1 +0)
          > A <- 404 No Messages
        pull B {"no_wait":true,"batch":3,"expires":1000000000}
        pull E {"batch":10,"expires":2000000000,"max_bytes":1000,"idle_heartbeat":700000000}
        at 500
        pub o.2
          > B <- #2 o.2 (x1 c2 +0)
          > B <- 404 No Messages
        at 1000
          > E <- 100 Idle Heartbeat; Nats-Last-Consumer: 2; Nats-Last-Stream: 2
        at 5000
          > E <- 100 Idle Heartbeat; Nats-Last-Consumer: 2; Nats-Last-Stream: 2
          > E <- 408 Request Timeout; Nats-Pending-Messages: 10; Nats-Pending-Bytes: 1000
        "#,
    );
}

#[test]
fn refusals_in_the_servers_words() {
    check(
        &config(r#""max_waiting":2,"max_batch":5,"max_expires":90000000000,"max_bytes":100"#),
        r#"
        pull A 6
          > A <- 409 Exceeded MaxRequestBatch of 5
        pull A {"expires":91000000000}
          > A <- 409 Exceeded MaxRequestExpires of 1m30s
        pull A {"max_bytes":101}
          > A <- 409 Exceeded MaxRequestMaxBytes of 100
        pull A {"batch":1,"idle_heartbeat":600,"expires":1000}
          > A <- 400 Bad Request - heartbeat value too large
        pull A {"batch":"1"}
          > A <- 400 Bad Request - json: cannot unmarshal string into Go struct field JSApiConsumerGetNextRequest.batch of type int
        pull A {"batch":
          > A <- 400 Bad Request - unexpected end of JSON input
        pull A {"batch":}
          > A <- 400 Bad Request - invalid character '}' looking for beginning of value
        pull A {"min_pending":5}
          > A <- 400 Bad Request - Not a Overflow Priority consumer
        pull A {"id":"x"}
          > A <- 400 Bad Request - Not a Pinned Client Priority consumer
        pull A {"priority":10}
          > A <- 400 Bad Request - Priority must be between 0 and 9
        pull A
        pull B
        pull C
          > C <- 409 Exceeded MaxWaiting
        pull C {"batch":1,"expires":90000000000,"idle_heartbeat":1000000000}
        pub o.1
          > A <- #1 o.1 (x1 c1 +0)
        pull C {"no_wait":true,"batch":3}
          > C <- 404 No Messages
        "#,
    );
}

#[test]
fn bytes_run_out() {
    // A message counts with its subject and its acknowledgement subject.
    check(
        &config(r#""max_waiting":4"#),
        r#"
        pub o.1 0123456789
        pub o.2 0123456789
        pull A {"batch":10,"max_bytes":100}
          > A <- #1 o.1 0123456789 (x1 c1 +1)
          > A <- 409 Message Size Exceeds MaxBytes; Nats-Pending-Messages: 9; Nats-Pending-Bytes: 48
        pull B {"batch":1,"max_bytes":100}
          > B <- #2 o.2 0123456789 (x1 c2 +0)
          > B <- 409 Batch Completed; Nats-Pending-Messages: 0; Nats-Pending-Bytes: 48
        "#,
    );
}

#[test]
fn nobody_is_there() {
    check(
        &config(r#""max_waiting":4"#),
        r#"
        pull A 5
        pull B 5
        deaf A
        pub o.1
          > B <- #1 o.1 (x1 c1 +0)
        info
          > delivered 1/1 floor 0/0 acks 1 redelivered 0 waiting 1 pending 0
        deaf B
        pub o.2
        info
          > delivered 1/1 floor 0/0 acks 1 redelivered 0 waiting 0 pending 1
        pull C
          > C <- #2 o.2 (x1 c2 +0)
        "#,
    );
}

#[test]
fn requests_without_waiting_do_not_take_what_others_wait_for() {
    check(
        &config(r#""max_waiting":4,"max_ack_pending":1"#),
        r#"
        pub o.1
        pub o.2
        pull A 1
          > A <- #1 o.1 (x1 c1 +1)
        pull A 3
        pull B {"no_wait":true}
          > B <- 408 Requests Pending
        ack 1
          > A <- #2 o.2 (x1 c2 +0)
        "#,
    );
}

#[test]
fn all_requests_end() {
    check(
        &config(r#""max_waiting":4"#),
        r#"
        pull A 5
        pull B {"batch":1,"max_bytes":9}
        end 409 Server Shutdown
          > A <- 409 Server Shutdown; Nats-Pending-Messages: 5; Nats-Pending-Bytes: 0
          > B <- 409 Server Shutdown; Nats-Pending-Messages: 1; Nats-Pending-Bytes: 9
        pull C 3
        end 409 Consumer Deleted
          > C <- 409 Consumer Deleted
        info
          > delivered 0/0 floor 0/0 acks 0 redelivered 0 waiting 0 pending 0
        "#,
    );
}

#[test]
fn headers_only_tells_the_size() {
    check(
        &config(r#""max_waiting":4,"headers_only":true"#),
        r#"
        pub o.1 0123456789
        pub o.2 Color: red|0123
        pull A 2
          > A <- #1 o.1 {Nats-Msg-Size: 10} (x1 c1 +1)
          > A <- #2 o.2 {Color: red; Nats-Msg-Size: 4} (x1 c2 +0)
        "#,
    );
}

#[test]
fn what_is_not_durable_is_not_seen() {
    check(
        &config(r#""max_waiting":4"#),
        r#"
        info
          > delivered 0/0 floor 0/0 acks 0 redelivered 0 waiting 0 pending 0
        pull A 5
        store o.1
        store o.2
        see 1
          > A <- #1 o.1 (x1 c1 +0)
        see 2
          > A <- #2 o.2 (x1 c2 +0)
        info
          > delivered 2/2 floor 0/0 acks 2 redelivered 0 waiting 1 pending 0
        "#,
    );
}

#[test]
fn an_idle_consumer_is_given_up() {
    check(
        r#"{"name":"C","ack_policy":"explicit","ack_wait":3000000000,"max_ack_pending":10,"inactive_threshold":5000000000}"#,
        r#"
        pull A {"batch":5,"expires":4000000000}
        at 4500
          > A <- 408 Request Timeout; Nats-Pending-Messages: 5; Nats-Pending-Bytes: 0
        pub o.1
        pull A
          > A <- #1 o.1 (x1 c1 +0)
        at 9000
        at 12000
          > inactive
        at 99000
        "#,
    );
}

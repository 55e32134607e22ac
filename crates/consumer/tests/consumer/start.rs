//! With which message a consumer begins, and how it begins anew.

use crate::script::{check, check_in};
use crate::world::World;

/// Five messages on three subjects, a second apart.
const STREAM: &str = r#"
    pub o.1 a
    at 1000
    pub o.2 b
    at 2000
    pub x c
    at 3000
    pub o.1 d
    at 4000
    pub o.3 e
    create
"#;

#[track_caller]
fn begins(config: &str, rest: &str) {
    let config = format!(r#"{{"durable_name":"C","ack_policy":"none",{config}}}"#);
    let mut world = World::new(&config);
    check_in(&mut world, &format!("{STREAM}{rest}"));
}

#[test]
fn by_policy() {
    begins(
        r#""deliver_policy":"all""#,
        "pull A\n> A <- #1 o.1 a (x1 c1 +4)",
    );
    begins(
        r#""deliver_policy":"last""#,
        "pull A\n> A <- #5 o.3 e (x1 c1 +0)",
    );
    begins(
        r#""deliver_policy":"last","filter_subjects":["o.2","x"]"#,
        "pull A\n> A <- #3 x c (x1 c1 +0)",
    );
    begins(
        r#""deliver_policy":"new""#,
        "pull A\npub o.9\n> A <- #6 o.9 (x1 c1 +0)",
    );
    begins(
        r#""deliver_policy":"by_start_sequence","opt_start_seq":4"#,
        "pull A\n> A <- #4 o.1 d (x1 c1 +1)",
    );
    begins(
        r#""deliver_policy":"by_start_sequence","opt_start_seq":7"#,
        "pull A 2\npub o.6\npub o.7\n> A <- #7 o.7 (x1 c1 +0)",
    );
    begins(
        r#""deliver_policy":"by_start_time","opt_start_time":"2023-11-14T22:13:21.5Z""#,
        "pull A\n> A <- #3 x c (x1 c1 +2)",
    );
}

#[test]
fn with_the_last_of_each_subject() {
    begins(
        r#""deliver_policy":"last_per_subject","filter_subject":"o.*""#,
        r#"
        info
          > delivered 0/1 floor 0/1 acks 0 redelivered 0 waiting 0 pending 3
        pull A
          > A <- #2 o.2 b (x1 c1 +2)
        pub o.3 f
        restart
        info
          > delivered 1/2 floor 1/2 acks 0 redelivered 0 waiting 0 pending 2
        pull A 9
          > A <- #4 o.1 d (x1 c2 +1)
          > A <- #6 o.3 f (x1 c3 +0)
        "#,
    );
}

#[test]
fn anew() {
    check(
        r#"{"durable_name":"C","ack_policy":"explicit","ack_wait":30000000000}"#,
        r#"
        pub o.1
        pub o.2
        pull A 3
          > A <- #1 o.1 (x1 c1 +1)
          > A <- #2 o.2 (x1 c2 +0)
        ack 1
        reset 0
          > reset: 2
          > A <- #2 o.2 (x1 c1 +0)
        reset 1
          > reset: 1
        info
          > delivered 0/0 floor 0/0 acks 0 redelivered 0 waiting 0 pending 2
        restart
        pull A 3
          > A <- #1 o.1 (x1 c1 +1)
          > A <- #2 o.2 (x1 c2 +0)
        "#,
    );
    begins(r#""deliver_policy":"new""#, "reset 3\n> reset: not allowed");
    begins(
        r#""deliver_policy":"by_start_sequence","opt_start_seq":4"#,
        "reset 3\n> reset: below start seq\nreset 5\n> reset: 5",
    );
}

//! Push consumers, and what paces or pauses delivery.

use crate::script::{check, check_in};
use crate::world::World;

#[test]
fn pushes_while_somebody_listens() {
    check(
        r#"{"durable_name":"C","ack_policy":"none","deliver_subject":"D","idle_heartbeat":1000000000,"inactive_threshold":5000000000}"#,
        r#"
        pub o.1 one
          > D <- #1 o.1 one (x1 c1 +0)
        pull A
          > A <- 409 Consumer is push based
        at 2500
          > D <- 100 Idle Heartbeat; Nats-Last-Consumer: 1; Nats-Last-Stream: 1
          > D <- 100 Idle Heartbeat; Nats-Last-Consumer: 1; Nats-Last-Stream: 1
        deaf D
        pub o.2 two
        pub o.3 three
        at 4000
        hear D
          > D <- #2 o.2 two (x1 c2 +1)
          > D <- #3 o.3 three (x1 c3 +0)
        restart
        info
          > delivered 3/3 floor 3/3 acks 0 redelivered 0 waiting 0 pending 0
        deaf D
        pub o.4
        at 9500
          > inactive
        "#,
    );
}

#[test]
fn flow_control_stalls_and_goes_on() {
    let mut world = World::new(
        r#"{"durable_name":"C","ack_policy":"none","deliver_subject":"D","flow_control":true,"idle_heartbeat":1000000000}"#,
    );
    let payload = "x".repeat(900_000);
    for n in 1..=4 {
        world.publish(&format!("o.{n}"), "", &payload);
    }
    world.poll();
    let lines: Vec<_> = world
        .host
        .lines
        .drain(..)
        .map(|line| line.replace(&payload, "…"))
        .collect();
    let token = lines[2].rsplit('.').next().expect("a token").to_owned();
    let expected = [
        "D <- #1 o.1 … (x1 c1 +3)".to_owned(),
        "D <- #2 o.2 … (x1 c2 +2)".to_owned(),
        format!("D <- 100 FlowControl Request reply $JS.FC.S.C.{token}"),
        "D <- #3 o.3 … (x1 c3 +1)".to_owned(),
    ];
    assert_eq!(lines, expected);
    let script = format!(
        "
        at 1000
          > D <- 100 Idle Heartbeat; Nats-Last-Consumer: 3; Nats-Last-Stream: 3; Nats-Consumer-Stalled: $JS.FC.S.C.{token}
        flow none
        flow {token}
          > D <- #4 o.4 {payload} (x1 c4 +0)
        "
    );
    check_in(&mut world, &script);
}

#[test]
fn acknowledged_by_flow_control() {
    let mut world = World::new(
        r#"{"durable_name":"C","ack_policy":"flow_control","max_ack_pending":2,"deliver_subject":"D","flow_control":true,"idle_heartbeat":1000000000}"#,
    );
    (1..=3).for_each(|n| world.publish(&format!("o.{n}"), "", ""));
    world.poll();
    let token = world.host.lines[2]
        .rsplit('.')
        .next()
        .expect("a token")
        .to_owned();
    assert_eq!(world.host.lines.len(), 3, "{:?}", world.host.lines);
    world.host.lines.clear();
    check_in(
        &mut world,
        &format!(
            "
            info
              > delivered 2/2 floor 0/0 acks 2 redelivered 0 waiting 0 pending 1
            flow {token}|Nats-Last-Consumer:_2|Nats-Last-Stream:_2
              > D <- #3 o.3 (x1 c3 +0)
            restart
            info
              > delivered 3/3 floor 2/2 acks 1 redelivered 0 waiting 0 pending 0
            "
        ),
    );
}

#[test]
fn a_limited_rate() {
    // 80 bits are 10 bytes a second; the messages count 52 bytes each with their reply.
    let mut world = World::new(
        r#"{"durable_name":"C","ack_policy":"none","deliver_subject":"D","rate_limit_bps":80}"#,
    );
    world.max_message = 60;
    world.create();
    check_in(
        &mut world,
        r#"
        pub o.1 0123456789
          > D <- #1 o.1 0123456789 (x1 c1 +0)
        pub o.2 0123456789
        at 4399
        at 4400
          > D <- #2 o.2 0123456789 (x1 c2 +0)
        "#,
    );
}

#[test]
fn replay_keeps_the_pauses() {
    let mut world = World::new(
        r#"{"durable_name":"C","ack_policy":"none","deliver_subject":"D","replay_policy":"original"}"#,
    );
    check_in(
        &mut world,
        r#"
        deaf D
        pub o.1
        at 300
        pub o.2
        at 1300
        pub o.3
        create
        hear D
          > D <- #1 o.1 (x1 c1 +2)
        at 1500
        at 1600
          > D <- #2 o.2 (x1 c2 +1)
        at 2600
          > D <- #3 o.3 (x1 c3 +0)
        pub o.4
          > D <- #4 o.4 (x1 c4 +0)
        "#,
    );
}

#[test]
fn a_pause() {
    check(
        r#"{"durable_name":"C","ack_policy":"none","deliver_subject":"D","idle_heartbeat":1000000000}"#,
        r#"
        pause 1500
          > paused true until Some(1500)
        pub o.1
        info
          > delivered 0/0 floor 0/0 acks 0 redelivered 0 waiting 0 pending 1 paused 1.5s
        at 1400
          > D <- 100 Idle Heartbeat; Nats-Last-Consumer: 0; Nats-Last-Stream: 0
        at 1500
          > paused false until Some(1500)
          > D <- #1 o.1 (x1 c1 +0)
        "#,
    );
}

#[test]
fn another_deliver_subject_gets_everything_again() {
    check(
        r#"{"durable_name":"C","ack_policy":"explicit","ack_wait":30000000000,"deliver_subject":"D"}"#,
        r#"
        pub o.1
          > D <- #1 o.1 (x1 c1 +0)
        pub o.2
          > D <- #2 o.2 (x1 c2 +0)
        ack 1
        update {"durable_name":"C","ack_policy":"explicit","ack_wait":30000000000,"deliver_subject":"E"}
        hear E
          > E <- #2 o.2 (x2 c3 +0)
        "#,
    );
}

//! Priority groups: which of the waiting requests gets a message, and which wait in vain.

use crate::pull::config;
use crate::script::{check, check_in};
use crate::world::World;

#[test]
fn overflow_waits_for_enough_to_do() {
    check(
        &config(r#""max_waiting":8,"priority_policy":"overflow","priority_groups":["g"]"#),
        r#"
        pull A {"batch":1}
          > A <- 400 Bad Request - Priority Group missing
        pull A {"batch":1,"group":"h"}
          > A <- 400 Bad Request - Invalid Priority Group
        pull A {"batch":9,"group":"g","min_pending":2}
        pub o.1
        pub o.2
          > A <- #1 o.1 (x1 c1 +1)
        pull B {"batch":1,"group":"g"}
          > B <- #2 o.2 (x1 c2 +0)
        pull C {"batch":1,"group":"g","min_ack_pending":2}
        pub o.3
          > C <- #3 o.3 (x1 c3 +0)
        "#,
    );
}

#[test]
fn the_lowest_priority_first() {
    check(
        &config(r#""max_waiting":8,"priority_policy":"prioritized","priority_groups":["g"]"#),
        r#"
        pull A {"batch":2,"group":"g","priority":5}
        pull B {"batch":2,"group":"g","priority":1}
        pull C {"batch":1,"group":"g","priority":1}
        pub o.1
          > B <- #1 o.1 (x1 c1 +0)
        pub o.2
          > C <- #2 o.2 (x1 c2 +0)
        pub o.3
          > B <- #3 o.3 (x1 c3 +0)
        pub o.4
          > A <- #4 o.4 (x1 c4 +0)
        "#,
    );
}

#[test]
fn one_client_is_pinned() {
    let mut world = World::new(&config(
        r#""max_waiting":8,"priority_policy":"pinned_client","priority_groups":["g"],"priority_timeout":5000000000"#,
    ));
    world.pull("A", r#"{"batch":2,"group":"g"}"#);
    world.pull("B", r#"{"batch":2,"group":"g"}"#);
    (1..=3).for_each(|n| world.publish(&format!("o.{n}"), "", ""));
    world.poll();
    let lines = std::mem::take(&mut world.host.lines);
    let id = lines[1]
        .split("Nats-Pin-Id: ")
        .nth(1)
        .and_then(|l| l.split('}').next());
    let id = id.expect("an id").to_owned();
    let expected = [
        "pinned g id 22".to_owned(),
        format!("A <- #1 o.1 {{Nats-Pin-Id: {id}}} (x1 c1 +2)"),
        format!("A <- #2 o.2 {{Nats-Pin-Id: {id}}} (x1 c2 +1)"),
    ];
    assert_eq!(lines, expected);
    let second = r#"{"batch":1,"group":"g","id":""#;
    check_in(
        &mut world,
        &format!(
            "
            pull A {second}wrong\"}}
              > A <- 423 Nats-Pin-Id mismatch
            at 3000
            pull A {second}{id}\"}}
              > A <- #3 o.3 {{Nats-Pin-Id: {id}}} (x1 c3 +0)
            pull A {second}{id}\"}}
            at 7900
            unpin
              > unpinned g admin
            unpin
            "
        ),
    );
    world.publish("o.4", "", "");
    world.poll();
    let lines = std::mem::take(&mut world.host.lines);
    assert_eq!(lines[0], "pinned g id 22");
    assert!(
        lines[1].starts_with("B <- #4 o.4 {Nats-Pin-Id: ") && !lines[1].contains(&id),
        "{lines:?}"
    );
    check_in(
        &mut world,
        "
        at 20000
          > unpinned g timeout
        ",
    );
    // The old pinned client still waits under its old id.
    world.publish("o.5", "", "");
    world.poll();
    let lines = std::mem::take(&mut world.host.lines);
    let wrong = "A <- 423 Nats-Wrong-Pin-Id; Nats-Pending-Messages: 1; Nats-Pending-Bytes: 0";
    assert!(lines.contains(&wrong.to_owned()), "{lines:?}");
}

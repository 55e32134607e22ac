//! Counters: counting up and down, reading, listing, and what is no counter.

use crate::support::World;

#[test]
fn counters_count() {
    let world = World::new();
    let config = r#"{"name":"C","subjects":["c.>"],"allow_msg_counter":true,"allow_direct":true}"#;
    world
        .nats(&["req", "$JS.API.STREAM.CREATE.C", config, "--raw"])
        .ok();
    assert_eq!(
        world.nats(&["counter", "incr", "c.a", "5"]).ok().stdout,
        "5\n"
    );
    assert_eq!(
        world.nats(&["counter", "incr", "c.a", "-2"]).ok().stdout,
        "3\n"
    );
    assert_eq!(
        world.nats(&["counter", "decr", "c.a", "4"]).ok().stdout,
        "-1\n"
    );
    assert_eq!(world.nats(&["counter", "get", "c.a"]).ok().stdout, "-1\n");
    let view = "Counter c.a\n\n      Value: -1\n  Increment: -4\n    Subject: c.a\n No source information found\n";
    assert_eq!(world.nats(&["counter", "view", "c.a"]).ok().stdout, view);
    assert_eq!(
        world.nats(&["counter", "ls", "--stream", "C"]).ok().stdout,
        "c.a\n"
    );
    assert_eq!(
        world
            .nats(&["counter", "ls", "--stream", "C", "--json"])
            .ok()
            .json(),
        serde_json::json!(["c.a"])
    );
    let held = ["counter", "incr", "c.a", "1", "--stream", "C"];
    assert_eq!(world.nats(&held).ok().stdout, "0\n");
    world
        .nats(&["counter", "decr", "x.a", "1", "--stream", "C"])
        .fails_with("stream C does not listen to x.a");
    world
        .nats(&["counter", "view", "c.none"])
        .fails_with("counter not initialized");
    world
        .nats(&["counter", "get", "c.none"])
        .fails_with("counter not initialized for subject: c.none");
    world
        .nats(&["counter", "incr", "c.a", "many"])
        .fails_with("whole numbers");
    world
        .nats(&["counter", "ls"])
        .fails_with("no stream or subject specified");
}

//! Services are found, measured and asked, and the way of a message is traced.

use crate::support::World;

#[test]
fn a_service_is_found_measured_and_asked() {
    let world = World::configured("");
    world
        .nats(&["service", "ls", "--timeout", "300ms"])
        .fails_with("no service instances found");
    let mut demo = world.spawn(&["service", "serve", "demo", "-H", "X:y"]);
    let out = demo.wait_for("X: y");
    for subject in ["demo.echo", "$SRV.PING", "$SRV.STATS.demo"] {
        world.wait_for_interest(subject, 1);
    }
    assert!(out.contains("demo.echo: Echo Service"), "{out}");
    let out = world.nats(&["service", "ls"]).ok().stdout;
    assert!(
        out.contains("All Services") && out.contains("│ demo │   1.0.0 │"),
        "{out}"
    );
    let list = world.nats(&["micro", "list", "demo", "--json"]).ok().json();
    let id = list[0]["id"].as_str().expect("it has an id").to_owned();
    world.file("info.json", list[0].to_string().as_bytes());
    let schema = "io.nats.micro.v1.info_response";
    world
        .nats(&["schema", "validate", schema, "info.json"])
        .ok();
    let request = ["service", "request", "demo", "echo", "hello", "--raw"];
    assert_eq!(world.nats(&request).ok().stdout, "hello\n");
    demo.wait_for("Handling request on subject demo.echo");
    let out = world.nats(&["service", "info", "demo"]).ok().stdout;
    for text in [
        "Service: demo (",
        "Subject: demo.echo\n",
        "Requests: 1 in group \"q\"\n",
    ] {
        assert!(out.contains(text), "{text} is not in {out}");
    }
    let none = ["service", "info", "demo", &id, "-e", "x", "--json"];
    let json = world.nats(&none).ok().json();
    assert_eq!(json["info"]["endpoints"], serde_json::json!([]));
    let out = world.nats(&["service", "stats", "demo"]).ok().stdout;
    assert!(
        out.contains("demo Service Statistics") && out.contains("│ echo     │        1 │"),
        "{out}"
    );
    let out = world.nats(&["service", "ping"]).ok().stdout;
    assert!(out.starts_with("demo ") && out.contains(" rtt="), "{out}");
    world
        .nats(&["service", "req", "demo", "nothing", "x"])
        .fails_with("has no endpoint \"nothing\"");
    for args in [
        &["service", "info", "nobody"][..],
        &["service", "stats", "nobody"],
        &["service", "req", "nobody", "echo", "x"],
    ] {
        world
            .nats(args)
            .fails_with("no instances of service \"nobody\" found");
    }
    world
        .nats(&["service", "ping", "nobody", "--timeout", "300ms"])
        .fails_with("no service instances answered");
    assert!(!demo.has_ended());
}

#[test]
fn a_message_is_traced() {
    let world = World::new();
    let out = world.nats(&["trace", "nobody.there"]).ok().stdout;
    assert!(
        out.starts_with("Tracing message route to subject nobody.there\n\nClient "),
        "{out}"
    );
    assert!(out.contains("--X No active interest\n"), "{out}");
    let add = ["stream", "add", "S", "--subjects", "s.>", "--defaults"];
    world.nats(&add).ok();
    let listener = world.spawn(&["sub", "s.*", "--queue", "q"]);
    world.wait_for_interest("s.1", 1);
    let out = world.nats(&["trace", "s.1", "body", "-T"]).ok().stdout;
    for text in [
        "--C Client ",
        "subject:\"s.*\" queue:\"q\"",
        "--J JetStream action:\"stored\" stream:\"S\"",
        "Egress Count:",
    ] {
        assert!(out.contains(text), "{text} is not in {out}");
    }
    let stored =
        || world.nats(&["stream", "info", "S", "-j"]).ok().json()["state"]["messages"].take();
    assert_eq!(stored(), 0);
    world
        .nats(&["trace", "s.1", "body", "--deliver", "-H", "A:b"])
        .ok();
    listener.wait_for("A: b");
    // The listener and the stream get it each in their own time.
    cognate_conformance::wait::until("the message in the stream", || {
        (stored() == 1).then_some(())
    });
    world
        .nats(&["trace", "s.1", "-H", "broken"])
        .fails_with("invalid header");
    world
        .nats(&["trace", "s.1", "--server", "nats://127.0.0.1:1"])
        .fails_with("127.0.0.1");
}

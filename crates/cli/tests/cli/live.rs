//! `nats events`, `top` and `dashboard`: what is shown while it happens.

use crate::support::World;
use crate::terminal::Terminal;

#[test]
fn events_of_jetstream_are_told() {
    let world = World::new();
    let mut long = world.spawn(&[
        "events",
        "--js-advisory",
        "--no-srv-advisory",
        "--filter",
        "stream_action",
        "--count",
        "1",
    ]);
    let mut short = world.spawn(&[
        "events",
        "--js-advisory",
        "--no-srv-advisory",
        "--short",
        "--filter",
        "stream_action",
        "--count",
        "1",
    ]);
    let mut json = world.spawn(&[
        "events",
        "--js-advisory",
        "--no-srv-advisory",
        "--json",
        "--filter",
        "stream_action",
        "--count",
        "1",
    ]);
    let mut cloud = world.spawn(&[
        "events",
        "--all",
        "--cloudevent",
        "--filter",
        "STREAM_ACTION",
        "--count",
        "1",
    ]);
    for running in [&long, &short] {
        running.wait_for("Listening for Advisories on $JS.EVENT.ADVISORY.>");
    }
    // Those that print JSON say nothing of themselves: events are made until they have one.
    let mut at = 0;
    while !(json.has_ended() && cloud.has_ended() && long.has_ended() && short.has_ended()) {
        world.nats(&["kv", "add", &format!("B{at}")]).ok();
        at += 1;
        assert!(at < 200, "nobody hears of streams");
    }
    let text = long.wait();
    assert!(
        text.contains("Stream Create Action") && text.contains("Stream: KV_B"),
        "{text}"
    );
    let text = short.wait();
    assert!(text.contains("[Stream Create] KV_B"), "{text}");
    let event: serde_json::Value = serde_json::from_str(&json.wait()).expect("JSON");
    assert_eq!(event["type"], "io.nats.jetstream.advisory.v1.stream_action");
    let cloud: serde_json::Value = serde_json::from_str(&cloud.wait()).expect("JSON");
    assert_eq!(
        (
            cloud["specversion"].as_str(),
            cloud["data"]["action"].as_str()
        ),
        (Some("1.0"), Some("create"))
    );
}

#[test]
fn events_of_servers_are_told() {
    let world = World::with_system();
    let running = world.spawn(&["events", "--user", "sys", "--password", "secret", "--short"]);
    running.wait_for("Listening for Authentication Errors events");
    // The line comes before the server has heard of the subscription.
    cognate_conformance::wait::until("a connection event", || {
        world
            .nats(&["pub", "a", "b", "--connection-name", "guest"])
            .ok();
        let wrong = world.nats(&["pub", "a", "b", "--user", "sys", "--password", "wrong"]);
        assert_eq!(wrong.code, 1);
        let text = running.wait_for("Listening");
        (text.contains("[Connection]") && text.contains("[Disconnection]")).then_some(())
    });
}

#[test]
fn events_are_chosen_or_refused() {
    let world = World::new();
    world
        .nats(&["events", "--no-srv-advisory"])
        .fails_with("no events were chosen");
    world
        .nats(&["events", "--stream", "S", "--js-advisory"])
        .fails_with("cannot specify both");
    world
        .nats(&["events", "--stream", "NONE"])
        .fails_with("stream not found");
    world
        .nats(&["events", "--filter", "("])
        .fails_with("regex parse error");
}

#[test]
fn top_is_drawn() {
    let world = World::with_system();
    let _subscriber = world.spawn(&["sub", "orders", "--connection-name", "shop"]);
    world.wait_for_interest("orders", 1);
    let text = world.sys(&["top", "n1", "-r", "2", "--subs"]).ok().stdout;
    for word in [
        "NATS server version 2.14.5",
        "Server: n1",
        "Connections Polled: ",
        "MSGS_TO",
        "SUBSCRIPTIONS",
    ] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    let text = world
        .sys(&["top", "n1", "--output", "-", "--delimiter", ","])
        .ok()
        .stdout;
    assert!(text.contains("HOST,CID,NAME,SUBS,PENDING"), "{text}");
    world.sys(&["top", "n1", "-o", "top.txt"]).ok();
    assert!(
        std::fs::read_to_string(world.dir().join("top.txt"))
            .expect("a file")
            .contains("Server: n1")
    );
    let local = std::net::Ipv4Addr::LOCALHOST.into();
    let name = dns_lookup::lookup_addr(&local).unwrap_or("127.0.0.1".to_owned());
    let text = world.sys(&["top", "n1", "--lookup", "-o", "-"]).ok().stdout;
    assert!(text.contains(&format!("\n{name}:")), "{text}");
    world
        .sys(&["top", "n9", "--timeout", "300ms"])
        .fails_with("no server \"n9\" answered");
    world
        .nats(&["top", "n1"])
        .fails_with("no server \"n1\" answered");
    world
        .sys(&["top", "n1", "--sort", "beauty"])
        .fails_with("beauty");
}

#[test]
fn the_dashboard_is_drawn() {
    let world = World::with_system();
    world.nats(&["kv", "add", "B"]).ok();
    world.nats(&["kv", "put", "B", "k", "v"]).ok();
    let text = world
        .nats(&["dashboard", "-r", "2", "--interval", "200ms"])
        .ok()
        .stdout;
    for word in [
        "NATS dashboard",
        "servers: 1",
        "Connections ",
        "Streams 1",
        "KV_B",
        "Consumers 0",
    ] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    let text = world.sys(&["dashboard", "-r", "1"]).ok().stdout;
    assert!(text.contains("Streams  "), "{text}");
    world
        .nats(&["dashboard", "-s", "127.0.0.1:1"])
        .fails_with("could not connect");
}

#[test]
fn full_screens_obey_keys_and_give_the_terminal_back() {
    let world = World::with_system();
    let login = ["--user", "sys", "--password", "secret"];
    for (args, shown, key, told) in [
        (&["top", "n1"][..], "NATS server version", "o", "sort by ["),
        (&["dashboard"], "NATS dashboard", "p", "(paused)"),
        (&["server", "watch", "servers"], "activity by", "", "│ n1 "),
    ] {
        let mut terminal = Terminal::start(world.command(&[args, &login].concat()));
        terminal.wait_for(shown);
        assert!(!terminal.echoes(), "{args:?}");
        terminal.press(key);
        terminal.wait_for(told);
        terminal.press("\rq");
        assert_eq!(terminal.end(), 0, "{args:?}");
        terminal.wait_for("\u{1b}[?25h\u{1b}[?1049l");
        assert!(terminal.echoes(), "{args:?}");
    }
}

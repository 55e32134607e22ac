//! `nats server cluster`, `stream-check`, `consumer-check`, `graph`, `report downgrade` and filters: how
//! replicas and connections are told apart.
//!
//! These servers are alone; what a cluster answers is held against documents by the tests of the
//! modules.

use cognate_conformance::wait;
use serde_json::{Value, json};

use crate::support::World;
use crate::terminal::Terminal;

/// A stream with three messages and a consumer that acknowledged one.
fn with_orders() -> World {
    let world = World::with_system();
    let add = [
        "stream",
        "add",
        "ORDERS",
        "--subjects",
        "orders.>",
        "--defaults",
    ];
    world.nats(&add).ok();
    world
        .nats(&["pub", "orders.1", "x", "-J", "--count", "3"])
        .ok();
    world
        .nats(&[
            "consumer",
            "add",
            "ORDERS",
            "shipping",
            "--pull",
            "--defaults",
        ])
        .ok();
    world.nats(&["consumer", "next", "ORDERS", "shipping"]).ok();
    world
}

#[test]
fn replicas_of_streams_are_listed() {
    let world = with_orders();
    let check = |args: &[&str]| world.sys(&[&["server", "stream-check"], args].concat());
    let out = check(&[]).ok().stdout;
    for text in ["Servers: 1", "Streams: 1", "ORDERS", "IN SYNC", "n1"] {
        assert!(out.contains(text), "{text} is not in {out}");
    }
    let csv = check(&["--csv", "--health", "--stream", "ORDERS"])
        .ok()
        .stdout;
    let mut lines = csv.lines();
    let header = lines.next().expect("a header");
    assert!(
        header.starts_with("Stream Replica,Raft,Account,") && header.ends_with(",Health"),
        "{csv}"
    );
    let row: Vec<&str> = lines.next().expect("a row").split(',').collect();
    assert_eq!(
        (row[0], row[2], row[5], row[11], row[15]),
        ("ORDERS", "$G", "3", "3", "ok"),
        "{csv}"
    );
    assert_eq!(
        check(&["--csv", "--unsynced"]).ok().stdout.lines().count(),
        1
    );
    assert_eq!(
        check(&["--csv", "--stream", "OTHER"])
            .ok()
            .stdout
            .lines()
            .count(),
        1
    );
    let answers = world
        .sys(&["server", "request", "jsz", "--all", "--raft"])
        .ok()
        .stdout;
    let read = ["server", "stream-check", "--stdin", "--csv"];
    let out = world.nats_with_input(&read, answers.as_bytes()).ok().stdout;
    assert!(out.contains("\nORDERS,"), "{out}");
    world
        .nats_with_input(&read, b"no JSON")
        .fails_with("standard input is not");
    world
        .nats(&["server", "stream-check"])
        .fails_with("ensure the account used has system privileges");
}

#[test]
fn replicas_of_consumers_are_listed() {
    let world = with_orders();
    let check = |args: &[&str]| world.sys(&[&["server", "consumer-check"], args].concat());
    let out = check(&["--health"]).ok().stdout;
    for text in ["Consumers: 1", "shippi", "ORDERS", "np:2"] {
        assert!(out.contains(text), "{text} is not in {out}");
    }
    let csv = check(&["--csv", "--consumer", "shipping"]).ok().stdout;
    let row = csv.lines().nth(1).expect("a row");
    assert!(row.starts_with("shipping,ORDERS,"), "{csv}");
    assert!(
        row.contains("\"1 [1, 3] 33% | 1\",1 | 1,\"(ap:0, nr:0, nw:0, np:2)\",IN SYNC"),
        "{csv}"
    );
    assert_eq!(
        check(&["--csv", "--consumer", "other"])
            .ok()
            .stdout
            .lines()
            .count(),
        1
    );
    let two = [
        "--expected",
        "2",
        "--timeout",
        "300ms",
        "--read-timeout",
        "1",
    ];
    wait::until("one answer in time", || {
        let told = check(&two).stderr;
        let warning = "Warning: expected 2 responses got 1";
        told.contains(warning).then_some(())
    });
    check(&["--health", "--stdin"]).fails_with("cannot be used with");
}

#[test]
fn servers_that_are_alone_are_no_cluster() {
    let world = World::with_system();
    for args in [
        &["step-down"][..],
        &["sd", "--host", "n1"],
        &["peer-remove", "n1", "-f"],
    ] {
        world
            .sys(&[&["server", "cluster"], args].concat())
            .fails_with("JetStream is not clustered here");
    }
    world
        .sys(&["server", "raft", "step-down", "--js-domain", "hub"])
        .fails_with("--js-domain cannot be used with step-down");
    world
        .nats(&["server", "cluster", "step-down", "--timeout", "500ms"])
        .fails_with("ensure the account used has system privileges");
    let ended = world.sys(&[
        "server",
        "check",
        "meta",
        "--expect",
        "1",
        "--lag-critical",
        "1",
        "--seen-critical",
        "1s",
    ]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stdout.contains("no cluster information"), "{ended:?}");
}

#[test]
fn connections_are_balanced() {
    let world = World::with_system();
    let mut guest = world.spawn(&["sub", "a", "--connection-name", "guest"]);
    world.wait_for_interest("a", 1);
    let balance = |args: &[&str]| world.sys(&[&["server", "cluster", "balance"], args].concat());
    let out = balance(&["1s", "-f", "--account", "$G", "--subject", "a"]).ok();
    assert!(out.stdout.contains("Balanced 0 connections"), "{out:?}");
    assert!(out.stderr.contains("on 1 servers"), "{out:?}");
    balance(&["-f", "--subject", "a"]).fails_with("--account");
    balance(&["--idle", "1h"]).fails_with("cannot ask without a terminal");
    balance(&["soon", "-f"]).fails_with("invalid duration");
    balance(&["-f", "--server-name", "n9", "--timeout", "300ms"]).fails_with("no results received");
    assert!(!guest.has_ended());
}

#[test]
fn a_server_is_drawn() {
    let world = World::with_system();
    world
        .sys(&["server", "graph", "n1"])
        .fails_with("interactive terminal");
    let login = ["--user", "sys", "--password", "secret"];
    for (args, text) in [
        (&["server", "graph", "n1"][..], "Messages In+Out / second"),
        (
            &["server", "graph", "n1", "--jetstream"],
            "API Requests / second",
        ),
    ] {
        let mut terminal = Terminal::start(world.command(&[args, &login].concat()));
        terminal.wait_for(text);
        terminal.interrupt();
        assert_eq!(terminal.end(), 0);
    }
    let nobody = ["server", "graph", "n9", "--timeout", "300ms"];
    let mut terminal = Terminal::start(world.command(&[&nobody[..], &login].concat()));
    terminal.wait_for("no server \"n9\" answered");
    assert_eq!(terminal.end(), 1);
}

#[test]
fn what_an_older_server_could_not_run_is_reported() {
    let world = with_orders();
    let add = [
        "stream",
        "add",
        "TIMED",
        "--subjects",
        "t",
        "--allow-msg-ttl",
        "--defaults",
    ];
    world.nats(&add).ok();
    world
        .nats(&["consumer", "add", "TIMED", "C", "--pull", "--defaults"])
        .ok();
    let report = |args: &[&str]| world.sys(&[&["server", "report", "downgrade"], args].concat());
    let out = report(&["0"]).ok().stdout;
    assert!(
        out.contains("Unsupported Streams") && out.contains("│ TIMED "),
        "{out}"
    );
    assert!(!out.contains("ORDERS"), "{out}");
    let found = report(&["0", "--all", "--json"]).ok().json();
    let consumer = json!({ "account": "$G", "name": "C", "stream": "TIMED*", "api_level": 0 });
    assert_eq!(found["consumers"], json!([consumer]));
    assert_eq!(found["streams"][0]["name"], "TIMED");
    let out = report(&["9"]).ok().stdout;
    assert_eq!(
        out,
        "All assets are compatible with the specified API level.\n"
    );
    report(&["old"]).fails_with("old");
}

#[test]
fn connections_are_filtered_by_expressions() {
    let world = World::with_system();
    let mut guest = world.spawn(&["sub", "a", "--connection-name", "guest"]);
    world.wait_for_interest("a", 1);
    let names = |filter: &str| -> Vec<String> {
        let report = ["server", "report", "conns", "--json", "--filter", filter];
        let found = world.sys(&report).ok().json();
        let name = |conn: &Value| conn["name"].as_str().unwrap_or_default().to_owned();
        found.as_array().expect("a list").iter().map(name).collect()
    };
    assert_eq!(
        names("conn.name == 'guest' and server.name == \"n1\""),
        ["guest"]
    );
    assert_eq!(
        names("lower(Conn.Name) matches '^gue' and Conn.NumSubs > 0"),
        ["guest"]
    );
    assert_eq!(
        names("conn.name == 'guest' and conn.account == 'SYS'"),
        [""; 0]
    );
    let filter = |text: &str| world.sys(&["server", "report", "conns", "--filter", text]);
    filter("connection.name == ''").fails_with("there is no \"connection\"");
    filter("conn.cid").fails_with("not true or false");
    assert!(!guest.has_ended());
}

#[test]
fn streams_and_consumers_are_found_by_expressions() {
    let world = with_orders();
    world
        .nats(&["stream", "add", "EMPTY", "--subjects", "e", "--defaults"])
        .ok();
    let streams = |text: &str| {
        let find = ["stream", "find", "--names", "--expression", text];
        world.nats(&find).ok().stdout
    };
    assert_eq!(streams("state.messages > 2"), "ORDERS\n");
    assert_eq!(streams("Info.State.Msgs == 0"), "EMPTY\n");
    assert_eq!(streams("\"orders.>\" in config.subjects"), "ORDERS\n");
    assert_eq!(
        streams("now() - date(info.created) < duration('1h')"),
        "EMPTY\nORDERS\n"
    );
    let find = |text: &str| world.nats(&["stream", "find", "--expression", text]);
    find("state.messages >").fails_with("ends too early");
    find("state.messages > 'x'").fails_with("cannot order");
    let consumers = |text: &str| {
        let find = ["consumer", "find", "ORDERS", "--expression", text];
        world.nats(&find).ok().stdout
    };
    assert_eq!(
        consumers("state.num_pending == 2 and config.name startsWith 'ship'"),
        "shipping\n"
    );
    assert_eq!(consumers("Info.AckFloor.Stream > 5"), "");
}

//! Reload: the documented keys change live, all or nothing.

use cognate_conformance::{Server, wait};

use crate::support::{Closed, Open, QUIET, check};

const DONE: &str = "Reloaded server configuration (sha256:";
const FAILED: &str = "[ERR] Failed to reload server configuration: ";

#[test]
fn changed_values_are_named_and_used() {
    let server = Server::builder()
        .monitored()
        .config("max_payload: 1000")
        .start();
    let mut old = server.quiet();
    let log = server.reload(
        "max_payload: 2000, debug: true, max_control_line: 100, ping_interval: \"1m\"\n\
         write_deadline: \"3s\", max_connections: 50, ping_max: 4",
    );
    for text in [
        "Trapped \"hangup\" signal",
        "Reloaded: max_payload = 2000",
        "Reloaded: debug = true",
        "Reloaded: max_control_line = 100",
        "Reloaded: ping_interval = 1m0s",
        "Reloaded: write_deadline = 3s",
        "Reloaded: max_connections = 50",
        "Reloaded: ping_max = 4",
        DONE,
    ] {
        assert!(log.contains(text), "{text:?} is missing in\n{log}");
    }
    let varz = server.json("/varz");
    assert_eq!(
        (&varz["max_payload"], &varz["ping_max"]),
        (&2000.into(), &4.into())
    );
    assert_eq!(varz["write_deadline"], 3_000_000_000_u64);
    // Connections from before get the new limits too.
    old.send(format!("PUB a 1500\r\n{}\r\n", "x".repeat(1500)))
        .sync();
    assert_eq!(server.connect().info()["max_payload"], 2000);
    let long = format!("SUB {} 1\r\n", "a".repeat(100));
    check(
        &server,
        QUIET,
        &[(
            "control line",
            long.as_bytes(),
            "-ERR 'maximum control line exceeded'\r\n",
            Closed,
        )],
    );
    server.wait_log("[DBG]");
}

/// The lines about a reload from one configuration to another, but for those that nats-server writes
/// each time, and the digest.
#[track_caller]
fn told(before: &str, after: &str) -> Vec<String> {
    let log = Server::with_config(before).reload(after);
    let mut lines: Vec<String> = log
        .lines()
        .filter_map(|line| line.find("Reload").and_then(|at| line.get(at..)))
        .filter(|line| !line.starts_with("Reloaded server configuration"))
        .filter(|line| !["Reloaded: authorization users", "Reloaded: accounts"].contains(line))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn changes_are_told_in_the_words_that_people_search_for() {
    const ONE: &str = "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR";
    const TWO: &str = "UAH42UG6PV552P5SWLWTBP3H3S5BHAVCO2IEKEXUANJXR75J63RQ5WM6";
    let proxies = |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|key| format!("{{key: {key}}}")).collect();
        format!("proxies: {{trusted: [{}]}}", keys.join(","))
    };
    let added = format!("Reloaded: proxies trusted keys [\"{TWO}\"] were added");
    let removed = format!("Reloaded: proxies trusted keys [\"{ONE}\"] were removed");
    for (before, after, expected) in [
        (
            "client_advertise: \"a:1\"",
            "client_advertise: \"b:1\"",
            "Reload: client_advertise = b:1",
        ),
        ("server_tags: [a]", "server_tags: [b]", "Reloaded: tags"),
        (
            "server_metadata: {a: b}",
            "server_metadata: {a: c}",
            "Reloaded: metadata",
        ),
        (
            "authorization {token: a}",
            "authorization {token: b}",
            "Reloaded: authorization token",
        ),
        ("", "ocsp: false", "Reloaded: OCSP"),
        ("", "ocsp_cache: {type: none}", "Reloaded OCSP peer cache"),
        (
            "",
            "no_fast_producer_stall: true",
            "Reloaded: fast producers will not be stalled",
        ),
        (&proxies(&[ONE]), &proxies(&[ONE, TWO]), &added),
        (&proxies(&[ONE, TWO]), &proxies(&[TWO]), &removed),
    ] {
        assert_eq!(told(before, after), [expected], "{before} -> {after}");
    }
    assert_eq!(told(&proxies(&[ONE]), &proxies(&[TWO])), [added, removed]);
}

#[test]
fn a_key_that_is_gone_goes_back_to_its_default() {
    let server = Server::builder()
        .monitored()
        .config("max_payload: 1000, ping_max: 5")
        .start();
    let log = server.reload("ping_max: 5");
    assert!(log.contains("Reloaded: max_payload = 1048576"), "{log}");
    assert!(!log.contains("Reloaded: ping_max"), "{log}");
    assert_eq!(server.json("/varz")["max_payload"], 1_048_576);
}

#[test]
fn the_digest_and_time_of_the_configuration_move() {
    let server = Server::with_config("max_payload: 1000");
    let before = server.json("/varz");
    server.reload("max_payload: 1001");
    let after = server.json("/varz");
    assert_ne!(before["config_digest"], after["config_digest"]);
    assert_ne!(before["config_load_time"], after["config_load_time"]);
    assert_eq!(before["start"], after["start"]);
}

#[test]
fn a_wrong_file_changes_nothing() {
    let server = Server::builder()
        .monitored()
        .config("max_payload: 1000")
        .start();
    let path = server.dir().join("server.conf").display().to_string();
    for (text, why) in [
        (
            "max_payload: 2000\nbogus: 1",
            format!("{path}:2:1: unknown field \"bogus\""),
        ),
        (
            "max_payload: 2000\nmax_subs: 4",
            "config reload not supported for MaxSubs: old=0, new=4".to_owned(),
        ),
        ("max_payload: 2000\nmax_payload [", String::new()),
        (
            "max_payload: 2000\nserver_name: other",
            "config reload not supported for ServerName".to_owned(),
        ),
        (
            "max_payload: 2000\nmax_pending: 1000000",
            "config reload not supported for MaxPending".to_owned(),
        ),
    ] {
        let log = server.reload(text);
        let line = log.lines().find(|line| line.contains(FAILED));
        let line = line.unwrap_or_else(|| panic!("{text:?}: no failure in\n{log}"));
        assert!(log.contains(&why), "{text:?}: {why} is missing in {line}");
        assert!(!log.contains(DONE), "{log}");
        assert_eq!(server.json("/varz")["max_payload"], 1000, "{text:?}");
        server.quiet().sync();
    }
    let log = server.reload("max_payload: 3000");
    assert!(log.contains(DONE), "a right file still works: {log}");
    assert_eq!(server.json("/varz")["max_payload"], 3000);
}

#[test]
fn a_missing_file_changes_nothing() {
    let server = Server::builder().config("max_payload: 1000").start();
    std::fs::remove_file(server.dir().join("server.conf")).expect("the file was there");
    server.signal("HUP");
    let log = server.wait_log(FAILED);
    assert!(log.contains("no such file or directory"), "{log}");
    assert_eq!(server.connect().info()["max_payload"], 1000);
}

#[test]
fn without_a_file_there_is_nothing_to_reload() {
    let server = Server::start();
    server.signal("HUP");
    server.wait_log(&format!(
        "{FAILED}can only reload config when a file is provided using -c or --config"
    ));
    server.quiet().sync();
}

#[test]
fn flags_still_win_after_a_reload() {
    let server = Server::builder()
        .config("max_payload: 1000, debug: true")
        .args(&["-D=false", "--client_advertise", "flag:1"])
        .start();
    let log = server.reload("max_payload: 2000, debug: true, client_advertise: \"file:2\"");
    assert!(log.contains(DONE), "{log}");
    let mut client = server.connect();
    assert_eq!(client.info()["host"], "flag");
    client.sync();
    assert!(!server.log().contains("[DBG]"), "{}", server.log());
}

#[test]
fn connections_over_a_lowered_maximum_are_closed() {
    let server = Server::builder()
        .monitored()
        .config("max_connections: 10")
        .start();
    let mut clients: Vec<_> = (0..4).map(|_| server.quiet()).collect();
    let log = server.reload("max_connections: 1");
    assert!(
        log.contains("Closed 3 connections to fall within max_connections"),
        "{log}"
    );
    let survivors = clients
        .iter_mut()
        .filter_map(|client| {
            client.try_send("PING\r\n").ok()?;
            client.exactly("PONG\r\n").ok()
        })
        .count();
    assert_eq!(survivors, 1);
    // The record of a connection is made a moment after its end.
    let reasons = wait::until("the records of all three", || {
        let closed = server.json("/connz?state=closed");
        let reasons = closed["connections"].as_array().expect("a list").clone();
        (reasons.len() >= 3).then_some(reasons)
    });
    assert_eq!(reasons.len(), 3);
    for shown in &reasons {
        assert_eq!(shown["reason"], "Maximum Connections Exceeded");
    }
}

#[test]
fn tracing_and_the_log_file_change_live() {
    let server = Server::builder().config("max_payload: 1000").start();
    server.reload("max_payload: 1000, trace: true, logtime: false");
    server.quiet().sync();
    server.wait_log(&format!("[{}] [TRC] ", server.pid()));
    let path = server.dir().join("late.log");
    server.write_config(&format!(
        "max_payload: 1000, log_file: \"{}\"",
        path.display()
    ));
    server.signal("HUP");
    cognate_conformance::wait::until("the log file", || {
        std::fs::read_to_string(&path)
            .ok()
            .filter(|log| log.contains(DONE))
    });
}

#[test]
fn mappings_change_live() {
    let server = Server::builder().config("mappings { a: one }").start();
    let mut client = crate::support::subscribed(&server, "SUB > 1\r\n");
    client.send("PUB a 0\r\n\r\n").expect("MSG one 1 0\r\n\r\n");
    server.reload("mappings { a: two }");
    client
        .send("PUB a 0\r\n\r\n")
        .expect("MSG two 1 0\r\n\r\n")
        .sync();
}

#[test]
fn the_address_cannot_move() {
    let server = Server::builder()
        .without_port_flag()
        .config("listen: \"127.0.0.1:-1\"")
        .start();
    let log = server.reload("listen: \"127.0.0.1:-1\", max_payload: 7");
    assert!(log.contains(DONE), "a random port is kept: {log}");
    let log = server.reload("listen: \"127.0.0.1:1\"");
    assert!(
        log.contains("config reload not supported for Port: old="),
        "{log}"
    );
    check(&server, QUIET, &[("still there", b"", "", Open)]);
}

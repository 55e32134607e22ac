//! `nats audit`: what servers say of themselves in a file, and what is found wrong with it.

use crate::support::World;

fn gathered() -> World {
    let world = World::with_system();
    let add = [
        "stream",
        "add",
        "ORDERS",
        "--subjects",
        "orders.>",
        "--max-msgs",
        "10",
    ];
    let watched = [
        "--metadata=io.nats.monitor.enabled:true",
        "--metadata=io.nats.monitor.msgs-critical:50",
        "--defaults",
    ];
    world.nats(&[&add[..], &watched].concat()).ok();
    world
        .nats(&["pub", "orders.1", "x", "-J", "--count", "10"])
        .ok();
    let ended = world.sys(&["audit", "gather", "--output", "a.zip"]).ok();
    assert!(
        ended.stdout.contains("Archive created at: a.zip"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("Gathering variables"), "{ended:?}");
    world
}

#[test]
fn what_is_wrong_is_found_in_an_archive() {
    let world = gathered();
    let analyze = |args: &[&str]| world.nats(&[&["audit", "analyze", "a.zip"], args].concat());
    let text = analyze(&[]).ok().stdout;
    for line in [
        "NATS Audit Report \"a.zip\" captured at ",
        "[PASS] [SERVER_001] All known nodes are healthy\n",
        "[WARN] [JETSTREAM_003] Stream usage is below the configured limits\n - stream ORDERS (in $G on n1) using 100.0% of messages limit (10/10)\n",
        "[FAIL] [JETSTREAM_004] Stream health using the 'nats server check stream' metadata\n - CRITICAL: stream ORDERS in $G: 10 messages\n",
        "[SKIP] [SERVER_008] ",
        "Connection Server: nats://127.0.0.1:",
        "FAIL: 1\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    let report = analyze(&["--json", "--skip", "server_001", "--save", "r.json"])
        .ok()
        .json();
    assert_eq!(report["type"], "io.nats.audit.v1.analysis");
    assert_eq!(report["checks"].as_array().map(Vec::len), Some(21));
    assert_eq!(report["outcomes"]["SKIP"], 2, "{report}");
    let shown = world
        .nats(&["audit", "analyze", "--load", "r.json"])
        .ok()
        .stdout;
    assert!(shown.contains("[SKIP] [SERVER_001]"), "{shown}");
    let markdown = analyze(&["--markdown"]).ok().stdout;
    assert!(
        markdown.contains("|FAIL|1|") && markdown.contains("|1|CRITICAL: stream"),
        "{markdown}"
    );
    let told = analyze(&["--verbose"]).ok().stderr;
    assert!(told.contains("Running check SERVER_001: "), "{told}");
    analyze(&["--save", "r.json"]).fails_with("r.json exists");
    analyze(&["--skip", "NOTHING_1"]).fails_with("there is no check NOTHING_1");
}

// tidy: long-function: a table, command by command
#[test]
fn reports_read_an_archive_in_place_of_servers() {
    let world = gathered();
    // Nobody is asked: there is no server at this address.
    let ask = |command: &str| {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.extend(["--archive", "a.zip", "--server", "nats://127.0.0.1:1"]);
        world.nats(&args)
    };
    for (command, expected) in [
        ("server list", "│ n1   │"),
        ("server info", "n1"),
        ("server info n1", "Version:"),
        (
            "server account info $G",
            "Account information for account $G",
        ),
        ("server report accounts", "│ SYS     │"),
        ("server report connections", "out of 1 by subs"),
        (
            "server report connections --account SYS",
            "out of 1 by subs",
        ),
        ("server report cpu", "CPU Usage"),
        ("server report mem", "n1"),
        ("server report gateways", "Super Cluster Report"),
        ("server report health", "ok (200)"),
        ("server report jetstream", "│ n1"),
        ("server report jetstream --account $G", "for Account $G"),
        ("server report leafnodes", "Leafnode Report"),
        ("server report routes", "Cluster Report"),
        ("server report downgrade 0", "compatible"),
        ("server stream-check", "IN SYNC"),
        ("server consumer-check", "Consumers: 0"),
        ("server request accounts", "\"accounts\""),
        ("server request accounts --account $G", "\"account_detail\""),
        ("server request connections", "\"connections\""),
        ("server request gateways", "\"server\""),
        ("server request ipqueue", "\"server\""),
        ("server request jetstream-health", "\"status\""),
        ("server request jetstream --name n1", "\"account_details\""),
        ("server request leafnodes", "\"leafnodes\""),
        ("server request raft", "\"server\""),
        ("server request routes", "\"num_routes\""),
        ("server request statz", "\"statsz\""),
        ("server request subscriptions", "\"num_subscriptions\""),
        ("server request variables", "\"max_payload\""),
    ] {
        let out = ask(command).ok().stdout;
        assert!(
            out.contains(expected),
            "{command}: {expected:?} is not in {out}"
        );
    }
    let listed = ask("server list --json").ok().json();
    assert_eq!(listed[0]["statsz"]["active_servers"], 1, "{listed}");
    for (command, expected) in [
        (
            "server info n2",
            "has no VARZ of the servers that are meant",
        ),
        ("server report jetstream --host h", "has no JSZ"),
        (
            "server report jetstream --watch 1",
            "--watch is not supported",
        ),
        ("server report connections --state closed", "one state only"),
        (
            "server request jetstream-health --account A",
            "one account only",
        ),
        ("server request kick 1 N", "kicked off an archive"),
        (
            "server request profile heap --level 9",
            "has no profile heap of level 9",
        ),
        ("server stream-check --health", "cannot be used with"),
    ] {
        ask(command).fails_with(expected);
    }
    world
        .nats(&["server", "list", "--archive", "none.zip"])
        .fails_with("none.zip");
}

#[test]
fn an_audit_needs_servers_and_an_archive() {
    let world = World::new();
    let checks = world.nats(&["audit", "checks"]).ok().stdout;
    assert!(
        checks.contains("SERVER_005") && checks.contains("memory (90%), store (90%)"),
        "{checks}"
    );
    let checks = world.nats(&["audit", "checks", "--json"]).ok().json();
    assert_eq!(checks[1]["configuration"]["memory"]["default"], 1.5);
    world
        .nats(&["audit", "gather", "-o", "a.zip", "--timeout", "500ms"])
        .fails_with("system privileges");
    assert!(!world.dir().join("a.zip").exists() && !world.dir().join("a.zip.part").exists());
    world
        .nats(&["audit", "analyze"])
        .fails_with("an archive is needed");
    world
        .nats(&["audit", "analyze", "none.zip"])
        .fails_with("none.zip");
    world.file("bad.zip", b"PK but no archive");
    world
        .nats(&["audit", "analyze", "bad.zip"])
        .fails_with("not a valid zip file");
    world.file("bad.json", b"{\"type\":\"x\",\"time\":\"\",\"checks\":[]}");
    world
        .nats(&["audit", "analyze", "--load", "bad.json"])
        .fails_with("no report of an audit");
}

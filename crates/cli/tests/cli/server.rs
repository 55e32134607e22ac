//! `nats server`: what servers say about themselves, and what needs no server.

use cognate_conformance::wait;
use serde_json::{Value, json};

use crate::support::{Ended, World};

fn id_of(world: &World) -> String {
    let listed = world.sys(&["server", "ls", "--json"]).ok().json();
    listed[0]["server"]["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

#[track_caller]
fn has(ended: Ended, words: &[&str]) {
    let ended = ended.ok();
    for word in words {
        assert!(
            ended.stdout.contains(word),
            "{word:?} is not in {}",
            ended.stdout
        );
    }
}

#[test]
fn servers_are_listed_and_described() {
    let world = World::with_system();
    has(
        world.sys(&["server", "list", "--sort", "name", "1"]),
        &["Server Overview", "│ Name │ Cluster │", "│ n1 ", "│ yes │"],
    );
    has(world.sys(&["srv", "ls", "-R"]), &["n1"]);
    let id = id_of(&world);
    for name in ["n1", &id, ""] {
        let args: Vec<&str> = ["server", "info", name]
            .into_iter()
            .filter(|a| !a.is_empty())
            .collect();
        has(
            world.sys(&args),
            &[
                &format!("Server information for n1 ({id})"),
                "Process Details:",
                "Version: 2.14.5",
                "JetStream:",
                "Maximum Payload: 1.0 MiB",
            ],
        );
    }
    world
        .sys(&["server", "info", "nobody", "--timeout", "300ms"])
        .fails_with("no server \"nobody\" answered");
    has(
        world.sys(&["server", "ping", "--graph"]),
        &["n1 ", "rtt=", "1 replies max: ", "0ms ┤"],
    );
    let two = ["server", "ping", "2", "--id", "--timeout", "300ms"];
    wait::until("an answer in time", || {
        let out = world.sys(&two).ok().stdout;
        assert!(out.contains("Missing "), "{out}");
        out.contains("Missing 1 server(s)")
            .then(|| assert!(out.contains(&id), "{out}"))
    });
}

#[test]
fn who_is_not_of_the_system_account_is_told() {
    let world = World::with_system();
    for args in [
        &["server", "ls"][..],
        &["server", "report", "jetstream"],
        &["server", "req", "varz"],
    ] {
        world
            .nats(args)
            .fails_with("ensure the account used has system privileges");
    }
}

// tidy: long-function: a table of reports and what they say
#[test]
fn reports_are_made() {
    let world = World::with_system();
    world.nats(&["kv", "add", "B"]).ok();
    world.nats(&["kv", "put", "B", "k", "v"]).ok();
    let _subscriber = world.spawn(&["sub", "orders.>", "--connection-name", "shop"]);
    world.wait_for_interest("orders.new", 1);
    let report = world.sys(&["server", "report", "conns", "--json"]);
    let report = report.ok().json();
    let connections = report.as_array().expect("a list");
    assert!(
        connections
            .iter()
            .any(|c| c["name"] == "shop" && c["server"]["name"] == "n1"),
        "{connections:?}"
    );
    has(
        world.sys(&["server", "report", "connections", "--sort", "in-bytes"]),
        &[
            " by in-bytes",
            "│ shop ",
            "Totals",
            "Connections per server",
        ],
    );
    has(
        world.sys(&[
            "server",
            "report",
            "conn",
            "--subject",
            "orders.new",
            "--account",
            "$G",
        ]),
        &["out of 1 by", "shop"],
    );
    has(
        world.sys(&["server", "report", "conn", "--account", "SYS"]),
        &[" by subs"],
    );
    has(
        world.sys(&["server", "report", "accounts", "--sort", "conns"]),
        &["2 Accounts Overview", "│ $G ", "│ SYS "],
    );
    has(world.sys(&["server", "report", "acct", "$G"]), &["shop"]);
    world
        .sys(&["server", "report", "acct", "NOBODY"])
        .fails_with("did not receive any results");
    has(
        world.sys(&["server", "report", "jetstream"]),
        &["JetStream Summary", "│ n1 "],
    );
    has(
        world.sys(&["server", "report", "jsz", "--account", "$G", "--leaders"]),
        &["JetStream Summary for Account $G"],
    );
    has(
        world.sys(&["server", "report", "health"]),
        &["Health Report", "ok (200)", "ok: 1 / err: 0"],
    );
    has(
        world.sys(&["server", "report", "cpu"]),
        &["CPU Usage", "n1 ┤"],
    );
    has(
        world.sys(&["server", "report", "mem"]),
        &["Memory Usage", "MiB)"],
    );
    assert!(world.sys(&["server", "report", "mem", "-j"]).ok().json()["n1"].as_f64() > Some(0.0));
    for network in ["routes", "gateways", "leafnodes"] {
        has(world.sys(&["server", "report", network]), &["Report"]);
    }
    world
        .sys(&[
            "server",
            "report",
            "health",
            "--host",
            "n9",
            "--timeout",
            "300ms",
        ])
        .fails_with("no results received");
}

#[test]
fn documents_are_passed_on() {
    let world = World::with_system();
    for (what, field) in [
        (&["variables"][..], "server_id"),
        (&["connections", "--subscriptions"], "connections"),
        (&["jsz", "--all"], "config"),
        (&["accounts"], "accounts"),
        (&["accounts", "--account", "$G"], "account_detail"),
        (&["healthz"], "status"),
        (&["subscriptions"], "num_subscriptions"),
        (&["routes"], "num_routes"),
    ] {
        let answer = world
            .sys(&[&["server", "request"], what].concat())
            .ok()
            .json();
        assert_eq!(answer["server"]["name"], "n1", "{what:?}");
        assert!(answer["data"].get(field).is_some(), "{what:?}: {answer}");
    }
    let stats = world.sys(&["server", "req", "statz"]).ok().json();
    assert!(stats["statsz"]["connections"].as_u64() > Some(0), "{stats}");
    for (what, field) in [("leafnodes", "leafnodes"), ("gateways", "server_id")] {
        let answer = world.sys(&["server", "request", what]).ok().json();
        assert!(answer["data"].get(field).is_some(), "{what}: {answer}");
    }
    world
        .sys(&["server", "request", "profile", "tea"])
        .fails_with("tea");
    // 2.14.5 makes profiles, this server has none to give.
    let ended = world.sys(&["server", "request", "profile", "heap"]);
    match ended.code {
        0 => assert!(ended.stdout.contains("profile written: "), "{ended:?}"),
        _ => ended.fails_with("Profile \"heap\" not found"),
    }
    world
        .sys(&["server", "request", "profile", "heap", "nowhere"])
        .fails_with("nowhere is no directory");
    for what in ["raft", "ipqueue"] {
        let answer = world.sys(&["server", "req", what]).ok().json();
        assert!(answer["data"].is_object(), "{answer}");
    }
}

#[test]
fn clients_are_kicked() {
    let world = World::with_system();
    let id = id_of(&world);
    let subscriber = world.spawn(&["sub", "a", "--connection-name", "victim"]);
    let cid = wait::until("the victim", || {
        let answer = world
            .sys(&["server", "req", "conn", "--filter-account", "$G"])
            .ok()
            .json();
        let mut connections = answer["data"]["connections"].as_array()?.iter();
        let found = connections.find(|conn| conn["name"] == "victim")?;
        Some(found["cid"].as_u64()?.to_string())
    });
    let answer = world.sys(&["server", "req", "kick", &cid, &id]).ok().json();
    assert_eq!(answer["server"]["name"], "n1");
    subscriber.wait_for("Disconnected");
    world
        .sys(&["server", "req", "kick", "999999", &id])
        .fails_with("refused");
    world
        .sys(&["server", "req", "kick", "1", "n1", "--timeout", "300ms"])
        .fails_with("no server n1 answered");
}

#[test]
fn configurations_are_reloaded() {
    let world = World::with_system();
    let id = id_of(&world);
    has(
        world.sys(&["server", "config", "reload", &id, "--force"]),
        &["Server information for n1"],
    );
    world
        .sys(&["server", "config", "reload", &id])
        .fails_with("cannot ask without a terminal");
    world
        .sys(&["server", "config", "reload", "n1", "-f"])
        .fails_with("is no server ID");
}

#[test]
fn accounts_are_described() {
    let world = World::with_system();
    has(
        world.sys(&["server", "account", "info", "$G"]),
        &[
            "Account information for account $G",
            "System Account: false",
        ],
    );
    let detail = world
        .sys(&["server", "acct", "info", "SYS", "--json"])
        .ok()
        .json();
    assert_eq!(detail["is_system"], true);
    world
        .sys(&["server", "acct", "info", "NOBODY"])
        .fails_with("refused");
    world
        .sys(&["server", "acct", "purge", "$G"])
        .fails_with("cannot ask without a terminal");
    // 2.14.5 purges an account, this server does not yet.
    let purge = ["server", "acct", "purge", "$G", "-f", "--timeout", "1s"];
    let ended = world.sys(&purge);
    match ended.code {
        0 => assert!(ended.stdout.contains("initiated"), "{ended:?}"),
        _ => ended.fails_with("the account was not purged"),
    }
}

#[test]
fn servers_are_watched() {
    let world = World::with_system();
    has(
        world.sys(&["server", "watch", "servers", "--updates", "1"]),
        &[
            "Top 1 Server activity by Connections",
            "│ n1 ",
            "Totals (All",
        ],
    );
    has(
        world.sys(&["server", "watch", "jetstream", "--updates", "1"]),
        &["Server activity by HA Asset", "│ n1 "],
    );
    for what in ["jetstream", "accounts"] {
        world
            .nats(&["server", "watch", what])
            .fails_with("no server answers in this account");
    }
    world
        .sys(&["server", "watch", "api", "requests", "--account", "("])
        .fails_with("regex");
    has(
        world.sys(&["server", "watch", "api", "requests", "--updates", "1"]),
        &["Waiting for requests..."],
    );
    world
        .nats(&["server", "watch", "servers"])
        .fails_with("no server answers in this account");
}

/// A server tells of an account whose connections come and go.
#[test]
fn accounts_are_watched() {
    let config = "system_account: SYS\nno_auth_user: app\naccounts {\n\
                  SYS: { users: [{ user: sys, password: secret }] }\n\
                  APP: { users: [{ user: app, password: app }] } }\n";
    let world = World::configured(config);
    let login = ["--user", "sys", "--password", "secret"];
    let watch = ["server", "watch", "accounts"];
    let mut accounts = world.spawn(&[&watch[..], &login].concat());
    // The first updates may be about the connection that watches.
    let text = wait::until("an update about an account", || {
        world.nats(&["pub", "a", "b"]).ok();
        Some(accounts.printed()).filter(|text| text.contains("│ APP "))
    });
    assert!(text.contains("Account activity by Connections"), "{text}");
    accounts.stop();
}

#[test]
fn mappings_are_tried_out() {
    let world = World::new();
    let mapped = |args: &[&str]| world.nats(&[&["server", "mapping"], args].concat());
    assert_eq!(
        mapped(&["orders.*", "new.{{wildcard(1)}}", "orders.7"])
            .ok()
            .stdout,
        "new.7\n\n"
    );
    assert_eq!(
        mapped(&["a.*.*", "b.$2.$1", "a.x.y"]).ok().stdout,
        "b.y.x\n\n"
    );
    mapped(&["a.*", "b.$1", "c.x"]).fails_with("c.x does not match a.*");
    mapped(&["a.*", "b.$2", "a.x"]).fails_with("invalid mapping");
    mapped(&["a.*", "b.$1", "a..x"]).fails_with("no valid subject");
}

#[test]
fn passwords_are_hashed() {
    let world = World::new();
    let hash = world
        .nats(&["server", "passwd", "-p", "correct horse", "-c", "4"])
        .ok()
        .stdout;
    assert!(
        hash.starts_with("$2a$04$") && hash.trim().len() == 60,
        "{hash}"
    );
    let generated = world
        .nats(&["server", "passwd", "--generate", "--cost", "4"])
        .ok()
        .stdout;
    let mut lines = generated.lines();
    let password = lines
        .next()
        .and_then(|line| line.strip_prefix("Generated password: "));
    let hash = lines
        .next()
        .and_then(|line| line.strip_prefix("       bcrypt hash: "));
    let (password, hash) = (password.expect("a password"), hash.expect("a hash"));
    let config = format!("authorization {{ users: [{{ user: u, password: \"{hash}\" }}] }}");
    let guarded = World::configured(&config);
    guarded
        .nats(&["pub", "a", "b", "--user", "u", "--password", password])
        .ok();
    guarded
        .nats(&["pub", "a", "b", "--user", "u", "--password", "wrong"])
        .fails_with("Authorization");
    world
        .nats(&["server", "passwd", "-p", "short"])
        .fails_with("at least 10 characters");
    world
        .nats(&["server", "passwd", "-p", "correct horse", "-c", "3"])
        .fails_with("3 is not in 4..=31");
    world
        .nats(&["server", "passwd"])
        .fails_with("cannot ask without a terminal");
}

#[test]
fn configurations_are_generated() {
    let world = World::new();
    let generate = |target: &str, args: &[&str]| {
        world.nats(&[&["server", "generate", target][..], args].concat())
    };
    has(
        generate(
            "compose",
            &["--template", "docker-compose", "--set", "clusters=2"],
        ),
        &["Wrote compose/cluster.conf"],
    );
    let compose = std::fs::read_to_string(world.dir().join("compose/docker-compose.yaml"));
    let compose = compose.expect("a file");
    assert!(
        compose.contains("n3.c2.nats.internal:") && !compose.contains("c3."),
        "{compose}"
    );
    let context = std::fs::read(world.dir().join("compose/cli/context/system_c2.json"));
    let context: Value = serde_json::from_slice(&context.expect("a context")).expect("JSON");
    assert_eq!(
        (&context["user"], &context["url"]),
        (
            &json!("system"),
            &json!(
                "nats://n1.c2.nats.internal:4222,nats://n2.c2.nats.internal:4222,nats://n3.c2.nats.internal:4222"
            )
        )
    );
    has(
        generate("leaf", &["--source", "fs:///ngsleafnodeconfig"]),
        &[
            "Wrote leaf/leafnode.conf",
            "nats-server -c leaf/leafnode.conf",
        ],
    );
    generate("compose", &["--template", "leafnode"]).fails_with("already exist");
    generate("x", &["--template", "leafnode", "--set", "prot=1"])
        .fails_with("there is no such question");
    generate("x", &["--template", "leafnode", "--set", "port=high"])
        .fails_with("\"high\" is no number");
    generate("x", &["--template", "operator"]).fails_with("no operators found");
    generate("x", &[]).fails_with("--template");
    assert!(!world.dir().join("x").exists());
}

#[test]
fn a_development_server_runs() {
    let world = World::new();
    let binary = std::env::var("NATS_SERVER_BIN");
    let start = || match &binary {
        Ok(binary) => world.spawn(&["server", "run", "dev", "--clean", "--binary", binary]),
        Err(_) => world.spawn(&["server", "run", "dev", "--clean"]),
    };
    let mut running = start();
    // A port that was free a moment ago can be another test's by now.
    wait::until("a server that listens", || {
        if running.has_ended() && running.printed().contains("address already in use") {
            running = start();
        }
        running.printed().contains("Server is ready").then_some(())
    });
    running.wait_for("URL: nats://127.0.0.1:");
    let as_context = |name: &str, args: &[&str]| {
        let mut command = world.command(&[args, &["--context", name]].concat());
        command.env_remove("NATS_URL");
        command.output().expect("nats can be run")
    };
    let reply = as_context("dev", &["pub", "hello", "world"]);
    assert!(reply.status.success(), "{reply:?}");
    let listed = as_context("dev_system", &["server", "ls", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed[0]["server"]["name"], "dev");
    running.stop();
    let contexts = world.nats(&["context", "ls", "--names"]).ok().stdout;
    assert_eq!(contexts, "", "--clean removes them");
    world
        .nats(&["server", "run", "--binary", "/nowhere"])
        .fails_with("there is no file /nowhere");
}

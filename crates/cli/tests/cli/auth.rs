//! `nats auth`: decentralised security from nothing, with a server that runs on it.

use std::path::Path;

use cognate_conformance::Server;

use crate::support::{Ended, World};

#[track_caller]
pub(crate) fn has(ended: Ended, words: &[&str]) -> String {
    let ended = ended.ok();
    for word in words {
        assert!(
            ended.stdout.contains(word),
            "{word:?} is not in {}",
            ended.stdout
        );
    }
    ended.stdout
}

pub(crate) fn auth(world: &World, args: &[&str]) -> Ended {
    world.nats(&[&["auth"], args].concat())
}

/// The public key in the first line of a page.
fn key_of(page: &str) -> String {
    let first = page.lines().next().unwrap_or_default();
    first
        .split(['(', ')'])
        .nth(1)
        .expect("a key in the heading")
        .to_owned()
}

// tidy: long-function: one story, step by step
#[test]
fn from_nothing_to_a_revoked_user() {
    let world = World::new();
    has(
        auth(&world, &["operator", "add", "OP", "--tags", "Test"]),
        &[
            "Operator OP (O",
            "Accounts: 1",
            "System Account: SYSTEM (A",
            "Signing Keys: O",
            "Tags: test",
        ],
    );
    has(
        auth(&world, &["account", "add", "APP", "--defaults"]),
        &["Account APP (A", "Operator: OP", "JetStream: false"],
    );
    let creds = |name: &str| world.dir().join(name).to_str().expect("text").to_owned();
    let (sys, ann, bob) = (creds("sys.creds"), creds("ann.creds"), creds("bob.creds"));
    auth(
        &world,
        &[
            "user",
            "add",
            "sys",
            "SYSTEM",
            "--defaults",
            "--credential",
            &sys,
        ],
    )
    .ok();
    has(
        auth(
            &world,
            &[
                "user",
                "add",
                "ann",
                "APP",
                "--defaults",
                "--pub-allow",
                "orders.>",
                "--credential",
                &ann,
            ],
        ),
        &[
            "User ann (U",
            "Scoped: false",
            "Max Payload: 1,048,576",
            "Allow: orders.>",
        ],
    );
    has(
        auth(
            &world,
            &[
                "account",
                "keys",
                "add",
                "APP",
                "reader",
                "--sub-allow",
                "orders.>",
                "--pub-deny",
                ">",
            ],
        ),
        &["Scoped Signing Key A", "Role: reader"],
    );
    has(
        auth(
            &world,
            &[
                "user",
                "add",
                "bob",
                "APP",
                "--key",
                "reader",
                "--defaults",
                "--credential",
                &bob,
            ],
        ),
        &["Scoped: true", "Role: reader", "Deny: >"],
    );

    let target = world.dir().join("generated");
    let dir = world.dir().display().to_string();
    let set = [
        format!("resolver_dir={dir}/jwt"),
        format!("store_dir={dir}/js"),
    ];
    world
        .nats(&[
            "server",
            "generate",
            "generated",
            "--template",
            "operator",
            "--set",
            &set[0],
            "--set",
            &set[1],
            "--set",
            "monitor_port=0",
            "--set",
            "server_name=n1",
        ])
        .ok();
    world
        .nats(&["server", "generate", "k8s", "--template", "kubernetes"])
        .ok();
    let values = std::fs::read_to_string(world.dir().join("k8s/values.yaml"));
    let values = values.expect("a file");
    for part in [
        "    replicas: 3\n",
        "        size: \"10Gi\"\n",
        "    resolver_preload:\n",
    ] {
        assert!(values.contains(part), "{part:?} is not in {values}");
    }
    let server = start(&target);
    let url = format!("nats://{}", server.addr());
    let nats = |args: &[&str], creds: &str| {
        world.nats(&[args, &["--server", &url, "--creds", creds]].concat())
    };
    nats(&["pub", "orders.new", "1"], &ann).fails_with("Authorization Violation");
    has(
        nats(&["auth", "account", "push", "APP", "--show"], &sys),
        &[
            "Account JWT for APP",
            "eyJ",
            "on 1 server(s)",
            "Update completed on n1",
            "Success 1 Failed 0 Expected 1",
        ],
    );
    nats(&["pub", "orders.new", "1"], &ann).ok();
    nats(&["sub", "orders.>", "--wait", "100ms"], &bob).ok();
    // What is in the file can be given by itself, too.
    let text = std::fs::read_to_string(&bob).expect("credentials");
    let word = |start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        found.expect("it is in the file").to_owned()
    };
    let (jwt, seed) = (word("eyJ"), word("SU"));
    let by_itself = ["--server", &url, "--jwt", &jwt, "--seed", &seed];
    let sub = ["sub", "orders.>", "--wait", "100ms"];
    world.nats(&[&sub[..], &by_itself].concat()).ok();
    world
        .nats(&[&sub[..], &by_itself[..4]].concat())
        .fails_with("refused the login");
    let saved = world.dir().join("pulled.jwt");
    has(
        nats(
            &[
                "auth",
                "account",
                "query",
                "APP",
                saved.to_str().expect("text"),
            ],
            &sys,
        ),
        &["Account APP (A", "Signing Keys: A"],
    );
    assert!(
        std::fs::read_to_string(&saved)
            .expect("a file")
            .starts_with("eyJ")
    );

    has(
        auth(&world, &["user", "rm", "ann", "APP", "--revoke", "--force"]),
        &["Removed user ann", "push APP"],
    );
    has(
        auth(&world, &["account", "info", "APP"]),
        &["Revocations: 1", "Users: 1"],
    );
    nats(&["auth", "account", "push", "APP"], &sys).ok();
    nats(&["pub", "orders.new", "1"], &ann).fails_with("Authorization Violation");
    nats(&["auth", "account", "push", "APP"], &bob)
        .fails_with("ensure the account used has system privileges");
    nats(&["auth", "account", "push", "NONE"], &sys).fails_with("unknown Account: NONE");
}

fn start(generated: &Path) -> Server {
    let text = std::fs::read_to_string(generated.join("server.conf")).expect("a configuration");
    let own_address = |line: &&str| !line.starts_with("listen:");
    let text: Vec<&str> = text.lines().filter(own_address).collect();
    Server::builder().config(&text.join("\n")).start()
}

#[test]
fn operators_are_kept() {
    let world = World::new();
    auth(&world, &["operator", "ls"]).ok();
    auth(&world, &["account", "ls"]).fails_with("no operators found");
    let page = auth(&world, &["operator", "add", "ONE", "--no-signing-key"])
        .ok()
        .stdout;
    assert!(!page.contains("Signing Keys"), "{page}");
    auth(&world, &["operator", "add", "ONE"]).fails_with("operator ONE already exist");
    auth(&world, &["operator", "add", "../x"]).fails_with("invalid name");
    has(
        auth(
            &world,
            &[
                "operator",
                "edit",
                "ONE",
                "--service",
                "nats://a:4222",
                "--account-server",
                "nats://a",
                "--tags",
                "x",
            ],
        ),
        &[
            "Service URL(s): nats://a:4222",
            "Account Server: nats://a",
            "Tags: x",
        ],
    );
    auth(&world, &["o", "add", "TWO"]).ok();
    assert_eq!(
        auth(&world, &["o", "ls", "--names"]).ok().stdout,
        "ONE\nTWO\n"
    );
    has(auth(&world, &["o", "ls"]), &["Operators", "│ ONE "]);
    auth(&world, &["account", "ls"]).fails_with("Give --operator. There are: ONE, TWO");
    has(
        auth(&world, &["o", "select", "TWO"]),
        &["Selected operator \"TWO\" as default"],
    );
    has(auth(&world, &["account", "ls"]), &["│ SYSTEM ", "│ true "]);
    auth(&world, &["o", "select", "THREE"]).fails_with("unknown operator: THREE");
    let key = auth(&world, &["o", "keys", "add", "TWO"]).ok().stdout;
    assert_eq!(
        auth(&world, &["o", "keys", "ls", "TWO"])
            .ok()
            .stdout
            .lines()
            .count(),
        2
    );
    auth(&world, &["o", "keys", "rm", "TWO", key.trim()])
        .fails_with("cannot ask without a terminal");
    has(
        auth(&world, &["o", "sk", "rm", "TWO", key.trim(), "-f"]),
        &["Signing key removed"],
    );
    auth(&world, &["o", "sk", "rm", "TWO", key.trim(), "-f"])
        .fails_with("signing key was not found");
}

#[test]
fn a_backup_brings_everything_back() {
    let world = World::new();
    let page = auth(&world, &["operator", "add", "OP"]).ok().stdout;
    auth(&world, &["account", "add", "A", "--defaults"]).ok();
    auth(&world, &["user", "add", "u", "A", "--defaults"]).ok();
    let seed = world.dir().join("x.nk");
    let seed = seed.to_str().expect("text");
    auth(&world, &["nkey", "gen", "curve", "--output", seed]).ok();
    has(
        auth(&world, &["operator", "backup", "OP", "plain.json"]),
        &["Wrote backup for OP", "WARNING"],
    );
    auth(
        &world,
        &["operator", "backup", "OP", "sealed", "--key", seed],
    )
    .ok();
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.dir().join("plain.json")).expect("a file"))
            .expect("JSON");
    assert_eq!(json["accounts"][0]["users"][0]["name"], "u");
    auth(&world, &["operator", "restore", "OP", "plain.json"]).fails_with("already exist");
    std::fs::remove_dir_all(world.dir().join("data")).expect("the store");
    auth(&world, &["operator", "restore", "OP", "sealed"]).fails_with("--key names the file");
    assert_eq!(
        auth(&world, &["operator", "ls", "--names"]).ok().stdout,
        "No Operators found\n"
    );
    let restored = auth(
        &world,
        &["operator", "restore", "OP", "sealed", "--key", seed],
    )
    .ok()
    .stdout;
    assert_eq!(key_of(&restored), key_of(&page));
    auth(
        &world,
        &["user", "credential", "u.creds", "u", "A", "--expire", "1h"],
    )
    .ok();
    auth(&world, &["user", "credential", "u.creds", "u", "A"]).fails_with("already exist");
    let check = |args: &[&str]| {
        world.nats(
            &[
                &["server", "check", "credential", "--credential", "u.creds"],
                args,
            ]
            .concat(),
        )
    };
    assert_eq!(check(&["--validity-warn", "10m"]).code, 0);
    assert_eq!(check(&["--validity-warn", "2h"]).code, 1);
    assert_eq!(check(&["--validity-critical", "2h"]).code, 2);
}

#[test]
fn operators_are_imported_with_their_keys() {
    let world = World::new();
    auth(&world, &["operator", "add", "OP", "--no-signing-key"]).ok();
    let copy: serde_json::Value = auth(&world, &["operator", "info", "OP", "--json"])
        .ok()
        .json();
    let token = world.file(
        "op.jwt",
        copy["token"].as_str().expect("a token").as_bytes(),
    );
    let seed = world.file(
        "op.nk",
        copy["key"]["key"].as_str().expect("a seed").as_bytes(),
    );
    let stranger = auth(&world, &["nkey", "gen", "operator"]).ok().stdout;
    let stranger = world.file("other.nk", stranger.as_bytes());
    std::fs::remove_dir_all(world.dir().join("data")).expect("the store");
    auth(&world, &["operator", "import", &token, &stranger]).fails_with("is no key of operator OP");
    auth(&world, &["operator", "import", &seed]).fails_with("op.nk: ");
    has(
        auth(&world, &["operator", "import", &token]),
        &["Operator OP", "Accounts: 0"],
    );
    auth(&world, &["account", "add", "A", "--defaults"])
        .fails_with("no key of operator OP is in the store");
    std::fs::remove_dir_all(world.dir().join("data")).expect("the store");
    auth(&world, &["operator", "import", &token, &seed]).ok();
    auth(&world, &["account", "add", "A", "--defaults"]).ok();
}

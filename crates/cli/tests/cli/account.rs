//! The account: what it is, who is connected, all its streams as files.

use crate::support::World;

#[test]
fn the_account_is_shown() {
    let world = World::new();
    let out = world.nats(&["account", "info"]).ok().stdout;
    for text in [
        "Account Information\n",
        "Account: $G\n",
        "Expires: never\n",
        "Headers Supported: true\n",
        "Maximum Payload: 1.0 MiB\n",
        "JetStream Account Information:\n",
        "Tier: Default:\n",
        "Streams: 0 of Unlimited\n",
    ] {
        assert!(out.contains(text), "{text} is not in {out}");
    }
    let json = world.nats(&["a", "info", "--json"]).ok().json();
    assert_eq!(json["jetstream"]["streams"], 0);
    let plain = World::configured("");
    let out = plain.nats(&["account", "info"]).ok().stdout;
    assert!(out.contains("JetStream is not available"), "{out}");
    plain
        .nats(&["account", "info", "--server", "nats://127.0.0.1:1"])
        .fails_with("127.0.0.1");
}

#[test]
fn the_account_is_reported() {
    let world = World::new();
    let mut listener = world.spawn(&["sub", "a.>", "--connection-name", "listener"]);
    world.wait_for_interest("a.b", 1);
    let report = |args: &[&str]| world.nats(&[&["account", "report"], args].concat());
    let out = report(&["connections"]).ok().stdout;
    assert!(
        out.contains("by subs")
            && out.contains("│ listener")
            && out.contains("Connections per server"),
        "{out}"
    );
    let conns = report(&["conns", "--sort", "cid", "--top", "1", "-R", "--json"])
        .ok()
        .json();
    assert_eq!(conns.as_array().map(Vec::len), Some(1));
    assert_eq!(
        report(&["conn", "--subject", "x.y", "--state", "closed"])
            .ok()
            .code,
        0
    );
    report(&["connections", "--state", "lost"]).fails_with("lost");
    let out = report(&["statistics"]).ok().stdout;
    assert!(
        out.contains("Server Statistics") && out.contains("│ Version │"),
        "{out}"
    );
    let json = report(&["stats", "--json"]).ok().json();
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    report(&["usage"]).fails_with("usage");
    assert!(!listener.has_ended());
}

#[test]
fn the_account_is_backed_up_and_restored() {
    let world = World::new();
    world
        .nats(&["account", "backup", "bk", "-f"])
        .fails_with("no streams found");
    for name in ["A", "B"] {
        let add = ["stream", "add", name, "--subjects", name, "--defaults"];
        world.nats(&add).ok();
        world.nats(&["pub", name, "x", "-J", "--count", "3"]).ok();
    }
    world
        .nats(&["account", "backup", "bk"])
        .fails_with("cannot ask");
    let out = world.nats(&["account", "backup", "bk", "-f"]).ok().stdout;
    assert!(
        out.starts_with("Performing backup of all streams to bk"),
        "{out}"
    );
    // One was restored before an interruption: it is left alone, the other comes back.
    world.nats(&["stream", "rm", "B", "-f"]).ok();
    let out = world.nats(&["account", "restore", "bk"]).ok().stdout;
    assert!(
        out.contains("Stream \"A\" is there already, as in the backup"),
        "{out}"
    );
    assert_eq!(world.nats(&["stream", "ls", "-n"]).ok().stdout, "A\nB\n");
    // One that holds something else stops it before anything is done.
    world.nats(&["pub", "A", "x", "-J"]).ok();
    world.nats(&["stream", "rm", "B", "-f"]).ok();
    world
        .nats(&["account", "restore", "bk"])
        .fails_with("stream \"A\" exists already");
    assert_eq!(world.nats(&["stream", "ls", "-n"]).ok().stdout, "A\n");
    world
        .nats(&["account", "restore", "nowhere"])
        .fails_with("nowhere");
}

#[test]
fn the_chain_of_certificates_is_shown() {
    let world = World::new();
    world
        .nats(&["account", "tls"])
        .fails_with("does not use TLS");
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names");
    let certificate = params.self_signed(&key).expect("a certificate");
    let certificate = world.file("cert.pem", certificate.pem().as_bytes());
    let key = world.file("key.pem", key.serialize_pem().as_bytes());
    let secure = World::configured(&format!(
        "tls {{ cert_file: {certificate:?}, key_file: {key:?} }}"
    ));
    let tls = |args: &[&str]| {
        let args = [&["account", "tls", "--tlsca", &certificate], args].concat();
        secure.nats(&args)
    };
    let out = tls(&[]).ok().stdout;
    for text in [
        "# TLS Verified Chains count: 1\n",
        "SAN: IP Addresses: [127.0.0.1]\n",
        "Signed-with: ECDSA-SHA256\n",
        "BEGIN CERTIFICATE",
    ] {
        assert!(out.contains(text), "{text} is not in {out}");
    }
    assert!(!tls(&["--no-pem"]).ok().stdout.contains("BEGIN"));
    tls(&["--expire-warn", "10000y"]).fails_with("invalid duration");
    let out = tls(&["--ocsp"]).ok().stdout;
    assert!(out.starts_with("# TLS Version"), "{out}");
    assert!(out.contains("# No OCSP Response found"), "{out}");
}

//! JetStream of another account or domain, inboxes of one's own, and settings from the environment.

use crate::support::{Ended, World};

/// An account whose JetStream is used from another, under other names.
fn shared() -> (World, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = format!(
        "jetstream {{ store_dir: {:?}, domain: hub }}\nno_auth_user: hub\naccounts {{\n\
         HUB: {{ jetstream: enabled, users: [{{ user: hub, password: h }}],\n\
         exports: [{{ service: \"$JS.API.>\" }}, {{ stream: \"$JS.EVENT.>\" }}] }}\n\
         APP: {{ users: [{{ user: app, password: a,\n\
         permissions: {{ subscribe: [\"mine.>\", \"hub.>\"] }} }}],\n\
         imports: [{{ service: {{ account: HUB, subject: \"$JS.API.>\" }}, to: \"hub.api.>\" }},\n\
         {{ stream: {{ account: HUB, subject: \"$JS.EVENT.>\" }}, to: \"hub.ev.>\" }}] }} }}\n",
        dir.path()
    );
    (World::configured(&config), dir)
}

const APP: [&str; 4] = ["--user", "app", "--password", "a"];

#[test]
fn jetstream_may_have_other_names() {
    let (world, _store) = shared();
    let add = ["stream", "add", "S", "--subjects", "s", "--defaults"];
    world.nats(&add).ok();
    let names = |more: &[&str]| world.nats(&[&["stream", "ls", "-n"], more].concat());
    assert_eq!(names(&["--js-domain", "hub"]).ok().stdout, "S\n");
    names(&["--js-domain", "other"]).fails_with("nobody listens to $JS.other.API.");
    let prefixes = ["--inbox-prefix", "mine", "--js-api-prefix", "hub.api"];
    assert_eq!(names(&[&APP[..], &prefixes].concat()).ok().stdout, "S\n");
    // An inbox that the user may not listen to.
    names(&[&APP[..], &prefixes[2..], &["--timeout", "1s"]].concat())
        .fails_with("did not answer within 1s");
    let events = [
        "events",
        "--js-advisory",
        "--no-srv-advisory",
        "--js-event-prefix",
        "hub.ev",
        "--short",
        "--count",
        "1",
    ];
    let mut events = world.spawn(&[&events[..], &APP].concat());
    for at in 0.. {
        if events.has_ended() {
            break;
        }
        assert!(at < 1000, "nobody hears of streams");
        world.nats(&["kv", "add", &format!("B{at}")]).ok();
    }
    let told = events.wait();
    assert!(
        told.contains("on hub.ev.ADVISORY.>\n") && told.contains("KV_B"),
        "{told}"
    );
}

/// What is said when a variable alone has a setting.
fn with(world: &World, name: &str, value: &str) -> Ended {
    let mut command = world.command(&["pub", "a", "b"]);
    let output = command.env(name, value).output().expect("nats can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("nats prints text");
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

#[test]
fn settings_come_from_the_environment() {
    let world = World::configured("authorization { token: sesame }");
    with(&world, "NATS_TOKEN", "sesame").ok();
    with(&world, "NATS_USER", "sesame").ok();
    for (name, value, told) in [
        ("NATS_TOKEN", "closed", "refused the login"),
        ("NATS_USER", "closed", "refused the login"),
        ("NATS_URL", "127.0.0.1:1", "nats://127.0.0.1:1"),
        ("NATS_CREDS", "/no/creds", "/no/creds"),
        ("NATS_NKEY", "/no/nkey", "/no/nkey"),
        ("NATS_JWT", "/no/jwt", "/no/jwt"),
        ("NATS_CERT", "/no/cert", "--tlscert and --tlskey"),
        ("NATS_KEY", "/no/key", "--tlscert and --tlskey"),
        ("NATS_CA", "/no/ca", "/no/ca"),
        ("NATS_TIMEOUT", "soon", "invalid duration \"soon\""),
        ("NATS_CONTEXT", "nowhere", "unknown context \"nowhere\""),
        ("NATS_SOCKS_PROXY", "socks5://127.0.0.1:1", "127.0.0.1:1"),
    ] {
        with(&world, name, value).fails_with(told);
    }
    let users = World::configured("authorization { users: [{ user: ann, password: a }] }");
    let mut command = users.command(&["pub", "a", "b"]);
    let login = command.env("NATS_USER", "ann").env("NATS_PASSWORD", "a");
    assert!(login.output().expect("nats can be run").status.success());
}

#[test]
fn a_context_can_be_left_out() {
    let world = World::new();
    let proxy = ["--socks-proxy", "socks5://127.0.0.1:1"];
    let add = ["context", "add", "broken", "--select"];
    world.nats(&[&add[..], &proxy].concat()).ok();
    world.nats(&["pub", "a", "b"]).fails_with("127.0.0.1:1");
    world.nats(&["pub", "a", "b", "--no-context"]).ok();
}

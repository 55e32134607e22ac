//! Reaching a server: addresses, logins, configuration files, and what is said when it fails.

use crate::support::World;

const USERS: &str = r#"authorization { users: [{user: "alice", password: "secret"}] }"#;

#[test]
fn round_trips_are_timed() {
    let world = World::new();
    let text = world.nats(&["rtt"]).ok().stdout;
    assert!(
        text.contains(&format!("{}:\n\n   {}: ", world.url(), world.url())),
        "{text}"
    );
    let json = world.nats(&["rtt", "3", "--json"]).ok().json();
    assert_eq!(json[0]["url"], world.url());
    assert!(
        json[0]["results"][0]["rtt"]
            .as_u64()
            .is_some_and(|nanos| nanos > 0),
        "{json}"
    );
}

#[test]
fn an_unreachable_server_is_told_in_a_line() {
    let world = World::new();
    world
        .nats(&["rtt", "--server", "127.0.0.1:1"])
        .fails_with("could not connect to nats://127.0.0.1:1");
    world
        .nats(&["pub", "a", "b", "--server", "127.0.0.1:1"])
        .fails_with("could not connect to nats://127.0.0.1:1");
    world
        .nats(&["pub", "a", "b", "--tlscert", "x"])
        .fails_with("--tlscert and --tlskey belong together");
}

#[test]
fn logins_come_from_flags_and_urls() {
    let world = World::configured(USERS);
    for command in [&["rtt"][..], &["pub", "a", "b"]] {
        world.nats(command).fails_with("refused the login");
        world
            .nats(&[command, &["--user", "alice", "--password", "wrong"]].concat())
            .fails_with("refused the login");
        world
            .nats(&[command, &["--user", "alice", "--password", "secret"]].concat())
            .ok();
        let url = world.url().replace("nats://", "nats://alice:secret@");
        world.nats(&[command, &["--server", &url]].concat()).ok();
    }
}

#[test]
fn a_user_without_password_is_a_token() {
    let world = World::configured(r#"authorization { token: "open sesame" }"#);
    world.nats(&["pub", "a", "b", "--user", "open sesame"]).ok();
    world.nats(&["rtt", "--token", "open sesame"]).ok();
    world
        .nats(&["rtt", "--token", "close"])
        .fails_with("refused the login");
}

#[test]
fn a_configuration_file_takes_the_place_of_a_context() {
    let world = World::configured(USERS);
    let url = world.url().replace("nats://", "nats://alice:secret@");
    let run = |file: &str| {
        let mut command = world.command(&["pub", "a", "b", "--config-file", file]);
        command.env_remove("NATS_URL");
        command.output().expect("nats can be run")
    };
    for (name, text) in [
        ("c.yaml", format!("Hosts: [\"{url}\"]\nMaxReconnect: 1\n")),
        ("c.json", format!("{{\"Hosts\": \"{url}\"}}")),
        (
            "c.toml",
            format!("Hosts = [\"{url}\"]\nReconnectWait = \"1s\"\n"),
        ),
    ] {
        let output = run(&world.file(name, text.as_bytes()));
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let output = run(&world.file("wrong.yaml", b"Host: x\n"));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && errors.contains("unknown setting \"Host\""),
        "{errors}"
    );
}

#[test]
fn latencies_are_measured() {
    let world = World::new();
    let text = world
        .nats(&[
            "latency",
            "--duration",
            "50ms",
            "--rate",
            "200",
            "--histogram",
            "h.txt",
        ])
        .ok()
        .stderr;
    assert!(
        text.contains("Median Latency : ") && text.contains("99.99: "),
        "{text}"
    );
    let file =
        std::fs::read_to_string(world.dir().join("h.txt")).expect("the histogram is written");
    assert!(file.starts_with("Value Percentile TotalCount"), "{file}");
    world
        .nats(&["latency", "--size", "3"])
        .fails_with("--size must be at least 8");
    world
        .nats(&["latency", "--server-b", "127.0.0.1:1"])
        .fails_with("second connection");
}

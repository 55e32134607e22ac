//! Contexts, in the official tool's files.

use crate::support::World;

#[test]
fn contexts_are_saved_shown_and_selected() {
    let world = World::new();
    assert_eq!(
        world.nats(&["context", "ls"]).ok().stdout,
        "No known contexts\n"
    );
    let shown = world.nats(&[
        "context",
        "add",
        "one",
        "--description",
        "first",
        "--user",
        "u",
        "--password",
        "pw",
        "--select",
    ]);
    let path = world.dir().join("config/nats/context/one.json");
    let expected = format!(
        "NATS Configuration Context \"one\"\n\n  Description: first\n  Server URLs: {}\n     Username: u\n     Password: **\n         Path: {}\n",
        world.url(),
        path.display()
    );
    assert_eq!(shown.ok().stdout, expected);
    world.nats(&["ctx", "add", "two", "-s", "127.0.0.1:1"]).ok();
    let table = "\
╭────────────────────╮
│   Known Contexts   │
├──────┬─────────────┤
│ Name │ Description │
├──────┼─────────────┤
│ one* │ first       │
│ two  │             │
╰──────┴─────────────╯
";
    assert_eq!(world.nats(&["context", "ls"]).ok().stdout, table);
    assert_eq!(
        world.nats(&["context", "ls", "--names"]).ok().stdout,
        "one\ntwo\n"
    );
    let json = world.nats(&["context", "ls", "--json"]).ok().json();
    assert_eq!(
        (&json[0]["name"], &json[0]["user"]),
        (&"one".into(), &"u".into())
    );
    world.nats(&["context", "select", "two"]).ok();
    let selected =
        std::fs::read_to_string(world.dir().join("config/nats/context.txt")).expect("a selection");
    assert_eq!(selected, "two");
    assert!(
        world
            .nats(&["context", "previous"])
            .ok()
            .stdout
            .contains("\"one\"")
    );
    assert!(
        world
            .nats(&["context", "info"])
            .ok()
            .stdout
            .contains("\"one\"")
    );
    world.nats(&["context", "unselect"]).ok();
    world
        .nats(&["context", "info"])
        .fails_with("no default context");
}

#[test]
fn a_selected_context_says_where_to_connect() {
    let world = World::new();
    world.nats(&["context", "add", "here", "--select"]).ok();
    let run = |args: &[&str]| {
        let mut command = world.command(args);
        command.env_remove("NATS_URL");
        command.output().expect("nats can be run").status.code()
    };
    assert_eq!(run(&["rtt"]), Some(0));
    world
        .nats(&["context", "add", "there", "-s", "127.0.0.1:1"])
        .ok();
    assert_eq!(run(&["rtt", "--context", "there"]), Some(1));
    assert_eq!(
        run(&["rtt", "--context", "there", "-s", &world.url()]),
        Some(0)
    );
    assert_eq!(run(&["rtt", "--context", "nowhere"]), Some(1));
}

#[test]
fn contexts_are_copied_edited_and_removed() {
    let world = World::new();
    world
        .nats(&["context", "add", "one", "--description", "first"])
        .ok();
    world
        .nats(&[
            "context",
            "copy",
            "one",
            "two",
            "--user",
            "u",
            "--password",
            "p",
        ])
        .ok();
    world
        .nats(&["context", "copy", "one", "two"])
        .fails_with("already exists");
    let edit = |editor: &str| {
        world
            .command(&["context", "edit", "two"])
            .env("EDITOR", editor)
            .output()
            .expect("nats can be run")
    };
    assert!(edit("sed -i s/first/second/").status.success());
    let json = world
        .nats(&["context", "info", "two", "--json"])
        .ok()
        .json();
    assert_eq!(
        (&json["description"], &json["user"]),
        (&"second".into(), &"u".into())
    );
    let refused = edit("sed -i s/{/x/");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the context was not saved"));
    world.nats(&["context", "rm", "two"]).fails_with("--force");
    world.nats(&["context", "rm", "two", "-f"]).ok();
    world
        .nats(&["context", "rm", "two", "-f"])
        .fails_with("unknown context \"two\"");
    world
        .nats(&["context", "add", "../three"])
        .fails_with("invalid context name");
}

#[test]
fn contexts_are_validated() {
    let world = World::new();
    world.nats(&["context", "add", "good"]).ok();
    assert!(
        world
            .nats(&["context", "validate", "--connect"])
            .ok()
            .stdout
            .contains("Connection: OK")
    );
    world
        .nats(&["context", "add", "bad", "--creds", "/there/is/none"])
        .ok();
    let ended = world.nats(&["context", "validate"]);
    assert!(
        ended.stdout.contains("/there/is/none (ERROR)"),
        "{}",
        ended.stdout
    );
    ended.fails_with("validation failed");
}

#[test]
fn credentials_may_be_embedded() {
    let world = World::new();
    let creds = "-----BEGIN NATS USER JWT-----\neyJ.x.y\n------END NATS USER JWT------\n";
    let path = world.file("a.creds", creds.as_bytes());
    world
        .nats(&["context", "add", "one", "--creds", &path, "--embed"])
        .ok();
    let json = world
        .nats(&["context", "info", "one", "--json"])
        .ok()
        .json();
    assert!(
        json["creds"]
            .as_str()
            .is_some_and(|creds| creds.starts_with("data:;base64,")),
        "{json}"
    );
}

//! What needs no server: help, completion, manual pages, cheat sheets, and wrong words.

use crate::support::World;

#[test]
fn help_names_every_command() {
    let world = World::new();
    let help = world.nats(&["--help"]).ok().stdout;
    for command in [
        "publish",
        "subscribe",
        "request",
        "reply",
        "rtt",
        "latency",
        "bench",
        "kv",
        "object",
        "counter",
        "context",
        "dashboard",
        "top",
        "events",
        "auth",
        "server",
        "completion",
        "man",
    ] {
        assert!(
            help.contains(&format!("  {command}")),
            "{command} is not in {help}"
        );
    }
}

#[test]
fn what_is_not_built_in_says_so() {
    let world = World::new();
    for args in [
        &["plugins", "register", "x", "--help-me"][..],
        &["traffic", "--votes"],
        &["bench", "oldjs", "ordered", "a"],
        &["context", "add", "x", "--nsc", "nsc://o/a/u"],
    ] {
        world.nats(args).fails_with("is not built into this tool");
    }
    world
        .nats(&["server", "generate", "x", "--source", "b.zip"])
        .fails_with("templates of Go");
}

#[test]
fn wrong_words_are_told() {
    let world = World::new();
    world
        .nats(&["pubb"])
        .fails_with("unrecognized subcommand 'pubb'");
    world.nats(&["pub"]).fails_with("<SUBJECT>");
    for (args, expected) in [
        (&["kv"][..], "  put      Puts a value into a key"),
        (&["stream", "cluster"], "  step-down"),
    ] {
        let ended = world.nats(args);
        assert!(!ended.stderr.contains("--socks-proxy"), "{}", ended.stderr);
        ended.fails_with(expected);
    }
    // What the environment says is not told as if it had to be given.
    let mut command = world.command(&["pub"]);
    let ended = command.env("NATS_USER", "ann").output().expect("it runs");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        told.contains("Usage: nats publish [OPTIONS] <SUBJECT> [BODY]"),
        "{told}"
    );
    world
        .nats(&["pub", "a", "b", "--coun", "2"])
        .fails_with("--count");
    world
        .nats(&["rtt", "--timeout", "soon"])
        .fails_with("invalid duration \"soon\"");
}

#[test]
fn shells_get_their_completion() {
    let world = World::new();
    for (shell, word) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef nats"),
        ("fish", "complete -c nats"),
    ] {
        let script = world.nats(&["completion", shell]).ok().stdout;
        assert!(script.contains(word), "{shell}");
        assert_eq!(
            world
                .nats(&[&format!("--completion-script-{shell}")])
                .ok()
                .stdout,
            script
        );
    }
    world.nats(&["completion", "csh"]).fails_with("csh");
}

#[test]
fn manual_pages_are_written() {
    let world = World::new();
    let page = world.nats(&["man"]).ok().stdout;
    assert!(page.contains(".TH nats 1"), "{page}");
    world.nats(&["man", "pages"]).ok();
    assert!(world.dir().join("pages/nats-kv-add.1").is_file());
    world.file("in-the-way", b"");
    world.nats(&["man", "in-the-way"]).fails_with("in-the-way");
}

#[test]
fn cheat_sheets_are_found_by_topic() {
    let world = World::new();
    assert!(
        world
            .nats(&["cheat", "kv"])
            .ok()
            .stdout
            .contains("nats kv put CONFIG username bob")
    );
    assert!(
        world
            .nats(&["cheat", "--list"])
            .ok()
            .stdout
            .contains("subscribe\n")
    );
    world
        .nats(&["cheat", "cooking"])
        .fails_with("no cheat sheet");
}

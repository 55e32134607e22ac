//! Core messages: publish, subscribe, request, reply.

use crate::support::{World, normalise};

#[test]
fn messages_are_shown_as_they_come() {
    let world = World::new();
    let mut sub = world.spawn(&["sub", "foo", "bar.*", "--count", "3"]);
    sub.wait_for("Subscribing on foo, bar.*");
    world.wait_for_interest("foo", 1);
    world.wait_for_interest("bar.1", 1);
    let published = world
        .nats(&[
            "pub",
            "foo",
            "hello {{Count}}",
            "--count",
            "2",
            "-H",
            "x:y",
            "--reply",
            "r",
        ])
        .ok();
    assert_eq!(
        normalise(&published.stderr),
        "<clock> Published 7 bytes to \"foo\"\n".repeat(2)
    );
    world
        .nats_with_input(&["pub", "bar.1", "-q"], b"from\nstdin")
        .ok();
    let expected = "<clock> Subscribing on foo, bar.* \n\
                    [#1] Received on \"foo\" with reply \"r\"\nx: y\n\nhello 1\n\n\n\
                    [#2] Received on \"foo\" with reply \"r\"\nx: y\n\nhello 2\n\n\n\
                    [#3] Received on \"bar.1\"\nfrom\nstdin\n\n\n";
    assert_eq!(normalise(&sub.wait()), expected);
}

#[test]
fn output_is_as_much_as_is_wanted() {
    let world = World::new();
    let mut raw = world.spawn(&[
        "sub",
        "foo",
        "--raw",
        "--count",
        "2",
        "--translate",
        "tr a-z A-Z",
    ]);
    let mut subjects = world.spawn(&["sub", "foo", "--subjects-only", "--count", "2", "-I", "bar"]);
    let mut queued = world.spawn(&[
        "sub",
        "foo",
        "--queue",
        "q",
        "--count",
        "2",
        "--headers-only",
    ]);
    // A subscription is there when what is published comes through it.
    cognate_conformance::wait::until("all subscribers to have enough", || {
        world.nats(&["pub", "foo", "body", "-H", "k:v"]).ok();
        (raw.has_ended() && subjects.has_ended() && queued.has_ended()).then_some(())
    });
    assert_eq!(raw.wait(), "BODY\nBODY\n");
    assert!(
        subjects
            .wait()
            .contains("[#1] Received on \"foo\"\n[#2] Received on \"foo\"\n")
    );
    let queued = queued.wait();
    assert!(
        queued.contains("k: v\n") && !queued.contains("body"),
        "{queued}"
    );
}

#[test]
fn lines_of_standard_input_are_messages() {
    let world = World::new();
    let mut sub = world.spawn(&["sub", "foo", "--count", "2", "--dump", "-"]);
    cognate_conformance::wait::until("two messages", || {
        world
            .nats_with_input(&["pub", "foo", "--send-on", "newline", "-q"], b"one\ntwo\n")
            .ok();
        sub.has_ended().then_some(())
    });
    let out = sub.wait();
    let messages: Vec<_> = out.split('\0').filter(|part| part.contains('{')).collect();
    assert_eq!(messages.len(), 2, "{out}");
    assert!(messages[1].contains("\"Data\":\"dHdv\""), "{out}");
    world
        .nats(&["sub", "foo", "--dump", "-", "-i"])
        .fails_with("not compatible with dumping");
}

#[test]
fn requests_are_answered() {
    let world = World::new();
    let greet = world.spawn(&["reply", "greet.*", "hi {{.Request}} {{Count}}"]);
    greet.wait_for("Listening on \"greet.*\" in group \"NATS-RPLY-22\"");
    world.wait_for_interest("greet.me", 1);
    let answer = world.nats(&["req", "greet.me", "joe"]).ok();
    assert_eq!(answer.stdout, "hi joe 0\n\n");
    assert!(
        answer.stderr.contains("Sending request on \"greet.me\"")
            && answer.stderr.contains("Received with rtt ")
    );
    assert_eq!(
        world.nats(&["req", "greet.me", "joe", "--raw"]).ok().stdout,
        "hi joe 1\n"
    );
    let command = world.spawn(&[
        "reply",
        "echo.>",
        "--command",
        "echo {{1}} {{.Request}}",
        "--count",
        "1",
    ]);
    command.wait_for("Listening");
    world.wait_for_interest("echo.you", 1);
    // A request is one argument of the command, whatever it holds.
    assert_eq!(
        world
            .nats(&["req", "echo.you", "a; 'b", "--raw"])
            .ok()
            .stdout,
        "you a; 'b\n"
    );
    let echo = world.spawn(&["reply", "mirror", "--echo"]);
    echo.wait_for("Listening");
    world.wait_for_interest("mirror", 1);
    let answer = world.nats(&["req", "mirror", "x", "-H", "k:v"]).ok();
    assert!(
        answer.stderr.contains("k: v") && answer.stderr.contains("NATS-Reply-Counter: 0"),
        "{}",
        answer.stderr
    );
    // All replies that come within the time: how many these are is not for a test to say.
    let all = ["req", "mirror", "x", "--replies", "0", "--timeout", "300ms"];
    cognate_conformance::wait::until("a reply in time", || {
        let answer = world.nats(&all).ok();
        answer.stderr.contains("NATS-Reply-Counter: ").then_some(())
    });
}

#[test]
fn nobody_there_is_a_failure() {
    let world = World::new();
    world
        .nats(&["req", "nobody", "x"])
        .fails_with("No responders are available on \"nobody\"");
    let _silent = world.spawn(&["sub", "silent"]);
    world.wait_for_interest("silent", 1);
    cognate_conformance::wait::until("the subscription to be there", || {
        let ended = world.nats(&["req", "silent", "x", "--timeout", "100ms"]);
        ended
            .stderr
            .contains("no reply on \"silent\" within 100ms")
            .then_some(())
    });
    world
        .nats(&["pub", "foo", "{{Bogus}}"])
        .fails_with("unknown template {{Bogus}}");
    world
        .nats(&["pub", "foo", "x", "-H", "nothing"])
        .fails_with("invalid header");
    world.nats(&["sub"]).fails_with("subject is required");
    world
        .nats(&["sub", "a", "-t", "-d"])
        .fails_with("cannot be used with");
    world
        .nats(&["reply", "a", "-H", "nothing"])
        .fails_with("invalid header");
}

#[test]
fn replies_are_matched_to_requests() {
    let world = World::new();
    let mut sub = world.spawn(&["sub", "svc", "--match-replies", "--count", "1"]);
    world.wait_for_interest("svc", 1);
    world.wait_for_interest("_INBOX.x.y", 1);
    let _service = world.spawn(&["reply", "svc", "pong"]);
    world.wait_for_interest("svc", 2);
    world.nats(&["req", "svc", "ping"]).ok();
    let out = sub.wait();
    assert!(
        out.contains("[#1] Received on \"svc\" with reply \"_INBOX.")
            && out.contains("Matched reply on"),
        "{out}"
    );
    assert!(out.contains("ping") && out.contains("pong"), "{out}");
}

#[test]
fn active_subjects_are_reported() {
    let world = World::new();
    let mut sub = world.spawn(&["sub", "s.>", "--report-subjects", "--count", "3", "--raw"]);
    cognate_conformance::wait::until("the report", || {
        world
            .nats(&["pub", "s.{{Count}}", "12345", "--count", "2"])
            .ok();
        sub.has_ended().then_some(())
    });
    let out = sub.wait();
    assert!(
        out.contains("Top 10 Active Subjects Report")
            && out.contains("│ Totals  │             3 │ 15 B"),
        "{out}"
    );
}

/// A second is when something else is drawn, too: that is no message.
#[test]
fn a_quiet_subscription_ends() {
    let world = World::new();
    let add = ["stream", "add", "S", "--subjects", "s", "--defaults"];
    world.nats(&add).ok();
    world.nats(&["pub", "s", "stored", "-J"]).ok();
    for args in [
        &["sub", "foo"][..],
        &["sub", "foo", "--report-subjects"],
        &["sub", "--stream", "S", "--all", "--raw"],
        &["sub", "--stream", "S", "--all", "--report-subjects"],
    ] {
        let mut sub = world.spawn(&[args, &["--wait", "1100ms"]].concat());
        sub.wait();
    }
}

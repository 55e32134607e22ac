//! Every -ERR text, what is closed silently, and what is only said aloud.

use cognate_conformance::Server;

use crate::support::{Closed, End, HEADERS, Open, QUIET, check};

#[test]
fn malformed_arguments_close_without_a_word() {
    let server = Server::start();
    let silent = |name, script: &'static [u8]| (name, script, "", Closed);
    check(
        &server,
        QUIET,
        &[
            silent("PUB without size", b"PUB a\r\n"),
            silent("PUB with nothing but a space", b"PUB \r\n"),
            silent("PUB with four words", b"PUB a b c 1\r\n"),
            silent("negative size", b"PUB a -1\r\n"),
            silent("a sign", b"PUB a +2\r\nab\r\n"),
            silent("letters for a size", b"PUB a x\r\n"),
            silent("letters in a size", b"PUB a 2x\r\nab\r\n"),
            silent("a size of ten digits", b"PUB a 1234567890\r\n"),
            silent("a size beyond 64 bits", b"PUB a 99999999999999999999\r\n"),
            silent("SUB without sid", b"SUB a\r\n"),
            silent("SUB with nothing but a space", b"SUB \r\n"),
            silent("SUB with four words", b"SUB a b c d\r\n"),
            silent("UNSUB with nothing but a space", b"UNSUB \r\n"),
            silent("UNSUB with three words", b"UNSUB 1 2 3\r\n"),
            silent(
                "HPUB without headers negotiated",
                b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
            ),
        ],
    );
    check(
        &server,
        HEADERS,
        &[
            silent("HPUB without sizes", b"HPUB a\r\n"),
            silent("HPUB with one size", b"HPUB a 1\r\n"),
            silent("HPUB with five words", b"HPUB a b c d 1\r\n"),
            silent("HPUB header larger than the whole", b"HPUB a 20 14\r\n"),
            silent("HPUB negative header", b"HPUB a -1 2\r\nhi\r\n"),
            silent("HPUB header not a number", b"HPUB a x 12\r\n"),
            silent("HPUB total not a number", b"HPUB a 1 x\r\n"),
        ],
    );
}

#[test]
fn silent_closes_are_explained_in_connz_and_in_the_log() {
    let server = Server::monitored();
    for (script, reason, log) in [
        (
            "PUB a -1\r\n",
            "Protocol Violation",
            "processPub Bad or Missing Size: \"a -1\"",
        ),
        (
            "SUB a\r\n",
            "Protocol Violation",
            "processSub Parse Error: \"a\"",
        ),
        (
            "UNSUB 1 2 3\r\n",
            "Protocol Violation",
            "processUnsub Parse Error: \"1 2 3\"",
        ),
        ("CONNECT {x\r\n", "Protocol Violation", ""),
        ("FOO\r\n", "Protocol Violation", "Client parser ERROR"),
        ("-ERR 'x'\r\n", "Parse Error", "Client Error 'x'"),
        (
            "HPUB a 12 12\r\n",
            "Protocol Violation",
            "message headers not supported",
        ),
        (
            "PUB a 1048577\r\n",
            "Maximum Message Payload Exceeded",
            "maximum payload exceeded: 1048577 vs 1048576",
        ),
        (
            "CONNECT {\"protocol\":2}\r\n",
            "Bad Client Protocol Version",
            "invalid client protocol",
        ),
        (
            "CONNECT {\"no_responders\":true}\r\n",
            "No Responders Requires Headers",
            "",
        ),
    ] {
        let mut client = server.connect();
        let cid = client.cid();
        let _ = client.try_send(script);
        client.rest();
        assert_eq!(server.close_reason(cid), reason, "{script:?}");
        server.wait_log(log);
    }
    let long = format!("SUB {} 1\r\n", "a".repeat(5000));
    let mut client = server.connect();
    let cid = client.cid();
    let _ = client.try_send(long);
    client.rest();
    assert_eq!(server.close_reason(cid), "Maximum Control Line Exceeded");
    let left = server.connect();
    let cid = left.cid();
    drop(left);
    assert_eq!(server.close_reason(cid), "Client Closed");
}

#[test]
fn invalid_subjects_are_refused_and_the_connection_goes_on() {
    let server = Server::start();
    let refused = |name, script: &'static [u8]| (name, script, "-ERR 'Invalid Subject'\r\n", Open);
    check(
        &server,
        QUIET,
        &[
            refused("trailing dot", b"SUB a. 1\r\n"),
            refused("leading dot", b"SUB .a 1\r\n"),
            refused("double dot", b"SUB a..b 1\r\n"),
            refused("only a dot", b"SUB . 1\r\n"),
            refused("> not last", b"SUB >.a 1\r\n"),
            refused("> in the middle", b"SUB a.>.b 1\r\n"),
            refused("with a queue", b"SUB a..b q 1\r\n"),
        ],
    );
}

#[test]
fn invalid_publish_subjects_matter_only_to_the_pedantic() {
    let server = Server::start();
    let invalid = "-ERR 'Invalid Publish Subject'\r\n";
    check(
        &server,
        "CONNECT {\"verbose\":false,\"pedantic\":true}\r\n",
        &[
            ("wildcard", b"PUB a.* 0\r\n\r\n", invalid, Open),
            ("full wildcard", b"PUB a.> 0\r\n\r\n", invalid, Open),
            ("empty token", b"PUB a..b 0\r\n\r\n", invalid, Open),
            ("trailing dot", b"PUB a. 0\r\n\r\n", invalid, Open),
            (
                "the reply is not looked at",
                b"PUB a b..c 0\r\n\r\nPUB a b.* 0\r\n\r\n",
                "",
                Open,
            ),
            (
                "embedded wildcards are literals",
                b"PUB a*b.c>d 0\r\n\r\n",
                "",
                Open,
            ),
            (
                "the message is delivered all the same",
                b"SUB a.* 1\r\nPUB a.* 1\r\nx\r\n",
                "-ERR 'Invalid Publish Subject'\r\nMSG a.* 1 1\r\nx\r\n",
                Open,
            ),
        ],
    );
    check(
        &server,
        QUIET,
        &[
            (
                "quietly taken",
                b"PUB a.> 0\r\n\r\nPUB a..b 0\r\n\r\nPUB .a 0\r\n\r\nPUB . 0\r\n\r\n",
                "",
                Open,
            ),
            (
                "empty tokens match no wildcard",
                b"SUB > 1\r\nSUB a.* 2\r\nPUB a. 0\r\n\r\nPUB a..b 0\r\n\r\n",
                "",
                Open,
            ),
        ],
    );
}

#[test]
fn reserved_subjects() {
    let server = Server::start();
    let reply = |name: &str| {
        format!("-ERR 'Permissions Violation for Publish with Reply of \"{name}\"'\r\n")
    };
    check(
        &server,
        QUIET,
        &[
            ("reply _R_.", b"SUB a 1\r\nPUB a _R_.x 0\r\n\r\n", &reply("_R_.x"), Open),
            ("reply $JS.ACK.", b"SUB a 1\r\nPUB a $JS.ACK.x 0\r\n\r\n", &reply("$JS.ACK.x"), Open),
            ("reply _GR_.", b"SUB a 1\r\nPUB a _GR_.x 0\r\n\r\n", &reply("_GR_.x"), Open),
            ("$NRG. is the servers' own", b"PUB $NRG.x 0\r\n\r\n", "-ERR 'Permissions Violation for Publish to \"$NRG.x\"'\r\n", Open),
            ("others are ordinary", b"SUB $SYS.> 1\r\nSUB $JS.x 2\r\nPUB $SYS.a 0\r\n\r\nPUB $JS.x 0\r\n\r\nPUB _R_.x 0\r\n\r\n", "MSG $SYS.a 1 0\r\n\r\nMSG $JS.x 2 0\r\n\r\n", Open),
            (
                "queue _sys_",
                b"SUB a _sys_ 1\r\nPUB a 0\r\n\r\n",
                "-ERR 'Permissions Violation for Subscription to \"a\" using queue \"_sys_\"'\r\n",
                Open,
            ),
        ],
    );
}

#[test]
fn a_payload_over_the_maximum_is_refused_at_its_control_line() {
    let server = Server::builder().config("max_payload: 100").start();
    let text = "-ERR 'Maximum Payload Violation'\r\n";
    let whole = format!("SUB a 1\r\nPUB a 100\r\n{0}\r\n", "x".repeat(100));
    let answer = format!("MSG a 1 100\r\n{}\r\n", "x".repeat(100));
    check(
        &server,
        HEADERS,
        &[
            ("exactly the maximum", whole.as_bytes(), &answer, Open),
            ("one more", b"PUB a 101\r\n", text, Closed),
            ("nine digits", b"PUB a 999999999\r\n", text, Closed),
            ("headers count", b"HPUB a 12 101\r\n", text, Closed),
        ],
    );
}

#[test]
fn a_control_line_over_the_maximum_closes() {
    let server = Server::builder().config("max_control_line: 64").start();
    let text = "-ERR 'maximum control line exceeded'\r\n";
    // The limit is on what follows the verb, without the line end.
    let line = |verb: &str, rest: &str, len: usize| {
        format!("{verb} {}{rest}\r\n", "a".repeat(len - rest.len()))
    };
    let quiet = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";
    let fits = [
        line("SUB", " 1", 64),
        format!("{}\r\n", line("PUB", " 0", 64)),
        line("UNSUB", "", 64),
    ];
    let exceeds = [
        line("SUB", " 1", 65),
        line("PUB", " 0", 65),
        line("UNSUB", "", 65),
        line("CONNECT", "", 65),
    ];
    let mut table: Vec<(&str, &[u8], &str, End)> = Vec::new();
    table.extend(
        fits.iter()
            .map(|line| (line.as_str(), line.as_bytes(), "", Open)),
    );
    table.extend(
        exceeds
            .iter()
            .map(|line| (line.as_str(), line.as_bytes(), text, Closed)),
    );
    check(&server, quiet, &table);
    // A line that never ends is refused as soon as it is too long.
    let endless = "SUB ".to_owned() + &"a".repeat(200);
    check(
        &server,
        quiet,
        &[("endless", endless.as_bytes(), text, Closed)],
    );
}

#[test]
fn payloads_and_pings_are_no_control_lines() {
    let server = Server::builder().config("max_control_line: 64").start();
    // What follows PING is ignored; whether its length counts as a control line's is left open,
    // because nats-server reads it without a bound.
    let script = format!(
        "PING{}\r\nPUB a 500\r\n{}\r\n",
        "x".repeat(50),
        "y".repeat(500)
    );
    check(
        &server,
        QUIET,
        &[("long", script.as_bytes(), "PONG\r\n", Open)],
    );
}

#[test]
fn what_one_client_breaks_others_do_not_feel() {
    let server = Server::start();
    let mut healthy = crate::support::subscribed(&server, "SUB a 1\r\n");
    for garbage in [
        "FOO\r\n",
        "PUB a -1\r\n",
        "PUB a 5\r\nabc",
        "\0\0\0\0",
        "CONNECT {\r\n",
    ] {
        let mut bad = server.connect();
        let _ = bad.try_send(garbage);
        bad.shutdown();
    }
    server.quiet().send("PUB a 2\r\nok\r\n").sync();
    healthy.expect("MSG a 1 2\r\nok\r\n").sync();
}

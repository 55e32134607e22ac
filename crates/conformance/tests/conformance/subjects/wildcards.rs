//! Which filter matches which subject.

use cognate_conformance::Server;

use crate::support::{Open, QUIET, check};

/// (filter, subject, does it match)
const TABLE: &[(&str, &str, bool)] = &[
    ("a", "a", true),
    ("a", "A", false),
    ("a", "a.b", false),
    ("a.b", "a.b", true),
    ("*", "a", true),
    ("*", "a.b", false),
    ("a.*", "a.b", true),
    ("a.*", "a", false),
    ("a.*", "a.b.c", false),
    ("*.b", "a.b", true),
    ("*.b", "a.c", false),
    ("a.*.c", "a.b.c", true),
    ("a.*.c", "a.b.d", false),
    ("*.*.*", "a.b.c", true),
    ("*.*.*", "a.b", false),
    (">", "a", true),
    (">", "a.b.c.d.e.f.g", true),
    ("a.>", "a.b", true),
    ("a.>", "a.b.c.d", true),
    ("a.>", "a", false),
    ("a.>", "b.c", false),
    ("*.>", "a", false),
    ("*.>", "a.b.c", true),
    ("a.*.>", "a.b", false),
    ("a.*.>", "a.b.c", true),
    // Wildcard characters inside a longer token are ordinary characters.
    ("a.*b", "a.xb", false),
    ("a.*b", "a.*b", true),
    ("a>.c", "a>.c", true),
    ("a>.c", "ab.c", false),
    ("a**", "a**", true),
    ("**", "ab", false),
    (">>", "a", false),
    (">>", ">>", true),
    ("*.*", "a>.*c", true),
    // A wildcard in a published subject is an ordinary token of that name.
    ("a.*", "a.*", true),
    ("a.*", "a.>", true),
    ("a.b", "a.*", false),
    ("$SYS.>", "$SYS.x", true),
    ("_INBOX.a.*", "_INBOX.a.1", true),
    ("a-b_c/d:e", "a-b_c/d:e", true),
];

#[test]
fn filters_match_subjects_token_by_token() {
    let server = Server::start();
    for &(filter, subject, matches) in TABLE {
        let script = format!("SUB {filter} 1\r\nPUB {subject} 1\r\nx\r\n");
        let answer = if matches {
            format!("MSG {subject} 1 1\r\nx\r\n")
        } else {
            String::new()
        };
        check(
            &server,
            QUIET,
            &[(
                &format!("{filter} and {subject}"),
                script.as_bytes(),
                &answer,
                Open,
            )],
        );
    }
}

#[test]
fn queue_filters_match_the_same_way() {
    let server = Server::start();
    // Each row has a group of its own, lest a member that is about to leave takes the message.
    for (row, &(filter, subject, matches)) in TABLE.iter().enumerate() {
        let script = format!("SUB {filter} q{row} 1\r\nPUB {subject} 1\r\nx\r\n");
        let answer = if matches {
            format!("MSG {subject} 1 1\r\nx\r\n")
        } else {
            String::new()
        };
        check(
            &server,
            QUIET,
            &[(
                &format!("{filter} and {subject}"),
                script.as_bytes(),
                &answer,
                Open,
            )],
        );
    }
}

#[test]
fn every_matching_filter_of_a_connection_gets_its_own_copy() {
    let server = Server::start();
    let mut client = server.quiet();
    let filters = [
        "a.b.c", "a.b.*", "a.*.c", "*.b.c", "*.*.*", "a.>", "a.b.>", ">",
    ];
    for (sid, filter) in filters.iter().enumerate() {
        client.send(format!("SUB {filter} {sid}\r\n"));
    }
    client.send("SUB a.b 98\r\nSUB a.b.c.d 99\r\nPUB a.b.c 0\r\n\r\n");
    let mut sids: Vec<usize> = client
        .messages_until_pong()
        .into_iter()
        .map(|message| message.sid.parse().expect("a number"))
        .collect();
    sids.sort_unstable();
    assert_eq!(sids, (0..filters.len()).collect::<Vec<_>>());
}

#[test]
fn interest_that_appears_and_disappears_is_seen_at_once() {
    // The same subject again and again, so that anything the server remembers of it goes stale.
    let server = Server::start();
    let mut client = server.quiet();
    for round in 0..50 {
        let filter = ["hot.x", "hot.*", ">"][round % 3];
        client.send("PUB hot.x 4\r\nnone\r\n");
        client.send(format!(
            "SUB {filter} {round}\r\nPUB hot.x 3\r\none\r\nUNSUB {round}\r\n"
        ));
        client.send("PUB hot.x 4\r\nnone\r\n");
        client
            .expect(format!("MSG hot.x {round} 3\r\none\r\n"))
            .sync();
    }
}

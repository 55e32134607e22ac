//! Subject mappings of the default account, as the configuration declares them.

use std::collections::HashMap;

use cognate_conformance::{Server, cli};

/// (source, destination, published, delivered)
const FUNCTIONS: &[(&str, &str, &str, &str)] = &[
    ("simple", "target", "simple", "target"),
    ("w.*.*", "x.$2.{{wildcard(1)}}", "w.a.b", "x.b.a"),
    ("full.>", "f.>", "full.x.y", "f.x.y"),
    ("fullw.*.>", "f.$1.>", "fullw.x.y.z", "f.x.y.z"),
    ("p.*", "part.{{partition(3,1)}}.$1", "p.foo", "part.0.foo"),
    ("p.*", "part.{{partition(3,1)}}.$1", "p.bar", "part.2.bar"),
    ("pa.*", "pall.{{Partition( 5 )}}", "pa.foo", "pall.1"),
    ("sp.*", "s.{{split(1,-)}}", "sp.a-b-c", "s.a.b.c"),
    ("sp.*", "s.{{split(1,-)}}", "sp.-a-", "s.a"),
    ("sl.*", "s.{{SplitFromLeft(1,2)}}", "sl.abcd", "s.ab.cd"),
    ("sl.*", "s.{{SplitFromLeft(1,2)}}", "sl.a", "s.a"),
    ("sr.*", "s.{{splitfromright(1,2)}}", "sr.abcde", "s.abc.de"),
    (
        "cl.*",
        "s.{{slicefromleft(1,3)}}",
        "cl.abcdefgh",
        "s.abc.def.gh",
    ),
    (
        "cr.*",
        "s.{{SliceFromRight(1,3)}}",
        "cr.abcdefgh",
        "s.ab.cde.fgh",
    ),
];

#[test]
fn functions_rewrite_subjects() {
    let config: String = FUNCTIONS
        .iter()
        .fold("mappings {\n".to_owned(), |text, row| {
            format!("{text}  \"{}\": \"{}\"\n", row.0, row.1)
        })
        + "}\n";
    let server = Server::builder().config(&config).start();
    let mut client = crate::support::subscribed(&server, "SUB > 1\r\n");
    for (_, _, published, delivered) in FUNCTIONS {
        client.send(format!("PUB {published} r.x 1\r\nx\r\n"));
        client
            .expect(format!("MSG {delivered} 1 r.x 1\r\nx\r\n"))
            .sync();
    }
}

#[test]
fn a_mapped_subject_no_longer_reaches_its_own_subscribers() {
    let server = Server::builder()
        .config("mappings { simple: target, chain: simple }")
        .start();
    let mut client = crate::support::subscribed(&server, "SUB simple 1\r\nSUB target 2\r\n");
    client.send("PUB simple 0\r\n\r\nPUB target 0\r\n\r\n");
    client
        .expect("MSG target 2 0\r\n\r\nMSG target 2 0\r\n\r\n")
        .sync();
    // A mapping is applied once, not to its own result.
    client
        .send("PUB chain 0\r\n\r\n")
        .expect("MSG simple 1 0\r\n\r\n")
        .sync();
}

#[test]
fn missing_responders_are_reported_for_the_mapped_subject() {
    let server = Server::builder()
        .config("mappings { simple: target }")
        .start();
    let mut client = server.connect();
    client
        .send(crate::support::HEADERS)
        .send("SUB r 1\r\nPUB simple r 0\r\n\r\n");
    client
        .expect("HMSG r 1 38 38\r\nNATS/1.0 503\r\nNats-Subject: target\r\n\r\n\r\n")
        .sync();
}

#[test]
fn weights_spread_messages_and_can_lose_some() {
    let server = Server::builder()
        .config(
            "mappings {\n\
             half: [ {destination: one, weight: 50}, {destination: two, weight: 50%} ]\n\
             rest: [ {destination: kept, weight: 50%} ]\n\
             lossy: [ {destination: lossy, weight: 50%} ]\n\
             \"dice.*\": \"rolled.{{random(2)}}\"\n}",
        )
        .start();
    let mut client = crate::support::subscribed(&server, "SUB > 1\r\n");
    let mut count = |subject: &str| {
        client.send(format!("PUB {subject} 0\r\n\r\n").repeat(400));
        let mut counts: HashMap<String, usize> = HashMap::new();
        for message in client.messages_until_pong() {
            *counts.entry(message.subject).or_default() += 1;
        }
        counts
    };
    // 200 expected each with a standard deviation of 10.
    let fair = |count: usize| (120..=280).contains(&count);
    let half = count("half");
    assert!(
        half.len() == 2 && fair(half["one"]) && half["one"] + half["two"] == 400,
        "{half:?}"
    );
    let rest = count("rest");
    assert!(
        rest.len() == 2 && fair(rest["kept"]) && rest["kept"] + rest["rest"] == 400,
        "{rest:?}"
    );
    let lossy = count("lossy");
    assert!(lossy.len() == 1 && fair(lossy["lossy"]), "{lossy:?}");
    let dice = count("dice.x");
    assert!(
        dice.len() == 2 && fair(dice["rolled.0"]) && fair(dice["rolled.1"]),
        "{dice:?}"
    );
}

#[test]
fn a_source_given_twice_counts_as_given_last() {
    let server = Server::builder()
        .config(
            "mappings {\n\
             a: first, a: second\n\
             \"b.*\": [ {destination: \"first.$1\", weight: 50} ]\n\
             \"b.*\": \"second.$1\"\n}",
        )
        .start();
    let mut client = crate::support::subscribed(&server, "SUB > 1\r\n");
    client
        .send("PUB a 0\r\n\r\nPUB b.x 0\r\n\r\n".repeat(20))
        .expect("MSG second 1 0\r\n\r\nMSG second.x 1 0\r\n\r\n".repeat(20))
        .sync();
}

/// What holds for one cluster only is left out in a server of none: its weights are not shared out
/// among the rest, and a source that has nothing else stays as it is. One that lists itself wants
/// loss, wherever it does.
#[test]
fn destinations_of_another_cluster_count_for_nothing() {
    let server = Server::builder()
        .config(
            "mappings {\n\
             only: [ {destination: far, weight: 100, cluster: elsewhere} ]\n\
             \"both.*\": [\n\
               {destination: \"far.$1\", weight: 100%, cluster: elsewhere}\n\
               {destination: \"near.$1\", weight: 100% }\n\
             ]\n\
             part: [\n\
               {destination: far, weight: 60, cluster: elsewhere}\n\
               {destination: near, weight: 0 }\n\
             ]\n\
             lost: [\n\
               {destination: far, weight: 50, cluster: elsewhere}\n\
               {destination: lost, weight: 50, cluster: elsewhere}\n\
             ]\n}",
        )
        .start();
    let mut client = crate::support::subscribed(&server, "SUB > 1\r\n");
    let all = ["only", "both.x", "part", "lost"];
    let publishes: String = all.map(|it| format!("PUB {it} 0\r\n\r\n")).concat();
    let expected = ["only", "near.x", "part"];
    let messages: String = expected.map(|it| format!("MSG {it} 1 0\r\n\r\n")).concat();
    client
        .send(publishes.repeat(20))
        .expect(messages.repeat(20))
        .sync();
}

#[test]
fn wrong_mappings_are_refused_at_start() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (mapping, complaint) in [
        ("a: \"b.*\"", "invalid subject"),
        ("\"a.>\": b", "invalid subject"),
        ("\"a.*\": \"b.$2\"", "wildcard index out of range"),
        ("\"a.*\": \"b.{{foo(1)}}\"", "unknown function"),
        ("\"a.*\": \"b.{{split(1)}}\"", "not enough arguments"),
        (
            "a: [ {destination: b, weight: 60}, {destination: c, weight: 60} ]",
            "total weight needs to be <= 100",
        ),
        ("a: [ {destination: b, weight: 101} ]", "Invalid weight 101"),
        ("\"a..b\": c", "\"a..b\" is not a valid subject"),
    ] {
        let path = dir.path().join("server.conf");
        std::fs::write(&path, format!("mappings {{ {mapping} }}\n")).expect("a writable file");
        let done = cli::run(["-t".as_ref(), "-c".as_ref(), path.as_os_str()]);
        assert_eq!(done.code, Some(1), "{mapping}: {}", done.stderr);
        let said = done.stderr.to_lowercase();
        assert!(
            said.contains(&complaint.to_lowercase()),
            "{mapping}: {}",
            done.stderr
        );
    }
}

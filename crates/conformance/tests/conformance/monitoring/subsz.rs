//! `/subsz`: the subscriptions of all connections.

use cognate_conformance::Server;
use serde_json::Value;

use crate::support::subscribed;

#[test]
fn the_counters_are_there_and_count() {
    let server = Server::monitored();
    let number = |name: &str| {
        server.json("/subsz")[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name}"))
    };
    for name in [
        "num_subscriptions",
        "num_cache",
        "num_inserts",
        "num_removes",
        "num_matches",
        "cache_hit_rate",
        "max_fanout",
        "avg_fanout",
        "total",
        "offset",
        "limit",
    ] {
        number(name);
    }
    let (subscriptions, inserts, removes) = (
        number("num_subscriptions"),
        number("num_inserts"),
        number("num_removes"),
    );
    let mut client = subscribed(&server, "SUB foo 1\r\nSUB foo.* q 2\r\nSUB bar 3\r\n");
    assert_eq!(number("num_subscriptions"), subscriptions + 3.0);
    assert_eq!(number("num_inserts"), inserts + 3.0);
    client.send("UNSUB 1\r\n").sync();
    assert_eq!(number("num_subscriptions"), subscriptions + 2.0);
    assert_eq!(number("num_removes"), removes + 1.0);
    let subsz = server.json("/subsz");
    assert!(subsz.get("subscriptions_list").is_none());
    assert_eq!(subsz["limit"], 1024);
    assert_eq!(
        server.json("/subscriptionsz")["num_subscriptions"],
        subsz["num_subscriptions"]
    );
}

/// The server may have subscriptions of its own; those of clients begin with `foo`.
fn listed(server: &Server, query: &str) -> Vec<Value> {
    let subsz = server.json(query);
    let list = subsz["subscriptions_list"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut list: Vec<Value> = list
        .into_iter()
        .filter(|detail| {
            detail["subject"]
                .as_str()
                .is_some_and(|subject| subject.starts_with("foo"))
        })
        .collect();
    list.sort_by_key(|detail| detail["sid"].to_string());
    list
}

#[test]
fn subscriptions_are_listed_on_request() {
    let server = Server::monitored();
    let client = subscribed(&server, "SUB foo 1\r\nSUB foo.* q 2\r\nUNSUB 2 10\r\n");
    server
        .quiet()
        .send("PUB foo 0\r\n\r\nPUB foo 0\r\n\r\n")
        .sync();
    for query in ["/subsz?subs=1", "/subsz?subs=1&acc=$G"] {
        let list = listed(&server, query);
        assert_eq!(list.len(), 2, "{query}: {list:?}");
        assert_eq!(
            (&list[0]["subject"], &list[0]["msgs"]),
            (&"foo".into(), &2.into())
        );
        assert_eq!(
            (&list[0]["account"], &list[0]["cid"]),
            (&"$G".into(), &client.cid().into())
        );
        assert_eq!(
            (&list[1]["qgroup"], &list[1]["max"]),
            (&"q".into(), &10.into())
        );
    }
    assert!(listed(&server, "/subsz?subs=1&acc=NOPE").is_empty());
}

#[test]
fn a_test_subject_finds_what_matches_it() {
    let server = Server::monitored();
    let _client = subscribed(&server, "SUB foo 1\r\nSUB foo.* 2\r\nSUB foo.bar q 3\r\n");
    for (subject, sids) in [
        ("foo", vec!["1"]),
        ("foo.bar", vec!["2", "3"]),
        ("foo.x", vec!["2"]),
        ("nothing", vec![]),
    ] {
        let query = format!("/subsz?subs=1&test={subject}");
        let found: Vec<String> = listed(&server, &query)
            .iter()
            .map(|detail| detail["sid"].as_str().expect("a sid").to_owned())
            .collect();
        assert_eq!(found, sids, "{subject}");
        assert_eq!(server.json(&query)["total"], sids.len(), "{subject}");
    }
}

#[test]
fn pages_are_cut_out_of_the_list() {
    let server = Server::monitored();
    let _client = subscribed(&server, "SUB foo.a 1\r\nSUB foo.b 2\r\nSUB foo.* 3\r\n");
    let page = |query: &str| {
        let subsz = server.json(&format!("/subsz?subs=1&test=foo.a&{query}"));
        let list = subsz["subscriptions_list"].as_array().map_or(0, Vec::len);
        (
            list,
            subsz["total"].clone(),
            subsz["offset"].clone(),
            subsz["limit"].clone(),
        )
    };
    assert_eq!(page("limit=1"), (1, 2.into(), 0.into(), 1.into()));
    assert_eq!(page("limit=1&offset=1"), (1, 2.into(), 1.into(), 1.into()));
    assert_eq!(page("offset=5"), (0, 2.into(), 5.into(), 1024.into()));
}

#[test]
fn what_the_server_listens_to_itself_can_be_told_apart() {
    let server = Server::builder()
        .monitored()
        .config(
            "accounts {\n\
             A { users: [{user: a, password: p}], exports: [{service: q}, {service: r}] }\n\
             B { users: [{user: b, password: p}], imports: [{service: {account: A, subject: q}},\n\
             {service: {account: A, subject: r}}] } }",
        )
        .start();
    let subsz = server.json("/subsz?subs=1&acc=B");
    let list = subsz["subscriptions_list"].as_array().expect("a list");
    let mut sids: Vec<_> = list.iter().map(|sub| sub["sid"].to_string()).collect();
    sids.sort();
    sids.dedup();
    assert_eq!(sids.len(), list.len(), "{subsz}");
    assert!(!sids.contains(&"\"\"".to_owned()), "{subsz}");
    let of = |subject: &str| list.iter().any(|sub| sub["subject"] == subject);
    assert!(of("q") && of("r"), "{subsz}");
}

//! `/connz`: fields, filters, orders, pages and lists of subscriptions.

use std::time::Duration;

use cognate_monitor::{ConnectionFacts, PeerCertificate};
use serde_json::{Value, json};

use crate::support::{
    Facts, Site, Subscription, at, closed, column, connection, fields, server_facts,
};

fn site(open: Vec<ConnectionFacts>, closed: Vec<ConnectionFacts>) -> Site {
    Site::of(Facts {
        server: server_facts(),
        open,
        closed,
        ..Facts::default()
    })
}

/// What nats-server 2.14.5 shows of a client that named itself and subscribed.
#[test]
fn a_connection_has_the_fields_of_nats_server_in_its_order() {
    let plain = "cid:n kind:s type:s ip:s port:n start:s last_activity:s rtt:s uptime:s idle:s \
        pending_bytes:n in_msgs:n out_msgs:n in_bytes:n out_bytes:n subscriptions:n";
    let everything = "cid:n kind:s type:s ip:s port:n start:s last_activity:s stop:s reason:s \
        rtt:s uptime:s idle:s pending_bytes:n in_msgs:n out_msgs:n in_bytes:n out_bytes:n \
        stalls:n subscriptions:n name:s lang:s version:s tls_version:s tls_cipher_suite:s \
        tls_peer_certs:a tls_first:b authorized_user:s account:s subscriptions_list:a \
        issuer_key:s name_tag:s tags:a mqtt_client:s proxy:o";
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let full = ConnectionFacts {
        stalls: 1,
        rtt: Duration::from_nanos(531_234),
        name: "n1".into(),
        lang: "py".into(),
        version: "1".into(),
        tls_version: "1.3".into(),
        tls_cipher_suite: "TLS_AES_128_GCM_SHA256".into(),
        tls_peer_certs: vec![PeerCertificate {
            subject: "CN=a".into(),
            spki_sha256: "00".into(),
            cert_sha256: "11".into(),
        }],
        tls_first: true,
        authorized_user: "alice".into(),
        account: "A".into(),
        issuer_key: "AK".into(),
        tags: vec!["t".into()],
        mqtt_client: "m".into(),
        proxy_key: "PK".into(),
        ..closed(7, "Client Closed")
    };
    let site = site(vec![connection(1)], vec![full]);
    let document = site.get("/connz");
    let top = "server_id:s now:s num_connections:n total:n offset:n limit:n connections:a";
    assert_eq!(fields(&document.body, 1), top);
    assert_eq!(fields(&document.body, 3), one_line(plain));
    let document = site.get("/connz?state=closed&auth=1&subs=1");
    assert_eq!(fields(&document.body, 3), one_line(everything));
    let shown = &document.json()["connections"][0];
    let expected = json!([{"subject": "CN=a", "spki_sha256": "00", "cert_sha256": "11"}]);
    assert_eq!(shown["tls_peer_certs"], expected);
    assert_eq!(
        (&shown["proxy"], &shown["rtt"]),
        (&json!({"key": "PK"}), &json!("531µs"))
    );
    assert_eq!(
        (&shown["uptime"], &shown["idle"]),
        (&json!("1m0s"), &json!("30s"))
    );
    assert_eq!(
        (&shown["account"], &shown["name_tag"]),
        (&json!("A"), &json!("A"))
    );
}

#[test]
fn who_a_connection_is_shows_with_auth_alone() {
    let mut alice = connection(1);
    alice.authorized_user = "alice".into();
    let mut gone = closed(2, "Stale Connection");
    gone.authorized_user = "bob".into();
    let site = site(vec![alice], vec![gone]);
    let hidden = site.get("/connz?state=any").body;
    assert!(
        !hidden.contains("alice") && !hidden.contains("name_tag"),
        "{hidden}"
    );
    let shown = site.json("/connz?state=any&auth=1")["connections"].take();
    assert_eq!(column(&shown, "authorized_user"), ["alice", "bob"]);
    // The global account is not named; its tag is shown for open connections, as nats-server does.
    assert_eq!(column(&shown, "account"), ["null", "null"]);
    assert_eq!(column(&shown, "name_tag"), ["$G", "null"]);
}

fn cids(document: &Value) -> String {
    column(&document["connections"], "cid").join(" ")
}

#[test]
fn states_and_filters_choose_connections() {
    let user = |mut facts: ConnectionFacts, user: &str, account: &str, mqtt: &str| {
        facts.authorized_user = user.into();
        facts.account = account.into();
        facts.mqtt_client = mqtt.into();
        facts
    };
    let open = vec![
        user(connection(3), "bob", "A", "m3"),
        user(connection(1), "alice", "$G", ""),
        user(connection(5), "bob", "$G", ""),
    ];
    let gone = vec![
        user(closed(2, "Client Closed"), "bob", "$G", "m2"),
        user(closed(4, "Stale Connection"), "alice", "A", ""),
    ];
    let site = site(open, gone);
    // The query, the connections, and the total: it counts states and accounts, nothing else.
    let check = |query: &str, expected: &str, total: u64| {
        let document = site.json(&format!("/connz?{query}"));
        assert_eq!(
            (&*cids(&document), &document["total"]),
            (expected, &json!(total)),
            "{query}"
        );
        let listed = expected.split_whitespace().count();
        assert_eq!(document["num_connections"], json!(listed), "{query}");
    };
    check("", "1 3 5", 3);
    check("state=open", "1 3 5", 3);
    check("state=CLOSED", "2 4", 2);
    check("state=any", "1 2 3 4 5", 5);
    check("state=all", "1 2 3 4 5", 5);
    check("user=bob", "3 5", 3);
    check("user=bob&state=any", "2 3 5", 5);
    check("user=b%ffb", "", 3);
    check("acc=A", "3", 1);
    check("acc=A&state=any", "3 4", 2);
    check("acc=$G&user=bob&state=any", "2 5", 3);
    check("acc=nope", "", 0);
    check("mqtt_client=m3", "3", 3);
    check("mqtt_client=m2&state=closed", "2", 2);
    check("cid=3", "3", 3);
    check("cid=2", "", 3);
    check("cid=2&state=any", "2", 5);
    check("cid=9999", "", 3);
    check("cid=0", "1 3 5", 3);
    assert_eq!(site.json("/connz?cid=3")["limit"], 1);
    assert_eq!(site.json("/connz?acc=nope")["connections"], json!([]));
}

#[test]
fn a_connection_that_closes_meanwhile_is_shown_once() {
    let site = site(
        vec![connection(1), connection(2)],
        vec![closed(2, "Client Closed")],
    );
    let document = site.json("/connz?state=any");
    assert_eq!((&*cids(&document), &document["total"]), ("1 2", &json!(2)));
    let reasons = column(&document["connections"], "reason");
    assert_eq!(reasons, ["null", "Client Closed"]);
}

#[test]
fn pages_are_cut_after_sorting() {
    let site = site((1..=10).rev().map(connection).collect(), Vec::new());
    let check = |query: &str, expected: &str, offset: u64, limit: u64| {
        let document = site.json(&format!("/connz?{query}"));
        assert_eq!(cids(&document), expected, "{query}");
        assert_eq!(document["total"], 10, "{query}");
        let page = (&document["offset"], &document["limit"]);
        assert_eq!(page, (&json!(offset), &json!(limit)), "{query}");
    };
    check("limit=3", "1 2 3", 0, 3);
    check("limit=3&offset=3", "4 5 6", 3, 3);
    check("limit=3&offset=9", "10", 9, 3);
    check("offset=10", "", 10, 1024);
    check(
        "offset=9223372036854775807",
        "",
        9_223_372_036_854_775_807,
        1024,
    );
    check("offset=-5&limit=-1", "1 2 3 4 5 6 7 8 9 10", 0, 1024);
    check("limit=9223372036854775807&offset=8", "9 10", 8, 1 << 20);
}

#[test]
fn every_order_is_the_documented_one() {
    let one = |cid: u64, figures: [u64; 6], start: i64, last: i64, rtt: u64| ConnectionFacts {
        subscriptions: figures[0],
        pending_bytes: figures[1],
        out_msgs: figures[2],
        in_msgs: figures[3],
        out_bytes: figures[4],
        in_bytes: figures[5],
        start: at(start),
        last_activity: at(last),
        rtt: Duration::from_micros(rtt),
        ..connection(cid)
    };
    let site = site(
        vec![
            one(1, [2, 1, 3, 1, 2, 3], -300, -30, 20),
            one(2, [3, 2, 1, 3, 1, 2], -100, -10, 30),
            one(3, [1, 3, 2, 2, 3, 1], -200, -20, 10),
        ],
        vec![
            ConnectionFacts {
                stop: Some(at(-5)),
                ..closed(4, "Stale Connection")
            },
            ConnectionFacts {
                stop: Some(at(-7)),
                ..closed(5, "Authentication Timeout")
            },
            ConnectionFacts {
                stop: Some(at(-6)),
                ..closed(6, "Client Closed")
            },
        ],
    );
    let check = |query: &str, expected: &str| {
        assert_eq!(
            cids(&site.json(&format!("/connz?{query}"))),
            expected,
            "{query}"
        );
    };
    for (sort, expected) in [
        ("", "1 2 3"),
        ("cid", "1 2 3"),
        ("start", "1 2 3"),
        ("subs", "2 1 3"),
        ("pending", "3 2 1"),
        ("msgs_to", "1 3 2"),
        ("msgs_from", "2 3 1"),
        ("bytes_to", "3 1 2"),
        ("bytes_from", "1 2 3"),
        ("last", "2 3 1"),
        ("idle", "1 3 2"),
        // nats-server lists the shortest life first.
        ("uptime", "2 3 1"),
        ("rtt", "2 1 3"),
    ] {
        check(&format!("sort={sort}"), expected);
    }
    check("state=closed&sort=stop", "4 6 5");
    check("state=closed&sort=reason", "5 6 4");
    check("state=closed&sort=uptime", "5 6 4");
    // Equal ones keep the order of their numbers.
    check("state=any&sort=pending", "3 2 1 4 5 6");
}

#[test]
fn wrong_options_are_refused_with_the_texts_of_nats_server() {
    let site = site(Vec::new(), Vec::new());
    let check = |query: &str, expected: &str| {
        assert_eq!(
            site.refusal(&format!("/connz?{query}")),
            expected,
            "{query}"
        );
    };
    check("sort=foo", "invalid sorting option: foo");
    check("sort=%22a%3Cb%0a", "invalid sorting option: \"a<b\n");
    check("sort=stop", "sort by stop only valid on closed connections");
    check(
        "sort=stop&state=any",
        "sort by stop only valid on closed connections",
    );
    check(
        "sort=reason&state=open",
        "sort by reason only valid on closed connections",
    );
    check("state=foo", "Error decoding state for foo");
    check(
        "cid=-1",
        "Error decoding uint64 for 'cid': strconv.ParseUint: parsing \"-1\": invalid syntax",
    );
    check(
        "limit=99999999999999999999",
        "Error decoding int for 'limit': strconv.Atoi: parsing \"99999999999999999999\": value out of range",
    );
    // Of several mistakes the first in nats-server's order is told.
    check(
        "sort=foo&state=bar&cid=x&auth=q",
        "Error decoding boolean for 'auth': strconv.ParseBool: parsing \"q\": invalid syntax",
    );
}

#[test]
fn subscriptions_are_listed_for_the_page() {
    let subscription = |cid, sid: &str, subject: &str| Subscription {
        account: "$G",
        subject: subject.into(),
        sid: sid.into(),
        cid,
        ..Subscription::default()
    };
    let facts = Facts {
        server: server_facts(),
        open: vec![connection(1), connection(2), connection(3)],
        closed: vec![closed(4, "Client Closed")],
        subscriptions: vec![
            Subscription {
                queue: "q",
                msgs: 4,
                max: 5,
                ..subscription(1, "1", "foo.>")
            },
            subscription(2, "7", "bar"),
            subscription(1, "2", "baz"),
            subscription(99, "1", "of nobody"),
        ],
        ..Facts::default()
    };
    let site = Site::of(facts);
    let lists = |query: &str, field: &str| {
        let document = site.json(&format!("/connz?{query}"));
        column(&document["connections"], field).join(" ")
    };
    assert_eq!(
        lists("subs=1", "subscriptions_list"),
        r#"["foo.>","baz"] ["bar"] null"#
    );
    assert_eq!(
        lists("subs=1&state=closed", "subscriptions_list"),
        r#"["z.>"]"#
    );
    assert_eq!(
        lists("subs=1&limit=1&offset=1", "subscriptions_list"),
        r#"["bar"]"#
    );
    assert_eq!(lists("subs=0", "subscriptions_list"), "null null null");
    assert_eq!(lists("subs=detail", "subscriptions_list"), "null null null");
    let detail = site.json("/connz?subs=Detail&state=any")["connections"].take();
    assert_eq!(
        detail[0]["subscriptions_list_detail"],
        json!([
            {"subject": "foo.>", "qgroup": "q", "sid": "1", "msgs": 4, "max": 5, "cid": 1},
            {"subject": "baz", "sid": "2", "msgs": 0, "cid": 1},
        ])
    );
    let ended = json!([{"subject": "z.>", "sid": "9", "msgs": 3, "cid": 4}]);
    assert_eq!(detail[3]["subscriptions_list_detail"], ended);
    // As Go writes it: safe to show in a page.
    assert!(site.get("/connz?subs=1").body.contains(r#""foo.\u003e""#));
}

//! `/subsz`: figures, filters and pages.

use serde_json::json;

use crate::support::{Facts, Site, Subscription, column, fields, server_facts};

fn site() -> Site {
    let subscription = |account, subject: &str, sid: &str| Subscription {
        account,
        subject: subject.into(),
        sid: sid.into(),
        cid: 5,
        ..Subscription::default()
    };
    let subscriptions = vec![
        Subscription {
            queue: "q1",
            msgs: 1,
            max: 2,
            ..subscription("$G", "foo.>", "1")
        },
        subscription("$G", "foo.*", "2"),
        subscription("A", "foo.x", "3"),
        subscription("A", "bar", "4"),
        subscription("$G", "foo", "5"),
    ];
    Site::of(Facts {
        server: server_facts(),
        subscriptions,
        ..Facts::default()
    })
}

#[test]
fn the_document_has_the_fields_of_nats_server_in_its_order() {
    let figures = "server_id:s now:s num_subscriptions:n num_cache:n num_inserts:n num_removes:n \
        num_matches:n cache_hit_rate:n max_fanout:n avg_fanout:n total:n offset:n limit:n";
    let figures = figures.split_whitespace().collect::<Vec<_>>().join(" ");
    let site = site();
    for path in ["/subsz", "/subscriptionsz", "/subsz?subs=0"] {
        let document = site.get(path);
        assert_eq!(fields(&document.body, 1), figures, "{path}");
        let document = document.json();
        assert_eq!(
            (&document["total"], &document["limit"]),
            (&json!(0), &json!(1024)),
            "{path}"
        );
        let rates = (&document["cache_hit_rate"], &document["avg_fanout"]);
        assert_eq!(rates, (&json!(0.25), &json!(1)), "{path}");
    }
    let listed = site.get("/subsz?subs=1&limit=1").body;
    assert_eq!(
        fields(&listed, 1),
        format!("{figures} subscriptions_list:a")
    );
    let item = "account:s account_tag:s subject:s qgroup:s sid:s msgs:n max:n cid:n";
    assert_eq!(fields(&listed, 3), item);
}

#[test]
fn filters_and_pages_choose_subscriptions() {
    let site = site();
    let check = |query: &str, expected: &str, total: u64, counted: u64| {
        let document = site.json(&format!("/subsz?{query}"));
        let none = json!([]);
        let list = document.get("subscriptions_list").unwrap_or(&none);
        assert_eq!(column(list, "sid").join(" "), expected, "{query}");
        assert_eq!(document["total"], json!(total), "{query}");
        assert_eq!(document["num_subscriptions"], json!(counted), "{query}");
    };
    check("subs=1", "1 2 3 4 5", 5, 5);
    check("subs=1&limit=2", "1 2", 5, 5);
    check("subs=1&limit=2&offset=3", "4 5", 5, 5);
    check("subs=1&offset=5", "", 5, 5);
    check("subs=1&acc=A", "3 4", 2, 2);
    check("subs=1&acc=nope", "", 0, 0);
    check("acc=A", "", 0, 2);
    check("subs=1&test=foo.x", "1 2 3", 3, 5);
    check("subs=1&test=foo.x&acc=$G&offset=1", "2", 2, 3);
    check("subs=1&test=foo.x.y", "1", 1, 5);
    check("subs=1&test=a%20b", "", 0, 5);
}

#[test]
fn a_test_subject_must_be_literal() {
    let site = site();
    for test in ["foo.*", "%3E", "a..b", ".a", "a."] {
        let refusal = site.refusal(&format!("/subsz?test={test}"));
        let subject = test.replace("%3E", ">");
        let expected = format!("invalid test subject, must be valid publish subject: {subject}");
        assert_eq!(refusal, expected);
    }
}

//! Mirrors and sources on one server: what is copied, its headers, filters, transforms, start
//! positions, and what info says.

use cognate_conformance::Message;
use cognate_conformance::jetstream::{JetStream, check_json, header, server};
use serde_json::{Value, json};

fn origin(js: &mut JetStream) {
    js.stream(json!({"name": "O", "subjects": ["o.>"]}));
    js.fill(&["o.a", "o.b", "o.a", "o.c"]);
}

/// Waits until stream `name` holds `count` messages, and returns its subjects.
#[track_caller]
fn wait_copies(js: &mut JetStream, name: &str, count: u64) -> Value {
    js.until(&format!("{count} messages in {name}"), |js| {
        let info = js.ok(&format!("STREAM.INFO.{name}"), r#"{"subjects_filter":">"}"#);
        let state = &info["state"];
        (state["messages"] == count).then(|| state.get("subjects").cloned().unwrap_or_default())
    })
}

#[track_caller]
fn get(js: &mut JetStream, stream: &str, sequence: u64) -> Message {
    let request = json!({"seq": sequence});
    js.request(&format!("$JS.API.DIRECT.GET.{stream}"), &[], request)
}

#[test]
fn a_mirror_keeps_sequences_and_times() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js);
    js.ok("STREAM.MSG.DELETE.O", r#"{"seq":2}"#);
    let created = js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    assert_eq!(created["config"].get("subjects"), None);
    assert_eq!(wait_copies(&mut js, "M", 3), json!({"o.a": 2, "o.c": 1}));
    for sequence in [1, 3, 4] {
        let request = json!({"seq": sequence});
        let [copy, original] =
            ["M", "O"].map(|name| js.ok(&format!("STREAM.MSG.GET.{name}"), request.clone()));
        assert_eq!(copy["message"], original["message"]);
    }
    js.put("o.d", "new");
    wait_copies(&mut js, "M", 4);
    let info = js.until("a mirror without lag", |js| {
        let info = js.ok("STREAM.INFO.M", "");
        (info["mirror"]["lag"] == 0).then_some(info)
    });
    let mut mirror = info["mirror"].clone();
    assert!(mirror["active"].as_i64() >= Some(0), "{mirror}");
    mirror["active"] = json!(0);
    check_json(&mirror, &json!({"name": "O", "lag": 0, "active": 0}));
}

#[test]
fn a_mirror_takes_no_publishes_and_purges() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js);
    js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    wait_copies(&mut js, "M", 4);
    assert!(js.publish("M", &[], "x").starts_with("NATS/1.0 503"));
    js.ok("STREAM.PURGE.O", "");
    js.put("o.z", "x");
    wait_copies(&mut js, "M", 5);
}

#[test]
fn a_mirror_can_filter_and_start_late() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js);
    js.stream(json!({"name": "F", "mirror": {"name": "O", "filter_subject": "o.a"}}));
    js.stream(json!({"name": "L", "mirror": {"name": "O", "opt_start_seq": 3}}));
    js.stream(json!({
        "name": "T",
        "mirror": {"name": "O", "subject_transforms": [{"src": "o.*", "dest": "t.{{wildcard(1)}}"}]},
    }));
    assert_eq!(wait_copies(&mut js, "F", 2), json!({"o.a": 2}));
    assert_eq!(wait_copies(&mut js, "L", 2), json!({"o.a": 1, "o.c": 1}));
    assert_eq!(
        wait_copies(&mut js, "T", 4),
        json!({"t.a": 2, "t.b": 1, "t.c": 1})
    );
    assert_eq!(js.state("L")["first_seq"], 3);
}

#[test]
fn a_source_numbers_anew_and_says_where_it_comes_from() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js);
    js.stream(json!({
        "name": "S", "subjects": ["own"], "sources": [{"name": "O"}], "allow_direct": true,
    }));
    wait_copies(&mut js, "S", 4);
    assert_eq!(js.put("own", "x"), 5);
    let copy = get(&mut js, "S", 3);
    assert_eq!(
        (&*copy.payload, header(&copy, "Nats-Subject")),
        ("3", Some("o.a"))
    );
    assert_eq!(header(&copy, "Nats-Stream-Source"), Some("O 3 > > o.a"));
    let own = get(&mut js, "S", 5);
    assert_eq!(header(&own, "Nats-Stream-Source"), None);
    let mut sources = js.ok("STREAM.INFO.S", "")["sources"].clone();
    sources[0]["active"] = json!(0);
    check_json(&sources, &json!([{"name": "O", "lag": 0, "active": 0}]));
}

#[test]
fn sources_filter_transform_and_combine() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js);
    js.stream(json!({"name": "P", "subjects": ["p.>"]}));
    js.fill(&["p.1", "p.2"]);
    js.stream(json!({
        "name": "S", "allow_direct": true,
        "sources": [
            {"name": "O", "filter_subject": "o.a"},
            {"name": "P", "subject_transforms": [{"src": "p.*", "dest": "from.p.{{wildcard(1)}}"}]},
        ],
    }));
    let expected = json!({"o.a": 2, "from.p.1": 1, "from.p.2": 1});
    assert_eq!(wait_copies(&mut js, "S", 4), expected);
    let mut seen: Vec<String> = Vec::new();
    for sequence in 1..=4 {
        let copy = get(&mut js, "S", sequence);
        seen.push(
            header(&copy, "Nats-Stream-Source")
                .expect("the header")
                .to_owned(),
        );
    }
    seen.sort();
    assert_eq!(
        seen,
        [
            "O 1 o.a > o.a",
            "O 3 o.a > o.a",
            "P 1 p.* from.p.{{wildcard(1)}} p.1",
            "P 2 p.* from.p.{{wildcard(1)}} p.2",
        ]
    );
}

#[test]
fn a_missing_origin_can_come_later() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let created = js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    check_json(
        &created["mirror"],
        &json!({"name": "O", "lag": 0, "active": -1}),
    );
    origin(&mut js);
    // Go's server looks again after a few seconds.
    wait_copies(&mut js, "M", 4);
}

#[test]
fn a_mirror_is_promoted_by_dropping_the_mirror() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js);
    js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    wait_copies(&mut js, "M", 4);
    js.ok("STREAM.DELETE.O", "");
    js.ok("STREAM.UPDATE.M", json!({"name": "M", "subjects": ["o.>"]}));
    assert_eq!(js.put("o.a", "x"), 5);
    let refusal = js.outcome(
        "STREAM.UPDATE.M",
        json!({"name": "M", "mirror": {"name": "O"}}),
    );
    assert_eq!(
        refusal,
        "400 10055 stream mirror configuration can not be updated"
    );
}

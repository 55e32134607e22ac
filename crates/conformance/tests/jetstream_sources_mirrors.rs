//! Mirrors in detail: what they ask of their origin, gaps, limits, direct reads, times to live, and
//! what happens when the origin is not there.

use cognate_conformance::Message;
use cognate_conformance::jetstream::{JetStream, check_json, counts, header, payloads, server};
use serde_json::{Value, json};

fn origin(js: &mut JetStream, more: Value) {
    let mut config = json!({"name": "O", "subjects": ["o.>"]});
    let all = config.as_object_mut().expect("an object");
    all.extend(more.as_object().expect("an object").clone());
    js.stream(config);
    js.fill(&["o.a", "o.b", "o.a", "o.c"]);
}

/// Waits until `name` has given its last sequence to `last`, and returns its state.
#[track_caller]
fn wait_last(js: &mut JetStream, name: &str, last: u64) -> Value {
    js.until(&format!("sequence {last} in {name}"), |js| {
        let state = js.state(name);
        (state["last_seq"] == last).then_some(state)
    })
}

#[track_caller]
fn read(js: &mut JetStream, stream: &str, sequence: u64) -> Value {
    let request = json!({"seq": sequence});
    js.ok(&format!("STREAM.MSG.GET.{stream}"), request)["message"].clone()
}

/// The request for a consumer, without the subject it is to deliver to, whose last token is random.
#[track_caller]
fn request(message: &Message, prefix: &str) -> Value {
    assert_eq!(
        message.headers.as_deref(),
        Some("NATS/1.0\r\nNats-Required-Api-Level: 4\r\n\r\n")
    );
    let mut request: Value = serde_json::from_str(&message.payload).expect("JSON");
    let subject = request["config"]["deliver_subject"].take();
    let subject = subject.as_str().expect("a subject");
    let token = subject.strip_prefix(prefix).expect(prefix);
    assert_eq!(token.len(), 8, "{subject}");
    request
}

#[test]
fn origins_are_asked_for_a_consumer() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js, json!({}));
    let asked = js.subscribe("$JS.API.CONSUMER.CREATE.>");
    let config = |more: Value| {
        let mut config = json!({
            "deliver_policy": "all", "ack_policy": "none", "ack_wait": 79_200_000_000_000_u64,
            "max_deliver": 1, "replay_policy": "instant", "flow_control": true,
            "deliver_subject": null, "idle_heartbeat": 1_000_000_000,
            "inactive_threshold": 10_000_000_000_u64, "num_replicas": 0, "direct": true,
            "sourcing": true,
        });
        let all = config.as_object_mut().expect("an object");
        all.extend(more.as_object().expect("an object").clone());
        json!({"stream_name": "O", "config": config, "action": ""})
    };
    js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    let message = js.next(asked);
    assert_eq!(message.subject, "$JS.API.CONSUMER.CREATE.O");
    let of_mirror = json!({"_nats.mirror.acc": "$G", "_nats.mirror.stream": "M"});
    check_json(
        &request(&message, "$JS.M."),
        &config(json!({"name": "JS_MIRROR_ih8eMwqr", "metadata": of_mirror})),
    );
    js.stream(json!({"name": "S", "sources": [
        {"name": "O", "subject_transforms": [{"src": "o.a", "dest": "x"}], "opt_start_seq": 2},
    ]}));
    let message = js.next(asked);
    let of_source = json!({"_nats.src.acc": "$G", "_nats.src.stream": "S"});
    let asked_for = request(&message, "$JS.S.");
    let name = asked_for["config"]["name"].as_str().expect("a name");
    assert!(name.starts_with("JS_SRC_"), "{name}");
    assert_eq!(
        message.subject,
        format!("$JS.API.CONSUMER.CREATE.O.{name}.o.a")
    );
    check_json(
        &asked_for,
        &config(json!({
            "name": name, "metadata": of_source, "filter_subject": "o.a",
            "deliver_policy": "by_start_sequence", "opt_start_seq": 2,
        })),
    );
    wait_last(&mut js, "S", 1);
    // What mirrors and sources use is not shown.
    assert_eq!(js.state("O")["consumer_count"], 0);
    assert_eq!(js.ok("CONSUMER.NAMES.O", "")["consumers"], json!([]));
}

#[test]
fn gaps_are_kept_in_a_chain_of_mirrors() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js, json!({}));
    js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    js.stream(json!({"name": "MM", "mirror": {"name": "M"}}));
    wait_last(&mut js, "MM", 4);
    // What is deleted later stays in the copies.
    js.ok("STREAM.MSG.DELETE.O", r#"{"seq":2}"#);
    js.ok("STREAM.MSG.DELETE.M", r#"{"seq":3}"#);
    js.put("o.d", "5");
    let state = wait_last(&mut js, "MM", 5);
    assert_eq!(state["messages"], 5);
    assert_eq!(js.state("M")["num_deleted"], 1);
    js.stream(json!({"name": "MMM", "mirror": {"name": "O"}}));
    let state = wait_last(&mut js, "MMM", 5);
    assert_eq!(
        (&state["messages"], &state["num_deleted"]),
        (&json!(4), &json!(1))
    );
    for (stream, sequence) in [("M", 5), ("MM", 5), ("MMM", 1)] {
        assert_eq!(
            read(&mut js, stream, sequence),
            read(&mut js, "O", sequence)
        );
    }
}

#[test]
fn a_mirror_has_the_first_sequence_of_its_origin() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js, json!({}));
    js.ok("STREAM.PURGE.O", r#"{"seq":3}"#);
    js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    let state = wait_last(&mut js, "M", 4);
    assert_eq!(
        (&state["first_seq"], state.get("num_deleted")),
        (&json!(3), None)
    );
    // A start that is still to come is where the origin ends.
    js.stream(json!({"name": "L", "mirror": {"name": "O", "opt_start_seq": 100}}));
    let state = wait_last(&mut js, "L", 4);
    assert_eq!(
        (&state["first_seq"], &state["messages"]),
        (&json!(5), &json!(0))
    );
    js.put("o.a", "5");
    let state = wait_last(&mut js, "L", 5);
    assert_eq!(state["messages"], 1);
    js.ok("STREAM.PURGE.O", "");
    js.stream(json!({"name": "E", "mirror": {"name": "O"}}));
    let state = wait_last(&mut js, "E", 5);
    assert_eq!(state["first_seq"], 6);
}

#[test]
fn a_mirror_keeps_to_limits_of_its_own() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js, json!({}));
    js.stream(json!({"name": "OLD", "max_msgs": 2, "mirror": {"name": "O"}}));
    js.stream(json!({"name": "NEW", "max_msgs": 2, "discard": "new", "mirror": {"name": "O"}}));
    js.stream(json!({"name": "ONE", "max_msgs_per_subject": 1, "mirror": {"name": "O"}}));
    assert_eq!(wait_last(&mut js, "OLD", 4)["first_seq"], 3);
    let state = wait_last(&mut js, "ONE", 4);
    assert_eq!(
        (&state["messages"], &state["first_seq"]),
        (&json!(3), &json!(2))
    );
    wait_last(&mut js, "NEW", 2);
}

#[test]
fn ids_are_not_looked_at_and_expectations_not_kept() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o"], "duplicate_window": 100_000_000}));
    js.stream(
        json!({"name": "M", "mirror": {"name": "O"}, "duplicate_window": 60_000_000_000_u64}),
    );
    let headers = [
        ("K", "v"),
        ("Nats-Expected-Last-Sequence", "0"),
        ("Nats-Msg-Id", "a"),
    ];
    js.publish("o", &headers, "1");
    js.until("the id to be forgotten", |js| {
        let ack = js.publish("o", &[("Nats-Msg-Id", "a")], "2");
        (ack == r#"{"stream":"O","seq":2}"#).then_some(())
    });
    wait_last(&mut js, "M", 2);
    let first = read(&mut js, "M", 1);
    // NATS/1.0, K: v, Nats-Msg-Id: a
    assert_eq!(
        first["hdrs"],
        "TkFUUy8xLjANCks6IHYNCk5hdHMtTXNnLUlkOiBhDQoNCg=="
    );
}

#[test]
fn a_mirror_answers_direct_reads_of_its_origin() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js, json!({"allow_direct": true}));
    let created = js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    assert_eq!(created["config"]["mirror_direct"], true);
    wait_last(&mut js, "M", 4);
    js.until("an answer of the mirror", |js| {
        let answer = js.request("$JS.API.DIRECT.GET.O", &[], r#"{"seq":3}"#);
        assert_eq!(answer.payload, "3");
        (header(&answer, "Nats-Stream") == Some("M")).then_some(())
    });
    js.until("an answer of the mirror by subject", |js| {
        let answer = js.request("$JS.API.DIRECT.GET.O.o.c", &[], "");
        (header(&answer, "Nats-Stream") == Some("M")).then_some(())
    });
    let none = js.request("$JS.API.DIRECT.GET.M", &[], r#"{"seq":3}"#);
    assert!(none.headers.expect("a status").starts_with("NATS/1.0 503"));
    js.ok("STREAM.UPDATE.M", r#"{"name":"M","subjects":["m"]}"#);
    js.put("o.e", "5");
    for _ in 0..20 {
        let answer = js.request("$JS.API.DIRECT.GET.O", &[], r#"{"seq":5}"#);
        assert_eq!(header(&answer, "Nats-Stream"), Some("O"));
    }
}

#[test]
fn times_to_live_count_where_they_are_allowed() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o"], "allow_msg_ttl": true}));
    js.stream(json!({"name": "KEEPS", "mirror": {"name": "O"}}));
    js.stream(json!({"name": "FORGETS", "mirror": {"name": "O"}, "allow_msg_ttl": true}));
    js.stream(json!({"name": "SOURCED", "sources": [{"name": "O"}], "allow_msg_ttl": true}));
    js.stream(json!({"name": "STAYS", "sources": [{"name": "O"}]}));
    js.until("a message that was copied before it was too old", |js| {
        if js.state("O")["messages"] == 0 {
            js.publish("o", &[("Nats-TTL", "1s")], "x");
        }
        let all = ["KEEPS", "FORGETS", "SOURCED", "STAYS"];
        let mut have_had_one = all.iter().map(|name| js.state(name)["last_seq"] != 0);
        have_had_one.all(|has| has).then_some(())
    });
    for name in ["O", "FORGETS", "SOURCED"] {
        js.until(&format!("nothing in {name}"), |js| {
            (js.state(name)["messages"] == 0).then_some(())
        });
    }
    for name in ["KEEPS", "STAYS"] {
        assert_ne!(js.state(name)["messages"], 0, "{name}");
    }
}

#[test]
fn a_consumer_reads_a_mirror() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js, json!({}));
    js.ok("STREAM.MSG.DELETE.O", r#"{"seq":2}"#);
    js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    js.durable("M", "C");
    wait_last(&mut js, "M", 4);
    let messages = js.fetch("M", "C", 3);
    assert_eq!(payloads(&messages), ["1", "3", "4"]);
    let sequences: Vec<u64> = messages.iter().map(|message| counts(message)[1]).collect();
    assert_eq!(sequences, [1, 3, 4]);
}

#[test]
fn rollups_work_where_they_are_allowed() {
    let server = server();
    let mut js = JetStream::connect(&server);
    origin(&mut js, json!({"allow_rollup_hdrs": true}));
    js.stream(json!({"name": "ALL", "mirror": {"name": "O"}}));
    js.stream(json!({"name": "FEW", "mirror": {"name": "O"}, "allow_rollup_hdrs": true}));
    wait_last(&mut js, "ALL", 4);
    wait_last(&mut js, "FEW", 4);
    js.publish("o.a", &[("Nats-Rollup", "sub")], "rolled");
    assert_eq!(wait_last(&mut js, "ALL", 5)["messages"], 5);
    assert_eq!(wait_last(&mut js, "FEW", 5)["messages"], 3);
}

#[test]
fn an_origin_that_is_missing_is_named_in_info() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "M", "mirror": {"name": "O", "filter_subject": "o.a"}}));
    js.stream(json!({"name": "S", "sources": [
        {"name": "O", "filter_subject": "o.b"},
        {"name": "O", "subject_transforms": [{"src": "o.c", "dest": "c"}]},
    ]}));
    let error = json!({"code": 404, "err_code": 10059, "description": "stream not found"});
    let mirror = js.until("an error of the mirror", |js| {
        let mirror = js.ok("STREAM.INFO.M", "")["mirror"].clone();
        mirror.get("error").is_some().then_some(mirror)
    });
    check_json(
        &mirror,
        &json!({"name": "O", "lag": 0, "active": -1, "error": error, "filter_subject": "o.a"}),
    );
    let mut sources = js.until("an error of both sources", |js| {
        let sources = js.ok("STREAM.INFO.S", "")["sources"].clone();
        let all = sources.as_array().expect("a list").clone();
        let refused = all.iter().all(|one| one.get("error").is_some());
        refused.then_some(all)
    });
    sources.sort_by_key(|one| one.get("filter_subject").is_none());
    check_json(
        &Value::from(sources),
        &json!([
            {"name": "O", "lag": 0, "active": -1, "error": error, "filter_subject": "o.b"},
            {"name": "O", "lag": 0, "active": -1, "error": error,
             "subject_transforms": [{"src": "o.c", "dest": "c"}]},
        ]),
    );
}

#[test]
fn a_mirror_waits_for_an_origin_that_was_deleted() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o"]}));
    js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    js.put("o", "1");
    wait_last(&mut js, "M", 1);
    js.ok("STREAM.DELETE.O", "");
    js.stream(json!({"name": "O", "subjects": ["o"], "first_seq": 2}));
    js.put("o", "2");
    // Go's server notices by the silence of ten seconds.
    let state = wait_last(&mut js, "M", 2);
    assert_eq!(state["messages"], 2);
}

#[test]
fn key_value_buckets_are_mirrored_and_sourced() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let bucket = |name: &str, more: Value| {
        let mut config = json!({
            "name": format!("KV_{name}"), "max_msgs_per_subject": 1, "allow_rollup_hdrs": true,
            "deny_delete": true, "allow_direct": true, "discard": "new",
        });
        let all = config.as_object_mut().expect("an object");
        all.extend(more.as_object().expect("an object").clone());
        config
    };
    js.stream(bucket("A", json!({"subjects": ["$KV.A.>"]})));
    js.put("$KV.A.x", "1");
    js.put("$KV.A.y", "2");
    let mirrored = json!({"mirror": {"name": "KV_A"}, "mirror_direct": true});
    js.stream(bucket("M", mirrored));
    let rule = json!([{"src": "$KV.A.>", "dest": "$KV.B.>"}]);
    let sources = json!([{"name": "KV_A", "subject_transforms": rule}]);
    js.stream(bucket(
        "B",
        json!({"subjects": ["$KV.B.>"], "sources": sources}),
    ));
    wait_last(&mut js, "KV_M", 2);
    wait_last(&mut js, "KV_B", 2);
    js.put("$KV.A.x", "3");
    js.publish(
        "$KV.A.y",
        &[("KV-Operation", "PURGE"), ("Nats-Rollup", "sub")],
        "",
    );
    let last = wait_last(&mut js, "KV_M", 4);
    assert_eq!(last["messages"], 2);
    wait_last(&mut js, "KV_B", 4);
    let x = js.request("$JS.API.DIRECT.GET.KV_M.$KV.A.x", &[], "");
    assert_eq!((&*x.payload, header(&x, "Nats-Sequence")), ("3", Some("3")));
    let x = js.request("$JS.API.DIRECT.GET.KV_B.$KV.B.x", &[], "");
    assert_eq!(&*x.payload, "3");
    let y = js.request("$JS.API.DIRECT.GET.KV_B.$KV.B.y", &[], "");
    assert_eq!(header(&y, "KV-Operation"), Some("PURGE"));
    // The sourced bucket is one's own to write, too.
    assert_eq!(js.put("$KV.B.z", "own"), 5);
}

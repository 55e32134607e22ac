//! The key-value and object-store conventions of the clients, spelled out over the raw protocol:
//! if these bytes work, so do the clients.

use cognate_conformance::Message;
use cognate_conformance::jetstream::{JetStream, counts, header, server};
use serde_json::json;

/// A bucket as clients create it.
fn bucket(js: &mut JetStream, history: u64) {
    js.stream(json!({
        "name": "KV_b", "subjects": ["$KV.b.>"], "max_msgs_per_subject": history, "discard": "new",
        "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msg_size": -1,
        "storage": "file", "num_replicas": 1, "duplicate_window": 120_000_000_000_u64,
        "allow_rollup_hdrs": true, "deny_delete": true, "allow_direct": true,
    }));
}

const LAST: &str = "Nats-Expected-Last-Subject-Sequence";
const OPERATION: &str = "KV-Operation";

#[track_caller]
fn get(js: &mut JetStream, key: &str) -> Message {
    js.request(&format!("$JS.API.DIRECT.GET.KV_b.$KV.b.{key}"), &[], "")
}

/// Revision and value of a key.
#[track_caller]
fn entry(js: &mut JetStream, key: &str) -> (u64, String) {
    let message = get(js, key);
    let revision = header(&message, "Nats-Sequence").expect("a revision");
    (revision.parse().expect("a number"), message.payload)
}

#[test]
fn values_are_put_and_got() {
    let server = server();
    let mut js = JetStream::connect(&server);
    bucket(&mut js, 1);
    assert_eq!(js.put("$KV.b.k", "one"), 1);
    assert_eq!(js.put("$KV.b.k", "two"), 2);
    assert_eq!(js.put("$KV.b.other.key", "three"), 3);
    assert_eq!(entry(&mut js, "k"), (2, "two".to_owned()));
    assert_eq!(js.state("KV_b")["messages"], 2);
    let missing = get(&mut js, "none");
    assert_eq!(
        missing.headers.as_deref(),
        Some("NATS/1.0 404 Message Not Found\r\n\r\n")
    );
    assert_eq!(
        js.ok("STREAM.NAMES", r#"{"subject":"$KV.*.>"}"#)["streams"],
        json!(["KV_b"])
    );
}

#[test]
fn create_and_update_check_the_revision() {
    let server = server();
    let mut js = JetStream::connect(&server);
    bucket(&mut js, 5);
    let key = "$KV.b.k";
    let wrong = |sequence: u64| {
        format!(
            r#"{{"error":{{"code":400,"err_code":10071,"description":"wrong last sequence: {sequence}"}},"stream":"KV_b","seq":0}}"#
        )
    };
    let stored = |sequence: u64| format!(r#"{{"stream":"KV_b","seq":{sequence}}}"#);
    assert_eq!(js.publish(key, &[(LAST, "0")], "created"), stored(1));
    assert_eq!(js.publish(key, &[(LAST, "0")], "again"), wrong(1));
    assert_eq!(js.publish(key, &[(LAST, "1")], "updated"), stored(2));
    assert_eq!(js.publish(key, &[(LAST, "1")], "late"), wrong(2));
    assert_eq!(js.publish(key, &[(OPERATION, "DEL")], ""), stored(3));
    assert_eq!(js.publish(key, &[(LAST, "0")], "again"), wrong(3));
    assert_eq!(js.publish(key, &[(LAST, "3")], "created again"), stored(4));
}

#[test]
fn a_delete_keeps_history_and_a_purge_does_not() {
    let server = server();
    let mut js = JetStream::connect(&server);
    bucket(&mut js, 5);
    for value in ["1", "2", "3"] {
        js.put("$KV.b.k", value);
    }
    js.publish("$KV.b.k", &[(OPERATION, "DEL")], "");
    let marker = get(&mut js, "k");
    assert_eq!(
        (header(&marker, OPERATION), &*marker.payload),
        (Some("DEL"), "")
    );
    assert_eq!(js.state("KV_b")["messages"], 4);
    js.publish(
        "$KV.b.k",
        &[(OPERATION, "PURGE"), ("Nats-Rollup", "sub")],
        "",
    );
    let marker = get(&mut js, "k");
    assert_eq!(header(&marker, OPERATION), Some("PURGE"));
    assert_eq!(js.state("KV_b")["messages"], 1);
}

#[test]
fn purging_deletes_keeps_the_last_marker() {
    let server = server();
    let mut js = JetStream::connect(&server);
    bucket(&mut js, 5);
    js.put("$KV.b.k", "1");
    js.publish("$KV.b.k", &[(OPERATION, "DEL")], "");
    let purged = js.ok("STREAM.PURGE.KV_b", r#"{"filter":"$KV.b.k","keep":1}"#);
    assert_eq!(purged["purged"], 1);
    assert_eq!(header(&get(&mut js, "k"), OPERATION), Some("DEL"));
}

#[test]
fn a_revision_is_read_by_sequence() {
    let server = server();
    let mut js = JetStream::connect(&server);
    bucket(&mut js, 5);
    for value in ["1", "2", "3"] {
        js.put("$KV.b.k", value);
    }
    let old = js.request("$JS.API.DIRECT.GET.KV_b", &[], r#"{"seq":2}"#);
    assert_eq!(
        (&*old.payload, header(&old, "Nats-Subject")),
        ("2", Some("$KV.b.k"))
    );
}

/// Starts the ordered consumer that a watcher uses.
#[track_caller]
fn watch(
    js: &mut JetStream,
    policy: &str,
    filter: &str,
) -> cognate_conformance::jetstream::Subscription {
    let watcher = js.subscribe("watch");
    js.ok(
        &format!("CONSUMER.CREATE.KV_b.W.{filter}"),
        json!({"stream_name": "KV_b", "config": {
            "name": "W", "deliver_subject": "watch", "deliver_policy": policy, "ack_policy": "none",
            "filter_subject": filter, "max_deliver": 1, "mem_storage": true, "num_replicas": 1,
            "flow_control": true, "idle_heartbeat": 5_000_000_000_u64,
            "ack_wait": 79_200_000_000_000_u64,
        }}),
    );
    watcher
}

#[test]
fn a_watcher_gets_the_last_values_then_updates() {
    let server = server();
    let mut js = JetStream::connect(&server);
    bucket(&mut js, 5);
    for (key, value) in [("a", "1"), ("b", "2"), ("a", "3")] {
        js.put(&format!("$KV.b.{key}"), value);
    }
    let watcher = watch(&mut js, "last_per_subject", "$KV.b.>");
    let seen: Vec<_> = js
        .take(watcher, 2)
        .iter()
        .map(|message| {
            (
                message.subject.clone(),
                message.payload.clone(),
                counts(message)[3],
            )
        })
        .collect();
    let expected = [("$KV.b.b", "2", 1), ("$KV.b.a", "3", 0)];
    assert_eq!(
        seen,
        expected.map(|(key, value, left)| (key.to_owned(), value.to_owned(), left))
    );
    js.publish("$KV.b.a", &[(OPERATION, "DEL")], "");
    let update = js.next(watcher);
    assert_eq!(
        (header(&update, OPERATION), counts(&update)[1]),
        (Some("DEL"), 4)
    );
}

#[test]
fn the_history_of_a_key_is_delivered_in_order() {
    let server = server();
    let mut js = JetStream::connect(&server);
    bucket(&mut js, 2);
    for value in ["1", "2", "3"] {
        js.put("$KV.b.k", value);
        js.put("$KV.b.other", value);
    }
    let watcher = watch(&mut js, "all", "$KV.b.k");
    let seen: Vec<_> = js
        .take(watcher, 2)
        .iter()
        .map(|m| m.payload.clone())
        .collect();
    assert_eq!(seen, ["2", "3"]);
}

#[test]
fn deleting_single_messages_of_a_bucket_is_denied() {
    let server = server();
    let mut js = JetStream::connect(&server);
    bucket(&mut js, 1);
    js.put("$KV.b.k", "1");
    let refusal = js.outcome("STREAM.MSG.DELETE.KV_b", r#"{"seq":1}"#);
    assert_eq!(refusal, "500 10057 message delete not permitted");
}

#[test]
fn a_key_with_a_ttl_ends_in_a_marker() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "KV_b", "subjects": ["$KV.b.>"], "max_msgs_per_subject": 1, "discard": "new",
        "allow_rollup_hdrs": true, "deny_delete": true, "allow_direct": true,
        "allow_msg_ttl": true, "subject_delete_marker_ttl": 60_000_000_000_u64,
    }));
    js.publish("$KV.b.k", &[(LAST, "0"), ("Nats-TTL", "1s")], "short");
    let marker = js.until("the marker", |js| {
        let message = get(js, "k");
        header(&message, "Nats-Marker-Reason")
            .is_some()
            .then_some(message)
    });
    assert_eq!(header(&marker, "Nats-Marker-Reason"), Some("MaxAge"));
    assert_eq!(header(&marker, "Nats-TTL"), Some("1m0s"));
}

#[test]
fn an_object_is_chunks_and_a_rolled_up_description() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "OBJ_b", "subjects": ["$O.b.C.>", "$O.b.M.>"], "discard": "new",
        "allow_rollup_hdrs": true, "allow_direct": true,
    }));
    let description = "$O.b.M.bmFtZQ==";
    for (nuid, text) in [("n1", "old"), ("n2", "new")] {
        for part in 0..3 {
            js.put(&format!("$O.b.C.{nuid}"), format!("{text}{part}"));
        }
        let info = json!({"name": "name", "bucket": "b", "nuid": nuid, "size": 12, "chunks": 3});
        js.publish(description, &[("Nats-Rollup", "sub")], info);
    }
    assert_eq!(
        js.ok("STREAM.PURGE.OBJ_b", r#"{"filter":"$O.b.C.n1"}"#)["purged"],
        3
    );
    let info = js.request(&format!("$JS.API.DIRECT.GET.OBJ_b.{description}"), &[], "");
    assert!(info.payload.contains(r#""nuid":"n2""#), "{}", info.payload);
    let chunks = js.subscribe("chunks");
    js.consumer(
        "OBJ_b",
        json!({
            "name": "R", "deliver_subject": "chunks", "filter_subject": "$O.b.C.n2",
            "flow_control": true, "idle_heartbeat": 5_000_000_000_u64, "max_deliver": 1,
        }),
    );
    let parts: Vec<_> = js
        .take(chunks, 3)
        .iter()
        .map(|m| m.payload.clone())
        .collect();
    assert_eq!(parts, ["new0", "new1", "new2"]);
    let mut config = js.ok("STREAM.INFO.OBJ_b", "")["config"].clone();
    config["sealed"] = json!(true);
    js.ok("STREAM.UPDATE.OBJ_b", config);
    assert!(
        js.publish("$O.b.C.n3", &[], "x")
            .contains(r#""err_code":10109"#)
    );
}

//! Sources in detail: origins that let go what was taken, changes of the list of sources, what is
//! refused, batches, counters and schedules.

use cognate_conformance::jetstream::{JetStream, check_json, header, payloads, server};
use serde_json::{Value, json};

/// Waits until `name` has given its last sequence to `last`, and returns its state.
#[track_caller]
fn wait_last(js: &mut JetStream, name: &str, last: u64) -> Value {
    js.until(&format!("sequence {last} in {name}"), |js| {
        let state = js.state(name);
        (state["last_seq"] == last).then_some(state)
    })
}

/// Where the messages of `name` come from, in order; `-` for its own.
#[track_caller]
fn origins(js: &mut JetStream, name: &str) -> Vec<String> {
    let state = js.state(name);
    let number = |key: &str| state[key].as_u64().expect("a number");
    let mut found = Vec::new();
    for sequence in number("first_seq")..=number("last_seq") {
        let request = json!({"seq": sequence});
        let message = js.request(&format!("$JS.API.DIRECT.GET.{name}"), &[], request);
        let source = header(&message, "Nats-Stream-Source").unwrap_or("-");
        let mut fields = source.split(' ');
        let (stream, number) = (fields.next(), fields.next());
        found.push(format!(
            "{}{}",
            stream.unwrap_or_default(),
            number.unwrap_or_default()
        ));
    }
    found
}

#[test]
fn work_queues_and_interest_let_go_what_was_taken() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "W", "subjects": ["w.>"], "retention": "workqueue"}));
    js.stream(json!({"name": "I", "subjects": ["i.>"], "retention": "interest"}));
    js.fill(&["w.a", "w.b", "i.a"]);
    js.stream(json!({"name": "S", "sources": [{"name": "W"}, {"name": "I"}]}));
    wait_last(&mut js, "S", 2);
    let consumer = js.until("the consumer at the interest stream", |js| {
        let list = js.ok("CONSUMER.LIST.I", "")["consumers"].clone();
        list.get(0).cloned()
    });
    let mut config = consumer["config"].clone();
    let name = config["name"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("JS_SRC_"), "{name}");
    config["deliver_subject"].take();
    check_json(
        &config,
        &json!({
            "durable_name": name, "name": name, "deliver_policy": "all",
            "ack_policy": "flow_control", "max_deliver": -1, "replay_policy": "instant",
            "max_ack_pending": 1000, "flow_control": true, "deliver_subject": null,
            "idle_heartbeat": 1_000_000_000, "num_replicas": 0, "sourcing": true,
            "metadata": {
                "_nats.req.level": "4", "_nats.src.acc": "$G", "_nats.src.stream": "S",
            },
        }),
    );
    js.put("i.a", "x");
    wait_last(&mut js, "S", 3);
    for (name, first) in [("W", 3), ("I", 3)] {
        js.until(&format!("nothing in {name}"), |js| {
            let state = js.state(name);
            let is_empty = state["messages"] == 0 && state["first_seq"] == first;
            is_empty.then_some(())
        });
    }
    assert_eq!(js.state("W")["consumer_count"], 1);
    js.ok("STREAM.DELETE.S", "");
    for name in ["W", "I"] {
        js.until(&format!("no consumer at {name}"), |js| {
            let names = js.ok(&format!("CONSUMER.NAMES.{name}"), "");
            (names["total"] == 0).then_some(())
        });
    }
}

#[test]
fn a_mirror_empties_a_work_queue() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "W", "subjects": ["w"], "retention": "workqueue"}));
    js.stream(json!({"name": "M", "mirror": {"name": "W"}}));
    for payload in ["1", "2", "3"] {
        js.put("w", payload);
    }
    assert_eq!(wait_last(&mut js, "M", 3)["messages"], 3);
    js.until("an empty work queue", |js| {
        (js.state("W")["messages"] == 0).then_some(())
    });
}

#[test]
fn sources_come_and_go() {
    let server = server();
    let mut js = JetStream::connect(&server);
    for name in ["A", "B"] {
        js.stream(json!({"name": name, "subjects": [name.to_lowercase()]}));
    }
    js.put("a", "1");
    js.put("b", "1");
    let config = |sources: Value| json!({"name": "S", "allow_direct": true, "sources": sources});
    js.stream(config(json!([{"name": "A"}])));
    wait_last(&mut js, "S", 1);
    js.ok(
        "STREAM.UPDATE.S",
        config(json!([{"name": "B"}, {"name": "A"}])),
    );
    wait_last(&mut js, "S", 2);
    js.put("a", "2");
    wait_last(&mut js, "S", 3);
    let updated = js.ok("STREAM.UPDATE.S", config(json!([{"name": "B"}])));
    assert_eq!(updated["sources"].as_array().map(Vec::len), Some(1));
    js.put("a", "3");
    js.put("b", "2");
    wait_last(&mut js, "S", 4);
    // It goes on after the last message that is here.
    js.ok(
        "STREAM.UPDATE.S",
        config(json!([{"name": "A"}, {"name": "B"}])),
    );
    wait_last(&mut js, "S", 5);
    assert_eq!(origins(&mut js, "S"), ["A1", "B1", "A2", "B2", "A3"]);
    let none = js.ok(
        "STREAM.UPDATE.S",
        r#"{"name":"S","subjects":["own"],"allow_direct":true}"#,
    );
    assert_eq!(none.get("sources"), None);
    js.put("b", "3");
    assert_eq!(js.put("own", "x"), 6);
}

#[test]
fn one_stream_can_be_a_source_several_times() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o.>"]}));
    js.fill(&["o.a", "o.b", "o.c", "o.a", "o.d"]);
    js.stream(json!({"name": "S", "sources": [
        {"name": "O", "filter_subject": "o.a"},
        {"name": "O", "subject_transforms": [
            {"src": "o.b", "dest": "b"}, {"src": "o.c", "dest": "c"},
        ]},
    ]}));
    let state = wait_last(&mut js, "S", 4);
    assert_eq!(state["num_subjects"], 3);
    let names = js.ok("STREAM.INFO.S", "")["sources"].clone();
    assert_eq!(names.as_array().map(Vec::len), Some(2));
    let info = js.ok("STREAM.INFO.S", r#"{"subjects_filter":">"}"#);
    assert_eq!(info["state"]["subjects"], json!({"b": 1, "c": 1, "o.a": 2}));
}

#[test]
fn what_two_sources_have_under_one_id_is_stored_once() {
    let server = server();
    let mut js = JetStream::connect(&server);
    for name in ["A", "B"] {
        js.stream(json!({"name": name, "subjects": [name.to_lowercase()]}));
    }
    js.stream(json!({
        "name": "S", "duplicate_window": 60_000_000_000_u64,
        "sources": [{"name": "A"}, {"name": "B"}],
    }));
    js.publish("a", &[("Nats-Msg-Id", "1")], "first");
    wait_last(&mut js, "S", 1);
    js.publish("b", &[("Nats-Msg-Id", "1")], "again");
    js.publish("b", &[("Nats-Msg-Id", "2")], "second");
    assert_eq!(wait_last(&mut js, "S", 2)["messages"], 2);
}

#[test]
fn a_full_stream_goes_on_when_there_is_room() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o"]}));
    js.stream(json!({
        "name": "S", "sources": [{"name": "O"}], "max_msgs": 2, "discard": "new",
        "allow_direct": true, "retention": "workqueue",
    }));
    js.durable("S", "C");
    for payload in ["1", "2", "3", "4", "5"] {
        js.put("o", payload);
    }
    wait_last(&mut js, "S", 2);
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let messages = js.fetch("S", "C", 1);
        js.ack_all(&messages);
        seen.extend(messages);
    }
    assert_eq!(payloads(&seen), ["1", "2", "3", "4", "5"]);
}

#[test]
fn batches_arrive_as_single_messages() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o"], "allow_atomic": true}));
    js.stream(json!({
        "name": "S", "sources": [{"name": "O"}], "allow_atomic": true, "allow_direct": true,
    }));
    js.stream(json!({"name": "M", "mirror": {"name": "O"}, "allow_direct": true}));
    let part = |js: &mut JetStream, number: &str, commit: bool| {
        let mut headers = vec![
            ("Nats-Batch-Id", "b"),
            ("Nats-Batch-Sequence", number),
            ("K", "v"),
        ];
        headers.extend(commit.then_some(("Nats-Batch-Commit", "1")));
        js.publish("o", &headers, number)
    };
    part(&mut js, "1", false);
    part(&mut js, "2", true);
    wait_last(&mut js, "S", 2);
    wait_last(&mut js, "M", 2);
    for (name, source) in [("S", Some("O 2 > > o")), ("M", None)] {
        let message = js.request(&format!("$JS.API.DIRECT.GET.{name}"), &[], r#"{"seq":2}"#);
        assert_eq!(message.payload, "2");
        assert_eq!(header(&message, "K"), Some("v"));
        assert_eq!(header(&message, "Nats-Batch-Id"), None);
        assert_eq!(header(&message, "Nats-Stream-Source"), source);
    }
}

#[test]
fn schedules_are_copied_and_do_not_fire_again() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o.>"], "allow_msg_schedules": true}));
    js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    js.stream(json!({"name": "S", "sources": [{"name": "O"}]}));
    js.put("o.first", "x");
    for name in ["M", "S"] {
        wait_last(&mut js, name, 1);
    }
    let mut attempts = 0;
    js.until("a schedule that is copied before it fires", |js| {
        attempts += 1;
        schedule_is_copied(js, attempts)
    });
}

/// Publishes a schedule that fires in two seconds, and looks what the copies of O have of it: itself, and
/// what it brought about once. `None` when one of them came too late for the schedule.
fn schedule_is_copied(js: &mut JetStream, attempt: u32) -> Option<()> {
    let soon = js.until("a time to which seconds can be added", |js| {
        let now = js.ok("STREAM.INFO.O", "")["ts"].clone();
        let (minute, rest) = now.as_str()?.split_at("2026-01-01T00:00:".len());
        let second: u8 = rest.get(..2)?.parse().ok()?;
        (second < 58).then(|| format!("@at {minute}{:02}Z", second + 2))
    });
    let [subject, fired] = ["schedule", "fired"].map(|word| format!("o.{word}.{attempt}"));
    let schedule = [("Nats-Schedule", &*soon), ("Nats-Schedule-Target", &*fired)];
    js.publish(&subject, &schedule, "x");
    let mut in_time = true;
    for name in ["M", "S"] {
        let subjects = js.until(&format!("what was fired in {name}"), |js| {
            let info = js.ok(&format!("STREAM.INFO.{name}"), r#"{"subjects_filter":">"}"#);
            let subjects = info["state"]["subjects"].clone();
            subjects.get(&fired).is_some().then_some(subjects)
        });
        assert_eq!(subjects[&fired], 1, "{name}");
        in_time &= subjects[&subject] == 1;
    }
    in_time.then_some(())
}

#[test]
fn a_chain_of_sources_names_the_last_origin() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "A", "subjects": ["a.>"]}));
    js.stream(json!({"name": "B", "sources": [{"name": "A"}]}));
    js.stream(json!({"name": "C", "sources": [{"name": "B"}], "allow_direct": true}));
    js.publish("a.1", &[("K", "v")], "x");
    wait_last(&mut js, "C", 1);
    let message = js.request("$JS.API.DIRECT.GET.C", &[], r#"{"seq":1}"#);
    let block = message.headers.expect("headers");
    assert!(
        block.starts_with("NATS/1.0\r\nK: v\r\nNats-Stream-Source: B 1 > > a.1\r\nNats-Stream: C"),
        "{block}"
    );
    assert_eq!(block.matches("Nats-Stream-Source").count(), 1);
}

#[test]
fn the_streams_own_transform_comes_last() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o.>"]}));
    js.stream(json!({
        "name": "S", "subjects": ["s"],
        "subject_transform": {"src": "x.*", "dest": "y.{{wildcard(1)}}"},
        "sources": [{"name": "O", "subject_transforms": [{"src": "o.*", "dest": "x.{{wildcard(1)}}"}]}],
    }));
    js.put("o.1", "x");
    wait_last(&mut js, "S", 1);
    let message = js.ok("STREAM.MSG.GET.S", r#"{"seq":1}"#);
    assert_eq!(message["message"]["subject"], "y.1");
}

#[test]
fn starts_are_where_the_configuration_says() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o.>"]}));
    js.fill(&["o.a", "o.b", "o.c", "o.d"]);
    let third = js.ok("STREAM.MSG.GET.O", r#"{"seq":3}"#)["message"]["time"].clone();
    let rows = [
        (
            "SEQ",
            json!({"name": "O", "opt_start_seq": 3}),
            vec!["O3", "O4"],
        ),
        (
            "TIME",
            json!({"name": "O", "opt_start_time": third}),
            vec!["O3", "O4"],
        ),
        (
            "FILTER",
            json!({"name": "O", "opt_start_seq": 2, "filter_subject": "o.d"}),
            vec!["O4"],
        ),
    ];
    for (name, source, expected) in rows {
        js.stream(json!({"name": name, "sources": [source], "allow_direct": true}));
        wait_last(&mut js, name, expected.len() as u64);
        assert_eq!(origins(&mut js, name), expected, "{name}");
    }
}

#[test]
fn a_consumer_that_was_made_for_a_source_is_used() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o.>"], "retention": "workqueue"}));
    js.fill(&["o.a", "o.b"]);
    js.consumer(
        "O",
        json!({
            "name": "D", "durable_name": "D", "deliver_subject": "deliver.d",
            "ack_policy": "flow_control",
        }),
    );
    let reset = js.subscribe("$JS.API.CONSUMER.RESET.>");
    let consumer = json!({"name": "D", "deliver_subject": "deliver.d"});
    js.stream(json!({
        "name": "S", "sources": [{"name": "O", "consumer": consumer}], "allow_direct": true,
    }));
    let request = js.next(reset);
    assert_eq!(
        (&*request.subject, &*request.payload, request.headers),
        ("$JS.API.CONSUMER.RESET.O.D", "", None)
    );
    wait_last(&mut js, "S", 2);
    let message = js.request("$JS.API.DIRECT.GET.S", &[], r#"{"seq":1}"#);
    let source = header(&message, "Nats-Stream-Source");
    assert_eq!(source, Some("O:C=1vR9AhxX 1 > > o.a"));
    js.until("an empty work queue", |js| {
        (js.state("O")["messages"] == 0).then_some(())
    });
    // It is the user's, and stays.
    js.ok("STREAM.DELETE.S", "");
    assert_eq!(js.ok("CONSUMER.NAMES.O", "")["consumers"], json!(["D"]));
}

#[test]
fn a_consumer_that_does_not_acknowledge_is_no_use() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o.>"]}));
    js.consumer(
        "O",
        json!({"name": "D", "durable_name": "D", "deliver_subject": "d", "ack_policy": "none"}),
    );
    let consumer = json!({"name": "D", "deliver_subject": "d"});
    js.stream(json!({"name": "M", "mirror": {"name": "O", "consumer": consumer}}));
    let error = js.until("an error of the mirror", |js| {
        js.ok("STREAM.INFO.M", "")["mirror"].get("error").cloned()
    });
    let description = "stream mirror consumer requires flow control ack policy";
    assert_eq!(
        error,
        json!({"code": 400, "err_code": 10214, "description": description})
    );
}

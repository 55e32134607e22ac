//! Limits of a stream at work: which message goes or is refused when it is full, what a message
//! may weigh, and age.

use cognate_conformance::jetstream::{JetStream, check_publishes, server};
use serde_json::{Value, json};

/// The sequences that stream S holds for subjects, as `{"subject": count}` and `first-last`.
#[track_caller]
fn held(js: &mut JetStream) -> (Value, String) {
    let info = js.ok("STREAM.INFO.S", r#"{"subjects_filter":">"}"#);
    let state = &info["state"];
    let range = format!("{}-{}", state["first_seq"], state["last_seq"]);
    (state.get("subjects").cloned().unwrap_or_default(), range)
}

fn full(what: &str) -> String {
    format!(
        r#"{{"error":{{"code":503,"err_code":10077,"description":"{what} exceeded"}},"stream":"S","seq":0}}"#
    )
}

#[test]
fn the_oldest_goes_when_there_are_too_many() {
    for storage in ["file", "memory"] {
        let server = server();
        let mut js = JetStream::connect(&server);
        js.stream(json!({"name": "S", "subjects": ["s.>"], "max_msgs": 3, "storage": storage}));
        js.fill(&["s.1", "s.2", "s.1", "s.3", "s.1"]);
        let expected = (json!({"s.1": 2, "s.3": 1}), "3-5".to_owned());
        assert_eq!(held(&mut js), expected, "{storage}");
    }
}

#[test]
fn the_oldest_of_a_subject_goes_when_it_has_too_many() {
    for storage in ["file", "memory"] {
        let server = server();
        let mut js = JetStream::connect(&server);
        js.stream(json!({
            "name": "S", "subjects": ["s.>"], "max_msgs_per_subject": 2, "storage": storage,
        }));
        js.fill(&["s.1", "s.2", "s.1", "s.1", "s.1"]);
        let expected = (json!({"s.1": 2, "s.2": 1}), "2-5".to_owned());
        assert_eq!(held(&mut js), expected, "{storage}");
    }
}

#[test]
fn the_oldest_goes_when_there_are_too_many_bytes() {
    for (storage, overhead) in [("file", 30), ("memory", 16)] {
        let server = server();
        let mut js = JetStream::connect(&server);
        let one = overhead + "s.1".len() + 10;
        js.stream(json!({
            "name": "S", "subjects": ["s.>"], "max_bytes": 2 * one, "storage": storage,
        }));
        for _ in 0..3 {
            js.put("s.1", "x".repeat(10));
        }
        assert_eq!(
            held(&mut js),
            (json!({"s.1": 2}), "2-3".to_owned()),
            "{storage}"
        );
        assert_eq!(js.state("S")["bytes"], 2 * one, "{storage}");
    }
}

#[test]
fn headers_count_as_bytes() {
    for (storage, expected) in [("file", 34 + 1 + 18 + 1), ("memory", 16 + 1 + 18 + 1)] {
        let server = server();
        let mut js = JetStream::connect(&server);
        js.stream(json!({"name": "S", "subjects": ["s"], "storage": storage}));
        js.publish("s", &[("K", "v")], "x");
        assert_eq!(js.state("S")["bytes"], expected, "{storage}");
    }
}

#[test]
fn a_full_stream_refuses_what_is_new() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "max_msgs": 2, "discard": "new"}));
    js.fill(&["s", "s"]);
    check_publishes(&mut js, &[("s", &[], "x", &full("maximum messages"))]);
    js.ok("STREAM.MSG.DELETE.S", r#"{"seq":1}"#);
    assert_eq!(js.put("s", "x"), 3);
}

#[test]
fn a_stream_full_of_bytes_refuses_what_is_new() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "max_bytes": 100, "discard": "new"}));
    js.put("s", "x".repeat(40));
    let long = "x".repeat(200);
    let refusal = full("maximum bytes");
    check_publishes(
        &mut js,
        &[
            ("s", &[], &long[..40], &refusal),
            ("s", &[], &long, &refusal),
        ],
    );
}

#[test]
fn a_full_subject_refuses_what_is_new_only_when_told_so() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "S", "subjects": ["s.>"], "max_msgs_per_subject": 1, "discard": "new",
    }));
    js.fill(&["s.1", "s.1"]);
    assert_eq!(held(&mut js), (json!({"s.1": 1}), "2-2".to_owned()));
    js.ok(
        "STREAM.UPDATE.S",
        json!({
            "name": "S", "subjects": ["s.>"], "max_msgs_per_subject": 1, "discard": "new",
            "discard_new_per_subject": true,
        }),
    );
    check_publishes(
        &mut js,
        &[
            ("s.1", &[], "x", &full("maximum messages per subject")),
            ("s.2", &[], "x", r#"{"stream":"S","seq":3}"#),
        ],
    );
}

/// In 2.14.5 a message that alone is over `max_bytes` is acknowledged and gone.
#[test]
fn a_message_larger_than_the_stream_empties_it() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "max_bytes": 100}));
    js.put("s", "x");
    assert_eq!(js.put("s", "x".repeat(200)), 2);
    let state = js.state("S");
    assert_eq!(
        (&state["messages"], &state["first_seq"], &state["last_seq"]),
        (&json!(0), &json!(3), &json!(2))
    );
}

#[test]
fn a_message_may_weigh_so_much_with_its_headers() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "max_msg_size": 20}));
    let refused = r#"{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"},"stream":"S","seq":0}"#;
    check_publishes(
        &mut js,
        &[
            (
                "s",
                &[],
                "12345678901234567890",
                r#"{"stream":"S","seq":1}"#,
            ),
            ("s", &[], "123456789012345678901", refused),
            ("s", &[("K", "v")], "12", r#"{"stream":"S","seq":2}"#),
            ("s", &[("K", "v")], "123", refused),
        ],
    );
}

#[test]
fn messages_leave_when_they_are_old() {
    for storage in ["file", "memory"] {
        let server = server();
        let mut js = JetStream::connect(&server);
        js.stream(json!({
            "name": "S", "subjects": ["s"], "max_age": 100_000_000, "storage": storage,
        }));
        js.fill(&["s", "s"]);
        let state = js.until("an empty stream", |js| {
            let state = js.state("S");
            (state["messages"] == 0).then_some(state)
        });
        assert_eq!(
            (&state["first_seq"], &state["last_seq"]),
            (&json!(3), &json!(2)),
            "{storage}"
        );
    }
}

#[test]
fn messages_leave_when_the_age_is_edited() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.fill(&["s", "s"]);
    js.ok(
        "STREAM.UPDATE.S",
        json!({"name": "S", "subjects": ["s"], "max_age": 100_000_000, "duplicate_window": 100_000_000}),
    );
    js.until("an empty stream", |js| {
        (js.state("S")["messages"] == 0).then_some(())
    });
}

#[test]
fn the_memory_store_keeps_the_same_figures_as_the_file_store() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let mut seen = Vec::new();
    for (name, storage) in [("F", "file"), ("M", "memory")] {
        js.stream(json!({
            "name": name, "subjects": [format!("{name}.>")], "storage": storage, "max_msgs": 4,
        }));
        for subject in ["a", "b", "a", "c", "d", "a"] {
            js.put(&format!("{name}.{subject}"), "x");
        }
        js.ok(&format!("STREAM.MSG.DELETE.{name}"), r#"{"seq":5}"#);
        js.ok(
            &format!("STREAM.PURGE.{name}"),
            json!({"filter": format!("{name}.c")}),
        );
        let info = js.ok(
            &format!("STREAM.INFO.{name}"),
            r#"{"deleted_details":true}"#,
        );
        let mut state = info["state"].clone();
        for volatile in ["bytes", "first_ts", "last_ts"] {
            state[volatile] = Value::Null;
        }
        seen.push(state);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(
        (
            &seen[0]["deleted"],
            &seen[0]["first_seq"],
            &seen[0]["messages"]
        ),
        (&json!([4, 5]), &json!(3), &json!(2))
    );
}

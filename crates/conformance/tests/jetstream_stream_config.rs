//! What a stream's configuration may say: a table of refusals on CREATE, what is corrected
//! silently, and what pedantic requests refuse.

use cognate_conformance::jetstream::{JetStream, check_api, server};
use serde_json::{Value, json};

/// Sends each field set as `STREAM.CREATE.X`, with the name filled in.
#[track_caller]
fn check_create(js: &mut JetStream, cases: &[(Value, &str)]) {
    let mut failures = Vec::new();
    for (number, (fields, expected)) in cases.iter().enumerate() {
        // Every row gets its own stream, so that what one leaves behind cannot help the next.
        let name = format!("X{number}");
        let mut config = fields.clone();
        config["name"] = json!(name);
        let seen = js.outcome(&format!("STREAM.CREATE.{name}"), config);
        if seen == "ok" {
            js.ok(&format!("STREAM.DELETE.{name}"), "");
        }
        if seen != *expected {
            let shown: String = fields.to_string().chars().take(150).collect();
            failures.push(format!(
                "{shown}\n    expected {expected}\n    got      {seen}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn names_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let long = "n".repeat(256);
    let create = |name: &str| json!({"name": name}).to_string();
    check_api(
        &mut js,
        &[
            (
                &format!("STREAM.CREATE.{long}"),
                &create(&long),
                "500 10052 stream name is too long, maximum allowed is 255",
            ),
            (
                &format!("STREAM.CREATE.{}", &long[1..]),
                &create(&long[1..]),
                "ok",
            ),
            (
                "STREAM.CREATE.a/b",
                &create("a/b"),
                "400 10128 Stream name can not contain path separators",
            ),
            (
                "STREAM.CREATE.a",
                &create("b"),
                "400 10056 stream name in subject does not match request",
            ),
        ],
    );
}

#[test]
fn subjects_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    let api = "500 10052 subjects that overlap with jetstream api require no-ack to be true";
    let system = "500 10052 subjects that overlap with system api require no-ack to be true";
    check_create(
        &mut js,
        &[
            (
                json!({"subjects": ["s.1"]}),
                "400 10065 subjects overlap with an existing stream",
            ),
            (
                json!({"subjects": ["s.*"]}),
                "400 10065 subjects overlap with an existing stream",
            ),
            (json!({"subjects": ["a..b"]}), "500 10052 invalid subject"),
            (json!({"subjects": [""]}), "500 10052 invalid subject"),
            (json!({"subjects": ["a b"]}), "500 10052 invalid subject"),
            (json!({"subjects": ["x.>.y"]}), "500 10052 invalid subject"),
            (
                json!({"subjects": ["a", "a"]}),
                r#"500 10052 subject "a" overlaps with "a""#,
            ),
            (
                json!({"subjects": ["a", "*"]}),
                r#"500 10052 subject "a" overlaps with "*""#,
            ),
            (
                json!({"subjects": [">"]}),
                "500 10052 capturing all subjects requires no-ack to be true",
            ),
            (json!({"subjects": ["$JS.API.>"]}), api),
            (json!({"subjects": ["$JS.ACK.>"]}), api),
            (json!({"subjects": ["$JS.EVENT.>"]}), "ok"),
            (json!({"subjects": ["$SYS.>"]}), system),
            (json!({"subjects": ["$SYS.ACCOUNT.>"]}), "ok"),
        ],
    );
}

#[test]
fn numbers_and_policies_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    check_create(
        &mut js,
        &[
            (
                json!({"num_replicas": 7}),
                "500 10052 maximum replicas is 5",
            ),
            (
                json!({"num_replicas": -1}),
                "400 10133 replicas count cannot be negative",
            ),
            (
                json!({"max_age": 5}),
                "500 10052 max age needs to be >= 100ms",
            ),
            (
                json!({"max_age": -1}),
                "500 10052 max age can not be negative",
            ),
            (
                json!({"duplicate_window": 5}),
                "500 10052 duplicates window needs to be >= 100ms",
            ),
            (
                json!({"duplicate_window": -5}),
                "500 10052 duplicates window can not be negative",
            ),
            (
                json!({"max_age": 1_000_000_000, "duplicate_window": 2_000_000_000_u64}),
                "500 10052 duplicates window can not be larger then max age",
            ),
            (
                json!({"description": "x".repeat(4097)}),
                "500 10052 stream description is too long, maximum allowed is 4096",
            ),
            (
                json!({"metadata": {"a": "x".repeat(131_072)}}),
                "500 10052 stream metadata exceeds maximum size of 131072 bytes",
            ),
            (
                json!({"storage": "tape"}),
                r#"400 10025 invalid JSON: can not unmarshal "\"tape\"""#,
            ),
            (
                json!({"discard": "x"}),
                r#"400 10025 invalid JSON: can not unmarshal "\"x\"""#,
            ),
            (
                json!({"persist_mode": "x"}),
                r#"400 10025 invalid JSON: can not unmarshal "\"x\"""#,
            ),
            (
                json!({"compression": "zip"}),
                "400 10025 invalid JSON: unknown compression algorithm",
            ),
            (
                json!({"placement": {"preferred": "x"}}),
                "500 10052 preferred server not permitted in placement",
            ),
            (
                json!({"sealed": true}),
                "500 10052 stream configuration for create can not be sealed",
            ),
        ],
    );
}

#[test]
fn combinations_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    check_create(
        &mut js,
        &[
            (
                json!({"discard_new_per_subject": true}),
                "500 10052 discard new per subject requires discard new policy to be set",
            ),
            (
                json!({"discard": "new", "discard_new_per_subject": true}),
                "500 10052 discard new per subject requires max msgs per subject > 0",
            ),
            (
                json!({"deny_purge": true, "allow_rollup_hdrs": true}),
                "500 10052 roll-ups require the purge permission",
            ),
            (
                json!({"subject_delete_marker_ttl": 5}),
                "500 10052 subject delete marker TTL must be at least 1 second",
            ),
            (
                json!({"subject_delete_marker_ttl": -5}),
                "500 10052 subject delete marker TTL must not be negative",
            ),
            (
                json!({"allow_msg_counter": true, "discard": "new"}),
                "500 10052 counter stream cannot use discard new",
            ),
            (
                json!({"allow_msg_counter": true, "allow_msg_ttl": true}),
                "500 10052 counter stream cannot use message TTLs",
            ),
            (
                json!({"allow_msg_counter": true, "allow_msg_schedules": true}),
                "500 10052 counter stream cannot use message schedules",
            ),
            (
                json!({"allow_msg_counter": true, "retention": "workqueue"}),
                "500 10052 counter stream can only use limits retention",
            ),
            (
                json!({"allow_msg_schedules": true, "discard": "new"}),
                "500 10052 message scheduling cannot use discard new",
            ),
            (
                json!({"persist_mode": "async", "allow_atomic": true}),
                "500 10052 async persist mode is not supported with atomic batch publish",
            ),
            (
                json!({"persist_mode": "async", "storage": "memory"}),
                "500 10052 async persist mode is only supported on file storage",
            ),
            (
                json!({"mirror_direct": true}),
                "500 10052 stream has no mirror but does have mirror direct",
            ),
        ],
    );
}

// tidy: long-function: a table of refusals
#[test]
fn mirrors_and_sources_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    let mirror = |field: &str, value: Value| json!({"mirror": {"name": "S"}, field: value});
    check_create(
        &mut js,
        &[
            (
                mirror("subjects", json!(["x"])),
                "400 10034 stream mirrors can not contain subjects",
            ),
            (
                mirror("sources", json!([{"name": "S"}])),
                "400 10031 stream mirrors can not also contain other sources",
            ),
            (
                mirror("first_seq", json!(5)),
                "400 10143 stream mirrors can not have first sequence configured",
            ),
            (
                mirror("allow_msg_counter", json!(true)),
                "400 10173 stream mirrors can not also calculate counters",
            ),
            (
                mirror("allow_atomic", json!(true)),
                "400 10198 stream mirrors can not also use atomic publishing",
            ),
            (
                mirror("allow_batched", json!(true)),
                "400 10209 stream mirrors can not also use batch publishing",
            ),
            (
                mirror("allow_msg_schedules", json!(true)),
                "400 10186 stream mirrors can not also schedule messages",
            ),
            (
                mirror("subject_delete_marker_ttl", json!(2_000_000_000_u64)),
                "500 10052 subject delete markers forbidden on mirrors",
            ),
            (
                json!({"mirror": {
                    "name": "S", "filter_subject": "a",
                    "subject_transforms": [{"src": "a", "dest": "b"}],
                }}),
                "400 10150 mirror with multiple subject transforms cannot also have a single subject filter",
            ),
            (
                json!({"sources": [{"name": "S"}, {"name": "S"}]}),
                "400 10140 duplicate source configuration detected",
            ),
            (
                json!({"sources": [{"name": "S"}], "allow_msg_schedules": true}),
                "400 10187 stream source can not also schedule messages",
            ),
            (
                json!({"sources": [{"name": ""}]}),
                "400 10141 sourced stream name is invalid",
            ),
            (
                json!({"sources": [{"name": "S", "external": {"api": "", "deliver": "d.>"}}]}),
                "400 10024 stream external delivery prefix d.> must not contain wildcards",
            ),
            (json!({"mirror": {"name": "ELSEWHERE"}}), "ok"),
        ],
    );
    let itself = json!({"name": "T", "mirror": {"name": "T"}});
    assert_eq!(
        js.outcome("STREAM.CREATE.T", itself),
        "500 10052 detected cycle"
    );
}

#[test]
fn two_ways_to_one_origin_pass_for_a_cycle() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o"]}));
    js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    js.stream(json!({"name": "S", "sources": [{"name": "O"}]}));
    js.stream(json!({"name": "SS", "sources": [{"name": "S"}]}));
    let cycle = "500 10052 detected cycle";
    check_create(
        &mut js,
        &[
            (json!({"sources": [{"name": "O"}, {"name": "M"}]}), cycle),
            (json!({"sources": [{"name": "M"}, {"name": "O"}]}), "ok"),
            (json!({"sources": [{"name": "O"}, {"name": "S"}]}), cycle),
            (json!({"sources": [{"name": "S"}, {"name": "O"}]}), "ok"),
            (json!({"sources": [{"name": "SS"}, {"name": "O"}]}), cycle),
            (json!({"sources": [{"name": "S"}, {"name": "M"}]}), "ok"),
        ],
    );
}

#[test]
fn transforms_and_republishing_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    check_create(
        &mut js,
        &[
            (
                json!({"subject_transform": {"src": "a.*", "dest": "b.{{wildcard(2)}}"}}),
                "400 10156 stream transform: invalid mapping destination: wildcard index out of range in {{wildcard(2)}}: [2]",
            ),
            (
                json!({"subject_transform": {"src": "a..", "dest": "b"}}),
                "400 10155 stream transform source: invalid subject a..",
            ),
            (
                json!({"subjects": ["q.*"], "republish": {"src": ">", "dest": "q.>"}}),
                "500 10052 stream configuration for republish destination forms a cycle",
            ),
            (
                json!({"republish": {"src": ">", "dest": "a..b"}}),
                "500 10052 stream configuration for republish with transform from '>' to 'a..b' not valid",
            ),
        ],
    );
}

#[test]
fn what_is_silently_corrected_is_refused_to_the_pedantic() {
    let server = server();
    let mut js = JetStream::connect(&server);
    check_create(
        &mut js,
        &[
            (json!({"max_bytes": -5}), "ok"),
            (
                json!({"pedantic": true, "max_bytes": -5}),
                "400 10157 pedantic mode: max_bytes must be set to -1",
            ),
            (json!({"max_age": 1_000_000_000}), "ok"),
            (
                json!({"pedantic": true, "max_age": 1_000_000_000}),
                "400 10157 pedantic mode: duplicate window cannot be bigger than max age",
            ),
            (json!({"subject_delete_marker_ttl": 1_000_000_000}), "ok"),
            (
                json!({"pedantic": true, "subject_delete_marker_ttl": 1_000_000_000}),
                "500 10052 subject delete marker cannot be set if message TTLs are disabled",
            ),
            (json!({"pedantic": true}), "ok"),
        ],
    );
}

#[test]
fn negative_limits_mean_unlimited() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let config = js.stream(json!({
        "name": "S", "max_msgs": -2, "max_bytes": -3, "max_msgs_per_subject": -4,
        "max_consumers": -5, "max_msg_size": -7,
    }))["config"]
        .clone();
    for field in [
        "max_msgs",
        "max_bytes",
        "max_msgs_per_subject",
        "max_consumers",
        "max_msg_size",
    ] {
        assert_eq!(config[field], -1, "{field}");
    }
}

#[test]
fn markers_bring_ttl_and_rollups_along() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let config =
        json!({"name": "S", "subject_delete_marker_ttl": 1_000_000_000, "deny_purge": true});
    let seen = js.stream(config)["config"].clone();
    assert_eq!(
        [
            &seen["allow_msg_ttl"],
            &seen["allow_rollup_hdrs"],
            &seen["deny_purge"]
        ],
        [true, true, false].each_ref(),
    );
    let config = json!({"name": "T", "allow_msg_schedules": true});
    let seen = js.stream(config)["config"].clone();
    assert_eq!(
        [
            &seen["allow_msg_schedules"],
            &seen["allow_rollup_hdrs"],
            &seen["allow_msg_ttl"]
        ],
        [true, true, false].each_ref(),
    );
}

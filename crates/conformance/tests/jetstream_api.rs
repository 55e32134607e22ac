//! The account's view of `$JS.API`: INFO, API levels, strict JSON, empty payloads, subjects that
//! are for clusters only or for nobody, domains, and servers and accounts without JetStream.

use cognate_conformance::Server;
use cognate_conformance::jetstream::{
    JetStream, check_api, check_json, outcome, server, server_with,
};
use serde_json::json;

/// Three users: `yes1` has JetStream, `no1` has not, `small` has little of it.
const ACCOUNTS: &str = r#"
    accounts {
        ON { users: [{user: yes1, password: p}], jetstream: enabled }
        OFF { users: [{user: no1, password: p}] }
        SMALL {
            users: [{user: small, password: p}]
            jetstream: {max_mem: 1000, max_file: 10000, max_streams: 1, max_consumers: 1}
        }
    }
"#;

#[test]
fn account_info_of_a_fresh_account() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let info = js.ok("INFO", "");
    let expected = json!({
        "type": "io.nats.jetstream.api.v1.account_info_response",
        "memory": 0, "storage": 0, "reserved_memory": 0, "reserved_storage": 0,
        "streams": 0, "consumers": 0,
        "limits": {
            "max_memory": -1, "max_storage": -1, "max_streams": -1, "max_consumers": -1,
            "max_ack_pending": -1, "memory_max_stream_bytes": -1, "storage_max_stream_bytes": -1,
            "max_bytes_required": false,
        },
        "api": {"level": 4, "total": 0, "errors": 0},
    });
    check_json(&info, &expected);
}

#[test]
fn account_info_counts_assets_requests_and_errors() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "F", "subjects": ["f"], "max_bytes": 4000}));
    js.stream(json!({"name": "M", "subjects": ["m"], "storage": "memory", "max_bytes": 3000}));
    js.durable("F", "C");
    js.put("m", "hello");
    assert_eq!(
        js.outcome("STREAM.INFO.NOPE", ""),
        "404 10059 stream not found"
    );
    let info = js.ok("INFO", "");
    assert_eq!(
        [
            &info["streams"],
            &info["consumers"],
            &info["memory"],
            &info["storage"],
            &info["reserved_memory"],
            &info["reserved_storage"],
            &info["api"]["total"],
            &info["api"]["errors"],
        ],
        [2, 1, 22, 0, 3000, 4000, 4, 1].each_ref(),
    );
}

#[test]
fn limits_of_an_account_are_shown_and_kept() {
    let server = server_with(ACCOUNTS);
    let mut js = JetStream::login(&server, "small", "p");
    let limits = json!({
        "max_memory": 1000, "max_storage": 10000, "max_streams": 1, "max_consumers": 1,
        "max_ack_pending": -1, "memory_max_stream_bytes": -1, "storage_max_stream_bytes": -1,
        "max_bytes_required": false,
    });
    assert_eq!(js.ok("INFO", "")["limits"], limits);
    check_api(
        &mut js,
        &[
            (
                "STREAM.CREATE.A",
                r#"{"name":"A","max_bytes":20000}"#,
                "500 10047 insufficient storage resources available",
            ),
            (
                "STREAM.CREATE.A",
                r#"{"name":"A","max_bytes":2000,"storage":"memory"}"#,
                "500 10028 insufficient memory resources available",
            ),
            ("STREAM.CREATE.A", r#"{"name":"A"}"#, "ok"),
            (
                "STREAM.CREATE.B",
                r#"{"name":"B"}"#,
                "400 10027 maximum number of streams reached",
            ),
            (
                "CONSUMER.CREATE.A.X",
                r#"{"stream_name":"A","config":{"name":"X","durable_name":"X"}}"#,
                "ok",
            ),
            (
                "CONSUMER.CREATE.A.Y",
                r#"{"stream_name":"A","config":{"name":"Y","durable_name":"Y"}}"#,
                "400 10026 maximum consumers limit reached",
            ),
        ],
    );
}

#[test]
fn a_required_api_level_is_held_against_the_server() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let refused = "412 10185 JetStream minimum api level required";
    for (level, expected) in [
        ("0", "ok"),
        ("4", "ok"),
        ("5", refused),
        ("x", refused),
        ("-1", "ok"),
    ] {
        let headers = [("Nats-Required-Api-Level", level)];
        let seen = outcome(&js.api_with("INFO", &headers, ""));
        assert_eq!(seen, expected, "level {level:?}");
    }
    let headers = [("Nats-Required-Api-Level", "5")];
    let body = json!({"name": "S"});
    assert_eq!(
        outcome(&js.api_with("STREAM.CREATE.S", &headers, body)),
        refused
    );
    assert_eq!(js.ok("STREAM.NAMES", "")["total"], 0, "nothing was created");
}

#[test]
fn json_is_read_strictly() {
    let server = server();
    let mut js = JetStream::connect(&server);
    check_api(
        &mut js,
        &[
            (
                "STREAM.CREATE.S",
                r#"{"name":"S","surplus":1}"#,
                "400 10025 invalid JSON: json: unknown field \"surplus\"",
            ),
            (
                "STREAM.CREATE.S",
                "{",
                "400 10025 invalid JSON: unexpected EOF",
            ),
            (
                "STREAM.CREATE.S",
                r#"{"name":"S","retention":"forever"}"#,
                r#"400 10025 invalid JSON: can not unmarshal "\"forever\"""#,
            ),
            ("STREAM.CREATE.S", r#"{"name":"S"}"#, "ok"),
            (
                "STREAM.PURGE.S",
                r#"{"surplus":1}"#,
                "400 10025 invalid JSON: json: unknown field \"surplus\"",
            ),
            (
                "STREAM.INFO.S",
                r#"{"surplus":1}"#,
                "400 10025 invalid JSON: json: unknown field \"surplus\"",
            ),
            (
                "STREAM.NAMES",
                r#"{"surplus":1}"#,
                "400 10025 invalid JSON: json: unknown field \"surplus\"",
            ),
            (
                "CONSUMER.CREATE.S.C",
                r#"{"stream_name":"S","config":{"name":"C","surplus":1}}"#,
                "400 10025 invalid JSON: json: unknown field \"surplus\"",
            ),
        ],
    );
}

#[test]
fn json_is_read_loosely_when_told_so() {
    let server = server_with("jetstream { strict: false }");
    let mut js = JetStream::connect(&server);
    check_api(
        &mut js,
        &[
            ("STREAM.CREATE.S", r#"{"name":"S","surplus":1}"#, "ok"),
            ("STREAM.INFO.S", r#"{"surplus":1}"#, "ok"),
            (
                "STREAM.CREATE.T",
                "{",
                "400 10025 invalid JSON: unexpected end of JSON input",
            ),
        ],
    );
}

/// Texts of broken JSON, and what is told of them; where the fault is only if `strict` says so.
fn check_broken_json(strict: bool) {
    let server = server_with(&format!("jetstream {{ strict: {strict} }}"));
    let mut js = JetStream::connect(&server);
    for (body, place, fault) in [
        ("x", 1, "'x' looking for beginning of value"),
        (r#"{"a":}"#, 6, "'}' looking for beginning of value"),
        ("{a:1}", 2, "'a' looking for beginning of object key string"),
        (
            "{'a':1}",
            2,
            "'\\'' looking for beginning of object key string",
        ),
        (
            r#"{"a":1,}"#,
            8,
            "'}' looking for beginning of object key string",
        ),
        (r#"{"a" 1}"#, 6, "'1' after object key"),
        (r#"{"a":1 "b":2}"#, 8, "'\"' after object key:value pair"),
        ("[1 2]", 4, "'2' after array element"),
        (r#"{"a":01}"#, 7, "'1' after object key:value pair"),
        (r#"{"a":tru}"#, 9, "'}' in literal true (expecting 'e')"),
        (r#"{"a":-x}"#, 7, "'x' in numeric literal"),
        (
            r#"{"a":1.x}"#,
            8,
            "'x' after decimal point in numeric literal",
        ),
        ("{\"a\":\"\n\"}", 7, "'\\n' in string literal"),
        (r#"{"a":"\x"}"#, 8, "'x' in string escape code"),
        (
            r#"{"a":"\u00g0"}"#,
            11,
            "'g' in \\u hexadecimal character escape",
        ),
    ] {
        let place = if strict {
            format!(" at offset {place}")
        } else {
            String::new()
        };
        let expected = format!("400 10025 invalid JSON: invalid character {fault}{place}");
        check_api(&mut js, &[("STREAM.CREATE.T", body, &expected)]);
    }
    let (more, after) = if strict {
        (
            "'x' looking for beginning of value at offset 4",
            "unexpected EOF",
        )
    } else {
        ("'x' after top-level value", "unexpected end of JSON input")
    };
    let more = format!("400 10025 invalid JSON: invalid character {more}");
    let after = format!("400 10025 invalid JSON: {after}");
    check_api(
        &mut js,
        &[
            ("STREAM.CREATE.T", "{} x", &more),
            ("STREAM.CREATE.T", r#"{"a"#, &after),
        ],
    );
}

#[test]
fn broken_json_is_told_with_its_place() {
    check_broken_json(true);
}

#[test]
fn broken_json_is_told_when_read_loosely() {
    check_broken_json(false);
}

#[test]
fn requests_without_a_body_refuse_one() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S"}));
    js.durable("S", "C");
    let refused = "400 10038 expected an empty request payload";
    check_api(
        &mut js,
        &[
            ("INFO", "x", "ok"),
            ("STREAM.DELETE.S", "x", refused),
            ("CONSUMER.INFO.S.C", "x", refused),
            ("CONSUMER.DELETE.S.C", "x", refused),
            ("CONSUMER.INFO.S.C", "{}", "ok"),
            ("CONSUMER.DELETE.S.C", "{}", "ok"),
            ("STREAM.DELETE.S", "{}", "ok"),
        ],
    );
}

#[test]
fn requests_with_a_body_refuse_none() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S"}));
    let bad = "400 10003 bad request";
    let mismatch = "400 10056 stream name in subject does not match request";
    check_api(
        &mut js,
        &[
            ("STREAM.MSG.GET.S", "", bad),
            ("STREAM.MSG.GET.S", "{}", bad),
            ("STREAM.MSG.DELETE.S", "", bad),
            ("STREAM.MSG.DELETE.S", "{}", bad),
            ("STREAM.SNAPSHOT.S", "", bad),
            ("STREAM.RESTORE.S", "", bad),
            ("STREAM.CREATE.S", "", mismatch),
            (
                "STREAM.UPDATE.S",
                "",
                "500 10052 stream name is required and can not contain '.', '*', '>', '\\', '/'",
            ),
            ("CONSUMER.CREATE.S.C", "", mismatch),
        ],
    );
}

#[test]
fn what_needs_a_cluster_says_so() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S"}));
    js.durable("S", "C");
    let refused = "503 10010 JetStream clustering support required";
    check_api(
        &mut js,
        &[
            ("STREAM.PEER.REMOVE.S", r#"{"peer":"x"}"#, refused),
            ("STREAM.LEADER.STEPDOWN.S", "", refused),
            ("CONSUMER.LEADER.STEPDOWN.S.C", "", refused),
            (
                "STREAM.CREATE.R",
                r#"{"name":"R","num_replicas":3}"#,
                "500 10074 replicas > 1 not supported in non-clustered mode",
            ),
        ],
    );
}

/// A subject of the API that nobody serves, or that is for the system account, is not answered,
/// not even by "no responders": the API as a whole listens. The answer to INFO, sent later, comes
/// first.
#[test]
fn unknown_subjects_get_no_answer() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let answers = js.subscribe("answers.*");
    for subject in [
        "NOPE",
        "STREAM.NOPE.S",
        "STREAM.INFO",
        "STREAM.INFO.A.B",
        "META.LEADER.STEPDOWN",
        "SERVER.REMOVE",
        "ACCOUNT.PURGE.A",
        "ACCOUNT.STREAM.MOVE.A.S",
        "CONSUMER.RESET.S.C",
    ] {
        let reply = format!("answers.{}", subject.replace('.', "-"));
        js.send(&format!("$JS.API.{subject}"), &reply, &[], "");
    }
    js.ok("INFO", "");
    assert_eq!(js.arrived(answers), []);
}

#[test]
fn without_jetstream_nobody_responds() {
    let server = Server::start();
    let mut js = JetStream::connect(&server);
    for subject in [
        "$JS.API.INFO",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.CREATE.S",
    ] {
        let answer = js.request(subject, &[], "");
        let expected = format!("NATS/1.0 503\r\nNats-Subject: {subject}\r\n\r\n");
        assert_eq!(answer.headers, Some(expected));
    }
}

#[test]
fn an_account_without_jetstream_is_told() {
    let server = server_with(ACCOUNTS);
    let mut js = JetStream::login(&server, "no1", "p");
    let refused = "503 10039 JetStream not enabled for account";
    check_api(
        &mut js,
        &[
            ("INFO", "", refused),
            ("STREAM.NAMES", "", refused),
            ("STREAM.CREATE.S", r#"{"name":"S"}"#, refused),
        ],
    );
}

#[test]
fn accounts_do_not_see_each_other() {
    let server = server_with(ACCOUNTS);
    let mut on = JetStream::login(&server, "yes1", "p");
    let mut small = JetStream::login(&server, "small", "p");
    on.stream(json!({"name": "S", "subjects": ["s"]}));
    assert_eq!(on.put("s", "x"), 1);
    assert_eq!(
        small.outcome("STREAM.INFO.S", ""),
        "404 10059 stream not found"
    );
    small.stream(json!({"name": "S", "subjects": ["s"]}));
    assert_eq!(small.put("s", "y"), 1);
    assert_eq!(on.state("S")["messages"], 1);
}

#[test]
fn a_domain_has_its_own_prefix() {
    let server = server_with("jetstream { domain: hub }");
    let mut js = JetStream::connect(&server);
    let info = js.request("$JS.hub.API.INFO", &[], "");
    assert!(
        info.payload.contains(r#""domain":"hub""#),
        "{}",
        info.payload
    );
    let created = js.stream(json!({"name": "S", "subjects": ["s"]}));
    assert_eq!(created.get("domain"), None);
    assert_eq!(js.ok("STREAM.INFO.S", "")["domain"], "hub");
    assert_eq!(
        js.publish("s", &[], "x"),
        r#"{"stream":"S","domain":"hub","seq":1}"#
    );
    let names = js.request("$JS.hub.API.STREAM.NAMES", &[], "");
    assert!(
        names.payload.contains(r#""streams":["S"]"#),
        "{}",
        names.payload
    );
    let elsewhere = js.request("$JS.spoke.API.INFO", &[], "");
    assert_eq!(
        elsewhere.headers.as_deref(),
        Some("NATS/1.0 503\r\nNats-Subject: $JS.spoke.API.INFO\r\n\r\n")
    );
}

#[test]
fn the_connection_info_announces_jetstream() {
    let server = server_with("jetstream { domain: hub }");
    let info = server.connect().info().clone();
    assert_eq!(
        (&info["jetstream"], &info["domain"]),
        (&json!(true), &json!("hub"))
    );
    assert_eq!(info["api_lvl"], 4);
    let plain = Server::start().connect().info().clone();
    assert_eq!((plain.get("jetstream"), plain.get("domain")), (None, None));
}

//! Properties: nothing makes the loader panic, and JSON means what the NATS syntax means.

use cognate_config::flags::parse_args;
use cognate_config::{MemorySource, Missing, load, load_with};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Pieces of the grammar, so that random texts get beyond the first character.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just("\n".to_owned()),
        Just(" ".to_owned()),
        Just(",".to_owned()),
        Just(";".to_owned()),
        Just(":".to_owned()),
        Just("=".to_owned()),
        Just("\"".to_owned()),
        Just("'".to_owned()),
        Just("(".to_owned()),
        Just("\n)\n".to_owned()),
        Just("#".to_owned()),
        Just("//".to_owned()),
        Just("\\".to_owned()),
        Just("\\x4".to_owned()),
        Just("$".to_owned()),
        Just("-".to_owned()),
        Just(".".to_owned()),
        Just("include ".to_owned()),
        Just("t.conf".to_owned()),
        Just("$ENV".to_owned()),
        Just("$a".to_owned()),
        Just("a: ".to_owned()),
        Just("port".to_owned()),
        Just("authorization ".to_owned()),
        Just("users: [".to_owned()),
        Just("permissions {".to_owned()),
        Just("tls {".to_owned()),
        Just("mappings {".to_owned()),
        Just("jetstream {".to_owned()),
        Just("max_mem: ".to_owned()),
        Just("accounts { A {".to_owned()),
        Just("exports: [{".to_owned()),
        Just("imports: [{".to_owned()),
        Just("stream: ".to_owned()),
        Just("service {".to_owned()),
        Just("subject: ".to_owned()),
        Just("account: A".to_owned()),
        Just("operator: eyJ".to_owned()),
        Just("resolver {".to_owned()),
        Just("type: full".to_owned()),
        Just("limits {".to_owned()),
        Just("timeout: ".to_owned()),
        Just("1k".to_owned()),
        Just("9223372036854775807".to_owned()),
        Just("1.5".to_owned()),
        Just("2026-01-02T15:04:05Z".to_owned()),
        Just("é".to_owned()),
        "[ -~]{0,4}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// JSON that the NATS grammar can express: quoted strings without escapes it lacks.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000i64..1_000_000).prop_map(|n| Value::from(n as f64 / 64.0 + 0.015_625)),
        "[a-zA-Z0-9 ._<>&é-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-z][a-z0-9_.]{0,8}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// The same value in NATS's own syntax.
fn nats(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!(
                "[\n{}\n]",
                items
                    .iter()
                    .map(nats)
                    .collect::<Vec<_>>()
                    .join("\n # and\n")
            )
        }
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key} = {}", nats(value)))
                .collect();
            format!("{{ {} }}", entries.join(" ; "))
        }
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

/// The digest of a text.
fn digest(text: &str) -> String {
    let source = MemorySource::new().with_file("t.conf", text);
    load("t.conf", &source)
        .unwrap_or_else(|error| panic!("{text}\n{error}"))
        .digest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_the_loader_panic(text in pieces(), env in pieces()) {
        let source = MemorySource::new().with_file("t.conf", text).with_env("ENV", env);
        match load_with("t.conf", &source, Missing::Accept) {
            Err(error) => prop_assert!(!error.to_string().is_empty()),
            Ok(loaded) => prop_assert_eq!(loaded.options.validate(), Ok(())),
        }
    }

    #[test]
    fn no_bytes_make_the_loader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let source = MemorySource::new().with_file("t.conf", text);
        let _ = load("t.conf", &source).map_err(|error| error.to_string());
    }

    #[test]
    fn no_arguments_make_the_flags_panic(args in proptest::collection::vec("[-=a-zA-Z0-9*é]{0,9}", 0..6)) {
        let _ = parse_args(&args);
    }

    #[test]
    fn json_means_what_the_nats_syntax_means(value in json()) {
        // `v` may be anything because it is used as a variable, by a key that is then overwritten.
        prop_assert_eq!(
            digest(&format!("{{\"v\": {value}, \"port\": $v, \"port\": 4222}}")),
            digest(&format!("v = {}\nport $v\nport 4222 # the last one\n", nats(&value)))
        );
    }
}

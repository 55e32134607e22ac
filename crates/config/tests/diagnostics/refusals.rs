//! What is refused because it is not built, and the limits on what is read and said.

use super::said;
use cognate_config::{MAX_DEPTH, MAX_INCLUDES, MAX_SYNTAX_ERRORS, MemorySource, load};

/// The first line of what is said about a text.
fn headline(text: &str) -> String {
    said(text).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn features_that_are_not_built_are_refused_by_name() {
    for (text, key, feature, what) in [
        (
            "cluster { name: c, routes: [\"nats://x:6222\"] }",
            "cluster",
            "clustering",
            "block",
        ),
        ("gateway { name: g }", "gateway", "gateways", "block"),
        (
            "leafnodes { port: 7422 }",
            "leafnodes",
            "leaf nodes",
            "block",
        ),
        ("leaf { port: 7422 }", "leaf", "leaf nodes", "block"),
        ("websocket { port: 80 }", "websocket", "WebSocket", "block"),
        ("mqtt { port: 1883 }", "mqtt", "MQTT", "block"),
        ("prof_port: 6060", "prof_port", "the profiling port", "key"),
    ] {
        let column = text.find(key).map_or(0, |at| at + 1);
        // What exactly is missing changes as it is built.
        let refusal = headline(text);
        let start = format!(
            "nats.conf:1:{column}: {key:?} is recognised, but this version of Cognate does not \
             support {feature}"
        );
        let end = format!(" yet; remove the {what} to start this server without it");
        assert!(
            refusal.starts_with(&start) && refusal.ends_with(&end),
            "{refusal}"
        );
    }
}

#[test]
fn features_that_are_not_built_may_be_turned_off() {
    for text in [
        "resolver: mem",
        "resolver { type: MEMORY }",
        "jetstream: false",
        "jetstream: disabled",
        "jetstream { enabled: false, store_dir: x }",
        "no_system_account: true",
        "prof_port: 0",
        "accounts {}",
        "authorization { user: a, password: b, proxy_required: false }",
    ] {
        assert_eq!(said(text), "", "{text}");
    }
}

#[test]
fn every_limit_is_reported_as_such() {
    let deep = |levels: usize| {
        format!(
            "x: {}{}\ny: $x\nserver_name: a",
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    assert_eq!(
        headline(&deep(MAX_DEPTH)),
        "nats.conf:2:1: unknown field \"y\""
    );
    assert_eq!(
        headline(&deep(MAX_DEPTH + 1)),
        format!(
            "nats.conf:1:{}: the configuration is nested too deeply",
            4 + MAX_DEPTH
        )
    );
    let doubling: String = (1..64)
        .map(|n| format!("a{n}: [$a{0}, $a{0}]\n", n - 1))
        .collect();
    assert_eq!(
        headline(&format!("a0: x\n{doubling}")).split(": ").nth(1),
        Some("the value of variable \"a17\" is too large to repeat here")
    );
    let includes = "include ok.conf\n".repeat(MAX_INCLUDES + 1);
    assert_eq!(
        headline(&includes),
        format!("nats.conf:{}:9: too many includes", MAX_INCLUDES + 1)
    );
    let errors = said(&"a b c\n".repeat(1000));
    assert_eq!(errors.matches("unexpected 'c'").count(), MAX_SYNTAX_ERRORS);
}

/// A finding stays readable, and its time bounded, whatever the file looks like.
#[test]
fn findings_are_bounded_in_number_and_size() {
    let many: String = (0..100_000).map(|n| format!("key{n}: 1\n")).collect();
    let error = load("f", &MemorySource::new().with_file("f", many)).expect_err("unknown keys");
    assert_eq!(error.errors.len(), 100);
    let long = said(&format!("{}: 1", "a".repeat(1 << 20)));
    assert!(long.len() < 2000, "{} bytes", long.len());
}

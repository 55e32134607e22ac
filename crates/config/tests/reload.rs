//! What a reload may change.

use cognate_config::reload::{Change, diff};
use cognate_config::{KeyReference, MemorySource, Options, Reload, load, reference};

fn options(text: &str) -> Options {
    let source = MemorySource::new()
        .with_file("f", text)
        .with_file("c", "")
        .with_file("k", "");
    load("f", &source)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .options
}

/// Compares what changes between two texts: `key: old -> new` each, or the refusal.
fn check(old: &str, new: &str, expected: Result<&[&str], &str>) {
    let found = diff(&options(old), &options(new));
    let lines = |changes: Vec<Change>| -> Vec<String> {
        changes
            .iter()
            .map(|c| format!("{}: {} -> {}", c.key, c.old, c.new))
            .collect()
    };
    let found = found.map(lines).map_err(|error| error.to_string());
    let expected = expected
        .map(|lines| lines.iter().map(|line| (*line).to_owned()).collect())
        .map_err(str::to_owned);
    assert_eq!(found, expected, "{old:?} to {new:?}");
}

#[test]
fn nothing_changed() {
    check("port: 4222", "# the default\nport: 4222", Ok(&[]));
}

#[test]
fn live_changes() {
    check(
        "debug: false\nmax_payload: 1MB",
        "debug: true\nmax_payload: 2MB\nping_interval: \"5s\"\nserver_tags: [a, b]",
        Ok(&[
            "debug: false -> true",
            "ping_interval: 2m0s -> 5s",
            "max_payload: 1048576 -> 2097152",
            "server_tags: [] -> [a b]",
        ]),
    );
    check(
        "mappings {a: b}",
        "",
        Ok(&["mappings: 1 mappings -> 0 mappings"]),
    );
}

#[test]
fn secrets_are_not_shown() {
    check(
        "authorization { token: old }",
        "authorization { token: new }",
        Ok(&["authorization token: [REDACTED] -> [REDACTED]"]),
    );
}

#[test]
fn certificates_are_read_again_even_when_nothing_changed() {
    let tls = "tls { cert_file: c, key_file: k }";
    check(tls, tls, Ok(&["tls: enabled -> enabled"]));
    check(
        tls,
        "tls { cert_file: c, key_file: k, connection_rate_limit: 5 }",
        Err("config reload not supported for TLSRateLimit: old=0, new=5"),
    );
}

#[test]
fn changes_that_need_a_restart_are_refused_together() {
    check(
        "debug: true",
        "host: localhost\nmax_pending: 1g\nhttp: 8222",
        Err(
            "config reload not supported for Host: old=0.0.0.0, new=localhost; \
             config reload not supported for HTTPHost: old=, new=localhost; \
             config reload not supported for HTTPPort: old=0, new=8222; \
             config reload not supported for MaxPending: old=67108864, new=1000000000",
        ),
    );
}

#[test]
fn a_random_port_keeps_the_bound_one() {
    check("port: 4333", "port: -1", Ok(&[]));
    check(
        "port: -1",
        "port: 4333",
        Err("config reload not supported for Port: old=-1, new=4333"),
    );
}

#[test]
fn no_auth_user_goes_only_with_its_user() {
    let users = |names: &str, rest: &str| format!("authorization {{ users: [{names}] }}\n{rest}");
    let both = "{user: a}, {user: b}";
    check(
        &users(both, "no_auth_user: a"),
        &users("{user: b}", ""),
        Ok(&[
            "authorization users: [REDACTED] -> [REDACTED]",
            "no_auth_user: a -> ",
        ]),
    );
    check(
        &users(both, "no_auth_user: a"),
        &users(both, ""),
        Err("config reload not supported for NoAuthUser: old=a, new="),
    );
    check(
        &users(both, "no_auth_user: a"),
        &users(both, "no_auth_user: b"),
        Err("config reload not supported for NoAuthUser: old=a, new=b"),
    );
}

/// A value for each top-level key that differs from its default.
const CHANGED: &[(&str, &str)] = &[
    ("listen", "1.2.3.4:5"),
    ("port", "5"),
    ("host", "h"),
    ("client_advertise", "a"),
    ("server_name", "n"),
    ("server_tags", "t"),
    ("server_metadata", "{a: b}"),
    ("feature_flags", "{a: true}"),
    ("debug", "true"),
    ("trace", "true"),
    ("trace_verbose", "true"),
    ("trace_headers", "true"),
    ("max_traced_msg_len", "5"),
    ("logtime", "false"),
    ("logtime_utc", "true"),
    ("log_file", "f"),
    ("log_size_limit", "5"),
    ("log_max_num", "5"),
    ("syslog", "true"),
    ("remote_syslog", "u"),
    ("pid_file", "p"),
    ("ports_file_dir", "d"),
    ("http", "5"),
    ("https", "5"),
    ("http_port", "5"),
    ("https_port", "5"),
    ("http_base_path", "b"),
    ("max_connections", "5"),
    ("max_control_line", "5"),
    ("max_payload", "5"),
    ("max_pending", "2g"),
    ("max_subscriptions", "5"),
    ("max_sub_tokens", "5"),
    ("max_closed_clients", "5"),
    ("ping_interval", "\"5s\""),
    ("ping_max", "5"),
    ("write_deadline", "\"5s\""),
    ("write_timeout", "retry"),
    ("no_fast_producer_stall", "true"),
    ("lame_duck_duration", "\"5m\""),
    ("lame_duck_grace_period", "\"5s\""),
    ("connect_error_reports", "5"),
    ("reconnect_error_reports", "5"),
    ("disable_sublist_cache", "true"),
    ("no_header_support", "true"),
    ("allow_non_tls", "true"),
    ("tls", "{cert_file: c, key_file: k}"),
    ("authorization", "{token: t}"),
    ("no_auth_user", "a"),
    ("no_system_account", "true"),
    ("mappings", "{a: b}"),
    ("jetstream", "enabled"),
    ("store_dir", "d"),
];

/// A key that reload forgot would be changed in the file and not in the server, in silence.
#[test]
fn reload_sees_every_key_and_agrees_with_its_row() {
    let keys: Vec<KeyReference> = reference()
        .into_iter()
        .filter(|key| key.supported && key.block.is_empty())
        .collect();
    assert_eq!(keys.len(), CHANGED.len(), "a key is missing in CHANGED");
    for key in keys {
        let name = key.names[0];
        let (_, value) = CHANGED
            .iter()
            .find(|(changed, _)| *changed == name)
            .expect(name);
        // Some keys need company, which both sides have.
        let company = match name {
            "https" | "https_port" => "tls {cert_file: c, key_file: k}",
            "store_dir" => "jetstream: enabled",
            "no_auth_user" => "authorization {users: [{user: a}]}",
            _ => "",
        };
        let result = diff(
            &options(company),
            &options(&format!("{company}\n{name}: {value}")),
        );
        match key.reload {
            Reload::Live => assert!(result.is_ok_and(|changes| !changes.is_empty()), "{name}"),
            Reload::Restart => assert!(result.is_err(), "{name}"),
        }
    }
}

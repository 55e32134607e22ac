//! What a reload may change.

use cognate_config::reload::{AccountAspect, AccountChanges, Change, account_changes, diff};
use cognate_config::{KeyReference, MemorySource, Missing, Options, Reload, load_with, reference};

/// Options of a text; `@name@` stands for a key or token.
fn options(text: &str) -> Options {
    let mut text = text.to_owned();
    for line in include_str!("verdicts/keys.txt").lines() {
        let (name, value) = line.split_once(" = ").expect("a name and a value");
        text = text.replace(&format!("@{name}@"), value);
    }
    let source = MemorySource::new()
        .with_file("f", text.as_str())
        .with_file("c", "")
        .with_file("k", "");
    load_with("f", &source, Missing::Accept)
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
    ("max_failed_logins_per_source", "5"),
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
    ("system_account", "S"),
    ("accounts", "{A {}}"),
    ("proxies", "{trusted: [{key: @user@}]}"),
    ("proxy_protocol", "true"),
    ("ocsp", "true"),
    ("ocsp_cache", "true"),
    ("operator", "@operator_jwt@"),
    ("trusted_keys", "@operator@"),
    ("resolver", "{type: full, dir: d}"),
    ("resolver_tls", "{insecure: true}"),
    ("resolver_preload", "{@account@: @account_jwt@}"),
    ("resolver_pinned_accounts", "@account@"),
    ("default_sentinel", "@bearer_jwt@"),
];

/// A key that reload forgot would be changed in the file and not in the server, in silence.
#[test]
fn reload_sees_every_key_and_agrees_with_its_row() {
    let keys: Vec<KeyReference> = reference()
        .into_iter()
        // Keys without a shape are known by name only.
        .filter(|key| !key.shape.is_empty() && key.block.is_empty())
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
            "system_account" => "accounts: [S]",
            "operator" | "resolver" => "resolver: MEMORY",
            "default_sentinel" => "operator: @operator_jwt@, resolver: MEMORY",
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

/// Compares what changes about accounts between two texts.
fn check_accounts(
    old: &str,
    new: &str,
    added: &[&str],
    removed: &[&str],
    changed: &[(&str, &[AccountAspect])],
) {
    let (old_options, new_options) = (options(old), options(new));
    let AccountChanges {
        added: a,
        removed: r,
        changed: c,
    } = account_changes(&old_options, &new_options);
    let c: Vec<(&str, &[AccountAspect])> = c
        .iter()
        .map(|change| (change.name.as_str(), change.aspects.as_slice()))
        .collect();
    assert_eq!(
        (a, r, c.as_slice()),
        (owned(added), owned(removed), changed),
        "{old} to {new}"
    );
    let differ = diff(&old_options, &new_options).expect("accounts change live");
    let nothing = added.is_empty() && removed.is_empty() && changed.is_empty();
    assert_eq!(nothing, differ.is_empty(), "{old} to {new}: {differ:?}");
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn accounts_come_and_go() {
    check_accounts("accounts: [A, B]", "accounts {B {}, A {}}", &[], &[], &[]);
    check_accounts(
        "accounts: [A, B]",
        "accounts: [C, B, D]",
        &["C", "D"],
        &["A"],
        &[],
    );
    check_accounts("", "accounts {A { users: [{user: a}] }}", &["A"], &[], &[]);
}

#[test]
fn what_changed_about_an_account_is_said() {
    use AccountAspect as A;
    let of_a = |text: &str| {
        format!(
            "accounts {{ A {{ {text} }}, B {{ exports: [{{stream: s}}, {{service: s}}, \
             {{stream: t}}] }} }}"
        )
    };
    let import = "imports: [{stream {account: B, subject: s}}, {stream {account: B, subject: t}}]";
    for (old, new, aspect) in [
        ("", "nkey: @account@", A::Nkey),
        ("", "users: [{user: a}]", A::Users),
        (
            "users: [{user: a, password: x}]",
            "users: [{user: a, password: y}]",
            A::Users,
        ),
        (
            "users: [{user: a}]",
            "default_permissions {publish: x}, users: [{user: a}]",
            A::Users,
        ),
        ("", "exports: [{stream: a}]", A::StreamExports),
        (
            "exports: [{stream: a}]",
            "exports: [{stream: a, accounts: [B]}]",
            A::StreamExports,
        ),
        ("", "exports: [{service: a}]", A::ServiceExports),
        (
            "exports: [{service: a}]",
            "exports: [{service: a, latency: l}]",
            A::ServiceExports,
        ),
        ("", import, A::StreamImports),
        (
            "",
            "imports: [{service {account: B, subject: s}}]",
            A::ServiceImports,
        ),
        ("", "mappings {a: b}", A::Mappings),
        ("", "limits {max_conn: 5}", A::Limits),
        ("jetstream: true", "jetstream {max_mem: 5}", A::JetStream),
        ("", "msg_trace: t", A::MessageTrace),
    ] {
        check_accounts(&of_a(old), &of_a(new), &[], &[], &[("A", &[aspect])]);
        check_accounts(&of_a(new), &of_a(old), &[], &[], &[("A", &[aspect])]);
        check_accounts(&of_a(new), &of_a(new), &[], &[], &[]);
    }
    let turned = "imports: [{stream {account: B, subject: t}}, {stream {account: B, subject: s}}]";
    let changes = account_changes(&options(&of_a(import)), &options(&of_a(turned)));
    assert!(changes.is_empty(), "the order of imports says nothing");
}

#[test]
fn the_global_account_changes_at_the_top_level() {
    use AccountAspect as A;
    check_accounts("", "mappings {a: b}", &[], &[], &[("$G", &[A::Mappings])]);
    let one = "authorization { users: [{user: a}] }";
    let two = "authorization { users: [{user: a}, {user: b}] }";
    check_accounts(one, two, &[], &[], &[("$G", &[A::Users])]);
}

#[test]
fn identity_and_trust_need_a_restart() {
    let named = "accounts: [S, T]\nsystem_account: S";
    for (old, new, field) in [
        (
            named,
            "accounts: [S, T]\nsystem_account: T",
            "SystemAccount: old=S, new=T",
        ),
        (named, "accounts: [S, T]", "SystemAccount: old=S, new="),
        ("accounts: [S, T]", named, "SystemAccount: old=, new=S"),
        (
            "",
            "trusted_keys: @operator@",
            "TrustedKeys: old=[], new=[@operator@]",
        ),
        (
            "trusted_keys: @operator@\nresolver: MEMORY",
            "trusted_keys: @operator@",
            "AccountResolver: old=memory, new=none",
        ),
        (
            "",
            "proxy_protocol: true",
            "ProxyProtocol: old=false, new=true",
        ),
        (
            "authorization { users: [{user: a}] }",
            "authorization { users: [{user: a}], proxy_required: true }",
            "ProxyRequired: old=false, new=true",
        ),
        (
            "authorization { users: [{user: a}] }",
            "authorization { users: [{user: a}], \
             auth_callout {issuer: @account@, auth_users: [a]} }",
            "AuthCallout: old=off, new=on",
        ),
    ] {
        let key = include_str!("verdicts/keys.txt")
            .lines()
            .next()
            .expect("a key");
        let key = key.split_once(" = ").expect("a name and a value").1;
        let message = format!("config reload not supported for {field}");
        check(old, new, Err(&message.replace("@operator@", key)));
    }
}

/// The system account that the server made may be described later, as in nats-server.
#[test]
fn describing_the_default_system_account_is_live() {
    let described = "accounts { \"$SYS\" { users: [{user: s}] } }";
    check(
        "",
        described,
        Ok(&[
            "authorization users: [REDACTED] -> [REDACTED]",
            "accounts: 0 accounts -> 1 accounts",
        ]),
    );
    check(
        described,
        "",
        Ok(&[
            "authorization users: [REDACTED] -> [REDACTED]",
            "accounts: 1 accounts -> 0 accounts",
        ]),
    );
}

/// An account's user whom clients without credentials become may go with the setting only.
#[test]
fn no_auth_user_of_an_account() {
    let with = |users: &str, rest: &str| format!("accounts {{ A {{ users: [{users}] }} }}\n{rest}");
    check(
        &with("{user: a}, {user: b}", "no_auth_user: a"),
        &with("{user: a}, {user: b}", ""),
        Err("config reload not supported for NoAuthUser: old=a, new="),
    );
    check(
        &with("{user: a}, {user: b}", "no_auth_user: a"),
        &with("{user: b}", ""),
        Ok(&[
            "authorization users: [REDACTED] -> [REDACTED]",
            "no_auth_user: a -> ",
            "accounts: 1 accounts -> 1 accounts",
        ]),
    );
}

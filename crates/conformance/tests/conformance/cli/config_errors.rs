//! What `-t` says of right and wrong configurations.

use cognate_conformance::cli;

use super::{config_file, test_config};

#[test]
fn valid_files_are_confirmed_with_their_digest() {
    for text in [
        "port: 4222\nhttp: 8222\n",
        "{\"port\": 4222, \"authorization\": {\"users\": [{\"user\": \"a\", \"password\": \"b\"}]}}",
        "listen = 127.0.0.1:4222 # comment\n// another\nmax_payload 1MB; debug = yes\n",
        "authorization {\n  timeout: 2\n  users = [\n    {user: a, password: b}\n    {user: c, password: d}\n  ]\n}\n",
    ] {
        let (done, path) = test_config(text);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(0), ""),
            "{text}: {}",
            done.stderr
        );
        let start = format!(
            "nats-server: configuration file {} is valid",
            path.display()
        );
        assert!(done.stderr.starts_with(&start), "{text}: {}", done.stderr);
        assert!(done.stderr.contains("(sha256:"), "{text}: {}", done.stderr);
    }
}

#[test]
fn the_digest_follows_the_values_not_the_layout() {
    let digest = |text: &str| {
        let (done, _) = test_config(text);
        done.stderr
            .split("(sha256:")
            .nth(1)
            .expect("a digest")
            .to_owned()
    };
    assert_eq!(
        digest("port: 4222, debug: true\n"),
        digest("# x\ndebug = true\nport 4222\n")
    );
    assert_ne!(digest("port: 4222"), digest("port: 4223"));
}

#[test]
fn unknown_fields_are_errors_with_their_place() {
    for (text, place) in [
        ("port: 4222\n  foo: 1\n", ":2:3: unknown field \"foo\""),
        ("port: 4222\n\n\n\tfoo: 1\n", ":4:2: unknown field \"foo\""),
        (
            "\nauthorization {\n  user: a\n  password: b\n    bogus: c\n}\n",
            ":5:5: unknown field \"bogus\"",
        ),
    ] {
        let (done, path) = test_config(text);
        assert_eq!(done.code, Some(1), "{text}");
        let said = format!("{}{place}", path.display());
        assert!(
            done.stderr.contains(&said),
            "expected {said} in {}",
            done.stderr
        );
        assert!(done.stderr.starts_with("nats-server: "), "{}", done.stderr);
    }
}

#[test]
fn a_size_suffix_ends_a_number() {
    for (value, is_text) in [
        ("1e345678-n1", false),
        ("2m30s", false),
        ("1k3", false),
        ("1e-5", true),
        ("1kx-3", true),
    ] {
        let (done, _) = test_config(&format!("server_name: {value}"));
        let code = if is_text { 0 } else { 1 };
        assert_eq!(done.code, Some(code), "{value}: {}", done.stderr);
    }
}

#[test]
fn several_errors_are_reported_at_once() {
    let (done, path) = test_config("port: 4222\nfoo: 1\nbar: 2\nmax_payload: \"x\"\n");
    assert_eq!(done.code, Some(1));
    for place in [
        ":2:1: unknown field \"foo\"",
        ":3:1: unknown field \"bar\"",
        // The column is that of the key in some servers, that of the value in others.
        ":4:",
    ] {
        let said = format!("{}{place}", path.display());
        assert!(
            done.stderr.contains(&said),
            "expected {said} in {}",
            done.stderr
        );
    }
}

#[test]
fn a_server_does_not_start_with_a_wrong_file() {
    let (_dir, path) = config_file("port: -1\nfoo: 1\n");
    let done = cli::run(["-c".as_ref(), path.as_os_str()]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.contains(":2:1: unknown field \"foo\""),
        "{}",
        done.stderr
    );
}

#[test]
fn wrong_values_are_refused() {
    for (text, word) in [
        // The column is that of the key in some servers, that of the value in others.
        ("\nport: \"abc\"", "server.conf:2:"),
        ("\ndebug: \"x\"", "server.conf:2:"),
        ("\nwrite_deadline: \"x\"", "write_deadline"),
        ("\nport: $NO_SUCH_VARIABLE_HERE", "NO_SUCH_VARIABLE_HERE"),
        ("\nlame_duck_duration: \"10s\"", "minimum is 30 seconds"),
        (
            "\nauthorization { token: a, user: b, password: c }",
            "Cannot have a user/pass and token",
        ),
        (
            "\nauthorization { users [ {user: a, password: b}, {user: a, password: c} ] }",
            "Duplicate user \"a\" detected",
        ),
        (
            "\nauthorization { users [ {user: a, password: b, permissions: {publish: \"a..b\"}} ] }",
            "\"a..b\" is not a valid subject",
        ),
        ("\ninclude \"no-such-file.conf\"", "no-such-file.conf"),
        ("\ntls { bogus: 1 }", "unknown field \"bogus\""),
        ("\nmax_control_line: 99999999999", "max_control_line"),
        ("", "config has no values or is empty"),
        ("# only a comment\n", "config has no values or is empty"),
    ] {
        let (done, _) = test_config(text);
        assert_eq!(done.code, Some(1), "{text}: {}", done.stderr);
        assert!(
            done.stderr.contains(word),
            "{text}: expected {word} in {}",
            done.stderr
        );
    }
}

#[test]
fn broken_syntax_is_refused() {
    for text in [
        "port: 4222\nauthorization {\n user: a\n",
        "port: [1,,2]\n",
        "port: [1\n",
        "port: \"unterminated\n",
        "port:\n",
        "}\n",
        "a: 1 }\n",
        "port: 4222 4223\n",
        "debug: \"\\q\"\n",
    ] {
        let (done, _) = test_config(text);
        assert_eq!(done.code, Some(1), "{text}: {}", done.stderr);
        assert!(
            done.stderr.starts_with("nats-server: "),
            "{text}: {}",
            done.stderr
        );
    }
}

#[test]
fn conflicts_between_values_are_found_at_start() {
    for (text, word) in [
        (
            "lame_duck_duration: \"30s\", lame_duck_grace_period: \"30s\"",
            "lame duck grace period",
        ),
        ("max_payload: 2000000, max_pending: 1000000", "max_payload"),
        (
            "no_auth_user: nobody\nauthorization { users [ {user: a, password: b} ] }",
            "no_auth_user",
        ),
    ] {
        let (_dir, path) = config_file(&format!("port: -1, host: 127.0.0.1\n{text}\n"));
        let done = cli::run(["-c".as_ref(), path.as_os_str()]);
        assert_eq!(done.code, Some(1), "{text}: {}", done.stderr);
        assert!(done.stderr.contains(word), "{text}: {}", done.stderr);
    }
}

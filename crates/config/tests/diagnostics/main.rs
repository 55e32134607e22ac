//! Diagnostics as exact text.

mod refusals;
mod secrets;

use cognate_config::{MemorySource, load};

/// Everything that is said about a text: warnings, then errors.
fn said(text: &str) -> String {
    let source = MemorySource::new()
        .with_file("nats.conf", text)
        .with_file("ok.conf", "port: 1\n");
    match load("nats.conf", &source) {
        Ok(loaded) => loaded
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => error.to_string(),
    }
}

/// Compares what is said about a text with what should be.
fn check(text: &str, expected: &str) {
    assert_eq!(said(text), expected.trim_matches('\n'), "about:\n{text}");
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    check(
        r#"port: 4222
max_paylod: 2MB
"#,
        r#"
nats.conf:2:1: unknown field "max_paylod"
  |
2 | max_paylod: 2MB
  | ^^^^^^^^^^
  = hint: did you mean "max_payload"?
"#,
    );
}

#[test]
fn syntax_errors_stop_before_meaning() {
    check(
        r#"debug: yes
authorization {
  users: [
    {user: a, pasword: "s3cret", permissions: {publsh: "x"}}
    {user: a b}
  ]
}
"#,
        r#"
nats.conf:5:14: unexpected 'b' after a value
  |
5 |     {user: a b}
  |              ^
  = expected a new line, ',', ';' or '}'
  = hint: a value with spaces in it needs quotes
"#,
    );
}

#[test]
fn several_errors_are_reported_in_the_order_of_the_file() {
    check(
        r#"tracing: true
port: "4222"
server_name: 17
authorization {
  users: [ {user: a, pasword: "s3cret"}, {user: a, permissions: {publish: "a..b"}} ]
  timeout: 10m
}
frobnicate: 1
max_payload: lots
"#,
        r#"
nats.conf:6:12: invalid use of field "timeout": timeout of 10000000 seconds is high, consider keeping it under 60 seconds. possibly caused by unquoted duration; use "1m" instead of 1m, for example
  |
6 |   timeout: 10m
  |            ^^^
nats.conf:1:1: unknown field "tracing"
  |
1 | tracing: true
  | ^^^^^^^
nats.conf:2:7: "port" is a string
  |
2 | port: "4222"
  |       ^^^^^^
  = expected an integer
  = hint: write it without quotes
nats.conf:3:14: "server_name" is an integer
  |
3 | server_name: 17
  |              ^^
  = expected a string
  = hint: text that looks like a number needs quotes
nats.conf:5:22: unknown field "pasword"
  |
5 |   users: [ {user: a, pasword: *******"}, {user: a, permissions: {publish: "a..b"}} ]
  |                      ^^^^^^^
  = hint: did you mean "password"?
nats.conf:5:42: Duplicate user "a" detected
  |
5 |   users: [ {user: a, pasword: *******"}, {user: a, permissions: {publish: "a..b"}} ]
  |                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = hint: remove one of the two entries
nats.conf:5:75: subject "a..b" is not a valid subject
  |
5 |   users: [ {user: a, pasword: *******"}, {user: a, permissions: {publish: "a..b"}} ]
  |                                                                           ^^^^^^
nats.conf:8:1: unknown field "frobnicate"
  |
8 | frobnicate: 1
  | ^^^^^^^^^^
nats.conf:9:14: "max_payload" is a string
  |
9 | max_payload: lots
  |              ^^^^
  = expected an integer
"#,
    );
}

#[test]
fn several_syntax_errors_are_reported() {
    check(
        r#"port: 4222
server_name: my server
cluster{
}
x = [1, 2
y = 3
"#,
        r#"
nats.conf:2:17: unexpected 's' after a value
  |
2 | server_name: my server
  |                 ^
  = expected a new line, ',' or ';'
  = hint: a value with spaces in it needs quotes
nats.conf:3:1: the key "cluster{" ends with a brace
  |
3 | cluster{
  | ^^^^^^^^
  = expected whitespace, '=' or ':' between a key and '{'
  = hint: write `cluster {`
nats.conf:6:3: unexpected '=' in an array
  |
6 | y = 3
  |   ^
  = expected ',', a new line or ']'
"#,
    );
}

#[test]
fn an_unterminated_string_is_reported_where_it_begins() {
    check(
        r#"server_name: "unterminated
port: 1
"#,
        r#"
nats.conf:1:14: this string is never closed
  |
1 | server_name: "unterminated
  |              ^
  = expected a closing "
"#,
    );
}

#[test]
fn a_key_in_the_wrong_place_names_the_right_one() {
    check(
        r#"cert_file: "x.pem"
"#,
        r#"
nats.conf:1:1: unknown field "cert_file"
  |
1 | cert_file: "x.pem"
  | ^^^^^^^^^
  = hint: "cert_file" belongs in the tls block
"#,
    );
}

#[test]
fn warnings_do_not_stop_the_server() {
    check(
        r#"ping_interval: 120
max_payload: 9MB
"#,
        r#"
nats.conf:1:16: invalid use of field "ping_interval": ping_interval should be converted to a duration
  |
1 | ping_interval: 120
  |                ^^^
"#,
    );
}

#[test]
fn missing_files_are_reported_at_their_keys() {
    check(
        r#"tls {
  cert_file: "missing.pem"
	key_file: 'also-missing.pem'
  min_version: 1.3
}
"#,
        r#"
nats.conf:2:14: cert_file "missing.pem" can not be found
  |
2 |   cert_file: "missing.pem"
  |              ^^^^^^^^^^^^^
  = hint: relative paths are relative to the directory the server is started in
nats.conf:3:12: key_file "also-missing.pem" can not be found
  |
3 |  key_file: 'also-missing.pem'
  |            ^^^^^^^^^^^^^^^^^^
  = hint: relative paths are relative to the directory the server is started in
nats.conf:4:16: error parsing tls config: 'min_version' wrong type
  |
4 |   min_version: 1.3
  |                ^^^
  = expected "1.2" or "1.3"
  = hint: the version needs quotes
"#,
    );
}

#[test]
fn references_out_of_the_file() {
    check(
        r#"x: [ $y ]
include "missing.conf"
include "nats.conf"
"#,
        r#"
nats.conf:1:6: variable reference for 'y' on line 1 can not be found
  |
1 | x: [ $y ]
  |      ^^
  = expected a key defined before this line, or an environment variable
  = hint: put text that begins with '$' in quotes
nats.conf:2:9: error parsing include file 'missing.conf', open missing.conf: no such file or directory
  |
2 | include "missing.conf"
  |         ^^^^^^^^^^^^^^
  = hint: the path is relative to the including file, so "missing.conf" was tried
nats.conf:3:9: include cycle: nats.conf includes nats.conf
  |
3 | include "nats.conf"
  |         ^^^^^^^^^^^
  = hint: remove one of these includes
"#,
    );
}

#[test]
fn a_value_with_line_ends_leaves_a_finding_on_its_line() {
    let said = said(r#"mappings { a: "b\x0a.$1\x0d\x1b[31m" }"#);
    let line = said.lines().next().unwrap_or_default();
    assert!(line.contains("$1"), "{said}");
    assert!(!said.contains(['\r', '\x1b']), "{said:?}");
}

#[test]
fn a_conflict_points_at_the_key() {
    check(
        r#"max_payload: 128MB
"#,
        r#"
nats.conf:1:1: max_payload (134217728) cannot be higher than max_pending (67108864)
  |
1 | max_payload: 128MB
  | ^^^^^^^^^^^
  = hint: raise max_pending or lower max_payload
"#,
    );
}

#[test]
fn an_ipv6_address_needs_brackets() {
    check(
        r#"listen: "::1"
"#,
        r#"
nats.conf:1:9: could not parse address string "::1"
  |
1 | listen: "::1"
  |         ^^^^^
  = expected a port or "host:port"
  = hint: an IPv6 address needs brackets: "[::1]:4222"
"#,
    );
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let error = load("gone.conf", &MemorySource::new()).expect_err("the file does not exist");
    assert_eq!(
        error.to_string(),
        "open gone.conf: no such file or directory"
    );
}

//! The texts of `-ERR` frames, exactly as nats-server 2.14.5 words them.
//!
//! Clients compare these texts, so they never change. Called by `session` and
//! `auth`. Absent: whether a text closes the connection, which is the
//! caller's (for parser faults: [`crate::Fault`]).

/// The client sent something that is no operation; closes.
pub const UNKNOWN_OPERATION: &str = "Unknown Protocol Operation";
/// A control line over `max_control_line`; closes.
pub const MAX_CONTROL_LINE: &str = "maximum control line exceeded";
/// A message over `max_payload`; closes.
pub const MAX_PAYLOAD: &str = "Maximum Payload Violation";
/// A client on the port for routes; closes.
pub const ROUTE_PORT: &str = "attempted to connect to route port";
/// A client on the port for leaf nodes; closes.
pub const LEAF_NODE_PORT: &str = "attempted to connect to leaf node port";
/// A client on the port for gateways; closes.
pub const GATEWAY_PORT: &str = "attempted to connect to gateway port";
/// Bad or missing credentials; closes.
pub const AUTHORIZATION_VIOLATION: &str = "Authorization Violation";
/// No CONNECT in time; closes.
pub const AUTHENTICATION_TIMEOUT: &str = "Authentication Timeout";
/// The user's credentials expired; closes.
pub const USER_AUTHENTICATION_EXPIRED: &str = "User Authentication Expired";
/// The account expired; closes.
pub const ACCOUNT_AUTHENTICATION_EXPIRED: &str = "Account Authentication Expired";
/// The user was revoked; closes.
pub const USER_AUTHENTICATION_REVOKED: &str = "User Authentication Revoked";
/// The server's `max_connections` was reached; closes.
pub const MAX_CONNECTIONS: &str = "maximum connections exceeded";
/// The account's connection limit was reached; closes.
pub const MAX_ACCOUNT_CONNECTIONS: &str = "maximum account active connections exceeded";
/// The subscription limit was reached; stays open.
pub const MAX_SUBSCRIPTIONS: &str = "maximum subscriptions exceeded";
/// Pedantic mode: a publish subject with wildcards or empty tokens; stays open.
pub const INVALID_PUBLISH_SUBJECT: &str = "Invalid Publish Subject";
/// A malformed subscription subject; stays open.
pub const INVALID_SUBJECT: &str = "Invalid Subject";
/// CONNECT asked for `no_responders` without `headers`; closes.
pub const NO_RESPONDERS_REQUIRES_HEADERS: &str = "no responders requires headers support";
/// CONNECT asked for an unknown protocol; closes.
pub const INVALID_CLIENT_PROTOCOL: &str = "invalid client protocol";
/// Too many pings remained unanswered; closes.
pub const STALE_CONNECTION: &str = "Stale Connection";
/// No TLS handshake in time; closes.
pub const TLS_REQUIRED: &str = "Secure Connection - TLS Required";
/// The rate limit for new TLS connections; closes.
pub const CONNECTION_THROTTLING: &str = "Connection throttling is active. Please try again later.";
/// The account refused the registration of the client; closes.
pub const FAILED_ACCOUNT_REGISTRATION: &str = "Failed Account Registration";

/// A publish to a subject the user may not publish to.
pub fn publish_violation(subject: &[u8]) -> String {
    format!("Permissions Violation for Publish to {}", quote(subject))
}

/// A publish whose reply subject lies in a reserved space.
pub fn publish_reply_violation(reply: &[u8]) -> String {
    format!(
        "Permissions Violation for Publish with Reply of {}",
        quote(reply)
    )
}

/// A subscription (with a queue group, if any) the user may not make.
pub fn subscribe_violation(subject: &[u8], queue: Option<&[u8]>) -> String {
    match queue {
        None => format!(
            "Permissions Violation for Subscription to {}",
            quote(subject)
        ),
        Some(queue) => format!(
            "Permissions Violation for Subscription to {} using queue {}",
            quote(subject),
            quote(queue)
        ),
    }
}

/// A subscription removed because permissions changed.
pub fn subscription_removed(subject: &[u8], queue: Option<&[u8]>, sid: &[u8]) -> String {
    format!(
        "{} (sid {})",
        subscribe_violation(subject, queue),
        quote(sid)
    )
}

/// A subscription with more tokens than `max_sub_tokens`.
pub fn too_many_tokens(subject: &[u8]) -> String {
    format!(
        "Permissions Violation for Subscription to {}, too many tokens",
        quote(subject)
    )
}

/// Appends the frame `-ERR '<text>'` with its CR LF.
///
/// `text` must be one line; CR and LF inside it would forge frames and are
/// written as blanks.
pub fn write_err(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"-ERR '");
    out.extend(
        text.bytes()
            .map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }),
    );
    out.extend_from_slice(b"'\r\n");
}

/// Text in double quotes with the escapes of Go's `%q`, as the protocol's
/// texts contain subjects.
///
/// Printable characters stand for themselves (Unicode letters, marks, numbers,
/// punctuation, symbols and the ASCII blank); bytes that are not UTF-8 become
/// `\xNN`.
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_quoted(&mut out, c));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

fn push_quoted(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        ' '..='~' => out.push(c),
        '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if is_printable(c) => out.push(c),
        '\0'..='\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
    }
}

/// Whether a character above ASCII is printable.
///
/// The standard library knows (it is how `{:?}` decides) but says so only
/// through `escape_debug`, and escapes combining marks only at the start of a
/// string: hence the letter in front.
fn is_printable(c: char) -> bool {
    let mut probe = String::with_capacity(5);
    probe.push('a');
    probe.push(c);
    probe.escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_follows_go() {
        let check = |input: &[u8], expected: &str| assert_eq!(quote(input), expected);
        check(b"foo.bar", r#""foo.bar""#);
        check(b"", r#""""#);
        check(b"a b'c", r#""a b'c""#);
        check(br#"a"b\c"#, r#""a\"b\\c""#);
        check(b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#);
        check(b"\x00\x1f\x7f", r#""\x00\x1f\x7f""#);
        check("grüße.世界.😀".as_bytes(), r#""grüße.世界.😀""#);
        check("e\u{301}".as_bytes(), "\"e\u{301}\"");
        check("\u{301}".as_bytes(), "\"\u{301}\"");
        check(
            "\u{a0}\u{ad}\u{200b}\u{2028}\u{feff}".as_bytes(),
            r#""\u00a0\u00ad\u200b\u2028\ufeff""#,
        );
        check(
            "\u{e0001}\u{10ffff}".as_bytes(),
            r#""\U000e0001\U0010ffff""#,
        );
        check("\u{fffd}".as_bytes(), "\"\u{fffd}\"");
        check(b"a\xff\xc3(", r#""a\xff\xc3(""#);
        check(b"\xed\xa0\x80", r#""\xed\xa0\x80""#);
    }

    #[test]
    fn permission_texts() {
        let check = |text: String, expected: &str| {
            let mut out = Vec::new();
            write_err(&mut out, &text);
            assert_eq!(
                String::from_utf8_lossy(&out),
                format!("-ERR '{expected}'\r\n")
            );
        };
        check(
            publish_violation(b"foo"),
            r#"Permissions Violation for Publish to "foo""#,
        );
        check(
            publish_reply_violation(b"_R_.x"),
            r#"Permissions Violation for Publish with Reply of "_R_.x""#,
        );
        check(
            subscribe_violation(b"foo", None),
            r#"Permissions Violation for Subscription to "foo""#,
        );
        check(
            subscribe_violation(b"foo", Some(b"q")),
            r#"Permissions Violation for Subscription to "foo" using queue "q""#,
        );
        check(
            subscription_removed(b"foo", None, b"7"),
            r#"Permissions Violation for Subscription to "foo" (sid "7")"#,
        );
        check(
            subscription_removed(b"foo", Some(b"q"), b"7"),
            r#"Permissions Violation for Subscription to "foo" using queue "q" (sid "7")"#,
        );
        check(
            too_many_tokens(b"a.b.c"),
            r#"Permissions Violation for Subscription to "a.b.c", too many tokens"#,
        );
    }

    #[test]
    fn an_error_frame_is_one_line() {
        let mut out = Vec::new();
        write_err(&mut out, "a\r\nPING\r\n");
        assert_eq!(out, b"-ERR 'a  PING  '\r\n");
    }
}

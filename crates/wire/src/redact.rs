//! CONNECT as the trace log may show it: without secrets.
//!
//! A valid document is copied with the values of secret keys replaced; of a
//! text that is no JSON nothing is shown but its length, because there a
//! secret may stand anywhere. Called by `session` when tracing.

use serde::de::IgnoredAny;

/// What stands in the place of a secret.
const REDACTED: &str = "\"[REDACTED]\"";

/// The text after CONNECT for a log, with passwords, tokens, signatures and
/// JWTs replaced by `"[REDACTED]"`, at any depth and however the key is
/// spelled (case, escapes).
pub fn redact_connect(json: &[u8]) -> String {
    let text = String::from_utf8_lossy(json);
    if serde_json::from_str::<IgnoredAny>(&text).is_err() {
        return format!("[REDACTED] ({} bytes, not valid JSON)", json.len());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(quote) = rest.find('"') {
        let end = quote + string_len(&rest[quote..]);
        out.push_str(&rest[..end]);
        let literal = &rest[quote..end];
        rest = &rest[end..];
        let after = rest.trim_start();
        if let Some(value) = after.strip_prefix(':')
            && is_secret(literal)
        {
            out.push(':');
            out.push_str(REDACTED);
            rest = skip_value(value.trim_start());
        }
    }
    out.push_str(rest);
    out
}

/// Length in bytes of the JSON string at the start of `text`, quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// What follows the JSON value at the start of `text`.
fn skip_value(text: &str) -> &str {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => {
                at += string_len(&text[at..]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => break,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    text.get(at..).unwrap_or_default()
}

/// Whether the key with this JSON spelling names a secret.
///
/// Every key that starts with "pass" counts, as people send "password" too.
fn is_secret(literal: &str) -> bool {
    let Ok(key) = serde_json::from_str::<String>(literal) else {
        return true;
    };
    let key = key.trim().to_ascii_lowercase();
    key.starts_with("pass")
        || matches!(
            key.as_str(),
            "auth_token" | "token" | "jwt" | "sig" | "proxy_sig" | "seed"
        )
}

#[cfg(test)]
mod tests {
    use super::redact_connect;

    #[test]
    fn secrets_are_replaced() {
        let check =
            |json: &str, expected: &str| assert_eq!(redact_connect(json.as_bytes()), expected);
        check("{}", "{}");
        check(
            r#"{"user":"me","echo":true}"#,
            r#"{"user":"me","echo":true}"#,
        );
        check(
            r#"{"user":"me","pass":"s","auth_token": "t","jwt" :"j","sig":"g","proxy_sig":"p"}"#,
            concat!(
                r#"{"user":"me","pass":"[REDACTED]","auth_token":"[REDACTED]","#,
                r#""jwt":"[REDACTED]","sig":"[REDACTED]","proxy_sig":"[REDACTED]"}"#
            ),
        );
        check(
            r#"{"pass":"a\"b,}c","x":1}"#,
            r#"{"pass":"[REDACTED]","x":1}"#,
        );
        check(r#"{"PASS":12,"x":1}"#, r#"{"PASS":"[REDACTED]","x":1}"#);
        check(
            r#"{"password":{"a":["}",1]},"x":1}"#,
            r#"{"password":"[REDACTED]","x":1}"#,
        );
        check(r#"{"p\u0061ss":"s"}"#, r#"{"p\u0061ss":"[REDACTED]"}"#);
        check(
            r#"{"a":{"pass":"s"},"b":["pass"]}"#,
            r#"{"a":{"pass":"[REDACTED]"},"b":["pass"]}"#,
        );
        check(
            r#"{"name":"pass","x":"\"pass\":"}"#,
            r#"{"name":"pass","x":"\"pass\":"}"#,
        );
        check(
            r#"{"pass":"ü😀","name":"ß"}"#,
            r#"{"pass":"[REDACTED]","name":"ß"}"#,
        );
    }

    #[test]
    fn malformed_text_is_not_shown() {
        for json in [
            "",
            "{pass:secret}",
            r#"{"pass":"secret"#,
            "secret",
            r#"{"pass":"secret"}}"#,
        ] {
            let expected = format!("[REDACTED] ({} bytes, not valid JSON)", json.len());
            assert_eq!(redact_connect(json.as_bytes()), expected);
        }
        assert_eq!(
            redact_connect(b"\"\xff"),
            "[REDACTED] (2 bytes, not valid JSON)"
        );
    }
}

//! Comparing JSON answers without what differs from run to run.
//!
//! Times, server names and generated ids become placeholders rather than disappear, so that a
//! field that is missing or that appears is still a difference. The zero time stays as it is: it
//! is a value that clients look at.

use serde_json::Value;

const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Replaces what is volatile: times by `<time>`, server names by `<server>`, event ids by `<id>`,
/// the server's version by `<version>`.
#[must_use]
pub fn stable(mut value: Value) -> Value {
    mask("", &mut value);
    value
}

fn mask(key: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| mask(key, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(key, item)),
        Value::String(text) => {
            if let Some(placeholder) = placeholder(key, text) {
                *text = placeholder.to_owned();
            }
        }
        _ => {}
    }
}

fn placeholder(key: &str, text: &str) -> Option<&'static str> {
    match key {
        "_nats.ver" => return Some("<version>"),
        "id" if text.len() == 22 => return Some("<id>"),
        _ => {}
    }
    if is_time(text) && text != ZERO_TIME {
        Some("<time>")
    } else if is_server_id(text) {
        Some("<server>")
    } else {
        None
    }
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[10] == b'T'
        && text.ends_with('Z')
        && text[..4].bytes().all(|byte| byte.is_ascii_digit())
}

fn is_server_id(text: &str) -> bool {
    text.len() == 56
        && text.starts_with('N')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Compares the stable form of `seen` with `expected`, and fails with every path that differs.
#[track_caller]
pub fn check_json(seen: &Value, expected: &Value) {
    let seen = stable(seen.clone());
    let mut differences = Vec::new();
    compare("", &seen, expected, &mut differences);
    assert!(
        differences.is_empty(),
        "{} differences in {seen}\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn compare(path: &str, seen: &Value, expected: &Value, differences: &mut Vec<String>) {
    if let (Value::Object(seen), Value::Object(expected)) = (seen, expected) {
        let surplus = seen.iter().filter(|(key, _)| !expected.contains_key(*key));
        differences
            .extend(surplus.map(|(key, value)| format!("{path}.{key}: not wanted: {value}")));
        for (key, wanted) in expected {
            let path = format!("{path}.{key}");
            match seen.get(key) {
                Some(value) => compare(&path, value, wanted, differences),
                None => differences.push(format!("{path}: missing, wanted {wanted}")),
            }
        }
    } else if seen != expected {
        differences.push(format!("{path}: wanted {expected}, got {seen}"));
    }
}

/// The outcome of an answer on one line: `ok`, or status, error code and text.
#[must_use]
pub fn outcome(answer: &Value) -> String {
    match answer.get("error") {
        None => "ok".to_owned(),
        Some(error) => format!(
            "{} {} {}",
            error["code"],
            error["err_code"],
            error["description"].as_str().unwrap_or_default()
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{outcome, stable};

    #[test]
    fn only_what_is_volatile_is_masked() {
        let seen = json!({
            "ts": "2026-11-21T03:05:26.66Z", "first_ts": "0001-01-01T00:00:00Z",
            "id": "k6p5V0vLzVgGGR4dUVWxyz", "list": ["2040-01-01T00:00:00Z", "x"], "n": 1,
        });
        let expected = json!({
            "ts": "<time>", "first_ts": "0001-01-01T00:00:00Z",
            "id": "<id>", "list": ["<time>", "x"], "n": 1,
        });
        assert_eq!(stable(seen), expected);
    }

    #[test]
    fn outcomes_fit_one_line() {
        let error = json!({"error": {"code": 404, "err_code": 10059, "description": "gone"}});
        assert_eq!(outcome(&error), "404 10059 gone");
        assert_eq!(outcome(&json!({"success": true})), "ok");
    }
}

//! JSON documents as YAML, in blocks: for people who read schemas.
//!
//! What could be read as something else than a text is written in quotes, as JSON writes it, which YAML
//! understands. Absent: long texts in blocks of their own, anchors, and reading.

use serde_json::Value;

/// The document, ending in a newline.
pub(crate) fn write(document: &Value) -> String {
    let mut out = String::new();
    block(document, 0, &mut out);
    out
}

/// A document below what was written, its lines indented.
fn block(document: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match document {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                out.push_str(&format!("{pad}{}:", scalar_text(name)));
                below(value, indent, out);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for value in values {
                out.push_str(&format!("{pad}-"));
                below(value, indent, out);
            }
        }
        value => out.push_str(&format!("{pad}{}\n", scalar(value))),
    }
}

/// A value behind a name or a dash: on the same line if it has no parts.
fn below(value: &Value, indent: usize, out: &mut String) {
    let has_parts = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(values) => !values.is_empty(),
        _ => false,
    };
    match has_parts {
        true => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        false => out.push_str(&format!(" {}\n", scalar(value))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => scalar_text(text),
        value => value.to_string(),
    }
}

fn scalar_text(text: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | ' ' | '-');
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '/')
        && text.chars().all(is_word)
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str());
    match is_plain {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_written_in_blocks() {
        let document = json!({ "$id": "a", "title": "io.nats", "list": [1, { "x": "no: yes" }, []],
            "deep": { "on": true, "empty": {}, "no": "no" } });
        let expected = "\
\"$id\": a
deep:
  empty: {}
  \"no\": \"no\"
  \"on\": true
list:
  - 1
  -
    x: \"no: yes\"
  - []
title: io.nats
";
        assert_eq!(write(&document), expected);
    }
}

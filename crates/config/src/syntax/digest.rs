//! The digest of a configuration: SHA-256 of its canonical JSON.
//!
//! The JSON is the one Go's encoder writes (keys sorted by bytes, `<`, `>`, `&` and the line
//! separators escaped, a newline at the end), so that the digest of a file equals the one
//! nats-server prints for it.

use super::value::{Map, Value, ValueKind};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// `sha256:<hex>` of a parsed configuration.
pub(crate) fn digest(map: &Map) -> String {
    let mut json = String::new();
    write_map(map, &mut json);
    json.push('\n');
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(json.as_bytes()) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn write_map(map: &Map, out: &mut String) {
    let mut entries: Vec<_> = map.entries().iter().collect();
    entries.sort_by(|a, b| a.key.as_bytes().cmp(b.key.as_bytes()));
    out.push('{');
    for (at, entry) in entries.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(&entry.key, out);
        out.push(':');
        write_value(&entry.value, out);
    }
    out.push('}');
}

fn write_value(value: &Value, out: &mut String) {
    match &value.kind {
        ValueKind::String(text) | ValueKind::Datetime(text) => write_string(text, out),
        ValueKind::Int(number) => {
            let _ = write!(out, "{number}");
        }
        ValueKind::Float(number) => write_float(*number, out),
        ValueKind::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        ValueKind::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        ValueKind::Map(map) => write_map(map, out),
    }
}

/// The shortest text that reads back as the number, in exponent form outside 1e-6..1e21.
fn write_float(number: f64, out: &mut String) {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                let _ = write!(out, "{digits}e+{exponent}");
            }
            _ => out.push_str(&text),
        }
    } else {
        let _ = write!(out, "{number}");
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

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
    let mut json = Json::default();
    write_map(map, &mut json);
    json.text.push('\n');
    json.hash.update(json.text.as_bytes());
    let mut text = String::from("sha256:");
    for byte in json.hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Bytes of text that are gathered before they are hashed.
const GATHERED_BYTES: usize = 16 * 1024;

/// The JSON so far, of which only the end is kept.
#[derive(Default)]
struct Json {
    text: String,
    hash: Sha256,
}

impl Json {
    fn push(&mut self, c: char) {
        self.text.push(c);
    }

    /// Appends any text; this is where what has gathered is hashed.
    fn push_str(&mut self, text: &str) {
        if self.text.len() >= GATHERED_BYTES {
            self.hash.update(self.text.as_bytes());
            self.text.clear();
        }
        self.text.push_str(text);
    }
}

fn write_map(map: &Map, out: &mut Json) {
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

fn write_value(value: &Value, out: &mut Json) {
    match &value.kind {
        ValueKind::String(text) => write_string(text, out),
        ValueKind::Datetime(text) => write_string(text, out),
        ValueKind::Int(number) => {
            let _ = write!(out.text, "{number}");
        }
        ValueKind::Float(number) => write_float(*number, &mut out.text),
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

fn write_string(text: &str, out: &mut Json) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(may_need_escape) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = from.chars();
        chars.by_ref().take(1).for_each(|c| write_char(c, out));
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Whether a character that begins with this byte may have to be escaped.
fn may_need_escape(byte: u8) -> bool {
    // The line separators begin with 0xe2, as other characters do.
    byte < b' ' || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2)
}

fn write_char(c: char, out: &mut Json) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '<' => out.push_str("\\u003c"),
        '>' => out.push_str("\\u003e"),
        '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
            let _ = write!(out.text, "\\u{:04x}", u32::from(c));
        }
        _ => out.push(c),
    }
}

//! From values to text, byte for byte as Go's encoder writes it.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Whether a member marked `omit` is left out, by Go's rule for `omitempty`.
pub trait IsEmpty {
    /// Whether the value is the one that is not written.
    fn is_empty(&self) -> bool;
}

macro_rules! empty_if {
    ($($type:ty: $value:ident => $empty:expr),* $(,)?) => { $(
        impl IsEmpty for $type {
            fn is_empty(&self) -> bool {
                let $value = self;
                $empty
            }
        }
    )* };
}

empty_if! {
    bool: flag => !*flag,
    i32: number => *number == 0,
    i64: number => *number == 0,
    u64: number => *number == 0,
    String: text => str::is_empty(text),
}

impl<T> IsEmpty for BTreeMap<String, T> {
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> IsEmpty for Option<T> {
    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

impl<T> IsEmpty for Vec<T> {
    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }
}

/// Writes `value` as nats-server would.
///
/// Returns nothing where a value cannot be JSON, which types made with [`record!`](crate::record)
/// and derives with text keys never are.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut text = Vec::with_capacity(256);
    let mut serializer = Serializer::with_formatter(&mut text, GoFormatter);
    match value.serialize(&mut serializer) {
        Ok(()) => text,
        Err(_) => Vec::new(),
    }
}

/// As [`to_vec`].
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> String {
    String::from_utf8(to_vec(value)).unwrap_or_default()
}

/// Appends `text` in quotes, escaped as nats-server does.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| {
        (0x20..=0x7f).contains(&byte) && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&')
    };
    if text.bytes().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(&to_vec(text));
    }
}

/// serde_json's compact form with Go's escapes: also of `<`, `>`, `&`, U+2028 and U+2029.
struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let Some(special) = rest[at..].chars().next() else {
                break;
            };
            write!(writer, "\\u{:04x}", u32::from(special))?;
            rest = &rest[at + special.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

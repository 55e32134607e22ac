//! The bytes of answers to publishes: PubAcks, errors, and the messages of fast batches.
//!
//! They are nats-server's to the byte, blanks and order of fields included. What never changes for a
//! stream is written once; an acknowledgement costs a copy and a number.

use cognate_model::{ApiError, Sequence};
use cognate_wire::encode::write_decimal;

/// Writes answers into a buffer of its own; each call replaces what it held.
pub(crate) struct Replies {
    /// `{"stream":"ORDERS","seq":` or `{"stream":"ORDERS","domain":"HUB","seq":`
    ack: Vec<u8>,
    /// What follows the error: `,"stream":"ORDERS","seq":0}`
    error_end: Vec<u8>,
    out: Vec<u8>,
}

impl Replies {
    pub(crate) fn new(stream: &[u8], domain: &str) -> Self {
        let mut ack = b"{\"stream\":".to_vec();
        write_quoted(&mut ack, stream);
        if !domain.is_empty() {
            ack.extend_from_slice(b",\"domain\":");
            write_quoted(&mut ack, domain.as_bytes());
        }
        ack.extend_from_slice(b",\"seq\":");
        let mut error_end = b",\"stream\":".to_vec();
        write_json_string(&mut error_end, stream);
        error_end.extend_from_slice(b",\"seq\":0}");
        Self {
            ack,
            error_end,
            out: Vec::new(),
        }
    }

    pub(crate) fn stored(&mut self, sequence: Sequence) -> &[u8] {
        self.begin(sequence);
        self.out.push(b'}');
        &self.out
    }

    pub(crate) fn duplicate(&mut self, sequence: Sequence) -> &[u8] {
        self.begin(sequence);
        self.out.extend_from_slice(b",\"duplicate\": true}");
        &self.out
    }

    pub(crate) fn counted(&mut self, sequence: Sequence, value: &str) -> &[u8] {
        self.begin(sequence);
        self.out.extend_from_slice(b",\"val\":\"");
        self.out.extend_from_slice(value.as_bytes());
        self.out.extend_from_slice(b"\"}");
        &self.out
    }

    pub(crate) fn batch(&mut self, sequence: Sequence, id: &[u8], count: u64) -> &[u8] {
        self.begin(sequence);
        self.finish_batch(id, count)
    }

    pub(crate) fn duplicate_batch(&mut self, sequence: Sequence, id: &[u8], count: u64) -> &[u8] {
        self.begin(sequence);
        self.out.extend_from_slice(b",\"duplicate\": true");
        self.finish_batch(id, count)
    }

    pub(crate) fn refused(&mut self, error: &ApiError) -> &[u8] {
        self.out.clear();
        self.out.extend_from_slice(b"{\"error\":");
        write_error(&mut self.out, error);
        self.out.extend_from_slice(&self.error_end);
        &self.out
    }

    /// Flow control of a fast batch: everything up to `sequence` arrived, and the next such message
    /// comes after `messages` more.
    pub(crate) fn flow(&mut self, sequence: u64, messages: u16) -> &[u8] {
        self.out.clear();
        self.field(b"{\"type\":\"ack\",\"seq\":", sequence);
        self.field(b",\"msgs\":", u64::from(messages));
        self.out.push(b'}');
        &self.out
    }

    /// A fast batch misses the messages from `expected` to before `found`.
    pub(crate) fn gap(&mut self, expected: u64, found: u64) -> &[u8] {
        self.out.clear();
        self.field(b"{\"type\":\"gap\",\"last_seq\":", expected);
        self.field(b",\"seq\":", found);
        self.out.push(b'}');
        &self.out
    }

    /// A message of a fast batch was refused.
    pub(crate) fn batch_error(&mut self, sequence: u64, error: &ApiError) -> &[u8] {
        self.out.clear();
        self.field(b"{\"type\":\"err\",\"seq\":", sequence);
        self.out.extend_from_slice(b",\"error\":");
        write_error(&mut self.out, error);
        self.out.push(b'}');
        &self.out
    }

    fn begin(&mut self, sequence: Sequence) {
        self.out.clear();
        self.out.extend_from_slice(&self.ack);
        write_decimal(&mut self.out, sequence);
    }

    fn finish_batch(&mut self, id: &[u8], count: u64) -> &[u8] {
        self.out.extend_from_slice(b",\"batch\":");
        write_quoted(&mut self.out, id);
        self.field(b",\"count\":", count);
        self.out.push(b'}');
        &self.out
    }

    fn field(&mut self, before: &[u8], value: u64) {
        self.out.extend_from_slice(before);
        write_decimal(&mut self.out, value);
    }
}

fn write_error(out: &mut Vec<u8>, error: &ApiError) {
    out.extend_from_slice(b"{\"code\":");
    write_decimal(out, u64::from(error.code));
    out.extend_from_slice(b",\"err_code\":");
    write_decimal(out, u64::from(error.err_code));
    if !error.description.is_empty() {
        out.extend_from_slice(b",\"description\":");
        write_json_string(out, error.description.as_bytes());
    }
    out.push(b'}');
}

/// Text as Go's `%q` writes it, which is how it writes names into acknowledgements.
fn write_quoted(out: &mut Vec<u8>, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    out.extend_from_slice(cognate_model::text::quoted(&text).as_bytes());
}

/// Text as a JSON string as Go's encoder writes it: safe for HTML, too. Bytes that are not UTF-8
/// become U+FFFD.
pub(crate) fn write_json_string(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '<' | '>' | '&' | '\0'..='\u{1f}' => {
                let byte = character as u8;
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            '\u{2028}' => out.extend_from_slice(b"\\u2028"),
            '\u{2029}' => out.extend_from_slice(b"\\u2029"),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use cognate_model::error;

    use super::*;

    #[track_caller]
    fn check(reply: &[u8], expected: &str) {
        assert_eq!(String::from_utf8_lossy(reply), expected);
    }

    #[test]
    fn replies() {
        let mut replies = Replies::new(b"A", "");
        check(replies.stored(1), r#"{"stream":"A","seq":1}"#);
        check(
            replies.duplicate(2),
            r#"{"stream":"A","seq":2,"duplicate": true}"#,
        );
        check(
            replies.counted(3, "-5"),
            r#"{"stream":"A","seq":3,"val":"-5"}"#,
        );
        check(
            replies.batch(4, b"b\"", 2),
            r#"{"stream":"A","seq":4,"batch":"b\"","count":2}"#,
        );
        check(
            replies.duplicate_batch(4, b"b", 1),
            r#"{"stream":"A","seq":4,"duplicate": true,"batch":"b","count":1}"#,
        );
        check(
            replies.refused(&error::stream_rollup_failed("x: \"<\\&\u{1}")),
            r#"{"error":{"code":500,"err_code":10111,"description":"x: \"\u003c\\\u0026\u0001"},"stream":"A","seq":0}"#,
        );
        check(replies.flow(10, 5), r#"{"type":"ack","seq":10,"msgs":5}"#);
        check(replies.gap(3, 7), r#"{"type":"gap","last_seq":3,"seq":7}"#);
        check(
            replies.batch_error(3, &error::MESSAGE_TTL_INVALID),
            r#"{"type":"err","seq":3,"error":{"code":400,"err_code":10165,"description":"invalid per-message TTL"}}"#,
        );
    }

    #[test]
    fn the_domain_is_in_acknowledgements_only() {
        let mut replies = Replies::new(b"A", "HUB");
        check(
            replies.stored(1),
            r#"{"stream":"A","domain":"HUB","seq":1}"#,
        );
        check(
            replies.refused(&error::STREAM_SEALED),
            r#"{"error":{"code":400,"err_code":10109,"description":"invalid operation on sealed stream"},"stream":"A","seq":0}"#,
        );
    }
}

//! Header blocks: reading them and building status replies.
//!
//! ```text
//! NATS/1.0[ SP code[ SP description]] CR LF
//! Key: Value CR LF          any number, keys may repeat, case matters
//! CR LF
//! ```
//!
//! Reading borrows and is linear in the block; lines that are no `Key: Value`
//! are passed over, because publishers are not checked. Writing cannot forge
//! lines: CR and LF in texts become blanks. Called by `session` and `router`.
//! Absent: the meaning of any header.

use crate::encode::write_decimal;

/// How every block starts.
pub const VERSION: &[u8] = b"NATS/1.0";

/// The header of a no-responders reply that names the published subject.
pub const NATS_SUBJECT: &str = "Nats-Subject";

/// The status in a block's first line, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status<'a> {
    /// The code, usually three digits.
    pub code: &'a [u8],
    /// The description, trimmed; often empty.
    pub description: &'a [u8],
}

/// A block of headers, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderBlock<'a> {
    first_line: &'a [u8],
    lines: &'a [u8],
}

impl<'a> HeaderBlock<'a> {
    /// Takes the first `header_len` bytes of a payload as a block; `None` if
    /// they do not start with the line `NATS/1.0…`.
    pub fn parse(block: &'a [u8]) -> Option<HeaderBlock<'a>> {
        let rest = block.strip_prefix(VERSION)?;
        if !matches!(rest.first(), Some(b' ' | b'\t' | b'\r')) {
            return None;
        }
        let end = memchr::memmem::find(rest, b"\r\n")?;
        Some(HeaderBlock {
            first_line: trim(&rest[..end]),
            lines: &rest[end + 2..],
        })
    }

    /// The status, if the first line has one.
    pub fn status(&self) -> Option<Status<'a>> {
        if self.first_line.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b' ', b'\t', self.first_line).unwrap_or(self.first_line.len());
        let (code, description) = self.first_line.split_at(end);
        Some(Status {
            code,
            description: trim(description),
        })
    }

    /// Every header in order: key as written and value without the blanks
    /// around it.
    pub fn iter(&self) -> Headers<'a> {
        Headers { lines: self.lines }
    }

    /// The value of the first header with exactly this key.
    pub fn first(&self, key: &[u8]) -> Option<&'a [u8]> {
        self.iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }
}

/// Iterates over the headers of a block.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    lines: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let end = memchr::memmem::find(self.lines, b"\r\n").unwrap_or(self.lines.len());
            let line = &self.lines[..end];
            if line.is_empty() {
                // The blank line closes the block; what follows is no header.
                self.lines = &[];
                return None;
            }
            self.lines = self.lines.get(end + 2..).unwrap_or_default();
            if let Some(header) = split_header(line) {
                return Some(header);
            }
        }
    }
}

/// Key and value of one line, or `None` if the key is empty or contains
/// anything but visible ASCII.
fn split_header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (key, rest) = line.split_at(colon);
    let valid = !key.is_empty() && key.iter().all(u8::is_ascii_graphic);
    valid.then(|| (key, trim(&rest[1..])))
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |last| last + 1);
    &text[start..end]
}

/// Appends a status block: code, description (may be empty) and headers.
pub fn write_status(out: &mut Vec<u8>, code: u16, description: &str, headers: &[(&str, &[u8])]) {
    out.extend_from_slice(VERSION);
    out.push(b' ');
    write_decimal(out, u64::from(code));
    if !description.is_empty() {
        out.push(b' ');
        push_text(out, description.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    for (key, value) in headers {
        push_text(out, key.as_bytes());
        out.extend_from_slice(b": ");
        push_text(out, value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `block`, or a new one if it is not a block, with exactly one header `key`, of this value.
pub fn write_with(out: &mut Vec<u8>, block: &[u8], key: &[u8], value: &[u8]) {
    write_without(out, block, key);
    out.extend_from_slice(key);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n\r\n");
}

/// Appends `block`, or a new one if it is not a block, without headers `key` and without the empty
/// line that ends it: more headers may follow.
pub fn write_without(out: &mut Vec<u8>, block: &[u8], key: &[u8]) {
    match HeaderBlock::parse(block) {
        None => out.extend_from_slice(b"NATS/1.0\r\n"),
        Some(parsed) => {
            let first = block.len() - parsed.lines.len();
            out.extend_from_slice(&block[..first]);
            let mut lines = parsed.lines;
            while let Some(end) = memchr::memmem::find(lines, b"\r\n").filter(|end| *end > 0) {
                write_line_without(out, &lines[..end], key);
                lines = &lines[end + 2..];
            }
        }
    }
}

/// Appends a line and its end, if it is not a header `key`. Some clients end lines with a mere `\n` too,
/// and to them each part is a header of its own.
fn write_line_without(out: &mut Vec<u8>, line: &[u8], key: &[u8]) {
    let is_named = |part: &[u8]| {
        let name = memchr::memchr(b':', part).map(|colon| trim(&part[..colon]));
        name.is_some_and(|name| name.eq_ignore_ascii_case(key))
    };
    if memchr::memchr(b'\n', line).is_none() {
        if !is_named(line) {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
        return;
    }
    let parts = line.split(|byte| *byte == b'\n');
    // An empty one would end the headers.
    let is_kept = |part: &&[u8]| !part.trim_ascii().is_empty() && !is_named(part);
    let kept: Vec<&[u8]> = parts.filter(is_kept).collect();
    if !kept.is_empty() {
        out.extend_from_slice(&kept.join(&b'\n'));
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends the block of a no-responders reply (503); `subject` is the one
/// that was published to. The message has no body, so this is its payload and
/// its length the header length.
pub fn write_no_responders(out: &mut Vec<u8>, subject: &[u8]) {
    write_status(out, 503, "", &[(NATS_SUBJECT, subject)]);
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(
        text.iter()
            .map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Renders a whole block so that tables can compare everything at once.
    fn render(block: &[u8]) -> String {
        let Some(block) = HeaderBlock::parse(block) else {
            return "none".into();
        };
        let mut out = match block.status() {
            None => String::new(),
            Some(status) => format!("<{}|{}>", text(status.code), text(status.description)),
        };
        for (key, value) in block.iter() {
            out.push_str(&format!("[{}={}]", text(key), text(value)));
        }
        out
    }

    #[test]
    fn a_header_is_set_exactly_once() {
        let set = |block: &[u8]| {
            let mut out = Vec::new();
            write_with(&mut out, block, b"Key", b"new");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(set(b""), "NATS/1.0\r\nKey: new\r\n\r\n");
        assert_eq!(set(b"nonsense"), "NATS/1.0\r\nKey: new\r\n\r\n");
        assert_eq!(
            set(b"NATS/1.0 503\r\nA: 1\r\nkey: forged\r\nKey:x\r\nB: 2\r\n\r\n"),
            "NATS/1.0 503\r\nA: 1\r\nB: 2\r\nKey: new\r\n\r\n"
        );
        assert_eq!(
            set(b"NATS/1.0\r\nA: 1\nkey: forged\r\nkey: forged\nB: 2\n\r\nkey: forged\n\r\n\r\n"),
            "NATS/1.0\r\nA: 1\r\nB: 2\r\nKey: new\r\n\r\n"
        );
        // A block without its blank line, and a line without an end, add nothing of their own.
        assert_eq!(
            set(b"NATS/1.0\r\nA: 1\r\nB"),
            "NATS/1.0\r\nA: 1\r\nKey: new\r\n\r\n"
        );
    }

    #[test]
    fn blocks() {
        let check = |block: &str, expected: &str| {
            assert_eq!(render(block.as_bytes()), expected, "{block:?}");
        };
        check("NATS/1.0\r\n\r\n", "");
        check(
            "NATS/1.0\r\nA: 1\r\nb:2\r\nA:  3 \t\r\n\r\n",
            "[A=1][b=2][A=3]",
        );
        check(
            "NATS/1.0 503\r\nNats-Subject: foo\r\n\r\n",
            "<503|>[Nats-Subject=foo]",
        );
        check(
            "NATS/1.0 100 Idle Heartbeat\r\n\r\n",
            "<100|Idle Heartbeat>",
        );
        check("NATS/1.0  404   No Messages \r\n\r\n", "<404|No Messages>");
        check(
            "NATS/1.0\r\nurl: a:b:c\r\nempty:\r\n\r\n",
            "[url=a:b:c][empty=]",
        );
        // What follows the blank line is body, and broken lines are passed over.
        check("NATS/1.0\r\nA: 1\r\n\r\nB: 2\r\n", "[A=1]");
        check(
            "NATS/1.0\r\nno colon\r\n: no key\r\nbad key: x\r\nA: 1\r\n\r\n",
            "[A=1]",
        );
        check("NATS/1.0\r\nA: 1", "[A=1]");
        check("NATS/1.0\r\nA: a\nB: b\r\n\r\n", "[A=a\nB: b]");
        check("", "none");
        check("NATS/1.0", "none");
        check("NATS/1.01\r\n\r\n", "none");
        check("nats/1.0\r\n\r\n", "none");
        check("HTTP/1.0\r\n\r\n", "none");
    }

    #[test]
    fn the_first_value_of_a_key_respects_case() {
        let block = HeaderBlock::parse(b"NATS/1.0\r\na: 0\r\nA: 1\r\nA: 2\r\n\r\n").expect("block");
        assert_eq!(block.first(b"A"), Some(&b"1"[..]));
        assert_eq!(block.first(b"a"), Some(&b"0"[..]));
        assert_eq!(block.first(b"B"), None);
    }

    #[test]
    fn status_replies() {
        let check = |code, description, headers: &[(&str, &[u8])], expected: &str| {
            let mut out = Vec::new();
            write_status(&mut out, code, description, headers);
            assert_eq!(text(&out), expected);
        };
        check(204, "", &[], "NATS/1.0 204\r\n\r\n");
        check(
            408,
            "Request Timeout",
            &[
                ("Nats-Pending-Messages", b"1"),
                ("Nats-Pending-Bytes", b"0"),
            ],
            "NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 1\r\nNats-Pending-Bytes: 0\r\n\r\n",
        );
        check(
            500,
            "a\r\nb",
            &[("K", b"v\r\nX: y")],
            "NATS/1.0 500 a  b\r\nK: v  X: y\r\n\r\n",
        );
        let mut out = Vec::new();
        write_no_responders(&mut out, b"foo.bar");
        assert_eq!(text(&out), "NATS/1.0 503\r\nNats-Subject: foo.bar\r\n\r\n");
    }
}

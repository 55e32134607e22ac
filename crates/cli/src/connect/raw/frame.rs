//! Frames that a server sends, found in a buffer without copying.
//!
//! ```text
//! MSG <subject> <sid> [reply] <bytes>\r\n<body>\r\n
//! HMSG <subject> <sid> [reply] <header bytes> <all bytes>\r\n<headers><body>\r\n
//! PING\r\n  PONG\r\n  +OK\r\n  INFO {…}\r\n  -ERR '…'\r\n
//! ```

use std::ops::Range;

use crate::error::{Error, Result};

/// Bytes of a frame's first line; INFO is the longest.
const MAX_LINE_BYTES: usize = 1 << 20;

/// What was read.
pub(crate) enum Frame<'a> {
    /// The answer to our PING.
    Pong,
    /// A message.
    Message(Message<'a>),
}

/// A message, borrowed from the read buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// Where it was published to.
    pub(crate) subject: &'a [u8],
    /// The subscription it came by.
    pub(crate) sid: u64,
    /// Where an answer goes, or empty.
    pub(crate) reply: &'a [u8],
    /// The header block, or empty.
    pub(crate) headers: &'a [u8],
    /// The contents.
    pub(crate) body: &'a [u8],
}

impl Message<'_> {
    /// The status of a message that is none: 100, 404, 503; `None` for a message.
    pub(crate) fn status(&self) -> Option<u16> {
        let digits = self.headers.strip_prefix(b"NATS/1.0 ")?.get(..3)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

/// What stands at the beginning of a buffer.
pub(super) enum Scan {
    Ping,
    Pong,
    Ok,
    Info,
    Error,
    Message(Places),
}

/// Where the parts of a message are in its frame.
#[derive(Clone)]
pub(super) struct Places {
    subject: Range<usize>,
    sid: u64,
    reply: Range<usize>,
    headers: Range<usize>,
    body: Range<usize>,
}

/// The last message's first line, and what it means: a subscriber to one subject gets the same line
/// again and again, and comparing it costs a fraction of reading it.
#[derive(Default)]
pub(super) struct Memo {
    line: Vec<u8>,
    places: Option<Places>,
    len: usize,
}

impl Memo {
    /// Lines that are longer are not remembered.
    const MAX_LINE_BYTES: usize = 256;

    /// [`scan`], the short way if the line is the last one's.
    pub(super) fn scan(&mut self, input: &[u8]) -> Result<Option<(Scan, usize)>> {
        if let Some(places) = &self.places
            && input.len() >= self.len
            && input.starts_with(&self.line)
        {
            return Ok(Some((Scan::Message(places.clone()), self.len)));
        }
        let found = scan(input)?;
        if let Some((Scan::Message(places), len)) = &found
            && places.reply.is_empty()
            && places.headers.is_empty()
            && places.body.start <= Self::MAX_LINE_BYTES
        {
            self.line.clear();
            self.line
                .extend_from_slice(input.get(..places.body.start).unwrap_or_default());
            self.places = Some(places.clone());
            self.len = *len;
        }
        Ok(found)
    }
}

impl Places {
    /// The message in the frame's bytes.
    pub(super) fn message<'a>(&self, frame: &'a [u8]) -> Message<'a> {
        let part = |range: &Range<usize>| frame.get(range.clone()).unwrap_or_default();
        Message {
            subject: part(&self.subject),
            sid: self.sid,
            reply: part(&self.reply),
            headers: part(&self.headers),
            body: part(&self.body),
        }
    }
}

/// Finds the first frame and its length; `None` while it is not whole.
pub(super) fn scan(input: &[u8]) -> Result<Option<(Scan, usize)>> {
    let Some(newline) = memchr::memchr(b'\n', input) else {
        if input.len() > MAX_LINE_BYTES {
            return Err(Error::new(
                "the server does not speak NATS: a line has no end",
            ));
        }
        return Ok(None);
    };
    let line = input.get(..newline).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let after = newline + 1;
    let simple = |scan| Ok(Some((scan, after)));
    match line.first() {
        Some(b'M') if line.starts_with(b"MSG ") => message(input.len(), line, 4, after, false),
        Some(b'H') if line.starts_with(b"HMSG ") => message(input.len(), line, 5, after, true),
        Some(b'P' | b'p') if line.eq_ignore_ascii_case(b"PING") => simple(Scan::Ping),
        Some(b'P' | b'p') if line.eq_ignore_ascii_case(b"PONG") => simple(Scan::Pong),
        Some(b'+') => simple(Scan::Ok),
        Some(b'I' | b'i') => simple(Scan::Info),
        Some(b'-') => simple(Scan::Error),
        _ => Err(Error::new(format!(
            "the server does not speak NATS: {:?}",
            String::from_utf8_lossy(line)
        ))),
    }
}

fn message(
    available: usize,
    line: &[u8],
    start: usize,
    after: usize,
    has_headers: bool,
) -> Result<Option<(Scan, usize)>> {
    let wrong = || {
        Error::new(format!(
            "the server sends a damaged message: {:?}",
            String::from_utf8_lossy(line)
        ))
    };
    let mut words: [Range<usize>; 5] = Default::default();
    let mut count = 0;
    let mut at = start;
    let blanks = memchr::memchr_iter(b' ', line).skip_while(|blank| *blank < start);
    for end in blanks.chain([line.len()]) {
        if end > at {
            *words.get_mut(count).ok_or_else(wrong)? = at..end;
            count += 1;
        }
        at = end + 1;
    }
    let sizes = if has_headers { 2 } else { 1 };
    let has_reply = match count.checked_sub(sizes + 2) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(wrong()),
    };
    let word = |at: usize| words.get(at).cloned().unwrap_or_default();
    let number = |at: usize| parse_number(line.get(word(at))?);
    let sid = number(1).ok_or_else(wrong)? as u64;
    let total = number(count - 1).ok_or_else(wrong)?;
    let header = if has_headers {
        number(count - 2).ok_or_else(wrong)?
    } else {
        0
    };
    if header > total || total > super::MAX_FRAME_BYTES {
        return Err(wrong());
    }
    let len = after + total + 2;
    if available < len {
        return Ok(None);
    }
    let places = Places {
        subject: word(0),
        sid,
        reply: if has_reply { word(2) } else { 0..0 },
        headers: after..after + header,
        body: after + header..after + total,
    };
    Ok(Some((Scan::Message(places), len)))
}

fn parse_number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + usize::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8]) -> Option<(Message<'_>, usize)> {
        match scan(input).expect("it scans") {
            Some((Scan::Message(places), len)) => Some((places.message(input), len)),
            _ => None,
        }
    }

    #[test]
    fn messages_are_found() {
        let (message, len) = check(b"MSG a.b 7 5\r\nhello\r\nPING\r\n").expect("it is whole");
        assert_eq!(
            (
                message.subject,
                message.sid,
                message.reply,
                message.body,
                len
            ),
            (&b"a.b"[..], 7, &b""[..], &b"hello"[..], 20)
        );
        let (message, _) =
            check(b"HMSG a 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n").expect("it is whole");
        assert_eq!(
            (message.reply, message.headers, message.body),
            (&b"r"[..], &b"NATS/1.0\r\n\r\n"[..], &b"hi"[..])
        );
        assert_eq!(message.status(), None);
        let (message, _) =
            check(b"HMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n").expect("it is whole");
        assert_eq!(message.status(), Some(503));
    }

    #[test]
    fn a_remembered_line_means_the_same() {
        let mut memo = Memo::default();
        let input = b"MSG a 1 2\r\nhi\r\nMSG a 1 2\r\nho\r\nMSG a 1 3\r\nhey\r\nMSG a 1 3\r\nh";
        let mut bodies = Vec::new();
        let mut rest = &input[..];
        while let Some((Scan::Message(places), len)) = memo.scan(rest).expect("it scans") {
            bodies.push(places.message(rest).body);
            rest = &rest[len..];
        }
        assert_eq!(bodies, [&b"hi"[..], b"ho", b"hey"]);
    }

    #[test]
    fn what_is_not_whole_waits() {
        for input in [
            &b""[..],
            b"MS",
            b"MSG a 1 5\r\nhel",
            b"MSG a 1 5\r\nhello\r",
        ] {
            assert!(
                scan(input).expect("it may become one").is_none(),
                "{input:?}"
            );
        }
    }

    #[test]
    fn damage_is_refused() {
        for input in [
            &b"GET / HTTP\r\n"[..],
            b"MSG a\r\n",
            b"MSG a 1 x\r\n",
            b"HMSG a 1 9 5\r\nxxxxx\r\n",
            b"MSG a b c d e f\r\n",
        ] {
            assert!(scan(input).is_err(), "{input:?}");
        }
    }
}

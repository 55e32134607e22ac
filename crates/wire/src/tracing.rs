//! Message tracing (ADR-41): what in a header block asks for the way of a message to be told, and
//! the event that tells it.
//!
//! [`may_ask`] is for the data path: one pass over the line ends of a block, which almost always says
//! no. [`Ask::read`] takes a block that may ask apart, to the letter of nats-server: a status line is
//! no block, keys are compared as they are written (but for `traceparent`), and empty values are none.
//! [`Record`] gathers the steps of one message and writes the event.
//!
//! Called by `session`, which decides whether there is a trace, and by `server`, which notes the steps.
//! Absent: permissions, sampling, who publishes the event.

mod record;

pub use record::{Kind, Record, Step};

/// Where the event goes.
pub const DESTINATION: &[u8] = b"Nats-Trace-Dest";

/// The destination that says that nothing is to be traced any more; no subject can be this.
pub const DISABLED: &[u8] = b"trace disabled";

/// Whether the message is traced but not delivered.
const ONLY: &[u8] = b"Nats-Trace-Only";

/// Nobody sets this header any more; a message that has it is not traced.
const ORIGIN_ACCOUNT: &[u8] = b"Nats-Trace-Origin-Account";

/// The trace context of the W3C.
const CONTEXT: &[u8] = b"traceparent";

/// In which form the event is wanted.
const ENCODING: &[u8] = b"Accept-Encoding";

/// How a block begins that may ask for a trace.
const FIRST_LINE: &[u8] = b"NATS/1.0\r\n";

/// No header that asks for a trace is shorter, with its line end.
const SHORTEST: usize = CONTEXT.len() + 3;

/// How many bytes of a line are searched word by word.
const SHORT_LINE: usize = 64;

/// Whether a header block may ask for a trace. It may say yes where [`Ask::read`] says no, but not the
/// other way round.
#[inline]
#[must_use]
pub fn may_ask(block: &[u8]) -> bool {
    let Some(mut rest) = block.strip_prefix(FIRST_LINE) else {
        return false;
    };
    while rest.len() >= SHORTEST {
        if may_be_trace_line(rest) {
            return true;
        }
        let Some(end) = line_end(rest) else {
            return false;
        };
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    false
}

/// Where the first line feed is. Headers are mostly so short that calling a search for long texts
/// costs more than the search.
#[inline]
fn line_end(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let (words, _) = text.as_chunks::<8>();
    for (at, word) in words.iter().take(SHORT_LINE / 8).enumerate() {
        let zero_if_feed = u64::from_le_bytes(*word) ^ (ONES * b'\n' as u64);
        let found = zero_if_feed.wrapping_sub(ONES) & !zero_if_feed & HIGH;
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let searched = words.len().min(SHORT_LINE / 8) * 8;
    let rest = text.get(searched..)?;
    memchr::memchr(b'\n', rest).map(|at| searched + at)
}

#[inline]
fn may_be_trace_line(line: &[u8]) -> bool {
    match line.first() {
        Some(b'N') => line.starts_with(DESTINATION),
        Some(b't' | b'T') => line
            .get(..CONTEXT.len())
            .is_some_and(|key| key.eq_ignore_ascii_case(CONTEXT)),
        _ => false,
    }
}

/// In which form the event is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    #[default]
    Plain,
    /// Compressed with gzip.
    Gzip,
    /// Compressed with Snappy, in its framing.
    Snappy,
    /// As it is, because what was asked for is not known; it is said so.
    Identity,
}

impl Encoding {
    /// What the value of `Accept-Encoding` asks for.
    #[must_use]
    pub fn of(accepted: &[u8]) -> Self {
        let accepted = accepted.to_ascii_lowercase();
        let names = |name: &[u8]| memchr::memmem::find(&accepted, name).is_some();
        if accepted.is_empty() {
            Encoding::Plain
        } else if names(b"snappy") || names(b"s2") {
            Encoding::Snappy
        } else if names(b"gzip") {
            Encoding::Gzip
        } else {
            Encoding::Identity
        }
    }

    /// The value of `Content-Encoding`, if the event has that header.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Encoding::Plain => None,
            Encoding::Gzip => Some("gzip"),
            Encoding::Snappy => Some("snappy"),
            Encoding::Identity => Some("identity"),
        }
    }
}

/// A header block that asks for a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// Where the event is to go, as the publisher wrote it; `None` if a sampled trace context asks
    /// for it, and the account says where to.
    pub destination: Option<&'a [u8]>,
    /// The message is not to be delivered. Never together with a trace context alone.
    pub only: bool,
    /// The value of a header for which messages are not traced, if there is one.
    pub void: Option<&'a [u8]>,
    /// In which form the event is wanted.
    pub encoding: Encoding,
    /// All headers that have a value, in order.
    pub headers: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Ask<'a> {
    /// What a block asks for; `None` if it does not ask for a trace.
    #[must_use]
    pub fn read(block: &'a [u8]) -> Option<Self> {
        let mut rest = block.strip_prefix(FIRST_LINE)?;
        let mut headers = Vec::new();
        while let Some((header, after)) = split_header(rest) {
            rest = after;
            headers
                .extend(Some(header).filter(|(key, value)| !key.is_empty() && !value.is_empty()));
        }
        let first = |wanted: &[u8]| {
            let mut all = headers.iter();
            all.find(|(key, _)| *key == wanted).map(|(_, value)| *value)
        };
        let mut contexts = headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(CONTEXT));
        let destination = first(DESTINATION);
        if destination == Some(DISABLED) {
            return None;
        }
        if destination.is_none() && !contexts.any(|(_, value)| is_sampled(value)) {
            return None;
        }
        let only = first(ONLY).is_some_and(|value| {
            let yes = [&b"1"[..], b"true", b"on"];
            yes.iter().any(|yes| value.eq_ignore_ascii_case(yes))
        });
        Some(Ask {
            destination,
            only: only && destination.is_some(),
            void: first(ORIGIN_ACCOUNT),
            encoding: Encoding::of(first(ENCODING).unwrap_or_default()),
            headers,
        })
    }
}

/// Key and value.
type Header<'a> = (&'a [u8], &'a [u8]);

/// Key, and value without the blanks around it; and what follows. A line without a colon runs into
/// the next one's key.
fn split_header(block: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let colon = memchr::memchr(b':', block)?;
    let (key, rest) = block.split_at(colon);
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let skipped = rest[1..].iter().take_while(blank).count();
    let rest = &rest[1 + skipped..];
    let end = memchr::memmem::find(rest, b"\r\n")?;
    let (value, rest) = rest.split_at(end);
    let trailing = value.iter().rev().take_while(blank).count();
    let value = &value[..value.len() - trailing];
    Some(((key, value), &rest[2..]))
}

/// Whether the flags of `version-trace-parent-flags` say so.
fn is_sampled(context: &[u8]) -> bool {
    let mut parts = context.split(|byte| *byte == b'-');
    let (Some(flags), None) = (parts.nth(3), parts.next()) else {
        return false;
    };
    let Some(flags) = str::from_utf8(flags).ok().filter(|text| text.len() == 2) else {
        return false;
    };
    // The reference takes the byte as a signed one, so values from 80 on are none.
    i8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1)
}

#[cfg(test)]
mod tests;

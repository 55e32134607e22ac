//! One record of a block.
//!
//! ```text
//!  0  len u32        of the whole record; the highest bit: it has headers
//!  4  sequence u64   the highest bit: erased; the second: a tombstone, the sequence was removed
//! 12  timestamp i64
//! 20  subject_len u16
//! 22  subject, [headers_len u32, headers,] payload
//! -8  sum of bytes 4..20, subject, headers and payload
//! ```
//!
//! The lengths are not summed; a wrong one shows because other bytes are then summed.

use crate::hash::SumKey;
use crate::number::Numbers;

/// Bytes before the subject.
const HEAD: usize = 22;
/// Bytes of the sum.
const SUM: usize = 8;
/// Bytes of a record with nothing in it.
pub(crate) const SHORTEST: usize = HEAD + SUM;
/// Longer ones the Go server does not write.
pub(crate) const LONGEST: usize = 32 * 1024 * 1024;

const HAS_HEADERS: u32 = 1 << 31;
const ERASED: u64 = 1 << 63;
const TOMBSTONE: u64 = 1 << 62;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message.
    Message,
    /// A sequence that holds no message (any more).
    Erased,
    /// A sequence that was removed, wherever its message stands.
    Tombstone,
}

/// A record whose sum was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) sequence: u64,
    pub(crate) timestamp: i64,
    pub(crate) subject: &'a [u8],
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Record<'_> {
    /// The length of it when written.
    pub(crate) fn len(&self) -> usize {
        encoded_len(self.subject.len(), self.headers.len(), self.payload.len())
    }
}

/// The length that a record at the start of `bytes` claims, if it can be one and is all there.
pub(crate) fn claimed_len(bytes: &[u8]) -> Option<usize> {
    let mut numbers = Numbers::new(bytes);
    let len = numbers.u32()?;
    numbers.take(16)?;
    let subject = usize::from(numbers.u16()?);
    let fixed = if len & HAS_HEADERS != 0 { 4 } else { 0 };
    let len = usize::try_from(len & !HAS_HEADERS).ok()?;
    let fits = len >= SHORTEST + subject + fixed && len <= LONGEST && len <= bytes.len();
    fits.then_some(len)
}

/// The record at the start of `bytes`, and its length; `None` if it is none or damaged.
pub(crate) fn decode<'a>(bytes: &'a [u8], key: &SumKey) -> Option<(Record<'a>, usize)> {
    let len = claimed_len(bytes)?;
    let (body, sum) = bytes.get(..len)?.split_at_checked(len - SUM)?;
    let mut numbers = Numbers::new(body);
    let has_headers = numbers.u32()? & HAS_HEADERS != 0;
    let numbered = numbers.u64()?;
    let timestamp = numbers.u64()? as i64;
    let subject_len = usize::from(numbers.u16()?);
    let subject = numbers.take(subject_len)?;
    let headers_len = if has_headers { numbers.u32()? } else { 0 };
    let summed = numbers.rest();
    if key.sum(&[body.get(4..20)?, subject, summed]) != sum {
        return None;
    }
    let headers = numbers.take(usize::try_from(headers_len).ok()?)?;
    let kind = match numbered {
        0 => Kind::Erased,
        _ if numbered & ERASED != 0 => Kind::Erased,
        _ if numbered & TOMBSTONE != 0 => Kind::Tombstone,
        _ => Kind::Message,
    };
    let record = Record {
        kind,
        sequence: numbered & !(ERASED | TOMBSTONE),
        timestamp,
        subject,
        headers,
        payload: numbers.rest(),
    };
    Some((record, len))
}

/// Appends a record. A message's parts are no longer together than [`LONGEST`] allows.
pub(crate) fn encode(record: &Record<'_>, key: &SumKey, out: &mut Vec<u8>) {
    let start = out.len();
    let has_headers = !record.headers.is_empty();
    let len = record.len();
    let flag = if has_headers { HAS_HEADERS } else { 0 };
    let mark = match record.kind {
        Kind::Message => 0,
        Kind::Erased => ERASED,
        Kind::Tombstone => TOMBSTONE,
    };
    // Lengths fit, by what callers promise.
    out.extend_from_slice(&(len as u32 | flag).to_le_bytes());
    out.extend_from_slice(&(record.sequence | mark).to_le_bytes());
    out.extend_from_slice(&record.timestamp.to_le_bytes());
    out.extend_from_slice(&(record.subject.len() as u16).to_le_bytes());
    out.extend_from_slice(record.subject);
    if has_headers {
        out.extend_from_slice(&(record.headers.len() as u32).to_le_bytes());
    }
    out.extend_from_slice(record.headers);
    out.extend_from_slice(record.payload);
    let numbers = out.get(start + 4..start + 20).unwrap_or_default();
    let sum = key.sum(&[numbers, record.subject, record.headers, record.payload]);
    out.extend_from_slice(&sum);
}

/// The length of a message's record.
pub(crate) fn encoded_len(subject: usize, headers: usize, payload: usize) -> usize {
    let with_headers = if headers > 0 { headers + 4 } else { 0 };
    SHORTEST + subject + with_headers + payload
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: Record<'_> = Record {
        kind: Kind::Message,
        sequence: 7,
        timestamp: 1_700_000_000_000_000_000,
        subject: b"orders.new",
        headers: b"NATS/1.0\r\nA: b\r\n\r\n",
        payload: b"payload",
    };

    #[test]
    fn records_come_back() {
        let key = SumKey::block("S", 1);
        for record in [
            EXAMPLE,
            Record {
                headers: b"",
                ..EXAMPLE
            },
            Record {
                headers: b"",
                payload: b"",
                subject: b"",
                kind: Kind::Tombstone,
                ..EXAMPLE
            },
            Record {
                headers: b"",
                payload: b"",
                subject: b"",
                kind: Kind::Erased,
                ..EXAMPLE
            },
        ] {
            let mut out = Vec::new();
            encode(&record, &key, &mut out);
            assert_eq!(decode(&out, &key), Some((record, out.len())));
            assert_eq!(decode(&out, &SumKey::block("S", 2)), None);
        }
    }

    #[test]
    fn no_flipped_bit_is_taken_for_the_record() {
        let key = SumKey::block("S", 1);
        let mut out = Vec::new();
        encode(&EXAMPLE, &key, &mut out);
        for bit in 0..out.len() * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Some((record, _)) = decode(&bad, &key) {
                // The length of the headers is not summed: only where they end may change.
                let whole = |r: &Record<'_>| [r.headers, r.payload].concat();
                assert_eq!(whole(&record), whole(&EXAMPLE), "bit {bit}");
                assert_eq!(record.sequence, EXAMPLE.sequence);
            }
        }
    }
}

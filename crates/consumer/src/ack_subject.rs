//! The subject that a delivered message carries as its reply, and that its acknowledgement comes on.
//!
//! ```text
//! $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>
//! $JS.ACK.<domain>.<account>.<stream>.<consumer>.<the same five>[.<anything>]
//! ```
//!
//! The first form is written, both are read. Writing neither formats nor allocates. Absent: what an
//! acknowledgement does.

use cognate_model::{Sequence, Timestamp};

const PREFIX: &[u8] = b"$JS.ACK.";

/// The longest decimal form of a number.
const MAX_DIGITS: usize = 20;

/// Two digits at a time.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Writes the subjects of one consumer.
#[derive(Debug)]
pub(crate) struct AckSubject {
    text: Vec<u8>,
    prefix: usize,
}

/// What a subject tells of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// How often the message was delivered.
    pub deliveries: u64,
    /// The message's sequence in its stream.
    pub stream: Sequence,
    /// The delivery's number.
    pub consumer: u64,
    /// When the message was stored.
    pub time: Timestamp,
    /// How many messages followed.
    pub pending: u64,
}

impl AckSubject {
    pub(crate) fn new(stream: &[u8], consumer: &[u8]) -> Self {
        let mut text = PREFIX.to_vec();
        text.extend_from_slice(stream);
        text.push(b'.');
        text.extend_from_slice(consumer);
        Self {
            prefix: text.len(),
            text,
        }
    }

    #[inline]
    pub(crate) fn write(&mut self, delivery: &Delivery) -> &[u8] {
        let time = u64::try_from(delivery.time.0).unwrap_or(0);
        let last_to_first = [
            delivery.pending,
            time,
            delivery.consumer,
            delivery.stream,
            delivery.deliveries,
        ];
        let mut digits = [0u8; 5 * (1 + MAX_DIGITS)];
        let mut start = digits.len();
        for number in last_to_first {
            start = write_before(&mut digits, start, number) - 1;
            digits[start] = b'.';
        }
        self.text.truncate(self.prefix);
        self.text.extend_from_slice(&digits[start..]);
        &self.text
    }
}

/// Stream, consumer and the five numbers (or more tokens) of an acknowledgement's subject, in either
/// form; nothing if it is neither.
#[must_use]
pub fn split_ack_subject(subject: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let rest = subject.strip_prefix(PREFIX)?;
    // The ends of the first four tokens; what follows is only counted.
    let mut ends = [0usize; 4];
    let mut dots = 0;
    for (index, _) in rest.iter().enumerate().filter(|(_, b)| **b == b'.') {
        if let Some(end) = ends.get_mut(dots) {
            *end = index;
        }
        dots += 1;
    }
    let (start, first, second) = match dots {
        6 => (0, ends[0], ends[1]),
        8.. => (ends[1] + 1, ends[2], ends[3]),
        _ => return None,
    };
    Some((
        &rest[start..first],
        &rest[first + 1..second],
        &rest[second + 1..],
    ))
}

impl Delivery {
    /// Reads the five numbers, the last part of [`split_ack_subject`]. What is not a number is the
    /// largest, which no message has.
    #[inline]
    #[must_use]
    pub fn parse(tail: &[u8]) -> Option<Self> {
        let mut numbers = [0u64; 5];
        let mut rest = tail;
        for (index, slot) in numbers.iter_mut().enumerate() {
            let (number, after) = take_number(rest);
            *slot = number;
            rest = match after {
                Some(after) => after,
                None if index == 4 => &[],
                None => return None,
            };
        }
        let [deliveries, stream, consumer, time, pending] = numbers;
        Some(Self {
            deliveries,
            stream,
            consumer,
            time: Timestamp(i64::try_from(time).unwrap_or(i64::MAX)),
            pending,
        })
    }
}

/// The number before the next dot and what follows that dot, if there is one.
#[inline]
fn take_number(text: &[u8]) -> (u64, Option<&[u8]>) {
    let mut number: u64 = 0;
    let mut is_number = true;
    let mut len = 0;
    for &byte in text {
        if byte == b'.' {
            break;
        }
        let digit = byte.wrapping_sub(b'0');
        is_number &= digit <= 9;
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        len += 1;
    }
    // 19 digits fit.
    let number = if is_number && (1..=19).contains(&len) {
        number
    } else {
        u64::MAX
    };
    (number, text.get(len + 1..))
}

/// Appends `number` in decimal digits.
pub(crate) fn push_decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0u8; MAX_DIGITS];
    let start = write_before(&mut digits, MAX_DIGITS, number);
    out.extend_from_slice(&digits[start..]);
}

/// Writes `number` so that it ends before `end`, which leaves room for it; returns where it starts.
#[inline]
fn write_before(digits: &mut [u8], end: usize, number: u64) -> usize {
    let mut start = end;
    let mut rest = number;
    while rest >= 10 {
        let pair = (rest % 100) as usize * 2;
        rest /= 100;
        start -= 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if rest > 0 || start == end {
        start -= 1;
        // A single digit is left.
        digits[start] = b'0' + rest as u8;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_short_form() {
        let mut subject = AckSubject::new(b"ORDERS", b"DISPATCH");
        let delivery = Delivery {
            deliveries: 1,
            stream: 1234,
            consumer: 56,
            time: Timestamp(1_700_000_000_123_456_789),
            pending: 0,
        };
        let expected = b"$JS.ACK.ORDERS.DISPATCH.1.1234.56.1700000000123456789.0";
        assert_eq!(subject.write(&delivery), expected);
        let again = subject.write(&delivery).to_vec();
        let (stream, consumer, tail) = split_ack_subject(&again).expect("nine tokens");
        assert_eq!((stream, consumer), (&b"ORDERS"[..], &b"DISPATCH"[..]));
        assert_eq!(Delivery::parse(tail), Some(delivery));
    }

    #[test]
    fn reads_the_long_form() {
        let long = b"$JS.ACK._.hash.ORDERS.DISPATCH.2.3.4.5.6";
        let (stream, consumer, tail) = split_ack_subject(long).expect("eleven tokens");
        assert_eq!(
            (stream, consumer, tail),
            (&b"ORDERS"[..], &b"DISPATCH"[..], &b"2.3.4.5.6"[..])
        );
        let longer = b"$JS.ACK._.hash.ORDERS.DISPATCH.2.3.4.5.6.random";
        assert!(split_ack_subject(longer).is_some());
        for bad in [
            &b"$JS.ACK.S.C.1.2.3.4"[..],
            b"$JS.ACK.S.C.1.2.3.4.5.6",
            b"$JS.NAK.S.C.1.2.3.4.5",
        ] {
            assert_eq!(split_ack_subject(bad), None);
        }
    }

    #[test]
    fn decimals() {
        for number in [0, 1, 9, 10, 99, 100, 101, 12345, 1_000_000, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
        for bad in [&b"x1"[..], b"", b"99999999999999999999", b"1 ", b"-1"] {
            assert_eq!(take_number(bad), (u64::MAX, None));
        }
        assert_eq!(take_number(b"0042.7"), (42, Some(&b"7"[..])));
        assert_eq!(take_number(b"."), (u64::MAX, Some(&b""[..])));
        assert_eq!(Delivery::parse(b"1.2.3.4"), None);
    }
}

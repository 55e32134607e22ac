//! Lengths of time as Go writes them: `1m30s`, `1.5h`, `-2ms`.
//!
//! Read from negative acknowledgements, written in refusals of pull requests. Invariant: no input
//! panics or overflows. Absent: other forms of time.

use std::time::Duration;

use crate::ack_subject::push_decimal;

/// Reads a length of time in nanoseconds; nothing if it is not one.
#[must_use]
pub fn parse(text: &[u8]) -> Option<i64> {
    let (negative, mut rest) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if rest == b"0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let (part, after) = parse_part(rest)?;
        total = total.checked_add(part)?;
        rest = after;
    }
    Some(if negative { -total } else { total })
}

fn parse_part(text: &[u8]) -> Option<(i64, &[u8])> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(rest) => split_digits(rest),
        None => (&b""[..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.iter().position(|b| b.is_ascii_digit() || *b == b'.');
    let (unit, rest) = rest.split_at(end.unwrap_or(rest.len()));
    let unit = unit_nanos(unit)?;
    let mut nanos: i64 = 0;
    for &digit in whole {
        nanos = nanos
            .checked_mul(10)?
            .checked_add(i64::from(digit - b'0'))?;
    }
    nanos = nanos.checked_mul(unit)?;
    let mut place = unit;
    for &digit in fraction {
        // Digits below a nanosecond are dropped.
        place /= 10;
        nanos = nanos.checked_add(i64::from(digit - b'0') * place)?;
    }
    Some((nanos, rest))
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn unit_nanos(unit: &[u8]) -> Option<i64> {
    Some(match unit {
        b"ns" => 1,
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        b"m" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Appends a length of time.
pub(crate) fn push(out: &mut Vec<u8>, duration: Duration) {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    match nanos {
        0 => out.extend_from_slice(b"0s"),
        1..1_000 => push_fraction(out, nanos, 1, "ns"),
        1_000..1_000_000 => push_fraction(out, nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => push_fraction(out, nanos, 1_000_000, "ms"),
        _ => {
            let minutes = nanos / 60_000_000_000;
            if minutes >= 60 {
                push_decimal(out, minutes / 60);
                out.push(b'h');
            }
            if minutes > 0 {
                push_decimal(out, minutes % 60);
                out.push(b'm');
            }
            push_fraction(out, nanos % 60_000_000_000, 1_000_000_000, "s");
        }
    }
}

fn push_fraction(out: &mut Vec<u8>, nanos: u64, unit: u64, name: &str) {
    push_decimal(out, nanos / unit);
    let mut rest = nanos % unit;
    let mut place = unit;
    if rest > 0 {
        out.push(b'.');
    }
    while rest > 0 {
        place /= 10;
        // A single digit.
        out.push(b'0' + (rest / place) as u8);
        rest %= place;
    }
    out.extend_from_slice(name.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(nanos: u64, text: &str) {
        let mut out = Vec::new();
        push(&mut out, Duration::from_nanos(nanos));
        assert_eq!(String::from_utf8_lossy(&out), text);
        assert_eq!(parse(text.as_bytes()), i64::try_from(nanos).ok());
    }

    #[test]
    fn writes_and_reads() {
        check(0, "0s");
        check(15, "15ns");
        check(1_500, "1.5µs");
        check(2_000_000, "2ms");
        check(1_000_000_000, "1s");
        check(60_000_000_000, "1m0s");
        check(90_500_000_000, "1m30.5s");
        check(7_200_000_000_000, "2h0m0s");
    }

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse(b"1.5h"), Some(5_400_000_000_000));
        assert_eq!(parse(b"-2ms"), Some(-2_000_000));
        assert_eq!(parse(b"+.5s"), Some(500_000_000));
        for bad in [
            &b""[..],
            b"-",
            b"5",
            b"s",
            b"1x",
            b".s",
            b"99999999999h",
            b"1s 2s",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}

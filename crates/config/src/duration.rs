//! Durations as Go writes them: `1h2m3.5s`, `250ms`, `-1s`, `0`.
//!
//! Owns parsing of such text, and printing it in the same form. Used by the checks of the file
//! and by messages. Bounded by what fits in 64 bits of nanoseconds (about 292 years), as in Go.

use std::time::Duration;

/// A parsed duration; the sign is kept apart because only a few keys accept a negative one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignedDuration {
    pub(crate) negative: bool,
    pub(crate) length: Duration,
}

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Parses a duration; `None` when the text is none.
pub(crate) fn parse(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration {
            negative: false,
            length: Duration::ZERO,
        });
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: u64 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        nanos = nanos.checked_add(scaled(number, scale)?)?;
        rest = after;
    }
    if nanos > i64::MAX as u64 {
        return None;
    }
    Some(SignedDuration {
        negative,
        length: Duration::from_nanos(nanos),
    })
}

/// A decimal number of units in nanoseconds, rounded down.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    let mut nanos = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.chars() {
        // Digits beyond a nanosecond say nothing any more; the division reaches zero.
        let value = u64::from(digit.to_digit(10)?) * place;
        nanos = nanos.checked_add(value / 10)?;
        place /= 10;
    }
    Some(nanos)
}

/// A duration in Go's form: `2m0s`, `1.5s`, `250ms`.
pub(crate) fn show(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if nanos == 0 {
        return "0s".to_owned();
    }
    if seconds == 0 {
        return match nanos {
            0..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}\u{b5}s", decimal(nanos, 1_000)),
            _ => format!("{}ms", decimal(nanos, 1_000_000)),
        };
    }
    let second = decimal(seconds % 60 * 1_000_000_000 + rest, 1_000_000_000);
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{second}s"),
        (0, minutes) => format!("{minutes}m{second}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{second}s"),
    }
}

/// `value / unit` without trailing zeros.
fn decimal(value: u128, unit: u128) -> String {
    let digits = unit.to_string().len() - 1;
    let text = format!("{}.{:0digits$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{SignedDuration, parse, show};
    use std::time::Duration;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanos) in [
            ("0", Some(0)),
            ("1s", Some(1_000_000_000)),
            ("2m", Some(120_000_000_000)),
            ("1.5h2m0.5s", Some(5_520_500_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("250ms", Some(250_000_000)),
            ("3us", Some(3_000)),
            ("3\u{b5}s", Some(3_000)),
            ("0.0000000001s", Some(0)),
            ("+5ns", Some(5)),
            ("", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("1.2.3s", None),
            ("1d", None),
            ("1 s", None),
            ("9223372037s", None),
        ] {
            let want = nanos.map(|n| SignedDuration {
                negative: false,
                length: Duration::from_nanos(n),
            });
            assert_eq!(parse(text), want, "{text}");
        }
        assert!(parse("-1s").is_some_and(|d| d.negative && d.length == Duration::from_secs(1)));
    }

    #[test]
    fn durations_are_shown_as_go_shows_them() {
        for text in [
            "0s",
            "1ns",
            "1.5\u{b5}s",
            "250ms",
            "1s",
            "1.5s",
            "2m0s",
            "1h2m3.000000004s",
        ] {
            let parsed = parse(text).expect("the text is a duration");
            assert_eq!(show(parsed.length), text);
        }
    }
}

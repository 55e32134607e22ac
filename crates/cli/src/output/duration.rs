//! Durations as they are typed (`1h30m`, `7d`, `2w`, `1M`, `1Y`) and as they are shown (`1h2m3s`).

use std::time::Duration;

use crate::error::{Error, Result};

const UNITS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("D", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
    ("W", 604_800_000_000_000),
    ("M", 2_592_000_000_000_000),
    ("y", 31_536_000_000_000_000),
    ("Y", 31_536_000_000_000_000),
];

/// Reads a duration: numbers with units, several in a row. `0` needs no unit.
pub(crate) fn parse(text: &str) -> Result<Duration> {
    let bad = || {
        Error::new(format!("invalid duration {text:?}")).hint(
            "A duration is a number with a unit, or several: 250ms, 5s, 1h30m, 7d, 2w, 1M, 1Y.",
        )
    };
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut nanos = 0_u128;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(bad)?;
        let (number, tail) = rest.split_at(end);
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let (_, scale) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(bad)?;
        let part = match number.parse::<u64>() {
            Ok(whole) => u128::from(whole) * scale,
            Err(_) => (number.parse::<f64>().map_err(|_| bad())? * *scale as f64) as u128,
        };
        nanos = nanos.saturating_add(part);
        rest = tail;
    }
    let nanos = u64::try_from(nanos)
        .ok()
        .filter(|nanos| i64::try_from(*nanos).is_ok())
        .ok_or_else(bad)?;
    Ok(Duration::from_nanos(nanos))
}

/// [`parse`] for `value_parser`.
pub(crate) fn arg(text: &str) -> std::result::Result<Duration, String> {
    parse(text).map_err(|error| error.to_string().replace("\n\n", ". "))
}

/// A duration for people: two or three significant parts, `1d2h3m4s`, `12.35s`, `250ms`, `1.20ms`.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < 1_000 {
        return format!("{nanos}ns");
    }
    if nanos < 1_000_000 {
        return trimmed(nanos as f64 / 1e3, "µs");
    }
    if nanos < 1_000_000_000 {
        return trimmed(nanos as f64 / 1e6, "ms");
    }
    if seconds < 60 {
        return trimmed(duration.as_secs_f64(), "s");
    }
    let parts = [
        (365 * 86_400, "y"),
        (86_400, "d"),
        (3_600, "h"),
        (60, "m"),
        (1, "s"),
    ];
    let mut text = String::new();
    let mut rest = seconds;
    for (scale, unit) in parts {
        if rest >= scale || (!text.is_empty() && unit != "y") {
            text.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    text
}

/// A duration in whole nanoseconds as JetStream's JSON has it: `never` or `unlimited` is the
/// caller's word for zero.
pub(crate) fn human_nanos(nanos: i64, zero: &str) -> String {
    match u64::try_from(nanos) {
        Ok(nanos) if nanos > 0 => human(Duration::from_nanos(nanos)),
        _ => zero.to_owned(),
    }
}

fn trimmed(value: f64, unit: &str) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

/// Nanoseconds for JetStream's JSON.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let cases = [
            ("5s", 5),
            ("1h30m", 5400),
            ("1d", 86400),
            ("2w", 1_209_600),
            ("1.5m", 90),
            ("0", 0),
        ];
        for (text, secs) in cases {
            assert_eq!(parse(text).ok(), Some(Duration::from_secs(secs)), "{text}");
        }
        for text in ["", "5", "x", "5x", "999999999Y", "s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_shown() {
        let cases = [
            (Duration::ZERO, "0s"),
            (Duration::from_micros(1500), "1.5ms"),
            (Duration::from_secs(5), "5s"),
            (Duration::from_secs(3723), "1h2m3s"),
            (Duration::from_secs(90_000), "1d1h0m0s"),
        ];
        for (duration, text) in cases {
            assert_eq!(human(duration), text);
        }
        assert_eq!(human_nanos(0, "never"), "never");
    }
}

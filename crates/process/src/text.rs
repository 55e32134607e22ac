//! Durations, times and system errors as NATS writes them in monitoring, events and the log. Pure.

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// How long a server or connection has been up, in whole seconds: `1y2d3h4m5s`, larger units
/// left out while they are zero.
pub fn uptime_text(up: Duration) -> String {
    let seconds = up.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let years = days / 365;
    let mut text = String::new();
    // Writing to a String cannot fail.
    if years > 0 {
        let _ = write!(text, "{years}y");
    }
    if days > 0 {
        let _ = write!(text, "{}d", days % 365);
    }
    if hours > 0 {
        let _ = write!(text, "{}h", hours % 24);
    }
    if minutes > 0 {
        let _ = write!(text, "{}m", minutes % 60);
    }
    let _ = write!(text, "{}s", seconds % 60);
    text
}

/// A duration to the nanosecond, as round-trip and idle times are shown: `0s`, `123µs`, `1.5s`,
/// `1m30s`, `2h0m0.25s`.
pub fn duration_text(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => return format!("{nanos}ns"),
        1_000..1_000_000 => return decimal(nanos, 1_000) + "µs",
        1_000_000..NANOS_PER_SECOND => return decimal(nanos, 1_000_000) + "ms",
        _ => {}
    }
    let minutes = nanos / (60 * NANOS_PER_SECOND);
    let seconds = decimal(nanos % (60 * NANOS_PER_SECOND), NANOS_PER_SECOND);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// What the system said, in the words that NATS has for it: `no such file or directory`, where
/// Rust says `No such file or directory (os error 2)`.
pub fn io_error_text(error: &io::Error) -> String {
    let text = error.to_string();
    if error.raw_os_error().is_none() {
        return text;
    }
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        // An abbreviation stays as it is.
        Some(first) if !text.chars().nth(1).is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// A time in UTC to the nanosecond, without zeros at the end of the fraction:
/// `2026-01-02T15:04:05.123456789Z`. Times beyond the year 9999 are shown as its end.
pub fn rfc3339_nano(time: SystemTime) -> String {
    Timestamp::try_from(time)
        .unwrap_or(Timestamp::MAX)
        .to_string()
}

/// `value / unit` (a power of ten) with no zeros at the end of the fraction.
fn decimal(value: u128, unit: u128) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn system_errors_read_as_in_nats() {
        let text = |error: io::Error| io_error_text(&error);
        assert_eq!(
            text(io::Error::from_raw_os_error(2)),
            "no such file or directory"
        );
        assert_eq!(text(io::Error::other("Own words")), "Own words");
    }

    #[test]
    fn uptimes() {
        let check = |seconds: u64, expected: &str| {
            assert_eq!(uptime_text(Duration::from_secs(seconds)), expected);
        };
        check(0, "0s");
        check(59, "59s");
        check(60, "1m0s");
        check(3_600, "1h0m0s");
        check(86_400 + 2 * 3_600 + 3 * 60 + 4, "1d2h3m4s");
        check(365 * 86_400, "1y0d0h0m0s");
        check(366 * 86_400 + 61, "1y1d0h1m1s");
        assert_eq!(uptime_text(Duration::from_millis(1_999)), "1s");
    }

    #[test]
    fn durations() {
        let check = |nanos: u64, expected: &str| {
            assert_eq!(duration_text(Duration::from_nanos(nanos)), expected);
        };
        check(0, "0s");
        check(1, "1ns");
        check(999, "999ns");
        check(1_000, "1µs");
        check(123_000, "123µs");
        check(1_100, "1.1µs");
        check(10_000, "10µs");
        check(2_200_000, "2.2ms");
        check(100_000_000, "100ms");
        check(999_999_999, "999.999999ms");
        check(1_000_000_000, "1s");
        check(1_500_000_000, "1.5s");
        check(10_000_000_000, "10s");
        check(90_000_000_000, "1m30s");
        check(305_000_000_000, "5m5s");
        check(7_200_250_000_000, "2h0m0.25s");
        check(60_000_000_000, "1m0s");
        check(3_600_000_000_000, "1h0m0s");
        assert!(duration_text(Duration::MAX).ends_with("s"));
    }

    #[test]
    fn times() {
        let check = |nanos: u64, expected: &str| {
            assert_eq!(
                rfc3339_nano(UNIX_EPOCH + Duration::from_nanos(nanos)),
                expected
            );
        };
        check(0, "1970-01-01T00:00:00Z");
        check(1_767_366_245_123_456_789, "2026-01-02T15:04:05.123456789Z");
        check(1_767_366_245_120_000_000, "2026-01-02T15:04:05.12Z");
        check(1_767_366_245_000_000_001, "2026-01-02T15:04:05.000000001Z");
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert!(rfc3339_nano(far).starts_with("9999-12-30T"));
    }
}

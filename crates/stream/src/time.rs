//! Times and durations as text, the way Go writes and reads them.

use std::time::Duration;

use cognate_model::Timestamp;
use cognate_wire::encode::write_decimal;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Appends `time` as RFC 3339 with as many decimals as needed, in UTC. Does not allocate: direct
/// gets and republishing need one per message.
pub(crate) fn write_rfc3339(out: &mut Vec<u8>, time: Timestamp) {
    let seconds = time.0.div_euclid(NANOS_PER_SECOND);
    let nanos = time.0.rem_euclid(NANOS_PER_SECOND).unsigned_abs();
    let (year, month, day) = civil_date(seconds.div_euclid(86_400));
    let second_of_day = seconds.rem_euclid(86_400).unsigned_abs();
    // Years of a 64-bit count of nanoseconds are 1677 to 2262.
    write_padded(out, year.unsigned_abs(), 4);
    for (mark, value) in [(b'-', month), (b'-', day), (b'T', second_of_day / 3600)] {
        out.push(mark);
        write_padded(out, value, 2);
    }
    for value in [second_of_day / 60 % 60, second_of_day % 60] {
        out.push(b':');
        write_padded(out, value, 2);
    }
    if nanos > 0 {
        out.push(b'.');
        write_padded(out, nanos, 9);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'Z');
}

/// Year, month and day of a day counted from 1970-01-01, by the usual reckoning in eras of 400
/// years that begin on the first of March.
fn civil_date(day: i64) -> (i64, u64, u64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month.unsigned_abs(), day_of_month.unsigned_abs())
}

fn write_padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut digits = [b'0'; 9];
    let mut rest = value;
    for digit in digits[..width].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits[..width]);
}

/// Appends whole seconds as Go writes durations: `1m30s`.
pub(crate) fn write_go_seconds(out: &mut Vec<u8>, seconds: u64) {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 {
        write_decimal(out, hours);
        out.push(b'h');
    }
    if seconds >= 60 {
        write_decimal(out, minutes);
        out.push(b'm');
    }
    write_decimal(out, seconds % 60);
    out.push(b's');
}

/// A duration as Go reads them (`1h2.5m`, `300ms`), in nanoseconds; none if it is malformed or too
/// long to be told.
pub(crate) fn parse_go_duration(text: &[u8]) -> Option<i64> {
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if rest == b"0" {
        return Some(0);
    }
    let mut nanos: i128 = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        let (value, after) = parse_go_part(rest)?;
        nanos = nanos.checked_add(value)?;
        (rest, parts) = (after, parts + 1);
        if nanos > i128::from(i64::MAX) {
            return None;
        }
    }
    let nanos = i64::try_from(nanos).ok()?;
    (parts > 0).then_some(if negative { -nanos } else { nanos })
}

/// One number with its unit, in nanoseconds, and what follows.
fn parse_go_part(text: &[u8]) -> Option<(i128, &[u8])> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => rest.split_at(digits(rest)),
        rest => (&[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_len = rest
        .iter()
        .take_while(|byte| **byte != b'.' && !byte.is_ascii_digit())
        .count();
    let (unit, rest) = rest.split_at(unit_len);
    let scale: i128 = match unit {
        b"ns" => 1,
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        b"m" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return None,
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i128, |number, digit| {
            number
                .checked_mul(10)?
                .checked_add(i128::from(digit - b'0'))
        })
    };
    // More decimals than a duration can hold change nothing.
    let fraction = &fraction[..fraction.len().min(18)];
    let power = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let value = number(whole)?.checked_mul(scale)?;
    Some((value.checked_add(number(fraction)? * scale / power)?, rest))
}

/// What `Nats-TTL` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ttl {
    /// Nothing: the stream's own limits hold.
    None,
    /// To be kept whatever its age.
    Never,
    /// To be removed after so many seconds.
    Seconds(u64),
}

impl Ttl {
    /// Reads the header's value; `None` if it is invalid.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::None);
        }
        if text.eq_ignore_ascii_case(b"never") {
            return Some(Self::Never);
        }
        if let Some(nanos) = parse_go_duration(text) {
            // A bare 0 is a duration too, and too short.
            let seconds = u64::try_from(nanos / NANOS_PER_SECOND).unwrap_or(0);
            return (seconds > 0).then_some(Self::Seconds(seconds));
        }
        match crate::header::parse_number(text)? {
            0 => Some(Self::None),
            seconds if i64::try_from(seconds).is_ok() => Some(Self::Seconds(seconds)),
            _ => None,
        }
    }

    /// When a message stored at `stored` is to be removed.
    pub(crate) fn expiry(self, stored: Timestamp) -> Option<Timestamp> {
        match self {
            Self::None | Self::Never => None,
            Self::Seconds(seconds) => Some(stored.after(Duration::from_secs(seconds))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        let check = |nanos: i64| {
            let mut out = Vec::new();
            write_rfc3339(&mut out, Timestamp(nanos));
            let expected = jiff::Timestamp::from_nanosecond(i128::from(nanos))
                .expect("in range")
                .to_string();
            assert_eq!(String::from_utf8_lossy(&out), expected, "{nanos}");
        };
        for nanos in [0, 1, -1, 1_000_000_000, 1_709_210_096_120_000_000] {
            check(nanos);
        }
        // A step of about 11.7 years and some hours goes through all months and leap years.
        for step in -18..24 {
            check(step * 370_000_003_600_123_000);
        }
        for day in 0..1500 {
            check(day * 86_400 * NANOS_PER_SECOND + 1_582_934_400_000_000_000);
        }
    }

    #[test]
    fn seconds_are_written_as_go_writes_durations() {
        let check = |seconds, expected: &str| {
            let mut out = Vec::new();
            write_go_seconds(&mut out, seconds);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(1, "1s");
        check(60, "1m0s");
        check(90, "1m30s");
        check(3600, "1h0m0s");
        check(90_061, "25h1m1s");
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(parse_go_duration(text.as_bytes()), expected, "{text:?}");
        };
        check("1s", Some(1_000_000_000));
        check("1h2m3s", Some(3_723_000_000_000));
        check("1.5h", Some(5_400_000_000_000));
        check(".5s", Some(500_000_000));
        check("1.s", Some(1_000_000_000));
        check("-2us", Some(-2_000));
        check("3µs", Some(3_000));
        check("0", Some(0));
        check("+0", Some(0));
        check("9223372036854775807ns", Some(i64::MAX));
        check("9223372036854775808ns", None);
        check("99999999999999999999999999999999999999999h", None);
        check("0.1234567890123456789012345s", Some(123_456_789));
        for bad in ["", "-", "1", "s", ".s", "1x", "1s ", "1 s", "--1s"] {
            check(bad, None);
        }
    }

    #[test]
    fn times_to_live() {
        let check = |text: &str, expected: Option<Ttl>| {
            assert_eq!(Ttl::parse(text.as_bytes()), expected, "{text:?}");
        };
        check("", Some(Ttl::None));
        check("never", Some(Ttl::Never));
        check("NEVER", Some(Ttl::Never));
        check("5", Some(Ttl::Seconds(5)));
        check("00", Some(Ttl::None));
        check("1m", Some(Ttl::Seconds(60)));
        check("1.9s", Some(Ttl::Seconds(1)));
        for bad in ["0", "999ms", "-1", "-5s", "x", "99999999999999999999"] {
            check(bad, None);
        }
    }
}

//! Numbers as people read them: thousands separators, sizes, percentages; and sizes as they are typed.

use crate::error::{Error, Result};

/// The sum of what servers counted; what is too large for a number is the largest.
pub(crate) fn total(values: impl IntoIterator<Item = u64>) -> u64 {
    values.into_iter().fold(0, u64::saturating_add)
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(value: impl Into<i128>) -> String {
    let value = value.into();
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        text.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate or other fraction with separators and `decimals` digits, which are left out when zero.
pub(crate) fn grouped_float(value: f64, decimals: usize) -> String {
    let rounded = format!("{value:.decimals$}");
    let (whole, fraction) = rounded.split_once('.').unwrap_or((&rounded, ""));
    let whole = whole
        .parse::<i128>()
        .map_or_else(|_| whole.to_owned(), grouped);
    match fraction.trim_end_matches('0') {
        "" => whole,
        fraction => format!("{whole}.{fraction}"),
    }
}

/// A size in binary units: `512 B`, `1.5 KiB`, `12 MiB`.
pub(crate) fn bytes(value: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if value < 10 {
        return format!("{value} B");
    }
    let mut scaled = value as f64;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    // One decimal below ten, as far as there is one; whole numbers above.
    let rounded = (scaled * 10.0 + 0.5).floor() / 10.0;
    let unit = UNITS.get(unit).copied().unwrap_or("EiB");
    if unit == "B" || rounded >= 10.0 {
        format!("{rounded:.0} {unit}")
    } else {
        format!("{rounded:.1} {unit}")
    }
}

/// A size limit: `unlimited` for what is not positive.
pub(crate) fn bytes_limit(value: i64) -> String {
    if value > 0 {
        bytes(value.unsigned_abs())
    } else {
        "unlimited".to_owned()
    }
}

/// A count limit: `unlimited` for what is not positive.
pub(crate) fn limit(value: i64) -> String {
    if value > 0 {
        grouped(value)
    } else {
        "unlimited".to_owned()
    }
}

/// Reads `128`, `1K`, `1KB`, `128MiB`, `1GB`, `-1`. As in the official tool, `K`, `KB` and `KiB` all
/// are 1024 bytes.
pub(crate) fn parse_bytes(text: &str) -> Result<i64> {
    let bad = || {
        Error::new(format!("invalid size {text:?}")).hint(
            "A size is a number with an optional unit: 512, 64K, 128MiB, 1GB, or -1 for no limit.",
        )
    };
    let trimmed = text.trim();
    let split = trimmed
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let unit = unit.trim().to_ascii_uppercase();
    let shift = match unit.as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        "P" | "PB" | "PIB" => 50,
        _ => return Err(bad()),
    };
    if let Ok(whole) = number.parse::<i64>() {
        return whole.checked_mul(1_i64 << shift).ok_or_else(bad);
    }
    let value = number.parse::<f64>().map_err(|_| bad())? * (1_u64 << shift) as f64;
    if value.is_finite() && value.abs() < i64::MAX as f64 {
        Ok(value as i64)
    } else {
        Err(bad())
    }
}

/// [`parse_bytes`] for `value_parser`.
pub(crate) fn size_arg(text: &str) -> std::result::Result<i64, String> {
    parse_bytes(text).map_err(|error| error.to_string().replace("\n\n", ". "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1_234_567, "-1,234,567"),
        ];
        for (value, text) in cases {
            assert_eq!(grouped(value), text);
        }
        assert_eq!(grouped_float(1234.5, 2), "1,234.5");
        assert_eq!(grouped_float(1234.0, 2), "1,234");
    }

    #[test]
    fn sizes_are_read_and_written() {
        let cases = [
            (0, "0 B"),
            (512, "512 B"),
            (1536, "1.5 KiB"),
            (1024, "1.0 KiB"),
            (12 << 20, "12 MiB"),
        ];
        for (value, text) in cases {
            assert_eq!(bytes(value), text);
        }
        let cases = [
            ("-1", -1),
            ("1K", 1024),
            ("1.5KiB", 1536),
            ("1GB", 1 << 30),
            (" 7 b", 7),
        ];
        for (text, value) in cases {
            assert_eq!(parse_bytes(text).ok(), Some(value), "{text}");
        }
        for text in ["", "x", "1XB", "99999999999P", "1.2.3"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}

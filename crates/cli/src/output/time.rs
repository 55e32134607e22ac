//! Times as they are shown, and how long ago something was.

use std::time::Duration;

use jiff::{Timestamp, Zoned};

/// The time of day, for log lines.
pub(crate) fn clock() -> String {
    Zoned::now().strftime("%H:%M:%S").to_string()
}

/// A time in the machine's zone: `2026-07-01 12:30:00`.
pub(crate) fn local(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// A time as servers write it in JSON; `None` for what is not one and for Go's zero time.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let at: Timestamp = text.parse().ok()?;
    (at.as_second() > 0).then_some(at)
}

/// A time of a server's JSON in the machine's zone, or as it came, or empty for Go's zero time.
pub(crate) fn local_text(text: &str) -> String {
    match parse(text) {
        Some(at) => local(at),
        None if text.starts_with("0001-") => String::new(),
        None => text.to_owned(),
    }
}

/// How long ago a time was; zero for the future.
pub(crate) fn since(at: Timestamp) -> Duration {
    since_at(at, Timestamp::now())
}

/// How long before `now` a time was; zero for the future.
pub(crate) fn since_at(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

/// How long ago a time of a server's JSON was, or `never`.
pub(crate) fn ago(text: &str) -> String {
    parse(text).map_or_else(
        || "never".to_owned(),
        |at| super::duration::human(since(at)),
    )
}

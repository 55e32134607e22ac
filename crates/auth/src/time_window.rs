//! Times of day at which a user may be connected (`times` of user tokens).
//!
//! Owns the arithmetic of days and time zones. The zone is the one that the token names, from
//! the data that the program was built with, so that it does not depend on the machine; a token
//! that names none means the server's own zone, which is an argument, as the time is. Called
//! when claims are checked and when a user logs in.

use crate::jwt::TimeRange;
use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};

/// When a decision is made.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
    /// The server's time zone.
    pub zone: &'a TimeZone,
}

impl Moment<'_> {
    /// Seconds since 1970, as tokens state times.
    pub fn seconds(&self) -> i64 {
        self.now.as_second()
    }
}

/// Whether a user may be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeVerdict {
    /// It may, as far as the time of day is concerned.
    Always,
    /// It may until then.
    Until(Timestamp),
    /// It may not.
    Outside,
}

/// The time zone of that IANA name; `Local` is none of them.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    match name {
        // As Go has it: valid, and the server's.
        "Local" => Some(TimeZone::UTC),
        // Capitals count, as in the names of files, where Go looks for zones.
        name => {
            let zone = TimeZoneDatabase::bundled().get(name).ok()?;
            (zone.iana_name() == Some(name)).then_some(zone)
        }
    }
}

/// Reads `HH:MM:SS`; like Go, also with one digit of the hour and with a fraction of a second,
/// which does not count.
pub(crate) fn parse_time(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let (second, fraction) = second.split_once(['.', ',']).unwrap_or((second, "0"));
    let number = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let valid = digits && lengths.contains(&text.len());
        valid.then(|| text.parse::<i8>().ok()).flatten()
    };
    if parts.next().is_some() || fraction.is_empty() {
        return None;
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hour, minute) = (number(hour, 1..=2)?, number(minute, 2..=2)?);
    Time::new(hour, minute, number(second, 2..=2)?, 0).ok()
}

/// Whether one of the ranges holds now. Those that hold longest count. A malformed range or an
/// unknown zone lets nobody in, as claims that have one are not valid.
pub fn check(ranges: &[TimeRange], locale: &str, moment: Moment<'_>) -> TimeVerdict {
    if ranges.is_empty() {
        return TimeVerdict::Always;
    }
    let zone = match locale {
        "" | "Local" => Some(moment.zone.clone()),
        name => zone(name),
    };
    let Some(zone) = zone else {
        return TimeVerdict::Outside;
    };
    let mut latest = None;
    for range in ranges {
        let (Some(start), Some(end)) = (parse_time(&range.start), parse_time(&range.end)) else {
            return TimeVerdict::Outside;
        };
        latest = latest.max(end_of_range(start, end, &zone, moment.now));
    }
    latest.map_or(TimeVerdict::Outside, TimeVerdict::Until)
}

/// When the range that `now` lies in ends, if it lies in it.
fn end_of_range(start: Time, end: Time, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let today = now.to_zoned(zone.clone()).date();
    // When the clock is changed, a time comes twice or not at all. Which moment is meant then
    // follows Go: the zone's offset is looked up at the time read as UTC, and again at the moment
    // which that gives.
    let at = |date: Date, time: Time| {
        let local = date.to_datetime(time);
        let read_as_utc = Offset::UTC.to_timestamp(local).ok()?;
        let guess = zone.to_offset(read_as_utc).to_timestamp(local).ok()?;
        zone.to_offset(guess).to_timestamp(local).ok()
    };
    let (begins, ends) = (at(today, start)?, at(today, end)?);
    if begins < now && now < ends {
        return Some(ends);
    }
    if begins > ends {
        // It goes over midnight: now is in the part after it, or in the one before.
        if now < ends {
            return Some(ends);
        }
        let tomorrow = today.checked_add(Span::new().days(1)).ok()?;
        return (begins < now).then(|| at(tomorrow, end)).flatten();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Moment, TimeVerdict, check, parse_time};
    use crate::jwt::TimeRange;
    use jiff::tz::TimeZone;

    fn range(text: &str) -> TimeRange {
        let (start, end) = text.split_once('-').unwrap();
        TimeRange {
            start: start.to_owned(),
            end: end.to_owned(),
        }
    }

    /// `expected` is the end of the window, or nothing for outside.
    #[track_caller]
    fn check_at(ranges: &[&str], locale: &str, now: &str, expected: Option<&str>) {
        let ranges: Vec<_> = ranges.iter().map(|text| range(text)).collect();
        let zone = TimeZone::UTC;
        let moment = Moment {
            now: now.parse().unwrap(),
            zone: &zone,
        };
        let expected = expected.map_or(TimeVerdict::Outside, |until| {
            TimeVerdict::Until(until.parse().unwrap())
        });
        assert_eq!(check(&ranges, locale, moment), expected);
    }

    #[test]
    fn ranges_of_one_day_and_over_midnight() {
        let day = ["09:00:00-17:00:00"];
        check_at(
            &day,
            "",
            "2026-03-05T12:00:00Z",
            Some("2026-03-05T17:00:00Z"),
        );
        check_at(&day, "", "2026-03-05T08:59:59Z", None);
        check_at(&day, "", "2026-03-05T09:00:00Z", None);
        check_at(
            &day,
            "",
            "2026-03-05T09:00:01Z",
            Some("2026-03-05T17:00:00Z"),
        );
        check_at(&day, "", "2026-03-05T17:00:00Z", None);
        let night = ["22:00:00-06:00:00"];
        check_at(
            &night,
            "",
            "2026-03-05T23:30:00Z",
            Some("2026-03-06T06:00:00Z"),
        );
        check_at(
            &night,
            "",
            "2026-03-05T05:00:00Z",
            Some("2026-03-05T06:00:00Z"),
        );
        check_at(&night, "", "2026-03-05T12:00:00Z", None);
        check_at(&["10:00:00-10:00:00"], "", "2026-03-05T10:00:00Z", None);
    }

    #[test]
    fn the_range_that_holds_longest_counts() {
        let ranges = [
            "09:00:00-13:00:00",
            "11:00:00-15:00:00",
            "16:00:00-17:00:00",
        ];
        check_at(
            &ranges,
            "",
            "2026-03-05T12:00:00Z",
            Some("2026-03-05T15:00:00Z"),
        );
        check_at(&ranges, "", "2026-03-05T15:30:00Z", None);
    }

    #[test]
    fn the_zone_of_the_token_counts_and_knows_summer_time() {
        let day = ["09:00:00-17:00:00"];
        let berlin = "Europe/Berlin";
        check_at(
            &day,
            berlin,
            "2026-01-05T08:30:00Z",
            Some("2026-01-05T16:00:00Z"),
        );
        check_at(
            &day,
            berlin,
            "2026-07-05T07:30:00Z",
            Some("2026-07-05T15:00:00Z"),
        );
        check_at(&day, berlin, "2026-07-05T15:30:00Z", None);
        check_at(
            &day,
            "UTC",
            "2026-07-05T15:30:00Z",
            Some("2026-07-05T17:00:00Z"),
        );
        check_at(
            &day,
            "Local",
            "2026-07-05T15:30:00Z",
            Some("2026-07-05T17:00:00Z"),
        );
        check_at(&day, "Nowhere/At_All", "2026-07-05T15:30:00Z", None);
        // A night of 25 hours.
        let night = ["22:00:00-06:00:00"];
        check_at(
            &night,
            berlin,
            "2026-10-24T21:00:00Z",
            Some("2026-10-25T05:00:00Z"),
        );
    }

    /// What nats-server says of the same times (`testdata/server.json`).
    #[test]
    fn windows_are_those_of_the_go_server() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/server.json")).unwrap();
        let vectors = vectors["times"].as_array().unwrap();
        assert!(vectors.len() > 200);
        for vector in vectors {
            let ranges: Vec<TimeRange> = serde_json::from_value(vector["ranges"].clone()).unwrap();
            let now: jiff::Timestamp = vector["now"].as_str().unwrap().parse().unwrap();
            let moment = Moment {
                now,
                zone: &TimeZone::UTC,
            };
            let seconds = vector["seconds"].as_i64().unwrap();
            let expected = match vector["ok"] == true {
                true => TimeVerdict::Until(now + std::time::Duration::from_secs(seconds as u64)),
                false => TimeVerdict::Outside,
            };
            let locale = vector["locale"].as_str().unwrap();
            assert_eq!(check(&ranges, locale, moment), expected, "{vector}");
        }
    }

    #[test]
    fn no_ranges_mean_always_and_malformed_ones_never() {
        check_at(&["junk-17:00:00"], "", "2026-03-05T12:00:00Z", None);
        let zone = TimeZone::UTC;
        let moment = Moment {
            now: jiff::Timestamp::UNIX_EPOCH,
            zone: &zone,
        };
        assert_eq!(check(&[], "Nowhere", moment), TimeVerdict::Always);
    }

    #[test]
    fn times_are_read_as_go_reads_them() {
        for text in [
            "00:00:00",
            "23:59:59",
            "9:05:00",
            "09:05:00.5",
            "09:05:00,5",
        ] {
            assert!(parse_time(text).is_some(), "{text}");
        }
        for text in [
            "",
            "24:00:00",
            "09:60:00",
            "09:00:60",
            "09:00",
            "09:5:00",
            "009:00:00",
            "+9:00:00",
            "09:00:00.",
            "09:00:00.x",
            "09:00:00:00",
            "a:b:c",
            ":00:00",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}

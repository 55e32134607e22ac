//! When schedules fire: at a time, at intervals, or by a cron pattern in a time zone.
//!
//! A cron pattern has six fields: second, minute, hour, day of month, month, day of week (0 is
//! Sunday). A field is a list of `*`, `?`, `n`, `n-m`, each perhaps with `/step`; months and days
//! have names. If both days are restricted, either will do. Zones are those of the bundled
//! database, so that every server finds the same times.

use cognate_model::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan, Zoned};

use crate::time::parse_go_duration;

const SECOND: i64 = 1_000_000_000;

/// How many years ahead a pattern is looked for.
const YEARS: i16 = 5;

/// When something is to happen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Schedule {
    /// Once.
    At(Timestamp),
    /// Every so many nanoseconds.
    Every(i64),
    /// By a pattern.
    Cron(Box<Cron>, TimeZone),
}

impl Schedule {
    /// Reads `Nats-Schedule`. Only patterns may have a time zone.
    pub(crate) fn parse(pattern: &[u8], zone: Option<TimeZone>) -> Option<Self> {
        let pattern = std::str::from_utf8(pattern).ok()?;
        if let Some(time) = pattern.strip_prefix("@at ") {
            let time = Timestamp::parse_rfc3339(time)?;
            return zone.is_none().then_some(Self::At(time));
        }
        if let Some(interval) = pattern.strip_prefix("@every ") {
            let nanos = parse_go_duration(interval.as_bytes())?;
            return (zone.is_none() && nanos >= SECOND).then_some(Self::Every(nanos));
        }
        let pattern = match pattern {
            "@yearly" | "@annually" => "0 0 0 1 1 *",
            "@monthly" => "0 0 0 1 * *",
            "@weekly" => "0 0 0 * * 0",
            "@daily" | "@midnight" => "0 0 0 * * *",
            "@hourly" => "0 0 * * * *",
            other => other,
        };
        let cron = Cron::parse(pattern)?;
        Some(Self::Cron(Box::new(cron), zone.unwrap_or(TimeZone::UTC)))
    }

    /// Whether it fires again and again.
    pub(crate) fn repeats(&self) -> bool {
        !matches!(self, Self::At(_))
    }

    /// When it fires after it did at `last`. What was missed until `now` is not made up for.
    pub(crate) fn next(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(*time),
            Self::Every(interval) => {
                let from = |time| Timestamp(rounded(time).0.saturating_add(*interval));
                let next = from(last);
                Some(if next < now { from(now) } else { next })
            }
            Self::Cron(cron, zone) => {
                let next = cron.next(last, zone)?;
                if next < now {
                    cron.next(rounded(now), zone)
                } else {
                    Some(next)
                }
            }
        }
    }
}

/// To the nearest second.
fn rounded(time: Timestamp) -> Timestamp {
    let seconds = time.0.saturating_add(SECOND / 2).div_euclid(SECOND);
    Timestamp(seconds.saturating_mul(SECOND))
}

/// The time zone with this name.
pub(crate) fn zone(name: &[u8]) -> Option<TimeZone> {
    let name = std::str::from_utf8(name).ok()?;
    TimeZone::get(name).ok()
}

/// A cron pattern: for each field the set of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    second: Set,
    minute: Set,
    hour: Set,
    day: Set,
    month: Set,
    weekday: Set,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set {
    values: u64,
    /// Whether it was written as everything.
    is_star: bool,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What a field may hold.
struct Bounds {
    min: u32,
    max: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
}

impl Cron {
    fn parse(pattern: &str) -> Option<Self> {
        let mut fields = pattern.split_whitespace();
        let mut field = |min, max, names| Set::parse(fields.next()?, &Bounds { min, max, names });
        let cron = Self {
            second: field(0, 59, &[])?,
            minute: field(0, 59, &[])?,
            hour: field(0, 23, &[])?,
            day: field(1, 31, &[])?,
            month: field(1, 12, &MONTHS)?,
            weekday: field(0, 6, &DAYS)?,
        };
        fields.next().is_none().then_some(cron)
    }

    /// The first time after `after` that matches, within [`YEARS`].
    fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let second = after.0.div_euclid(SECOND).checked_add(1)?;
        let time = jiff::Timestamp::from_second(second).ok()?;
        let found = self.search(time.to_zoned(zone.clone()))?;
        let nanos = found.timestamp().as_nanosecond();
        i64::try_from(nanos).ok().map(Timestamp)
    }

    /// Goes from the coarsest field to the finest. A field that overflows begins again from the
    /// top, for the coarser ones have changed then.
    fn search(&self, mut time: Zoned) -> Option<Zoned> {
        let last_year = time.year().checked_add(YEARS)?;
        'again: while time.year() <= last_year {
            while !self.month.has(time.month()) {
                let first = time.date().first_of_month();
                let next = first.checked_add(1.month()).ok()?;
                time = next.to_zoned(time.time_zone().clone()).ok()?;
                if time.month() == 1 {
                    continue 'again;
                }
            }
            while !self.is_day(&time) {
                let next = time.date().tomorrow().ok()?;
                time = next.to_zoned(time.time_zone().clone()).ok()?;
                if time.day() == 1 {
                    continue 'again;
                }
            }
            while !self.hour.has(time.hour()) {
                time = from_next(&time, 3600)?;
                if time.hour() == 0 {
                    continue 'again;
                }
            }
            while !self.minute.has(time.minute()) {
                time = from_next(&time, 60)?;
                if time.minute() == 0 {
                    continue 'again;
                }
            }
            while !self.second.has(time.second()) {
                time = from_next(&time, 1)?;
                if time.second() == 0 {
                    continue 'again;
                }
            }
            return Some(time);
        }
        None
    }

    fn is_day(&self, time: &Zoned) -> bool {
        let weekday = match time.weekday() {
            Weekday::Sunday => 0,
            other => other.to_monday_one_offset(),
        };
        let (day, weekday_has) = (self.day.has(time.day()), self.weekday.has(weekday));
        if self.day.is_star || self.weekday.is_star {
            day && weekday_has
        } else {
            day || weekday_has
        }
    }
}

/// The next full hour, minute or second of the clock in the zone.
fn from_next(time: &Zoned, seconds: i64) -> Option<Zoned> {
    let into = match seconds {
        3600 => i64::from(time.minute()) * 60 + i64::from(time.second()),
        60 => i64::from(time.second()),
        _ => 0,
    };
    time.checked_add(SignedDuration::from_secs(seconds - into))
        .ok()
}

impl Set {
    fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| self.values >> value & 1 == 1)
    }

    fn parse(field: &str, bounds: &Bounds) -> Option<Self> {
        let mut set = Self::default();
        for part in field.split(',').filter(|part| !part.is_empty()) {
            let part = Self::parse_part(part, bounds)?;
            set.values |= part.values;
            set.is_star |= part.is_star;
        }
        // Nothing matches the empty set, and looking for that would take very long.
        (set.values != 0).then_some(set)
    }

    fn parse_part(part: &str, bounds: &Bounds) -> Option<Self> {
        let mut slashes = part.split('/');
        let range = slashes.next()?;
        let step = slashes.next();
        if slashes.next().is_some() {
            return None;
        }
        let mut ends = range.split('-');
        let first = ends.next()?;
        let is_star = matches!(first, "*" | "?");
        let (start, end) = if is_star {
            (bounds.min, bounds.max)
        } else {
            let start = bounds.value(first)?;
            match (ends.next(), ends.next()) {
                (None, _) if step.is_some() => (start, bounds.max),
                (None, _) => (start, start),
                (Some(end), None) => (start, bounds.value(end)?),
                (Some(_), Some(_)) => return None,
            }
        };
        let step: u32 = step.map_or(Some(1), |step| step.parse().ok())?;
        if step == 0 || start < bounds.min || end > bounds.max || start > end {
            return None;
        }
        let step_by = usize::try_from(step).ok()?;
        let values = (start..=end)
            .step_by(step_by)
            .fold(0, |set, value| set | 1 << value);
        Some(Self {
            values,
            is_star: is_star && step == 1,
        })
    }
}

impl Bounds {
    fn value(&self, text: &str) -> Option<u32> {
        let named = self
            .names
            .iter()
            .position(|name| text.eq_ignore_ascii_case(name));
        match named {
            Some(place) => u32::try_from(place).ok()?.checked_add(self.min),
            None => text.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap_or_else(|| panic!("{text:?} is a time"))
    }

    /// The first `N` firings after `from`, or why there are none.
    #[track_caller]
    fn check(pattern: &str, zone_name: &str, from: &str, expected: &[&str]) {
        let zone = (!zone_name.is_empty()).then(|| zone(zone_name.as_bytes()).expect("a zone"));
        let schedule = Schedule::parse(pattern.as_bytes(), zone);
        let mut found = Vec::new();
        let mut last = time(from);
        while let Some(schedule) = &schedule
            && found.len() < expected.len()
            && let Some(next) = schedule.next(last, last)
        {
            found.push(next.rfc3339());
            last = next;
        }
        assert_eq!(found, expected, "{pattern:?} in {zone_name:?}");
    }

    #[track_caller]
    fn invalid(pattern: &str) {
        let schedule = Schedule::parse(pattern.as_bytes(), None);
        let next = schedule.and_then(|schedule| schedule.next(Timestamp(0), Timestamp(0)));
        assert_eq!(next, None, "{pattern:?}");
    }

    #[test]
    fn patterns() {
        let from = "2024-02-28T23:59:58.5Z";
        check(
            "* * * * * *",
            "",
            from,
            &["2024-02-28T23:59:59Z", "2024-02-29T00:00:00Z"],
        );
        check(
            "*/20 * * * * *",
            "",
            from,
            &["2024-02-29T00:00:00Z", "2024-02-29T00:00:20Z"],
        );
        check(
            "5/25 * * * * *",
            "",
            from,
            &["2024-02-29T00:00:05Z", "2024-02-29T00:00:30Z"],
        );
        check(
            "0 30 9-17/4 * * *",
            "",
            from,
            &["2024-02-29T09:30:00Z", "2024-02-29T13:30:00Z"],
        );
        check(
            "0 0 0 29 2 *",
            "",
            from,
            &["2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"],
        );
        check(
            "0 0 12 * jan,MAR ?",
            "",
            from,
            &["2024-03-01T12:00:00Z", "2024-03-02T12:00:00Z"],
        );
        check(
            "0 0 0 * * mon-fri",
            "",
            from,
            &[
                "2024-02-29T00:00:00Z",
                "2024-03-01T00:00:00Z",
                "2024-03-04T00:00:00Z",
            ],
        );
        // Both days restricted: either will do.
        check(
            "0 0 0 1 * 6",
            "",
            from,
            &[
                "2024-03-01T00:00:00Z",
                "2024-03-02T00:00:00Z",
                "2024-03-09T00:00:00Z",
            ],
        );
        check("59 59 23 31 12 *", "", from, &["2024-12-31T23:59:59Z"]);
        check(
            "0 ,5,,6 * * * *",
            "",
            from,
            &["2024-02-29T00:05:00Z", "2024-02-29T00:06:00Z"],
        );
    }

    #[test]
    fn named_patterns() {
        let from = "2024-02-28T10:20:30Z";
        check("@hourly", "", from, &["2024-02-28T11:00:00Z"]);
        check("@daily", "", from, &["2024-02-29T00:00:00Z"]);
        check("@midnight", "", from, &["2024-02-29T00:00:00Z"]);
        check("@weekly", "", from, &["2024-03-03T00:00:00Z"]);
        check("@monthly", "", from, &["2024-03-01T00:00:00Z"]);
        check("@yearly", "", from, &["2025-01-01T00:00:00Z"]);
        check("@annually", "", from, &["2025-01-01T00:00:00Z"]);
    }

    #[test]
    fn intervals_and_times() {
        check(
            "@every 90s",
            "",
            "2024-01-01T00:00:00.6Z",
            &["2024-01-01T00:01:31Z", "2024-01-01T00:03:01Z"],
        );
        check(
            "@at 2024-01-01T01:00:00+01:00",
            "",
            "2024-01-01T00:00:00Z",
            &["2024-01-01T00:00:00Z"],
        );
        let every = Schedule::parse(b"@every 10s", None).expect("a schedule");
        let next = every.next(time("2024-01-01T00:00:00Z"), time("2024-01-01T00:01:05.2Z"));
        assert_eq!(next, Some(time("2024-01-01T00:01:15Z")));
        let cron = Schedule::parse(b"0 * * * * *", None).expect("a schedule");
        let next = cron.next(time("2024-01-01T00:00:00Z"), time("2024-01-01T05:01:05.2Z"));
        assert_eq!(next, Some(time("2024-01-01T05:02:00Z")));
    }

    #[test]
    fn zones_and_changes_of_the_clock() {
        check(
            "0 0 9 * * *",
            "Europe/Berlin",
            "2024-03-30T00:00:00Z",
            &["2024-03-30T08:00:00Z", "2024-03-31T07:00:00Z"],
        );
        // 02:30 does not exist on the day the clock goes forward, and comes twice in autumn.
        check(
            "0 30 2 * * *",
            "Europe/Berlin",
            "2024-03-30T12:00:00Z",
            &["2024-04-01T00:30:00Z"],
        );
        check(
            "0 30 2 27 10 *",
            "Europe/Berlin",
            "2024-10-26T12:00:00Z",
            &["2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z"],
        );
        // A day without a midnight.
        check(
            "0 0 0 * * *",
            "America/Sao_Paulo",
            "2018-11-03T12:00:00Z",
            &["2018-11-05T02:00:00Z"],
        );
        check(
            "@daily",
            "Asia/Kathmandu",
            "2024-01-01T00:00:00Z",
            &["2024-01-01T18:15:00Z"],
        );
    }

    #[test]
    fn what_is_no_schedule() {
        for pattern in [
            "",
            "@at",
            "@at x",
            "@every 999ms",
            "@every x",
            "@never",
            "* * * * *",
            "* * * * * * *",
            "60 * * * * *",
            "* 60 * * * *",
            "* * 24 * * *",
            "* * * 0 * *",
            "* * * 32 * *",
            "* * * * 0 *",
            "* * * * 13 *",
            "* * * * * 7",
            "5-1 * * * * *",
            "1-2-3 * * * * *",
            "*/0 * * * * *",
            "1/2/3 * * * * *",
            "a * * * * *",
            "-1 * * * * *",
            "* * * * foo *",
            ", * * * * *",
            "0 0 0 30 2 *",
            "0 0 0 31 4 *",
        ] {
            invalid(pattern);
        }
        let zone = || zone(b"Europe/Berlin");
        assert!(zone().is_some());
        assert_eq!(Schedule::parse(b"@every 10s", zone()), None);
        assert_eq!(Schedule::parse(b"@at 2024-01-01T00:00:00Z", zone()), None);
        assert_eq!(super::zone(b"Mars/Olympus"), None);
        assert_eq!(super::zone(b""), None);
    }
}

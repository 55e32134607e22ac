//! The text of a line: prefix, time, label and escaped message.
//!
//! Invariant: [`LineFormat::append`] adds exactly one `\n`, at the end, whatever the message is.
//! The sinks call it, each with a format of its own. The calendar and time-zone work is done once
//! per second of log time; within a second only six digits change.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::queue::Entry;
use super::{Level, LogOptions};

/// Real ones have a few kilobytes.
const ZONE_FILE_LIMIT_BYTES: u64 = 1 << 20;

/// How the lines of one sink look.
pub(crate) struct LineFormat {
    prefix: String,
    colors: bool,
    clock: Option<Clock>,
}

impl LineFormat {
    /// The format for these options; colour is decided by the sink ([`LineFormat::colored`]).
    pub(crate) fn new(options: &LogOptions) -> LineFormat {
        LineFormat {
            prefix: format!("[{}] ", std::process::id()),
            colors: options.colors,
            clock: options.time.then(|| Clock::new(options.utc)),
        }
    }

    /// The same, with labels coloured only if both the options and `terminal` allow it.
    pub(crate) fn colored(mut self, terminal: bool) -> LineFormat {
        self.colors &= terminal;
        self
    }

    /// Appends the line with its line end.
    pub(crate) fn append(&mut self, out: &mut String, entry: &Entry) {
        out.push_str(&self.prefix);
        if let Some(clock) = &mut self.clock {
            clock.append(out, entry.time);
        }
        append_label(out, entry.level, self.colors);
        append_escaped(out, &entry.message);
        out.push('\n');
    }
}

/// Appends `message` with everything escaped that could end the line or steer a terminal: C0
/// controls but the tab, DEL, C1 controls and the Unicode line and paragraph separators. One
/// newline at the end is dropped, as it would have ended the line anyway.
pub(crate) fn append_escaped(out: &mut String, message: &str) {
    let message = message.strip_suffix('\n').unwrap_or(message);
    let mut clean_from = 0;
    for (at, c) in message.char_indices() {
        if !must_escape(c) {
            continue;
        }
        out.push_str(message.get(clean_from..at).unwrap_or_default());
        clean_from = at + c.len_utf8();
        // Writing to a String cannot fail.
        let _ = match c {
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            c if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c)),
            c => write!(out, "\\u{:04x}", u32::from(c)),
        };
    }
    out.push_str(message.get(clean_from..).unwrap_or_default());
}

fn must_escape(c: char) -> bool {
    c != '\t' && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

fn append_label(out: &mut String, level: Level, colors: bool) {
    out.push('[');
    if colors {
        out.push_str(match level {
            Level::Info => "\x1b[32m",
            Level::Debug => "\x1b[36m",
            Level::Warn => "\x1b[0;93m",
            Level::Error | Level::Fatal => "\x1b[31m",
            Level::Trace => "\x1b[33m",
        });
    }
    out.push_str(level.label());
    out.push_str(if colors { "\x1b[0m] " } else { "] " });
}

/// Formats times, remembering the text of the last second.
struct Clock {
    zone: TimeZone,
    second: u64,
    text: String,
}

impl Clock {
    fn new(utc: bool) -> Clock {
        let zone = if utc { TimeZone::UTC } else { local_zone() };
        Clock {
            zone,
            second: u64::MAX,
            text: String::new(),
        }
    }

    /// Appends `2026/01/02 15:04:05.000000 `.
    fn append(&mut self, out: &mut String, time: SystemTime) {
        // A clock before 1970 shows as 1970: wrong, but so is the clock.
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = since_epoch.as_secs();
        if second != self.second {
            self.second = second;
            self.text = self.second_text(second);
        }
        out.push_str(&self.text);
        let _ = write!(out, ".{:06} ", since_epoch.subsec_micros());
    }

    fn second_text(&self, second: u64) -> String {
        let timestamp = i64::try_from(second)
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok())
            .unwrap_or(Timestamp::MAX);
        let at = self.zone.to_datetime(timestamp);
        format!(
            "{:04}/{:02}/{:02} {:02}:{:02}:{:02}",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }
}

/// Local time as the parts of a rotated file's name: `2026.01.02.15.04.05.000000000`.
pub(crate) fn backup_stamp(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or_default();
    let at = local_zone().to_datetime(timestamp);
    format!(
        "{:04}.{:02}.{:02}.{:02}.{:02}.{:02}.{:09}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.subsec_nanosecond()
    )
}

/// The zone of this machine. Read straight from `/etc/localtime` unless `TZ` says otherwise: it
/// takes microseconds, where finding the zone by its name walks the whole zone database, which
/// was measured at 1.5 to 6 ms of a start that should take less than 20.
pub(crate) fn local_zone() -> TimeZone {
    let rules = match std::env::var_os("TZ") {
        None => zone_file("/etc/localtime"),
        Some(_) => None,
    };
    rules.unwrap_or_else(TimeZone::system)
}

fn zone_file(path: &str) -> Option<TimeZone> {
    let mut rules = Vec::new();
    File::open(path)
        .ok()?
        .take(ZONE_FILE_LIMIT_BYTES)
        .read_to_end(&mut rules)
        .ok()?;
    TimeZone::tzif("Local", &rules).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(options: LogOptions, terminal: bool, level: Level, message: &str) -> String {
        let mut out = String::new();
        let time = UNIX_EPOCH + Duration::from_micros(1_767_366_245_000_042);
        let entry = Entry {
            time,
            level,
            message: message.to_owned(),
        };
        LineFormat::new(&options)
            .colored(terminal)
            .append(&mut out, &entry);
        out.replace(&format!("[{}] ", std::process::id()), "[pid] ")
    }

    fn utc() -> LogOptions {
        LogOptions {
            utc: true,
            ..LogOptions::default()
        }
    }

    #[test]
    fn a_line_has_nats_shape() {
        let shown = line(utc(), false, Level::Info, "Server is ready");
        assert_eq!(
            shown,
            "[pid] 2026/01/02 15:04:05.000042 [INF] Server is ready\n"
        );
        let without_time = LogOptions {
            time: false,
            ..LogOptions::default()
        };
        assert_eq!(
            line(without_time, false, Level::Warn, "x"),
            "[pid] [WRN] x\n"
        );
    }

    #[test]
    fn labels_are_coloured_on_a_terminal_only() {
        let options = || LogOptions {
            time: false,
            ..LogOptions::default()
        };
        let colored = |level| line(options(), true, level, "x");
        assert_eq!(colored(Level::Info), "[pid] [\x1b[32mINF\x1b[0m] x\n");
        assert_eq!(colored(Level::Debug), "[pid] [\x1b[36mDBG\x1b[0m] x\n");
        assert_eq!(colored(Level::Warn), "[pid] [\x1b[0;93mWRN\x1b[0m] x\n");
        assert_eq!(colored(Level::Error), "[pid] [\x1b[31mERR\x1b[0m] x\n");
        assert_eq!(colored(Level::Fatal), "[pid] [\x1b[31mFTL\x1b[0m] x\n");
        assert_eq!(colored(Level::Trace), "[pid] [\x1b[33mTRC\x1b[0m] x\n");
        let refused = LogOptions {
            colors: false,
            ..options()
        };
        assert_eq!(line(refused, true, Level::Info, "x"), "[pid] [INF] x\n");
    }

    #[test]
    fn control_characters_cannot_forge_a_line() {
        let check = |message: &str, expected: &str| {
            let mut out = String::new();
            append_escaped(&mut out, message);
            assert_eq!(out, expected, "{message:?}");
        };
        check(
            "plain – ünïcode \"quotes\" \\n C:\\x",
            "plain – ünïcode \"quotes\" \\n C:\\x",
        );
        check("a\tb", "a\tb");
        check("one\n", "one");
        check("one\n\n", "one\\n");
        check(
            "x\n[1] 2026/01/02 [INF] forged",
            "x\\n[1] 2026/01/02 [INF] forged",
        );
        check("a\r\x1b[2J\0\x7f", "a\\r\\x1b[2J\\x00\\x7f");
        check("a\u{85}b\u{2028}c\u{9b}", "a\\u0085b\\u2028c\\u009b");
        check("", "");
    }

    #[test]
    fn the_clock_follows_the_second_and_the_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(-5));
        let mut clock = Clock {
            zone,
            second: u64::MAX,
            text: String::new(),
        };
        let mut out = String::new();
        for micros in [
            1_767_366_245_999_999_u64,
            1_767_366_246_000_000,
            1_767_366_245_000_001,
        ] {
            clock.append(&mut out, UNIX_EPOCH + Duration::from_micros(micros));
        }
        assert_eq!(
            out,
            "2026/01/02 10:04:05.999999 2026/01/02 10:04:06.000000 2026/01/02 10:04:05.000001 "
        );
    }

    #[test]
    fn the_zone_file_agrees_with_the_zone_database() {
        let expected = TimeZone::system();
        let zone = local_zone();
        for month in 0..24 {
            let at = Timestamp::from_second(1_767_366_245 + month * 2_629_800).unwrap();
            assert_eq!(zone.to_datetime(at), expected.to_datetime(at));
        }
        assert!(zone_file("/dev/null").is_none() && zone_file("/none").is_none());
    }

    #[test]
    fn clocks_that_are_absurd_still_make_a_line() {
        let mut clock = Clock::new(true);
        let mut out = String::new();
        clock.append(&mut out, UNIX_EPOCH - Duration::from_secs(5));
        assert_eq!(out, "1970/01/01 00:00:00.000000 ");
        out.clear();
        clock.append(
            &mut out,
            UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) << 8),
        );
        assert!(out.starts_with("9999/12/30"), "{out}");
    }
}

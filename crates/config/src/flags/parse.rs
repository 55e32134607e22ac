//! Arguments to a [`Command`], by the rules of Go's `flag` package.

use super::table::{FLAGS, Flag, Kind};
use super::{Command, FlagError, Flags, Signal};

/// What has been read so far: overrides, and requests to do something else than run.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) flags: Flags,
    pub(super) help: bool,
    pub(super) help_tls: bool,
    pub(super) version: bool,
    pub(super) test: bool,
    pub(super) signal: Option<String>,
    pub(super) import: Option<String>,
    /// The first flag whose feature is missing.
    pub(super) refused: Option<String>,
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// The first thing that is wrong, see [`FlagError`].
pub fn parse_args(args: &[String]) -> Result<Command, FlagError> {
    let mut reading = Reading::default();
    let words = read_flags(args, &mut reading)?;
    if reading.version {
        return Ok(Command::Version);
    }
    if reading.help {
        return Ok(Command::Help);
    }
    if reading.help_tls {
        return Ok(Command::HelpTls);
    }
    if let Some(word) = words.first() {
        return match word.to_lowercase().as_str() {
            "version" => Ok(Command::Version),
            "help" => Ok(Command::Help),
            _ => Err(FlagError::plain(format!("unrecognized command: {word:?}"))),
        };
    }
    if let Some(signal) = reading.signal.filter(|signal| !signal.is_empty()) {
        return signal_command(&signal);
    }
    if let Some(refused) = reading.refused {
        return Err(FlagError::plain(refused));
    }
    if let Some(directory) = reading.import {
        if directory.is_empty() {
            return Err(FlagError::plain(
                "--import-store needs the directory of the store to import",
            ));
        }
        return Ok(Command::ImportStore {
            directory,
            flags: reading.flags,
        });
    }
    if !reading.test {
        return Ok(Command::Run(reading.flags));
    }
    if reading.flags.config.is_none() {
        return Err(FlagError::plain(
            "must specify [-c, --config] option to check configuration file syntax",
        ));
    }
    Ok(Command::TestConfig(reading.flags))
}

/// Reads flags up to the first word; returns the words.
fn read_flags<'a>(args: &'a [String], reading: &mut Reading) -> Result<&'a [String], FlagError> {
    let mut rest = args;
    while let Some((argument, after)) = rest.split_first() {
        if argument == "--" {
            return Ok(after);
        }
        let Some(text) = argument.strip_prefix('-').filter(|text| !text.is_empty()) else {
            return Ok(rest);
        };
        let text = text.strip_prefix('-').unwrap_or(text);
        if text.is_empty() || text.starts_with(['-', '=']) {
            return Err(FlagError::with_usage(format!(
                "bad flag syntax: {argument}"
            )));
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        rest = after;
        let Some(flag) = FLAGS.iter().find(|flag| flag.names.contains(&name)) else {
            return Err(FlagError::with_usage(format!(
                "flag provided but not defined: -{name}"
            )));
        };
        let value = match (value, flag.kind) {
            (Some(value), _) => value,
            (None, Kind::Bool(_)) => "true",
            (None, _) => match rest.split_first() {
                Some((value, after)) => {
                    rest = after;
                    value
                }
                None => {
                    return Err(FlagError::with_usage(format!(
                        "flag needs an argument: -{name}"
                    )));
                }
            },
        };
        set(flag, name, value, reading)?;
    }
    Ok(&[])
}

fn set(flag: &Flag, name: &str, value: &str, reading: &mut Reading) -> Result<(), FlagError> {
    let invalid = |what: String, why: &str| {
        Err(FlagError::with_usage(format!(
            "invalid {what} -{name}: {why}"
        )))
    };
    let off = match flag.kind {
        Kind::Bool(set) => match parse_bool(value) {
            Some(value) => {
                set(reading, value);
                !value
            }
            None => return invalid(format!("boolean value {value:?} for"), "parse error"),
        },
        Kind::Int(set) => match parse_int(value) {
            Some(number) => {
                // A number that cannot be used is no slip of syntax: the status is not 0.
                set(reading, number).map_err(|why| {
                    FlagError::plain(format!("invalid value {value:?} for flag -{name}: {why}"))
                })?;
                number == 0
            }
            None => return invalid(format!("value {value:?} for flag"), "parse error"),
        },
        Kind::Text(set) => {
            set(reading, value);
            value.is_empty()
        }
    };
    if let (Some(feature), false) = (flag.missing, off) {
        reading.refused.get_or_insert_with(|| {
            format!(
                "the flag -{name} is recognised, but this version of Cognate does not support \
                 {feature} yet; remove the flag to start this server without it"
            )
        });
    }
    Ok(())
}

/// The spellings of booleans that Go accepts.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A decimal number, or one with a prefix of 0x, 0o, 0b or 0.
fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefix = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match prefix.as_deref() {
        Some("0x") => (16, digits.get(2..)?),
        Some("0o") => (8, digits.get(2..)?),
        Some("0b") => (2, digits.get(2..)?),
        Some(_) if digits.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -number } else { number }).ok()
}

/// `--signal name` or `--signal name=target`.
fn signal_command(text: &str) -> Result<Command, FlagError> {
    let (name, target) = text.split_once('=').unwrap_or((text, ""));
    if let Some((_, more)) = target.split_once('=') {
        return Err(FlagError::plain(format!(
            "invalid signal parameters: [{more}]"
        )));
    }
    match Signal::ALL.iter().find(|(known, _)| *known == name) {
        Some((_, signal)) => Ok(Command::Signal {
            signal: *signal,
            target: target.to_owned(),
        }),
        None => {
            let known = Signal::ALL.map(|(name, _)| name).join(", ");
            Err(FlagError::plain(format!(
                "unknown signal {name:?}, expected one of {known}"
            )))
        }
    }
}

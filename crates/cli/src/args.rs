//! Arguments as the official tool takes them, in the form that clap does.
//!
//! **The `--no-<flag>` form of every yes-or-no flag.** A flag is declared once, in the form that changes something: `--ack` if the default is no,
//! `--no-ack` if the default is yes. The other form asks for the default, so it is taken out of the
//! arguments before clap sees them, together with an earlier mention of its opposite: the last one
//! wins. What follows `--` is left alone. Invariant: a long flag that the command or one above it
//! declares is never touched, so a flag that knows three states declares both forms.
//!
//! **Flags that all commands of a group have may stand before the command**: `nats bench js --msgs 5
//! consume`. They are put behind it.

use std::collections::HashMap;
use std::ffi::OsString;

use clap::{ArgAction, Command};

/// The arguments without the forms that ask for defaults.
pub(crate) fn normalise(command: &Command, args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let args = settle(command, args.collect());
    let flags = Flags::of(command, &args);
    let mut kept: Vec<OsString> = Vec::new();
    let mut literal = false;
    for arg in args {
        literal |= arg == "--";
        match arg
            .to_str()
            .filter(|_| !literal)
            .and_then(|arg| flags.opposite(arg))
        {
            Some(opposite) => kept.retain(|earlier| *earlier != *opposite),
            None => kept.push(arg),
        }
    }
    kept
}

/// The arguments with the flags of a group behind the command that is chosen from it.
fn settle(command: &Command, args: Vec<OsString>) -> Vec<OsString> {
    let mut flags = Flags::default();
    flags.add(command);
    let mut command = command;
    let (mut settled, mut held) = (Vec::new(), Vec::new());
    let mut args = args.into_iter();
    settled.extend(args.next());
    while let Some(arg) = args.next() {
        let text = arg.to_str().unwrap_or_default().to_owned();
        if text == "--" {
            settled.push(arg);
            break;
        }
        if text.starts_with('-') && text != "-" {
            let given = text.strip_prefix("--").unwrap_or_default();
            let (name, has_value) = match given.split_once('=') {
                Some((name, _)) => (name, true),
                None => (given, false),
            };
            let is_known = flags.long.contains_key(name) || flags.opposite(&text).is_some();
            let shared = (!is_known).then(|| value_in_all(command, name)).flatten();
            let wants_value = match shared {
                Some(wants_value) => wants_value && !has_value,
                None => flags.wants_value(&text),
            };
            let to = match shared {
                Some(_) => &mut held,
                None => &mut settled,
            };
            to.push(arg);
            to.extend(wants_value.then(|| args.next()).flatten());
            continue;
        }
        settled.push(arg);
        if let Some(below) = command.find_subcommand(&text) {
            command = below;
            flags.add(below);
            if !below.has_subcommands() {
                settled.append(&mut held);
            }
        }
    }
    settled.append(&mut held);
    settled.extend(args);
    settled
}

/// Whether the flag has a value, if all commands below this one have it.
fn value_in_all(group: &Command, name: &str) -> Option<bool> {
    let mut wants_value = None;
    for command in group.get_subcommands().filter(|below| !below.is_hide_set()) {
        let mut flags = Flags::default();
        flags.add(command);
        let own = match flags.opposite(&format!("--{name}")) {
            Some(_) => Some(false),
            None => flags.long.get(name).map(|is_flag| !is_flag),
        };
        wants_value = Some(own.or_else(|| value_in_all(command, name))?);
    }
    wants_value
}

/// What `tell` says of the command that is asked for, as far as the arguments name one.
pub(crate) fn asked_for(
    mut command: Command,
    args: &[OsString],
    tell: impl FnOnce(&mut Command) -> String,
) -> String {
    let mut path = Vec::new();
    Flags::follow(&command, args, |name| path.push(name.to_owned()));
    command.build();
    let mut asked = &mut command;
    for name in path {
        // Names on the path are those of the tree itself.
        match asked.find_subcommand_mut(name) {
            Some(below) => asked = below,
            None => return String::new(),
        }
    }
    tell(asked)
}

/// The flags of the command that is asked for, and of those above it.
#[derive(Default)]
struct Flags {
    /// Long names, with whether they are without a value.
    long: HashMap<String, bool>,
    /// Letters that have a value.
    short_with_value: Vec<char>,
}

impl Flags {
    fn of(command: &Command, args: &[OsString]) -> Self {
        Self::follow(command, args, |_| {})
    }

    /// Follows the arguments down the tree of commands, and tells the names of those on the way. A value
    /// is no command's name, whatever it is.
    fn follow(command: &Command, args: &[OsString], mut passed: impl FnMut(&str)) -> Self {
        let mut flags = Flags::default();
        flags.add(command);
        let mut command = command;
        let mut is_value = false;
        for arg in args.iter().skip(1) {
            let arg = arg.to_str().unwrap_or_default();
            if arg == "--" {
                break;
            }
            if std::mem::take(&mut is_value) {
                continue;
            }
            if arg.starts_with('-') && arg != "-" {
                is_value = flags.wants_value(arg);
            } else if let Some(below) = command.find_subcommand(arg) {
                command = below;
                passed(command.get_name());
                flags.add(command);
            }
        }
        flags
    }

    fn add(&mut self, command: &Command) {
        for arg in command.get_arguments() {
            let is_flag = matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::Count);
            let names = arg.get_long_and_visible_aliases().into_iter().flatten();
            for name in names.chain(arg.get_all_aliases().into_iter().flatten()) {
                self.long.insert(name.to_owned(), is_flag);
            }
            self.short_with_value
                .extend(arg.get_short().filter(|_| !is_flag));
        }
    }

    /// Whether the next argument belongs to this flag.
    fn wants_value(&self, flag: &str) -> bool {
        match flag.strip_prefix("--") {
            Some(name) => self.long.get(name) == Some(&false),
            None => flag
                .chars()
                .last()
                .is_some_and(|letter| self.short_with_value.contains(&letter)),
        }
    }

    /// The declared flag that `arg` is the unspoken opposite of.
    fn opposite(&self, arg: &str) -> Option<String> {
        let name = arg.strip_prefix("--")?;
        if name.is_empty() || name.contains('=') || self.long.contains_key(name) {
            return None;
        }
        let other = match name.strip_prefix("no-") {
            Some(positive) => positive.to_owned(),
            None => format!("no-{name}"),
        };
        (self.long.get(&other) == Some(&true)).then(|| format!("--{other}"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn flags_of_a_group_may_stand_before_its_command() {
        let msgs = || Arg::new("msgs").long("msgs");
        let quiet = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        let leaf = |name: &'static str| Command::new(name).args([msgs(), quiet("no-progress")]);
        let group = Command::new("js")
            .subcommand(leaf("get").arg(Arg::new("id").long("id")))
            .subcommand(Command::new("pub").subcommand(leaf("sync").arg(Arg::new("subject"))))
            .subcommand(Command::new("old").hide(true));
        let command = Command::new("x")
            .arg(Arg::new("user").long("user"))
            .subcommand(group);
        let check = |given: &str, expected: &str| {
            let kept = normalise(&command, given.split(' ').map(OsString::from));
            let kept: Vec<_> = kept.iter().map(|arg| arg.to_string_lossy()).collect();
            assert_eq!(kept.join(" "), expected);
        };
        check("x js --msgs 5 pub sync a", "x js pub sync --msgs 5 a");
        check(
            "x js --msgs=5 pub --no-progress sync a",
            "x js pub sync --msgs=5 --no-progress a",
        );
        check(
            "x js --progress get --no-progress",
            "x js get --no-progress",
        );
        check(
            "x js --user get --msgs 5 get",
            "x js --user get get --msgs 5",
        );
        // What only one of them has is not the group's.
        check("x js --id 5 get", "x js --id 5 get");
        check("x js pub sync -- --msgs 5", "x js pub sync -- --msgs 5");
        check("x js --msgs", "x js --msgs");
    }

    #[test]
    fn defaults_may_be_asked_for() {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        let other = Command::new("z").arg(Arg::new("ack").long("ack"));
        let command = Command::new("x")
            .arg(flag("raw"))
            .arg(Arg::new("user").long("user").short('u'))
            .subcommand(
                Command::new("y")
                    .arg(flag("no-ack"))
                    .arg(Arg::new("tags").long("tags")),
            )
            .subcommand(other);
        let check = |given: &str, expected: &str| {
            let kept = normalise(&command, given.split(' ').map(OsString::from));
            let kept: Vec<_> = kept.iter().map(|arg| arg.to_string_lossy()).collect();
            assert_eq!(kept.join(" "), expected);
        };
        check("x y --ack --raw", "x y --raw");
        check("x y --raw --no-raw", "x y");
        check("x y --no-ack --ack b", "x y b");
        check("x y --no-ack", "x y --no-ack");
        check("x y --no-tags --nothing", "x y --no-tags --nothing");
        check("x y --tags=a -- --ack", "x y --tags=a -- --ack");
        // What another command calls a flag does not matter, and a value names no command.
        check("x z --ack 1 --no-ack", "x z --ack 1 --no-ack");
        check("x --user z y --ack", "x --user z y");
        check("x -u z y --ack", "x -u z y");
    }
}

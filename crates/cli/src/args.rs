//! The `--no-<flag>` form of every yes-or-no flag, as the official tool has it.
//!
//! A flag is declared once, in the form that changes something: `--ack` if the default is no,
//! `--no-ack` if the default is yes. The other form asks for the default, so it is taken out of the
//! arguments before clap sees them, together with an earlier mention of its opposite: the last one
//! wins. What follows `--` is left alone. Invariant: a long flag that is declared is never touched,
//! so a flag that knows three states declares both forms.

use std::collections::HashMap;
use std::ffi::OsString;

use clap::{ArgAction, Command};

/// The arguments without the forms that ask for defaults.
pub(crate) fn normalise(command: &Command, args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut long_flags = HashMap::new();
    collect(command, &mut long_flags);
    let mut kept: Vec<OsString> = Vec::new();
    let mut literal = false;
    for arg in args {
        literal |= arg == "--";
        match arg
            .to_str()
            .filter(|_| !literal)
            .and_then(|arg| opposite(arg, &long_flags))
        {
            Some(opposite) => kept.retain(|earlier| *earlier != *opposite),
            None => kept.push(arg),
        }
    }
    kept
}

/// Every long name of the tree, with whether it is a flag without a value.
fn collect(command: &Command, long_flags: &mut HashMap<String, bool>) {
    for arg in command.get_arguments() {
        let is_flag = matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::Count);
        for name in arg.get_long_and_visible_aliases().into_iter().flatten() {
            *long_flags.entry(name.to_owned()).or_insert(is_flag) |= is_flag;
        }
        for name in arg.get_all_aliases().into_iter().flatten() {
            *long_flags.entry(name.to_owned()).or_insert(is_flag) |= is_flag;
        }
    }
    command
        .get_subcommands()
        .for_each(|command| collect(command, long_flags));
}

/// The declared flag that `arg` is the unspoken opposite of.
fn opposite(arg: &str, long_flags: &HashMap<String, bool>) -> Option<String> {
    let name = arg.strip_prefix("--")?;
    if name.is_empty() || name.contains('=') || long_flags.contains_key(name) {
        return None;
    }
    let other = match name.strip_prefix("no-") {
        Some(positive) => positive.to_owned(),
        None => format!("no-{name}"),
    };
    long_flags
        .get(&other)
        .copied()
        .unwrap_or(false)
        .then(|| format!("--{other}"))
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn defaults_may_be_asked_for() {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        let command = Command::new("x").arg(flag("raw")).subcommand(
            Command::new("y")
                .arg(flag("no-ack"))
                .arg(Arg::new("tags").long("tags")),
        );
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
    }
}

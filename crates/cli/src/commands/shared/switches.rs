//! Yes-or-no flags of three states: `--allow-direct`, `--no-allow-direct`, or neither.
//!
//! A command declares them as data: name, help, and what they change. Both forms are declared to
//! clap, the second one hidden, and the last one given counts.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use clap::{Arg, ArgAction, ArgMatches, Command};

/// One flag over a `T`.
pub(crate) struct Switch<T> {
    /// The flag without dashes.
    pub(crate) name: &'static str,
    /// Its help.
    pub(crate) help: &'static str,
    /// What it changes.
    pub(crate) set: fn(&mut T, bool),
}

/// A switch, so that a table of them has a row for each.
pub(crate) const fn switch<T>(
    name: &'static str,
    help: &'static str,
    set: fn(&mut T, bool),
) -> Switch<T> {
    Switch { name, help, set }
}

/// A set of switches: a type per table, so that clap can be given it.
pub(crate) trait Table {
    /// What they change.
    type Target: 'static;
    /// The flags.
    fn switches() -> &'static [Switch<Self::Target>];
}

/// The switches of table `T` that were given.
pub(crate) struct Switches<T: Table> {
    given: BTreeMap<&'static str, bool>,
    table: PhantomData<T>,
}

impl<T: Table> Switches<T> {
    /// Changes what was asked for.
    pub(crate) fn apply(&self, target: &mut T::Target) {
        for switch in T::switches() {
            if let Some(on) = self.given.get(switch.name) {
                (switch.set)(target, *on);
            }
        }
    }

    /// What was said about a switch.
    pub(crate) fn given(&self, name: &str) -> Option<bool> {
        self.given.get(name).copied()
    }
}

impl<T: Table> clap::Args for Switches<T> {
    fn augment_args(command: Command) -> Command {
        T::switches().iter().fold(command, |command, switch| {
            let opposite = format!("no-{}", switch.name);
            command
                .arg(
                    Arg::new(switch.name)
                        .long(switch.name)
                        .help(switch.help)
                        .action(ArgAction::SetTrue)
                        .overrides_with(opposite.clone()),
                )
                .arg(
                    Arg::new(opposite.clone())
                        .long(opposite)
                        .hide(true)
                        .action(ArgAction::SetTrue)
                        .overrides_with(switch.name),
                )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T: Table> clap::FromArgMatches for Switches<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = BTreeMap::new();
        for switch in T::switches() {
            if matches.get_flag(switch.name) {
                given.insert(switch.name, true);
            } else if matches.get_flag(&format!("no-{}", switch.name)) {
                given.insert(switch.name, false);
            }
        }
        Ok(Switches {
            given,
            table: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

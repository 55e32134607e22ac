//! The command line.
//!
//! Hand-written, because the benchmark is to stay small. [`parse`] is pure; looking for binaries
//! on disk is `main`'s. Absent: reading a configuration file or the environment.

use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::load::Tuning;

/// Shown by `--help`.
pub(crate) const HELP: &str = "\
Compares two NATS servers side by side on loopback.

Usage: cognate-bench [OPTIONS]

  --ours PATH       our server            [default: target/release/nats-server]
  --theirs PATH     the one to compare to [default: nats-server from PATH]
  --only SIDE       measure only `ours` or only `theirs`
  --scenario NAME   only this scenario; may be repeated; a part of a name takes all that contain it
  --rounds N        runs of each server per scenario, in turn [default: 5]
  --quick           a twentieth of the work: shows that everything runs, measures little
  --window-mib N    deliveries under way at most, in MiB of 1 to 60 [default: 32]
  --batch-kib N     bytes per write of a publisher, in KiB of 1 to 1024 [default: 64]
  --markdown        print the table as Markdown
  --json FILE       also write every single number to FILE
  --list            list the scenarios with their bars
  --help            this text

Exit code: 0 if everything ran (missed bars included), 1 if a run failed, 2 for a wrong command line.
";

/// The two servers compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that is being built.
    Ours,
    /// The one to compare to.
    Theirs,
}

impl Side {
    /// Its name in output and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Theirs => "theirs",
        }
    }
}

/// What to do.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Print [`HELP`].
    Help,
    /// List the scenarios.
    List,
    /// Measure.
    Run(Options),
}

/// How to measure.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Our binary, if named.
    pub(crate) ours: Option<PathBuf>,
    /// Their binary, if named.
    pub(crate) theirs: Option<PathBuf>,
    /// One side only.
    pub(crate) only: Option<Side>,
    /// Names or parts of names; empty for all.
    pub(crate) scenarios: Vec<String>,
    /// Runs per side and scenario.
    pub(crate) rounds: u32,
    /// Small counts.
    pub(crate) quick: bool,
    /// Buffer sizes.
    pub(crate) tuning: Tuning,
    /// Table format.
    pub(crate) markdown: bool,
    /// Where to write the raw numbers.
    pub(crate) json: Option<PathBuf>,
}

/// Reads the arguments behind the program name. `--name value` and `--name=value` are the same.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command> {
    let mut options = Options {
        ours: None,
        theirs: None,
        only: None,
        scenarios: Vec::new(),
        rounds: 5,
        quick: false,
        tuning: Tuning {
            window_bytes: 32 << 20,
            batch_bytes: 64 << 10,
        },
        markdown: false,
        json: None,
    };
    let mut args = args.into_iter();
    let mut list = false;
    while let Some(arg) = args.next() {
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        let flag = matches!(
            name.as_str(),
            "--quick" | "--markdown" | "--list" | "--help" | "-h"
        );
        if flag && inline.is_some() {
            return Err(Failure::new(format!("{name} takes no value")));
        }
        let mut value = || {
            let found = inline.clone().or_else(|| args.next());
            found.ok_or_else(|| Failure::new(format!("{name} needs a value")))
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--list" => list = true,
            "--quick" => options.quick = true,
            "--markdown" => options.markdown = true,
            "--ours" => options.ours = Some(value()?.into()),
            "--theirs" => options.theirs = Some(value()?.into()),
            "--json" => options.json = Some(value()?.into()),
            "--only" => options.only = Some(side(&value()?)?),
            "--scenario" => options.scenarios.push(value()?),
            "--rounds" => options.rounds = number(&name, &value()?, 1000)?,
            "--window-mib" => {
                options.tuning.window_bytes = (number(&name, &value()?, 60)? as usize) << 20;
            }
            "--batch-kib" => {
                options.tuning.batch_bytes = (number(&name, &value()?, 1024)? as usize) << 10;
            }
            _ => {
                return Err(Failure::new(format!(
                    "unknown argument {name:?}; see --help"
                )));
            }
        }
    }
    Ok(if list {
        Command::List
    } else {
        Command::Run(options)
    })
}

fn side(text: &str) -> Result<Side> {
    [Side::Ours, Side::Theirs]
        .into_iter()
        .find(|side| side.name() == text)
        .ok_or_else(|| Failure::new(format!("--only takes `ours` or `theirs`, not {text:?}")))
}

fn number(name: &str, text: &str, most: u32) -> Result<u32> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(Failure::new(format!(
            "{name} takes a number from 1 to {most}, not {text:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn values_follow_or_are_joined() {
        let line = "--ours=a --theirs b --rounds 3 --scenario x --scenario=y --window-mib=8";
        let Ok(Command::Run(options)) = parsed(line) else {
            panic!("not a run")
        };
        assert_eq!(options.ours, Some("a".into()));
        assert_eq!(options.theirs, Some("b".into()));
        assert_eq!(
            (options.rounds, options.scenarios),
            (3, vec!["x".to_owned(), "y".to_owned()])
        );
        assert_eq!(options.tuning.window_bytes, 8 << 20);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("--fast", "--fast"),
            ("--rounds 0", "1 to 1000"),
            ("--rounds", "needs a value"),
            ("--only both", "both"),
            ("--quick=yes", "takes no value"),
            ("--window-mib 64", "1 to 60"),
        ] {
            let Err(failure) = parsed(line) else {
                panic!("{line} was accepted")
            };
            assert!(failure.to_string().contains(part), "{failure}");
        }
    }

    #[test]
    fn help_and_list_win() {
        assert!(matches!(parsed("--quick --help"), Ok(Command::Help)));
        assert!(matches!(parsed("--list --rounds 2"), Ok(Command::List)));
    }
}

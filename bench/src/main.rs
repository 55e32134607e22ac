//! Side-by-side benchmark of two NATS servers.
//!
//! Starts each server in turn on loopback, drives it with a raw load generator, verifies that
//! exactly the expected messages arrived, and prints medians, ratios and whether the bars are
//! reached. `docs/benchmarks.md` says how to use it and what the figures mean.
//!
//! ```text
//! main ─▶ args, scenario (what to run) ─▶ server (start, stop), load (publish, receive)
//!                                                     └─▶ conn, frame, check, flow
//!                                                  session (JetStream: requests, replies) ─▶ conn
//!      ─▶ report ─▶ stats
//! ```
//!
//! The generator shares no code with the servers it measures: it depends on none of the other
//! crates of this workspace.

mod args;
mod check;
mod conn;
mod failure;
mod flow;
mod frame;
mod histogram;
mod load;
mod procfs;
mod report;
mod scenario;
mod server;
mod session;
mod stats;
#[cfg(feature = "tls")]
mod tokens;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use args::{Command, Options, Side};
use failure::{Context, Failure, Result};
use report::Entry;
use scenario::{Scenario, Settings};

fn main() -> ExitCode {
    let command = match args::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(failure) => {
            eprintln!("{failure}");
            return ExitCode::from(2);
        }
    };
    match command {
        Command::Help => print!("{}", args::HELP),
        Command::List => print!("{}", list()),
        Command::Run(options) => match run(&options) {
            Ok(true) => {}
            Ok(false) => return ExitCode::FAILURE,
            Err(failure) => {
                eprintln!("{failure}");
                return ExitCode::FAILURE;
            }
        },
    }
    ExitCode::SUCCESS
}

fn list() -> String {
    let mut text = String::new();
    for scenario in scenario::all() {
        let left_out = if scenario.available() {
            ""
        } else {
            " (built without `tls`: left out)"
        };
        text.push_str(&format!(
            "{:<20} {}{left_out}\n",
            scenario.name, scenario.about
        ));
        for metric in scenario
            .metrics
            .iter()
            .filter(|metric| metric.bar != scenario::Bar::None)
        {
            let (name, unit) = (metric.name, metric.unit);
            text.push_str(&format!(
                "{:<22} {name}, {unit}: {}\n",
                "",
                report::bar_text(metric)
            ));
        }
    }
    text
}

/// Runs everything and prints the table; returns whether every run succeeded.
fn run(options: &Options) -> Result<bool> {
    let all = scenario::all();
    let chosen = choose(&all, &options.scenarios)?;
    let sides = sides(options)?;
    raise_file_limit()?;
    let settings = Settings {
        quick: options.quick,
        tuning: options.tuning,
    };
    let mut progress = Progress::new(chosen.len() * sides.len() * options.rounds as usize);
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut versions = sides
        .iter()
        .map(|_| "unknown".to_owned())
        .collect::<Vec<_>>();
    for scenario in chosen {
        let mut entry = Entry::new(scenario);
        for round in 1..=options.rounds {
            for ((side, binary), version) in sides.iter().zip(&mut versions) {
                progress.announce(scenario, round, *side);
                match scenario.run(binary, &settings) {
                    Ok((seen, numbers)) => {
                        progress.numbers(scenario, &numbers);
                        *version = seen;
                        entry.side(*side).add(&numbers);
                    }
                    Err(failure) => {
                        progress.failed(&failure);
                        entry.side(*side).failures.push(failure.to_string());
                    }
                }
            }
        }
        entries.push(entry);
    }
    print!("{}", report::table(&entries, options.markdown));
    let mut facts = vec![
        ("rounds", options.rounds.to_string()),
        ("quick", options.quick.to_string()),
    ];
    for ((side, binary), version) in sides.iter().zip(&versions) {
        println!("{}: {} (version {version})", side.name(), binary.display());
        facts.push((side.name(), binary.display().to_string()));
        facts.push((
            if *side == Side::Ours {
                "ours_version"
            } else {
                "theirs_version"
            },
            version.clone(),
        ));
    }
    if let Some(path) = &options.json {
        let text = report::json(&entries, &facts);
        std::fs::write(path, text).context(format!("writing {}", path.display()))?;
    }
    Ok(entries
        .iter()
        .all(|entry| entry.ours.failures.is_empty() && entry.theirs.failures.is_empty()))
}

fn choose<'a>(all: &'a [Scenario], wanted: &[String]) -> Result<Vec<&'a Scenario>> {
    for name in wanted {
        if !all
            .iter()
            .any(|scenario| scenario.name.contains(name.as_str()))
        {
            return Err(Failure::new(format!(
                "no scenario is called {name:?}; see --list"
            )));
        }
    }
    let is_wanted = |scenario: &&Scenario| {
        // A full name means that one only, even if it is a part of another name.
        wanted
            .iter()
            .any(|name| match all.iter().any(|known| known.name == name) {
                true => scenario.name == name,
                false => scenario.name.contains(name.as_str()),
            })
    };
    let (chosen, left_out): (Vec<_>, Vec<_>) = all
        .iter()
        .filter(|scenario| match wanted {
            [] => !scenario.is_large(),
            _ => is_wanted(scenario),
        })
        .partition(|scenario| scenario.available());
    for scenario in left_out {
        eprintln!(
            "left out: {} needs the `tls` feature of this crate",
            scenario.name
        );
    }
    Ok(chosen)
}

/// The servers to measure, theirs first, each with its binary.
fn sides(options: &Options) -> Result<Vec<(Side, PathBuf)>> {
    let mut sides = Vec::new();
    if options.only != Some(Side::Ours) {
        let path = match &options.theirs {
            Some(path) => path.clone(),
            None => from_path("nats-server")?,
        };
        sides.push((Side::Theirs, existing(path, "--theirs")?));
    }
    if options.only != Some(Side::Theirs) {
        let path = options
            .ours
            .clone()
            .unwrap_or_else(|| "target/release/nats-server".into());
        sides.push((Side::Ours, existing(path, "--ours")?));
    }
    Ok(sides)
}

fn from_path(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            Failure::new(format!(
                "no {name} in PATH; name the server to compare to with --theirs"
            ))
        })
}

fn existing(path: PathBuf, flag: &str) -> Result<PathBuf> {
    if Path::is_file(&path) {
        return Ok(path);
    }
    let path = path.display();
    Err(Failure::new(format!(
        "there is no server at {path}; build it or name another with {flag}"
    )))
}

/// Five thousand connections need as many files, here and in the server, which inherits the limit.
fn raise_file_limit() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("raising the limit of open files")
}

/// One line per run on standard error.
struct Progress {
    total: usize,
    done: usize,
    start: Instant,
    run_start: Instant,
}

impl Progress {
    fn new(total: usize) -> Self {
        let now = Instant::now();
        Self {
            total,
            done: 0,
            start: now,
            run_start: now,
        }
    }

    fn announce(&mut self, scenario: &Scenario, round: u32, side: Side) {
        self.done += 1;
        self.run_start = Instant::now();
        let (done, total, name) = (self.done, self.total, scenario.name);
        let minutes = self.start.elapsed().as_secs() / 60;
        eprint!(
            "[{done}/{total}, {minutes} min] {name}, round {round}, {}: ",
            side.name()
        );
    }

    fn numbers(&self, scenario: &Scenario, numbers: &[f64]) {
        let shown = scenario
            .metrics
            .iter()
            .zip(numbers)
            .map(|(metric, number)| {
                format!(
                    "{} {} {}",
                    metric.name,
                    report::figure(*number),
                    metric.unit
                )
            });
        let shown = shown.collect::<Vec<_>>().join(", ");
        eprintln!("{shown} ({:.1} s)", self.run_start.elapsed().as_secs_f64());
    }

    fn failed(&self, failure: &Failure) {
        eprintln!("FAILED: {failure}");
    }
}

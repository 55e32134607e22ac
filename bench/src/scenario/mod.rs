//! The scenarios: one per row of the comparison, with what they report and the bars to reach.
//!
//! A scenario starts a fresh server for each run, measures, stops it and returns one number per
//! metric. It does not know which of the two servers it runs, nor what the other one did; ratios
//! and verdicts are `report`'s. [`all`] is the only list of names.

mod accounts;
mod connections;
mod js;
mod latency;
mod list;
mod process;
mod request;
mod throughput;

use std::path::Path;

use crate::failure::{Failure, Result};
use crate::load::Tuning;
use crate::server::{Server, Transport};

pub(crate) use list::all;

/// What ours must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    /// `ours / theirs` no higher than this.
    RatioAtMost(f64),
    /// `ours / theirs` no lower than this.
    RatioAtLeast(f64),
    /// Ours no higher than this, in the metric's unit, whatever theirs is.
    OursAtMost(f64),
    /// Ours no lower than this, in the metric's unit, whatever theirs is.
    OursAtLeast(f64),
    /// Ours no higher than this many times what ours needs without what the row is about. The
    /// metric is that ratio; both are measured in the same run.
    TimesWithout(f64),
    /// Reported only.
    None,
}

/// One number that a scenario reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Metric {
    /// What it is, in a word or three.
    pub(crate) name: &'static str,
    /// The unit of the number.
    pub(crate) unit: &'static str,
    /// What ours must reach.
    pub(crate) bar: Bar,
    /// What Debian's nats-server 2.9.10 needs on a quiet 2-core machine, where that is known.
    pub(crate) quiet: Option<f64>,
}

/// One row, or group of rows, of the comparison.
pub(crate) struct Scenario {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What happens in it.
    pub(crate) about: &'static str,
    /// What it reports, in the order in which `run` returns the numbers.
    pub(crate) metrics: Vec<Metric>,
    kind: Kind,
}

enum Kind {
    Load(throughput::Plan),
    Literals,
    Requests,
    OneRequest,
    OpenLoop,
    Idle(Transport),
    Broadcast,
    Process,
    JetStream(js::Job),
    Accounts(accounts::Job),
}

/// How runs are to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Much smaller counts, to see that everything works. Its numbers mean little.
    pub(crate) quick: bool,
    /// Buffer sizes of the generator.
    pub(crate) tuning: Tuning,
}

impl Settings {
    /// A count for this run: all of it, or a twentieth of it in a quick run.
    fn count(&self, full: u64) -> u64 {
        if self.quick { (full / 20).max(1) } else { full }
    }
}

impl Scenario {
    /// Whether this build can run it.
    pub(crate) fn available(&self) -> bool {
        let plain = match &self.kind {
            Kind::Accounts(job) => !job.needs_tls(),
            _ => self.transport() == Transport::Plain,
        };
        plain || cfg!(feature = "tls")
    }

    /// Whether it takes minutes and gigabytes: such a row runs only if it is asked for by name.
    pub(crate) fn is_large(&self) -> bool {
        self.name.starts_with("big-")
    }

    /// Runs it once against a server started from `binary`; returns the version from INFO and one
    /// number per metric.
    pub(crate) fn run(&self, binary: &Path, settings: &Settings) -> Result<(String, Vec<f64>)> {
        let mut server = match &self.kind {
            Kind::JetStream(job) => Server::start_jetstream(binary, job.sync())?,
            Kind::Accounts(job) => job.start(binary, settings)?,
            _ => Server::start(binary, self.transport())?,
        };
        let version = server.version().to_owned();
        let measured = match &self.kind {
            Kind::Load(plan) => throughput::run(plan, &server, settings),
            Kind::Literals => throughput::run_literals(&server, settings),
            Kind::Requests => request::run_many(&server, settings),
            Kind::OneRequest => request::run_one(&server, settings),
            Kind::OpenLoop => latency::run(&server, settings),
            Kind::Idle(_) => connections::run_idle(&server, settings),
            Kind::Broadcast => connections::run_broadcast(&server, settings),
            Kind::Process => process::run(&server, binary, settings),
            Kind::JetStream(job) => job.run(&mut server, settings),
            Kind::Accounts(job) => job.run(&server, binary, settings),
        };
        match measured {
            Ok(numbers) if numbers.len() == self.metrics.len() => Ok((version, numbers)),
            Ok(numbers) => Err(Failure::new(format!(
                "scenario {} returned {} numbers for {} metrics",
                self.name,
                numbers.len(),
                self.metrics.len()
            ))),
            Err(failure) => Err(Failure::new(format!(
                "{failure}\n  its log ends:\n    {}",
                server.log_tail()
            ))),
        }
    }

    fn transport(&self) -> Transport {
        match &self.kind {
            Kind::Load(plan) => plan.transport,
            Kind::Idle(transport) => *transport,
            _ => Transport::Plain,
        }
    }
}

/// Seconds per million of `count`.
fn per_million(seconds: f64, count: u64) -> f64 {
    seconds * 1e6 / count.max(1) as f64
}

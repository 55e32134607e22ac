//! A benchmark: clients on threads of their own, started together, watched, and what they measured.

use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::report;
use crate::app::App;
use crate::connect::raw::Raw;
use crate::error::{Context, Error, Result};
use crate::note;
use crate::output::histogram::Histogram;
use crate::output::number;
use crate::output::progress::{Progress, Unit};

/// Clients at most: each is a thread and a connection.
const MAX_CLIENTS: u64 = 4096;

/// Messages at most: all clients' bytes can still be counted.
const MAX_MSGS: u64 = 1 << 32;

/// Messages between two updates of the progress bar.
const TELL_EVERY: u64 = 256;

/// Flags of every benchmark.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct CommonArgs {
    /// Number of concurrent clients
    #[arg(long, default_value_t = 1)]
    pub(super) clients: u64,
    /// Number of messages to publish or subscribe to
    #[arg(long, default_value_t = 100_000)]
    pub(super) msgs: u64,
    /// Disable the progress bar
    #[arg(long)]
    pub(super) no_progress: bool,
    /// Save benchmark data to CSV file
    #[arg(long)]
    pub(super) csv: Option<PathBuf>,
    /// Show how latencies are spread as a chart
    #[arg(long)]
    pub(super) histogram: bool,
    /// Size of the test messages
    #[arg(long, default_value = "128B", value_parser = number::size_arg)]
    pub(super) size: i64,
    /// Sleep for the specified interval between operations
    #[arg(long, value_name = "DURATION", value_parser = crate::output::duration::arg)]
    pub(super) sleep: Option<Duration>,
    /// Messages a second of all clients together, or 0: for those who publish.
    #[arg(skip)]
    pub(super) throughput: u64,
}

/// What is measured.
pub(super) struct Job<'a> {
    /// What it is called: `Core NATS publisher`.
    pub(super) label: &'static str,
    /// The letter of a client in the CSV.
    pub(super) letter: char,
    /// What a client does: `publishing`, `expecting`.
    pub(super) verb: &'static str,
    /// Settings shown at the start, in this order after those of all benchmarks.
    pub(super) settings: Vec<(&'static str, String)>,
    /// The common flags.
    pub(super) common: &'a CommonArgs,
    /// Whether every client handles all messages, instead of a share of them.
    pub(super) each_gets_all: bool,
}

/// What a client is given.
pub(super) struct Client<'a> {
    /// Its number, from 0.
    pub(super) number: u64,
    /// How many messages it is to handle.
    pub(super) msgs: u64,
    /// The messages of the clients before it.
    pub(super) offset: u64,
    /// Its connection.
    pub(super) raw: Raw,
    start: &'a Barrier,
    progress: &'a AtomicU64,
    untold: u64,
    sleep: Option<Duration>,
    pace: Pace,
    started: Option<Instant>,
}

/// What a client measured.
pub(super) struct Sample {
    pub(super) msgs: u64,
    pub(super) bytes: u64,
    pub(super) started: Instant,
    pub(super) ended: Instant,
    /// Time of each operation, in nanoseconds.
    pub(super) latencies: Histogram,
}

impl Client<'_> {
    /// Waits until all clients are ready, and starts the clock.
    pub(super) fn start(&mut self) -> Instant {
        self.start.wait();
        let now = Instant::now();
        self.started = Some(now);
        now
    }

    /// Starts the clock anew: for who waits for somebody else's first message.
    pub(super) fn restart(&mut self) {
        self.started = Some(Instant::now());
    }

    /// Whether what is published is to leave at once: somebody wants time between messages.
    pub(super) fn takes_its_time(&self) -> bool {
        self.sleep.is_some() || self.pace.is_set()
    }

    /// Says that some messages are done, and sleeps if the user wants it.
    pub(super) fn done(&mut self, msgs: u64) {
        self.untold += msgs;
        if self.untold >= TELL_EVERY {
            self.progress
                .fetch_add(std::mem::take(&mut self.untold), Ordering::Relaxed);
        }
        if let Some(sleep) = self.sleep {
            std::thread::sleep(sleep);
        }
        if let Some(started) = self.started
            && let Some(ahead) = self.pace.ahead(msgs, started, Instant::now)
        {
            std::thread::sleep(ahead);
        }
    }

    /// What was measured, up to now.
    pub(super) fn sample(self, bytes: u64, latencies: Histogram) -> Sample {
        let ended = Instant::now();
        self.progress.fetch_add(self.untold, Ordering::Relaxed);
        Sample {
            msgs: self.msgs,
            bytes,
            started: self.started.unwrap_or(ended),
            ended,
            latencies,
        }
    }
}

impl CommonArgs {
    /// The size of a message.
    pub(super) fn size(&self) -> Result<usize> {
        let size = usize::try_from(self.size)
            .ok()
            .filter(|size| *size <= 64 << 20);
        size.context("--size must be between 0 and 64MiB")
    }

    fn check(&self) -> Result<()> {
        if self.clients == 0 || self.clients > MAX_CLIENTS {
            return Err(Error::new(format!(
                "--clients must be between 1 and {MAX_CLIENTS}"
            )));
        }
        if self.msgs < self.clients {
            return Err(Error::new("--msgs must be at least the number of clients"));
        }
        if self.msgs > MAX_MSGS {
            return Err(Error::new(format!(
                "--msgs must be at most {}",
                number::grouped(MAX_MSGS)
            )));
        }
        Ok(())
    }
}

impl Job<'_> {
    /// Runs `work` once per client and reports.
    pub(super) fn run(
        &self,
        app: &App,
        work: impl Fn(Client<'_>) -> Result<Sample> + Sync,
    ) -> Result<()> {
        self.common.check()?;
        self.announce()?;
        let settings = app.settings()?;
        let count = self.common.clients;
        let connect = |number: u64| -> Result<(u64, Raw)> {
            let raw = Raw::connect(settings).context(format!("client {}", number + 1))?;
            Ok((number, raw))
        };
        let clients = (0..count).map(connect).collect::<Result<Vec<_>>>()?;
        let start = Barrier::new(usize::try_from(count)?);
        let progress = AtomicU64::new(0);
        let total = if self.each_gets_all {
            self.common.msgs * count
        } else {
            self.common.msgs
        };
        let mut bar = Progress::new(self.label, total, Unit::Items, !self.common.no_progress);
        let results = std::thread::scope(|scope| {
            let run = |(number, raw)| {
                let (msgs, offset) = self.share(number);
                note!(
                    "[{}] Starting {}, {} {} messages",
                    number + 1,
                    self.label,
                    self.verb,
                    number::grouped(msgs)
                );
                let client = Client {
                    number,
                    msgs,
                    offset,
                    raw,
                    start: &start,
                    progress: &progress,
                    untold: 0,
                    sleep: self.common.sleep,
                    pace: Pace::of(self.common.throughput, count),
                    started: None,
                };
                let work = &work;
                scope.spawn(move || work(client))
            };
            let threads: Vec<_> = clients.into_iter().map(run).collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                std::thread::sleep(Duration::from_millis(if bar.is_visible() { 50 } else { 5 }));
                bar.set(progress.load(Ordering::Relaxed));
            }
            threads
                .into_iter()
                .map(|thread| thread.join())
                .collect::<Vec<_>>()
        });
        bar.finish();
        let mut samples = Vec::new();
        for result in results {
            samples.push(result.map_err(|_| Error::new("a client ended unexpectedly"))??);
        }
        report::print(self.label, &samples, self.common.histogram);
        match &self.common.csv {
            Some(path) => report::write_csv(path, self.letter, &samples),
            None => Ok(()),
        }
    }

    /// A client's messages, and those of the clients before it.
    fn share(&self, number: u64) -> (u64, u64) {
        if self.each_gets_all {
            return (self.common.msgs, 0);
        }
        let (each, rest) = (
            self.common.msgs / self.common.clients,
            self.common.msgs % self.common.clients,
        );
        (
            each + u64::from(number < rest),
            number * each + number.min(rest),
        )
    }

    fn announce(&self) -> Result<()> {
        let common = self.common;
        let mut settings = vec![
            ("clients", common.clients.to_string()),
            ("msg-size", number::bytes(common.size()? as u64)),
            ("msgs", number::grouped(common.msgs)),
            (
                "sleep",
                crate::output::duration::human(common.sleep.unwrap_or_default()),
            ),
        ];
        settings.extend(self.settings.iter().cloned());
        settings.sort();
        let shown: Vec<String> = settings
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        note!("Starting {} benchmark [{}]", self.label, shown.join(", "));
        Ok(())
    }
}

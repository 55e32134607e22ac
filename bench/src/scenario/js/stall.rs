//! How long single publishes take while the server has a lot to remove, or to rewrite.
//!
//! A stream is filled; then one connection publishes, one message after the other, and whatever the
//! row is about goes on meanwhile: a purge, lower limits, messages that become too old, overwritten
//! values whose files are rewritten. The longest wait for an acknowledgement is the figure. The
//! last metric says how long the disk itself took at worst to sync one block of another file in the
//! same directory at the same time, because a publish cannot be faster than that where it is synced.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::publish::{self, Load, Subjects};
use super::{Keep, STREAM, Storage, stream_config};
use crate::failure::{Context, Failure, Result};
use crate::histogram::Histogram;
use crate::scenario::Settings;
use crate::server::{Server, Sync};
use crate::session::{Session, json_number};

/// Messages in the stream before anything is measured.
const MESSAGES: u64 = 1_000_000;
/// How long they live where they expire: longer than filling takes.
const LIFE: u64 = 8;
/// Publishes between two looks whether it is over.
const CHUNK: u64 = 50;
/// It is measured for so long at least.
const AT_LEAST: Duration = Duration::from_secs(5);
/// Longer than anything may take.
const AT_MOST: Duration = Duration::from_secs(60);
/// How often the disk is probed.
const PROBE: Duration = Duration::from_millis(10);

/// What goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Nothing, to compare with.
    Nothing,
    /// Everything is purged.
    Purge,
    /// The same by a filter, which takes messages out one by one.
    PurgeFiltered,
    /// The stream's limit is lowered to a thousandth.
    Limits,
    /// The stream is at its limit: each message takes the place of another one.
    Full,
    /// Messages become too old.
    Age,
    /// The time that messages have of their own ends.
    Ttl,
    /// Another connection overwrites the keys of a bucket.
    Compaction,
    /// A consumer is made that begins with the last message of each of a million subjects.
    LastPerSubject,
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct Plan {
    /// What goes on.
    pub(super) work: Work,
    /// When the server syncs.
    pub(super) sync: Sync,
}

impl Plan {
    fn source(self, settings: &Settings) -> publish::Plan {
        let keep = match self.work {
            Work::Full => Keep::Messages(settings.count(MESSAGES) / 2),
            Work::Age => Keep::Seconds(LIFE),
            Work::Ttl => Keep::Ttl(LIFE),
            _ => Keep::All,
        };
        let subjects = match self.work {
            Work::Compaction => Subjects::Keys(settings.count(100_000)),
            Work::LastPerSubject => Subjects::Many(settings.count(MESSAGES)),
            _ => Subjects::Many(settings.count(10_000)),
        };
        publish::Plan {
            sync: self.sync,
            keep,
            ..publish::Plan::to(settings.count(MESSAGES), subjects)
        }
    }
}

/// The longest publish in ms, then p50, p99 and p99.9 in ms, how many took over 50 ms per 100,000,
/// and the longest sync of the probe in ms.
pub(super) fn run(plan: &Plan, server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let source = plan.source(settings);
    let mut load = Load::connect(&source, server)?;
    load.drive(source.messages)?;
    let filled = Instant::now();
    load.window = 1;
    load.alone = plan.work != Work::Compaction;
    load.drive(CHUNK)?;
    load.latencies = Histogram::new();
    let done = AtomicBool::new(false);
    let (worked, probed, slow) = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let result = work(plan.work, &source, server, filled);
            done.store(true, Relaxed);
            result
        });
        let prober = scope.spawn(|| probe(server, &done));
        let published = publish_until(&mut load, &done);
        // The others end by themselves, after a failure too.
        done.store(true, Relaxed);
        let worked = worker.join().map_err(|_| Failure::new("a thread failed"));
        let probed = prober.join().map_err(|_| Failure::new("a thread failed"));
        published.map(|slow| (worked, probed, slow))
    })?;
    worked??;
    let millis = |percent| match load.latencies.percentile(percent) {
        Some(nanos) => Ok(nanos as f64 / 1e6),
        None => Err(Failure::new("nothing was measured")),
    };
    Ok(vec![
        millis(100.0)?,
        millis(50.0)?,
        millis(99.0)?,
        millis(99.9)?,
        slow,
        probed??,
    ])
}

/// Publishes until it is over; how many of 100,000 took longer than 50 ms.
fn publish_until(load: &mut Load, done: &AtomicBool) -> Result<f64> {
    let start = Instant::now();
    let mut published = 0_u64;
    while start.elapsed() < AT_LEAST || !done.load(Relaxed) {
        load.drive(CHUNK)?;
        published += CHUNK;
        if start.elapsed() > AT_MOST {
            return Err(Failure::new("what was to go on meanwhile does not end"));
        }
    }
    let slow = load.latencies.above(50_000_000);
    Ok(slow as f64 * 1e5 / published as f64)
}

fn work(work: Work, source: &publish::Plan, server: &Server, filled: Instant) -> Result<()> {
    let mut session = Session::open(server.target(), 9001)?;
    let mut purge = |body: &str| {
        let subject = format!("$JS.API.STREAM.PURGE.{STREAM}");
        let answer = session.request(&subject, body)?;
        match json_number(&answer, "purged")? {
            purged if purged >= source.messages => Ok(()),
            purged => Err(Failure::new(format!("only {purged} messages were purged"))),
        }
    };
    match work {
        Work::Nothing | Work::Full => Ok(()),
        Work::Purge => purge("{}"),
        Work::PurgeFiltered => purge(r#"{"filter":"js.*"}"#),
        Work::Limits => {
            let keep = Keep::Messages((source.messages / 1000).max(1));
            let body = stream_config(Storage::File, false, keep);
            session.request(&format!("$JS.API.STREAM.UPDATE.{STREAM}"), &body)?;
            Ok(())
        }
        Work::Age | Work::Ttl => {
            let all_gone = Duration::from_secs(LIFE + 3);
            thread::sleep(all_gone.saturating_sub(filled.elapsed()));
            Ok(())
        }
        Work::Compaction => {
            let mut other = Load::connect(
                &publish::Plan {
                    first: 1,
                    ..*source
                },
                server,
            )?;
            other.alone = false;
            other.drive(source.messages)?;
            Ok(())
        }
        Work::LastPerSubject => {
            for number in 0..3 {
                let body = format!(
                    r#"{{"stream_name":"{STREAM}","config":{{"durable_name":"L{number}","deliver_policy":"last_per_subject","ack_policy":"explicit","filter_subject":"js.*","replay_policy":"instant"}}}}"#
                );
                let subject = format!("$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.L{number}");
                session.request(&subject, &body)?;
            }
            Ok(())
        }
    }
}

/// Writes and syncs a block of a file of its own every now and then; the longest that took, in ms.
fn probe(server: &Server, done: &AtomicBool) -> Result<f64> {
    let path = server.scratch().join("probe");
    let file = File::create(&path).context(path.display())?;
    let block = [b'x'; 4096];
    file.write_all_at(&block, 0).context(path.display())?;
    file.sync_all().context(path.display())?;
    let start = Instant::now();
    let mut longest = Duration::ZERO;
    while start.elapsed() < AT_LEAST || !done.load(Relaxed) {
        let begun = Instant::now();
        file.write_all_at(&block, 0).context(path.display())?;
        file.sync_data().context(path.display())?;
        longest = longest.max(begun.elapsed());
        thread::sleep(PROBE);
    }
    Ok(longest.as_secs_f64() * 1e3)
}

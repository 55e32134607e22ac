//! The table of JetStream rows: sizes, metrics, bars, and the known figures of theirs.
//!
//! Counts are chosen so that a run takes Debian's server one to four seconds. Data only.

use super::publish::{Plan, Subjects};
use super::pull::Ack;
use super::stall::{self, Work};
use super::{Job, Storage, pull, push, restart};
use crate::scenario::list::metric;
use crate::scenario::{Bar, Kind, Metric, Scenario};
use crate::server::Sync;

use Bar::{OursAtLeast, OursAtMost, RatioAtLeast, RatioAtMost};

/// Every JetStream row, in the order of the table.
pub(in crate::scenario) fn all() -> Vec<Scenario> {
    let mut list = publish_async();
    list.extend(publish_one());
    list.extend(consume());
    list.extend(store());
    list.extend(stalls());
    list.extend(large());
    list
}

/// CPU and rate as ratios; theirs on a quiet machine, in s per million and thousands per second.
fn metrics(cpu: f64, rate: f64, quiet: (f64, f64)) -> Vec<Metric> {
    vec![
        metric("server CPU", "s/1M", RatioAtMost(cpu), Some(quiet.0)),
        metric("rate", "k/s", RatioAtLeast(rate), Some(quiet.1)),
        metric("generator CPU", "s/1M", Bar::None, None),
        metric("peak memory", "MiB", Bar::None, None),
    ]
}

fn publish(
    name: &'static str,
    about: &'static str,
    plan: Plan,
    bars: (f64, f64),
    quiet: (f64, f64),
) -> Scenario {
    let mut metrics = metrics(bars.0, bars.1, quiet);
    // Memory streams, buckets and the duplicate window keep what they are given in memory; a plain
    // file stream must not.
    let bounded = plan.storage == Storage::File
        && !plan.ids
        && matches!(plan.subjects, Subjects::PerConnection);
    let growth = if bounded { OursAtMost(30.0) } else { Bar::None };
    metrics.push(metric("above idle", "MiB", growth, None));
    row(name, about, metrics, Job::Publish(plan))
}

// tidy: long-function: a table of scenarios
fn publish_async() -> Vec<Scenario> {
    let file = Plan::new(1_000_000);
    let periodic = Plan {
        sync: Sync::Periodic,
        ..file
    };
    let large = Plan {
        payload: 1024,
        ..Plan::new(600_000)
    };
    let several = Plan {
        connections: 4,
        ..Plan::new(800_000)
    };
    let ids = Plan {
        ids: true,
        ..Plan::new(600_000)
    };
    let memory = Plan {
        storage: Storage::Memory,
        ..file
    };
    let keys = Plan::to(400_000, Subjects::Keys(100_000));
    vec![
        publish(
            "js-pub-async-128b",
            "publish to a file stream, 1,024 in flight, synced as the server does by default",
            file,
            (0.3, 1.5),
            (2.8, 500.0),
        ),
        publish(
            "js-pub-async-128b-2m",
            "the same with sync_interval 2m",
            periodic,
            (0.3, 3.0),
            (2.8, 500.0),
        ),
        publish(
            "js-pub-async-1k",
            "publish 1 KiB to a file stream, 1,024 in flight",
            large,
            (0.3, 1.5),
            (4.1, 300.0),
        ),
        publish(
            "js-pub-4x4",
            "publish to a file stream, 4 connections on 4 subjects, 1,024 in flight each",
            several,
            (0.3, 1.5),
            (3.8, 332.0),
        ),
        publish(
            "js-pub-ids",
            "publish to a file stream with message ids, 1,024 in flight",
            ids,
            (0.3, 1.5),
            (4.6, 313.0),
        ),
        publish(
            "js-pub-memory",
            "publish to a memory stream, 1,024 in flight",
            memory,
            (0.25, 4.0),
            (3.6, 448.0),
        ),
        publish(
            "js-kv-put",
            "put over 100,000 keys of a bucket, 1,024 in flight",
            keys,
            (0.3, 1.5),
            (7.7, 165.0),
        ),
    ]
}

fn publish_one() -> Vec<Scenario> {
    let one = Plan {
        window: 1,
        ..Plan::new(20_000)
    };
    let memory = Plan {
        storage: Storage::Memory,
        ..one
    };
    let periodic = Plan {
        sync: Sync::Periodic,
        ..one
    };
    let synced = Plan {
        messages: 5_000,
        sync: Sync::Always,
        ..one
    };
    let many = Plan {
        messages: 64_000,
        connections: 64,
        ..synced
    };
    let ratio = || latency(RatioAtMost(0.8), Some(68.0), Bar::None, Bar::None);
    vec![
        row(
            "js-pub-one-memory",
            "publish to a memory stream, one at a time",
            ratio(),
            Job::PublishOne(memory),
        ),
        row(
            "js-pub-one-2m",
            "publish to a file stream with sync_interval 2m, one at a time",
            ratio(),
            Job::PublishOne(periodic),
        ),
        // Theirs (2.9) cannot sync each publish, so the bars stand on what 2.14.5 reaches with
        // `sync_interval: always`: 2.3k/s, and with 64 publishers 4.7k/s at a p50 of 13 ms.
        row(
            "js-pub-1x1",
            "publish to a file stream synced always, one at a time (2.9 does not sync)",
            latency(Bar::None, None, Bar::None, OursAtLeast(2.76)),
            Job::PublishOne(synced),
        ),
        row(
            "js-pub-64x1",
            "publish to a file stream synced always, 64 connections with 1 in flight (2.9 does not sync)",
            latency(Bar::None, None, OursAtMost(2600.0), OursAtLeast(70.5)),
            Job::PublishOne(many),
        ),
    ]
}

fn latency(p50: Bar, quiet: Option<f64>, p99: Bar, rate: Bar) -> Vec<Metric> {
    vec![
        metric("p50", "µs", p50, quiet),
        metric("p99", "µs", p99, None),
        metric("rate", "k/s", rate, None),
        metric("server CPU", "s/1M", Bar::None, None),
    ]
}

fn consume() -> Vec<Scenario> {
    let pull = |ack| pull::Plan {
        messages: 500_000,
        consumers: 1,
        ack,
        with_publish: false,
    };
    let hundred = pull::Plan {
        messages: 200_000,
        consumers: 100,
        with_publish: true,
        ..pull(Ack::Explicit)
    };
    let push = |ordered| push::Plan {
        messages: 1_000_000,
        ordered,
    };
    vec![
        row(
            "js-pull-explicit",
            "drain a stream by pull, batches of 500, each message acknowledged",
            metrics(0.25, 3.0, (4.9, 267.0)),
            Job::Pull(pull(Ack::Explicit)),
        ),
        row(
            "js-pull-all",
            "drain a stream by pull, batches of 500, each batch acknowledged (ack all)",
            metrics(0.25, 3.0, (2.5, 532.0)),
            Job::Pull(pull(Ack::All)),
        ),
        row(
            "js-push-none",
            "drain a stream by push without acknowledgements",
            metrics(0.3, 2.5, (1.5, 1030.0)),
            Job::Push(push(false)),
        ),
        row(
            "js-ordered",
            "drain a stream by an ordered consumer (flow control)",
            metrics(0.3, 2.5, (1.5, 1000.0)),
            Job::Push(push(true)),
        ),
        row(
            "js-100-consumers",
            "100 durable pull consumers with one filter each: publish, then drain",
            metrics(0.15, 6.0, (24.0, 71.0)),
            Job::Pull(hundred),
        ),
        row(
            "js-100-filters",
            "drain 1,000,000 messages by one consumer with 100 filters, as a ratio to one filter",
            vec![
                metric("CPU, to one filter", "×", OursAtMost(1.3), None),
                metric("time, to one filter", "×", Bar::None, None),
                metric("server CPU", "s/1M", Bar::None, None),
            ],
            Job::Filters,
        ),
    ]
}

fn store() -> Vec<Scenario> {
    let keys = Plan::to(1_000_000, Subjects::Keys(1_000_000));
    vec![
        row(
            "js-direct-get",
            "direct get over 100,000 keys of a bucket, 64 outstanding",
            metrics(0.3, 2.0, (7.2, 187.0)),
            Job::Get,
        ),
        row(
            "js-restart",
            "kill -9 and restart with 2,000,000 messages on 10,000 subjects",
            restarted(RatioAtMost(1.0), OursAtMost(30.0), Some(200.0)),
            Job::Restart(restart::Plan {
                messages: 2_000_000,
                subjects: 10_000,
                payload: 128,
                sync: Sync::Default,
            }),
        ),
        row(
            "js-memory-kv",
            "resident memory with 1,000,000 keys in a bucket on disk",
            vec![
                metric("memory", "MiB", RatioAtMost(0.4), None),
                metric("memory each", "B", Bar::None, None),
            ],
            Job::Memory(keys),
        ),
    ]
}

fn restarted(time: Bar, memory: Bar, quiet: Option<f64>) -> Vec<Metric> {
    vec![
        metric("time to stream", "ms", time, quiet),
        metric("server CPU", "s/1M", Bar::None, None),
        metric("memory after", "MiB", memory, None),
        metric("peak while filled", "MiB", Bar::None, None),
    ]
}

/// Publishing one at a time while something else goes on.
// tidy: long-function: a table of scenarios
fn stalls() -> Vec<Scenario> {
    let stall = |name, about, work, sync| {
        let metrics = vec![
            metric("longest", "ms", OursAtMost(50.0), None),
            metric("p50", "ms", Bar::None, None),
            metric("p99", "ms", Bar::None, None),
            metric("p99.9", "ms", Bar::None, None),
            metric("over 50 ms", "per 100k", Bar::None, None),
            metric("longest sync elsewhere", "ms", Bar::None, None),
        ];
        row(name, about, metrics, Job::Stall(stall::Plan { work, sync }))
    };
    let (synced, later) = (Sync::Default, Sync::Periodic);
    [
        (
            "js-stall-nothing",
            "publish one at a time while nothing else goes on",
            Work::Nothing,
            synced,
        ),
        (
            "js-stall-purge",
            "… while 1,000,000 messages are purged",
            Work::Purge,
            synced,
        ),
        (
            "js-stall-purge-filter",
            "… while they are purged by a filter",
            Work::PurgeFiltered,
            synced,
        ),
        (
            "js-stall-limits",
            "… while a limit is lowered to a thousandth of them",
            Work::Limits,
            synced,
        ),
        (
            "js-stall-full",
            "… with a stream at its limit",
            Work::Full,
            synced,
        ),
        (
            "js-stall-age",
            "… while they become too old",
            Work::Age,
            synced,
        ),
        (
            "js-stall-ttl",
            "… while the time of each ends (2.9 has none)",
            Work::Ttl,
            synced,
        ),
        (
            "js-stall-compaction",
            "… while another connection overwrites 100,000 keys",
            Work::Compaction,
            synced,
        ),
        (
            "js-stall-last-per-subject",
            "… while consumers of the last of 1,000,000 subjects are made",
            Work::LastPerSubject,
            synced,
        ),
        (
            "js-stall-purge-2m",
            "as js-stall-purge, with sync_interval 2m",
            Work::Purge,
            later,
        ),
        (
            "js-stall-filter-2m",
            "as js-stall-purge-filter, with sync_interval 2m",
            Work::PurgeFiltered,
            later,
        ),
        (
            "js-stall-ttl-2m",
            "as js-stall-ttl, with sync_interval 2m",
            Work::Ttl,
            later,
        ),
        (
            "js-stall-compact-2m",
            "as js-stall-compaction, with sync_interval 2m",
            Work::Compaction,
            later,
        ),
    ]
    .into_iter()
    .map(|(name, about, work, sync)| stall(name, about, work, sync))
    .collect()
}

/// Rows that take minutes and gigabytes; they run only if they are asked for by name.
fn large() -> Vec<Scenario> {
    let plan = |messages, subjects, payload| restart::Plan {
        messages,
        subjects,
        payload,
        sync: Sync::Periodic,
    };
    vec![
        row(
            "big-restart-10m",
            "kill -9 and restart with 10,000,000 messages on 10,000 subjects",
            restarted(OursAtMost(5000.0), Bar::None, None),
            Job::Restart(plan(10_000_000, 10_000, 128)),
        ),
        row(
            "big-50m-on-5m",
            "kill -9 and restart with 50,000,000 messages of 16 B on 5,000,000 subjects",
            restarted(OursAtMost(30_000.0), OursAtMost(1024.0), None),
            Job::Restart(plan(50_000_000, 5_000_000, 16)),
        ),
    ]
}

fn row(name: &'static str, about: &'static str, metrics: Vec<Metric>, job: Job) -> Scenario {
    Scenario {
        name,
        about,
        metrics,
        kind: Kind::JetStream(job),
    }
}

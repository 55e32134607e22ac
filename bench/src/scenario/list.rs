//! The table of scenarios: sizes, metrics, bars, and the known figures of a quiet machine.
//!
//! Counts are chosen so that a run takes Debian's server one to two seconds. Data only; what is
//! done with it is in the sibling modules.

use super::throughput::{Plan, Topology};
use super::{Bar, Kind, Metric, Scenario};
use crate::server::Transport;

use Bar::{OursAtMost, RatioAtLeast, RatioAtMost};

/// The throughput bar of the rows with small messages.
const FAST: Bar = RatioAtLeast(2.5);

/// Every scenario, in the order of the table.
pub(crate) fn all() -> Vec<Scenario> {
    let mut list = pub_sub();
    list.extend(fan_out_and_in());
    list.extend(encrypted());
    list.extend(without_subscriber());
    list.extend(many_subjects());
    list.extend(requests());
    list.extend(connections());
    list.extend(super::accounts::all());
    list.extend(super::js::list::all());
    list
}

fn pub_sub() -> Vec<Scenario> {
    let each = Topology::Each;
    vec![
        load(
            "1to1-16b",
            "1 publisher to 1 subscriber",
            plan(16, 6_000_000, each(1)),
            0.23,
            0.29,
        ),
        load(
            "1to1-128b",
            "1 publisher to 1 subscriber",
            plan(128, 4_000_000, each(1)),
            0.26,
            0.46,
        ),
        large("1to1-1kib", plan(1024, 1_000_000, each(1)), 0.36, 1.67),
        large("1to1-16kib", plan(16 * 1024, 80_000, each(1)), 0.30, 24.8),
    ]
}

fn fan_out_and_in() -> Vec<Scenario> {
    vec![
        load(
            "1to8-128b",
            "1 publisher to 8 subscribers",
            plan(128, 750_000, Topology::Each(8)),
            0.25,
            0.25,
        ),
        load(
            "1to100-128b",
            "1 publisher to 100 subscribers",
            plan(128, 60_000, Topology::Each(100)),
            0.25,
            0.24,
        ),
        load(
            "8to1-128b",
            "8 publishers to 1 subscriber",
            Plan {
                publishers: 8,
                ..plan(128, 3_000_000, Topology::Each(1))
            },
            0.30,
            0.60,
        ),
        load(
            "pairs-128b",
            "4 publishers, each to its own subscriber",
            Plan {
                publishers: 4,
                ..plan(128, 4_000_000, Topology::Pairs)
            },
            0.30,
            0.43,
        ),
        load(
            "queue-128b",
            "1 publisher to a queue group of 8 connections",
            plan(128, 3_000_000, Topology::Queue(8)),
            0.30,
            0.63,
        ),
        load(
            "headers-128b",
            "1 publisher to 1 subscriber, one header and 128 B payload (HPUB)",
            Plan {
                header: true,
                ..plan(128, 2_500_000, Topology::Each(1))
            },
            0.30,
            0.66,
        ),
    ]
}

/// The generator's share of the encryption weighs on the throughput, so that has no bar here.
fn encrypted() -> Vec<Scenario> {
    let row = |name, payload, messages, quiet| {
        let plan = Plan {
            transport: Transport::Tls,
            ..plan(payload, messages, Topology::Each(1))
        };
        let about = "1 publisher to 1 subscriber over TLS";
        let mut row = load(name, about, plan, 0.60, 0.58);
        set_bar(&mut row, "throughput", Bar::None);
        row.metrics[0].quiet = quiet;
        row
    };
    vec![
        row("tls-1to1-128b", 128, 3_000_000, Some(0.58)),
        row("tls-1to1-1kib", 1024, 700_000, None),
    ]
}

fn without_subscriber() -> Vec<Scenario> {
    let none = Topology::Nobody;
    let about = "1 publisher, no subscriber";
    vec![
        load("nosub-16b", about, plan(16, 12_000_000, none), 0.33, 0.11),
        load("nosub-128b", about, plan(128, 8_000_000, none), 0.33, 0.18),
        load(
            "nosub-4x128b",
            "4 publishers, no subscriber",
            Plan {
                publishers: 4,
                ..plan(128, 8_000_000, none)
            },
            0.33,
            0.16,
        ),
    ]
}

fn many_subjects() -> Vec<Scenario> {
    let mut wildcards = load(
        "wildcards-1k",
        "1,000 wildcard subscriptions of a connection, random publishes over 10,000 subjects",
        plan(
            128,
            1_000_000,
            Topology::Rows {
                rows: 1000,
                cols: 10,
            },
        ),
        0.30,
        1.64,
    );
    let mut subjects = load(
        "subjects-200k",
        "random publishes over 200,000 subjects into one wildcard subscription",
        plan(
            128,
            1_200_000,
            Topology::All {
                rows: 200,
                cols: 1000,
            },
        ),
        0.30,
        1.30,
    );
    set_bar(&mut wildcards, "throughput", Bar::None);
    set_bar(&mut subjects, "throughput", Bar::None);
    let mut metrics = load_metrics(RatioAtMost(0.35), Bar::None, Some(3.24));
    metrics.push(metric(
        "registration",
        "k/s",
        RatioAtLeast(3.0),
        Some(365.0),
    ));
    metrics.push(metric("memory each", "KiB", RatioAtMost(0.35), Some(0.75)));
    let literals = Scenario {
        name: "literals-500k",
        about: "500,000 literal subscriptions of a connection: registering, memory, publishes",
        metrics,
        kind: Kind::Literals,
    };
    vec![wildcards, subjects, literals]
}

fn requests() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "requests-64",
            about: "request/reply, 8 connections with 8 outstanding each, per request",
            metrics: vec![
                metric("server CPU", "s/1M", RatioAtMost(0.5), Some(3.91)),
                metric("requests", "k/s", Bar::None, None),
                metric("generator CPU", "s/1M", Bar::None, None),
            ],
            kind: Kind::Requests,
        },
        Scenario {
            name: "request-one",
            about: "request/reply, one at a time",
            metrics: vec![
                metric("p50", "µs", RatioAtMost(0.9), Some(99.0)),
                metric("p99.9", "µs", RatioAtMost(0.5), Some(347.0)),
            ],
            kind: Kind::OneRequest,
        },
        Scenario {
            name: "open-loop-50k",
            about: "1 to 1, 128 B, 50,000 per second on a fixed schedule, from the scheduled time",
            metrics: vec![
                metric("p50", "µs", Bar::None, None),
                metric("p99", "µs", RatioAtMost(0.5), Some(443.0)),
                metric("p99.9", "µs", RatioAtMost(0.3), Some(2200.0)),
            ],
            kind: Kind::OpenLoop,
        },
    ]
}

fn connections() -> Vec<Scenario> {
    let memory = |quiet| vec![metric("memory each", "KiB", RatioAtMost(0.3), quiet)];
    vec![
        Scenario {
            name: "idle-tcp",
            about: "5,000 idle TCP connections",
            metrics: memory(Some(20.0)),
            kind: Kind::Idle(Transport::Plain),
        },
        Scenario {
            name: "idle-tls",
            about: "5,000 idle TLS connections",
            metrics: memory(None),
            kind: Kind::Idle(Transport::Tls),
        },
        Scenario {
            name: "broadcast-5k",
            about: "one message to 5,000 connections, from the publish to the last arrival",
            metrics: vec![
                metric("time to last", "ms", RatioAtMost(0.6), Some(10.0)),
                metric("server CPU", "s/1M", Bar::None, None),
            ],
            kind: Kind::Broadcast,
        },
        Scenario {
            name: "process",
            about: "start to first PONG, idle memory, size of the binary",
            metrics: vec![
                metric("start to ready", "ms", OursAtMost(20.0), None),
                metric("idle memory", "MiB", OursAtMost(10.0), None),
                metric("binary", "MiB", OursAtMost(15.0), None),
            ],
            kind: Kind::Process,
        },
    ]
}

/// One plain publisher of messages without headers.
pub(super) fn plan(payload: usize, messages: u64, topology: Topology) -> Plan {
    let transport = Transport::Plain;
    Plan {
        payload,
        messages,
        topology,
        publishers: 1,
        header: false,
        transport,
    }
}

fn load(name: &'static str, about: &'static str, plan: Plan, bar: f64, quiet: f64) -> Scenario {
    let metrics = load_metrics(RatioAtMost(bar), FAST, Some(quiet));
    Scenario {
        name,
        about,
        metrics,
        kind: Kind::Load(plan),
    }
}

/// A row of large messages, where copying sets the pace: no throughput bar.
fn large(name: &'static str, plan: Plan, bar: f64, quiet: f64) -> Scenario {
    let mut row = load(name, "1 publisher to 1 subscriber", plan, bar, quiet);
    set_bar(&mut row, "throughput", Bar::None);
    row
}

fn load_metrics(cpu: Bar, throughput: Bar, quiet: Option<f64>) -> Vec<Metric> {
    vec![
        metric("server CPU", "s/1M", cpu, quiet),
        metric("throughput", "M/s", throughput, None),
        metric("generator CPU", "s/1M", Bar::None, None),
        metric("peak memory", "MiB", Bar::None, None),
    ]
}

/// A metric with its bar and the known figure of theirs.
pub(super) fn metric(
    name: &'static str,
    unit: &'static str,
    bar: Bar,
    quiet: Option<f64>,
) -> Metric {
    Metric {
        name,
        unit,
        bar,
        quiet,
    }
}

fn set_bar(scenario: &mut Scenario, metric: &str, bar: Bar) {
    for known in scenario
        .metrics
        .iter_mut()
        .filter(|known| known.name == metric)
    {
        known.bar = bar;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_fit_the_command_line() {
        let mut names: Vec<_> = all().iter().map(|scenario| scenario.name).collect();
        let plain = |name: &&str| {
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        assert!(names.iter().all(plain), "{names:?}");
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_scenario_has_a_bar() {
        for scenario in all() {
            let bars = scenario
                .metrics
                .iter()
                .filter(|metric| metric.bar != Bar::None)
                .count();
            assert!(bars > 0, "{} has no bar", scenario.name);
        }
    }
}

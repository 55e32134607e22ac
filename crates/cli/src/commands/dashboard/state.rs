//! What the dashboard knows: the latest sample, rates since the one before, and short histories.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Samples that histories remember.
const HISTORY: usize = 40;

/// A client's connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    pub(super) server: String,
    pub(super) cid: u64,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) rtt: String,
    pub(super) subscriptions: u64,
    pub(super) pending: u64,
    pub(super) in_msgs: u64,
    pub(super) out_msgs: u64,
    pub(super) in_bytes: u64,
    pub(super) out_bytes: u64,
}

/// A stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) last_sequence: u64,
    pub(super) consumers: u64,
}

/// A consumer.
#[derive(Clone, Debug, Default)]
pub(super) struct Consumer {
    pub(super) stream: String,
    pub(super) name: String,
    /// Messages it has not been given yet.
    pub(super) lag: u64,
    pub(super) ack_pending: u64,
    pub(super) redelivered: u64,
    pub(super) waiting: u64,
    pub(super) delivered: u64,
}

/// Everything at one moment.
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) rtt: Duration,
    pub(super) servers: usize,
    pub(super) connections: Vec<Connection>,
    /// Why there are no connections to show.
    pub(super) no_connections: String,
    pub(super) streams: Vec<Stream>,
    pub(super) consumers: Vec<Consumer>,
    /// Why there are no streams to show.
    pub(super) no_streams: String,
}

impl Default for Sample {
    fn default() -> Self {
        Sample {
            at: Instant::now(),
            rtt: Duration::ZERO,
            servers: 0,
            connections: Vec::new(),
            no_connections: String::new(),
            streams: Vec::new(),
            consumers: Vec::new(),
            no_streams: String::new(),
        }
    }
}

/// The latest values of something, the newest last.
#[derive(Default)]
pub(super) struct History(Vec<f64>);

impl History {
    fn push(&mut self, value: f64) {
        self.0.push(value);
        if self.0.len() > HISTORY {
            self.0.remove(0);
        }
    }

    /// All of them.
    pub(super) fn values(&self) -> &[f64] {
        &self.0
    }

    /// The newest.
    pub(super) fn last(&self) -> f64 {
        self.0.last().copied().unwrap_or_default()
    }
}

/// What is shown.
#[derive(Default)]
pub(super) struct State {
    pub(super) is_paused: bool,
    pub(super) sorts_by_name: bool,
    pub(super) latest: Option<Sample>,
    /// Per second: in, out, by server and connection.
    pub(super) traffic: BTreeMap<(String, u64), [f64; 4]>,
    /// Per second: messages stored, by stream.
    pub(super) stored: BTreeMap<String, f64>,
    /// Per second: messages delivered, by stream and consumer.
    pub(super) delivered: BTreeMap<(String, String), f64>,
    pub(super) rtt_ms: History,
    pub(super) in_msgs: History,
    pub(super) out_msgs: History,
    pub(super) stored_msgs: History,
    pub(super) lag: History,
}

impl State {
    /// How many servers answered last; 0 if that is not known.
    pub(super) fn servers(&self) -> usize {
        self.latest.as_ref().map_or(0, |latest| latest.servers)
    }

    /// Takes in a sample. Counters that went back, as after a restart, count as not moved.
    pub(super) fn add(&mut self, sample: Sample) {
        self.traffic.clear();
        self.stored.clear();
        self.delivered.clear();
        if let Some(before) = &self.latest {
            let seconds = sample.at.duration_since(before.at).as_secs_f64().max(0.001);
            let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
            let known: BTreeMap<_, _> = before
                .connections
                .iter()
                .map(|c| ((&c.server, c.cid), c))
                .collect();
            for now in &sample.connections {
                if let Some(then) = known.get(&(&now.server, now.cid)) {
                    let rates = [
                        rate(now.in_msgs, then.in_msgs),
                        rate(now.out_msgs, then.out_msgs),
                        rate(now.in_bytes, then.in_bytes),
                        rate(now.out_bytes, then.out_bytes),
                    ];
                    self.traffic.insert((now.server.clone(), now.cid), rates);
                }
            }
            let known: BTreeMap<_, _> = before.streams.iter().map(|s| (&s.name, s)).collect();
            for now in &sample.streams {
                if let Some(then) = known.get(&now.name) {
                    let stored = rate(now.last_sequence, then.last_sequence);
                    self.stored.insert(now.name.clone(), stored);
                }
            }
            let known: BTreeMap<_, _> = before
                .consumers
                .iter()
                .map(|c| ((&c.stream, &c.name), c))
                .collect();
            for now in &sample.consumers {
                if let Some(then) = known.get(&(&now.stream, &now.name)) {
                    let delivered = rate(now.delivered, then.delivered);
                    self.delivered
                        .insert((now.stream.clone(), now.name.clone()), delivered);
                }
            }
        }
        self.rtt_ms.push(sample.rtt.as_secs_f64() * 1e3);
        self.in_msgs
            .push(self.traffic.values().map(|[value, ..]| value).sum());
        self.out_msgs
            .push(self.traffic.values().map(|[_, value, ..]| value).sum());
        self.stored_msgs.push(self.stored.values().sum());
        self.lag
            .push(sample.consumers.iter().map(|c| c.lag as f64).sum());
        self.latest = Some(sample);
    }
}

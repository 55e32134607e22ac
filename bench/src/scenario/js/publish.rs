//! Publishing into a stream and waiting for the acknowledgements.
//!
//! One thread serves all connections: it keeps `window` publishes without an acknowledgement on
//! each, and verifies of every acknowledgement that it answers the oldest of them, names the
//! stream and carries the next sequence (with several connections: a higher one). Frames are built
//! once; only digits change.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll;

use super::{Keep, MIB, STREAM, Storage, check_stream, create_stream, peak_mib};
use crate::failure::{Context, Failure, Result};
use crate::flow::STALL;
use crate::histogram::Histogram;
use crate::load::wait;
use crate::procfs::own_cpu_seconds;
use crate::scenario::{Settings, per_million};
use crate::server::{Server, Sync};
use crate::session::{Message, Session, eight_digits, number, unexpected};

/// How long the server may tidy up before its memory is read.
const SETTLE: Duration = Duration::from_secs(1);
/// Spreads consecutive publishes over the keys; a prime, so that each key has its turn.
const KEY_STRIDE: u64 = 7919;

/// What is published, how.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct Plan {
    /// Payload bytes, 8 or more.
    pub(super) payload: usize,
    /// Messages of the measured phase, all connections together.
    pub(super) messages: u64,
    /// Publishing connections.
    pub(super) connections: u32,
    /// The number of the first of them; none may be used twice.
    pub(super) first: u32,
    /// Publishes without an acknowledgement on each connection.
    pub(super) window: u64,
    /// Whether each message has an id.
    pub(super) ids: bool,
    /// The subjects.
    pub(super) subjects: Subjects,
    /// Where the stream is.
    pub(super) storage: Storage,
    /// When it is synced.
    pub(super) sync: Sync,
    /// How long it keeps what it is given.
    pub(super) keep: Keep,
}

/// Which subjects messages go to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subjects {
    /// Each connection has its own.
    PerConnection,
    /// This many, in turn.
    Many(u64),
    /// This many keys of a key-value bucket.
    Keys(u64),
}

impl Plan {
    /// 128-byte messages from one connection, 1,024 in flight, to a file stream.
    pub(super) fn new(messages: u64) -> Self {
        Self {
            payload: 128,
            messages,
            connections: 1,
            first: 0,
            window: 1024,
            ids: false,
            subjects: Subjects::PerConnection,
            storage: Storage::File,
            sync: Sync::Default,
            keep: Keep::All,
        }
    }

    /// As [`Plan::new`], to other subjects.
    pub(super) fn to(messages: u64, subjects: Subjects) -> Self {
        Self {
            subjects,
            ..Self::new(messages)
        }
    }

    fn scaled(mut self, settings: &Settings) -> Self {
        let connections = u64::from(self.connections);
        self.messages = settings.count(self.messages) / connections * connections;
        if let Subjects::Keys(keys) = &mut self.subjects {
            *keys = settings.count(*keys);
        }
        self
    }
}

/// CPU per million, thousands per second, generator CPU, peak memory, its growth above idle.
pub(super) fn run(plan: &Plan, server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let plan = plan.scaled(settings);
    let idle = server.memory()?.resident_kib as f64 / MIB;
    let mut load = Load::connect(&plan, server)?;
    load.drive(plan.messages / 10)?;
    let (cpu, own) = (server.cpu()?, own_cpu_seconds());
    let wall = load.drive(plan.messages)?;
    let (cpu, own) = (server.cpu()?.since(&cpu), own_cpu_seconds() - own);
    let peak = peak_mib(server)?;
    load.check()?;
    Ok(vec![
        per_million(cpu, plan.messages),
        plan.messages as f64 / wall / 1e3,
        per_million(own, plan.messages),
        peak,
        peak - idle,
    ])
}

/// p50 and p99 in µs, thousands per second, CPU per million.
pub(super) fn run_one(plan: &Plan, server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let plan = plan.scaled(settings);
    let mut load = Load::connect(&plan, server)?;
    load.drive(plan.messages / 10)?;
    load.latencies = Histogram::new();
    let cpu = server.cpu()?;
    let wall = load.drive(plan.messages)?;
    let cpu = server.cpu()?.since(&cpu);
    load.check()?;
    let micros = |percent| match load.latencies.percentile(percent) {
        Some(nanos) => Ok(nanos as f64 / 1e3),
        None => Err(Failure::new("nothing was measured")),
    };
    let rate = plan.messages as f64 / wall / 1e3;
    Ok(vec![
        micros(50.0)?,
        micros(99.0)?,
        rate,
        per_million(cpu, plan.messages),
    ])
}

/// Resident memory in MiB after everything was published, and bytes per message above idle.
pub(super) fn run_memory(plan: &Plan, server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let plan = plan.scaled(settings);
    let idle = server.memory()?.resident_kib;
    fill(&plan, server)?;
    std::thread::sleep(SETTLE);
    let full = server.memory()?.resident_kib;
    let each = full.saturating_sub(idle) as f64 * 1024.0 / plan.messages.max(1) as f64;
    Ok(vec![full as f64 / MIB, each])
}

/// Creates the stream and publishes the plan's messages, for rows that measure something else.
pub(super) fn fill(plan: &Plan, server: &Server) -> Result<()> {
    let mut load = Load::connect(plan, server)?;
    load.drive(plan.messages)?;
    load.check()
}

/// The publishing connections.
pub(super) struct Load {
    publishers: Vec<Publisher>,
    /// Publishes without an acknowledgement on each connection.
    pub(super) window: u64,
    /// Nobody else publishes: sequences have no gaps.
    pub(super) alone: bool,
    epoll: Option<OwnedFd>,
    /// How long each publish took, with a window of one.
    pub(super) latencies: Histogram,
    keys: Option<u64>,
}

impl Load {
    /// Connects and creates the stream.
    pub(super) fn connect(plan: &Plan, server: &Server) -> Result<Self> {
        let keys = match plan.subjects {
            Subjects::Keys(keys) => Some(keys),
            _ => None,
        };
        let publishers = (0..plan.connections)
            .map(|number| Publisher::connect(plan, server, plan.first + number))
            .collect::<Result<Vec<_>>>()?;
        let mut load = Self {
            publishers,
            window: plan.window,
            alone: plan.connections == 1,
            epoll: None,
            latencies: Histogram::new(),
            keys,
        };
        if let Some(first) = load.publishers.first_mut() {
            create_stream(&mut first.session, plan, keys.is_some())?;
        }
        if load.publishers.len() > 1 {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
            for (index, publisher) in load.publishers.iter().enumerate() {
                let data = epoll::EventData::new_u64(index as u64);
                let conn = publisher.session.conn.as_fd();
                epoll::add(&epoll, conn, data, epoll::EventFlags::IN).context("epoll")?;
            }
            load.epoll = Some(epoll);
        }
        Ok(load)
    }

    /// Publishes `messages` in all; returns the seconds until the last acknowledgement.
    pub(super) fn drive(&mut self, messages: u64) -> Result<f64> {
        let each = messages / self.publishers.len().max(1) as u64;
        let start = Instant::now();
        for publisher in &mut self.publishers {
            publisher.goal = publisher.sent + each;
            publisher.send(self.window)?;
        }
        let mut events = Vec::with_capacity(64);
        let mut last_progress = Instant::now();
        while self.publishers.iter().any(|it| it.acked < it.goal) {
            let Some(epoll) = &self.epoll else {
                self.step(0)?;
                continue;
            };
            events.clear();
            wait(epoll, &mut events)?;
            for event in &events {
                self.step(event.data.u64() as usize)?;
                last_progress = Instant::now();
            }
            if last_progress.elapsed() > STALL {
                return Err(Failure::new("some publishes were not acknowledged"));
            }
        }
        Ok(start.elapsed().as_secs_f64())
    }

    fn step(&mut self, index: usize) -> Result<()> {
        let alone = self.alone;
        let Some(publisher) = self.publishers.get_mut(index) else {
            return Ok(());
        };
        let answered = publisher.take_acks(alone)?;
        if self.window == 1 && answered > 0 {
            let nanos = publisher.sent_at.elapsed().as_nanos();
            self.latencies.record(nanos as u64);
        }
        publisher.send(self.window)
    }

    /// Compares the stream with what was acknowledged.
    pub(super) fn check(&mut self) -> Result<()> {
        let total: u64 = self.publishers.iter().map(|it| it.acked).sum();
        let kept = self.keys.map_or(total, |keys| keys.min(total));
        for publisher in &mut self.publishers {
            publisher.session.confirm()?;
        }
        match self.publishers.first_mut() {
            Some(first) => check_stream(&mut first.session, kept, total),
            None => Ok(()),
        }
    }
}

/// One connection: its frame, where the digits in it are, and how far it is.
struct Publisher {
    session: Session,
    frame: Vec<u8>,
    reply_at: usize,
    payload_at: usize,
    id_at: Option<usize>,
    /// Where the subject's digits are, and how many subjects there are.
    subject: Option<(usize, u64)>,
    output: Vec<u8>,
    sent: u64,
    acked: u64,
    goal: u64,
    last_sequence: u64,
    sent_at: Instant,
}

impl Publisher {
    fn connect(plan: &Plan, server: &Server, number: u32) -> Result<Self> {
        let session = Session::open(server.target(), number)?;
        let (subject, count) = match plan.subjects {
            Subjects::PerConnection => (format!("js.{number:08}"), None),
            Subjects::Many(count) => ("js.00000000".to_owned(), Some(count)),
            Subjects::Keys(count) => ("$KV.bench.00000000".to_owned(), Some(count)),
        };
        let header = match plan.keep {
            _ if plan.ids => format!("NATS/1.0\r\nNats-Msg-Id: {number:04}-00000000\r\n\r\n"),
            Keep::Ttl(seconds) => format!("NATS/1.0\r\nNats-TTL: {seconds}s\r\n\r\n"),
            _ => String::new(),
        };
        let (verb, sizes) = match header.len() {
            0 => ("PUB", plan.payload.to_string()),
            len => ("HPUB", format!("{len} {}", len + plan.payload)),
        };
        let inbox = &session.inbox;
        let mut frame = format!("{verb} {subject} {inbox}").into_bytes();
        let reply_at = frame.len();
        frame.extend(format!("00000000 {sizes}\r\n{header}").bytes());
        let payload_at = frame.len();
        frame.resize(payload_at + plan.payload, b'x');
        frame.extend(b"\r\n");
        let subject_at = verb.len() + 1 + subject.len() - 8;
        Ok(Self {
            session,
            frame,
            reply_at,
            payload_at,
            id_at: plan.ids.then(|| payload_at - 4 - 8),
            subject: count.map(|count| (subject_at, count)),
            output: Vec::new(),
            sent: 0,
            acked: 0,
            goal: 0,
            last_sequence: 0,
            sent_at: Instant::now(),
        })
    }

    /// Fills the window, in one write.
    fn send(&mut self, window: u64) -> Result<()> {
        self.output.clear();
        let until = self.goal.min(self.acked + window);
        while self.sent < until {
            let digits = eight_digits(self.sent);
            self.frame[self.reply_at..][..8].copy_from_slice(&digits);
            self.frame[self.payload_at..][..8].copy_from_slice(&digits);
            if let Some(at) = self.id_at {
                self.frame[at..][..8].copy_from_slice(&digits);
            }
            if let Some((at, count)) = self.subject {
                self.frame[at..][..8].copy_from_slice(&eight_digits(key(self.sent, count)));
            }
            self.output.extend_from_slice(&self.frame);
            self.sent += 1;
        }
        if !self.output.is_empty() {
            self.sent_at = Instant::now();
            let written = self.session.conn.write_all(&self.output);
            written.context("publishing")?;
        }
        Ok(())
    }

    /// Reads once and verifies the acknowledgements; returns their number.
    fn take_acks(&mut self, alone: bool) -> Result<u64> {
        let before = self.acked;
        self.session.read()?;
        while let Some(message) = self.session.frames.next()? {
            let sequence = sequence(&message)?;
            let right = message.subject.ends_with(&eight_digits(self.acked))
                && self.acked < self.sent
                && sequence > self.last_sequence
                && (!alone || sequence == self.acked + 1);
            if !right {
                return Err(unexpected(&message));
            }
            self.last_sequence = sequence;
            self.acked += 1;
        }
        Ok(self.acked - before)
    }
}

/// The key or subject of publish `number`: every one of `count` in turn, far from its neighbours.
pub(super) fn key(number: u64, count: u64) -> u64 {
    (number % count) * KEY_STRIDE % count
}

/// The sequence in `{"stream":"BENCH","seq":N}`, with or without a space. Anything else in it
/// (an error, a duplicate) is not what was due.
fn sequence(message: &Message<'_>) -> Result<u64> {
    let parse = || {
        let rest = message.payload.strip_prefix(b"{\"stream\":\"")?;
        let rest = rest.strip_prefix(STREAM.as_bytes())?;
        let rest = rest.strip_prefix(b"\",")?.trim_ascii_start();
        number(rest.strip_prefix(b"\"seq\":")?.strip_suffix(b"}")?)
    };
    parse().ok_or_else(|| unexpected(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(payload: &[u8]) -> Result<u64> {
        sequence(&Message {
            subject: b"a",
            sid: 1,
            reply: b"",
            header: b"",
            payload,
        })
    }

    #[test]
    fn acknowledgements_of_both_spellings_are_read() {
        assert_eq!(ack(br#"{"stream":"BENCH", "seq":27}"#), Ok(27));
        assert_eq!(ack(br#"{"stream":"BENCH","seq":27}"#), Ok(27));
    }

    #[test]
    fn duplicates_errors_and_other_streams_are_refused() {
        assert!(ack(br#"{"stream":"BENCH","seq":27,"duplicate":true}"#).is_err());
        assert!(ack(br#"{"stream":"OTHER","seq":27}"#).is_err());
        assert!(ack(b"").is_err());
    }

    #[test]
    fn every_key_has_its_turn() {
        for count in [1, 500, 5_000, 50_000, 100_000, 1_000_000] {
            let mut keys: Vec<u64> = (0..count).map(|number| key(number, count)).collect();
            keys.sort_unstable();
            assert!(keys.iter().copied().eq(0..count), "{count}");
        }
    }
}

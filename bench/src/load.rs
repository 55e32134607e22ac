//! Drives one publish/subscribe run: blocking publisher threads, one receiver thread.
//!
//! Publishers write prebuilt batches; the receiver reads all subscriber connections into one large
//! buffer (blocking if there is one connection, by epoll if there are more) and verifies every
//! message. A phase ends in this order, which proves that exactly the expected messages arrived:
//! each publisher has the PONG behind its last message, the receiver has the expected number,
//! and then each subscriber gets the PONG to a PING of its own with nothing in between.
//!
//! Absent: starting servers, CPU measurement (see `scenario`), latency (see `scenario::latency`).

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use crate::check::{Checker, Order};
use crate::conn::{Conn, Target, not_now};
use crate::failure::{Context, Failure, Result};
use crate::flow::{ELSEWHERE, Flow, LOOK, STALL};
use crate::frame::{Batch, Publication, Shape, Sid};

/// How much one read may bring. Larger spoils the cache, smaller costs system calls.
const READ_BYTES: usize = 256 * 1024;
/// Messages under way at least, however large they are.
const MIN_WINDOW: u64 = 16;

/// One subscriber connection of a run.
pub(crate) struct Subscriber {
    /// Protocol text that subscribes, each line ended.
    pub(crate) commands: Vec<u8>,
    /// What it gets.
    pub(crate) what: Publication,
    /// Under which ids.
    pub(crate) sid: Sid,
    /// All messages, or a share.
    pub(crate) order: Order,
}

/// Sizes of the generator's buffers, from the command line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tuning {
    /// Bytes of deliveries that may be under way.
    pub(crate) window_bytes: usize,
    /// Bytes per write of a publisher.
    pub(crate) batch_bytes: usize,
}

/// Connections, set up and ready for any number of phases.
pub(crate) struct Load {
    publishers: Vec<(Conn, Batch)>,
    receiver: Receiver,
    /// Deliveries caused by one message.
    fan_out: u64,
    window: u64,
}

/// What a phase showed.
pub(crate) struct Outcome {
    /// From the start to the last message (or, without subscribers, to the last PONG).
    pub(crate) wall: Duration,
}

impl Load {
    /// Connects and subscribes everything; publishers and subscribers may be different users. Each
    /// message causes `fan_out` deliveries.
    pub(crate) fn connect(
        target: &Target,
        subscribing: &Target,
        publications: &[Publication],
        subscribers: Vec<Subscriber>,
        fan_out: u64,
        tuning: Tuning,
    ) -> Result<Self> {
        let receiver = Receiver::connect(subscribing, subscribers, publications.len())?;
        let delivery = receiver.longest_message().max(1);
        let per_message = delivery * usize::try_from(fan_out.max(1)).unwrap_or(1);
        let mut publishers = Vec::with_capacity(publications.len());
        for (number, what) in (0u32..).zip(publications) {
            // With a large fan-out a full batch would exceed the window by itself.
            let most = tuning.window_bytes / 4 / per_message * what.payload;
            let bytes = if fan_out == 0 { usize::MAX } else { most };
            let batch = Batch::new(what, number, tuning.batch_bytes.min(bytes))?;
            publishers.push((Conn::open(target)?, batch));
        }
        let window = (tuning.window_bytes / delivery) as u64;
        Ok(Self {
            publishers,
            receiver,
            fan_out,
            window: window.max(MIN_WINDOW),
        })
    }

    /// Publishes `messages` in total and waits until all of them have arrived.
    pub(crate) fn run(&mut self, messages: u64) -> Result<Outcome> {
        let count = self.publishers.len() as u64;
        let flow = Flow::new(self.window, count as u32);
        let expected = messages / count * count * self.fan_out;
        let fan_out = self.fan_out;
        let receiver = &mut self.receiver;
        let start = Instant::now();
        let results: Vec<Result<Instant>> = std::thread::scope(|scope| {
            let flow = &flow;
            let publishing: Vec<_> = self
                .publishers
                .iter_mut()
                .map(|(conn, batch)| {
                    let mut job = move || publish(conn, batch, messages / count, fan_out, flow);
                    scope.spawn(move || report(flow, job()))
                })
                .collect();
            let receiving = scope.spawn(move || report(flow, receiver.receive(expected, flow)));
            publishing
                .into_iter()
                .chain([receiving])
                .map(joined)
                .collect()
        });
        let mut end = start;
        let mut failures = Vec::new();
        for result in results {
            match result {
                Ok(time) => end = end.max(time),
                Err(failure) => failures.push(failure),
            }
        }
        // The cause first: the others only say that they stopped because of it.
        failures.sort_by_key(|failure| failure.to_string() == ELSEWHERE);
        match failures.into_iter().next() {
            Some(failure) => Err(failure),
            None => Ok(Outcome { wall: end - start }),
        }
    }

    /// How long the subscriptions of the slowest connection took, until confirmed.
    pub(crate) fn subscribed_in(&self) -> Duration {
        self.receiver.subscribed_in
    }

    /// How many messages a phase of about `messages` really has: a multiple of the publishers.
    pub(crate) fn rounded(&self, messages: u64) -> u64 {
        let count = self.publishers.len() as u64;
        messages / count * count
    }
}

fn report(flow: &Flow, result: Result<Instant>) -> Result<Instant> {
    if result.is_err() {
        flow.fail();
    }
    result
}

fn joined(thread: std::thread::ScopedJoinHandle<'_, Result<Instant>>) -> Result<Instant> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Failure::new("a generator thread panicked")))
}

/// Sends `messages` and returns when the server has confirmed them, with that time.
fn publish(
    conn: &mut Conn,
    batch: &mut Batch,
    messages: u64,
    fan_out: u64,
    flow: &Flow,
) -> Result<Instant> {
    let mut left = messages;
    while left > 0 {
        let frames = left.min(batch.capacity() as u64);
        if fan_out > 0 {
            flow.reserve(frames * fan_out)?;
        } else {
            flow.check()?;
        }
        conn.write_all(batch.fill(frames as usize))
            .context("publishing")?;
        left -= frames;
    }
    conn.confirm().context("after the last publish")?;
    let end = Instant::now();
    flow.publisher_done();
    Ok(end)
}

/// All subscriber connections of a run and the thread-local state to read them.
struct Receiver {
    subscribers: Vec<Endpoint>,
    epoll: Option<OwnedFd>,
    buffer: Vec<u8>,
    /// The longest that one connection's subscriptions took, from the first byte to the PONG.
    subscribed_in: Duration,
    /// Sum over the connections, all phases.
    total: u64,
    publishers: u64,
}

struct Endpoint {
    conn: Conn,
    checker: Checker,
    /// The beginning of a message whose end has not arrived.
    rest: Vec<u8>,
}

impl Receiver {
    fn connect(target: &Target, subscribers: Vec<Subscriber>, publishers: usize) -> Result<Self> {
        let mut endpoints = Vec::with_capacity(subscribers.len());
        let (mut longest, mut subscribed_in) = (0, Duration::ZERO);
        for subscriber in subscribers {
            let mut conn = Conn::open(target)?;
            let start = Instant::now();
            conn.write_all(&subscriber.commands)
                .context("subscribing")?;
            conn.confirm().context("subscribing")?;
            subscribed_in = subscribed_in.max(start.elapsed());
            let shape = Shape::new(&subscriber.what, subscriber.sid)?;
            let checker = Checker::new(shape, subscriber.order, publishers);
            longest = longest.max(checker.longest_rest());
            endpoints.push(Endpoint {
                conn,
                checker,
                rest: Vec::with_capacity(longest),
            });
        }
        let epoll = match endpoints.as_slice() {
            [] => None,
            [only] => {
                only.conn.look_around()?;
                None
            }
            several => Some(watch(several)?),
        };
        let buffer = vec![0; longest + READ_BYTES];
        let publishers = publishers as u64;
        Ok(Self {
            subscribers: endpoints,
            epoll,
            buffer,
            subscribed_in,
            total: 0,
            publishers,
        })
    }

    fn longest_message(&self) -> usize {
        self.subscribers
            .iter()
            .map(|endpoint| endpoint.checker.message_len())
            .max()
            .unwrap_or(0)
    }

    /// Receives `expected` more messages, then the PONG that proves that there are no others.
    /// Returns when the last message was read.
    fn receive(&mut self, expected: u64, flow: &Flow) -> Result<Instant> {
        if self.subscribers.is_empty() {
            return Ok(Instant::now());
        }
        let before = self.total;
        let pongs = self
            .subscribers
            .first()
            .map_or(0, |first| first.checker.pongs());
        let late = |this: &Self| {
            let got = this.total - before;
            Failure::new(format!(
                "{got} of {expected} messages arrived, then nothing for {STALL:?}"
            ))
        };
        self.read_until(flow, before, late, |this| this.total - before >= expected)?;
        let end = Instant::now();
        flow.wait_for_publishers()?;
        for endpoint in &mut self.subscribers {
            endpoint
                .conn
                .write_all(b"PING\r\n")
                .context("sending the last PING")?;
        }
        let silent = |_: &Self| Failure::new(format!("no PONG to the last PING for {STALL:?}"));
        self.read_until(flow, before, silent, |this| {
            this.subscribers
                .iter()
                .all(|endpoint| endpoint.checker.pongs() > pongs)
        })?;
        let got = self.total - before;
        if got != expected {
            return Err(Failure::new(format!(
                "{got} messages arrived instead of {expected}"
            )));
        }
        self.check_shares()?;
        Ok(end)
    }

    /// Proves that the shares of a queue group are the whole: as many messages as were sent, each
    /// member's in rising order, and all sequence numbers adding up to what was sent.
    fn check_shares(&self) -> Result<()> {
        if self
            .subscribers
            .iter()
            .all(|endpoint| endpoint.checker.order() == Order::Complete)
        {
            return Ok(());
        }
        let publishers = self.publishers.max(1);
        let each = self.total / publishers;
        let wanted = publishers.wrapping_mul(each.wrapping_mul(each.saturating_sub(1)) / 2);
        let sums = self
            .subscribers
            .iter()
            .map(|endpoint| endpoint.checker.sum());
        if sums.fold(0u64, u64::wrapping_add) != wanted {
            return Err(Failure::new(
                "a queue group got some messages twice and others never",
            ));
        }
        Ok(())
    }

    fn read_until(
        &mut self,
        flow: &Flow,
        before: u64,
        late: impl Fn(&Self) -> Failure,
        done: impl Fn(&Self) -> bool,
    ) -> Result<()> {
        let mut events = Vec::with_capacity(128);
        let mut last_progress = Instant::now();
        while !done(self) {
            let read = match &self.epoll {
                None => self.read_one(0)?,
                Some(epoll) => {
                    events.clear();
                    wait(epoll, &mut events)?;
                    let mut read = 0;
                    for event in &events {
                        read += self.read_one(event.data.u64() as usize)?;
                    }
                    read
                }
            };
            if read > 0 {
                flow.received(self.total - before);
                last_progress = Instant::now();
                continue;
            }
            flow.check()?;
            if last_progress.elapsed() > STALL {
                return Err(late(self));
            }
        }
        Ok(())
    }

    /// Reads once from one connection. Returns the bytes read, 0 if there is nothing now.
    fn read_one(&mut self, index: usize) -> Result<usize> {
        let Some(endpoint) = self.subscribers.get_mut(index) else {
            return Ok(0);
        };
        let kept = endpoint.rest.len();
        self.buffer[..kept].copy_from_slice(&endpoint.rest);
        let read = match endpoint.conn.read(&mut self.buffer[kept..]) {
            Ok(0) => return Err(Failure::new("the server closed a subscriber's connection")),
            Ok(read) => read,
            Err(error) if not_now(&error) => return Ok(0),
            Err(error) => return Err(error).context("reading messages"),
        };
        let bytes = &self.buffer[..kept + read];
        let counted = endpoint.checker.count();
        let taken = endpoint.checker.feed(bytes)?;
        self.total += endpoint.checker.count() - counted;
        endpoint.rest.clear();
        endpoint.rest.extend_from_slice(&bytes[taken..]);
        for _ in 0..endpoint.checker.take_pings() {
            endpoint
                .conn
                .write_all(b"PONG\r\n")
                .context("answering PING")?;
        }
        Ok(read)
    }
}

fn watch(endpoints: &[Endpoint]) -> Result<OwnedFd> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
    for (index, endpoint) in endpoints.iter().enumerate() {
        endpoint.conn.nonblocking(true)?;
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&epoll, endpoint.conn.as_fd(), data, epoll::EventFlags::IN).context("epoll")?;
    }
    Ok(epoll)
}

/// Waits a moment for events on `epoll`; `events` must be empty and have room.
pub(crate) fn wait(epoll: &OwnedFd, events: &mut Vec<epoll::Event>) -> Result<()> {
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: LOOK.as_nanos() as i64,
    };
    match epoll::wait(
        epoll,
        rustix::buffer::spare_capacity(events),
        Some(&timeout),
    ) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error).context("epoll"),
    }
}

//! Many connections: memory of idle ones, and one message to all of them.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll;

use super::{Settings, per_million};
use crate::check::{Checker, Order};
use crate::conn::{Conn, not_now};
use crate::failure::{Context, Failure, Result};
use crate::flow::STALL;
use crate::frame::{Batch, Publication, Shape, Sid, Subject};
use crate::load::wait;
use crate::server::Server;
use crate::stats::median;

const CONNECTIONS: u64 = 5_000;
/// Connections made before memory is first read, so that what a server sets up once is not
/// counted as a cost of each.
const BASELINE: usize = 100;
/// Broadcasts measured in one run.
const SAMPLES: u64 = 40;
/// How long they are waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Resident memory per idle connection in KiB.
pub(super) fn run_idle(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let count = settings.count(CONNECTIONS) as usize;
    let mut open = connect(server, BASELINE)?;
    let before = server.memory()?.resident_kib;
    open.extend(connect(server, count)?);
    let grown = server.memory()?.resident_kib.saturating_sub(before);
    drop(open);
    Ok(vec![grown as f64 / count as f64])
}

fn connect(server: &Server, count: usize) -> Result<Vec<Conn>> {
    (0..count).map(|_| Conn::open(server.target())).collect()
}

/// Median time in ms from a publish to the arrival at the last of all connections, then server CPU
/// seconds per million deliveries.
pub(super) fn run_broadcast(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let subject = Subject::Fixed("bench".to_owned());
    let what = Publication {
        subject,
        payload: 128,
        header: false,
    };
    let shape = Shape::new(&what, Sid::One)?;
    let mut audience = Audience::new(server, settings.count(CONNECTIONS) as usize, &shape)?;
    let mut publisher = Conn::open(server.target())?;
    let mut batch = Batch::new(&what, 0, 1)?;
    let mut times = Vec::new();
    let cpu = server.cpu()?;
    let (begun, mut rounds) = (Instant::now(), 0);
    // Servers PING each connection some time after it was made: those rounds are not counted.
    while times.len() < settings.count(SAMPLES) as usize && begun.elapsed() < PATIENCE {
        rounds += 1;
        let start = Instant::now();
        publisher.write_all(batch.fill(1)).context("publishing")?;
        let arrived = audience.wait_for_all()?;
        // The first two warm up.
        if audience.drain(rounds)? && rounds > 2 {
            times.push((arrived - start).as_secs_f64() * 1e3);
        }
        publisher.confirm()?;
    }
    let cpu = server.cpu()?.since(&cpu);
    let deliveries = rounds * audience.members.len() as u64;
    audience.confirm()?;
    let middle = median(&times);
    let middle = middle.ok_or_else(|| Failure::new("every broadcast was disturbed by PINGs"))?;
    Ok(vec![middle, per_million(cpu, deliveries)])
}

/// Subscribed connections, watched with edge-triggered epoll: an arrival is noticed without
/// reading it, which keeps the generator out of the measured time. The bytes are read and
/// verified afterwards.
struct Audience {
    members: Vec<(Conn, Checker, Vec<u8>)>,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    /// The round in which each member was last seen readable, to count each once.
    seen: Vec<u64>,
    round: u64,
}

impl Audience {
    fn new(server: &Server, count: usize, shape: &Shape) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
        let mut members = Vec::with_capacity(count);
        for index in 0..count {
            let mut conn = Conn::open(server.target())?;
            conn.write_all(b"SUB bench 1\r\n").context("subscribing")?;
            conn.confirm()?;
            conn.nonblocking(true)?;
            let data = epoll::EventData::new_u64(index as u64);
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&epoll, conn.as_fd(), data, flags).context("epoll")?;
            members.push((
                conn,
                Checker::new(shape.clone(), Order::Complete, 1),
                Vec::new(),
            ));
        }
        let events = Vec::with_capacity(1024);
        Ok(Self {
            members,
            epoll,
            events,
            seen: vec![0; count],
            round: 0,
        })
    }

    /// When the last member had something to read.
    fn wait_for_all(&mut self) -> Result<Instant> {
        self.round += 1;
        let start = Instant::now();
        let mut left = self.members.len();
        while left > 0 {
            self.events.clear();
            wait(&self.epoll, &mut self.events)?;
            for event in &self.events {
                if let Some(seen) = self.seen.get_mut(event.data.u64() as usize)
                    && *seen != self.round
                {
                    *seen = self.round;
                    left -= 1;
                }
            }
            if left > 0 && start.elapsed() > STALL {
                return Err(Failure::new(format!(
                    "{left} connections got nothing for {STALL:?}"
                )));
            }
        }
        Ok(Instant::now())
    }

    /// Reads and verifies what has arrived: `expected` messages in all for each member. Returns
    /// whether the round was clean; a PING of the server may have passed for a message.
    fn drain(&mut self, expected: u64) -> Result<bool> {
        let mut clean = true;
        let start = Instant::now();
        let mut buffer = vec![0; 64 * 1024];
        for (conn, checker, rest) in &mut self.members {
            while read_available(conn, checker, rest, &mut buffer)? || checker.count() < expected {
                if checker.count() < expected && start.elapsed() > STALL {
                    return Err(Failure::new("a connection did not get the broadcast"));
                }
            }
            if checker.count() > expected {
                return Err(Failure::new("a connection got a broadcast twice"));
            }
            for _ in 0..checker.take_pings() {
                conn.write_all(b"PONG\r\n").context("answering PING")?;
                clean = false;
            }
        }
        Ok(clean)
    }

    /// Proves that nothing else was on its way.
    fn confirm(&mut self) -> Result<()> {
        for (conn, _, _) in &mut self.members {
            conn.nonblocking(false)?;
            conn.confirm()?;
        }
        Ok(())
    }
}

/// Reads once without waiting. Returns whether there was something.
fn read_available(
    conn: &mut Conn,
    checker: &mut Checker,
    rest: &mut Vec<u8>,
    buffer: &mut [u8],
) -> Result<bool> {
    match conn.read(buffer) {
        Ok(0) => Err(Failure::new("the server closed a subscriber's connection")),
        Ok(read) => {
            rest.extend_from_slice(&buffer[..read]);
            let taken = checker.feed(rest)?;
            rest.drain(..taken);
            Ok(true)
        }
        Err(error) if not_now(&error) => Ok(false),
        Err(error) => Err(error).context("reading messages"),
    }
}

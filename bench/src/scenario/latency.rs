//! Open loop: messages on a fixed schedule, each measured from when it was due.
//!
//! The publisher sends what is due and sleeps until the next message is; it never waits for
//! deliveries, so a pause of the server (or of the machine) shows in full in the latencies of all
//! messages that were due meanwhile. Absent: flow control; at this rate a backlog of `max_pending`
//! would take eight seconds to build up.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use super::Settings;
use crate::check::{Checker, Order};
use crate::conn::Conn;
use crate::failure::{Context, Failure, Result};
use crate::frame::{Batch, Publication, Shape, Sid, Subject};
use crate::histogram::Histogram;
use crate::server::Server;

const RATE: u64 = 50_000;
const INTERVAL_NANOS: u64 = 1_000_000_000 / RATE;
/// Length of the schedule, of which the first tenth is warm-up.
const SECONDS: u64 = 6;
const MAX_BURST: usize = 512;

/// p50, p99 and p99.9 in µs.
pub(super) fn run(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let subject = Subject::Fixed("bench".to_owned());
    let what = Publication {
        subject,
        payload: 128,
        header: false,
    };
    let mut subscriber = Conn::open(server.target())?;
    subscriber
        .write_all(b"SUB bench 1\r\n")
        .context("subscribing")?;
    subscriber.confirm()?;
    let mut publisher = Conn::open(server.target())?;
    let stride = Batch::new(&what, 0, 1)?.fill(1).len();
    let mut batch = Batch::new(&what, 0, stride * MAX_BURST)?;
    let checker = Checker::new(Shape::new(&what, Sid::One)?, Order::Complete, 1);
    let messages = settings.count(SECONDS * RATE);
    let closer = subscriber.closer()?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let receiving = scope.spawn(move || receive(&mut subscriber, checker, messages, start));
        let published = publish(&mut publisher, &mut batch, messages, start);
        if published.is_err() {
            drop(closer);
        }
        let received = receiving
            .join()
            .unwrap_or_else(|_| Err(Failure::new("a panic")));
        published?;
        let histogram = received?;
        let micros = |percent| {
            let nanos = histogram.percentile(percent);
            nanos
                .map(|nanos| nanos as f64 / 1e3)
                .ok_or_else(|| Failure::new("nothing measured"))
        };
        Ok(vec![micros(50.0)?, micros(99.0)?, micros(99.9)?])
    })
}

fn publish(conn: &mut Conn, batch: &mut Batch, messages: u64, start: Instant) -> Result<()> {
    // The default slack of 50 µs would be two and a half messages late.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).context("timer slack")?;
    let mut sent = 0;
    while sent < messages {
        let now = start.elapsed().as_nanos() as u64;
        let due = (now / INTERVAL_NANOS + 1).min(messages);
        if due <= sent {
            std::thread::sleep(Duration::from_nanos(
                (sent * INTERVAL_NANOS).saturating_sub(now),
            ));
            continue;
        }
        let frames = ((due - sent) as usize).min(batch.capacity());
        let bytes = batch.fill_stamped(frames, |index| (sent + index) * INTERVAL_NANOS);
        conn.write_all(bytes).context("publishing")?;
        sent += frames as u64;
    }
    conn.confirm().context("after the last publish")
}

fn receive(
    conn: &mut Conn,
    mut checker: Checker,
    messages: u64,
    start: Instant,
) -> Result<Histogram> {
    let mut histogram = Histogram::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut kept = 0;
    let warm_up = messages / 10 * INTERVAL_NANOS;
    while checker.count() < messages {
        let read = conn.read(&mut buffer[kept..]).context("reading messages")?;
        if read == 0 {
            return Err(Failure::new("the subscriber's connection was closed"));
        }
        let now = start.elapsed().as_nanos() as u64;
        let end = kept + read;
        let taken = checker.feed_with(&buffer[..end], |shape, frame| {
            if let Some(scheduled) = shape.stamp(frame).filter(|at| *at >= warm_up) {
                histogram.record(now.saturating_sub(scheduled));
            }
        })?;
        buffer.copy_within(taken..end, 0);
        kept = end - taken;
        for _ in 0..checker.take_pings() {
            conn.write_all(b"PONG\r\n").context("answering PING")?;
        }
    }
    // Anything but a PONG here would be a message too many.
    conn.confirm()?;
    Ok(histogram)
}

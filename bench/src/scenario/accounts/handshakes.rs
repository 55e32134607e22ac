//! Full TLS handshakes, one after the other, and how a connection beside them fares.
//!
//! Sessions are not resumed. A handshake counts with everything else that it takes to connect: TCP,
//! INFO, CONNECT, one PING, closing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::conn::{Conn, Target};
use crate::failure::{Failure, Result};
use crate::histogram::Histogram;
use crate::scenario::Settings;
use crate::server::Server;

const HANDSHAKES: u64 = 6_000;
/// Between two PINGs of the connection beside.
const PAUSE: Duration = Duration::from_millis(1);

/// Server CPU of each handshake in µs, handshakes per second, p50 and p99 of PINGs beside them in µs.
pub(super) fn run(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let target = without_resumption(server.target())?;
    let mut beside = Conn::open(&target)?;
    let count = settings.count(HANDSHAKES);
    connect(&target, count / 10)?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pinging = scope.spawn(|| ping(&mut beside, &done));
        let (cpu, start) = (server.cpu()?, Instant::now());
        let connected = connect(&target, count);
        let wall = start.elapsed().as_secs_f64();
        let cpu = server.cpu()?.since(&cpu);
        done.store(true, Relaxed);
        let pings = pinging
            .join()
            .unwrap_or_else(|_| Err(Failure::new("a panic")))?;
        connected?;
        let micros = |percent| match pings.percentile(percent) {
            Some(nanos) => Ok(nanos as f64 / 1e3),
            None => Err(Failure::new("nothing was measured")),
        };
        Ok(vec![
            cpu * 1e6 / count as f64,
            count as f64 / wall,
            micros(50.0)?,
            micros(99.0)?,
        ])
    })
}

fn connect(target: &Target, count: u64) -> Result<()> {
    (0..count).try_for_each(|_| Conn::open(target).map(drop))
}

fn ping(conn: &mut Conn, done: &AtomicBool) -> Result<Histogram> {
    let mut histogram = Histogram::new();
    while !done.load(Relaxed) {
        let start = Instant::now();
        conn.confirm()?;
        histogram.record(start.elapsed().as_nanos() as u64);
        std::thread::sleep(PAUSE);
    }
    Ok(histogram)
}

fn without_resumption(target: &Target) -> Result<Target> {
    let config = target.tls.as_ref();
    let config = config.ok_or_else(|| Failure::new("the server has no TLS"))?;
    let mut config = rustls::ClientConfig::clone(config);
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Target {
        tls: Some(Arc::new(config)),
        ..target.clone()
    })
}

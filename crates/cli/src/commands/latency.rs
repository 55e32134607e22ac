//! `nats latency`: how long a message takes from one server to another, at a steady rate.
//!
//! A publisher on `--server` and a subscriber on `--server-b`, each with its own thread; a message
//! carries the time it was due, so that a publisher that falls behind is counted as latency and not
//! left out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::app::App;
use crate::commands::shared::template;
use crate::connect::raw::{Frame, Raw};
use crate::error::{Context, Error, Result};
use crate::note;
use crate::output::histogram::Histogram;
use crate::output::{duration, number};

/// How long the last messages may take, and interest between servers.
const PATIENCE: Duration = Duration::from_secs(10);

const PERCENTILES: [f64; 9] = [10.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0];

/// Perform latency tests between two NATS servers
#[derive(clap::Args)]
pub(crate) struct LatencyArgs {
    /// The second server to subscribe on
    #[arg(long)]
    server_b: Option<String>,

    /// Message size
    #[arg(long, default_value_t = 8)]
    size: usize,

    /// Rate of messages per second
    #[arg(long, default_value_t = 1000)]
    rate: u32,

    /// Test duration
    #[arg(long, default_value = "5s", value_parser = duration::arg)]
    duration: Duration,

    /// Output file to store the histogram in
    #[arg(long)]
    histogram: Option<PathBuf>,
}

impl LatencyArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        if self.size < 8 || self.size > 64 << 20 {
            return Err(Error::new(
                "--size must be at least 8: a message carries its time",
            ));
        }
        if self.rate == 0 || self.duration.is_zero() {
            return Err(Error::new("--rate and --duration must be greater than 0"));
        }
        let mut publisher = Raw::connect(app.settings()?).context("first connection")?;
        let mut second = app.settings()?.clone();
        if let Some(server) = &self.server_b {
            second.context.url.clone_from(server);
        }
        let mut subscriber = Raw::connect(&second).context("second connection")?;
        note!("==============================");
        note!(
            "Pub Server RTT : {}",
            duration::human(publisher.round_trip()?)
        );
        note!(
            "Sub Server RTT : {}",
            duration::human(subscriber.round_trip()?)
        );
        let subject = format!("_INBOX.{}", template::id());
        subscriber.subscribe(&subject, "", 1);
        subscriber.round_trip()?;
        self.wait_for_route(&subject, &mut publisher, &mut subscriber)?;
        let per_second = u64::from(self.rate) * self.size as u64;
        note!("Message Payload: {}", number::bytes(self.size as u64));
        note!("Target Duration: {}", duration::human(self.duration));
        note!("Target Msgs/Sec: {}", self.rate);
        note!("Target Band/Sec: {}", number::bytes(per_second * 2));
        note!("==============================");
        let count = (self.duration.as_secs_f64() * f64::from(self.rate))
            .ceil()
            .max(1.0) as u64;
        let started = Instant::now();
        let (published, latencies) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| self.publish(&subject, &mut publisher, started, count));
            let latencies = receive(&mut subscriber, started, count);
            let published = sender
                .join()
                .unwrap_or_else(|_| Err(Error::new("the publisher ended unexpectedly")));
            Ok::<_, Error>((published?, latencies?))
        })?;
        self.report(&latencies, count, published);
        match &self.histogram {
            Some(path) => write_distribution(path, &latencies),
            None => Ok(()),
        }
    }

    /// Publishes until the other server has passed a message on; both may be one.
    fn wait_for_route(
        &self,
        subject: &str,
        publisher: &mut Raw,
        subscriber: &mut Raw,
    ) -> Result<()> {
        let started = Instant::now();
        subscriber.set_timeout(Some(Duration::from_millis(50)))?;
        let mut sent = 0_u64;
        loop {
            publisher.publish(subject.as_bytes(), b"", b"", &[0; 8])?;
            publisher.round_trip()?;
            sent += 1;
            if let Some(Frame::Message(_)) = subscriber.next()? {
                break;
            }
            if started.elapsed() > PATIENCE {
                return Err(Error::new(
                    "no message arrives at the second server: is it connected to the first?",
                ));
            }
        }
        // Earlier ones may still come; they must not be counted.
        while sent > 1 && subscriber.next()?.is_some() {
            sent -= 1;
        }
        Ok(())
    }

    fn publish(
        &self,
        subject: &str,
        raw: &mut Raw,
        started: Instant,
        count: u64,
    ) -> Result<Duration> {
        let mut body = vec![0_u8; self.size];
        for at in 0..count {
            let due = Duration::from_secs_f64(at as f64 / f64::from(self.rate));
            let now = started.elapsed();
            if due > now {
                std::thread::sleep(due - now);
            }
            let stamp = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if let Some(start) = body.get_mut(..8) {
                start.copy_from_slice(&stamp.to_le_bytes());
            }
            raw.publish(subject.as_bytes(), b"", b"", &body)?;
            raw.flush()?;
        }
        let elapsed = started.elapsed();
        raw.round_trip()?;
        Ok(elapsed)
    }

    fn report(&self, latencies: &Histogram, count: u64, published: Duration) {
        let shown = |nanos: u64| duration::human(Duration::from_nanos(nanos));
        note!("HDR Percentiles:");
        for percent in PERCENTILES {
            note!(
                "{:<10}{}",
                format!("{percent}:"),
                shown(latencies.percentile(percent))
            );
        }
        note!("==============================");
        let rate = count as f64 / published.as_secs_f64().max(1e-9);
        note!("Actual Msgs/Sec: {}", number::grouped(rate as i128));
        note!(
            "Actual Band/Sec: {}",
            number::bytes((rate * self.size as f64 * 2.0) as u64)
        );
        note!("Minimum Latency: {}", shown(latencies.min()));
        note!("Median Latency : {}", shown(latencies.percentile(50.0)));
        note!("Maximum Latency: {}", shown(latencies.max()));
        note!("Last Sent Wall Time: {}", duration::human(published));
    }
}

fn receive(raw: &mut Raw, started: Instant, count: u64) -> Result<Histogram> {
    let mut latencies = Histogram::default();
    raw.set_timeout(Some(PATIENCE))?;
    while latencies.count() < count {
        match raw.next()? {
            Some(Frame::Message(message)) => {
                let now = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
                let stamp = message
                    .body
                    .first_chunk()
                    .map_or(now, |bytes| u64::from_le_bytes(*bytes));
                latencies.record(now.saturating_sub(stamp));
            }
            Some(Frame::Pong) => {}
            None => {
                let missing = number::grouped(count - latencies.count());
                return Err(Error::new(format!("{missing} messages did not arrive")));
            }
        }
    }
    Ok(latencies)
}

/// Value, percentile, count: the columns that HDR plotting tools read, in milliseconds.
fn write_distribution(path: &Path, latencies: &Histogram) -> Result<()> {
    let mut out = b"Value Percentile TotalCount 1/(1-Percentile)\n\n".to_vec();
    for percent in PERCENTILES {
        let share = percent / 100.0;
        let millis = latencies.percentile(percent) as f64 / 1e6;
        let count = (latencies.count() as f64 * share).round();
        let inverse = if share < 1.0 {
            format!("{:.2}", 1.0 / (1.0 - share))
        } else {
            "inf".to_owned()
        };
        writeln!(out, "{millis:.6} {share:.7} {count:.0} {inverse}")?;
    }
    std::fs::write(path, out).context(path.display())
}

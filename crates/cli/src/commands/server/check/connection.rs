//! `nats server check connection`: connecting, and a message to oneself.

use std::time::{Duration, Instant};

use futures_util::StreamExt;

use super::Verdict;
use super::outcome::{Measure, Outcome};
use crate::app::App;
use crate::commands::shared::random;
use crate::connect::{self, raw::Raw};
use crate::error::{Context, Result};
use crate::output::duration;

/// Checks basic server connection
#[derive(clap::Args)]
pub(super) struct ConnectionCheck {
    /// Warning threshold to allow for establishing connections
    #[arg(long, default_value = "500ms", value_parser = duration::arg)]
    connect_warn: Duration,

    /// Critical threshold to allow for establishing connections
    #[arg(long, default_value = "1s", value_parser = duration::arg)]
    connect_critical: Duration,

    /// Warning threshold to allow for server RTT
    #[arg(long, default_value = "500ms", value_parser = duration::arg)]
    rtt_warn: Duration,

    /// Critical threshold to allow for server RTT
    #[arg(long, default_value = "1s", value_parser = duration::arg)]
    rtt_critical: Duration,

    /// Warning threshold to allow for full round trip test
    #[arg(long, default_value = "500ms", value_parser = duration::arg)]
    req_warn: Duration,

    /// Critical threshold to allow for full round trip test
    #[arg(long, default_value = "1s", value_parser = duration::arg)]
    req_critical: Duration,
}

impl ConnectionCheck {
    pub(super) async fn run(&self, app: &App) -> Outcome {
        let mut outcome = Outcome::new("connections", "Connection");
        let began = Instant::now();
        let connected = app.connect().await;
        let Some(client) = outcome.or_critical(connected, "connection failed") else {
            return outcome;
        };
        let url = app.settings().map_or_else(
            |_| String::new(),
            |settings| {
                let servers = settings.servers();
                servers
                    .first()
                    .map_or(String::new(), |url| connect::redact(url))
            },
        );
        let taken = began.elapsed();
        note(
            &mut outcome,
            Measure::new(
                "connect_time",
                taken.as_secs_f64(),
                "Time taken to connect to NATS",
            ),
            (self.connect_warn, self.connect_critical),
            &format!("connected to {url} in {}", duration::human(taken)),
            &format!("connected to {url}, connect time exceeded"),
        );
        let Some(rtt) = outcome.or_critical(round_trip(app), "rtt failed") else {
            return outcome;
        };
        note(
            &mut outcome,
            Measure::new(
                "rtt",
                rtt.as_secs_f64(),
                "The round-trip-time of the connection",
            ),
            (self.rtt_warn, self.rtt_critical),
            &format!("rtt time {}", duration::human(rtt)),
            "rtt time exceeded",
        );
        let began = Instant::now();
        let received = message_to_oneself(app, &client).await;
        if outcome
            .or_critical(received, "did not receive a message to oneself")
            .is_none()
        {
            return outcome;
        }
        let taken = began.elapsed();
        let text = format!("round trip took {:.6}s", taken.as_secs_f64());
        note(
            &mut outcome,
            Measure::new(
                "request_time",
                taken.as_secs_f64(),
                "Time taken for a full Request-Reply operation",
            ),
            (self.req_warn, self.req_critical),
            &text,
            &text,
        );
        outcome
    }
}

/// A PING and its PONG, after one that is not counted, on a connection of its own.
fn round_trip(app: &App) -> Result<Duration> {
    let mut connection = Raw::connect(app.settings()?)?;
    connection.round_trip()?;
    connection.round_trip()
}

fn note(
    outcome: &mut Outcome,
    measure: Measure,
    (warning, critical): (Duration, Duration),
    good: &str,
    bad: &str,
) {
    let is_over = |limit: Duration| !limit.is_zero() && measure.value >= limit.as_secs_f64();
    let verdict = match (is_over(critical), is_over(warning)) {
        (true, _) => Verdict::Critical,
        (false, true) => Verdict::Warning,
        (false, false) => Verdict::Ok,
    };
    outcome.measured(
        measure
            .in_unit("s")
            .within(warning.as_secs_f64(), critical.as_secs_f64()),
    );
    match verdict {
        Verdict::Ok => outcome.ok(good),
        Verdict::Warning if bad != good => {
            outcome.warning(format!("{bad} {}", duration::human(warning)));
        }
        Verdict::Critical if bad != good => {
            outcome.critical(format!("{bad} {}", duration::human(critical)));
        }
        verdict => verdict.note(outcome, bad.to_owned()),
    }
}

async fn message_to_oneself(app: &App, client: &async_nats::Client) -> Result<()> {
    let inbox = client.new_inbox();
    let mut subscription = client.subscribe(inbox.clone()).await?;
    let body = random::password(100)?;
    client.publish(inbox, body.clone().into()).await?;
    let received = tokio::time::timeout(app.timeout()?, subscription.next())
        .await
        .context("nothing came in time")?
        .context("the connection ended")?;
    match received.payload == body.as_bytes() {
        true => Ok(()),
        false => Err(crate::error::Error::new("did not receive expected message")),
    }
}

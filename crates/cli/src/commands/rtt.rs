//! `nats rtt`: round-trip times to every server that is configured.

use std::time::Duration;

use serde::Serialize;

use crate::app::App;
use crate::connect::raw::Raw;
use crate::connect::{self, Settings};
use crate::error::Result;
use crate::output::{duration, json};
use crate::say;

/// Compute round-trip time to NATS server
#[derive(clap::Args)]
pub(crate) struct RttArgs {
    /// How many round trips to do when testing
    #[arg(default_value_t = 1)]
    iterations: u32,

    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

#[derive(Serialize)]
struct Target {
    url: String,
    results: Vec<Measured>,
}

#[derive(Serialize)]
struct Measured {
    time: String,
    address: String,
    rtt: u64,
    url: String,
}

impl RttArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let mut targets = Vec::new();
        for url in app.settings()?.servers() {
            let mut settings: Settings = app.settings()?.clone();
            settings.context.url.clone_from(&url);
            let result = self.measure(&settings, &url)?;
            targets.push(Target {
                url,
                results: vec![result],
            });
        }
        if self.json {
            return json::print(&targets);
        }
        for target in &targets {
            say!("{}:\n", connect::redact(&target.url));
            for result in &target.results {
                say!(
                    "   {}: {}",
                    result.address,
                    duration::human(Duration::from_nanos(result.rtt))
                );
            }
            say!();
        }
        Ok(())
    }

    /// The mean of some round trips, after one that is not counted.
    fn measure(&self, settings: &Settings, url: &str) -> Result<Measured> {
        let mut connection = Raw::connect(settings)?;
        connection.round_trip()?;
        let rounds = self.iterations.max(1);
        let mut total = Duration::ZERO;
        for _ in 0..rounds {
            total += connection.round_trip()?;
        }
        Ok(Measured {
            time: jiff::Timestamp::now().to_string(),
            address: connect::redact(url),
            rtt: u64::try_from((total / rounds).as_nanos()).unwrap_or(u64::MAX),
            url: connect::redact(url),
        })
    }
}

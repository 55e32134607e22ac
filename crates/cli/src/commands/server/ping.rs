//! `nats server ping`: how long every server takes to answer.

use std::time::Duration;

use serde_json::json;

use super::sys::System;
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::{chart, duration};
use crate::say;

/// Milliseconds that share a bar of `--graph`.
const BUCKET_MS: f64 = 25.0;

/// Bars of `--graph`, at most.
const MAX_BUCKETS: usize = 40;

/// Ping all servers
#[derive(clap::Args)]
pub(crate) struct PingArgs {
    /// How many servers to expect
    expect: Option<usize>,

    /// Produce a response distribution graph
    #[arg(long)]
    graph: bool,

    /// Include the Server ID in the output
    #[arg(long)]
    id: bool,
}

impl PingArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let system = System::connect(app).await?;
        let mut expect = self.expect.unwrap_or_default();
        let mut times: Vec<Duration> = Vec::new();
        system
            .ask_each("$SYS.REQ.SERVER.PING", &json!({}), |answer| {
                let known = answer.document.count("statsz.active_servers");
                if expect == 0 && times.is_empty() {
                    expect = usize::try_from(known).unwrap_or_default();
                }
                let (name, rtt) = (answer.server().text("name"), duration::human(answer.after));
                match self.id {
                    true => say!("{} {name:<60} rtt={rtt}", answer.server().text("id")),
                    false => say!("{name:<60} rtt={rtt}"),
                }
                times.push(answer.after);
                expect
            })
            .await?;
        self.summary(&times);
        if expect > times.len() {
            say!("\nMissing {} server(s)", expect - times.len());
        }
        Ok(())
    }

    fn summary(&self, times: &[Duration]) {
        say!("\n---- ping statistics ----");
        let ms: Vec<f64> = times.iter().map(|t| t.as_secs_f64() * 1e3).collect();
        if ms.is_empty() {
            say!("no responses received");
            return;
        }
        say!(
            "{} replies max: {:.2} min: {:.2} avg: {:.2}",
            ms.len(),
            ms.iter().copied().fold(0.0, f64::max),
            ms.iter().copied().fold(f64::INFINITY, f64::min),
            ms.iter().sum::<f64>() / ms.len() as f64
        );
        if self.graph {
            say!("\nResponses per 25ms\n");
            crate::output::show(&chart::bars(&buckets(&ms), 40));
        }
    }
}

fn buckets(ms: &[f64]) -> Vec<(String, f64, String)> {
    let bucket = |value: f64| ((value / BUCKET_MS) as usize).min(MAX_BUCKETS - 1);
    let last = ms.iter().map(|value| bucket(*value)).max().unwrap_or(0);
    (0..=last)
        .map(|at| {
            let count = ms.iter().filter(|value| bucket(**value) == at).count();
            let label = format!("{}ms", at * BUCKET_MS as usize);
            (label, count as f64, count.to_string())
        })
        .collect()
}

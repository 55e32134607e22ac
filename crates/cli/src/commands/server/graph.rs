//! `nats server graph`: what a server uses and does, drawn every second.

use serde_json::Value;

use super::info;
use super::sys::System;
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::commands::shared::live::{self, Series};
use crate::error::{Error, Result};

/// A value per series, out of a server's variables.
type Sample = fn(&Value) -> Vec<f64>;

const MIB: f64 = 1024.0 * 1024.0;

/// Show graphs for a single server
#[derive(clap::Args)]
pub(crate) struct GraphArgs {
    /// Server ID or Name to inspect
    #[arg(value_name = "SERVER")]
    name: String,

    /// Draw JetStream statistics
    #[arg(short, long)]
    jetstream: bool,
}

impl GraphArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        live::check_terminal()?;
        let system = System::connect(app).await?;
        let first = info::variables(&system, &self.name).await?;
        if self.jetstream && !first.data().at("jetstream.stats").is_object() {
            return Err(Error::new(format!(
                "server {} runs no JetStream",
                self.name
            )));
        }
        let (title, series, sample): (&str, Vec<Series>, Sample) = match self.jetstream {
            true => ("JetStream Statistics", jetstream_series(), jetstream),
            false => ("Statistics", server_series(), server),
        };
        let title = format!("{title} for {}", self.name);
        live::graph(&title, series, async || {
            let answer = info::variables(&system, &self.name).await?;
            Ok(sample(answer.data()))
        })
        .await
    }
}

fn server_series() -> Vec<Series> {
    vec![
        Series::level("CPU % Used (of all cores)"),
        Series::level("Memory Used in MiB"),
        Series::level("Connections"),
        Series::level("Subscriptions"),
        Series::rate("Messages In+Out / second"),
        Series::rate("KiB In+Out / second"),
    ]
}

fn server(doc: &Value) -> Vec<f64> {
    vec![
        cpu(doc),
        doc.float("mem") / MIB,
        doc.float("connections"),
        doc.float("subscriptions"),
        doc.float("in_msgs") + doc.float("out_msgs"),
        (doc.float("in_bytes") + doc.float("out_bytes")) / 1024.0,
    ]
}

fn jetstream_series() -> Vec<Series> {
    vec![
        Series::level("CPU % Used (of all cores)"),
        Series::level("HA Assets"),
        Series::rate("API Requests / second"),
        Series::level("Pending API Requests"),
        Series::level("File Storage in MiB"),
        Series::level("Memory Storage in MiB"),
    ]
}

fn jetstream(doc: &Value) -> Vec<f64> {
    let of = doc.at("jetstream");
    vec![
        cpu(doc),
        of.float("stats.ha_assets"),
        of.float("stats.api.total"),
        of.float("meta.pending"),
        of.float("stats.storage") / MIB,
        of.float("stats.memory") / MIB,
    ]
}

fn cpu(doc: &Value) -> f64 {
    doc.float("cpu") / doc.float("cores").max(1.0)
}

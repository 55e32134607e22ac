//! `stream gaps`: ranges of sequences that are deleted.
//!
//! The server tells which sequences are missing, as long as they are not too many to be told at once;
//! beyond that the headers of the whole stream are read.

use std::time::Duration;

use serde_json::json;

use crate::app::App;
use crate::commands::shared::pick::{self, Choice};
use crate::error::{Error, Result};
use crate::jsm::{ConsumerConfig, Delivery, Jsm, StreamInfo};
use crate::output::progress::{Progress, Unit};
use crate::output::{duration, json, number, prompt, table::Table};
use crate::say;

/// Deleted messages that are asked for in one answer.
const MAX_TOLD: u64 = 100_000;

/// How long the next message of a whole stream is waited for.
const IDLE: Duration = Duration::from_secs(20);

#[derive(clap::Args)]
pub(super) struct GapsArgs {
    /// Stream to act on
    stream: Option<String>,
    /// Act without prompting
    #[arg(short, long)]
    force: bool,
    /// Hide the progress bar
    #[arg(long)]
    no_progress: bool,
    /// Show detected gaps in JSON format
    #[arg(short, long)]
    json: bool,
}

impl GapsArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = pick::stream(&jsm, self.stream.as_deref(), choice).await?;
        let name = &info.config.name;
        let gaps = match super::show::deleted(&info) {
            0 => Vec::new(),
            1..=MAX_TOLD => told(&jsm, name).await?,
            _ => self.read(&jsm, &info).await?,
        };
        if self.json {
            return json::print(&gaps);
        }
        if gaps.is_empty() {
            say!("No deleted messages in {name}");
            return Ok(());
        }
        let title = match gaps.len() {
            1 => format!("1 gap found in Stream {name}"),
            count => format!(
                "{} gaps found in Stream {name}",
                number::grouped(count as u64)
            ),
        };
        let mut table = Table::new(title, &["First Message", "Last Message"]);
        for (first, last) in gaps {
            table.row([number::grouped(first), number::grouped(last)]);
        }
        table.print();
        Ok(())
    }

    async fn read(&self, jsm: &Jsm, info: &StreamInfo) -> Result<Vec<(u64, u64)>> {
        let name = &info.config.name;
        let question = format!(
            "Really read the headers of all {} messages ({}) of stream {name}?",
            number::grouped(info.state.messages),
            number::bytes(info.state.bytes)
        );
        prompt::confirm_or_stop(&question, self.force)?;
        let config = ConsumerConfig {
            deliver_policy: "all".into(),
            ack_policy: "none".into(),
            replay_policy: "instant".into(),
            headers_only: true,
            mem_storage: true,
            num_replicas: 1,
            inactive_threshold: duration::nanos(Duration::from_secs(60)),
            ..ConsumerConfig::default()
        };
        let consumer = jsm.create_consumer(name, &config, "").await?;
        let wanted = !self.no_progress && !self.json;
        let mut bar = Progress::new("Reading", info.state.messages, Unit::Items, wanted);
        let mut messages = jsm.messages(&consumer, 1000).await?;
        let mut gaps = Vec::new();
        let mut next = info.state.first_seq;
        while let Some(message) = messages.next(Some(IDLE)).await? {
            let Some(delivery) = message.reply.as_deref().and_then(Delivery::of) else {
                continue;
            };
            if delivery.stream_seq > next {
                gaps.push((next, delivery.stream_seq - 1));
            }
            next = delivery.stream_seq.saturating_add(1);
            bar.add(1);
            if delivery.pending == 0 {
                bar.finish();
                // Best effort: the server removes it by itself when this fails.
                let _ = jsm.delete_consumer(name, &consumer.name).await;
                return Ok(gaps);
            }
        }
        Err(Error::new(format!("stream {name} stopped answering"))
            .hint("--timeout is not what limits this; is the stream's leader there?"))
    }
}

async fn told(jsm: &Jsm, name: &str) -> Result<Vec<(u64, u64)>> {
    let call = format!("STREAM.INFO.{name}");
    let info: StreamInfo = jsm.call(&call, &json!({ "deleted_details": true })).await?;
    Ok(ranges(&info.state.deleted))
}

fn ranges(sequences: &[u64]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for sequence in sequences {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*sequence) => *last = *sequence,
            _ => ranges.push((*sequence, *sequence)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_gap() {
        assert_eq!(ranges(&[2, 3, 4, 9, 11, 12]), [(2, 4), (9, 9), (11, 12)]);
        assert_eq!(ranges(&[]), []);
    }
}

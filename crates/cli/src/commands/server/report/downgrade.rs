//! `nats server report downgrade`: streams and consumers that a server of an older API level could not
//! run.

use serde_json::{Value, json};

use super::{Common, Report};
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::table::Table;
use crate::output::terminal;

/// Where an asset says which level it needs.
const LEVEL: &str = "_nats.req.level";

#[derive(clap::Args)]
pub(crate) struct DowngradeArgs {
    /// Target API level to check compatibility against
    api: u64,

    #[command(flatten)]
    pub(super) common: Common,

    /// Output the downgrade report in JSON format
    #[arg(short, long)]
    json: bool,

    /// Include consumers whose associated streams are incompatible with the selected API level
    #[arg(long)]
    all: bool,
}

/// What cannot be run.
#[derive(Debug, Default, PartialEq)]
struct Unfit {
    /// Account, stream and level.
    streams: Vec<(String, String, u64)>,
    /// Account, stream, consumer and level; a stream with `*` is unfit itself.
    consumers: Vec<(String, String, String, u64)>,
}

impl DowngradeArgs {
    pub(super) async fn text(&self, report: &Report<'_>) -> Result<String> {
        let body = json!({ "streams": true, "consumer": true, "config": true });
        let answers = report.documents("JSZ", body).await?;
        let unfit = self.unfit(answers.iter().map(|answer| answer.data()));
        match self.json {
            true => Ok(serde_json::to_string_pretty(&document(&unfit))? + "\n"),
            false => Ok(self.tables(&unfit)),
        }
    }

    fn unfit<'a>(&self, documents: impl Iterator<Item = &'a Value>) -> Unfit {
        let mut unfit = Unfit::default();
        for account in documents.flat_map(|document| document.list("account_details")) {
            let name = account.text("name");
            for stream in account.list("stream_detail") {
                let needed = level(stream);
                let is_unfit = needed > self.api;
                if is_unfit {
                    let stream = stream.text("name").to_owned();
                    unfit.streams.push((name.to_owned(), stream, needed));
                }
                let mark = if is_unfit && self.all { "*" } else { "" };
                let stream_name = format!("{}{mark}", stream.text("name"));
                for consumer in stream.list("consumer_detail") {
                    let needed = level(consumer);
                    if needed > self.api || !mark.is_empty() {
                        let consumer = consumer.text("name").to_owned();
                        let stream = stream_name.clone();
                        unfit
                            .consumers
                            .push((name.to_owned(), stream, consumer, needed));
                    }
                }
            }
        }
        // Each server with a replica tells of it.
        unfit.streams.sort();
        unfit.streams.dedup();
        unfit.consumers.sort();
        unfit.consumers.dedup();
        unfit
    }

    fn tables(&self, unfit: &Unfit) -> String {
        if unfit.streams.is_empty() && unfit.consumers.is_empty() {
            return "All assets are compatible with the specified API level.\n".to_owned();
        }
        let width = terminal::width();
        let mut text = String::new();
        if !unfit.streams.is_empty() {
            let mut table = Table::new("Unsupported Streams", &["Account", "Stream", "API Level"]);
            for (account, stream, level) in &unfit.streams {
                table.row([account.clone(), stream.clone(), level.to_string()]);
            }
            text.push_str(&table.render(width));
        }
        if !unfit.consumers.is_empty() {
            let header = ["Account", "Stream", "Consumer", "API Level"];
            let mut table = Table::new("Unsupported Consumers", &header);
            for (account, stream, consumer, level) in &unfit.consumers {
                let level = level.to_string();
                table.row([account.clone(), stream.clone(), consumer.clone(), level]);
            }
            text.push_str(&table.render(width));
        }
        if self.all
            && unfit
                .consumers
                .iter()
                .any(|(_, stream, ..)| stream.ends_with('*'))
        {
            text.push_str("* the stream is incompatible itself\n");
        }
        text
    }
}

fn level(asset: &Value) -> u64 {
    let metadata = asset.at("config").at("metadata");
    let level = metadata.get(LEVEL).and_then(Value::as_str);
    level.and_then(|level| level.parse().ok()).unwrap_or(0)
}

fn document(unfit: &Unfit) -> Value {
    let streams = unfit.streams.iter().map(|(account, stream, level)| {
        json!({ "account": account, "name": stream, "api_level": level })
    });
    let consumers = unfit.consumers.iter().map(|(account, stream, consumer, level)| {
        json!({ "account": account, "stream": stream, "name": consumer, "api_level": level })
    });
    json!({
        "streams": streams.collect::<Vec<_>>(),
        "consumers": consumers.collect::<Vec<_>>(),
    })
}

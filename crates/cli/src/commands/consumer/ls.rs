//! Lists of a stream's consumers: `consumer ls`, `consumer find`, `consumer report`.

use super::filter::Criteria;
use super::show::title;
use crate::app::App;
use crate::commands::shared::describe;
use crate::commands::shared::pick::{self, Choice};
use crate::error::Result;
use crate::jsm::ConsumerInfo;
use crate::output::{duration, json, number, table::Table, time};
use crate::say;

#[derive(clap::Args)]
pub(super) struct LsArgs {
    /// Stream name
    stream: Option<String>,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
    /// Show just the consumer names
    #[arg(short, long)]
    names: bool,
    /// Do not select streams from a list
    #[arg(long)]
    no_select: bool,
}

#[derive(clap::Args)]
pub(super) struct FindArgs {
    /// Stream name
    stream: Option<String>,
    #[command(flatten)]
    criteria: Criteria,
    /// Match consumers that need at least the given API level
    #[arg(long)]
    api_level: Option<u64>,
}

#[derive(clap::Args)]
pub(super) struct ReportArgs {
    /// Stream name
    stream: Option<String>,
    /// Show un-formatted numbers
    #[arg(short, long)]
    raw: bool,
    /// Show details about the leaders
    #[arg(short, long)]
    leaders: bool,
}

impl LsArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let choice = Choice {
            never: self.no_select,
            ..choice
        };
        let stream = pick::stream_name(&jsm, self.stream.as_deref(), choice).await?;
        if self.json || self.names {
            let names = jsm.consumer_names(&stream).await?;
            if self.json {
                return json::print(&names);
            }
            names.iter().for_each(|name| say!("{name}"));
            return Ok(());
        }
        let consumers = jsm.consumers(&stream).await?;
        if consumers.is_empty() {
            say!("No Consumers defined");
            return Ok(());
        }
        let headers = [
            "Name",
            "Description",
            "Created",
            "Ack Pending",
            "Unprocessed",
            "Last Delivery",
        ];
        let mut table = Table::new("Consumers", &headers);
        for info in consumers {
            let last = info.delivered.last_active.as_deref().unwrap_or_default();
            table.row([
                info.name,
                info.config.description,
                time::local_text(&info.created),
                number::grouped(info.num_ack_pending),
                number::grouped(info.num_pending),
                time::ago(last),
            ]);
        }
        table.print();
        Ok(())
    }
}

impl FindArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let stream = pick::stream_name(&jsm, self.stream.as_deref(), choice).await?;
        for info in jsm.consumers(&stream).await? {
            if self.criteria.meets(&info, self.api_level)? {
                say!("{}", info.name);
            }
        }
        Ok(())
    }
}

impl ReportArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let stream = pick::stream(&jsm, self.stream.as_deref(), choice).await?;
        let consumers = jsm.consumers(&stream.config.name).await?;
        let headers = [
            "Consumer",
            "Mode",
            "Ack Policy",
            "Ack Wait",
            "Ack Pending",
            "Redelivered",
            "Unprocessed",
            "Ack Floor",
            "API Level",
            "Cluster",
        ];
        let title = format!(
            "Consumer report for {} with {} consumers",
            stream.config.name,
            number::grouped(consumers.len() as u64)
        );
        let mut table = Table::new(title, &headers);
        let mut leaders = describe::Leaders::default();
        for info in &consumers {
            leaders.count(info.cluster.as_ref());
            table.row(self.row(info, stream.state.messages));
        }
        table.print();
        if self.leaders {
            leaders.print("Consumers");
        }
        Ok(())
    }

    fn row(&self, info: &ConsumerInfo, stored: u64) -> [String; 10] {
        let count = |value: u64| match self.raw {
            true => value.to_string(),
            false => number::grouped(value),
        };
        let config = &info.config;
        let share = info.num_pending.saturating_mul(100) / stored.max(1);
        let unprocessed = match info.num_pending {
            pending if self.raw || pending == 0 => pending.to_string(),
            pending => format!("{} / {}%", count(pending), share.min(100)),
        };
        let is_push = !config.deliver_subject.is_empty();
        [
            info.name.clone(),
            if is_push { "Push" } else { "Pull" }.to_owned(),
            title(config.ack_policy.as_str()),
            duration::human_nanos(config.ack_wait, "0s"),
            count(info.num_ack_pending),
            count(info.num_redelivered),
            unprocessed,
            count(info.ack_floor.stream_seq),
            describe::api_level(&config.metadata).to_owned(),
            describe::peers(info.cluster.as_ref()),
        ]
    }
}

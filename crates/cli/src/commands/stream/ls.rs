//! `stream ls` and `stream find`: tables and names of streams.

use super::filter::Criteria;
use crate::app::App;
use crate::commands::shared::{describe, pick};
use crate::error::{Context, Result};
use crate::jsm::StreamInfo;
use crate::output::{json, number, table::Table, time};
use crate::say;

#[derive(clap::Args)]
pub(super) struct LsArgs {
    /// Limit the list to streams with matching subjects
    #[arg(long)]
    subject: Option<String>,
    /// Show just the stream names
    #[arg(short, long)]
    names: bool,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

/// What is asked about a stream is combined with "and"; --expression asks about everything that
/// 'nats stream info --json' shows, as config, state and info: 'state.messages > 10',
/// 'info.cluster.name in ["lon", "sfo"]', '"js.in.orders_1" in config.subjects'.
#[derive(clap::Args)]
pub(super) struct FindArgs {
    #[command(flatten)]
    criteria: Criteria,
    /// Show just the stream names
    #[arg(short, long)]
    names: bool,
    /// Match streams that need at least the given API level
    #[arg(long)]
    api_level: Option<u64>,
}

impl LsArgs {
    pub(super) async fn run(self, app: &App, all: bool) -> Result<()> {
        let jsm = app.jsm().await?;
        if self.names {
            let names = jsm.stream_names(self.subject.as_deref()).await?;
            return print_names(&names, self.json);
        }
        let mut list = jsm
            .stream_list(self.subject.as_deref())
            .await
            .context("could not list streams")?;
        let before = list.streams.len();
        list.streams
            .retain(|stream| all || !pick::is_internal(&stream.config.name));
        if self.json {
            let names: Vec<_> = list.streams.into_iter().map(|s| s.config.name).collect();
            return print_names(&names, true);
        }
        if list.streams.is_empty() && list.missing.is_empty() && list.offline.is_empty() {
            match before {
                0 => say!("No Streams defined"),
                _ => say!("No Streams defined, pass -a to include system streams"),
            }
            return Ok(());
        }
        print_table(list.streams, self.subject.as_deref());
        describe::missing("Streams", &list.missing, &list.offline);
        Ok(())
    }
}

impl FindArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let jsm = app.jsm().await?;
        let found = self.criteria.find(&jsm, self.api_level).await?;
        if self.names {
            let names: Vec<_> = found.into_iter().map(|s| s.config.name).collect();
            return print_names(&names, false);
        }
        print_table(found, self.criteria.subject.as_deref());
        Ok(())
    }
}

fn print_names(names: &[String], as_json: bool) -> Result<()> {
    if as_json {
        return json::print(names);
    }
    names.iter().for_each(|name| say!("{name}"));
    Ok(())
}

/// The smallest first, so that what takes room stands at the prompt.
fn print_table(mut streams: Vec<StreamInfo>, subject: Option<&str>) {
    streams.sort_by_key(|stream| stream.state.bytes);
    let title = match subject {
        Some(subject) => format!("Streams matching {subject}"),
        None => "Streams".to_owned(),
    };
    let headers = [
        "Name",
        "Description",
        "Created",
        "Messages",
        "Size",
        "Last Message",
    ];
    let mut table = Table::new(title, &headers);
    for stream in streams {
        table.row([
            stream.config.name,
            stream.config.description,
            time::local_text(&stream.created),
            number::grouped(stream.state.messages),
            number::bytes(stream.state.bytes),
            time::ago(&stream.state.last_ts),
        ]);
    }
    table.print();
}

//! `stream report`: what streams hold, and how they are replicated from each other.

use std::path::{Path, PathBuf};

use super::show;
use crate::app::App;
use crate::commands::shared::describe;
use crate::error::{Context, Result};
use crate::jsm::{StreamConfig, StreamInfo, StreamSourceInfo};
use crate::output::{number, table::Table};
use crate::say;

#[derive(clap::Args)]
pub(super) struct ReportArgs {
    /// Limit the report to streams with matching subjects
    #[arg(long)]
    subject: Option<String>,
    /// Limit report to streams within a specific cluster
    #[arg(long)]
    cluster: Option<String>,
    /// Sort by number of consumers
    #[arg(short = 'o', long)]
    consumers: bool,
    /// Sort by number of messages
    #[arg(short, long)]
    messages: bool,
    /// Sort by stream name
    #[arg(short, long)]
    name: bool,
    /// Sort by storage type
    #[arg(short = 't', long)]
    storage: bool,
    /// Show un-formatted numbers
    #[arg(short, long)]
    raw: bool,
    /// Produce a GraphViz graph of replication topology
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
    /// Show details about cluster leaders
    #[arg(short, long)]
    leaders: bool,
}

impl ReportArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let jsm = app.jsm().await?;
        let mut list = jsm.stream_list(self.subject.as_deref()).await?;
        if let Some(cluster) = &self.cluster {
            list.streams.retain(|stream| {
                stream
                    .cluster
                    .as_ref()
                    .is_none_or(|place| place.name == *cluster)
            });
        }
        if list.streams.is_empty() && list.missing.is_empty() && list.offline.is_empty() {
            say!("No Streams defined");
            return Ok(());
        }
        self.sort(&mut list.streams);
        self.streams(&list.streams).print();
        let replication = self.replication(&list.streams);
        if !replication.is_empty() {
            say!();
            replication.print();
        }
        if let Some(path) = &self.dot {
            write_graph(path, &list.streams)?;
        }
        if self.leaders {
            let mut leaders = describe::Leaders::default();
            list.streams
                .iter()
                .for_each(|stream| leaders.count(stream.cluster.as_ref()));
            leaders.print("Streams");
        }
        describe::missing("Streams", &list.missing, &list.offline);
        Ok(())
    }

    fn sort(&self, streams: &mut [StreamInfo]) {
        match () {
            () if self.consumers => streams.sort_by_key(|s| s.state.consumer_count),
            () if self.messages => streams.sort_by_key(|s| s.state.messages),
            () if self.name => streams.sort_by(|a, b| a.config.name.cmp(&b.config.name)),
            () if self.storage => {
                streams.sort_by(|a, b| a.config.storage.as_str().cmp(b.config.storage.as_str()));
            }
            () => streams.sort_by_key(|s| s.state.bytes),
        }
    }

    fn count(&self, value: u64) -> String {
        match self.raw {
            true => value.to_string(),
            false => number::grouped(value),
        }
    }

    fn bytes(&self, value: u64) -> String {
        match self.raw {
            true => value.to_string(),
            false => number::bytes(value),
        }
    }

    fn streams(&self, streams: &[StreamInfo]) -> Table {
        let headers = [
            "Stream",
            "Storage",
            "Placement",
            "Consumers",
            "Messages",
            "Bytes",
            "Lost",
            "Deleted",
            "API Level",
            "Replicas",
        ];
        let mut table = Table::new("Stream Report", &headers);
        for stream in streams {
            let lost = match &stream.state.lost {
                Some(lost) if !lost.msgs.is_empty() => format!(
                    "{} ({})",
                    self.count(lost.msgs.len() as u64),
                    self.bytes(lost.bytes)
                ),
                _ => "0".to_owned(),
            };
            table.row([
                stream.config.name.clone(),
                stream.config.storage.title(),
                placement(&stream.config),
                self.count(stream.state.consumer_count),
                self.count(stream.state.messages),
                self.bytes(stream.state.bytes),
                lost,
                self.count(show::deleted(stream)),
                describe::api_level(&stream.config.metadata).to_owned(),
                describe::peers(stream.cluster.as_ref()),
            ]);
        }
        table
    }

    fn replication(&self, streams: &[StreamInfo]) -> Table {
        let headers = [
            "Stream",
            "Kind",
            "API Prefix",
            "Source Stream",
            "Filters and Transforms",
            "Active",
            "Lag",
            "Error",
        ];
        let mut table = Table::new("Replication Report", &headers);
        for stream in streams {
            let mirror = stream.mirror.iter().map(|mirror| ("Mirror", mirror));
            let sources = stream.sources.iter().map(|source| ("Source", source));
            for (kind, source) in mirror.chain(sources) {
                table.row(self.replicated(&stream.config.name, kind, source));
            }
        }
        table
    }

    fn replicated(&self, stream: &str, kind: &str, source: &StreamSourceInfo) -> [String; 8] {
        let transforms: Vec<String> = source
            .subject_transforms
            .iter()
            .map(|transform| format!("{} to {}", transform.src, transform.dest))
            .collect();
        let filters = match (transforms.is_empty(), source.filter_subject.as_str()) {
            (true, "") => String::new(),
            (true, filter) => format!("{filter} untransformed"),
            (false, _) => transforms.join(", "),
        };
        let prefix = source
            .external
            .as_ref()
            .map(|external| external.api.clone());
        let error = source.error.as_ref().map(|error| error.description.clone());
        [
            stream.to_owned(),
            kind.to_owned(),
            prefix.unwrap_or_default(),
            source.name.clone(),
            filters,
            show::seen(source.active),
            self.count(source.lag),
            error.unwrap_or_default(),
        ]
    }
}

fn placement(config: &StreamConfig) -> String {
    let Some(placement) = &config.placement else {
        return String::new();
    };
    let mut parts = Vec::new();
    if !placement.cluster.is_empty() {
        parts.push(format!("cluster: {}", placement.cluster));
    }
    if !placement.tags.is_empty() {
        parts.push(format!("tags: {}", placement.tags.join(", ")));
    }
    parts.join(" ")
}

/// Who replicates whom, in GraphViz's language.
fn write_graph(path: &Path, streams: &[StreamInfo]) -> Result<()> {
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut out = String::from("digraph {\n  label=\"Stream Replication Structure\";\n");
    for stream in streams {
        let config = &stream.config;
        let name = quote(&config.name);
        if let Some(mirror) = &config.mirror {
            let from = quote(&mirror.name);
            out.push_str(&format!(
                "  {from} -> {name} [color=\"blue\", label=\"Mirror\"];\n"
            ));
        }
        for source in &config.sources {
            let label = match source.subject_transforms.as_slice() {
                [transform] => format!("{} to {}", transform.src, transform.dest),
                _ => source.filter_subject.clone(),
            };
            let from = quote(&source.name);
            out.push_str(&format!(
                "  {from} -> {name} [color=\"green\", label={}];\n",
                quote(&label)
            ));
        }
    }
    out.push_str("}\n");
    std::fs::write(path, out).context(path.display())
}

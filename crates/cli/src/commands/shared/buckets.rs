//! What key-value and object buckets have in common: both are streams with a prefix to their name.

use super::describe;
use crate::app::App;
use crate::error::{Error, Result};
use crate::jsm::{Jsm, Placement, StreamConfig, StreamInfo, code};
use crate::output::columns::Columns;
use crate::output::table::Table;
use crate::output::{duration, json, number, prompt, time};
use crate::say;

/// The long word for a storage flag.
pub(crate) fn storage(flag: &str) -> &'static str {
    if flag.starts_with('m') {
        "memory"
    } else {
        "file"
    }
}

/// Adds `key:value` or `key=value` pairs.
pub(crate) fn metadata(config: &mut StreamConfig, pairs: &[String]) -> Result<()> {
    config.metadata.extend(describe::pairs(pairs)?);
    Ok(())
}

/// Sets where a bucket is to live, as far as flags say.
pub(crate) fn placement(config: &mut StreamConfig, cluster: Option<&str>, tags: &[String]) {
    if cluster.is_none() && tags.is_empty() {
        return;
    }
    let placement = config.placement.get_or_insert_with(Placement::default);
    if let Some(cluster) = cluster {
        cluster.clone_into(&mut placement.cluster);
    }
    if !tags.is_empty() {
        placement.tags = tags.to_vec();
    }
}

/// A kind of buckets: streams with a prefix to their name.
pub(crate) struct Kind {
    prefix: &'static str,
    /// The command for them.
    command: &'static str,
    /// What all of them store.
    subjects: &'static str,
    /// What a page about one of them is headed with.
    noun: &'static str,
    title: &'static str,
    none: &'static str,
    /// Whether each message is a value, so that their number says something.
    counts_values: bool,
}

/// Buckets of `nats kv`.
pub(crate) const KEY_VALUE: Kind = Kind {
    prefix: "KV_",
    command: "kv",
    subjects: "$KV.>",
    noun: "Key-Value Store",
    title: "Key-Value Buckets",
    none: "No Key-Value buckets found",
    counts_values: true,
};

/// Buckets of `nats object`.
pub(crate) const OBJECT: Kind = Kind {
    prefix: "OBJ_",
    command: "object",
    subjects: "$O.>",
    noun: "Object Store",
    title: "Object Store Buckets",
    none: "No Object Store buckets found",
    counts_values: false,
};

/// What stands before a bucket's subjects when writing into a domain or through an imported API.
pub(crate) fn put_prefix(app: &App) -> Result<String> {
    Ok(match app.settings()?.api_prefix().as_str() {
        "$JS.API" => String::new(),
        prefix => format!("{prefix}."),
    })
}

impl Kind {
    /// The stream of a bucket.
    pub(crate) async fn look_up(&self, jsm: &Jsm, bucket: &str) -> Result<StreamInfo> {
        match jsm.stream_info(&format!("{}{bucket}", self.prefix)).await {
            Err(error) if error.api_code() == Some(code::STREAM_NOT_FOUND) => {
                let command = self.command;
                Err(Error::new(format!("bucket {bucket:?} not found")).hint(format!(
                    "`nats {command} ls` shows the buckets there are, `nats {command} add` makes one."
                )))
            }
            info => info,
        }
    }

    /// The bucket a stream is; the prefix is taken off once, it may be how the bucket's name begins.
    pub(crate) fn bucket<'a>(&self, stream: &'a str) -> &'a str {
        stream.strip_prefix(self.prefix).unwrap_or(stream)
    }

    /// Prints all buckets, as a table unless asked for otherwise.
    pub(crate) async fn ls(&self, app: &App, names: bool, is_json: bool) -> Result<()> {
        let mut streams = app.jsm().await?.streams(Some(self.subjects)).await?;
        streams.retain(|info| info.config.name.starts_with(self.prefix));
        if names {
            let names = streams.iter().map(|info| self.bucket(&info.config.name));
            names.for_each(|name| say!("{name}"));
            return Ok(());
        }
        if is_json {
            return json::print(&streams);
        }
        if streams.is_empty() {
            say!("{}", self.none);
            return Ok(());
        }
        let mut header = vec!["Bucket", "Description", "Created", "Size"];
        header.extend(self.counts_values.then_some("Values"));
        header.push("Last Update");
        let mut table = Table::new(self.title, &header);
        for info in &streams {
            table.row(self.row(info));
        }
        table.print();
        Ok(())
    }

    fn row(&self, info: &StreamInfo) -> Vec<String> {
        let last = time::parse(&info.state.last_ts);
        let mut row = vec![
            self.bucket(&info.config.name).to_owned(),
            info.config.description.clone(),
            time::local_text(&info.created),
            number::bytes(info.state.bytes),
        ];
        let values = || number::grouped(info.state.messages);
        row.extend(self.counts_values.then(values));
        row.push(last.map_or_else(|| "never".to_owned(), |at| duration::human(time::since(at))));
        row
    }

    /// The beginning of a page about a bucket.
    pub(crate) fn page(&self, info: &StreamInfo) -> Columns {
        let name = self.bucket(&info.config.name);
        let created = time::local_text(&info.created);
        let mut page = Columns::new(format!(
            "Information for {} Bucket {name} created {created}",
            self.noun
        ));
        page.section("Configuration")
            .row("Bucket Name", name)
            .row_if_set("Description", &info.config.description);
        page
    }

    /// The bucket that was named, or one the user chooses.
    pub(crate) async fn pick(&self, app: &App, given: Option<String>) -> Result<String> {
        if let Some(name) = given {
            return Ok(name);
        }
        let names = app.jsm().await?.stream_names(None).await?;
        let buckets: Vec<String> = names
            .iter()
            .filter_map(|name| name.strip_prefix(self.prefix).map(str::to_owned))
            .collect();
        let flag = "the bucket's name as argument";
        let chosen = prompt::choose("Select a Bucket", &buckets, 0, flag)?;
        Ok(buckets.into_iter().nth(chosen).unwrap_or_default())
    }
}

/// Prints what users said about a bucket and where it lives, after what is its own.
pub(crate) fn print_page(mut page: Columns, info: &StreamInfo) {
    describe::metadata(&mut page, &info.config.metadata);
    cluster_rows(&mut page, info);
    page.print();
}

/// Refuses names of buckets that are not letters, digits, `-` and `_`.
pub(crate) fn check_bucket(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(good) {
        return Ok(());
    }
    Err(Error::new(format!("invalid bucket name {name:?}"))
        .hint("A bucket's name has letters, digits, - and _."))
}

/// The section about a stream's cluster.
fn cluster_rows(page: &mut Columns, info: &StreamInfo) {
    let Some(cluster) = &info.cluster else { return };
    page.section("Cluster Information")
        .row("Name", &cluster.name)
        .row("Leader", &cluster.leader);
    for peer in &cluster.replicas {
        let state = match (peer.offline, peer.current) {
            (true, _) => "offline",
            (false, true) => "current",
            (false, false) => "outdated",
        };
        let seen = duration::human_nanos(peer.active, "never");
        page.row(
            "Replica",
            format!("{}, {state}, seen {seen} ago", peer.name),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_off_once() {
        assert_eq!(KEY_VALUE.bucket("KV_KV_A"), "KV_A");
        assert_eq!(OBJECT.bucket("OBJ_A"), "A");
    }
}

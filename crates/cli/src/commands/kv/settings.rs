//! `kv add` and `kv edit`: a bucket's settings as its stream's.

use std::time::Duration;

use super::bucket::Bucket;
use super::show::print_info;
use crate::app::App;
use crate::commands::shared::buckets::{KEY_VALUE, check_bucket, metadata, placement, storage};
use crate::error::{Error, Result};
use crate::jsm::{ExternalStream, Republish, StreamConfig, StreamSource, SubjectTransform};
use crate::output::{duration, number};

/// Revisions of a key that a bucket keeps at most.
const MAX_HISTORY: i64 = 64;

/// Duplicates are looked for in at most this time.
const DUPLICATES: Duration = Duration::from_secs(120);

#[derive(clap::Args)]
pub(super) struct BucketArgs {
    /// The bucket to act on
    bucket: String,
    #[command(flatten)]
    common: CommonArgs,
    /// Creates a mirror of a different bucket
    #[arg(long)]
    mirror: Option<String>,
    /// When mirroring find the bucket in a different domain
    #[arg(long, requires = "mirror")]
    mirror_domain: Option<String>,
    /// Storage backend to use (file, memory)
    #[arg(long, value_parser = ["file", "f", "memory", "m"], default_value = "file", hide_default_value = true)]
    storage: String,
}

#[derive(clap::Args)]
pub(super) struct EditArgs {
    /// The bucket to act on
    bucket: String,
    #[command(flatten)]
    common: CommonArgs,
    /// Do not mirror any more: promotes a mirror
    #[arg(long)]
    no_mirror: bool,
}

#[derive(clap::Args)]
struct CommonArgs {
    /// A description for the bucket
    #[arg(long)]
    description: Option<String>,
    /// How many historic values to keep per key
    #[arg(long)]
    history: Option<i64>,
    /// How long to keep values for
    #[arg(long, value_parser = duration::arg)]
    ttl: Option<Duration>,
    /// Enables Per-Key TTLs and Limit Markers
    #[arg(long, value_parser = duration::arg)]
    marker_ttl: Option<Duration>,
    /// How many replicas of the data to store
    #[arg(long)]
    replicas: Option<i64>,
    /// Maximum size for any single value
    #[arg(long, value_parser = number::size_arg, allow_hyphen_values = true)]
    max_value_size: Option<i64>,
    /// Maximum size for the bucket
    #[arg(long, value_parser = number::size_arg, allow_hyphen_values = true)]
    max_bucket_size: Option<i64>,
    /// Place the bucket on servers that have specific tags
    #[arg(long)]
    tags: Vec<String>,
    /// Place the bucket on a specific cluster
    #[arg(long)]
    cluster: Option<String>,
    /// Compress the bucket data
    #[arg(long)]
    compress: bool,
    /// Do not compress the bucket data
    #[arg(long, conflicts_with = "compress")]
    no_compress: bool,
    /// Adds metadata to the bucket, as key:value
    #[arg(long, value_name = "META")]
    metadata: Vec<String>,
    /// Republish messages to --republish-destination
    #[arg(long, value_name = "SRC")]
    republish_source: Option<String>,
    /// Republish destination for messages in --republish-source
    #[arg(long, value_name = "DEST")]
    republish_destination: Option<String>,
    /// Republish only message headers, no bodies
    #[arg(long)]
    republish_headers: bool,
    /// Source from a different bucket
    #[arg(long = "source", value_name = "BUCKET")]
    sources: Vec<String>,
}

impl BucketArgs {
    pub(super) async fn add(self, app: &App) -> Result<()> {
        check_bucket(&self.bucket)?;
        let mut config = StreamConfig {
            subjects: vec![format!("$KV.{}.>", self.bucket)],
            max_msgs_per_subject: 1,
            discard: "new".into(),
            storage: storage(&self.storage).into(),
            allow_rollup_hdrs: true,
            deny_delete: true,
            allow_direct: true,
            duplicate_window: duration::nanos(DUPLICATES),
            ..StreamConfig::named(format!("KV_{}", self.bucket))
        };
        self.common.apply(&mut config, &self.bucket)?;
        if let Some(mirror) = &self.mirror {
            config.subjects.clear();
            config.mirror_direct = true;
            config.duplicate_window = 0;
            let external = self.mirror_domain.as_ref().map(|domain| ExternalStream {
                api: format!("$JS.{domain}.API"),
                deliver: String::new(),
            });
            config.mirror = Some(StreamSource {
                name: prefixed(mirror),
                external,
                ..StreamSource::default()
            });
        }
        let info = app.jsm().await?.create_stream(&config).await?;
        print_info(&info);
        Ok(())
    }
}

impl EditArgs {
    pub(super) async fn edit(self, app: &App) -> Result<()> {
        let bucket = Bucket::open(app, &self.bucket).await?;
        let mut config = bucket.info().config.clone();
        self.common.apply(&mut config, &self.bucket)?;
        if self.no_mirror {
            config.mirror = None;
            config.subjects = vec![format!("$KV.{}.>", self.bucket)];
        }
        print_info(&bucket.jsm().update_stream(&config).await?);
        Ok(())
    }
}

impl CommonArgs {
    fn apply(&self, config: &mut StreamConfig, bucket: &str) -> Result<()> {
        if let Some(history) = self.history {
            if !(1..=MAX_HISTORY).contains(&history) {
                return Err(Error::new(format!(
                    "--history must be between 1 and {MAX_HISTORY}"
                )));
            }
            config.max_msgs_per_subject = history;
        }
        if let Some(description) = &self.description {
            config.description.clone_from(description);
        }
        if let Some(ttl) = self.ttl {
            config.max_age = duration::nanos(ttl);
            if !ttl.is_zero() {
                config.duplicate_window = duration::nanos(ttl.min(DUPLICATES));
            }
        }
        if let Some(ttl) = self.marker_ttl {
            config.allow_msg_ttl = true;
            config.subject_delete_marker_ttl = duration::nanos(ttl);
        }
        config.num_replicas = self.replicas.unwrap_or(config.num_replicas);
        config.max_msg_size = self.max_value_size.unwrap_or(config.max_msg_size);
        config.max_bytes = self.max_bucket_size.unwrap_or(config.max_bytes);
        if self.compress || self.no_compress {
            config.compression = if self.compress { "s2" } else { "none" }.into();
        }
        placement(config, self.cluster.as_deref(), &self.tags);
        metadata(config, &self.metadata)?;
        match (&self.republish_source, &self.republish_destination) {
            (src, Some(dest)) => {
                let src = src.clone().unwrap_or_else(|| ">".to_owned());
                config.republish = Some(Republish {
                    src,
                    dest: dest.clone(),
                    headers_only: self.republish_headers,
                });
            }
            (Some(_), None) => {
                return Err(Error::new(
                    "--republish-source needs --republish-destination",
                ));
            }
            (None, None) => {}
        }
        if !self.sources.is_empty() {
            config.sources = self
                .sources
                .iter()
                .map(|source| source_of(source, bucket))
                .collect();
        }
        Ok(())
    }
}

/// Another bucket's keys under this bucket's subjects.
fn source_of(source: &str, bucket: &str) -> StreamSource {
    let origin = KEY_VALUE.bucket(source);
    let transform = SubjectTransform {
        src: format!("$KV.{origin}.>"),
        dest: format!("$KV.{bucket}.>"),
    };
    StreamSource {
        name: prefixed(source),
        subject_transforms: vec![transform],
        ..StreamSource::default()
    }
}

fn prefixed(bucket: &str) -> String {
    if bucket.starts_with("KV_") {
        bucket.to_owned()
    } else {
        format!("KV_{bucket}")
    }
}

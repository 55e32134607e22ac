//! `object add` and `object edit`: a bucket's settings as its stream's.

use std::time::Duration;

use super::show::print_bucket;
use super::store::ObjectStore;
use crate::app::App;
use crate::commands::shared::buckets::{check_bucket, metadata, placement, storage};
use crate::error::Result;
use crate::jsm::StreamConfig;
use crate::output::{duration, number};

#[derive(clap::Args)]
pub(super) struct AddArgs {
    /// The bucket to act on
    bucket: String,
    #[command(flatten)]
    common: CommonArgs,
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
}

#[derive(clap::Args)]
struct CommonArgs {
    /// How long to keep objects for
    #[arg(long, value_parser = duration::arg)]
    ttl: Option<Duration>,
    /// How many replicas of the data to store
    #[arg(long)]
    replicas: Option<i64>,
    /// Maximum size for the bucket
    #[arg(long, value_parser = number::size_arg, allow_hyphen_values = true)]
    max_bucket_size: Option<i64>,
    /// A description for the bucket
    #[arg(long)]
    description: Option<String>,
    /// Place the store on servers that have specific tags
    #[arg(long)]
    tags: Vec<String>,
    /// Place the store on a specific cluster
    #[arg(long)]
    cluster: Option<String>,
    /// Adds metadata to the bucket, as key:value
    #[arg(long, value_name = "META")]
    metadata: Vec<String>,
    /// Compress the bucket data
    #[arg(long)]
    compress: bool,
    /// Do not compress the bucket data
    #[arg(long, conflicts_with = "compress")]
    no_compress: bool,
}

impl AddArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        check_bucket(&self.bucket)?;
        let mut config = StreamConfig {
            subjects: vec![
                format!("$O.{}.C.>", self.bucket),
                format!("$O.{}.M.>", self.bucket),
            ],
            discard: "new".into(),
            storage: storage(&self.storage).into(),
            allow_rollup_hdrs: true,
            allow_direct: true,
            ..StreamConfig::named(format!("OBJ_{}", self.bucket))
        };
        self.common.apply(&mut config)?;
        print_bucket(&app.jsm().await?.create_stream(&config).await?);
        Ok(())
    }
}

impl EditArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let store = ObjectStore::open(app, &self.bucket).await?;
        let mut config = store.info().config.clone();
        self.common.apply(&mut config)?;
        print_bucket(&store.jsm().update_stream(&config).await?);
        Ok(())
    }
}

impl CommonArgs {
    fn apply(&self, config: &mut StreamConfig) -> Result<()> {
        if let Some(description) = &self.description {
            config.description.clone_from(description);
        }
        if let Some(ttl) = self.ttl {
            config.max_age = duration::nanos(ttl);
        }
        config.num_replicas = self.replicas.unwrap_or(config.num_replicas);
        config.max_bytes = self.max_bucket_size.unwrap_or(config.max_bytes);
        if self.compress || self.no_compress {
            config.compression = if self.compress { "s2" } else { "none" }.into();
        }
        placement(config, self.cluster.as_deref(), &self.tags);
        metadata(config, &self.metadata)
    }
}

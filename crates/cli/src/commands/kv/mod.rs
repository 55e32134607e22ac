//! `nats kv`: buckets of keys and values, kept in streams.
//!
//! A bucket `B` is the stream `KV_B` with the subjects `$KV.B.>`; a key's revisions are the messages
//! of its subject. [`bucket::Bucket`] knows those rules, [`entry::Entry`] what a message says; the
//! other files are the commands.

mod bucket;
mod compact;
mod entry;
mod settings;
mod show;
mod values;
mod watch;

use crate::app::App;
use crate::commands::shared::buckets::check_bucket;
use crate::error::Result;
use crate::output::prompt;
use crate::say;
use bucket::Bucket;

/// Interacts with a JetStream based Key-Value store
#[derive(clap::Args)]
pub(crate) struct KvArgs {
    #[command(subcommand)]
    command: KvCommand,
}

#[derive(clap::Subcommand)]
enum KvCommand {
    /// Adds a new KV Store Bucket
    #[command(visible_alias = "new")]
    Add(Box<settings::BucketArgs>),
    /// Edits an existing KV Store Bucket
    Edit(Box<settings::EditArgs>),
    /// Puts a value into a key
    Put(values::PutArgs),
    /// Gets a value for a key
    Get(values::GetArgs),
    /// Puts a value into a key only if the key is new or its last operation was a delete
    Create(values::CreateArgs),
    /// Updates a key with a new value if the previous value matches the given revision
    Update(values::UpdateArgs),
    /// Deletes a key or the entire bucket
    #[command(visible_alias = "rm")]
    Del(DelArgs),
    /// Deletes a key from the bucket, clearing history before creating a delete marker
    Purge(values::PurgeArgs),
    /// Shows the full history for a key
    History(watch::HistoryArgs),
    /// Reverts a value to a previous revision using put
    Revert(values::RevertArgs),
    /// View the status of a KV store
    #[command(visible_alias = "view", visible_alias = "status")]
    Info(show::InfoArgs),
    /// Watch the bucket or a specific key for updates
    Watch(watch::WatchArgs),
    /// List available buckets or the keys in a bucket
    #[command(visible_alias = "list")]
    Ls(show::LsArgs),
    /// Reclaim space used by deleted keys
    Compact(compact::CompactArgs),
}

#[derive(clap::Args)]
struct DelArgs {
    /// The bucket to act on
    bucket: String,
    /// The key to act on; the entire bucket without one
    key: Option<String>,
    /// Act without confirmation
    #[arg(short, long)]
    force: bool,
}

impl KvArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            KvCommand::Add(args) => args.add(app).await,
            KvCommand::Edit(args) => args.edit(app).await,
            KvCommand::Put(args) => args.run(app).await,
            KvCommand::Get(args) => args.run(app).await,
            KvCommand::Create(args) => args.run(app).await,
            KvCommand::Update(args) => args.run(app).await,
            KvCommand::Del(args) => args.run(app).await,
            KvCommand::Purge(args) => args.run(app).await,
            KvCommand::History(args) => args.run(app).await,
            KvCommand::Revert(args) => args.run(app).await,
            KvCommand::Info(args) => args.run(app).await,
            KvCommand::Watch(args) => args.run(app).await,
            KvCommand::Ls(args) => args.run(app).await,
            KvCommand::Compact(args) => args.run(app).await,
        }
    }
}

impl DelArgs {
    async fn run(self, app: &App) -> Result<()> {
        let Some(key) = self.key else {
            check_bucket(&self.bucket)?;
            let question = format!("Delete bucket {} and everything in it?", self.bucket);
            let bucket = Bucket::open(app, &self.bucket).await?;
            prompt::confirm_or_stop(&question, self.force)?;
            return bucket.jsm().delete_stream(&bucket.stream()).await;
        };
        let bucket = Bucket::open(app, &self.bucket).await?;
        prompt::confirm_or_stop(&format!("Delete key {} > {key}?", self.bucket), self.force)?;
        bucket
            .mark(app, &key, entry::Operation::Delete, &[])
            .await?;
        say!("Deleted {} > {key}", self.bucket);
        Ok(())
    }
}

//! `nats object`: buckets of files, kept in streams in chunks.
//!
//! A bucket `B` is the stream `OBJ_B`; an object's description is the last message of
//! `$O.B.M.<name in base64>`, its contents are the messages of `$O.B.C.<id>`. [`store::ObjectStore`]
//! knows those rules; the other files are the commands.

mod get;
mod put;
mod settings;
mod show;
mod store;

use crate::app::App;
use crate::error::Result;
use crate::output::prompt;
use crate::say;
use store::ObjectStore;

/// Interacts with a JetStream based Object store
#[derive(clap::Args)]
pub(crate) struct ObjectArgs {
    #[command(subcommand)]
    command: ObjectCommand,
}

#[derive(clap::Subcommand)]
enum ObjectCommand {
    /// Adds a new Object Store Bucket
    Add(settings::AddArgs),
    /// Edit an existing Object Store Bucket
    Edit(settings::EditArgs),
    /// Puts a file into the store
    Put(put::PutArgs),
    /// Deletes a file or bucket from the store
    #[command(visible_alias = "rm")]
    Del(DelArgs),
    /// Retrieves a file from the store
    Get(get::GetArgs),
    /// Get information about a bucket or object
    #[command(visible_alias = "show", visible_alias = "i")]
    Info(show::InfoArgs),
    /// List buckets or contents of a specific bucket
    #[command(alias = "list")]
    Ls(show::LsArgs),
    /// Seals a bucket preventing further updates
    Seal {
        /// The bucket to act on
        bucket: String,
        /// Force sealing without prompting
        #[arg(short, long)]
        force: bool,
    },
    /// Watch a bucket for changes
    Watch {
        /// The bucket to act on
        bucket: String,
    },
}

#[derive(clap::Args)]
struct DelArgs {
    /// The bucket to act on
    bucket: String,
    /// The object to delete; the entire bucket without one
    file: Option<String>,
    /// Act without confirmation
    #[arg(short, long)]
    force: bool,
}

impl ObjectArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            ObjectCommand::Add(args) => args.run(app).await,
            ObjectCommand::Edit(args) => args.run(app).await,
            ObjectCommand::Put(args) => args.run(app).await,
            ObjectCommand::Del(args) => args.run(app).await,
            ObjectCommand::Get(args) => args.run(app).await,
            ObjectCommand::Info(args) => args.run(app).await,
            ObjectCommand::Ls(args) => args.run(app).await,
            ObjectCommand::Seal { bucket, force } => {
                let store = ObjectStore::open(app, &bucket).await?;
                let question = format!(
                    "Really seal Bucket {bucket}, sealed buckets can not be unsealed or modified"
                );
                prompt::confirm_or_stop(&question, force)?;
                let mut config = store.info().config.clone();
                config.sealed = true;
                let info = store.jsm().update_stream(&config).await?;
                say!("{bucket} has been sealed");
                show::print_bucket(&info);
                Ok(())
            }
            ObjectCommand::Watch { bucket } => show::watch(app, &bucket).await,
        }
    }
}

impl DelArgs {
    async fn run(self, app: &App) -> Result<()> {
        let store = ObjectStore::open(app, &self.bucket).await?;
        let Some(name) = &self.file else {
            let question = format!("Really remove bucket {} and everything in it?", self.bucket);
            prompt::confirm_or_stop(&question, self.force)?;
            return store.jsm().delete_stream(&store.stream()).await;
        };
        let object = store.existing(name).await?;
        let size = crate::output::number::bytes(object.size);
        prompt::confirm_or_stop(
            &format!("Delete {size} byte file {} > {name}?", self.bucket),
            self.force,
        )?;
        store.delete(app, object).await?;
        say!("Removed {} > {name}", self.bucket);
        show::print_bucket(&store.jsm().stream_info(&store.stream()).await?);
        Ok(())
    }
}

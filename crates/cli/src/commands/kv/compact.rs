//! `kv compact`: deletes what deleted keys still take.

use std::time::Duration;

use serde_json::json;

use super::bucket::Bucket;
use super::entry::Operation;
use crate::app::App;
use crate::error::Result;
use crate::output::{number, prompt, time};
use crate::say;

/// Younger markers are kept, so that watchers that were away still hear of the deletion.
const KEEP_MARKERS: Duration = Duration::from_secs(30 * 60);

#[derive(clap::Args)]
pub(super) struct CompactArgs {
    /// The bucket to act on
    bucket: String,
    /// Act without confirmation
    #[arg(short, long)]
    force: bool,
}

impl CompactArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let bucket = Bucket::open(app, &self.bucket).await?;
        let question = format!(
            "Purge all history and audit trail for deleted keys in bucket {}?",
            self.bucket
        );
        prompt::confirm_or_stop(&question, self.force)?;
        let mut purged = 0;
        for entry in bucket.entries(">", "last_per_subject", true).await? {
            if entry.operation == Operation::Put {
                continue;
            }
            let keep = u64::from(time::since(entry.created) < KEEP_MARKERS);
            let body = json!({ "filter": bucket.subject(&entry.key), "keep": keep });
            purged += bucket.jsm().purge_stream(&bucket.stream(), &body).await?;
        }
        say!(
            "Removed {} old revisions of deleted keys",
            number::grouped(purged)
        );
        Ok(())
    }
}

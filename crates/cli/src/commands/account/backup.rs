//! `account backup` and `account restore`: a folder per stream.

use std::path::{Component, Path, PathBuf};

use crate::app::App;
use crate::commands::shared::describe;
use crate::commands::shared::doc::Doc;
use crate::commands::stream::{BackupOptions, Description, RestoreOptions, backup, restore};
use crate::error::{Context, Error, Result};
use crate::jsm::{Jsm, StreamInfo};
use crate::output::columns::Columns;
use crate::output::{number, prompt};
use crate::say;

#[derive(clap::Args)]
pub(super) struct BackupArgs {
    /// Directory to create the backup in
    target: PathBuf,
    /// Checks the streams for health prior to backup
    #[arg(long)]
    check: bool,
    /// Leave consumers out of the backup
    #[arg(long)]
    no_consumers: bool,
    /// Keep consumers in the backup, which is the default
    #[arg(long = "consumers", hide = true, conflicts_with = "no_consumers")]
    _consumers: bool,
    /// Perform backup without prompting
    #[arg(short, long)]
    force: bool,
    /// Treat warnings as failures
    #[arg(short = 'w', long)]
    critical_warnings: bool,
}

#[derive(clap::Args)]
pub(super) struct RestoreArgs {
    /// The directory holding the account backup to restore
    directory: PathBuf,
    /// Place the streams in a specific cluster
    #[arg(long)]
    cluster: Option<String>,
    /// Place the streams on servers that have a tag (pass multiple times)
    #[arg(long)]
    tag: Vec<String>,
}

impl BackupArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let jsm = app.jsm().await?;
        let list = jsm.stream_list(None).await?;
        describe::missing("Streams", &list.missing, &list.offline);
        if !list.missing.is_empty() || (!self.force && !list.offline.is_empty()) {
            return Err(Error::new("not all streams of the account can be asked")
                .hint("`nats stream report` shows them."));
        }
        if list.streams.is_empty() {
            return Err(Error::new("no streams found"));
        }
        self.introduce(&list.streams);
        prompt::confirm_or_stop("Perform backup?", self.force)?;
        let options = BackupOptions {
            check: self.check,
            consumers: !self.no_consumers,
            progress: true,
            chunk_size: Some(128 << 10),
            window_size: None,
            timeout: app.timeout()?,
        };
        let mut failures = Vec::new();
        let mut warnings = Vec::new();
        for stream in &list.streams {
            let name = &stream.config.name;
            let result = match folder(&self.target, name) {
                Ok(folder) => backup(&jsm, name, &folder, &options).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => {}
                // Interrupted by the user, who means all of it.
                Err(error) if error.exit_code() == 130 => return Err(error),
                Err(error) if stream.config.storage.as_str() == "memory" => {
                    warnings.push(format!("{name}: {}", error.message()));
                }
                Err(error) => failures.push(format!("{name}: {}", error.message())),
            }
            say!();
        }
        for (title, told) in [
            ("Backup Warnings", &warnings),
            ("Backup failures", &failures),
        ] {
            if !told.is_empty() {
                say!("{title}:\n  {}\n", told.join("\n  "));
            }
        }
        if !failures.is_empty() || (self.critical_warnings && !warnings.is_empty()) {
            return Err(Error::new("backup failed"));
        }
        Ok(())
    }

    fn introduce(&self, streams: &[StreamInfo]) {
        let sum = |count: fn(&StreamInfo) -> u64| number::total(streams.iter().map(count));
        let target = self.target.display();
        let mut page = Columns::new(format!("Performing backup of all streams to {target}"));
        page.row("Streams", number::grouped(streams.len() as u64))
            .row("Size", number::bytes(sum(|stream| stream.state.bytes)))
            .row(
                "Consumers",
                number::grouped(sum(|stream| stream.state.consumer_count)),
            );
        page.print();
        say!();
    }
}

impl RestoreArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let folders = folders(&self.directory)?;
        let jsm = app.jsm().await?;
        let mut waiting = Vec::new();
        for folder in folders {
            let description = Description::read(&folder)?;
            if !is_restored(&jsm, &description).await? {
                waiting.push(folder);
                continue;
            }
            let name = &description.config.name;
            say!("Stream {name:?} is there already, as in the backup");
        }
        say!(
            "Restoring backup of {} streams in directory {:?}\n",
            waiting.len(),
            self.directory.display().to_string()
        );
        for folder in waiting {
            let options = RestoreOptions {
                progress: true,
                cluster: self.cluster.clone(),
                tags: self.tag.clone(),
                timeout: app.timeout()?,
                ..RestoreOptions::default()
            };
            restore(&jsm, &folder, options)
                .await
                .context(folder.display())?;
        }
        Ok(())
    }
}

/// The backups in a folder, all of which must be whole.
fn folders(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(directory).context(directory.display())? {
        let path = entry?.path();
        if !path.is_dir() {
            return Err(
                Error::new(format!("{} is no backup of a stream", path.display()))
                    .hint("An account's backup has a directory per stream and nothing else."),
            );
        }
        folders.push(path);
    }
    folders.sort();
    match folders.is_empty() {
        true => Err(Error::new(format!("{} is empty", directory.display()))),
        false => Ok(folders),
    }
}

/// Whether an earlier run that was interrupted has restored this one: a stream of the same name that
/// holds something else is an error, before anything is done.
async fn is_restored(jsm: &Jsm, description: &Description) -> Result<bool> {
    let name = &description.config.name;
    let info = match jsm.stream_info(name).await {
        Err(error) if error.api_code() == Some(crate::jsm::code::STREAM_NOT_FOUND) => {
            return Ok(false);
        }
        info => info?,
    };
    let state = &description.state;
    let is_same = info.state.first_seq == state.count("first_seq")
        && info.state.last_seq == state.count("last_seq")
        && info.state.messages == state.count("messages")
        && info.config.subjects == description.config.subjects;
    match is_same {
        true => Ok(true),
        false => Err(
            Error::new(format!("stream {name:?} exists already")).hint(format!(
                "It is not what the backup holds; `nats stream rm {name}` removes it."
            )),
        ),
    }
}

/// The folder of a stream: a name that a server gives may not lead out of the backup.
fn folder(target: &Path, stream: &str) -> Result<PathBuf> {
    let mut parts = Path::new(stream).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) if name == stream => Ok(target.join(stream)),
        _ => Err(Error::new("its name is no name for a folder")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stream_leads_out_of_the_backup() {
        let within = |stream: &str| folder(Path::new("/backup"), stream).ok();
        assert_eq!(within("ORDERS"), Some(PathBuf::from("/backup/ORDERS")));
        for name in ["", ".", "..", "../x", "/etc", "a/b", "a/"] {
            assert_eq!(within(name), None, "{name:?}");
        }
    }
}

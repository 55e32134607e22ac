//! Where the documents of reports come from: from servers, which are asked, or from an archive.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::sys::{Answer, System, all_given};
use crate::app::App;
use crate::commands::audit::recorded::Recorded;
use crate::error::Result;

/// An archive instead of servers.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ArchiveFlag {
    /// Read data from an archive of 'nats audit gather' instead of asking servers
    #[arg(long, value_name = "FILE")]
    pub(crate) archive: Option<PathBuf>,
}

/// What answers questions about servers.
pub(crate) enum Source {
    /// The servers themselves.
    Servers(System),
    /// What they said once.
    Archive(Recorded),
}

impl Source {
    /// Opens the archive, or connects if there is none.
    pub(crate) async fn open(app: &App, archive: Option<&Path>) -> Result<Self> {
        match archive {
            Some(path) => Ok(Source::Archive(Recorded::open(path)?)),
            None => Ok(Source::Servers(System::connect(app).await?)),
        }
    }

    /// The documents of the servers that are meant; a refusal of one of them is an error. `expect` is
    /// how many to wait for, 0 for as many as there are servers.
    pub(crate) async fn documents(
        &self,
        what: &str,
        body: &Value,
        expect: usize,
    ) -> Result<Vec<Answer>> {
        all_given(self.ask_all(what, body, expect).await?)
    }

    /// The servers, if it is they who answer.
    pub(crate) fn into_servers(self) -> Option<System> {
        match self {
            Source::Servers(system) => Some(system),
            Source::Archive(_) => None,
        }
    }

    /// [`Source::documents`], refusals included.
    pub(crate) async fn ask_all(
        &self,
        what: &str,
        body: &Value,
        expect: usize,
    ) -> Result<Vec<Answer>> {
        match self {
            Source::Servers(system) => system.ask_all(what, body, expect).await,
            Source::Archive(archive) => archive.documents(what, body),
        }
    }
}

//! `nats man`: manual pages, one for the tool and one per command.

use std::path::{Path, PathBuf};

use clap_mangen::Man;

use crate::cli;
use crate::error::{Context, Result};
use crate::output;
use crate::say;

/// Generate manual pages
///
/// Without a directory the page of the tool itself is printed: nats man | man -l -
#[derive(clap::Args)]
pub(crate) struct ManArgs {
    /// The directory to write a page per command to
    directory: Option<PathBuf>,
}

impl ManArgs {
    #[allow(clippy::unused_async)]
    pub(crate) async fn run(self) -> Result<()> {
        let mut command = cli::command();
        command.build();
        let Some(directory) = self.directory else {
            let mut page = Vec::new();
            Man::new(command).render(&mut page)?;
            output::print(&page);
            return Ok(());
        };
        std::fs::create_dir_all(&directory).context(directory.display())?;
        let count = write_all(&command, "nats", &directory)?;
        say!("Wrote {count} pages to {}", directory.display());
        Ok(())
    }
}

fn write_all(command: &clap::Command, name: &str, directory: &Path) -> Result<usize> {
    let mut page = Vec::new();
    Man::new(command.clone().name(name.to_owned())).render(&mut page)?;
    let path = directory.join(format!("{name}.1"));
    std::fs::write(&path, page).context(path.display())?;
    let mut count = 1;
    for sub in command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        count += write_all(sub, &format!("{name}-{}", sub.get_name()), directory)?;
    }
    Ok(count)
}

//! `nats audit`: everything servers say about themselves in a file, and what is wrong with it.
//!
//! ```text
//! gather: servers ─▶ archive (a ZIP file)      analyze: archive ─▶ checks ─▶ report ─▶ text, JSON, Markdown
//! ```
//!
//! Archives, reports and checks are those of the official tool, so that an archive made by one can be
//! analysed by the other. Analysing needs no server, and neither do the reports of `nats server` that
//! read an archive ([`recorded`]).

mod archive;
mod checks;
mod gather;
pub(crate) mod recorded;
mod report;
mod statistics;
mod zip;

use std::path::PathBuf;

use crate::app::App;
use crate::error::{Context, Error, Result};
use crate::output::json;
use crate::output::table::Table;

/// Audit a NATS deployment
#[derive(clap::Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(clap::Subcommand)]
enum AuditCommand {
    /// Capture a variety of data from a deployment into an archive file
    #[command(visible_aliases = ["capture", "cap"])]
    Gather(gather::GatherArgs),
    /// Perform checks against an archive created by the 'gather' subcommand
    #[command(visible_alias = "analyse")]
    Analyze(AnalyzeArgs),
    /// List all available checks
    #[command(visible_alias = "ls")]
    Checks {
        /// Output JSON format
        #[arg(short, long)]
        json: bool,
    },
}

#[derive(clap::Args)]
struct AnalyzeArgs {
    /// Path to input archive to analyze
    archive: Option<PathBuf>,

    /// How many example issues to display for each failed check (0 for unlimited)
    #[arg(long, default_value_t = 5)]
    max_examples: usize,

    /// Prevents checks from running by check code
    #[arg(long, value_name = "CODE")]
    skip: Vec<String>,

    /// Loads a saved report
    #[arg(long, value_name = "FILE", conflicts_with_all = ["archive", "save", "skip"])]
    load: Option<PathBuf>,

    /// Stores the analyze result to a file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// Force overwriting existing report files
    #[arg(short, long)]
    force: bool,

    /// Output JSON format
    #[arg(short, long)]
    json: bool,

    /// Output Markdown format
    #[arg(long, conflicts_with = "json")]
    markdown: bool,

    /// Log verbosely
    #[arg(long)]
    verbose: bool,
}

impl AuditArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            AuditCommand::Gather(args) => args.run(app).await,
            AuditCommand::Analyze(args) => args.run(),
            AuditCommand::Checks { json } => list(json),
        }
    }
}

fn list(as_json: bool) -> Result<()> {
    if as_json {
        let checks: Vec<_> = checks::CHECKS.iter().map(checks::Check::to_json).collect();
        return json::print(&checks);
    }
    let mut table = Table::new(
        "Audit Checks",
        &["Suite", "Code", "Description", "Configuration"],
    );
    for check in checks::CHECKS {
        let settings: Vec<String> = check.settings.iter().map(checks::Setting::shown).collect();
        table.row([
            check.suite,
            check.code,
            check.description,
            &settings.join(", "),
        ]);
    }
    table.print();
    Ok(())
}

impl AnalyzeArgs {
    fn run(self) -> Result<()> {
        let (report, name) = match (&self.load, &self.archive) {
            (Some(path), _) => (report::Report::load(path)?, path),
            (None, Some(path)) => {
                let archive = archive::Archive::open(path)?;
                (
                    report::Report::of(&archive, &self.skip, self.verbose)?,
                    path,
                )
            }
            (None, None) => {
                return Err(Error::new("an archive is needed, or --load")
                    .hint("`nats audit gather` makes an archive."));
            }
        };
        if let Some(path) = &self.save {
            if path.exists() && !self.force {
                return Err(
                    Error::new(format!("{} exists", path.display())).hint("--force replaces it.")
                );
            }
            let text = serde_json::to_vec_pretty(&report)?;
            std::fs::write(path, text).context(path.display())?;
        }
        match (self.json, self.markdown) {
            (true, _) => json::print(&report),
            (_, true) => {
                crate::output::show(&report.markdown(self.max_examples));
                Ok(())
            }
            _ => {
                report.print(&name.display().to_string(), self.max_examples);
                Ok(())
            }
        }
    }
}

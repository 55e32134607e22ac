//! `nats auth account exports`: what an account offers to others.

use cognate_auth::jwt::{Export, ExportKind};

use super::kv;
use super::shared::{self, Entry, InfoArgs, RmArgs};
use crate::commands::auth::select::{Chosen, OperatorFlag};
use crate::commands::auth::store::AccountEntity;
use crate::error::{Error, Result};
use crate::output::columns::Columns;
use crate::output::table::Table;
use crate::output::time;
use crate::say;

#[derive(clap::Subcommand)]
pub(super) enum ExportsCommand {
    /// Adds an Export
    #[command(visible_aliases = ["new", "a", "n"])]
    Add(AddArgs),
    /// Show information for an Export
    #[command(visible_aliases = ["i", "show", "view"])]
    Info(InfoArgs),
    /// Edits an Export
    #[command(visible_alias = "update")]
    Edit(EditArgs),
    /// List Exports
    #[command(visible_alias = "list")]
    Ls {
        /// Account to act on
        account: Option<String>,
        #[command(flatten)]
        operator: OperatorFlag,
    },
    /// Removes an Export
    Rm(RmArgs),
    /// Exports a KV bucket
    #[command(hide = true)]
    Kv(kv::ExportArgs),
}

#[derive(clap::Args)]
pub(super) struct AddArgs {
    /// A unique name for the Export
    name: String,
    /// The Subject to export
    subject: String,
    /// Account to act on
    account: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
    /// Friendly description
    #[arg(long, default_value = "")]
    description: String,
    /// Sets a URL for further information
    #[arg(long, default_value = "")]
    url: String,
    /// The position to use for the Account name
    #[arg(long, default_value_t = 0)]
    token_position: u64,
    /// Importing takes an activation token
    #[arg(long)]
    token_required: bool,
    /// Advertise the Export
    #[arg(long)]
    advertise: bool,
    /// Sets the Export to be a Service rather than a Stream
    #[arg(long)]
    service: bool,
}

#[derive(clap::Args)]
pub(super) struct EditArgs {
    /// The Export Subject to edit
    subject: String,
    /// Account to act on
    account: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
    /// Friendly description
    #[arg(long)]
    description: Option<String>,
    /// Sets a URL for further information
    #[arg(long)]
    url: Option<String>,
    /// The position to use for the Account name
    #[arg(long)]
    token_position: Option<u64>,
    /// Advertise the Export
    #[arg(long, overrides_with = "no_advertise")]
    advertise: bool,
    /// Don't advertise the Export
    #[arg(long, overrides_with = "advertise")]
    no_advertise: bool,
}

impl ExportsCommand {
    pub(super) fn run(self) -> Result<()> {
        match self {
            ExportsCommand::Add(args) => args.run(),
            ExportsCommand::Info(args) => args.run::<Export>(),
            ExportsCommand::Edit(args) => args.run(),
            ExportsCommand::Ls { account, operator } => {
                let (_, account) = operator.account(account.as_deref())?;
                list(&account);
                Ok(())
            }
            ExportsCommand::Rm(args) => args.run::<Export>(),
            ExportsCommand::Kv(args) => args.run(),
        }
    }
}

impl AddArgs {
    fn run(self) -> Result<()> {
        let (chosen, account) = self.operator.account(self.account.as_deref())?;
        let exports = &account.claims.nats.exports;
        if exports.iter().any(|export| export.subject == self.subject) {
            return Err(Error::new(format!("{} is already exported", self.subject))
                .hint("`nats auth account exports edit` changes it."));
        }
        let export = Export {
            name: self.name,
            subject: self.subject,
            kind: Some(match self.service {
                true => ExportKind::Service,
                false => ExportKind::Stream,
            }),
            token_required: self.token_required,
            account_token_position: self.token_position,
            advertise: self.advertise,
            description: self.description,
            info_url: self.url,
            ..Export::default()
        };
        shared::add(&chosen, account, export)
    }
}

impl EditArgs {
    fn run(self) -> Result<()> {
        let (account, subject) = (self.account.as_deref(), &self.subject);
        shared::edit(&self.operator, account, subject, |export: &mut Export| {
            if let Some(description) = self.description {
                export.description = description;
            }
            if let Some(url) = self.url {
                export.info_url = url;
            }
            if let Some(position) = self.token_position {
                export.account_token_position = position;
            }
            if self.advertise || self.no_advertise {
                export.advertise = self.advertise;
            }
        })
    }
}

impl Entry for Export {
    const NOUN: &'static str = "export";
    const BY: &'static str = "subject";

    fn subject(&self) -> &str {
        &self.subject
    }

    fn all(account: &AccountEntity) -> &[Self] {
        &account.claims.nats.exports
    }

    fn all_mut(account: &mut AccountEntity) -> &mut Vec<Self> {
        &mut account.claims.nats.exports
    }

    fn page(&self, _: &Chosen) -> Result<Columns> {
        Ok(page(self))
    }
}

/// `Service` or `Stream`.
pub(super) fn kind_text(kind: Option<ExportKind>) -> &'static str {
    match kind {
        Some(ExportKind::Service) => "Service",
        Some(ExportKind::Stream) => "Stream",
        None => "Unknown",
    }
}

fn page(export: &Export) -> Columns {
    let mut page = Columns::new(format!(
        "Export info for {} exporting {}",
        export.name, export.subject
    ));
    page.section("Configuration")
        .row("Name", &export.name)
        .row_if_set("Description", &export.description)
        .row_if_set("Info", &export.info_url)
        .row("Kind", kind_text(export.kind))
        .row("Subject", &export.subject)
        .row("Activation Required", export.token_required)
        .row("Account Token Position", export.account_token_position)
        .row("Advertised", export.advertise);
    page.section("Revocations");
    if export.revocations.is_empty() {
        page.text(" No revocations found");
    }
    for (key, at) in &export.revocations {
        let at = jiff::Timestamp::from_second(*at).unwrap_or_default();
        page.row(key, time::local(at));
    }
    page
}

fn list(account: &AccountEntity) {
    let exports = &account.claims.nats.exports;
    if exports.is_empty() {
        say!("No Exports defined");
        return;
    }
    let mut table = Table::new(
        format!("Exports for account {}", account.name),
        &[
            "Name",
            "Kind",
            "Subject",
            "Activation Required",
            "Advertised",
            "Token Position",
            "Revocations",
        ],
    );
    for export in exports {
        table.row([
            export.name.clone(),
            kind_text(export.kind).to_owned(),
            export.subject.clone(),
            export.token_required.to_string(),
            export.advertise.to_string(),
            export.account_token_position.to_string(),
            export.revocations.len().to_string(),
        ]);
    }
    table.print();
}

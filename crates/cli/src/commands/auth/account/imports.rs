//! `nats auth account imports`: what an account takes from others.

use cognate_auth::jwt::{ExportKind, Import};

use super::exports::kind_text;
use super::kv;
use super::shared::{self, Entry, InfoArgs, RmArgs};
use crate::commands::auth::select::{Chosen, OperatorFlag};
use crate::commands::auth::store::{self, AccountEntity};
use crate::error::{Error, Result};
use crate::output::columns::Columns;
use crate::output::table::Table;
use crate::say;

#[derive(clap::Subcommand)]
pub(super) enum ImportsCommand {
    /// Adds an Import
    #[command(visible_aliases = ["new", "a", "n"])]
    Add(AddArgs),
    /// Show information for an Import
    #[command(visible_aliases = ["i", "show", "view"])]
    Info(InfoArgs),
    /// Edits an Import
    #[command(visible_alias = "update")]
    Edit(EditArgs),
    /// List Imports
    #[command(visible_alias = "list")]
    Ls {
        /// Account to act on
        account: Option<String>,
        /// Operator to act on
        operator: Option<String>,
    },
    /// Removes an Import
    Rm(RmArgs),
    /// Imports a KV bucket
    #[command(hide = true)]
    Kv(kv::ImportArgs),
}

#[derive(clap::Args)]
pub(super) struct AddArgs {
    /// A unique name for the import
    name: String,
    /// The Subject to import
    subject: String,
    /// Account to import into
    account: Option<String>,
    /// The account to import from, by public key or name
    #[arg(long)]
    source: String,
    /// The local Subject to use for the import
    #[arg(long)]
    local: Option<String>,
    /// Shares connection information with the exporter
    #[arg(long)]
    share: bool,
    /// Enable tracing messages across Stream imports
    #[arg(long)]
    traceable: bool,
    /// Sets the import to be a Service rather than a Stream
    #[arg(long)]
    service: bool,
    /// A file with the activation token of a private export
    #[arg(long, value_name = "FILE")]
    activation: Option<std::path::PathBuf>,
    #[command(flatten)]
    operator: OperatorFlag,
}

#[derive(clap::Args)]
pub(super) struct EditArgs {
    /// The Local import Subject to edit
    subject: String,
    /// Account to act on
    account: Option<String>,
    /// The local Subject to use for the import
    #[arg(long)]
    local: Option<String>,
    /// Shares connection information with the exporter
    #[arg(long, overrides_with = "no_share")]
    share: bool,
    /// Keeps connection information from the exporter
    #[arg(long, overrides_with = "share")]
    no_share: bool,
    /// Enable tracing messages across Stream imports
    #[arg(long, overrides_with = "no_traceable")]
    traceable: bool,
    /// Disable tracing messages across Stream imports
    #[arg(long, overrides_with = "traceable")]
    no_traceable: bool,
    #[command(flatten)]
    operator: OperatorFlag,
}

impl ImportsCommand {
    pub(super) fn run(self) -> Result<()> {
        match self {
            ImportsCommand::Add(args) => args.run(),
            ImportsCommand::Info(args) => args.run::<Import>(),
            ImportsCommand::Edit(args) => args.run(),
            ImportsCommand::Ls { account, operator } => {
                let chosen = Chosen::named(operator.as_deref())?;
                let account = chosen.account(account.as_deref())?;
                list(&chosen, &account)
            }
            ImportsCommand::Rm(args) => args.run::<Import>(),
            ImportsCommand::Kv(args) => args.run(),
        }
    }
}

/// The public key of an account that is told by it, or by its name.
pub(super) fn source_key(chosen: &Chosen, source: String) -> Result<String> {
    let is_key = source.len() == 56 && source.starts_with('A');
    match is_key {
        true => Ok(source),
        false => Ok(chosen.account(Some(&source))?.subject().to_owned()),
    }
}

/// What an import is called in the account.
fn local_subject(import: &Import) -> &str {
    match import.local_subject.as_str() {
        "" => &import.subject,
        local => local,
    }
}

impl AddArgs {
    fn run(self) -> Result<()> {
        let (chosen, account) = self.operator.account(self.account.as_deref())?;
        let local = self.local.unwrap_or_else(|| self.subject.clone());
        let imports = &account.claims.nats.imports;
        if imports.iter().any(|import| local_subject(import) == local) {
            return Err(
                Error::new(format!("something is already imported as {local}"))
                    .hint("Choose another name for it here with --local."),
            );
        }
        let source = source_key(&chosen, self.source)?;
        let token = match &self.activation {
            Some(path) => store::read_text(path)?.trim().to_owned(),
            None => String::new(),
        };
        let import = Import {
            name: self.name,
            subject: self.subject,
            account: source,
            token,
            local_subject: local,
            kind: Some(match self.service {
                true => ExportKind::Service,
                false => ExportKind::Stream,
            }),
            share: self.share,
            allow_trace: self.traceable,
            ..Import::default()
        };
        shared::add(&chosen, account, import)
    }
}

impl EditArgs {
    fn run(self) -> Result<()> {
        let (account, subject) = (self.account.as_deref(), &self.subject);
        shared::edit(&self.operator, account, subject, |import: &mut Import| {
            if let Some(local) = self.local {
                import.local_subject = local;
            }
            if self.share || self.no_share {
                import.share = self.share;
            }
            if self.traceable || self.no_traceable {
                import.allow_trace = self.traceable;
            }
        })
    }
}

impl Entry for Import {
    const NOUN: &'static str = "import";
    const BY: &'static str = "local subject";

    fn subject(&self) -> &str {
        local_subject(self)
    }

    fn all(account: &AccountEntity) -> &[Self] {
        &account.claims.nats.imports
    }

    fn all_mut(account: &mut AccountEntity) -> &mut Vec<Self> {
        &mut account.claims.nats.imports
    }

    fn page(&self, chosen: &Chosen) -> Result<Columns> {
        page(chosen, self)
    }
}

/// The name of an account of the same operator, else its key.
fn source_name(chosen: &Chosen, key: &str) -> Result<String> {
    let accounts = chosen.store.all_accounts(&chosen.operator.name)?;
    let found = accounts
        .into_iter()
        .find(|account| account.subject() == key);
    Ok(found.map_or_else(|| key.to_owned(), |account| account.name))
}

fn page(chosen: &Chosen, import: &Import) -> Result<Columns> {
    let source = match source_name(chosen, &import.account)? {
        name if name == import.account => name,
        name => format!("{name} ({})", import.account),
    };
    let mut page = Columns::new(format!(
        "Import info for import {:?} importing {:?}",
        import.name, import.subject
    ));
    page.section("Configuration")
        .row("Name", &import.name)
        .row("From Account", source)
        .row("Local Subject", local_subject(import))
        .row("Kind", kind_text(import.kind))
        .row("Remote Subject", &import.subject);
    if import.kind == Some(ExportKind::Stream) {
        page.row("Allows Message Tracing", import.allow_trace);
    }
    page.row("Sharing Connection Info", import.share);
    if !import.token.is_empty() {
        page.row("Activation Token", "yes");
    }
    Ok(page)
}

fn list(chosen: &Chosen, account: &AccountEntity) -> Result<()> {
    let imports = &account.claims.nats.imports;
    if imports.is_empty() {
        say!("No Imports defined");
        return Ok(());
    }
    let mut table = Table::new(
        format!("Imports for account {}", account.name),
        &[
            "Name",
            "Kind",
            "Source",
            "Local Subject",
            "Remote Subject",
            "Allows Tracing",
            "Sharing Connection Info",
        ],
    );
    for import in imports {
        let is_stream = import.kind == Some(ExportKind::Stream);
        table.row([
            import.name.clone(),
            kind_text(import.kind).to_owned(),
            source_name(chosen, &import.account)?,
            local_subject(import).to_owned(),
            import.subject.clone(),
            if is_stream {
                import.allow_trace.to_string()
            } else {
                String::new()
            },
            import.share.to_string(),
        ]);
    }
    table.print();
    Ok(())
}

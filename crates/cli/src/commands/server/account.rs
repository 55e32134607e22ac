//! `nats server account`: an account as servers see it, and removing everything it stored.

use serde_json::{Value, json};

use super::request::without_nulls;
use super::source::{ArchiveFlag, Source};
use super::sys::selected;
use super::text::ago;
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::{Context, Error, Result};
use crate::output::columns::Columns;
use crate::output::{json as json_output, prompt, time};
use crate::say;

/// Accounts of an export that are shown.
const MAX_SHOWN: usize = 20;

/// Interact with accounts
#[derive(clap::Args)]
pub(crate) struct AccountArgs {
    /// Produce JSON output
    #[arg(short, long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(clap::Subcommand)]
enum AccountCommand {
    /// Shows information for an account
    #[command(visible_alias = "i")]
    Info {
        /// The name of the account to view
        account: String,
        /// Request information from a specific server
        #[arg(long)]
        host: Option<String>,
        #[command(flatten)]
        archive: ArchiveFlag,
    },
    /// Purge assets from JetStream clusters
    Purge {
        /// The name of the account to purge
        #[arg(value_name = "NAME")]
        account: String,
        /// Perform the operation without prompting
        #[arg(short, long)]
        force: bool,
    },
}

impl AccountArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match &self.command {
            AccountCommand::Info {
                account,
                host,
                archive,
            } => {
                let source = Source::open(app, archive.archive.as_deref()).await?;
                self.info(&source, account, host.as_deref()).await
            }
            AccountCommand::Purge { account, force } => purge(app, account, *force).await,
        }
    }

    async fn info(&self, source: &Source, account: &str, host: Option<&str>) -> Result<()> {
        let body = without_nulls(json!({ "account": account }));
        let body = selected(body, host, None, None, &[], "");
        let answers = source.documents("ACCOUNTZ", &body, 1).await?;
        let detail = answers
            .first()
            .map(|answer| answer.data().at("account_detail"))
            .filter(|detail| detail.is_object())
            .context("no account information received")?;
        match self.json {
            true => json_output::print(detail),
            false => {
                page(detail).print();
                Ok(())
            }
        }
    }
}

fn page(detail: &Value) -> Columns {
    let mut page = Columns::new(format!(
        "Account information for account {}",
        detail.text("account_name")
    ));
    let updated = detail.time("update_time").map(|at| {
        format!(
            "{} ({} ago)",
            time::local(at),
            ago(at, jiff::Timestamp::now())
        )
    });
    page.section("Details")
        .row("Complete", detail.flag("complete"))
        .row("Expired", detail.flag("expired"))
        .row("System Account", detail.flag("is_system"))
        .row("Updated", updated.unwrap_or_default())
        .row("JetStream", detail.flag("jetstream_enabled"))
        .row_if_set("Issuer", detail.text("issuer_key"))
        .row_if_set("Tag", detail.text("name_tag"))
        .row_if_set("Tags", detail.texts("tags").join(", "));
    page.section("Mappings");
    for (subject, destinations) in detail.entries("mappings") {
        let all = destinations.as_array().map_or(&[][..], Vec::as_slice);
        let lines: Vec<String> = all.iter().map(destination).collect();
        page.row(subject, lines.join("\n"));
    }
    for (title, list) in [("Imports", "imports"), ("Responses", "responses")] {
        page.section(title);
        for import in detail.list(list) {
            show_import(&mut page, import);
        }
    }
    page.section("Exports");
    for export in detail.list("exports") {
        show_export(&mut page, export);
    }
    page.section("Revoked Users");
    for (user, at) in detail.entries("revoked_user") {
        page.row(user, time::local_text(at.as_str().unwrap_or_default()));
    }
    page
}

fn destination(mapping: &Value) -> String {
    let mut text = mapping.text("subject").to_owned();
    if !mapping.text("cluster").is_empty() {
        text.push_str(&format!(" in cluster {}", mapping.text("cluster")));
    }
    if mapping.count("weight") != 100 {
        text.push_str(&format!(" with weight {}", mapping.count("weight")));
    }
    text
}

fn show_import(page: &mut Columns, import: &Value) {
    let subject = import.text("subject");
    let local = match import.text("local_subject") {
        "" => subject,
        local => local,
    };
    let mut text = local.to_owned();
    if local != subject {
        text.push_str(&format!(" from subject {subject}"));
    }
    if !import.text("account").is_empty() {
        let from = if local == subject { "from" } else { "in" };
        text.push_str(&format!(" {from} account {}", import.text("account")));
    }
    page.row("Subject", text)
        .row("Type", import.text("type"))
        .row_if_set("Name", import.text("name"))
        .row("Sharing", import.flag("share"))
        .row("Tracking", import.flag("tracking"));
    if import.flag("invalid") {
        page.row("Invalid", true);
    }
    page.text("");
}

fn show_export(page: &mut Columns, export: &Value) {
    page.row("Subject", export.text("subject"))
        .row("Type", export.text("type"))
        .row("Tokens Required", export.flag("token_req"))
        .row_if_set("Response Type", export.text("response_type"))
        .row_if_set("Description", export.text("description"))
        .row_if_set("Info URL", export.text("info_url"))
        .row_if_set("Name", export.text("name"));
    if export.count("account_token_position") > 0 {
        page.row("Account Token Pos", export.count("account_token_position"));
    }
    let accounts = export.texts("approved_accounts");
    let more = match accounts.len() > MAX_SHOWN {
        true => format!("\nand {} more, see --json", accounts.len() - MAX_SHOWN),
        false => String::new(),
    };
    let shown: Vec<String> = accounts.into_iter().take(MAX_SHOWN).collect();
    page.row_if_set("Accounts", shown.join("\n") + &more);
    page.text("");
}

async fn purge(app: &App, account: &str, force: bool) -> Result<()> {
    if !app.settings()?.context.jetstream_domain.is_empty() {
        return Err(Error::new("--js-domain cannot be used with account purge")
            .hint("Domains do not apply to the system account: connect without one."));
    }
    if !force {
        say!(
            "This operation deletes all data from the {account} account and cannot be reversed.\n"
        );
    }
    prompt::confirm_or_stop(&format!("Really purge account {account}"), force)?;
    let jsm = app.jsm().await?;
    let call = format!("ACCOUNT.PURGE.{account}");
    if let Err(error) = jsm.call_raw(&call, Vec::new()).await {
        return Err(match error.api_code() {
            Some(_) => error,
            None => Error::new(format!("the account was not purged: {}", error.message())).hint(
                "Not every server does this: remove the account's streams with `nats stream rm`.",
            ),
        });
    }
    say!("Purge operation on account {account} initiated");
    Ok(())
}

//! `nats auth account`: accounts of an operator, and bringing them to servers.

mod exports;
mod imports;
mod keys;
mod kv;
mod limits;
mod mappings;
mod resolver;
mod shared;

use std::path::PathBuf;

use cognate_auth::jwt::{Account, Claims, OperatorLimits};
use cognate_auth::nkey::Kind;

use super::select::{Chosen, OperatorFlag, update_tags};
use super::show;
use super::store::{self, Entity, new_key};
use crate::app::App;
use crate::error::{Error, Result};
use crate::output::prompt;
use crate::output::table::Table;
use crate::say;

pub(super) use keys::find as find_signing_key;

/// Manage NATS Accounts
#[derive(clap::Args)]
pub(crate) struct AccountArgs {
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(clap::Subcommand)]
enum AccountCommand {
    /// Adds a new Account
    #[command(visible_aliases = ["create", "new"])]
    Add(Box<AddArgs>),
    /// Show Account information
    #[command(visible_aliases = ["i", "show", "view"])]
    Info {
        /// Account to view
        account: Option<String>,
        #[command(flatten)]
        operator: OperatorFlag,
        /// Produce JSON output, with the secret seeds
        #[arg(short, long)]
        json: bool,
    },
    /// Edit Account settings
    #[command(visible_alias = "update")]
    Edit(Box<EditArgs>),
    /// List Accounts
    #[command(visible_alias = "list")]
    Ls {
        /// Operator to act on
        operator: Option<String>,
        /// Show just the Account names
        #[arg(long)]
        names: bool,
    },
    /// Push the Account to the NATS Resolver
    Push {
        /// Account to act on
        account: Option<String>,
        #[command(flatten)]
        operator: OperatorFlag,
        /// Show the Account JWT before pushing
        #[arg(long)]
        show: bool,
    },
    /// Pull the Account from the NATS Resolver and view it
    #[command(visible_alias = "pull")]
    Query {
        /// Account to act on
        account: String,
        /// Saves the JWT to a file
        output: Option<PathBuf>,
        #[command(flatten)]
        operator: OperatorFlag,
    },
    /// Manage account Imports
    #[command(visible_aliases = ["imp", "import"])]
    Imports {
        #[command(subcommand)]
        command: imports::ImportsCommand,
    },
    /// Manage account Exports
    #[command(visible_aliases = ["e", "exp", "export"])]
    Exports {
        #[command(subcommand)]
        command: exports::ExportsCommand,
    },
    /// Manage Scoped Signing Keys
    #[command(visible_aliases = ["sk", "s"])]
    Keys {
        #[command(subcommand)]
        command: keys::KeysCommand,
    },
    /// Manage account level subject mapping and partitioning
    #[command(visible_aliases = ["m", "mapping", "map"])]
    Mappings {
        #[command(subcommand)]
        command: mappings::MappingsCommand,
    },
}

#[derive(clap::Args)]
struct AddArgs {
    /// Unique name for this Account
    account: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
    /// The public key to use when signing the account
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    limits: limits::LimitFlags,
    /// Tags to assign to this Account
    #[arg(long)]
    tags: Vec<String>,
    /// Accept default values without prompting
    #[arg(long)]
    defaults: bool,
}

#[derive(clap::Args)]
struct EditArgs {
    /// The account to edit
    account: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
    #[command(flatten)]
    limits: limits::LimitFlags,
    /// Tags to assign to this Account
    #[arg(long)]
    tags: Vec<String>,
    /// Tags to remove from this Account
    #[arg(long)]
    no_tags: Vec<String>,
}

impl AccountArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            AccountCommand::Add(args) => args.run(),
            AccountCommand::Info {
                account,
                operator,
                json,
            } => {
                let (chosen, account) = operator.account(account.as_deref())?;
                show::account(&chosen, &account, json)
            }
            AccountCommand::Edit(args) => args.run(),
            AccountCommand::Ls { operator, names } => list(operator.as_deref(), names),
            AccountCommand::Push {
                account,
                operator,
                show,
            } => {
                let (_, account) = operator.account(account.as_deref())?;
                resolver::push(app, &account, show).await
            }
            AccountCommand::Query {
                account,
                output,
                operator,
            } => {
                let (chosen, account) = operator.account(Some(&account))?;
                resolver::query(app, &chosen, &account, output.as_deref()).await
            }
            AccountCommand::Imports { command } => command.run(),
            AccountCommand::Exports { command } => command.run(),
            AccountCommand::Keys { command } => command.run(),
            AccountCommand::Mappings { command } => command.run(),
        }
    }
}

impl AddArgs {
    fn run(mut self) -> Result<()> {
        let chosen = self.operator.choose()?;
        let name = match self.account.take() {
            Some(name) => name,
            None => prompt::ask("Account Name", "", "the name as argument")?,
        };
        store::check_name(&name)?;
        if chosen
            .store
            .accounts(&chosen.operator.name)?
            .contains(&name)
        {
            return Err(Error::new(format!("account {name} already exist"))
                .hint("`nats auth account edit` changes it."));
        }
        if !self.defaults {
            self.limits.ask()?;
        }
        let signer = chosen.operator_key(self.key.as_deref(), "")?;
        let key = new_key(Kind::Account)?;
        let mut claims = Claims::<Account>::new(key.public_key().to_string());
        claims.registered.name.clone_from(&name);
        claims.nats.limits = OperatorLimits::unlimited();
        claims.nats.limits.account.disallow_bearer = true;
        self.limits.apply(&mut claims)?;
        update_tags(&mut claims.nats.tags, &self.tags, &[]);
        let mut account = Entity {
            name,
            token: String::new(),
            claims,
        };
        // A token that does not come about leaves no key behind.
        store::sign(&account.claims, &signer)?;
        chosen.store.save_key(&key)?;
        chosen.save_account_with(&mut account, &signer)?;
        show::account(&chosen, &account, false)
    }
}

impl EditArgs {
    fn run(self) -> Result<()> {
        let (chosen, mut account) = self.operator.account(self.account.as_deref())?;
        self.limits.apply(&mut account.claims)?;
        update_tags(&mut account.claims.nats.tags, &self.tags, &self.no_tags);
        chosen.save_account(&mut account)?;
        show::account(&chosen, &account, false)
    }
}

fn list(operator: Option<&str>, only_names: bool) -> Result<()> {
    let chosen = Chosen::named(operator)?;
    let accounts = chosen.store.all_accounts(&chosen.operator.name)?;
    if accounts.is_empty() {
        say!("No Accounts found");
        return Ok(());
    }
    if only_names {
        accounts.iter().for_each(|account| say!("{}", account.name));
        return Ok(());
    }
    let mut table = Table::new(
        "Accounts",
        &["Name", "Subject", "Users", "JetStream", "System"],
    );
    let mark = |is_so: bool| if is_so { "true" } else { "" }.to_owned();
    for account in &accounts {
        let limits = &account.claims.nats.limits;
        let has_jetstream = limits.jetstream.is_enabled() || !limits.tiered_limits.is_empty();
        let users = chosen.store.users(&chosen.operator.name, &account.name)?;
        table.row([
            account.name.clone(),
            account.subject().to_owned(),
            users.len().to_string(),
            mark(has_jetstream),
            mark(account.subject() == chosen.operator.claims.nats.system_account),
        ]);
    }
    table.print();
    Ok(())
}

//! `nats auth operator`: those whose signatures on accounts servers trust.

use std::path::PathBuf;

use cognate_auth::creds;
use cognate_auth::jwt::{Account, Claims, Operator, OperatorLimits};
use cognate_auth::nkey::Kind;

use super::backup;
use super::select::{self, Chosen, update_tags};
use super::show;
use super::store::{self, Store, new_key};
use crate::error::{Context, Error, Result};
use crate::output::prompt;
use crate::output::table::Table;
use crate::say;

/// What the system account of a new operator is called.
const SYSTEM: &str = "SYSTEM";

/// Manage NATS Operators
#[derive(clap::Args)]
pub(crate) struct OperatorArgs {
    #[command(subcommand)]
    command: OperatorCommand,
}

#[derive(clap::Subcommand)]
enum OperatorCommand {
    /// Adds a new Operator
    #[command(visible_aliases = ["create", "new"])]
    Add(AddArgs),
    /// Show Operator information
    #[command(visible_aliases = ["i", "show", "view"])]
    Info {
        /// Operator to view
        name: Option<String>,
        /// Produce JSON output, with the secret seeds
        #[arg(short, long)]
        json: bool,
    },
    /// List Operators
    #[command(visible_alias = "ls")]
    List {
        /// Show just the Operator names
        #[arg(long)]
        names: bool,
    },
    /// Edit an Operator
    #[command(visible_alias = "update")]
    Edit(EditArgs),
    /// Imports an operator
    Import {
        /// The file with the operator's JWT
        #[arg(value_name = "JWT")]
        token_file: PathBuf,
        /// Files with keys to import
        #[arg(value_name = "FILE")]
        keys: Vec<PathBuf>,
    },
    /// Selects the default operator
    Select {
        /// Operator to select
        name: Option<String>,
    },
    /// Creates a backup of an operator
    Backup {
        /// Operator to act on
        name: String,
        /// File to write backup to
        output: PathBuf,
        /// File with the curve key to encrypt with
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Restores an operator from a backup
    Restore {
        /// Operator to act on
        name: String,
        /// File to read backup from
        input: PathBuf,
        /// File with the curve key to decrypt with
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Manage Operator Signing Keys
    #[command(visible_aliases = ["sk", "s"])]
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
}

#[derive(clap::Args)]
struct AddArgs {
    /// Unique name for this Operator
    name: Option<String>,
    /// URLs for the Operator services
    #[arg(long, value_name = "URL")]
    service: Vec<String>,
    /// URL for the account server
    #[arg(long, value_name = "URL")]
    account_server: Option<String>,
    /// Don't create a signing key for this Operator
    #[arg(long)]
    no_signing_key: bool,
    /// Tags to assign to this Operator
    #[arg(long)]
    tags: Vec<String>,
}

#[derive(clap::Args)]
struct EditArgs {
    /// Operator to edit
    name: Option<String>,
    /// URL for the Account Server
    #[arg(long, value_name = "URL")]
    account_server: Option<String>,
    /// URLs for the Operator Services
    #[arg(long, value_name = "URL")]
    service: Option<Vec<String>>,
    /// Tags to add to this Operator
    #[arg(long)]
    tags: Vec<String>,
    /// Tags to remove from the Operator
    #[arg(long)]
    no_tags: Vec<String>,
}

#[derive(clap::Subcommand)]
enum KeysCommand {
    /// List Signing Keys
    #[command(visible_alias = "ls")]
    List {
        /// Operator to act on
        name: Option<String>,
    },
    /// Adds a new Signing Key
    #[command(visible_aliases = ["new", "create"])]
    Add {
        /// Operator to act on
        name: Option<String>,
    },
    /// Removes a Signing Key
    #[command(visible_alias = "delete")]
    Rm {
        /// Operator to act on
        name: String,
        /// The public key to remove
        key: String,
        /// Remove without prompting
        #[arg(short, long)]
        force: bool,
    },
}

impl OperatorArgs {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            OperatorCommand::Add(args) => args.run(),
            OperatorCommand::Info { name, json } => {
                show::operator(&Chosen::named(name.as_deref())?, json)
            }
            OperatorCommand::List { names } => list(names),
            OperatorCommand::Edit(args) => args.run(),
            OperatorCommand::Import { token_file, keys } => import(&token_file, &keys),
            OperatorCommand::Select { name } => choose(name),
            OperatorCommand::Backup { name, output, key } => {
                backup::backup(&name, &output, key.as_deref())
            }
            OperatorCommand::Restore { name, input, key } => {
                backup::restore(&name, &input, key.as_deref())
            }
            OperatorCommand::Keys { command } => command.run(),
        }
    }
}

impl AddArgs {
    fn run(self) -> Result<()> {
        let name = match self.name {
            Some(name) => name,
            None => prompt::ask("Operator Name", "", "the name as argument")?,
        };
        store::check_name(&name)?;
        let store = Store::open()?;
        must_be_new(&store, &name)?;
        let key = new_key(Kind::Operator)?;
        let system = new_key(Kind::Account)?;
        let mut claims = Claims::<Operator>::new(key.public_key().to_string());
        claims.registered.name.clone_from(&name);
        let nats = &mut claims.nats;
        nats.system_account = system.public_key().to_string();
        nats.operator_service_urls = self.service;
        nats.account_server_url = self.account_server.unwrap_or_default();
        update_tags(&mut nats.tags, &self.tags, &[]);
        let mut keys = vec![];
        if !self.no_signing_key {
            let signing = new_key(Kind::Operator)?;
            nats.signing_keys.push(signing.public_key().to_string());
            keys.push(signing);
        }
        let mut account = Claims::<Account>::new(system.public_key().to_string());
        SYSTEM.clone_into(&mut account.registered.name);
        account.nats.limits = OperatorLimits::unlimited();
        let token = store::sign(&claims, &key)?;
        let system_token = store::sign(&account, &key)?;
        keys.extend([key, system]);
        // The keys first: a token without its key is of no use, a key without a token does no harm.
        keys.iter().try_for_each(|key| store.save_key(key))?;
        store.save_operator(&name, &token)?;
        store.save_account(&name, SYSTEM, &system_token)?;
        show::operator(&Chosen::named(Some(&name))?, false)
    }
}

fn must_be_new(store: &Store, name: &str) -> Result<()> {
    match store.operators()?.iter().any(|known| known == name) {
        true => Err(Error::new(format!("operator {name} already exist"))
            .hint("`nats auth operator edit` changes it.")),
        false => Ok(()),
    }
}

impl EditArgs {
    fn run(self) -> Result<()> {
        let mut chosen = Chosen::named(self.name.as_deref())?;
        let nats = &mut chosen.operator.claims.nats;
        if let Some(url) = self.account_server {
            nats.account_server_url = url;
        }
        if let Some(urls) = self.service {
            nats.operator_service_urls = urls.into_iter().filter(|url| !url.is_empty()).collect();
        }
        update_tags(&mut nats.tags, &self.tags, &self.no_tags);
        chosen.save_operator()?;
        show::operator(&chosen, false)
    }
}

fn list(only_names: bool) -> Result<()> {
    let store = Store::open()?;
    let names = store.operators()?;
    if names.is_empty() {
        say!("No Operators found");
        return Ok(());
    }
    let mut table = Table::new(
        "Operators",
        &[
            "Name",
            "Subject",
            "Accounts",
            "Account Server",
            "Signing Keys",
        ],
    );
    for name in &names {
        if only_names {
            say!("{name}");
            continue;
        }
        let operator = store.operator(name)?;
        table.row([
            name.clone(),
            operator.subject().to_owned(),
            store.accounts(name)?.len().to_string(),
            operator.claims.nats.account_server_url.clone(),
            operator.claims.nats.signing_keys.len().to_string(),
        ]);
    }
    if !only_names {
        table.print();
    }
    Ok(())
}

fn import(token_file: &std::path::Path, key_files: &[PathBuf]) -> Result<()> {
    let store = Store::open()?;
    let text = store::read_text(token_file)?;
    let operator = store::entity::<Operator>("", &text).context(token_file.display())?;
    let name = operator.claims.registered.name.clone();
    store::check_name(&name)?;
    must_be_new(&store, &name)?;
    let mut keys = Vec::new();
    for file in key_files {
        let key = creds::key_of(store::read_text(file)?.as_bytes()).context(file.display())?;
        let public = key.public_key().to_string();
        let is_own =
            public == operator.subject() || operator.claims.nats.signing_keys.contains(&public);
        if !is_own {
            return Err(Error::new(format!(
                "{} is no key of operator {name}",
                file.display()
            )));
        }
        keys.push(key);
    }
    keys.iter().try_for_each(|key| store.save_key(key))?;
    store.save_operator(&name, &operator.token)?;
    show::operator(&Chosen::named(Some(&name))?, false)
}

fn choose(name: Option<String>) -> Result<()> {
    let known = Store::open()?.operators()?;
    let name = match name {
        Some(name) => name,
        None => select::pick("Select an Operator", &known, "the name as argument")?,
    };
    let chosen = Chosen::named(Some(&name))?;
    select::select(&chosen.operator.name)?;
    say!("Selected operator {:?} as default", chosen.operator.name);
    Ok(())
}

impl KeysCommand {
    fn run(self) -> Result<()> {
        match self {
            KeysCommand::List { name } => {
                let chosen = Chosen::named(name.as_deref())?;
                for key in &chosen.operator.claims.nats.signing_keys {
                    say!("{key}");
                }
                Ok(())
            }
            KeysCommand::Add { name } => {
                let mut chosen = Chosen::named(name.as_deref())?;
                let key = new_key(Kind::Operator)?;
                let public = key.public_key().to_string();
                chosen.store.save_key(&key)?;
                chosen
                    .operator
                    .claims
                    .nats
                    .signing_keys
                    .push(public.clone());
                chosen.save_operator()?;
                say!("{public}");
                Ok(())
            }
            KeysCommand::Rm { name, key, force } => {
                let mut chosen = Chosen::named(Some(&name))?;
                let keys = &mut chosen.operator.claims.nats.signing_keys;
                if !keys.contains(&key) {
                    return Err(Error::new("signing key was not found")
                        .hint("`nats auth operator keys ls` shows them."));
                }
                prompt::confirm_or_stop(&format!("Really remove the signing key {key}"), force)?;
                keys.retain(|known| *known != key);
                chosen.save_operator()?;
                chosen.store.remove_key(&key)?;
                say!("Signing key removed");
                Ok(())
            }
        }
    }
}

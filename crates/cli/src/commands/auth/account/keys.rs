//! `nats auth account keys`: signing keys with a role, whose users have the key's permissions.

use cognate_auth::jwt::{NO_LIMIT, SigningKeys, UserScope};
use cognate_auth::nkey::Kind;

use crate::commands::auth::select::{OperatorFlag, pick};
use crate::commands::auth::show;
use crate::commands::auth::store::{AccountEntity, new_key};
use crate::commands::auth::user::PermissionFlags;
use crate::error::{Context, Error, Result};
use crate::output::table::Table;
use crate::output::{json, number, prompt};
use crate::say;

#[derive(clap::Subcommand)]
pub(super) enum KeysCommand {
    /// Adds a signing key
    #[command(visible_aliases = ["new", "a", "n"])]
    Add(Box<AddArgs>),
    /// Show information for a Scoped Signing Key
    #[command(visible_aliases = ["i", "show", "view"])]
    Info {
        /// Account to view
        account: Option<String>,
        /// The role or key to view
        key: Option<String>,
        #[command(flatten)]
        operator: OperatorFlag,
        /// Produce JSON output
        #[arg(short, long)]
        json: bool,
    },
    /// List Scoped Signing Keys
    #[command(visible_alias = "list")]
    Ls {
        /// Account to act on
        account: Option<String>,
        #[command(flatten)]
        operator: OperatorFlag,
    },
    /// Remove a scoped signing key
    Rm {
        /// Account to act on
        account: Option<String>,
        /// The key or role to remove
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        operator: OperatorFlag,
        /// Removes without prompting
        #[arg(short, long)]
        force: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct AddArgs {
    /// Account to act on
    account: Option<String>,
    /// The role to add a key for
    role: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
    /// Description for the signing key
    #[arg(long, default_value = "")]
    description: String,
    /// Maximum allowed subscriptions
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    subscriptions: i64,
    /// Maximum allowed payload
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = number::size_arg)]
    payload: Option<i64>,
    /// Allows bearer tokens
    #[arg(long)]
    bearer: bool,
    /// Locale for the client
    #[arg(long, default_value = "")]
    locale: String,
    /// Set the allowed connections
    #[arg(long, value_parser = ["nats", "ws", "leaf", "wsleaf", "mqtt"])]
    connection: Vec<String>,
    #[command(flatten)]
    permissions: PermissionFlags,
}

impl KeysCommand {
    pub(super) fn run(self) -> Result<()> {
        match self {
            KeysCommand::Add(args) => args.run(),
            KeysCommand::Info {
                account,
                key,
                operator,
                json: is_json,
            } => {
                let (_, account) = operator.account(account.as_deref())?;
                let key = find(&account, key.as_deref())?;
                let scope = scope_of(&account, &key);
                match is_json {
                    true => json::print(&scope),
                    false => {
                        show::scope_page(&scope).print();
                        Ok(())
                    }
                }
            }
            KeysCommand::Ls { account, operator } => {
                let (_, account) = operator.account(account.as_deref())?;
                list(&account.claims.nats.signing_keys);
                Ok(())
            }
            KeysCommand::Rm {
                account,
                key,
                operator,
                force,
            } => {
                let (chosen, mut account) = operator.account(account.as_deref())?;
                let key = find(&account, key.as_deref())?;
                prompt::confirm_or_stop(&format!("Really remove Scoped Key {key}"), force)?;
                account.claims.nats.signing_keys.0.remove(&key);
                chosen.save_account(&mut account)?;
                chosen.store.remove_key(&key)?;
                say!("key {key:?} removed");
                Ok(())
            }
        }
    }
}

impl AddArgs {
    fn run(self) -> Result<()> {
        let (chosen, mut account) = self.operator.account(self.account.as_deref())?;
        let role = match self.role {
            Some(role) => role,
            None => prompt::ask("Role Name", "", "the role as argument")?,
        };
        if role.is_empty() {
            return Err(Error::new("a signing key needs a role"));
        }
        let key = new_key(Kind::Account)?;
        let public = key.public_key().to_string();
        let mut scope = UserScope {
            key: public.clone(),
            role,
            description: self.description,
            ..UserScope::default()
        };
        let template = &mut scope.template;
        template.limits.subs = self.subscriptions.max(NO_LIMIT);
        template.limits.payload = self.payload.unwrap_or(NO_LIMIT).max(NO_LIMIT);
        template.bearer_token = self.bearer;
        template.locale = self.locale;
        template.allowed_connection_types = self
            .connection
            .iter()
            .map(|kind| connection_type(kind).to_owned())
            .collect();
        self.permissions.apply(&mut template.permissions);
        account
            .claims
            .nats
            .signing_keys
            .0
            .insert(public, Some(scope.clone()));
        let signer = chosen.operator_key(None, account.issuer())?;
        chosen.save_account_with(&mut account, &signer)?;
        chosen.store.save_key(&key)?;
        show::scope_page(&scope).print();
        Ok(())
    }
}

fn connection_type(kind: &str) -> &'static str {
    match kind {
        "ws" => "WEBSOCKET",
        "leaf" => "LEAFNODE",
        "wsleaf" => "LEAFNODE_WS",
        "mqtt" => "MQTT",
        _ => "STANDARD",
    }
}

/// What a key is for; an unscoped one has no role.
fn scope_of(account: &AccountEntity, key: &str) -> UserScope {
    let scope = account
        .claims
        .nats
        .signing_keys
        .0
        .get(key)
        .cloned()
        .flatten();
    scope.unwrap_or_else(|| UserScope {
        key: key.to_owned(),
        ..UserScope::default()
    })
}

/// The key of this name or of this role; the user is asked if neither is given.
pub(crate) fn find(account: &AccountEntity, wanted: Option<&str>) -> Result<String> {
    let keys = &account.claims.nats.signing_keys.0;
    let role = |key: &String| scope_of(account, key).role;
    let Some(wanted) = wanted else {
        let all: Vec<String> = keys.keys().cloned().collect();
        return match all.as_slice() {
            [] => {
                Err(Error::new("no signing keys found")
                    .hint("`nats auth account keys add` makes one."))
            }
            [only] => Ok(only.clone()),
            all => {
                let names: Vec<String> = all
                    .iter()
                    .map(|key| format!("{key} {}", role(key)))
                    .collect();
                let picked = pick("Select a key", &names, "the key or its role")?;
                let key = picked.split(' ').next().context("nothing was chosen")?;
                Ok(key.to_owned())
            }
        };
    };
    if keys.contains_key(wanted) {
        return Ok(wanted.to_owned());
    }
    let of_role: Vec<&String> = keys.keys().filter(|key| role(key) == wanted).collect();
    match of_role.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Error::new(format!(
            "account {} has no signing key {wanted:?}",
            account.name
        ))
        .hint(format!(
            "`nats auth account keys ls {}` shows them.",
            account.name
        ))),
        _ => Err(
            Error::new(format!("{} keys have the role {wanted:?}", of_role.len()))
                .hint("Give the key itself."),
        ),
    }
}

fn list(keys: &SigningKeys) {
    if keys.is_empty() {
        say!("No Scoped Signing Keys or Roles defined");
        return;
    }
    let mut table = Table::new(
        "Scoped Signing Keys",
        &[
            "Role",
            "Key",
            "Description",
            "Max Subscriptions",
            "Pub Perms",
            "Sub Perms",
        ],
    );
    for (key, scope) in &keys.0 {
        let Some(scope) = scope else {
            table.row(["", key.as_str()]);
            continue;
        };
        let permissions = &scope.template.permissions;
        table.row([
            scope.role.clone(),
            key.clone(),
            scope.description.clone(),
            scope.template.limits.subs.to_string(),
            (permissions.publish.allow.len() + permissions.publish.deny.len()).to_string(),
            (permissions.subscribe.allow.len() + permissions.subscribe.deny.len()).to_string(),
        ]);
    }
    table.print();
}

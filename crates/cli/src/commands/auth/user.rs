//! `nats auth user`: users of an account, their credentials, and taking both back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cognate_auth::creds;
use cognate_auth::jwt::{Claims, Permissions, User, UserPermissionLimits};
use cognate_auth::nkey::Kind;

use super::account::find_signing_key;
use super::select::{Chosen, OperatorFlag, update_tags};
use super::show;
use super::store::{self, AccountEntity, Entity, UserEntity, new_key};
use crate::error::{Error, Result};
use crate::output::table::Table;
use crate::output::{duration, prompt};
use crate::say;

/// Bytes of a message that a new user may send.
const DEFAULT_PAYLOAD: i64 = 1_048_576;

/// Manage Account Users
#[derive(clap::Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(clap::Subcommand)]
enum UserCommand {
    /// Adds a new User
    #[command(visible_aliases = ["create", "new"])]
    Add(Box<AddArgs>),
    /// Show User information
    #[command(visible_aliases = ["i", "show", "view"])]
    Info {
        #[command(flatten)]
        which: Which,
        /// Produce JSON output, with the secret seeds
        #[arg(short, long)]
        json: bool,
    },
    /// Edits User settings
    #[command(visible_alias = "update")]
    Edit(Box<EditArgs>),
    /// List users
    #[command(visible_alias = "list")]
    Ls {
        /// Account to query
        account: Option<String>,
        #[command(flatten)]
        operator: OperatorFlag,
        /// Show just the User names
        #[arg(long)]
        names: bool,
    },
    /// Removes an user
    Rm {
        #[command(flatten)]
        which: Which,
        /// Also revokes the user before deleting it
        #[arg(long)]
        revoke: bool,
        /// Removes without prompting
        #[arg(short, long)]
        force: bool,
    },
    /// Creates a credential file for a user
    #[command(visible_aliases = ["cred", "creds"])]
    Credential {
        /// The file to create
        file: PathBuf,
        #[command(flatten)]
        which: Which,
        /// Duration till expiry
        #[arg(long, value_parser = duration::arg)]
        expire: Option<Duration>,
        /// Overwrite existing files
        #[arg(short, long)]
        force: bool,
    },
}

/// The user that is meant.
#[derive(clap::Args)]
struct Which {
    /// Name of the User
    name: Option<String>,
    /// Account of the User
    account: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
}

impl Which {
    fn choose(&self) -> Result<(Chosen, AccountEntity, UserEntity)> {
        let (chosen, account) = self.operator.account(self.account.as_deref())?;
        let user = chosen.user(&account, self.name.as_deref())?;
        Ok((chosen, account, user))
    }
}

/// Subjects that are allowed and denied.
#[derive(clap::Args, Default)]
pub(crate) struct PermissionFlags {
    /// Allow publishing to a subject
    #[arg(long, value_name = "SUBJECT")]
    pub_allow: Vec<String>,
    /// Deny publishing to a subject
    #[arg(long, value_name = "SUBJECT")]
    pub_deny: Vec<String>,
    /// Allow subscribing to a subject
    #[arg(long, value_name = "SUBJECT")]
    sub_allow: Vec<String>,
    /// Deny subscribing to a subject
    #[arg(long, value_name = "SUBJECT")]
    sub_deny: Vec<String>,
}

impl PermissionFlags {
    /// Replaces the lists that are given.
    pub(crate) fn apply(&self, permissions: &mut Permissions) {
        let lists = [
            (&self.pub_allow, &mut permissions.publish.allow),
            (&self.pub_deny, &mut permissions.publish.deny),
            (&self.sub_allow, &mut permissions.subscribe.allow),
            (&self.sub_deny, &mut permissions.subscribe.deny),
        ];
        for (given, list) in lists {
            if !given.is_empty() {
                list.clone_from(given);
            }
        }
    }

    fn is_empty(&self) -> bool {
        [
            &self.pub_allow,
            &self.pub_deny,
            &self.sub_allow,
            &self.sub_deny,
        ]
        .iter()
        .all(|list| list.is_empty())
    }
}

/// What a user may do and use; -1 is no limit.
#[derive(clap::Args)]
struct Settings {
    /// Enables the use of bearer tokens
    #[arg(long, overrides_with = "no_bearer")]
    bearer: bool,
    /// Disables the use of bearer tokens
    #[arg(long, overrides_with = "bearer")]
    no_bearer: bool,
    /// Maximum message data size to allow
    #[arg(long, allow_hyphen_values = true)]
    data: Option<i64>,
    /// Sets the locale for the user connection
    #[arg(long)]
    locale: Option<String>,
    /// Maximum payload size to allow
    #[arg(long, allow_hyphen_values = true)]
    payload: Option<i64>,
    /// Maximum subscription count to allow
    #[arg(long, allow_hyphen_values = true)]
    subscriptions: Option<i64>,
    #[command(flatten)]
    permissions: PermissionFlags,
    /// Tags to assign to this User
    #[arg(long)]
    tags: Vec<String>,
}

impl Settings {
    fn apply(&self, allowed: &mut UserPermissionLimits) {
        if self.bearer || self.no_bearer {
            allowed.bearer_token = self.bearer;
        }
        let limits = [
            (self.data, &mut allowed.limits.data),
            (self.payload, &mut allowed.limits.payload),
            (self.subscriptions, &mut allowed.limits.subs),
        ];
        for (given, limit) in limits {
            if let Some(given) = given {
                *limit = given.max(-1);
            }
        }
        if let Some(locale) = &self.locale {
            allowed.locale.clone_from(locale);
        }
        self.permissions.apply(&mut allowed.permissions);
    }

    /// Whether something is set that a signing key's scope decides.
    fn is_some(&self) -> bool {
        self.bearer
            || self.data.is_some()
            || self.payload.is_some()
            || self.subscriptions.is_some()
            || self.locale.is_some()
            || !self.permissions.is_empty()
    }

    fn refuse_if_scoped(&self) -> Result<()> {
        match self.is_some() {
            true => Err(Error::new(
                "users of a scoped signing key have the key's permissions and limits",
            )
            .hint("Leave the flags out, or change the key's scope.")),
            false => Ok(()),
        }
    }
}

#[derive(clap::Args)]
struct AddArgs {
    /// Unique name for this User
    name: String,
    /// Account to add the user to
    account: Option<String>,
    /// The key to use when signing the user, or its role
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
    #[command(flatten)]
    settings: Settings,
    /// Overwrite existing files
    #[arg(short, long)]
    force: bool,
    /// Writes credentials to a file
    #[arg(long, value_name = "FILE")]
    credential: Option<PathBuf>,
    /// Accept default values without prompting
    #[arg(long)]
    defaults: bool,
}

#[derive(clap::Args)]
struct EditArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    settings: Settings,
    /// Tags to remove from this User
    #[arg(long)]
    no_tags: Vec<String>,
    /// Writes credentials to a file
    #[arg(long, value_name = "FILE")]
    credential: Option<PathBuf>,
}

impl UserArgs {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            UserCommand::Add(args) => args.run(),
            UserCommand::Info { which, json } => {
                let (chosen, account, user) = which.choose()?;
                show::user(&chosen, &account, &user, json)
            }
            UserCommand::Edit(args) => args.run(),
            UserCommand::Ls {
                account,
                operator,
                names,
            } => list(&operator, account.as_deref(), names),
            UserCommand::Rm {
                which,
                revoke,
                force,
            } => remove(&which, revoke, force),
            UserCommand::Credential {
                file,
                which,
                expire,
                force,
            } => {
                let (chosen, _, user) = which.choose()?;
                write_credential(&chosen, &user, &file, expire, force)?;
                say!("Wrote credential for {} to {}", user.name, file.display());
                Ok(())
            }
        }
    }
}

impl AddArgs {
    fn run(self) -> Result<()> {
        let (chosen, account) = self.operator.account(self.account.as_deref())?;
        store::check_name(&self.name)?;
        let known = chosen.store.users(&chosen.operator.name, &account.name)?;
        if known.contains(&self.name) {
            return Err(Error::new(format!("user {} already exist", self.name))
                .hint("`nats auth user edit` changes it, `nats auth user credential` writes its credential."));
        }
        if let Some(path) = self.credential.as_deref().filter(|_| !self.force) {
            must_be_new(path)?;
        }
        let signer = match &self.key {
            Some(wanted) if wanted == account.subject() => wanted.clone(),
            Some(wanted) => find_signing_key(&account, Some(wanted))?,
            None => account.subject().to_owned(),
        };
        let is_scoped = matches!(
            account.claims.nats.signing_keys.0.get(&signer),
            Some(Some(_))
        );
        let key = new_key(Kind::User)?;
        let mut claims = Claims::<User>::new(key.public_key().to_string());
        claims.registered.name.clone_from(&self.name);
        if signer != account.subject() {
            account
                .subject()
                .clone_into(&mut claims.nats.issuer_account);
        }
        if is_scoped {
            self.settings.refuse_if_scoped()?;
        } else {
            claims.nats.allowed = UserPermissionLimits::unlimited();
            claims.nats.allowed.limits.payload = DEFAULT_PAYLOAD;
            self.settings.apply(&mut claims.nats.allowed);
        }
        update_tags(&mut claims.nats.tags, &self.settings.tags, &[]);
        let token = store::sign(&claims, &chosen.private(&signer)?)?;
        chosen.store.save_key(&key)?;
        chosen
            .store
            .save_user(&chosen.operator.name, &account.name, &self.name, &token)?;
        let user = store::entity(&self.name, &token)?;
        if let Some(path) = &self.credential {
            write_credential(&chosen, &user, path, None, self.force)?;
        }
        show::user(&chosen, &account, &user, false)
    }
}

impl EditArgs {
    fn run(self) -> Result<()> {
        let (chosen, account, mut user) = self.which.choose()?;
        let scope = account.claims.nats.signing_keys.0.get(user.issuer());
        if matches!(scope, Some(Some(_))) {
            self.settings.refuse_if_scoped()?;
        } else {
            self.settings.apply(&mut user.claims.nats.allowed);
        }
        update_tags(
            &mut user.claims.nats.tags,
            &self.settings.tags,
            &self.no_tags,
        );
        let token = store::sign(&user.claims, &chosen.private(user.issuer())?)?;
        chosen
            .store
            .save_user(&chosen.operator.name, &account.name, &user.name, &token)?;
        let user: UserEntity = store::entity(&user.name, &token)?;
        if let Some(path) = &self.credential {
            write_credential(&chosen, &user, path, None, true)?;
        }
        show::user(&chosen, &account, &user, false)
    }
}

fn list(operator: &OperatorFlag, account: Option<&str>, only_names: bool) -> Result<()> {
    let (chosen, account) = operator.account(account)?;
    let names = chosen.store.users(&chosen.operator.name, &account.name)?;
    if names.is_empty() {
        say!("No users found");
        return Ok(());
    }
    let mut table = Table::new(
        format!("Users in account {}", account.name),
        &[
            "Name",
            "Subject",
            "Scoped",
            "Sub Perms",
            "Pub Perms",
            "Max Subscriptions",
        ],
    );
    for name in names {
        if only_names {
            say!("{name}");
            continue;
        }
        let user = chosen
            .store
            .user(&chosen.operator.name, &account.name, &name)?;
        let scope = account.claims.nats.signing_keys.0.get(user.issuer());
        let scope = scope.and_then(Option::as_ref);
        let allowed = scope.map_or(&user.claims.nats.allowed, |scope| &scope.template);
        let mark = |list: &cognate_auth::jwt::Permission| {
            let is_set = !list.allow.is_empty() || !list.deny.is_empty();
            if is_set { "✓" } else { "" }.to_owned()
        };
        table.row([
            name,
            user.subject().to_owned(),
            scope.is_some().to_string(),
            mark(&allowed.permissions.subscribe),
            mark(&allowed.permissions.publish),
            show::count(allowed.limits.subs),
        ]);
    }
    if !only_names {
        table.print();
    }
    Ok(())
}

fn remove(which: &Which, revoke: bool, force: bool) -> Result<()> {
    let (chosen, mut account, user) = which.choose()?;
    prompt::confirm_or_stop(&format!("Really remove the User {}", user.name), force)?;
    if revoke {
        let now = jiff::Timestamp::now().as_second();
        let revocations = &mut account.claims.nats.revocations;
        revocations.insert(user.subject().to_owned(), now);
        chosen.save_account(&mut account)?;
    }
    chosen
        .store
        .remove_user(&chosen.operator.name, &account.name, &user.name)?;
    chosen.store.remove_key(user.subject())?;
    say!("Removed user {}", user.name);
    if revoke {
        say!(
            "\nServers let it in until they know: nats auth account push {}",
            account.name
        );
    }
    Ok(())
}

fn must_be_new(path: &Path) -> Result<()> {
    match path.exists() {
        true => Err(Error::new(format!("file {} already exist", path.display()))
            .hint("--force overwrites it.")),
        false => Ok(()),
    }
}

/// Writes a credentials file; one that expires has a token of its own, which is not kept.
fn write_credential(
    chosen: &Chosen,
    user: &UserEntity,
    path: &Path,
    expire: Option<Duration>,
    force: bool,
) -> Result<()> {
    if !force {
        must_be_new(path)?;
    }
    let key = chosen.private(user.subject())?;
    let token = match expire {
        None => user.token.clone(),
        Some(expire) => {
            let mut user: Entity<User> = user.clone();
            let seconds = i64::try_from(expire.as_secs()).unwrap_or(i64::MAX);
            let now = jiff::Timestamp::now().as_second();
            user.claims.registered.expires = now.saturating_add(seconds);
            store::sign(&user.claims, &chosen.private(user.issuer())?)?
        }
    };
    store::write(path, creds::format_user(&token, &key)?.as_bytes())
}

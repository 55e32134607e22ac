//! Which operator, account and user a command is about: named, selected, the only one, or asked for.

use serde_json::{Map, Value};

use super::store::{self, AccountEntity, OperatorEntity, Store, UserEntity};
use crate::commands::shared::doc::Doc;
use crate::error::{Context, Error, Result};
use crate::output::{prompt, terminal};
use cognate_auth::nkey::KeyPair;

/// The operator to act on.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct OperatorFlag {
    /// Operator to act on; the selected or the only one otherwise
    #[arg(long)]
    pub(crate) operator: Option<String>,
}

/// A store and an operator in it.
pub(crate) struct Chosen {
    pub(crate) store: Store,
    pub(crate) operator: OperatorEntity,
}

impl OperatorFlag {
    /// The operator that is meant.
    pub(crate) fn choose(&self) -> Result<Chosen> {
        Chosen::named(self.operator.as_deref())
    }

    /// The account of the operator that is meant.
    pub(crate) fn account(&self, name: Option<&str>) -> Result<(Chosen, AccountEntity)> {
        let chosen = self.choose()?;
        let account = chosen.account(name)?;
        Ok((chosen, account))
    }
}

impl Chosen {
    /// The operator of this name, else the selected one, else the only one, else the user is asked.
    pub(crate) fn named(name: Option<&str>) -> Result<Self> {
        let store = Store::open()?;
        let known = store.operators()?;
        let name = match name {
            Some(name) if known.iter().any(|k| k == name) => name.to_owned(),
            Some(name) => {
                return Err(Error::new(format!("unknown operator: {name}"))
                    .hint("`nats auth operator ls` shows all of them."));
            }
            None => match (
                selected()?.filter(|name| known.contains(name)),
                known.as_slice(),
            ) {
                (Some(selected), _) => selected,
                (None, []) => {
                    return Err(Error::new("no operators found")
                        .hint("`nats auth operator add` makes the first one."));
                }
                (None, [only]) => only.clone(),
                (None, _) => pick("Select an Operator", &known, "--operator")?,
            },
        };
        let operator = store.operator(&name)?;
        Ok(Chosen { store, operator })
    }

    /// The account of this name or public key; the user is asked if there is none.
    pub(crate) fn account(&self, name: Option<&str>) -> Result<AccountEntity> {
        let known = self.store.accounts(&self.operator.name)?;
        let name = match name {
            Some(name) => match known.iter().find(|known| *known == name) {
                Some(name) => name.clone(),
                None => return self.account_by_key(name),
            },
            None => match known.as_slice() {
                [] => {
                    return Err(
                        Error::new("no accounts found").hint("`nats auth account add` makes one.")
                    );
                }
                known => pick("Select an Account", known, "the account's name as argument")?,
            },
        };
        self.store.account(&self.operator.name, &name)
    }

    fn account_by_key(&self, key: &str) -> Result<AccountEntity> {
        let all = self.store.all_accounts(&self.operator.name)?;
        all.into_iter()
            .find(|account| account.subject() == key)
            .ok_or_else(|| {
                Error::new(format!("unknown Account: {key}"))
                    .hint("`nats auth account ls` shows all of them.")
            })
    }

    /// A user of an account; the user is asked if there is no name.
    pub(crate) fn user(&self, account: &AccountEntity, name: Option<&str>) -> Result<UserEntity> {
        let known = self.store.users(&self.operator.name, &account.name)?;
        let name = match name {
            Some(name) if known.iter().any(|known| known == name) => name.to_owned(),
            Some(_) => {
                return Err(Error::new("user not found").hint(format!(
                    "`nats auth user ls {}` shows all of them.",
                    account.name
                )));
            }
            None if known.is_empty() => return Err(Error::new("no users found")),
            None => pick("Select a User", &known, "the user's name as argument")?,
        };
        self.store.user(&self.operator.name, &account.name, &name)
    }

    /// A key that may sign accounts of the operator: `wanted` if given, else that which signed
    /// before, else the operator's own, else one of its signing keys.
    pub(crate) fn operator_key(&self, wanted: Option<&str>, before: &str) -> Result<KeyPair> {
        let claims = &self.operator.claims.nats;
        let own = self.operator.subject();
        let signing = claims.signing_keys.iter().map(String::as_str);
        let mut usable: Vec<&str> = signing.collect();
        if !claims.strict_signing_key_usage {
            usable.insert(0, own);
        }
        if let Some(wanted) = wanted {
            if !usable.contains(&wanted) {
                return Err(Error::new(format!(
                    "{wanted} is no key of operator {}",
                    self.operator.name
                ))
                .hint("`nats auth operator keys ls` shows them."));
            }
            return self.private(wanted);
        }
        usable.sort_by_key(|key| *key != before);
        for key in usable {
            if let Some(key) = self.store.key(key)? {
                return Ok(key);
            }
        }
        Err(Error::new(format!(
            "no key of operator {} is in the store",
            self.operator.name
        ))
        .hint("Import it: `nats auth operator import` takes the operator's token and its keys."))
    }

    /// The private half of a key that must be here.
    pub(crate) fn private(&self, public: &str) -> Result<KeyPair> {
        self.store.key(public)?.with_context_missing(public)
    }

    /// Signs an account and keeps it.
    pub(crate) fn save_account(&self, account: &mut AccountEntity) -> Result<()> {
        let key = self.operator_key(None, account.issuer())?;
        self.save_account_with(account, &key)
    }

    /// Signs an account with this key and keeps it.
    pub(crate) fn save_account_with(
        &self,
        account: &mut AccountEntity,
        key: &KeyPair,
    ) -> Result<()> {
        let token = store::sign(&account.claims, key)?;
        self.store
            .save_account(&self.operator.name, &account.name, &token)?;
        *account = store::entity(&account.name, &token)?;
        Ok(())
    }

    /// Signs the operator and keeps it.
    pub(crate) fn save_operator(&mut self) -> Result<()> {
        let key = self.private(self.operator.subject())?;
        let token = store::sign(&self.operator.claims, &key)?;
        self.store.save_operator(&self.operator.name, &token)?;
        self.operator = store::entity(&self.operator.name, &token)?;
        Ok(())
    }
}

/// What is said when a seed is not in the store.
trait Missing {
    fn with_context_missing(self, public: &str) -> Result<KeyPair>;
}

impl Missing for Option<KeyPair> {
    fn with_context_missing(self, public: &str) -> Result<KeyPair> {
        self.ok_or_else(|| {
            Error::new(format!("the seed of {public} is not in the store"))
                .hint("Only who has the seed can sign with this key.")
        })
    }
}

/// Lets the user choose; a terminal is needed.
pub(crate) fn pick(question: &str, names: &[String], flag: &str) -> Result<String> {
    if !terminal::can_ask() {
        return Err(
            Error::new(format!("cannot ask: {question}, without a terminal"))
                .hint(format!("Give {flag}. There are: {}", names.join(", "))),
        );
    }
    let at = prompt::choose(question, names, 0, flag)?;
    names
        .get(at)
        .cloned()
        .context("there is nothing to choose from")
}

/// Adds and removes tags, which are kept in lower case.
pub(crate) fn update_tags(tags: &mut Vec<String>, add: &[String], remove: &[String]) {
    for tag in add.iter().map(|tag| tag.to_lowercase()) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let remove: Vec<String> = remove.iter().map(|tag| tag.to_lowercase()).collect();
    tags.retain(|tag| !remove.contains(tag));
}

fn config_path() -> Result<std::path::PathBuf> {
    let config = match std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => std::path::PathBuf::from(dir),
        None => {
            let home = std::env::var_os("HOME").context("cannot determine home directory")?;
            std::path::PathBuf::from(home).join(".config")
        }
    };
    Ok(config.join("nats").join("cli").join("config.json"))
}

/// The operator that was selected before.
fn selected() -> Result<Option<String>> {
    let path = config_path()?;
    if !path.is_file() {
        return Ok(None);
    }
    let document: Value =
        serde_json::from_str(&store::read_text(&path)?).context(path.display())?;
    let name = document.text("select_operator").to_owned();
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// Selects an operator; what else the file says stays.
pub(crate) fn select(name: &str) -> Result<()> {
    let path = config_path()?;
    let mut config: Map<String, Value> = match path.is_file() {
        true => serde_json::from_str(&store::read_text(&path)?).context(path.display())?,
        false => Map::new(),
    };
    config.insert("select_operator".to_owned(), name.into());
    store::write(&path, Value::Object(config).to_string().as_bytes())
}

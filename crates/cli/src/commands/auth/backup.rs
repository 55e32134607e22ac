//! An operator with everything below it as one file, sealed for a curve key if one is given.
//!
//! The file is the official tool's: names, tokens and seeds as JSON; sealed it is base64 of nkeys'
//! `xkv1`, from and to the same key. A restore checks everything before it writes anything.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cognate_auth::jwt::{Account, Operator, User};
use cognate_auth::nkey::{CurveKeyPair, KeyPair};
use serde::{Deserialize, Serialize};

use super::select::Chosen;
use super::show;
use super::store::{self, Store};
use crate::commands::shared::random;
use crate::error::{Context, Error, Result};
use crate::say;

#[derive(Default, Deserialize, Serialize)]
pub(super) struct Seed {
    key: String,
}

/// A user with its seed; a key without a seed is its public half.
#[derive(Deserialize, Serialize)]
pub(super) struct UserCopy {
    name: String,
    key: Seed,
    token: String,
}

/// An account with its seeds and users.
#[derive(Deserialize, Serialize)]
pub(super) struct AccountCopy {
    name: String,
    key: Seed,
    token: String,
    #[serde(rename = "signingKeys")]
    signing_keys: Option<Vec<Seed>>,
    users: Option<Vec<UserCopy>>,
}

/// An operator with its seeds and accounts.
#[derive(Deserialize, Serialize)]
pub(super) struct OperatorCopy {
    name: String,
    key: Seed,
    token: String,
    #[serde(rename = "signingKeys")]
    signing_keys: Option<Vec<Seed>>,
    accounts: Option<Vec<AccountCopy>>,
}

fn seed_of(store: &Store, public: &str) -> Result<Seed> {
    let key = match store.key(public)? {
        Some(key) => key.seed().to_string(),
        None => public.to_owned(),
    };
    Ok(Seed { key })
}

/// The seeds that are here, of keys that may be elsewhere.
fn seeds_of<'a>(
    store: &Store,
    keys: impl Iterator<Item = &'a String>,
) -> Result<Option<Vec<Seed>>> {
    let mut seeds = Vec::new();
    for public in keys {
        if let Some(key) = store.key(public)? {
            seeds.push(Seed {
                key: key.seed().to_string(),
            });
        }
    }
    Ok(Some(seeds).filter(|seeds| !seeds.is_empty()))
}

/// A user as it is kept.
pub(super) fn user_copy(store: &Store, user: &store::UserEntity) -> Result<UserCopy> {
    Ok(UserCopy {
        name: user.name.clone(),
        key: seed_of(store, user.subject())?,
        token: user.token.clone(),
    })
}

/// An account as it is kept.
pub(super) fn account_copy(chosen: &Chosen, account: &store::AccountEntity) -> Result<AccountCopy> {
    let (store, operator) = (&chosen.store, &chosen.operator.name);
    let mut users = Vec::new();
    for name in store.users(operator, &account.name)? {
        users.push(user_copy(
            store,
            &store.user(operator, &account.name, &name)?,
        )?);
    }
    Ok(AccountCopy {
        name: account.name.clone(),
        key: seed_of(store, account.subject())?,
        token: account.token.clone(),
        signing_keys: seeds_of(store, account.claims.nats.signing_keys.0.keys())?,
        users: Some(users).filter(|users| !users.is_empty()),
    })
}

/// An operator as it is kept.
pub(super) fn operator_copy(chosen: &Chosen) -> Result<OperatorCopy> {
    let operator = &chosen.operator;
    let accounts = chosen.store.all_accounts(&operator.name)?;
    let accounts = accounts.iter().map(|account| account_copy(chosen, account));
    Ok(OperatorCopy {
        name: operator.name.clone(),
        key: seed_of(&chosen.store, operator.subject())?,
        token: operator.token.clone(),
        signing_keys: seeds_of(&chosen.store, operator.claims.nats.signing_keys.iter())?,
        accounts: Some(accounts.collect::<Result<Vec<_>>>()?).filter(|all| !all.is_empty()),
    })
}

pub(super) fn backup(name: &str, output: &Path, key: Option<&Path>) -> Result<()> {
    let chosen = Chosen::named(Some(name))?;
    let mut text = serde_json::to_string_pretty(&operator_copy(&chosen)?)?;
    if let Some(path) = key {
        let key = curve_key(path)?;
        let sealed = key.seal(text.as_bytes(), &key.public_key(), random::bytes::<24>()?)?;
        text = STANDARD.encode(sealed);
    }
    store::write(output, text.as_bytes())?;
    say!("Wrote backup for {name} to {}", output.display());
    if key.is_none() {
        say!("\nWARNING: The output file is unencrypted and contains secrets,");
        say!("consider encrypting it with 'nats auth nkey seal'");
    }
    Ok(())
}

pub(super) fn restore(name: &str, input: &Path, key: Option<&Path>) -> Result<()> {
    let store = Store::open()?;
    store::check_name(name)?;
    if store.operators()?.iter().any(|known| known == name) {
        return Err(Error::new(format!("operator {name} already exist")));
    }
    let mut text = store::read_text(input)?;
    if let Some(path) = key {
        let key = curve_key(path)?;
        let sealed = STANDARD
            .decode(text.trim())
            .context("the backup is not base64")?;
        let opened = key
            .open(&sealed, &key.public_key())
            .context("open failed")?;
        text = String::from_utf8(opened.to_vec()).context("the backup is no text")?;
    }
    let copy: OperatorCopy = serde_json::from_str(&text)
        .context(input.display())
        .map_err(|error| error.hint("Is it encrypted? --key names the file with the curve key."))?;
    let checked = Checked::of(copy)?;
    checked
        .keys
        .iter()
        .try_for_each(|key| store.save_key(key))?;
    store.save_operator(name, &checked.operator)?;
    for (account, token, users) in &checked.accounts {
        store.save_account(name, account, token)?;
        for (user, token) in users {
            store.save_user(name, account, user, token)?;
        }
    }
    show::operator(&Chosen::named(Some(name))?, false)
}

/// Names and tokens.
type Users = Vec<(String, String)>;

/// A copy in which every token and key was read.
#[derive(Default)]
struct Checked {
    operator: String,
    accounts: Vec<(String, String, Users)>,
    keys: Vec<KeyPair>,
}

impl Checked {
    fn of(copy: OperatorCopy) -> Result<Self> {
        let mut checked = Checked {
            operator: store::entity::<Operator>(&copy.name, &copy.token)
                .context("the operator's token")?
                .token,
            ..Checked::default()
        };
        checked.add_keys(copy.key, copy.signing_keys)?;
        for account in copy.accounts.unwrap_or_default() {
            store::check_name(&account.name)?;
            let what = format!("the token of account {}", account.name);
            store::entity::<Account>(&account.name, &account.token).context(what)?;
            checked.add_keys(account.key, account.signing_keys)?;
            let mut users = Vec::new();
            for user in account.users.unwrap_or_default() {
                store::check_name(&user.name)?;
                let what = format!("the token of user {}", user.name);
                store::entity::<User>(&user.name, &user.token).context(what)?;
                checked.add_keys(user.key, None)?;
                users.push((user.name, user.token));
            }
            checked.accounts.push((account.name, account.token, users));
        }
        Ok(checked)
    }

    fn add_keys(&mut self, own: Seed, more: Option<Vec<Seed>>) -> Result<()> {
        let seeds = more.unwrap_or_default().into_iter().chain([own]);
        // A public key is there in place of a seed that was elsewhere.
        for seed in seeds.filter(|seed| seed.key.starts_with('S')) {
            self.keys.push(KeyPair::from_seed(&seed.key)?);
        }
        Ok(())
    }
}

/// The curve key in a file.
pub(super) fn curve_key(path: &Path) -> Result<CurveKeyPair> {
    let text = store::read_text(path)?;
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("SX"));
    let seed = line.context(format!(
        "{}: there is no curve seed (SX…) in it",
        path.display()
    ))?;
    CurveKeyPair::from_seed(seed).context(path.display())
}

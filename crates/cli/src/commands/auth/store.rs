//! Operators, accounts, users and their keys on disk, as `nsc` and the official tool keep them.
//!
//! ```text
//! ~/.local/share/nats/nsc/                     or $XDG_DATA_HOME/nats/nsc/
//!   stores/<operator>/.nsc                     {"managed":false,"name":…,"kind":"operator","version":"1"}
//!   stores/<operator>/<operator>.jwt
//!   stores/<operator>/accounts/<account>/<account>.jwt
//!   stores/<operator>/accounts/<account>/users/<user>.jwt
//!   keys/keys/<kind>/<two letters>/<public key>.nk      a seed; the path is made of the public key
//! ```
//!
//! Only the owner can read any of it. A file is replaced as a whole, so an interrupted command leaves
//! the old one. A token is read with its signature checked; names are what files are called, so they
//! are checked before they become paths.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cognate_auth::creds;
use cognate_auth::jwt::{Account, Body, Claims, Operator, Signed, User};
use cognate_auth::nkey::{KeyPair, Kind};
use serde_json::json;

use crate::commands::shared::{file, random};
use crate::error::{Context, Error, Result};

/// Bytes of a token or seed that are read.
const MAX_FILE_BYTES: u64 = 2 << 20;

/// Characters of a name.
const MAX_NAME: usize = 200;

/// Something with a name and a token.
#[derive(Clone, Debug)]
pub(crate) struct Entity<T> {
    /// What it is called.
    pub(crate) name: String,
    /// Its token as it is stored.
    pub(crate) token: String,
    /// What the token says.
    pub(crate) claims: Claims<T>,
}

impl<T> Entity<T> {
    /// Its public key.
    pub(crate) fn subject(&self) -> &str {
        &self.claims.registered.subject
    }

    /// The key that signed it.
    pub(crate) fn issuer(&self) -> &str {
        &self.claims.registered.issuer
    }
}

pub(crate) type OperatorEntity = Entity<Operator>;
pub(crate) type AccountEntity = Entity<Account>;
pub(crate) type UserEntity = Entity<User>;

/// The directory with all of it.
pub(crate) struct Store {
    root: PathBuf,
}

impl Store {
    /// The user's store; there may be nothing in it.
    pub(crate) fn open() -> Result<Self> {
        let data = match std::env::var_os("XDG_DATA_HOME").filter(|dir| !dir.is_empty()) {
            Some(dir) => PathBuf::from(dir),
            None => {
                let home = std::env::var_os("HOME").context("cannot determine home directory")?;
                PathBuf::from(home).join(".local").join("share")
            }
        };
        Ok(Store {
            root: data.join("nats").join("nsc"),
        })
    }

    fn operator_dir(&self, operator: &str) -> PathBuf {
        self.root.join("stores").join(operator)
    }

    fn account_dir(&self, operator: &str, account: &str) -> PathBuf {
        self.operator_dir(operator).join("accounts").join(account)
    }

    fn user_path(&self, operator: &str, account: &str, user: &str) -> PathBuf {
        self.account_dir(operator, account)
            .join("users")
            .join(format!("{user}.jwt"))
    }

    /// The names of all operators, sorted.
    pub(crate) fn operators(&self) -> Result<Vec<String>> {
        let found = names(&self.root.join("stores"), "")?;
        let is_one = |name: &String| self.operator_dir(name).join(".nsc").is_file();
        Ok(found.into_iter().filter(is_one).collect())
    }

    /// The names of an operator's accounts, sorted.
    pub(crate) fn accounts(&self, operator: &str) -> Result<Vec<String>> {
        names(&self.operator_dir(operator).join("accounts"), "")
    }

    /// The names of an account's users, sorted.
    pub(crate) fn users(&self, operator: &str, account: &str) -> Result<Vec<String>> {
        names(&self.account_dir(operator, account).join("users"), ".jwt")
    }

    /// An operator.
    pub(crate) fn operator(&self, name: &str) -> Result<OperatorEntity> {
        check_name(name)?;
        read(name, &self.operator_dir(name).join(format!("{name}.jwt")))
    }

    /// An account.
    pub(crate) fn account(&self, operator: &str, name: &str) -> Result<AccountEntity> {
        check_name(name)?;
        read(
            name,
            &self.account_dir(operator, name).join(format!("{name}.jwt")),
        )
    }

    /// All accounts of an operator.
    pub(crate) fn all_accounts(&self, operator: &str) -> Result<Vec<AccountEntity>> {
        let names = self.accounts(operator)?;
        names
            .iter()
            .map(|name| self.account(operator, name))
            .collect()
    }

    /// A user.
    pub(crate) fn user(&self, operator: &str, account: &str, name: &str) -> Result<UserEntity> {
        check_name(name)?;
        read(name, &self.user_path(operator, account, name))
    }

    /// Writes an operator's token; makes the store of a new one.
    pub(crate) fn save_operator(&self, name: &str, token: &str) -> Result<()> {
        check_name(name)?;
        let dir = self.operator_dir(name);
        let marker = dir.join(".nsc");
        if !marker.exists() {
            let about =
                json!({ "managed": false, "name": name, "kind": "operator", "version": "1" });
            write(&marker, about.to_string().as_bytes())?;
            make_dir(&dir.join("accounts"))?;
        }
        write(&dir.join(format!("{name}.jwt")), token.as_bytes())
    }

    /// Writes an account's token.
    pub(crate) fn save_account(&self, operator: &str, name: &str, token: &str) -> Result<()> {
        check_name(name)?;
        let path = self.account_dir(operator, name).join(format!("{name}.jwt"));
        write(&path, token.as_bytes())
    }

    /// Writes a user's token.
    pub(crate) fn save_user(
        &self,
        operator: &str,
        account: &str,
        name: &str,
        token: &str,
    ) -> Result<()> {
        check_name(name)?;
        write(&self.user_path(operator, account, name), token.as_bytes())
    }

    /// Forgets a user.
    pub(crate) fn remove_user(&self, operator: &str, account: &str, name: &str) -> Result<()> {
        check_name(name)?;
        let path = self.user_path(operator, account, name);
        fs::remove_file(&path).context(path.display())
    }

    fn key_path(&self, public: &str) -> Option<PathBuf> {
        let is_key = public.len() > 3 && public.bytes().all(|b| b.is_ascii_alphanumeric());
        let (kind, pair) = (public.get(..1)?, public.get(1..3)?);
        let keys = self.root.join("keys").join("keys");
        is_key.then(|| keys.join(kind).join(pair).join(format!("{public}.nk")))
    }

    /// The key pair of a public key, if its seed is here.
    pub(crate) fn key(&self, public: &str) -> Result<Option<KeyPair>> {
        let Some(path) = self.key_path(public).filter(|path| path.is_file()) else {
            return Ok(None);
        };
        let seed = read_text(&path)?;
        let key = KeyPair::from_seed(seed.trim()).context(path.display())?;
        match key.public_key().to_string() == public {
            true => Ok(Some(key)),
            false => Err(Error::new(format!("{} holds another key", path.display()))),
        }
    }

    /// Keeps the seed of a key.
    pub(crate) fn save_key(&self, key: &KeyPair) -> Result<()> {
        let public = key.public_key().to_string();
        let path = self.key_path(&public).context("a key without a place")?;
        let ignore = self.root.join("keys").join(".gitignore");
        if !ignore.exists() {
            write(&ignore, b"# seeds are secret\n**/*.nk\n**/*.creds\n")?;
        }
        write(&path, key.seed().as_bytes())
    }

    /// Forgets the seed of a key; no error if it is not here.
    pub(crate) fn remove_key(&self, public: &str) -> Result<()> {
        match self.key_path(public).map(fs::remove_file) {
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// A new key of this kind.
pub(crate) fn new_key(kind: Kind) -> Result<KeyPair> {
    Ok(KeyPair::from_bytes(kind, random::bytes::<32>()?)?)
}

/// Signs claims that are sound; the first thing that is wrong with them is an error.
pub(crate) fn sign<T: Body + Clone>(claims: &Claims<T>, signer: &KeyPair) -> Result<String> {
    let now = jiff::Timestamp::now().as_second();
    let issues = claims.validate(now);
    if issues.has_errors() {
        let all: Vec<&str> = issues
            .as_slice()
            .iter()
            .map(|issue| issue.text.as_str())
            .collect();
        return Err(Error::new(all.join("; ")));
    }
    Ok(claims.clone().encode(signer, now)?)
}

/// Whether a name can be that of a file.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_bad = name.is_empty()
        || name.len() > MAX_NAME
        || name.starts_with('.')
        || name.contains(['/', '\\', '\0', '\n']);
    match is_bad {
        true => Err(Error::new(format!("invalid name {name:?}"))
            .hint("A name has no / and no line breaks, and does not begin with a dot.")),
        false => Ok(()),
    }
}

/// Writes a file that only its owner can read, as a whole, with the directories above it.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    if let Some(dir) = dir {
        make_dir(dir)?;
    }
    file::replace(path, contents, file::SECRET)
}

fn make_dir(dir: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .context(dir.display())
}

/// What a file holds, as text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let length = fs::metadata(path).context(path.display())?.len();
    if length > MAX_FILE_BYTES {
        return Err(Error::new(format!("{} is too large", path.display())));
    }
    fs::read_to_string(path).context(path.display())
}

fn read<T: Body>(name: &str, path: &Path) -> Result<Entity<T>> {
    let text = read_text(path)?;
    entity(name, &text).context(path.display())
}

/// An entity of a token, alone or between lines of dashes.
pub(crate) fn entity<T: Body>(name: &str, text: &str) -> Result<Entity<T>> {
    let token = creds::token_of(text.as_bytes())?.trim().to_owned();
    let claims = Signed::<T>::decode(&token)?.into_claims();
    Ok(Entity {
        name: name.to_owned(),
        token,
        claims,
    })
}

/// The entries of a directory without a suffix that all must have; none if there is no directory.
fn names(dir: &Path, suffix: &str) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::from(error)).context(dir.display()),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(suffix));
        names.extend(
            name.filter(|name| check_name(name).is_ok())
                .map(str::to_owned),
        );
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_found_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store {
            root: dir.path().to_owned(),
        };
        let key = new_key(Kind::Operator).expect("a key");
        let mut claims = Claims::<Operator>::new(key.public_key().to_string());
        claims.registered.name = "OP".to_owned();
        let token = sign(&claims, &key).expect("sound claims");
        store
            .save_operator("OP", &token)
            .expect("it can be written");
        store.save_key(&key).expect("it can be written");
        assert_eq!(store.operators().expect("names"), ["OP"]);
        let found = store.operator("OP").expect("it is there");
        assert_eq!(
            (found.subject(), found.issuer()),
            (found.issuer(), found.subject())
        );
        let again = store
            .key(found.subject())
            .expect("readable")
            .expect("it is there");
        assert_eq!(again.public_key(), key.public_key());
        store.remove_key(found.subject()).expect("it goes");
        assert!(store.key(found.subject()).expect("readable").is_none());
        assert!(store.accounts("OP").expect("names").is_empty());
    }

    #[test]
    fn names_do_not_leave_the_store() {
        for name in ["", "..", "a/b", ".x", "a\nb"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name("my account").is_ok());
    }
}

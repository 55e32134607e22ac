//! Tokens that are pushed to a directory, deleted from it, and compared with those of other servers.
//!
//! Invariant: a token is on the disk before it is in force, so that what was acknowledged outlives the
//! server. All of this may wait for a disk, and runs on threads that may.

use std::io;

use cognate_auth::jwt::{Account, Generic, Signed};
use cognate_auth::nkey::{Kind, PublicKey};
use cognate_auth::trust::PushError;
use jiff::Timestamp;

use super::book::{Hash, Known};
use super::directory::Directory;
use super::{OperatorMode, Source};

/// What became of a token that was pushed.
pub(crate) enum Pushed {
    /// It is stored and to be put in force.
    Stored(PublicKey),
    /// Nobody here uses the account, so that a cache does not keep it.
    Skipped(PublicKey),
}

/// Whom an answer about claims is about, and what went wrong.
pub(crate) type ClaimsProblem = (String, String);

impl OperatorMode {
    /// Stores what was preloaded where pushed accounts are, so that it is there without the file.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let Some(directory) = self.source.directory() else {
            return Ok(());
        };
        let unstored = self.book.read().unstored();
        for (key, token) in unstored {
            directory
                .store(&key, &token)
                .map_err(|error| format!("account {key} cannot be stored: {error}"))?;
            self.book.write().set_stored(&key);
        }
        Ok(())
    }

    /// Whether accounts are kept here. Otherwise what is pushed concerns those that are used alone.
    pub(crate) fn keeps_accounts(&self) -> bool {
        self.source.directory().is_some()
    }

    /// Whether all accounts are here, so that others may ask for them.
    pub(crate) fn has_all(&self) -> bool {
        matches!(self.source, Source::Full(_))
    }

    /// Time between comparisons with other servers, if there are any.
    pub(crate) fn comparison_interval(&self) -> Option<std::time::Duration> {
        self.source.directory()?.interval
    }

    /// What an attempt to push is called in answers.
    pub(crate) fn attempt(&self) -> &'static str {
        match self.source {
            Source::Cache(_) => "jwt update cache",
            _ => "jwt update",
        }
    }

    /// Stores an account's token. `is_used` says of an account whether it is in force.
    ///
    /// # Errors
    /// The account, as far as it is known, and the answer's text.
    pub(crate) fn push(
        &self,
        token: &str,
        account: Option<&str>,
        is_used: impl Fn(&str) -> bool,
    ) -> Result<Pushed, ClaimsProblem> {
        let attempt = self.attempt();
        let token = token.trim();
        let pushed = self
            .trust
            .check_push(token, account)
            .map_err(|error| self.push_problem(&error, account))?;
        let name = pushed.claims().registered.subject.clone();
        let failed = |problem: String| {
            let text = format!("{attempt} resulted in error - {problem}");
            (name.clone(), text)
        };
        let key = account_key(&pushed).ok_or_else(|| failed("no account key".to_owned()))?;
        if !self.has_all() && !is_used(&name) {
            return Ok(Pushed::Skipped(key));
        }
        let known = self.known(key, token).map_err(failed)?;
        self.store(key, token, known).map_err(failed)?;
        Ok(Pushed::Stored(key))
    }

    /// The answer to a push that is refused, with the words for a cache where this is one.
    fn push_problem(&self, error: &PushError, account: Option<&str>) -> ClaimsProblem {
        let text = error.to_string();
        if !matches!(self.source, Source::Cache(_)) {
            return (error.account.clone(), text);
        }
        let text = text
            .replacen("jwt update resulted", "jwt update cache resulted", 1)
            .replacen("jwt validation", "jwt update cache validation", 1);
        let about = match (error.account.as_str(), account) {
            ("n/a", Some(account)) => account.to_owned(),
            (about, _) => about.to_owned(),
        };
        (about, text)
    }

    /// Stores a token. Logins go on while the disk works.
    pub(super) fn store(&self, key: PublicKey, token: &str, known: Known) -> Result<(), String> {
        let Some(directory) = self.source.directory() else {
            self.book.write().insert(key, known);
            return Ok(());
        };
        let _turn = self.storing.lock();
        let (is_new, count) = {
            let book = self.book.read();
            (!book.contains(&key), book.stored_count())
        };
        if is_new && !directory.has_room(count) {
            match self.source {
                Source::Cache(_) => self.evict(directory, key),
                _ => return Err("jwt store is full".to_owned()),
            }
        }
        directory
            .store(&key, token)
            .map_err(|error| error.to_string())?;
        let claims = known.claims().cloned();
        let mut stored = known.stored().at_rest();
        if let Some(claims) = &claims {
            stored = stored.with_claims(claims);
        }
        self.book.write().insert(key, stored);
        Ok(())
    }

    /// Makes room for one more account in a cache.
    fn evict(&self, directory: &Directory, newcomer: PublicKey) {
        let oldest = self.book.read().least_used(Some(newcomer));
        if let Some(key) = oldest {
            self.drop_file(directory, &key);
        }
    }

    /// Removes the file of an account that is in a cache. What is in force stays so, and is asked for
    /// again when it is used.
    fn drop_file(&self, directory: &Directory, key: &PublicKey) {
        let token = directory.token(key).ok();
        // What cannot be removed is there at the next start, no more than that.
        let _ = directory.delete(key);
        let mut book = self.book.write();
        match book.decoded(key) {
            Some(_) => book.set_unstored(key, token),
            None => drop(book.remove(key)),
        }
    }

    /// Lets a cache forget what was not used for as long as it keeps it.
    pub(super) fn expire_cache(&self) {
        let Source::Cache(directory) = &self.source else {
            return;
        };
        let Some(ttl) = directory.ttl else {
            return;
        };
        let unused = self.book.read().unused_for(ttl);
        if unused.is_empty() {
            return;
        }
        let _turn = self.storing.lock();
        for key in unused {
            self.drop_file(directory, &key);
        }
    }

    /// Deletes accounts, and returns which.
    ///
    /// # Errors
    /// The answer's text.
    pub(crate) fn delete(&self, token: &str) -> Result<Vec<PublicKey>, String> {
        let token = token.trim();
        let directory = self.source.directory().filter(|d| d.allows_deletion());
        let Some(directory) = directory else {
            let Ok(request) = Signed::<Generic>::decode(token) else {
                // What is no token at all is told first.
                return Err(self.trust.check_delete(token).err().unwrap_or_default());
            };
            return Err(format!(
                "delete accounts request by {} failed - delete must be enabled in server config",
                request.claims().registered.subject
            ));
        };
        let keys = self.trust.check_delete(token)?;
        let _turn = self.storing.lock();
        for key in &keys {
            if !self.book.write().remove(key) {
                continue;
            }
            match directory.delete(key) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(format!("delete accounts request failed - {key}: {error}"));
                }
                _ => {}
            }
        }
        Ok(keys)
    }

    /// The names of the accounts in the directory.
    pub(crate) fn names(&self) -> Vec<String> {
        let stored = self.book.read().stored(Timestamp::now().as_second());
        stored.iter().map(PublicKey::to_string).collect()
    }

    /// The token of an account.
    pub(crate) fn token(&self, name: &str) -> Option<String> {
        let key = PublicKey::parse(name).ok()?;
        let token = self.book.read().token(&key)?;
        token.or_else(|| self.source.directory()?.token(&key).ok())
    }

    /// A digest of all tokens in the directory, with which servers compare what they have.
    pub(crate) fn hash(&self) -> Hash {
        self.book.read().hash(Timestamp::now().as_second())
    }

    /// Every account of the directory as others take it over.
    pub(crate) fn packs(&self) -> impl Iterator<Item = String> {
        let stored = self.book.read().stored(Timestamp::now().as_second());
        stored.into_iter().filter_map(|key| {
            let token = self.source.directory()?.token(&key).ok()?;
            Some(format!("{key}|{token}"))
        })
    }

    /// Takes over what another server has, where it is newer. Returns the accounts that changed.
    ///
    /// # Errors
    /// What cannot be taken over; what came before it is.
    pub(crate) fn merge(&self, pack: &str, changed: &mut Vec<PublicKey>) -> Result<(), String> {
        for line in pack.lines().filter(|line| !line.is_empty()) {
            let (name, token) = line
                .split_once('|')
                .ok_or("line in package didn't contain 2 entries")?;
            let key = PublicKey::parse(name).ok();
            let key = key
                .filter(|key| key.kind() == Kind::Account)
                .ok_or("key to merge is not a valid public account key")?;
            let known = self.known(key, token)?;
            if self.book.read().is_news(&key, &known) {
                self.store(key, token, known)?;
                changed.push(key);
            }
        }
        Ok(())
    }
}

fn account_key(token: &Signed<Account>) -> Option<PublicKey> {
    token.subject().filter(|key| key.kind() == Kind::Account)
}

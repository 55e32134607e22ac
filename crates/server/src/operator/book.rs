//! What is known of accounts: little of those that nobody used yet, the claims of the others.
//!
//! Invariant: a token here was signed by a trusted key when it was taken. Its text is kept only if it
//! is in no directory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};
use cognate_auth::account_spec::AccountJetStream;
use cognate_auth::jwt::SpecProblem;
use cognate_auth::nkey::PublicKey;
use cognate_auth::trust::TrustedAccount;

/// A digest of tokens.
pub(super) type Hash = [u8; 32];

/// What is known of accounts.
#[derive(Default)]
pub(super) struct Book {
    accounts: BTreeMap<PublicKey, Known>,
    /// Counts uses, to find what was not used for the longest time.
    uses: u64,
}

/// What is known of one account.
pub(super) struct Known {
    /// When its token was issued, in seconds since 1970.
    issued_at: i64,
    /// When it expires, in seconds since 1970.
    expires: Option<i64>,
    /// Whether it has JetStream.
    has_jetstream: bool,
    hash: Hash,
    /// Its token, if that is in no directory.
    token: Option<Box<str>>,
    is_stored: bool,
    /// Whether it stands in for a token that is not there yet.
    is_provisional: bool,
    /// Its claims, once they were needed.
    account: Option<Arc<TrustedAccount>>,
    /// What of its claims cannot be used.
    pub(super) problems: Vec<SpecProblem>,
    /// When it was taken.
    taken: Instant,
    /// When it was used last.
    used: u64,
    used_at: Instant,
    /// Whether it is to be asked for again when it is used.
    pub(super) is_stale: bool,
}

impl Known {
    /// What a token says.
    pub(super) fn new(token: &str, account: TrustedAccount) -> Self {
        let mut hash = Hash::default();
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let now = Instant::now();
        Known {
            issued_at: account.issued_at,
            expires: account.expires,
            has_jetstream: account.spec.jetstream != AccountJetStream::Disabled,
            hash,
            token: Some(token.into()),
            is_stored: false,
            is_provisional: false,
            problems: account.problems.clone(),
            account: Some(Arc::new(account)),
            taken: now,
            used: 0,
            used_at: now,
            is_stale: false,
        }
    }

    /// An account without a token.
    pub(super) fn provisional(account: TrustedAccount) -> Self {
        Known {
            token: None,
            is_provisional: true,
            ..Known::new("", account)
        }
    }

    /// The same, its token being in a directory now.
    pub(super) fn stored(self) -> Self {
        Known {
            token: None,
            is_stored: true,
            ..self
        }
    }

    /// The same without its claims, which are read again when they are needed.
    pub(super) fn at_rest(self) -> Self {
        Known {
            account: None,
            problems: Vec::new(),
            ..self
        }
    }

    /// The same with its claims, which will be needed.
    pub(super) fn with_claims(self, account: &Arc<TrustedAccount>) -> Self {
        Known {
            account: Some(Arc::clone(account)),
            ..self
        }
    }

    /// Its claims.
    pub(super) fn claims(&self) -> Option<&Arc<TrustedAccount>> {
        self.account.as_ref()
    }

    fn is_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Book {
    /// Whether anything is known of an account.
    pub(super) fn contains(&self, key: &PublicKey) -> bool {
        self.accounts.contains_key(key)
    }

    /// Takes what is known of an account, whatever was known.
    pub(super) fn insert(&mut self, key: PublicKey, known: Known) {
        self.uses += 1;
        let used = self.uses;
        self.accounts.insert(key, Known { used, ..known });
    }

    /// Takes it unless what was known is newer.
    pub(super) fn take(&mut self, key: PublicKey, known: Known) {
        let is_newer = |old: &Known| {
            !old.is_provisional && (old.issued_at > known.issued_at || old.hash == known.hash)
        };
        if !self.accounts.get(&key).is_some_and(is_newer) {
            self.insert(key, known);
        }
    }

    /// Whether a token issued at that time is news.
    pub(super) fn is_news(&self, key: &PublicKey, new: &Known) -> bool {
        self.accounts.get(key).is_none_or(|old| {
            old.is_provisional || (old.hash != new.hash && old.issued_at <= new.issued_at)
        })
    }

    /// Forgets an account; returns whether it was known.
    pub(super) fn remove(&mut self, key: &PublicKey) -> bool {
        self.accounts.remove(key).is_some()
    }

    /// The claims of an account, if they were needed before.
    pub(super) fn decoded(&self, key: &PublicKey) -> Option<Arc<TrustedAccount>> {
        self.accounts.get(key)?.account.clone()
    }

    /// Keeps the claims of an account.
    pub(super) fn keep(&mut self, key: &PublicKey, account: &Arc<TrustedAccount>) {
        if let Some(known) = self.accounts.get_mut(key) {
            known.account = Some(Arc::clone(account));
        }
    }

    /// The token of an account: itself, or `None` if it is to be read; nothing if there is none.
    pub(super) fn token(&self, key: &PublicKey) -> Option<Option<String>> {
        let known = self
            .accounts
            .get(key)
            .filter(|known| !known.is_provisional)?;
        Some(known.token.as_deref().map(str::to_owned))
    }

    /// Tokens that are kept here.
    pub(super) fn kept_tokens(&self) -> Vec<(PublicKey, String)> {
        let kept = self.accounts.iter();
        kept.filter(|(_, known)| !known.is_provisional)
            .filter_map(|(key, known)| Some((*key, known.token.as_deref()?.to_owned())))
            .collect()
    }

    /// Accounts whose claims were needed, those in force among them.
    pub(super) fn used(&self) -> Vec<PublicKey> {
        let accounts = self.accounts.iter();
        let used = accounts.filter(|(_, known)| known.account.is_some() && !known.is_provisional);
        used.map(|(key, _)| *key).collect()
    }

    /// Accounts that have JetStream.
    pub(super) fn with_jetstream(&self) -> Vec<PublicKey> {
        let accounts = self.accounts.iter();
        let with = accounts.filter(|(_, known)| known.has_jetstream);
        with.map(|(key, _)| *key).collect()
    }

    /// Whether an account should be asked for (again): it is not known, or not good any more, or
    /// stands in for one. `patience` after it was taken it is as it is.
    pub(super) fn is_wanting(
        &self,
        key: &PublicKey,
        now: i64,
        patience: std::time::Duration,
    ) -> bool {
        self.accounts.get(key).is_none_or(|known| {
            known.is_provisional || (known.is_expired(now) && known.taken.elapsed() >= patience)
        })
    }

    /// Notes that an account is used; returns whether it is to be asked for again.
    pub(super) fn touch(&mut self, key: &PublicKey) -> bool {
        self.uses += 1;
        let uses = self.uses;
        let Some(known) = self.accounts.get_mut(key) else {
            return false;
        };
        known.used = uses;
        known.used_at = Instant::now();
        std::mem::take(&mut known.is_stale)
    }

    /// Accounts whose tokens are good now and in the directory.
    pub(super) fn stored(&self, now: i64) -> Vec<PublicKey> {
        let stored = self.accounts.iter();
        let stored = stored.filter(|(_, known)| known.is_stored && !known.is_expired(now));
        stored.map(|(key, _)| *key).collect()
    }

    /// A digest of all tokens that are good now and in the directory, the same in any order.
    pub(super) fn hash(&self, now: i64) -> Hash {
        let mut sum = Hash::default();
        let stored = self.accounts.values();
        for known in stored.filter(|known| known.is_stored && !known.is_expired(now)) {
            sum.iter_mut()
                .zip(known.hash)
                .for_each(|(sum, byte)| *sum ^= byte);
        }
        sum
    }

    /// Accounts in memory whose tokens are to be stored.
    pub(super) fn unstored(&self) -> Vec<(PublicKey, String)> {
        let unstored = self.accounts.iter();
        unstored
            .filter(|(_, known)| !known.is_stored)
            .filter_map(|(key, known)| Some((*key, known.token.as_deref()?.to_owned())))
            .collect()
    }

    /// Notes that the token of an account is in the directory.
    pub(super) fn set_stored(&mut self, key: &PublicKey) {
        if let Some(known) = self.accounts.get_mut(key) {
            known.is_stored = true;
            known.token = None;
        }
    }

    /// Notes that the token is in the directory no more; `token` is what it was.
    pub(super) fn set_unstored(&mut self, key: &PublicKey, token: Option<String>) {
        if let Some(known) = self.accounts.get_mut(key) {
            known.is_stored = false;
            known.is_stale = true;
            known.token = token.map(String::into_boxed_str);
        }
    }

    /// How many tokens are in the directory.
    pub(super) fn stored_count(&self) -> usize {
        self.accounts
            .values()
            .filter(|known| known.is_stored)
            .count()
    }

    /// The stored account that was not used for the longest time, `except` apart.
    pub(super) fn least_used(&self, except: Option<PublicKey>) -> Option<PublicKey> {
        let stored = self.accounts.iter();
        let stored = stored.filter(|(key, known)| known.is_stored && Some(**key) != except);
        Some(*stored.min_by_key(|(_, known)| known.used)?.0)
    }

    /// Stored accounts that were not used for `ttl`.
    pub(super) fn unused_for(&self, ttl: std::time::Duration) -> Vec<PublicKey> {
        let stored = self.accounts.iter();
        let unused = stored.filter(|(_, known)| known.is_stored && known.used_at.elapsed() >= ttl);
        unused.map(|(key, _)| *key).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cognate_auth::jwt::AccountClaims;
    use cognate_auth::nkey::{KeyPair, Kind, PublicKey};
    use cognate_auth::trust::{Trust, TrustConfig};

    use super::{Book, Known};

    fn pair(kind: Kind, seed: u8) -> KeyPair {
        KeyPair::from_bytes(kind, [seed; 32]).expect("32 bytes make a key")
    }

    /// What the token number `version` of account `seed` says.
    fn known(seed: u8, version: i64) -> (PublicKey, Known) {
        let operator = pair(Kind::Operator, 0);
        let trust = Trust::new(TrustConfig {
            trusted_keys: vec![operator.public_key().to_string()],
            ..TrustConfig::default()
        });
        let key = pair(Kind::Account, seed).public_key();
        let mut claims = AccountClaims::default();
        claims.registered.subject = key.to_string();
        claims.nats.limits.account.connections = version;
        let token = claims.encode(&operator, version).expect("claims");
        let trust = trust.expect("a key to trust");
        let account = trust.accept_account(&token, Some(&key), version);
        (key, Known::new(&token, account.expect("a good token")))
    }

    #[test]
    fn an_older_token_does_not_take_the_place_of_a_newer_one() {
        let mut book = Book::default();
        let (key, newer) = known(1, 10);
        let hash = newer.hash;
        book.take(key, newer);
        let (_, older) = known(1, 5);
        assert!(!book.is_news(&key, &older));
        book.take(key, older);
        assert_eq!(book.accounts[&key].hash, hash);
        let (_, newest) = known(1, 20);
        assert!(book.is_news(&key, &newest));
        book.take(key, newest);
        assert_ne!(book.accounts[&key].hash, hash);
    }

    #[test]
    fn the_hash_is_that_of_all_stored_tokens_in_any_order() {
        let (mut one, mut other) = (Book::default(), Book::default());
        for seed in [1, 2, 3] {
            let (key, known) = known(seed, 1);
            one.insert(key, known.stored());
        }
        for seed in [3, 1, 2] {
            let (key, known) = known(seed, 1);
            other.insert(key, known.stored());
        }
        assert_eq!(one.hash(0), other.hash(0));
        let (key, unstored) = known(4, 1);
        one.insert(key, unstored);
        assert_eq!(
            one.hash(0),
            other.hash(0),
            "what is not stored does not count"
        );
        other.remove(&key);
        let (key, _) = known(2, 1);
        other.remove(&key);
        assert_ne!(one.hash(0), other.hash(0));
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let mut book = Book::default();
        let keys = [1, 2, 3].map(|seed| {
            let (key, known) = known(seed, 1);
            book.insert(key, known.stored());
            key
        });
        book.touch(&keys[0]);
        assert_eq!(book.least_used(None), Some(keys[1]));
        assert_eq!(book.least_used(Some(keys[1])), Some(keys[2]));
        assert_eq!(book.unused_for(Duration::ZERO).len(), 3);
        book.set_unstored(&keys[1], None);
        assert_eq!(book.stored_count(), 2);
        assert!(
            book.touch(&keys[1]),
            "it is asked for again when it is used"
        );
        assert!(!book.touch(&keys[1]), "once");
    }
}

//! How the accounts of two configurations differ, as data for the server that applies it.
//!
//! Owns [`account_changes`]. All of these changes may happen live; that of the system account's
//! name may not, which [`diff`](super::diff) refuses. Order does not matter to any aspect but
//! mappings and users, where it is compared too. Absent: what follows for connections.

use crate::options::{Account, Export, GLOBAL_ACCOUNT, Import, Options};
use std::collections::BTreeMap;

/// How the accounts of two configurations differ; `$G` is always there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChanges {
    /// Names of new accounts, in the order of the new file.
    pub added: Vec<String>,
    /// Names of accounts that are gone, in the order of the old file.
    pub removed: Vec<String>,
    /// Accounts that are still there, but different, in the order of the new file.
    pub changed: Vec<AccountChange>,
}

impl AccountChanges {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is different about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// Its name.
    pub name: String,
    /// What is different, each once; never empty.
    pub aspects: Vec<AccountAspect>,
}

/// A part of an account's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountAspect {
    /// The account's key.
    Nkey,
    /// Who its users are, how they log in and what they may do.
    Users,
    /// Streams it exports. Accounts that import them may have lost what they import, or not
    /// (their own imports tell); who is granted what has been checked again.
    StreamExports,
    /// Services it exports, with how they are answered and measured.
    ServiceExports,
    /// Streams it imports: subscriptions of its clients have to be placed anew.
    StreamImports,
    /// Services it imports.
    ServiceImports,
    /// Its subject mappings.
    Mappings,
    /// Its limits: connections beyond them are closed, the newest first.
    Limits,
    /// Whether it has JetStream, and how much.
    JetStream,
    /// Where messages are traced to.
    MessageTrace,
}

/// Compares the accounts of the running options with those of new ones.
#[must_use]
pub fn account_changes(old: &Options, new: &Options) -> AccountChanges {
    let before: BTreeMap<&str, &Account> = by_name(&old.accounts);
    let after: BTreeMap<&str, &Account> = by_name(&new.accounts);
    let missing = |accounts: &[Account], others: &BTreeMap<&str, &Account>| {
        let names = accounts.iter().map(|account| &account.name);
        names
            .filter(|name| !others.contains_key(name.as_str()))
            .cloned()
            .collect()
    };
    let global = {
        let mut aspects = Vec::new();
        if old.authorization.credential != new.authorization.credential {
            aspects.push(AccountAspect::Users);
        }
        if old.mappings != new.mappings {
            aspects.push(AccountAspect::Mappings);
        }
        (GLOBAL_ACCOUNT, aspects)
    };
    let kept = new.accounts.iter().filter_map(|account| {
        let old = before.get(account.name.as_str())?;
        Some((account.name.as_str(), differences(old, account)))
    });
    AccountChanges {
        added: missing(&new.accounts, &before),
        removed: missing(&old.accounts, &after),
        changed: std::iter::once(global)
            .chain(kept)
            .filter(|(_, aspects)| !aspects.is_empty())
            .map(|(name, aspects)| AccountChange {
                name: name.to_owned(),
                aspects,
            })
            .collect(),
    }
}

/// Whether any account but `$G` differs.
pub(super) fn differ(old: &Options, new: &Options) -> bool {
    let changes = account_changes(old, new);
    let others = changes
        .changed
        .iter()
        .any(|change| change.name != GLOBAL_ACCOUNT);
    others || !changes.added.is_empty() || !changes.removed.is_empty()
}

fn by_name(accounts: &[Account]) -> BTreeMap<&str, &Account> {
    let named = accounts
        .iter()
        .map(|account| (account.name.as_str(), account));
    named.collect()
}

fn differences(old: &Account, new: &Account) -> Vec<AccountAspect> {
    use AccountAspect as A;
    let streams = |e: &&Export| matches!(e, Export::Stream(_));
    let services = |e: &&Export| matches!(e, Export::Service(_));
    let imported_streams = |i: &&Import| matches!(i, Import::Stream(_));
    let imported_services = |i: &&Import| matches!(i, Import::Service(_));
    [
        (A::Nkey, old.nkey != new.nkey),
        (
            A::Users,
            old.users != new.users || old.default_permissions != new.default_permissions,
        ),
        (A::StreamExports, !same(&old.exports, &new.exports, streams)),
        (
            A::ServiceExports,
            !same(&old.exports, &new.exports, services),
        ),
        (
            A::StreamImports,
            !same(&old.imports, &new.imports, imported_streams),
        ),
        (
            A::ServiceImports,
            !same(&old.imports, &new.imports, imported_services),
        ),
        (A::Mappings, old.mappings != new.mappings),
        (A::Limits, old.limits != new.limits),
        (A::JetStream, old.jetstream != new.jetstream),
        (A::MessageTrace, old.msg_trace != new.msg_trace),
    ]
    .into_iter()
    .filter_map(|(aspect, differs)| differs.then_some(aspect))
    .collect()
}

/// Whether two lists hold the same items of a kind, in whatever order.
fn same<T: PartialEq + SortKey>(old: &[T], new: &[T], kind: impl Fn(&&T) -> bool) -> bool {
    let sorted = |list: &[T]| -> Vec<usize> {
        let mut items: Vec<(usize, &T)> = list
            .iter()
            .enumerate()
            .filter(|(_, item)| kind(item))
            .collect();
        items.sort_by_key(|(_, item)| item.sort_key());
        items.into_iter().map(|(at, _)| at).collect()
    };
    let (olds, news) = (sorted(old), sorted(new));
    olds.len() == news.len()
        && olds
            .into_iter()
            .zip(news)
            .all(|(a, b)| old.get(a) == new.get(b))
}

/// What makes an export or import of one account unique.
trait SortKey {
    fn sort_key(&self) -> (String, String, String);
}

impl SortKey for Export {
    fn sort_key(&self) -> (String, String, String) {
        (self.subject().to_owned(), String::new(), String::new())
    }
}

impl SortKey for Import {
    fn sort_key(&self) -> (String, String, String) {
        let text = str::to_owned;
        (text(self.account()), text(self.subject()), text(self.to()))
    }
}

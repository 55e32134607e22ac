//! Which accounts have JetStream: at the start, and as that changes.
//!
//! ```text
//! configured ──open──▶ Recovering ──▶ in service ──end──▶ closing ──▶ gone, its files stay
//! ```
//!
//! Invariants: what accounts are promised together is no more than the server has; an account's
//! directory is used by one [`AccountJetStream`] at a time, so one that comes back waits until the
//! streams it had before are closed. Callers hold the server's lock for reloads. An account without
//! JetStream costs nothing until a client of it is there; then it is told that it has none.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use cognate_config::options::JetStreamOptions;
use cognate_model::ApiError;
use cognate_process::{error, info, warn};
use cognate_router::Subscription;
use cognate_subject::validate::matches;
use tokio::task::JoinSet;

use super::account::AccountJetStream;
use super::allowance::{Allowance, check_promises};
use super::assets::STREAMS_DIR;
use super::{JetStream, account_path, api, assets, recover};
use crate::data::{Account, Configured, Connection};

/// An account in which the API is heard, and what leads there.
pub(super) struct Heard {
    account: Arc<Account>,
    subscriptions: Vec<Arc<Subscription<Connection>>>,
}

/// What tells whether an account reaches the API of another one by the name of its own.
const API_INFO: &[u8] = b"$JS.API.INFO";

impl JetStream {
    /// Recovers the streams of all accounts that have JetStream, and puts their API in service.
    ///
    /// # Errors
    /// If the accounts are promised more than there is, or what is stored of one is locked.
    pub(super) fn open_accounts(self: &Arc<Self>) -> io::Result<()> {
        let accounts = self.shared.accounts.all().into_iter();
        let wanted: Vec<_> = accounts
            .filter_map(|account| Some((self.allowance_of(&account)?, account)))
            .collect();
        let promises = wanted.iter().map(|(allowance, _)| allowance);
        // A token that promises too much keeps no server from starting.
        let is_lenient = self.shared.operator().is_some();
        let checked = check_promises(promises, self.memory_max(), self.store_max());
        if let Err(cause) = checked.as_ref()
            && !is_lenient
        {
            let text = format!(
                "Error enabling jetstream on configured accounts: {}",
                words(cause)
            );
            return Err(io::Error::other(text));
        }
        for (allowance, account) in wanted {
            if checked.is_err() && !self.has_room_for(&account, &allowance) {
                continue;
            }
            let jetstream = self.admit(&account, allowance);
            recover::streams(&jetstream)?;
            jetstream.opened.send_replace(true);
        }
        for jetstream in self.accounts() {
            // Streams that began to follow others before all were there.
            jetstream.hurry_origins(None);
        }
        self.tell_strangers();
        Ok(())
    }

    /// Whether configured accounts could be promised what they are to have.
    ///
    /// # Errors
    /// 10028 or 10047 if that is more than there is.
    pub(crate) fn check(
        &self,
        settings: &JetStreamOptions,
        accounts: &[Configured],
        system: Option<&str>,
    ) -> Result<(), ApiError> {
        let specs = accounts.iter().map(|configured| &configured.spec);
        let specs = specs.filter(|spec| Some(spec.name.as_str()) != system);
        let promises: Vec<_> = specs
            .filter_map(|spec| Allowance::of(&spec.jetstream))
            .collect();
        let memory = settings.max_memory_store.unwrap_or(self.memory_max());
        let file = settings.max_file_store.unwrap_or(self.store_max());
        check_promises(promises.iter(), memory, file)
    }

    /// Brings JetStream to the accounts as they are now: some have it anew or no longer, or with
    /// other limits.
    pub(crate) fn follow_accounts(self: &Arc<Self>) {
        let accounts = self.shared.accounts.all();
        let ids: BTreeSet<u64> = accounts.iter().map(|account| account.id).collect();
        let is_there = |id: u64| ids.contains(&id);
        for jetstream in self.accounts() {
            if !is_there(jetstream.account.id) {
                self.end_account(jetstream);
            }
        }
        self.heard.lock().retain(|id, _| is_there(*id));
        for account in &accounts {
            self.follow_account(account);
        }
    }

    /// The same for accounts of which it is known that they changed.
    pub(crate) fn follow(self: &Arc<Self>, names: &[String]) {
        for name in names {
            if let Some(account) = self.shared.accounts.get(name) {
                self.follow_account(&account);
                continue;
            }
            let gone = |account: &Arc<Account>| account.name == *name;
            let jetstreams = self.accounts().into_iter();
            for jetstream in jetstreams.filter(|jetstream| gone(&jetstream.account)) {
                self.end_account(jetstream);
            }
            self.heard.lock().retain(|_, there| !gone(&there.account));
        }
    }

    fn follow_account(self: &Arc<Self>, account: &Arc<Account>) {
        let jetstream = self.of(account.id);
        match (self.allowance_of(account), jetstream) {
            (None, None) => {}
            (None, Some(jetstream)) => self.end_account(jetstream),
            (Some(allowance), jetstream) => {
                if self.has_room_for(account, &allowance) {
                    match jetstream {
                        Some(jetstream) => jetstream.allow(allowance),
                        None => self.open_later(account, allowance),
                    }
                }
            }
        }
        self.hear_or_not(account);
    }

    /// All accounts that have JetStream.
    pub(crate) fn accounts(&self) -> Vec<Arc<AccountJetStream>> {
        let mut accounts: Vec<_> = self.accounts.read().values().cloned().collect();
        accounts.sort_by(|a, b| a.account.name.cmp(&b.account.name));
        accounts
    }

    /// JetStream of the account with this number.
    pub(crate) fn of(&self, account: u64) -> Option<Arc<AccountJetStream>> {
        self.accounts.read().get(&account).cloned()
    }

    /// JetStream of the account with this name.
    pub(crate) fn of_name(&self, account: &str) -> Option<Arc<AccountJetStream>> {
        self.of(self.shared.accounts.get(account)?.id)
    }

    /// The API is to be heard in this account. Without JetStream it says that there is none, unless
    /// the account reaches somebody else's by the same name.
    pub(crate) fn hear(&self, account: &Arc<Account>) {
        if account.has_api() || !self.is_heard_by(account) {
            return;
        }
        let mut heard = self.heard.lock();
        if heard.contains_key(&account.id) {
            return;
        }
        let sid = api::queue::sid(account.id);
        let subjects = api::SUBJECTS.iter();
        let subscriptions = subjects.map(|subject| {
            self.api
                .subscribe(account, subject.as_bytes(), None, sid.as_bytes())
        });
        let there = Heard {
            account: Arc::clone(account),
            subscriptions: subscriptions.collect(),
        };
        heard.insert(account.id, there);
        account.set_has_api(true);
    }

    /// Whether clients of this account are answered by its own API.
    pub(crate) fn is_heard_by(&self, account: &Account) -> bool {
        self.of(account.id).is_some() || !shadows_api(account)
    }

    /// The account with this number, if the API is heard there.
    pub(super) fn hearing(&self, account: u64) -> Option<Arc<Account>> {
        let heard = self.heard.lock();
        heard.get(&account).map(|there| Arc::clone(&there.account))
    }

    /// Whether the account with this number is the system account.
    pub(super) fn is_system(&self, account: u64) -> bool {
        let system = self.shared.accounts.system();
        system.is_some_and(|system| system.id == account)
    }

    /// What an account is to have by its present configuration. The system account has nothing.
    fn allowance_of(&self, account: &Arc<Account>) -> Option<Allowance> {
        if self.is_system(account.id) {
            return None;
        }
        Allowance::of(&account.spec().jetstream)
    }

    /// Whether an account can be promised this beside the others; the log says if not.
    fn has_room_for(&self, account: &Arc<Account>, allowance: &Allowance) -> bool {
        let before = self.of(account.id).map(|jetstream| jetstream.allowance());
        if before.as_deref() == Some(allowance) {
            return true;
        }
        let others: Vec<_> = self
            .accounts
            .read()
            .values()
            .filter(|other| other.account.id != account.id)
            .map(|other| other.allowance())
            .collect();
        let promises = others.iter().map(|other| &**other).chain([allowance]);
        let checked = check_promises(promises, self.memory_max(), self.store_max());
        if let Err(cause) = &checked {
            let what = match before {
                Some(_) => "its limits stay as they were",
                None => "it has no JetStream",
            };
            error!(
                self.shared.log,
                "JetStream limits of account '{}' are more than the server has left: {}; {what}",
                account.name,
                words(cause)
            );
        }
        checked.is_ok()
    }

    /// Enters an account, without streams yet.
    fn admit(
        self: &Arc<Self>,
        account: &Arc<Account>,
        allowance: Allowance,
    ) -> Arc<AccountJetStream> {
        let jetstream = Arc::new(AccountJetStream::new(self, account, allowance));
        self.accounts
            .write()
            .insert(account.id, Arc::clone(&jetstream));
        self.hear(account);
        jetstream
    }

    /// Enters an account while the server runs. What is stored of it is recovered in the background,
    /// and requests wait for that.
    fn open_later(self: &Arc<Self>, account: &Arc<Account>, allowance: Allowance) {
        let jetstream = self.admit(account, allowance);
        let before = self.closing.lock().get(&account.name).cloned();
        if before.is_none() && !jetstream.streams_path().exists() {
            jetstream.opened.send_replace(true);
            return;
        }
        tokio::spawn(async move {
            if let Some(mut before) = before {
                // An error means that whoever closed them is gone, and they are closed.
                let _ = before.wait_for(|closed| *closed).await;
            }
            let opening = Arc::clone(&jetstream);
            let opened = tokio::task::spawn_blocking(move || recover::streams(&opening)).await;
            if let Ok(Err(cause)) = opened {
                error!(
                    jetstream.server.shared.log,
                    "Streams of account '{}' cannot be recovered: {cause}", jetstream.account.name
                );
            }
            jetstream.opened.send_replace(true);
            jetstream.hurry_origins(None);
        });
    }

    /// An account has JetStream no longer. Its streams are closed, and stay on the disk.
    fn end_account(self: &Arc<Self>, jetstream: Arc<AccountJetStream>) {
        self.accounts.write().remove(&jetstream.account.id);
        let name = jetstream.account.name.clone();
        info!(self.shared.log, "Disabled JetStream for account '{name}'");
        let (closed, is_closed) = tokio::sync::watch::channel(false);
        self.closing.lock().insert(name.clone(), is_closed);
        let streams = jetstream.end();
        for stream in &streams {
            stream.unsubscribe_all(&jetstream.account);
        }
        let server = Arc::clone(self);
        tokio::spawn(async move {
            // It may still wait for what was there before it.
            let _ = jetstream
                .opened
                .subscribe()
                .wait_for(|opened| *opened)
                .await;
            // Nobody else may use its directory before.
            jetstream.late.all_there().await;
            let mut closing = JoinSet::new();
            jetstream.close(&mut closing);
            while closing.join_next().await.is_some() {}
            for stream in streams {
                // An error means that the sender is gone, which it cannot be while `stream` lives.
                let _ = stream.closed.subscribe().wait_for(|closed| *closed).await;
                let _group = stream.group.lock();
                stream.share.retire(jetstream.usages());
            }
            jetstream.forget_streams();
            let mut waiting = server.closing.lock();
            let is_last =
                |last: &tokio::sync::watch::Receiver<bool>| last.same_channel(&closed.subscribe());
            if waiting.get(&name).is_some_and(is_last) {
                waiting.remove(&name);
            }
            drop(waiting);
            closed.send_replace(true);
        });
    }

    /// An account changed: whether the API is heard there may have, too.
    fn hear_or_not(&self, account: &Arc<Account>) {
        if !self.is_heard_by(account) {
            let heard = self.heard.lock().remove(&account.id);
            if let Some(Heard { subscriptions, .. }) = heard {
                account.unsubscribe_all(&subscriptions);
                account.set_has_api(false);
            }
        } else if account.clients() > 0 {
            self.hear(account);
        }
    }

    /// Says in the log whose streams are stored here that belong to no account with JetStream.
    fn tell_strangers(&self) {
        let known: Vec<_> = self
            .accounts()
            .iter()
            .map(|jetstream| account_path::directory(&jetstream.account.name))
            .collect();
        for path in recover::directories(&self.directory) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let count = recover::directories(&path.join(STREAMS_DIR)).len();
            if count > 0 && !known.iter().any(|known| *known == name) {
                warn!(
                    self.shared.log,
                    "{} holds {count} streams of an account that has no JetStream here; they stay there",
                    path.display()
                );
            }
        }
    }
}

/// Whether requests for the API of this account go to another account.
fn shadows_api(account: &Account) -> bool {
    let spec = account.spec();
    let mut imports = spec.service_imports.iter();
    imports.any(|import| matches(import.rename.local().to_string().as_bytes(), API_INFO))
}

/// An error with its number.
fn words(cause: &ApiError) -> String {
    format!("{} ({})", cause.description, cause.err_code)
}

impl AccountJetStream {
    /// Begins to close all streams, and lets no new ones be made. It is done when all tasks in
    /// `closing` have ended; each says whether a stream was closed in time.
    pub(super) fn close(self: &Arc<Self>, closing: &mut JoinSet<bool>) {
        for stream in self.end() {
            stream.unsubscribe_all(&self.account);
            let jetstream = Arc::clone(self);
            closing.spawn(async move {
                let closed = jetstream.close_stream(&stream, b"409 Server Shutdown");
                if closed.await {
                    return true;
                }
                warn!(
                    jetstream.server.shared.log,
                    "Stream '{} > {}' did not close within {:?}: its disk does not answer",
                    jetstream.account.name,
                    stream.name,
                    assets::CLOSE_WAIT
                );
                false
            });
        }
    }
}

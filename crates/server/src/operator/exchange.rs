//! Asking for accounts: which are being asked for, which were not there, and the question over NATS.
//!
//! Anybody can claim to be a user of any account, so that there are bounds: one question about an
//! account at a time, [`MAX_QUESTIONS`] at all, [`AT_A_TIME`] of them under way; and an account that
//! was not there is not asked for again for [`FORGIVEN`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cognate_auth::nkey::PublicKey;
use cognate_router::Matched;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::data::{Account, Outgoing, Outlet, Totals};
use crate::replies::Replies;
use crate::shared::Shared;
use crate::watching::Watching;

/// Accounts that are asked for at a time; others wait their turn.
const AT_A_TIME: usize = 32;

/// Accounts that are asked for or wait for their turn, at most.
const MAX_QUESTIONS: usize = 4096;

/// How long an account that was not there is not asked for again.
const FORGIVEN: Duration = Duration::from_secs(1);

/// Accounts that were not there which are remembered.
const MAX_MISSING: usize = 16_384;

/// What came of asking; `None` while nothing did.
pub(super) type Outcome = Option<Result<(), String>>;

/// Accounts that are being asked for, and those that were not there.
pub(crate) struct Lookups {
    under_way: Mutex<HashMap<PublicKey, watch::Receiver<Outcome>>>,
    missing: Mutex<HashMap<PublicKey, (Instant, String)>>,
    pub(super) turns: Semaphore,
}

impl Default for Lookups {
    fn default() -> Self {
        Lookups {
            under_way: Mutex::default(),
            missing: Mutex::default(),
            turns: Semaphore::new(AT_A_TIME),
        }
    }
}

impl Lookups {
    /// Joins the question about an account; whoever gets a sender has to ask it.
    pub(super) fn join(
        &self,
        key: PublicKey,
    ) -> Result<(Option<watch::Sender<Outcome>>, watch::Receiver<Outcome>), String> {
        let mut under_way = self.under_way.lock();
        if let Some(outcome) = under_way.get(&key) {
            return Ok((None, outcome.clone()));
        }
        if under_way.len() >= MAX_QUESTIONS {
            return Err("too many accounts are being looked up".to_owned());
        }
        let (sender, outcome) = watch::channel(None);
        under_way.insert(key, outcome.clone());
        Ok((Some(sender), outcome))
    }

    /// Ends the question about an account.
    pub(super) fn leave(&self, key: &PublicKey) {
        self.under_way.lock().remove(key);
    }

    /// Why an account was not there a moment ago.
    pub(super) fn was_missing(&self, key: &PublicKey) -> Option<String> {
        let missing = self.missing.lock();
        let (at, problem) = missing.get(key)?;
        (at.elapsed() < FORGIVEN).then(|| problem.clone())
    }

    /// Remembers that an account was not there.
    pub(super) fn note_missing(&self, key: PublicKey, problem: &str) {
        let mut missing = self.missing.lock();
        if missing.len() >= MAX_MISSING {
            missing.retain(|_, (at, _)| at.elapsed() < FORGIVEN);
        }
        if missing.len() < MAX_MISSING {
            missing.insert(key, (Instant::now(), problem.to_owned()));
        }
    }

    /// Forgets that an account was not there.
    pub(super) fn forgive(&self, key: &PublicKey) {
        self.missing.lock().remove(key);
    }
}

/// Whether anybody but the server itself would get a message in the system account.
pub(crate) fn others_listen(system: &Account, subject: &str) -> bool {
    let mut matched = Matched::default();
    system.interest().collect(subject.as_bytes(), &mut matched);
    let members = matched.groups().iter().flat_map(|group| group.members());
    let all = matched.plain().iter().chain(matched.tied()).chain(members);
    let mut others = all.filter(|sub| !sub.destination().is_internal());
    others.any(|sub| !sub.destination().is_closed())
}

/// Asks other servers for the token of an account.
pub(super) async fn ask(
    shared: &Arc<Shared>,
    key: &PublicKey,
    timeout: Duration,
) -> Result<String, String> {
    let system = shared
        .accounts
        .system()
        .ok_or("there is no system account")?;
    let subject = format!("$SYS.REQ.ACCOUNT.{key}.CLAIMS.LOOKUP");
    if !others_listen(&system, &subject) {
        return Err("account jwt not found".to_owned());
    }
    let replies = Replies::open(shared, &system);
    publish(shared, &system, &subject, Some(&replies.subject), &[]);
    match tokio::time::timeout(timeout, replies.next()).await {
        Ok(token) if token.is_empty() => Err("account jwt not found".to_owned()),
        Ok(token) => {
            String::from_utf8(token.to_vec()).map_err(|_| "the answer is no text".to_owned())
        }
        Err(_) => Err("fetching jwt timed out".to_owned()),
    }
}

/// Publishes in the system account.
fn publish(
    shared: &Shared,
    system: &Arc<Account>,
    subject: &str,
    reply: Option<&str>,
    payload: &[u8],
) {
    let mut desk = shared.workers.borrow();
    let watch = Watching::new(shared);
    let mut outlet = Outlet::new(system, desk.worker(), &watch);
    outlet.publish(&Outgoing {
        reply: reply.map(str::as_bytes),
        ..Outgoing::to(subject.as_bytes(), payload)
    });
    let sent = outlet.finish();
    desk.count(Totals::default(), sent);
}

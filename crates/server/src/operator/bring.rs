//! Bringing accounts in force: at the first login, when an import leads to one, and as they change.
//!
//! ```text
//! login ─▶ at hand? ─▶ admitted
//!             │ no
//!             ▼
//!           bring: ask for it, and for those it imports from ─▶ put in force ─▶ admitted
//! ```
//!
//! What is asked for is asked once, however many wait for it, and goes on when they leave. Bounds:
//! [`MAX_FOLLOWED`] accounts are asked for because of one.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cognate_auth::nkey::PublicKey;
use cognate_process::{debug, warn};
use jiff::Timestamp;
use tokio::sync::watch;

use super::exchange::{self, Outcome};
use super::{OperatorMode, Source};
use crate::reload::accounts_changed;
use crate::shared::Shared;

/// Accounts that are asked for because one imports from them, or from those that import from them.
const MAX_FOLLOWED: usize = 256;

/// How long an account that expired is not asked for again.
const PATIENCE: Duration = Duration::from_secs(1);

/// From here on the log says how long it took to get an account.
const SLOW: Duration = Duration::from_secs(1);

impl OperatorMode {
    /// Whether accounts that are not known can be asked for.
    fn can_ask(&self) -> bool {
        !matches!(self.source, Source::Memory)
    }

    /// Whether an account is to be asked for before its users can be judged.
    fn is_wanting(&self, key: &PublicKey) -> bool {
        let now = Timestamp::now().as_second();
        self.can_ask() && self.book.read().is_wanting(key, now, PATIENCE)
    }
}

/// Whether a login to an account can be decided now. If not, it waits for [`bring`].
pub(crate) fn is_at_hand(shared: &Arc<Shared>, operator: &OperatorMode, key: PublicKey) -> bool {
    if operator.is_wanting(&key) {
        return false;
    }
    if !operator.book.read().contains(&key) {
        // Nobody can be asked.
        return true;
    }
    if matches!(operator.source, Source::Cache(_)) && operator.book.write().touch(&key) {
        // It is good enough for now, and asked for again meanwhile.
        let shared = Arc::clone(shared);
        tokio::spawn(async move { drop(ask_again(&shared, key).await) });
    }
    shared.accounts.get(&key.to_string()).is_some()
}

/// Asks for an account whose token a cache did not keep any longer.
async fn ask_again(shared: &Arc<Shared>, key: PublicKey) -> Result<(), String> {
    let operator = shared.operator().ok_or("there is no operator")?;
    fetch(shared, &operator, key).await?;
    changed_on_thread(shared, vec![key]).await
}

/// Gets an account, if it is anywhere, and puts it in force.
///
/// # Errors
/// Why it is not there.
pub(crate) async fn bring(shared: &Arc<Shared>, key: PublicKey) -> Result<(), String> {
    let operator = shared.operator().ok_or("there is no operator")?;
    let (sender, mut outcome) = operator.lookups.join(key)?;
    if let Some(sender) = sender {
        let (shared, operator) = (Arc::clone(shared), Arc::clone(&operator));
        tokio::spawn(lead(shared, operator, key, sender));
    }
    let ended = outcome.wait_for(Option::is_some).await;
    match ended.as_deref() {
        Ok(Some(result)) => result.clone(),
        _ => Err("the look-up ended early".to_owned()),
    }
}

async fn lead(
    shared: Arc<Shared>,
    operator: Arc<OperatorMode>,
    key: PublicKey,
    sender: watch::Sender<Outcome>,
) {
    let question = Question { operator, key };
    let result = get(&shared, &question.operator, key).await;
    if let Err(problem) = &result {
        debug!(shared.log, "Account [{key}]: {problem}");
    }
    // Who asks from here on begins a question of its own.
    drop(question);
    sender.send_replace(Some(result));
}

/// A question under way, which ends however its asking does.
struct Question {
    operator: Arc<OperatorMode>,
    key: PublicKey,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.operator.lookups.leave(&self.key);
    }
}

/// Gets an account and those that it imports from, and puts them in force.
async fn get(
    shared: &Arc<Shared>,
    operator: &Arc<OperatorMode>,
    key: PublicKey,
) -> Result<(), String> {
    if operator.is_wanting(&key) {
        let fetched = fetch(shared, operator, key).await;
        // What expired, or stands in for something, is still better than nothing.
        if !operator.book.read().contains(&key) {
            fetched?;
        }
    }
    follow(shared, operator, key).await;
    put_on_thread(shared, key).await
}

/// Asks for the accounts that `key` imports from, and for those that they import from.
async fn follow(shared: &Arc<Shared>, operator: &Arc<OperatorMode>, key: PublicKey) {
    if !operator.can_ask() {
        return;
    }
    let mut seen = BTreeSet::from([key]);
    let mut waiting = VecDeque::from([key]);
    while let Some(key) = waiting.pop_front() {
        let asked = Arc::clone(operator);
        // It may have to be read from a disk.
        let unknown = tokio::task::spawn_blocking(move || asked.unknown_exporters(&key)).await;
        for exporter in unknown.unwrap_or_default() {
            if seen.len() >= MAX_FOLLOWED || !seen.insert(exporter) {
                continue;
            }
            // Without it its imports are missing, which the log says.
            if fetch(shared, operator, exporter).await.is_ok() {
                waiting.push_back(exporter);
            }
        }
    }
}

/// Asks for the token of an account, and takes it over.
async fn fetch(
    shared: &Arc<Shared>,
    operator: &Arc<OperatorMode>,
    key: PublicKey,
) -> Result<(), String> {
    if let Some(problem) = operator.lookups.was_missing(&key) {
        return Err(problem);
    }
    let began = tokio::time::Instant::now();
    let fetched = {
        // Nobody closes it.
        let _turn = operator.lookups.turns.acquire().await;
        match &operator.source {
            Source::Memory => Err("account missing".to_owned()),
            Source::Server(server) => server.fetch(&key.to_string()).await,
            Source::Full(directory) | Source::Cache(directory) => {
                exchange::ask(shared, &key, directory.timeout).await
            }
        }
    };
    if began.elapsed() > SLOW {
        warn!(
            shared.log,
            "Account [{key}] fetch took {:?}",
            began.elapsed()
        );
    }
    let taken = match fetched {
        Ok(token) => take_on_thread(operator, key, token).await,
        Err(problem) => Err(problem),
    };
    match &taken {
        Ok(()) => operator.lookups.forgive(&key),
        Err(problem) => {
            warn!(shared.log, "Account fetch failed: {problem}");
            operator.lookups.note_missing(key, problem);
        }
    }
    taken
}

async fn take_on_thread(
    operator: &Arc<OperatorMode>,
    key: PublicKey,
    token: String,
) -> Result<(), String> {
    let operator = Arc::clone(operator);
    let taken = tokio::task::spawn_blocking(move || {
        let token = token.trim();
        let known = operator.known(key, token)?;
        if operator.book.read().is_news(&key, &known) {
            operator.store(key, token, known)?;
        }
        Ok(())
    });
    // It ends early only if the runtime is shut down.
    taken.await.unwrap_or(Err("the server stops".to_owned()))
}

async fn put_on_thread(shared: &Arc<Shared>, key: PublicKey) -> Result<(), String> {
    let shared = Arc::clone(shared);
    let put = tokio::task::spawn_blocking(move || put_in_force(&shared, &[key]));
    put.await.unwrap_or(Err("the server stops".to_owned()))
}

async fn changed_on_thread(shared: &Arc<Shared>, keys: Vec<PublicKey>) -> Result<(), String> {
    let shared = Arc::clone(shared);
    let put = tokio::task::spawn_blocking(move || accounts_changed(&shared, &keys));
    put.await.unwrap_or(Err("the server stops".to_owned()))
}

/// Puts accounts in force that are not, and those that they import from. Those of them that are
/// in force are brought up to date.
///
/// # Errors
/// What cannot be used.
pub(crate) fn put_in_force(shared: &Shared, keys: &[PublicKey]) -> Result<(), String> {
    let _turn = shared.reloading.lock();
    let Some(operator) = shared.operator() else {
        return Ok(());
    };
    // Who imports from them may have waited for them.
    let mut wanted = operator.concerned(keys);
    let is_in_force = |key: &PublicKey| shared.accounts.get(&key.to_string()).is_some();
    wanted.retain(|key| keys.contains(key) || is_in_force(key));
    crate::reload::refresh(shared, &operator, wanted)
}

/// Asks an account server whether it is there, and for the system account.
///
/// # Errors
/// In nats-server's words, if nobody answers.
pub(crate) async fn begin(shared: &Arc<Shared>) -> Result<(), String> {
    let Some(operator) = shared.operator() else {
        return Ok(());
    };
    if let Source::Server(server) = &operator.source {
        server.fetch("").await?;
        if let Some(system) = operator.trust.system_account() {
            bring(shared, system).await?;
        }
    }
    Ok(())
}

/// Asks for the accounts that these began to import from, if they are in force. Nobody waits for it.
/// May wait for a disk.
pub(crate) fn follow_up(shared: &Arc<Shared>, keys: &[PublicKey]) {
    let Some(operator) = shared.operator().filter(|operator| operator.can_ask()) else {
        return;
    };
    for key in keys {
        let is_used = shared.accounts.get(&key.to_string()).is_some();
        if is_used && !operator.unknown_exporters(key).is_empty() {
            let (shared, operator, key) = (Arc::clone(shared), Arc::clone(&operator), *key);
            tokio::spawn(async move {
                follow(&shared, &operator, key).await;
                // What it is without them, it is already.
                let _ = put_on_thread(&shared, key).await;
            });
        }
    }
}

/// What is to be done every now and then: imports whose activation expired are ended, and a cache
/// forgets what nobody used. May wait for a disk.
pub(crate) fn tick(shared: &Shared) {
    let Some(operator) = shared.operator() else {
        return;
    };
    operator.expire_cache();
    let expired = operator.expired_activations(Timestamp::now().as_second());
    if !expired.is_empty()
        && let Err(problem) = accounts_changed(shared, &expired)
    {
        warn!(shared.log, "Accounts with expired activations: {problem}");
    }
}

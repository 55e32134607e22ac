//! Where the answers to a question arrive: a reply subject that nobody else has, and an inbox.
//!
//! Bounds: [`ANSWERS`] messages wait, of [`ANSWER_BYTES`] together. Whoever asks drops it when it has
//! an answer or waits no longer, and what comes then finds nobody. Callers: auth callout, the search
//! for accounts.

use std::sync::Arc;

use cognate_router::Subscription;
use cognate_wire::parse_delivered;
use zeroize::Zeroizing;

use crate::data::{Account, Connection};
use crate::jetstream::inbox::{Bounds, Inbox, NoRefuser, Woken};
use crate::shared::Shared;

/// Answers that may wait to be looked at; the first one counts.
const ANSWERS: u64 = 8;

/// Bytes of such answers. A single message is never larger than `max_payload`.
const ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// The beginning of reply subjects that the server itself listens to, with its last dot.
pub(crate) fn reply_prefix(shared: &Shared) -> String {
    format!("$SYS._INBOX.{}.", &shared.facts.server_id[..8])
}

/// Where the answers to one question arrive; nowhere any more once it is dropped.
pub(crate) struct Replies {
    inbox: Inbox,
    account: Arc<Account>,
    subscription: Arc<Subscription<Connection>>,
    /// The reply subject.
    pub(crate) subject: String,
}

impl Replies {
    /// Listens in `account`.
    pub(crate) fn open(shared: &Shared, account: &Arc<Account>) -> Self {
        let place = u128::from_ne_bytes(crate::random::bytes());
        let subject = format!("{}{place:032x}", reply_prefix(shared));
        let bounds = Bounds {
            bytes: ANSWER_BYTES,
            messages: ANSWERS,
        };
        let inbox = Inbox::bounded(shared, bounds, Box::new(NoRefuser));
        let subscription = inbox.subscribe(account, subject.as_bytes(), None, b"1");
        Replies {
            inbox,
            account: Arc::clone(account),
            subscription,
            subject,
        }
    }

    /// The first answer's payload; empty if there cannot be one any more.
    pub(crate) async fn next(&self) -> Zeroizing<Vec<u8>> {
        let mut frames = Zeroizing::new(Vec::new());
        loop {
            let woken = std::future::poll_fn(|cx| self.inbox.poll_take(cx, &mut frames)).await;
            if let Some((answer, _)) = parse_delivered(&frames) {
                return Zeroizing::new(answer.payload.to_vec());
            }
            if woken == Woken::Closed {
                return Zeroizing::default();
            }
        }
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        self.inbox.close();
        self.account.unsubscribe(&self.subscription);
    }
}

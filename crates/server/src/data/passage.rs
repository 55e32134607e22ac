//! What leads from one account into another: service imports, and the way back for their answers.
//!
//! A service import is a subscription in the importing account whose destination *leads on*: a
//! request that matches it is published in the exporting account, with a reply subject of that
//! account (`_R_.…`). An answer to it is looked up in [`Answers`] and published to the requester's
//! own reply subject. Invariants: a way back is taken down once it has served (one answer; the empty
//! end of several; nothing for the threshold), and there is a bound on how many are open.
//!
//! Made by [`super::accounts`], followed by [`super::crossing`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cognate_auth::account_spec::{ResponseType, ServiceLatency};
use cognate_router::Renaming;
use foldhash::fast::FixedState;
use parking_lot::Mutex;

use super::account::Account;
use super::measure::{Fate, Measured};

/// Ways back that an account keeps open at most; beyond it some request loses its.
const MAX_OPEN: usize = 1 << 18;

/// Bytes that they keep at most, which requesters choose: reply subjects and trace headers.
const MAX_OPEN_BYTES: usize = 64 * 1024 * 1024;

/// Digits of the unpredictable parts of a reply subject.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What reply subjects that lead back begin with.
pub(crate) const ANSWER_PREFIX: &[u8] = b"_R_.";

/// Where a destination leads, if it is not a client or an inbox.
pub(crate) enum Leads {
    /// To a service of another account.
    Service(Arc<Service>),
    /// Back to whoever asked.
    Answers,
}

/// A service import in force.
pub(crate) struct Service {
    /// The exporting account.
    pub to: Arc<Account>,
    /// What requests are called on either side.
    pub renaming: Renaming,
    /// Whether the exporter is told who asks.
    pub share: bool,
    /// Whether the exporter is the system account, which is told where the request comes from.
    pub to_system: bool,
    /// How many messages answer a request.
    pub response: ResponseType,
    /// How long an answer may take.
    pub threshold: Duration,
    /// How requests are measured, if they are.
    pub latency: Option<ServiceLatency>,
    /// Whether message tracing goes on beyond the account's boundary.
    pub allow_trace: bool,
}

/// A request that may still be answered.
pub(crate) struct Open {
    /// The account that asked.
    pub to: Arc<Account>,
    /// Its reply subject there.
    pub reply: ReplySubject,
    /// What was asked.
    pub service: Arc<Service>,
    /// What is measured of it, if it is.
    pub measured: Option<Box<Measured>>,
    /// When it was asked or, of a streamed answer, last answered; since the server's start.
    pub at: Duration,
}

impl Open {
    /// Bytes that the requester has chosen.
    fn bytes(&self) -> usize {
        let headers = self.measured.iter().flat_map(|measured| &measured.headers);
        let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        self.reply.len() + headers
    }

    /// Why nobody waits for the answer any more at `now`, if so.
    fn over(&self, now: Duration) -> Option<Fate> {
        let requester = self.measured.as_ref().and_then(|m| m.requester.as_ref());
        if requester.is_some_and(|requester| requester.is_closed()) {
            return Some(Fate::RequesterGone);
        }
        (now.saturating_sub(self.at) > self.service.threshold).then_some(Fate::TimedOut)
    }
}

/// Bytes of a reply subject that need no memory of their own: an inbox of the usual length.
const SHORT: usize = 62;

/// A reply subject, in place if it is of usual length: one is kept and let go for each request, on
/// different cores.
#[derive(Clone)]
pub(crate) enum ReplySubject {
    /// So many bytes of these.
    Short(u8, [u8; SHORT]),
    /// All of these.
    Long(Box<[u8]>),
}

impl From<&[u8]> for ReplySubject {
    fn from(subject: &[u8]) -> Self {
        let mut short = [0; SHORT];
        match (short.get_mut(..subject.len()), u8::try_from(subject.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(subject);
                ReplySubject::Short(len, short)
            }
            _ => ReplySubject::Long(subject.into()),
        }
    }
}

impl std::ops::Deref for ReplySubject {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            ReplySubject::Short(len, bytes) => &bytes[..usize::from(*len).min(SHORT)],
            ReplySubject::Long(bytes) => bytes,
        }
    }
}

/// The requests to services of one account that may still be answered.
#[derive(Default)]
pub(crate) struct Answers {
    prefix: OnceLock<Box<[u8]>>,
    open: Mutex<OpenRequests>,
}

#[derive(Default)]
struct OpenRequests {
    /// What makes tokens of a counter that nobody outside can foretell, however many they have seen:
    /// who serves one request must not know the way back of another. The keys are random.
    keys: RandomState,
    /// How many numbers were made.
    count: u64,
    /// Tokens are random, so any hash does.
    by_token: HashMap<u64, Open, FixedState>,
    /// What all of them keep, see [`Open::bytes`].
    bytes: usize,
}

impl OpenRequests {
    /// Keeps a request under a token that no other has.
    fn insert(&mut self, open: Open) -> u64 {
        self.bytes += open.bytes();
        loop {
            let token = self.random();
            if let Entry::Vacant(place) = self.by_token.entry(token) {
                place.insert(open);
                return token;
            }
        }
    }

    fn random(&mut self) -> u64 {
        self.count += 1;
        self.keys.hash_one(self.count)
    }

    fn remove(&mut self, token: u64) -> Option<Open> {
        let open = self.by_token.remove(&token)?;
        self.bytes -= open.bytes();
        Some(open)
    }

    /// Whether there is no room for `bytes` more. One is always let in.
    fn is_full(&self, bytes: usize) -> bool {
        let count = self.by_token.len();
        count >= MAX_OPEN || (count > 0 && self.bytes + bytes > MAX_OPEN_BYTES)
    }
}

impl Answers {
    /// The common beginning of this account's reply subjects, with its last dot. `begin` is called
    /// with the filter for all of them before the first is given out.
    pub(crate) fn prefix(&self, begin: impl FnOnce(&[u8])) -> &[u8] {
        self.prefix.get_or_init(|| {
            let mut prefix = ANSWER_PREFIX.to_vec();
            write_token(&mut prefix, self.open.lock().random(), 6);
            prefix.push(b'.');
            begin(&[&prefix[..], b">"].concat());
            prefix.into()
        })
    }

    /// Whether the common beginning of the reply subjects is there already.
    pub(crate) fn is_begun(&self) -> bool {
        self.prefix.get().is_some()
    }

    /// Opens a way back, and writes its reply subject.
    pub(crate) fn open(&self, open: Open, prefix: &[u8], reply: &mut Vec<u8>) -> u64 {
        let mut requests = self.open.lock();
        while requests.is_full(open.bytes()) {
            // Whoever floods a service loses answers, not the server its memory; which ones is not
            // worth looking for.
            let some = requests.by_token.keys().next().copied();
            some.and_then(|token| requests.remove(token));
        }
        let token = requests.insert(open);
        drop(requests);
        reply.extend_from_slice(prefix);
        write_token(reply, token, 11);
        token
    }

    /// The request that `subject`, one of this account's reply subjects, answers at `now`; it stays
    /// open if more is to come after a message of `payload` bytes.
    pub(crate) fn take(&self, subject: &[u8], payload: usize, now: Duration) -> Option<Answered> {
        let token = read_token(subject.get(self.prefix.get()?.len()..)?)?;
        let mut requests = self.open.lock();
        let open = requests.by_token.get_mut(&token)?;
        // Who is gone is told apart from who never was: the sweep says which it is.
        if open.over(now) == Some(Fate::TimedOut) {
            return None;
        }
        // An empty message ends what has several, chunked or not.
        let last = open.service.response == ResponseType::Singleton || payload == 0;
        if !last {
            open.at = now;
            return Some(Answered {
                to: Arc::clone(&open.to),
                reply: open.reply.clone(),
                service: Arc::clone(&open.service),
                measured: None,
                token,
            });
        }
        let open = requests.remove(token)?;
        Some(Answered {
            to: open.to,
            reply: open.reply,
            service: open.service,
            measured: open.measured,
            token,
        })
    }

    /// Writes a reply subject that leads nowhere.
    pub(crate) fn write_dead_end(&self, reply: &mut Vec<u8>) {
        let mut requests = self.open.lock();
        let (first, second) = (requests.random(), requests.random());
        drop(requests);
        reply.extend_from_slice(ANSWER_PREFIX);
        write_token(reply, first, 6);
        reply.push(b'.');
        write_token(reply, second, 11);
    }

    /// Closes a way back; returns what was open.
    pub(crate) fn close(&self, token: u64) -> Option<Open> {
        self.open.lock().remove(token)
    }

    /// Closes the ways back that nobody waits at any more, and returns those that are measured.
    pub(crate) fn sweep(&self, now: Duration) -> Vec<(Open, Fate)> {
        let mut requests = self.open.lock();
        if requests.by_token.is_empty() {
            return Vec::new();
        }
        let OpenRequests {
            by_token, bytes, ..
        } = &mut *requests;
        let over = by_token.extract_if(|_, open| open.over(now).is_some());
        let over = over.filter_map(|(_, open)| {
            *bytes -= open.bytes();
            let fate = open.over(now)?;
            open.measured.is_some().then_some((open, fate))
        });
        over.collect()
    }

    /// Closes all ways back, for example because the account goes.
    pub(crate) fn clear(&self) {
        let mut requests = self.open.lock();
        requests.by_token = HashMap::default();
        requests.bytes = 0;
    }
}

/// A request that was just answered.
pub(crate) struct Answered {
    /// The account that asked.
    pub to: Arc<Account>,
    /// Its reply subject there.
    pub reply: ReplySubject,
    /// What was asked.
    pub service: Arc<Service>,
    /// What is measured of it, if this is the answer that ends it.
    pub measured: Option<Box<Measured>>,
    /// To close it with.
    pub token: u64,
}

/// Appends the first `count` digits of a number.
fn write_token(out: &mut Vec<u8>, mut number: u64, count: usize) {
    for _ in 0..count {
        out.push(DIGITS[(number % 62) as usize]);
        number /= 62;
    }
}

/// The number written by [`write_token`] with all its digits.
fn read_token(digits: &[u8]) -> Option<u64> {
    if digits.len() != 11 {
        return None;
    }
    digits.iter().rev().try_fold(0u64, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        number.checked_mul(62)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
pub(super) mod tests;

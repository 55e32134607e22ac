//! `allow_responses`: the right to publish to the reply subjects of delivered messages.
//!
//! Owns, per connection, the reply subjects it was shown and how often each was used. Invariants:
//! at most [`ReplyPermissions::MAX_REPLIES`] subjects and [`ReplyPermissions::MAX_BYTES`] of
//! them are held, the oldest going first; a subject whose responses are used up or which expired
//! grants nothing. Time is an argument. Owned by a session; the delivering side records, the
//! publishing side checks.
//!
//! All entries share one lifetime, so they expire in the order they were recorded: a queue in
//! that order makes pruning cost what was recorded, with no timer and no scan.

use super::ResponseLimits;
use foldhash::fast::FixedState;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// See the module's documentation.
#[derive(Debug)]
pub struct ReplyPermissions {
    limits: ResponseLimits,
    replies: HashMap<Arc<[u8]>, Reply, FixedState>,
    /// Subjects in the order of recording. Holds stale entries: those whose reply is gone or
    /// was recorded again, told by `recorded` being different.
    order: VecDeque<(Arc<[u8]>, u64)>,
    /// Bytes of all subjects in `replies`.
    bytes: usize,
    /// Counts recordings, naming each.
    recorded: u64,
}

#[derive(Clone, Copy, Debug)]
struct Reply {
    recorded: u64,
    at: Duration,
    used: u32,
}

impl ReplyPermissions {
    /// How many reply subjects are held at most.
    pub const MAX_REPLIES: usize = 65_536;
    /// How many bytes of reply subjects are held at most.
    pub const MAX_BYTES: usize = 8 << 20;

    /// None yet. The seed keeps others from choosing reply subjects that collide.
    pub fn new(limits: ResponseLimits, seed: u64) -> Self {
        ReplyPermissions {
            limits,
            replies: HashMap::with_hasher(FixedState::with_seed(seed)),
            order: VecDeque::new(),
            bytes: 0,
            recorded: 0,
        }
    }

    /// A message with this reply subject is being delivered to the connection. Call it only if
    /// the connection may not publish to `reply` anyway. Seen again, a subject starts anew.
    ///
    /// `now` is the time since any fixed moment, the same for all calls.
    pub fn record(&mut self, reply: &[u8], now: Duration) {
        self.prune(now);
        if reply.is_empty() || reply.len() > Self::MAX_BYTES {
            return;
        }
        self.recorded += 1;
        let entry = Reply {
            recorded: self.recorded,
            at: now,
            used: 0,
        };
        let subject: Arc<[u8]> = match self.replies.get_key_value(reply) {
            Some((subject, _)) => Arc::clone(subject),
            None => {
                self.bytes += reply.len();
                reply.into()
            }
        };
        self.order.push_back((Arc::clone(&subject), self.recorded));
        self.replies.insert(subject, entry);
        while self.replies.len() > Self::MAX_REPLIES || self.bytes > Self::MAX_BYTES {
            let Some((subject, recorded)) = self.order.pop_front() else {
                break;
            };
            self.forget(&subject, recorded);
        }
    }

    /// Whether the connection may publish to `subject` as a response now; uses up one response.
    pub fn check(&mut self, subject: &[u8], now: Duration) -> bool {
        let Some(reply) = self.replies.get_mut(subject) else {
            return false;
        };
        let recorded = reply.recorded;
        if is_expired(self.limits, reply.at, now) {
            self.forget(subject, recorded);
            return false;
        }
        if let Some(max) = self.limits.max_messages {
            reply.used += 1;
            let (used_up, allowed) = (reply.used >= max, reply.used <= max);
            if used_up {
                self.forget(subject, recorded);
            }
            return allowed;
        }
        true
    }

    /// How many reply subjects are held.
    pub fn len(&self) -> usize {
        self.replies.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Drops what expired or went stale. Each recording is dropped once, so the cost is spread
    /// evenly over the calls of `record`.
    fn prune(&mut self, now: Duration) {
        while let Some((subject, recorded)) = self.order.front() {
            let live = self
                .replies
                .get(subject)
                .filter(|reply| reply.recorded == *recorded);
            if live.is_some_and(|reply| !is_expired(self.limits, reply.at, now)) {
                break;
            }
            if let Some((subject, recorded)) = self.order.pop_front() {
                self.forget(&subject, recorded);
            }
        }
        // One unanswered request at the front holds up the stale entries behind it.
        if self.order.len() > 2 * self.replies.len() + 64 {
            let replies = &self.replies;
            self.order.retain(|(subject, recorded)| {
                replies
                    .get(subject)
                    .is_some_and(|reply| reply.recorded == *recorded)
            });
        }
    }

    /// Removes the reply if it is still that recording.
    fn forget(&mut self, subject: &[u8], recorded: u64) {
        if self
            .replies
            .get(subject)
            .is_some_and(|reply| reply.recorded == recorded)
        {
            self.replies.remove(subject);
            self.bytes -= subject.len();
        }
    }
}

fn is_expired(limits: ResponseLimits, at: Duration, now: Duration) -> bool {
    limits
        .expires
        .is_some_and(|expires| now.saturating_sub(at) > expires)
}

#[cfg(test)]
mod tests {
    use super::{ReplyPermissions, ResponseLimits};
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::time::Duration;

    fn limits(max_messages: Option<u32>, expires_secs: Option<u64>) -> ResponseLimits {
        ResponseLimits {
            max_messages,
            expires: expires_secs.map(Duration::from_secs),
        }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Record(u8, u64),
        Check(u8, u64, bool),
    }
    use Step::{Check, Record};

    fn check(limits: ResponseLimits, script: &[Step]) {
        let mut replies = ReplyPermissions::new(limits, 1);
        for step in script {
            match *step {
                Record(reply, at) => replies.record(&[reply], secs(at)),
                Check(reply, at, expected) => {
                    assert_eq!(replies.check(&[reply], secs(at)), expected, "{step:?}");
                }
            }
        }
    }

    #[test]
    fn responses_are_counted_and_expire() {
        let once = ResponseLimits::default();
        check(once, &[Check(b'a', 0, false)]);
        check(
            once,
            &[
                Record(b'a', 0),
                Check(b'b', 0, false),
                Check(b'a', 120, true),
            ],
        );
        check(
            once,
            &[Record(b'a', 0), Check(b'a', 1, true), Check(b'a', 1, false)],
        );
        check(
            once,
            &[
                Record(b'a', 0),
                Check(b'a', 121, false),
                Check(b'a', 1, false),
            ],
        );
        // A second request with the same reply is worth a second response.
        check(
            once,
            &[
                Record(b'a', 0),
                Check(b'a', 1, true),
                Record(b'a', 2),
                Check(b'a', 3, true),
            ],
        );
        check(
            once,
            &[Record(b'a', 0), Record(b'a', 100), Check(b'a', 200, true)],
        );
        let twice = limits(Some(2), Some(1));
        let uses = [
            Check(b'a', 0, true),
            Check(b'a', 1, true),
            Check(b'a', 1, false),
        ];
        check(twice, &[&[Record(b'a', 0)], &uses[..]].concat());
        let unlimited = limits(None, None);
        let uses = [Check(b'a', 0, true), Check(b'a', 1_000_000_000, true)];
        check(unlimited, &[&[Record(b'a', 0)], &uses[..]].concat());
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut replies = ReplyPermissions::new(limits(None, None), 1);
        for i in 0..ReplyPermissions::MAX_REPLIES + 10 {
            replies.record(&i.to_le_bytes(), secs(0));
        }
        assert_eq!(replies.len(), ReplyPermissions::MAX_REPLIES);
        assert!(
            !replies.check(&9usize.to_le_bytes(), secs(0)),
            "the oldest go first"
        );
        assert!(replies.check(&10usize.to_le_bytes(), secs(0)));

        let mut replies = ReplyPermissions::new(limits(None, None), 1);
        let mut long = vec![b'a'; ReplyPermissions::MAX_BYTES / 4];
        for i in 0..9 {
            long[0] = i;
            replies.record(&long, secs(0));
        }
        assert_eq!(replies.len(), 4);
    }

    #[test]
    fn answered_requests_leave_nothing_behind_an_unanswered_one() {
        let mut replies = ReplyPermissions::new(ResponseLimits::default(), 1);
        replies.record(b"unanswered", secs(0));
        for i in 0..10_000u32 {
            replies.record(&i.to_le_bytes(), secs(1));
            assert!(replies.check(&i.to_le_bytes(), secs(1)));
        }
        assert_eq!(replies.len(), 1);
        assert!(replies.order.len() <= 128, "{}", replies.order.len());
        replies.record(b"later", secs(200));
        assert_eq!((replies.len(), replies.order.len()), (1, 1));
    }

    fn steps() -> impl Strategy<Value = Vec<(bool, u8, u64)>> {
        proptest::collection::vec((any::<bool>(), 0..4u8, 0..3u64), 0..200)
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(
            max in proptest::option::of(0..3u32),
            expires in proptest::option::of(0..4u64),
            steps in steps(),
        ) {
            let mut replies = ReplyPermissions::new(limits(max, expires), 1);
            let mut model: HashMap<u8, (u64, u32)> = HashMap::new();
            let mut now = 0;
            for (record, reply, elapsed) in steps {
                now += elapsed;
                if record {
                    replies.record(&[reply], secs(now));
                    model.insert(reply, (now, 0));
                    continue;
                }
                let expected = model.get_mut(&reply).is_some_and(|(at, used)| {
                    *used += 1;
                    expires.is_none_or(|expires| now - *at <= expires)
                        && max.is_none_or(|max| *used <= max)
                });
                prop_assert_eq!(replies.check(&[reply], secs(now)), expected);
            }
            prop_assert!(replies.len() <= model.len());
            prop_assert_eq!(replies.bytes, replies.len());
        }
    }
}

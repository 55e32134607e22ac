//! A connection's memory of which subjects it may publish to.
//!
//! Owns at most [`PublishCache::ENTRIES`] decisions about subjects of at most
//! [`PublishCache::MAX_SUBJECT_BYTES`]; longer subjects are decided anew each time. Invariant: a
//! decision belongs to the permissions it was made with, so whoever swaps the permissions calls
//! [`PublishCache::clear`]. Owned by a session; not shared.
//!
//! Set-associative with a turning hand per set rather than a hash map: a hit touches one set, a
//! miss replaces one entry in place, and nothing is ever rehashed or freed under load.

use super::Permissions;
use foldhash::fast::FixedState;
use std::hash::BuildHasher as _;

const SETS: usize = 32;
const WAYS: usize = 4;

/// See the module's documentation.
#[derive(Debug)]
pub struct PublishCache {
    hasher: FixedState,
    /// Empty until first used: most connections have no permissions.
    slots: Vec<Slot>,
    /// Which way of each set is replaced next.
    hands: [u8; SETS],
    /// The slot of the previous answer, tried first: publishers tend to repeat themselves.
    last: usize,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    hash: u64,
    /// Empty if the slot is; no subject is.
    subject: Vec<u8>,
    allowed: bool,
}

impl PublishCache {
    /// How many decisions are kept.
    pub const ENTRIES: usize = SETS * WAYS;
    /// The longest subject kept, in bytes.
    pub const MAX_SUBJECT_BYTES: usize = 256;

    /// An empty cache. The seed keeps clients from choosing subjects that collide; any random
    /// number does.
    pub fn new(seed: u64) -> Self {
        PublishCache {
            hasher: FixedState::with_seed(seed),
            slots: Vec::new(),
            hands: [0; SETS],
            last: 0,
        }
    }

    /// [`Permissions::can_publish`], remembered. Always call with the same permissions between
    /// two calls of [`PublishCache::clear`].
    #[inline]
    pub fn can_publish(&mut self, permissions: &Permissions, subject: &[u8]) -> bool {
        if let Some(slot) = self.slots.get(self.last)
            && slot.subject == subject
        {
            return slot.allowed;
        }
        self.look_up(permissions, subject)
    }

    fn look_up(&mut self, permissions: &Permissions, subject: &[u8]) -> bool {
        if !permissions.restricts_publish() {
            return true;
        }
        if subject.is_empty() || subject.len() > Self::MAX_SUBJECT_BYTES {
            return permissions.can_publish(subject);
        }
        if self.slots.is_empty() {
            self.slots.resize(Self::ENTRIES, Slot::default());
        }
        let hash = self.hasher.hash_one(subject);
        let set = hash as usize % SETS;
        let ways = &mut self.slots[set * WAYS..][..WAYS];
        let is_it = |slot: &Slot| slot.hash == hash && slot.subject == subject;
        if let Some(way) = ways.iter().position(is_it) {
            self.last = set * WAYS + way;
            return ways[way].allowed;
        }
        let allowed = permissions.can_publish(subject);
        let hand = usize::from(self.hands[set]) % WAYS;
        self.hands[set] = self.hands[set].wrapping_add(1);
        let slot = &mut ways[hand];
        slot.hash = hash;
        slot.subject.clear();
        slot.subject.extend_from_slice(subject);
        slot.allowed = allowed;
        self.last = set * WAYS + hand;
        allowed
    }

    /// Forgets everything, because the permissions changed.
    pub fn clear(&mut self) {
        self.slots.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::PublishCache;
    use crate::permissions::{Permissions, PermissionsConfig, SubjectList, SubjectRules};

    fn permissions(allow: &str) -> Permissions {
        let publish = SubjectRules {
            allow: [allow].into(),
            deny: SubjectList::default(),
        };
        Permissions::compile(PermissionsConfig {
            publish,
            ..Default::default()
        })
        .unwrap()
    }

    #[test]
    fn answers_stay_right_far_beyond_capacity() {
        let permissions = permissions("even.>");
        let mut cache = PublishCache::new(7);
        let subjects: Vec<_> = (0..PublishCache::ENTRIES * 4)
            .map(|i| {
                (
                    format!("{}.{i}", if i % 2 == 0 { "even" } else { "odd" }),
                    i % 2 == 0,
                )
            })
            .collect();
        for _ in 0..2 {
            for (subject, expected) in &subjects {
                // Twice, so that the second answer comes from the cache.
                for _ in 0..2 {
                    assert_eq!(
                        cache.can_publish(&permissions, subject.as_bytes()),
                        *expected
                    );
                }
            }
        }
        assert_eq!(cache.slots.len(), PublishCache::ENTRIES);
    }

    #[test]
    fn a_remembered_answer_is_used_until_cleared() {
        let mut cache = PublishCache::new(7);
        assert!(cache.can_publish(&permissions("a"), b"a"));
        assert!(
            cache.can_publish(&permissions("b"), b"a"),
            "not answered from the cache"
        );
        cache.clear();
        assert!(!cache.can_publish(&permissions("b"), b"a"));
    }

    #[test]
    fn long_subjects_are_decided_but_not_kept() {
        let mut cache = PublishCache::new(7);
        let long = [b'a'; PublishCache::MAX_SUBJECT_BYTES + 1];
        assert!(cache.can_publish(&permissions(">"), &long));
        assert!(!cache.can_publish(&permissions("b"), &long));
    }
}

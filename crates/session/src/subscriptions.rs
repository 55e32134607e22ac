//! A client's subscriptions by sid.
//!
//! All clients number their subscriptions, so numbers get a table of their own that neither
//! allocates per entry nor touches the subscriptions when it grows; any other token works too.
//! Hashing is seeded since clients choose the sids.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Sids with more digits are kept as text.
const MAX_DIGITS: usize = 18;

/// Subscriptions of one client.
pub struct Subscriptions<S> {
    numbered: HashMap<u64, S, FixedState>,
    named: HashMap<Box<[u8]>, S, FixedState>,
}

impl<S> Subscriptions<S> {
    /// No subscriptions.
    pub fn new(seed: u64) -> Self {
        let state = FixedState::with_seed(seed);
        Subscriptions {
            numbered: HashMap::with_hasher(state.clone()),
            named: HashMap::with_hasher(state),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbered.len() + self.named.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The subscription with this sid.
    pub fn find(&self, sid: &[u8]) -> Option<&S> {
        match number(sid) {
            Some(number) => self.numbered.get(&number),
            None => self.named.get(sid),
        }
    }

    /// Whether the sid is taken.
    pub fn contains(&self, sid: &[u8]) -> bool {
        self.find(sid).is_some()
    }

    /// Adds one under a sid that is free.
    pub fn insert(&mut self, sid: &[u8], subscription: S) {
        match number(sid) {
            Some(number) => self.numbered.insert(number, subscription),
            None => self.named.insert(sid.into(), subscription),
        };
    }

    /// Takes one out.
    pub fn remove(&mut self, sid: &[u8]) -> Option<S> {
        let removed = match number(sid) {
            Some(number) => self.numbered.remove(&number),
            None => self.named.remove(sid),
        };
        if self.numbered.len() * 8 < self.numbered.capacity() {
            self.numbered.shrink_to(self.numbered.len() * 2);
        }
        removed
    }

    /// Every subscription, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.numbered.values().chain(self.named.values())
    }

    /// Takes all out.
    pub fn drain(&mut self) -> impl Iterator<Item = S> + use<S> {
        // The new tables keep the seed: the client goes on choosing sids.
        let state = self.numbered.hasher().clone();
        let numbered = std::mem::replace(&mut self.numbered, HashMap::with_hasher(state.clone()));
        let named = std::mem::replace(&mut self.named, HashMap::with_hasher(state));
        numbered.into_values().chain(named.into_values())
    }

    /// Takes out those that `keep` refuses.
    pub fn take_unless(&mut self, mut keep: impl FnMut(&S) -> bool) -> Vec<S> {
        let mut taken: Vec<S> = self
            .numbered
            .extract_if(|_, s| !keep(s))
            .map(|(_, s)| s)
            .collect();
        taken.extend(self.named.extract_if(|_, s| !keep(s)).map(|(_, s)| s));
        taken
    }
}

/// The number a sid stands for, if it is one in its only spelling (`7`, not `07`).
fn number(sid: &[u8]) -> Option<u64> {
    if sid.is_empty() || sid.len() > MAX_DIGITS || (sid[0] == b'0' && sid.len() > 1) {
        return None;
    }
    let mut value = 0u64;
    for &byte in sid {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sids_are_told_apart_by_their_text() {
        let sids: [&[u8]; 8] = [
            b"0",
            b"1",
            b"01",
            b"1a",
            b"999999999999999999",
            b"9999999999999999999",
            b"-1",
            b"x",
        ];
        let mut subs = Subscriptions::new(7);
        for (index, sid) in sids.iter().enumerate() {
            assert!(!subs.contains(sid));
            subs.insert(sid, index);
        }
        assert_eq!(subs.len(), sids.len());
        for (index, sid) in sids.iter().enumerate() {
            assert_eq!(subs.remove(sid), Some(index));
        }
        assert!(subs.is_empty());
    }

    #[test]
    fn emptied_tables_keep_their_seed() {
        use std::hash::BuildHasher as _;
        let mut subs = Subscriptions::new(7);
        subs.insert(b"1", 1);
        let (numbered, named) = (
            subs.numbered.hasher().hash_one(1),
            subs.named.hasher().hash_one(1),
        );
        assert_eq!(subs.drain().count(), 1);
        assert_eq!(subs.numbered.hasher().hash_one(1), numbered);
        assert_eq!(subs.named.hasher().hash_one(1), named);
    }
}

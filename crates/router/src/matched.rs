//! What a publish to one subject reaches.
//!
//! Plain subscriptions each get a copy; of every queue group one member does. Groups are joined by
//! name across all filters that match, as nats-server does: members of `workers` on `a.*` and on
//! `a.b` compete for a message on `a.b`. Made by [`crate::Interest`], kept by [`crate::MatchCache`].

use std::sync::Arc;

use crate::Subscription;

/// An answer's list with more places than this is cut when it is mostly empty.
const ROOMY: usize = 64;

/// The members of one queue group that a subject reaches.
pub struct Group<D> {
    name: Arc<[u8]>,
    members: Vec<Arc<Subscription<D>>>,
}

impl<D> Group<D> {
    /// The queue's name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The members from a random one on, each once: the first that can take the message gets it.
    pub fn members_from(&self, random: u64) -> impl Iterator<Item = &Arc<Subscription<D>>> {
        // Multiply-shift maps a random number to an index without a division and without bias
        // that could matter at group sizes.
        let start = ((u128::from(random) * self.members.len() as u128) >> 64) as usize;
        let (before, from) = self.members.split_at(start);
        from.iter().chain(before)
    }

    /// Every member.
    pub fn members(&self) -> &[Arc<Subscription<D>>] {
        &self.members
    }
}

/// The subscriptions that a subject reaches.
pub struct Matched<D> {
    plain: Vec<Arc<Subscription<D>>>,
    groups: Vec<Group<D>>,
    tied: Vec<Arc<Subscription<D>>>,
}

impl<D> Default for Matched<D> {
    fn default() -> Self {
        Matched {
            plain: Vec::new(),
            groups: Vec::new(),
            tied: Vec::new(),
        }
    }
}

impl<D> Matched<D> {
    /// The subscriptions outside queue groups that nothing ties to another account.
    pub fn plain(&self) -> &[Arc<Subscription<D>>] {
        &self.plain
    }

    /// The queue groups.
    pub fn groups(&self) -> &[Group<D>] {
        &self.groups
    }

    /// The subscriptions outside queue groups that are tied to another account.
    pub fn tied(&self) -> &[Arc<Subscription<D>>] {
        &self.tied
    }

    /// The one that is reached, if it is one and a plain one.
    #[inline]
    pub fn only(&self) -> Option<&Arc<Subscription<D>>> {
        match &self.plain[..] {
            [only] if self.groups.is_empty() && self.tied.is_empty() => Some(only),
            _ => None,
        }
    }

    /// Those that are reached, if there are several and plain ones only.
    #[inline]
    pub fn several(&self) -> Option<&[Arc<Subscription<D>>]> {
        let several = self.plain.len() > 1 && self.groups.is_empty() && self.tied.is_empty();
        several.then_some(&self.plain[..])
    }

    /// Whether nobody is reached.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.groups.is_empty() && self.tied.is_empty()
    }

    /// How many subscriptions it refers to.
    pub fn weight(&self) -> usize {
        self.plain.len()
            + self.tied.len()
            + self
                .groups
                .iter()
                .map(|group| group.members.len())
                .sum::<usize>()
    }

    /// Empties it and keeps its memory for the next answer.
    pub fn clear(&mut self) {
        self.plain.clear();
        self.groups.clear();
        self.tied.clear();
    }

    /// Gives back memory that a much larger answer needed before.
    pub(crate) fn trim(&mut self) {
        if self.plain.capacity() > ROOMY && self.plain.len() < self.plain.capacity() / 4 {
            self.plain.shrink_to(self.plain.len() * 2);
        }
    }

    pub(crate) fn push_plain(&mut self, subscription: &Arc<Subscription<D>>) {
        let list = if subscription.is_tied() {
            &mut self.tied
        } else {
            &mut self.plain
        };
        list.push(Arc::clone(subscription));
    }

    pub(crate) fn push_queue(&mut self, name: &Arc<[u8]>, subscription: &Arc<Subscription<D>>) {
        let found = self.groups.iter_mut().find(|group| group.name == *name);
        match found {
            Some(group) => group.members.push(Arc::clone(subscription)),
            None => self.groups.push(Group {
                name: Arc::clone(name),
                members: vec![Arc::clone(subscription)],
            }),
        }
    }
}

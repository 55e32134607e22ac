//! Who wants which subject, in one account.
//!
//! One tree entry per distinct filter holds its plain members and its queue groups. Adding and
//! removing a member costs the same however many there are: every subscription knows its position
//! in its list, and the last member takes the place of one that leaves. Every change advances the
//! [`Generations`], while the interest is borrowed exclusively.

use std::sync::Arc;

use cognate_subject::Tree;

use crate::{Generations, Matched, Subscription};

type Sub<D> = Arc<Subscription<D>>;

/// A list of members that costs nothing on the heap for the common single one.
enum Members<D> {
    None,
    One(Sub<D>),
    // Boxed because the list is rare and every filter pays for its width.
    #[expect(clippy::box_collection)]
    Many(Box<Vec<Sub<D>>>),
}

/// The members of one queue group on one filter.
struct Queue<D> {
    name: Arc<[u8]>,
    members: Members<D>,
}

/// What is subscribed to one filter.
struct Entry<D> {
    plain: Members<D>,
    // Boxed for the same reason.
    #[expect(clippy::box_collection)]
    queues: Option<Box<Vec<Queue<D>>>>,
}

/// The subscriptions of one account.
pub struct Interest<D> {
    tree: Tree<Entry<D>>,
    inserted: u64,
    removed: u64,
}

impl<D> Interest<D> {
    /// No subscriptions. `seed` makes the hashing of subjects unpredictable to clients.
    pub fn new(seed: u64) -> Self {
        Interest {
            tree: Tree::new(seed),
            inserted: 0,
            removed: 0,
        }
    }

    /// The number of subscriptions.
    pub fn len(&self) -> usize {
        (self.inserted - self.removed) as usize
    }

    /// Subscriptions ever added.
    pub fn inserted(&self) -> u64 {
        self.inserted
    }

    /// Subscriptions ever removed.
    pub fn removed(&self) -> u64 {
        self.removed
    }

    /// Whether there is no subscription.
    pub fn is_empty(&self) -> bool {
        self.inserted == self.removed
    }

    /// Adds a subscription. Adding the same one twice is the caller's error.
    pub fn insert(&mut self, subscription: &Sub<D>, generations: &Generations) {
        let entry = self
            .tree
            .get_or_insert_with(subscription.subject(), Entry::default);
        match subscription.queue_name() {
            None => entry.plain.push(subscription),
            Some(name) => entry.queue_mut(name).push(subscription),
        }
        self.inserted += 1;
        generations.advance(subscription.subject());
    }

    /// Removes a subscription; returns whether it was there.
    pub fn remove(&mut self, subscription: &Sub<D>, generations: &Generations) -> bool {
        let Some(entry) = self.tree.get_mut(subscription.subject()) else {
            return false;
        };
        let removed = match subscription.queue_name() {
            None => entry.plain.remove(subscription),
            Some(name) => entry.remove_from_queue(name, subscription),
        };
        if !removed {
            return false;
        }
        if entry.is_empty() {
            self.tree.remove(subscription.subject());
        }
        self.removed += 1;
        generations.advance(subscription.subject());
        true
    }

    /// Collects into `matched` what a publish to `subject` reaches.
    pub fn collect(&self, subject: &[u8], matched: &mut Matched<D>) {
        matched.clear();
        self.tree.for_each_match(subject, |entry| {
            let open = |sub: &&Sub<D>| !sub.denies(subject);
            entry
                .plain
                .as_slice()
                .iter()
                .filter(open)
                .for_each(|sub| matched.push_plain(sub));
            for queue in entry.queues.iter().flat_map(|queues| queues.iter()) {
                let members = queue.members.as_slice().iter().filter(open);
                members.for_each(|sub| matched.push_queue(&queue.name, sub));
            }
        });
    }

    /// Appends the subscriptions that a publish to `subject` would reach if they were not denied it.
    pub fn collect_withheld(&self, subject: &[u8], withheld: &mut Vec<Sub<D>>) {
        self.tree.for_each_match(subject, |entry| {
            let denied = |sub: &&Sub<D>| sub.denies(subject);
            let queues = entry.queues.iter().flat_map(|queues| queues.iter());
            let members = queues.flat_map(|queue| queue.members.as_slice());
            let all = entry.plain.as_slice().iter().chain(members);
            withheld.extend(all.filter(denied).cloned());
        });
    }

    /// Visits every subscription, in no order.
    pub fn for_each(&self, mut visit: impl FnMut(&Sub<D>)) {
        for (_, entry) in self.tree.iter() {
            entry.plain.as_slice().iter().for_each(&mut visit);
            for queue in entry.queues.iter().flat_map(|queues| queues.iter()) {
                queue.members.as_slice().iter().for_each(&mut visit);
            }
        }
    }
}

impl<D> Default for Entry<D> {
    fn default() -> Self {
        Entry {
            plain: Members::None,
            queues: None,
        }
    }
}

impl<D> Entry<D> {
    fn is_empty(&self) -> bool {
        self.plain.as_slice().is_empty() && self.queues.is_none()
    }

    fn queue_mut(&mut self, name: &Arc<[u8]>) -> &mut Members<D> {
        let queues = self.queues.get_or_insert_with(Box::default);
        let index = match queues.iter().position(|queue| queue.name == *name) {
            Some(index) => index,
            None => {
                queues.push(Queue {
                    name: Arc::clone(name),
                    members: Members::None,
                });
                queues.len() - 1
            }
        };
        &mut queues[index].members
    }

    fn remove_from_queue(&mut self, name: &Arc<[u8]>, subscription: &Sub<D>) -> bool {
        let Some(queues) = self.queues.as_mut() else {
            return false;
        };
        let Some(index) = queues.iter().position(|queue| queue.name == *name) else {
            return false;
        };
        let removed = queues[index].members.remove(subscription);
        if queues[index].members.as_slice().is_empty() {
            queues.swap_remove(index);
        }
        if queues.is_empty() {
            self.queues = None;
        }
        removed
    }
}

impl<D> Members<D> {
    fn as_slice(&self) -> &[Sub<D>] {
        match self {
            Members::None => &[],
            Members::One(sub) => std::slice::from_ref(sub),
            Members::Many(subs) => subs,
        }
    }

    fn push(&mut self, subscription: &Sub<D>) {
        let added = Arc::clone(subscription);
        added.set_position(self.as_slice().len());
        *self = match std::mem::replace(self, Members::None) {
            Members::None => Members::One(added),
            Members::One(first) => Members::Many(Box::new(vec![first, added])),
            Members::Many(mut subs) => {
                subs.push(added);
                Members::Many(subs)
            }
        };
    }

    fn remove(&mut self, subscription: &Sub<D>) -> bool {
        let position = subscription.position();
        let here = self
            .as_slice()
            .get(position)
            .is_some_and(|sub| Arc::ptr_eq(sub, subscription));
        if !here {
            return false;
        }
        match self {
            Members::Many(subs) if subs.len() > 1 => {
                subs.swap_remove(position);
                if let Some(moved) = subs.get(position) {
                    moved.set_position(position);
                }
                if subs.len() * 4 < subs.capacity() {
                    subs.shrink_to(subs.len() * 2);
                }
            }
            _ => *self = Members::None,
        }
        true
    }
}

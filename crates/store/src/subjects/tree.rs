//! [`SubjectIndex`]: the tree itself.
//!
//! A link is a word: 0 for none, an even address of a node in [`Words`], or an odd number for a
//! leaf (its number above the lowest bit). Every node but those on the way of a change has at least
//! two children; so there are fewer nodes than subjects.

use std::ops::ControlFlow;

use super::{
    entry::SubjectEntry,
    leaves::{Leaf, Leaves},
    node,
    run::Run,
    words::{NONE, Words},
};

/// The longest subject an index takes, in bytes. Stores refuse longer ones as too large.
pub const MAX_SUBJECT_BYTES: usize = u16::MAX as usize;

/// An index of more subjects keeps its memory for those to come: copying them would take so long
/// that a stream would be seen to stop. So many take some 20 ms.
const REBUILT_SUBJECTS: usize = 100_000;
/// An index with room for fewer subjects keeps it.
const WORTHWHILE_LEAVES: usize = 1024;
/// Longer subjects are not remembered.
const MAX_RECENT: usize = 256;

/// A map from literal subjects to values. See the module for costs and order.
pub struct SubjectIndex<V = SubjectEntry> {
    pub(super) words: Words,
    pub(super) leaves: Leaves<V>,
    pub(super) root: u32,
    /// Room to put runs together in, kept to save allocations.
    scratch: Vec<u8>,
    /// The subject that was changed last, and its leaf: a key-value put asks for it three times.
    recent: Vec<u8>,
    recent_leaf: u32,
}

/// Where a link is kept: in the index itself, or in a word.
#[derive(Clone, Copy)]
enum Held {
    Root,
    Word(u32),
}

/// What the way down to a subject that is not there ended at.
enum Missing {
    /// At the run of a node or leaf that goes elsewhere after `common` bytes.
    Fork { held: Held, common: usize },
    /// At a node without a child for the next byte.
    Child { held: Held },
}

impl<V: Default + Clone> SubjectIndex<V> {
    /// An empty index; it owns no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            words: Words::new(),
            leaves: Leaves::new(),
            root: NONE,
            scratch: Vec::new(),
            recent: Vec::new(),
            recent_leaf: 0,
        }
    }

    /// Number of subjects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there is no subject.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a subject.
    #[must_use]
    pub fn get(&self, subject: &[u8]) -> Option<&V> {
        self.find(subject).map(|leaf| &self.leaves.at(leaf).value)
    }

    /// As [`get`](Self::get), to change it.
    pub fn get_mut(&mut self, subject: &[u8]) -> Option<&mut V> {
        let leaf = self.find(subject)?;
        self.remember(subject, leaf);
        Some(&mut self.leaves.at_mut(leaf).value)
    }

    /// The value of a subject; the default one if it was not there.
    ///
    /// # Panics
    /// If the subject is longer than [`MAX_SUBJECT_BYTES`].
    pub fn entry_or_insert(&mut self, subject: &[u8]) -> &mut V {
        assert!(
            subject.len() <= MAX_SUBJECT_BYTES,
            "stores refuse longer subjects"
        );
        if self.is_recent(subject) {
            return &mut self.leaves.at_mut(self.recent_leaf).value;
        }
        let leaf = match self.descend(subject) {
            Ok(leaf) => leaf,
            Err((Missing::Fork { held, common }, rest)) => self.fork(held, common, rest),
            Err((Missing::Child { held }, rest)) => self.add_child(held, rest),
        };
        self.remember(subject, leaf);
        &mut self.leaves.at_mut(leaf).value
    }

    /// Takes a subject out and returns its value.
    pub fn remove(&mut self, subject: &[u8]) -> Option<V> {
        self.recent.clear();
        let mut above = None;
        let mut held = Held::Root;
        let mut rest = subject;
        loop {
            let link = self.link(held);
            if link == NONE {
                return None;
            }
            if is_leaf(link) {
                let leaf = link >> 1;
                let run = self.leaves.at(leaf).run;
                run.strip(&self.words, rest)
                    .filter(|rest| rest.is_empty())?;
                run.free(&mut self.words);
                match above {
                    None => self.set_link(Held::Root, NONE),
                    Some((node_held, byte)) => self.remove_child(node_held, byte),
                }
                let value = self.leaves.remove(leaf);
                if self.is_sparse() {
                    self.rebuild();
                }
                return Some(value);
            }
            let (slot, byte, left) = self.child(link, rest)?;
            above = Some((held, byte));
            held = Held::Word(slot);
            rest = left;
        }
    }

    /// Forgets everything and gives all memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Bytes asked of the allocator, without what the values own.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.words.heap_bytes()
            + self.leaves.heap_bytes()
            + self.scratch.capacity()
            + self.recent.capacity()
    }

    /// Whether most of the memory is for subjects that are gone, and making it anew is quick.
    fn is_sparse(&self) -> bool {
        let (len, held) = (self.len(), self.leaves.held());
        len <= REBUILT_SUBJECTS && held > WORTHWHILE_LEAVES && len < held / 4 || len == 0
    }

    /// Copies what there is to new memory.
    fn rebuild(&mut self) {
        let mut new = Self::new();
        let _ = self.for_each_match(b">", &mut |subject, value| {
            *new.entry_or_insert(subject) = value.clone();
            ControlFlow::Continue(())
        });
        *self = new;
    }

    #[cfg(test)]
    pub(super) fn live_words(&self) -> usize {
        self.words.live()
    }

    #[inline]
    fn find(&self, subject: &[u8]) -> Option<u32> {
        if self.is_recent(subject) {
            return Some(self.recent_leaf);
        }
        let mut link = self.root;
        let mut rest = subject;
        while link != NONE {
            if is_leaf(link) {
                let run = self.leaves.at(link >> 1).run;
                let left = run.strip(&self.words, rest)?;
                return left.is_empty().then_some(link >> 1);
            }
            let node = self.words.at(link);
            rest = node::run(node).strip(&self.words, rest)?;
            let slot = match rest.split_first() {
                None => node::end_slot(node)?,
                Some((byte, left)) => {
                    rest = left;
                    node::slot(node, *byte)?
                }
            };
            link = node[slot];
        }
        None
    }

    #[inline]
    fn is_recent(&self, subject: &[u8]) -> bool {
        // An empty subject says that there is none.
        !self.recent.is_empty() && self.recent == subject
    }

    #[inline]
    fn remember(&mut self, subject: &[u8], leaf: u32) {
        self.recent.clear();
        if subject.len() <= MAX_RECENT {
            self.recent.extend_from_slice(subject);
            self.recent_leaf = leaf;
        }
    }

    /// The leaf of a subject, or where it would be and what of the subject is left there.
    #[inline]
    fn descend<'b>(&self, subject: &'b [u8]) -> Result<u32, (Missing, &'b [u8])> {
        let mut held = Held::Root;
        let mut rest = subject;
        loop {
            let link = self.link(held);
            if link == NONE {
                return Err((Missing::Child { held }, rest));
            }
            let run = self.run(link);
            let Some(left) = run.strip(&self.words, rest) else {
                let common = run.common(&self.words, rest);
                return Err((Missing::Fork { held, common }, rest));
            };
            if is_leaf(link) {
                if left.is_empty() {
                    return Ok(link >> 1);
                }
                let common = run.len();
                return Err((Missing::Fork { held, common }, rest));
            }
            let node = self.words.at(link);
            let slot = match left.first() {
                None => node::end_slot(node),
                Some(byte) => node::slot(node, *byte),
            };
            let Some(slot) = slot else {
                return Err((Missing::Child { held }, left));
            };
            rest = left.get(1..).unwrap_or_default();
            held = Held::Word(link + slot as u32);
        }
    }

    /// The slot of the child of the node `link` on the way to `rest`, its byte, and what is left.
    fn child<'b>(&self, link: u32, rest: &'b [u8]) -> Option<(u32, Option<u8>, &'b [u8])> {
        let node = self.words.at(link);
        let rest = node::run(node).strip(&self.words, rest)?;
        let (slot, byte, left) = match rest.split_first() {
            None => (node::end_slot(node)?, None, rest),
            Some((byte, left)) => (node::slot(node, *byte)?, Some(*byte), left),
        };
        Some((link + slot as u32, byte, left))
    }

    /// Puts a node above what is at `held`, whose run goes elsewhere than `rest` after `common`
    /// bytes, and a leaf for `rest` below it.
    fn fork(&mut self, held: Held, common: usize, rest: &[u8]) -> u32 {
        let old = self.link(held);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let run = self.run(old);
        run.append_to(&self.words, &mut scratch);
        run.free(&mut self.words);
        let (shared, own) = scratch.split_at(common);
        let old_run = Run::new(own.get(1..).unwrap_or_default(), &mut self.words);
        self.set_run(old, old_run);

        let shared_run = Run::new(shared, &mut self.words);
        let fork = self.words.allocate(node::FORK_WORDS);
        let leaf_run = Run::new(rest.get(common + 1..).unwrap_or_default(), &mut self.words);
        let leaf = self.leaves.add(leaf_run);
        let node = self.words.at_mut(fork);
        node::init(node, shared_run);
        node::insert(node, own.first().copied(), old);
        node::insert(node, rest.get(common).copied(), leaf << 1 | 1);
        self.set_link(held, fork);
        self.scratch = scratch;
        leaf
    }

    /// Adds a leaf for `rest`, what is left behind the run of the node at `held`, or at the root.
    fn add_child(&mut self, held: Held, rest: &[u8]) -> u32 {
        let link = self.link(held);
        if link == NONE {
            let run = Run::new(rest, &mut self.words);
            let leaf = self.leaves.add(run);
            self.set_link(held, leaf << 1 | 1);
            return leaf;
        }
        let run = Run::new(rest.get(1..).unwrap_or_default(), &mut self.words);
        let leaf = self.leaves.add(run);
        let meta = node::meta(self.words.at(link));
        let link = if meta.is_full() {
            self.resize(held, link, node::larger(meta))
        } else {
            link
        };
        let node = self.words.at_mut(link);
        node::insert(node, rest.first().copied(), leaf << 1 | 1);
        leaf
    }

    /// Takes a leaf's link out of the node at `held`, which then gets smaller or, with one child
    /// left, gives way to it.
    fn remove_child(&mut self, held: Held, byte: Option<u8>) {
        let link = self.link(held);
        let node = self.words.at_mut(link);
        node::remove(node, byte);
        let meta = node::meta(node);
        if meta.count == 1 {
            self.give_way(held, link);
        } else if let Some(kind) = node::smaller(meta) {
            self.resize(held, link, kind);
        }
    }

    /// Puts the only child of the node `link` in its place.
    fn give_way(&mut self, held: Held, link: u32) {
        let node = self.words.at(link);
        let (meta, run) = (node::meta(node), node::run(node));
        let Some((byte, child)) = node::children(node).next() else {
            return;
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        run.append_to(&self.words, &mut scratch);
        scratch.extend(byte);
        let child_run = self.run(child);
        child_run.append_to(&self.words, &mut scratch);
        child_run.free(&mut self.words);
        run.free(&mut self.words);
        self.words.free(link, meta.layout().words);
        let whole = Run::new(&scratch, &mut self.words);
        self.set_run(child, whole);
        self.set_link(held, child);
        self.scratch = scratch;
    }

    /// Moves the node `link` at `held` to a block of another kind.
    fn resize(&mut self, held: Held, link: u32, kind: node::Kind) -> u32 {
        let mut copy = [0; node::MAX_WORDS];
        let old_words = node::meta(self.words.at(link)).layout().words;
        node::copy(self.words.at(link), &mut copy, kind);
        self.words.free(link, old_words);
        let new = self.words.allocate(kind.words);
        self.words.at_mut(new)[..kind.words].copy_from_slice(&copy[..kind.words]);
        self.set_link(held, new);
        new
    }

    #[inline]
    pub(super) fn run(&self, link: u32) -> Run {
        if is_leaf(link) {
            self.leaves.at(link >> 1).run
        } else {
            node::run(self.words.at(link))
        }
    }

    fn set_run(&mut self, link: u32, run: Run) {
        if is_leaf(link) {
            let leaf: &mut Leaf<V> = self.leaves.at_mut(link >> 1);
            leaf.run = run;
        } else {
            node::set_run(self.words.at_mut(link), run);
        }
    }

    #[inline]
    fn link(&self, held: Held) -> u32 {
        match held {
            Held::Root => self.root,
            Held::Word(at) => self.words.at(at)[0],
        }
    }

    fn set_link(&mut self, held: Held, link: u32) {
        match held {
            Held::Root => self.root = link,
            Held::Word(at) => self.words.at_mut(at)[0] = link,
        }
    }
}

impl<V: Default + Clone> Default for SubjectIndex<V> {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
pub(super) fn is_leaf(link: u32) -> bool {
    link & 1 == 1
}

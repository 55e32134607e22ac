//! The wildcard filters: a trie of tokens, in one array of nodes and one table of edges.
//!
//! ```text
//! nodes: [ root │ foo │ * │ bar │ … ]    foo.*.bar, foo.>:
//! edges: (parent, literal token) ─▶ node   root ─foo─▶ foo ─*─▶ * ─bar─▶ bar  (here: foo.*.bar)
//!                                                      rest: foo.>
//! ```
//!
//! A node has no map of children: all literal edges of the trie share one hash table, keyed by
//! parent and token, so a node is 56 bytes whether it has one child or a million. `*` edges and
//! the end of `>` filters have their own fields.
//!
//! Invariants: node 0 is the root and nobody's child, so 0 also says "none"; every node but the
//! root carries a filter or has a child (removal prunes); free nodes are linked through `parent`
//! and carry nothing; an empty trie owns no memory.
//!
//! Called by [`super::Tree`] alone, which owns the seed. Absent: filters without a wildcard.

use std::mem::replace;

use hashbrown::HashTable;
use memchr::{memchr, memrchr};

use super::{label::Label, record::Record, seed::Seed};
use crate::{relate::tokens, validate::has_empty_token};

const ROOT: u32 = 0;
const NONE: u32 = 0;
/// Below this many nodes it isn't worth giving memory back.
const COMPACT_ABOVE: usize = 1024;

struct Node<V> {
    /// The filter that ends with the token of this node.
    here: Option<Record<V>>,
    /// The filter that ends with `>` behind this node.
    rest: Option<Record<V>>,
    label: Label,
    /// The node above; of a free node, the next free one.
    parent: u32,
    /// The child by `*`.
    star: u32,
    /// How many entries of `edges` start here; 0 saves the look-up.
    literal_children: u32,
}

impl<V> Node<V> {
    fn new(parent: u32, label: Label) -> Self {
        Self {
            here: None,
            rest: None,
            label,
            parent,
            star: NONE,
            literal_children: 0,
        }
    }

    fn is_bare(&self) -> bool {
        self.here.is_none()
            && self.rest.is_none()
            && self.star == NONE
            && self.literal_children == 0
    }

    fn records(&self) -> impl Iterator<Item = &Record<V>> {
        self.here.iter().chain(&self.rest)
    }
}

pub(super) struct Trie<V> {
    nodes: Vec<Node<V>>,
    edges: HashTable<u32>,
    /// Head of the list of free nodes.
    free: u32,
    free_count: usize,
    len: usize,
}

impl<V> Trie<V> {
    pub(super) const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            edges: HashTable::new(),
            free: NONE,
            free_count: 0,
            len: 0,
        }
    }

    /// Number of filters.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record<V>> {
        self.nodes.iter().flat_map(Node::records)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Record<V>> {
        self.nodes
            .iter_mut()
            .flat_map(|node| node.here.iter_mut().chain(&mut node.rest))
    }

    pub(super) fn find(&self, seed: &Seed, filter: &[u8]) -> Option<&Record<V>> {
        let (node, tail) = self.locate(seed, filter)?;
        let node = &self.nodes[node as usize];
        let record = if tail {
            node.rest.as_ref()
        } else {
            node.here.as_ref()
        };
        // An invalid filter like `a.>.b` leads to the place of `a.>`: it is none the less unknown.
        record.filter(|record| record.filter() == filter)
    }

    pub(super) fn find_mut(&mut self, seed: &Seed, filter: &[u8]) -> Option<&mut Record<V>> {
        let (node, tail) = self.locate(seed, filter)?;
        self.slot(node, tail)
            .as_mut()
            .filter(|record| record.filter() == filter)
    }

    /// The record of `filter`, made by `make` if there is none yet.
    pub(super) fn get_or_insert_with(
        &mut self,
        seed: &Seed,
        filter: &[u8],
        make: impl FnOnce() -> Record<V>,
    ) -> &mut Record<V> {
        let known = self
            .locate(seed, filter)
            .filter(|(node, tail)| self.slot(*node, *tail).is_some());
        let (node, tail) = match known {
            Some(place) => place,
            None => self.insert(seed, make()),
        };
        self.slot(node, tail)
            .as_mut()
            .expect("a record was found or put here")
    }

    pub(super) fn remove(&mut self, seed: &Seed, filter: &[u8]) -> Option<Record<V>> {
        let (node, tail) = self.locate(seed, filter)?;
        let record = self
            .slot(node, tail)
            .take_if(|record| record.filter() == filter)?;
        self.len -= 1;
        if self.len == 0 {
            *self = Self::new();
        } else {
            self.prune(seed, node);
            self.give_memory_back(seed);
        }
        Some(record)
    }

    /// Calls `visit` with every record matching `subject` until it returns true; says whether it
    /// did.
    ///
    /// There are at most two ways on from a node: its literal child and its `*` child. The walk
    /// keeps no stack: at a dead end it climbs by the parent links to the nearest node whose `*`
    /// child is still to be tried. So it neither allocates nor recurses, however deep the filters.
    #[inline]
    pub(super) fn walk(
        &self,
        seed: &Seed,
        subject: &[u8],
        mut visit: impl FnMut(&Record<V>) -> bool,
    ) -> bool {
        // As in the Go server, an empty token anywhere makes even `>` not match.
        if self.nodes.is_empty() || has_empty_token(subject) {
            return false;
        }
        // `start` is the offset of the first token not yet consumed, one past the end if there is
        // none.
        let (mut id, mut start) = (ROOT, 0);
        loop {
            let node = &self.nodes[id as usize];
            let next = match subject.get(start..) {
                Some(remaining) if !remaining.is_empty() => {
                    if node.rest.as_ref().is_some_and(&mut visit) {
                        return true;
                    }
                    let len = memchr(b'.', remaining).unwrap_or(remaining.len());
                    let next = self
                        .child(seed, id, node, &remaining[..len])
                        .unwrap_or(node.star);
                    if next != NONE {
                        start += len + 1;
                    }
                    next
                }
                _ => {
                    if node.here.as_ref().is_some_and(&mut visit) {
                        return true;
                    }
                    NONE
                }
            };
            id = if next == NONE {
                match self.untried_star(id, subject, &mut start) {
                    Some(star) => star,
                    None => return false,
                }
            } else {
                next
            };
        }
    }

    /// From a dead end at `id`, the nearest `*` child above that has not been tried; `start` is set
    /// to follow the token which that child consumes.
    #[inline]
    fn untried_star(&self, mut id: u32, subject: &[u8], start: &mut usize) -> Option<u32> {
        let mut climbed = 0;
        while id != ROOT {
            let parent = self.nodes[id as usize].parent;
            let star = self.nodes[parent as usize].star;
            if star != NONE && star != id {
                for _ in 0..climbed {
                    *start = memrchr(b'.', &subject[..*start - 1]).map_or(0, |dot| dot + 1);
                }
                return Some(star);
            }
            id = parent;
            climbed += 1;
        }
        None
    }

    /// Bytes asked of the allocator, without records.
    pub(super) fn heap_bytes(&self) -> usize {
        let labels: usize = self.nodes.iter().map(|node| node.label.heap_bytes()).sum();
        self.nodes.capacity() * size_of::<Node<V>>() + self.edges.allocation_size() + labels
    }

    #[inline]
    fn child(&self, seed: &Seed, id: u32, node: &Node<V>, token: &[u8]) -> Option<u32> {
        if node.literal_children == 0 {
            return None;
        }
        let is_it = |child: &u32| {
            let child = &self.nodes[*child as usize];
            child.parent == id && child.label.as_bytes() == token
        };
        self.edges.find(seed.edge(id, token), is_it).copied()
    }

    /// The node where `filter` ends, and whether it does so with `>`.
    fn locate(&self, seed: &Seed, filter: &[u8]) -> Option<(u32, bool)> {
        let mut id = ROOT;
        for token in tokens(filter) {
            let node = self.nodes.get(id as usize)?;
            id = match token {
                b">" => return Some((id, true)),
                b"*" => Some(node.star).filter(|star| *star != NONE)?,
                literal => self.child(seed, id, node, literal)?,
            };
        }
        Some((id, false))
    }

    fn slot(&mut self, node: u32, tail: bool) -> &mut Option<Record<V>> {
        let node = &mut self.nodes[node as usize];
        if tail { &mut node.rest } else { &mut node.here }
    }

    /// Puts in a record whose filter is not there yet.
    fn insert(&mut self, seed: &Seed, record: Record<V>) -> (u32, bool) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::new(NONE, Label::EMPTY));
        }
        let (mut id, mut tail) = (ROOT, false);
        for token in tokens(record.filter()) {
            id = match token {
                b">" => {
                    tail = true;
                    break;
                }
                b"*" => match self.nodes[id as usize].star {
                    NONE => self.add_star(id),
                    star => star,
                },
                literal => match self.child(seed, id, &self.nodes[id as usize], literal) {
                    None => self.add_child(seed, id, literal),
                    Some(child) => child,
                },
            };
        }
        let before = self.slot(id, tail).replace(record);
        debug_assert!(before.is_none(), "the caller looked for the filter first");
        self.len += 1;
        (id, tail)
    }

    fn add_star(&mut self, parent: u32) -> u32 {
        let id = self.add_node(parent, Label::new(b"*"));
        self.nodes[parent as usize].star = id;
        id
    }

    fn add_child(&mut self, seed: &Seed, parent: u32, token: &[u8]) -> u32 {
        let id = self.add_node(parent, Label::new(token));
        let nodes = &self.nodes;
        let rehash = |id: &u32| edge_hash(seed, &nodes[*id as usize]);
        self.edges
            .insert_unique(seed.edge(parent, token), id, rehash);
        self.nodes[parent as usize].literal_children += 1;
        id
    }

    fn add_node(&mut self, parent: u32, label: Label) -> u32 {
        let node = Node::new(parent, label);
        if self.free == NONE {
            let id = u32::try_from(self.nodes.len()).expect("memory ends before 4 G nodes");
            self.nodes.push(node);
            return id;
        }
        let id = self.free;
        let freed = replace(&mut self.nodes[id as usize], node);
        self.free = freed.parent;
        self.free_count -= 1;
        id
    }

    /// Removes `id` and the nodes above it as far as they carry nothing.
    fn prune(&mut self, seed: &Seed, mut id: u32) {
        while id != ROOT && self.nodes[id as usize].is_bare() {
            let hash = edge_hash(seed, &self.nodes[id as usize]);
            let freed = Node::new(self.free, Label::EMPTY);
            let parent = replace(&mut self.nodes[id as usize], freed).parent;
            self.free = id;
            self.free_count += 1;
            let above = &mut self.nodes[parent as usize];
            if above.star == id {
                above.star = NONE;
            } else {
                above.literal_children -= 1;
                let edge = self.edges.find_entry(hash, |edge| *edge == id);
                edge.expect("a literal child has an edge").remove();
            }
            id = parent;
        }
    }

    /// Rebuilds a trie that has become small, so that a burst of filters doesn't hold its memory
    /// for ever. At least 7 of 8 nodes were removed one by one since, which pays for it.
    fn give_memory_back(&mut self, seed: &Seed) {
        if self.nodes.len() <= COMPACT_ABOVE || self.free_count < self.nodes.len() / 8 * 7 {
            return;
        }
        let old = replace(self, Self::new());
        for node in old.nodes {
            for record in node.here.into_iter().chain(node.rest) {
                self.insert(seed, record);
            }
        }
    }

    /// Panics unless the invariants of the module hold.
    #[cfg(test)]
    pub(super) fn assert_sound(&self, seed: &Seed) {
        if self.len == 0 {
            assert_eq!(
                (self.nodes.capacity(), self.edges.allocation_size()),
                (0, 0)
            );
            return;
        }
        let mut free = std::collections::HashSet::new();
        let mut next = self.free;
        while next != NONE {
            assert!(free.insert(next) && self.nodes[next as usize].is_bare());
            next = self.nodes[next as usize].parent;
        }
        assert_eq!(free.len(), self.free_count);
        assert_eq!(self.iter().count(), self.len);
        let mut edges = 0;
        for (id, node) in (0_u32..).zip(&self.nodes) {
            if id == ROOT || free.contains(&id) {
                continue;
            }
            assert!(!node.is_bare(), "node {id} should have been pruned");
            let parent = &self.nodes[node.parent as usize];
            if parent.star != id {
                edges += 1;
                let found = self.child(seed, node.parent, parent, node.label.as_bytes());
                assert_eq!(found, Some(id));
            }
        }
        assert_eq!(edges, self.edges.len());
        let children: u32 = self.nodes.iter().map(|node| node.literal_children).sum();
        assert_eq!(children as usize, edges);
    }
}

fn edge_hash<V>(seed: &Seed, node: &Node<V>) -> u64 {
    seed.edge(node.parent, node.label.as_bytes())
}

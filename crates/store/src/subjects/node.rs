//! Nodes of the tree: which byte leads to which child.
//!
//! ```text
//! words: │ run, 2 │ meta │ keys, 4 a word, ascending │ slots: one link for each key    │
//! wide:  │ run, 2 │ meta │ 256 slots, one for each byte │ the slot of the end           │
//! meta:  │ count of used slots, 16 bits │ kind, 8 bits │ 1 if a subject ends here      │
//! ```
//!
//! The run is what all subjects below have in common at this point. If a subject ends here, its
//! leaf is in the first slot, whose key means nothing (in a wide node: in the last slot). Four keys
//! are compared at once.
//!
//! Nothing here allocates: a node is a slice of words that begins where the node does. Called by
//! the tree alone.

use super::{run::Run, words::NONE};

/// The sizes of nodes.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// How many slots.
    pub(super) slots: usize,
    /// How many words with keys.
    keys: usize,
    /// How many words in all.
    pub(super) words: usize,
}

const fn keyed(slots: usize) -> Kind {
    let keys = slots.div_ceil(4);
    Kind {
        slots,
        keys,
        words: HEAD + keys + slots,
    }
}

/// Words before the keys.
const HEAD: usize = 3;
const META: usize = 2;
/// The slot of the end in a wide node.
const WIDE_END: usize = 256;
const WIDE: u8 = 7;
const WIDE_KIND: Kind = Kind {
    slots: 257,
    keys: 0,
    words: HEAD + 257,
};

/// Made for binary forks, digits, hexadecimal digits, letters, and letters and digits together.
const KINDS: [Kind; 8] = [
    keyed(4),
    keyed(10),
    keyed(16),
    keyed(26),
    keyed(39),
    keyed(64),
    keyed(104),
    WIDE_KIND,
];

#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    /// Used slots.
    pub(super) count: usize,
    kind: u8,
    /// Whether a subject ends here.
    pub(super) ends: bool,
}

impl Meta {
    #[inline]
    fn of(node: &[u32]) -> Self {
        let word = node[META];
        Meta {
            count: (word & 0xFFFF) as usize,
            kind: (word >> 16) as u8,
            ends: word >> 24 != 0,
        }
    }

    fn store(self, node: &mut [u32]) {
        node[META] = self.count as u32 | u32::from(self.kind) << 16 | u32::from(self.ends) << 24;
    }

    #[inline]
    pub(super) fn layout(self) -> Kind {
        KINDS[usize::from(self.kind)]
    }

    fn is_wide(self) -> bool {
        self.kind == WIDE
    }

    /// Whether no slot is free.
    pub(super) fn is_full(self) -> bool {
        !self.is_wide() && self.count == self.layout().slots
    }
}

/// Words of the largest kind of node.
pub(super) const MAX_WORDS: usize = WIDE_KIND.words;
/// Words of the smallest kind of node.
pub(super) const FORK_WORDS: usize = KINDS[0].words;

/// The facts of a node.
#[inline]
pub(super) fn meta(node: &[u32]) -> Meta {
    Meta::of(node)
}

/// The run of a node.
#[inline]
pub(super) fn run(node: &[u32]) -> Run {
    Run(u64::from(node[0]) | u64::from(node[1]) << 32)
}

/// Gives a node another run.
pub(super) fn set_run(node: &mut [u32], run: Run) {
    node[0] = run.0 as u32;
    node[1] = (run.0 >> 32) as u32;
}

/// Makes an empty node of the smallest kind.
pub(super) fn init(node: &mut [u32], run: Run) {
    set_run(node, run);
    init_kind(node, 0);
}

/// Where the link for `byte` is, in words from the start of the node.
#[inline]
pub(super) fn slot(node: &[u32], byte: u8) -> Option<usize> {
    let meta = Meta::of(node);
    if meta.is_wide() {
        let at = HEAD + usize::from(byte);
        return (node[at] != NONE).then_some(at);
    }
    let layout = meta.layout();
    let node = &node[..layout.words];
    // The first 16 keys without a branch for each four, which would often be guessed wrong; where
    // there are fewer, links are compared too, and what is found among them is not counted. Every
    // node has as many words.
    let pair = |at: usize| u64::from(node[at]) | u64::from(node[at + 1]) << 32;
    let low = same_bytes(pair(HEAD), byte) & !(0xFF * u64::from(meta.ends));
    let high = same_bytes(pair(HEAD + 2), byte);
    let at = if low != 0 {
        low.trailing_zeros() / 8
    } else {
        8 + high.trailing_zeros() / 8
    };
    let mut at = at as usize;
    if at == 16 {
        let mut keys = node[HEAD + 4..].iter().take(layout.keys.saturating_sub(4));
        let same = |keys: &u32| same_bytes(u64::from(*keys), byte) as u32;
        let four = keys.position(|keys| same(keys) != 0)?;
        at += 4 * four + same(&node[HEAD + 4 + four]).trailing_zeros() as usize / 8;
    }
    (at < meta.count).then_some(HEAD + layout.keys + at)
}

/// A high bit for each byte that is `byte`, exactly.
#[inline]
fn same_bytes(bytes: u64, byte: u8) -> u64 {
    let differing = bytes ^ (u64::from(byte) * (u64::MAX / 255));
    let low = (u64::MAX / 255) * 0x7F;
    !(((differing & low) + low) | differing | low)
}

/// Where the link to the leaf of the subject that ends here is.
#[inline]
pub(super) fn end_slot(node: &[u32]) -> Option<usize> {
    let meta = Meta::of(node);
    let at = if meta.is_wide() { WIDE_END } else { 0 };
    meta.ends.then_some(HEAD + meta.layout().keys + at)
}

/// Every child: its byte (none for the end) and its link, in ascending order, the end first.
pub(super) fn children(node: &[u32]) -> impl DoubleEndedIterator<Item = (Option<u8>, u32)> {
    let meta = Meta::of(node);
    let first = HEAD + meta.layout().keys;
    let end = end_slot(node).map(|at| (None, node[at]));
    let keyed_slots = match (meta.is_wide(), meta.ends) {
        (true, _) => 0..WIDE_END,
        (false, ends) => usize::from(ends)..meta.count,
    };
    let keyed = keyed_slots.filter_map(move |at| {
        let byte = if meta.is_wide() {
            at as u8
        } else {
            key(node, at)
        };
        let link = node[first + at];
        (link != NONE).then_some((Some(byte), link))
    });
    end.into_iter().chain(keyed)
}

/// Adds a child to a node that is not full and has none for this byte (none: for the end).
pub(super) fn insert(node: &mut [u32], byte: Option<u8>, link: u32) {
    let mut meta = Meta::of(node);
    let first = HEAD + meta.layout().keys;
    let at = match (meta.is_wide(), byte) {
        (true, byte) => byte.map_or(WIDE_END, usize::from),
        (false, byte) => {
            let at = byte.map_or(0, |byte| position(node, meta, byte));
            for from in (at..meta.count).rev() {
                node[first + from + 1] = node[first + from];
                set_key(node, from + 1, key(node, from));
            }
            set_key(node, at, byte.unwrap_or(0));
            at
        }
    };
    node[first + at] = link;
    meta.count += 1;
    meta.ends |= byte.is_none();
    meta.store(node);
}

/// Takes the child of `byte` (none: the end) out, which is there.
pub(super) fn remove(node: &mut [u32], byte: Option<u8>) {
    let mut meta = Meta::of(node);
    let first = HEAD + meta.layout().keys;
    let slot = byte.map_or_else(|| end_slot(node), |byte| slot(node, byte));
    let Some(at) = slot.map(|slot| slot - first) else {
        return;
    };
    if meta.is_wide() {
        node[first + at] = NONE;
    } else {
        for to in at..meta.count - 1 {
            node[first + to] = node[first + to + 1];
            set_key(node, to, key(node, to + 1));
        }
    }
    meta.count -= 1;
    meta.ends &= byte.is_some();
    meta.store(node);
}

/// The layout that a full node is to grow to.
pub(super) fn larger(meta: Meta) -> Kind {
    KINDS[usize::from(meta.kind) + 1]
}

/// The layout that a node is to shrink to, if it is sparse enough that it won't grow again soon.
pub(super) fn smaller(meta: Meta) -> Option<Kind> {
    let kind = KINDS[usize::from(meta.kind.checked_sub(1)?)];
    (meta.count <= kind.slots * 3 / 4).then_some(kind)
}

/// Makes `to` a node of the layout `kind` with the contents of `from`.
pub(super) fn copy(from: &[u32], to: &mut [u32], kind: Kind) {
    let kind = KINDS.iter().position(|known| known.slots == kind.slots);
    to[0] = from[0];
    to[1] = from[1];
    init_kind(to, kind.map_or(WIDE, |kind| kind as u8));
    for (byte, link) in children(from) {
        append(to, byte, link);
    }
}

fn init_kind(node: &mut [u32], kind: u8) {
    let meta = Meta {
        count: 0,
        kind,
        ends: false,
    };
    meta.store(node);
    if meta.is_wide() {
        node[HEAD..WIDE_KIND.words].fill(NONE);
    }
}

/// As [`insert`], behind all others.
fn append(node: &mut [u32], byte: Option<u8>, link: u32) {
    let mut meta = Meta::of(node);
    if meta.is_wide() || byte.is_none() {
        return insert(node, byte, link);
    }
    set_key(node, meta.count, byte.unwrap_or(0));
    node[HEAD + meta.layout().keys + meta.count] = link;
    meta.count += 1;
    meta.store(node);
}

/// Where `byte` belongs among the keys.
fn position(node: &[u32], meta: Meta, byte: u8) -> usize {
    let start = usize::from(meta.ends);
    let smaller = (start..meta.count).take_while(|at| key(node, *at) < byte);
    start + smaller.count()
}

#[inline]
fn key(node: &[u32], at: usize) -> u8 {
    (node[HEAD + at / 4] >> (at % 4 * 8)) as u8
}

#[inline]
fn set_key(node: &mut [u32], at: usize, byte: u8) {
    let shift = at % 4 * 8;
    let word = &mut node[HEAD + at / 4];
    *word = *word & !(0xFF << shift) | u32::from(byte) << shift;
}

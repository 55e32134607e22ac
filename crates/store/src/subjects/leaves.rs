//! [`Leaves`]: the values of the tree and the ends of their subjects.
//!
//! Chunks never move once they are whole, as in [`super::words`]. Free leaves are linked through
//! their runs. Called by the tree alone.

use super::run::Run;

/// Leaves in a whole chunk.
const CHUNK: usize = 1 << 12;
/// The end of the list of free leaves.
const NO_LEAF: u32 = u32::MAX;

pub(super) struct Leaf<V> {
    /// The rest of the subject behind the byte that leads here.
    pub(super) run: Run,
    pub(super) value: V,
}

pub(super) struct Leaves<V> {
    chunks: Vec<Vec<Leaf<V>>>,
    free: u32,
    len: usize,
}

impl<V: Default> Leaves<V> {
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: NO_LEAF,
            len: 0,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn at(&self, leaf: u32) -> &Leaf<V> {
        &self.chunks[leaf as usize / CHUNK][leaf as usize % CHUNK]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, leaf: u32) -> &mut Leaf<V> {
        &mut self.chunks[leaf as usize / CHUNK][leaf as usize % CHUNK]
    }

    /// A new leaf with the default value.
    pub(super) fn add(&mut self, run: Run) -> u32 {
        self.len += 1;
        let value = V::default();
        if self.free != NO_LEAF {
            let leaf = self.free;
            self.free = self.at(leaf).run.0 as u32;
            *self.at_mut(leaf) = Leaf { run, value };
            return leaf;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            let room = if self.chunks.is_empty() { 4 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(room));
        }
        let chunk_at = self.chunks.len() - 1;
        let chunk = &mut self.chunks[chunk_at];
        let leaf = chunk_at * CHUNK + chunk.len();
        chunk.push(Leaf { run, value });
        let leaf = u32::try_from(leaf).ok().filter(|leaf| *leaf < 1 << 31);
        leaf.expect("two thousand million subjects are beyond any memory limit of a store")
    }

    /// Takes a leaf out. Its run must have been freed.
    pub(super) fn remove(&mut self, leaf: u32) -> V {
        let next = self.free;
        self.free = leaf;
        self.len -= 1;
        let leaf = self.at_mut(leaf);
        leaf.run = Run(u64::from(next));
        std::mem::take(&mut leaf.value)
    }

    /// Leaves there is room for in the chunks.
    pub(super) fn held(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    /// Bytes asked of the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        self.held() * size_of::<Leaf<V>>() + self.chunks.capacity() * size_of::<Vec<Leaf<V>>>()
    }
}

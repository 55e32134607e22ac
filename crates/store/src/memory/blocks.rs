//! [`Blocks`]: all blocks of a store, by sequence.
//!
//! Invariants: blocks ascend, none is empty of messages; more than half of each is alive, but for
//! what is not worth moving and for the first, which is the next to go. Removing a message costs a
//! bounded step: at most one block is rewritten, or two neighbours joined.
//!
//! Called by the store and its cursors. Absent: which subjects there are elsewhere.

use std::collections::VecDeque;

use cognate_model::{NewMessage, Sequence};

use super::block::Block;

#[derive(Default)]
pub(super) struct Blocks {
    blocks: VecDeque<Block>,
    /// The first sequence of each block, close together for searching.
    firsts: VecDeque<Sequence>,
    /// The block that was found last.
    hint: usize,
    /// The last version a block was given.
    version: u64,
    /// A freed block, for its memory.
    spare: Option<Block>,
}

impl Blocks {
    /// How many blocks.
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn at(&self, block: usize) -> &Block {
        &self.blocks[block]
    }

    pub(super) fn at_checked(&self, block: usize) -> Option<&Block> {
        self.blocks.get(block)
    }

    pub(super) fn at_mut(&mut self, block: usize) -> &mut Block {
        &mut self.blocks[block]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    /// Stores a message behind all others. `previous` is the last message of the same subject.
    #[inline]
    pub(super) fn push(
        &mut self,
        sequence: Sequence,
        message: &NewMessage<'_>,
        previous: Option<Sequence>,
    ) {
        if self.blocks.back().is_none_or(|b| b.is_full_for(sequence)) {
            self.add(sequence);
        }
        let Some(tail) = self.blocks.back_mut() else {
            return;
        };
        let known = previous
            .filter(|previous| *previous >= tail.first())
            .and_then(|previous| tail.find(previous))
            .map(|at| tail.slots()[at].subject);
        tail.push(sequence, message, known);
    }

    /// The block that a message with `sequence` would be in: the last that does not begin behind
    /// it, or the first.
    #[inline]
    pub(super) fn locate(&mut self, sequence: Sequence) -> usize {
        let begins = |at: usize| self.firsts.get(at).is_some_and(|first| *first <= sequence);
        let last = self.firsts.len().saturating_sub(1);
        if begins(last) {
            return last;
        }
        let hinted = begins(self.hint) && !begins(self.hint + 1);
        if !hinted {
            let after = self.firsts.partition_point(|first| *first <= sequence);
            self.hint = after.saturating_sub(1);
        }
        self.hint
    }

    /// The block and slot of a live message.
    #[inline]
    pub(super) fn find(&mut self, sequence: Sequence) -> Option<(usize, usize)> {
        let block = self.locate(sequence);
        let at = self.blocks.get(block)?.find(sequence)?;
        Some((block, at))
    }

    /// The first live message at or behind `from`.
    #[inline]
    pub(super) fn first_from(&mut self, from: Sequence) -> Option<Sequence> {
        let mut block = self.locate(from);
        let mut at = self.blocks.get(block)?.position(from);
        loop {
            let found = self.blocks.get(block)?;
            if let Some(at) = found.live_from(at) {
                return Some(found.sequence(at));
            }
            block += 1;
            at = 0;
        }
    }

    /// How many live messages there are at or behind `from`.
    pub(super) fn count_from(&mut self, from: Sequence) -> u64 {
        let start = self.locate(from);
        let Some(block) = self.blocks.get(start) else {
            return 0;
        };
        let slots = &block.slots()[block.position(from)..];
        let in_block = slots.iter().filter(|slot| slot.is_live()).count();
        let behind = self.blocks.range(start + 1..).map(Block::live);
        in_block as u64 + behind.sum::<usize>() as u64
    }

    /// Removes the message of a live slot, and gives its block's memory back when that is due.
    pub(super) fn remove(&mut self, block: usize, at: usize, erase: bool) {
        self.blocks[block].kill(at, erase);
        if self.blocks[block].live() == 0 {
            self.drop_at(block);
        } else if block > 0 && self.blocks[block].is_half_dead() {
            // The first block of a queue goes soon, and moving what is left of it would be in vain.
            self.rebuild(block);
        }
    }

    /// Takes the first block out, which the caller has read.
    pub(super) fn drop_first(&mut self) {
        self.drop_at(0);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Blocks {
            version: self.version,
            ..Blocks::default()
        };
    }

    /// Bytes asked of the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        self.blocks
            .iter()
            .chain(&self.spare)
            .map(Block::heap_bytes)
            .sum::<usize>()
            + self.blocks.capacity() * size_of::<Block>()
            + self.firsts.capacity() * size_of::<Sequence>()
    }

    fn add(&mut self, first: Sequence) {
        if let Some(full) = self.blocks.back_mut() {
            full.seal();
        }
        let version = self.next_version();
        let spare = self.spare.take().unwrap_or_default();
        self.blocks.push_back(Block::new(first, version, spare));
        self.firsts.push_back(first);
    }

    fn drop_at(&mut self, block: usize) {
        self.firsts.remove(block);
        self.spare = self.blocks.remove(block).filter(Block::is_worth_keeping);
    }

    /// Rewrites a block without what is dead in it, together with a neighbour if both are small.
    fn rebuild(&mut self, block: usize) {
        let joins = |blocks: &VecDeque<Block>, at: usize| {
            // The last block goes on to grow: it is no neighbour to join.
            at + 2 < blocks.len() && blocks[at].fits_with(&blocks[at + 1])
        };
        let (from, count) = if joins(&self.blocks, block) {
            (block, 2)
        } else if block > 0 && joins(&self.blocks, block - 1) {
            (block - 1, 2)
        } else {
            (block, 1)
        };
        let version = self.next_version();
        let mut whole = Block::new(self.firsts[from], version, Block::default());
        for old in self.blocks.range(from..from + count) {
            whole.absorb(old);
        }
        if from + count < self.blocks.len() {
            whole.seal();
        }
        self.blocks[from] = whole;
        if count == 2 {
            self.blocks.remove(from + 1);
            self.firsts.remove(from + 1);
        }
    }

    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }
}

//! Bytes that wait for room in a socket, in blocks that are used again.
//!
//! A backlog grows and shrinks by whole blocks from a pool of the server, so that a connection
//! that falls behind costs neither copies of what is already queued nor fresh pages from the
//! system, and leaves nothing behind when it has caught up. Owned by [`super::outbound`].
//!
//! Bound: the pool keeps at most [`POOLED`] free blocks; what is queued is bounded by the
//! connection's `max_pending`.

use std::collections::VecDeque;
use std::io::IoSlice;

use parking_lot::Mutex;

/// Bytes of a block.
const BLOCK: usize = 64 * 1024;

/// Free blocks a server keeps.
const POOLED: usize = 64;

/// Free blocks of one server.
#[derive(Default)]
pub(crate) struct Blocks {
    free: Mutex<Vec<Vec<u8>>>,
}

impl Blocks {
    fn take(&self) -> Vec<u8> {
        self.free
            .lock()
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(BLOCK))
    }

    fn give_back(&self, mut block: Vec<u8>) {
        if block.capacity() != BLOCK {
            return;
        }
        let mut free = self.free.lock();
        if free.len() < POOLED {
            block.clear();
            free.push(block);
        }
    }
}

/// Queued bytes, oldest first.
#[derive(Default)]
pub(crate) struct Backlog {
    blocks: VecDeque<Vec<u8>>,
    /// Bytes of the first block that are gone already.
    gone: usize,
}

impl Backlog {
    /// Whether nothing is queued.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Appends bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8], pool: &Blocks) {
        while !bytes.is_empty() {
            let room = self
                .blocks
                .back()
                .map_or(0, |block| BLOCK.saturating_sub(block.len()));
            if room == 0 {
                // Short texts for a connection that is otherwise idle get a block of their size.
                let small = self.blocks.is_empty() && bytes.len() < BLOCK / 16;
                self.blocks
                    .push_back(if small { Vec::new() } else { pool.take() });
                if small {
                    let Some(block) = self.blocks.back_mut() else {
                        return;
                    };
                    return block.extend_from_slice(bytes);
                }
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            let Some(block) = self.blocks.back_mut() else {
                return;
            };
            if block.capacity() < block.len() + now.len() && block.capacity() != BLOCK {
                // A small block filled up: go on in one of full size.
                self.blocks.push_back(pool.take());
                continue;
            }
            block.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Puts the bytes of `other` behind these.
    pub(crate) fn append(&mut self, other: &mut Backlog) {
        debug_assert_eq!(
            other.gone, 0,
            "only a backlog that nobody reads from is appended"
        );
        self.blocks.append(&mut other.blocks);
    }

    /// The pieces to write next, as many as `parts` holds; returns how many.
    pub(crate) fn pieces<'a>(&'a self, parts: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (part, block) in parts.iter_mut().zip(&self.blocks) {
            let skip = if count == 0 { self.gone } else { 0 };
            *part = IoSlice::new(&block[skip..]);
            count += 1;
        }
        count
    }

    /// Appends all bytes to `out`, in order.
    pub(crate) fn copy_to(&self, out: &mut Vec<u8>) {
        let mut skip = self.gone;
        for block in &self.blocks {
            out.extend_from_slice(&block[skip..]);
            skip = 0;
        }
    }

    /// The first piece to write.
    pub(crate) fn first(&self) -> &[u8] {
        self.blocks.front().map_or(&[], |block| &block[self.gone..])
    }

    /// Forgets `written` bytes at the front.
    pub(crate) fn advance(&mut self, mut written: usize, pool: &Blocks) {
        while let Some(block) = self.blocks.front() {
            let left = block.len() - self.gone;
            if written < left {
                self.gone += written;
                return;
            }
            written -= left;
            self.gone = 0;
            if let Some(block) = self.blocks.pop_front() {
                pool.give_back(block);
            }
        }
        if self.blocks.capacity() > 16 {
            self.blocks = VecDeque::new();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self, pool: &Blocks) {
        for block in self.blocks.drain(..) {
            pool.give_back(block);
        }
        self.blocks = VecDeque::new();
        self.gone = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(backlog: &Backlog) -> Vec<u8> {
        let mut parts = [IoSlice::new(&[]); 64];
        let count = backlog.pieces(&mut parts);
        parts[..count]
            .iter()
            .flat_map(|part| part.to_vec())
            .collect()
    }

    #[test]
    fn bytes_come_out_in_the_order_they_went_in() {
        let pool = Blocks::default();
        let mut backlog = Backlog::default();
        let mut expected = Vec::new();
        for round in 0..40u8 {
            let piece = vec![round; 1 + usize::from(round) * 997];
            backlog.push(&piece, &pool);
            expected.extend_from_slice(&piece);
            let written = expected.len() / 3;
            backlog.advance(written, &pool);
            expected.drain(..written);
            assert_eq!(contents(&backlog), expected, "round {round}");
            assert_eq!(backlog.is_empty(), expected.is_empty());
        }
        backlog.advance(expected.len(), &pool);
        assert!(backlog.is_empty());
    }

    #[test]
    fn blocks_are_used_again_and_few_are_kept() {
        let pool = Blocks::default();
        let mut backlog = Backlog::default();
        backlog.push(&vec![7; BLOCK * (POOLED + 10)], &pool);
        backlog.clear(&pool);
        assert_eq!(pool.free.lock().len(), POOLED);
        backlog.push(&vec![7; BLOCK], &pool);
        assert_eq!(pool.free.lock().len(), POOLED - 1);
    }
}

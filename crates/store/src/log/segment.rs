//! What is kept in memory of every segment.

use cognate_model::{Sequence, Timestamp};

use super::bits::Bits;
use super::header;
use super::index::SegmentIndex;
use super::sidecar::{Sidecar, Summary};
use super::sieve::Sieve;

/// One segment: its sequences from `base` up to, not including, `end`.
pub(crate) struct Segment<F> {
    pub(crate) number: u64,
    pub(crate) generation: u32,
    pub(crate) base: Sequence,
    pub(crate) end: Sequence,
    /// The sequence that was to be given next; higher than `end` after a leap.
    pub(crate) next: Sequence,
    /// Where its records end.
    pub(crate) data_end: u64,
    /// Messages.
    pub(crate) live: u64,
    /// What they count for in limits.
    pub(crate) bytes: u64,
    /// Sequences, from the base, that hold no message.
    pub(crate) gone: Bits,
    /// Times of the messages it was given, also of those that are gone.
    pub(crate) min_time: Timestamp,
    pub(crate) max_time: Timestamp,
    /// The highest offset that it says itself is on the disk.
    pub(crate) synced_to: u64,
    /// Messages it was given.
    pub(crate) entries: u32,
    /// What its records' sums are XORed with.
    pub(crate) salt: u32,
    /// A number no other open file has; the key in the cache of blocks.
    pub(crate) key: u64,
    pub(crate) file: Option<F>,
    pub(crate) sidecar: Option<Sidecar<F>>,
    pub(crate) index: Option<Box<SegmentIndex>>,
    /// What a search for a subject has made of its index, once it is sealed.
    pub(crate) sieve: Option<Sieve>,
    /// Look-ups in the file of its index since that was in memory; `None` if its sum is not checked.
    pub(crate) looked_up: Option<u32>,
    /// When it was last used, in uses of the log.
    pub(crate) used: u64,
    /// The entry that was read last without the index, and how many were read one after the other.
    pub(crate) strides: (u32, u32),
}

impl<F> Segment<F> {
    /// A segment of which nothing is known but its place.
    pub(crate) fn new(stream: u64, number: u64, generation: u32, base: Sequence) -> Self {
        Self {
            number,
            generation,
            base,
            end: base,
            next: base,
            data_end: header::HEADER_LEN,
            live: 0,
            bytes: 0,
            gone: Bits::default(),
            min_time: Timestamp(i64::MAX),
            max_time: Timestamp(i64::MIN),
            synced_to: 0,
            entries: 0,
            salt: header::salt(stream, number, generation),
            key: 0,
            file: None,
            sidecar: None,
            index: None,
            sieve: None,
            looked_up: None,
            used: 0,
            strides: (0, 0),
        }
    }

    /// Takes over what its index says of it.
    pub(crate) fn adopt(&mut self, summary: &Summary) {
        self.end = summary.end.max(self.base);
        self.next = summary.next.max(self.end);
        self.data_end = summary.data_end;
        self.synced_to = summary.synced_to;
        self.entries = summary.entries;
        self.min_time = summary.min_time;
        self.max_time = summary.max_time;
    }

    pub(crate) fn summary(&self, floor: Sequence, clean: bool) -> Summary {
        Summary {
            number: self.number,
            generation: self.generation,
            base: self.base,
            end: self.end,
            next: self.next.max(self.end),
            entries: self.entries,
            data_end: self.data_end,
            synced_to: self.synced_to,
            min_time: self.min_time,
            max_time: self.max_time,
            floor,
            clean,
        }
    }

    #[inline]
    pub(crate) fn contains(&self, sequence: Sequence) -> bool {
        self.base <= sequence && sequence < self.end
    }

    /// Whether it holds a message with this sequence.
    #[inline]
    pub(crate) fn holds(&self, sequence: Sequence) -> bool {
        self.contains(sequence) && !self.gone.contains(sequence - self.base)
    }

    /// The first message with this sequence or a higher one.
    #[inline]
    pub(crate) fn next_live(&self, from: Sequence) -> Option<Sequence> {
        if self.live == 0 {
            return None;
        }
        let from = from.max(self.base) - self.base;
        let found = self.gone.first_absent(from, self.end - self.base);
        found.map(|delta| self.base + delta)
    }

    /// Somebody reads an entry without the index; whether this one reads on and had better have it.
    pub(crate) fn reads_on(&mut self, delta: u32) -> bool {
        /// How far apart the entries of one who reads on are at most.
        const NEAR: u32 = 64;
        /// So many entries cost about what the index costs.
        const MANY: u32 = 64;
        let (last, count) = self.strides;
        let is_near = (1..=NEAR).contains(&delta.wrapping_sub(last));
        self.strides = (delta, if is_near { count.saturating_add(1) } else { 0 });
        self.strides.1 >= MANY
    }

    /// The time range of the messages.
    pub(crate) fn note_time(&mut self, time: Timestamp) {
        self.min_time = self.min_time.min(time);
        self.max_time = self.max_time.max(time);
    }
}

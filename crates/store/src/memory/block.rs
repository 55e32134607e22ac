//! [`Block`]: some hundred messages that follow one another, in two pieces of memory.
//!
//! ```text
//! slots: │ sequence, place, lengths, time, subject number │ …          32 bytes each
//! data:  │ subject │ headers payload │ headers payload │ subject │ headers payload │ …
//! ```
//!
//! A subject is kept once per block and has a number there; what a reader finds out about a
//! subject holds for all its messages in the block. A removed message leaves a dead slot and dead
//! bytes until the block is [rebuilt](Block::absorb), which its owner does when half of it is dead.
//!
//! Invariants: slots ascend by sequence; a live slot's bytes are within the data. Called by
//! [`super::blocks`]. Absent: which subjects there are elsewhere, limits.

use cognate_model::{Message, NewMessage, Sequence, Timestamp};

/// Most slots of a block, and so the most subjects.
pub(super) const MAX_SLOTS: usize = 512;
/// A block with so many bytes of data is full.
pub(super) const FULL_BYTES: usize = 128 << 10;
/// A block with fewer dead bytes is not rebuilt.
const WORTHWHILE_BYTES: usize = 2 << 10;
/// The longest headers and payload together.
pub(super) const MAX_BODY: usize = 1 << 30;

const DEAD: u16 = 1;
const HAS_ID: u16 = 2;
const HAS_DEADLINE: u16 = 4;

/// Where a message is, and what is known of it without reading it.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    timestamp: Timestamp,
    /// The sequence, from that of the block's first.
    offset: u32,
    at: u32,
    headers: u32,
    body: u32,
    /// The number of its subject in the block.
    pub(super) subject: u16,
    flags: u16,
}

impl Slot {
    #[inline]
    pub(super) fn is_live(&self) -> bool {
        self.flags & DEAD == 0
    }

    pub(super) fn has_deadline(&self) -> bool {
        self.flags & HAS_DEADLINE != 0
    }

    pub(super) fn set_has_deadline(&mut self, has: bool) {
        self.flags = self.flags & !HAS_DEADLINE | if has { HAS_DEADLINE } else { 0 };
    }

    fn has_id(&self) -> bool {
        self.flags & HAS_ID != 0
    }
}

/// Where a subject's bytes are.
#[derive(Clone, Copy)]
struct Name {
    at: u32,
    len: u16,
    /// How many messages of the block are of this subject.
    live: u16,
}

#[derive(Default)]
pub(super) struct Block {
    /// Changes whenever subjects get other numbers.
    pub(super) version: u64,
    /// The sequence that offsets count from.
    first: Sequence,
    slots: Vec<Slot>,
    data: Vec<u8>,
    names: Vec<Name>,
    live: usize,
    /// Bytes that only served messages that are gone.
    dead_bytes: usize,
    with_id: usize,
    /// The latest time of a message, also of one that is gone.
    latest: Timestamp,
}

impl Block {
    /// An empty block that begins with `first`, with the memory of a `spare` one.
    pub(super) fn new(first: Sequence, version: u64, mut spare: Block) -> Self {
        spare.slots.clear();
        spare.data.clear();
        spare.names.clear();
        Block {
            version,
            first,
            live: 0,
            dead_bytes: 0,
            with_id: 0,
            latest: Timestamp(i64::MIN),
            ..spare
        }
    }

    /// Whether a message with `sequence` has to go to the next block.
    #[inline]
    pub(super) fn is_full_for(&self, sequence: Sequence) -> bool {
        self.slots.len() >= MAX_SLOTS
            || self.data.len() >= FULL_BYTES
            || sequence - self.first > u64::from(u32::MAX)
    }

    /// Stores a message; `known` is the number of its subject here, if it has one.
    #[inline]
    pub(super) fn push(
        &mut self,
        sequence: Sequence,
        message: &NewMessage<'_>,
        known: Option<u16>,
    ) {
        let subject = known.unwrap_or_else(|| self.add_name(message.subject));
        let body = message.headers.len() + message.payload.len();
        let at = self.data.len();
        self.data.reserve(body);
        self.data.extend_from_slice(message.headers);
        self.data.extend_from_slice(message.payload);
        let id = if message.has_id { HAS_ID } else { 0 };
        let deadline = if message.deadline.is_some() {
            HAS_DEADLINE
        } else {
            0
        };
        self.slots.push(Slot {
            timestamp: message.timestamp,
            offset: (sequence - self.first) as u32,
            at: at as u32,
            headers: message.headers.len() as u32,
            body: body as u32,
            subject,
            flags: id | deadline,
        });
        self.names[usize::from(subject)].live += 1;
        self.live += 1;
        self.with_id += usize::from(message.has_id);
        self.latest = self.latest.max(message.timestamp);
    }

    /// The sequence that offsets count from: not above that of any message here.
    #[inline]
    pub(super) fn first(&self) -> Sequence {
        self.first
    }

    /// Messages.
    #[inline]
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Whether there is a message for every sequence from the first to the last here.
    pub(super) fn is_gapless(&self) -> bool {
        let last = self.slots.last().map_or(0, |slot| slot.offset as usize);
        self.live == self.slots.len() && last + 1 == self.live
    }

    /// Messages with an id.
    pub(super) fn with_id(&self) -> usize {
        self.with_id
    }

    /// Slots, live or not.
    #[inline]
    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) fn slot_mut(&mut self, at: usize) -> &mut Slot {
        &mut self.slots[at]
    }

    /// How many subjects have a number.
    pub(super) fn subjects(&self) -> usize {
        self.names.len()
    }

    /// No message here is later than this.
    pub(super) fn latest(&self) -> Timestamp {
        self.latest
    }

    /// The first slot with this sequence or a higher one; the number of slots if there is none.
    #[inline]
    pub(super) fn position(&self, sequence: Sequence) -> usize {
        let Ok(offset) = u32::try_from(sequence.saturating_sub(self.first)) else {
            return self.slots.len();
        };
        // In a block without gaps the offset is the position; gaps only make it smaller.
        match self.slots.get(offset as usize) {
            Some(slot) if slot.offset == offset => offset as usize,
            _ => {
                let end = self.slots.len().min(offset as usize + 1);
                self.slots[..end].partition_point(|slot| slot.offset < offset)
            }
        }
    }

    /// The live slot of exactly this sequence.
    #[inline]
    pub(super) fn find(&self, sequence: Sequence) -> Option<usize> {
        let at = self.position(sequence);
        let slot = self.slots.get(at)?;
        (slot.is_live() && self.first + u64::from(slot.offset) == sequence).then_some(at)
    }

    /// The first live slot at `at` or behind it.
    #[inline]
    pub(super) fn live_from(&self, at: usize) -> Option<usize> {
        let slots = self.slots.get(at..)?;
        slots.iter().position(Slot::is_live).map(|found| at + found)
    }

    #[inline]
    pub(super) fn sequence(&self, at: usize) -> Sequence {
        self.first + u64::from(self.slots[at].offset)
    }

    /// The subject with this number.
    #[inline]
    pub(super) fn subject(&self, number: u16) -> &[u8] {
        let name = self.names[usize::from(number)];
        &self.data[name.at as usize..name.at as usize + usize::from(name.len)]
    }

    /// The message in a live slot.
    #[inline]
    pub(super) fn message(&self, at: usize) -> Message<'_> {
        let slot = &self.slots[at];
        let body = &self.data[slot.at as usize..(slot.at + slot.body) as usize];
        let (headers, payload) = body.split_at(slot.headers as usize);
        Message {
            sequence: self.first + u64::from(slot.offset),
            timestamp: slot.timestamp,
            subject: self.subject(slot.subject),
            headers,
            payload,
        }
    }

    /// The messages stored at `since` or later that have an id, in order.
    pub(super) fn ids(&self, since: Timestamp) -> impl Iterator<Item = Message<'_>> {
        let wanted = move |slot: &Slot| slot.is_live() && slot.has_id() && slot.timestamp >= since;
        let slots = self.slots.iter().enumerate();
        slots
            .filter(move |(_, slot)| wanted(slot))
            .map(|(at, _)| self.message(at))
    }

    /// The first message stored at `time` or later.
    pub(super) fn stored_at(&self, time: Timestamp) -> Option<Sequence> {
        let wanted = |slot: &Slot| slot.is_live() && slot.timestamp >= time;
        self.slots
            .iter()
            .position(wanted)
            .map(|at| self.sequence(at))
    }

    /// Marks a live slot as dead; with `erase` its bytes are overwritten.
    pub(super) fn kill(&mut self, at: usize, erase: bool) {
        let slot = &mut self.slots[at];
        slot.flags |= DEAD;
        let name = &mut self.names[usize::from(slot.subject)];
        name.live -= 1;
        self.live -= 1;
        self.with_id -= usize::from(slot.has_id());
        self.dead_bytes += size_of::<Slot>() + slot.body as usize;
        let body = slot.at as usize..(slot.at + slot.body) as usize;
        let subject = name.at as usize..name.at as usize + usize::from(name.len);
        if erase {
            self.data[body].fill(0);
        }
        if name.live == 0 {
            self.dead_bytes += size_of::<Name>() + subject.len();
            if erase {
                self.data[subject].fill(0);
            }
        }
    }

    /// Whether more than half of the memory is for messages that are gone, and it is enough to be
    /// worth the work.
    #[inline]
    pub(super) fn is_half_dead(&self) -> bool {
        self.dead_bytes >= WORTHWHILE_BYTES && self.dead_bytes > self.used() / 2
    }

    /// Whether the live messages of both fit a block that is far from full.
    pub(super) fn fits_with(&self, next: &Block) -> bool {
        let last = next.slots.last().map_or(0, |slot| u64::from(slot.offset));
        self.live + next.live <= MAX_SLOTS / 2
            && self.used() + next.used() - self.dead_bytes - next.dead_bytes <= FULL_BYTES / 2
            && next.first + last - self.first <= u64::from(u32::MAX)
    }

    /// Moves the live messages of `other`, which follow on those here, to the end of this block.
    pub(super) fn absorb(&mut self, other: &Block) {
        self.slots.reserve_exact(other.live);
        self.data
            .reserve(other.data.len().saturating_sub(other.dead_bytes));
        let mut numbers = vec![u16::MAX; other.names.len()];
        for (at, slot) in other.slots.iter().enumerate() {
            if !slot.is_live() {
                continue;
            }
            let number = &mut numbers[usize::from(slot.subject)];
            if *number == u16::MAX {
                *number = self.add_name(other.subject(slot.subject));
            }
            self.names[usize::from(*number)].live += 1;
            let body = slot.at as usize..(slot.at + slot.body) as usize;
            let place = self.data.len() as u32;
            self.data.extend_from_slice(&other.data[body]);
            self.slots.push(Slot {
                offset: (other.sequence(at) - self.first) as u32,
                at: place,
                subject: *number,
                ..*slot
            });
        }
        self.live += other.live;
        self.with_id += other.with_id;
        self.latest = self.latest.max(other.latest);
    }

    /// Gives back memory that a block which takes no more messages won't need.
    pub(super) fn seal(&mut self) {
        if self.data.capacity() - self.data.len() > self.data.len() / 8 {
            self.data.shrink_to_fit();
        }
        if self.slots.capacity() - self.slots.len() > self.slots.len() / 8 {
            self.slots.shrink_to_fit();
        }
        self.names.shrink_to_fit();
    }

    /// Whether the memory of this empty block is of use for the next one.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.data.capacity() <= 2 * FULL_BYTES
    }

    /// Bytes asked of the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.data.capacity()
            + self.names.capacity() * size_of::<Name>()
    }

    fn used(&self) -> usize {
        self.slots.len() * size_of::<Slot>()
            + self.names.len() * size_of::<Name>()
            + self.data.len()
    }

    fn add_name(&mut self, subject: &[u8]) -> u16 {
        let number = self.names.len() as u16;
        self.names.push(Name {
            at: self.data.len() as u32,
            len: subject.len() as u16,
            live: 0,
        });
        self.data.extend_from_slice(subject);
        number
    }
}

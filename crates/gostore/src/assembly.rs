//! What blocks and index mean together: which messages a stream holds, and which it lost.
//!
//! Blocks come in the order of their numbers, the index after them. A message is handed on when its
//! record is read, and taken back when a tombstone or the index says that it was removed. Invariants:
//! messages are handed on in the order of their sequences, each once; the next sequence is above
//! every one that was given, also where the end is damaged and only its length says how many those
//! may have been.

use cognate_model::Timestamp;
use cognate_subject::validate::is_valid_literal;

use crate::block::{Block, Found};
use crate::consumer_state::ConsumerState;
use crate::hash::SumKey;
use crate::index::Index;
use crate::meta::{ConsumerMeta, StreamMeta};
use crate::ranges::Ranges;
use crate::record::{self, Kind, Record};
use crate::report::Report;

/// A message as it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredMessage<'a> {
    /// Its number.
    pub sequence: u64,
    /// When it was stored.
    pub timestamp: Timestamp,
    /// Its subject, as it was found.
    pub subject: &'a [u8],
    /// Its header block; empty if it has none.
    pub headers: &'a [u8],
    /// Its payload.
    pub payload: &'a [u8],
}

/// Takes what is read of a stream: first what it is, then its messages, then its consumers.
pub trait Sink {
    /// Why it takes no more.
    type Error;

    /// What the stream is.
    fn stream(&mut self, meta: StreamMeta) -> Result<(), Self::Error>;

    /// A message; sequences ascend, with gaps.
    fn message(&mut self, message: &StoredMessage<'_>) -> Result<(), Self::Error>;

    /// Messages that were handed over are not there, from `first` to `last`. Returns how many of them
    /// were held.
    fn remove(&mut self, first: u64, last: u64) -> Result<u64, Self::Error>;

    /// All messages were handed over; the next one will have the sequence `next`. The last sequence
    /// was given at `last_time`.
    fn end_messages(&mut self, next: u64, last_time: Timestamp) -> Result<(), Self::Error>;

    /// A consumer, and how far it is if that is known.
    fn consumer(
        &mut self,
        meta: ConsumerMeta,
        state: Option<ConsumerState>,
    ) -> Result<(), Self::Error>;
}

/// What was seen of a damaged block.
#[derive(Debug, Default)]
struct Damaged {
    number: u32,
    seen: Ranges,
    /// Stretches that could not be read: the sequence before, and the first one after if there was
    /// any in the block; bytes.
    stretches: Vec<(u64, Option<u64>, usize)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Assembly {
    stream: String,
    /// The last sequence that was read as a message or as erased.
    last_seen: u64,
    /// The highest sequence that was given, and when.
    highest: u64,
    highest_time: i64,
    /// Blocks, and the last sequence that was seen when each was over.
    blocks: Vec<(u32, u64)>,
    damaged: Vec<Damaged>,
    /// The end of the last block.
    tail: [u8; 8],
    index: Option<Index>,
    /// The sequences of the messages that the index knows.
    indexed: Ranges,
    pub(crate) report: Report,
}

impl Assembly {
    pub(crate) fn new(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            last_seen: 0,
            highest: 0,
            highest_time: 0,
            blocks: Vec::new(),
            damaged: Vec::new(),
            tail: [0; 8],
            index: None,
            indexed: Ranges::default(),
            report: Report::default(),
        }
    }

    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// Takes the index: the sooner, the more it helps.
    pub(crate) fn index(&mut self, index: Index) {
        self.indexed = index.live();
        if self.indexed.count() == index.messages {
            self.index = Some(index);
        } else {
            self.indexed = Ranges::default();
            let note = "the index contradicts itself and was not used";
            self.report.notes.push(note.to_owned());
        }
    }

    /// Whether a record whose sum is right is also what it was. The sum does not cover where the
    /// subject ends and the headers do: a subject that is none, or that the index does not know, and
    /// headers that do not end where they should, show that.
    fn is_plausible(&self, record: &Record<'_>) -> bool {
        if record.kind != Kind::Message {
            return true;
        }
        let is_known = match &self.index {
            Some(index) if self.indexed.contains(record.sequence) => {
                index.has_subject(record.subject)
            }
            _ => true,
        };
        is_known && is_valid_literal(record.subject) && has_whole_headers(record.headers)
    }

    /// Takes the plain contents of the next block; `is_whole` says whether its compression could be
    /// undone without loss.
    pub(crate) fn block<S: Sink>(
        &mut self,
        number: u32,
        plain: &[u8],
        is_whole: bool,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let mut damaged = Damaged {
            number,
            ..Damaged::default()
        };
        let mut lost_bytes = 0;
        for found in Block::new(plain, SumKey::block(&self.stream, number)) {
            match found {
                Found::Record(record) if self.is_plausible(&record) => {
                    self.record(&record, &mut damaged, sink)?;
                }
                Found::Record(record) => {
                    let len = record.len();
                    damaged.stretches.push((self.last_seen, None, len));
                    lost_bytes += len;
                }
                Found::Damage { len, .. } => {
                    damaged.stretches.push((self.last_seen, None, len));
                    lost_bytes += len;
                }
            }
        }
        if !is_whole && lost_bytes == 0 {
            damaged
                .stretches
                .push((self.last_seen, None, plain.len().max(1)));
        }
        if !damaged.stretches.is_empty() {
            self.report.damage.push(match lost_bytes {
                0 => format!("block {number} could not be decompressed to its end"),
                bytes => format!("{bytes} bytes of block {number} are damaged"),
            });
            self.damaged.push(damaged);
        }
        self.blocks.push((number, self.last_seen));
        if let Some(tail) = plain.last_chunk() {
            self.tail = *tail;
        }
        Ok(())
    }

    /// A block that is there and cannot be read at all.
    pub(crate) fn unreadable_block(&mut self, number: u32, reason: &str, bytes: usize) {
        self.report.damage.push(format!("block {number}: {reason}"));
        self.damaged.push(Damaged {
            number,
            stretches: vec![(self.last_seen, None, bytes)],
            ..Damaged::default()
        });
        self.blocks.push((number, self.last_seen));
    }

    fn record<S: Sink>(
        &mut self,
        record: &Record<'_>,
        damaged: &mut Damaged,
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let sequence = record.sequence;
        if sequence > self.highest {
            self.highest = sequence;
            self.highest_time = record.timestamp;
        }
        if record.kind == Kind::Tombstone {
            if sequence <= self.last_seen {
                self.take_back(sequence, sequence, sink)?;
            }
            return Ok(());
        }
        // Sequences only ascend; what repeats one was accounted for.
        if sequence <= self.last_seen {
            return Ok(());
        }
        self.end_stretches(sequence, damaged);
        damaged.seen.push(sequence, sequence);
        self.last_seen = sequence;
        if record.kind == Kind::Message {
            self.report.messages += 1;
            sink.message(&StoredMessage {
                sequence,
                timestamp: Timestamp(record.timestamp),
                subject: record.subject,
                headers: record.headers,
                payload: record.payload,
            })?;
        }
        Ok(())
    }

    /// Notes where damage ends, in this block and in those before.
    fn end_stretches(&mut self, sequence: u64, damaged: &mut Damaged) {
        let before = self
            .damaged
            .last_mut()
            .map(|damaged| &mut damaged.stretches);
        let open = before.into_iter().flatten().chain(&mut damaged.stretches);
        for (_, next, _) in open.filter(|(_, next, _)| next.is_none()) {
            *next = Some(sequence);
        }
    }

    fn take_back<S: Sink>(&mut self, first: u64, last: u64, sink: &mut S) -> Result<(), S::Error> {
        let removed = sink.remove(first, last)?;
        self.report.messages = self.report.messages.saturating_sub(removed);
        Ok(())
    }

    /// All blocks were given.
    pub(crate) fn end<S: Sink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let index = self.index.take();
        if let Some(index) = &index {
            self.apply_removals(index, sink)?;
            self.report_by_index(index);
            if index.last > self.highest {
                (self.highest, self.highest_time) = (index.last, index.last_time);
            }
        }
        self.report_by_gaps(index.as_ref());
        self.report.lost.sort_by_key(|lost| (lost.first, lost.last));
        self.report.last = self.highest;
        let time = Timestamp(self.highest_time);
        sink.end_messages(self.highest.saturating_add(1), time)
    }

    /// What was gone when the index was written is gone.
    fn apply_removals<S: Sink>(&mut self, index: &Index, sink: &mut S) -> Result<(), S::Error> {
        let all: Ranges = [(1, index.last)]
            .into_iter()
            .filter(|(a, b)| a <= b)
            .collect();
        for (first, last) in all.without(&std::mem::take(&mut self.indexed)).iter() {
            if first > self.last_seen {
                break;
            }
            self.take_back(first, last.min(self.last_seen), sink)?;
        }
        Ok(())
    }

    /// What the index says was there, and is not.
    fn report_by_index(&mut self, index: &Index) {
        let newest = self.blocks.last().map(|(number, _)| *number);
        let is_current = newest == Some(index.last_block) && self.tail == index.last_sum;
        let lowest = self.blocks.first().map(|(number, _)| *number);
        let mut lost = Vec::new();
        for block in &index.blocks {
            let live = block.live();
            if live.is_empty() {
                continue;
            }
            let number = block.number;
            let mut blocks = self.blocks.iter();
            let end = blocks
                .find(|(known, _)| *known == number)
                .map(|(_, end)| *end);
            if let Some(damaged) = self.damaged.iter().find(|d| d.number == block.number) {
                lost.push((live.without(&damaged.seen), true));
            } else if let Some(end) = end {
                // It may be shorter than it was.
                let beyond = live.iter().filter(|(_, last)| *last > end);
                let beyond: Ranges = beyond.map(|(a, b)| (a.max(end + 1), b)).collect();
                if !beyond.is_empty() {
                    self.report
                        .damage
                        .push(format!("block {number} ends too early"));
                    lost.push((beyond, true));
                }
            } else if is_current || lowest.is_none_or(|lowest| number > lowest) {
                // Blocks at the front go away when all in them is removed.
                self.report
                    .damage
                    .push(format!("block {number} is missing"));
                lost.push((live, is_current));
            }
        }
        for (ranges, is_exact) in lost {
            self.report.lose(&ranges, is_exact);
        }
    }

    /// What may have been where nothing could be read, and the index says nothing.
    fn report_by_gaps(&mut self, index: Option<&Index>) {
        for damaged in std::mem::take(&mut self.damaged) {
            let known = index.and_then(|index| {
                let mut blocks = index.blocks.iter();
                blocks.find(|block| block.number == damaged.number)
            });
            let known_to = known.map_or(0, |block| block.last);
            for (before, next, bytes) in damaged.stretches {
                let first = before.max(known_to).saturating_add(1);
                let last = match next {
                    Some(next) => next - 1,
                    // No more than fit can have been given.
                    None => before.saturating_add((bytes / record::SHORTEST) as u64),
                };
                if first <= last {
                    self.report
                        .lose(&[(first, last)].into_iter().collect(), false);
                    self.highest = self.highest.max(last);
                }
            }
        }
    }
}

/// Whether a header block has its first line, and ends where it says.
fn has_whole_headers(headers: &[u8]) -> bool {
    let end = headers.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    headers.is_empty() || headers.starts_with(b"NATS/1.0") && end == Some(headers.len() - 4)
}

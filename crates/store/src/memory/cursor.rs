//! [`MemoryCursor`]: finding the next message that one of many filters matches.
//!
//! ```text
//! one literal filter  ─▶ the subject's own list
//! many matches        ─▶ slots one after the other; what a filter says of a subject is kept for
//!                        the block, so a message costs a look at two bits
//! few matches         ─▶ a plan: the next thousands of sequences, gathered from the index
//! ```
//!
//! Which of the last two is right depends on what the filters match and changes as a stream is
//! filled, so it is decided anew from time to time, by counting with a bound.
//!
//! Invariant: a plan holds every matching message from its start to its end that was there when it
//! was made; since sequences only ascend, messages can only go away from it. A cursor holds some
//! dozens of KiB at most and blocks nothing.

use std::ops::ControlFlow;

use cognate_model::Sequence;

use super::{
    block::{Block, MAX_SLOTS},
    blocks::Blocks,
    postings::Postings,
};
use crate::cursor::FilterSet;

/// With fewer sequences left than this, there is nothing to plan.
const SHORT: u64 = 256;
/// If more than one in so many messages matches, going through all of them is best.
const DENSE: u64 = 8;
/// Sequences of a plan.
const PLAN: usize = 4096;
/// So many subjects may always be visited to plan or to count.
const VISITED: u64 = 1024;
/// And never more than so many to plan: it is some milliseconds' work.
const MOST_VISITED: u64 = 1 << 16;

/// A set of filters and how far a walk with them has come.
pub struct MemoryCursor {
    filters: FilterSet,
    plan: Plan,
    known: Box<Known>,
}

/// The matching sequences from `start` up to `end`.
#[derive(Default)]
struct Plan {
    start: Sequence,
    end: Sequence,
    sequences: Vec<Sequence>,
    /// The first of them that has not been passed.
    at: usize,
    /// Up to here, going through all messages has been found to be best.
    dense_to: Sequence,
}

/// What the filters say of the subjects of one block.
struct Known {
    version: u64,
    asked: [u64; MAX_SLOTS / 64],
    matching: [u64; MAX_SLOTS / 64],
    asked_count: usize,
    any: bool,
}

impl MemoryCursor {
    pub(super) fn new(filters: FilterSet) -> Self {
        Self {
            filters,
            plan: Plan::default(),
            known: Box::new(Known::of(0)),
        }
    }

    /// Whether every message matches.
    pub(super) fn is_all(&self) -> bool {
        self.filters.is_all()
    }

    /// The first message at or behind `from`, up to `last`, that matches.
    pub(super) fn next(
        &mut self,
        blocks: &mut Blocks,
        postings: &Postings,
        from: Sequence,
        last: Sequence,
    ) -> Option<Sequence> {
        if self.filters.is_all() {
            return blocks.first_from(from);
        }
        if let Some(subject) = self.filters.single() {
            return postings.first_from(subject, from);
        }
        let mut from = from;
        while from <= last {
            if self.plan.covers(from) {
                if let Some(found) = self.plan.next(blocks, from) {
                    return Some(found);
                }
                from = self.plan.end.checked_add(1)?;
                self.plan = Plan::default();
            } else if last - from < SHORT || from <= self.plan.dense_to {
                let to = if last - from < SHORT {
                    last
                } else {
                    self.plan.dense_to
                };
                if let Some(found) = self.scan(blocks, from, to) {
                    return Some(found);
                }
                from = to.checked_add(1)?;
            } else {
                self.make_plan(postings, from, last);
            }
        }
        None
    }

    /// How many messages at or behind `from` match; of those of one subject, only the last with
    /// `last_only`.
    pub(super) fn count(
        &mut self,
        blocks: &mut Blocks,
        postings: &Postings,
        from: Sequence,
        last_only: bool,
    ) -> u64 {
        let behind = blocks.count_from(from);
        if self.filters.is_all() && !last_only {
            return behind;
        }
        // Whichever is less: the subjects that match, or the messages there are to look at.
        let mut visits = behind / 4 + VISITED;
        let mut count = 0;
        let flow = postings.for_each_entry(&self.filters, &mut |entry| {
            if visits == 0 {
                return ControlFlow::Break(());
            }
            visits -= 1;
            count += match last_only {
                true => u64::from(entry.last() >= from),
                false => postings.counts(entry, from).1,
            };
            ControlFlow::Continue(())
        });
        match flow {
            ControlFlow::Continue(()) => count,
            ControlFlow::Break(()) => self.count_slots(blocks, postings, from, last_only),
        }
    }

    fn count_slots(
        &mut self,
        blocks: &mut Blocks,
        postings: &Postings,
        from: Sequence,
        last_only: bool,
    ) -> u64 {
        let mut count = 0;
        let start = blocks.locate(from);
        for at in start..blocks.len() {
            let block = blocks.at(at);
            self.known.turn_to(block);
            let slots = block.slots().iter().enumerate().skip(block.position(from));
            for (at, slot) in slots.filter(|(_, slot)| slot.is_live()) {
                let matching = self.known.matches(&self.filters, block, slot.subject);
                let counts = matching
                    && (!last_only
                        || postings.is_last(block.subject(slot.subject), block.sequence(at)));
                count += u64::from(counts);
            }
        }
        count
    }

    /// Goes through the messages from `from` up to `to`.
    fn scan(&mut self, blocks: &mut Blocks, from: Sequence, to: Sequence) -> Option<Sequence> {
        let mut at = blocks.locate(from);
        let mut position = blocks.at_checked(at)?.position(from);
        while let Some(block) = blocks.at_checked(at).filter(|block| block.first() <= to) {
            self.known.turn_to(block);
            if !self.known.rules_out(block) {
                let slots = block.slots().get(position..).unwrap_or_default();
                for (ahead, slot) in slots.iter().enumerate() {
                    if slot.is_live() && self.known.matches(&self.filters, block, slot.subject) {
                        let found = block.sequence(position + ahead);
                        return (found <= to).then_some(found);
                    }
                }
            }
            at += 1;
            position = 0;
        }
        None
    }

    /// Gathers a plan from `from` on, or finds that going through the messages is best for a while.
    fn make_plan(&mut self, postings: &Postings, from: Sequence, last: Sequence) {
        let left = last - from;
        let (mut visits, mut messages) = ((left / 16 + VISITED).min(MOST_VISITED), 0);
        let flow = postings.for_each_entry(&self.filters, &mut |entry| {
            visits = visits.saturating_sub(1);
            messages += postings.counts(entry, from).1;
            if visits == 0 || messages > left / DENSE {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        if flow.is_break() {
            self.plan = Plan::default();
            self.plan.dense_to = from.saturating_add(left / 4 + SHORT).min(last);
            return;
        }
        let mut sequences = std::mem::take(&mut self.plan.sequences);
        sequences.clear();
        // As far as a plan would reach if they were spread evenly; if not, it is cut below.
        let reach = left / (messages / PLAN as u64 + 1) + SHORT;
        let mut end = last.min(from.saturating_add(reach));
        let _ = postings.for_each_entry(&self.filters, &mut |entry| {
            postings.collect(entry, (from, end), PLAN, &mut sequences);
            if sequences.len() >= 2 * PLAN {
                end = keep_lowest(&mut sequences);
            }
            ControlFlow::Continue(())
        });
        if sequences.len() > PLAN {
            end = keep_lowest(&mut sequences);
        }
        sequences.sort_unstable();
        self.plan = Plan {
            start: from,
            end,
            sequences,
            at: 0,
            dense_to: 0,
        };
    }
}

/// Keeps the lowest [`PLAN`] of more sequences and returns the highest of those.
fn keep_lowest(sequences: &mut Vec<Sequence>) -> Sequence {
    let (_, highest, _) = sequences.select_nth_unstable(PLAN - 1);
    let highest = *highest;
    sequences.truncate(PLAN);
    highest
}

impl Plan {
    fn covers(&self, from: Sequence) -> bool {
        (self.start..=self.end).contains(&from) && self.end != 0
    }

    fn next(&mut self, blocks: &mut Blocks, from: Sequence) -> Option<Sequence> {
        let passed = |at: usize| self.sequences.get(at).is_some_and(|s| *s < from);
        let goes_back = self.at > 0 && !passed(self.at - 1);
        if goes_back || passed(self.at + 16) {
            self.at = self.sequences.partition_point(|s| *s < from);
        }
        while let Some(sequence) = self.sequences.get(self.at) {
            if *sequence >= from && blocks.find(*sequence).is_some() {
                return Some(*sequence);
            }
            self.at += 1;
        }
        None
    }
}

impl Known {
    fn of(version: u64) -> Self {
        Known {
            version,
            asked: [0; _],
            matching: [0; _],
            asked_count: 0,
            any: false,
        }
    }

    #[inline]
    fn turn_to(&mut self, block: &Block) {
        if self.version != block.version {
            *self = Self::of(block.version);
        }
    }

    /// Whether all subjects of the block are known not to match.
    #[inline]
    fn rules_out(&self, block: &Block) -> bool {
        !self.any && self.asked_count == block.subjects()
    }

    #[inline]
    fn matches(&mut self, filters: &FilterSet, block: &Block, subject: u16) -> bool {
        let (word, bit) = (usize::from(subject) / 64, 1 << (subject % 64));
        if self.asked[word] & bit == 0 {
            self.asked[word] |= bit;
            self.asked_count += 1;
            if filters.matches(block.subject(subject)) {
                self.matching[word] |= bit;
                self.any = true;
            }
        }
        self.matching[word] & bit != 0
    }
}

//! Walking along the messages that filters match, without reading messages.
//!
//! For each segment the filters are compared once with its dictionary; then its entries are walked
//! along, and a segment whose dictionary has nothing is passed. A reader at the end, who asks again
//! and again whether there is something new, does not walk what it has walked before.

use std::ops::ControlFlow;

use cognate_model::{MessageStore, Sequence, StoreError};
use cognate_subject::Filter;

use super::FileStore;
use crate::cursor::FilterSet;
use crate::disk::Disk;
use crate::log::bits::Bits;
use crate::log::failed;
use crate::log::index::{NONE, SegmentIndex};
use crate::subjects::SubjectEntry;

/// A set of filters, and what is remembered of a walk with them.
pub struct FileCursor {
    filters: FilterSet,
    /// The segment that the verdicts are about, by number and generation.
    segment: (u64, u32),
    /// Numbers of subjects that match.
    verdicts: Bits,
    /// How many subjects were compared.
    compared: usize,
    matched: bool,
    /// The one number that matches, if it is no more than one.
    only: Option<u32>,
    /// Where in that segment the message found last is.
    found: Option<usize>,
    /// The segment gets no more subjects.
    complete: bool,
    /// Nothing matches from the first up to, not including, the second.
    barren: (Sequence, Sequence),
}

impl FileCursor {
    /// Compares the filters with the subjects of a segment that are new since the last time.
    fn judge(&mut self, stream: u64, key: (u64, u32), index: &SegmentIndex) {
        if self.segment != key {
            self.segment = key;
            self.verdicts = Bits::default();
            self.compared = 0;
            self.matched = false;
            (self.only, self.found) = (None, None);
        }
        let sealed = index.sorted.len() == index.items.len();
        self.complete = sealed;
        if self.compared == index.items.len() {
            return;
        }
        let (verdicts, matched, only) = (&mut self.verdicts, &mut self.matched, &mut self.only);
        let mut verdict = |number: u32| {
            verdicts.insert(u64::from(number));
            *only = (!*matched).then_some(number);
            *matched = true;
        };
        match self.filters.literals() {
            Some(literals) if sealed && self.compared == 0 => {
                for number in literals
                    .iter()
                    .flat_map(|literal| index.numbers(stream, literal))
                {
                    verdict(number);
                }
            }
            _ => {
                for number in self.compared..index.items.len() {
                    if self.filters.matches(index.subject(number as u32)) {
                        verdict(number as u32);
                    }
                }
            }
        }
        self.compared = index.items.len();
    }

    /// The first entry from `from` on that matches and is held.
    fn find(
        &mut self,
        index: &SegmentIndex,
        from: u64,
        is_held: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        if let Some(found) = self.follow(index, from, &is_held) {
            return found;
        }
        let start = index.lower_bound(from);
        let mut entries = index.entries.iter().enumerate().skip(start);
        let (at, entry) = entries.find(|(_, entry)| {
            self.verdicts.contains(u64::from(entry.subject)) && is_held(entry.delta)
        })?;
        self.found = Some(at);
        Some(entry.delta)
    }

    /// The same along the chain of the only number that matches, from the message found last. `None` if
    /// there is no such chain, or it does not lead there before long.
    fn follow(
        &mut self,
        index: &SegmentIndex,
        from: u64,
        is_held: impl Fn(u32) -> bool,
    ) -> Option<Option<u32>> {
        /// So many steps cost about what looking it up costs.
        const FAR: usize = 64;
        let (only, mut at) = (self.only?, self.found?);
        let start = index.entries.get(at)?;
        if u64::from(start.delta) > from {
            return None;
        }
        for _ in 0..FAR {
            let entry = index.entries.get(at).filter(|it| it.subject == only)?;
            if u64::from(entry.delta) >= from && is_held(entry.delta) {
                self.found = Some(at);
                return Some(Some(entry.delta));
            }
            if entry.next == NONE {
                return Some(None);
            }
            at = entry.next as usize;
        }
        None
    }
}

impl<D: Disk> FileStore<D> {
    pub(super) fn new_cursor(&self, filters: &[Filter]) -> FileCursor {
        FileCursor {
            filters: FilterSet::new(filters, self.seed),
            segment: (0, 0),
            verdicts: Bits::default(),
            compared: 0,
            matched: false,
            only: None,
            found: None,
            complete: false,
            barren: (0, 0),
        }
    }

    pub(super) fn next_matching(
        &mut self,
        cursor: &mut FileCursor,
        from: Sequence,
    ) -> Result<Option<Sequence>, StoreError> {
        let mut from = from.max(self.counters.first);
        loop {
            let found = if cursor.filters.is_all() {
                self.log.next_live(from)
            } else {
                self.next_filtered(cursor, from)?
            };
            match found {
                Some(sequence) if self.damage.find(sequence).is_some() => from = sequence + 1,
                found => return Ok(found),
            }
        }
    }

    fn next_filtered(
        &mut self,
        cursor: &mut FileCursor,
        asked: Sequence,
    ) -> Result<Option<Sequence>, StoreError> {
        let mut from = asked;
        if (cursor.barren.0..=cursor.barren.1).contains(&from) {
            from = cursor.barren.1;
        }
        let Some((first, last)) = self.bounds(cursor) else {
            return Ok(None);
        };
        from = from.max(first);
        let mut at = self.log.position_from(from);
        let mut found = None;
        while at < self.log.segments.len() && found.is_none() {
            let segment = &self.log.segments[at];
            if segment.base > last {
                break;
            }
            if segment.live > 0 {
                found = self.next_in(cursor, at, from)?;
            }
            at += 1;
        }
        let until = found.unwrap_or(self.counters.last + 1);
        if (cursor.barren.0..=cursor.barren.1).contains(&asked) {
            cursor.barren.1 = cursor.barren.1.max(until);
        } else {
            cursor.barren = (asked, until);
        }
        Ok(found)
    }

    /// Where messages can be if the subjects are known; `None` if there are none.
    fn bounds(&self, cursor: &FileCursor) -> Option<(Sequence, Sequence)> {
        const FEW: usize = 64;
        match cursor.filters.literals() {
            Some(literals) if literals.len() <= FEW => {
                let known = literals
                    .iter()
                    .filter_map(|subject| self.subjects.get(subject));
                let merge = |all: Option<(u64, u64)>, entry: &SubjectEntry| match all {
                    Some((first, last)) => Some((first.min(entry.first), last.max(entry.last))),
                    None => Some((entry.first, entry.last)),
                };
                known.fold(None, merge)
            }
            _ => Some((0, Sequence::MAX)),
        }
    }

    fn next_in(
        &mut self,
        cursor: &mut FileCursor,
        at: usize,
        from: Sequence,
    ) -> Result<Option<Sequence>, StoreError> {
        let segment = &self.log.segments[at];
        let key = (segment.number, segment.generation);
        if cursor.segment == key && cursor.complete && !cursor.matched {
            return Ok(None);
        }
        if segment.index.is_none() {
            self.log.index(at).map_err(failed)?;
        }
        let segment = &self.log.segments[at];
        let Some(index) = segment.index.as_deref() else {
            return Ok(None);
        };
        cursor.judge(self.log.stream, key, index);
        if !cursor.matched {
            return Ok(None);
        }
        let is_held = |delta: u32| !segment.gone.contains(u64::from(delta));
        let found = cursor.find(index, from.saturating_sub(segment.base), is_held);
        Ok(found.map(|delta| segment.base + u64::from(delta)))
    }

    pub(super) fn count_matching(
        &mut self,
        cursor: &mut FileCursor,
        from: Sequence,
        last_only: bool,
    ) -> Result<u64, StoreError> {
        let from = from.max(self.counters.first);
        if last_only || from == self.counters.first {
            let mut count = 0;
            let _ = cursor
                .filters
                .for_each_subject(&self.subjects, &mut |_, entry| {
                    count += match last_only {
                        true => u64::from(entry.last >= from),
                        false => entry.messages(),
                    };
                    ControlFlow::Continue(())
                });
            return Ok(count - self.damaged_matching(cursor, from, last_only)?);
        }
        let mut count = 0;
        for at in self.log.position_from(from)..self.log.segments.len() {
            if self.log.segments[at].live > 0 {
                count += self.count_in(cursor, at, from)?;
            }
        }
        Ok(count - self.damaged_matching(cursor, from, last_only)?)
    }

    fn count_in(
        &mut self,
        cursor: &mut FileCursor,
        at: usize,
        from: Sequence,
    ) -> Result<u64, StoreError> {
        let segment = &self.log.segments[at];
        if cursor.filters.is_all() {
            let start = from.saturating_sub(segment.base);
            let span = segment.end - segment.base;
            return Ok(span.saturating_sub(start) - segment.gone.count(start, span));
        }
        self.log.index(at).map_err(failed)?;
        let segment = &self.log.segments[at];
        let Some(index) = segment.index.as_deref() else {
            return Ok(0);
        };
        cursor.judge(self.log.stream, (segment.number, segment.generation), index);
        if !cursor.matched {
            return Ok(0);
        }
        let start = index.lower_bound(from.saturating_sub(segment.base));
        let entries = index.entries.get(start..).unwrap_or_default().iter();
        let matching = entries.filter(|entry| {
            cursor.verdicts.contains(u64::from(entry.subject))
                && !segment.gone.contains(u64::from(entry.delta))
        });
        Ok(matching.count() as u64)
    }

    /// How many of those that were counted a walk would pass over. (That a subject's last message
    /// is damaged does not make another one its last.)
    fn damaged_matching(
        &mut self,
        cursor: &FileCursor,
        from: Sequence,
        last_only: bool,
    ) -> Result<u64, StoreError> {
        let ranges = self.damage.ranges().to_vec();
        let mut count = 0;
        for range in ranges {
            let mut sequence = range.first.max(from);
            while let Some(held) = self.log.next_live(sequence).filter(|s| *s <= range.last) {
                sequence = held + 1;
                let Some((at, entry)) = self.find(held)? else {
                    continue;
                };
                self.read_subject(at, &entry).map_err(failed)?;
                let last = self
                    .subjects
                    .get(&self.scratch)
                    .map_or(0, |entry| entry.last);
                let counted = !last_only || last == held;
                count += u64::from(counted && cursor.filters.matches(&self.scratch));
            }
        }
        Ok(count)
    }

    pub(super) fn gaps(&mut self, limit: usize) -> Vec<(Sequence, Sequence)> {
        let mut gaps = Vec::new();
        let (mut at, last) = (self.first_readable(), self.counters.last);
        while at <= last && gaps.len() < limit {
            let next = self.next_readable(at).unwrap_or(last + 1);
            if next > at {
                gaps.push((at, next - 1));
            }
            // The end of the run that starts there.
            let Some(position) = self.log.position(next) else {
                break;
            };
            let segment = &self.log.segments[position];
            let span = segment.end - segment.base;
            at = segment.base + segment.gone.first_present(next - segment.base, span);
            at = self.damage.next(next).map_or(at, |damaged| at.min(damaged));
        }
        gaps
    }

    /// Visits the held messages that have an id and were stored at `since` or later.
    pub(super) fn visit_ids(
        &mut self,
        from: Sequence,
        visit: &mut dyn FnMut(&cognate_model::Message<'_>),
    ) -> Result<(), StoreError> {
        let mut from = from;
        while let Some(sequence) = self.log.next_live(from) {
            from = sequence + 1;
            let Some(at) = self.log.position(sequence) else {
                continue;
            };
            let delta = sequence - self.log.segments[at].base;
            let start = self.log.index(at).map_err(failed)?.lower_bound(delta);
            let Some(delta) = self.next_id(at, start) else {
                from = self.log.segments[at].end;
                continue;
            };
            let sequence = self.log.segments[at].base + u64::from(delta);
            from = sequence + 1;
            match self.load(sequence) {
                Ok(Some(message)) => visit(&message),
                Ok(None) | Err(StoreError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn next_id(&self, at: usize, start: usize) -> Option<u32> {
        let segment = &self.log.segments[at];
        let entries = segment.index.as_deref()?.entries.get(start..)?.iter();
        let mut held = entries.filter(|e| e.has_id() && !segment.gone.contains(u64::from(e.delta)));
        held.next().map(|entry| entry.delta)
    }
}

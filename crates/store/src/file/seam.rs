//! [`FileStore`] as a [`MessageStore`]: who does what.

use std::ops::ControlFlow;

use cognate_model::{
    DamagedRange, Deadline, Message, MessageStore, NewMessage, Removed, Sequence, StoreError,
    StoreState, SubjectState, Timestamp, WriteMark,
};
use cognate_subject::Filter;

use super::{FileCursor, FileStore};
use crate::disk::Disk;
use crate::log::index::stored_bytes;
use crate::log::record::Control;

impl<D: Disk> MessageStore for FileStore<D> {
    type Cursor = FileCursor;

    fn state(&self) -> StoreState {
        self.state_now()
    }

    fn stored_bytes(&self, subject: usize, headers: usize, payload: usize) -> u64 {
        stored_bytes(subject, headers, payload)
    }

    fn load(&mut self, sequence: Sequence) -> Result<Option<Message<'_>>, StoreError> {
        self.load_message(sequence)
    }

    fn subject(&mut self, subject: &[u8]) -> Option<SubjectState> {
        self.subject_state(subject)
    }

    fn for_each_subject(
        &mut self,
        filter: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        self.settle_firsts(filter);
        let _ = self
            .subjects
            .for_each_match(filter, &mut |subject, entry| visit(subject, entry.state()));
    }

    fn for_each_last(
        &mut self,
        filter: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], Sequence) -> ControlFlow<()>,
    ) {
        let _ = self
            .subjects
            .for_each_match_after(filter, after, &mut |subject, entry| {
                visit(subject, entry.last)
            });
    }

    fn cursor(&mut self, filters: &[Filter]) -> FileCursor {
        self.new_cursor(filters)
    }

    fn next(
        &mut self,
        cursor: &mut FileCursor,
        from: Sequence,
    ) -> Result<Option<Sequence>, StoreError> {
        self.next_matching(cursor, from)
    }

    fn count(
        &mut self,
        cursor: &mut FileCursor,
        from: Sequence,
        last_only: bool,
    ) -> Result<u64, StoreError> {
        self.count_matching(cursor, from, last_only)
    }

    fn sequence_at(&mut self, time: Timestamp) -> Result<Sequence, StoreError> {
        self.find_time(time)
    }

    fn deleted(&mut self, limit: usize) -> Vec<(Sequence, Sequence)> {
        self.gaps(limit)
    }

    fn damaged(&self) -> &[DamagedRange] {
        self.damage.ranges()
    }

    fn damaged_bytes(&self) -> u64 {
        self.unreadable.bytes
    }

    fn append(&mut self, message: &NewMessage<'_>) -> Result<Sequence, StoreError> {
        self.append_message(message)
    }

    fn skip_to(&mut self, next: Sequence, now: Timestamp) -> Result<(), StoreError> {
        self.skip(next, now)
    }

    fn remove(&mut self, sequence: Sequence, erase: bool) -> Result<Option<Removed>, StoreError> {
        self.remove_one(sequence, erase, None)
    }

    fn take_out(&mut self, sequence: Sequence, subject: &mut Vec<u8>) -> Result<bool, StoreError> {
        subject.clear();
        // The indexes have the subject, so the message need not be read.
        let removed = self.remove_one(sequence, false, Some(subject))?;
        Ok(removed.is_some())
    }

    fn remove_below(&mut self, sequence: Sequence) -> Result<Removed, StoreError> {
        self.remove_all_below(sequence)
    }

    fn set_deadline(
        &mut self,
        sequence: Sequence,
        deadline: Option<Deadline>,
    ) -> Result<(), StoreError> {
        if !self.log.holds(sequence) {
            return Ok(());
        }
        self.make_room_for_control()?;
        self.put_control(Control::Deadline { sequence, deadline });
        self.deadlines.change(sequence, deadline);
        Ok(())
    }

    fn next_deadline(&mut self) -> Option<(Sequence, Deadline)> {
        self.deadlines.next()
    }

    fn for_each_id(
        &mut self,
        since: Timestamp,
        visit: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), StoreError> {
        let from = self.find_time(since)?;
        self.visit_ids(from, visit)
    }

    fn written(&self) -> WriteMark {
        WriteMark(self.marks.written)
    }

    fn durable(&self) -> WriteMark {
        WriteMark(self.marks.durable)
    }
}

//! The store of a group: on disk or in memory, behind one type.

use std::ops::ControlFlow;

use cognate_model::{
    DamagedRange, Deadline, Message, MessageStore, NewMessage, Removed, Sequence, StoreError,
    StoreState, SubjectState, Timestamp, WriteMark,
};
use cognate_store::disk::Disk;
use cognate_store::{FileStore, MemoryStore};
use cognate_subject::Filter;

/// Where a stream's messages are.
pub(crate) enum AnyStore<D: Disk> {
    /// On disk.
    File(Box<FileStore<D>>),
    /// In memory.
    Memory(Box<MemoryStore>),
}

/// A cursor of either.
pub(crate) enum AnyCursor<D: Disk> {
    /// Of a store on disk.
    File(<FileStore<D> as MessageStore>::Cursor),
    /// Of a store in memory.
    Memory(<MemoryStore as MessageStore>::Cursor),
}

/// Runs `$body` with `$store` bound to whichever store it is.
macro_rules! either {
    ($self:expr, $store:ident => $body:expr) => {
        match $self {
            AnyStore::File($store) => $body,
            AnyStore::Memory($store) => $body,
        }
    };
}

/// What a cursor of one store meets in another: nothing, since a group never changes its store.
const FOREIGN_CURSOR: &str = "a cursor is used with the store that made it";

impl<D: Disk> MessageStore for AnyStore<D> {
    type Cursor = AnyCursor<D>;

    fn state(&self) -> StoreState {
        either!(self, store => store.state())
    }

    fn stored_bytes(&self, subject: usize, headers: usize, payload: usize) -> u64 {
        either!(self, store => store.stored_bytes(subject, headers, payload))
    }

    fn load(&mut self, sequence: Sequence) -> Result<Option<Message<'_>>, StoreError> {
        either!(self, store => store.load(sequence))
    }

    fn subject(&mut self, subject: &[u8]) -> Option<SubjectState> {
        either!(self, store => store.subject(subject))
    }

    fn for_each_subject(
        &mut self,
        filter: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        either!(self, store => store.for_each_subject(filter, visit))
    }

    fn for_each_last(
        &mut self,
        filter: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], Sequence) -> ControlFlow<()>,
    ) {
        either!(self, store => store.for_each_last(filter, after, visit))
    }

    fn sequence_at(&mut self, time: Timestamp) -> Result<Sequence, StoreError> {
        either!(self, store => store.sequence_at(time))
    }

    fn deleted(&mut self, limit: usize) -> Vec<(Sequence, Sequence)> {
        either!(self, store => store.deleted(limit))
    }

    fn damaged(&self) -> &[DamagedRange] {
        either!(self, store => store.damaged())
    }

    fn append(&mut self, message: &NewMessage<'_>) -> Result<Sequence, StoreError> {
        either!(self, store => store.append(message))
    }

    fn skip_to(&mut self, next: Sequence, now: Timestamp) -> Result<(), StoreError> {
        either!(self, store => store.skip_to(next, now))
    }

    fn remove(&mut self, sequence: Sequence, erase: bool) -> Result<Option<Removed>, StoreError> {
        either!(self, store => store.remove(sequence, erase))
    }

    fn remove_below(&mut self, sequence: Sequence) -> Result<Removed, StoreError> {
        either!(self, store => store.remove_below(sequence))
    }

    fn set_deadline(
        &mut self,
        sequence: Sequence,
        deadline: Option<Deadline>,
    ) -> Result<(), StoreError> {
        either!(self, store => store.set_deadline(sequence, deadline))
    }

    fn next_deadline(&mut self) -> Option<(Sequence, Deadline)> {
        either!(self, store => store.next_deadline())
    }

    fn for_each_id(
        &mut self,
        since: Timestamp,
        visit: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), StoreError> {
        either!(self, store => store.for_each_id(since, visit))
    }

    fn written(&self) -> WriteMark {
        either!(self, store => store.written())
    }

    fn durable(&self) -> WriteMark {
        either!(self, store => store.durable())
    }

    fn cursor(&mut self, filters: &[Filter]) -> Self::Cursor {
        match self {
            AnyStore::File(store) => AnyCursor::File(store.cursor(filters)),
            AnyStore::Memory(store) => AnyCursor::Memory(store.cursor(filters)),
        }
    }

    fn next(
        &mut self,
        cursor: &mut Self::Cursor,
        from: Sequence,
    ) -> Result<Option<Sequence>, StoreError> {
        match (self, cursor) {
            (AnyStore::File(store), AnyCursor::File(cursor)) => store.next(cursor, from),
            (AnyStore::Memory(store), AnyCursor::Memory(cursor)) => store.next(cursor, from),
            _ => Err(StoreError::Failed(FOREIGN_CURSOR.to_owned())),
        }
    }

    fn count(
        &mut self,
        cursor: &mut Self::Cursor,
        from: Sequence,
        last_only: bool,
    ) -> Result<u64, StoreError> {
        match (self, cursor) {
            (AnyStore::File(store), AnyCursor::File(cursor)) => {
                store.count(cursor, from, last_only)
            }
            (AnyStore::Memory(store), AnyCursor::Memory(cursor)) => {
                store.count(cursor, from, last_only)
            }
            _ => Err(StoreError::Failed(FOREIGN_CURSOR.to_owned())),
        }
    }
}

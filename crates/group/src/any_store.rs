//! The store of a group: on disk or in memory, behind one type; and what of it counts as gone because
//! it is being replaced.

use std::ops::ControlFlow;

use cognate_model::{
    DamagedRange, Deadline, Message, MessageStore, NewMessage, Removed, Replaced, Sequence,
    StoreError, StoreState, SubjectState, Timestamp, WriteMark,
};
use cognate_store::disk::Disk;
use cognate_store::{FileStore, MemoryStore};
use cognate_subject::Filter;

/// Where a stream's messages are.
pub(crate) struct AnyStore<D: Disk> {
    kind: Kind<D>,
    /// What counts as gone already.
    concealed: Vec<Replaced>,
}

enum Kind<D: Disk> {
    /// On disk.
    File(Box<FileStore<D>>),
    /// In memory.
    Memory(Box<MemoryStore>),
}

impl<D: Disk> AnyStore<D> {
    /// On disk if there is a store for that, else in memory; `seed` is random.
    pub(crate) fn new(file: Option<FileStore<D>>, seed: u64) -> Self {
        let kind = match file {
            Some(store) => Kind::File(Box::new(store)),
            None => Kind::Memory(Box::new(MemoryStore::new(seed))),
        };
        let concealed = Vec::new();
        AnyStore { kind, concealed }
    }

    /// The store on disk, if it is one.
    pub(crate) fn file(&mut self) -> Option<&mut FileStore<D>> {
        match &mut self.kind {
            Kind::File(store) => Some(store),
            Kind::Memory(_) => None,
        }
    }
}

/// Whether a message is among those that count as gone.
#[inline]
fn is_among(concealed: &[Replaced], sequence: Sequence, subject: &[u8]) -> bool {
    !concealed.is_empty() && concealed.iter().any(|of| of.covers(sequence, subject))
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
            Kind::File($store) => $body,
            Kind::Memory($store) => $body,
        }
    };
}

/// What a cursor of one store meets in another: nothing, since a group never changes its store.
const FOREIGN_CURSOR: &str = "a cursor is used with the store that made it";

impl<D: Disk> MessageStore for AnyStore<D> {
    type Cursor = AnyCursor<D>;

    fn state(&self) -> StoreState {
        either!(&self.kind, store => store.state())
    }

    fn stored_bytes(&self, subject: usize, headers: usize, payload: usize) -> u64 {
        either!(&self.kind, store => store.stored_bytes(subject, headers, payload))
    }

    fn load(&mut self, sequence: Sequence) -> Result<Option<Message<'_>>, StoreError> {
        let AnyStore { kind, concealed } = self;
        let found = either!(kind, store => store.load(sequence))?;
        Ok(found.filter(|message| !is_among(concealed, sequence, message.subject)))
    }

    fn subject(&mut self, subject: &[u8]) -> Option<SubjectState> {
        let found = either!(&mut self.kind, store => store.subject(subject));
        found.filter(|of| !is_among(&self.concealed, of.last, subject))
    }

    fn for_each_subject(
        &mut self,
        filter: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        let AnyStore { kind, concealed } = self;
        let mut visit =
            |subject: &[u8], of: SubjectState| match is_among(concealed, of.last, subject) {
                true => ControlFlow::Continue(()),
                false => visit(subject, of),
            };
        either!(kind, store => store.for_each_subject(filter, &mut visit));
    }

    fn for_each_last(
        &mut self,
        filter: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], Sequence) -> ControlFlow<()>,
    ) {
        let AnyStore { kind, concealed } = self;
        let mut visit = |subject: &[u8], last: Sequence| match is_among(concealed, last, subject) {
            true => ControlFlow::Continue(()),
            false => visit(subject, last),
        };
        either!(kind, store => store.for_each_last(filter, after, &mut visit));
    }

    fn sequence_at(&mut self, time: Timestamp) -> Result<Sequence, StoreError> {
        either!(&mut self.kind, store => store.sequence_at(time))
    }

    fn deleted(&mut self, limit: usize) -> Vec<(Sequence, Sequence)> {
        either!(&mut self.kind, store => store.deleted(limit))
    }

    fn damaged(&self) -> &[DamagedRange] {
        either!(&self.kind, store => store.damaged())
    }

    fn damaged_bytes(&self) -> u64 {
        either!(&self.kind, store => store.damaged_bytes())
    }

    fn append(&mut self, message: &NewMessage<'_>) -> Result<Sequence, StoreError> {
        either!(&mut self.kind, store => store.append(message))
    }

    fn skip_to(&mut self, next: Sequence, now: Timestamp) -> Result<(), StoreError> {
        either!(&mut self.kind, store => store.skip_to(next, now))
    }

    fn remove(&mut self, sequence: Sequence, erase: bool) -> Result<Option<Removed>, StoreError> {
        either!(&mut self.kind, store => store.remove(sequence, erase))
    }

    fn take_out(&mut self, sequence: Sequence, subject: &mut Vec<u8>) -> Result<bool, StoreError> {
        either!(&mut self.kind, store => store.take_out(sequence, subject))
    }

    fn remove_below(&mut self, sequence: Sequence) -> Result<Removed, StoreError> {
        either!(&mut self.kind, store => store.remove_below(sequence))
    }

    fn conceal(&mut self, replaced: Vec<Replaced>) {
        self.concealed = replaced;
    }

    fn set_deadline(
        &mut self,
        sequence: Sequence,
        deadline: Option<Deadline>,
    ) -> Result<(), StoreError> {
        either!(&mut self.kind, store => store.set_deadline(sequence, deadline))
    }

    fn next_deadline(&mut self) -> Option<(Sequence, Deadline)> {
        either!(&mut self.kind, store => store.next_deadline())
    }

    fn for_each_id(
        &mut self,
        since: Timestamp,
        visit: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), StoreError> {
        either!(&mut self.kind, store => store.for_each_id(since, visit))
    }

    fn written(&self) -> WriteMark {
        either!(&self.kind, store => store.written())
    }

    fn durable(&self) -> WriteMark {
        either!(&self.kind, store => store.durable())
    }

    fn cursor(&mut self, filters: &[Filter]) -> Self::Cursor {
        match &mut self.kind {
            Kind::File(store) => AnyCursor::File(store.cursor(filters)),
            Kind::Memory(store) => AnyCursor::Memory(store.cursor(filters)),
        }
    }

    fn next(
        &mut self,
        cursor: &mut Self::Cursor,
        from: Sequence,
    ) -> Result<Option<Sequence>, StoreError> {
        match (&mut self.kind, cursor) {
            (Kind::File(store), AnyCursor::File(cursor)) => store.next(cursor, from),
            (Kind::Memory(store), AnyCursor::Memory(cursor)) => store.next(cursor, from),
            _ => Err(StoreError::Failed(FOREIGN_CURSOR.to_owned())),
        }
    }

    fn count(
        &mut self,
        cursor: &mut Self::Cursor,
        from: Sequence,
        last_only: bool,
    ) -> Result<u64, StoreError> {
        match (&mut self.kind, cursor) {
            (Kind::File(store), AnyCursor::File(cursor)) => store.count(cursor, from, last_only),
            (Kind::Memory(store), AnyCursor::Memory(cursor)) => {
                store.count(cursor, from, last_only)
            }
            _ => Err(StoreError::Failed(FOREIGN_CURSOR.to_owned())),
        }
    }
}

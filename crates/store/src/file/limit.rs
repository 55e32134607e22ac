//! Which sequences may have been given: a promise on disk that the log itself cannot break.
//!
//! When the end of the log is damaged, nothing in it says how far it went. So sequences are given
//! only below a reservation that is durable no later than they are, in two copies; after damage at
//! the end, numbering goes on behind the reservation. With it stands what is proven to have been
//! durable, so that a loss is known for one.

use cognate_model::Sequence;

use crate::bytes::{Put, Reader};
use crate::disk::{Disk, DiskError};
use crate::pair::{Copy, Side, read_copies, write_copy};

/// The document's name, without the endings of its copies.
pub(super) const NAME: &str = "limit";
/// How many sequences are reserved at a time.
pub(super) const STEP: u64 = 64 << 10;

/// What is promised and proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Promise {
    /// Sequences from here on were never given.
    pub(super) reserved: Sequence,
    /// A segment of this number was durable; 0 if none.
    pub(super) newest: u64,
    /// This sequence was given durably.
    pub(super) durable_last: Sequence,
    /// Nothing was given after that: the store was closed.
    pub(super) closed: bool,
    /// The run of the machine in which it was written; 0 if that is not known.
    pub(super) boot: u64,
}

/// The document as it is and as it should be.
pub(super) struct Limit {
    pub(super) now: Promise,
    generation: u64,
    older: Side,
    /// The other copy still has to get the same.
    pub(super) lagging: bool,
    fresh: bool,
}

impl Limit {
    /// Reads the document; `None` in the second place if there is none that can be read.
    pub(super) fn open<D: Disk>(disk: &D) -> Result<(Self, Option<Promise>), DiskError> {
        let copies = read_copies(disk, NAME)?;
        let newest = copies.iter().max_by_key(|copy| copy.generation);
        let found = newest.and_then(|copy| decode(&copy.body));
        let limit = Self {
            now: found.unwrap_or_default(),
            generation: newest.map_or(0, |copy| copy.generation),
            older: newest.map_or(Side::A, |copy: &Copy| copy.side.other()),
            lagging: copies.len() < 2
                || copies
                    .iter()
                    .any(|c| Some(&c.body) != newest.map(|n| &n.body)),
            fresh: copies.len() < 2,
        };
        Ok((limit, found))
    }

    /// Whether a write that covers `last` needs a new reservation first.
    pub(super) fn needs(&self, last: Sequence) -> bool {
        last >= self.now.reserved
    }

    /// Writes one copy; it must be synced, and the directory if the second is true.
    pub(super) fn write<D: Disk>(
        &mut self,
        disk: &D,
        promise: Promise,
    ) -> Result<(Side, D::File, bool), DiskError> {
        let side = self.older;
        let file = write_copy(disk, NAME, side, self.generation + 1, &encode(&promise))?;
        self.lagging = promise != self.now || !self.lagging;
        self.generation += 1;
        self.now = promise;
        self.older = side.other();
        let new_name = self.fresh;
        // Each side has been made once both were written.
        self.fresh = self.fresh && side == Side::A;
        Ok((side, file, new_name))
    }
}

fn encode(promise: &Promise) -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    out.put_u64(promise.reserved);
    out.put_u64(promise.newest);
    out.put_u64(promise.durable_last);
    out.put_u64(u64::from(promise.closed));
    out.put_u64(promise.boot);
    out
}

fn decode(bytes: &[u8]) -> Option<Promise> {
    let mut reader = Reader::new(bytes);
    Some(Promise {
        reserved: reader.u64()?,
        newest: reader.u64()?,
        durable_last: reader.u64()?,
        closed: reader.u64()? != 0,
        boot: reader.u64()?,
    })
}

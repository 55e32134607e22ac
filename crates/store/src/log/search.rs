//! Looking for the messages of one subject in sealed segments, without reading their indexes.
//!
//! Whoever keeps the last few messages of each of many subjects looks for the next one of a subject with
//! every message: a segment that certainly has none is told by its [`Sieve`], and where there may be one
//! it is looked up in the file of the index ([`Dictionary`](super::dictionary::Dictionary)). Only where
//! many are looked up is the index read as a whole: then they are in a row, or it is worth it.

use super::Log;
use super::sieve::Sieve;
use crate::disk::{Disk, DiskError};

/// Bytes of all sieves of a stream: enough for 16 million messages of which each is the only one of its
/// subject in its segment. They are kept as long as the stream's caches are.
const SIEVE_BYTES: usize = 32 << 20;

/// Look-ups in the file of an index before it is read as a whole: they cost about as much by then.
const LOOK_UPS: u32 = 128;

/// Entries that a look-up in a file goes along.
const CHAIN: usize = 16;

/// What a look-up in the file of an index comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// Here, from the segment's base.
    Found(u64),
    /// There is none.
    Nothing,
    /// The whole index tells.
    Unknown,
}

impl<D: Disk> Log<D> {
    /// Whether a segment may have messages of the subject with this hash. Reads the index of a sealed one
    /// the first time; from then on its sieve tells, if there is room for it.
    pub(crate) fn may_have(&mut self, at: usize, hash: u64) -> Result<bool, DiskError> {
        let is_sealed = at + 1 < self.segments.len();
        if is_sealed && self.segments[at].sieve.is_none() {
            let held = self.segments.iter().filter_map(|it| it.sieve.as_ref());
            if held.map(Sieve::heap_bytes).sum::<usize>() > SIEVE_BYTES {
                return Ok(true);
            }
            let stream = self.stream;
            let sieve = self.index(at)?.sieve(stream);
            self.segments[at].sieve = Some(sieve);
        }
        let sieve = self.segments[at].sieve.as_ref();
        Ok(sieve.is_none_or(|sieve| sieve.may_have(hash)))
    }

    /// The first message of a subject in a sealed segment from `delta` on, without reading the whole index
    /// for it, unless many subjects are looked up there.
    pub(crate) fn first_in_file(
        &mut self,
        at: usize,
        subject: &[u8],
        delta: u64,
    ) -> Result<Looked, DiskError> {
        let stream = self.stream;
        self.clock += 1;
        self.segments[at].used = self.clock;
        let before = self.segments[at].looked_up.unwrap_or(0);
        if before >= LOOK_UPS {
            self.segments[at].looked_up = Some(0);
            return Ok(Looked::Unknown);
        }
        let is_checked = self.segments[at].looked_up.is_some();
        let Some(sidecar) = self.sidecar(at)? else {
            return Ok(Looked::Unknown);
        };
        if !is_checked && !sidecar.is_whole()? {
            return Ok(Looked::Unknown);
        }
        let Some(dictionary) = sidecar.dictionary()? else {
            return Ok(Looked::Unknown);
        };
        let Some(items) = dictionary.find(stream, subject)? else {
            return Ok(Looked::Unknown);
        };
        self.segments[at].looked_up = Some(before + 1);
        let mut first = None;
        for (number, item) in items {
            match self.first_on_chain(at, number, item.first, delta)? {
                Looked::Found(found) if first.is_none_or(|first| found < first) => {
                    first = Some(found);
                }
                Looked::Unknown => return Ok(Looked::Unknown),
                _ => {}
            }
        }
        Ok(first.map_or(Looked::Nothing, Looked::Found))
    }

    /// The first held entry from `delta` on of the chain that begins at `first`.
    fn first_on_chain(
        &mut self,
        at: usize,
        number: u32,
        first: u32,
        delta: u64,
    ) -> Result<Looked, DiskError> {
        let mut place = first as usize;
        for _ in 0..CHAIN {
            let entry = match self.sidecar(at)? {
                Some(sidecar) => sidecar.entry(place)?,
                None => None,
            };
            let Some(entry) = entry.filter(|entry| entry.subject == number) else {
                return Ok(Looked::Unknown);
            };
            let found = u64::from(entry.delta);
            if found >= delta && !self.segments[at].gone.contains(found) {
                return Ok(Looked::Found(found));
            }
            match entry.after(place) {
                Some(next) => place = next,
                None => return Ok(Looked::Nothing),
            }
        }
        Ok(Looked::Unknown)
    }
}

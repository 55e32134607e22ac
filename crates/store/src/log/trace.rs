//! What the segment being written did, a second time and without its messages.
//!
//! ```text
//! header, 48 bytes                                  blocks from there on, one for each write
//!  0 "CGNTTRC\0"   8 crc u32 over 12..48             0 crc u32 over 4 .. end, XORed with the salt
//! 12 version u16  14 0 u16                           4 len u32, bytes of steps
//! 16 stream u64   24 number u64                      8 from u64, 16 to u64: where its records stand
//! 32 generation u32  36 0 u32                       24 synced u64: up to here on the disk
//! 40 base u64                                       32 next u64: the sequence given next
//!                                                   40 steps
//! ```
//!
//! Steps are variable-length numbers (LEB128). The two lowest bits say what happened:
//!
//! ```text
//! 0  the next sequence was given to a message; the rest is how far back the message before it on
//!    its subject is, 0 if there is none
//! 1  a message was removed       the rest is `next` of the block - sequence, zigzag
//! 2  everything below is removed the rest is `next` of the block - sequence, zigzag
//! 3  sequences were skipped      the rest is the next one - `next` of the block
//! ```
//!
//! When the end of a segment is damaged, this tells which messages were there and which removals:
//! what was removed stays removed, and what is missing is known. It is needed as long as the segment
//! has no index file, and is never synced: a killed process leaves it complete, and after a loss of
//! power only what it says was on the disk counts. It is written after the records, so it never
//! knows of anything that they did not say.

use cognate_model::Sequence;

use super::header;
use crate::bytes::{Put, Reader, crc32c};
use crate::disk::{Disk, DiskError, DiskFile, OpenMode, read_all};

const MAGIC: &[u8; 8] = b"CGNTTRC\0";
const VERSION: u16 = 1;
const HEADER: usize = 48;
/// Bytes of a block before its steps.
const HEAD: usize = 40;
/// Numbers above are not traced; no sequence comes near.
const LARGEST: u64 = 1 << 60;
/// Bytes of the largest trace that is read.
const LIMIT: u64 = 1 << 30;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A message got this sequence; the one before on its subject, 0 if there was none.
    Message {
        sequence: Sequence,
        before: Sequence,
    },
    /// It was removed.
    Remove { sequence: Sequence },
    /// Everything below was removed.
    Floor { sequence: Sequence },
    /// Sequences were passed over.
    Skip { from: Sequence, next: Sequence },
}

/// The name of a segment's trace.
pub(crate) fn name(number: u64, generation: u32) -> String {
    format!("{number:016x}.{generation}.trc")
}

/// Number and generation of the segment whose trace has this name.
pub(crate) fn parse_name(name: &str) -> Option<(u64, u32)> {
    header::parse_name(name, "trc")
}

/// The trace that is being written.
pub(crate) struct Trace<F> {
    /// `None`: nothing is traced, because the file could not be written.
    file: Option<F>,
    /// Something happened that cannot be written here.
    is_broken: bool,
    /// Where the next block goes.
    at: u64,
    salt: u32,
    /// The next block, with room for its head.
    block: Vec<u8>,
    /// Where the records of the next block start.
    from: u64,
    next: Sequence,
}

impl<F> Default for Trace<F> {
    fn default() -> Self {
        Self {
            file: None,
            is_broken: false,
            at: 0,
            salt: 0,
            block: Vec::new(),
            from: 0,
            next: 0,
        }
    }
}

/// What a trace is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) stream: u64,
    pub(crate) number: u64,
    pub(crate) generation: u32,
    pub(crate) base: Sequence,
}

impl Subject {
    fn salt(&self) -> u32 {
        header::salt(self.stream, self.number, self.generation)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(MAGIC);
        out.put_u32(0);
        out.put_u16(VERSION);
        out.put_u16(0);
        out.put_u64(self.stream);
        out.put_u64(self.number);
        out.put_u32(self.generation);
        out.put_u32(0);
        out.put_u64(self.base);
        let crc = crc32c(&out[12..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes.get(..HEADER)?);
        let crc = crc32c(bytes.get(12..HEADER)?);
        if reader.take(8)? != MAGIC || reader.u32()? != crc || reader.u16()? != VERSION {
            return None;
        }
        reader.u16()?;
        let (stream, number, generation) = (reader.u64()?, reader.u64()?, reader.u32()?);
        reader.u32()?;
        Some(Self {
            stream,
            number,
            generation,
            base: reader.u64()?,
        })
    }
}

impl<F: DiskFile> Trace<F> {
    /// Begins the trace of a segment whose records so far stand before `from` and gave all
    /// sequences below `next`.
    pub(crate) fn begin(&mut self, file: Option<F>, of: Subject, from: u64, next: Sequence) {
        let header = of.encode();
        self.at = header.len() as u64;
        self.file = file.filter(|file| file.write_at(&header, 0).is_ok());
        self.is_broken = false;
        self.salt = of.salt();
        self.start_block(from, next);
    }

    fn start_block(&mut self, from: u64, next: Sequence) {
        const KEEP: usize = 256 << 10;
        if self.block.capacity() > KEEP {
            self.block = Vec::new();
        }
        self.block.clear();
        self.block.resize(HEAD, 0);
        self.from = from;
        self.next = next;
    }

    /// Writes what happened up to `to`, after the records themselves were written. A trace that
    /// cannot be written ends: it is only needed if something else fails as well. Returns whether
    /// it goes on.
    pub(crate) fn write(&mut self, to: u64, synced: u64, next: Sequence) -> bool {
        let Some(file) = self.file.as_ref().filter(|_| !self.is_broken) else {
            self.file = None;
            self.start_block(to, next);
            return false;
        };
        if self.block.len() > HEAD {
            let len = (self.block.len() - HEAD) as u32;
            self.block[4..8].copy_from_slice(&len.to_le_bytes());
            for (at, value) in [(8, self.from), (16, to), (24, synced), (32, self.next)] {
                self.block[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
            let crc = crc32c(&self.block[4..]) ^ self.salt;
            self.block[..4].copy_from_slice(&crc.to_le_bytes());
            if file.write_at(&self.block, self.at).is_ok() {
                self.at += self.block.len() as u64;
            } else {
                self.file = None;
            }
        }
        self.start_block(to, next);
        self.is_kept()
    }

    /// Whether what happens is written down.
    pub(crate) fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// The next sequence was given to a message; `back` is how far back the one before it on its
    /// subject is, 0 if there is none.
    #[inline]
    pub(crate) fn message(&mut self, back: u64) {
        self.put(back, 0);
    }

    /// Anything else.
    pub(crate) fn step(&mut self, step: Step) {
        let back = |sequence: Sequence| zigzag(self.next.wrapping_sub(sequence) as i64);
        match step {
            Step::Message { sequence, before } => {
                self.message(if before == 0 {
                    0
                } else {
                    sequence.saturating_sub(before)
                });
            }
            Step::Remove { sequence } => self.put(back(sequence), 1),
            Step::Floor { sequence } => self.put(back(sequence), 2),
            Step::Skip { next, .. } => self.put(next.saturating_sub(self.next), 3),
        }
    }

    #[inline]
    fn put(&mut self, value: u64, kind: u64) {
        self.is_broken |= value >= LARGEST;
        let mut rest = value << 2 | kind;
        while rest >= 0x80 {
            self.block.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.block.push(rest as u8);
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A trace that was read.
pub(crate) struct Traced {
    pub(crate) of: Subject,
    /// The offset of the segment that was on the disk for certain.
    pub(crate) synced: u64,
    blocks: Vec<Block>,
    bytes: Vec<u8>,
}

struct Block {
    to: u64,
    next: Sequence,
    steps: (usize, usize),
}

impl Traced {
    /// Reads a trace; `None` if there is none whose header is right. What stands behind the first
    /// block that is damaged is not read.
    pub(crate) fn read<D: Disk>(disk: &D, name: &str) -> Result<Option<Self>, DiskError> {
        let Some(bytes) = read_all(disk, name, LIMIT)? else {
            return Ok(None);
        };
        Ok(Self::decode(bytes))
    }

    fn decode(bytes: Vec<u8>) -> Option<Self> {
        let of = Subject::decode(&bytes)?;
        let (mut blocks, mut synced, mut at) = (Vec::new(), 0, HEADER);
        while let Some(block) = bytes
            .get(at..)
            .and_then(|rest| decode_block(rest, of.salt()))
        {
            let (block, proven) = block;
            let len = block.steps.1;
            synced = proven.max(synced);
            blocks.push(Block {
                steps: (at + HEAD, at + HEAD + len),
                ..block
            });
            at += HEAD + len;
        }
        Some(Self {
            of,
            synced,
            blocks,
            bytes,
        })
    }

    /// Up to which offset of the segment it tells what was written.
    pub(crate) fn end(&self) -> u64 {
        self.blocks.iter().map(|block| block.to).max().unwrap_or(0)
    }

    /// Visits what happened, in order. Without `all` only what was on the disk for certain.
    pub(crate) fn for_each(&self, all: bool, mut visit: impl FnMut(Step)) {
        let counted = |block: &&Block| all || block.to <= self.synced;
        for block in self.blocks.iter().take_while(counted) {
            let steps = self.bytes.get(block.steps.0..block.steps.1);
            for_each_step(steps.unwrap_or_default(), block.next, &mut visit);
        }
    }
}

/// A block at the start of `bytes`, and up to where it says that the segment is on the disk.
fn decode_block(bytes: &[u8], salt: u32) -> Option<(Block, u64)> {
    let mut reader = Reader::new(bytes);
    let crc = reader.u32()?;
    let len = usize::try_from(reader.u32()?).ok()?;
    if crc32c(bytes.get(4..HEAD.checked_add(len)?)?) ^ salt != crc {
        return None;
    }
    let (_, to, synced, next) = (reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?);
    let steps = (HEAD, len);
    Some((Block { to, next, steps }, synced))
}

fn for_each_step(bytes: &[u8], start: Sequence, visit: &mut impl FnMut(Step)) {
    let mut next = start;
    let mut reader = Reader::new(bytes);
    while let Some((kind, value)) = read_step(&mut reader) {
        let sequence = start.wrapping_sub(unzigzag(value) as u64);
        visit(match kind {
            0 => {
                let sequence = next;
                next = next.saturating_add(1);
                let before = match value {
                    0 => 0,
                    back => sequence.saturating_sub(back),
                };
                Step::Message { sequence, before }
            }
            1 => Step::Remove { sequence },
            2 => Step::Floor { sequence },
            _ => {
                let from = next;
                next = start.saturating_add(value).max(from);
                Step::Skip { from, next }
            }
        });
    }
}

fn read_step(reader: &mut Reader<'_>) -> Option<(u64, u64)> {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let byte = reader.u8()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte < 0x80 {
            return Some((value & 3, value >> 2));
        }
    }
}

/// Makes the file of a new trace; nothing if that cannot be done.
pub(crate) fn create<D: Disk>(disk: &D, name: &str) -> Option<D::File> {
    disk.open(name, OpenMode::Truncate).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    #[test]
    fn steps_come_back_up_to_the_first_damage() {
        let disk = SimDisk::new(1);
        let of = Subject {
            stream: 7,
            number: 3,
            generation: 0,
            base: 1000,
        };
        let name = name(of.number, of.generation);
        let mut trace = Trace::default();
        trace.begin(create(&disk, &name), of, 64, 1000);
        let first = [
            Step::Message {
                sequence: 1000,
                before: 5,
            },
            Step::Remove { sequence: 5 },
            Step::Message {
                sequence: 1001,
                before: 0,
            },
            Step::Skip {
                from: 1002,
                next: 70_000,
            },
            Step::Floor { sequence: 1001 },
        ];
        let second = [
            Step::Message {
                sequence: 70_000,
                before: 1001,
            },
            Step::Remove { sequence: 70_000 },
        ];
        first.into_iter().for_each(|step| trace.step(step));
        trace.write(400, 0, 70_000);
        second.into_iter().for_each(|step| trace.step(step));
        trace.write(600, 400, 70_001);
        let read = || {
            let traced = Traced::read(&disk, &name).expect("the disk is well");
            let traced = traced.expect("its header is right");
            assert_eq!(traced.of, of);
            let (mut all, mut proven) = (Vec::new(), Vec::new());
            traced.for_each(true, |step| all.push(step));
            traced.for_each(false, |step| proven.push(step));
            (traced.synced, all, proven)
        };
        let (synced, all, proven) = read();
        assert_eq!(
            (synced, &all[..5], &all[5..]),
            (400, &first[..], &second[..])
        );
        assert_eq!(proven, first);
        let len = disk.bytes(&name).map_or(0, |bytes| bytes.len());
        disk.change(&name, |bytes| bytes[len - 1] ^= 1);
        assert_eq!(read(), (0, first.to_vec(), Vec::new()));
        disk.change(&name, |bytes| bytes[20] ^= 1);
        assert!(Traced::read(&disk, &name).expect("reads").is_none());
    }
}

//! A small document in two checksummed copies, readable while either survives.
//!
//! ```text
//!  0  magic "CGNTDOC\0"     8  crc u32 over 12..32+len   12  version u16 = 1   14  flags u16 (1: body encrypted)
//! 16  generation u64       24  len u32                   28  0 u32             32  body
//! ```
//!
//! Copies are the files `<name>.a` and `<name>.b`. A new body goes to the older copy first, and to
//! the other only once the first is durable, so at every moment one of them is whole. Invariant:
//! what is read was written whole by someone, and is the newest of what can be read.

use std::sync::Arc;

use crate::bytes::{Put, Reader, crc32c};
use crate::disk::{Disk, DiskError, DiskFile, OpenMode, read_all};
use crate::vault::{Domain, Vault};

const MAGIC: &[u8; 8] = b"CGNTDOC\0";
const VERSION: u16 = 1;
/// The flag of a body that is encrypted.
const SEALED: u16 = 1;
const HEADER: usize = 32;
/// Bytes of the largest document.
const LIMIT: u64 = 1 << 30;

/// One of two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    B,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }

    pub(crate) fn name(self, name: &str) -> String {
        match self {
            Side::A => format!("{name}.a"),
            Side::B => format!("{name}.b"),
        }
    }
}

/// What was found of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairContent {
    /// The newest body that can be read.
    pub body: Option<Vec<u8>>,
    /// How many copies were there and could not be read, or were missing beside a readable one.
    pub damaged_copies: u8,
    /// A copy is there that is not encrypted.
    pub is_plain: bool,
}

/// A document kept in two copies.
pub struct Pair<D: Disk> {
    disk: D,
    name: String,
    generation: u64,
    /// What encrypts it.
    vault: Option<Arc<Vault>>,
    /// Where the next body goes first.
    older: Side,
    /// Whether the names of both are known to be durable.
    names_durable: bool,
}

impl<D: Disk> Pair<D> {
    /// Opens a document by its name, without the endings of the copies. A copy that cannot be read
    /// or is not the newest is made again, so that afterwards either of them may be lost. If the disk
    /// has a vault it is encrypted from then on; one that is encrypted cannot be opened without.
    pub fn open(disk: D, name: &str) -> Result<(Self, PairContent), DiskError> {
        let vault = disk.vault();
        let mut copies = Vec::new();
        for mut copy in read_copies(&disk, name)? {
            if copy.is_sealed {
                let Some(vault) = &vault else {
                    return Err(DiskError::Other(format!("{name} is encrypted")));
                };
                let Some(body) = vault.open_whole(Domain::Document, &copy.body) else {
                    continue;
                };
                copy.body = body;
            }
            copies.push(copy);
        }
        let newest = copies.iter().max_by_key(|copy| copy.generation);
        let pair = Self {
            generation: newest.map_or(0, |copy| copy.generation),
            older: newest.map_or(Side::A, |copy| copy.side.other()),
            names_durable: false,
            name: name.to_owned(),
            disk,
            vault,
        };
        let there = [Side::A, Side::B]
            .into_iter()
            .filter_map(|side| {
                pair.disk
                    .open(&side.name(name), OpenMode::Existing)
                    .transpose()
            })
            .collect::<Result<Vec<_>, _>>()?;
        let expected = if copies.is_empty() { there.len() } else { 2 };
        let content = PairContent {
            body: newest.map(|copy| copy.body.clone()),
            damaged_copies: expected.saturating_sub(copies.len()) as u8,
            is_plain: copies.iter().any(|copy| !copy.is_sealed),
        };
        if let Some(newest) = newest
            && !is_twice(&copies)
        {
            // Where the disk does not take it there is still the one.
            let _ = pair.mend(newest);
        }
        Ok((pair, content))
    }

    /// Makes the other copy again from the newest.
    fn mend(&self, newest: &Copy) -> Result<(), DiskError> {
        // Whoever wrote it may have been killed before it was durable.
        if let Some(file) = self
            .disk
            .open(&newest.side.name(&self.name), OpenMode::Existing)?
        {
            file.sync_data()?;
        }
        let file = self.write(newest.side.other(), &newest.body)?;
        file.sync_data()?;
        self.disk.sync_dir()
    }

    /// Replaces the document; durable when this returns. It waits for the disk.
    pub fn store(&mut self, body: &[u8]) -> Result<(), DiskError> {
        self.generation += 1;
        if self.generation == 1 {
            return self.store_first(body);
        }
        for _ in 0..2 {
            let file = self.write(self.older, body)?;
            if !self.names_durable {
                self.disk.sync_dir()?;
            }
            file.sync_data()?;
            self.older = self.older.other();
        }
        self.names_durable = true;
        Ok(())
    }

    /// Stores both copies where none is that must outlive a crash: all is written first, because
    /// one sync then takes most of the rest along.
    fn store_first(&mut self, body: &[u8]) -> Result<(), DiskError> {
        let copies = [Side::A, Side::B].map(|side| self.write(side, body));
        for file in copies {
            file?.sync_data()?;
        }
        self.disk.sync_dir()?;
        self.names_durable = true;
        Ok(())
    }

    /// Removes both copies.
    pub fn remove(self) -> Result<(), DiskError> {
        self.disk.remove(&Side::A.name(&self.name))?;
        self.disk.remove(&Side::B.name(&self.name))?;
        self.disk.sync_dir()
    }

    fn write(&self, side: Side, body: &[u8]) -> Result<D::File, DiskError> {
        let Some(vault) = &self.vault else {
            return write_copy(&self.disk, &self.name, side, self.generation, body);
        };
        let sealed = vault.seal_whole(Domain::Document, body);
        let bytes = encode(self.generation, &sealed, true);
        write_bytes(&self.disk, &self.name, side, &bytes)
    }
}

/// One copy that can be read.
pub(crate) struct Copy {
    pub(crate) side: Side,
    pub(crate) generation: u64,
    pub(crate) is_sealed: bool,
    pub(crate) body: Vec<u8>,
}

/// Whether both copies are there and of the same generation.
fn is_twice(copies: &[Copy]) -> bool {
    matches!(copies, [a, b] if a.generation == b.generation)
}

/// The copies that can be read.
pub(crate) fn read_copies<D: Disk>(disk: &D, name: &str) -> Result<Vec<Copy>, DiskError> {
    let mut copies = Vec::new();
    for side in [Side::A, Side::B] {
        let bytes = read_all(disk, &side.name(name), LIMIT)?;
        if let Some((generation, is_sealed, body)) = bytes.as_deref().and_then(decode) {
            copies.push(Copy {
                side,
                generation,
                is_sealed,
                body: body.to_vec(),
            });
        }
    }
    Ok(copies)
}

/// Writes one copy, to be synced by the caller.
pub(crate) fn write_copy<D: Disk>(
    disk: &D,
    name: &str,
    side: Side,
    generation: u64,
    body: &[u8],
) -> Result<D::File, DiskError> {
    write_bytes(disk, name, side, &encode(generation, body, false))
}

fn write_bytes<D: Disk>(
    disk: &D,
    name: &str,
    side: Side,
    bytes: &[u8],
) -> Result<D::File, DiskError> {
    let name = side.name(name);
    let Some(file) = disk.open(&name, OpenMode::Create)? else {
        return Err(DiskError::Other(format!("{name} could not be made")));
    };
    file.write_at(bytes, 0)?;
    if file.size()? > bytes.len() as u64 {
        file.set_len(bytes.len() as u64)?;
    }
    Ok(file)
}

fn encode(generation: u64, body: &[u8], is_sealed: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend_from_slice(MAGIC);
    out.put_u32(0);
    out.put_u16(VERSION);
    out.put_u16(if is_sealed { SEALED } else { 0 });
    out.put_u64(generation);
    out.put_u32(body.len() as u32);
    out.put_u32(0);
    out.extend_from_slice(body);
    let crc = crc32c(&out[12..]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
    out
}

/// The generation of a copy, whether it is encrypted, and its body; `None` for anything else.
fn decode(bytes: &[u8]) -> Option<(u64, bool, &[u8])> {
    let mut reader = Reader::new(bytes);
    let magic = reader.take(8)?;
    let crc = reader.u32()?;
    let version = reader.u16()?;
    let flags = reader.u16()?;
    let generation = reader.u64()?;
    let len = usize::try_from(reader.u32()?).ok()?;
    reader.u32()?;
    let body = reader.take(len)?;
    let summed = bytes.get(12..HEADER.checked_add(len)?)?;
    let is_right = magic == MAGIC && version == VERSION && crc32c(summed) == crc;
    is_right.then_some((generation, flags & SEALED != 0, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    #[test]
    fn a_document_is_readable_while_either_copy_survives() {
        let disk = SimDisk::new(1);
        let (mut pair, found) = Pair::open(disk.clone(), "config").expect("opens");
        assert_eq!(found, PairContent::default());
        pair.store(b"first").expect("the disk is well");
        pair.store(b"the second").expect("the disk is well");
        for side in ["config.a", "config.b"] {
            let len = disk.bytes(side).expect("it is there").len();
            for at in 0..len {
                let disk = disk.kill();
                disk.change(side, |bytes| bytes[at] ^= 16);
                let (_, found) = Pair::open(disk, "config").expect("opens");
                assert_eq!(
                    found.body.as_deref(),
                    Some(&b"the second"[..]),
                    "{side} at {at}"
                );
                assert_eq!(found.damaged_copies, 1, "{side} at {at}");
            }
            let disk = disk.kill();
            disk.delete(side);
            let (mut pair, found) = Pair::open(disk.clone(), "config").expect("opens");
            assert_eq!((found.body.is_some(), found.damaged_copies), (true, 1));
            pair.store(b"third").expect("the disk is well");
            let (_, found) = Pair::open(disk.power_loss(0), "config").expect("opens");
            assert_eq!(
                (found.body, found.damaged_copies),
                (Some(b"third".to_vec()), 0)
            );
        }
    }

    /// Whoever read the newest may rely on it: what was told after an opening is not taken back by the
    /// loss of a copy, and neither by a loss of power.
    #[test]
    fn what_only_one_copy_has_is_in_both_after_it_was_opened() {
        let disk = SimDisk::new(1);
        let (mut pair, _) = Pair::open(disk.clone(), "config").expect("opens");
        pair.store(b"old").expect("the disk is well");
        // Killed before it was synced, and before the other was written.
        write_copy(&disk, "config", pair.older, 2, b"new").expect("there is space");
        let disk = disk.kill();
        let opened = Pair::open(disk.clone(), "config").expect("opens").1;
        assert_eq!(opened.body.as_deref(), Some(&b"new"[..]));
        for side in ["config.a", "config.b"] {
            let disk = disk.power_loss(0);
            disk.delete(side);
            let (_, found) = Pair::open(disk, "config").expect("opens");
            assert_eq!(found.body.as_deref(), Some(&b"new"[..]), "without {side}");
        }
    }

    #[test]
    fn a_loss_of_power_leaves_the_old_document_or_the_new_one() {
        for seed in 0..100 {
            let disk = SimDisk::new(seed);
            let (mut pair, _) = Pair::open(disk.clone(), "config").expect("opens");
            pair.store(&[b'a'; 700]).expect("the disk is well");
            // The second copy is being written: the first has the new document.
            let new = [b'b'; 900];
            let file = write_copy(&disk, "config", pair.older, 9, &new).expect("there is space");
            let before = disk.power_loss(seed);
            file.sync_data().expect("the disk is well");
            write_copy(&disk, "config", pair.older.other(), 9, &new).expect("there is space");
            let after = disk.power_loss(seed);
            let (_, found) = Pair::open(before, "config").expect("opens");
            let body = found.body.expect("one copy is whole");
            assert!(body == [b'a'; 700] || body == new, "seed {seed}");
            let (_, found) = Pair::open(after, "config").expect("opens");
            assert_eq!(found.body.as_deref(), Some(&new[..]), "seed {seed}");
        }
    }
}

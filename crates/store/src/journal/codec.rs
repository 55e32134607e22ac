//! The bytes of a journal's file; drawn in the module above.

use crate::bytes::{Put, Reader, crc32c};
use crate::vault::{Domain, NONCE, TAG, Vault};

/// Bytes of the header.
pub(super) const HEADER: usize = 40;
/// Bytes of a record before what it holds.
pub(super) const HEAD: usize = 16;
const MAGIC: &[u8; 8] = b"CGNTJNL\0";
const VERSION: u16 = 1;
const FLAG_SEALED: u16 = 1;
/// Bytes that a record is longer when it is encrypted.
pub(super) const SEAL: usize = NONCE + TAG;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Snapshot,
    Entry,
    /// Everything before an offset is on the disk.
    Synced,
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Kind::Snapshot => 1,
            Kind::Entry => 2,
            Kind::Synced => 3,
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        [Kind::Snapshot, Kind::Entry, Kind::Synced]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

pub(super) fn file_name(name: &str, generation: u64) -> String {
    format!("{name}.{generation:016x}.jnl")
}

/// The generation of a file of this journal.
pub(super) fn parse_name(file: &str, name: &str) -> Option<u64> {
    let rest = file.strip_prefix(name)?.strip_prefix('.')?;
    let digits = rest
        .strip_suffix(".jnl")
        .filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

pub(super) fn salt(owner: u64, generation: u64) -> u32 {
    let mut bytes = Vec::with_capacity(16);
    bytes.put_u64(owner);
    bytes.put_u64(generation);
    crc32c(&bytes)
}

pub(super) fn header(owner: u64, generation: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(MAGIC);
    out.put_u32(0);
    out.put_u16(VERSION);
    out.put_u16(0);
    out.put_u64(owner);
    out.put_u64(generation);
    out.put_u64(0);
    let crc = crc32c(&out[12..]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
    out
}

/// The owner of a file; `None` if the header is damaged.
pub(super) fn owner(bytes: &[u8]) -> Option<u64> {
    let header = bytes.get(..HEADER)?;
    let mut reader = Reader::new(header);
    let magic = reader.take(8)?;
    let crc = reader.u32()?;
    let version = reader.u16()?;
    reader.u16()?;
    let owner = reader.u64()?;
    let right = magic == MAGIC && version == VERSION && crc32c(header.get(12..)?) == crc;
    right.then_some(owner)
}

/// Bytes of a record that holds `len`.
pub(super) fn record_len(len: usize) -> usize {
    (HEAD + len).next_multiple_of(8)
}

/// Appends a record, encrypted if there is a vault.
pub(super) fn put_sealed(
    out: &mut Vec<u8>,
    salt: u32,
    kind: Kind,
    bytes: &[u8],
    vault: Option<&Vault>,
) {
    match vault {
        Some(vault) => {
            let sealed = vault.seal_whole(Domain::Journal, bytes);
            put_record(out, salt, (kind, FLAG_SEALED), &sealed);
        }
        None => put(out, salt, kind, bytes),
    }
}

/// Appends a record that anyone may read.
pub(super) fn put(out: &mut Vec<u8>, salt: u32, kind: Kind, bytes: &[u8]) {
    put_record(out, salt, (kind, 0), bytes);
}

fn put_record(out: &mut Vec<u8>, salt: u32, (kind, flags): (Kind, u16), bytes: &[u8]) {
    let start = out.len();
    out.put_u32(0);
    out.put_u16(kind.number());
    out.put_u16(flags);
    out.put_u32(bytes.len() as u32);
    out.put_u32(0);
    out.extend_from_slice(bytes);
    let crc = crc32c(&out[start + 4..]) ^ salt;
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    out.resize(start + record_len(bytes.len()), 0);
}

/// How long what stands at the start of `bytes` says that it is.
pub(super) fn claimed_len(bytes: &[u8]) -> usize {
    let mut reader = Reader::new(bytes);
    let len = reader.take(8).and_then(|_| reader.u32());
    len.map_or(HEAD, |len| HEAD.saturating_add(len as usize))
}

/// The record at the start of `bytes`: what it is, whether it is encrypted, what it holds, and how
/// long it is.
pub(super) fn take(bytes: &[u8], salt: u32) -> Option<((Kind, bool), &[u8], usize)> {
    let mut reader = Reader::new(bytes);
    let crc = reader.u32()?;
    let kind = Kind::from_number(reader.u16()?)?;
    let is_sealed = reader.u16()? & FLAG_SEALED != 0;
    let len = usize::try_from(reader.u32()?).ok()?;
    reader.u32()?;
    let held = reader.take(len)?;
    let summed = bytes.get(4..HEAD.checked_add(len)?)?;
    let is_right = crc32c(summed) ^ salt == crc;
    is_right.then_some(((kind, is_sealed), held, record_len(len)))
}

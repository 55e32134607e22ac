//! What can be told from a journal's files.

use super::codec::{self, HEADER, Kind};
use crate::bytes::Reader;
use crate::disk::{Disk, DiskError, read_all};
use crate::vault::{Domain, Vault};

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The newest snapshot that can be read.
    pub snapshot: Option<Vec<u8>>,
    /// The entries since that snapshot, in order.
    pub entries: Vec<Vec<u8>>,
    /// Places where records were and cannot be read. What they held is not in `entries`.
    pub damaged: u64,
    /// There was a snapshot, and none can be read: `entries` are all that is left.
    pub snapshot_lost: bool,
}

/// One generation.
pub(super) struct Generation {
    pub(super) generation: u64,
    snapshot: Option<Vec<u8>>,
    entries: Vec<Vec<u8>>,
    damaged: u64,
    /// What follows the last record is not nothing: a write that was cut short, or damage.
    dirty_end: bool,
}

/// Reads all generations; the newest comes last.
pub(super) fn recover<D: Disk>(
    disk: &D,
    name: &str,
    owner: u64,
    vault: Option<&Vault>,
) -> Result<(Vec<Generation>, Recovered), DiskError> {
    const LARGEST: u64 = 1 << 30;
    let mut generations = Vec::new();
    for file in disk.list()? {
        let Some(generation) = codec::parse_name(&file, name) else {
            continue;
        };
        let bytes = read_all(disk, &file, LARGEST)?.unwrap_or_default();
        if codec::owner(&bytes).is_some_and(|other| other != owner) {
            continue;
        }
        generations.push(read(&bytes, (owner, generation), vault)?);
    }
    generations.sort_by_key(|generation| generation.generation);
    let recovered = join(&generations);
    Ok((generations, recovered))
}

fn join(generations: &[Generation]) -> Recovered {
    let base = generations.iter().rposition(|g| g.snapshot.is_some());
    let from = base.unwrap_or(0);
    let mut recovered = Recovered {
        snapshot_lost: base.is_none() && !generations.is_empty(),
        ..Recovered::default()
    };
    for (at, generation) in generations.iter().enumerate().skip(from) {
        if at == from {
            recovered.snapshot = generation.snapshot.clone();
        }
        recovered.entries.extend(generation.entries.iter().cloned());
        recovered.damaged += generation.damaged;
        let is_last = at + 1 == generations.len();
        recovered.damaged += u64::from(generation.dirty_end && !is_last);
    }
    recovered
}

fn read(
    bytes: &[u8],
    (owner, generation): (u64, u64),
    vault: Option<&Vault>,
) -> Result<Generation, DiskError> {
    let salt = codec::salt(owner, generation);
    let mut found = Generation {
        generation,
        snapshot: None,
        entries: Vec::new(),
        damaged: 0,
        dirty_end: false,
    };
    // Where the holes are, how many entries came before each, and what was proven to be synced.
    let mut holes: Vec<(usize, usize, usize)> = Vec::new();
    let mut proven = 0;
    let mut hole: Option<usize> = None;
    let mut at = HEADER;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let taken = match codec::take(rest, salt) {
            Some(((kind, true), held, len)) => {
                let Some(vault) = vault else {
                    return Err(DiskError::Other("the journal is encrypted".to_owned()));
                };
                let opened = vault.open_whole(Domain::Journal, held);
                opened.map(|opened| (kind, opened, len))
            }
            Some(((kind, false), held, len)) => Some((kind, held.to_vec(), len)),
            None => None,
        };
        let Some((kind, held, len)) = taken else {
            hole.get_or_insert(at);
            at += 8;
            continue;
        };
        if let Some(start) = hole.take() {
            holes.push((start, at, found.entries.len()));
        }
        match kind {
            Kind::Snapshot => found.snapshot = Some(held),
            Kind::Entry => found.entries.push(held),
            Kind::Synced => proven = Reader::new(&held).u64().unwrap_or(0).max(proven),
        }
        at += len;
    }
    let rest = hole
        .and_then(|start| bytes.get(start..))
        .unwrap_or_default();
    found.dirty_end = rest.iter().any(|byte| *byte != 0);
    // Of what was never synced, only what has nothing missing before it counts.
    let torn = holes
        .iter()
        .find(|(start, end, _)| *start as u64 >= proven && is_torn(bytes, *start, *end));
    if let Some((start, _, entries)) = torn.copied() {
        found.entries.truncate(entries);
        holes.retain(|(at, _, _)| *at < start);
        found.dirty_end = true;
    } else if let Some(start) = hole.filter(|_| found.dirty_end) {
        let end = start + codec::claimed_len(rest).min(rest.len());
        if !is_torn(bytes, start, end) {
            holes.push((start, end, 0));
        }
    }
    found.damaged = holes.len() as u64;
    Ok(found)
}

/// Whether what should be records from `start` to `end` looks as if a part of their write were
/// missing: a disk writes sectors whole or not at all, and what was not written reads as zeros.
fn is_torn(bytes: &[u8], start: usize, end: usize) -> bool {
    const SECTOR: usize = 512;
    let mut from = start;
    while from < end {
        let to = ((from / SECTOR + 1) * SECTOR).min(end);
        let part = bytes.get(from..to).unwrap_or_default();
        if part.iter().all(|byte| *byte == 0) {
            return true;
        }
        from = to;
    }
    false
}

//! The file that holds a sealed segment's index.
//!
//! ```text
//! header (128 bytes)
//!  0  magic "CGNTIDX\0"   8 crc u32 over 12..128
//! 12  version u16 = 1     14 flags u16 (1: nothing was left unsynced, 2: subjects are sealed)
//! 16  stream u64         24 number u64       32 generation u32   36 entries u32
//! 40  base u64           48 end u64          56 data_end u64     64 synced_to u64
//! 72  min time i64       80 max time i64     88 floor u64
//! 96  controls_len u32  100 controls_crc u32
//! 104 subjects_len u32  108 subjects_crc u32  112 next u64      120 0 u64
//! controls               numbers and then their values: removes, erases, deadline changes
//! subjects               items, bytes, order, deadlines
//! pages of 4096 bytes    crc u32 over the rest, 12 zero bytes, 204 entries of 20 bytes
//! ```
//!
//! It says nothing that the segment does not say; what is damaged in it is made again from there.
//! Invariant: what is returned was written by this stream for this very segment, and its sums are
//! right.

use cognate_model::{Deadline, Sequence, Timestamp};

use super::dictionary::Dictionary;
use super::fold::Folder;
use super::index::{Controls, Entry, Item, SegmentIndex};
use super::record;
use crate::bytes::{Put, Reader, crc32c};
use crate::disk::{Disk, DiskError, DiskFile, OpenMode};
use crate::vault::Domain;

const MAGIC: &[u8; 8] = b"CGNTIDX\0";
const VERSION: u16 = 1;
const FLAG_CLEAN: u16 = 1;
const FLAG_SEALED: u16 = 2;
const HEADER: usize = 128;
const PAGE: usize = 4096;
const PAGE_HEAD: usize = 16;
const ENTRY: usize = 20;
const PER_PAGE: usize = (PAGE - PAGE_HEAD) / ENTRY;

/// What a segment's index says of the segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) number: u64,
    pub(crate) generation: u32,
    pub(crate) base: Sequence,
    /// The sequence that follows the segment's.
    pub(crate) end: Sequence,
    /// The sequence that was to be given next; higher than `end` after a leap.
    pub(crate) next: Sequence,
    pub(crate) entries: u32,
    /// Where records end.
    pub(crate) data_end: u64,
    /// The highest offset that the segment itself says is on the disk; 0 if it says nothing.
    pub(crate) synced_to: u64,
    pub(crate) min_time: Timestamp,
    pub(crate) max_time: Timestamp,
    pub(crate) floor: Sequence,
    /// Written when everything was on the disk and nothing was going on.
    pub(crate) clean: bool,
}

/// The file's bytes.
pub(crate) fn encode(
    stream: u64,
    summary: &Summary,
    index: &SegmentIndex,
    folder: &Folder,
) -> Vec<u8> {
    let controls = encode_controls(&index.controls);
    let mut subjects = encode_subjects(index);
    let vault = folder.vault.as_deref();
    if let Some(vault) = vault {
        subjects = vault.seal_whole(Domain::Index, &subjects);
    }
    let pages = index.entries.len().div_ceil(PER_PAGE);
    let mut out = Vec::with_capacity(HEADER + controls.len() + subjects.len() + pages * PAGE);
    out.extend_from_slice(MAGIC);
    out.put_u32(0);
    out.put_u16(VERSION);
    let sealed = if vault.is_some() { FLAG_SEALED } else { 0 };
    out.put_u16(u16::from(summary.clean) | sealed);
    out.put_u64(stream);
    out.put_u64(summary.number);
    out.put_u32(summary.generation);
    out.put_u32(summary.entries);
    out.put_u64(summary.base);
    out.put_u64(summary.end);
    out.put_u64(summary.data_end);
    out.put_u64(summary.synced_to);
    out.put_i64(summary.min_time.0);
    out.put_i64(summary.max_time.0);
    out.put_u64(summary.floor);
    for section in [&controls, &subjects] {
        out.put_u32(section.len() as u32);
        out.put_u32(crc32c(section));
    }
    out.put_u64(summary.next);
    out.resize(HEADER, 0);
    let crc = crc32c(&out[12..]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&controls);
    out.extend_from_slice(&subjects);
    for entries in index.entries.chunks(PER_PAGE) {
        put_page(&mut out, entries);
    }
    out
}

fn put_page(out: &mut Vec<u8>, entries: &[Entry]) {
    let start = out.len();
    out.resize(start + PAGE_HEAD, 0);
    for entry in entries {
        for part in entry.parts() {
            out.put_u32(part);
        }
    }
    out.resize(start + PAGE, 0);
    let crc = crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

fn encode_controls(controls: &Controls) -> Vec<u8> {
    let mut out = Vec::with_capacity(12 + 8 * controls.removes.len());
    out.put_u32(controls.removes.len() as u32);
    out.put_u32(controls.erases.len() as u32);
    out.put_u32(controls.deadlines.len() as u32);
    for sequence in controls.removes.iter().chain(&controls.erases) {
        out.put_u64(*sequence);
    }
    for (sequence, deadline) in &controls.deadlines {
        out.put_u64(*sequence);
        put_deadline(&mut out, *deadline);
    }
    out
}

pub(crate) fn put_deadline(out: &mut Vec<u8>, deadline: Option<Deadline>) {
    out.push(record::flags(deadline));
    out.put_i64(deadline.map_or(0, |deadline| deadline.at.0));
}

pub(crate) fn read_deadline(reader: &mut Reader<'_>) -> Option<Option<Deadline>> {
    let kind = record::deadline_kind(reader.u8()?);
    let at = Timestamp(reader.i64()?);
    Some(kind.map(|kind| Deadline { at, kind }))
}

fn decode_controls(bytes: &[u8]) -> Option<Controls> {
    let mut reader = Reader::new(bytes);
    let [removes, erases, deadlines] = [reader.u32()?, reader.u32()?, reader.u32()?];
    let mut controls = Controls::default();
    for (count, into) in [
        (removes, &mut controls.removes),
        (erases, &mut controls.erases),
    ] {
        for _ in 0..count {
            into.push(reader.u64()?);
        }
    }
    for _ in 0..deadlines {
        let sequence = reader.u64()?;
        controls
            .deadlines
            .push((sequence, read_deadline(&mut reader)?));
    }
    Some(controls)
}

fn encode_subjects(index: &SegmentIndex) -> Vec<u8> {
    let mut out = Vec::with_capacity(12 + 16 * index.items.len() + index.subjects.len());
    out.put_u32(index.items.len() as u32);
    out.put_u32(index.subjects.len() as u32);
    out.put_u32(index.deadlines.len() as u32);
    for item in &index.items {
        out.put_u32(item.end);
        out.put_u32(item.first);
        out.put_u32(item.last);
    }
    out.extend_from_slice(&index.subjects);
    for number in &index.sorted {
        out.put_u32(*number);
    }
    for (at, deadline) in &index.deadlines {
        out.put_u32(*at);
        put_deadline(&mut out, Some(*deadline));
    }
    out
}

fn decode_subjects(bytes: &[u8], index: &mut SegmentIndex) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let [items, subjects, deadlines] = [reader.u32()?, reader.u32()?, reader.u32()?];
    for _ in 0..items {
        index.items.push(Item {
            end: reader.u32()?,
            first: reader.u32()?,
            last: reader.u32()?,
        });
    }
    index.subjects = reader.take(subjects as usize)?.to_vec();
    for _ in 0..items {
        index.sorted.push(reader.u32()?);
    }
    for _ in 0..deadlines {
        let at = reader.u32()?;
        if let Some(deadline) = read_deadline(&mut reader)? {
            index.deadlines.push((at, deadline));
        }
    }
    Some(())
}

/// Writes the file; not synced, because it can be made again.
pub(crate) fn write<D: Disk>(disk: &D, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
    match disk.open(name, OpenMode::Truncate)? {
        Some(file) => file.write_at(bytes, 0),
        None => Err(DiskError::Other(format!("{name} could not be made"))),
    }
}

/// An index file that is open; its header is right.
pub(crate) struct Sidecar<F> {
    file: F,
    pub(crate) summary: Summary,
    is_sealed: bool,
    controls: (u32, u32),
    subjects: (u32, u32),
}

impl<F: DiskFile> Sidecar<F> {
    /// `None` if it is not there or not what it should be.
    pub(crate) fn open<D: Disk<File = F>>(
        disk: &D,
        stream: u64,
        name: &str,
        (number, generation): (u64, u32),
    ) -> Result<Option<Self>, DiskError> {
        let Some(file) = disk.open(name, OpenMode::Existing)? else {
            return Ok(None);
        };
        let mut bytes = [0; HEADER];
        let read = file.read_at(&mut bytes, 0)?;
        let header = bytes
            .get(..read)
            .and_then(|bytes| decode_header(bytes, stream));
        Ok(header.and_then(|(summary, is_sealed, controls, subjects)| {
            let ours = summary.number == number && summary.generation == generation;
            ours.then_some(Self {
                file,
                summary,
                is_sealed,
                controls,
                subjects,
            })
        }))
    }

    /// What the segment says of other messages than its own; `None` if it is damaged.
    pub(crate) fn controls(&self) -> Result<Option<Controls>, DiskError> {
        let bytes = self.section(HEADER as u64, self.controls)?;
        Ok(bytes.as_deref().and_then(decode_controls))
    }

    /// The index without the controls; `None` if it is damaged.
    pub(crate) fn index(&self, folder: &Folder) -> Result<Option<SegmentIndex>, DiskError> {
        let mut index = SegmentIndex::default();
        let at = HEADER as u64 + u64::from(self.controls.0);
        let Some(mut bytes) = self.section(at, self.subjects)? else {
            return Ok(None);
        };
        if self.is_sealed {
            let Some(vault) = folder.vault.as_deref() else {
                return Err(DiskError::Other("messages are encrypted".to_owned()));
            };
            match vault.open_whole(Domain::Index, &bytes) {
                Some(opened) => bytes = opened,
                None => return Ok(None),
            }
        }
        if decode_subjects(&bytes, &mut index).is_none() {
            return Ok(None);
        }
        drop(bytes);
        let count = self.summary.entries as usize;
        // The count is from a header with a right sum, but the file may be shorter by now.
        if self.file.size()? / (ENTRY as u64) < count as u64 {
            return Ok(None);
        }
        index.entries.reserve_exact(count);
        let mut pages = vec![0; PAGE * 16];
        let mut at = self.pages_at();
        while index.entries.len() < count {
            let read = self.file.read_at(&mut pages, at)?;
            let Some(pages) = pages.get(..read).filter(|pages| pages.len() >= PAGE) else {
                return Ok(None);
            };
            for page in pages.chunks_exact(PAGE) {
                let left = (count - index.entries.len()).min(PER_PAGE);
                let Some(entries) = decode_page(page) else {
                    return Ok(None);
                };
                index.entries.extend(entries.take(left));
                at += PAGE as u64;
            }
        }
        Ok(Some(index))
    }

    /// Whether the sum of the subjects' section is right and it can be read in parts.
    pub(crate) fn is_whole(&self) -> Result<bool, DiskError> {
        let at = HEADER as u64 + u64::from(self.controls.0);
        Ok(!self.is_sealed && self.section(at, self.subjects)?.is_some())
    }

    /// The subjects, to look some up. Only of one that [is whole](Self::is_whole).
    pub(crate) fn dictionary(&self) -> Result<Option<Dictionary<'_, F>>, DiskError> {
        Dictionary::open(&self.file, HEADER as u64 + u64::from(self.controls.0))
    }

    /// One entry by its position; `None` if there is none, or its page is damaged.
    pub(crate) fn entry(&self, at: usize) -> Result<Option<Entry>, DiskError> {
        if at >= self.summary.entries as usize {
            return Ok(None);
        }
        let mut page = [0; PAGE];
        let start = self.pages_at() + (at / PER_PAGE * PAGE) as u64;
        if self.file.read_at(&mut page, start)? < PAGE {
            return Ok(None);
        }
        Ok(decode_page(&page).and_then(|mut entries| entries.nth(at % PER_PAGE)))
    }

    fn pages_at(&self) -> u64 {
        HEADER as u64 + u64::from(self.controls.0) + u64::from(self.subjects.0)
    }

    fn section(&self, at: u64, (len, crc): (u32, u32)) -> Result<Option<Vec<u8>>, DiskError> {
        // The length is from a header with a right sum, but the file may be shorter by now.
        let held = self.file.size()?.saturating_sub(at);
        if u64::from(len) > held {
            return Ok(None);
        }
        let mut bytes = vec![0; len as usize];
        let read = self.file.read_at(&mut bytes, at)?;
        Ok((read == bytes.len() && crc32c(&bytes) == crc).then_some(bytes))
    }
}

fn decode_page(page: &[u8]) -> Option<impl Iterator<Item = Entry>> {
    let crc = Reader::new(page).u32()?;
    if crc32c(page.get(4..)?) != crc {
        return None;
    }
    let entries = page.get(PAGE_HEAD..)?.chunks_exact(ENTRY);
    Some(entries.filter_map(|bytes| {
        let mut reader = Reader::new(bytes);
        let mut parts = [0; 5];
        for part in &mut parts {
            *part = reader.u32()?;
        }
        Some(Entry::from_parts(parts))
    }))
}

type Sections = (Summary, bool, (u32, u32), (u32, u32));

fn decode_header(bytes: &[u8], stream: u64) -> Option<Sections> {
    let mut reader = Reader::new(bytes.get(..HEADER)?);
    if reader.take(8)? != MAGIC || reader.u32()? != crc32c(bytes.get(12..HEADER)?) {
        return None;
    }
    let (version, flags) = (reader.u16()?, reader.u16()?);
    if version != VERSION || reader.u64()? != stream {
        return None;
    }
    let mut summary = Summary {
        clean: flags & FLAG_CLEAN != 0,
        number: reader.u64()?,
        generation: reader.u32()?,
        entries: reader.u32()?,
        ..Summary::default()
    };
    summary.base = reader.u64()?;
    summary.end = reader.u64()?;
    summary.data_end = reader.u64()?;
    summary.synced_to = reader.u64()?;
    summary.min_time = Timestamp(reader.i64()?);
    summary.max_time = Timestamp(reader.i64()?);
    summary.floor = reader.u64()?;
    let controls = (reader.u32()?, reader.u32()?);
    let subjects = (reader.u32()?, reader.u32()?);
    summary.next = reader.u64()?;
    Some((summary, flags & FLAG_SEALED != 0, controls, subjects))
}

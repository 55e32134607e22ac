//! ZIP files, as far as archives of an audit need them: entries that are stored or deflated.
//!
//! ```text
//! per entry:  "PK\3\4" 26 bytes, name, contents     directory, per entry:  "PK\1\2" 42 bytes, name
//! at the end: "PK\5\6" 8 bytes, count, size and start of the directory, 2 bytes
//! ```
//!
//! The directory says what there is; what stands before the contents is not looked at but for its
//! length. Bounds: [`MAX_FILE_BYTES`] of a file, [`MAX_ENTRIES`], [`MAX_ENTRY_BYTES`] unpacked. Absent:
//! encryption, ZIP64, several volumes; sums are written and checked.

use std::io::{Read, Write};

use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::error::{Context, Error, Result};

/// Bytes of an archive.
pub(super) const MAX_FILE_BYTES: u64 = u32::MAX as u64;

/// Entries of an archive.
const MAX_ENTRIES: usize = u16::MAX as usize;

/// Bytes of an entry, unpacked.
const MAX_ENTRY_BYTES: u64 = 256 << 20;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// The version that knows deflated entries.
const VERSION: u16 = 20;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;

const ENTRY: &[u8; 4] = b"PK\x03\x04";
const DIRECTORY: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const ENTRY_BYTES: usize = 30;
const DIRECTORY_BYTES: usize = 46;
const END_BYTES: usize = 22;

/// An archive being written.
pub(super) struct Writer<W: Write> {
    out: W,
    written: u64,
    directory: Vec<u8>,
    count: usize,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Writer {
            out,
            written: 0,
            directory: Vec::new(),
            count: 0,
        }
    }

    /// Appends an entry.
    pub(super) fn add(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
        packed.write_all(contents)?;
        let packed = packed.finish()?;
        let mut crc = Crc::new();
        crc.update(contents);
        let too_large = || {
            Error::new("the archive would be too large").hint(
            "Leave something out: --no-subscriptions, --no-streams, --no-account-endpoints, or --cluster.",
        )
        };
        let start = u32::try_from(self.written).map_err(|_| too_large())?;
        let sizes = (u32::try_from(packed.len()), u32::try_from(contents.len()));
        let (Ok(packed_len), Ok(len), Ok(name_len)) = (sizes.0, sizes.1, u16::try_from(name.len()))
        else {
            return Err(too_large());
        };
        if self.count == MAX_ENTRIES {
            return Err(too_large());
        }
        // What both headers have: flags, method, no time, sum, sizes, length of the name.
        let mut common = Vec::with_capacity(ENTRY_BYTES);
        for word in [UTF8, DEFLATED, 0, NO_DATE] {
            common.extend(word.to_le_bytes());
        }
        for long in [crc.sum(), packed_len, len] {
            common.extend(long.to_le_bytes());
        }
        common.extend(name_len.to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        let mut header = ENTRY.to_vec();
        header.extend(VERSION.to_le_bytes());
        header.extend(&common);
        header.extend(name.as_bytes());
        for part in [&header, &packed] {
            self.out.write_all(part)?;
            self.written += part.len() as u64;
        }
        self.directory.extend(DIRECTORY);
        self.directory.extend(VERSION.to_le_bytes());
        self.directory.extend(VERSION.to_le_bytes());
        self.directory.extend(&common);
        // No comment, volume or attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(start.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count += 1;
        Ok(())
    }

    /// Writes the directory, and returns what was written to.
    pub(super) fn finish(mut self) -> Result<W> {
        let (Ok(start), Ok(len), Ok(count)) = (
            u32::try_from(self.written),
            u32::try_from(self.directory.len()),
            u16::try_from(self.count),
        ) else {
            return Err(Error::new("the archive would be too large"));
        };
        self.out.write_all(&self.directory)?;
        let mut end = END.to_vec();
        end.extend([0; 4]);
        end.extend(count.to_le_bytes());
        end.extend(count.to_le_bytes());
        end.extend(len.to_le_bytes());
        end.extend(start.to_le_bytes());
        end.extend([0; 2]);
        self.out.write_all(&end)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The first of January 1980: the form has no "unknown".
const NO_DATE: u16 = (1 << 5) | 1;

/// An archive that was read.
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// What the directory says of an entry.
struct Entry {
    name: String,
    method: u16,
    crc: u32,
    packed: usize,
    len: u64,
    start: usize,
}

impl Archive {
    /// Reads the directory of an archive.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self> {
        let entries = directory(&bytes).context("not a valid zip file")?;
        Ok(Archive { bytes, entries })
    }

    /// The contents of an entry; `None` if there is no such entry.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(entry) = self.entries.iter().find(|entry| entry.name == name) else {
            return Ok(None);
        };
        let contents = self.unpack(entry).context(name)?;
        Ok(Some(contents))
    }

    fn unpack(&self, entry: &Entry) -> Result<Vec<u8>> {
        let damaged = || Error::new("the archive is damaged");
        let header = self.bytes.get(entry.start..).ok_or_else(damaged)?;
        if !header.starts_with(ENTRY) {
            return Err(damaged());
        }
        let skip = usize::from(u16_at(header, 26).ok_or_else(damaged)?)
            + usize::from(u16_at(header, 28).ok_or_else(damaged)?);
        let start = ENTRY_BYTES + skip;
        let packed = start
            .checked_add(entry.packed)
            .and_then(|end| header.get(start..end));
        let packed = packed.ok_or_else(damaged)?;
        if entry.len > MAX_ENTRY_BYTES {
            return Err(Error::new("an entry is too large"));
        }
        let contents = match entry.method {
            STORED => packed.to_vec(),
            DEFLATED => {
                let mut contents = Vec::new();
                // One byte more shows that the directory was wrong about the length.
                DeflateDecoder::new(packed)
                    .take(entry.len + 1)
                    .read_to_end(&mut contents)?;
                contents
            }
            method => return Err(Error::new(format!("unknown compression {method}"))),
        };
        let mut crc = Crc::new();
        crc.update(&contents);
        match contents.len() as u64 == entry.len && crc.sum() == entry.crc {
            true => Ok(contents),
            false => Err(damaged()),
        }
    }
}

fn directory(bytes: &[u8]) -> Option<Vec<Entry>> {
    // A comment may follow the end record.
    let earliest = bytes
        .len()
        .saturating_sub(END_BYTES + usize::from(u16::MAX));
    let tail = bytes.get(earliest..)?;
    let at = earliest + tail.windows(END.len()).rposition(|four| four == END)?;
    let end = bytes.get(at..).filter(|end| end.len() >= END_BYTES)?;
    let count = usize::from(u16_at(end, 10)?);
    let mut rest = bytes.get(u32_at(end, 16)? as usize..at)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        if !rest.starts_with(DIRECTORY) {
            return None;
        }
        let lens = [u16_at(rest, 28)?, u16_at(rest, 30)?, u16_at(rest, 32)?].map(usize::from);
        let name = rest.get(DIRECTORY_BYTES..DIRECTORY_BYTES + lens[0])?;
        entries.push(Entry {
            name: String::from_utf8(name.to_vec()).ok()?,
            method: u16_at(rest, 10)?,
            crc: u32_at(rest, 16)?,
            packed: u32_at(rest, 20)? as usize,
            len: u64::from(u32_at(rest, 24)?),
            start: u32_at(rest, 42)? as usize,
        });
        rest = rest.get(DIRECTORY_BYTES + lens.iter().sum::<usize>()..)?;
    }
    Some(entries)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        writer.add("a/b.json", b"{\"x\":1}").expect("it fits");
        writer
            .add("long", &b"again ".repeat(1000))
            .expect("it fits");
        writer.add("empty", b"").expect("it fits");
        writer.finish().expect("memory can be written")
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = written();
        assert!(bytes.len() < 600, "{}", bytes.len());
        let archive = Archive::parse(bytes).expect("an archive");
        let read = |name: &str| archive.read(name).expect("undamaged");
        assert_eq!(read("a/b.json").as_deref(), Some(&b"{\"x\":1}"[..]));
        assert_eq!(read("long").map(|contents| contents.len()), Some(6000));
        assert_eq!(read("empty").as_deref(), Some(&b""[..]));
        assert_eq!(read("other"), None);
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let whole = written();
        for len in 0..whole.len() {
            assert!(Archive::parse(whole[..len].to_vec()).is_err(), "{len}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            if let Ok(archive) = Archive::parse(bytes) {
                for name in ["a/b.json", "long", "empty"] {
                    if let Ok(Some(contents)) = archive.read(name) {
                        assert!(contents.len() <= 6000, "{at}");
                    }
                }
            }
        }
    }
}

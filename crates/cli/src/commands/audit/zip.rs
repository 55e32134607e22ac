//! ZIP files, as far as archives of an audit need them: deflated entries that are found by name.
//!
//! The form is the business of the library `zip`, sums and ZIP64 included. Ours are the bounds, because
//! archives come from elsewhere: [`MAX_DIRECTORY_BYTES`], and so of entries, and [`MAX_ENTRY_BYTES`] of
//! an entry unpacked. What would not be read is not written either. Absent: encryption, and unpacking
//! to disk, so that it does not matter where names lead.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use ::zip::read::{ArchiveOffset, Config};
use ::zip::result::ZipError;
use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::error::{Context, Error, Result};

/// Bytes of the directory, which is in memory while an archive is open.
const MAX_DIRECTORY_BYTES: u64 = 64 << 20;

/// Bytes of an entry, unpacked.
const MAX_ENTRY_BYTES: u64 = 256 << 20;

/// What an entry has in the directory besides its name, at most.
const DIRECTORY_ENTRY_BYTES: u64 = 128;

/// An archive being written.
pub(super) struct Writer<W: Write + Seek> {
    zip: ZipWriter<W>,
    directory_bytes: u64,
}

impl<W: Write + Seek> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Writer {
            zip: ZipWriter::new(out),
            directory_bytes: 0,
        }
    }

    /// Appends an entry; its name must be new.
    pub(super) fn add(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        self.directory_bytes += DIRECTORY_ENTRY_BYTES + name.len() as u64;
        // The end of the archive is read with its directory.
        let most = MAX_DIRECTORY_BYTES / 2;
        if self.directory_bytes > most || contents.len() as u64 > MAX_ENTRY_BYTES {
            return Err(Error::new("the archive would be too large").hint(
                "Leave something out: --no-subscriptions, --no-streams, --no-account-endpoints, or --cluster.",
            ));
        }
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        self.zip.start_file(name, options).context(name)?;
        self.zip.write_all(contents)?;
        Ok(())
    }

    /// Writes the directory, and returns what was written to.
    pub(super) fn finish(self) -> Result<W> {
        let mut out = self.zip.finish()?;
        out.flush()?;
        Ok(out)
    }
}

/// An archive of which the directory was read.
pub(super) struct Archive<R> {
    /// Reading moves in the file: one entry at a time.
    zip: RefCell<ZipArchive<Bounded<R>>>,
    max_entry_bytes: u64,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory of an archive.
    pub(super) fn open(reader: R) -> Result<Self> {
        Self::open_within(MAX_DIRECTORY_BYTES, MAX_ENTRY_BYTES, reader)
    }

    fn open_within(max_directory_bytes: u64, max_entry_bytes: u64, reader: R) -> Result<Self> {
        let left = Rc::new(Cell::new(max_directory_bytes));
        let reader = Bounded {
            inner: reader,
            left: Rc::clone(&left),
        };
        // Looking for archives in other files would read all of them.
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let zip = ZipArchive::with_config(config, reader).context("not a valid zip file")?;
        left.set(u64::MAX);
        Ok(Archive {
            zip: RefCell::new(zip),
            max_entry_bytes,
        })
    }

    /// The contents of an entry; `None` if there is no such entry.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut zip = self.zip.borrow_mut();
        let entry = match zip.by_name(name) {
            Err(ZipError::FileNotFound) => return Ok(None),
            entry => entry.context(name)?,
        };
        let len = entry.size();
        if len > self.max_entry_bytes {
            return Err(Error::new(format!("{name} is too large: {len} bytes")));
        }
        let mut contents = Vec::new();
        // One byte more shows that the directory was wrong about the length.
        let read = entry.take(len + 1).read_to_end(&mut contents);
        match read.context(name)? as u64 == len {
            true => Ok(Some(contents)),
            false => Err(Error::new(format!("{name}: the archive is damaged"))),
        }
    }
}

/// A reader that gives no more than what is left. The library reads a directory whole, however many
/// entries there are, so that this bounds the memory for it; contents are read without this bound.
struct Bounded<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let left = self.left.get().checked_sub(count as u64);
        let left = left.ok_or_else(|| io::Error::other("its directory is too large"))?;
        self.left.set(left);
        Ok(count)
    }
}

impl<R: Seek> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn written() -> Vec<u8> {
        let mut writer = Writer::new(Cursor::new(Vec::new()));
        writer.add("a/b.json", b"{\"x\":1}").expect("it fits");
        writer
            .add("long", &b"again ".repeat(1000))
            .expect("it fits");
        writer.add("empty", b"").expect("it fits");
        let out = writer.finish().expect("memory can be written");
        out.into_inner()
    }

    fn open(bytes: &[u8]) -> Result<Archive<Cursor<&[u8]>>> {
        Archive::open(Cursor::new(bytes))
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = written();
        assert!(bytes.len() < 700, "{}", bytes.len());
        let archive = open(&bytes).expect("an archive");
        let read = |name: &str| archive.read(name).expect("undamaged");
        assert_eq!(read("a/b.json").as_deref(), Some(&b"{\"x\":1}"[..]));
        assert_eq!(read("long").map(|contents| contents.len()), Some(6000));
        assert_eq!(read("empty").as_deref(), Some(&b""[..]));
        assert_eq!(read("other"), None);
    }

    #[test]
    fn there_is_a_limit_to_everything() {
        let bytes = written();
        let within = |directory: u64, entry: u64| {
            Archive::open_within(directory, entry, Cursor::new(bytes.as_slice()))
        };
        let refused = within(100, MAX_ENTRY_BYTES).err().expect("a refusal");
        let message = refused.message();
        assert!(message.contains("directory is too large"), "{message}");
        let archive = within(MAX_DIRECTORY_BYTES, 5999).expect("an archive");
        assert!(archive.read("a/b.json").is_ok());
        assert!(archive.read("long").is_err());
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let whole = written();
        for len in 0..whole.len() {
            assert!(open(&whole[..len]).is_err(), "{len}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let Ok(archive) = open(&bytes) else { continue };
            for name in ["a/b.json", "long", "empty"] {
                if let Ok(Some(contents)) = archive.read(name) {
                    assert!(contents.len() <= 6000, "{at}");
                }
            }
        }
    }
}

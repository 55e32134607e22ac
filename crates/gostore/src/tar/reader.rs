//! Reading an archive that arrives in pieces.

use std::fmt;

use super::{BLOCK, field, header_sum};
use crate::MAX_FILE_BYTES;

/// The most bytes of records for one file.
const MAX_RECORDS: usize = 64 * 1024;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Why an archive cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TarError {
    /// A header makes no sense.
    Header,
    /// Something that is no plain file.
    Kind,
    /// A file that is larger than any should be.
    Size,
}

impl fmt::Display for TarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TarError::Header => "archive/tar: invalid tar header",
            TarError::Kind => "unexpected content",
            TarError::Size => "a file of the snapshot is larger than 64 MiB",
        })
    }
}

/// What is being read.
#[derive(Debug)]
enum Now {
    Header,
    /// A file, or records for the next one.
    Contents {
        name: String,
        size: usize,
        kind: u8,
    },
    /// The end was read.
    Over,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Reader {
    waiting: Vec<u8>,
    now: Now,
    /// The name and size that records gave for the next file.
    name: Option<String>,
    size: Option<usize>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            now: Now::Header,
            name: None,
            size: None,
        }
    }
}

impl Reader {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // Behind the end anything may follow.
        if !matches!(self.now, Now::Over) {
            self.waiting.extend_from_slice(bytes);
        }
    }

    /// Whether the archive was read to its end; one that ends between two files has one, too.
    pub(crate) fn is_at_end(&self) -> bool {
        match self.now {
            Now::Over => true,
            Now::Header => self.waiting.is_empty(),
            Now::Contents { .. } => false,
        }
    }

    /// The next file, if all of it is there.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        loop {
            match &mut self.now {
                Now::Over => return Ok(None),
                Now::Header => {
                    let Some(header) = self.waiting.first_chunk::<BLOCK>().copied() else {
                        return Ok(None);
                    };
                    self.waiting.drain(..BLOCK);
                    self.begin(&header)?;
                }
                Now::Contents { name, size, kind } => {
                    let padded = size.next_multiple_of(BLOCK);
                    if self.waiting.len() < padded {
                        return Ok(None);
                    }
                    let (name, size, kind) = (std::mem::take(name), *size, *kind);
                    let rest = self.waiting.split_off(padded);
                    let mut bytes = std::mem::replace(&mut self.waiting, rest);
                    bytes.truncate(size);
                    self.now = Now::Header;
                    match kind {
                        b'x' => self.take_records(&bytes)?,
                        b'g' => {}
                        _ => return Ok(Some(Entry { name, bytes })),
                    }
                }
            }
        }
    }

    fn begin(&mut self, header: &[u8; BLOCK]) -> Result<(), TarError> {
        if header.iter().all(|byte| *byte == 0) {
            self.now = Now::Over;
            self.waiting = Vec::new();
            return Ok(());
        }
        if octal(part(header, field::SUM)) != Some(u64::from(header_sum(header))) {
            return Err(TarError::Header);
        }
        let kind = header[field::KIND];
        let size = octal(part(header, field::SIZE)).ok_or(TarError::Header)?;
        let size = usize::try_from(size).map_err(|_| TarError::Size)?;
        let (name, size) = match kind {
            b'x' | b'g' if size > MAX_RECORDS => return Err(TarError::Size),
            b'x' | b'g' => (String::new(), size),
            b'0' | 0 => {
                let name = match self.name.take() {
                    Some(name) => name,
                    None => file_name(header)?,
                };
                (name, self.size.take().unwrap_or(size))
            }
            _ => return Err(TarError::Kind),
        };
        if size > MAX_FILE_BYTES {
            return Err(TarError::Size);
        }
        self.now = Now::Contents { name, size, kind };
        Ok(())
    }

    /// Records are lines of `<length of the line> <key>=<value>`.
    fn take_records(&mut self, mut bytes: &[u8]) -> Result<(), TarError> {
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes).ok_or(TarError::Header)?;
            match key {
                b"path" => {
                    let name = String::from_utf8(value.to_vec());
                    self.name = Some(name.map_err(|_| TarError::Header)?);
                }
                b"size" => {
                    let text = std::str::from_utf8(value).map_err(|_| TarError::Header)?;
                    self.size = Some(text.parse().map_err(|_| TarError::Size)?);
                }
                _ => {}
            }
            bytes = rest;
        }
        Ok(())
    }
}

fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let len: usize = std::str::from_utf8(bytes.get(..space)?)
        .ok()?
        .parse()
        .ok()?;
    let line = bytes.get(space + 1..len)?.strip_suffix(b"\n")?;
    let equals = line.iter().position(|byte| *byte == b'=')?;
    Some((
        line.get(..equals)?,
        line.get(equals + 1..)?,
        bytes.get(len..)?,
    ))
}

fn part(header: &[u8; BLOCK], (start, len): (usize, usize)) -> &[u8] {
    header.get(start..start + len).unwrap_or_default()
}

/// A text that ends with its first zero.
fn text(bytes: &[u8]) -> Result<&str, TarError> {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).map_err(|_| TarError::Header)
}

fn file_name(header: &[u8; BLOCK]) -> Result<String, TarError> {
    let name = text(part(header, field::NAME))?;
    let is_ustar = part(header, field::MAGIC).starts_with(b"ustar\0");
    let prefix = if is_ustar {
        text(part(header, field::PREFIX))?
    } else {
        ""
    };
    Ok(match prefix {
        "" => name.to_owned(),
        prefix => format!("{prefix}/{name}"),
    })
}

fn octal(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.trim_ascii_start();
    let end = digits
        .iter()
        .position(|byte| matches!(byte, 0 | b' '))
        .unwrap_or(digits.len());
    let digits = digits.get(..end)?;
    digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value.checked_mul(8)?.checked_add(u64::from(digit))
    })
}

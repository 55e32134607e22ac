//! Archives as a snapshot holds them: plain files with their names, in the forms of POSIX 1003.1.
//!
//! ```text
//! file    = header (512 bytes), contents, padded with zeros to a multiple of 512
//! archive = files, two blocks of zeros
//! ```
//!
//! A header of type `x` holds records for the file behind it; only its `path` and `size` are looked
//! at. Absent: anything but plain files.

mod reader;
mod writer;

pub(crate) use self::reader::{Entry, Reader, TarError};
pub(crate) use self::writer::Writer;

/// Bytes of a header, and what contents are padded to.
const BLOCK: usize = 512;

/// Where the fields of a header are: offset and length.
mod field {
    pub(super) const NAME: (usize, usize) = (0, 100);
    pub(super) const SIZE: (usize, usize) = (124, 12);
    pub(super) const SUM: (usize, usize) = (148, 8);
    pub(super) const KIND: usize = 156;
    pub(super) const MAGIC: (usize, usize) = (257, 6);
    pub(super) const PREFIX: (usize, usize) = (345, 155);
}

/// The sum of a header's bytes, its own field read as spaces.
fn header_sum(header: &[u8; BLOCK]) -> u32 {
    let (start, len) = field::SUM;
    let bytes = header.iter().enumerate();
    bytes
        .map(|(at, byte)| {
            let is_sum = (start..start + len).contains(&at);
            u32::from(if is_sum { b' ' } else { *byte })
        })
        .sum()
}

/// Reads `bytes` as an archive; for fuzzing.
#[doc(hidden)]
pub fn probe(bytes: &[u8]) -> usize {
    let mut reader = Reader::default();
    let mut files = 0;
    for piece in bytes.chunks(100) {
        reader.push(piece);
        while let Ok(Some(_)) = reader.next_entry() {
            files += 1;
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_whatever_the_pieces() {
        let long = format!("obs/{}/meta.inf", "n".repeat(200));
        let files = [
            ("meta.inf", &b"{}"[..]),
            ("msgs/1.blk", &[7; 512][..]),
            (long.as_str(), b""),
            ("o.dat", &[9; 1000]),
        ];
        let mut archive = Vec::new();
        let writer = Writer {
            modified: 1_700_000_000,
        };
        for (name, bytes) in files {
            writer.put(name, bytes, &mut archive);
        }
        writer.finish(&mut archive);
        for piece in [1, 511, archive.len()] {
            let (mut reader, mut found) = (Reader::default(), Vec::new());
            for piece in archive.chunks(piece) {
                reader.push(piece);
                while let Some(entry) = reader.next_entry().expect("the archive is whole") {
                    found.push((entry.name, entry.bytes));
                }
            }
            assert!(reader.is_at_end());
            let expected: Vec<_> = files.map(|(n, b)| (n.to_owned(), b.to_vec())).into();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let mut archive = Vec::new();
        let writer = Writer { modified: 0 };
        writer.put("a", b"b", &mut archive);
        for (at, value) in [(0, b'b'), (field::KIND, b'2'), (124, b'z')] {
            let mut bad = archive.clone();
            bad[at] = value;
            let mut reader = Reader::default();
            reader.push(&bad);
            assert!(reader.next_entry().is_err(), "{at}");
        }
    }
}

//! Looking one subject up in a segment's index file, without reading the whole of it.
//!
//! The file has the numbers of its subjects in the order of their hashes, and hashes are spread evenly,
//! so where one must be can be guessed, and a few reads of some bytes find it. Invariant: the sum of all
//! that is read here was found right before ([`Sidecar::is_whole`](super::sidecar::Sidecar)). Called for
//! searches that would otherwise read one index after the other for one subject of each.

use super::index::{Item, hash};
use crate::bytes::Reader;
use crate::disk::{DiskError, DiskFile};

/// Guesses before the halves are tried instead.
const GUESSES: usize = 8;

/// The longest subject that is compared.
const MAX_SUBJECT: usize = 64 << 10;

/// The subjects in an index file.
pub(crate) struct Dictionary<'a, F> {
    file: &'a F,
    /// Where the items begin.
    items_at: u64,
    items: u32,
    /// Bytes of all subjects.
    subjects: u32,
}

impl<'a, F: DiskFile> Dictionary<'a, F> {
    /// The one whose section begins at `at`; `None` if it is not there.
    pub(crate) fn open(file: &'a F, at: u64) -> Result<Option<Self>, DiskError> {
        let mut head = [0; 12];
        let read = file.read_at(&mut head, at)?;
        let mut reader = Reader::new(head.get(..read).unwrap_or_default());
        Ok(reader
            .u32()
            .zip(reader.u32())
            .map(|(items, subjects)| Dictionary {
                file,
                items_at: at + 12,
                items,
                subjects,
            }))
    }

    /// The items of a subject, with their numbers; `None` if the file is not what it should be.
    pub(crate) fn find(
        &self,
        key: u64,
        subject: &[u8],
    ) -> Result<Option<Vec<(u32, Item)>>, DiskError> {
        let wanted = hash(key, subject);
        let Some(mut at) = self.lower_bound(key, wanted)? else {
            return Ok(None);
        };
        let mut found = Vec::new();
        while at < self.items {
            let Some((number, item, text)) = self.at(at)? else {
                return Ok(None);
            };
            if hash(key, &text) != wanted {
                break;
            }
            if text == subject {
                found.push((number, item));
            }
            at += 1;
        }
        Ok(Some(found))
    }

    /// The first place in the order of hashes whose hash is not below `wanted`.
    fn lower_bound(&self, key: u64, wanted: u64) -> Result<Option<u32>, DiskError> {
        let (mut low, mut high) = (0, self.items);
        // Hashes just below `low` and at `high`.
        let (mut below, mut above) = (0, u64::MAX);
        let mut guesses = 0;
        while low < high {
            let middle = match guesses < GUESSES && above > below {
                true => {
                    let part = u128::from(wanted.saturating_sub(below)) * u128::from(high - low);
                    low + (part / u128::from(above - below)) as u32
                }
                false => low + (high - low) / 2,
            };
            let middle = middle.clamp(low, high - 1);
            let Some((_, _, text)) = self.at(middle)? else {
                return Ok(None);
            };
            let here = hash(key, &text);
            if here < wanted {
                (low, below) = (middle + 1, here);
            } else {
                (high, above) = (middle, here);
            }
            guesses += 1;
        }
        Ok(Some(low))
    }

    /// The subject at a place in the order of hashes: its number, its item and its text.
    fn at(&self, place: u32) -> Result<Option<(u32, Item, Vec<u8>)>, DiskError> {
        let texts_at = self.items_at + 12 * u64::from(self.items);
        let order_at = texts_at + u64::from(self.subjects);
        let mut number = [0; 4];
        if self
            .file
            .read_at(&mut number, order_at + 4 * u64::from(place))?
            < 4
        {
            return Ok(None);
        }
        let number = u32::from_le_bytes(number);
        if number >= self.items {
            return Ok(None);
        }
        // The item before says where the text begins.
        let mut bytes = [0; 24];
        let (from, len) = match number {
            0 => (self.items_at, 12),
            _ => (self.items_at + 12 * u64::from(number - 1), 24),
        };
        let Some(bytes) = bytes.get_mut(24 - len..) else {
            return Ok(None);
        };
        if self.file.read_at(bytes, from)? < len {
            return Ok(None);
        }
        let mut reader = Reader::new(bytes);
        let start = match number {
            0 => Some(0),
            _ => reader.take(12).and_then(|before| Reader::new(before).u32()),
        };
        let item = (|| {
            Some(Item {
                end: reader.u32()?,
                first: reader.u32()?,
                last: reader.u32()?,
            })
        })();
        let Some((start, item)) = start.zip(item) else {
            return Ok(None);
        };
        let len = item.end.saturating_sub(start) as usize;
        if len > MAX_SUBJECT || item.end > self.subjects {
            return Ok(None);
        }
        let mut text = vec![0; len];
        let read = self.file.read_at(&mut text, texts_at + u64::from(start))?;
        Ok((read == len).then_some((number, item, text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;
    use crate::disk::{Disk, OpenMode};
    use crate::log::fold::Folder;
    use crate::log::index::{Entry, SegmentIndex};
    use crate::log::sidecar::{Sidecar, Summary, encode, write};

    const STREAM: u64 = 77;

    /// A file with messages on these subjects, one after the other.
    fn file_of(subjects: &[String]) -> (SimDisk, SegmentIndex) {
        let mut index = SegmentIndex::default();
        for (delta, subject) in (0..).zip(subjects) {
            let entry = Entry::from_parts([delta, delta, 0, 0, 1]);
            index.put(entry, subject.as_bytes(), None);
        }
        index.sort(STREAM);
        let summary = Summary {
            number: 3,
            entries: subjects.len() as u32,
            ..Summary::default()
        };
        let bytes = encode(STREAM, &summary, &index, &Folder::default());
        let disk = SimDisk::new(1);
        write(&disk, "x.idx", &bytes).expect("there is space");
        (disk, index)
    }

    #[test]
    fn what_is_there_is_found_and_nothing_else() {
        for count in [0, 1, 2, 3, 1000, 20_000] {
            // Every seventh comes once more, under another number.
            let twice = (0..count).step_by(7);
            let subjects = (0..count).chain(twice).map(|n| format!("s.{n}"));
            let (disk, index) = file_of(&subjects.collect::<Vec<_>>());
            let sidecar = Sidecar::open(&disk, STREAM, "x.idx", (3, 0)).expect("it can be read");
            let sidecar = sidecar.expect("it is right");
            assert_eq!(sidecar.is_whole(), Ok(true));
            let dictionary = sidecar.dictionary().expect("it can be read");
            let dictionary = dictionary.expect("it is there");
            for n in (0..count).step_by(1 + count / 500).chain(count..count + 50) {
                let subject = format!("s.{n}");
                let found = dictionary.find(STREAM, subject.as_bytes());
                let found = found.expect("it can be read").expect("it is right");
                let mut numbers: Vec<u32> = found.iter().map(|(number, _)| *number).collect();
                let mut expected: Vec<u32> = index.numbers(STREAM, subject.as_bytes()).collect();
                numbers.sort_unstable();
                expected.sort_unstable();
                assert_eq!(numbers, expected, "{subject} of {count}");
                let expected = usize::from(n < count) + usize::from(n < count && n % 7 == 0);
                assert_eq!(numbers.len(), expected, "{subject} of {count}");
                for (number, item) in found {
                    assert_eq!(Some(&item), index.items.get(number as usize));
                }
            }
        }
    }

    #[test]
    fn a_file_that_ends_too_early_is_no_answer() {
        let subjects: Vec<String> = (0..500).map(|n| format!("s.{n}")).collect();
        let (disk, _) = file_of(&subjects);
        let whole = disk.bytes("x.idx").expect("it is there");
        for len in (128..whole.len()).step_by(97) {
            let file = disk.open("cut", OpenMode::Truncate);
            let file = file.expect("there is space").expect("it is made");
            file.write_at(&whole[..len], 0).expect("there is space");
            let dictionary = Dictionary::open(&file, 140).expect("it can be read");
            for subject in subjects.iter().step_by(50) {
                if let Some(dictionary) = &dictionary {
                    // What is found may be anything here; that it comes to an end is the point.
                    let found = dictionary.find(STREAM, subject.as_bytes());
                    assert!(found.is_ok());
                }
            }
        }
    }
}

//! Prebuilt publish frames, and what the server must make of them.
//!
//! All frames of one publisher have the same length, so a batch is built once and only the numbers
//! in it are rewritten before each write:
//!
//! ```text
//! PUB <subject> <size>\r\n  payload  \r\n          (HPUB with a header block in front)
//!
//! payload   0        4             12                  18       20
//!           ├ publisher ┬ sequence ──┬ grid cell (6 digits) ┬──┬ filler …
//!           u32 LE      u64 LE       or scheduled time (u64 LE, nanoseconds)
//! ```
//!
//! A [`Shape`] is the matching delivery: a receiver compares every byte of the protocol line, the
//! sizes and the line ends, and takes publisher and sequence from the payload. Filling and checking
//! cost a few nanoseconds per message and never allocate. Absent: sockets, and knowledge of how
//! many messages are due.

use crate::failure::{Failure, Result};

/// Offset of the sequence number in a payload.
const SEQUENCE_AT: usize = 4;
/// Offset of the grid digits or the time stamp in a payload.
const EXTRA_AT: usize = 12;
/// The smallest payload that holds publisher and sequence.
pub(crate) const MIN_PAYLOAD: usize = 16;
/// Header block of the rows with headers.
const HEADER: &str = "NATS/1.0\r\nTrace-Id: 4bf92f3577b34da6\r\n\r\n";

/// Where a publisher's messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// All to one subject.
    Fixed(String),
    /// To a random cell of `<prefix>.RRR.CCC`, three digits each, `rows` × `cols` subjects.
    Grid {
        /// First token.
        prefix: &'static str,
        /// Number of values of the second token, at most 1,000.
        rows: u32,
        /// Number of values of the third token, at most 1,000.
        cols: u32,
    },
}

/// One publisher's kind of message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Where to.
    pub(crate) subject: Subject,
    /// Payload bytes, headers not counted.
    pub(crate) payload: usize,
    /// Whether each message carries one header (HPUB).
    pub(crate) header: bool,
}

/// Which subscription id a delivery must carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sid {
    /// One subscription takes everything.
    One,
    /// One subscription per grid row: `1RRR`.
    PerRow,
    /// One subscription per grid cell: `1RRRCCC`.
    PerCell,
}

impl Publication {
    fn subject_text(&self) -> String {
        match &self.subject {
            Subject::Fixed(subject) => subject.clone(),
            Subject::Grid { prefix, .. } => format!("{prefix}.000.000"),
        }
    }

    fn check(&self) -> Result<()> {
        let needed = match self.subject {
            Subject::Fixed(_) => MIN_PAYLOAD,
            Subject::Grid { rows, cols, .. } => {
                if !(1..=1000).contains(&rows) || !(1..=1000).contains(&cols) {
                    return Err(Failure::new("a grid has 1 to 1,000 rows and columns"));
                }
                EXTRA_AT + 6
            }
        };
        if self.payload < needed {
            return Err(Failure::new(format!(
                "a payload of {} bytes cannot hold the {needed} bytes of sequence numbers",
                self.payload
            )));
        }
        Ok(())
    }
}

/// A write buffer of equal publish frames.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    stride: usize,
    payload_at: usize,
    grid: Option<Grid>,
    next_sequence: u64,
}

struct Grid {
    row_at: usize,
    rows: u32,
    cols: u32,
    random: u64,
}

impl Batch {
    /// As many frames as fit `target_bytes`, at least one, with `publisher` in each payload.
    pub(crate) fn new(what: &Publication, publisher: u32, target_bytes: usize) -> Result<Self> {
        what.check()?;
        let subject = what.subject_text();
        let (verb, sizes, block) = if what.header {
            (
                "HPUB",
                format!("{} {}", HEADER.len(), HEADER.len() + what.payload),
                HEADER,
            )
        } else {
            ("PUB", what.payload.to_string(), "")
        };
        let mut frame = format!("{verb} {subject} {sizes}\r\n{block}").into_bytes();
        let payload_at = frame.len();
        frame.extend(publisher.to_le_bytes());
        frame.resize(payload_at + what.payload, b'x');
        frame.extend(b"\r\n");
        let grid = match what.subject {
            Subject::Fixed(_) => None,
            Subject::Grid { prefix, rows, cols } => Some(Grid {
                row_at: verb.len() + 1 + prefix.len() + 1,
                rows,
                cols,
                random: 0x9E37_79B9_7F4A_7C15 ^ (u64::from(publisher) << 1),
            }),
        };
        let stride = frame.len();
        let bytes = frame.repeat((target_bytes / stride).max(1));
        Ok(Self {
            bytes,
            stride,
            payload_at,
            grid,
            next_sequence: 0,
        })
    }

    /// How many frames fit.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len() / self.stride
    }

    /// Numbers the next `frames` messages (at most `capacity`) and returns their bytes.
    pub(crate) fn fill(&mut self, frames: usize) -> &[u8] {
        let frames = frames.min(self.capacity());
        let sequence_at = self.payload_at + SEQUENCE_AT;
        for frame in self.bytes.chunks_exact_mut(self.stride).take(frames) {
            frame[sequence_at..sequence_at + 8].copy_from_slice(&self.next_sequence.to_le_bytes());
            self.next_sequence += 1;
            if let Some(grid) = &mut self.grid {
                grid.patch(frame, self.payload_at + EXTRA_AT);
            }
        }
        &self.bytes[..frames * self.stride]
    }

    /// Like [`Batch::fill`], with a time in each payload: `nanos(i)` for the `i`-th frame.
    pub(crate) fn fill_stamped(&mut self, frames: usize, nanos: impl Fn(u64) -> u64) -> &[u8] {
        let len = self.fill(frames).len();
        let at = self.payload_at + EXTRA_AT;
        for (index, frame) in self.bytes[..len].chunks_exact_mut(self.stride).enumerate() {
            frame[at..at + 8].copy_from_slice(&nanos(index as u64).to_le_bytes());
        }
        &self.bytes[..len]
    }
}

impl Grid {
    fn patch(&mut self, frame: &mut [u8], copy_at: usize) {
        // Xorshift: repeatable, and random enough to defeat a cache.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let row = scale(self.random as u32, self.rows);
        let col = scale((self.random >> 32) as u32, self.cols);
        let (row, col) = (digits(row), digits(col));
        frame[self.row_at..self.row_at + 3].copy_from_slice(&row);
        frame[self.row_at + 4..self.row_at + 7].copy_from_slice(&col);
        frame[copy_at..copy_at + 3].copy_from_slice(&row);
        frame[copy_at + 3..copy_at + 6].copy_from_slice(&col);
    }
}

fn scale(random: u32, limit: u32) -> u32 {
    ((u64::from(random) * u64::from(limit)) >> 32) as u32
}

/// The three decimal digits of a number below 1,000.
pub(crate) fn digits(number: u32) -> [u8; 3] {
    let digit = |unit: u32| b'0' + (number / unit % 10) as u8;
    [digit(100), digit(10), digit(1)]
}

/// What one delivered message must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    len: usize,
    /// Everything before the payload. For a grid, only what stands before the first varying digit.
    head: Vec<u8>,
    /// Further parts that never vary: offset and bytes.
    fixed: Vec<(usize, Vec<u8>)>,
    /// Parts that must be equal to another part: offset, other offset, length.
    equal: Vec<(usize, usize, usize)>,
    payload_at: usize,
}

impl Shape {
    /// The delivery of `what` to a subscription with the ids `sid`.
    pub(crate) fn new(what: &Publication, sid: Sid) -> Result<Self> {
        what.check()?;
        let (verb, sizes, block) = if what.header {
            (
                "HMSG",
                format!("{} {}", HEADER.len(), HEADER.len() + what.payload),
                HEADER,
            )
        } else {
            ("MSG", what.payload.to_string(), "")
        };
        let sid_text = match sid {
            Sid::One => "1",
            Sid::PerRow => "1000",
            Sid::PerCell => "1000000",
        };
        let subject = what.subject_text();
        let head = format!("{verb} {subject} {sid_text} {sizes}\r\n{block}").into_bytes();
        let payload_at = head.len();
        let len = payload_at + what.payload + 2;
        let mut shape = Self {
            len,
            head,
            fixed: Vec::new(),
            equal: Vec::new(),
            payload_at,
        };
        if let Subject::Grid { prefix, .. } = &what.subject {
            shape.vary(verb.len() + 1 + prefix.len() + 1, sid);
        }
        Ok(shape)
    }

    /// Bytes of one delivery.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Publisher and sequence of a frame of [`Shape::len`] bytes, or `None` if anything differs.
    #[inline]
    pub(crate) fn check(&self, frame: &[u8]) -> Option<(u32, u64)> {
        let body = frame.get(..self.len)?;
        if !body.starts_with(&self.head) || !body.ends_with(b"\r\n") {
            return None;
        }
        for (at, bytes) in &self.fixed {
            if !body[*at..].starts_with(bytes) {
                return None;
            }
        }
        for &(at, other, len) in &self.equal {
            if body[at..at + len] != body[other..other + len] {
                return None;
            }
        }
        let payload = &body[self.payload_at..];
        let publisher = u32::from_le_bytes(payload.first_chunk().copied()?);
        let sequence = payload.get(SEQUENCE_AT..)?.first_chunk().copied()?;
        Some((publisher, u64::from_le_bytes(sequence)))
    }

    /// The time stamp in a frame that [`Shape::check`] accepted.
    pub(crate) fn stamp(&self, frame: &[u8]) -> Option<u64> {
        let bytes = frame
            .get(self.payload_at + EXTRA_AT..)?
            .first_chunk()
            .copied()?;
        Some(u64::from_le_bytes(bytes))
    }

    /// Lets the grid digits vary: they must equal the copy in the payload.
    fn vary(&mut self, row_at: usize, sid: Sid) {
        let copy_at = self.payload_at + EXTRA_AT;
        self.equal.push((row_at, copy_at, 3));
        self.equal.push((row_at + 4, copy_at + 3, 3));
        let sid_digits = row_at + 7 + 2;
        let (row_digits, col_digits) = match sid {
            Sid::One => (0, 0),
            Sid::PerRow => (3, 0),
            Sid::PerCell => (3, 3),
        };
        self.equal.push((sid_digits, copy_at, row_digits));
        self.equal.push((sid_digits + 3, copy_at + 3, col_digits));
        self.equal.retain(|&(_, _, len)| len > 0);
        let rest_at = sid_digits + row_digits + col_digits;
        self.fixed.push((row_at + 3, b".".to_vec()));
        self.fixed
            .push((row_at + 7, self.head[row_at + 7..sid_digits].to_vec()));
        self.fixed.push((rest_at, self.head[rest_at..].to_vec()));
        self.head.truncate(row_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(payload: usize, header: bool) -> Publication {
        Publication {
            subject: Subject::Fixed("b.0".into()),
            payload,
            header,
        }
    }

    fn grid() -> Publication {
        let subject = Subject::Grid {
            prefix: "g",
            rows: 500,
            cols: 1000,
        };
        Publication {
            subject,
            payload: 32,
            header: false,
        }
    }

    /// What a server makes of one publish frame for a subscription with id `sid`.
    fn deliver(frame: &[u8], sid: &str) -> Vec<u8> {
        let line_end = frame
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .expect("a line");
        let line = std::str::from_utf8(&frame[..line_end]).expect("text");
        let mut words = line.split(' ');
        let verb = words.next().expect("verb").replace("PUB", "MSG");
        let subject = words.next().expect("subject");
        let sizes = words.collect::<Vec<_>>().join(" ");
        let mut out = format!("{verb} {subject} {sid} {sizes}").into_bytes();
        out.extend(&frame[line_end..]);
        out
    }

    #[test]
    fn a_batch_is_whole_frames_numbered_in_order() {
        let mut batch = Batch::new(&fixed(16, false), 7, 100).expect("batch");
        assert_eq!(batch.capacity(), 3);
        let bytes = batch.fill(2).to_vec();
        assert!(
            bytes.starts_with(b"PUB b.0 16\r\n\x07\0\0\0\0\0\0\0\0\0\0\0xxxx\r\nPUB b.0 16\r\n")
        );
        assert_eq!(bytes.len(), 2 * 30);
        let shape = Shape::new(&fixed(16, false), Sid::One).expect("shape");
        let third = batch.fill(9).to_vec();
        assert_eq!(third.len(), 3 * 30, "a batch never grows");
        assert_eq!(shape.check(&deliver(&third[..30], "1")), Some((7, 2)));
    }

    #[test]
    fn a_header_frame_states_both_sizes() {
        let mut batch = Batch::new(&fixed(16, true), 0, 1).expect("batch");
        let frame = batch.fill(1).to_vec();
        assert!(frame.starts_with(b"HPUB b.0 40 56\r\nNATS/1.0\r\n"));
        assert_eq!(frame.len(), "HPUB b.0 40 56\r\n".len() + 56 + 2);
        let shape = Shape::new(&fixed(16, true), Sid::One).expect("shape");
        assert_eq!(shape.check(&deliver(&frame, "1")), Some((0, 0)));
    }

    #[test]
    fn grid_subjects_vary_and_stay_in_range() {
        let mut batch = Batch::new(&grid(), 1, 64 * 1024).expect("batch");
        let frames = batch.capacity();
        let stride = batch.fill(frames).len() / frames;
        let bytes = batch.fill(frames).to_vec();
        let mut seen = std::collections::BTreeSet::new();
        let one = Shape::new(&grid(), Sid::One).expect("shape");
        for (index, frame) in bytes.chunks(stride).enumerate() {
            let subject = std::str::from_utf8(&frame[4..13]).expect("text");
            let row: u32 = subject[2..5].parse().expect("row");
            assert!(row < 500, "{subject}");
            assert_eq!(
                one.check(&deliver(frame, "1")),
                Some((1, (frames + index) as u64))
            );
            seen.insert(subject.to_owned());
        }
        assert!(
            seen.len() > frames * 9 / 10,
            "only {} of {frames} differ",
            seen.len()
        );
    }

    #[test]
    fn a_grid_delivery_must_come_by_the_right_subscription() {
        let mut batch = Batch::new(&grid(), 0, 1).expect("batch");
        let frame = batch.fill(1).to_vec();
        let (row, col) = (
            std::str::from_utf8(&frame[6..9]).expect("row"),
            std::str::from_utf8(&frame[10..13]).expect("col"),
        );
        let per_row = Shape::new(&grid(), Sid::PerRow).expect("shape");
        let per_cell = Shape::new(&grid(), Sid::PerCell).expect("shape");
        assert!(
            per_row
                .check(&deliver(&frame, &format!("1{row}")))
                .is_some()
        );
        assert!(
            per_cell
                .check(&deliver(&frame, &format!("1{row}{col}")))
                .is_some()
        );
        assert_eq!(per_row.check(&deliver(&frame, "1999")), None);
        assert_eq!(
            per_cell.check(&deliver(&frame, &format!("1{row}999"))),
            None
        );
    }

    #[test]
    fn any_changed_protocol_byte_is_noticed() {
        for (what, sid) in [
            (fixed(16, false), "1"),
            (fixed(128, true), "1"),
            (grid(), "1"),
        ] {
            let mut batch = Batch::new(&what, 0, 1).expect("batch");
            let shape = Shape::new(&what, Sid::One).expect("shape");
            let frame = deliver(batch.fill(1), sid);
            assert_eq!(frame.len(), shape.len());
            assert!(shape.check(&frame).is_some());
            for at in (0..shape.payload_at).chain(shape.len - 2..shape.len) {
                let mut broken = frame.clone();
                broken[at] ^= 1;
                assert_eq!(shape.check(&broken), None, "byte {at} of {what:?}");
            }
            assert_eq!(shape.check(&frame[..frame.len() - 1]), None);
        }
    }

    #[test]
    fn time_stamps_survive_the_delivery() {
        let mut batch = Batch::new(&fixed(128, false), 0, 1000).expect("batch");
        let shape = Shape::new(&fixed(128, false), Sid::One).expect("shape");
        let bytes = batch.fill_stamped(2, |index| 1_000 + index).to_vec();
        let second = deliver(&bytes[bytes.len() / 2..], "1");
        assert_eq!(
            (shape.check(&second), shape.stamp(&second)),
            (Some((0, 1)), Some(1_001))
        );
    }

    #[test]
    fn a_payload_too_small_for_its_numbers_is_refused() {
        assert!(Batch::new(&fixed(15, false), 0, 100).is_err());
        let subject = Subject::Grid {
            prefix: "g",
            rows: 1,
            cols: 1,
        };
        assert!(
            Batch::new(
                &Publication {
                    subject,
                    payload: 17,
                    header: false
                },
                0,
                1
            )
            .is_err()
        );
    }
}

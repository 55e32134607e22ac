//! Counts and verifies the deliveries on one subscriber connection.
//!
//! Bytes go in as they are read, at any boundaries; every delivery must have exactly the expected
//! [`Shape`], and its sequence number must continue its publisher's (or, for a member of a queue
//! group, be higher than the one before). PING, PONG, INFO and errors between messages are
//! recognised. Invariant: `count` is the number of whole, verified deliveries. Absent: sockets;
//! the caller answers PINGs and decides when everything has arrived.

use crate::failure::{Failure, Result};
use crate::frame::Shape;

/// How the sequence numbers of one publisher must follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Every message arrives: each number is the one before plus one.
    Complete,
    /// Other members of a queue group get some: each number is higher than the one before.
    Share,
}

/// The state of one subscriber connection.
pub(crate) struct Checker {
    shape: Shape,
    order: Order,
    /// Lowest sequence number acceptable next, by publisher.
    next: Vec<u64>,
    count: u64,
    /// Wrapping sum of all sequence numbers, to prove that the shares of a group are the whole.
    sum: u64,
    pongs: u64,
    pings: u64,
}

impl Checker {
    /// Expects deliveries of `shape` from publishers numbered below `publishers`.
    pub(crate) fn new(shape: Shape, order: Order, publishers: usize) -> Self {
        Self {
            shape,
            order,
            next: vec![0; publishers],
            count: 0,
            sum: 0,
            pongs: 0,
            pings: 0,
        }
    }

    /// How sequence numbers must follow each other here.
    pub(crate) fn order(&self) -> Order {
        self.order
    }

    /// Verified deliveries so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Wrapping sum of the sequence numbers so far.
    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    /// PONGs received so far.
    pub(crate) fn pongs(&self) -> u64 {
        self.pongs
    }

    /// The number of PINGs to be answered, which is then zero again.
    pub(crate) fn take_pings(&mut self) -> u64 {
        std::mem::take(&mut self.pings)
    }

    /// The longest part of a message that can be left over from one read to the next.
    pub(crate) fn longest_rest(&self) -> usize {
        self.shape.len().max(MAX_CONTROL)
    }

    /// Bytes of one message.
    pub(crate) fn message_len(&self) -> usize {
        self.shape.len()
    }

    /// Verifies all whole messages in `bytes` and returns how many bytes they took; the rest must
    /// be handed in again, with more behind it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<usize> {
        self.feed_with(bytes, |_, _| {})
    }

    /// [`Checker::feed`] that also shows each delivery to `each`.
    #[inline]
    pub(crate) fn feed_with(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&Shape, &[u8]),
    ) -> Result<usize> {
        let len = self.shape.len();
        let mut rest = bytes;
        loop {
            while let Some((frame, behind)) = rest.split_at_checked(len) {
                let Some((publisher, sequence)) = self.shape.check(frame) else {
                    break;
                };
                let next = self.next.get_mut(publisher as usize).ok_or_else(|| {
                    Failure::new(format!(
                        "a message of unknown publisher {publisher} arrived"
                    ))
                })?;
                let follows = match self.order {
                    Order::Complete => sequence == *next,
                    Order::Share => sequence >= *next,
                };
                if !follows {
                    return Err(wrong_order(publisher, *next, sequence));
                }
                *next = sequence + 1;
                self.count += 1;
                self.sum = self.sum.wrapping_add(sequence);
                each(&self.shape, frame);
                rest = behind;
            }
            match self.control(rest)? {
                0 => return Ok(bytes.len() - rest.len()),
                taken => rest = &rest[taken..],
            }
        }
    }

    /// Takes one control line from the front; returns its length, or 0 if more bytes are needed.
    fn control(&mut self, bytes: &[u8]) -> Result<usize> {
        let message = matches!(bytes.first(), Some(b'M' | b'H'));
        if bytes.is_empty() || (message && bytes.len() < self.shape.len()) {
            return Ok(0);
        }
        if message {
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]);
            return Err(Failure::new(format!(
                "after {} messages: {shown:?}",
                self.count
            )));
        }
        let Some(end) = bytes
            .iter()
            .take(MAX_CONTROL)
            .position(|byte| *byte == b'\n')
        else {
            if bytes.len() >= MAX_CONTROL {
                return Err(Failure::new("an endless protocol line arrived"));
            }
            return Ok(0);
        };
        match &bytes[..end + 1] {
            b"PING\r\n" => self.pings += 1,
            b"PONG\r\n" => self.pongs += 1,
            line if line.starts_with(b"INFO ") => {}
            line => {
                let shown = String::from_utf8_lossy(line);
                return Err(Failure::new(format!(
                    "the server sent {:?}",
                    shown.trim_end()
                )));
            }
        }
        Ok(end + 1)
    }
}

/// Longest control line accepted between messages.
const MAX_CONTROL: usize = 32 * 1024;

fn wrong_order(publisher: u32, wanted: u64, got: u64) -> Failure {
    Failure::new(format!(
        "publisher {publisher}: message {got} arrived where {wanted} was due (lost, repeated or \
         out of order)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Batch, Publication, Sid, Subject};

    fn what() -> Publication {
        Publication {
            subject: Subject::Fixed("b".into()),
            payload: 16,
            header: false,
        }
    }

    fn checker(order: Order) -> Checker {
        Checker::new(Shape::new(&what(), Sid::One).expect("shape"), order, 2)
    }

    /// Deliveries with the given sequence numbers.
    fn deliveries(publisher: u32, sequences: &[u64]) -> Vec<u8> {
        let last = sequences.iter().max().map_or(0, |max| max + 1);
        let mut batch = Batch::new(&what(), publisher, 1).expect("batch");
        let frames: Vec<Vec<u8>> = (0..last)
            .map(|_| [b"MSG b 1 16\r\n", &batch.fill(1)[b"PUB b 16\r\n".len()..]].concat())
            .collect();
        sequences
            .iter()
            .flat_map(|at| frames[*at as usize].clone())
            .collect()
    }

    #[test]
    fn deliveries_split_at_any_byte_are_counted_once() {
        let mut bytes = deliveries(0, &[0, 1]);
        bytes.extend(b"PING\r\n");
        bytes.extend(deliveries(1, &[0]));
        bytes.extend(b"INFO {\"x\":1}\r\nPONG\r\n");
        for cut in 0..=bytes.len() {
            let mut checker = checker(Order::Complete);
            let taken = checker.feed(&bytes[..cut]).expect("first part");
            assert!(cut - taken < checker.longest_rest());
            assert_eq!(
                checker.feed(&bytes[taken..]).expect("the rest"),
                bytes.len() - taken
            );
            let result = (checker.count(), checker.take_pings(), checker.pongs());
            assert_eq!(result, (3, 1, 1), "cut at {cut}");
        }
    }

    #[test]
    fn lost_repeated_and_reordered_messages_are_errors() {
        for wrong in [&[0, 2][..], &[0, 0], &[1, 0], &[1]] {
            let result = checker(Order::Complete).feed(&deliveries(0, wrong));
            assert!(result.is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn a_share_may_skip_but_not_go_back() {
        let mut share = checker(Order::Share);
        share.feed(&deliveries(0, &[1, 4, 9])).expect("a share");
        assert_eq!((share.count(), share.sum()), (3, 14));
        assert!(share.feed(&deliveries(0, &[9])).is_err());
    }

    #[test]
    fn errors_of_the_server_are_shown() {
        let error = checker(Order::Complete).feed(b"-ERR 'Slow Consumer'\r\n");
        assert_eq!(
            error.expect_err("an error").to_string(),
            "the server sent \"-ERR 'Slow Consumer'\""
        );
        let foreign = [b"MSG c 1 16\r\n".as_slice(), &[b'x'; 40]].concat();
        assert!(checker(Order::Complete).feed(&foreign).is_err());
        assert!(checker(Order::Complete).feed(&deliveries(2, &[0])).is_err());
    }
}

//! Where a group's messages go.

use cognate_consumer::DeadLetter;
use cognate_stream::{BatchKind, Traced};

use crate::interest::Place;
use crate::notice::Notice;

/// A message that a group sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// The subject it is routed to.
    pub to: &'a [u8],
    /// The subject it is shown under.
    pub subject: &'a [u8],
    /// Where answers go; empty for nowhere.
    pub reply: &'a [u8],
    /// The header block; empty if there is none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Outgoing<'a> {
    /// A message without reply that is shown under the subject it is routed to.
    #[must_use]
    pub fn to(to: &'a [u8], headers: &'a [u8], payload: &'a [u8]) -> Self {
        Outgoing {
            to,
            subject: to,
            reply: &[],
            headers,
            payload,
        }
    }
}

/// A publish whose way is told, as the sid of its frame says it: `P.t<ticket>`, or `P.o<ticket>` if it
/// is only to be traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedFrame {
    /// By which the outcome is told apart.
    pub ticket: u64,
    /// It is checked and not stored.
    pub only: bool,
}

impl TracedFrame {
    /// What a sid says behind its first letter.
    #[must_use]
    pub fn parse(rest: &[u8]) -> Option<Self> {
        let (only, digits) = match rest {
            [b'.', b't', digits @ ..] => (false, digits),
            [b'.', b'o', digits @ ..] => (true, digits),
            _ => return None,
        };
        let ticket = str::from_utf8(digits).ok()?.parse().ok()?;
        Some(TracedFrame { ticket, only })
    }

    /// The end of the sid that says it.
    #[must_use]
    pub fn suffix(self) -> String {
        let mark = if self.only { 'o' } else { 't' };
        format!(".{mark}{}", self.ticket)
    }
}

/// What a group asks of the server while it is stepped.
pub trait Outlet {
    /// Sends a message to everybody who wants it; returns whether somebody does.
    fn publish(&mut self, message: &Outgoing<'_>) -> bool;

    /// Whether anybody would get a message to `subject` now; with `queue`, whether a member of that
    /// queue group would.
    fn has_interest(&mut self, subject: &[u8], queue: Option<&[u8]>) -> bool;

    /// A consumer's dead letter is to be stored; [`Group::dead_letter_stored`](crate::Group) is told
    /// when it is.
    fn dead_letter(&mut self, place: Place, letter: &DeadLetter<'_>);

    /// Takes one of the server's places for batches in progress; false if there is none.
    fn begin_batch(&mut self, kind: BatchKind) -> bool;

    /// Gives back what [`begin_batch`](Self::begin_batch) took.
    fn end_batch(&mut self, kind: BatchKind);

    /// Something happened that operators may want to know.
    fn notice(&mut self, notice: Notice);

    /// The stream has made this of a message whose way is told; see [`TracedFrame`].
    fn traced(&mut self, ticket: u64, outcome: Traced) {
        let _ = (ticket, outcome);
    }
}

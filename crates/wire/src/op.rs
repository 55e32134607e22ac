//! What the client parser yields: borrowed operations and its three outcomes.
//!
//! Every slice points into the caller's buffer, so an operation lives no
//! longer than one step of the read loop. Called by `session`. Absent: owned
//! copies, and any judgement of subjects or credentials.

use crate::Fault;

/// The bounds that apply to a connection at this moment.
///
/// They may change between calls: CONNECT negotiates headers, and an account
/// or a reload may lower `max_payload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest text after the verb of a control line, in bytes, without its
    /// line end (`max_control_line`, 4096 by default).
    pub max_control_line: usize,
    /// Largest header block plus body of one message, in bytes;
    /// `usize::MAX` when unlimited.
    pub max_payload: usize,
    /// Whether this connection negotiated headers: both the server offers
    /// them and CONNECT asked for them. Without it HPUB is a fault.
    pub headers: bool,
}

impl Default for Limits {
    /// NATS's defaults before CONNECT: 4096 bytes of control line, 1 MiB of
    /// payload, no headers.
    fn default() -> Self {
        Limits {
            max_control_line: 4096,
            max_payload: 1024 * 1024,
            headers: false,
        }
    }
}

/// One operation sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientOp<'a> {
    /// `CONNECT {json}`: the raw text, see [`crate::ConnectOptions`].
    Connect(&'a [u8]),
    /// `PUB` or `HPUB` with its whole payload.
    Pub(Publish<'a>),
    /// `SUB <subject> [queue] <sid>`.
    Sub {
        /// The filter, unchecked.
        subject: &'a [u8],
        /// The queue group, when one was named.
        queue: Option<&'a [u8]>,
        /// The client's own name of the subscription: any token.
        sid: &'a [u8],
    },
    /// `UNSUB <sid> [max]`.
    Unsub {
        /// Which subscription.
        sid: &'a [u8],
        /// The number of deliveries after which it ends. `Some(-1)` when the
        /// text was no number of at most nine digits, which the protocol
        /// treats as "now", like 0 and like `None`.
        max: Option<i64>,
    },
    /// `PING`; whatever follows on the line is ignored.
    Ping,
    /// `PONG`; whatever follows on the line is ignored.
    Pong,
    /// `INFO {json}`, which servers send each other; from a client it must be
    /// a JSON object and is otherwise ignored.
    Info(&'a [u8]),
    /// `+OK`; ignored.
    Ok,
    /// `-ERR <text>`: the client gives up; the server closes the connection
    /// with [`crate::CloseReason::ParseError`].
    Err(&'a [u8]),
}

/// A message as its publisher framed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The subject, unchecked.
    pub subject: &'a [u8],
    /// The reply subject, when given, unchecked.
    pub reply: Option<&'a [u8]>,
    /// Length of the header block at the start of `payload`, never more than
    /// `payload.len()`. `None` for PUB, and for HPUB with a header size of 0,
    /// which is the same message and is delivered as MSG; so never `Some(0)`.
    pub header_len: Option<usize>,
    /// Header block (if `header_len` is given) and body, without the closing CRLF.
    pub payload: &'a [u8],
    /// The bytes from the reply (or, without one, from the first size) to the
    /// end of the frame including the last CRLF, if they are written
    /// canonically: single spaces, CRLF, no leading zeros. Then
    /// `MSG <subject> <sid> ` + `tail` (`HMSG` when `header_len` is given) is
    /// the delivery frame. `None` otherwise.
    pub tail: Option<&'a [u8]>,
}

/// The outcome of looking at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A whole operation.
    Op {
        /// The operation, borrowed from the buffer.
        op: ClientOp<'a>,
        /// The bytes it took from the start of the buffer (never 0).
        len: usize,
    },
    /// Not a whole frame yet.
    Incomplete {
        /// The length of the whole frame if its control line is complete (a
        /// PUB or HPUB waiting for its payload), so that the reader can size
        /// its buffer; at most `max_payload` plus the control line plus two.
        total: Option<usize>,
    },
    /// The client broke the protocol; the connection must be closed.
    Fault(Fault),
}

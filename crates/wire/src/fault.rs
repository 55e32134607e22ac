//! How a client can break the protocol, and what it is told.
//!
//! The one place that maps a fault of the parser to the `-ERR` text and to the
//! reason in connz. Every fault closes the connection. Called by `session`.
//! Absent: refusals that leave the connection open (permissions, subjects);
//! their texts are in [`crate::error_text`].

use std::fmt;

use crate::{CloseReason, error_text};

/// A violation of the client protocol, found by [`crate::parse_client`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A byte that no client operation can have at this place: an unknown
    /// verb, an empty line, leading blanks, or a verb that only servers use.
    UnknownOperation,
    /// The text after a verb exceeds `max_control_line`.
    MaxControlLine,
    /// A message announces more bytes than `max_payload`.
    MaxPayload {
        /// The announced size of header block and body.
        size: usize,
    },
    /// HPUB on a connection that did not negotiate headers.
    HeadersNotSupported,
    /// Too few or too many arguments, or a stray CR among those of PUB/HPUB.
    BadArguments {
        /// The verb in upper case.
        verb: &'static str,
    },
    /// The size of PUB or the total size of HPUB is not 1–9 digits.
    BadSize,
    /// The header size of HPUB is not 1–9 digits.
    BadHeaderSize,
    /// HPUB announces a header block larger than the whole.
    HeaderLargerThanTotal,
    /// The payload is not followed by CR LF.
    PayloadNotTerminated,
}

impl Fault {
    /// The text of the `-ERR` frame, or `None` where the server closes
    /// without one: for malformed arguments nats-server 2.14.5 only logs.
    pub fn error_text(&self) -> Option<&'static str> {
        match self {
            Fault::UnknownOperation | Fault::PayloadNotTerminated => {
                Some(error_text::UNKNOWN_OPERATION)
            }
            Fault::MaxControlLine => Some(error_text::MAX_CONTROL_LINE),
            Fault::MaxPayload { .. } => Some(error_text::MAX_PAYLOAD),
            Fault::HeadersNotSupported
            | Fault::BadArguments { .. }
            | Fault::BadSize
            | Fault::BadHeaderSize
            | Fault::HeaderLargerThanTotal => None,
        }
    }

    /// The reason shown in connz and in disconnect events.
    pub fn close_reason(&self) -> CloseReason {
        match self {
            Fault::MaxControlLine => CloseReason::MaxControlLineExceeded,
            Fault::MaxPayload { .. } => CloseReason::MaxPayloadExceeded,
            Fault::UnknownOperation
            | Fault::PayloadNotTerminated
            | Fault::HeadersNotSupported
            | Fault::BadArguments { .. }
            | Fault::BadSize
            | Fault::BadHeaderSize
            | Fault::HeaderLargerThanTotal => CloseReason::ProtocolViolation,
        }
    }
}

impl fmt::Display for Fault {
    /// The text for the log, which says more than the client is told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::UnknownOperation => f.write_str("unknown protocol operation"),
            Fault::MaxControlLine => f.write_str("maximum control line exceeded"),
            Fault::MaxPayload { size } => write!(f, "maximum payload exceeded: {size} bytes"),
            Fault::HeadersNotSupported => f.write_str("message headers not supported"),
            Fault::BadArguments { verb } => write!(f, "{verb}: wrong number or form of arguments"),
            Fault::BadSize => f.write_str("payload size is not a number of 1 to 9 digits"),
            Fault::BadHeaderSize => f.write_str("header size is not a number of 1 to 9 digits"),
            Fault::HeaderLargerThanTotal => f.write_str("header size exceeds the total size"),
            Fault::PayloadNotTerminated => f.write_str("payload is not followed by CR LF"),
        }
    }
}

impl std::error::Error for Fault {}

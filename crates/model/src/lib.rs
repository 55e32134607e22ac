//! The vocabulary of JetStream.
//!
//! Owns what the parts of JetStream say to each other: checked stream and consumer configurations,
//! names, times, API errors, and the seam between a stream and the place its messages are kept
//! ([`MessageStore`]). A value of a type from here is valid: raw input becomes one at the boundary.
//!
//! Absent: behaviour. Nothing here decides, stores or sends; no I/O, clock or randomness.

mod message;
mod store;
mod time;

pub use message::{Deadline, DeadlineKind, Message, NewMessage, Sequence};
pub use store::{
    DamagedRange, MessageStore, Removed, StoreError, StoreState, SubjectState, WriteMark,
};
pub use time::Timestamp;

//! The consumer: which message is delivered next, and what became of it.
//!
//! A state machine without I/O and clock. Calls tell it what happened ([`Consumer::handle_pull`],
//! [`Consumer::handle_ack`], [`Consumer::note_stored`], …); [`Consumer::poll_deliver`] then delivers,
//! and [`Consumer::next_timeout`] says when time alone is a reason to call. Effects go to a
//! [`ConsumerHost`] in the order in which they are to happen. Messages are read through
//! [`cognate_model::MessageStore`].
//!
//! Invariants: the same calls give the same effects; what was told to be journalled, applied to the
//! last snapshot, gives the same consumer; nothing from a client panics, and everything a client can
//! make grow has a bound in the configuration.
//!
//! Called by the group that owns a stream. Absent: the stream, its other consumers, JSON but that of
//! pull requests and of delays, and where anything is kept.

mod ack;
mod ack_kind;
mod ack_subject;
mod activity;
mod admin;
mod binary;
mod consumer;
mod dead_letter;
mod decorate;
mod deliver;
mod flow_control;
mod go_duration;
mod host;
mod info;
mod journal;
mod ledger;
mod notes;
mod pace;
mod pending;
mod pin;
mod progress;
mod pull;
mod pull_queue;
mod pull_request;
mod push;
mod random;
mod redelivery;
mod selection;
mod settings;
mod snapshot;
mod start;
mod status;
mod timeout;

pub use ack_subject::{Delivery, split_ack_subject};
pub use admin::ResetError;
pub use consumer::{Consumer, Identity, Recovered};
pub use go_duration::parse as parse_go_duration;
pub use host::{Advisory, ConsumerHost, DeadLetter, Turn};
pub use info::{ConsumerState, GroupState};
pub use ledger::Position;
pub use notes::Removal;
pub use progress::{PendingMessage, Progress};
pub use settings::{DEAD_LETTER_SUBJECT, unsupported};
pub use start::Beginning;

//! Crash rounds: a real server is killed with `kill -9` under load, started again on the same store
//! and compared with what an independent model says may, must and must not be there.
//!
//! A [`world`] is one store directory with a handful of [`load`]s, each on a stream and a connection
//! of its own, so that each knows exactly what it did and what was confirmed. A *round* is one kill
//! and one start; some rounds also damage one file of the store in between ([`damage`]). Everything
//! that is decided is decided by a seed: which loads, their operations, the moment of the kill
//! (after so many frames sent and answers read, [`fuse`]), the damage. What a real process does in
//! between is not, so a seed finds the same neighbourhood again, not the same instruction.
//!
//! The seed also decides whether all is encrypted, and which streams are compressed ([`form`]).
//!
//! Invariants: the model is fed by answers of the server only (a publish without PubAck may or may
//! not be stored); nothing here knows how the server stores anything, except that a payload stands
//! somewhere in a file as it was sent, which is how [`damage`] tells which messages lay under it. (Of
//! one that is encrypted it is only known which stream's files it is in.)
//!
//! Absent: power loss (a killed process leaves the page cache intact; the store's own simulated disk
//! covers what was not synced), full disks, and clients of any library.

pub mod damage;
pub mod form;
pub mod fuse;
pub mod ledger;
pub mod link;
pub mod load;
pub mod rng;
pub mod world;

/// Why a load stopped.
#[derive(Debug)]
pub enum Stop {
    /// The server is gone, which the round wants.
    Gone,
    /// The server did something wrong: what was expected, what came.
    Wrong(String),
}

/// What a load does returns: a value, or why it stopped.
pub type Run<T> = Result<T, Stop>;

/// A finding.
///
/// # Errors
/// Always.
pub fn wrong<T>(text: impl Into<String>) -> Run<T> {
    Err(Stop::Wrong(text.into()))
}

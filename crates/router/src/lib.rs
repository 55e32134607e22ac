//! Interest, queue groups, the match cache and subject mappings of one account, and the names that
//! imported subjects have in two.
//!
//! Owns who wants which subject ([`Interest`]), what a publish to a subject reaches ([`Matched`]),
//! a bounded memory of recent answers ([`MatchCache`]), the rewriting of published subjects
//! ([`Mappings`]) and of imported ones ([`Renaming`]). Everything is generic over `D`, the destination a subscription delivers to.
//!
//! Invariants: a cached answer is used only while no subscription that could change it came or
//! went ([`Generations`]); every cache is bounded.
//!
//! Absent: sockets, locks, clocks and randomness (a caller brings its own lock and random
//! numbers), connections, JetStream. The server's data path is the caller.

mod cache;
mod generation;
mod interest;
mod mapping;
mod matched;
mod renaming;
mod subscription;

pub use cache::{CacheStats, MatchCache, Slot};
pub use generation::{Buckets, Generations};
pub use interest::Interest;
pub use mapping::{Mapped, Mappings};
pub use matched::{Group, Matched};
pub use renaming::{Renaming, intersection};
pub use subscription::{Gate, Permit, Subscription, SubscriptionSpec, Tie};

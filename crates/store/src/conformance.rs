//! What every message store must do, as tests that take the store as an argument.
//!
//! Owns scripted cases, seeded random sequences of operations, and the naive model that both are
//! compared with: a sorted map of messages, and definitions read straight off the trait. A store
//! passes if after each step the cheap answers, and now and then all answers, are those of the
//! model. Times never go back here: what a store makes of a clock that does is its own matter.
//!
//! Called by the tests of each store (feature `testing` for those of other crates). Absent: faults,
//! crashes and durability, which differ from store to store.

mod model;
mod pair;
mod random;
mod scripts;

use cognate_model::MessageStore;

pub use self::random::{Shape, random};
pub use self::scripts::scripted;

/// Where stores under test come from.
pub trait Source {
    /// The kind of store.
    type Store: MessageStore;

    /// A new, empty store whose next sequence is 1.
    fn make(&mut self) -> Self::Store;

    /// What a restart leaves of `store`: all of it, for the suite never asks for a crash. A store
    /// that knows no restart is returned as it is.
    fn reopen(&mut self, store: Self::Store) -> Self::Store;

    /// Called now and then: the place to write, sync or compact. Nothing visible may change.
    fn settle(&mut self, store: &mut Self::Store) {
        let _ = store;
    }
}

/// Runs everything: the scripts, and `rounds` random sequences of each shape from `seed` on.
///
/// # Panics
/// If the store does not do what the model does; the message tells the seed to replay.
pub fn check<S: Source>(source: &mut S, seed: u64, rounds: u64) {
    scripted(source);
    for round in 0..rounds {
        for shape in Shape::ALL {
            random(source, shape, seed + round, 3000);
        }
    }
}

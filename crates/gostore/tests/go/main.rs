//! What nats-server 2.14.5 wrote is read as it would read it, and damage costs what it hits.
//!
//! `fixtures/README.md` says how the fixtures were made.

#![allow(
    clippy::disallowed_methods,
    reason = "the crate is given contents, and its tests read them from fixtures"
)]

mod damage;
mod fixtures;
mod round_trip;
mod whole;

//! A stream and its consumers, stepped as one.
//!
//! A [`Group`] is what a server hands the messages of a stream's inbox to, and what sends its
//! answers and deliveries. It composes the cores that do not know each other: the stream decides
//! what is stored, the store keeps it, consumers decide what is delivered, a journal remembers how
//! far they are.
//!
//! ```text
//! frames ─▶ stream ─▶ store ─┐                        ┌─▶ acknowledgements, republished messages
//!    │                       ├─▶ flush ─▶ sync ─▶ release
//!    └───▶ consumers ─▶ journal                       └─▶ consumers see what was stored ─▶ deliveries
//! ```
//!
//! Invariants: nothing leaves, and no consumer sees a message, before the changes it follows from
//! are durable (as the sync policy says); effects leave in the order in which they came; one owner
//! steps a group at a time.
//!
//! Absent: sockets, files, clocks, tasks (the server), accounts, the JSON of requests.

mod admin;
mod any_store;
mod effects;
mod frames;
mod freeze;
mod gather;
mod group;
mod hosts;
mod interest;
mod journal;
mod members;
mod notice;
mod origins;
mod outlet;
mod retention;
mod scrub;
mod sync;

pub use admin::{GroupPurge, MemberRecovery};
pub use cognate_stream::Traced;
pub use effects::Ticket;
pub use frames::kind;
pub use freeze::{FrozenGroup, journal_snapshot};
pub use group::{Group, Room, Specification};
pub use interest::Place;
pub use members::MemberSpec;
pub use notice::{Event, Notice};
pub use origins::{OriginState, Wish};
pub use outlet::{Outgoing, Outlet, TracedFrame};
pub use scrub::VERIFY_EVERY;
pub use sync::{Finished, Policy, SyncWork};

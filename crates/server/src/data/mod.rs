//! The data path: from a client's bytes to the sockets of those who want them.
//!
//! ```text
//! bytes ─▶ Session (checks) ─▶ Pass (match, stage) ─▶ Stages ─▶ Outbound of each destination
//! ```
//!
//! One pass works through everything a read returned while it holds one [`Worker`]; it never
//! waits. Absent: tasks, timers and sockets (the connection's task, `crate::client`, brings them).

mod account;
mod accounts;
mod backlog;
mod connection;
mod crossing;
mod delivery;
mod gate;
mod gathered;
mod journey;
mod measure;
mod outbound;
#[cfg(test)]
mod outbound_model;
mod outlet;
mod pass;
mod passage;
mod queue;
mod shadows;
mod sink;
mod stage;
mod tracing;
mod unison;
mod worker;

/// The lock of [`outbound`]; its model check compiles that file beside another one.
mod sync {
    pub(super) use parking_lot::Mutex;
}

pub(crate) use account::{Account, GLOBAL};
pub(crate) use accounts::{Accounts, Configured};
pub(crate) use backlog::{Backlog, Blocks};
pub(crate) use connection::{Birth, Connection, Control, Refuser, Slots, TlsDetail, Via};
pub(crate) use delivery::{Asks, Watch};
pub(crate) use gate::gated;
pub(crate) use measure::{Fate, Measured};
pub(crate) use outbound::{Outbound, Pending, Relief};
pub(crate) use outlet::{Outgoing, Outlet};
pub(crate) use pass::{Door, Outcome, Pass};
pub(crate) use passage::Open;
pub(crate) use queue::Totals;
pub(crate) use sink::Sink;
pub(crate) use stage::Pressure;
pub(crate) use tracing::{Taken, Trace, TraceRoom};
pub(crate) use worker::{Borrowed, READ_BYTES, Worker, Workers};

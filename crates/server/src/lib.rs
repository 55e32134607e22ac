//! A NATS server, as a library and as the `nats-server` binary.
//!
//! This crate drives the pure cores: it owns the sockets, TLS, the clock, tasks, files and
//! monitoring, and hands every decision about the protocol to `cognate-session`, about interest
//! to `cognate-router`, about identity to `cognate-auth`. [`Server`] is the front door.
//!
//! Invariant: no global state; several servers live in one process. Absent: command-line parsing
//! and signals (the binary), the grammar of configuration files (`cognate-config`).

mod builder;
mod client;
mod client_info;
mod convert;
mod data;
mod ids;
mod info;
mod jetstream;
mod listen;
mod local;
mod monitoring;
mod ocsp;
mod operator;
mod random;
mod registry;
mod reload;
mod reload_requests;
mod replies;
mod server;
mod shared;
mod system;
mod watching;

pub use builder::{Builder, StartError, check};
pub use jetstream::import_store;
pub use local::{LocalClient, LocalError, LocalLogin, LocalMessage, LocalSubscription};
pub use reload::ReloadFailure;
pub use reload_requests::ReloadRequest;
pub use server::Server;
pub use shared::{COGNATE_VERSION, COMPATIBLE_VERSION};

/// Compiles and runs the sample of the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

//! The commands, a module each, and what several of them share.
//!
//! A module has `<Name>Args`, which clap reads, with `run(self, app: &App) -> Result<()>`. A command
//! with sub-commands has an enum in its `mod.rs` and a file per sub-command.

pub(crate) mod absent;
pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod bench;
pub(crate) mod cheat;
pub(crate) mod completion;
pub(crate) mod consumer;
pub(crate) mod context;
pub(crate) mod counter;
pub(crate) mod dashboard;
pub(crate) mod errors;
pub(crate) mod events;
pub(crate) mod kv;
pub(crate) mod latency;
pub(crate) mod man;
pub(crate) mod object;
pub(crate) mod publish;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod rtt;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod shared;
pub(crate) mod stream;
pub(crate) mod subscribe;
pub(crate) mod top;
pub(crate) mod trace;

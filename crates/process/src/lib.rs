//! Logging and process manners of a NATS server: the log and its sinks, signals (received and
//! sent), the pid and ports files, service-manager notification, and the process's own figures.
//!
//! Invariants: no global state, so several servers in one process each hold their own
//! [`Logger`]; nothing here may panic or block for ever on what a disk, a terminal or a peer
//! does. The server library and its binary call it. Absent: any knowledge of the protocol, of
//! configuration files and of which events are worth a log line.

pub mod interfaces;
pub mod log;
mod memory;
pub mod notify;
pub mod pid_file;
pub mod ports_file;
pub mod redact;
pub mod residency;
pub mod signal_command;
pub mod signals;
pub mod text;
pub mod usage;

pub use log::{Level, LogError, LogOptions, LogRecord, LogTarget, Logger};

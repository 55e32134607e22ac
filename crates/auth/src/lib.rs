//! Who may connect, and what they may do once connected.
//!
//! This crate owns the four questions of basic NATS security: is this signature good
//! ([`nkey`]), is this password good ([`password`]), which configured user is this connection
//! ([`users`], with [`tls`] for certificates), and may that user publish or subscribe here
//! ([`permissions`]).
//!
//! It is pure: time and random bytes are arguments, nothing blocks except
//! [`password::BcryptJob::run`], which says so, and nothing here knows sockets, files, tasks or
//! the CONNECT wire format. The session asks; the driver runs what is slow.
//!
//! Absent: accounts beyond their name, JWT, auth callout and trusted proxies.

pub mod nkey;
pub mod password;
pub mod permissions;
pub mod tls;
pub mod users;

//! Who may connect, and what they may do once connected.
//!
//! This crate owns the questions of NATS security. Is this signature good ([`nkey`]), or this
//! password ([`password`])? Which configured user is this connection ([`users`], with [`tls`] for
//! certificates and [`proxy`] for what stands in front)? What does this token say ([`jwt`]), does
//! it lead to a trusted operator and into which account ([`trust`]), or does a service decide
//! ([`callout`])? What is an account ([`account_spec`])? And may that user publish or subscribe
//! here ([`permissions`])? Where failures come from too often ([`source_limit`]) nobody is asked at
//! all.
//!
//! It is pure: time and random bytes are arguments, nothing blocks except
//! [`password::BcryptJob::run`], which says so, and nothing here knows sockets, files, tasks or
//! the CONNECT wire format. The session asks; the driver fetches, stores, waits, and runs what is
//! slow.
//!
//! Absent: routing between accounts, which is the router's, and resolvers, which are the driver's.

pub mod account_spec;
pub mod callout;
pub mod creds;
pub mod jwt;
pub mod nkey;
pub mod password;
pub mod permissions;
pub mod proxy;
pub mod source_limit;
pub mod source_net;
pub mod template;
pub mod time_window;
pub mod tls;
pub mod trust;
pub mod users;

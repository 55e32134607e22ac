//! The consumer as its driver sees it: scripts of events with all their effects, and properties.

mod ack;
mod priority;
mod pull;
mod push;
mod restart;
mod script;
mod start;
mod store;
mod world;

//! Monitoring over real HTTP on loopback, with a server made of fixed facts behind the seam.
//!
//! What documents must contain was read off nats-server 2.14.5.

mod connz;
mod documents;
mod hostile;
mod jetstream;
mod metrics;
mod subsz;
mod support;
mod tls;

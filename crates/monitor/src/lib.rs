//! Monitoring of a NATS server over HTTP: JSON documents in the shape of nats-server 2.14.5, a
//! health probe, and metrics for Prometheus.
//!
//! A server implements [`Monitored`] and hands a listener to [`serve`]; everything else is here.
//! Invariants: what a client of monitoring sends, or fails to read, is bounded in memory, time
//! and work ([`limits`]) and never slows the server; no document carries a password or a token.
//! The same documents answer
//! requests over NATS ([`Documents`]). Absent: the server's own state, signals and configuration.

mod answer;
mod body;
mod documents;
pub mod facts;
pub mod limits;
pub mod query;
mod request;
mod routes;
mod server;

pub use documents::connections::Sort;
pub use documents::connz::{ConnzRequest, State};
pub use documents::healthz::HealthzRequest;
pub use documents::jsz::JszRequest;
pub use documents::subsz::SubszRequest;
pub use facts::{
    AccountDetail, AccountFacts, ClosedSubscription, ConnectionFacts, Counts, ExportFacts, Finding,
    Health, ImportFacts, JetStream, JetStreamAccount, JetStreamConfig, JetStreamFacts,
    JetStreamLimits, LatencyFacts, MappedTo, Monitored, OcspCacheFacts, PeerCertificate,
    ServerFacts, StreamDetails, StreamFacts, StreamService, SubscriptionFacts, SubscriptionStats,
    WantedConsumers,
};
pub use request::{Documents, NoDocument};
pub use server::serve;

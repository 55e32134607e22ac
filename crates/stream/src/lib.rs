//! The stream: which message is stored, and what becomes of it.
//!
//! Owns the rules of publishing (expectations, duplicates, limits, rollups, times to live, counters,
//! batches, schedules, transforms, republishing), purges, deletions and reads. A stream is a
//! deterministic state machine over a [`MessageStore`](cognate_model::MessageStore) that it is given
//! with each call; its effects go to a [`StreamHost`].
//!
//! Invariants: the same calls give the same state and effects; nothing waits, and no step takes
//! longer because there is much to remove; a publish that asks for nothing special allocates
//! nothing.
//!
//! Called by `group`, which keeps effects back until the store's changes are durable. Absent: I/O,
//! clocks, randomness, JSON requests (see `api`), consumers, how the messages of mirrors and sources
//! get here (but when to ask for them is in [`Fetch`]), and the validity of configurations (see
//! `model`).

mod accept;
mod adopt;
mod batch;
mod batch_atomic;
mod batch_fast;
mod context;
mod counter;
mod cron;
mod decimal;
mod dedupe;
mod direct;
mod edit;
mod expect;
mod expire;
mod fetch;
mod get;
mod header;
mod host;
mod keep;
mod limits;
mod purge;
mod reply;
mod rollup;
mod rules;
mod schedule;
mod source;
mod stream;
mod time;
mod traced;

pub use adopt::Adoption;
pub use direct::{DirectGet, DirectRequest};
pub use fetch::{Arrival, Fetch, NO_SEQUENCE, SILENCE, Verdict};
pub use get::GetRequest;
pub use host::{
    AbandonReason, Advisory, BatchKind, BatchLimits, Publish, StreamHost, Surroundings,
};
pub use purge::{Purge, PurgeRequest};
pub use source::{FoundSource, SourceScan, Taken, short_hash, source_identity};
pub use stream::Stream;
pub use traced::Traced;

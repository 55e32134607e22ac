//! The vocabulary of JetStream.
//!
//! Owns what the parts of JetStream say to each other: checked stream and consumer configurations,
//! names, times, API errors, and the seam between a stream and the place its messages are kept
//! ([`MessageStore`]). A value of a type from here is valid: raw input becomes one at the boundary.
//!
//! Absent: behaviour. Nothing here decides, stores or sends; no I/O, clock or randomness.

mod choice;
mod consumer_config;
mod duration;
pub mod error;
mod instant;
pub mod json;
pub mod level;
mod limits;
mod message;
mod name;
mod store;
mod stream_config;
pub mod text;
mod time;

/// For [`record!`], which is also used by crates that build on this one.
#[doc(hidden)]
pub use serde;

pub use choice::{
    AckPolicy, Compression, DeliverPolicy, DiscardPolicy, PersistMode, PriorityPolicy,
    ReplayPolicy, RetentionPolicy, StorageType,
};
pub use consumer_config::{ConsumerConfig, ConsumerContext, is_valid_group};
pub use duration::Nanos;
pub use error::ApiError;
pub use limits::{
    AccountLimits, MAX_DESCRIPTION_BYTES, MAX_METADATA_BYTES, MAX_REPLICAS, Reservation,
    ServerLimits, check_reservation, check_reservation_update,
};
pub use message::{Deadline, DeadlineKind, Message, NewMessage, Sequence};
pub use name::{ConsumerName, MAX_NAME_BYTES, NameError, StreamName, is_valid_name};
pub use store::{
    DamagedRange, MessageStore, Removed, Replaced, StoreError, StoreState, SubjectState, WriteMark,
};
pub use stream_config::{
    ConsumerLimits, ExternalStream, Placement, Republish, SourceConsumer, StreamConfig,
    StreamContext, StreamSource, SubjectTransform,
};
pub use time::Timestamp;

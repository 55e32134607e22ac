//! The JetStream API as it is spoken: subjects, requests, responses, advisories and PubAcks.
//!
//! ```text
//! subject ─▶ Operation ─▶ body by its request type ─▶ (the server does it) ─▶ Response ─▶ JSON
//! ```
//!
//! JSON is nats-server 2.14's, field by field; what a client may rely on is in the schemas of the
//! tests. Called by the server, which knows accounts, domains and streams; `$JS.<domain>.API.` has
//! been mapped to `$JS.API.` before.
//!
//! Absent: configurations and their rules (the model's), doing anything, clocks, randomness, I/O:
//! times and ids are arguments.

pub mod event;
mod operation;
mod origin;
mod pub_ack;
mod request;
mod response;

pub use operation::Operation;
pub use origin::{OriginConsumer, origin_consumer_request};
pub use pub_ack::{PubAck, write_pub_ack, write_pub_ack_error};
pub use request::{
    ConsumerAction, ConsumerRequest, InfoRequest, MessageRequest, MoveRequest, PageRequest,
    PauseRequest, PeerRequest, PurgeRequest, RemoveMessageRequest, ResetRequest, RestoreRequest,
    ServerRemoveRequest, SnapshotRequest, StepDownRequest, StreamRequest, SubjectPageRequest,
    UnpinRequest, expect_empty,
};
pub use response::{
    AccountInfo, AccountUsage, Alternate, ApiStats, ClusterInfo, ConsumerInfo, ConsumerListPage,
    CreatedStream, Done, InfoPage, Initiated, LIST_LIMIT, LostMessages, NAMES_LIMIT, NamesPage,
    Page, PauseState, PeerInfo, PinnedGroup, Purged, ResetConsumer, RestoreStarted, SUBJECTS_LIMIT,
    SYSTEM_RESPONSE, SequenceInfo, SnapshotStarted, SourceInfo, StoredMessage, StreamInfo,
    StreamListPage, StreamState, Success, error_response, response,
};

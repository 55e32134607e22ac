//! Streams are copied out and in.

use cognate_model::Timestamp;

use super::ClientInfo;
use crate::StreamState;

super::events! {
    /// A copy of a stream is being sent.
    SnapshotCreate(
        "io.nats.jetstream.advisory.v1.snapshot_create",
        "$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_CREATE", stream
    ) {
        /// The stream.
        stream: &'a str = "stream",
        /// What is sent.
        state: &'a StreamState = "state",
        /// To whom.
        client: &'a ClientInfo = "client",
    }

    /// A copy of a stream has been sent.
    SnapshotComplete(
        "io.nats.jetstream.advisory.v1.snapshot_complete",
        "$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE", stream
    ) {
        /// The stream.
        stream: &'a str = "stream",
        /// When it began.
        start: Timestamp = "start",
        /// When it was over.
        end: Timestamp = "end",
        /// To whom.
        client: &'a ClientInfo = "client",
    }

    /// A stream is being received.
    RestoreCreate(
        "io.nats.jetstream.advisory.v1.restore_create",
        "$JS.EVENT.ADVISORY.STREAM.RESTORE_CREATE", stream
    ) {
        /// The stream.
        stream: &'a str = "stream",
        /// From whom.
        client: &'a ClientInfo = "client",
    }

    /// A stream has been received.
    RestoreComplete(
        "io.nats.jetstream.advisory.v1.restore_complete",
        "$JS.EVENT.ADVISORY.STREAM.RESTORE_COMPLETE", stream
    ) {
        /// The stream.
        stream: &'a str = "stream",
        /// When it began.
        start: Timestamp = "start",
        /// When it was over.
        end: Timestamp = "end",
        /// How much was received.
        bytes: u64 = "bytes",
        /// From whom.
        client: &'a ClientInfo = "client",
    }
}

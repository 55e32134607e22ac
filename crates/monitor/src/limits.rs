//! Every bound that keeps an HTTP client from costing the server more than it should.
//!
//! The server and the tests read them; nothing here is configurable.

use std::time::Duration;

/// HTTP connections served at a time; more wait in the listener's backlog.
pub const CONNECTIONS: usize = 128;

/// Documents built at a time; each may copy and sort every connection.
pub const BUILDERS: usize = 2;

/// Bytes of finished documents that may wait for their readers, over all connections. A document
/// larger than this is sent when it is alone.
pub const UNREAD_BYTES: usize = 64 << 20;

/// Bytes up to which a document is not counted against [`UNREAD_BYTES`].
pub const SMALL_DOCUMENT: usize = 64 << 10;

/// Bytes of a request's head.
pub const HEAD_BYTES: usize = 16 << 10;

/// Header lines of a request.
pub const HEADERS: usize = 100;

/// Parameters of a query that are looked at.
pub const QUERY_PARAMETERS: usize = 64;

/// Largest page of connections or subscriptions.
pub const PAGE: usize = 1 << 20;

/// Streams that metrics show one by one, the first by account and name.
pub const METRIC_STREAMS: usize = 1000;

/// Damaged ranges of a stream that `/jsz` shows.
pub const DAMAGED_RANGES: usize = 1024;

/// Damaged ranges of a stream that `/healthz` names.
pub const HEALTH_RANGES: usize = 32;

/// Streams with problems that `/healthz` names.
pub const HEALTH_PROBLEMS: usize = 256;

/// Time for a request's head to arrive, and for which a connection may idle before the next one.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for a TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time after which a connection takes no further request.
pub const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Time after that in which the last answer has to be read.
pub const LAST_ANSWER: Duration = Duration::from_secs(60);

/// Time for which the listener rests after it failed to accept (out of file descriptors).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

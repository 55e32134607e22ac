//! A client inside the server's process: NATS without a socket.
//!
//! ```text
//! LocalClient ─▶ Link (frames to send, who waits for what) ◀─▶ one task ◀─▶ connect_in_process
//! ```
//!
//! It speaks the client protocol over [`Server::connect_in_process`], so logins, permissions,
//! limits and monitoring treat it like any other client. Called by embedding programs.
//!
//! Bounds: frames to send are held up to [`OUTGOING_BYTES`], then publishers wait; a subscription
//! holds [`MESSAGES`] messages, then new ones are dropped and counted, so that one receiver that
//! is not read from never holds up the others. Absent: reconnecting (the server is in the same
//! process) and time limits (`tokio::time::timeout` around any call gives one; all calls can be
//! cancelled).

mod frame;
mod link;
mod login;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cognate_subject::validate::{is_valid_filter, is_valid_literal};
use cognate_wire::error_text;
use cognate_wire::headers::HeaderBlock;
use tokio::sync::mpsc;

use crate::server::Server;
use link::Handle;
pub use login::LocalLogin;

/// Bytes of frames that wait to be taken by the server before publishers wait.
const OUTGOING_BYTES: usize = 1024 * 1024;

/// Messages a subscription holds until they are received.
const MESSAGES: usize = 8192;

/// The status with which a server answers a request that nobody listens to.
const NO_RESPONDERS: &[u8] = b"503";

/// Why a call of a [`LocalClient`] failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalError {
    /// The connection has ended. Holds the server's last `-ERR` text, or is empty if the server
    /// stopped or closed without one.
    Closed(String),
    /// The subject (or queue group) cannot be used.
    InvalidSubject(String),
    /// Headers and payload together are larger than the server takes.
    TooLarge {
        /// Bytes of the message.
        size: usize,
        /// The server's `max_payload` in bytes.
        max: usize,
    },
    /// The server refused the subscription; its `-ERR` text.
    Refused(String),
    /// Nobody is subscribed to the subject of a request.
    NoResponders,
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalError::Closed(text) if text.is_empty() => f.write_str("the connection is closed"),
            LocalError::Closed(text) => write!(f, "the server closed the connection: {text}"),
            LocalError::InvalidSubject(subject) => write!(
                f,
                "{subject:?} cannot be used: tokens are separated by single dots and contain no \
                 blanks; wildcards are for subscriptions only"
            ),
            LocalError::TooLarge { size, max } => {
                write!(
                    f,
                    "a message of {size} bytes exceeds max_payload ({max} bytes)"
                )
            }
            LocalError::Refused(text) => write!(f, "the server refused: {text}"),
            LocalError::NoResponders => f.write_str("nobody is subscribed to the subject"),
        }
    }
}

impl std::error::Error for LocalError {}

/// A message, received or to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalMessage {
    /// Where it was published to.
    pub subject: String,
    /// Where an answer is expected, if one is.
    pub reply: Option<String>,
    /// The header block as on the wire, `NATS/1.0` line and closing blank line included; read it
    /// with [`cognate_wire::headers::HeaderBlock`].
    pub headers: Option<Vec<u8>>,
    /// The payload.
    pub payload: Vec<u8>,
}

/// A client of a server in the same process. Clones share one connection, which ends when the
/// last clone and the last [`LocalSubscription`] are dropped; what was published before still
/// reaches the server.
#[derive(Clone)]
pub struct LocalClient {
    handle: Arc<Handle>,
}

impl Server {
    /// Connects a client without a socket and without credentials.
    ///
    /// # Errors
    /// [`LocalError::Closed`] with the server's words if it does not let the client in.
    pub async fn connect_local(&self) -> Result<LocalClient, LocalError> {
        self.connect_local_with(LocalLogin::default()).await
    }

    /// Connects a client without a socket as a user.
    ///
    /// # Errors
    /// [`LocalError::Closed`] with the server's words if it does not let the client in.
    pub async fn connect_local_as(
        &self,
        user: &str,
        password: &str,
    ) -> Result<LocalClient, LocalError> {
        let login = LocalLogin::user(user, password);
        self.connect_local_with(login).await
    }

    /// Connects a client without a socket, with any kind of credentials.
    ///
    /// # Errors
    /// [`LocalError::Closed`] with the server's words if it does not let the client in.
    pub async fn connect_local_with(&self, login: LocalLogin) -> Result<LocalClient, LocalError> {
        LocalClient::open(self, login).await
    }
}

impl LocalClient {
    async fn open(server: &Server, login: LocalLogin) -> Result<Self, LocalError> {
        let stream = server.connect_in_process();
        let handle = Handle::open(Arc::clone(&server.shared), stream, login).await?;
        let client = LocalClient {
            handle: Arc::new(handle),
        };
        client.flush().await?;
        Ok(client)
    }

    /// Publishes a payload. Returns when it is on its way; [`Self::flush`] tells when the server
    /// has dealt with it.
    ///
    /// # Errors
    /// If the subject cannot be published to, the payload is too large or the connection ended.
    pub async fn publish(&self, subject: &str, payload: &[u8]) -> Result<(), LocalError> {
        self.handle.publish(subject, None, None, payload).await
    }

    /// Publishes a message with its reply subject and headers. A header block that is malformed
    /// is delivered as it is, as NATS does.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn publish_message(&self, message: &LocalMessage) -> Result<(), LocalError> {
        let LocalMessage {
            subject,
            reply,
            headers,
            payload,
        } = message;
        self.handle
            .publish(subject, reply.as_deref(), headers.as_deref(), payload)
            .await
    }

    /// Subscribes. The subscription is in force when this returns.
    ///
    /// # Errors
    /// If the filter is malformed, the server refuses it, or the connection ended.
    pub async fn subscribe(&self, filter: &str) -> Result<LocalSubscription, LocalError> {
        self.subscribe_as(filter, None).await
    }

    /// Subscribes as a member of a queue group, of which one member receives each message.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub async fn queue_subscribe(
        &self,
        filter: &str,
        queue: &str,
    ) -> Result<LocalSubscription, LocalError> {
        self.subscribe_as(filter, Some(queue)).await
    }

    /// Publishes a request and waits for the first answer, for as long as it takes.
    ///
    /// # Errors
    /// [`LocalError::NoResponders`] if nobody listens; otherwise as [`Self::publish`].
    pub async fn request(&self, subject: &str, payload: &[u8]) -> Result<LocalMessage, LocalError> {
        check(is_valid_literal, subject)?;
        let inbox = self.handle.inbox();
        let mut answers = self.register(1);
        let sid = answers.sid;
        self.handle
            .send(format!("SUB {inbox} {sid}\r\nUNSUB {sid} 1\r\n").as_bytes())
            .await?;
        self.handle
            .publish(subject, Some(&inbox), None, payload)
            .await?;
        let answer = answers.next().await.ok_or_else(|| self.handle.ending())?;
        let block = answer.headers.as_deref().and_then(HeaderBlock::parse);
        let status = block.and_then(|block| block.status());
        match status {
            Some(status) if status.code == NO_RESPONDERS => Err(LocalError::NoResponders),
            _ => Ok(answer),
        }
    }

    /// Returns when the server has dealt with everything sent before.
    ///
    /// # Errors
    /// If the connection ended.
    pub async fn flush(&self) -> Result<(), LocalError> {
        self.handle.flush().await
    }

    /// The server's `-ERR` texts since the last call (refused publishes, for example), oldest
    /// first; only the latest few are kept.
    pub fn take_errors(&self) -> Vec<String> {
        self.handle.take_errors()
    }

    fn register(&self, capacity: usize) -> LocalSubscription {
        let (sender, messages) = mpsc::channel(capacity);
        let dropped = Arc::new(AtomicU64::new(0));
        let sid = self.handle.register(sender, &dropped);
        LocalSubscription {
            handle: Arc::clone(&self.handle),
            sid,
            messages,
            dropped,
        }
    }

    async fn subscribe_as(
        &self,
        filter: &str,
        queue: Option<&str>,
    ) -> Result<LocalSubscription, LocalError> {
        check(is_valid_filter, filter)?;
        if let Some(queue) = queue {
            check(is_valid_literal, queue)?;
        }
        let subscription = self.register(MESSAGES);
        let sid = subscription.sid;
        let group = queue.map(|queue| format!(" {queue}")).unwrap_or_default();
        self.handle
            .send(format!("SUB {filter}{group} {sid}\r\n").as_bytes())
            .await?;
        self.handle.flush().await?;
        let filter = filter.as_bytes();
        let refusal = error_text::subscribe_violation(filter, queue.map(str::as_bytes));
        let too_long = error_text::too_many_tokens(filter);
        match self
            .handle
            .take_error(&[&refusal, &too_long, error_text::MAX_SUBSCRIPTIONS])
        {
            Some(text) => Err(LocalError::Refused(text)),
            None => Ok(subscription),
        }
    }
}

/// What a [`LocalClient`] subscribed to. Ends when dropped.
pub struct LocalSubscription {
    handle: Arc<Handle>,
    sid: u64,
    messages: mpsc::Receiver<LocalMessage>,
    dropped: Arc<AtomicU64>,
}

impl LocalSubscription {
    /// The next message; `None` once the connection has ended and all were received.
    pub async fn next(&mut self) -> Option<LocalMessage> {
        self.messages.recv().await
    }

    /// The messages lost because this subscription was not read from in time.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

impl Drop for LocalSubscription {
    fn drop(&mut self) {
        self.handle.unregister(self.sid);
    }
}

fn check(is_valid: fn(&[u8]) -> bool, subject: &str) -> Result<(), LocalError> {
    if is_valid(subject.as_bytes()) {
        return Ok(());
    }
    Err(LocalError::InvalidSubject(subject.to_owned()))
}

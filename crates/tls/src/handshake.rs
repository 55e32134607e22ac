//! Why a handshake failed, as the log says it.
//!
//! Owns the sorting of failures. Made by [`crate::ServerTls::accept`]; the server logs the text,
//! at debug level if [`HandshakeError::is_probe`], and closes the connection with the reason
//! "TLS Handshake Failure". Absent: what the peer is told, rustls sends the alerts.

use rustls::InvalidMessage;
use std::fmt;
use std::io;

/// Why a handshake failed. The text is what the log line says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The client did not complete it within the configured time.
    Timeout,
    /// What the client sent is not TLS.
    NotTls,
    /// The client's certificate, or its lack of one, does not fit `pinned_certs`.
    NotPinned,
    /// Anything else, such as a client certificate that was refused.
    Failed(String),
}

impl HandshakeError {
    /// Whether this is what port scans and load balancers' health checks look like, and so
    /// belongs at debug level.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        matches!(self, HandshakeError::Timeout | HandshakeError::NotTls)
    }

    /// Sorts the error of a handshake. `refused` describes the client certificate that was
    /// refused, if one was.
    pub(crate) fn new(error: &io::Error, refused: Option<String>) -> Self {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let text = match tls {
            Some(rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::InvalidEmptyPayload
                | InvalidMessage::MessageTooLarge,
            )) => return HandshakeError::NotTls,
            Some(error) => error.to_string(),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the client closed the connection".to_owned()
            }
            None => error.to_string(),
        };
        HandshakeError::Failed(match refused {
            Some(refused) => format!("{text} ({refused})"),
            None => text,
        })
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Timeout => f.write_str("TLS handshake timeout"),
            HandshakeError::NotTls => {
                f.write_str("TLS handshake error: the client does not speak TLS")
            }
            HandshakeError::NotPinned => f.write_str("TLS handshake error: certificate not pinned"),
            HandshakeError::Failed(reason) => write!(f, "TLS handshake error: {reason}"),
        }
    }
}

impl std::error::Error for HandshakeError {}

//! The first bytes that a client sends, looked at without taking them: PROXY headers and TLS.
//!
//! Only a PROXY header is taken off the socket, and nothing behind it: what follows is read by the
//! handshake or the session, as if the header had not been there. Bounds: [`HEADER_TIME`] for a
//! header, `MAX_PROXY_BYTES` that are looked at. Called by the handshake.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cognate_config::options::HandshakeFirst;
use cognate_wire::{MAX_PROXY_BYTES, ProxyError, ProxyStep, begins_tls, parse_proxy};
use rustix::net::RecvFlags;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;

/// How long a connection may take to show a header, or that it has none. (nats-server waits twice
/// five seconds.)
const HEADER_TIME: Duration = Duration::from_secs(10);

/// Bytes of a header that are taken off the socket at a time.
const CHUNK: usize = 512;

/// Why there is no telling where a client is.
#[derive(Debug)]
pub(super) enum HeaderError {
    /// It is no header.
    Malformed(ProxyError),
    /// It did not come in time, or not to its end.
    Incomplete(io::Error),
}

impl std::fmt::Display for HeaderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HeaderError::Malformed(error) => error.fmt(f),
            HeaderError::Incomplete(error) => write!(f, "failed to read the header: {error}"),
        }
    }
}

/// Takes a PROXY header off the socket, if the client's bytes begin with one. Returns where it says
/// that the client is.
pub(super) async fn take_proxy_header(
    socket: &mut TcpStream,
) -> Result<Option<SocketAddr>, HeaderError> {
    let taken = tokio::time::timeout(HEADER_TIME, take_header(socket)).await;
    taken.unwrap_or_else(|_| Err(HeaderError::Incomplete(io::ErrorKind::TimedOut.into())))
}

async fn take_header(socket: &mut TcpStream) -> Result<Option<SocketAddr>, HeaderError> {
    let mut bytes = [0; MAX_PROXY_BYTES];
    let mut seen = 0;
    loop {
        seen = peek_beyond(socket, &mut bytes, seen)
            .await
            .map_err(HeaderError::Incomplete)?;
        match parse_proxy(&bytes[..seen]).map_err(HeaderError::Malformed)? {
            ProxyStep::NeedMore => {}
            ProxyStep::Absent => return Ok(None),
            ProxyStep::Present { source, len } => {
                let taken = take(socket, len).await;
                return taken.map(|()| source).map_err(HeaderError::Incomplete);
            }
        }
    }
}

/// Waits until more than `seen` bytes can be looked at. Returns how many there are.
async fn peek_beyond(socket: &TcpStream, bytes: &mut [u8], seen: usize) -> io::Result<usize> {
    loop {
        let ready = socket.ready(Interest::READABLE).await?;
        let peeked = socket.try_io(Interest::READABLE, || {
            let (count, _) = rustix::net::recv(socket, &mut *bytes, RecvFlags::PEEK)?;
            if count > seen {
                return Ok(count);
            }
            if count == 0 || ready.is_read_closed() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // Reported as such inside the attempt, so that it is ready again only when more is there.
            Err(io::ErrorKind::WouldBlock.into())
        });
        match peeked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            peeked => return peeked,
        }
    }
}

/// Takes so many bytes off the socket.
async fn take(socket: &mut TcpStream, len: usize) -> io::Result<()> {
    let mut rest = len;
    let mut chunk = [0; CHUNK];
    while rest > 0 {
        let part = rest.min(CHUNK);
        socket.read_exact(&mut chunk[..part]).await?;
        rest -= part;
    }
    Ok(())
}

/// Whether the client sends anything within that time.
pub(super) async fn speaks_within(socket: &TcpStream, wait: Duration) -> bool {
    first_byte(socket, wait).await.is_some()
}

/// Whether the client begins with a handshake, where it may or must.
pub(super) async fn begins_with_handshake(socket: &TcpStream, mode: HandshakeFirst) -> bool {
    match mode {
        HandshakeFirst::Off => false,
        HandshakeFirst::On => true,
        HandshakeFirst::Fallback(wait) => looks_like_tls(socket, wait).await,
    }
}

/// Whether the client sends a handshake within that time.
pub(super) async fn looks_like_tls(socket: &TcpStream, wait: Duration) -> bool {
    first_byte(socket, wait).await.is_some_and(begins_tls)
}

/// Whether the client waits for a handshake, which whoever sends anything else does not.
pub(super) async fn may_be_tls(socket: &TcpStream) -> bool {
    let mut byte = [0];
    let first = socket.peek(&mut byte).await;
    !matches!(first, Ok(1)) || begins_tls(byte[0])
}

/// The first byte that the client sends, if it does within that time.
async fn first_byte(socket: &TcpStream, wait: Duration) -> Option<u8> {
    let mut byte = [0];
    let first = tokio::time::timeout(wait, socket.peek(&mut byte)).await;
    matches!(first, Ok(Ok(1))).then_some(byte[0])
}

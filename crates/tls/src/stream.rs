//! The server's side of a TLS connection as a stream of bytes.
//!
//! Drives rustls' unbuffered interface, so that a connection owns no buffers: ciphertext is read
//! into and sealed in a buffer that the connections of a thread share ([`SCRATCH`]), and what a
//! connection keeps is only what could not go on: part of a record, plaintext for which a reader had
//! no room, ciphertext that the socket did not take. An idle connection keeps none of these.
//!
//! Invariants: rustls is always shown all that it has not discarded yet, because it remembers
//! positions in it; bytes reach the socket in the order in which rustls made them, so nothing is
//! sealed while older ciphertext waits; what is kept is bounded (a handshake message, a read, and a
//! write of [`MAX_PLAINTEXT`]).
//!
//! Made by [`crate::ServerTls::accept`]. Absent: the handshake's time limit, certificates, and the
//! client's side (`client_tls`, which opens few connections and leaves this to tokio-rustls).

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, WriteTraffic};
use rustls::{CommonState, ProtocolVersion, ServerConfig};
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Ciphertext read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Plaintext sealed at a time: four records of the largest size.
const MAX_PLAINTEXT: usize = 64 * 1024;

/// What sealing adds to [`MAX_PLAINTEXT`] at most: header, nonce, padding and tag of a few records, and
/// a change of keys.
const SEALING_BYTES: usize = 1024;

/// Undiscarded ciphertext beyond which a peer is refused: the largest handshake message that rustls
/// takes (64 KiB), in records of which each carries little, and a record.
const MAX_INCOMING: usize = 256 * 1024;

thread_local! {
    /// Ciphertext on its way in or out; nothing of it is needed between two polls.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A TLS connection that a client opened, after its handshake. Shutting it down ends both directions:
/// nothing is read any more.
pub struct TlsStream<S> {
    socket: S,
    connection: UnbufferedServerConnection,
    /// Ciphertext that rustls has not discarded.
    incoming: Vec<u8>,
    /// Plaintext that nobody has read.
    plaintext: Rest,
    /// Ciphertext that the socket did not take.
    outgoing: Rest,
    /// The peer said that nothing more comes.
    ended: bool,
    /// The peer was told that nothing more comes.
    said_goodbye: bool,
    /// The peer's mistake, after which rustls is not asked any more.
    failure: Option<rustls::Error>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Does the server's part of a handshake.
    pub(crate) async fn accept(config: Arc<ServerConfig>, socket: S) -> io::Result<Self> {
        let mut stream = TlsStream {
            socket,
            connection: UnbufferedServerConnection::new(config).map_err(io::Error::other)?,
            incoming: Vec::new(),
            plaintext: Rest::default(),
            outgoing: Rest::default(),
            ended: false,
            said_goodbye: false,
            failure: None,
        };
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    /// What was agreed on, and who the peer is.
    pub(crate) fn state(&self) -> &CommonState {
        &self.connection
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sent = self.poll_send(cx)?;
            if !self.connection.is_handshaking() {
                // Of TLS 1.3 only a ticket can be left, which need not be waited for: reading and
                // writing send it first. A client of TLS 1.2 waits for the server's last message.
                return match self.connection.protocol_version() {
                    Some(ProtocolVersion::TLSv1_3) => Poll::Ready(Ok(())),
                    _ => sent.map(Ok),
                };
            }
            ready!(sent);
            if self.ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            ready!(self.poll_receive(cx, &mut ReadBuf::new(&mut [])))?;
            self.check()?;
        }
    }

    /// The peer's mistake, if it made one.
    fn check(&self) -> io::Result<()> {
        let failure = self.failure.clone();
        failure.map_or(Ok(()), |error| Err(invalid(error)))
    }

    /// Reads ciphertext once and works it through; the plaintext goes to `out` as far as it has room,
    /// also that in front of a mistake.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with_scratch(self.incoming.len() + READ_BYTES, |scratch| {
            let kept = self.incoming.len();
            let mut read = ReadBuf::new(&mut scratch[kept..]);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            let count = read.filled().len();
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            scratch[..kept].copy_from_slice(&self.incoming);
            let arrived = &mut scratch[..kept + count];
            let done = match self.work_through(arrived, out, |_| ()) {
                Ok((done, _)) => done,
                Err((done, error)) => {
                    self.fail(cx, &mut arrived[done..], error);
                    return Poll::Ready(Ok(()));
                }
            };
            self.keep(&arrived[done..]);
            Poll::Ready(if self.incoming.len() > MAX_INCOMING {
                Err(io::Error::other("a handshake message is too long"))
            } else {
                Ok(())
            })
        })
    }

    /// Has rustls go on until it needs more bytes, or plaintext can be sealed and `ready` has done so.
    /// Returns how many of `arrived` are discarded, and what `ready` returned. An error leaves the
    /// connection of use for nothing but its alert.
    fn work_through<R>(
        &mut self,
        arrived: &mut [u8],
        out: &mut ReadBuf<'_>,
        ready: impl FnOnce(&mut WriteTraffic<'_, Data>) -> R,
    ) -> Result<(usize, Option<R>), (usize, rustls::Error)> {
        let mut done = 0;
        loop {
            let status = self.connection.process_tls_records(&mut arrived[done..]);
            let mut discard = status.discard;
            let state = status.state.map_err(|error| (done + discard, error))?;
            match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|error| (done + discard, error))?;
                        discard += record.discard;
                        let now = match self.plaintext.is_empty() {
                            true => record.payload.len().min(out.remaining()),
                            false => 0,
                        };
                        out.put_slice(&record.payload[..now]);
                        self.plaintext.push(&record.payload[now..]);
                    }
                }
                ConnectionState::EncodeTlsData(data) => encode(data, &mut self.outgoing),
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    return Ok((done + discard, Some(ready(&mut traffic))));
                }
                ConnectionState::PeerClosed => {
                    self.ended = true;
                    // Whatever comes behind the goodbye is not to be looked at.
                    return Ok((arrived.len(), None));
                }
                ConnectionState::BlockedHandshake => return Ok((done + discard, None)),
                // Early data is never offered.
                _ => return Ok((arrived.len(), None)),
            }
            done += discard;
        }
    }

    /// Keeps what a record that is not complete begins with.
    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            self.incoming = Vec::new();
        } else {
            self.incoming.clear();
            self.incoming.extend_from_slice(rest);
        }
    }

    /// Tells the peer why it is refused, as far as its socket takes that at once. `rest` is what rustls
    /// has not discarded; only what it has to say is asked of it, because it does not look at wrong
    /// bytes twice (it asserts that).
    fn fail(&mut self, cx: &mut Context<'_>, rest: &mut [u8], error: rustls::Error) {
        self.failure = Some(error);
        while self.connection.wants_write() {
            match self.connection.process_tls_records(rest).state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing),
                _ => break,
            }
        }
        let _ = self.poll_send(cx);
    }

    /// Seals with `seal`, and sends as much as the socket takes.
    fn poll_seal(
        &mut self,
        cx: &mut Context<'_>,
        seal: impl FnOnce(&mut WriteTraffic<'_, Data>, &mut [u8]) -> io::Result<usize>,
    ) -> Poll<io::Result<()>> {
        if self.failure.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        with_scratch(MAX_PLAINTEXT + SEALING_BYTES, |scratch| {
            let mut incoming = std::mem::take(&mut self.incoming);
            let sealed = self.work_through(&mut incoming, &mut ReadBuf::new(&mut []), |traffic| {
                seal(traffic, scratch)
            });
            let (done, sealed) = sealed.map_err(|(_, error)| {
                self.failure = Some(error.clone());
                invalid(error)
            })?;
            self.keep(&incoming[done..]);
            let sealed = sealed.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()))?;
            let sealed = &scratch[..sealed];
            let mut sent = 0;
            if self.outgoing.is_empty() {
                match Pin::new(&mut self.socket).poll_write(cx, sealed) {
                    Poll::Ready(count) => sent = count?,
                    Poll::Pending => {}
                }
            }
            self.outgoing.push(&sealed[sent..]);
            Poll::Ready(Ok(()))
        })
    }

    /// Sends the ciphertext that waits, until none does.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let waiting = self.outgoing.bytes();
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, waiting))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.take(sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        // An answer to the peer's own handshake messages; if it must wait, `cx` is woken for it.
        if let Poll::Ready(Err(error)) = stream.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        let before = out.filled().len();
        loop {
            let count = stream.plaintext.bytes().len().min(out.remaining());
            out.put_slice(&stream.plaintext.bytes()[..count]);
            stream.plaintext.take(count);
            let ended = stream.ended || stream.said_goodbye;
            if ended || out.filled().len() > before || out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            stream.check()?;
            ready!(stream.poll_receive(cx, out))?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        plaintext: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        ready!(stream.poll_send(cx))?;
        if stream.said_goodbye {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let plaintext = &plaintext[..plaintext.len().min(MAX_PLAINTEXT)];
        if !plaintext.is_empty() {
            ready!(stream.poll_seal(cx, |traffic, sealed| {
                let sealed = traffic.encrypt(plaintext, sealed);
                sealed.map_err(io::Error::other)
            }))?;
        }
        Poll::Ready(Ok(plaintext.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        ready!(stream.poll_send(cx))?;
        Pin::new(&mut stream.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !stream.said_goodbye {
            stream.said_goodbye = true;
            // A connection that failed has nobody to say it to.
            let _ = stream.poll_seal(cx, |traffic, sealed| {
                let sealed = traffic.queue_close_notify(sealed);
                sealed.map_err(io::Error::other)
            });
        }
        ready!(stream.poll_send(cx))?;
        Pin::new(&mut stream.socket).poll_shutdown(cx)
    }
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("version", &self.connection.protocol_version())
            .field("ended", &self.ended)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// What rustls calls the data of a server's connection.
type Data = rustls::server::ServerConnectionData;

/// Bytes that wait for somebody to take them. Holds no memory when there are none.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    taken: usize,
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.bytes.len() {
            *self = Rest::default();
        }
    }
}

/// Lends the thread's buffer, at least `length` long.
fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
    // Taken out, so that a stream within a stream would find none and not a borrowed one.
    let mut scratch = SCRATCH.take();
    if scratch.len() < length {
        scratch.resize(length, 0);
    }
    let result = work(&mut scratch);
    SCRATCH.set(scratch);
    result
}

/// Appends a handshake record, or an alert, to what is to be sent.
fn encode(mut data: EncodeTlsData<'_, Data>, outgoing: &mut Rest) {
    // Asked with no room, rustls says how much is needed; it encodes each record once.
    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
        let before = outgoing.bytes.len();
        outgoing.bytes.resize(before + size.required_size, 0);
        let _ = data.encode(&mut outgoing.bytes[before..]);
    }
}

/// As [`crate::HandshakeError`] expects errors of rustls.
fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

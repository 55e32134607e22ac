//! How bytes reach a client: a plain socket, or anything else that is a stream.
//!
//! A plain socket is read by its task and written by whoever has something for it
//! ([`crate::data::Sink`]). A TLS or in-process stream is read and written by its task alone.
//!
//! On a plain socket a short read means that nothing more is there, so the readiness is given
//! back together with it: that saves the read that would only say so.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::data::{Backlog, Sink};

/// Pieces of a backlog written at a time.
const PIECES: usize = 16;

/// A stream that is not a plain socket.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A plain socket that publishers write to.
pub(crate) struct TcpSink(pub(crate) TcpStream);

impl Sink for TcpSink {
    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            [one] => self.0.try_write(one),
            many => self.0.try_write_vectored(many),
        }
    }
}

/// The client's side of the world.
pub(crate) enum Transport {
    /// A plain socket.
    Tcp(Arc<TcpSink>),
    /// TLS or in-process.
    Stream(Box<dyn Stream>),
}

impl Transport {
    /// Reads what is there. `Ok(0)` is the end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Transport::Tcp(sink) => poll_read_tcp(&sink.0, cx, buf),
            Transport::Stream(stream) => {
                let mut read = ReadBuf::new(buf);
                match ready!(Pin::new(stream).poll_read(cx, &mut read)) {
                    // A TLS client that closes its socket without a goodbye: many do.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        Poll::Ready(Ok(0))
                    }
                    result => Poll::Ready(result.map(|()| read.filled().len())),
                }
            }
        }
    }

    /// Writes some of a backlog.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        backlog: &Backlog,
    ) -> Poll<io::Result<usize>> {
        if backlog.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self {
            Transport::Tcp(sink) => loop {
                ready!(sink.0.poll_write_ready(cx))?;
                let mut parts = [IoSlice::new(&[]); PIECES];
                let count = backlog.pieces(&mut parts);
                match sink.try_write_vectored(&parts[..count]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            Transport::Stream(stream) => Pin::new(stream).poll_write(cx, backlog.first()),
        }
    }

    /// Sends what the stream itself holds back (TLS records).
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(_) => Poll::Ready(Ok(())),
            Transport::Stream(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Says goodbye in the stream's own way and ends the sending direction.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(sink) => {
                Poll::Ready(socket2::SockRef::from(&sink.0).shutdown(std::net::Shutdown::Both))
            }
            Transport::Stream(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn poll_read_tcp(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_read_ready(cx))?;
        let mut short = None;
        let read = socket.try_io(Interest::READABLE, || {
            let count = rustix::net::recv(socket, &mut *buf, rustix::net::RecvFlags::empty())?.0;
            if 0 < count && count < buf.len() {
                // Nothing more is there. Reporting it as such inside the attempt clears the
                // readiness that was seen before the read, and no later one.
                short = Some(count);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(count)
        });
        match (short, read) {
            (Some(count), _) => return Poll::Ready(Ok(count)),
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            (None, Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            (None, read) => return Poll::Ready(read),
        }
    }
}

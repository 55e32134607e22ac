//! A connection for measuring: blocking sockets, one thread, no allocation per message.
//!
//! ```text
//! publish ─▶ out: Vec ─ flush ─▶ socket ─▶ input: Vec ─▶ next() -> Frame (borrowed from input)
//! ```
//!
//! `bench`, `latency` and `rtt` use it, because a benchmark's client must cost less than the server
//! it measures. Invariants: buffers are reused and grow only with the largest message; PING is
//! answered wherever frames are read; a refusal by the server is an error where it is read. Absent:
//! reconnecting, several threads, and dispatch to subscriptions: the caller looks at the sid.

mod frame;
mod handshake;
mod socket;

use std::io::{self, Write};
use std::time::{Duration, Instant};

pub(crate) use frame::{Frame, Message};
use frame::{Memo, Scan};
use socket::Socket;

use super::settings::Settings;
use crate::error::{Error, Result};

/// Bytes gathered before they are written.
const OUT_BYTES: usize = 64 * 1024;

/// Bytes of a block: more per write cost less per message, as long as they stay in the cache.
const BLOCK_BYTES: usize = 128 * 1024;

/// Bytes read at once, to begin with.
const IN_BYTES: usize = 256 * 1024;

/// Bytes of a frame that are still taken from a server.
const MAX_FRAME_BYTES: usize = 128 << 20;

/// How long the server may take for what it must do.
const PATIENCE: Duration = Duration::from_secs(30);

/// A raw connection.
pub(crate) struct Raw {
    socket: Socket,
    out: Vec<u8>,
    input: Vec<u8>,
    start: usize,
    end: usize,
    memo: Memo,
    /// What the server says about itself.
    pub(crate) info: handshake::ServerInfo,
}

impl Raw {
    /// Connects to the first server that answers.
    pub(crate) fn connect(settings: &Settings) -> Result<Self> {
        let mut last = Error::new("there is no server to connect to");
        for server in settings.servers() {
            match handshake::connect(settings, &server) {
                Ok((socket, info)) => {
                    let (out, input) = (Vec::with_capacity(OUT_BYTES * 2), vec![0; IN_BYTES]);
                    let mut raw = Raw {
                        socket,
                        out,
                        input,
                        start: 0,
                        end: 0,
                        memo: Memo::default(),
                        info,
                    };
                    handshake::log_in(&mut raw, settings, &server)?;
                    return Ok(raw);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// What the server proved, if the connection has TLS.
    pub(crate) fn tls_peer(&self) -> Option<socket::Peer> {
        self.socket.peer()
    }

    /// Appends a publish, and writes when enough has gathered. `headers` is a whole header block
    /// (`NATS/1.0\r\n…\r\n\r\n`), or empty.
    pub(crate) fn publish(
        &mut self,
        subject: &[u8],
        reply: &[u8],
        headers: &[u8],
        body: &[u8],
    ) -> Result<()> {
        push_publish(&mut self.out, subject, reply, headers, body);
        if self.out.len() >= OUT_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Takes note of one more publish of a block, and writes when so many are due that it pays.
    pub(crate) fn publish_block(&mut self, block: &mut Block) -> Result<()> {
        block.due += block.frame;
        if block.due < block.bytes.len() {
            return Ok(());
        }
        self.flush_block(block)
    }

    /// Writes what is due of a block.
    pub(crate) fn flush_block(&mut self, block: &mut Block) -> Result<()> {
        if !self.out.is_empty() {
            self.flush()?;
        }
        let due = std::mem::take(&mut block.due);
        let frames = block.bytes.get(..due).unwrap_or_default();
        Ok(self.socket.write_all(frames)?)
    }

    /// Appends a subscription; an empty `queue` is none.
    pub(crate) fn subscribe(&mut self, subject: &str, queue: &str, sid: u64) {
        let gap = if queue.is_empty() { "" } else { " " };
        self.out
            .extend_from_slice(format!("SUB {subject}{gap}{queue} {sid}\r\n").as_bytes());
    }

    /// Writes what has gathered.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.socket.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Sends PING and waits for PONG; messages that come before it are dropped.
    pub(crate) fn round_trip(&mut self) -> Result<Duration> {
        self.out.extend_from_slice(b"PING\r\n");
        let started = Instant::now();
        self.flush()?;
        self.socket.set_timeout(Some(PATIENCE))?;
        loop {
            if let Some(Frame::Pong) = self.next()? {
                self.socket.set_timeout(None)?;
                return Ok(started.elapsed());
            }
            if started.elapsed() > PATIENCE {
                return Err(Error::new("the server does not answer PING"));
            }
        }
    }

    /// How long [`Raw::next`] waits; `None` waits for ever.
    pub(crate) fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<()> {
        Ok(self.socket.set_timeout(timeout)?)
    }

    /// The next message or PONG; `None` when the time is over. PING is answered.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>> {
        loop {
            let found = self
                .memo
                .scan(self.input.get(self.start..self.end).unwrap_or_default())?;
            let (scan, len) = match found {
                Some(found) => found,
                None => match self.fill()? {
                    true => continue,
                    false => return Ok(None),
                },
            };
            let begin = self.start;
            self.start += len;
            match scan {
                Scan::Ping => self.out.extend_from_slice(b"PONG\r\n"),
                Scan::Ok | Scan::Info => {}
                Scan::Error => {
                    let text = self.input.get(begin..self.start).unwrap_or_default();
                    let text = String::from_utf8_lossy(text);
                    let text = text.trim_start_matches("-ERR").trim().trim_matches('\'');
                    return Err(Error::new(format!("the server says: {text}")));
                }
                Scan::Pong => return Ok(Some(Frame::Pong)),
                Scan::Message(places) => {
                    let bytes = self.input.get(begin..self.start).unwrap_or_default();
                    return Ok(Some(Frame::Message(places.message(bytes))));
                }
            }
        }
    }

    /// Reads more; `false` when the time is over. What has gathered is written first: nobody waits
    /// for an answer to what was not sent.
    fn fill(&mut self) -> Result<bool> {
        if !self.out.is_empty() {
            self.flush()?;
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.input.len() {
            if self.start > 0 {
                self.input.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else if self.input.len() < MAX_FRAME_BYTES {
                self.input.resize(self.input.len() * 2, 0);
            } else {
                return Err(Error::new("the server sends a message that is too large"));
            }
        }
        let room = self.input.get_mut(self.end..).unwrap_or_default();
        match self.socket.read(room) {
            Ok(0) => Err(Error::new("the server closed the connection")),
            Ok(count) => {
                self.end += count;
                Ok(true)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// The same publish many times, as it goes over the wire: made once, and written from where it is.
pub(crate) struct Block {
    bytes: Vec<u8>,
    frame: usize,
    due: usize,
}

impl Block {
    /// Publishes of one message.
    pub(crate) fn new(subject: &[u8], headers: &[u8], body: &[u8]) -> Self {
        let mut frame = Vec::new();
        push_publish(&mut frame, subject, b"", headers, body);
        let count = (BLOCK_BYTES / frame.len()).max(1);
        Block {
            bytes: frame.repeat(count),
            frame: frame.len(),
            due: 0,
        }
    }
}

fn push_publish(out: &mut Vec<u8>, subject: &[u8], reply: &[u8], headers: &[u8], body: &[u8]) {
    out.extend_from_slice(if headers.is_empty() {
        b"PUB "
    } else {
        b"HPUB "
    });
    out.extend_from_slice(subject);
    out.push(b' ');
    if !reply.is_empty() {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    if !headers.is_empty() {
        push_number(out, headers.len());
        out.push(b' ');
    }
    push_number(out, headers.len() + body.len());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(headers);
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal, without allocating.
fn push_number(out: &mut Vec<u8>, mut number: usize) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (number % 10) as u8;
        }
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_whole_frames() {
        let block = Block::new(b"a", b"", b"hi");
        assert_eq!(block.bytes.len() % block.frame, 0);
        assert!(block.bytes.starts_with(b"PUB a 2\r\nhi\r\nPUB a 2\r\n"));
        let large = Block::new(b"a", b"", &[b'x'; BLOCK_BYTES]);
        assert_eq!(large.bytes.len(), large.frame);
    }

    #[test]
    fn numbers_are_written() {
        for number in [0, 7, 10, 123_456, usize::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}

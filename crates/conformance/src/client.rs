//! A client that speaks raw NATS: it sends bytes as they are and compares what arrives.
//!
//! It understands just enough of the protocol to cut lines and messages, and a test sees exactly
//! what the server wrote, with one exception: a PING of the server that is not expected is
//! answered and forgotten. A server sends one within two seconds of connecting, so without this
//! any test would fail on a slow machine.
//!
//! Invariants: every read ends at a deadline with the bytes seen so far in the message; bytes are
//! consumed only by the expectation that matched them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::wait;

const PING: &[u8] = b"PING\r\n";

/// A byte stream below the client: TCP, or TLS over it.
pub trait Transport: Read + Write + Send {}
impl<T: Read + Write + Send> Transport for T {}

/// A delivered message, as cut from MSG or HMSG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The subject published to (after mappings).
    pub subject: String,
    /// The subscription it was delivered to.
    pub sid: String,
    /// The reply subject, if any.
    pub reply: Option<String>,
    /// The header block including its blank line; `None` for MSG.
    pub headers: Option<String>,
    /// The payload, as text.
    pub payload: String,
}

/// One raw connection.
pub struct Client {
    tcp: TcpStream,
    io: Box<dyn Transport>,
    pending: Vec<u8>,
    info: Value,
}

impl Client {
    /// Connects and reads the INFO that a server sends first.
    #[must_use]
    pub fn connect(addr: SocketAddr) -> Self {
        let mut client = Self::silent(addr);
        client.info = client.read_info();
        client
    }

    /// Connects without reading anything.
    #[must_use]
    pub fn silent(addr: SocketAddr) -> Self {
        let tcp = TcpStream::connect(addr)
            .unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"));
        tcp.set_nodelay(true).expect("TCP_NODELAY");
        let io = tcp.try_clone().expect("a second handle of the socket");
        Self::over(tcp, Box::new(io))
    }

    /// Wraps a transport that runs over `tcp`, such as TLS. Reads nothing.
    #[must_use]
    pub fn over(tcp: TcpStream, io: Box<dyn Transport>) -> Self {
        Self {
            tcp,
            io,
            pending: Vec::new(),
            info: Value::Null,
        }
    }

    /// Connects and completes CONNECT with `options` (JSON), quietly.
    #[must_use]
    pub fn with_options(addr: SocketAddr, options: &str) -> Self {
        let mut client = Self::connect(addr);
        client.send(format!("CONNECT {options}\r\n"));
        client.sync();
        client
    }

    /// Connects as an ordinary client: not verbose, not pedantic, with headers.
    #[must_use]
    pub fn quiet(addr: SocketAddr) -> Self {
        Self::with_options(addr, r#"{"verbose":false,"pedantic":false,"headers":true}"#)
    }

    /// The INFO read last.
    #[must_use]
    pub fn info(&self) -> &Value {
        &self.info
    }

    /// The connection id that the server gave in INFO.
    #[must_use]
    pub fn cid(&self) -> u64 {
        self.info["client_id"].as_u64().expect("client_id in INFO")
    }

    /// The local address of the socket.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.tcp
            .local_addr()
            .expect("a connected socket has an address")
    }

    /// Gives up the client for its socket, to start TLS on it.
    #[must_use]
    pub fn into_tcp(self) -> TcpStream {
        self.tcp
    }

    /// Reads one line that must be INFO, and keeps it.
    pub fn read_info(&mut self) -> Value {
        let line = self.line();
        let json = line
            .strip_prefix("INFO ")
            .unwrap_or_else(|| panic!("not INFO: {line}"));
        self.info =
            serde_json::from_str(json).unwrap_or_else(|error| panic!("bad INFO ({error}): {json}"));
        self.info.clone()
    }

    /// Sends bytes; the server must take them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).expect("the server reads what is sent");
        self
    }

    /// Sends bytes to a server that may be closing the connection.
    ///
    /// # Errors
    /// What the socket says.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.io.write_all(bytes.as_ref())?;
        self.io.flush()
    }

    /// The next bytes must be exactly `text`.
    #[track_caller]
    pub fn expect(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        if let Err(difference) = self.exactly(text) {
            panic!("{difference}");
        }
        self
    }

    /// Like [`Client::expect`], for tables that report all their failures.
    ///
    /// # Errors
    /// What was expected and what came instead.
    pub fn exactly(&mut self, text: impl AsRef<[u8]>) -> Result<(), String> {
        let want = text.as_ref();
        let end = Instant::now() + wait::DEADLINE;
        loop {
            if self.pending.starts_with(want) {
                self.pending.drain(..want.len());
                return Ok(());
            }
            if self.answer_ping(want) {
                continue;
            }
            let hopeful = want.starts_with(&self.pending) || self.may_be_ping(want);
            if !hopeful || !self.fill(end) {
                break;
            }
        }
        Err(format!(
            "expected {:?}, got {:?}",
            String::from_utf8_lossy(want),
            String::from_utf8_lossy(&self.pending)
        ))
    }

    /// Reads one line, without its line end.
    #[track_caller]
    pub fn line(&mut self) -> String {
        loop {
            let line = self.take_until(b"\r\n");
            if line != PING {
                return String::from_utf8_lossy(&line[..line.len() - 2])
                    .trim_end()
                    .to_owned();
            }
            self.pong();
        }
    }

    /// Like [`Client::line`]; `None` when the server has closed the connection.
    #[track_caller]
    pub fn line_or_end(&mut self) -> Option<String> {
        let end = Instant::now() + wait::DEADLINE;
        while !self.pending.windows(2).any(|window| window == b"\r\n") {
            if !self.fill(end) {
                assert!(
                    Instant::now() < end,
                    "neither a line nor the end: {:?}",
                    String::from_utf8_lossy(&self.pending)
                );
                return None;
            }
        }
        let line = self.take_until(b"\r\n");
        if line == PING {
            self.pong();
            return self.line_or_end();
        }
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Reads one MSG or HMSG.
    #[track_caller]
    pub fn message(&mut self) -> Message {
        let line = self.line();
        self.message_of(&line)
    }

    /// Completes a message whose control line was already read.
    #[track_caller]
    pub fn message_of(&mut self, line: &str) -> Message {
        let words: Vec<&str> = line.split(' ').collect();
        let with_headers = words[0] == "HMSG";
        assert!(with_headers || words[0] == "MSG", "not a message: {line}");
        let sizes = 1 + usize::from(with_headers);
        let size = |back: usize| -> usize {
            let word = words[words.len() - back];
            word.parse()
                .unwrap_or_else(|_| panic!("bad size in {line}"))
        };
        let header_len = if with_headers { size(2) } else { 0 };
        let body = self.take(size(1) + 2);
        assert!(
            body.ends_with(b"\r\n"),
            "no line end after the payload of {line}"
        );
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Message {
            subject: words[1].to_owned(),
            sid: words[2].to_owned(),
            reply: (words.len() == 4 + sizes).then(|| words[3].to_owned()),
            headers: with_headers.then(|| text(&body[..header_len])),
            payload: text(&body[header_len..body.len() - 2]),
        }
    }

    /// Sends PING and expects PONG to be the very next answer.
    #[track_caller]
    pub fn sync(&mut self) -> &mut Self {
        self.send("PING\r\n");
        self.expect("PONG\r\n")
    }

    /// Sends PING and returns the messages that came before its PONG.
    #[track_caller]
    pub fn messages_until_pong(&mut self) -> Vec<Message> {
        self.send("PING\r\n");
        let mut seen = Vec::new();
        loop {
            let line = self.line();
            if line == "PONG" {
                return seen;
            }
            seen.push(self.message_of(&line));
        }
    }

    /// Everything until the server closes the connection.
    #[track_caller]
    pub fn rest(&mut self) -> String {
        let end = Instant::now() + wait::DEADLINE;
        while self.fill(end) {}
        assert!(
            Instant::now() < end,
            "the connection stays open after {:?}",
            String::from_utf8_lossy(&self.pending)
        );
        while self.answer_ping(b"") {}
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }

    /// The server must close the connection without another byte.
    #[track_caller]
    pub fn expect_close(&mut self) {
        let rest = self.rest();
        assert!(
            rest.is_empty(),
            "expected the end of the connection, got {rest:?}"
        );
    }

    /// Ends the sending side, as a client does that goes away.
    pub fn shutdown(&self) {
        // A socket that is already gone is as good.
        let _ = self.tcp.shutdown(Shutdown::Both);
    }

    /// Takes exactly `count` bytes.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let end = Instant::now() + wait::DEADLINE;
        while self.pending.len() < count {
            assert!(
                self.fill(end),
                "wanted {count} bytes, got {:?}",
                String::from_utf8_lossy(&self.pending)
            );
        }
        self.pending.drain(..count).collect()
    }

    /// Takes everything up to and including `mark`.
    #[track_caller]
    fn take_until(&mut self, mark: &[u8]) -> Vec<u8> {
        let end = Instant::now() + wait::DEADLINE;
        let mut from = 0;
        loop {
            let tail = &self.pending[from..];
            if let Some(at) = tail.windows(mark.len()).position(|window| window == mark) {
                return self.pending.drain(..from + at + mark.len()).collect();
            }
            from = self.pending.len().saturating_sub(mark.len());
            assert!(
                self.fill(end),
                "no {:?} in {:?}",
                String::from_utf8_lossy(mark),
                String::from_utf8_lossy(&self.pending)
            );
        }
    }

    /// Where the line begins in which `pending` stops being what is wanted.
    fn differing_line(&self, want: &[u8]) -> usize {
        let same = self
            .pending
            .iter()
            .zip(want)
            .take_while(|(seen, wanted)| seen == wanted)
            .count();
        let lines = self.pending[..same]
            .windows(2)
            .rposition(|window| window == b"\r\n");
        lines.map_or(0, |at| at + 2)
    }

    /// Answers a PING that stands where something else is wanted; false if there is none.
    fn answer_ping(&mut self, want: &[u8]) -> bool {
        let at = self.differing_line(want);
        let found = self.pending[at..].starts_with(PING);
        if found {
            self.pending.drain(at..at + PING.len());
            self.pong();
        }
        found
    }

    /// Whether the differing line may still become a PING.
    fn may_be_ping(&self, want: &[u8]) -> bool {
        PING.starts_with(&self.pending[self.differing_line(want)..])
    }

    fn pong(&mut self) {
        // The server may be gone already; whoever reads next finds out.
        let _ = self.try_send("PONG\r\n");
    }

    /// Reads once; false at the end of the stream or at the deadline.
    fn fill(&mut self, end: Instant) -> bool {
        let mut chunk = [0; 16 * 1024];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let timeout = left.max(Duration::from_millis(1));
            self.tcp
                .set_read_timeout(Some(timeout))
                .expect("a non-zero timeout");
            match self.io.read(&mut chunk) {
                Ok(0) => return false,
                Ok(count) => {
                    self.pending.extend_from_slice(&chunk[..count]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                // A reset, or TLS without its goodbye, ends the connection like a close.
                Err(_) => return false,
            }
        }
    }
}

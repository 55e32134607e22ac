//! A raw NATS client for the tests: it sends bytes as they are and cuts what arrives.
//!
//! It works over any stream, so that sockets and in-process connections are held to the same.
//! Invariant: every wait ends at [`DEADLINE`] with a message that says what was waited for.
//! Absent: knowledge of the server's insides.

// Each test program uses a part of it.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod random;

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use cognate_config::{MemorySource, Options, load};
use cognate_server::{Builder, Server};

/// How long anything may take. Generous, because test machines are shared.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A stream in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A server on a free port of this machine.
pub(crate) async fn start(change: impl FnOnce(Builder) -> Builder) -> Server {
    let builder = Server::builder().host("127.0.0.1").free_port();
    change(builder)
        .start()
        .await
        .expect("a server on a free port starts")
}

/// Options from the text of a configuration file, on a free port of this machine.
pub(crate) fn options_from(text: &str) -> Options {
    let text = format!("host: 127.0.0.1, port: -1\n{text}");
    let source = MemorySource::new().with_file("nats.conf", text);
    // The loader only asks whether a certificate is there; the server finds out more.
    let source = source.with_file("missing.pem", "");
    match load("nats.conf", &source) {
        Ok(loaded) => loaded.options,
        Err(error) => panic!("{error}"),
    }
}

/// A connection to the port of `server`.
pub(crate) async fn socket(server: &Server) -> TcpStream {
    let address = server.client_addr().expect("the server listens");
    let socket = within("the connection", TcpStream::connect(address)).await;
    let socket = socket.expect("the server accepts");
    socket.set_nodelay(true).expect("TCP_NODELAY");
    socket
}

/// Waits for `future`, at most [`DEADLINE`].
#[track_caller]
pub(crate) fn within<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        match timeout(DEADLINE, future).await {
            Ok(value) => value,
            Err(_) => panic!("{place}: gave up waiting for {what}"),
        }
    }
}

/// Waits until `probe` yields what `is_enough` takes, and returns it.
pub(crate) async fn until<T: Debug>(
    what: &str,
    mut probe: impl AsyncFnMut() -> T,
    is_enough: impl Fn(&T) -> bool,
) -> T {
    let mut ticks = interval(Duration::from_millis(5));
    let end = tokio::time::Instant::now() + DEADLINE;
    loop {
        ticks.tick().await;
        let value = probe().await;
        if is_enough(&value) {
            return value;
        }
        let now = tokio::time::Instant::now();
        assert!(
            now < end,
            "gave up waiting for {what}; last seen: {value:?}"
        );
    }
}

/// A delivered message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where it was published to.
    pub subject: String,
    /// The subscription it was delivered to.
    pub sid: String,
    /// Where an answer goes.
    pub reply: Option<String>,
    /// Headers, if any, and payload.
    pub payload: Vec<u8>,
}

/// The receiving side of a raw connection.
pub(crate) struct Incoming<S> {
    stream: ReadHalf<S>,
    bytes: Vec<u8>,
    used: usize,
}

/// The sending side of a raw connection.
pub(crate) type Outgoing<S> = WriteHalf<S>;

/// A raw connection.
pub(crate) struct Client<S> {
    /// What the server sends.
    pub incoming: Incoming<S>,
    /// What the client sends.
    pub outgoing: Outgoing<S>,
    /// The INFO it was greeted with.
    pub info: String,
}

impl Client<TcpStream> {
    /// Connects to the port of `server`, quietly and with headers.
    pub(crate) async fn connect(server: &Server) -> Self {
        Client::over(socket(server).await).await
    }
}

impl<S: Stream> Client<S> {
    /// Reads INFO and nothing else.
    pub(crate) async fn greeted(stream: S) -> Self {
        let (stream, outgoing) = tokio::io::split(stream);
        let mut incoming = Incoming {
            stream,
            bytes: Vec::new(),
            used: 0,
        };
        let info = incoming.line().await;
        assert!(info.starts_with("INFO {"), "not INFO: {info}");
        Client {
            incoming,
            outgoing,
            info,
        }
    }

    /// Introduces a client: not verbose, not pedantic, with headers.
    pub(crate) async fn over(stream: S) -> Self {
        Self::with(stream, "").await
    }

    /// As [`Self::over`], with more fields for CONNECT (each with a leading comma).
    pub(crate) async fn with(stream: S, fields: &str) -> Self {
        let mut client = Self::greeted(stream).await;
        let connect = r#"CONNECT {"verbose":false,"pedantic":false,"headers":true"#;
        client.send(format!("{connect}{fields}}}\r\n")).await;
        client.sync().await;
        client
    }

    /// Sends bytes; the server must take them.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = within("room to send", self.outgoing.write_all(bytes.as_ref())).await;
        sent.expect("the server takes what is sent");
    }

    /// The next line must be `expected`.
    pub(crate) async fn expect(&mut self, expected: &str) {
        assert_eq!(self.incoming.line().await, expected);
    }

    /// PING, answered by PONG and nothing else.
    pub(crate) async fn sync(&mut self) {
        self.send("PING\r\n").await;
        self.expect("PONG").await;
    }

    /// Hands messages to `take` until the next PONG or the end of the connection.
    pub(crate) async fn drain(&mut self, mut take: impl FnMut(Message)) {
        while let Some(message) = within("PONG", self.incoming.next()).await {
            take(message);
        }
    }

    /// The next frame must be a message.
    pub(crate) async fn message(&mut self) -> Message {
        self.incoming.message().await
    }

    /// The next frame must be a message with this payload.
    pub(crate) async fn expect_payload(&mut self, payload: impl AsRef<[u8]>) {
        let message = self.message().await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&message.payload), text(payload.as_ref()));
    }

    /// Gives up the client for its stream.
    pub(crate) fn into_stream(self) -> S {
        self.incoming.stream.unsplit(self.outgoing)
    }

    /// What the server says until it closes.
    pub(crate) async fn rest(&mut self) -> String {
        self.incoming.rest().await
    }
}

impl<S: Stream> Incoming<S> {
    /// One line, without its end. A server's PING is skipped: no test here lives long enough to
    /// be cut off for not answering.
    pub(crate) async fn line(&mut self) -> String {
        loop {
            let line = within("a line", self.read_line())
                .await
                .expect("a line, not the end");
            if line != "PING" {
                return line;
            }
        }
    }

    /// One `MSG` or `HMSG`.
    pub(crate) async fn message(&mut self) -> Message {
        let message = within("a message", self.next()).await;
        message.expect("a message, not the end of the connection")
    }

    /// The next message, however long it takes; `None` at PONG or the end of the connection.
    /// Nothing else may arrive but PING.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            let line = self.read_line().await?;
            match line.as_str() {
                "PING" => continue,
                "PONG" => return None,
                _ => {}
            }
            let words: Vec<&str> = line.split(' ').collect();
            let headers = usize::from(words[0] == "HMSG");
            assert!(headers == 1 || words[0] == "MSG", "not a message: {line}");
            let size: usize = words
                .last()
                .and_then(|size| size.parse().ok())
                .expect("a size");
            while self.bytes.len() - self.used < size + 2 {
                if !self.fill().await {
                    return None;
                }
            }
            let end = self.used + size;
            assert_eq!(&self.bytes[end..end + 2], b"\r\n", "the end of {line}");
            let payload = self.bytes[self.used..end].to_vec();
            self.used = end + 2;
            return Some(Message {
                subject: words[1].to_owned(),
                sid: words[2].to_owned(),
                reply: (words.len() == 5 + headers).then(|| words[3].to_owned()),
                payload,
            });
        }
    }

    /// Everything until the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        within("the end of the connection", async {
            while self.fill().await {}
        })
        .await;
        String::from_utf8_lossy(&self.bytes[self.used..]).into_owned()
    }

    async fn read_line(&mut self) -> Option<String> {
        let mut seen = 0;
        loop {
            let fresh = &self.bytes[self.used + seen..];
            if let Some(end) = fresh.windows(2).position(|pair| pair == b"\r\n") {
                let line = &self.bytes[self.used..self.used + seen + end];
                let line = String::from_utf8_lossy(line).trim_end().to_owned();
                self.used += seen + end + 2;
                return Some(line);
            }
            seen = (self.bytes.len() - self.used).saturating_sub(1);
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Reads once; false at the end. A reset ends a connection like a close.
    async fn fill(&mut self) -> bool {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.reserve(64 * 1024);
        matches!(self.stream.read_buf(&mut self.bytes).await, Ok(1..))
    }
}

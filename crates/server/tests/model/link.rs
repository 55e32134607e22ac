//! A raw connection: what is sent on it, and what has come before a PONG.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{Stream, within};
use crate::oracle::{Reply, Sub};

/// What a connection received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The index of the connection.
    pub(crate) conn: usize,
    /// The subscription.
    pub(crate) sid: usize,
    /// Its subject there.
    pub(crate) subject: String,
    /// Where an answer goes.
    pub(crate) reply: Option<String>,
    /// What it says.
    pub(crate) payload: String,
}

/// A raw connection of a user.
pub(crate) struct Link {
    io: Box<dyn Stream>,
    bytes: Vec<u8>,
    /// All subscriptions that it ever asked for.
    pub(crate) wishes: Vec<Sub>,
    /// Errors that the server owes it.
    pub(crate) errors: usize,
    /// What was read before it was asked for.
    pub(crate) kept: Vec<Received>,
}

/// What came before a PONG.
#[derive(Default)]
pub(crate) struct Seen {
    /// Messages.
    pub(crate) messages: Vec<Received>,
    /// Lines with errors.
    pub(crate) errors: Vec<String>,
}

impl Link {
    /// A connection that has read INFO.
    pub(crate) async fn greeted(io: Box<dyn Stream>, wishes: Vec<Sub>) -> Self {
        let mut link = Link {
            io,
            bytes: Vec::new(),
            wishes,
            errors: 0,
            kept: Vec::new(),
        };
        let info = link.line().await;
        assert!(info.is_some_and(|line| line.starts_with("INFO ")));
        link
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, text: &str) {
        let sent = within("room to send", self.io.write_all(text.as_bytes())).await;
        // A connection that was closed says so when it is read.
        let _ = sent;
    }

    /// Publishes a message.
    pub(crate) async fn publish(&mut self, subject: &str, reply: &Reply, payload: &str) {
        let reply = reply.shown().unwrap_or_default();
        let size = payload.len();
        self.send(&format!("PUB {subject} {reply} {size}\r\n{payload}\r\n"))
            .await;
    }

    /// Everything before the next PONG; `None` if the connection ends.
    pub(crate) async fn until_pong(&mut self, conn: usize) -> Option<Seen> {
        self.send("PING\r\n").await;
        let mut seen = Seen::default();
        loop {
            let line = within("PONG", self.line()).await?;
            if line == "PONG" {
                return Some(seen);
            }
            if line.starts_with("-ERR") {
                seen.errors.push(line);
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let headers = match words[0] {
                "MSG" => 0,
                "HMSG" => 1,
                // A server's own PING or INFO is of no interest.
                _ => continue,
            };
            let number = |word: &str| word.parse::<usize>().expect("a number");
            let size = number(words[words.len() - 1]);
            let skip = if headers == 1 {
                number(words[words.len() - 2])
            } else {
                0
            };
            while self.bytes.len() < size + 2 {
                self.fill().await?;
            }
            let payload = String::from_utf8_lossy(&self.bytes[skip..size]).into_owned();
            self.bytes.drain(..size + 2);
            seen.messages.push(Received {
                conn,
                sid: number(words[2]),
                subject: words[1].to_owned(),
                reply: (words.len() == 5 + headers).then(|| words[3].to_owned()),
                payload,
            });
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.bytes.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
                self.bytes.drain(..end + 2);
                return Some(line);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Option<()> {
        let count = self.io.read_buf(&mut self.bytes).await;
        matches!(count, Ok(1..)).then_some(())
    }
}

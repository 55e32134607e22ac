//! A raw connection whose end is an ordinary outcome: the suite's own client panics when the server
//! goes away, and here that is what every round waits for.
//!
//! One wildcard inbox takes the answers to requests, and deliveries of pulls; what consumers send by
//! themselves is subscribed to. A message that came while another one was awaited is kept. What flow
//! control asks for is answered at once, like a `PING`. Each frame sent and read is a tick of the [`Fuse`].

use std::collections::{BTreeSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::fuse::Fuse;
use super::{Run, Stop, wrong};
use crate::wait;

const CONNECT: &str = r#"{"verbose":false,"pedantic":false,"headers":true,"no_responders":true}"#;

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Subject published to.
    pub subject: String,
    /// Reply subject; for a delivery, where it is acked.
    pub reply: Option<String>,
    /// Header block, empty if none.
    pub headers: String,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Arrival {
    /// The payload as JSON, `Null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_default()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key == name).then(|| value.trim())
        })
    }

    /// The status of a header block, such as `404`.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.headers
            .strip_prefix("NATS/1.0 ")
            .and_then(|rest| rest.split([' ', '\r']).next())
    }

    /// Whether it is a delivery of a consumer.
    #[must_use]
    pub fn is_delivery(&self) -> bool {
        self.is_from("$JS.ACK.")
    }

    fn is_from(&self, start: &str) -> bool {
        let reply = self.reply.as_deref().unwrap_or_default();
        reply.starts_with(start)
    }
}

/// A connection with an inbox.
pub struct Link {
    tcp: TcpStream,
    pending: Vec<u8>,
    at: usize,
    inbox: String,
    requests: u64,
    kept: VecDeque<Arrival>,
    subscribed: BTreeSet<String>,
    subscriptions: u64,
    fuse: Option<Arc<Fuse>>,
}

impl Link {
    /// Connects; `fuse` burns from now on.
    ///
    /// # Errors
    /// The server is gone, or does not greet.
    pub fn connect(addr: SocketAddr, fuse: Option<Arc<Fuse>>) -> Run<Self> {
        let tcp = TcpStream::connect(addr).map_err(|_| Stop::Gone)?;
        let port = tcp.local_addr().map_err(|_| Stop::Gone)?.port();
        tcp.set_nodelay(true).map_err(|_| Stop::Gone)?;
        let mut link = Self {
            tcp,
            pending: Vec::new(),
            at: 0,
            inbox: format!("_INBOX.P{port}"),
            requests: 0,
            kept: VecDeque::new(),
            subscribed: BTreeSet::new(),
            subscriptions: 1,
            fuse: None,
        };
        let hello = format!("CONNECT {CONNECT}\r\nSUB {}.* 1\r\nPING\r\n", link.inbox);
        link.write(hello.as_bytes())?;
        while link.line()? != "PONG" {}
        link.fuse = fuse;
        Ok(link)
    }

    fn tick(&self) {
        if let Some(fuse) = &self.fuse {
            fuse.tick();
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Run<()> {
        self.tcp.write_all(bytes).map_err(|_| Stop::Gone)?;
        self.tick();
        Ok(())
    }

    /// Publishes with a fresh reply subject, which is returned for [`Link::answer`].
    ///
    /// # Errors
    /// The server is gone.
    pub fn post(&mut self, subject: &str, headers: &[(&str, &str)], payload: &[u8]) -> Run<String> {
        let reply = self.inbox();
        self.publish(subject, &reply, headers, payload)?;
        Ok(reply)
    }

    /// A subject of its own that nothing was sent to yet.
    pub fn inbox(&mut self) -> String {
        self.requests += 1;
        format!("{}.{}", self.inbox, self.requests)
    }

    /// Publishes.
    ///
    /// # Errors
    /// The server is gone.
    pub fn publish(
        &mut self,
        subject: &str,
        reply: &str,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Run<()> {
        let mut frame = Vec::with_capacity(payload.len() + 160);
        if headers.is_empty() {
            frame.extend(format!("PUB {subject} {reply} {}\r\n", payload.len()).bytes());
        } else {
            let fields: String = headers
                .iter()
                .map(|(key, value)| format!("{key}: {value}\r\n"))
                .collect();
            let block = format!("NATS/1.0\r\n{fields}\r\n");
            let total = block.len() + payload.len();
            frame.extend(format!("HPUB {subject} {reply} {} {total}\r\n", block.len()).bytes());
            frame.extend(block.bytes());
        }
        frame.extend(payload);
        frame.extend(b"\r\n");
        self.write(&frame)
    }

    /// Waits for the answer to `reply`.
    ///
    /// # Errors
    /// The server is gone, or there is no answer in time.
    pub fn answer(&mut self, reply: &str) -> Run<Arrival> {
        self.find(|message| message.subject == reply)
    }

    /// Waits for a delivery whose ack subject begins with `from`, or for a status sent to `reply`.
    ///
    /// # Errors
    /// As for [`Link::answer`].
    pub fn delivery(&mut self, reply: &str, from: &str) -> Run<Arrival> {
        self.find(|message| message.is_from(from) || message.subject == reply)
    }

    /// A delivery whose ack subject begins with `from`, if one is there or comes before nothing has
    /// come for `quiet`.
    ///
    /// # Errors
    /// The server is gone.
    pub fn delivery_within(&mut self, from: &str, quiet: Duration) -> Run<Option<Arrival>> {
        loop {
            let at = self.kept.iter().position(|message| message.is_from(from));
            if let Some(found) = at.and_then(|at| self.kept.remove(at)) {
                return Ok(Some(found));
            }
            let is_there = self.at < self.pending.len();
            if !is_there && (quiet.is_zero() || self.fill(quiet)?.is_none()) {
                return Ok(None);
            }
            if let Some(message) = self.frame()? {
                self.kept.push_back(message);
            }
        }
    }

    /// Forgets deliveries that came and were not looked at yet, whose ack subject is `unwanted`.
    pub fn discard(&mut self, unwanted: impl Fn(&str) -> bool) {
        self.kept
            .retain(|message| !message.reply.as_deref().is_some_and(&unwanted));
    }

    /// Subscribes `count` times to a subject, in a queue group unless `group` is empty. Does nothing if
    /// it did so before.
    ///
    /// # Errors
    /// The server is gone.
    pub fn subscribe(&mut self, subject: &str, group: &str, count: u64) -> Run<()> {
        if self.subscribed.insert(subject.to_owned()) {
            for _ in 0..count {
                self.subscriptions += 1;
                let line = format!("SUB {subject} {group} {}\r\n", self.subscriptions);
                self.write(line.as_bytes())?;
            }
        }
        Ok(())
    }

    fn find(&mut self, wanted: impl Fn(&Arrival) -> bool) -> Run<Arrival> {
        if let Some(at) = self.kept.iter().position(&wanted)
            && let Some(found) = self.kept.remove(at)
        {
            return Ok(found);
        }
        loop {
            let message = self.message()?;
            if wanted(&message) {
                return Ok(message);
            }
            self.kept.push_back(message);
        }
    }

    /// A request and its answer.
    ///
    /// # Errors
    /// As for [`Link::answer`].
    pub fn request(
        &mut self,
        subject: &str,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Run<Arrival> {
        let reply = self.post(subject, headers, payload)?;
        self.answer(&reply)
    }

    /// A request below `$JS.API.` and its JSON, error or not.
    ///
    /// # Errors
    /// As for [`Link::answer`].
    pub fn api(&mut self, subject: &str, body: &Value) -> Run<Value> {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.request(&format!("$JS.API.{subject}"), &[], text.as_bytes())?;
        Ok(answer.json())
    }

    /// An API request that must succeed.
    ///
    /// # Errors
    /// As for [`Link::answer`], or the server refuses.
    pub fn ok(&mut self, subject: &str, body: &Value) -> Run<Value> {
        let answer = self.api(subject, body)?;
        if answer.get("error").is_some() || answer.is_null() {
            return wrong(format!("{subject} {body} answers {answer}"));
        }
        Ok(answer)
    }

    /// All messages of a stream that allows direct gets, in order.
    ///
    /// # Errors
    /// As for [`Link::answer`], or something that is no message comes.
    pub fn contents(&mut self, stream: &str) -> Run<Vec<Arrival>> {
        let mut messages: Vec<Arrival> = Vec::new();
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let mut from = 1;
        loop {
            let body = format!(r#"{{"seq":{from},"batch":500}}"#);
            let reply = self.post(&subject, &[], body.as_bytes())?;
            loop {
                let message = self.answer(&reply)?;
                match message.status() {
                    Some("404") => return Ok(messages),
                    Some("204") => break,
                    Some(status) => {
                        return wrong(format!("{stream}: get from {from} says {status}"));
                    }
                    None => {}
                }
                let sequence = message
                    .header("Nats-Sequence")
                    .and_then(|text| text.parse().ok());
                let Some(sequence) = sequence.filter(|&sequence: &u64| sequence >= from) else {
                    return wrong(format!("{stream}: get from {from} answers {message:?}"));
                };
                from = sequence + 1;
                messages.push(message);
            }
        }
    }

    fn message(&mut self) -> Run<Arrival> {
        loop {
            if let Some(message) = self.frame()? {
                return Ok(message);
            }
        }
    }

    /// The next frame, if it is a message that somebody may wait for.
    fn frame(&mut self) -> Run<Option<Arrival>> {
        let line = self.line()?;
        if line == "PING" {
            self.tcp.write_all(b"PONG\r\n").map_err(|_| Stop::Gone)?;
            return Ok(None);
        }
        let words: Vec<&str> = line.split(' ').collect();
        let with_headers = words[0] == "HMSG";
        if !with_headers && words[0] != "MSG" {
            return wrong(format!("the server says {line}"));
        }
        let sizes = 1 + usize::from(with_headers);
        let size = |back: usize| words[words.len() - back].parse::<usize>().unwrap_or(0);
        let (total, head) = (size(1), if with_headers { size(2) } else { 0 });
        let reply = (words.len() == 4 + sizes).then(|| words[3].to_owned());
        let subject = words[1].to_owned();
        let body = self.take(total + 2)?;
        self.tick();
        let message = Arrival {
            subject,
            reply,
            headers: String::from_utf8_lossy(&body[..head]).into_owned(),
            payload: body[head..total].to_vec(),
        };
        if message.status() != Some("100") {
            return Ok(Some(message));
        }
        let stalled = message.header("Nats-Consumer-Stalled");
        if let Some(go_on) = message.reply.as_deref().or(stalled) {
            self.publish(go_on, "", &[], b"")?;
        }
        Ok(None)
    }

    fn line(&mut self) -> Run<String> {
        let mut from = self.at;
        loop {
            let tail = &self.pending[from..];
            if let Some(end) = tail.iter().position(|&byte| byte == b'\n') {
                let line = self.pending[self.at..from + end].to_vec();
                self.at = from + end + 1;
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let count = self.more()?;
            from = self.pending.len() - count;
        }
    }

    fn take(&mut self, count: usize) -> Run<Vec<u8>> {
        while self.pending.len() - self.at < count {
            self.more()?;
        }
        let bytes = self.pending[self.at..self.at + count].to_vec();
        self.at += count;
        Ok(bytes)
    }

    /// Reads once and says how much.
    fn more(&mut self) -> Run<usize> {
        match self.fill(wait::DEADLINE)? {
            Some(count) => Ok(count),
            None => wrong("no answer in time"),
        }
    }

    /// Reads once and says how much, `None` if nothing comes for so long.
    fn fill(&mut self, patience: Duration) -> Run<Option<usize>> {
        self.pending.drain(..self.at);
        self.at = 0;
        let mut chunk = [0; 16 * 1024];
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.tcp
                .set_read_timeout(Some(left))
                .map_err(|_| Stop::Gone)?;
            match self.tcp.read(&mut chunk) {
                Ok(0) => return Err(Stop::Gone),
                Ok(count) => {
                    self.pending.extend_from_slice(&chunk[..count]);
                    return Ok(Some(count));
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
                    ) => {}
                Err(_) => return Err(Stop::Gone),
            }
        }
    }
}

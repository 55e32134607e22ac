//! JetStream over the raw client: servers with a store of their own, `$JS.API` requests, publishes
//! with acknowledgement, pulls and acks, and comparison of JSON without what differs from run to
//! run.
//!
//! A [`JetStream`] owns one connection. It has one wildcard inbox for requests and any number of
//! subscriptions; a message that arrives while another one is awaited is kept for its own reader,
//! so a test reads each subscription in its own order. Statuses (`100`, `404`, ...) are ordinary
//! messages here and are compared as text.
//!
//! Invariants: nothing waits without [`wait::DEADLINE`]; nothing proves silence by waiting, so a
//! test that wants to see that something does not happen provokes a later event and looks at what
//! came before it.
//!
//! Absent: any client-side convention (key-value, object store, ordered consumers): tests spell
//! those out, because the bytes are what is tested.

use std::collections::VecDeque;
use std::path::Path;

use serde_json::Value;

use crate::{Client, Message, Server, wait};

pub mod compare;
pub mod tables;

pub use compare::{check_json, outcome, stable};
pub use tables::{ApiCase, PublishCase, check_api, check_publishes};

/// The CONNECT of a client that takes headers and wants to hear of missing responders.
const CONNECT: &str = r#"{"verbose":false,"pedantic":false,"headers":true,"no_responders":true}"#;

/// A server with JetStream and monitoring, its store in its own temporary directory.
#[must_use]
pub fn server() -> Server {
    server_with("")
}

/// Like [`server`], with a configuration file. The store directory is given on the command line.
#[must_use]
pub fn server_with(config: &str) -> Server {
    let builder = Server::builder().monitored().config(config);
    let store = builder.dir().join("store");
    let store = store.to_str().expect("a UTF-8 path").to_owned();
    builder.args(&["-js", "-sd", &store]).start()
}

/// Like [`server`], with its store in `dir`, which outlives it: for tests that start again.
#[must_use]
pub fn server_on(dir: &Path) -> Server {
    let store = dir.to_str().expect("a UTF-8 path");
    Server::builder()
        .monitored()
        .args(&["-js", "-sd", store])
        .start()
}

/// A subscription of a [`JetStream`] connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription(u64);

/// One connection with an inbox.
pub struct JetStream {
    client: Client,
    inbox: String,
    requests: u64,
    subscriptions: u64,
    kept: VecDeque<Message>,
}

/// What a request or a message carries: text as it is, JSON in its compact form.
pub trait Payload {
    /// The bytes to send.
    fn text(&self) -> String;
}

impl Payload for &str {
    fn text(&self) -> String {
        (*self).to_owned()
    }
}

impl Payload for String {
    fn text(&self) -> String {
        self.clone()
    }
}

impl Payload for &String {
    fn text(&self) -> String {
        (*self).clone()
    }
}

impl Payload for Value {
    fn text(&self) -> String {
        self.to_string()
    }
}

/// Header names with their values.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

impl JetStream {
    /// Connects to `server` as an ordinary client.
    #[must_use]
    pub fn connect(server: &Server) -> Self {
        Self::over(Client::with_options(server.addr(), CONNECT))
    }

    /// Connects with the user and password of an account.
    #[must_use]
    pub fn login(server: &Server, user: &str, password: &str) -> Self {
        let credentials = format!(r#"{{"user":"{user}","pass":"{password}","#);
        let options = CONNECT.replacen('{', &credentials, 1);
        Self::over(Client::with_options(server.addr(), &options))
    }

    /// Connects with what `credentials` makes of the nonce in INFO: further fields of CONNECT.
    #[must_use]
    pub fn by_nonce(server: &Server, credentials: impl FnOnce(&str) -> String) -> Self {
        let mut client = server.connect();
        let nonce = client.info()["nonce"].as_str().unwrap_or_default();
        let credentials = format!("{{{},", credentials(nonce));
        let options = CONNECT.replacen('{', &credentials, 1);
        client.send(format!("CONNECT {options}\r\n"));
        client.sync();
        Self::over(client)
    }

    fn over(client: Client) -> Self {
        let inbox = format!("_INBOX.C{}", client.cid());
        let mut this = Self {
            client,
            inbox,
            requests: 0,
            subscriptions: 0,
            kept: VecDeque::new(),
        };
        let _requests_come_to_the_first = this.subscribe(&format!("{}.*", this.inbox));
        this
    }

    /// The connection below.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Subscribes; the server knows of it when this returns.
    #[track_caller]
    pub fn subscribe(&mut self, subject: &str) -> Subscription {
        self.subscribe_as(subject, "")
    }

    /// Subscribes as a member of a queue group.
    #[track_caller]
    pub fn subscribe_as(&mut self, subject: &str, group: &str) -> Subscription {
        self.subscriptions += 1;
        let sid = self.subscriptions;
        self.client.send(format!("SUB {subject} {group} {sid}\r\n"));
        let early = self.client.messages_until_pong();
        self.kept.extend(early);
        Subscription(sid)
    }

    /// Ends a subscription; what it already got is forgotten.
    #[track_caller]
    pub fn unsubscribe(&mut self, subscription: Subscription) {
        self.client.send(format!("UNSUB {}\r\n", subscription.0));
        let early = self.client.messages_until_pong();
        self.kept.extend(early);
        let sid = subscription.0.to_string();
        self.kept.retain(|message| message.sid != sid);
    }

    /// The next message of a subscription.
    #[track_caller]
    pub fn next(&mut self, subscription: Subscription) -> Message {
        let sid = subscription.0.to_string();
        if let Some(at) = self.kept.iter().position(|message| message.sid == sid) {
            return self.kept.remove(at).expect("the position was just found");
        }
        loop {
            let message = self.client.message();
            if message.sid == sid {
                return message;
            }
            self.kept.push_back(message);
        }
    }

    /// The next `count` messages of a subscription.
    #[track_caller]
    pub fn take(&mut self, subscription: Subscription, count: usize) -> Vec<Message> {
        (0..count).map(|_| self.next(subscription)).collect()
    }

    /// What a subscription got before the server answered everything sent so far on this
    /// connection. Says nothing about what the server does later.
    #[track_caller]
    pub fn arrived(&mut self, subscription: Subscription) -> Vec<Message> {
        let early = self.client.messages_until_pong();
        self.kept.extend(early);
        let sid = subscription.0.to_string();
        let (ours, others) = self
            .kept
            .drain(..)
            .partition::<VecDeque<_>, _>(|message| message.sid == sid);
        self.kept = others;
        ours.into()
    }

    /// Publishes without waiting, with any reply subject.
    pub fn send(
        &mut self,
        subject: &str,
        reply: &str,
        headers: Headers<'_>,
        payload: impl Payload,
    ) {
        let payload = payload.text();
        let bytes = if headers.is_empty() {
            format!("PUB {subject} {reply} {}\r\n{payload}\r\n", payload.len())
        } else {
            let fields: String = headers
                .iter()
                .map(|(key, value)| format!("{key}: {value}\r\n"))
                .collect();
            let block = format!("NATS/1.0\r\n{fields}\r\n");
            let total = block.len() + payload.len();
            format!(
                "HPUB {subject} {reply} {} {total}\r\n{block}{payload}\r\n",
                block.len()
            )
        };
        self.client.send(bytes);
    }

    /// Sends a request and returns what answers it; statuses included.
    #[track_caller]
    pub fn request(
        &mut self,
        subject: &str,
        headers: Headers<'_>,
        payload: impl Payload,
    ) -> Message {
        let reply = self.post(subject, headers, payload);
        self.answer(&reply)
    }

    /// Sends a request and returns its reply subject, for [`JetStream::answer`].
    pub fn post(&mut self, subject: &str, headers: Headers<'_>, payload: impl Payload) -> String {
        self.requests += 1;
        let reply = format!("{}.{}", self.inbox, self.requests);
        self.send(subject, &reply, headers, payload);
        reply
    }

    /// The next message to the reply subject of a request.
    #[track_caller]
    pub fn answer(&mut self, reply: &str) -> Message {
        if let Some(at) = self
            .kept
            .iter()
            .position(|message| message.subject == reply)
        {
            return self.kept.remove(at).expect("the position was just found");
        }
        loop {
            let message = self.client.message();
            if message.subject == reply {
                return message;
            }
            self.kept.push_back(message);
        }
    }

    /// An API request below `$JS.API.`, and its JSON answer, error or not.
    #[track_caller]
    pub fn api(&mut self, subject: &str, payload: impl Payload) -> Value {
        self.api_with(subject, &[], payload)
    }

    /// Like [`JetStream::api`], with headers.
    #[track_caller]
    pub fn api_with(
        &mut self,
        subject: &str,
        headers: Headers<'_>,
        payload: impl Payload,
    ) -> Value {
        let message = self.request(&format!("$JS.API.{subject}"), headers, payload);
        serde_json::from_str(&message.payload)
            .unwrap_or_else(|error| panic!("{subject}: not JSON ({error}): {message:?}"))
    }

    /// An API request that must succeed.
    #[track_caller]
    pub fn ok(&mut self, subject: &str, payload: impl Payload) -> Value {
        let answer = self.api(subject, payload);
        assert!(answer.get("error").is_none(), "{subject}: {answer}");
        answer
    }

    /// The outcome of an API request, see [`outcome`].
    #[track_caller]
    pub fn outcome(&mut self, subject: &str, payload: impl Payload) -> String {
        outcome(&self.api(subject, payload))
    }

    /// Creates a stream from its configuration.
    #[track_caller]
    pub fn stream(&mut self, config: Value) -> Value {
        let name = config["name"].as_str().expect("a stream has a name");
        self.ok(&format!("STREAM.CREATE.{name}"), config.clone())
    }

    /// Creates or edits the consumer named by `config["name"]`; `durable_name` makes it durable.
    #[track_caller]
    pub fn consumer(&mut self, stream: &str, config: Value) -> Value {
        let name = config["name"].as_str().expect("a consumer has a name");
        let subject = format!("CONSUMER.CREATE.{stream}.{name}");
        self.ok(
            &subject,
            serde_json::json!({"stream_name": stream, "config": config}),
        )
    }

    /// Creates a durable consumer with explicit acks that pulls.
    #[track_caller]
    pub fn durable(&mut self, stream: &str, name: &str) {
        let config = serde_json::json!({
            "name": name, "durable_name": name, "ack_policy": "explicit",
        });
        self.consumer(stream, config);
    }

    /// The state of a stream.
    #[track_caller]
    pub fn state(&mut self, stream: &str) -> Value {
        self.ok(&format!("STREAM.INFO.{stream}"), "")["state"].clone()
    }

    /// The numbers of a consumer: `delivered` and `ack_floor` as `(consumer, stream)`, then ack
    /// pending, redelivered, waiting and pending.
    #[track_caller]
    pub fn numbers(&mut self, stream: &str, consumer: &str) -> String {
        let info = self.ok(&format!("CONSUMER.INFO.{stream}.{consumer}"), "");
        let pair = |key: &str| {
            let pair = &info[key];
            format!("{}/{}", pair["consumer_seq"], pair["stream_seq"])
        };
        format!(
            "delivered {} floor {} acks {} redelivered {} waiting {} pending {}",
            pair("delivered"),
            pair("ack_floor"),
            info["num_ack_pending"],
            info["num_redelivered"],
            info["num_waiting"],
            info["num_pending"],
        )
    }

    /// Publishes and returns the stream's answer: a PubAck, or the header block of a status.
    #[track_caller]
    pub fn publish(
        &mut self,
        subject: &str,
        headers: Headers<'_>,
        payload: impl Payload,
    ) -> String {
        let message = self.request(subject, headers, payload);
        message.headers.unwrap_or_default() + &message.payload
    }

    /// Publishes a message that must be stored, and returns its sequence.
    #[track_caller]
    pub fn put(&mut self, subject: &str, payload: impl Payload) -> u64 {
        let ack = self.publish(subject, &[], payload);
        let parsed: Value = serde_json::from_str(&ack).unwrap_or_default();
        match parsed["seq"].as_u64() {
            Some(sequence) if parsed.get("error").is_none() => sequence,
            _ => panic!("{subject}: not stored: {ack}"),
        }
    }

    /// Publishes one message per subject, each with its position (from 1) as payload.
    #[track_caller]
    pub fn fill(&mut self, subjects: &[&str]) {
        for (position, subject) in (1_u64..).zip(subjects) {
            self.put(subject, position.to_string());
        }
    }

    /// Sends a pull request with a fresh inbox, to be read with [`JetStream::next`].
    #[track_caller]
    pub fn pull(&mut self, stream: &str, consumer: &str, body: impl Payload) -> Subscription {
        self.requests += 1;
        let inbox = format!("pull.{}.{}", self.inbox, self.requests);
        let subscription = self.subscribe(&inbox);
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        self.send(&subject, &inbox, &[], body);
        subscription
    }

    /// Pulls `count` messages that must come, and no more than wanted.
    #[track_caller]
    pub fn fetch(&mut self, stream: &str, consumer: &str, count: usize) -> Vec<Message> {
        let subscription = self.pull(stream, consumer, count.to_string());
        self.take(subscription, count)
    }

    /// Everything the consumer has to give now: payloads of a pull that does not wait, without the
    /// status that ends it.
    #[track_caller]
    pub fn drain(&mut self, stream: &str, consumer: &str) -> Vec<Message> {
        let body = r#"{"batch":1000,"no_wait":true}"#;
        let subscription = self.pull(stream, consumer, body);
        let mut messages = Vec::new();
        loop {
            let message = self.next(subscription);
            let status = message.reply.is_none();
            if status {
                return messages;
            }
            messages.push(message);
        }
    }

    /// Answers a delivery with `kind` (empty, `+ACK`, `-NAK`, ...) and waits until the server
    /// confirms it.
    #[track_caller]
    pub fn ack(&mut self, delivery: &Message, kind: &str) {
        let subject = delivery.reply.as_deref().expect("a delivery to be acked");
        let answer = self.request(subject, &[], kind);
        assert_eq!((answer.headers, &*answer.payload), (None, ""), "{kind}");
    }

    /// Acks each of `deliveries`.
    #[track_caller]
    pub fn ack_all(&mut self, deliveries: &[Message]) {
        for delivery in deliveries {
            self.ack(delivery, "");
        }
    }

    /// Polls until `condition` yields a value, see [`wait::until`].
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> Option<T>) -> T {
        wait::until(what, || condition(self))
    }
}

/// The tokens after the consumer's name of a delivery's reply subject, the timestamp left out:
/// delivery count, stream sequence, consumer sequence, pending.
#[must_use]
#[track_caller]
pub fn counts(delivery: &Message) -> [u64; 4] {
    let reply = delivery.reply.as_deref().expect("a delivery to be acked");
    let tokens: Vec<&str> = reply.split('.').collect();
    assert_eq!(
        (tokens.len(), tokens[0], tokens[1]),
        (9, "$JS", "ACK"),
        "{reply}"
    );
    [4, 5, 6, 8].map(|at| tokens[at].parse().expect("a number"))
}

/// The payloads of messages, in order.
#[must_use]
pub fn payloads(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| &*message.payload).collect()
}

/// The value of a header, if there is one.
#[must_use]
pub fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let block = message.headers.as_deref()?;
    block
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

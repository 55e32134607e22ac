//! Scripts for streams: each line is a call, and what it caused is compared as a whole.
//!
//! | line | call |
//! |---|---|
//! | `pub SUBJECT [PAYLOAD] [{Key: value; Key: value}]` | publish with reply `r` |
//! | `pub> REPLY SUBJECT …` | publish with another reply, `-` for none |
//! | `mirrored SEQ SUBJECT …`, `sourced INDEX SEQ SUBJECT …` | take a message of another stream |
//! | `sources` | look for the last message of each source |
//! | `wait SECONDS` | let time pass and attend to what is due meanwhile |
//! | `purge [seq=N] [keep=N] [filter=F]` | purge |
//! | `delete N`, `ack N` | remove one message |
//! | `get`, `direct` with `seq=N last=S next=S at=SECONDS batch=N bytes=N multi=S,S up=N uptime=SECONDS nohdr` | read |
//! | `state`, `dump` | show the store |
//! | `restart` | a new stream over the same store |
//! | `update {json}` | a new configuration |
//! | `interest off`, `interest on`, `full N` | the surroundings |

#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod store;

use std::time::Duration;

use cognate_model::{ApiError, Message, MessageStore, Sequence, StreamConfig, Timestamp};
use cognate_stream::{
    Advisory, DirectRequest, GetRequest, Publish, PurgeRequest, Stream, StreamHost, Surroundings,
};
use cognate_subject::Filter;
use store::PlainStore;

/// When scripts begin: 2024-02-29T12:34:56Z.
pub(crate) const START: Timestamp = Timestamp(1_709_210_096_000_000_000);

/// Writes effects down, a line each.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) lines: Vec<String>,
    pub(crate) no_interest: bool,
}

pub(crate) fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    text.trim_end_matches("\r\n")
        .replace("\r\n", "|")
        .replace("\u{c}", "␌")
}

fn join(parts: &[&[u8]]) -> String {
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.map(|part| text(part)).collect::<Vec<_>>().join(" ")
}

impl StreamHost for Recorder {
    fn respond(&mut self, reply: &[u8], headers: &[u8], body: &[u8]) {
        let to = reply.strip_prefix(b"_I.").unwrap_or_default();
        self.lines.push(
            format!("reply {}", join(&[to, headers, body]))
                .trim_end()
                .into(),
        );
    }

    fn publish(&mut self, subject: &[u8], headers: &[u8], payload: &[u8]) {
        self.lines
            .push(format!("publish {}", join(&[subject, headers, payload])));
    }

    fn stored(&mut self, message: &Message<'_>) {
        self.lines.push(format!("stored {}", show(message)));
    }

    fn removed(&mut self, sequence: Sequence, subject: &[u8]) {
        self.lines
            .push(format!("removed {sequence} {}", text(subject)));
    }

    fn removed_below(&mut self, sequence: Sequence) {
        self.lines.push(format!("removed below {sequence}"));
    }

    fn advisory(&mut self, advisory: Advisory<'_>) {
        let Advisory::BatchAbandoned { batch, reason } = advisory;
        self.lines
            .push(format!("abandoned {} {}", text(batch), reason.as_str()));
    }

    fn has_interest(&mut self, _subject: &[u8]) -> bool {
        !self.no_interest
    }
}

pub(crate) fn show(message: &Message<'_>) -> String {
    let parts = [message.subject, message.headers, message.payload];
    format!("{} {}", message.sequence, join(&parts))
}

/// A stream with its store, at some time.
pub(crate) struct Script {
    pub(crate) stream: Stream,
    pub(crate) store: PlainStore,
    pub(crate) host: Recorder,
    pub(crate) now: Timestamp,
}

pub(crate) fn config(json: &str) -> StreamConfig {
    let decoded = cognate_model::json::decode::<StreamConfig>(json.as_bytes());
    let (mut config, unknown) = decoded.expect("a stream configuration");
    assert_eq!(unknown, Vec::<String>::new());
    if config.max_msg_size == 0 {
        config.max_msg_size = -1;
    }
    config
}

fn recovered(config: StreamConfig, store: &mut PlainStore, now: Timestamp) -> Stream {
    let surroundings = Surroundings::default();
    Stream::recover(config, START, surroundings, store, now).expect("a valid configuration")
}

impl Script {
    pub(crate) fn new(json: &str) -> Self {
        let mut store = PlainStore::default();
        Self {
            stream: recovered(config(json), &mut store, START),
            store,
            host: Recorder::default(),
            now: START,
        }
    }

    /// Runs one line and gives back what it caused.
    pub(crate) fn run(&mut self, line: &str) -> String {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "pub" => self.publish("r", rest),
            "pub>" => {
                let (reply, rest) = rest.split_once(' ').expect("a reply and more");
                let inbox = format!("_I.{reply}");
                self.publish(if reply == "-" { "" } else { &inbox }, rest);
            }
            "mirrored" | "sourced" => self.take(word == "mirrored", rest),
            "sources" => {
                let mut scan = self.stream.start_source_scan(0, &self.store);
                while !scan.is_done() {
                    self.stream.continue_source_scan(&mut scan, &mut self.store);
                }
                let found = scan
                    .found()
                    .iter()
                    .map(|found| found.map(|found| found.origin));
                self.host
                    .lines
                    .push(format!("{:?}", found.collect::<Vec<_>>()));
            }
            "wait" => self.wait(Duration::from_millis((number(rest) * 1000.0) as u64)),
            "purge" => self.purge(rest),
            "delete" => {
                let sequence = number(rest) as u64;
                let (now, host) = (self.now, &mut self.host);
                let done = self
                    .stream
                    .delete_message(sequence, true, now, &mut self.store, host);
                self.outcome(done.map(|()| "deleted".into()));
            }
            "ack" => {
                let done = self
                    .stream
                    .acknowledged(number(rest) as u64, &mut self.store);
                self.outcome(done.map(|removed| format!("removed: {removed}")));
            }
            "get" => self.get(rest),
            "direct" => self.direct(rest),
            "state" => self.show_state(),
            "dump" => {
                let held = self.store.held.iter();
                let lines = held.map(|(sequence, held)| show(&held.message(*sequence)));
                self.host.lines.extend(lines);
            }
            "restart" => {
                let config = self.stream.config().clone();
                self.stream = recovered(config, &mut self.store, self.now);
            }
            "update" => {
                let done = self.stream.update(config(rest), &mut self.host);
                self.outcome(done.map(|()| "updated".into()));
                self.wait(Duration::ZERO);
            }
            "interest" => self.host.no_interest = rest == "off",
            "full" => self.store.room = rest.parse().ok(),
            other => panic!("no such line: {other}"),
        }
        std::mem::take(&mut self.host.lines).join("\n")
    }

    fn take(&mut self, is_mirrored: bool, rest: &str) {
        let (source, rest) = match is_mirrored {
            true => (0, rest),
            false => {
                let (source, rest) = rest.split_once(' ').expect("a source and more");
                (integer_text(source) as usize, rest)
            }
        };
        let (sequence, rest) = rest.split_once(' ').expect("a sequence and more");
        let (subject, block, payload) = message_text(rest);
        let message = Message {
            sequence: integer_text(sequence),
            timestamp: START,
            subject: subject.as_bytes(),
            headers: block.as_bytes(),
            payload: payload.as_bytes(),
        };
        let (now, store, host) = (self.now, &mut self.store, &mut self.host);
        let taken = match is_mirrored {
            true => self.stream.handle_mirrored(&message, now, store, host),
            false => self
                .stream
                .handle_sourced(source, &message, now, store, host),
        };
        self.outcome(taken.map(|taken| format!("{taken:?}")));
    }

    fn publish(&mut self, reply: &str, rest: &str) {
        let (subject, block, payload) = message_text(rest);
        let publish = Publish {
            subject: subject.as_bytes(),
            reply: reply.as_bytes(),
            headers: block.as_bytes(),
            payload: payload.as_bytes(),
            random: 0,
        };
        self.stream
            .handle_publish(&publish, self.now, &mut self.store, &mut self.host);
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now.after(time);
        for _ in 0..1000 {
            let due = self.stream.next_timeout(&mut self.store);
            let Some(due) = due.filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            self.stream
                .handle_timeout(self.now, &mut self.store, &mut self.host);
        }
        panic!("time stands still");
    }

    fn purge(&mut self, rest: &str) {
        let filter = value(rest, "filter").map(|f| Filter::try_from(f).expect("a filter"));
        let request = PurgeRequest {
            filter: filter.as_ref(),
            sequence: integer(rest, "seq"),
            keep: integer(rest, "keep"),
        };
        let host = &mut self.host;
        let done = self.stream.purge(&request, self.now, &mut self.store, host);
        self.outcome(done.map(|removed| format!("purged {removed}")));
    }

    fn get(&mut self, rest: &str) {
        let found = self.stream.message(&get_request(rest), &mut self.store);
        let shown = found.map(|message| show(&message));
        self.outcome(shown);
    }

    fn direct(&mut self, rest: &str) {
        let multi: Vec<&[u8]> = value(rest, "multi")
            .map(|subjects| subjects.split(',').map(str::as_bytes).collect())
            .unwrap_or_default();
        let request = DirectRequest {
            get: get_request(rest),
            batch: integer(rest, "batch"),
            max_bytes: integer(rest, "bytes"),
            multi_last: &multi,
            up_to_sequence: integer(rest, "up"),
            up_to_time: value(rest, "uptime").map(time),
            no_headers: rest.contains("nohdr"),
        };
        let lines = &mut self.host.lines;
        let mut send = |headers: &[u8], payload: &[u8]| lines.push(join(&[headers, payload]));
        let get = self
            .stream
            .start_direct(&request, 1 << 26, &mut self.store, &mut send);
        if let Some(mut get) = get {
            while !get.is_done() {
                self.stream
                    .continue_direct(&mut get, &mut self.store, &mut send);
            }
        }
    }

    fn show_state(&mut self) {
        let state = self.store.state();
        self.host.lines.push(format!(
            "messages {} bytes {} first {} last {}",
            state.messages, state.bytes, state.first, state.last
        ));
    }

    fn outcome(&mut self, outcome: Result<String, ApiError>) {
        let line = outcome.unwrap_or_else(|error| {
            format!(
                "error {} {}: {}",
                error.code, error.err_code, error.description
            )
        });
        self.host.lines.push(line);
    }
}

/// Subject, header block and payload of a line.
fn message_text(rest: &str) -> (&str, String, &str) {
    let headers = rest
        .rsplit_once(" {")
        .filter(|(_, headers)| !headers.starts_with('"'));
    let (rest, headers) = match headers {
        Some((rest, headers)) => (rest, headers.strip_suffix('}').unwrap_or(headers)),
        None => (rest, ""),
    };
    let (subject, payload) = rest.split_once(' ').unwrap_or((rest, ""));
    let lines: String = headers
        .split("; ")
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\r\n"))
        .collect();
    let block = match lines.as_str() {
        "" => String::new(),
        lines => format!("NATS/1.0\r\n{lines}\r\n"),
    };
    (subject, block, payload)
}

fn integer_text(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}

fn value<'a>(rest: &'a str, key: &str) -> Option<&'a str> {
    let mut words = rest.split(' ');
    words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn integer(rest: &str, key: &str) -> u64 {
    value(rest, key).map_or(0, |value| value.parse().expect("a number"))
}

fn time(seconds: &str) -> Timestamp {
    START.after(Duration::from_secs_f64(number(seconds)))
}

fn get_request(rest: &str) -> GetRequest<'_> {
    GetRequest {
        sequence: integer(rest, "seq"),
        last_by_subject: value(rest, "last").unwrap_or_default().as_bytes(),
        next_by_subject: value(rest, "next").unwrap_or_default().as_bytes(),
        start_time: value(rest, "at").map(time),
    }
}

/// Runs a script: lines that begin with `> ` are calls, the lines below each are what it has to
/// cause.
#[track_caller]
pub(crate) fn check(json: &str, script: &str) {
    let lines: Vec<&str> = script
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let mut stream = Script::new(json);
    let mut found = Vec::new();
    for line in &lines {
        if let Some(call) = line.strip_prefix("> ") {
            found.push((*line).to_owned());
            found.extend(stream.run(call).lines().map(str::to_owned));
        }
    }
    assert_eq!(found.join("\n"), lines.join("\n"));
}

//! A stream with one consumer, driven by the lines of a script; every effect becomes a line.
//!
//! ```text
//! pub <subject> [payload]          a message is stored and may be seen; a payload with `\n` in front
//!                                  of its first line is headers
//! pull <reply> [body]              a pull request
//! ack <stream seq> [body] [@reply] an acknowledgement of the last delivery of that message
//! at <milliseconds>                the time comes, and with it what is due on the way
//! rm <seq>, purge <last>           messages are removed
//! deaf <subject>, hear <subject>   nobody, or somebody again, listens there
//! info                             the consumer's state
//! create, keep, restart            the consumer is made anew; its journal is replaced by a snapshot;
//!                                  it comes back from both
//! store <subject>, see <seq>       a message is stored; later it may be seen
//! pause <ms>, reset <seq>, unpin, update <config>, flow <token>[|header…], buried <seq>, letters
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use cognate_consumer::{
    Advisory, Consumer, ConsumerHost, DeadLetter, Identity, Removal, Turn, unsupported,
};
use cognate_model::{ConsumerConfig, Message, MessageStore, NewMessage, Sequence, Timestamp, json};
use cognate_subject::Filter;

use crate::store::{NaiveStore, matches};

/// When scripts begin.
pub(crate) const START: i64 = 1_700_000_000_000_000_000;

pub(crate) struct World {
    pub(crate) store: NaiveStore,
    pub(crate) host: Recorder,
    pub(crate) consumer: Consumer<Vec<Filter>>,
    pub(crate) config: ConsumerConfig,
    pub(crate) now: Timestamp,
    /// The stream's retention goes by interest.
    pub(crate) interested: bool,
    pub(crate) max_message: u64,
    snapshot: Vec<u8>,
}

/// Writes down what it is asked for.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) lines: Vec<String>,
    pub(crate) journal: Vec<Vec<u8>>,
    pub(crate) deaf: BTreeSet<Vec<u8>>,
    /// The acknowledgement subjects of the last delivery of each message.
    pub(crate) replies: BTreeMap<Sequence, Vec<u8>>,
    pub(crate) settled: Vec<(Sequence, Sequence)>,
    pub(crate) delivered: Vec<Sequence>,
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn block(headers: &[u8]) -> String {
    text(headers)
        .replace("NATS/1.0\r\n", "")
        .replace("NATS/1.0 ", "")
        .trim_end()
        .replace("\r\n", "; ")
}

impl ConsumerHost for Recorder {
    fn deliver(&mut self, to: &[u8], reply: &[u8], message: &Message<'_>) -> bool {
        if self.deaf.contains(to) {
            return false;
        }
        let fields: Vec<_> = reply.split(|&b| b == b'.').map(text).collect();
        let sequence = message.sequence;
        let mut line = format!("{} <- #{sequence} {}", text(to), text(message.subject));
        if !message.headers.is_empty() {
            write!(line, " {{{}}}", block(message.headers)).expect("writing to a string");
        }
        if !message.payload.is_empty() {
            write!(line, " {}", text(message.payload)).expect("writing to a string");
        }
        write!(line, " (x{} c{} +{})", fields[4], fields[6], fields[8])
            .expect("writing to a string");
        assert_eq!(fields[5], sequence.to_string());
        self.lines.push(line);
        self.replies.insert(sequence, reply.to_vec());
        self.delivered.push(sequence);
        true
    }

    fn status(&mut self, to: &[u8], reply: &[u8], headers: &[u8]) {
        let reply = if reply.is_empty() {
            String::new()
        } else {
            format!(" reply {}", text(reply))
        };
        self.lines
            .push(format!("{} <- {}{reply}", text(to), block(headers)));
    }

    fn respond_ack(&mut self, to: &[u8]) {
        self.lines.push(format!("confirm {}", text(to)));
    }

    fn journal(&mut self, entry: &[u8]) {
        self.journal.push(entry.to_vec());
    }

    fn settled(&mut self, first: Sequence, last: Sequence) {
        self.settled.push((first, last));
        self.lines.push(format!("settled {first} to {last}"));
    }

    fn advisory(&mut self, advisory: Advisory<'_>) {
        let line = match advisory {
            Advisory::Terminated {
                stream_sequence,
                deliveries,
                reason,
                ..
            } => {
                format!(
                    "terminated #{stream_sequence} x{deliveries}: {}",
                    text(reason)
                )
            }
            Advisory::MaxDeliveries {
                stream_sequence,
                deliveries,
            } => {
                format!("max deliveries #{stream_sequence} x{deliveries}")
            }
            Advisory::Naked {
                stream_sequence,
                deliveries,
                ..
            } => {
                format!("naked #{stream_sequence} x{deliveries}")
            }
            Advisory::AckSample {
                stream_sequence,
                ack_time,
                ..
            } => {
                format!("sample #{stream_sequence} after {ack_time:?}")
            }
            Advisory::Pinned { group, id } => format!("pinned {} id {}", text(group), id.len()),
            Advisory::Unpinned { group, reason } => format!("unpinned {} {reason}", text(group)),
            Advisory::Paused { until, paused } => {
                let until = until.map(|until| (until.0 - START) / 1_000_000);
                format!("paused {paused} until {until:?}")
            }
        };
        self.lines.push(line);
    }

    fn has_interest(&mut self, subject: &[u8]) -> bool {
        !self.deaf.contains(subject)
    }

    fn dead_letter(&mut self, letter: &DeadLetter<'_>) {
        let (subject, payload) = (text(letter.subject), text(letter.payload));
        self.lines.push(format!(
            "letter {subject} {{{}}} {payload}",
            block(letter.headers)
        ));
    }

    fn inactive(&mut self) {
        self.lines.push("inactive".to_owned());
    }
}

fn identity(interested: bool, max_message: u64) -> Identity {
    Identity {
        stream: (*b"S").into(),
        consumer: (*b"C").into(),
        tracks_interest: interested,
        max_message,
        seed: 7,
    }
}

impl World {
    pub(crate) fn new(config: &str) -> Self {
        let (config, unknown) =
            json::decode::<ConsumerConfig>(config.as_bytes()).expect("a config");
        assert_eq!((unknown, unsupported(&config)), (Vec::new(), None));
        let mut store = NaiveStore::default();
        let now = Timestamp(START);
        let (interested, max_message) = (false, 1 << 20);
        let identity = identity(interested, max_message);
        let consumer = Consumer::new(identity, &config, 0, now, &mut store);
        let mut world = Self {
            store,
            host: Recorder::default(),
            consumer: consumer.expect("a naive store"),
            config,
            now,
            interested,
            max_message,
            snapshot: Vec::new(),
        };
        world.create();
        world
    }

    /// Makes the consumer anew for the stream as it is.
    pub(crate) fn create(&mut self) {
        let visible = self.store.state().last;
        let identity = identity(self.interested, self.max_message);
        let consumer = Consumer::new(identity, &self.config, visible, self.now, &mut self.store);
        self.consumer = consumer.expect("a naive store");
        if self.config.is_push() {
            self.consumer.handle_interest(true, self.now);
        }
        self.keep();
    }

    /// Replaces the journal by a snapshot.
    pub(crate) fn keep(&mut self) {
        self.snapshot.clear();
        self.consumer.snapshot(&mut self.snapshot);
        self.host.journal.clear();
    }

    pub(crate) fn restart(&mut self) {
        let entries = self.host.journal.iter().map(Vec::as_slice);
        let visible = self.store.state().last;
        let (consumer, found) = Consumer::recover(
            identity(self.interested, self.max_message),
            &self.config,
            Some(&self.snapshot),
            entries,
            visible,
            self.now,
            &mut self.store,
        )
        .expect("a naive store");
        assert!(
            found.from_snapshot && found.unreadable_entries == 0,
            "{found:?}"
        );
        self.consumer = consumer;
        if self.config.is_push() {
            self.consumer.handle_interest(true, self.now);
        }
    }

    pub(crate) fn turn<T>(
        &mut self,
        call: impl FnOnce(&mut Consumer<Vec<Filter>>, &mut Turn<'_, NaiveStore, Recorder>) -> T,
    ) -> T {
        let mut turn = Turn {
            now: self.now,
            store: &mut self.store,
            host: &mut self.host,
        };
        call(&mut self.consumer, &mut turn)
    }

    pub(crate) fn poll(&mut self) {
        while self.turn(|consumer, turn| consumer.poll_deliver(turn, 7)) {}
    }

    pub(crate) fn publish(&mut self, subject: &str, headers: &str, payload: &str) {
        let message = NewMessage {
            timestamp: self.now,
            subject: subject.as_bytes(),
            headers: headers.as_bytes(),
            payload: payload.as_bytes(),
            deadline: None,
            has_id: false,
        };
        let sequence = self.store.append(&message).expect("a naive store");
        if matches(&self.config.filters(), subject.as_bytes()) {
            self.consumer.note_stored(sequence);
        }
    }

    pub(crate) fn pull(&mut self, reply: &str, body: &str) {
        self.turn(|consumer, turn| {
            consumer.handle_pull(b"", body.as_bytes(), reply.as_bytes(), turn)
        });
    }

    pub(crate) fn ack(&mut self, sequence: Sequence, body: &str, reply: &str) {
        let subject = self.host.replies.get(&sequence).cloned();
        let subject =
            subject.unwrap_or_else(|| format!("$JS.ACK.S.C.1.{sequence}.9.0.0").into_bytes());
        let (_, _, tail) = cognate_consumer::split_ack_subject(&subject).expect("our own subject");
        self.turn(|consumer, turn| {
            consumer.handle_ack(tail, body.as_bytes(), reply.as_bytes(), turn)
        });
    }

    pub(crate) fn remove(&mut self, first: Sequence, last: Sequence, removal: Removal) {
        let filters = self.config.filters();
        let is_ours = (first..=last).any(|s| {
            self.store
                .subject_of(s)
                .is_some_and(|subject| matches(&filters, subject))
        });
        for sequence in first..=last {
            self.store.remove(sequence, false).expect("a naive store");
        }
        if is_ours {
            self.turn(|consumer, turn| consumer.note_removed(first, last, removal, turn.host));
        }
    }

    /// Lets the time come, stopping wherever something is due.
    pub(crate) fn advance(&mut self, milliseconds: i64) {
        let end = Timestamp(START + milliseconds * 1_000_000);
        loop {
            let next = self.consumer.next_timeout().filter(|&next| next <= end);
            self.now = next.unwrap_or(end).max(self.now);
            if next.is_none() {
                return;
            }
            self.turn(|consumer, turn| consumer.handle_timeout(turn));
            self.poll();
            let later = self.consumer.next_timeout();
            assert!(
                later.is_none_or(|later| later > self.now),
                "a timeout does not go away"
            );
        }
    }

    pub(crate) fn info(&mut self) -> String {
        let info = self.turn(|consumer, turn| consumer.info(turn));
        let mut line = format!(
            "delivered {}/{} floor {}/{} acks {} redelivered {} waiting {} pending {}",
            info.delivered.consumer,
            info.delivered.stream,
            info.ack_floor.consumer,
            info.ack_floor.stream,
            info.ack_pending,
            info.redelivered,
            info.waiting,
            info.pending,
        );
        if let Some(remaining) = info.pause_remaining {
            write!(line, " paused {remaining:?}").expect("writing to a string");
        }
        line
    }
}

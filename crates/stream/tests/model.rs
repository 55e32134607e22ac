//! Streams against a model that keeps everything in the open: random publishes with ids,
//! expectations and rollups under random limits, with restarts, removals and time passing.

mod support;

use cognate_model::{MessageStore, Timestamp};
use proptest::prelude::*;
use support::{Script, config};

/// What happens.
#[derive(Clone, Debug)]
enum Event {
    Publish {
        subject: u8,
        size: usize,
        id: Option<u8>,
        /// The last sequence, and that of the subject, with how far off the expectation is.
        expect_last: Option<u64>,
        expect_subject: Option<u64>,
        rollup: bool,
    },
    Delete(u64),
    PurgeSubject(u8, u64),
    PurgeBelow(u64),
    Wait(u64),
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let publish = (
        0..3_u8,
        0..40_usize,
        proptest::option::of(0..6_u8),
        proptest::option::weighted(0.1, 0..2_u64),
        proptest::option::weighted(0.2, 0..2_u64),
        proptest::bool::weighted(0.1),
    );
    let publish = publish.prop_map(|(subject, size, id, expect_last, expect_subject, rollup)| {
        Event::Publish {
            subject,
            size,
            id,
            expect_last,
            expect_subject,
            rollup,
        }
    });
    prop_oneof![
        12 => publish,
        1 => (1..40_u64).prop_map(Event::Delete),
        1 => (0..3_u8, 0..3_u64).prop_map(|(subject, keep)| Event::PurgeSubject(subject, keep)),
        1 => (2..40_u64).prop_map(Event::PurgeBelow),
        2 => (1..30_u64).prop_map(Event::Wait),
        1 => Just(Event::Restart),
    ]
}

#[derive(Clone, Debug)]
struct Limits {
    messages: i64,
    bytes: i64,
    per_subject: i64,
    age: u64,
    discard_new: bool,
    discard_new_per_subject: bool,
}

fn limits() -> impl Strategy<Value = Limits> {
    let limit = |max: i64| prop_oneof![Just(-1), 1..max];
    let flags = (any::<bool>(), any::<bool>());
    let age = prop_oneof![Just(0), 20..100_u64];
    (limit(8), limit(400), limit(4), age, flags).prop_map(
        |(messages, bytes, per_subject, age, (discard_new, per))| Limits {
            messages,
            bytes,
            per_subject,
            age,
            discard_new,
            discard_new_per_subject: discard_new && per && per_subject > 0,
        },
    )
}

/// A stored message: sequence, subject, size of headers and payload, id, time.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    sequence: u64,
    subject: String,
    body: usize,
}

/// The model.
struct Plain {
    limits: Limits,
    entries: Vec<Entry>,
    times: Vec<i64>,
    /// Ids with their sequence, time, and whether a restart remembers them.
    ids: Vec<(u8, u64, i64)>,
    last: u64,
    now: i64,
}

const WINDOW: i64 = 50;

impl Plain {
    fn size(entry: &Entry) -> i64 {
        (entry.subject.len() + entry.body + 16) as i64
    }

    fn bytes(&self) -> i64 {
        self.entries.iter().map(Self::size).sum()
    }

    fn of(&self, subject: &str) -> Vec<usize> {
        let all = 0..self.entries.len();
        all.filter(|at| self.entries[*at].subject == subject)
            .collect()
    }

    fn remove(&mut self, at: usize) {
        self.entries.remove(at);
        self.times.remove(at);
    }

    /// Publishes; the answer is the sequence, `dup` or an error's number.
    fn publish(&mut self, line: &Line) -> String {
        let of = self.of(&line.subject);
        let last_of = of.last().map_or(0, |at| self.entries[*at].sequence);
        if line
            .expect_subject
            .is_some_and(|expected| expected != last_of)
        {
            return "10071".into();
        }
        if line
            .expect_last
            .is_some_and(|expected| expected != self.last)
        {
            return "10071".into();
        }
        let fresh = |entry: &&(u8, u64, i64)| self.now - entry.2 < WINDOW;
        let known = |id: u8| {
            self.ids
                .iter()
                .rev()
                .filter(fresh)
                .find(|entry| entry.0 == id)
        };
        if let Some((_, sequence, _)) = line.id.and_then(known) {
            return format!("dup {sequence}");
        }
        let entry = Entry {
            sequence: self.last + 1,
            subject: line.subject.clone(),
            body: line.body,
        };
        if self.limits.discard_new
            && let Some(refused) = self.refuses(&entry, line.rollup)
        {
            return refused;
        }
        self.last += 1;
        if let Some(id) = line.id {
            self.ids.push((id, self.last, self.now));
        }
        self.entries.push(entry);
        self.times.push(self.now);
        self.enforce(&line.subject);
        if line.rollup {
            for at in self.of(&line.subject).into_iter().rev().skip(1) {
                self.remove(at);
            }
        }
        self.last.to_string()
    }

    fn refuses(&self, entry: &Entry, is_rollup: bool) -> Option<String> {
        let of = self.of(&entry.subject);
        let limits = &self.limits;
        let is_crowded = limits.per_subject > 0 && of.len() as i64 >= limits.per_subject;
        if is_crowded && limits.discard_new_per_subject && !is_rollup {
            return Some("10077".into());
        }
        if limits.messages > 0 && self.entries.len() as i64 >= limits.messages && !is_crowded {
            return Some("10077".into());
        }
        if limits.bytes > 0 && self.bytes() + Self::size(entry) > limits.bytes {
            let replaced = of.first().filter(|_| is_crowded);
            let freed = replaced.map_or(0, |at| Self::size(&self.entries[*at]));
            if freed < Self::size(entry) {
                return Some("10077".into());
            }
        }
        None
    }

    fn enforce(&mut self, subject: &str) {
        let limits = self.limits.clone();
        while limits.per_subject > 0 && self.of(subject).len() as i64 > limits.per_subject {
            self.remove(self.of(subject)[0]);
        }
        let over = |plain: &Self| {
            (limits.messages > 0 && plain.entries.len() as i64 > limits.messages)
                || (limits.bytes > 0 && plain.bytes() > limits.bytes)
        };
        while !limits.discard_new && over(self) {
            self.remove(0);
        }
    }

    fn age(&mut self) {
        let max = self.limits.age as i64;
        while max > 0 && self.times.first().is_some_and(|at| at + max <= self.now) {
            self.remove(0);
        }
    }

    /// After a restart only the ids of held messages are known.
    fn restart(&mut self) {
        let held: Vec<u64> = self.entries.iter().map(|entry| entry.sequence).collect();
        self.ids.retain(|(_, sequence, _)| held.contains(sequence));
    }
}

/// A publish, worked out.
struct Line {
    subject: String,
    body: usize,
    id: Option<u8>,
    expect_last: Option<u64>,
    expect_subject: Option<u64>,
    rollup: bool,
    text: String,
}

impl Line {
    fn new(event: &Event, plain: &Plain) -> Option<Self> {
        let Event::Publish {
            subject,
            size,
            id,
            expect_last,
            expect_subject,
            rollup,
        } = event
        else {
            return None;
        };
        let subject = format!("A.{subject}");
        let of = plain.of(&subject);
        let last_of = of.last().map_or(0, |at| plain.entries[*at].sequence);
        let expect_last = expect_last.map(|off| plain.last + off);
        let expect_subject = expect_subject.map(|off| last_of + off);
        let headers: Vec<String> = [
            id.map(|id| format!("Nats-Msg-Id: {id}")),
            expect_last.map(|s| format!("Nats-Expected-Last-Sequence: {s}")),
            expect_subject.map(|s| format!("Nats-Expected-Last-Subject-Sequence: {s}")),
            rollup.then(|| "Nats-Rollup: sub".into()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let block = match headers.len() {
            0 => 0,
            _ => 12 + headers.iter().map(|line| line.len() + 2).sum::<usize>(),
        };
        let payload = "p".repeat(*size);
        let mut text = format!("pub {subject} {payload}");
        if !headers.is_empty() {
            text = format!("{text} {{{}}}", headers.join("; "));
        }
        Some(Self {
            subject,
            body: block + size,
            id: *id,
            expect_last,
            expect_subject,
            rollup: *rollup,
            text,
        })
    }
}

/// The answer in what a publish caused, in the model's words.
fn answer(effects: &str) -> String {
    let reply = effects.lines().find_map(|line| line.strip_prefix("reply "));
    let reply: serde_json::Value = serde_json::from_str(reply.unwrap_or("null")).expect("JSON");
    let number = |value: &serde_json::Value| value.as_u64().map_or("?".into(), |n| n.to_string());
    match (&reply["error"], &reply["duplicate"]) {
        (serde_json::Value::Null, serde_json::Value::Null) => number(&reply["seq"]),
        (serde_json::Value::Null, _) => format!("dup {}", number(&reply["seq"])),
        (error, _) => number(&error["err_code"]),
    }
}

fn run(limits: Limits, events: &[Event]) {
    let json = serde_json::json!({
        "name": "A", "subjects": ["A.>"], "allow_rollup_hdrs": true,
        "duplicate_window": WINDOW * 1_000_000_000,
        "max_msgs": limits.messages, "max_bytes": limits.bytes,
        "max_msgs_per_subject": limits.per_subject,
        "max_age": limits.age * 1_000_000_000,
        "discard": if limits.discard_new { "new" } else { "old" },
        "discard_new_per_subject": limits.discard_new_per_subject,
    });
    let mut script = Script::new(&json.to_string());
    assert_eq!(script.stream.config(), &config(&json.to_string()));
    let mut plain = Plain {
        limits,
        entries: Vec::new(),
        times: Vec::new(),
        ids: Vec::new(),
        last: 0,
        now: 0,
    };
    for event in events {
        match event {
            Event::Publish { .. } => {
                let line = Line::new(event, &plain).expect("a publish");
                let found = answer(&script.run(&line.text));
                assert_eq!(found, plain.publish(&line), "{}", line.text);
            }
            Event::Delete(sequence) => {
                script.run(&format!("delete {sequence}"));
                let found = plain.entries.iter().position(|e| e.sequence == *sequence);
                if let Some(at) = found {
                    plain.remove(at);
                }
            }
            Event::PurgeSubject(subject, keep) => {
                let subject = format!("A.{subject}");
                script.run(&format!("purge filter={subject} keep={keep}"));
                for at in plain.of(&subject).into_iter().rev().skip(*keep as usize) {
                    plain.remove(at);
                }
            }
            Event::PurgeBelow(sequence) => {
                script.run(&format!("purge seq={sequence}"));
                while plain
                    .entries
                    .first()
                    .is_some_and(|entry| entry.sequence < *sequence)
                {
                    plain.remove(0);
                }
                plain.last = plain.last.max(sequence - 1);
            }
            Event::Wait(seconds) => {
                script.run(&format!("wait {seconds}"));
                plain.now += *seconds as i64;
                plain.age();
            }
            Event::Restart => {
                script.run("restart");
                plain.restart();
            }
        }
        compare(&script, &plain, event);
    }
}

#[track_caller]
fn compare(script: &Script, plain: &Plain, event: &Event) {
    let held = script.store.held.iter().map(|(sequence, held)| Entry {
        sequence: *sequence,
        subject: support::text(&held.subject),
        body: held.headers.len() + held.payload.len(),
    });
    assert_eq!(held.collect::<Vec<_>>(), plain.entries, "after {event:?}");
    assert_eq!(script.store.state().last, plain.last);
    assert!(script.now >= Timestamp(plain.now));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_do_what_the_model_does(
        limits in limits(),
        events in proptest::collection::vec(event(), 1..120),
    ) {
        run(limits, &events);
    }
}

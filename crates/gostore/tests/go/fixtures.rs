//! The fixtures, and what was handed on of a stream, in the form of the expectations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognate_gostore::{
    ConsumerMeta, ConsumerState, Files, Keys, Report, Sink, StoredMessage, StreamMeta, read_stream,
};
use cognate_model::Timestamp;
use crc_fast::{CrcAlgorithm, checksum};
use serde_json::Value;

/// The key that the encrypted fixtures were made with.
pub(crate) const KEY: &str = "secret one";

/// The streams of every fixture.
pub(crate) const STREAMS: [&str; 4] = ["ORDERS", "KV_CONF", "WORK", "EMPTY"];

/// A path below the fixtures.
pub(crate) fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(below)
}

/// A file below the fixtures.
pub(crate) fn file(below: &str) -> Vec<u8> {
    let path = path(below);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What nats-server said of a stream of the store `kind`.
pub(crate) fn expected(kind: &str, stream: &str) -> Value {
    let text = file(&format!("stores/{kind}.json"));
    let all: Value = serde_json::from_slice(&text).expect("expectations are JSON");
    all[stream].clone()
}

/// Files in memory, by their path.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) BTreeMap<String, Vec<u8>>);

impl Memory {
    /// The files of a stream of a fixture.
    pub(crate) fn of(kind: &str, stream: &str) -> Self {
        let root = path(&format!("stores/{kind}/{stream}"));
        let mut files = BTreeMap::new();
        let mut directories = vec![root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory).expect("the fixture is there") {
                let path = entry.expect("the fixture can be read").path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).expect("it is below its root");
                let bytes = std::fs::read(&path).expect("the fixture can be read");
                files.insert(name.to_string_lossy().into_owned(), bytes);
            }
        }
        Memory(files)
    }
}

impl Files for Memory {
    fn names(&self, directory: &str) -> Result<Vec<String>, String> {
        let prefix = format!("{directory}/");
        let below = self.0.keys().filter_map(|path| path.strip_prefix(&prefix));
        let mut names: Vec<_> = below
            .map(|path| path.split('/').next().unwrap_or_default().to_owned())
            .collect();
        names.dedup();
        Ok(names)
    }

    fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        match self.0.get(path) {
            Some(bytes) if bytes.len() > limit => Err("too large".to_owned()),
            bytes => Ok(bytes.cloned()),
        }
    }
}

/// What was handed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Collected {
    pub(crate) meta: Option<StreamMeta>,
    pub(crate) messages: BTreeMap<u64, String>,
    pub(crate) next: u64,
    pub(crate) last_time: Option<Timestamp>,
    pub(crate) consumers: BTreeMap<String, (ConsumerMeta, Option<ConsumerState>)>,
}

impl Sink for Collected {
    type Error = String;

    fn stream(&mut self, meta: StreamMeta) -> Result<(), String> {
        assert!(self.meta.replace(meta).is_none());
        Ok(())
    }

    fn message(&mut self, message: &StoredMessage<'_>) -> Result<(), String> {
        let highest = self
            .messages
            .last_key_value()
            .map_or(0, |(sequence, _)| *sequence);
        assert!(message.sequence > highest, "messages ascend");
        let headers = match message.headers {
            [] => "-".to_owned(),
            headers => STANDARD.encode(headers),
        };
        let line = format!(
            "{} {} {} {headers} {} {}",
            message.sequence,
            String::from_utf8_lossy(message.subject),
            message.timestamp.rfc3339(),
            message.payload.len(),
            checksum(CrcAlgorithm::Crc32IsoHdlc, message.payload),
        );
        self.messages.insert(message.sequence, line);
        Ok(())
    }

    fn remove(&mut self, first: u64, last: u64) -> Result<u64, String> {
        let before = self.messages.len();
        self.messages
            .retain(|sequence, _| !(first..=last).contains(sequence));
        Ok((before - self.messages.len()) as u64)
    }

    fn end_messages(&mut self, next: u64, last_time: Timestamp) -> Result<(), String> {
        (self.next, self.last_time) = (next, Some(last_time));
        Ok(())
    }

    fn consumer(&mut self, meta: ConsumerMeta, state: Option<ConsumerState>) -> Result<(), String> {
        self.consumers.insert(meta.name.clone(), (meta, state));
        Ok(())
    }
}

/// Reads a stream's directory.
pub(crate) fn read(files: &Memory, stream: &str, keys: &[&str]) -> (Collected, Report) {
    let mut collected = Collected::default();
    let keys = Keys {
        account: "$G",
        configured: keys,
    };
    let report = read_stream(files, stream, keys, &mut collected).expect("the sink takes all");
    assert_eq!(report.messages, collected.messages.len() as u64);
    (collected, report)
}

/// Compares what was handed on with what nats-server said.
#[track_caller]
pub(crate) fn check(collected: &Collected, expected: &Value) {
    let messages: Vec<_> = collected.messages.values().map(String::as_str).collect();
    let lines = expected["messages"].as_array().expect("a list");
    let lines: Vec<_> = lines.iter().filter_map(Value::as_str).collect();
    assert_eq!(messages, lines);
    let state = &expected["state"];
    assert_eq!(
        collected.next,
        state["last_seq"].as_u64().expect("a number") + 1
    );
    let meta = collected.meta.as_ref().expect("the stream was told");
    assert_eq!(
        meta.created.rfc3339(),
        expected["created"].as_str().expect("a time")
    );
    let consumers = expected["consumers"].as_object().expect("an object");
    assert_eq!(
        collected.consumers.keys().collect::<Vec<_>>(),
        consumers.keys().collect::<Vec<_>>()
    );
    for (name, expected) in consumers {
        let (meta, state) = &collected.consumers[name];
        assert_eq!(
            meta.created.rfc3339(),
            expected["created"].as_str().expect("a time")
        );
        let state = state.as_ref().expect("it has a state");
        let numbers = [
            state.delivered.consumer,
            state.delivered.stream,
            state.pending.len() as u64,
            state.redelivered.len() as u64,
        ];
        let said = [
            &expected["delivered"]["consumer_seq"],
            &expected["delivered"]["stream_seq"],
            &expected["num_ack_pending"],
            &expected["num_redelivered"],
        ];
        let said = said.map(|number| number.as_u64().unwrap_or(0));
        assert_eq!(numbers, said, "consumer {name}");
    }
}

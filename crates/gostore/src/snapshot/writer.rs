//! Writing a snapshot, in pieces that can be taken as soon as they are ready.
//!
//! Messages gather in blocks, because an archive says how long a file is before the file comes. There
//! is no index: a server that restores makes one from the blocks. Memory is bounded by a block and by
//! what was not taken.

use crate::assembly::StoredMessage;
use crate::consumer_state::ConsumerState;
use crate::hash::SumKey;
use crate::meta::{ConsumerMeta, StreamMeta};
use crate::record::{self, Kind, Record};
use crate::s2::Encoder;
use crate::tar::Writer;

/// Bytes after which a block is written out.
const BLOCK: usize = 4 * 1024 * 1024;

/// Makes a snapshot, piece by piece: first [`begin`](Self::begin), then messages, then
/// [`end_messages`](Self::end_messages), consumers, [`finish`](Self::finish). What is ready is in
/// [`take`](Self::take).
#[derive(Debug)]
pub struct SnapshotWriter {
    stream: String,
    archive: Writer,
    encoder: Encoder,
    ready: Vec<u8>,
    block: Vec<u8>,
    number: u32,
    /// The last sequence that a record tells of.
    told: u64,
    scratch: Vec<u8>,
}

impl SnapshotWriter {
    /// Of a stream; `now` is in seconds since 1970.
    #[must_use]
    pub fn new(meta: &StreamMeta, now: u64) -> Self {
        let mut writer = Self {
            stream: meta.config.name.clone(),
            archive: Writer { modified: now },
            encoder: Encoder::default(),
            ready: Vec::new(),
            block: Vec::new(),
            number: 1,
            told: 0,
            scratch: Vec::new(),
        };
        let text = meta.write();
        let sum = SumKey::stream(&writer.stream).text(&text);
        writer.put("meta.inf", &text);
        writer.put("meta.sum", sum.as_bytes());
        writer
    }

    /// Adds a message; sequences ascend. Returns whether it fits into the format: messages of 32 MiB
    /// and more do not, nor subjects of 64 KiB and more.
    pub fn message(&mut self, message: &StoredMessage<'_>) -> bool {
        let (subject, headers) = (message.subject.len(), message.headers.len());
        let len = record::encoded_len(subject, headers, message.payload.len());
        if len > record::LONGEST || subject > usize::from(u16::MAX) {
            return false;
        }
        if self.block.len() + len > BLOCK {
            self.put_block();
        }
        self.record(&Record {
            kind: Kind::Message,
            sequence: message.sequence,
            timestamp: message.timestamp.0,
            subject: message.subject,
            headers: message.headers,
            payload: message.payload,
        });
        true
    }

    fn record(&mut self, record: &Record<'_>) {
        let key = SumKey::block(&self.stream, self.number);
        record::encode(record, &key, &mut self.block);
        self.told = record.sequence;
    }

    /// All messages were added. `last` is the last sequence that was given, at `last_time`.
    pub fn end_messages(&mut self, last: u64, last_time: cognate_model::Timestamp) {
        if last > self.told {
            self.record(&Record {
                kind: Kind::Erased,
                sequence: last,
                timestamp: last_time.0,
                subject: b"",
                headers: b"",
                payload: b"",
            });
        }
        if !self.block.is_empty() {
            self.put_block();
        }
    }

    /// Adds a consumer.
    pub fn consumer(&mut self, meta: &ConsumerMeta, state: &ConsumerState) {
        let text = meta.write();
        let sum = SumKey::consumer(&self.stream, &meta.name).text(&text);
        let name = &meta.name;
        let files = [
            ("meta.inf", text),
            ("meta.sum", sum.into_bytes()),
            ("o.dat", state.write()),
        ];
        for (file, bytes) in files {
            self.put(&format!("obs/{name}/{file}"), &bytes);
        }
    }

    /// Says in place of the rest that it failed.
    pub fn fail(&mut self, reason: &str) {
        self.put("errors.txt", reason.as_bytes());
    }

    /// Ends it; what is left is ready then.
    pub fn finish(&mut self) {
        self.scratch.clear();
        self.archive.finish(&mut self.scratch);
        self.encoder.write(&self.scratch, &mut self.ready);
        self.encoder.finish(&mut self.ready);
    }

    /// What is ready, if it is `len` bytes or more; with 0 whatever there is.
    pub fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        if len == 0 {
            let rest = std::mem::take(&mut self.ready);
            return Some(rest).filter(|rest| !rest.is_empty());
        }
        if self.ready.len() < len {
            return None;
        }
        let rest = self.ready.split_off(len);
        Some(std::mem::replace(&mut self.ready, rest))
    }

    fn put_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        self.put(&format!("msgs/{}.blk", self.number), &block);
        self.number += 1;
        self.block = block;
        self.block.clear();
    }

    fn put(&mut self, name: &str, bytes: &[u8]) {
        self.scratch.clear();
        self.archive.put(name, bytes, &mut self.scratch);
        self.encoder.write(&self.scratch, &mut self.ready);
    }
}

/// A snapshot of these files, whatever they are called; for fuzzing.
#[doc(hidden)]
pub fn snapshot_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (archive, mut encoder) = (Writer { modified: 0 }, Encoder::default());
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        archive.put(name, bytes, &mut plain);
    }
    archive.finish(&mut plain);
    encoder.write(&plain, &mut out);
    encoder.finish(&mut out);
    out
}

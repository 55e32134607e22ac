//! Fast batches: publishing without waiting, as far ahead as the stream's answers allow.
//!
//! ```text
//! reply of each message: <prefix>.<batch>.<messages per ack>.fail.<sequence>.<operation>.$FI
//! answers:  {"type":"ack","seq":up to here,"msgs":messages until the next}   gap, err: it is over
//! ```
//!
//! A client is one batch from its first message to its last, which commits. At most
//! `--max-outstanding-acks` times what the stream wants between two answers is on its way. Absent:
//! gaps (`ok`), pings, and going on after an error.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::core::nanos;
use super::job::{Client, Sample};
use super::js_publish::check_ack;
use super::message::{Subjects, push_number};
use crate::error::{Context, Error, Result};
use crate::jsm::ApiError;
use crate::output::histogram::Histogram;

/// Messages between two answers at most: the stream counts them in 16 bits.
pub(super) const MAX_FLOW: u64 = 65_535;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a message of a batch asks for.
#[derive(Clone, Copy)]
enum Operation {
    Start = 0,
    Append = 1,
    Commit = 2,
}

/// A batch in progress.
pub(super) struct FastBatch<'a> {
    /// The reply subject, up to the sequence.
    reply: Vec<u8>,
    base: usize,
    /// How many answers may be due at a time.
    outstanding: u64,
    /// Messages that may have been sent before another answer has come.
    window: u64,
    /// Everything up to this was answered.
    acked: u64,
    /// Asks for a message's header block, by its number.
    block: &'a mut dyn FnMut(&mut Vec<u8>, u64),
}

/// An answer, of whatever type.
#[derive(Deserialize)]
struct Answer {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    msgs: u64,
    #[serde(default)]
    last_seq: u64,
    #[serde(default)]
    count: u64,
    error: Option<ApiError>,
}

impl<'a> FastBatch<'a> {
    /// A batch whose name is the last word of `inbox`, below which its answers come: one every `flow`
    /// messages.
    pub(super) fn new(
        inbox: &str,
        flow: u64,
        outstanding: u64,
        block: &'a mut dyn FnMut(&mut Vec<u8>, u64),
    ) -> Self {
        let reply = format!("{inbox}.{flow}.fail.").into_bytes();
        FastBatch {
            base: reply.len(),
            reply,
            outstanding,
            // Whether there are batches at all is told by the answer to the first message.
            window: 1,
            acked: 0,
            block,
        }
    }

    /// Publishes all of a client's messages.
    pub(super) fn publish(
        mut self,
        mut client: Client<'_>,
        mut subjects: Subjects,
        body: &[u8],
    ) -> Result<Sample> {
        let mut latencies = Histogram::default();
        let mut block = Vec::with_capacity(256);
        client.raw.set_timeout(Some(PATIENCE))?;
        client.start();
        let mut before = Instant::now();
        for sequence in 1..=client.msgs {
            let operation = match sequence {
                last if last == client.msgs => Operation::Commit,
                1 => Operation::Start,
                _ => Operation::Append,
            };
            while sequence > self.window {
                self.wait(&mut client, &mut before, &mut latencies)?;
            }
            (self.block)(&mut block, sequence - 1);
            let reply = self.reply_to(sequence, operation);
            client.raw.publish(subjects.next(), reply, &block, body)?;
            client.done(1);
        }
        while !self.wait(&mut client, &mut before, &mut latencies)? {}
        let bytes = client.msgs * body.len() as u64;
        Ok(client.sample(bytes, latencies))
    }

    fn reply_to(&mut self, sequence: u64, operation: Operation) -> &[u8] {
        self.reply.truncate(self.base);
        push_number(&mut self.reply, sequence);
        self.reply.push(b'.');
        self.reply.push(b'0' + operation as u8);
        self.reply.extend_from_slice(b".$FI");
        &self.reply
    }

    /// Waits for an answer; whether it was the one to the commit.
    fn wait(
        &mut self,
        client: &mut Client<'_>,
        before: &mut Instant,
        latencies: &mut Histogram,
    ) -> Result<bool> {
        let answer = super::core::reply(&mut client.raw, |message| {
            check_ack(message)?;
            serde_json::from_slice(message.body).context("the stream's answer is no JSON")
        })?;
        latencies.record(nanos(*before));
        *before = Instant::now();
        self.take(answer, client.msgs)
    }

    fn take(&mut self, answer: Answer, msgs: u64) -> Result<bool> {
        match (answer.kind.as_str(), answer.error) {
            (_, Some(error)) => Err(error).context("the stream refused a message"),
            ("ack", None) => {
                self.acked = self.acked.max(answer.seq);
                let ahead = answer.msgs.max(1).saturating_mul(self.outstanding);
                // Fewer at a time are asked for when others come: the window never gets narrower, for
                // what it allowed may be on its way.
                self.window = self.window.max(self.acked.saturating_add(ahead));
                Ok(false)
            }
            ("gap", None) => Err(Error::new(format!(
                "the stream misses messages {} to {} of the batch",
                answer.last_seq,
                answer.seq.saturating_sub(1)
            ))),
            ("", None) if answer.count == msgs => Ok(true),
            ("", None) => Err(Error::new(format!(
                "the stream ended the batch after {} of {msgs} messages",
                answer.count
            ))),
            (kind, None) => Err(Error::new(format!(
                "the stream answers with {kind:?}, which this tool does not know"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(batch: &mut FastBatch<'_>, answer: &str) -> std::result::Result<bool, String> {
        let answer = serde_json::from_str(answer).expect("JSON");
        batch.take(answer, 25).map_err(|error| error.to_string())
    }

    #[test]
    fn answers_move_the_window() {
        let mut block = |_: &mut Vec<u8>, _| {};
        let mut batch = FastBatch::new("_INBOX.b", 10, 2, &mut block);
        let reply = batch.reply_to(7, Operation::Append).to_vec();
        assert_eq!(reply, b"_INBOX.b.10.fail.7.1.$FI");
        let reply = batch.reply_to(25, Operation::Commit).to_vec();
        assert_eq!(reply, b"_INBOX.b.10.fail.25.2.$FI");
        assert_eq!(batch.window, 1);
        let mut windows = Vec::new();
        for answer in [
            r#"{"type":"ack","seq":0,"msgs":10}"#,
            r#"{"type":"ack","seq":10,"msgs":10}"#,
            r#"{"type":"ack","seq":15,"msgs":1}"#,
            r#"{"type":"ack","seq":18446744073709551615,"msgs":18446744073709551615}"#,
        ] {
            assert_eq!(take(&mut batch, answer), Ok(false), "{answer}");
            windows.push(batch.window);
        }
        assert_eq!(windows, [20, 30, 30, u64::MAX]);
    }

    #[test]
    fn other_answers_end_it() {
        let mut block = |_: &mut Vec<u8>, _| {};
        let mut batch = FastBatch::new("_INBOX.b", 10, 1, &mut block);
        let done = r#"{"stream":"S","seq":99,"batch":"b","count":25}"#;
        assert_eq!(take(&mut batch, done), Ok(true));
        for (answer, told) in [
            (
                r#"{"stream":"S","seq":9,"batch":"b","count":3}"#,
                "after 3 of 25",
            ),
            (
                r#"{"type":"gap","last_seq":5,"seq":8}"#,
                "misses messages 5 to 7",
            ),
            (
                r#"{"type":"err","seq":5,"error":{"code":400,"err_code":10054,"description":"too big"}}"#,
                "too big",
            ),
            (r#"{"type":"\u001b[2J"}"#, "does not know"),
        ] {
            let error = take(&mut batch, answer).expect_err(answer);
            assert!(error.contains(told), "{error}");
        }
    }
}

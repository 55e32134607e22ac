//! Fast batches: messages published without waiting, with flow control by the answers.
//!
//! What a message asks for is in its reply subject:
//! `<inbox>.<batch id>.<messages per ack>.<gap>.<sequence>.<operation>.$FI`, where gap is `fail` or
//! `ok`, and the operation 0 start, 1 append, 2 commit with this message, 3 commit without one,
//! 4 ping. Each message is stored when it comes; what a batch adds is knowing which arrived.

use std::collections::BTreeMap;

use cognate_model::{ApiError, MessageStore, Sequence, Timestamp, error};

use crate::batch::{Refused, Staged};
use crate::batch_atomic::MAX_ID_BYTES;
use crate::context::Context;
use crate::header::{Headers, name, parse_number};
use crate::host::{BatchKind, Publish, StreamHost};
use crate::keep::{Draft, Kept};

/// How a reply subject of a fast batch ends.
pub(crate) const SUFFIX: &[u8] = b".$FI";

/// How many messages all batches together may have between acknowledgements.
const ACK_WINDOW: usize = 500;

/// The fast batches in progress.
#[derive(Default)]
pub(crate) struct FastBatches {
    batches: BTreeMap<Vec<u8>, Batch>,
    /// No batch is too slow before this; it may be earlier than need be.
    earliest: Option<Timestamp>,
}

#[derive(Clone, Copy, Default)]
struct Batch {
    /// The last message that arrived.
    last: u64,
    /// Everything up to this was dealt with.
    settled: u64,
    /// Everything up to this was acknowledged.
    acked: u64,
    /// The stream's sequence of the message stored last.
    stored: Sequence,
    /// Acknowledgements come after so many messages now.
    ack_every: u16,
    /// And never after more than these.
    max_ack_every: u16,
    gap_ok: bool,
    expires: Timestamp,
}

/// What a message of a fast batch asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request<'a> {
    id: &'a [u8],
    flow: u16,
    gap_ok: bool,
    sequence: u64,
    operation: Operation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Append,
    Commit,
    End,
    Ping,
}

impl<'a> Request<'a> {
    /// Reads a reply subject that ends as one of a fast batch does.
    fn parse(reply: &'a [u8]) -> Option<Self> {
        let rest = reply.strip_suffix(SUFFIX)?;
        let mut tokens = rest.rsplit(|byte| *byte == b'.');
        let operation = tokens.next()?;
        let sequence = parse_number(tokens.next()?)?;
        let gap = tokens.next()?;
        let flow = parse_number(tokens.next()?).unwrap_or(0);
        let id = tokens.next()?;
        // Without something before the id this is no inbox.
        tokens.next()?;
        let (operation, fits) = match parse_number(operation)? {
            0 => (Operation::Append, sequence == 1),
            1 => (Operation::Append, sequence > 1),
            2 => (Operation::Commit, true),
            3 => (Operation::End, sequence > 1),
            4 => (Operation::Ping, true),
            _ => return None,
        };
        let gap_ok = match gap {
            b"ok" => true,
            b"fail" => false,
            _ => return None,
        };
        let flow = if flow == 0 { 10 } else { flow };
        let valid = fits && sequence > 0 && sequence < u64::MAX;
        valid.then_some(Self {
            id,
            flow: u16::try_from(flow).unwrap_or(u16::MAX),
            gap_ok,
            sequence,
            operation,
        })
    }
}

impl FastBatches {
    /// When a batch may be too slow.
    pub(crate) fn timeout(&self) -> Option<Timestamp> {
        self.earliest
    }

    /// Forgets the batches that are too slow.
    pub(crate) fn expire<H: StreamHost>(&mut self, now: Timestamp, host: &mut H) {
        if self.earliest.is_none_or(|earliest| now < earliest) {
            return;
        }
        self.batches.retain(|_, batch| {
            let stays = batch.expires > now;
            if !stays {
                host.end_batch(BatchKind::Fast);
            }
            stays
        });
        self.earliest = self.batches.values().map(|batch| batch.expires).min();
    }

    /// Forgets all batches.
    pub(crate) fn clear<H: StreamHost>(&mut self, host: &mut H) {
        for _ in std::mem::take(&mut self.batches) {
            host.end_batch(BatchKind::Fast);
        }
        self.earliest = None;
    }
}

/// What is left to do after a message was looked at.
enum Next {
    /// The batch goes on.
    GoOn,
    /// It ends, and its publisher is told how far it came.
    Finish,
    /// It is over, and its publisher knows.
    Over,
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// Takes a message of a fast batch, and answers it.
    pub(crate) fn accept_fast(
        &mut self,
        batches: &mut FastBatches,
        publish: &Publish<'_>,
        headers: &Headers<'_>,
    ) {
        batches.expire(self.now, self.host);
        let (request, mut batch) = match self.enter(batches, publish, headers) {
            Ok(entered) => entered,
            Err(refused) => return self.refuse(publish.reply, &refused),
        };
        batch.expires = self.now.after(self.surroundings.batches.timeout);
        let active = batches.batches.len();
        let next = match request.operation {
            Operation::Ping => self.ping(&mut batch, &request, active, publish.reply),
            _ => self.advance(&mut batch, &request, active, publish, headers),
        };
        if let Next::Finish = next {
            let (stored, count) = (batch.stored, batch.last);
            let body = self.replies.batch(stored, request.id, count);
            self.host.respond(publish.reply, &[], body);
        }
        if let Next::GoOn = next {
            let earliest = batches
                .earliest
                .map_or(batch.expires, |at| at.min(batch.expires));
            batches.earliest = Some(earliest);
            if let Some(slot) = batches.batches.get_mut(request.id) {
                *slot = batch;
            }
        } else {
            self.end(batches, request.id);
        }
    }

    fn end(&mut self, batches: &mut FastBatches, id: &[u8]) {
        if batches.batches.remove(id).is_some() {
            self.host.end_batch(BatchKind::Fast);
        }
    }

    /// Finds the batch of a message, or begins one.
    fn enter<'r>(
        &mut self,
        batches: &mut FastBatches,
        publish: &Publish<'r>,
        headers: &Headers<'_>,
    ) -> Result<(Request<'r>, Batch), ApiError> {
        self.check_entry(publish)?;
        if !self.rules.fast_batches {
            return Err(error::BATCH_PUBLISH_DISABLED);
        }
        let request = Request::parse(publish.reply).ok_or(error::BATCH_PUBLISH_INVALID_PATTERN)?;
        if request.id.len() > MAX_ID_BYTES {
            return Err(error::BATCH_PUBLISH_INVALID_BATCH_ID);
        }
        let batch = match batches.batches.get(request.id) {
            Some(batch) => *batch,
            None => self.begin_fast(batches, &request)?,
        };
        if headers.asks_for_newer_server() {
            self.end(batches, request.id);
            return Err(error::REQUIRED_API_LEVEL);
        }
        Ok((request, batch))
    }

    fn begin_fast(
        &mut self,
        batches: &mut FastBatches,
        request: &Request<'_>,
    ) -> Result<Batch, ApiError> {
        if request.sequence != 1 {
            return Err(error::BATCH_PUBLISH_UNKNOWN_BATCH_ID);
        }
        if batches.batches.len() >= self.surroundings.batches.max_fast_inflight
            || !self.host.begin_batch(BatchKind::Fast)
        {
            return Err(error::BATCH_PUBLISH_TOO_MANY_INFLIGHT);
        }
        // One alone begins as fast as it likes; among others it has to work up.
        let alone = batches.batches.is_empty();
        let batch = Batch {
            ack_every: if alone {
                request.flow.min(ACK_WINDOW as u16)
            } else {
                1
            },
            max_ack_every: request.flow,
            gap_ok: request.gap_ok,
            ..Batch::default()
        };
        batches.batches.insert(request.id.to_vec(), batch);
        Ok(batch)
    }

    /// The publisher asks how far its batch came.
    fn ping(
        &mut self,
        batch: &mut Batch,
        request: &Request<'_>,
        active: usize,
        reply: &[u8],
    ) -> Next {
        if request.sequence > batch.last {
            self.report_gap(batch.last + 1, request.sequence + 1, reply);
            if !batch.gap_ok {
                return Next::Finish;
            }
            batch.last = request.sequence;
            batch.settled = batch.last;
            if self.flow(batch, active, reply) {
                return Next::GoOn;
            }
        }
        let body = self.replies.flow(batch.acked, batch.ack_every);
        self.host.respond(reply, &[], body);
        Next::GoOn
    }

    fn advance(
        &mut self,
        batch: &mut Batch,
        request: &Request<'_>,
        active: usize,
        publish: &Publish<'_>,
        headers: &Headers<'_>,
    ) -> Next {
        let expected = batch.last + 1;
        if request.sequence != expected {
            let is_forward = request.sequence > expected;
            if is_forward {
                self.report_gap(expected, request.sequence, publish.reply);
            }
            if !(is_forward && batch.gap_ok) {
                return Next::Finish;
            }
        }
        if request.operation == Operation::End {
            batch.last = request.sequence - 1;
            return Next::Finish;
        }
        batch.last = request.sequence;
        let commits = request.operation == Operation::Commit;
        if request.sequence == 1 && !commits && self.rules.acks {
            let body = self.replies.flow(0, batch.ack_every);
            self.host.respond(publish.reply, &[], body);
        }
        match self.keep_member(publish, headers) {
            Ok(kept) => {
                batch.stored = kept.sequence();
                batch.settled = batch.last;
                if commits {
                    return Next::Finish;
                }
                self.flow(batch, active, publish.reply);
                Next::GoOn
            }
            Err(refused) => self.refused_member(batch, request, active, publish.reply, refused),
        }
    }

    /// Checks and stores a message of a fast batch as if it came alone.
    fn keep_member(
        &mut self,
        publish: &Publish<'_>,
        headers: &Headers<'_>,
    ) -> Result<Kept, Refused> {
        let mut buffer = std::mem::take(&mut self.scratch.subject);
        let mut edits = std::mem::take(&mut self.scratch.edits);
        let subject = self.transformed(publish.subject, publish.random, &mut buffer);
        if !headers.required_api_level.is_empty() || headers.has_request_info {
            edits.keep_if(publish.headers, |key| {
                key != name::REQUIRED_API_LEVEL && key != name::REQUEST_INFO
            });
        }
        let mut staged = Staged::default();
        let checked = self.check_member(&mut staged, subject, publish, headers, &mut edits);
        let kept = checked.and_then(|rollup| {
            let draft = Draft {
                subject,
                headers: publish.headers,
                payload: publish.payload,
                parsed: headers,
                rollup,
                is_checked: true,
            };
            self.keep(&draft, &mut edits).map_err(Refused::from)
        });
        edits.clear();
        self.scratch.subject = buffer;
        self.scratch.edits = edits;
        kept
    }

    fn refused_member(
        &mut self,
        batch: &mut Batch,
        request: &Request<'_>,
        active: usize,
        reply: &[u8],
        refused: Refused,
    ) -> Next {
        let commits = request.operation == Operation::Commit;
        if let Refused::Duplicate(_) = refused {
            // It is there, which is all that is wanted.
            batch.settled = batch.last;
            self.flow(batch, active, reply);
            if !commits {
                return Next::GoOn;
            }
        }
        // A batch that fails at once is answered as a single message is.
        if !request.gap_ok && batch.last == 1 {
            let body = match refused {
                Refused::Duplicate(Some(sequence)) => {
                    self.replies
                        .duplicate_batch(sequence, request.id, request.sequence)
                }
                other => self.replies.refused(&other.into()),
            };
            self.host.respond(reply, &[], body);
            return Next::Over;
        }
        if let Refused::Error(error) = &refused {
            let body = self.replies.batch_error(request.sequence, error);
            self.host.respond(reply, &[], body);
            if request.gap_ok && !commits {
                return Next::GoOn;
            }
            batch.last -= 1;
        }
        Next::Finish
    }

    fn report_gap(&mut self, expected: u64, found: u64, reply: &[u8]) {
        let body = self.replies.gap(expected, found);
        self.host.respond(reply, &[], body);
    }

    /// Acknowledges if it is time, and adapts how often that is to the number of batches. Returns
    /// whether it did.
    fn flow(&mut self, batch: &mut Batch, active: usize, reply: &[u8]) -> bool {
        let every = u64::from(batch.ack_every.max(1));
        let steps = batch.settled.saturating_sub(batch.acked) / every;
        if steps == 0 {
            return false;
        }
        batch.acked += steps * every;
        let share = u16::try_from(ACK_WINDOW / active.max(1)).unwrap_or(u16::MAX);
        let most = share.max(1).min(batch.max_ack_every);
        batch.ack_every = if batch.ack_every < most {
            batch.ack_every.saturating_mul(2).min(most)
        } else {
            (batch.ack_every / 2).max(most)
        };
        let body = self.replies.flow(batch.acked, batch.ack_every);
        self.host.respond(reply, &[], body);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reply: &str, expected: &str) {
        let request = Request::parse(reply.as_bytes());
        let found = request.map_or("none".into(), |request| {
            let id = String::from_utf8_lossy(request.id).into_owned();
            let Request {
                flow,
                gap_ok,
                sequence,
                operation,
                ..
            } = request;
            format!("{id} flow {flow} gap {gap_ok} {sequence} {operation:?}")
        });
        assert_eq!(found, expected, "{reply:?}");
    }

    #[test]
    fn reply_subjects() {
        check(
            "_INBOX.a.id.10.fail.1.0.$FI",
            "id flow 10 gap false 1 Append",
        );
        check("_INBOX.id.0.ok.2.1.$FI", "id flow 10 gap true 2 Append");
        check("_INBOX.id.x.ok.2.2.$FI", "id flow 10 gap true 2 Commit");
        check("_INBOX.id.99999.ok.2.3.$FI", "id flow 65535 gap true 2 End");
        check("_INBOX.id.1.ok.1.4.$FI", "id flow 1 gap true 1 Ping");
        for bad in [
            "_INBOX.id.1.ok.2.0.$FI",
            "_INBOX.id.1.ok.1.1.$FI",
            "_INBOX.id.1.ok.1.3.$FI",
            "_INBOX.id.1.ok.0.2.$FI",
            "_INBOX.id.1.no.1.0.$FI",
            "_INBOX.id.1.ok.x.0.$FI",
            "_INBOX.id.1.ok.1.5.$FI",
            "_INBOX.id.1.ok.1.$FI",
            "id.1.ok.1.0.$FI",
            "_INBOX.id.1.ok.18446744073709551615.2.$FI",
        ] {
            check(bad, "none");
        }
    }
}

//! Atomic batches: messages that are stored all together or not at all.
//!
//! ```text
//!        1                 2…n                      commit (`1`: last message, `eob`: none)
//! ─▶ begun ─▶ staged in memory, empty answers ─▶ all checked ─▶ all appended ─▶ limits, rollups, ack
//!                 │ gap, too large, too slow         │ one refused
//!                 ▼                                  ▼
//!              given up (advisory)                 given up
//! ```
//!
//! Staged messages have never been acknowledged as stored, so a crash may forget them. A crash may
//! also keep the first part of a batch that was just appended: its messages name their batch, the
//! last one says that it is complete, and [`undo_torn`] takes an incomplete tail away again.

use std::collections::BTreeMap;

use cognate_model::{ApiError, MessageStore, Sequence, Timestamp, error};

use crate::batch::Staged;
use crate::context::{Context, store_failed};
use crate::edit::Edits;
use crate::expect::Rollup;
use crate::header::{self, Headers, name};
use crate::host::{AbandonReason, Advisory, BatchKind, Publish, StreamHost};
use crate::keep::{Draft, Kept};

/// The longest id.
pub(crate) const MAX_ID_BYTES: usize = 64;

/// How many bytes all batches in progress of a stream may stage.
const MAX_STAGED_BYTES: usize = 256 << 20;

/// The atomic batches in progress.
#[derive(Default)]
pub(crate) struct AtomicBatches {
    batches: BTreeMap<Vec<u8>, Batch>,
    bytes: usize,
    /// No batch is too slow before this; it may be earlier than need be.
    earliest: Option<Timestamp>,
}

#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    bytes: usize,
    expires: Timestamp,
}

/// A staged message, or one that passed its checks.
#[derive(Default)]
struct Message {
    subject: Vec<u8>,
    headers: Vec<u8>,
    payload: Vec<u8>,
    random: u64,
}

impl AtomicBatches {
    /// When a batch may be too slow.
    pub(crate) fn timeout(&self) -> Option<Timestamp> {
        self.earliest
    }

    /// Forgets a batch.
    fn remove<H: StreamHost>(&mut self, id: &[u8], host: &mut H) -> Batch {
        let Some(batch) = self.batches.remove(id) else {
            return Batch::default();
        };
        self.bytes = self.bytes.saturating_sub(batch.bytes);
        host.end_batch(BatchKind::Atomic);
        batch
    }

    /// Forgets all batches.
    pub(crate) fn clear<H: StreamHost>(&mut self, host: &mut H) {
        while let Some((id, _)) = self.batches.first_key_value() {
            let id = id.clone();
            self.remove(&id, host);
        }
        self.earliest = None;
    }

    /// Gives up the batches that are too slow.
    pub(crate) fn expire<H: StreamHost>(&mut self, now: Timestamp, host: &mut H) {
        if self.earliest.is_none_or(|earliest| now < earliest) {
            return;
        }
        let late = self
            .batches
            .iter()
            .filter(|(_, batch)| batch.expires <= now);
        let late: Vec<Vec<u8>> = late.map(|(id, _)| id.clone()).collect();
        for id in late {
            self.abandon(&id, AbandonReason::Timeout, host);
        }
        self.earliest = self.batches.values().map(|batch| batch.expires).min();
    }

    fn abandon<H: StreamHost>(&mut self, id: &[u8], reason: AbandonReason, host: &mut H) {
        self.remove(id, host);
        host.advisory(Advisory::BatchAbandoned { batch: id, reason });
    }
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// Takes a message of an atomic batch, and answers it.
    pub(crate) fn accept_atomic(
        &mut self,
        batches: &mut AtomicBatches,
        publish: &Publish<'_>,
        headers: &Headers<'_>,
    ) {
        batches.expire(self.now, self.host);
        match self.stage(batches, publish, headers) {
            Ok(Step::Staged) => self.respond_empty(publish.reply),
            Ok(Step::Commit { with_this }) => {
                let batch = batches.remove(headers.batch_id, self.host);
                match self.commit(batch.messages, with_this) {
                    Ok((last, count)) => {
                        let id = headers.batch_id;
                        self.respond(publish.reply, |to| to.batch(last, id, count));
                    }
                    Err(refused) => self.refuse(publish.reply, &refused),
                }
            }
            Err(refused) => self.refuse(publish.reply, &refused),
        }
    }

    fn respond_empty(&mut self, reply: &[u8]) {
        if self.rules.acks && !reply.is_empty() {
            self.host.respond(reply, &[], &[]);
        }
    }

    /// The checks that a message has to pass to be staged.
    fn stage(
        &mut self,
        batches: &mut AtomicBatches,
        publish: &Publish<'_>,
        headers: &Headers<'_>,
    ) -> Result<Step, ApiError> {
        self.check_entry(publish)?;
        if !self.rules.atomic_batches {
            return Err(error::ATOMIC_PUBLISH_DISABLED);
        }
        let id = headers.batch_id;
        if id.len() > MAX_ID_BYTES {
            return Err(error::ATOMIC_PUBLISH_INVALID_BATCH_ID);
        }
        let sequence = header::parse_number(headers.batch_sequence);
        let sequence = sequence.ok_or(error::ATOMIC_PUBLISH_MISSING_SEQ)?;
        let is_eob = headers.batch_commit == Some(b"eob");
        let max_size = self.surroundings.batches.max_size;
        // The message that only ends a batch does not count.
        let size = sequence.saturating_sub(u64::from(is_eob));
        self.begin(batches, id, sequence, size)?;
        if let Some(value) = headers.batch_commit
            && value != b"1"
            && !is_eob
        {
            batches.remove(id, self.host);
            return Err(error::ATOMIC_PUBLISH_INVALID_BATCH_COMMIT);
        }
        if headers.asks_for_newer_server() {
            batches.abandon(id, AbandonReason::Unsupported, self.host);
            return Err(error::REQUIRED_API_LEVEL);
        }
        let staged = batches
            .batches
            .get(id)
            .map_or(0, |batch| batch.messages.len());
        if sequence != staged as u64 + 1 || (sequence == 1 && is_eob) {
            batches.abandon(id, AbandonReason::Incomplete, self.host);
            return Err(error::ATOMIC_PUBLISH_INCOMPLETE_BATCH);
        }
        let message_bytes = publish.headers.len() + publish.payload.len();
        if size > max_size || batches.bytes.saturating_add(message_bytes) > MAX_STAGED_BYTES {
            batches.abandon(id, AbandonReason::Large, self.host);
            return Err(error::atomic_publish_too_large_batch(max_size));
        }
        if is_eob {
            return Ok(Step::Commit { with_this: false });
        }
        self.push(batches, id, publish, headers);
        Ok(match headers.batch_commit {
            Some(_) => Step::Commit { with_this: true },
            None => Step::Staged,
        })
    }

    /// What holds for every message of a batch, of either kind.
    pub(crate) fn check_entry(&mut self, publish: &Publish<'_>) -> Result<(), ApiError> {
        if self.rules.sealed {
            return Err(error::STREAM_SEALED);
        }
        let (headers, payload) = (publish.headers.len(), publish.payload.len());
        let bytes = self
            .store
            .stored_bytes(publish.subject.len(), headers, payload);
        self.host.admit(bytes)?;
        let max = self.rules.max_message_size;
        if max.is_some_and(|max| headers.saturating_add(payload) > max) {
            return Err(error::STREAM_MESSAGE_EXCEEDS_MAXIMUM);
        }
        Ok(())
    }

    /// Begins a batch with its first message.
    fn begin(
        &mut self,
        batches: &mut AtomicBatches,
        id: &[u8],
        sequence: u64,
        size: u64,
    ) -> Result<(), ApiError> {
        let limits = &self.surroundings.batches;
        if batches.batches.contains_key(id) {
            return Ok(());
        }
        if sequence != 1 {
            return Err(if size > limits.max_size {
                error::atomic_publish_too_large_batch(limits.max_size)
            } else {
                error::ATOMIC_PUBLISH_INCOMPLETE_BATCH
            });
        }
        if batches.batches.len() >= limits.max_atomic_inflight
            || !self.host.begin_batch(BatchKind::Atomic)
        {
            return Err(error::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT);
        }
        batches.batches.insert(id.to_vec(), Batch::default());
        Ok(())
    }

    /// Puts a message with its batch.
    fn push(
        &mut self,
        batches: &mut AtomicBatches,
        id: &[u8],
        publish: &Publish<'_>,
        headers: &Headers<'_>,
    ) {
        let expires = self.now.after(self.surroundings.batches.timeout);
        let mut block = publish.headers.to_vec();
        if !headers.required_api_level.is_empty() || headers.has_request_info {
            header::copy_if(&mut block, publish.headers, |key| {
                key != name::REQUIRED_API_LEVEL && key != name::REQUEST_INFO
            });
            header::close(&mut block);
        }
        if let Some(batch) = batches.batches.get_mut(id) {
            let bytes = block.len() + publish.payload.len() + publish.subject.len();
            batch.bytes += bytes;
            batches.bytes += bytes;
            batch.expires = expires;
            batch.messages.push(Message {
                subject: publish.subject.to_vec(),
                headers: block,
                payload: publish.payload.to_vec(),
                random: publish.random,
            });
        }
        let earliest = batches
            .earliest
            .map_or(expires, |earliest| earliest.min(expires));
        batches.earliest = Some(earliest);
    }

    /// Checks and stores a whole batch; returns its last sequence and its size.
    fn commit(
        &mut self,
        mut messages: Vec<Message>,
        with_this: bool,
    ) -> Result<(Sequence, u64), ApiError> {
        let rollups = self.check_batch(&mut messages)?;
        if !with_this && let Some(last) = messages.last_mut() {
            // What is stored last says that the batch is complete.
            let mut edits = Edits::default();
            edits.add(&last.headers, name::BATCH_COMMIT, b"1");
            last.headers = edits.headers(&[]).to_vec();
        }
        let mut kept: Vec<(Kept, Edits)> = Vec::with_capacity(messages.len());
        for (message, rollup) in messages.iter().zip(&rollups) {
            let headers = Headers::parse(&message.headers);
            let draft = message.draft(&headers, *rollup);
            let mut edits = Edits::default();
            match self.add(&draft, &mut edits) {
                Ok(added) => kept.push((added, edits)),
                Err(refused) => {
                    self.take_back(&messages, &kept);
                    return Err(refused);
                }
            }
        }
        for ((message, rollup), (kept, edits)) in messages.iter().zip(&rollups).zip(&kept) {
            let headers = Headers::parse(&message.headers);
            self.settle(&message.draft(&headers, *rollup), *kept, edits)?;
        }
        let last = kept.last().map_or(0, |(kept, _)| kept.sequence());
        Ok((last, messages.len() as u64))
    }

    /// Checks every message of a batch and makes the changes that its checks ask for.
    fn check_batch(&mut self, messages: &mut [Message]) -> Result<Vec<Option<Rollup>>, ApiError> {
        let mut staged = Staged::several();
        let mut rollups = Vec::with_capacity(messages.len());
        for message in messages {
            let mut buffer = Vec::new();
            let subject = self.transformed(&message.subject, message.random, &mut buffer);
            let headers = Headers::parse(&message.headers);
            if !headers.expected_last_msg_id.is_empty() {
                let header = name::EXPECTED_LAST_MSG_ID;
                return Err(error::atomic_publish_unsupported_header_batch(header));
            }
            let publish = Publish {
                subject,
                headers: &message.headers,
                payload: &message.payload,
                ..Publish::default()
            };
            let mut edits = Edits::default();
            let checked = self.check_member(&mut staged, subject, &publish, &headers, &mut edits);
            rollups.push(checked?);
            let block = edits.headers(&message.headers).to_vec();
            let payload = edits.payload(&message.payload).to_vec();
            *message = Message {
                subject: subject.to_vec(),
                headers: block,
                payload,
                random: 0,
            };
        }
        Ok(rollups)
    }

    /// Removes what was stored of a batch that cannot be stored whole.
    fn take_back(&mut self, messages: &[Message], kept: &[(Kept, Edits)]) {
        for (message, (kept, _)) in messages.iter().zip(kept) {
            if let Kept::Stored { sequence, .. } = kept {
                // If not even that works the store has failed, and nothing of this will be seen.
                let _ = self.remove(*sequence, &message.subject);
            }
        }
    }
}

/// What a message of a batch asks for.
enum Step {
    Staged,
    Commit { with_this: bool },
}

impl Message {
    fn draft<'m>(&'m self, headers: &'m Headers<'m>, rollup: Option<Rollup>) -> Draft<'m> {
        Draft {
            subject: &self.subject,
            headers: &self.headers,
            payload: &self.payload,
            parsed: headers,
            rollup,
            is_checked: true,
        }
    }
}

/// Removes the messages of a batch of which a crash kept only the first part.
pub(crate) fn undo_torn<S: MessageStore>(store: &mut S, max_size: u64) -> Result<(), ApiError> {
    let last = store.state().last;
    let Some((id, mut place)) = member(store, last, true)? else {
        return Ok(());
    };
    let mut torn = vec![last];
    // Messages that nobody wanted have a number and are not there.
    let lowest = last.saturating_sub(max_size.saturating_mul(2));
    for sequence in (lowest.max(1)..last).rev() {
        if place <= 1 {
            break;
        }
        match member(store, sequence, false)? {
            Some((of, before)) if of == id && before < place => {
                torn.push(sequence);
                place = before;
            }
            Some(_) => break,
            None if store
                .load(sequence)
                .map_err(|e| store_failed(&e))?
                .is_some() =>
            {
                break;
            }
            None => {}
        }
    }
    for sequence in torn {
        store
            .remove(sequence, false)
            .map_err(|e| store_failed(&e))?;
    }
    Ok(())
}

/// The batch of a stored message and its place in it; with `open`, only if it does not end it.
fn member<S: MessageStore>(
    store: &mut S,
    sequence: Sequence,
    open: bool,
) -> Result<Option<(Vec<u8>, u64)>, ApiError> {
    let Ok(Some(message)) = store.load(sequence) else {
        return Ok(None);
    };
    let headers = Headers::parse(message.headers);
    let place = header::parse_number(headers.batch_sequence);
    let place = place.filter(|_| !headers.batch_id.is_empty());
    let place = place.filter(|_| !(open && headers.batch_commit.is_some()));
    Ok(place.map(|place| (headers.batch_id.to_vec(), place)))
}

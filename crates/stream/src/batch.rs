//! What the messages of a batch have to fulfil, given the messages before them in the batch.
//!
//! nats-server checks these as a cluster's leader does, in another order than single messages, and
//! so do we.

use std::collections::{BTreeMap, BTreeSet};

use cognate_model::{ApiError, MessageStore, Sequence, error};

use crate::accept::MAX_HEADER_BYTES;
use crate::context::Context;
use crate::counter::Counter;
use crate::edit::Edits;
use crate::expect::{Rollup, expected_of_subject};
use crate::header::{Headers, name};
use crate::host::{Publish, StreamHost};
use crate::time::Ttl;

/// What the checked messages of a batch will change once it is committed.
#[derive(Default)]
pub(crate) struct Staged {
    /// Whether there may be more than one message; one alone leaves no notes.
    is_several: bool,
    ids: BTreeSet<Vec<u8>>,
    subjects: BTreeMap<Vec<u8>, StagedSubject>,
    counters: BTreeMap<Vec<u8>, Counter>,
    /// Subjects that something was expected of, and their last sequence.
    expected: BTreeMap<Vec<u8>, Sequence>,
    messages: u64,
    bytes: u64,
}

#[derive(Default)]
struct StagedSubject {
    messages: u64,
    is_schedule: bool,
}

/// Why a message of a batch is not taken.
pub(crate) enum Refused {
    /// A message with its id was stored before, under this sequence if it is not of this batch.
    Duplicate(Option<Sequence>),
    /// Anything else.
    Error(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Duplicate(_) => error::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE,
            Refused::Error(error) => error,
        }
    }
}

impl Staged {
    pub(crate) fn several() -> Self {
        Self {
            is_several: true,
            ..Self::default()
        }
    }

    /// Whether the last staged message of a subject is a schedule, if there is one.
    pub(crate) fn is_schedule(&self, subject: &[u8]) -> Option<bool> {
        self.subjects.get(subject).map(|staged| staged.is_schedule)
    }
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// Checks one message; returns what it replaces.
    pub(crate) fn check_member(
        &mut self,
        staged: &mut Staged,
        subject: &[u8],
        publish: &Publish<'_>,
        headers: &Headers<'_>,
        edits: &mut Edits,
    ) -> Result<Option<Rollup>, Refused> {
        if publish.headers.len() > MAX_HEADER_BYTES {
            return Err(error::STREAM_HEADER_EXCEEDS_MAXIMUM.into());
        }
        self.check_increment(headers, publish.payload)?;
        self.check_stream(headers)?;
        self.check_ttl_of_member(headers)?;
        self.check_id_of_member(staged, headers.msg_id)?;
        if self.rules.counters {
            self.count_member(staged, subject, publish, headers, edits)?;
        }
        self.check_expected_of_member(staged, subject, headers)?;
        let is_schedule = self.check_schedule(subject, headers)?;
        let mut rollup = headers.rollup;
        if is_schedule && rollup.is_empty() {
            edits.add(publish.headers, name::ROLLUP, b"sub");
            rollup = b"sub";
        }
        self.check_scheduler(subject, headers, Some(staged))?;
        let rollup =
            self.check_rollup_of_member(staged, subject, &Headers { rollup, ..*headers })?;
        let sizes = (
            edits.headers(publish.headers).len(),
            edits.payload(publish.payload).len(),
        );
        let bytes = self.store.stored_bytes(subject.len(), sizes.0, sizes.1);
        staged.messages += 1;
        staged.bytes = staged.bytes.saturating_add(bytes);
        let mut of_subject = 1;
        if staged.is_several {
            let entry = staged.subjects.entry(subject.to_vec()).or_default();
            entry.messages += 1;
            entry.is_schedule = is_schedule;
            of_subject = entry.messages;
        }
        self.check_room_for_batch(staged, subject, of_subject, rollup.is_some())?;
        Ok(rollup)
    }

    fn check_ttl_of_member(&self, headers: &Headers<'_>) -> Result<(), ApiError> {
        match Ttl::parse(headers.ttl) {
            Some(Ttl::None) => Ok(()),
            _ if !self.rules.ttls => Err(error::MESSAGE_TTL_DISABLED),
            Some(_) => Ok(()),
            None => Err(error::MESSAGE_TTL_INVALID),
        }
    }

    fn check_id_of_member(&mut self, staged: &mut Staged, id: &[u8]) -> Result<(), Refused> {
        if id.is_empty() {
            return Ok(());
        }
        if staged.ids.contains(id) {
            return Err(Refused::Duplicate(None));
        }
        if let Some(sequence) = self.duplicate_of(id) {
            return Err(Refused::Duplicate(Some(sequence)));
        }
        if staged.is_several {
            staged.ids.insert(id.to_vec());
        }
        Ok(())
    }

    fn count_member(
        &mut self,
        staged: &mut Staged,
        subject: &[u8],
        publish: &Publish<'_>,
        headers: &Headers<'_>,
        edits: &mut Edits,
    ) -> Result<(), ApiError> {
        if headers.increment.is_empty() {
            return Err(error::MESSAGE_INCR_MISSING);
        }
        let mut counter = match staged.counters.get(subject) {
            Some(counter) => counter.clone(),
            None => self.counter(subject)?,
        };
        self.count_on(&mut counter, subject, publish, headers, edits)?;
        self.check_size(
            edits.headers(publish.headers).len(),
            edits.payload(&[]).len(),
        )?;
        if staged.is_several {
            staged.counters.insert(subject.to_vec(), counter);
        }
        Ok(())
    }

    fn check_expected_of_member(
        &mut self,
        staged: &mut Staged,
        subject: &[u8],
        headers: &Headers<'_>,
    ) -> Result<(), ApiError> {
        let last = self.state().last.saturating_add(staged.messages);
        self.check_last_sequence(last, headers)?;
        // Only the first message of a batch can know.
        if !headers.expected_last_sequence.is_empty() && staged.messages > 0 {
            return Err(error::STREAM_WRONG_LAST_SEQUENCE_CONSTANT);
        }
        let Some((subject, expected)) = expected_of_subject(subject, headers)? else {
            return Ok(());
        };
        if staged.subjects.contains_key(subject) {
            return Err(error::STREAM_WRONG_LAST_SEQUENCE_CONSTANT);
        }
        let last = match staged.expected.get(subject) {
            Some(last) => *last,
            None => self.last_of(subject)?,
        };
        if last != expected {
            return Err(error::stream_wrong_last_sequence(last));
        }
        if staged.is_several {
            staged.expected.insert(subject.to_vec(), last);
        }
        Ok(())
    }

    fn check_rollup_of_member(
        &self,
        staged: &Staged,
        subject: &[u8],
        headers: &Headers<'_>,
    ) -> Result<Option<Rollup>, ApiError> {
        let rollup = self.check_rollup(headers)?;
        match rollup {
            // What it replaced would be of its own batch.
            Some(Rollup::Subject) if staged.subjects.contains_key(subject) => {
                Err(error::stream_rollup_failed("batch rollup sub invalid"))
            }
            Some(Rollup::All) if staged.messages > 0 => {
                Err(error::stream_rollup_failed("batch rollup all invalid"))
            }
            _ => Ok(rollup),
        }
    }

    /// Whether there is room for all that is staged, `of_subject` of it for `subject`.
    fn check_room_for_batch(
        &mut self,
        staged: &Staged,
        subject: &[u8],
        of_subject: u64,
        is_rollup: bool,
    ) -> Result<(), ApiError> {
        let rules = self.rules;
        if !rules.discard_new {
            return Ok(());
        }
        let state = self.state();
        let over = |max: Option<u64>, held: u64, more: u64| {
            max.is_some_and(|max| held.saturating_add(more) > max)
        };
        if over(rules.max_messages, state.messages, staged.messages) {
            return Err(error::stream_store_failed("maximum messages exceeded"));
        }
        if over(rules.max_bytes, state.bytes, staged.bytes) {
            return Err(error::stream_store_failed("maximum bytes exceeded"));
        }
        if rules.discard_new_per_subject && !is_rollup {
            let held = self.store.subject(subject).map_or(0, |of| of.messages);
            if over(rules.max_per_subject, held, of_subject) {
                return Err(error::stream_store_failed(
                    "maximum messages per subject exceeded",
                ));
            }
        }
        Ok(())
    }
}

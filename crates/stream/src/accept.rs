//! The way of a single publish: checks in nats-server's order, then [`keep`](crate::keep).

use cognate_model::{ApiError, MessageStore, Sequence, error};

use crate::context::Context;
use crate::edit::Edits;
use crate::expect::Rollup;
use crate::header::{Headers, name};
use crate::host::{Publish, StreamHost};
use crate::keep::{Draft, Kept};

/// The longest header block.
pub(crate) const MAX_HEADER_BYTES: usize = 65_535;

/// How many ids that are out of the window are forgotten before one is looked up: more than come,
/// and few enough not to be felt.
const FORGET_PER_LOOKUP: usize = 8;

/// What became of a message that was not refused.
enum Accepted {
    New(Kept),
    /// A message with its id was stored before.
    Duplicate(Sequence),
}

/// A message that nothing is wrong with.
pub(crate) struct Checked<'m> {
    /// What it is stored under.
    pub(crate) subject: &'m [u8],
    /// What it replaces.
    pub(crate) rollup: Option<Rollup>,
    /// The message with its id that was stored before.
    pub(crate) duplicate: Option<Sequence>,
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// Takes a message that is no part of a batch, and answers it.
    ///
    /// # Errors
    /// What it was refused for, which was answered.
    pub(crate) fn accept(
        &mut self,
        publish: &Publish<'_>,
        headers: &Headers<'_>,
    ) -> Result<(), ApiError> {
        // Borrowed away from the context for the time of this call.
        let mut subject = std::mem::take(&mut self.scratch.subject);
        let mut edits = std::mem::take(&mut self.scratch.edits);
        let accepted = self.check_and_keep(publish, headers, &mut subject, &mut edits);
        let outcome = match accepted {
            Ok(Accepted::New(kept)) => {
                let sequence = kept.sequence();
                match (kept, self.rules.counters) {
                    (Kept::Stored { .. }, true) => {
                        let value = crate::counter::stored_value(edits.payload(publish.payload));
                        self.respond(publish.reply, |to| to.counted(sequence, &value));
                    }
                    _ => self.respond(publish.reply, |to| to.stored(sequence)),
                }
                Ok(())
            }
            Ok(Accepted::Duplicate(sequence)) => {
                self.respond(publish.reply, |to| to.duplicate(sequence));
                Ok(())
            }
            Err(refused) => {
                self.refuse(publish.reply, &refused);
                Err(refused)
            }
        };
        edits.clear();
        self.scratch.subject = subject;
        self.scratch.edits = edits;
        outcome
    }

    fn check_and_keep(
        &mut self,
        publish: &Publish<'_>,
        headers: &Headers<'_>,
        buffer: &mut Vec<u8>,
        edits: &mut Edits,
    ) -> Result<Accepted, ApiError> {
        let Checked {
            subject,
            rollup,
            duplicate,
        } = self.check(publish, headers, buffer, edits)?;
        if let Some(sequence) = duplicate {
            return Ok(Accepted::Duplicate(sequence));
        }
        let draft = Draft {
            subject,
            headers: publish.headers,
            payload: publish.payload,
            parsed: headers,
            rollup,
            is_checked: false,
        };
        self.keep(&draft, edits).map(Accepted::New)
    }

    /// Everything that can be wrong with a message but for the stream's being full. Nothing is
    /// stored; what is to be changed about it is in `edits`.
    #[inline]
    pub(crate) fn check<'m>(
        &mut self,
        publish: &Publish<'m>,
        headers: &Headers<'_>,
        buffer: &'m mut Vec<u8>,
        edits: &mut Edits,
    ) -> Result<Checked<'m>, ApiError> {
        let subject = self.transformed(publish.subject, publish.random, buffer);
        if self.rules.sealed {
            return Err(error::STREAM_SEALED);
        }
        let mut rollup = None;
        if !publish.headers.is_empty() {
            if headers.has_request_info {
                edits.keep_if(publish.headers, |key| key != name::REQUEST_INFO);
            }
            match self.check_headers(subject, publish, headers, edits)? {
                Verdict::Duplicate(sequence) => {
                    return Ok(Checked {
                        subject,
                        rollup,
                        duplicate: Some(sequence),
                    });
                }
                Verdict::Fresh(found) => rollup = found,
            }
        }
        if self.rules.counters {
            self.count(subject, publish, headers, edits)?;
        }
        let (block, payload) = (
            edits.headers(publish.headers),
            edits.payload(publish.payload),
        );
        self.check_size(block.len(), payload.len())?;
        Ok(Checked {
            subject,
            rollup,
            duplicate: None,
        })
    }

    /// The checks that concern headers.
    fn check_headers(
        &mut self,
        subject: &[u8],
        publish: &Publish<'_>,
        headers: &Headers<'_>,
        edits: &mut Edits,
    ) -> Result<Verdict, ApiError> {
        self.check_increment(headers, publish.payload)?;
        self.check_stream(headers)?;
        self.check_ttl_allowed(headers)?;
        self.check_subject_sequence(subject, headers)?;
        self.check_last_sequence(self.state().last, headers)?;
        let is_schedule = self.check_schedule(subject, headers)?;
        self.check_scheduler(subject, headers, None)?;
        if let Some(sequence) = self.duplicate_of(headers.msg_id) {
            return Ok(Verdict::Duplicate(sequence));
        }
        self.check_last_id(headers)?;
        if is_schedule && headers.rollup.is_empty() {
            // One subject holds one schedule.
            edits.add(publish.headers, name::ROLLUP, b"sub");
            let added = Headers {
                rollup: b"sub",
                ..*headers
            };
            return self.check_rollup(&added).map(Verdict::Fresh);
        }
        self.check_rollup(headers).map(Verdict::Fresh)
    }

    /// The sequence of the message in the duplicate window that has this id.
    pub(crate) fn duplicate_of(&mut self, id: &[u8]) -> Option<Sequence> {
        if id.is_empty() {
            return None;
        }
        let window = self.rules.window?;
        self.memory
            .dedupe
            .expire(self.now, window, FORGET_PER_LOOKUP);
        let (sequence, stored) = self.memory.dedupe.find(id)?;
        (self.now < stored.after(window)).then_some(sequence)
    }

    /// Whether headers and payload are within the stream's limits.
    pub(crate) fn check_size(&self, headers: usize, payload: usize) -> Result<(), ApiError> {
        let max = self.rules.max_message_size;
        if max.is_some_and(|max| headers.saturating_add(payload) > max) {
            return Err(error::STREAM_MESSAGE_EXCEEDS_MAXIMUM);
        }
        if headers > MAX_HEADER_BYTES {
            return Err(error::STREAM_HEADER_EXCEEDS_MAXIMUM);
        }
        Ok(())
    }
}

/// What the headers of a single message say.
enum Verdict {
    Duplicate(Sequence),
    Fresh(Option<Rollup>),
}

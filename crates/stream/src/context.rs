//! What one step of a stream works with: its rules, its state, the store and the host, borrowed
//! apart from each other. The files of this crate extend it, one concern each.

use cognate_model::{ApiError, Message, MessageStore, NewMessage, Sequence, StoreError, Timestamp};
use cognate_model::{StoreState, error};

use crate::dedupe::Dedupe;
use crate::edit::Edits;
use crate::host::{StreamHost, Surroundings};
use crate::reply::Replies;
use crate::rollup::Rollups;
use crate::rules::Rules;

/// What a stream remembers and the store does not.
pub(crate) struct Memory {
    pub(crate) dedupe: Dedupe,
    /// The id of the message that was accepted last; empty if it had none.
    pub(crate) last_id: Vec<u8>,
    /// Limits ask for more removals than one step may do.
    pub(crate) over_limits: bool,
    /// Subjects that may hold more than they should, and must be looked at.
    pub(crate) crowded: Vec<Vec<u8>>,
    /// There may be more such subjects than these.
    pub(crate) has_unknown_crowds: bool,
    /// Below this, age removes nothing: what is held there is to stay whatever its age.
    pub(crate) age_floor: Sequence,
    /// When age has something to do next, if [`age_floor`](Self::age_floor) is above the first.
    pub(crate) age_due: Option<Timestamp>,
    /// Rollups that go on.
    pub(crate) rollups: Rollups,
}

/// Buffers that keep their memory from step to step.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) subject: Vec<u8>,
    pub(crate) headers: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) edits: Edits,
}

/// See the module.
pub(crate) struct Context<'a, S, H> {
    pub(crate) rules: &'a Rules,
    pub(crate) surroundings: &'a Surroundings,
    pub(crate) memory: &'a mut Memory,
    pub(crate) replies: &'a mut Replies,
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) store: &'a mut S,
    pub(crate) host: &'a mut H,
    pub(crate) now: Timestamp,
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    pub(crate) fn state(&self) -> StoreState {
        self.store.state()
    }

    /// The subject a publish is stored under, which may be in `buffer`.
    pub(crate) fn transformed<'b>(
        &self,
        subject: &'b [u8],
        random: u64,
        buffer: &'b mut Vec<u8>,
    ) -> &'b [u8] {
        match &self.rules.transform {
            // A subject that the transform is not made for stays as it is.
            Some(rule) if rule.apply(subject, random, buffer) => buffer,
            _ => subject,
        }
    }

    /// Answers a publish with an error, if anybody waits for an answer.
    pub(crate) fn refuse(&mut self, reply: &[u8], error: &ApiError) {
        if self.rules.acks && !reply.is_empty() {
            let body = self.replies.refused(error);
            self.host.respond(reply, &[], body);
        }
    }

    /// Answers a publish with what `write` makes, if anybody waits for an answer.
    pub(crate) fn respond(&mut self, reply: &[u8], write: impl FnOnce(&mut Replies) -> &[u8]) {
        if self.rules.acks && !reply.is_empty() {
            let body = write(self.replies);
            if !self.memory.rollups.keep_answer(reply, body) {
                self.host.respond(reply, &[], body);
            }
        }
    }

    /// Puts a message into the store and tells the host.
    pub(crate) fn append(&mut self, message: &NewMessage<'_>) -> Result<Sequence, ApiError> {
        let sequence = self.store.append(message).map_err(|e| store_failed(&e))?;
        self.host.stored(&Message {
            sequence,
            timestamp: message.timestamp,
            subject: message.subject,
            headers: message.headers,
            payload: message.payload,
        });
        Ok(sequence)
    }

    /// Removes one message whose subject is known.
    pub(crate) fn remove(&mut self, sequence: Sequence, subject: &[u8]) -> Result<bool, ApiError> {
        let removed = self.store.remove(sequence, false);
        let removed = removed.map_err(|e| store_failed(&e))?.is_some();
        if removed {
            self.host.removed(sequence, subject);
        }
        Ok(removed)
    }

    /// Removes everything below `sequence` and returns how many messages that were.
    pub(crate) fn remove_below(&mut self, sequence: Sequence) -> Result<u64, ApiError> {
        let removed = self.store.remove_below(sequence);
        let removed = removed.map_err(|e| store_failed(&e))?.messages;
        if removed > 0 {
            self.host.removed_below(self.state().first.min(sequence));
        }
        Ok(removed)
    }
}

/// What a publisher is told of a store that did not take a message.
pub(crate) fn store_failed(cause: &StoreError) -> ApiError {
    match cause {
        StoreError::Full => error::INSUFFICIENT_RESOURCES,
        StoreError::TooLarge => error::stream_store_failed("message too large"),
        StoreError::Damaged(_) | StoreError::Failed(_) => error::stream_store_failed(cause),
    }
}

//! Limits on what a stream holds: what a full stream refuses, and what it lets go of.
//!
//! A step removes at most [`MAX_REMOVALS`] messages, so that no publish waits for a million of
//! them; what is left over is done by later steps, which the [`Memory`](crate::context::Memory) asks
//! for. It only ever takes more than one step when a limit was lowered or one large message takes
//! the place of very many small ones.

use cognate_model::{ApiError, MessageStore, error};

use crate::context::{Context, store_failed};
use crate::header::Headers;
use crate::host::StreamHost;

/// How many messages one step removes at most.
pub(crate) const MAX_REMOVALS: u64 = 2048;

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// Whether a stream that discards new messages has room for one that counts for `size` bytes.
    pub(crate) fn check_room(
        &mut self,
        subject: &[u8],
        headers: &Headers<'_>,
        size: u64,
    ) -> Result<(), ApiError> {
        if !self.rules.discard_new {
            return Ok(());
        }
        let checked = self.check_room_as_counted(subject, headers, size);
        if checked.is_err() && !self.memory.rollups.is_empty() {
            // What is being replaced counts, and should not.
            self.finish_rollups()?;
            return self.check_room_as_counted(subject, headers, size);
        }
        checked
    }

    fn check_room_as_counted(
        &mut self,
        subject: &[u8],
        headers: &Headers<'_>,
        size: u64,
    ) -> Result<(), ApiError> {
        let rules = self.rules;
        // A message of a subject that is full takes the place of that subject's first.
        let mut replaced = None;
        if let Some(max) = rules.max_per_subject
            && let Some(of_subject) = self.store.subject(subject)
            && of_subject.messages >= max
        {
            // A rollup is let in, for it makes room for itself.
            if rules.discard_new_per_subject && headers.rollup.is_empty() {
                return Err(error::stream_store_failed(
                    "maximum messages per subject exceeded",
                ));
            }
            replaced = Some(of_subject.first);
        }
        let state = self.state();
        let full = |max: &u64| state.messages >= *max;
        if replaced.is_none() && rules.max_messages.as_ref().is_some_and(full) {
            return Err(error::stream_store_failed("maximum messages exceeded"));
        }
        let too_many = |max: u64| state.bytes.saturating_add(size) > max;
        if rules.max_bytes.is_some_and(too_many) {
            let freed = match replaced {
                Some(sequence) => self.stored_size(sequence)?,
                None => 0,
            };
            if freed < size {
                return Err(error::stream_store_failed("maximum bytes exceeded"));
            }
        }
        Ok(())
    }

    /// Lets go of what is too much after a message of `subject` was stored.
    pub(crate) fn enforce_limits(&mut self, subject: &[u8]) -> Result<(), ApiError> {
        self.enforce_subject_limit(subject, &mut { MAX_REMOVALS })?;
        self.enforce_stream_limits()
    }

    /// Lets go of a subject's first messages, at most `budget` of them, which is what is left of it
    /// afterwards.
    pub(crate) fn enforce_subject_limit(
        &mut self,
        subject: &[u8],
        budget: &mut u64,
    ) -> Result<(), ApiError> {
        let Some(max) = self.rules.max_per_subject else {
            return Ok(());
        };
        while *budget > 0 {
            *budget -= 1;
            match self.store.subject(subject) {
                Some(state) if state.messages > max => {
                    if !self.remove(state.first, subject)? {
                        // The index names a message that is not there; do not go round for ever.
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
        self.memory.crowded.push(subject.to_vec());
        Ok(())
    }

    /// Lets go of the stream's first messages.
    pub(crate) fn enforce_stream_limits(&mut self) -> Result<(), ApiError> {
        let rules = self.rules;
        if rules.discard_new || (rules.max_messages.is_none() && rules.max_bytes.is_none()) {
            return Ok(());
        }
        let mut budget = MAX_REMOVALS;
        loop {
            let state = self.state();
            let surplus = |held: u64, max: Option<u64>| max.map_or(0, |m| held.saturating_sub(m));
            let messages = surplus(state.messages, rules.max_messages);
            let over = messages > 0 || surplus(state.bytes, rules.max_bytes) > 0;
            if !over || state.messages == 0 {
                return Ok(());
            }
            if budget == 0 {
                self.memory.over_limits = true;
                return Ok(());
            }
            // No more messages than numbers: so many numbers from the first on never hold more
            // than are to go. Of bytes it cannot be said how many messages they are.
            let step = messages.clamp(1, budget);
            let below = state.first.saturating_add(step);
            let removed = self
                .store
                .remove_below(below)
                .map_err(|e| store_failed(&e))?;
            self.host.removed_below(below);
            if removed.messages == 0 && self.state().first <= state.first {
                // A store that cannot move on must not be asked for ever.
                return Ok(());
            }
            budget = budget.saturating_sub(step);
        }
    }

    fn stored_size(&mut self, sequence: u64) -> Result<u64, ApiError> {
        let found = match self.store.load(sequence) {
            Ok(Some(message)) => Some((
                message.subject.len(),
                message.headers.len(),
                message.payload.len(),
            )),
            Ok(None) => None,
            Err(cause) => return Err(store_failed(&cause)),
        };
        Ok(found.map_or(0, |(subject, headers, payload)| {
            self.store.stored_bytes(subject, headers, payload)
        }))
    }
}

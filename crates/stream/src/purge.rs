//! Purging a stream and deleting single messages, as the API asks for it.
//!
//! A purge with a filter takes messages out one by one, one below a sequence takes out ranges. Both can
//! be done in steps, so that publishes get their turn, and never take what was stored after they began.
//! Only to remove everything is one step.

use cognate_model::{ApiError, MessageStore, Sequence, error};
use cognate_subject::Filter;

use crate::context::{Context, store_failed};
use crate::host::StreamHost;
use crate::limits::MAX_REMOVALS;

/// How many numbers a step of a purge below a sequence takes out.
const RANGE: u64 = 4 * MAX_REMOVALS;

/// Which messages are to go. At most one of `sequence` and `keep` is not 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct PurgeRequest<'a> {
    /// Only messages that match this; all if there is none.
    pub filter: Option<&'a Filter>,
    /// Only messages below this; 0 for no such limit.
    pub sequence: Sequence,
    /// How many of the last messages stay.
    pub keep: u64,
}

/// A purge that goes on; see [`Stream::continue_purge`](crate::Stream::continue_purge).
#[derive(Debug)]
pub struct Purge<C> {
    work: Option<Work<C>>,
    removed: u64,
}

#[derive(Debug)]
struct Work<C> {
    /// Which messages; none for all.
    cursor: Option<C>,
    from: Sequence,
    /// The first sequence that stays whatever it holds.
    end: Sequence,
    /// How many messages may go.
    left: u64,
}

impl<C> Purge<C> {
    /// Whether there is nothing more to remove.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.work.is_none()
    }

    /// How many messages were removed.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.removed
    }

    fn below(first: Sequence, end: Sequence) -> Self {
        let work = Work {
            cursor: None,
            from: first,
            end,
            left: u64::MAX,
        };
        Self {
            work: (first < end).then_some(work),
            removed: 0,
        }
    }

    fn done(removed: u64) -> Self {
        Self {
            work: None,
            removed,
        }
    }
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    pub(crate) fn start_purge(
        &mut self,
        request: &PurgeRequest<'_>,
    ) -> Result<Purge<S::Cursor>, ApiError> {
        if self.rules.sealed {
            return Err(error::STREAM_SEALED);
        }
        if self.rules.deny_purge {
            return Err(error::stream_purge_failed("stream purge not permitted"));
        }
        if request.sequence > 0 && request.keep > 0 {
            return Err(error::BAD_REQUEST);
        }
        // Below 1 there is nothing.
        if request.sequence == 1 {
            return Ok(Purge::done(0));
        }
        let state = self.state();
        let filter = request.filter.filter(|filter| filter.as_bytes() != b">");
        if filter.is_none() && request.keep == 0 {
            if (1..=state.last).contains(&request.sequence) {
                return Ok(Purge::below(state.first, request.sequence));
            }
            return self.purge_below(request.sequence).map(Purge::done);
        }
        if filter.is_none() && state.deleted == 0 && state.messages > request.keep {
            // Every number has a message, so those to go are known by their numbers.
            let end = state.last.saturating_add(1).saturating_sub(request.keep);
            return Ok(Purge::below(state.first, end));
        }
        let filters: &[Filter] = filter.map_or(&[], std::slice::from_ref);
        let mut cursor = self.store.cursor(filters);
        let left = match request.keep {
            0 => u64::MAX,
            keep => {
                let held = self.store.count(&mut cursor, 1, false);
                held.map_err(|e| store_failed(&e))?.saturating_sub(keep)
            }
        };
        let end = match request.sequence {
            0 => state.last.saturating_add(1),
            sequence => sequence.min(state.last.saturating_add(1)),
        };
        let work = Work {
            cursor: Some(cursor),
            from: state.first,
            end,
            left,
        };
        Ok(Purge {
            work: (left > 0).then_some(work),
            removed: 0,
        })
    }

    /// Removes some more messages.
    pub(crate) fn continue_purge(&mut self, purge: &mut Purge<S::Cursor>) -> Result<(), ApiError> {
        for _ in 0..MAX_REMOVALS {
            let Some(work) = &mut purge.work else {
                return Ok(());
            };
            let Some(cursor) = &mut work.cursor else {
                let below = work.from.saturating_add(RANGE).min(work.end);
                work.from = below;
                if below == work.end {
                    purge.work = None;
                }
                purge.removed += self.remove_below(below)?;
                return Ok(());
            };
            let found = self.store.next(cursor, work.from);
            let found = found.map_err(|e| store_failed(&e))?;
            let Some(sequence) = found.filter(|found| *found < work.end && work.left > 0) else {
                purge.work = None;
                return Ok(());
            };
            work.from = sequence.saturating_add(1);
            if self.remove_loaded(sequence, false)? {
                work.left -= 1;
                purge.removed += 1;
            }
        }
        Ok(())
    }

    /// Removes everything below `sequence`, all if it is 0. A sequence beyond the last becomes the
    /// next.
    fn purge_below(&mut self, sequence: Sequence) -> Result<u64, ApiError> {
        let next = self.state().last.saturating_add(1);
        let below = if sequence == 0 { next } else { sequence };
        let removed = self.remove_below(below)?;
        if below > next {
            let skipped = self.store.skip_to(below, self.now);
            skipped.map_err(|e| store_failed(&e))?;
            self.host.removed_below(below);
        }
        Ok(removed)
    }

    /// Deletes one message on request.
    pub(crate) fn delete(&mut self, sequence: Sequence, erase: bool) -> Result<(), ApiError> {
        if self.rules.sealed {
            return Err(error::STREAM_SEALED);
        }
        if self.rules.deny_delete {
            return Err(error::stream_msg_delete_failed(
                "message delete not permitted",
            ));
        }
        if self.remove_loaded(sequence, erase)? {
            return Ok(());
        }
        // nats-server's file store tells these cases apart, its memory store does not.
        Err(match sequence {
            0 if self.rules.is_file => error::stream_msg_delete_failed("no message found"),
            beyond if self.rules.is_file && beyond > self.state().last => {
                error::stream_msg_delete_failed("stream store EOF")
            }
            _ => error::sequence_not_found(sequence),
        })
    }

    /// Removes one message whose subject is not known yet. One that is damaged goes, too; its
    /// subject stays unknown.
    pub(crate) fn remove_loaded(
        &mut self,
        sequence: Sequence,
        erase: bool,
    ) -> Result<bool, ApiError> {
        let mut subject = std::mem::take(&mut self.scratch.target);
        let removed = if erase {
            subject.clear();
            if let Ok(Some(message)) = self.store.load(sequence) {
                subject.extend_from_slice(message.subject);
            }
            let removed = self.store.remove(sequence, true);
            removed.map(|removed| removed.is_some())
        } else {
            self.store.take_out(sequence, &mut subject)
        };
        if matches!(removed, Ok(true)) {
            self.host.removed(sequence, &subject);
        }
        self.scratch.target = subject;
        removed.map_err(|e| store_failed(&e))
    }
}

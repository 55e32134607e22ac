//! Storing a message that passed its checks, and what follows from that.
//!
//! ```text
//! no interest ─▶ number given away, nothing stored
//! room? ttl? ─▶ append ─┬─▶ id remembered ─▶ limits ─▶ rollup ─▶ schedule ─▶ republish
//!                       └── an atomic batch appends all first, then does the rest
//! ```

use cognate_model::{
    ApiError, Deadline, DeadlineKind, MessageStore, NewMessage, Sequence, Timestamp, error,
};

use crate::context::{Context, store_failed};
use crate::edit::Edits;
use crate::expect::Rollup;
use crate::header::{Headers, name};
use crate::host::StreamHost;
use crate::rollup::UNFINISHED;
use crate::time::{Ttl, write_go_seconds};

/// A message about to be stored. What was changed about it is in [`Edits`].
pub(crate) struct Draft<'m> {
    /// What it is stored under.
    pub(crate) subject: &'m [u8],
    /// Its header block as it came.
    pub(crate) headers: &'m [u8],
    /// Its payload as it came.
    pub(crate) payload: &'m [u8],
    /// What the headers say.
    pub(crate) parsed: &'m Headers<'m>,
    /// What it replaces.
    pub(crate) rollup: Option<Rollup>,
    /// Whether the stream is known to have room for it.
    pub(crate) is_checked: bool,
}

/// What became of a message that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It was stored.
    Stored {
        sequence: Sequence,
        /// The last message of its subject before; worked out for republishing only.
        previous: Sequence,
    },
    /// Nobody wanted it: it has a number and is gone.
    Skipped(Sequence),
}

impl Kept {
    pub(crate) fn sequence(self) -> Sequence {
        match self {
            Kept::Stored { sequence, .. } | Kept::Skipped(sequence) => sequence,
        }
    }
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// Stores a message and does all that follows from it.
    pub(crate) fn keep(&mut self, draft: &Draft<'_>, edits: &mut Edits) -> Result<Kept, ApiError> {
        let kept = self.add(draft, edits)?;
        self.settle(draft, kept, edits)?;
        Ok(kept)
    }

    /// Stores a message, and nothing more.
    pub(crate) fn add(&mut self, draft: &Draft<'_>, edits: &mut Edits) -> Result<Kept, ApiError> {
        if self.rules.interest && !self.host.has_interest(draft.subject) {
            return self.skip();
        }
        let size = self.size(draft, edits);
        self.host.admit(size)?;
        let ttl = Ttl::parse(draft.parsed.ttl).ok_or(error::MESSAGE_TTL_INVALID)?;
        let ttl = self.raised(ttl, draft, edits);
        if !draft.is_checked {
            let size = self.size(draft, edits);
            self.check_room(draft.subject, draft.parsed, size)?;
        }
        let previous = match &self.rules.republish {
            Some(_) => self.store.subject(draft.subject).map_or(0, |of| of.last),
            None => 0,
        };
        if self.rules.schedules {
            self.unschedule_before(draft)?;
        }
        let deadline = if self.rolls_up_many(draft) {
            Some(UNFINISHED)
        } else {
            self.deadline(draft.parsed, ttl, self.now)
        };
        let id = draft.parsed.msg_id;
        let sequence = self.append(&NewMessage {
            timestamp: self.now,
            subject: draft.subject,
            headers: edits.headers(draft.headers),
            payload: edits.payload(draft.payload),
            deadline,
            has_id: !id.is_empty() && self.rules.window.is_some(),
        })?;
        Ok(Kept::Stored { sequence, previous })
    }

    /// What follows from having stored (or skipped) a message.
    pub(crate) fn settle(
        &mut self,
        draft: &Draft<'_>,
        kept: Kept,
        edits: &Edits,
    ) -> Result<(), ApiError> {
        self.remember(draft.parsed.msg_id, kept.sequence());
        let below = match kept {
            Kept::Stored { sequence, .. } => {
                self.enforce_limits(draft.subject)?;
                sequence
            }
            Kept::Skipped(sequence) => sequence.saturating_add(1),
        };
        if let Some(rollup) = draft.rollup {
            self.roll_up(rollup, draft.subject, kept.sequence(), below)?;
        }
        if self.rules.schedules {
            self.purge_schedule_after(draft.parsed)?;
        }
        if let Kept::Stored { sequence, previous } = kept {
            self.republish(draft, edits, sequence, previous);
        }
        Ok(())
    }

    /// Gives the message's number away without storing it.
    fn skip(&mut self) -> Result<Kept, ApiError> {
        let sequence = self.state().last.saturating_add(1);
        let skipped = self.store.skip_to(sequence.saturating_add(1), self.now);
        skipped.map_err(|e| store_failed(&e))?;
        Ok(Kept::Skipped(sequence))
    }

    fn remember(&mut self, id: &[u8], sequence: Sequence) {
        if self.memory.last_id != id {
            self.memory.last_id.clear();
            self.memory.last_id.extend_from_slice(id);
        }
        if !id.is_empty() && self.rules.window.is_some() {
            self.memory.dedupe.insert(id, sequence, self.now);
        }
    }

    fn size(&self, draft: &Draft<'_>, edits: &Edits) -> u64 {
        let headers = edits.headers(draft.headers).len();
        let payload = edits.payload(draft.payload).len();
        self.store
            .stored_bytes(draft.subject.len(), headers, payload)
    }

    /// A time to live that is shorter than the delete markers' becomes as long: otherwise it could
    /// be over while the marker of an earlier message still stands. With one message per subject
    /// there is no such marker.
    fn raised(&self, ttl: Ttl, draft: &Draft<'_>, edits: &mut Edits) -> Ttl {
        let (Ttl::Seconds(seconds), Some(least)) = (ttl, self.rules.marker_ttl_secs) else {
            return ttl;
        };
        if self.rules.max_per_subject == Some(1) || seconds >= least {
            return ttl;
        }
        edits.keep_if(draft.headers, |key| key != name::TTL);
        let mut value = Vec::with_capacity(20);
        cognate_wire::encode::write_decimal(&mut value, least);
        edits.add(draft.headers, name::TTL, &value);
        Ttl::Seconds(least)
    }

    /// When a message with these headers that was stored at `stored` is to be looked at next.
    pub(crate) fn deadline(
        &self,
        headers: &Headers<'_>,
        ttl: Ttl,
        stored: Timestamp,
    ) -> Option<Deadline> {
        let expire = ttl.expiry(stored).filter(|_| self.rules.ttls);
        let expire = expire.map(|at| Deadline {
            at,
            kind: DeadlineKind::Expire,
        });
        let schedule = self.first_firing(headers).map(|at| Deadline {
            at,
            kind: DeadlineKind::Schedule,
        });
        expire.into_iter().chain(schedule).min()
    }

    /// Publishes a stored message again, if its subject is one of those that are to be.
    fn republish(
        &mut self,
        draft: &Draft<'_>,
        edits: &Edits,
        sequence: Sequence,
        previous: Sequence,
    ) {
        let Some(rule) = &self.rules.republish else {
            return;
        };
        let target = &mut self.scratch.target;
        if !rule.transform.apply(draft.subject, 0, target)
            || !cognate_subject::validate::is_valid_literal(target)
        {
            return;
        }
        let payload = edits.payload(draft.payload);
        let out = &mut self.scratch.headers;
        crate::header::open(out, edits.headers(draft.headers));
        crate::direct::push_origin(out, &self.rules.name, draft.subject, sequence, self.now);
        crate::header::push_number(out, b"Nats-Last-Sequence", previous);
        if rule.headers_only {
            crate::header::push_number(out, b"Nats-Msg-Size", payload.len() as u64);
        }
        crate::header::close(out);
        let payload = if rule.headers_only { &[][..] } else { payload };
        self.host.publish(target, out, payload);
    }
}

/// The headers of the marker that stands for a subject's last message, which became too old.
pub(crate) fn write_marker(out: &mut Vec<u8>, ttl_secs: u64) {
    crate::header::open(out, &[]);
    crate::header::push(out, b"Nats-Marker-Reason", b"MaxAge");
    out.extend_from_slice(b"Nats-TTL: ");
    write_go_seconds(out, ttl_secs);
    out.extend_from_slice(b"\r\n");
    crate::header::push(out, name::ROLLUP, b"sub");
    crate::header::close(out);
}

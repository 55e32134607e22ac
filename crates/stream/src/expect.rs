//! What a publisher expects of the stream before its message may be stored.
//!
//! Each check is one rule of nats-server; the order in which they are made decides which error a
//! message with several faults gets, and is the business of `accept` and of the batches.

use std::ops::ControlFlow;

use cognate_model::{ApiError, MessageStore, Sequence, error};
use cognate_subject::validate::has_wildcard;

use crate::context::Context;
use crate::header::{Headers, expected_number};
use crate::host::StreamHost;
use crate::time::Ttl;

/// Which earlier messages a message replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rollup {
    /// Those of its subject.
    Subject,
    /// All.
    All,
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// `Nats-Expected-Stream`
    pub(crate) fn check_stream(&self, headers: &Headers<'_>) -> Result<(), ApiError> {
        let expected = headers.expected_stream;
        if expected.is_empty() || expected == &*self.rules.name {
            Ok(())
        } else {
            Err(error::STREAM_NOT_MATCH)
        }
    }

    /// A stream without times to live refuses messages that have one. (That it is malformed is
    /// found later.)
    pub(crate) fn check_ttl_allowed(&self, headers: &Headers<'_>) -> Result<(), ApiError> {
        let asks = !matches!(Ttl::parse(headers.ttl), None | Some(Ttl::None));
        if asks && !self.rules.ttls {
            return Err(error::MESSAGE_TTL_DISABLED);
        }
        Ok(())
    }

    /// `Nats-Expected-Last-Subject-Sequence`, for the message's subject or for another.
    pub(crate) fn check_subject_sequence(
        &mut self,
        subject: &[u8],
        headers: &Headers<'_>,
    ) -> Result<(), ApiError> {
        let Some((subject, expected)) = expected_of_subject(subject, headers)? else {
            return Ok(());
        };
        let last = self.last_of(subject)?;
        if last == expected {
            Ok(())
        } else {
            Err(error::stream_wrong_last_sequence(last))
        }
    }

    /// `Nats-Expected-Last-Sequence`
    pub(crate) fn check_last_sequence(
        &self,
        last: Sequence,
        headers: &Headers<'_>,
    ) -> Result<(), ApiError> {
        let expected = headers.expected_last_sequence;
        if expected.is_empty() || expected_number(expected) == last {
            Ok(())
        } else {
            Err(error::stream_wrong_last_sequence(last))
        }
    }

    /// `Nats-Expected-Last-Msg-Id`
    pub(crate) fn check_last_id(&self, headers: &Headers<'_>) -> Result<(), ApiError> {
        let expected = headers.expected_last_msg_id;
        if expected.is_empty() || expected == self.memory.last_id {
            return Ok(());
        }
        let last = String::from_utf8_lossy(&self.memory.last_id);
        Err(error::stream_wrong_last_msg_id(last))
    }

    /// `Nats-Rollup`
    pub(crate) fn check_rollup(&self, headers: &Headers<'_>) -> Result<Option<Rollup>, ApiError> {
        let value = headers.rollup;
        if value.is_empty() {
            return Ok(None);
        }
        if !self.rules.rollups {
            return Err(error::stream_rollup_failed("rollup not permitted"));
        }
        rollup_of(value).map(Some).ok_or_else(|| {
            let value = String::from_utf8_lossy(value).to_lowercase();
            let value = cognate_model::text::quoted(&value);
            error::stream_rollup_failed(format_args!("rollup value invalid: {value}"))
        })
    }

    /// The last message that a subject or filter has; 0 if it has none.
    pub(crate) fn last_of(&mut self, subject: &[u8]) -> Result<Sequence, ApiError> {
        if subject == b">" {
            // As in nats-server: the message with the last sequence, if it is still there.
            let last = self.state().last;
            let held = self.store.load(last);
            let held = held.map_err(|e| error::stream_store_failed(&e))?;
            return Ok(held.map_or(0, |message| message.sequence));
        }
        if !has_wildcard(subject) {
            return Ok(self.store.subject(subject).map_or(0, |state| state.last));
        }
        let mut last = 0;
        self.store.for_each_subject(subject, &mut |_, state| {
            last = last.max(state.last);
            ControlFlow::Continue(())
        });
        Ok(last)
    }
}

/// The value of `Nats-Rollup`.
pub(crate) fn rollup_of(value: &[u8]) -> Option<Rollup> {
    match () {
        () if value.eq_ignore_ascii_case(b"sub") => Some(Rollup::Subject),
        () if value.eq_ignore_ascii_case(b"all") => Some(Rollup::All),
        () => None,
    }
}

/// The subject that something is expected of, and which sequence that is.
pub(crate) fn expected_of_subject<'a>(
    subject: &'a [u8],
    headers: &Headers<'a>,
) -> Result<Option<(&'a [u8], Sequence)>, ApiError> {
    if headers.expected_subject_sequence.is_empty() {
        return if headers.expected_subject.is_empty() {
            Ok(None)
        } else {
            Err(error::STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID)
        };
    }
    let other = headers.expected_subject;
    let subject = if other.is_empty() { subject } else { other };
    Ok(Some((
        subject,
        expected_number(headers.expected_subject_sequence),
    )))
}

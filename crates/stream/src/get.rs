//! Reading single messages: by sequence, by time, the last or the next of a subject.

use cognate_model::{ApiError, Message, MessageStore, Sequence, Timestamp, error};
use cognate_subject::Filter;
use cognate_subject::validate::has_wildcard;

/// Which message is asked for. Empty subjects and sequence 0 mean "not said".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetRequest<'a> {
    /// The message with this sequence; with `next_by_subject`, where to begin.
    pub sequence: Sequence,
    /// The last message of this subject or filter.
    pub last_by_subject: &'a [u8],
    /// The first message of this subject or filter, from `sequence` or `start_time` on.
    pub next_by_subject: &'a [u8],
    /// The first message from this time on.
    pub start_time: Option<Timestamp>,
}

impl GetRequest<'_> {
    /// Whether more than one message is asked for at once.
    pub(crate) fn is_contradictory(&self) -> bool {
        let by_sequence = self.sequence > 0;
        let by_time = self.start_time.is_some();
        let by_last = !self.last_by_subject.is_empty();
        let by_next = !self.next_by_subject.is_empty();
        (by_sequence && (by_last || by_time)) || (by_last && (by_time || by_next))
    }

    /// Whether none is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How many messages that are being rolled up are passed over at most.
const MAX_CONCEALED: usize = 4096;

/// The message that is asked for.
pub(crate) fn message<'s, S: MessageStore>(
    request: &GetRequest<'_>,
    store: &'s mut S,
) -> Result<Message<'s>, ApiError> {
    if request.is_empty() || request.is_contradictory() {
        return Err(error::BAD_REQUEST);
    }
    let sequence = sequence_of(request, store).ok_or(error::NO_MESSAGE_FOUND)?;
    match store.load(sequence) {
        Ok(Some(message)) => Ok(message),
        Ok(None) | Err(_) => Err(error::NO_MESSAGE_FOUND),
    }
}

/// The sequence of the message that is asked for, if there may be one.
pub(crate) fn sequence_of<S: MessageStore>(
    request: &GetRequest<'_>,
    store: &mut S,
) -> Option<Sequence> {
    let start = match request.start_time {
        Some(time) => store.sequence_at(time).ok()?,
        None => request.sequence,
    };
    if !request.next_by_subject.is_empty() {
        let filter = Filter::try_from(request.next_by_subject).ok()?;
        return next_of(&filter, start, store);
    }
    if start > 0 {
        return Some(start);
    }
    last_of(request.last_by_subject, store)
}

/// The first message from a sequence on that matches.
fn next_of<S: MessageStore>(filter: &Filter, from: Sequence, store: &mut S) -> Option<Sequence> {
    let mut cursor = store.cursor(std::slice::from_ref(filter));
    let mut found = store.next(&mut cursor, from).ok()?;
    for _ in 0..MAX_CONCEALED {
        match found {
            Some(sequence) if matches!(store.load(sequence), Ok(None)) => {
                let next = sequence.saturating_add(1);
                found = store.next(&mut cursor, next).ok()?;
            }
            _ => break,
        }
    }
    found
}

/// The last message of a subject or filter.
pub(crate) fn last_of<S: MessageStore>(subject: &[u8], store: &mut S) -> Option<Sequence> {
    if subject == b">" {
        // As in nats-server, which takes the last sequence for it even if that is no more held.
        return Some(store.state().last);
    }
    if !has_wildcard(subject) {
        return store.subject(subject).map(|state| state.last);
    }
    let mut last = None;
    store.for_each_subject(subject, &mut |_, state| {
        last = last.max(Some(state.last));
        std::ops::ControlFlow::Continue(())
    });
    last
}

//! With which message a new consumer begins.
//!
//! Called when a consumer is made and, for the list of last messages, when it is recovered. Absent:
//! everything after the first message.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use cognate_model::{ConsumerConfig, DeliverPolicy, MessageStore, Sequence, StoreError};
use cognate_subject::Filter;

/// The first sequence to look at.
pub(crate) fn first_sequence<S: MessageStore>(
    config: &ConsumerConfig,
    filters: &[Filter],
    store: &mut S,
) -> Result<Sequence, StoreError> {
    let state = store.state();
    let end = state.last.saturating_add(1);
    let wanted = match config.deliver_policy {
        // A mirror or source that has more than there is goes on with what comes.
        DeliverPolicy::ByStartSequence if config.direct => config.opt_start_seq,
        // A sequence that is still to come is waited for.
        DeliverPolicy::ByStartSequence => return Ok(config.opt_start_seq.max(state.first).max(1)),
        DeliverPolicy::All | DeliverPolicy::LastPerSubject => state.first,
        DeliverPolicy::Last => last_of(filters, store).unwrap_or(end),
        DeliverPolicy::New => end,
        DeliverPolicy::ByStartTime => match config.opt_start_time {
            Some(time) => store.sequence_at(time)?,
            None => state.first,
        },
    };
    Ok(wanted.min(end).max(state.first).max(1))
}

/// The last message of each subject, which a consumer may begin with.
#[derive(Debug, Default)]
pub(crate) struct SkipList {
    /// Ascending.
    pub(crate) list: VecDeque<Sequence>,
    /// Everything up to here is in the list or passed over.
    pub(crate) end: Sequence,
}

impl SkipList {
    /// The list of those from `from` to `end`. A subject whose last message is beyond is left to the
    /// walk that follows.
    pub(crate) fn new<S: MessageStore>(
        filters: &[Filter],
        from: Sequence,
        end: Sequence,
        store: &mut S,
    ) -> Self {
        let mut list = Vec::new();
        if from <= end {
            for filter in filter_bytes(filters) {
                store.for_each_subject(filter, &mut |_, state| {
                    if (from..=end).contains(&state.last) {
                        list.push(state.last);
                    }
                    ControlFlow::Continue(())
                });
            }
        }
        list.sort_unstable();
        list.dedup();
        Self {
            list: list.into(),
            end,
        }
    }
}

fn last_of<S: MessageStore>(filters: &[Filter], store: &mut S) -> Option<Sequence> {
    if filters.is_empty() {
        let state = store.state();
        return (state.messages > 0).then_some(state.last);
    }
    let mut last = None;
    for filter in filter_bytes(filters) {
        store.for_each_subject(filter, &mut |_, state| {
            last = last.max(Some(state.last));
            ControlFlow::Continue(())
        });
    }
    last
}

fn filter_bytes(filters: &[Filter]) -> impl Iterator<Item = &[u8]> {
    let all: Option<&[u8]> = filters.is_empty().then_some(b">");
    all.into_iter().chain(filters.iter().map(Filter::as_bytes))
}

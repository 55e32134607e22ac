//! With which message a new consumer begins.
//!
//! Called when a consumer is made and, for the list of last messages, when it is recovered. The list of
//! a new one is made in steps ([`Beginning`]), because there may be millions of subjects and publishes
//! want their turn. Absent: everything after the first message.

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
        let mut walk = Walk::new(filters, from, end);
        walk.go_on(store, usize::MAX);
        walk.into_list()
    }
}

/// Where a new consumer begins, while that is found out.
#[derive(Debug)]
pub struct Beginning {
    next: Sequence,
    walk: Option<Walk>,
}

impl Beginning {
    /// Begins to look.
    ///
    /// # Errors
    /// If the store cannot tell where to begin.
    pub fn new<S: MessageStore>(
        config: &ConsumerConfig,
        store: &mut S,
    ) -> Result<Self, StoreError> {
        let filters = config.filters();
        let next = first_sequence(config, &filters, store)?;
        let is_list = config.deliver_policy == DeliverPolicy::LastPerSubject;
        let walk = is_list.then(|| Walk::new(&filters, next, store.state().last));
        Ok(Self { next, walk })
    }

    /// Looks at so many subjects more.
    pub fn go_on<S: MessageStore>(&mut self, store: &mut S, subjects: usize) {
        if let Some(walk) = &mut self.walk {
            walk.go_on(store, subjects);
        }
    }

    /// Whether it is known.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.walk.as_ref().is_none_or(|walk| walk.is_done)
    }

    /// The first sequence, and the list before it.
    pub(crate) fn into_parts(self) -> (Sequence, SkipList) {
        let Some(walk) = self.walk else {
            return (self.next, SkipList::default());
        };
        let skip = walk.into_list();
        let first = skip.list.front().copied();
        (first.unwrap_or(skip.end.saturating_add(1)), skip)
    }
}

/// A walk along the subjects that filters match, in steps.
#[derive(Debug)]
struct Walk {
    filters: Vec<Box<[u8]>>,
    /// The filter it is at.
    at: usize,
    /// The subject of that filter that was the last one.
    after: Option<Vec<u8>>,
    from: Sequence,
    end: Sequence,
    found: Vec<Sequence>,
    is_done: bool,
}

impl Walk {
    fn new(filters: &[Filter], from: Sequence, end: Sequence) -> Self {
        Self {
            filters: filter_bytes(filters).map(Box::from).collect(),
            at: 0,
            after: None,
            from,
            end,
            found: Vec::new(),
            is_done: from > end,
        }
    }

    fn go_on<S: MessageStore>(&mut self, store: &mut S, subjects: usize) {
        let mut budget = subjects;
        while !self.is_done {
            let Some(filter) = self.filters.get(self.at) else {
                self.is_done = true;
                return;
            };
            let mut stopped_at = None;
            let (found, range) = (&mut self.found, self.from..=self.end);
            store.for_each_last(filter, self.after.as_deref(), &mut |subject, last| {
                if range.contains(&last) {
                    found.push(last);
                }
                budget = budget.saturating_sub(1);
                if budget == 0 {
                    stopped_at = Some(subject.to_vec());
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            self.after = stopped_at;
            if self.after.is_some() {
                return;
            }
            self.at += 1;
        }
    }

    fn into_list(mut self) -> SkipList {
        let end = self.end;
        let list = match ascending(&self.found, self.from, end) {
            Some(list) => list,
            None => {
                self.found.sort_unstable();
                self.found.dedup();
                self.found.into()
            }
        };
        SkipList { list, end }
    }
}

/// The numbers in order, each once, by way of a bit for each that could be there: a good deal faster
/// than sorting, unless they are few and far between.
fn ascending(found: &[Sequence], from: Sequence, end: Sequence) -> Option<VecDeque<Sequence>> {
    let span = end.checked_sub(from)?.checked_add(1)?;
    let words = usize::try_from(span.div_ceil(64)).ok()?;
    if words > found.len() {
        return None;
    }
    let mut bits = vec![0_u64; words];
    for delta in found.iter().map(|sequence| sequence - from) {
        if let Some(word) = bits.get_mut((delta / 64) as usize) {
            *word |= 1 << (delta % 64);
        }
    }
    let mut list = VecDeque::with_capacity(found.len());
    for (at, mut word) in (0_u64..).zip(bits) {
        while word != 0 {
            list.push_back(from + at * 64 + u64::from(word.trailing_zeros()));
            word &= word - 1;
        }
    }
    Some(list)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_give_what_sorting_gives() {
        let mut found: Vec<u64> = (0..5000).map(|n| 70 + n * 7919 % 5000 / 2 * 3).collect();
        let list = ascending(&found, 70, 8000).expect("they are close together");
        found.sort_unstable();
        found.dedup();
        assert_eq!(Vec::from(list), found);
        assert_eq!(ascending(&[5, 900_000], 1, 1_000_000), None);
        assert_eq!(ascending(&[], 2, 1), None);
    }
}

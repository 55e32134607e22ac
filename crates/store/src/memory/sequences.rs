//! [`Sequences`]: the ascending sequences of one subject with three messages or more.
//!
//! A few are one vector; many are runs of 32-bit distances, so that a message costs four bytes and
//! a removal anywhere moves at most one run. Called by [`super::postings`] alone.

use std::collections::VecDeque;

use cognate_model::Sequence;

/// Up to so many are one vector.
const FEW: usize = 32;
/// Most distances of a run.
const RUN: usize = 512;

pub(super) enum Sequences {
    Few(Vec<Sequence>),
    Many(Box<Runs>),
}

#[derive(Default)]
pub(super) struct Runs {
    runs: VecDeque<Distances>,
    len: usize,
}

struct Distances {
    base: Sequence,
    offsets: Vec<u32>,
    /// So many at the start are gone already: queues are emptied from there.
    gone: usize,
}

impl Sequences {
    /// Of the first three messages.
    pub(super) fn new(sequences: [Sequence; 3]) -> Self {
        Sequences::Few(sequences.to_vec())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Sequences::Few(few) => few.len(),
            Sequences::Many(many) => many.len,
        }
    }

    pub(super) fn push(&mut self, sequence: Sequence) {
        match self {
            Sequences::Few(few) if few.len() < FEW => few.push(sequence),
            Sequences::Few(few) => {
                let mut many = Box::<Runs>::default();
                few.iter().for_each(|old| many.push(*old));
                many.push(sequence);
                *self = Sequences::Many(many);
            }
            Sequences::Many(many) => many.push(sequence),
        }
    }

    /// Takes one out, if it is there.
    pub(super) fn remove(&mut self, sequence: Sequence) {
        match self {
            Sequences::Few(few) => {
                if let Ok(at) = few.binary_search(&sequence) {
                    few.remove(at);
                }
            }
            Sequences::Many(many) => many.remove(sequence),
        }
    }

    /// Takes all below `sequence` out.
    pub(super) fn remove_below(&mut self, sequence: Sequence) {
        match self {
            Sequences::Few(few) => {
                few.drain(..few.partition_point(|s| *s < sequence));
            }
            Sequences::Many(many) => many.remove_below(sequence),
        }
    }

    pub(super) fn first(&self) -> Option<Sequence> {
        match self {
            Sequences::Few(few) => few.first().copied(),
            Sequences::Many(many) => many.runs.front()?.first(),
        }
    }

    pub(super) fn last(&self) -> Option<Sequence> {
        match self {
            Sequences::Few(few) => few.last().copied(),
            Sequences::Many(many) => many.runs.back()?.last(),
        }
    }

    /// The first at or above `from`.
    pub(super) fn first_from(&self, from: Sequence) -> Option<Sequence> {
        match self {
            Sequences::Few(few) => few.get(few.partition_point(|s| *s < from)).copied(),
            Sequences::Many(many) => many.first_from(from),
        }
    }

    /// How many are at or above `from`.
    pub(super) fn count_from(&self, from: Sequence) -> usize {
        match self {
            Sequences::Few(few) => few.len() - few.partition_point(|s| *s < from),
            Sequences::Many(many) => {
                let at = many.locate(from);
                let in_run = |run: &Distances| run.live().len() - run.position(from);
                let behind = many.runs.range((at + 1).min(many.runs.len())..);
                many.runs.get(at).map_or(0, in_run)
                    + behind.map(|run| run.live().len()).sum::<usize>()
            }
        }
    }

    /// Appends those from `from` up to `to` to `out`, at most `limit` of them.
    pub(super) fn collect(
        &self,
        from: Sequence,
        to: Sequence,
        limit: usize,
        out: &mut Vec<Sequence>,
    ) {
        match self {
            Sequences::Few(few) => {
                let wanted = few.iter().copied();
                out.extend(wanted.filter(|s| (from..=to).contains(s)).take(limit));
            }
            Sequences::Many(many) => {
                let runs = many.runs.range(many.locate(from).min(many.runs.len())..);
                let all = runs.flat_map(|run| {
                    let offsets = &run.live()[run.position(from)..];
                    offsets.iter().map(|offset| run.base + u64::from(*offset))
                });
                out.extend(all.take_while(|s| *s <= to).take(limit));
            }
        }
    }

    /// Bytes asked of the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Sequences::Few(few) => few.capacity() * size_of::<Sequence>(),
            Sequences::Many(many) => {
                let offsets: usize = many.runs.iter().map(|run| run.offsets.capacity()).sum();
                size_of::<Runs>()
                    + many.runs.capacity() * size_of::<Distances>()
                    + offsets * size_of::<u32>()
            }
        }
    }
}

impl Runs {
    fn push(&mut self, sequence: Sequence) {
        self.len += 1;
        if let Some(run) = self.runs.back_mut()
            && run.offsets.len() < RUN
            && let Ok(offset) = u32::try_from(sequence - run.base)
        {
            run.offsets.push(offset);
            return;
        }
        if let Some(run) = self.runs.back_mut() {
            run.offsets.shrink_to_fit();
        }
        self.runs.push_back(Distances {
            base: sequence,
            offsets: vec![0],
            gone: 0,
        });
    }

    fn remove(&mut self, sequence: Sequence) {
        let at = self.locate(sequence);
        let Some(run) = self.runs.get_mut(at) else {
            return;
        };
        let place = run.position(sequence);
        let found = run.live().get(place).map(|o| run.base + u64::from(*o));
        if found != Some(sequence) {
            return;
        }
        if place == 0 {
            run.gone += 1;
        } else {
            run.offsets.remove(run.gone + place);
        }
        self.len -= 1;
        self.tidy(at);
    }

    fn remove_below(&mut self, sequence: Sequence) {
        while let Some(run) = self.runs.front_mut() {
            let gone = run.position(sequence);
            self.len -= gone;
            if gone < run.live().len() {
                run.gone += gone;
                break;
            }
            self.runs.pop_front();
        }
    }

    /// Frees a run that has become empty, and joins it with the next if both are short.
    fn tidy(&mut self, at: usize) {
        let (Some(run), next) = (self.runs.get(at), self.runs.get(at + 1)) else {
            return;
        };
        if run.live().is_empty() {
            self.runs.remove(at);
            return;
        }
        let Some(next) = next else { return };
        let distance = next.last().map_or(u64::MAX, |last| last - run.base);
        // The last run goes on to grow: it is not joined.
        if at + 2 < self.runs.len()
            && run.live().len() + next.live().len() <= RUN / 2
            && distance <= u64::from(u32::MAX)
            && let Some(next) = self.runs.remove(at + 1)
        {
            let run = &mut self.runs[at];
            let apart = (next.base - run.base) as u32;
            run.offsets.drain(..run.gone);
            run.gone = 0;
            run.offsets.extend(next.live().iter().map(|o| o + apart));
            run.offsets.shrink_to_fit();
        }
    }

    fn first_from(&self, from: Sequence) -> Option<Sequence> {
        let at = self.locate(from);
        let run = self.runs.get(at)?;
        match run.live().get(run.position(from)) {
            Some(offset) => Some(run.base + u64::from(*offset)),
            None => self.runs.get(at + 1)?.first(),
        }
    }

    /// The last run that does not begin behind `sequence`, or the first.
    fn locate(&self, sequence: Sequence) -> usize {
        let after = self.runs.partition_point(|run| run.base <= sequence);
        after.saturating_sub(1)
    }
}

impl Distances {
    fn live(&self) -> &[u32] {
        &self.offsets[self.gone..]
    }

    /// The place of the first sequence at or above `sequence`.
    fn position(&self, sequence: Sequence) -> usize {
        match u32::try_from(sequence.saturating_sub(self.base)) {
            // Readers and queues go from the start on.
            Ok(offset) if self.live().first().is_some_and(|o| *o >= offset) => 0,
            Ok(offset) => self.live().partition_point(|o| *o < offset),
            Err(_) => self.live().len(),
        }
    }

    fn first(&self) -> Option<Sequence> {
        self.live().first().map(|o| self.base + u64::from(*o))
    }

    fn last(&self) -> Option<Sequence> {
        self.live().last().map(|o| self.base + u64::from(*o))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(sequences: &Sequences, model: &[Sequence], from: Sequence) {
        let rest = &model[model.partition_point(|s| *s < from)..];
        let mut collected = Vec::new();
        sequences.collect(from, from.saturating_add(5000), 700, &mut collected);
        let expected = rest.iter().copied();
        let expected: Vec<_> = expected
            .take_while(|s| *s <= from.saturating_add(5000))
            .take(700)
            .collect();
        assert_eq!(collected, expected);
        assert_eq!(sequences.first_from(from), rest.first().copied());
        assert_eq!(sequences.count_from(from), rest.len());
        assert_eq!(sequences.len(), model.len());
        assert_eq!(sequences.first(), model.first().copied());
        assert_eq!(sequences.last(), model.last().copied());
    }

    proptest! {
        #[test]
        fn they_are_a_sorted_list(
            gaps in prop::collection::vec(prop_oneof![9 => 1..4u64, 1 => 1..1u64 << 31], 3..2500),
            removals in prop::collection::vec(any::<prop::sample::Index>(), 0..1500),
            below in any::<prop::sample::Index>(),
        ) {
            let mut at = 0;
            let mut model: Vec<Sequence> = gaps.iter().map(|gap| { at += gap; at }).collect();
            let mut sequences = Sequences::new([model[0], model[1], model[2]]);
            model[3..].iter().for_each(|s| sequences.push(*s));
            check(&sequences, &model, model[model.len() / 2]);
            for (n, removal) in removals.iter().enumerate() {
                if model.len() < 2 {
                    break;
                }
                let gone = model.remove(removal.index(model.len()));
                sequences.remove(gone);
                sequences.remove(gone);
                if n % 64 == 0 {
                    check(&sequences, &model, gone);
                }
            }
            let below = model[below.index(model.len())];
            sequences.remove_below(below);
            model.retain(|s| *s >= below);
            sequences.push(at + 10);
            model.push(at + 10);
            check(&sequences, &model, below);
            check(&sequences, &model, 0);
            check(&sequences, &model, u64::MAX);
        }
    }
}

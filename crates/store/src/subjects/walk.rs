//! Walking the part of the tree that a filter matches, byte by byte on the way down.
//!
//! A filter's place is one [`Place`]: since `*` never crosses a dot and `>` is last, one place is
//! enough, there is no choice to come back to. A walk keeps its own stack: no recursion, however
//! deep the tree is.

use std::ops::ControlFlow;

use cognate_subject::validate::has_wildcard;

use super::{SubjectIndex, node, tree::is_leaf, words::NONE};

impl<V: Default + Clone> SubjectIndex<V> {
    /// Visits the subjects that `filter` matches, in the order of their bytes, until `visit` breaks
    /// off, and says whether it did.
    ///
    /// Costs by what matches, and below a `*` by the tokens that stand there.
    pub fn for_each_match(
        &self,
        filter: &[u8],
        visit: &mut dyn FnMut(&[u8], &V) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.for_each_match_after(filter, None, visit)
    }

    /// The same for those that come after the subject `after`, by their bytes, so that a long walk can
    /// be made in steps. Costs what is left, and the way to `after`.
    pub fn for_each_match_after(
        &self,
        filter: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &V) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if !has_wildcard(filter) {
            return match self.get(filter) {
                Some(value) if after.is_none_or(|after| filter > after) => visit(filter, value),
                _ => ControlFlow::Continue(()),
            };
        }
        let mut path = Vec::new();
        let mut pending = vec![Step {
            link: self.root,
            place: Place::start(filter),
            depth: 0,
            byte: None,
        }];
        while let Some(step) = pending.pop() {
            self.visit_step((filter, after), step, &mut path, &mut pending, visit)?;
        }
        ControlFlow::Continue(())
    }

    /// How many subjects `filter` matches.
    #[must_use]
    pub fn count_matches(&self, filter: &[u8]) -> u64 {
        if filter == b">" {
            return self.len() as u64;
        }
        let mut count = 0;
        let _ = self.for_each_match(filter, &mut |_, _| {
            count += 1;
            ControlFlow::Continue(())
        });
        count
    }

    /// Goes one step of a walk: a leaf is visited, the children of a node become steps.
    #[inline]
    fn visit_step(
        &self,
        (filter, after): (&[u8], Option<&[u8]>),
        step: Step,
        path: &mut Vec<u8>,
        pending: &mut Vec<Step>,
        visit: &mut dyn FnMut(&[u8], &V) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if step.link == NONE {
            return ControlFlow::Continue(());
        }
        path.truncate(step.depth);
        path.extend(step.byte);
        let run_at = path.len();
        self.run(step.link).append_to(&self.words, path);
        let steps = path[run_at..].iter();
        let place = steps
            .copied()
            .try_fold(step.place, |place, byte| place.step(filter, byte));
        let Some(place) = place else {
            return ControlFlow::Continue(());
        };
        if after.is_some_and(|after| path.as_slice() < &after[..after.len().min(path.len())]) {
            // So is everything below.
            return ControlFlow::Continue(());
        }
        if is_leaf(step.link) {
            let is_after = after.is_none_or(|after| path.as_slice() > after);
            if is_after && place.accepts(filter) {
                visit(path, &self.leaves.at(step.link >> 1).value)?;
            }
            return ControlFlow::Continue(());
        }
        let node = self.words.at(step.link);
        let depth = path.len();
        let mut push = |byte: Option<u8>, link| {
            let place = byte.map_or(Some(place), |byte| place.step(filter, byte));
            pending.extend(place.map(|place| Step {
                link,
                place,
                depth,
                byte,
            }));
        };
        match place {
            Place::Literal(at) => {
                let byte = filter.get(at as usize).copied();
                let slot = byte.map_or_else(|| node::end_slot(node), |b| node::slot(node, b));
                if let Some(slot) = slot {
                    push(byte, node[slot]);
                }
            }
            Place::Star(_) | Place::Rest => {
                for (byte, link) in node::children(node).rev() {
                    push(byte, link);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// A part of the tree that a walk has yet to visit.
struct Step {
    link: u32,
    place: Place,
    /// How much of the path is above the byte.
    depth: usize,
    byte: Option<u8>,
}

/// How far a path has come in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The next byte must be the filter's byte at this offset.
    Literal(u32),
    /// In a token that `*` matches; what comes behind it begins at this offset.
    Star(u32),
    /// In what `>` matches.
    Rest,
}

impl Place {
    /// Before the first byte.
    pub(super) fn start(filter: &[u8]) -> Self {
        Self::token(filter, 0)
    }

    /// After `byte`; none if the filter does not match any more.
    #[inline]
    pub(super) fn step(self, filter: &[u8], byte: u8) -> Option<Self> {
        match self {
            Place::Rest => Some(Place::Rest),
            Place::Star(_) if byte != b'.' => Some(self),
            Place::Star(at) | Place::Literal(at) => {
                if filter.get(at as usize) != Some(&byte) {
                    None
                } else if byte == b'.' {
                    Some(Self::token(filter, at + 1))
                } else {
                    Some(Place::Literal(at + 1))
                }
            }
        }
    }

    /// Whether the filter matches what ends here.
    #[inline]
    pub(super) fn accepts(self, filter: &[u8]) -> bool {
        match self {
            Place::Rest => true,
            Place::Star(at) | Place::Literal(at) => at as usize == filter.len(),
        }
    }

    /// At the start of the token at `at`.
    fn token(filter: &[u8], at: u32) -> Self {
        match filter.get(at as usize..).unwrap_or_default() {
            b">" => Place::Rest,
            b"*" | [b'*', b'.', ..] => Place::Star(at + 1),
            _ => Place::Literal(at),
        }
    }
}

//! [`FilterSet`]: the filters of one reader, made ready to be matched against many subjects.
//!
//! A set of one filter, the usual case, is compared directly; more of them share a tree, so that a
//! subject costs about the same against two filters as against thousands. What another filter of
//! the set covers is left out when the set is made.
//!
//! Called by the stores' cursors. Absent: positions and messages, which each store keeps its own
//! way.

use std::ops::ControlFlow;

use cognate_subject::{
    Filter, Tree,
    validate::{covers, has_wildcard, matches, overlaps},
};

use crate::subjects::SubjectIndex;

/// Up to so many patterns are compared with each other when the set is made; more are taken to
/// overlap, which costs a match for each subject that is visited.
const COMPARED_PATTERNS: usize = 64;

/// A compiled set of filters. Without any, it matches every subject.
pub struct FilterSet {
    /// Literals first, nothing twice.
    filters: Vec<Box<[u8]>>,
    literals: usize,
    /// The place in `filters` of each; empty if there is one filter at most.
    tree: Tree<u32>,
    /// Whether a subject can be matched by two of the patterns.
    overlapping: bool,
}

impl FilterSet {
    /// Compiles `filters`. `seed` must not be known to those who choose subjects.
    #[must_use]
    pub fn new(filters: &[Filter], seed: u64) -> Self {
        let bytes = || filters.iter().map(Filter::as_bytes);
        if bytes().any(|filter| filter == b">") {
            return Self::of(Vec::new(), 0, seed);
        }
        let patterns: Vec<_> = bytes().filter(|filter| has_wildcard(filter)).collect();
        let patterns = without_covered(patterns);
        let mut covering = Tree::new(seed);
        for pattern in &patterns {
            covering.get_or_insert_with(pattern, || ());
        }
        let mut kept: Vec<Box<[u8]>> = bytes()
            .filter(|filter| !has_wildcard(filter) && !covering.any_match(filter, |()| true))
            .map(Box::from)
            .collect();
        kept.sort_unstable();
        kept.dedup();
        let literals = kept.len();
        kept.extend(patterns.into_iter().map(Box::from));
        Self::of(kept, literals, seed)
    }

    /// Whether it matches every subject.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.filters.is_empty()
    }

    /// The only subject it matches, if there is just one.
    #[must_use]
    pub fn single(&self) -> Option<&[u8]> {
        match self.literals() {
            Some([subject]) => Some(subject),
            _ => None,
        }
    }

    /// All the subjects it matches, if they are known: it has filters, and none with a wildcard.
    #[must_use]
    pub fn literals(&self) -> Option<&[Box<[u8]>]> {
        let all_literal = !self.is_all() && self.literals == self.filters.len();
        all_literal.then_some(&self.filters[..])
    }

    /// Whether it matches `subject`, which is valid and literal.
    #[inline]
    #[must_use]
    pub fn matches(&self, subject: &[u8]) -> bool {
        match (&self.filters[..], self.literals) {
            ([], _) => true,
            ([literal], 1) => **literal == *subject,
            ([pattern], _) => matches(pattern, subject),
            _ => self.tree.any_match(subject, |_| true),
        }
    }

    /// Visits each subject of `index` that the set matches once, until `visit` breaks off, and says
    /// whether it did. Costs by what matches and by the filters, not by what the index holds.
    pub fn for_each_subject<V: Default + Clone>(
        &self,
        index: &SubjectIndex<V>,
        visit: &mut dyn FnMut(&[u8], &V) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.is_all() {
            return index.for_each_match(b">", visit);
        }
        let (literals, patterns) = self.filters.split_at(self.literals);
        for literal in literals {
            if let Some(value) = index.get(literal) {
                visit(literal, value)?;
            }
        }
        for (at, pattern) in patterns.iter().enumerate() {
            let at = (self.literals + at) as u32;
            index.for_each_match(pattern, &mut |subject, value| {
                // The first pattern that matches a subject visits it.
                if self.overlapping && self.tree.any_match(subject, |other| *other < at) {
                    return ControlFlow::Continue(());
                }
                visit(subject, value)
            })?;
        }
        ControlFlow::Continue(())
    }

    fn of(filters: Vec<Box<[u8]>>, literals: usize, seed: u64) -> Self {
        let mut tree = Tree::new(seed);
        if filters.len() > 1 {
            for (at, filter) in filters.iter().enumerate() {
                tree.get_or_insert_with(filter, || at as u32);
            }
        }
        let patterns = &filters[literals..];
        let overlapping = patterns.len() > COMPARED_PATTERNS
            || (1..patterns.len())
                .any(|at| patterns[..at].iter().any(|b| overlaps(&patterns[at], b)));
        Self {
            filters,
            literals,
            tree,
            overlapping,
        }
    }
}

/// The patterns that no other one covers, or, if there are many, only without repetitions.
fn without_covered(mut patterns: Vec<&[u8]>) -> Vec<&[u8]> {
    patterns.sort_unstable();
    patterns.dedup();
    if patterns.len() > COMPARED_PATTERNS {
        return patterns;
    }
    let all = patterns.clone();
    patterns.retain(|pattern| {
        !all.iter()
            .any(|other| other != pattern && covers(other, pattern))
    });
    patterns
}

#[cfg(test)]
#[path = "cursor/tests.rs"]
mod tests;

//! Which consumers want a subject.
//!
//! One tree maps filters to consumers, so that storing a message costs the same with one consumer
//! and with a thousand that do not want it. A consumer's own filters never overlap, so it is found
//! at most once per subject.

use cognate_subject::{Filter, Tree};

/// The number of a consumer in its group; none is used twice.
pub type Place = u64;

/// The filters of a group's consumers.
pub(crate) struct Interest {
    tree: Tree<Vec<Place>>,
    /// Those that want everything.
    all: Vec<Place>,
}

impl Interest {
    /// Nobody wants anything. `seed` is random: subjects are chosen by others.
    pub(crate) fn new(seed: u64) -> Self {
        Interest {
            tree: Tree::new(seed),
            all: Vec::new(),
        }
    }

    /// Enters a consumer; without filters it wants everything.
    pub(crate) fn enter(&mut self, place: Place, filters: &[Filter]) {
        if filters.is_empty() {
            self.all.push(place);
        }
        for filter in filters {
            self.tree
                .get_or_insert_with(filter.as_bytes(), Vec::new)
                .push(place);
        }
    }

    /// Removes a consumer that was entered with these filters.
    pub(crate) fn leave(&mut self, place: Place, filters: &[Filter]) {
        self.all.retain(|&other| other != place);
        for filter in filters {
            if let Some(places) = self.tree.get_mut(filter.as_bytes()) {
                places.retain(|&other| other != place);
                if places.is_empty() {
                    self.tree.remove(filter.as_bytes());
                }
            }
        }
    }

    /// Visits the consumers that want `subject`.
    pub(crate) fn for_each(&self, subject: &[u8], mut visit: impl FnMut(Place)) {
        self.all.iter().copied().for_each(&mut visit);
        if !self.tree.is_empty() {
            self.tree.for_each_match(subject, |places| {
                places.iter().copied().for_each(&mut visit)
            });
        }
    }

    /// Whether any consumer wants `subject`.
    pub(crate) fn wants(&self, subject: &[u8]) -> bool {
        !self.all.is_empty() || self.tree.any_match(subject, |places| !places.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_are_found_by_their_filters_and_forgotten() {
        let filters = |texts: &[&str]| -> Vec<Filter> {
            texts
                .iter()
                .filter_map(|text| Filter::try_from(*text).ok())
                .collect()
        };
        let found = |interest: &Interest, subject: &str| {
            let mut places = Vec::new();
            interest.for_each(subject.as_bytes(), |place| places.push(place));
            places.sort_unstable();
            places
        };
        let mut interest = Interest::new(7);
        interest.enter(0, &[]);
        interest.enter(1, &filters(&["orders.*", "returns.>"]));
        interest.enter(2, &filters(&["orders.new"]));
        assert_eq!(found(&interest, "orders.new"), [0, 1, 2]);
        assert_eq!(found(&interest, "returns.a.b"), [0, 1]);
        assert_eq!(found(&interest, "other"), [0]);
        interest.leave(0, &[]);
        interest.leave(1, &filters(&["orders.*", "returns.>"]));
        assert_eq!(found(&interest, "orders.new"), [2]);
        assert!(!interest.wants(b"returns.a"));
        assert!(interest.wants(b"orders.new"));
    }
}

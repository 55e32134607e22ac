//! Sets of sequences as ascending ranges without overlap.

/// The set. Sequences are put in by and large ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Puts in what is above everything in the set; anything else is left out.
    pub(crate) fn push(&mut self, first: u64, last: u64) {
        match self.0.last_mut() {
            _ if first > last => {}
            Some((_, end)) if *end >= last => {}
            Some((_, end)) if end.saturating_add(1) >= first => *end = last,
            _ => self.0.push((first, last)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn contains(&self, sequence: u64) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < sequence);
        self.0.get(at).is_some_and(|(first, _)| *first <= sequence)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many sequences.
    pub(crate) fn count(&self) -> u64 {
        let lens = self
            .iter()
            .map(|(first, last)| (last - first).saturating_add(1));
        lens.fold(0, u64::saturating_add)
    }

    /// What is in this set and not in `other`.
    pub(crate) fn without(&self, other: &Ranges) -> Ranges {
        let mut left = Ranges::default();
        let mut holes = other.iter().peekable();
        for (first, last) in self.iter() {
            let mut at = first;
            loop {
                while holes.next_if(|&(_, end)| end < at).is_some() {}
                match holes.peek() {
                    Some(&(start, end)) if start <= last => {
                        if start > at {
                            left.push(at, start - 1);
                        }
                        if end >= last {
                            break;
                        }
                        at = end + 1;
                    }
                    _ => {
                        left.push(at, last);
                        break;
                    }
                }
            }
        }
        left
    }
}

impl FromIterator<(u64, u64)> for Ranges {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(ranges: I) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut set = Ranges::default();
        for (first, last) in ranges {
            set.push(first, last);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(set: &Ranges) -> Vec<u64> {
        set.iter().flat_map(|(first, last)| first..=last).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn differences_agree_with_single_numbers(
            a in prop::collection::vec((0u64..60, 0u64..8), 0..12),
            b in prop::collection::vec((0u64..60, 0u64..8), 0..12),
        ) {
            let set = |ranges: &[(u64, u64)]| -> Ranges {
                ranges.iter().map(|&(first, len)| (first, first + len)).collect()
            };
            let (a, b) = (set(&a), set(&b));
            let expected: Vec<u64> = members(&a)
                .into_iter()
                .filter(|n| !members(&b).contains(n))
                .collect();
            let left = a.without(&b);
            prop_assert_eq!(members(&left), expected);
            prop_assert_eq!(left.count() as usize, members(&left).len());
        }
    }
}

//! What was taken of a stream, and what could not be.

use crate::ranges::Ranges;

/// Ranges of lost sequences that are told one by one.
const MAX_RANGES: usize = 1000;

/// Sequences whose messages could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// Each of them held a message. If not, some of them may have been removed before, or never
    /// given.
    pub is_exact: bool,
}

/// What was taken of a stream, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages that were handed to the sink, and not taken back.
    pub messages: u64,
    /// Consumers that were handed to the sink.
    pub consumers: u64,
    /// The last sequence that was given.
    pub last: u64,
    /// What was lost, ascending; [`lost_more`](Self::lost_more) says how many ranges are not told.
    pub lost: Vec<Lost>,
    /// Ranges beyond what is told.
    pub lost_more: u64,
    /// Files and places that are damaged, in words.
    pub damage: Vec<String>,
    /// What was left out on purpose, in words.
    pub skipped: Vec<String>,
    /// What is worth knowing and no loss, in words.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether everything there was, was taken.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.damage.is_empty() && self.skipped.is_empty()
    }

    pub(crate) fn lose(&mut self, ranges: &Ranges, is_exact: bool) {
        for (first, last) in ranges.iter() {
            if self.lost.len() < MAX_RANGES {
                self.lost.push(Lost {
                    first,
                    last,
                    is_exact,
                });
            } else {
                self.lost_more += 1;
            }
        }
    }
}

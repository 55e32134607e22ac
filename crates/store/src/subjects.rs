//! The index of subjects: a map from literal subjects to what a store knows of each.
//!
//! [`SubjectIndex`] is a radix tree over the bytes of subjects. What subjects begin with in common
//! is kept once, so a million keys of a bucket cost less than their own bytes. A node is a block of
//! 32-bit words, sized for its number of children; a value lives in a leaf with the rest of its
//! subject.
//!
//! ```text
//!            node "$KV.b.k"
//!            ├ '0' ─ leaf "17"     $KV.b.k017
//!            ├ '1' ─ node ""
//!            │       ├ end ─ leaf  $KV.b.k1
//!            │       └ '5' ─ leaf  $KV.b.k15
//!            └ 'x' ─ leaf "yz"     $KV.b.kxyz
//! ```
//!
//! Costs: a look-up takes a step per byte at which subjects part ways, at most one per byte of the
//! subject; nothing is hashed, so there is nothing to collide. A walk with a filter goes down only
//! where the filter can match. Memory is taken in chunks that never move, so that no insertion
//! stops for a copy of everything. Walks keep their own stack: no recursion.
//!
//! Called by the stores and by [`crate::cursor`]. Absent: messages, and what the values mean.

mod entry;
mod leaves;
mod node;
mod run;
mod tree;
mod walk;
mod words;

pub use self::{
    entry::SubjectEntry,
    tree::{MAX_SUBJECT_BYTES, SubjectIndex},
};

#[cfg(test)]
mod tests;

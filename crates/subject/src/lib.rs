//! Checked subjects, filters, the subject tree and subject transforms.
//!
//! This crate owns what a subject *means*: which byte strings are subjects and filters
//! ([`validate`]), how filters relate to subjects and to each other, the map from filters to
//! values that a publish is matched against ([`Tree`]), the rewriting of subjects by account mappings,
//! imports, exports and streams ([`Transform`]), and what a mapping is ([`Mapping`]).
//!
//! Subjects are bytes, not text: the protocol never promises UTF-8. A *subject* is literal, a
//! *filter* may contain wildcards (`*` for one token, `>` for one or more trailing tokens).
//!
//! Absent here: subscriptions, queue groups, accounts, permissions, I/O, clocks and randomness.
//! Seeds and random numbers are arguments.

mod mapping;
mod names;
mod relate;
pub mod transform;
mod tree;
pub mod validate;

pub use mapping::{Mapping, MappingDestination, MappingError};
pub use names::{Filter, Subject};
pub use transform::{Transform, TransformError};
pub use tree::Tree;
pub use validate::SubjectError;

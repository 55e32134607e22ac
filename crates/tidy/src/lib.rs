//! Reads this repository the way its rules need it: sources, cargo's view of the crates, licences.
//!
//! The rules themselves are the tests of this crate (`cargo test -p cognate-tidy`), one file per
//! family, and each failure says why the rule exists. This library only answers questions: what
//! is code and what is comment ([`mask()`]), which functions are how long ([`functions`]), which
//! crate is in which tier ([`tier_of`]), what is built and under which licence ([`built`]).
//!
//! Invariants: nothing here writes a file, and a file that cannot be read fails the run instead of
//! being passed over. Absent: a Rust parser. A scanner that knows comments, literals and braces
//! is enough for these rules, and adds no dependency and no build time.

mod cargo;
mod files;
mod items;
mod licence;
mod mask;
mod tiers;

pub use cargo::{Built, Dependency, Package, built, locked_sources, packages, shared_dependencies};
pub use files::{Kind, SourceFile, read, root, sources, texts};
pub use items::{Function, functions, imports, test_items};
pub use licence::is_allowed;
pub use mask::{literal_at, mask, words};
pub use tiers::{SAME_TIER, SameTier, Tier, tier_of};

//! The configuration grammar: text to a tree of values with positions.
//!
//! Owns the lexer (characters to scalars), the recursive-descent parser (scalars to maps and
//! arrays, includes, variables), the value tree and its digest. Invariants: a value is at most
//! [`MAX_DEPTH`] deep, whatever includes and variables add; all input is bounded by the limits
//! below; every value knows where it was written. Called by the loader. Absent: the meaning of
//! any key.

pub(crate) mod digest;
mod lexer;
mod parser;
mod path;
mod problem;
mod reference;
mod scalar;
pub(crate) mod value;

pub(crate) use parser::{Parsed, parse_file};
pub(crate) use problem::{Files, Problem, Span, Texts};
pub(crate) use value::{Entry, Map, Value, ValueKind};

/// Deepest nesting of maps and arrays, counting includes and what variables stand for.
pub const MAX_DEPTH: usize = 64;
/// Most bytes of a configuration file and all that it includes.
pub const MAX_LOAD_BYTES: usize = 256 * 1024 * 1024;
/// Most `include`s in one load.
pub const MAX_INCLUDES: usize = 256;
/// Most memory that copies of variables may take, in approximate bytes: stops a file in which
/// each variable repeats the one before it from growing exponentially.
pub const MAX_EXPANSION_BYTES: usize = 64 * 1024 * 1024;
/// Syntax errors after which the parser gives up.
pub const MAX_SYNTAX_ERRORS: usize = 20;

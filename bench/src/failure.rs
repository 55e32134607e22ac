//! The one error type of the benchmark: a sentence for the person who ran it.
//!
//! A run has no caller that could repair anything, so an error is text that says what was being
//! done, what happened and, where it helps, what to do. Absent: error kinds and codes.

use std::fmt;

/// Why a run, or the whole benchmark, could not be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(String);

/// What every fallible function of this crate returns.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure described by one or more whole sentences.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Adds what was being done to an error from elsewhere.
pub(crate) trait Context<T> {
    /// Turns the error into a [`Failure`] reading "`doing`: error".
    fn context(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{doing}: {error}")))
    }
}

//! What went wrong, for a person: one line, what to do next, and the exit code.
//!
//! Every fallible function of the tool returns this [`Error`]. Errors of libraries become one with
//! `?`, their chain of causes joined into one line; [`Context`] says what was being attempted.
//! Absent: kinds to match on. Who needs to act
//! on a failure does so where it happens, or by the JetStream error code that an error keeps.

use std::fmt::{self, Display};

/// The result of everything that can fail here.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure as it is told.
#[derive(Debug)]
pub(crate) struct Error {
    message: String,
    hint: Option<String>,
    code: i32,
    api_code: Option<u64>,
}

impl Error {
    /// A failure with exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Error {
            message: message.into(),
            hint: None,
            code: 1,
            api_code: None,
        }
    }

    /// Adds what to do next, shown on a line of its own.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the exit code.
    #[must_use]
    pub(crate) fn code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    /// The code the process ends with.
    pub(crate) fn exit_code(&self) -> i32 {
        self.code
    }

    /// Notes the JetStream error code it comes from.
    #[must_use]
    pub(crate) fn with_api_code(mut self, code: u64) -> Self {
        self.api_code = Some(code);
        self
    }

    /// The JetStream error code it comes from: [`crate::jsm::code`] has those that are acted on.
    pub(crate) fn api_code(&self) -> Option<u64> {
        self.api_code
    }

    /// What went wrong, without the hint.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n\n{hint}"),
            None => Ok(()),
        }
    }
}

/// Joins an error and its causes, leaving out causes that the text above them already contains.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let text = chain(&error);
        // What the library says of any subject that it does not take.
        match text.strip_suffix(": invalid subject format") {
            Some(text) => Error::new(text).hint(
                "A subject is words with dots between them: no blanks, and no dot at an end or beside another.",
            ),
            None => Error::new(text),
        }
    }
}

/// Says what was being attempted when something failed.
pub(crate) trait Context<T> {
    /// Puts `attempt: ` before the message.
    fn context(self, attempt: impl Display) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, attempt: impl Display) -> Result<T> {
        self.map_err(|error| {
            let mut error = error.into();
            error.message = format!("{attempt}: {}", error.message);
            error
        })
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, attempt: impl Display) -> Result<T> {
        self.ok_or_else(|| Error::new(attempt.to_string()))
    }
}

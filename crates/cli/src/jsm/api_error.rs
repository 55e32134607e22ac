//! Errors of the JetStream API, as the server tells them.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Codes that commands act on.
pub(crate) mod code {
    /// There is no such stream.
    pub(crate) const STREAM_NOT_FOUND: u64 = 10059;
    /// There is no such consumer.
    pub(crate) const CONSUMER_NOT_FOUND: u64 = 10014;
    /// There is no such message.
    pub(crate) const NO_MESSAGE: u64 = 10037;
    /// The last sequence of the subject is another.
    pub(crate) const WRONG_LAST_SEQUENCE: u64 = 10071;
    /// A stream of that name has another configuration.
    pub(crate) const STREAM_NAME_IN_USE: u64 = 10058;
}

/// An error of the API.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub(crate) struct ApiError {
    /// An HTTP-like code.
    pub(crate) code: u64,
    /// What exactly it is.
    pub(crate) err_code: u64,
    /// In words.
    pub(crate) description: String,
}

impl ApiError {
    /// The error in an answer, if it is one.
    pub(crate) fn of(answer: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            error: Option<ApiError>,
        }
        serde_json::from_slice::<Answer>(answer).ok()?.error
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        let hint = match error.err_code {
            code::STREAM_NOT_FOUND => Some("`nats stream ls` shows the streams there are."),
            code::CONSUMER_NOT_FOUND => Some("`nats consumer ls` shows the consumers there are."),
            10039 | 10076 => Some("JetStream must be enabled in the server and for this account."),
            _ => None,
        };
        let told = Error::new(format!("{} ({})", error.description, error.err_code))
            .with_api_code(error.err_code);
        match hint {
            Some(hint) => told.hint(hint),
            None => told,
        }
    }
}

//! What the API says when it refuses: the catalogue of nats-server 2.14.
//!
//! An error is a constant, or a function where its text has something to fill in. Numbers and texts
//! are a contract: clients match on `err_code`, and some on texts.
//!
//! Called by everything that refuses a request. Absent: which error fits when.

use std::borrow::Cow;
use std::fmt;

use crate::json::IsEmpty;
use serde::Serialize;

mod consumer;
mod general;
mod publish;
mod stream;

pub use consumer::*;
pub use general::*;
pub use publish::*;
pub use stream::*;

/// Why a request was refused, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiError {
    /// The kind of fault, in the manner of HTTP.
    pub code: u16,
    /// Which fault.
    pub err_code: u16,
    /// The same in words.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub description: Cow<'static, str>,
}

impl ApiError {
    const fn fixed(code: u16, err_code: u16, description: &'static str) -> Self {
        Self {
            code,
            err_code,
            description: Cow::Borrowed(description),
        }
    }
}

/// As the Go server logs it: the text and the number.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.description, self.err_code)
    }
}

impl std::error::Error for ApiError {}

impl IsEmpty for ApiError {
    fn is_empty(&self) -> bool {
        false
    }
}

/// Makes a constant of each fixed text, and a function of each that has something to fill in.
macro_rules! catalogue {
    () => {};
    ($name:ident = $code:literal, $err_code:literal, $text:literal; $($rest:tt)*) => {
        #[doc = $text]
        pub const $name: $crate::ApiError = $crate::ApiError::fixed($code, $err_code, $text);
        $crate::error::catalogue! { $($rest)* }
    };
    ($name:ident($($part:ident),+) = $code:literal, $err_code:literal, $text:literal; $($rest:tt)*) => {
        #[doc = $text]
        pub fn $name($($part: impl std::fmt::Display),+) -> $crate::ApiError {
            $crate::ApiError {
                code: $code,
                err_code: $err_code,
                description: std::borrow::Cow::Owned(format!($text)),
            }
        }
        $crate::error::catalogue! { $($rest)* }
    };
}
use catalogue;

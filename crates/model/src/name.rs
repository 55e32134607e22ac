//! Names of streams and consumers.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest name of a stream or consumer, in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// Whether `name` may name a stream or consumer, its length aside: not empty, without white space
/// and without `.`, `*`, `>`, `\` and `/`.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains([' ', '\t', '\r', '\n', '\u{c}', '.', '*', '>', '\\', '/'])
}

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It is empty, or has a character that it must not have.
    Invalid,
    /// It is longer than [`MAX_NAME_BYTES`].
    TooLong,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Invalid => f.write_str(
                "a name is needed, without white space and without '.', '*', '>', '\\', '/'",
            ),
            NameError::TooLong => write!(f, "the name is longer than {MAX_NAME_BYTES} bytes"),
        }
    }
}

impl std::error::Error for NameError {}

macro_rules! name {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;

            fn try_from(text: &str) -> Result<Self, NameError> {
                if !is_valid_name(text) {
                    Err(NameError::Invalid)
                } else if text.len() > MAX_NAME_BYTES {
                    Err(NameError::TooLong)
                } else {
                    Ok(Self(text.into()))
                }
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// The name of a stream. Cheap to clone.
    StreamName
}

name! {
    /// The name of a consumer. Cheap to clone.
    ConsumerName
}

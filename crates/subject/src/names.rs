//! Checked, owned names: once made, a [`Subject`] or [`Filter`] is known to be valid.
//!
//! They own their bytes, in one allocation of exactly the needed size. Configuration, router and
//! streams keep them; the publish path works on borrowed bytes and makes none.

use std::{borrow::Borrow, fmt};

use crate::validate::{SubjectError, check_filter, check_literal, has_wildcard};

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<[u8]>);

        impl $name {
            /// The bytes, without any terminator.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = SubjectError;

            fn try_from(bytes: &[u8]) -> Result<Self, SubjectError> {
                $check(bytes)?;
                Ok(Self(bytes.into()))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = SubjectError;

            fn try_from(text: &str) -> Result<Self, SubjectError> {
                Self::try_from(text.as_bytes())
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl Borrow<[u8]> for $name {
            fn borrow(&self) -> &[u8] {
                &self.0
            }
        }

        /// Bytes that are not UTF-8 are shown as U+FFFD.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&String::from_utf8_lossy(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", String::from_utf8_lossy(&self.0))
            }
        }
    };
}

checked_name! {
    /// A literal subject: see [`crate::validate::is_valid_literal`].
    Subject, check_literal
}

checked_name! {
    /// A subject that may contain wildcards: see [`crate::validate::is_valid_filter`].
    Filter, check_filter
}

impl Filter {
    /// Whether this filter matches one subject only.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !has_wildcard(&self.0)
    }
}

impl From<Subject> for Filter {
    fn from(subject: Subject) -> Self {
        Self(subject.0)
    }
}

impl TryFrom<Filter> for Subject {
    type Error = SubjectError;

    fn try_from(filter: Filter) -> Result<Self, SubjectError> {
        check_literal(&filter.0)?;
        Ok(Self(filter.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_once_and_shown_as_text() {
        let filter = Filter::try_from("foo.*").expect("a valid filter");
        assert_eq!(
            (filter.as_bytes(), filter.is_literal()),
            (&b"foo.*"[..], false)
        );
        assert_eq!(
            (filter.to_string(), format!("{filter:?}")),
            ("foo.*".into(), "\"foo.*\"".into())
        );
        assert_eq!(
            Subject::try_from(filter),
            Err(SubjectError::Wildcard { at: 4 })
        );

        let subject = Subject::try_from(&b"foo.bar"[..]).expect("a valid subject");
        let widened = Filter::from(subject.clone());
        assert!(widened.is_literal());
        assert_eq!(Subject::try_from(widened), Ok(subject));
        assert_eq!(
            Filter::try_from("a b"),
            Err(SubjectError::Whitespace { at: 1 })
        );
    }
}

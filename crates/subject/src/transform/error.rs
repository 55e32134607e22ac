//! What can be wrong with a transform rule, for people and for the wire.

use std::fmt;

/// The longest piece of a rule that an error repeats, in characters.
const SHOWN: usize = 128;

/// Why a rule was refused. `Display` says what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformError {
    problem: TransformProblem,
    token: String,
}

/// The kinds of [`TransformError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransformProblem {
    /// The source is not a valid filter.
    InvalidSource,
    /// The destination has an empty token, or `>` before its end.
    InvalidDestination,
    /// The destination contains `*`.
    WildcardInDestination,
    /// Only one of source and destination ends with `>`.
    TailOnOneSide,
    /// Source or destination is longer than [`super::MAX_RULE_BYTES`].
    TooLong,
    /// A plain token of a mapping's destination is empty or contains white space.
    InvalidToken,
    /// There is no such function.
    UnknownFunction,
    /// A function has too few arguments.
    NotEnoughArguments,
    /// A function has too many arguments.
    TooManyArguments,
    /// An argument is not a number, out of range, or not a usable delimiter.
    InvalidArgument,
    /// A function refers to a wildcard that the source doesn't have.
    NoSuchWildcard,
    /// An import uses a function that can't be undone.
    NotReversible,
    /// An import doesn't use every wildcard of its source.
    UnusedWildcards,
}

impl TransformError {
    pub(super) fn new(problem: TransformProblem, token: &str) -> Self {
        Self {
            problem,
            token: token.chars().take(SHOWN).collect(),
        }
    }

    /// Which kind of error it is.
    #[must_use]
    pub fn problem(&self) -> TransformProblem {
        self.problem
    }

    /// The piece of the rule that is wrong, shortened if it is very long.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The text that nats-server 2.14 uses in API responses and logs for the same fault.
    #[must_use]
    pub fn wire_text(&self) -> String {
        use TransformProblem as P;
        let reason = match self.problem {
            P::InvalidSource
            | P::InvalidDestination
            | P::WildcardInDestination
            | P::TailOnOneSide
            | P::TooLong => return "invalid subject".to_owned(),
            P::InvalidToken => "invalid transform",
            P::UnknownFunction => "unknown function",
            P::NotEnoughArguments => "not enough arguments passed to the function",
            P::TooManyArguments => "too many arguments passed to the function",
            P::InvalidArgument => "function argument is invalid or in the wrong format",
            P::NoSuchWildcard => "wildcard index out of range",
            P::NotReversible => {
                "the only mapping function allowed for import transforms is {{Wildcard()}}"
            }
            P::UnusedWildcards => "not using all of the token wildcard(s)",
        };
        if self.token.is_empty() {
            return format!("invalid mapping destination: {reason}");
        }
        format!("invalid mapping destination: {reason} in {}", self.token)
    }
}

impl fmt::Display for TransformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use TransformProblem as P;
        let (what, advice) = match self.problem {
            P::InvalidSource => (
                "the source is not a valid subject filter",
                "remove empty tokens and white space, and use '>' as the last token only",
            ),
            P::InvalidDestination => (
                "the destination is not a valid subject",
                "remove empty tokens, and use '>' as the last token only",
            ),
            P::WildcardInDestination => (
                "'*' can't stand in a destination",
                "write $1 or {{wildcard(1)}} for the first wildcard of the source",
            ),
            P::TailOnOneSide => (
                "'>' must end both source and destination, or neither",
                "add or remove the final '>'",
            ),
            P::TooLong => (
                "the rule is too long",
                "keep source and destination within 4096 bytes",
            ),
            P::InvalidToken => (
                "an empty token, or one with white space, in the destination",
                "remove the extra dot or the white space",
            ),
            P::UnknownFunction => (
                "unknown mapping function",
                "use wildcard, partition, random, split, splitFromLeft, splitFromRight, \
                 sliceFromLeft, sliceFromRight, left or right, as in {{wildcard(1)}}",
            ),
            P::NotEnoughArguments => (
                "not enough arguments for the mapping function",
                "give all of them, as in {{wildcard(1)}} or {{split(1,-)}}",
            ),
            P::TooManyArguments => (
                "too many arguments for the mapping function",
                "remove some, as in {{wildcard(1)}} or {{split(1,-)}}",
            ),
            P::InvalidArgument => (
                "an argument of the mapping function is invalid",
                "use whole numbers below 2147483648, and a delimiter without spaces and dots",
            ),
            P::NoSuchWildcard => (
                "it refers to a wildcard that the source doesn't have",
                "count the '*' tokens of the source, from 1",
            ),
            P::NotReversible => (
                "an import or export can't use this mapping function",
                "use $n or {{wildcard(n)}} only",
            ),
            P::UnusedWildcards => (
                "an import or export must use every wildcard of its source",
                "name each of them by $n or {{wildcard(n)}}",
            ),
        };
        write!(f, "{what}: {:?}: {advice}", self.token)
    }
}

impl std::error::Error for TransformError {}

//! Subject transforms: rewriting a subject that matches a source filter into a destination.
//!
//! Owns the destination language (`$1`, `{{wildcard(1)}}`, `{{partition(10,1,2)}}`, …), its rules,
//! and the rewriting. A rule is compiled once into parts; applying it writes into a buffer of
//! the caller and allocates nothing else. The semantics are those of nats-server 2.14, also where
//! they are odd; oddities are said where they are.
//!
//! Who calls it: account mappings ([`Transform::new_mapping`]), imports and exports
//! ([`Transform::new_strict`]), streams ([`Transform::new`]).
//!
//! Absent: weights and clusters of mappings, which the router owns; randomness, which is an
//! argument.

mod apply;
mod error;
mod function;

pub use self::error::{TransformError, TransformProblem};
use self::{
    apply::Part,
    function::{Cut, Function},
};
use crate::{
    relate::tokens,
    validate::{check_filter, has_empty_token},
};

/// The longest source and the longest destination, in bytes. Far above any real rule; it bounds
/// the work of reading the destination's functions, which is quadratic in the worst case.
pub const MAX_RULE_BYTES: usize = 4096;

/// A compiled rule. See [`Transform::apply`].
#[derive(Clone, Debug)]
pub struct Transform {
    source: String,
    destination: String,
    rewrite: Rewrite,
}

#[derive(Clone, Debug)]
enum Rewrite {
    /// The subject stays as it is (no destination, or `>` to `>`).
    Keep,
    /// The parts, then the source's tokens from this one (from 0) on if there is a tail.
    Parts(Vec<Part>, Option<usize>),
}

impl Transform {
    /// A rule of a stream: any function, and wildcards of the source may go unused.
    ///
    /// An empty source stands for `>`. An empty destination keeps matching subjects as they are.
    ///
    /// # Errors
    /// If the source is not a filter, the destination has a wildcard other than a last `>`, only
    /// one of them ends with `>`, a function is unknown or its arguments are wrong, or one refers
    /// to a wildcard that the source hasn't.
    pub fn new(source: &str, destination: &str) -> Result<Self, TransformError> {
        Self::compile(source, destination, Rule::Lax)
    }

    /// A rule of an import or export, which must be reversible: only `$n` and `{{wildcard(n)}}`,
    /// and every wildcard of the source is used. (As in the Go server, a source without any
    /// wildcard also allows partition and random.)
    ///
    /// # Errors
    /// As [`Transform::new`], and if the rule is not reversible.
    pub fn new_strict(source: &str, destination: &str) -> Result<Self, TransformError> {
        Self::compile(source, destination, Rule::Strict)
    }

    /// A rule of an account mapping: as [`Transform::new`], and the destination's plain tokens have
    /// no white space.
    ///
    /// More lenient than nats-server 2.14, which refuses `left` and `right` here but not in streams.
    ///
    /// # Errors
    /// As [`Transform::new`], and if the source or a plain token of the destination is malformed.
    pub fn new_mapping(source: &str, destination: &str) -> Result<Self, TransformError> {
        if !source.is_empty() && check_filter(source.as_bytes()).is_err() {
            return Err(TransformError::new(TransformProblem::InvalidSource, source));
        }
        let malformed = |token: &str| {
            token.is_empty() || (!function::is_call(token) && token.contains(function::SPACES))
        };
        match destination.split('.').find(|token| malformed(token)) {
            Some(token) if !destination.is_empty() => {
                Err(TransformError::new(TransformProblem::InvalidToken, token))
            }
            _ => Self::compile(source, destination, Rule::Lax),
        }
    }

    /// The source filter; `>` if it was given as empty.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The destination as it was given.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// The rule that undoes this one, for rules of `$n` and `{{wildcard(n)}}` that use every
    /// wildcard once; `None` for others.
    #[must_use]
    pub fn reversed(&self) -> Option<Self> {
        let Rewrite::Parts(..) = self.rewrite else {
            return Some(self.clone());
        };
        // `wildcards[k]` is the wildcard of the source that the k-th of the destination stands for.
        let mut wildcards = Vec::new();
        let mut source = Vec::new();
        for token in self.destination.split('.') {
            match Function::parse(token).ok()? {
                Function::Plain => source.push(token),
                Function::Wildcard(index) if index > 0 && !wildcards.contains(&index) => {
                    wildcards.push(index);
                    source.push("*");
                }
                _ => return None,
            }
        }
        let mut seen = 0;
        let mut destination = Vec::new();
        for token in self.source.split('.') {
            if token == "*" {
                seen += 1;
                let place = wildcards.iter().position(|index| *index == seen)?;
                destination.push(format!("${}", place + 1));
            } else {
                destination.push(token.to_owned());
            }
        }
        Self::new_strict(&source.join("."), &destination.join(".")).ok()
    }

    fn compile(source: &str, destination: &str, rule: Rule) -> Result<Self, TransformError> {
        let source = if source.is_empty() { ">" } else { source };
        let bad = |problem, token: &str| Err(TransformError::new(problem, token));
        if source.len() > MAX_RULE_BYTES || destination.len() > MAX_RULE_BYTES {
            let longer = if source.len() > MAX_RULE_BYTES {
                source
            } else {
                destination
            };
            return bad(TransformProblem::TooLong, longer);
        }
        if !is_tokenized(source) {
            return bad(TransformProblem::InvalidSource, source);
        }
        let rewrite = if destination.is_empty() {
            Rewrite::Keep
        } else {
            if !is_tokenized(destination) {
                return bad(TransformProblem::InvalidDestination, destination);
            }
            if destination.split('.').any(|token| token == "*") {
                return bad(TransformProblem::WildcardInDestination, destination);
            }
            let source_tail = source.split('.').next_back() == Some(">");
            let tail = destination.split('.').next_back() == Some(">");
            if source_tail != tail {
                return bad(TransformProblem::TailOnOneSide, destination);
            }
            let parts = Compiler::new(source, rule).parts(destination)?;
            match (source, destination) {
                (">", ">") => Rewrite::Keep,
                _ => Rewrite::Parts(parts, tail.then(|| source.split('.').count() - 1)),
            }
        };
        Ok(Self {
            source: source.to_owned(),
            destination: destination.to_owned(),
            rewrite,
        })
    }
}

/// The destination that keeps what `filter` matches: `foo.*.*` gives `foo.$1.$2`.
#[must_use]
pub fn with_placeholders(filter: &str) -> String {
    let mut wildcards = 0;
    let name = |token: &str| match token {
        "*" => {
            wildcards += 1;
            format!("${wildcards}")
        }
        literal => literal.to_owned(),
    };
    filter.split('.').map(name).collect::<Vec<_>>().join(".")
}

/// No empty token, and `>` only last. White space is allowed, for functions may contain it.
fn is_tokenized(subject: &str) -> bool {
    let bytes = subject.as_bytes();
    !has_empty_token(bytes)
        && tokens(bytes)
            .position(|token| token == b">")
            .is_none_or(|at| at + 1 == tokens(bytes).count())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Lax,
    Strict,
}

/// Turns destination tokens into parts, knowing the source.
struct Compiler {
    rule: Rule,
    /// For each `*` of the source, which token it is, from 0.
    wildcards: Vec<usize>,
    /// Whether the source has no wildcard of any kind.
    literal_source: bool,
    /// How many references to wildcards there have been.
    references: usize,
}

impl Compiler {
    fn new(source: &str, rule: Rule) -> Self {
        let places = source.split('.').enumerate();
        let wildcards: Vec<usize> = places
            .filter(|(_, token)| *token == "*")
            .map(|(at, _)| at)
            .collect();
        let literal_source = wildcards.is_empty() && source.split('.').next_back() != Some(">");
        Self {
            rule,
            wildcards,
            literal_source,
            references: 0,
        }
    }

    fn parts(mut self, destination: &str) -> Result<Vec<Part>, TransformError> {
        let mut parts = Vec::new();
        for (at, token) in destination.split('.').enumerate() {
            if at > 0 {
                apply::push_text(&mut parts, ".");
            }
            match Function::parse(token)? {
                // The tail's tokens are written in its place.
                Function::Plain if token == ">" => {}
                Function::Plain => apply::push_text(&mut parts, token),
                function if self.literal_source => {
                    parts.push(Self::without_wildcards(function, token)?)
                }
                function => parts.push(self.part(function, token)?),
            }
        }
        // Only then is there something to reverse.
        if self.rule == Rule::Strict
            && !self.literal_source
            && self.references < self.wildcards.len()
        {
            return Err(TransformError::new(
                TransformProblem::UnusedWildcards,
                destination,
            ));
        }
        Ok(parts)
    }

    /// What may be used when the source is literal; there, partition always hashes the whole
    /// subject, whatever tokens it names.
    fn without_wildcards(function: Function, token: &str) -> Result<Part, TransformError> {
        match function {
            Function::Partition { buckets, .. } => Ok(Part::Partition {
                buckets,
                tokens: Box::default(),
            }),
            Function::Random(ceiling) => Ok(Part::Random { ceiling }),
            _ => Err(TransformError::new(TransformProblem::NoSuchWildcard, token)),
        }
    }

    fn part(&mut self, function: Function, token: &str) -> Result<Part, TransformError> {
        if self.rule == Rule::Strict && !matches!(function, Function::Wildcard(_)) {
            return Err(TransformError::new(TransformProblem::NotReversible, token));
        }
        Ok(match function {
            Function::Plain => Part::Text(token.into()),
            Function::Wildcard(index) => Part::Token(self.source_token(index, token)?),
            Function::Partition { buckets, wildcards } => {
                let named = wildcards
                    .iter()
                    .map(|index| self.source_token(*index, token));
                Part::Partition {
                    buckets,
                    tokens: named.collect::<Result<_, _>>()?,
                }
            }
            Function::Random(ceiling) => Part::Random { ceiling },
            Function::Split {
                wildcard,
                delimiter,
            } => {
                let token = self.source_token(wildcard, token)?;
                Part::Split {
                    token,
                    delimiter: delimiter.into(),
                }
            }
            Function::Cut {
                cut,
                wildcard,
                size,
            } => {
                // A size of 0 or less leaves the token alone, as one that is too large does.
                let size = usize::try_from(size).unwrap_or(0);
                Part::Cut {
                    cut,
                    token: self.source_token(wildcard, token)?,
                    size,
                }
            }
        })
    }

    /// The source token behind a wildcard's number. As in the Go server, numbers below 1 are not
    /// refused but stand for the first token of the subject.
    fn source_token(&mut self, index: i64, token: &str) -> Result<usize, TransformError> {
        self.references += 1;
        let Ok(index @ 1..) = usize::try_from(index) else {
            return Ok(0);
        };
        let found = self.wildcards.get(index - 1).copied();
        let missing = || format!("{token}: [{index}]");
        found.ok_or_else(|| TransformError::new(TransformProblem::NoSuchWildcard, &missing()))
    }
}

#[cfg(test)]
#[path = "transform/tests.rs"]
mod tests;

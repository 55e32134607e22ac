//! The language of destination tokens: `$1` and `{{name(arguments)}}`.
//!
//! Names are as the Go server takes them: each of a name's words may start with a capital, white
//! space may stand around the name and behind the parentheses, and what surrounds a well-formed
//! `{{…}}` inside a token that itself starts with `{{` and ends with `}}` is passed over. A `$`
//! that no number follows is plain text, for subjects like `$JS` start with it.
//!
//! Absent: whether a wildcard exists, which only the whole rule knows.

use super::error::{TransformError, TransformProblem};

/// What a token of a destination asks for. Wildcards are by number, as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// No function: the token itself.
    Plain,
    Wildcard(i64),
    /// Without wildcards, the whole subject is hashed.
    Partition {
        buckets: u32,
        wildcards: Vec<i64>,
    },
    Random(i32),
    Split {
        wildcard: i64,
        delimiter: String,
    },
    Cut {
        cut: Cut,
        wildcard: i64,
        size: i32,
    },
}

/// Functions of a token and a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    SplitFromLeft,
    SplitFromRight,
    SliceFromLeft,
    SliceFromRight,
    Left,
    Right,
}

#[derive(Clone, Copy)]
enum Name {
    Wildcard,
    Partition,
    Cut(Cut),
    Split,
    Random,
}

/// In the order in which they are looked for, which matters if a token contains several.
const NAMES: [(&[&str], Name); 10] = [
    (&["wildcard"], Name::Wildcard),
    (&["partition"], Name::Partition),
    (&["split", "from", "left"], Name::Cut(Cut::SplitFromLeft)),
    (&["split", "from", "right"], Name::Cut(Cut::SplitFromRight)),
    (&["slice", "from", "left"], Name::Cut(Cut::SliceFromLeft)),
    (&["slice", "from", "right"], Name::Cut(Cut::SliceFromRight)),
    (&["right"], Name::Cut(Cut::Right)),
    (&["left"], Name::Cut(Cut::Left)),
    (&["split"], Name::Split),
    (&["random"], Name::Random),
];

/// What counts as white space in a subject and inside a function.
pub(super) const SPACES: [char; 5] = [' ', '\t', '\n', '\r', '\x0c'];

/// Whether a token has the outer form of a function call.
pub(super) fn is_call(token: &str) -> bool {
    token.len() > 4 && token.starts_with("{{") && token.ends_with("}}")
}

impl Function {
    pub(super) fn parse(token: &str) -> Result<Self, TransformError> {
        if let Some(number) = token.strip_prefix('$') {
            return Ok(number.parse().map_or(Self::Plain, Self::Wildcard));
        }
        if !is_call(token) {
            return Ok(Self::Plain);
        }
        let call = NAMES
            .iter()
            .find_map(|(words, name)| find_call(token, words).map(|arguments| (*name, arguments)));
        let parsed = match call {
            Some((name, arguments)) => Self::of(name, &split_arguments(arguments)),
            None => Err(TransformProblem::UnknownFunction),
        };
        parsed.map_err(|problem| TransformError::new(problem, token))
    }

    fn of(name: Name, arguments: &[&str]) -> Result<Self, TransformProblem> {
        match name {
            Name::Wildcard => match arguments {
                [""] => Err(TransformProblem::NotEnoughArguments),
                [index] => Ok(Self::Wildcard(integer(index)?)),
                _ => Err(TransformProblem::TooManyArguments),
            },
            Name::Partition => match arguments {
                [] => Err(TransformProblem::NotEnoughArguments),
                [buckets, wildcards @ ..] => {
                    let buckets = at_most_i32(buckets)?.cast_unsigned();
                    let wildcards = wildcards.iter().map(|index| integer(index));
                    Ok(Self::Partition {
                        buckets,
                        wildcards: wildcards.collect::<Result<_, _>>()?,
                    })
                }
            },
            Name::Random => match arguments {
                [ceiling] => Ok(Self::Random(at_most_i32(ceiling)?)),
                _ => Err(TransformProblem::NotEnoughArguments),
            },
            Name::Split => {
                let [wildcard, delimiter] = two(arguments)?;
                let wildcard = integer(wildcard)?;
                if delimiter.contains([' ', '.']) {
                    return Err(TransformProblem::InvalidArgument);
                }
                Ok(Self::Split {
                    wildcard,
                    delimiter: delimiter.to_owned(),
                })
            }
            Name::Cut(cut) => {
                let [wildcard, size] = two(arguments)?;
                let wildcard = integer(wildcard)?;
                let size = i32::try_from(integer(size)?);
                let size = size.map_err(|_| TransformProblem::InvalidArgument)?;
                Ok(Self::Cut {
                    cut,
                    wildcard,
                    size,
                })
            }
        }
    }
}

/// The arguments of the leftmost well-formed call of this name: `{{`, the name, `(`, as much as
/// possible on one line, `)`, `}}`, with white space around the name and before `}}`.
fn find_call<'a>(token: &'a str, words: &[&str]) -> Option<&'a str> {
    let opens = token
        .as_bytes()
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair == b"{{");
    opens.into_iter().find_map(|(at, _)| {
        let name = token[at + 2..].trim_start_matches(SPACES);
        let arguments = strip_name(name, words)?
            .trim_start_matches(SPACES)
            .strip_prefix('(')?;
        let line = arguments.find('\n').unwrap_or(arguments.len());
        let mut closes = arguments.rmatch_indices(')').map(|(close, _)| close);
        let close = closes.find(|close| {
            *close <= line
                && arguments[close + 1..]
                    .trim_start_matches(SPACES)
                    .starts_with("}}")
        })?;
        Some(&arguments[..close])
    })
}

fn strip_name<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    words.iter().try_fold(text, |text, word| {
        let (initial, others) = text.as_bytes().get(..word.len())?.split_first()?;
        let (wanted, rest) = word.as_bytes().split_first()?;
        let same = initial.eq_ignore_ascii_case(wanted) && others == rest;
        same.then(|| &text[word.len()..])
    })
}

/// Commas separate; white space behind them is dropped.
fn split_arguments(arguments: &str) -> Vec<&str> {
    let mut split: Vec<&str> = arguments.split(',').collect();
    split
        .iter_mut()
        .skip(1)
        .for_each(|argument| *argument = argument.trim_start_matches(SPACES));
    split
}

fn two<'a>(arguments: &[&'a str]) -> Result<[&'a str; 2], TransformProblem> {
    match arguments {
        [first, second] => Ok([first, second]),
        [_, _, _, ..] => Err(TransformProblem::TooManyArguments),
        _ => Err(TransformProblem::NotEnoughArguments),
    }
}

/// A decimal number; spaces (only) around it and a sign are allowed.
fn integer(argument: &str) -> Result<i64, TransformProblem> {
    argument
        .trim_matches(' ')
        .parse()
        .map_err(|_| TransformProblem::InvalidArgument)
}

/// A number up to the largest `i32`; as in the Go server there is no lower bound, and what is too
/// small wraps around.
fn at_most_i32(argument: &str) -> Result<i32, TransformProblem> {
    let number = integer(argument)?;
    if number > i64::from(i32::MAX) {
        return Err(TransformProblem::InvalidArgument);
    }
    Ok(number as i32)
}

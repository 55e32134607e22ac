//! Applying a compiled rule to a subject.

use std::io::Write;

use memchr::memchr_iter;

use super::{Cut, Rewrite, Transform};
use crate::{
    relate::{matches, tokens},
    validate::has_empty_token,
};

/// A piece of the new subject. `token` is a token of the old one, from 0.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(Box<str>),
    Token(usize),
    /// No `tokens`: the whole subject.
    Partition {
        buckets: u32,
        tokens: Box<[usize]>,
    },
    Random {
        ceiling: i32,
    },
    Split {
        token: usize,
        delimiter: Box<str>,
    },
    Cut {
        cut: Cut,
        token: usize,
        size: usize,
    },
}

/// Appends text, to the last part if that is text too.
pub(super) fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Text(last)) => *last = [last, text].concat().into(),
        _ => parts.push(Part::Text(text.into())),
    }
}

impl Transform {
    /// Writes the new subject into `out`, replacing what it held, and returns true; returns false,
    /// with `out` empty, if `subject` is not a literal subject that the source matches.
    ///
    /// `random` is a fresh random number; only `{{random(n)}}` looks at it. The result is a valid
    /// subject except where the Go server's isn't either: `split` of a token that starts with two
    /// delimiters, or has nothing else, leaves an empty token.
    pub fn apply(&self, subject: &[u8], random: u64, out: &mut Vec<u8>) -> bool {
        out.clear();
        let keeps_all = matches!(self.rewrite, Rewrite::Keep) && self.source == ">";
        let source = self.source.as_bytes();
        let applies = keeps_all || (is_literal(subject) && matches(source, subject));
        if applies {
            self.rewrite(subject, random, out);
        }
        applies
    }

    /// As [`Transform::apply`] for a subject that the caller has matched against the source. Tokens
    /// that are missing after all are written as empty.
    pub fn rewrite(&self, subject: &[u8], random: u64, out: &mut Vec<u8>) {
        out.clear();
        let Rewrite::Parts(parts, tail) = &self.rewrite else {
            out.extend_from_slice(subject);
            return;
        };
        for part in parts {
            part.write(subject, random, out);
        }
        if let Some(first) = tail {
            out.extend_from_slice(tail_from(subject, *first));
        }
    }
}

impl Part {
    fn write(&self, subject: &[u8], random: u64, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Token(token) => out.extend_from_slice(token_at(subject, *token)),
            Self::Partition { buckets, tokens } if tokens.is_empty() => {
                write_bucket(fnv1a(FNV_START, subject), *buckets, out);
            }
            Self::Partition { buckets, tokens } => {
                let named = tokens.iter().map(|token| token_at(subject, *token));
                write_bucket(named.fold(FNV_START, fnv1a), *buckets, out);
            }
            Self::Random { ceiling } => {
                // 31 bits, as the Go server draws; a negative ceiling acts as its absolute value.
                let drawn = (random >> 33) as u32;
                write_bucket(drawn, ceiling.unsigned_abs(), out);
            }
            Self::Split { token, delimiter } => {
                write_split(token_at(subject, *token), delimiter.as_bytes(), out);
            }
            Self::Cut { cut, token, size } => {
                write_cut(*cut, token_at(subject, *token), *size, out)
            }
        }
    }
}

/// No empty token and no wildcard token; white space is not looked for, as in the Go server.
fn is_literal(subject: &[u8]) -> bool {
    !has_empty_token(subject) && tokens(subject).all(|token| token != b"*" && token != b">")
}

/// The token at `index`, from 0; empty if there is none.
fn token_at(subject: &[u8], index: usize) -> &[u8] {
    tokens(subject).nth(index).unwrap_or_default()
}

/// Everything from the token at `index` on; empty if there is none.
fn tail_from(subject: &[u8], index: usize) -> &[u8] {
    let start = match index.checked_sub(1) {
        None => Some(0),
        Some(dot) => memchr_iter(b'.', subject).nth(dot).map(|at| at + 1),
    };
    start
        .and_then(|start| subject.get(start..))
        .unwrap_or_default()
}

/// FNV-1a, 32 bits.
const FNV_START: u32 = 0x811C_9DC5;
const FNV_PRIME: u32 = 0x0100_0193;

fn fnv1a(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(FNV_PRIME)
    })
}

/// `number` modulo `buckets` in decimal; 0 if there are no buckets.
fn write_bucket(number: u32, buckets: u32, out: &mut Vec<u8>) {
    let bucket = number.checked_rem(buckets).unwrap_or(0);
    // Writing to a vector can't fail.
    let _ = write!(out, "{bucket}");
}

/// Delimiters become dots, several in a row one dot, and one at either end none. Two at the start
/// become a dot all the same: the Go server does so too.
fn write_split(token: &[u8], delimiter: &[u8], out: &mut Vec<u8>) {
    if delimiter.is_empty() {
        return write_characters(token, out);
    }
    let (mut rest, mut index) = (token, 0);
    loop {
        let at = memchr::memmem::find(rest, delimiter);
        let piece = &rest[..at.unwrap_or(rest.len())];
        if !piece.is_empty() {
            let follows_lone_start = index == 1 && token.starts_with(delimiter);
            if index > 0 && !follows_lone_start {
                out.push(b'.');
            }
            out.extend_from_slice(piece);
        }
        let Some(at) = at else { return };
        rest = &rest[at + delimiter.len()..];
        index += 1;
    }
}

/// An empty delimiter separates characters; a byte that is not part of one stands alone.
fn write_characters(token: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let dot = |out: &mut Vec<u8>| {
        if out.len() > start {
            out.push(b'.');
        }
    };
    for chunk in token.utf8_chunks() {
        for character in chunk.valid().chars() {
            dot(out);
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        for byte in chunk.invalid() {
            dot(out);
            out.push(*byte);
        }
    }
}

/// Sizes are in bytes. A token not longer than `size`, or a size of 0, is written as it is.
fn write_cut(cut: Cut, token: &[u8], size: usize, out: &mut Vec<u8>) {
    if size == 0 || size >= token.len() {
        out.extend_from_slice(token);
        return;
    }
    let join = |out: &mut Vec<u8>, pieces: &mut dyn Iterator<Item = &[u8]>| {
        for (at, piece) in pieces.enumerate() {
            if at > 0 {
                out.push(b'.');
            }
            out.extend_from_slice(piece);
        }
    };
    let from_right = token.len() - size;
    match cut {
        Cut::Left => out.extend_from_slice(&token[..size]),
        Cut::Right => out.extend_from_slice(&token[from_right..]),
        Cut::SplitFromLeft => join(out, &mut [&token[..size], &token[size..]].into_iter()),
        Cut::SplitFromRight => {
            join(
                out,
                &mut [&token[..from_right], &token[from_right..]].into_iter(),
            );
        }
        Cut::SliceFromLeft => join(out, &mut token.chunks(size)),
        Cut::SliceFromRight => {
            let (head, even) = token.split_at(token.len() % size);
            let head = (!head.is_empty()).then_some(head);
            join(out, &mut head.into_iter().chain(even.chunks(size)));
        }
    }
}

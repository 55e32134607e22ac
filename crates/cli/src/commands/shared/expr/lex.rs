//! Words of an expression: names, numbers, texts and signs, each with where it stands.

use crate::error::{Error, Result};

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or a word that is an operator (`and`, `in`, …).
    Name(String),
    /// A text, its escapes resolved.
    Text(String),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A sign or a pair of them.
    Sign(&'static str),
    /// Nothing follows.
    End,
}

impl Token {
    /// The word as it is told in errors.
    pub(super) fn told(&self) -> String {
        match self {
            Token::Name(text) | Token::Text(text) => format!("{text:?}"),
            Token::Int(number) => format!("\"{number}\""),
            Token::Float(number) => format!("\"{number}\""),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "the end".to_owned(),
        }
    }
}

/// Signs; those that begin with another one stand before it.
const SIGNS: [&str; 31] = [
    "||", "&&", "==", "!=", "<=", ">=", "**", "..", "?.", "??", "<", ">", "+", "-", "*", "/", "%",
    "^", "!", "?", ":", ",", "(", ")", "[", "]", "{", "}", "|", ".", "#",
];

/// All words with the number of the character each begins at, the first being 1.
pub(super) fn words(text: &str) -> Result<Vec<(Token, usize)>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.chars().count() - rest.chars().count() + 1;
        let (token, tail) = word(first, rest, at)?;
        words.push((token, at));
        rest = tail.trim_start();
    }
    words.push((Token::End, text.chars().count() + 1));
    Ok(words)
}

fn word(first: char, rest: &str, at: usize) -> Result<(Token, &str)> {
    if matches!(first, '"' | '\'' | '`') {
        return quoted(first, rest, at);
    }
    if first.is_ascii_digit() {
        return number(rest, at);
    }
    if first.is_alphabetic() || matches!(first, '_' | '$') {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        return Ok((Token::Name(name.to_owned()), tail));
    }
    SIGNS
        .iter()
        .find_map(|sign| Some((Token::Sign(sign), rest.strip_prefix(sign)?)))
        .ok_or_else(|| Error::new(format!("{first:?} at {at} means nothing here")))
}

fn quoted(quote: char, rest: &str, at: usize) -> Result<(Token, &str)> {
    let mut text = String::new();
    let mut chars = rest.chars();
    chars.next();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Ok((Token::Text(text), chars.as_str())),
            '\\' if quote != '`' => text.push(match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(c @ ('\\' | '"' | '\'' | '`')) => c,
                other => {
                    let other = other.map_or(String::new(), String::from);
                    return Err(Error::new(format!(
                        "\\{other} in the text at {at} is no escape: \\\\ is a backslash"
                    )));
                }
            }),
            c => text.push(c),
        }
    }
    Err(Error::new(format!("the text at {at} never ends")))
}

fn number(rest: &str, at: usize) -> Result<(Token, &str)> {
    let bytes = rest.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = 0;
    let hexadecimal = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"));
    if let Some(digits) = hexadecimal {
        let len = digits
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(digits.len());
        let (digits, tail) = digits.split_at(len);
        let value = i128::from_str_radix(digits, 16);
        return match value {
            Ok(value) => Ok((Token::Int(value), tail)),
            Err(_) => Err(Error::new(format!("the number at {at} is not understood"))),
        };
    }
    let mut is_float = false;
    while let Some(byte) = bytes.get(end) {
        let starts_exponent = matches!(byte, b'e' | b'E')
            && (is_digit(end + 1)
                || (matches!(bytes.get(end + 1), Some(b'+' | b'-')) && is_digit(end + 2)));
        match byte {
            b'0'..=b'9' | b'_' => {}
            // Two points are a range.
            b'.' if !is_float && is_digit(end + 1) => is_float = true,
            _ if starts_exponent => {
                is_float = true;
                end += 1;
            }
            _ => break,
        }
        end += 1;
    }
    let (digits, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let digits = digits.replace('_', "");
    let token = match is_float {
        true => digits.parse().ok().map(Token::Float),
        false => digits.parse().ok().map(Token::Int),
    };
    match token {
        Some(token) => Ok((token, tail)),
        None => Err(Error::new(format!("the number at {at} is not understood"))),
    }
}

//! Unquoted scalars: bare words, booleans, variables, numbers, dates and addresses.
//!
//! Owns the rules of what an unquoted word means (config.md §1). The rules follow NATS's lexer
//! closely, pitfalls included: `2m` is the integer 2000000, `2s` is a string, `1.2.3` is a
//! string, `10-a` is a broken date, `1e3` a number with something behind it. Called by the parser.

use super::lexer::{Lexer, Mark, Syntax, is_blank, is_newline, text_of};
use super::problem::Problem;
use super::value::ValueKind;

/// An unquoted word.
#[derive(Debug)]
pub(super) enum Word<'t> {
    Value(ValueKind<'t>),
    /// `$name`, without the `$`.
    Variable(String),
}

/// Ends a bare word, a number or a boolean.
fn ends_word(c: Option<char>) -> bool {
    c.is_none_or(|c| is_blank(c) || is_newline(c) || matches!(c, ';' | ',' | ']' | '}'))
}

/// Reads the unquoted word that begins here.
pub(super) fn word<'t>(lexer: &mut Lexer<'t>) -> Syntax<Word<'t>> {
    let mark = lexer.mark();
    match lexer.peek() {
        Some('-') => negative(lexer, mark),
        Some(c) if c.is_ascii_digit() => number(lexer, mark),
        Some('.') => Err(Box::new(
            Problem::new(lexer.here(), "a value may not begin with '.'")
                .expected("a digit before the '.' of a number")
                .hint("put text that begins with '.' in quotes"),
        )),
        _ => bare(lexer, mark),
    }
}

/// Reads a bare word that may begin before the current position (at `mark`).
fn bare<'t>(lexer: &mut Lexer<'t>, mark: Mark) -> Syntax<Word<'t>> {
    let numeric = !lexer.text_from(mark).is_empty();
    lexer.skip_while(is_plain);
    if matches!(lexer.peek(), Some('\'' | '\\')) {
        return unusual(lexer, mark);
    }
    let text = lexer.text_from(mark);
    if numeric {
        return Ok(Word::Value(ValueKind::String(text.into())));
    }
    Ok(match text {
        "" => return Err(missing(lexer)),
        _ => meaning(text),
    })
}

/// Reads on in a bare word with escapes or a quote in it, which is nothing but text.
#[cold]
fn unusual<'t>(lexer: &mut Lexer<'t>, mark: Mark) -> Syntax<Word<'t>> {
    let mut bytes = lexer.text_from(mark).as_bytes().to_vec();
    loop {
        match lexer.peek() {
            // A stray closing quote ends the word and is dropped.
            Some('\'') => {
                lexer.bump();
                break;
            }
            Some('\\') => lexer.escape(&mut bytes)?,
            Some(c) if is_plain(c) => {
                let plain = lexer.mark();
                lexer.skip_while(is_plain);
                bytes.extend_from_slice(lexer.text_from(plain).as_bytes());
            }
            _ => break,
        }
    }
    Ok(Word::Value(ValueKind::String(text_of(bytes).into())))
}

/// Goes on in a bare word and is nothing but itself.
fn is_plain(c: char) -> bool {
    !ends_word(Some(c)) && c != '\'' && c != '\\'
}

fn missing(lexer: &Lexer<'_>) -> Box<Problem> {
    Box::new(
        Problem::new(lexer.here(), "a value is missing")
            .expected("a value")
            .hint("an empty string is written \"\""),
    )
}

/// What a bare word without escapes stands for.
fn meaning(text: &str) -> Word<'_> {
    let is = |names: [&str; 3]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    match text.strip_prefix('$') {
        _ if is(["true", "yes", "on"]) => Word::Value(ValueKind::Bool(true)),
        _ if is(["false", "no", "off"]) => Word::Value(ValueKind::Bool(false)),
        // A bcrypt hash looks like a variable but is meant literally. NATS knows only `$2a$`;
        // no variable can have the name of the other kinds.
        Some(name)
            if !["2a$", "2b$", "2x$", "2y$"]
                .iter()
                .any(|b| name.starts_with(b)) =>
        {
            Word::Variable(name.to_owned())
        }
        _ => Word::Value(ValueKind::String(text.into())),
    }
}

fn negative<'t>(lexer: &mut Lexer<'t>, mark: Mark) -> Syntax<Word<'t>> {
    lexer.bump();
    if !lexer.peek().is_some_and(|c| c.is_ascii_digit()) {
        return Err(Box::new(
            Problem::new(lexer.span(mark), "'-' does not begin a number here")
                .expected("a digit after '-'")
                .hint("put text that begins with '-' in quotes"),
        ));
    }
    number(lexer, mark)
}

/// Reads what begins with a digit (or with `-` and a digit).
fn number<'t>(lexer: &mut Lexer<'t>, mark: Mark) -> Syntax<Word<'t>> {
    let negative = lexer.text_from(mark).starts_with('-');
    lexer.skip_while(|c| c.is_ascii_digit());
    match lexer.peek() {
        Some('-') if !negative => date(lexer, mark),
        Some('.') => fraction(lexer, mark),
        Some(c) if "kmgtpeKMGTPE".contains(c) => {
            lexer.bump();
            lexer.skip_while(|c| matches!(c, 'b' | 'B' | 'i' | 'I'));
            match lexer.peek() {
                Some(c) if c.is_ascii_digit() => Err(after_suffix(lexer, mark)),
                next if ends_word(next) => integer(lexer, mark),
                _ => bare(lexer, mark),
            }
        }
        next if negative || ends_word(next) => integer(lexer, mark),
        _ => bare(lexer, mark),
    }
}

/// A size suffix ends a number, and no digit begins what follows it: there are no exponents.
fn after_suffix(lexer: &Lexer<'_>, mark: Mark) -> Box<Problem> {
    let what = format!("{:?} is a whole number", lexer.text_from(mark));
    Box::new(
        Problem::new(lexer.span(mark), what)
            .expected("the end of the value after its size suffix")
            .hint("put text such as \"1e3\" or \"2m30s\" in quotes"),
    )
}

fn fraction<'t>(lexer: &mut Lexer<'t>, mark: Mark) -> Syntax<Word<'t>> {
    lexer.bump();
    if !lexer.peek().is_some_and(|c| c.is_ascii_digit()) {
        return Err(Box::new(
            Problem::new(lexer.span(mark), "a number may not end with '.'")
                .expected("a digit after the '.'")
                .hint("put text such as a host name in quotes"),
        ));
    }
    lexer.skip_while(|c| c.is_ascii_digit());
    if lexer.peek() == Some('.') {
        // A second '.' makes it an address, possibly with a port.
        lexer.skip_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':' | '-'));
        return Ok(Word::Value(ValueKind::String(lexer.text_from(mark).into())));
    }
    match lexer.text_from(mark).parse::<f64>() {
        Ok(float) if float.is_finite() => Ok(Word::Value(ValueKind::Float(float))),
        _ => Err(Box::new(Problem::new(
            lexer.span(mark),
            format!("float '{}' is out of the range", lexer.text_from(mark)),
        ))),
    }
}

fn integer<'t>(lexer: &mut Lexer<'t>, mark: Mark) -> Syntax<Word<'t>> {
    let text = lexer.text_from(mark);
    let digits_end = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits_end);
    let Some(factor) = factor(&suffix.to_ascii_lowercase()) else {
        return Err(Box::new(
            Problem::new(lexer.span(mark), format!("unknown size suffix {suffix:?}"))
                .expected("one of k, m, g, t, p, e, or these with b, i or ib")
                .hint("put it in quotes if it is not a number"),
        ));
    };
    match digits
        .parse::<i64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
    {
        Some(number) => Ok(Word::Value(ValueKind::Int(number))),
        None => Err(Box::new(
            Problem::new(
                lexer.span(mark),
                format!("integer '{text}' is out of the range"),
            )
            .expected("a number that fits in 64 bits"),
        )),
    }
}

/// What a size suffix multiplies by: powers of 1000 alone, of 1024 with b, i or ib.
fn factor(suffix: &str) -> Option<i64> {
    let Some(letter) = suffix.chars().next() else {
        return Some(1);
    };
    let power = 1 + u32::try_from("kmgtpe".find(letter)?).ok()?;
    match &suffix[1..] {
        "" => 1000i64.checked_pow(power),
        "b" | "i" | "ib" => 1024i64.checked_pow(power),
        _ => None,
    }
}

/// Reads the rest of `YYYY-MM-DDTHH:MM:SSZ`.
fn date<'t>(lexer: &mut Lexer<'t>, mark: Mark) -> Syntax<Word<'t>> {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00Z";
    while !ends_word(lexer.peek()) {
        lexer.bump();
    }
    let text = lexer.text_from(mark);
    let shaped = text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            _ => byte == *shape,
        });
    if shaped && is_date(text) {
        return Ok(Word::Value(ValueKind::Datetime(text.into())));
    }
    Err(Box::new(
        Problem::new(lexer.span(mark), "this is not a date")
            .expected("a date in Zulu time such as 2026-01-02T15:04:05Z")
            .hint("put text that begins with digits and '-' in quotes"),
    ))
}

/// Whether the numbers of a well-shaped date are a date of the calendar.
fn is_date(text: &str) -> bool {
    let part = |range: std::ops::Range<usize>| {
        text.get(range)
            .and_then(|digits| digits.parse::<u32>().ok())
            .unwrap_or(u32::MAX)
    };
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && part(11..13) < 24 && part(14..16) < 60 && part(17..19) < 60
}

//! Characters: the cursor over one text, whitespace, comments, keys and strings.
//!
//! Owns the position in a text. Invariant: `pos` is on a character boundary and never passes the
//! end. What needs no changing is borrowed from the text. Called by the parser, which knows the
//! context; numbers and bare words are in `scalar`. Absent: nesting, lines and columns.

use super::problem::{Problem, Span, place};
use std::borrow::Cow;

/// A syntax error; boxed because the happy path should stay small.
pub(super) type Syntax<T> = Result<T, Box<Problem>>;

/// A place in the text to begin a span at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pos: usize,
}

/// A cursor over one text.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    file: u16,
    pos: usize,
}

impl<'t> Lexer<'t> {
    /// Starts at the beginning of a text; a byte order mark is skipped.
    pub(super) fn new(file: u16, text: &'t str) -> Self {
        let pos = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self { text, file, pos }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.pos..).unwrap_or("")
    }

    pub(super) fn peek(&self) -> Option<char> {
        match self.text.as_bytes().get(self.pos) {
            // Nearly all of a configuration is.
            Some(byte) if byte.is_ascii() => Some(char::from(*byte)),
            _ => self.rest().chars().next(),
        }
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    /// Consumes `wanted` if it is next.
    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump();
        }
        found
    }

    /// Consumes characters while they satisfy `keep`.
    #[inline]
    pub(super) fn skip_while(&mut self, keep: impl Fn(char) -> bool) {
        while let Some(c) = self.peek() {
            if !keep(c) {
                return;
            }
            self.bump();
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { pos: self.pos }
    }

    /// The span from a mark to here.
    pub(super) fn span(&self, from: Mark) -> Span {
        Span {
            file: self.file,
            start: u32::try_from(from.pos).unwrap_or(u32::MAX),
            end: u32::try_from(self.pos).unwrap_or(u32::MAX),
        }
    }

    /// The text from a mark to here.
    pub(super) fn text_from(&self, from: Mark) -> &'t str {
        self.text.get(from.pos..self.pos).unwrap_or("")
    }

    /// The line that a span of this text begins on, from 1.
    pub(super) fn line_of(&self, span: Span) -> u32 {
        place(self.text, span).0
    }

    /// The span of the next character, or of the end of the text.
    pub(super) fn here(&self) -> Span {
        let mut span = self.span(self.mark());
        span.end += self.peek().map_or(0, |c| c.len_utf8() as u32);
        span
    }

    /// Skips spaces and tabs.
    pub(super) fn skip_blanks(&mut self) {
        self.skip_while(is_blank);
    }

    /// Skips whitespace of any kind; says whether that passed the end of a line.
    pub(super) fn skip_space(&mut self) -> bool {
        let from = self.mark();
        self.skip_while(char::is_whitespace);
        self.text_from(from).contains('\n')
    }

    /// Skips whitespace and comments; says whether that passed the end of a line.
    pub(super) fn skip_trivia(&mut self) -> bool {
        let mut passed = self.skip_space();
        while self.at_comment() {
            self.skip_while(|c| !is_newline(c));
            passed |= self.skip_space();
        }
        passed
    }

    /// Whether a comment starts here.
    pub(super) fn at_comment(&self) -> bool {
        let rest = self.text.as_bytes().get(self.pos..);
        matches!(rest, Some([b'#', ..] | [b'/', b'/', ..]))
    }

    /// Reads a key, quoted or bare. Says whether it was quoted. The caller has checked that a key
    /// can begin here.
    pub(super) fn key(&mut self) -> Syntax<(String, Span, bool)> {
        let mark = self.mark();
        if let Some(quote @ ('"' | '\'')) = self.peek() {
            self.bump();
            let inner = self.mark();
            self.skip_while(|c| c != quote);
            let key = self.text_from(inner).to_owned();
            if !self.eat(quote) {
                return Err(self.unterminated(mark, "quoted key", quote));
            }
            return Ok((key, self.span(mark), true));
        }
        self.skip_while(|c| !c.is_whitespace() && !is_separator(c));
        let key = self.text_from(mark).to_owned();
        let span = self.span(mark);
        Ok((key, span, false))
    }

    /// Reads `'…'`: no escapes, may span lines.
    pub(super) fn raw_string(&mut self) -> Syntax<&'t str> {
        let mark = self.mark();
        self.bump();
        let inner = self.mark();
        self.skip_while(|c| c != '\'');
        let text = self.text_from(inner);
        if self.eat('\'') {
            Ok(text)
        } else {
            Err(self.unterminated(mark, "string", '\''))
        }
    }

    /// Reads `"…"` with escapes; may span lines.
    pub(super) fn quoted_string(&mut self) -> Syntax<Cow<'t, str>> {
        let mark = self.mark();
        self.bump();
        let mut bytes = Vec::new();
        loop {
            let plain = self.mark();
            self.skip_while(|c| c != '"' && c != '\\');
            let plain = self.text_from(plain);
            match self.peek() {
                Some('\\') => {
                    bytes.extend_from_slice(plain.as_bytes());
                    self.escape(&mut bytes)?;
                }
                Some(_) => {
                    self.bump();
                    if bytes.is_empty() {
                        return Ok(plain.into());
                    }
                    bytes.extend_from_slice(plain.as_bytes());
                    return Ok(text_of(bytes).into());
                }
                None => return Err(self.unterminated(mark, "string", '"')),
            }
        }
    }

    /// Reads a block string: `(`, then anything, then `)` alone at the beginning of a line. The
    /// newlines after `(` and before `)` belong to the text, as in NATS.
    pub(super) fn block_string(&mut self) -> Syntax<&'t str> {
        let mark = self.mark();
        self.bump();
        let inner = self.mark();
        let mut previous = '(';
        while let Some(c) = self.peek() {
            if c == ')' && previous == '\n' {
                let after = &self.rest()[1..];
                if after.is_empty() || after.starts_with('\n') || after.starts_with("\r\n") {
                    let text = self.text_from(inner);
                    self.bump();
                    return Ok(text);
                }
            }
            previous = c;
            self.bump();
        }
        Err(Box::new(
            Problem::new(self.point(mark), "this block is never closed")
                .expected("')' alone at the beginning of a line"),
        ))
    }

    /// Reads an escape sequence and appends what it stands for.
    pub(super) fn escape(&mut self, bytes: &mut Vec<u8>) -> Syntax<()> {
        let mark = self.mark();
        self.bump();
        match self.bump() {
            Some('t') => bytes.push(b'\t'),
            Some('n') => bytes.push(b'\n'),
            Some('r') => bytes.push(b'\r'),
            Some('"') => bytes.push(b'"'),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits = self.rest().get(..2).unwrap_or("");
                let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
                match u8::from_str_radix(digits, 16) {
                    Ok(byte) if hex => bytes.push(byte),
                    _ => {
                        return Err(Box::new(
                            Problem::new(self.span(mark), "invalid escape sequence")
                                .expected("two hexadecimal digits after '\\x'"),
                        ));
                    }
                }
                self.bump();
                self.bump();
            }
            _ => {
                return Err(Box::new(
                    Problem::new(self.span(mark), "invalid escape sequence")
                        .expected("one of \\xXX, \\t, \\n, \\r, \\\", \\\\")
                        .hint("in single quotes a backslash is just a backslash"),
                ));
            }
        }
        Ok(())
    }

    fn unterminated(&self, mark: Mark, what: &str, quote: char) -> Box<Problem> {
        Box::new(
            Problem::new(self.point(mark), format!("this {what} is never closed"))
                .expected(format!("a closing {quote}")),
        )
    }

    /// The span of the one character at a mark.
    pub(super) fn point(&self, mark: Mark) -> Span {
        let mut span = self.span(mark);
        span.end = span.start + 1;
        span
    }
}

/// Space or tab.
pub(super) fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

pub(super) fn is_newline(c: char) -> bool {
    c == '\n' || c == '\r'
}

pub(super) fn is_separator(c: char) -> bool {
    c == '=' || c == ':'
}

/// The text of collected bytes: `\x` escapes can make them invalid, those become U+FFFD.
pub(super) fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

//! Recursive descent: entries, maps and arrays.
//!
//! Owns the context of the grammar: the maps being filled, how deep we are, which files are being
//! read. Includes and variables are in `reference`. Invariants: depth and the bytes read are
//! bounded; after an error the parser continues with the next entry, so that one run
//! reports several errors; at most `MAX_SYNTAX_ERRORS` are kept. Called by the loader.

use super::lexer::{Lexer, Syntax, is_newline, is_separator};
use super::problem::{Files, Problem, Span, Texts};
use super::scalar::{Word, word};
use super::value::{Map, Value, ValueKind};
use super::{MAX_DEPTH, MAX_LOAD_BYTES, MAX_SYNTAX_ERRORS};
use crate::source::Source;

/// What parsing a file and all it includes yields.
#[derive(Debug)]
pub(crate) struct Parsed<'t> {
    pub(crate) files: Files<'t>,
    /// Complete only when there are no errors.
    pub(crate) root: Map<'t>,
    pub(crate) errors: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

/// Parses the file at `path` and what it includes, whose contents go to `texts`.
pub(crate) fn parse_file<'t>(path: &str, source: &dyn Source, texts: &'t Texts) -> Parsed<'t> {
    let mut load = Load {
        source,
        texts,
        parsed: Parsed {
            files: Files::default(),
            root: Map::default(),
            errors: Vec::new(),
            warnings: Vec::new(),
        },
        reading: Vec::new(),
        resolving: Vec::new(),
        includes: 0,
        bytes: 0,
        depth: 0,
        expansion_bytes: 0,
    };
    match load.file(path) {
        Ok(root) => load.parsed.root = root,
        Err(reason) => load.parsed.errors.push(Problem {
            span: None,
            message: format!("open {path}: {reason}"),
            expected: None,
            hint: None,
        }),
    }
    load.parsed
}

/// State shared by all files of one load.
pub(super) struct Load<'s, 't> {
    pub(super) source: &'s dyn Source,
    texts: &'t Texts,
    pub(super) parsed: Parsed<'t>,
    /// Files being read, outermost first: an include of one of them is a cycle.
    pub(super) reading: Vec<String>,
    /// Environment variables being parsed: a reference to one of them is a cycle.
    pub(super) resolving: Vec<String>,
    pub(super) includes: usize,
    pub(super) bytes: usize,
    pub(super) depth: usize,
    pub(super) expansion_bytes: usize,
}

impl<'t> Load<'_, 't> {
    /// Reads and parses a file. The error is why it cannot be read; syntax errors are recorded.
    pub(super) fn file(&mut self, path: &str) -> Result<Map<'t>, String> {
        let text = self.source.read(path)?;
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > MAX_LOAD_BYTES {
            return Err(format!(
                "it has {} bytes, and all files together may have {MAX_LOAD_BYTES}",
                text.len()
            ));
        }
        let text = self.texts.keep(text);
        let id = self.parsed.files.add(path, text);
        self.reading.push(path.to_owned());
        let mut parser = Parser {
            load: self,
            lexer: Lexer::new(id, text),
            path: path.to_owned(),
            scopes: vec![Map::default()],
            open_brackets: 0,
        };
        parser.entries(Place::Top);
        let root = parser.scopes.pop().unwrap_or_default();
        self.reading.pop();
        Ok(root)
    }

    fn error(&mut self, problem: Problem) {
        if self.parsed.errors.len() < MAX_SYNTAX_ERRORS {
            self.parsed.errors.push(problem);
        }
    }
}

/// Where entries stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the top of a file.
    Top,
    /// In braces around a whole file (JSON).
    Block,
    /// In a map.
    Map,
}

/// The parser of one file (or of one environment variable, whose text lives less long than those
/// of files).
pub(super) struct Parser<'l, 's, 't, 'e> {
    pub(super) load: &'l mut Load<'s, 't>,
    pub(super) lexer: Lexer<'e>,
    pub(super) path: String,
    /// The maps being filled, outermost first.
    pub(super) scopes: Vec<Map<'e>>,
    /// Brackets open in the entry being read; recovery looks for the ends of them.
    pub(super) open_brackets: usize,
}

impl<'t: 'e, 'e> Parser<'_, '_, 't, 'e> {
    /// Parses entries into the innermost scope until the place ends.
    fn entries(&mut self, place: Place) {
        let open = self.lexer.here();
        loop {
            self.lexer.skip_trivia();
            if self.load.parsed.errors.len() >= MAX_SYNTAX_ERRORS {
                return;
            }
            match self.lexer.peek() {
                None => return self.end_of_text(place, open),
                Some('}') if place != Place::Top => {
                    self.lexer.bump();
                    return;
                }
                Some('}')
                    if self
                        .lexer
                        .rest()
                        .chars()
                        .all(|c| c == '}' || c.is_whitespace()) =>
                {
                    let stray = Problem::new(self.lexer.here(), "nothing is open that this closes");
                    self.load.parsed.warnings.push(stray);
                    return;
                }
                Some('}') => {
                    let stray = Problem::new(self.lexer.here(), "unexpected '}'").expected("a key");
                    self.load.error(stray);
                    self.lexer.bump();
                }
                Some('{') if place != Place::Map => self.block(),
                Some(_) => {
                    self.open_brackets = 0;
                    if let Err(problem) = self.entry(place).and_then(|()| self.entry_end(place)) {
                        self.load.error(*problem);
                        self.recover();
                    }
                }
            }
        }
    }

    fn end_of_text(&mut self, place: Place, open: Span) {
        let problem = Problem::new(before(open), "this '{' is never closed").expected("'}'");
        match place {
            Place::Top => {}
            // NATS accepts this one, so a file that runs there must start here.
            Place::Block => self.load.parsed.warnings.push(problem),
            // After an error inside the map its end may just not have been recognised.
            Place::Map if !self.load.parsed.errors.is_empty() => {}
            Place::Map => self.load.error(problem),
        }
    }

    /// Parses `{ … }` around the entries of a file.
    fn block(&mut self) {
        let brace = self.lexer.here();
        self.lexer.bump();
        match self.deeper(brace) {
            Ok(()) => {
                self.entries(Place::Block);
                self.load.depth -= 1;
            }
            Err(problem) => {
                self.load.error(*problem);
                self.recover();
            }
        }
    }

    fn entry(&mut self, place: Place) -> Syntax<()> {
        let here = self.lexer.here();
        match self.lexer.peek() {
            Some(c) if is_separator(c) => {
                return Err(Box::new(
                    Problem::new(here, format!("unexpected key separator '{c}'")).expected("a key"),
                ));
            }
            Some(c @ (',' | ';' | ']' | '[' | '{' | '}' | '/' | '(' | ')')) => {
                return Err(Box::new(
                    Problem::new(here, format!("unexpected '{c}'")).expected("a key"),
                ));
            }
            _ => {}
        }
        let (key, key_span, quoted) = self.lexer.key()?;
        if !quoted && key.ends_with('{') {
            // Recovery has to find the brace that closes this one.
            self.open_brackets += 1;
            let name = key.trim_end_matches('{');
            return Err(Box::new(
                Problem::new(key_span, format!("the key {key:?} ends with a brace"))
                    .expected("whitespace, '=' or ':' between a key and '{'")
                    .hint(format!("write `{name} {{`")),
            ));
        }
        let spaced = self.lexer.peek().is_some_and(char::is_whitespace);
        if !quoted && spaced && key.eq_ignore_ascii_case("include") {
            return self.include();
        }
        self.lexer.skip_space();
        if self.lexer.peek().is_some_and(is_separator) {
            self.lexer.bump();
            if place == Place::Map {
                self.lexer.skip_space();
            }
        }
        self.lexer.skip_blanks();
        if self.lexer.peek().is_none() {
            return Err(Box::new(
                Problem::new(
                    key_span,
                    format!("config is invalid: the key {key:?} has no value"),
                )
                .expected("a value after the key"),
            ));
        }
        let value = self.value()?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(key, key_span, value);
        }
        Ok(())
    }

    /// After a value: the end of the line, `,`, `;`, a comment or the end of the place.
    fn entry_end(&mut self, place: Place) -> Syntax<()> {
        let new_line = self.lexer.skip_trivia();
        if self.lexer.eat(',') || self.lexer.eat(';') || new_line {
            return Ok(());
        }
        match self.lexer.peek() {
            None | Some('}') => Ok(()),
            Some(c) => Err(Box::new(
                Problem::new(
                    self.lexer.here(),
                    format!("unexpected '{}' after a value", shown(c)),
                )
                .expected(match place {
                    Place::Map => "a new line, ',', ';' or '}'",
                    _ => "a new line, ',' or ';'",
                })
                .hint("a value with spaces in it needs quotes"),
            )),
        }
    }

    pub(super) fn value(&mut self) -> Syntax<Value<'e>> {
        let mark = self.lexer.mark();
        let kind = match self.lexer.peek() {
            Some('[') => self.array()?,
            Some('{') => self.map()?,
            Some('\'') => ValueKind::String(self.lexer.raw_string()?.into()),
            Some('"') => ValueKind::String(self.lexer.quoted_string()?),
            Some('(') => ValueKind::String(self.lexer.block_string()?.into()),
            Some(c) if is_newline(c) => {
                return Err(Box::new(
                    Problem::new(self.lexer.point(mark), "a value is missing on this line")
                        .expected("a value, found the end of the line")
                        .hint("an empty string is written \"\""),
                ));
            }
            _ => match word(&mut self.lexer)? {
                Word::Value(kind) => kind,
                Word::Variable(name) => {
                    let span = self.lexer.span(mark);
                    self.variable(&name, span)?
                }
            },
        };
        Ok(Value {
            kind,
            span: self.lexer.span(mark),
        })
    }

    fn array(&mut self) -> Syntax<ValueKind<'e>> {
        let open = self.lexer.here();
        self.lexer.bump();
        self.deeper(open)?;
        self.open_brackets += 1;
        let items = self.items(open);
        self.load.depth -= 1;
        let items = items?;
        self.open_brackets -= 1;
        Ok(ValueKind::Array(items.into()))
    }

    fn items(&mut self, open: Span) -> Syntax<Vec<Value<'e>>> {
        let mut items = Vec::new();
        loop {
            self.lexer.skip_trivia();
            match self.lexer.peek() {
                None => {
                    return Err(Box::new(
                        Problem::new(open, "this '[' is never closed").expected("']'"),
                    ));
                }
                Some(']') => {
                    self.lexer.bump();
                    return Ok(items);
                }
                Some(',') => {
                    return Err(Box::new(
                        Problem::new(self.lexer.here(), "unexpected ','")
                            .expected("a value or ']'"),
                    ));
                }
                Some(_) => items.push(self.value()?),
            }
            let new_line = self.lexer.skip_trivia();
            let ended = self.lexer.eat(',') || new_line;
            match self.lexer.peek() {
                Some(c) if !ended && c != ']' => {
                    return Err(Box::new(
                        Problem::new(
                            self.lexer.here(),
                            format!("unexpected '{}' in an array", shown(c)),
                        )
                        .expected("',', a new line or ']'"),
                    ));
                }
                _ => {}
            }
        }
    }

    fn map(&mut self) -> Syntax<ValueKind<'e>> {
        let open = self.lexer.here();
        self.lexer.bump();
        self.deeper(open)?;
        self.scopes.push(Map::default());
        let open_brackets = std::mem::take(&mut self.open_brackets);
        self.entries(Place::Map);
        self.open_brackets = open_brackets;
        self.load.depth -= 1;
        let mut map = self.scopes.pop().unwrap_or_default();
        map.shrink();
        Ok(ValueKind::Map(map.into()))
    }

    /// Goes one level down, if that is allowed.
    pub(super) fn deeper(&mut self, at: Span) -> Syntax<()> {
        if self.load.depth >= MAX_DEPTH {
            return Err(Box::new(
                Problem::new(at, "the configuration is nested too deeply")
                    .expected(format!("at most {MAX_DEPTH} levels")),
            ));
        }
        self.load.depth += 1;
        Ok(())
    }

    /// After an error: continues behind the line, and behind what the line opened.
    fn recover(&mut self) {
        let mut open = std::mem::take(&mut self.open_brackets);
        while let Some(c) = self.lexer.peek() {
            match c {
                '\n' if open == 0 => return,
                '[' | '{' => open += 1,
                '}' if open == 0 => return,
                ']' | '}' => open = open.saturating_sub(1),
                _ => {}
            }
            self.lexer.bump();
        }
    }
}

/// A character as text in a message.
fn shown(c: char) -> String {
    c.escape_debug().collect()
}

/// The character before a span: the brace that opened a place whose span starts behind it.
fn before(mut span: Span) -> Span {
    if span.start > 0 {
        span.end = span.start;
        span.start -= 1;
    }
    span
}

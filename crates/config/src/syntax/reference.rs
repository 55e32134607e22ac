//! References out of a text: included files and variables.
//!
//! Owns how an include is found and merged, and what a variable stands for: a key already read in
//! this or an enclosing map of the same file, else an environment variable, which is parsed as a
//! value. Invariants: no cycle is followed; the number of includes, their total size, their depth
//! and the memory of what variables repeat are bounded.

use super::lexer::{Lexer, Syntax, is_newline};
use super::parser::Parser;
use super::path::join_include;
use super::problem::{Problem, Span};
use super::value::{Map, Value, ValueKind};
use super::{MAX_DEPTH, MAX_EXPANSION_BYTES, MAX_INCLUDES};

impl<'t: 'e, 'e> Parser<'_, '_, 't, 'e> {
    /// Parses the path of an include, reads the file and merges its entries into this scope.
    pub(super) fn include(&mut self) -> Syntax<()> {
        self.lexer.skip_blanks();
        let mark = self.lexer.mark();
        let path = match self.lexer.peek() {
            Some(quote @ ('"' | '\'')) => {
                self.lexer.bump();
                let inner = self.lexer.mark();
                self.lexer.skip_while(|c| c != quote);
                let path = self.lexer.text_from(inner).to_owned();
                if !self.lexer.eat(quote) {
                    return Err(Box::new(
                        Problem::new(self.lexer.point(mark), "this path is never closed")
                            .expected(format!("a closing {quote}")),
                    ));
                }
                path
            }
            Some(c) if !is_newline(c) && !c.is_ascii_digit() && !"[{(-\\;}".contains(c) => {
                self.lexer
                    .skip_while(|c| !c.is_whitespace() && !";}'".contains(c));
                self.lexer.text_from(mark).to_owned()
            }
            _ => {
                return Err(Box::new(
                    Problem::new(self.lexer.here(), "include needs a file")
                        .expected("the path of a file, best in quotes"),
                ));
            }
        };
        let span = self.lexer.span(mark);
        let included = self.included(&path, span)?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.merge(included);
        }
        Ok(())
    }

    fn included(&mut self, written: &str, span: Span) -> Syntax<Map<'t>> {
        let path = join_include(&self.path, written);
        if self.load.reading.contains(&path) {
            let chain = self.load.reading.join(" includes ");
            return Err(Box::new(
                Problem::new(span, format!("include cycle: {chain} includes {path}"))
                    .hint("remove one of these includes"),
            ));
        }
        self.load.includes += 1;
        if self.load.includes > MAX_INCLUDES {
            return Err(Box::new(
                Problem::new(span, "too many includes").expected(format!("at most {MAX_INCLUDES}")),
            ));
        }
        // An included file counts as a level, which bounds a chain of includes too.
        self.deeper(span)?;
        let included = self.load.file(&path);
        self.load.depth -= 1;
        included.map_err(|reason| {
            Box::new(
                Problem::new(
                    span,
                    format!("error parsing include file '{written}', open {path}: {reason}"),
                )
                .hint(format!(
                    "the path is relative to the including file, so {path:?} was tried"
                )),
            )
        })
    }

    /// What a variable stands for: a key already seen in this or an outer map, else the
    /// environment.
    pub(super) fn variable(&mut self, name: &str, span: Span) -> Syntax<ValueKind<'e>> {
        let found = self.scopes.iter().rev().find_map(|scope| scope.entry(name));
        if let Some(entry) = found {
            entry.used_variable.set(true);
            let (depth, bytes) = entry.value.measure();
            let kind = (self.load.depth + depth <= MAX_DEPTH
                && self.load.expansion_bytes.saturating_add(bytes) <= MAX_EXPANSION_BYTES)
                .then(|| entry.value.kind.clone());
            self.expand(bytes, name, span)?;
            return kind.ok_or_else(|| Box::new(too_large(name, span)));
        }
        let line = || self.lexer.line_of(span);
        if self.load.resolving.iter().any(|other| other == name) {
            return Err(Box::new(Problem::new(
                span,
                format!(
                    "variable reference for '{name}' on line {} could not be parsed: variable \
                     reference cycle for '{name}'",
                    line()
                ),
            )));
        }
        let Some(text) = self.load.source.env(name) else {
            return Err(Box::new(
                Problem::new(
                    span,
                    format!(
                        "variable reference for '{name}' on line {} can not be found",
                        line()
                    ),
                )
                .expected("a key defined before this line, or an environment variable")
                .hint("put text that begins with '$' in quotes"),
            ));
        };
        if text.is_empty() {
            return Ok(ValueKind::String(text.into()));
        }
        self.expand(text.len(), name, span)?;
        self.environment(name, text, span)
    }

    /// Accounts for the memory that the value of a variable takes once more.
    fn expand(&mut self, bytes: usize, name: &str, span: Span) -> Syntax<()> {
        self.load.expansion_bytes = self.load.expansion_bytes.saturating_add(bytes);
        if self.load.expansion_bytes > MAX_EXPANSION_BYTES {
            return Err(Box::new(too_large(name, span)));
        }
        Ok(())
    }

    /// Parses the value of an environment variable as if it stood here.
    fn environment(&mut self, name: &str, text: String, span: Span) -> Syntax<ValueKind<'e>> {
        self.deeper(span)?;
        self.load.resolving.push(name.to_owned());
        let errors_before = self.load.parsed.errors.len();
        // The text is no file: problems and values in it are reported at the reference.
        let mut parser = Parser {
            load: &mut *self.load,
            lexer: Lexer::new(span.file, &text),
            path: self.path.clone(),
            scopes: Vec::new(),
            open_brackets: 0,
        };
        let value = parser.only_value().map(|value| value.moved_to(span).kind);
        self.load.resolving.pop();
        self.load.depth -= 1;
        let nested = self.load.parsed.errors.drain(errors_before..).next();
        let value = match nested {
            Some(problem) => Err(Box::new(problem)),
            None => value,
        };
        value.map_err(|mut problem| {
            problem.span = Some(span);
            problem.message = format!(
                "variable reference for '{name}' on line {} could not be parsed: {}",
                self.lexer.line_of(span),
                problem.message
            );
            problem
        })
    }

    /// Parses a text that is one value and nothing else.
    fn only_value(&mut self) -> Syntax<Value<'e>> {
        self.lexer.skip_blanks();
        let value = self.value()?;
        self.lexer.skip_trivia();
        match self.lexer.peek() {
            None => Ok(value),
            Some(_) => Err(Box::new(
                Problem::new(self.lexer.here(), "unexpected text after the value")
                    .hint("a value with spaces in it needs quotes inside the variable"),
            )),
        }
    }
}

fn too_large(name: &str, span: Span) -> Problem {
    Problem::new(
        span,
        format!("the value of variable {name:?} is too large to repeat here"),
    )
}

//! What is wrong with a configuration, shown so that it can be fixed.
//!
//! Owns [`Diagnostic`] (one finding), [`ConfigError`] (all of them) and their rendering:
//!
//! ```text
//! nats.conf:2:1: unknown field "max_paylod"
//!   |
//! 2 | max_paylod: 2MB
//!   | ^^^^^^^^^^
//!   = hint: did you mean "max_payload"?
//! ```
//!
//! Invariants: the first line alone is a complete message in the form NATS's tools look for; the
//! quoted line never shows a password, token or secret; a finding is bounded in size whatever the
//! file looks like. Built by the loader. Absent: colours, and where it is printed.

use crate::mask;
use crate::syntax::{Files, Problem, Span};
use std::fmt;

/// Longest part of a source line that is quoted, in characters, before and after the caret.
const EXCERPT_CHARS: usize = 100;
/// Longest message, in characters.
const MESSAGE_CHARS: usize = 1000;
/// Longest beginning of a line that is looked at, in bytes; longer ones are not quoted.
const LINE_BYTES: usize = 4096;

/// One finding in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Path of the file, as it was given or as the include resolved; empty when the file could not
    /// be read at all (the message names it).
    pub file: String,
    /// Line from 1; 0 when the finding is about the file as a whole.
    pub line: u32,
    /// Column from 1, in characters; 0 when the finding is about the file as a whole.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What would have been right, if that can be said in short.
    pub expected: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    excerpt: Option<Excerpt>,
}

/// The quoted line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    text: String,
    caret_column: usize,
    caret_width: usize,
}

impl Diagnostic {
    pub(crate) fn new(problem: Problem, files: &Files<'_>, root_file: &str) -> Self {
        let Problem {
            span,
            message,
            expected,
            hint,
        } = problem;
        let message = shortened(&message);
        let [expected, hint] = [expected, hint].map(|text| text.as_deref().map(shortened));
        let (file, line, column, excerpt) = match span {
            Some(span) => {
                let (line, column) = files.place(span);
                let file = files.file(span.file).0;
                (file, line, column, Excerpt::new(span, files))
            }
            None => (root_file, 0, 0, None),
        };
        Self {
            file: file.to_owned(),
            line,
            column,
            message,
            expected,
            hint,
            excerpt,
        }
    }

    /// The finding on one line: `file:line:column: message`.
    #[must_use]
    pub fn headline(&self) -> String {
        let Self {
            file,
            line,
            column,
            message,
            ..
        } = self;
        match (file.is_empty(), line) {
            (true, 0) => message.clone(),
            (false, 0) => format!("{file}: {message}"),
            _ => format!("{file}:{line}:{column}: {message}"),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        let margin = " ".repeat(self.line.to_string().len());
        if let Some(Excerpt {
            text,
            caret_column,
            caret_width,
        }) = &self.excerpt
        {
            let (line, indent) = (self.line, " ".repeat(*caret_column));
            let carets = "^".repeat(*caret_width);
            write!(
                f,
                "\n{margin} |\n{line} | {text}\n{margin} | {indent}{carets}"
            )?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "\n{margin} = expected {expected}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{margin} = hint: {hint}")?;
        }
        Ok(())
    }
}

impl Excerpt {
    fn new(span: Span, files: &Files<'_>) -> Option<Self> {
        let text = files.file(span.file).1;
        let (start, end) = (span.start as usize, span.end as usize);
        // Only so much is searched for the ends of the line: one line can be the whole file.
        let before = text
            .as_bytes()
            .get(start.saturating_sub(LINE_BYTES)..start)?;
        let line_start = match before.iter().rposition(|&byte| byte == b'\n') {
            Some(at) => start - before.len() + at + 1,
            None if before.len() == start => 0,
            None => return None,
        };
        let after = text
            .as_bytes()
            .get(start..text.len().min(start + LINE_BYTES))?;
        let line_bytes = after.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let mut shown_end = start + line_bytes.unwrap_or(after.len());
        while !text.is_char_boundary(shown_end) {
            shown_end -= 1;
        }
        let inside = files.spread_texts(span.file);
        let line = mask::line(text.get(line_start..shown_end)?, line_start, inside);
        let line: Vec<char> = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let caret = text.get(line_start..start)?.chars().count();
        let from = caret.saturating_sub(EXCERPT_CHARS);
        let to = line.len().min(caret + EXCERPT_CHARS);
        let width = text
            .get(start..end.min(shown_end))
            .map_or(0, |marked| marked.chars().count());
        Some(Self {
            text: line
                .get(from..to)?
                .iter()
                .collect::<String>()
                .trim_end()
                .to_owned(),
            caret_column: caret - from,
            caret_width: width.clamp(1, EXCERPT_CHARS),
        })
    }
}

/// Makes one line of a text that repeats a key or value, and cuts it if that is very long.
fn shortened(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let shortened: String = text.chars().take(MESSAGE_CHARS).map(printable).collect();
    let mut shortened = mask::seeds(&shortened);
    if text.chars().nth(MESSAGE_CHARS).is_some() {
        shortened.push('…');
    }
    shortened
}

/// Why a configuration cannot be used: every error that was found, and the warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The errors; never empty.
    pub errors: Vec<Diagnostic>,
    /// Findings that alone would not have stopped the server.
    pub warnings: Vec<Diagnostic>,
    /// The text is no configuration at all, so that nothing in it was judged.
    pub is_syntax: bool,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, diagnostic) in self.warnings.iter().chain(&self.errors).enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

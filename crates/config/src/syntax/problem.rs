//! Positions, and problems found at them.
//!
//! Owns [`Span`] (a piece of one file), [`Files`] (the texts that spans point into) and
//! [`Problem`] (what is wrong at a span, before it is rendered). Used by the parser and the
//! checks; `crate::diagnostic` renders.

use crate::mask::spread_texts;
use std::cell::OnceCell;
use std::ops::Range;

/// A piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Index into [`Files`].
    pub(crate) file: u16,
    /// Byte range.
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Line and column, in characters, of the beginning of a span in its text; both from 1.
pub(super) fn place(text: &str, span: Span) -> (u32, u32) {
    let before = text.get(..span.start as usize).unwrap_or("");
    let lines = before.bytes().filter(|byte| *byte == b'\n').count();
    let line = before.rsplit('\n').next().unwrap_or("");
    // A byte order mark is no character of the first line.
    let column = line.chars().filter(|c| *c != '\u{feff}').count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
    (number(lines), number(column))
}

/// The contents of files, which what is read from them borrows.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    text: OnceCell<String>,
    /// As many as there are includes, which is bounded.
    next: OnceCell<Box<Texts>>,
}

impl Texts {
    /// Keeps a text.
    pub(super) fn keep(&self, text: String) -> &str {
        let mut last = self;
        while last.text.get().is_some() {
            last = last.next.get_or_init(Box::default);
        }
        last.text.get_or_init(|| text)
    }
}

/// The texts that were read, by file id.
#[derive(Debug, Default)]
pub(crate) struct Files<'t> {
    files: Vec<(String, &'t str)>,
    /// By file, found when first asked for.
    spread: OnceCell<Vec<Vec<Range<usize>>>>,
}

impl<'t> Files<'t> {
    /// Adds a text and returns its id. Includes are bounded, so ids fit.
    pub(crate) fn add(&mut self, name: &str, text: &'t str) -> u16 {
        let id = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        self.files.push((name.to_owned(), text));
        id
    }

    /// Whether no file could be read.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The texts of a file that go on over line ends, as byte ranges in order. Asked once all
    /// files are there.
    pub(crate) fn spread_texts(&self, id: u16) -> &[Range<usize>] {
        let spread = self.spread.get_or_init(|| {
            let texts = self.files.iter().map(|(_, text)| spread_texts(text));
            texts.collect()
        });
        spread.get(usize::from(id)).map_or(&[], Vec::as_slice)
    }

    /// Line and column of the beginning of a span, both from 1.
    pub(crate) fn place(&self, span: Span) -> (u32, u32) {
        place(self.file(span.file).1, span)
    }

    /// Name and text of a file.
    pub(crate) fn file(&self, id: u16) -> (&str, &str) {
        self.files
            .get(usize::from(id))
            .map_or(("", ""), |(name, text)| (name, text))
    }
}

/// Something wrong at a place.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// Where; `None` is the configuration as a whole.
    pub(crate) span: Option<Span>,
    pub(crate) message: String,
    pub(crate) expected: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            message: message.into(),
            expected: None,
            hint: None,
        }
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

//! Labelled values under headings: the `info` style.
//!
//! ```text
//! Information for Stream ORDERS created 2026-07-01 12:30:00
//!
//!                 Subjects: orders.>
//!                  Storage: File
//!
//! Limits:
//!
//!         Maximum Messages: unlimited
//! ```
//!
//! Labels are right-aligned to the longest of all sections; sections without rows are left out.

use unicode_width::UnicodeWidthStr;

/// Blanks before the longest label.
const INDENT: usize = 2;

enum Line {
    Heading(String),
    Section(String),
    Row(String, String),
    Text(String),
}

/// A page of labelled values, built row by row and rendered at once.
#[derive(Default)]
pub(crate) struct Columns {
    lines: Vec<Line>,
}

impl Columns {
    /// An empty page with a heading.
    pub(crate) fn new(heading: impl Into<String>) -> Self {
        Columns {
            lines: vec![Line::Heading(heading.into())],
        }
    }

    /// Begins a section; it is shown once it has a row.
    pub(crate) fn section(&mut self, title: impl Into<String>) -> &mut Self {
        self.lines.push(Line::Section(title.into()));
        self
    }

    /// Adds a labelled value; further lines of a value are aligned below its first.
    pub(crate) fn row(&mut self, label: impl Into<String>, value: impl ToString) -> &mut Self {
        self.lines.push(Line::Row(label.into(), value.to_string()));
        self
    }

    /// Adds a row if the value says something.
    pub(crate) fn row_if_set(&mut self, label: &str, value: impl ToString) -> &mut Self {
        let value = value.to_string();
        if value.is_empty() {
            self
        } else {
            self.row(label, value)
        }
    }

    /// Adds a row if there is a value.
    pub(crate) fn row_opt(&mut self, label: &str, value: Option<impl ToString>) -> &mut Self {
        match value {
            Some(value) => self.row(label, value),
            None => self,
        }
    }

    /// Adds free text.
    pub(crate) fn text(&mut self, text: impl Into<String>) -> &mut Self {
        self.lines.push(Line::Text(text.into()));
        self
    }

    /// The page as text, ending in a newline.
    pub(crate) fn render(&self) -> String {
        let widths = self.lines.iter().filter_map(|line| match line {
            Line::Row(label, _) => Some(label.width()),
            _ => None,
        });
        let width = widths.max().unwrap_or(0) + INDENT;
        let mut out = String::new();
        for (at, line) in self.lines.iter().enumerate() {
            match line {
                Line::Heading(text) if text.is_empty() => {}
                Line::Heading(text) => out.push_str(&format!("{text}\n\n")),
                Line::Section(title) => {
                    if matches!(self.lines.get(at + 1), Some(Line::Row(..) | Line::Text(_))) {
                        let gap = if out.is_empty() || out.ends_with("\n\n") {
                            ""
                        } else {
                            "\n"
                        };
                        out.push_str(&format!("{gap}{title}:\n\n"));
                    }
                }
                Line::Row(label, value) => push_row(&mut out, label, value, width),
                Line::Text(text) => out.push_str(&format!("{text}\n")),
            }
        }
        out
    }

    /// Prints the page.
    pub(crate) fn print(&self) {
        super::show(&self.render());
    }
}

fn push_row(out: &mut String, label: &str, value: &str, width: usize) {
    let mut lines = value.lines();
    let pad = width.saturating_sub(label.width());
    out.push_str(&format!(
        "{:pad$}{label}: {}\n",
        "",
        lines.next().unwrap_or_default()
    ));
    for line in lines {
        out.push_str(&format!("{:width$}  {line}\n", ""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_aligned_and_empty_sections_left_out() {
        let mut page = Columns::new("Information");
        page.row("A", 1)
            .section("Empty")
            .section("Limits")
            .row("Longer", "x\ny");
        assert_eq!(
            page.render(),
            "Information\n\n       A: 1\n\nLimits:\n\n  Longer: x\n          y\n"
        );
    }
}

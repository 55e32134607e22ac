//! Tables with rounded borders that fit the terminal.
//!
//! ```text
//! ╭─────────────────────────────╮
//! │           Streams           │
//! ├────────┬──────────┬─────────┤
//! │ Name   │ Messages │ Size    │
//! ├────────┼──────────┼─────────┤
//! │ ORDERS │       12 │ 1.2 KiB │
//! ╰────────┴──────────┴─────────╯
//! ```
//!
//! A column of numbers is aligned to the right. When the table is wider than the terminal the widest
//! columns are narrowed and their cells wrapped, between words first. When that does not make it fit, it
//! goes on below with the columns that are left, the first column in front of them again; nothing is cut
//! off but in pictures that are drawn over and over ([`Table::snipped`]).

mod fit;

use std::sync::OnceLock;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::terminal::{self, Style};

/// How lines are drawn, said once per run.
static SCHEME: OnceLock<String> = OnceLock::new();

/// A column is not made narrower than this, if that would cut words.
const NARROWEST: usize = 8;

/// Words up to this length are whole for as long as anything else can be narrowed; longer ones are
/// keys and ids.
const LONGEST_WORD: usize = 24;

/// A table, built row by row.
#[derive(Default)]
pub(crate) struct Table {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    footer: Vec<String>,
}

impl Table {
    /// An empty table. An empty title shows no title.
    pub(crate) fn new(title: impl Into<String>, header: &[&str]) -> Self {
        let header = header.iter().map(|&cell| cell.to_owned()).collect();
        Table {
            title: title.into(),
            header,
            ..Table::default()
        }
    }

    /// Adds a row; missing cells are empty.
    pub(crate) fn row<I: IntoIterator<Item = S>, S: Into<String>>(
        &mut self,
        cells: I,
    ) -> &mut Self {
        self.rows.push(cells.into_iter().map(cell).collect());
        self
    }

    /// Sets the last row, set apart: totals.
    pub(crate) fn footer<I: IntoIterator<Item = S>, S: Into<String>>(
        &mut self,
        cells: I,
    ) -> &mut Self {
        self.footer = cells.into_iter().map(cell).collect();
        self
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints the table as wide as the terminal allows, its lines as `--colors` says.
    pub(crate) fn print(&self) {
        let text = self.render(terminal::width());
        let scheme = SCHEME.get().map_or("", String::as_str);
        super::show(&in_scheme(&text, scheme, terminal::has_colour()));
    }

    /// The table as text of at most `width` columns, in several parts if need be.
    pub(crate) fn render(&self, width: usize) -> String {
        let parts = self.parts(width);
        if parts.len() < 2 {
            return self.render_whole(width);
        }
        let parts = parts.iter().enumerate().map(|(at, columns)| {
            let mut part = self.part(columns);
            if at > 0 {
                part.title.clear();
            }
            part.render_whole(width)
        });
        parts.collect()
    }

    fn count(&self) -> usize {
        self.all_rows().map(Vec::len).max().unwrap_or(0)
    }

    fn render_whole(&self, width: usize) -> String {
        let count = self.count();
        if count == 0 {
            return String::new();
        }
        let mut widths = self.widths(width);
        for least in self.least_widths(count) {
            narrow(&mut widths, &least, width);
        }
        let numeric: Vec<bool> = (0..count).map(|at| self.is_numeric(at)).collect();
        let inner = widths.iter().sum::<usize>() + 3 * count - 1;
        let mut out = String::new();
        if self.title.is_empty() {
            rule(&mut out, &widths, ['╭', '┬', '╮']);
        } else {
            out.push_str(&format!("╭{}╮\n", "─".repeat(inner)));
            for title in wrap(&self.title, inner.saturating_sub(2)) {
                let room = inner.saturating_sub(title.width());
                out.push_str(&format!(
                    "│{:left$}{title}{:right$}│\n",
                    "",
                    "",
                    left = room - room / 2,
                    right = room / 2
                ));
            }
            rule(&mut out, &widths, ['├', '┬', '┤']);
        }
        if !self.header.is_empty() {
            push_row(&mut out, &self.header, &widths, &numeric);
            rule(&mut out, &widths, ['├', '┼', '┤']);
        }
        self.rows
            .iter()
            .for_each(|row| push_row(&mut out, row, &widths, &numeric));
        if !self.footer.is_empty() {
            rule(&mut out, &widths, ['├', '┼', '┤']);
            push_row(&mut out, &self.footer, &widths, &numeric);
        }
        rule(&mut out, &widths, ['╰', '┴', '╯']);
        out
    }

    fn all_rows(&self) -> impl Iterator<Item = &Vec<String>> {
        [&self.header, &self.footer].into_iter().chain(&self.rows)
    }

    /// The widths of the columns without narrowing any.
    fn cell_widths(&self) -> Vec<usize> {
        let cell_width = |row: &Vec<String>, at: usize| {
            row.get(at).map_or(0, |cell| {
                cell.lines().map(UnicodeWidthStr::width).max().unwrap_or(0)
            })
        };
        let column = |at| self.all_rows().map(|row| cell_width(row, at)).max();
        (0..self.count())
            .map(|at| column(at).unwrap_or(0))
            .collect()
    }

    fn widths(&self, available: usize) -> Vec<usize> {
        let mut widths = self.cell_widths();
        // A long title widens the last column rather than the border breaking.
        let inner = (widths.iter().sum::<usize>() + 3 * widths.len()).saturating_sub(1);
        let title = (self.title.width() + 2).min(available.saturating_sub(2));
        let missing = title.saturating_sub(inner);
        if let Some(last) = widths.last_mut() {
            *last += missing;
        }
        widths
    }

    /// The least widths of the columns, as they are tried one after the other: words stay whole; then
    /// only headers are wrapped, as narrow as their words allow; then words are cut.
    fn least_widths(&self, count: usize) -> [Vec<usize>; 3] {
        let longest = |rows: &[&Vec<String>], at: usize, ends: &[char]| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            let words = cells.flat_map(|cell| cell.split(ends));
            words.map(UnicodeWidthStr::width).max().unwrap_or(0)
        };
        let all: Vec<&Vec<String>> = self.all_rows().collect();
        let (header, cells) = ([&self.header], all.get(1..).unwrap_or_default());
        let words =
            (0..count).map(|at| longest(&all, at, &[' ', '\n']).clamp(NARROWEST, LONGEST_WORD));
        let headers = (0..count).map(|at| {
            let word = longest(&header, at, &[' ', '\n']);
            word.max(longest(cells, at, &['\n'])).min(LONGEST_WORD)
        });
        [words.collect(), headers.collect(), vec![NARROWEST; count]]
    }

    fn is_numeric(&self, at: usize) -> bool {
        let mut cells = self
            .rows
            .iter()
            .filter_map(|row| row.get(at))
            .filter(|cell| !cell.is_empty())
            .peekable();
        cells.peek().is_some()
            && cells.all(|cell| {
                cell.starts_with(|c: char| c.is_ascii_digit() || c == '-')
                    && cell
                        .chars()
                        .all(|c| c.is_ascii_digit() || ",.-%".contains(c))
            })
    }
}

/// A cell's text. How wide a tab is depends on where it stands, so it becomes a blank.
fn cell(text: impl Into<String>) -> String {
    text.into().replace('\t', " ")
}

/// Says how the lines of tables are drawn: `double`, or a colour; the first word said counts.
pub(crate) fn set_scheme(scheme: &str) {
    let _ = SCHEME.set(scheme.to_owned());
}

/// Draws the lines of a table in a scheme.
fn in_scheme(text: &str, scheme: &str, has_colour: bool) -> String {
    if scheme == "double" {
        return text.chars().map(double).collect();
    }
    let Some(style) = Style::named(scheme).filter(|_| has_colour) else {
        return text.to_owned();
    };
    let is_line = |c: char| {
        matches!(
            c,
            '─' | '│' | '╭' | '╮' | '╰' | '╯' | '├' | '┤' | '┬' | '┴' | '┼'
        )
    };
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = rest
            .find(|c| is_line(c) != is_line(first))
            .unwrap_or(rest.len());
        let (part, tail) = rest.split_at(len);
        out.push_str(&if is_line(first) {
            style.paint(part)
        } else {
            part.to_owned()
        });
        rest = tail;
    }
    out
}

fn double(c: char) -> char {
    match c {
        '─' => '═',
        '│' => '║',
        '╭' => '╔',
        '╮' => '╗',
        '╰' => '╚',
        '╯' => '╝',
        '├' => '╠',
        '┤' => '╣',
        '┬' => '╦',
        '┴' => '╩',
        '┼' => '╬',
        c => c,
    }
}

/// Takes from the widest columns that are wider than their least width, until everything fits or
/// nothing can be taken.
fn narrow(widths: &mut [usize], least: &[usize], available: usize) {
    let mut total = widths.iter().sum::<usize>() + 3 * widths.len() + 1;
    while total > available {
        let wider = widths
            .iter_mut()
            .zip(least)
            .filter(|(width, least)| **width > **least);
        let Some(widest) = wider.map(|(width, _)| width).max() else {
            return;
        };
        *widest -= 1;
        total -= 1;
    }
}

fn rule(out: &mut String, widths: &[usize], [left, middle, right]: [char; 3]) {
    out.push(left);
    for (at, width) in widths.iter().enumerate() {
        if at > 0 {
            out.push(middle);
        }
        out.extend(std::iter::repeat_n('─', width + 2));
    }
    out.push(right);
    out.push('\n');
}

fn push_row(out: &mut String, row: &[String], widths: &[usize], numeric: &[bool]) {
    let empty = String::new();
    let cells: Vec<Vec<String>> = widths
        .iter()
        .enumerate()
        .map(|(at, width)| wrap(row.get(at).unwrap_or(&empty), *width))
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(1);
    for line in 0..height {
        for ((cell, width), numeric) in cells.iter().zip(widths).zip(numeric) {
            let text = cell.get(line).map_or("", String::as_str);
            let pad = width.saturating_sub(text.width());
            match numeric {
                true => out.push_str(&format!("│ {:pad$}{text} ", "")),
                false => out.push_str(&format!("│ {text}{:pad$} ", "")),
            }
        }
        out.push_str("│\n");
    }
}

/// Splits a cell into lines of at most `width` columns, at blanks and commas where there are any.
fn wrap(cell: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in cell.lines() {
        let mut rest = line;
        while rest.width() > width.max(1) {
            let cut = cut_at(rest, width.max(1));
            let (head, tail) = rest.split_at(cut);
            lines.push(head.trim_end().to_owned());
            rest = tail.trim_start();
        }
        lines.push(rest.to_owned());
    }
    lines
}

/// The byte to cut at: after the last blank or comma that fits, else after what fits.
fn cut_at(text: &str, width: usize) -> usize {
    let mut used = 0;
    let mut fits = text.len();
    let mut good = None;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width && at > 0 {
            fits = at;
            break;
        }
        if matches!(c, ' ' | ',') {
            good = Some(at + c.len_utf8());
        }
    }
    good.filter(|good| *good <= fits && *good * 3 >= fits)
        .unwrap_or(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_drawn() {
        let mut table = Table::new("Streams", &["Name", "Messages"]);
        table.row(["ORDERS", "12"]).row(["X\tY", "1,200"]);
        let expected = "\
╭───────────────────╮
│      Streams      │
├────────┬──────────┤
│ Name   │ Messages │
├────────┼──────────┤
│ ORDERS │       12 │
│ X Y    │    1,200 │
╰────────┴──────────╯
";
        assert_eq!(table.render(80), expected);
    }

    #[test]
    fn lines_may_be_double() {
        let mut table = Table::new("", &["A"]);
        table.row(["x"]);
        assert_eq!(
            in_scheme(&table.render(80), "double", false),
            "╔═══╗\n║ A ║\n╠═══╣\n║ x ║\n╚═══╝\n"
        );
        assert_eq!(in_scheme("│ x │", "red", false), "│ x │");
    }

    #[test]
    fn words_are_cut_last() {
        let mut table = Table::new("", &["API Level", "Unprocessed", "Subjects"]);
        table.row(["1", "2", "a.*, b.*, c.*"]);
        let expected = "\
╭──────────┬─────────────┬──────────╮
│      API │ Unprocessed │ Subjects │
│    Level │             │          │
├──────────┼─────────────┼──────────┤
│        1 │           2 │ a.*,     │
│          │             │ b.*, c.* │
╰──────────┴─────────────┴──────────╯
";
        assert_eq!(table.render(37), expected);
        let mut table = Table::new("", &["API Level", "Unprocessed", "Status"]);
        table.row(["1", "2", "IN SYNC"]);
        let expected = "\
╭───────┬─────────────┬─────────╮
│   API │ Unprocessed │ Status  │
│ Level │             │         │
├───────┼─────────────┼─────────┤
│     1 │           2 │ IN SYNC │
╰───────┴─────────────┴─────────╯
";
        assert_eq!(table.render(33), expected);
        let text = table.render(31);
        assert!(text.lines().all(|line| line.width() <= 31), "{text}");
    }

    #[test]
    fn wide_tables_are_narrowed() {
        let mut table = Table::new("", &["A", "B"]);
        table.row(["one two three four five six", "x"]);
        let text = table.render(24);
        assert!(text.lines().all(|line| line.width() <= 24), "{text}");
        for word in ["one", "six"] {
            assert!(text.contains(word), "{text}");
        }
    }
}

//! Columns without borders, cut to the width there is: what fits on a screen that is drawn again and
//! again. Numbers go to the right; the last column gives way first.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Blanks between columns.
const GAP: usize = 2;

/// Lines of a header and rows, none longer than `width`.
pub(crate) fn grid(header: &[&str], rows: &[Vec<String>], width: usize) -> Vec<String> {
    let is_number = |at: usize| {
        let mut cells = rows
            .iter()
            .filter_map(|row| row.get(at))
            .filter(|cell| !cell.is_empty());
        let looks = |cell: &String| {
            cell.starts_with(|c: char| c.is_ascii_digit())
                && !cell.contains(':')
                && cell.matches('.').count() < 2
        };
        cells.clone().next().is_some() && cells.all(looks)
    };
    let numeric: Vec<bool> = (0..header.len()).map(is_number).collect();
    let widths: Vec<usize> = header
        .iter()
        .enumerate()
        .map(|(at, title)| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(at))
                .map(|cell| cell.width());
            cells.chain([title.width()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[&str]| {
        let mut text = String::new();
        for (at, (column, is_number)) in widths.iter().zip(&numeric).enumerate() {
            let cell = cells.get(at).copied().unwrap_or_default();
            let pad = column.saturating_sub(cell.width());
            let (before, after) = if *is_number { (pad, 0) } else { (0, pad) };
            text.push_str(&format!("{:before$}{cell}{:after$}{:GAP$}", "", "", ""));
        }
        cut(text.trim_end(), width)
    };
    let mut lines = vec![line(header)];
    for row in rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        lines.push(line(&cells));
    }
    lines
}

/// As much of a line as fits.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let mut kept = String::new();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cut() {
        let rows = [
            vec!["127.0.0.1:9".to_owned(), "7".to_owned(), "shop".to_owned()],
            vec![
                "127.0.0.1:10".to_owned(),
                "1,200".to_owned(),
                "a long name".to_owned(),
            ],
        ];
        let header = ["HOST", "MSGS", "NAME"];
        let lines = grid(&header, &rows, 80);
        let expected = [
            "HOST           MSGS  NAME",
            "127.0.0.1:9       7  shop",
            "127.0.0.1:10  1,200  a long name",
        ];
        assert_eq!(lines, expected);
        assert!(
            grid(&header, &rows, 20)
                .iter()
                .all(|line| line.width() <= 20)
        );
    }
}

//! What is done with a table that is too wide even with narrow columns: it goes on below with the columns
//! that are left, or is cut off.
//!
//! ```text
//! ╭──────┬───────────╮        ╭──────┬─────── ≈
//! │ Name │  Messages │        │ Name │  Mess ≈
//! ╰──────┴───────────╯   or   ╰──────┴─────── ≈
//! ╭──────┬───────╮
//! │ Name │ Bytes │
//! ╰──────┴───────╯
//! ```

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Table;

impl Table {
    /// The table in one part, its lines cut at `width` columns if they do not fit: for pictures that
    /// must not grow.
    pub(crate) fn snipped(&self, width: usize) -> String {
        let whole = match self.parts(width).len() {
            0 | 1 => self.render_whole(width),
            _ => self.render_whole(usize::MAX),
        };
        let snip = |line: &str| {
            if line.width() <= width {
                return format!("{line}\n");
            }
            let (mut kept, mut used) = (String::new(), 0);
            for c in line.chars() {
                used += c.width().unwrap_or(0);
                if used + 2 > width {
                    break;
                }
                kept.push(c);
            }
            format!("{kept} ≈\n")
        };
        whole.lines().map(snip).collect()
    }

    /// The columns of each part that fits: all in one, as long as every column is wide enough to read.
    pub(super) fn parts(&self, width: usize) -> Vec<Vec<usize>> {
        let count = self.count();
        let (widths, [_, readable, narrowest]) = (self.cell_widths(), self.least_widths(count));
        let least = |least: &[usize], at: usize| {
            let (width, least) = (widths.get(at), least.get(at));
            width.min(least).copied().unwrap_or_default()
        };
        let fits = |columns: &[usize], lowest: &[usize]| {
            let sum: usize = columns.iter().map(|at| least(lowest, *at) + 3).sum();
            sum < width
        };
        let all: Vec<usize> = (0..count).collect();
        if fits(&all, &narrowest) {
            return vec![all];
        }
        let mut parts = vec![vec![0]];
        for column in 1..count {
            let Some(part) = parts.last_mut() else { break };
            part.push(column);
            if part.len() > 2 && !fits(part, &readable) {
                part.pop();
                parts.push(vec![0, column]);
            }
        }
        parts
    }

    /// A table with some of the columns.
    pub(super) fn part(&self, columns: &[usize]) -> Table {
        let cells = |row: &Vec<String>| {
            let cell = |at: &usize| row.get(*at).cloned().unwrap_or_default();
            match row.is_empty() {
                true => Vec::new(),
                false => columns.iter().map(cell).collect(),
            }
        };
        Table {
            title: self.title.clone(),
            header: cells(&self.header),
            rows: self.rows.iter().map(cells).collect(),
            footer: cells(&self.footer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_goes_on_below() {
        let mut table = Table::new("Servers of a long title", &["Name", "Messages", "Bytes"]);
        table.row(["n1", "1,234,567", "12"]).footer(["", "1", "2"]);
        let expected = "\
╭────────────────────╮
│  Servers of a long │
│        title       │
├──────┬─────────────┤
│ Name │    Messages │
├──────┼─────────────┤
│ n1   │   1,234,567 │
├──────┼─────────────┤
│      │           1 │
╰──────┴─────────────╯
╭──────┬───────╮
│ Name │ Bytes │
├──────┼───────┤
│ n1   │    12 │
├──────┼───────┤
│      │     2 │
╰──────┴───────╯
";
        assert_eq!(table.render(22), expected);
        let expected = "\
╭─────────────────── ≈
│  Servers of a long ≈
├──────┬───────────┬ ≈
│ Name │  Messages │ ≈
├──────┼───────────┼ ≈
│ n1   │ 1,234,567 │ ≈
├──────┼───────────┼ ≈
│      │         1 │ ≈
╰──────┴───────────┴ ≈
";
        assert_eq!(table.snipped(22), expected);
    }

    #[test]
    fn however_narrow_no_table_is_wider() {
        let mut table = Table::new("A title", &["Name", "Words", "Number", "Long"]);
        let row = [
            "one",
            "two words",
            "1,234,567,890",
            "onelongwordwithoutblanks",
        ];
        table.row(row).row(row).footer(row);
        for width in 24..100 {
            let text = table.render(width);
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
            let text = table.snipped(width);
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
        }
    }
}

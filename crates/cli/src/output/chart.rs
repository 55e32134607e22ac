//! Values over time as text: a line of blocks, horizontal bars, and a line chart with an axis.
//!
//! ```text
//! ▁▂▄▆█▆▄▂▁
//!
//!  1,200 ┤      ╭╮
//!    600 ┤   ╭──╯╰─╮
//!      0 ┼───╯     ╰──
//! ```

use super::number;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One block per value, the largest full.
pub(crate) fn sparkline(values: &[f64]) -> String {
    let max = values.iter().copied().fold(0.0_f64, f64::max);
    let block = |value: &f64| {
        let share = if max > 0.0 {
            (value / max).clamp(0.0, 1.0)
        } else {
            0.0
        };
        BLOCKS
            .get((share * 7.0).round() as usize)
            .copied()
            .unwrap_or('█')
    };
    values.iter().map(block).collect()
}

/// Labelled horizontal bars with their values, the longest of `width` cells.
pub(crate) fn bars(rows: &[(String, f64, String)], width: usize) -> String {
    let label_width = rows
        .iter()
        .map(|(label, ..)| label.chars().count())
        .max()
        .unwrap_or(0);
    let max = rows
        .iter()
        .map(|(_, value, _)| *value)
        .fold(0.0_f64, f64::max);
    let mut out = String::new();
    for (label, value, text) in rows {
        let eighths = if max > 0.0 {
            (value / max * width as f64 * 8.0).round() as usize
        } else {
            0
        };
        let mut bar = "█".repeat(eighths / 8);
        if let Some(part) = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'].get((eighths % 8).wrapping_sub(1))
        {
            bar.push(*part);
        }
        out.push_str(&format!("{label:>label_width$} ┤{bar} {text}\n"));
    }
    out
}

/// A line chart of `height` rows, at most `width` columns wide; the newest values are kept.
pub(crate) fn line(caption: &str, values: &[f64], width: usize, height: usize) -> String {
    let height = height.max(2);
    let max = values.iter().copied().fold(0.0_f64, f64::max);
    let top = if max > 0.0 { max } else { 1.0 };
    let levels = height - 1;
    let level = |value: f64| ((value / top).clamp(0.0, 1.0) * levels as f64).round() as usize;
    let labels: Vec<String> = (0..height)
        .map(|row| number::grouped_float(top * row as f64 / levels as f64, 1))
        .collect();
    let label_width = labels.iter().map(String::len).max().unwrap_or(0);
    let columns = width.saturating_sub(label_width + 3).max(2);
    let values = values
        .get(values.len().saturating_sub(columns)..)
        .unwrap_or(values);
    let mut out = String::new();
    for row in (0..height).rev() {
        let label = labels.get(row).map_or("", String::as_str);
        out.push_str(&format!("{label:>label_width$} ┤"));
        for (at, value) in values.iter().enumerate() {
            let here = level(*value);
            let before = at
                .checked_sub(1)
                .and_then(|before| values.get(before))
                .map_or(here, |v| level(*v));
            out.push(cell(row, before, here));
        }
        while out.ends_with(' ') {
            out.pop();
        }
        out.push('\n');
    }
    if !caption.is_empty() {
        out.push_str(&format!("{:label_width$}   {caption}\n", ""));
    }
    out
}

/// The part of the line between two neighbours that lies in `row`.
fn cell(row: usize, before: usize, here: usize) -> char {
    match () {
        () if before == here && row == here => '─',
        () if before < here && row == here => '╭',
        () if before < here && row == before => '╯',
        () if before > here && row == here => '╰',
        () if before > here && row == before => '╮',
        () if (before.min(here) + 1..before.max(here)).contains(&row) => '│',
        () => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_are_drawn() {
        assert_eq!(sparkline(&[0.0, 3.5, 7.0]), "▁▅█");
        assert_eq!(sparkline(&[]), "");
        let rows = [
            ("a".to_owned(), 1.0, "1".to_owned()),
            ("bc".to_owned(), 2.0, "2".to_owned()),
        ];
        assert_eq!(bars(&rows, 4), " a ┤██ 1\nbc ┤████ 2\n");
        assert_eq!(
            line("", &[0.0, 0.0, 2.0, 2.0, 0.0], 40, 3),
            "2 ┤  ╭─╮\n1 ┤  │ │\n0 ┤──╯ ╰\n"
        );
    }
}

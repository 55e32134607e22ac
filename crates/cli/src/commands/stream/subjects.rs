//! `stream subjects`: which subjects a stream holds, and how many messages of each.

use crate::app::App;
use crate::commands::shared::pick::{self, Choice};
use crate::error::Result;
use crate::output::{json, number, table::Table};
use crate::say;

#[derive(clap::Args)]
pub(super) struct SubjectsArgs {
    /// Stream name
    stream: Option<String>,
    /// Limit the subjects to those matching a filter
    #[arg(default_value = ">")]
    filter: String,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
    /// Adjusts the sorting order
    #[arg(long, default_value = "messages", value_parser = ["name", "subjects", "messages", "count"])]
    sort: String,
    /// Reverse sort
    #[arg(short = 'R', long)]
    reverse: bool,
    /// List only subject names
    #[arg(long)]
    names: bool,
}

impl SubjectsArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let name = pick::stream_name(&jsm, self.stream.as_deref(), choice).await?;
        let subjects = jsm.stream_subjects(&name, &self.filter).await?;
        if self.json {
            return json::print(&subjects);
        }
        if subjects.is_empty() {
            say!("No subjects found matching {}", self.filter);
            return Ok(());
        }
        let mut rows: Vec<(String, u64)> = subjects.into_iter().collect();
        if matches!(self.sort.as_str(), "messages" | "count") {
            rows.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        }
        if self.reverse {
            rows.reverse();
        }
        if self.names {
            rows.iter().for_each(|(subject, _)| say!("{subject}"));
            return Ok(());
        }
        table(&name, &rows).print();
        Ok(())
    }
}

/// Short subjects are put side by side.
fn table(stream: &str, rows: &[(String, u64)]) -> Table {
    let longest = rows
        .iter()
        .map(|(subject, _)| subject.chars().count())
        .max();
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let width = longest.unwrap_or(0) + number::grouped(most).len();
    let pairs = match width {
        0..20 => 3,
        20..30 => 2,
        _ => 1,
    };
    let headers = ["Subject", "Count"].repeat(pairs);
    let title = format!(
        "{} Subjects in stream {stream}",
        number::grouped(rows.len() as u64)
    );
    let mut table = Table::new(title, &headers);
    // They are read downwards.
    let height = rows.len().div_ceil(pairs);
    for at in 0..height {
        let group = rows.iter().skip(at).step_by(height.max(1));
        table.row(group.flat_map(|(subject, count)| [subject.clone(), number::grouped(*count)]));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_subjects_share_a_row() {
        let rows: Vec<_> = (1..=4).map(|n| (format!("o.{n}"), n)).collect();
        let drawn = table("S", &rows).render(120);
        assert_eq!(drawn.lines().count(), 8, "{drawn}");
        assert!(
            drawn.contains("│ o.1     │     1 │ o.3     │     3 │"),
            "{drawn}"
        );
    }
}

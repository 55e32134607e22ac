//! `nats server report cpu` and `mem`: a bar per server.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Common, Report};
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::{chart, number};

/// The longest bar.
const BAR_WIDTH: usize = 30;

/// Report on the usage of CPU or memory
#[derive(clap::Args)]
pub(crate) struct UsageArgs {
    #[command(flatten)]
    pub(super) common: Common,

    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

/// What is used.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Cpu,
    Memory,
}

impl UsageArgs {
    pub(super) async fn text(&self, report: &Report<'_>, of: Of) -> Result<String> {
        let answers = report.documents("STATSZ", json!({})).await?;
        let path = match of {
            Of::Cpu => "statsz.cpu",
            Of::Memory => "statsz.mem",
        };
        let usage: BTreeMap<String, f64> = answers
            .iter()
            .map(|a| (a.server().text("name").to_owned(), a.document.float(path)))
            .collect();
        if self.json {
            return Ok(match of {
                Of::Cpu => serde_json::to_string_pretty(&usage)?,
                Of::Memory => {
                    let bytes = usage.into_iter().map(|(name, bytes)| (name, bytes as u64));
                    serde_json::to_string_pretty(&bytes.collect::<BTreeMap<_, _>>())?
                }
            } + "\n");
        }
        let mut rows: Vec<_> = usage
            .into_iter()
            .map(|(name, value)| {
                let text = match of {
                    Of::Cpu => format!("({})", number::grouped_float(value, 2)),
                    Of::Memory => format!("({})", number::bytes(value as u64)),
                };
                (name, value, text)
            })
            .collect();
        report.sort_by_key(&mut rows, |(_, value, _)| *value);
        let title = match of {
            Of::Cpu => "CPU Usage",
            Of::Memory => "Memory Usage",
        };
        Ok(format!("{title}\n\n{}", chart::bars(&rows, BAR_WIDTH)))
    }
}

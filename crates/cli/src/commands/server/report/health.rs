//! `nats server report health`: what each server says about itself.

use std::collections::BTreeSet;

use super::{Common, Report};
use crate::commands::server::request::{HealthOf, without_nulls};
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::table::Table;
use crate::output::{number, terminal};

/// Errors of a server that are shown.
const MAX_SHOWN: usize = 10;

/// Report on Server health
#[derive(clap::Args)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    pub(super) common: Common,

    #[command(flatten)]
    of: HealthOf,
}

impl HealthArgs {
    pub(super) async fn text(&self, report: &Report<'_>) -> Result<String> {
        let body = without_nulls(self.of.question(true));
        let mut servers = report.documents("HEALTHZ", body).await?;
        report.sort_by_key(&mut servers, |s| s.server().text("name").to_owned());
        let mut table = Table::new(
            "Health Report",
            &["Server", "Cluster", "Domain", "Status", "Type", "Error"],
        );
        let (mut healthy, mut errors) = (0, 0);
        for answer in &servers {
            let (who, health) = (answer.server(), answer.data());
            let status = format!(
                "{} ({})",
                health.text("status"),
                health.count("status_code")
            );
            table.row([
                who.text("name"),
                who.text("cluster"),
                who.text("domain"),
                &status,
            ]);
            healthy += usize::from(health.count("status_code") == 200);
            let found = health.list("errors");
            errors += found.len();
            let shown = if found.len() > MAX_SHOWN {
                MAX_SHOWN - 1
            } else {
                found.len()
            };
            for error in found.iter().take(shown) {
                table.row(["", "", "", "", error.text("type"), error.text("error")]);
            }
            if shown < found.len() {
                table.row(["", "", "", &format!("{} more errors", found.len() - shown)]);
            }
        }
        let clusters: BTreeSet<&str> = servers.iter().map(|s| s.server().text("cluster")).collect();
        table.footer([
            number::grouped(servers.len() as u64),
            number::grouped(clusters.len() as u64),
            String::new(),
            format!("ok: {healthy} / err: {}", servers.len() - healthy),
            String::new(),
            number::grouped(errors as u64),
        ]);
        Ok(table.render(terminal::width()) + "\n")
    }
}

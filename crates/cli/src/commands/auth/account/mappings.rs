//! `nats auth account mappings`: rewriting of published subjects, by weight and cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cognate_auth::jwt::WeightedMapping;

use crate::commands::auth::select::{OperatorFlag, pick};
use crate::commands::auth::store::{self, AccountEntity};
use crate::error::{Context, Error, Result};
use crate::output::columns::Columns;
use crate::output::table::Table;
use crate::output::{json, prompt};
use crate::say;

#[derive(clap::Subcommand)]
pub(super) enum MappingsCommand {
    /// Add a new mapping
    #[command(visible_aliases = ["new", "a"])]
    Add(AddArgs),
    /// List mappings
    #[command(visible_alias = "list")]
    Ls {
        /// Account to list the mappings from
        account: Option<String>,
        #[command(flatten)]
        operator: OperatorFlag,
    },
    /// Remove a mapping
    Rm {
        /// Account to remove the mappings from
        account: Option<String>,
        /// The source subject of the mapping
        source: Option<String>,
        #[command(flatten)]
        operator: OperatorFlag,
    },
    /// Show information about a mapping
    #[command(visible_aliases = ["i", "show", "view"])]
    Info {
        /// Account to inspect the mappings from
        account: Option<String>,
        /// The source subject of the mapping
        source: Option<String>,
        #[command(flatten)]
        operator: OperatorFlag,
        /// Produce JSON output
        #[arg(short, long)]
        json: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct AddArgs {
    /// Account to create the mappings on
    account: Option<String>,
    /// The source subject of the mapping
    source: Option<String>,
    /// The target subject of the mapping
    target: Option<String>,
    /// The weight (%) of the mapping
    #[arg(default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    weight: u8,
    /// Limit the mappings to a specific cluster
    cluster: Option<String>,
    #[command(flatten)]
    operator: OperatorFlag,
    /// JSON file to read mappings from: {"source": [{"subject": "target", "weight": 100}]}
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

type Mappings = BTreeMap<String, Vec<WeightedMapping>>;

impl MappingsCommand {
    pub(super) fn run(self) -> Result<()> {
        match self {
            MappingsCommand::Add(args) => args.run(),
            MappingsCommand::Ls { account, operator } => {
                let (_, account) = operator.account(account.as_deref())?;
                list(&account);
                Ok(())
            }
            MappingsCommand::Rm {
                account,
                source,
                operator,
            } => {
                let (chosen, mut account) = operator.account(account.as_deref())?;
                let source = find(&account, source)?;
                account.claims.nats.mappings.remove(&source);
                chosen.save_account(&mut account)?;
                say!("Deleted mapping {{{source}}}");
                Ok(())
            }
            MappingsCommand::Info {
                account,
                source,
                operator,
                json: is_json,
            } => {
                let (_, account) = operator.account(account.as_deref())?;
                let source = find(&account, source)?;
                let targets = account.claims.nats.mappings.get(&source);
                let targets = targets.map_or(&[][..], Vec::as_slice);
                match is_json {
                    true => json::print(targets),
                    false => {
                        page(&source, targets).print();
                        Ok(())
                    }
                }
            }
        }
    }
}

impl AddArgs {
    fn run(self) -> Result<()> {
        let (chosen, mut account) = self.operator.account(self.account.as_deref())?;
        let added = match &self.config {
            Some(path) => of_file(path)?,
            None => self.of_arguments()?,
        };
        for (source, targets) in &added {
            let all = account
                .claims
                .nats
                .mappings
                .entry(source.clone())
                .or_default();
            all.extend(targets.iter().cloned());
        }
        chosen.save_account(&mut account)?;
        for source in added.keys() {
            let targets = account.claims.nats.mappings.get(source);
            page(source, targets.map_or(&[][..], Vec::as_slice)).print();
        }
        Ok(())
    }

    fn of_arguments(&self) -> Result<Mappings> {
        let given = |value: &Option<String>, question: &str| match value {
            Some(value) => Ok(value.clone()),
            None => prompt::ask(question, "", "the arguments, or --config"),
        };
        let source = given(&self.source, "Source subject")?;
        let target = WeightedMapping {
            subject: given(&self.target, "Target subject")?,
            weight: self.weight,
            cluster: self.cluster.clone().unwrap_or_default(),
        };
        Ok(Mappings::from([(source, vec![target])]))
    }
}

fn of_file(path: &Path) -> Result<Mappings> {
    serde_json::from_str(&store::read_text(path)?).context(path.display())
}

/// The mapping of a source; the user is asked if none is given.
fn find(account: &AccountEntity, source: Option<String>) -> Result<String> {
    let known = &account.claims.nats.mappings;
    match source {
        Some(source) if known.contains_key(&source) => Ok(source),
        Some(source) => Err(
            Error::new(format!("mapping not found: {source}")).hint(format!(
                "`nats auth account mappings ls {}` shows them.",
                account.name
            )),
        ),
        None if known.is_empty() => Err(Error::new("no mappings defined")),
        None => {
            let names: Vec<String> = known.keys().cloned().collect();
            pick("Select a mapping", &names, "the source subject")
        }
    }
}

fn page(source: &str, targets: &[WeightedMapping]) -> Columns {
    let mut page = Columns::new("Subject mappings");
    page.section("Configuration").row("Source", source);
    for target in targets {
        page.row("Target", &target.subject)
            .row("Weight", target.percent())
            .row("Cluster", &target.cluster);
    }
    let total: u32 = targets
        .iter()
        .map(|target| u32::from(target.percent()))
        .sum();
    page.row("Total weight", total);
    page
}

fn list(account: &AccountEntity) {
    if account.claims.nats.mappings.is_empty() {
        say!("No mappings defined");
        return;
    }
    let mut table = Table::new(
        format!("Subject mappings for account {}", account.name),
        &["Source Subject", "Target Subject", "Weight", "Cluster"],
    );
    for (source, targets) in &account.claims.nats.mappings {
        for target in targets {
            table.row([
                source.clone(),
                target.subject.clone(),
                target.percent().to_string(),
                target.cluster.clone(),
            ]);
        }
    }
    table.print();
}

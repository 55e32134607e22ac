//! `nats service`: services that speak the micro protocol, found, described, measured and asked.
//!
//! Discovery asks `$SRV.<verb>[.<name>[.<id>]]`, and every instance answers. How many there are is not
//! known, so a list is complete when no more answers come for a moment.

mod request;
mod serve;
mod show;

use serde_json::{Value, json};

use crate::app::App;
use crate::commands::server::sys::System;
use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};

/// Services discovery and management
#[derive(clap::Args)]
pub(crate) struct ServiceArgs {
    #[command(subcommand)]
    command: ServiceCommand,
}

#[derive(clap::Subcommand)]
enum ServiceCommand {
    /// List known services
    #[command(visible_aliases = ["ls", "l"])]
    List(show::ListArgs),
    /// Show service information
    #[command(visible_alias = "i")]
    Info(show::InfoArgs),
    /// Report service statistics
    Stats(show::StatsArgs),
    /// Sends a ping to all services
    Ping(show::PingArgs),
    /// Send a request to a service endpoint
    #[command(visible_alias = "req")]
    Request(request::RequestArgs),
    /// Runs a demo service that echoes what it is sent
    #[command(visible_alias = "echo")]
    Serve(serve::ServeArgs),
}

impl ServiceArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            ServiceCommand::List(args) => args.run(app).await,
            ServiceCommand::Info(args) => args.run(app).await,
            ServiceCommand::Stats(args) => args.run(app).await,
            ServiceCommand::Ping(args) => args.run(app).await,
            ServiceCommand::Request(args) => args.run(app).await,
            ServiceCommand::Serve(args) => args.run(app).await,
        }
    }
}

/// `$SRV.INFO.orders.id`.
fn subject(verb: &str, name: Option<&str>, id: Option<&str>) -> String {
    let parts = ["$SRV", verb].into_iter().chain(name).chain(id);
    parts.collect::<Vec<_>>().join(".")
}

/// Asks instances and returns what they say, sorted by name and id; `expect` answers, or 0 for all.
async fn ask(
    system: &System,
    verb: &str,
    name: Option<&str>,
    id: Option<&str>,
    expect: usize,
) -> Result<Vec<Value>> {
    for part in [name, id].into_iter().flatten() {
        crate::commands::shared::pick::check_name("service", part)?;
    }
    let kind = format!("io.nats.micro.v1.{}_response", verb.to_ascii_lowercase());
    let mut found = Vec::new();
    let asked = system
        .ask_each(&subject(verb, name, id), &json!({}), |answer| {
            // Whoever answers with something else is no service.
            if answer.document.text("type") == kind {
                found.push(answer.document);
            }
            expect
        })
        .await;
    if found.is_empty() {
        // Nobody listening and nobody answering are the same to the user.
        drop(asked);
        return Err(Error::new(match name {
            Some(name) => format!("no instances of service {name:?} found"),
            None => "no service instances found".to_owned(),
        })
        .hint("`nats service serve demo` runs one to try."));
    }
    found.sort_by_key(|document| {
        (
            document.text("name").to_owned(),
            document.text("id").to_owned(),
        )
    });
    Ok(found)
}

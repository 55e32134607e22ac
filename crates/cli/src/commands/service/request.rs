//! `service request`: a request to an endpoint by its name.

use super::ask;
use crate::app::App;
use crate::commands::request::RequestArgs as Request;
use crate::commands::server::sys::System;
use crate::commands::shared::body::BodyArgs;
use crate::commands::shared::doc::Doc;
use crate::error::{Context, Error, Result};

#[derive(clap::Args)]
pub(super) struct RequestArgs {
    /// Service name
    service: String,
    /// Endpoint name
    endpoint: String,
    #[command(flatten)]
    body: BodyArgs,
    /// Show only the reply body
    #[arg(short, long)]
    raw: bool,
    /// Headers in K:V form
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    headers: Vec<String>,
    /// Send the request N times
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Pipe each reply body through a command before output
    #[arg(long)]
    translate: Option<String>,
}

impl RequestArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let system = System::connect(app).await?;
        let found = ask(&system, "INFO", Some(&self.service), None, 1).await?;
        let info = found.first().context("no results received")?;
        let endpoints = info.list("endpoints");
        let endpoint = endpoints
            .iter()
            .find(|endpoint| endpoint.text("name") == self.endpoint);
        let Some(endpoint) = endpoint else {
            let names: Vec<&str> = endpoints.iter().map(|known| known.text("name")).collect();
            return Err(Error::new(format!(
                "service {:?} has no endpoint {:?}",
                self.service, self.endpoint
            ))
            .hint(format!("It has: {}", names.join(", "))));
        };
        let mut request = Request::one(endpoint.text("subject"), self.body);
        request.raw = self.raw;
        request.headers = self.headers;
        request.count = self.count;
        request.translate = self.translate;
        request.run(app).await
    }
}

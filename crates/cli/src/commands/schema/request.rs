//! `schema request`: a service's answer, checked by the schema that its `type` names.

use serde_json::Value;

use super::faults;
use crate::app::App;
use crate::error::{Context, Error, Result};
use crate::output::json;
use crate::say;

#[derive(clap::Args)]
pub(super) struct RequestArgs {
    /// The subject to send a request to
    subject: String,
    /// The body to send
    #[arg(default_value = "{}")]
    body: String,
    /// The schema identifier the answer must have
    #[arg(long)]
    schema: Option<String>,
    /// Show the received data
    #[arg(long)]
    show: bool,
}

impl RequestArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let client = app.connect().await?;
        let request = async_nats::Request::new()
            .payload(self.body.into_bytes().into())
            .timeout(Some(app.timeout()?));
        let answer = client
            .send_request(self.subject.clone(), request)
            .await
            .context(&self.subject)?;
        let document: Value =
            serde_json::from_slice(&answer.payload).context("the answer is not JSON")?;
        if self.show {
            json::print_raw(&answer.payload)?;
            say!();
        }
        let kind = document["type"]
            .as_str()
            .context("could not determine the message type: it has no \"type\"")?;
        if self.schema.as_deref().is_some_and(|wanted| wanted != kind) {
            return Err(Error::new(format!("invalid message type {kind}")));
        }
        let faults = faults(kind, &document)?;
        if faults.is_empty() {
            say!("Response is a valid {kind} message");
            return Ok(());
        }
        say!("Message did not pass validation against {kind}\n");
        faults.iter().for_each(|fault| say!("   {fault}"));
        Err(Error::new(""))
    }
}

//! `stream info` and `stream state`.

use super::show;
use crate::app::App;
use crate::commands::shared::pick::{self, Choice};
use crate::error::Result;
use crate::output::json;

#[derive(clap::Args)]
pub(super) struct InfoArgs {
    /// Stream to retrieve information for
    stream: Option<String>,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
    /// Shows only the stream state
    #[arg(long)]
    state: bool,
    /// Do not select streams from a list
    #[arg(long)]
    no_select: bool,
}

#[derive(clap::Args)]
pub(super) struct StateArgs {
    /// Stream to retrieve state information for
    stream: Option<String>,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
    /// Do not select streams from a list
    #[arg(long)]
    no_select: bool,
}

impl InfoArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let choice = Choice {
            never: self.no_select,
            ..choice
        };
        let name = pick::stream_name(&jsm, self.stream.as_deref(), choice).await?;
        if self.json {
            return json::print_raw(&jsm.stream_info_raw(&name).await?);
        }
        let info = jsm.stream_info(&name).await?;
        match self.state {
            true => show::print_state(&info, false),
            false => show::print(&info, false),
        }
    }
}

impl StateArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let info = InfoArgs {
            stream: self.stream,
            json: self.json,
            state: true,
            no_select: self.no_select,
        };
        info.run(app, choice).await
    }
}

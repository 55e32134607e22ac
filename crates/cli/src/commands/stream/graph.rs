//! `stream graph`: what is stored and removed, drawn every second.

use crate::app::App;
use crate::commands::shared::live::{self, Series};
use crate::commands::shared::pick::{self, Choice};
use crate::error::Result;

#[derive(clap::Args)]
pub(super) struct GraphArgs {
    /// The name of the stream to graph
    stream: Option<String>,
}

impl GraphArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        live::check_terminal()?;
        let jsm = app.jsm().await?;
        let name = pick::stream(&jsm, self.stream.as_deref(), choice)
            .await?
            .config
            .name;
        let series = vec![
            Series::level("Messages Stored"),
            Series::rate("Messages Removed / second"),
            Series::rate("Messages Stored / second"),
        ];
        live::graph(
            &format!("Stream Statistics for {name}"),
            series,
            async || {
                let state = jsm.stream_info(&name).await?.state;
                Ok(vec![
                    state.messages as f64,
                    state.first_seq as f64,
                    state.last_seq as f64,
                ])
            },
        )
        .await
    }
}

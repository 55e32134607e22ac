//! `consumer graph`: what is delivered, acknowledged and waiting, drawn every second.

use super::Target;
use crate::app::App;
use crate::commands::shared::live::{self, Series};
use crate::commands::shared::pick::Choice;
use crate::error::Result;

#[derive(clap::Args)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    target: Target,
}

impl GraphArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        live::check_terminal()?;
        let jsm = app.jsm().await?;
        let info = self.target.find(&jsm, choice).await?;
        let (stream, name) = (info.stream_name, info.name);
        let series = vec![
            Series::level("Messages Pending"),
            Series::level("Messages Waiting for Ack"),
            Series::rate("Messages Acknowledged / second"),
            Series::rate("Messages Delivered / second"),
        ];
        let title = format!("Consumer Statistics for {stream} > {name}");
        live::graph(&title, series, async || {
            let info = jsm.consumer_info(&stream, &name).await?;
            Ok(vec![
                info.num_pending as f64,
                info.num_ack_pending as f64,
                info.ack_floor.consumer_seq as f64,
                info.delivered.consumer_seq as f64,
            ])
        })
        .await
    }
}

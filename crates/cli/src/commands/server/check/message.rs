//! `nats server check message`: the last message of a subject, its age and its content.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use regex::bytes::Regex;
use serde_json::json;

use super::outcome::{Measure, Outcome};
use crate::app::App;
use crate::error::{Context, Result};
use crate::jsm::{StoredMessage, code};
use crate::output::{duration, time};

/// Checks properties of a message stored in a stream
#[derive(clap::Args)]
pub(super) struct MessageCheck {
    /// The streams to check
    #[arg(long)]
    stream: String,

    /// The subject to fetch a message from
    #[arg(long, default_value = ">")]
    subject: String,

    /// Warning threshold for message age as a duration
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    age_warn: Option<Duration>,

    /// Critical threshold for message age as a duration
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    age_critical: Option<Duration>,

    /// Regular expression to check the content against
    #[arg(long, default_value = ".")]
    content: Regex,

    /// Use message body as a unix timestamp instead of message metadata
    #[arg(long)]
    body_timestamp: bool,
}

impl MessageCheck {
    pub(super) async fn run(&self, app: &App) -> Outcome {
        let mut outcome = Outcome::new("message", "Stream Message");
        let query = json!({ "last_by_subj": self.subject });
        let loaded = async { app.jsm().await?.stored_message(&self.stream, &query).await }.await;
        if matches!(&loaded, Err(error) if error.api_code() == Some(code::NO_MESSAGE)) {
            outcome.critical("no message found");
            return outcome;
        }
        if let Some(message) = outcome.or_critical(loaded, "msg load failed") {
            let now = Timestamp::now();
            let checked = self.check(&message, now, &mut outcome);
            outcome.or_critical(checked, "Check failed");
        }
        outcome
    }

    fn check(&self, message: &StoredMessage, now: Timestamp, outcome: &mut Outcome) -> Result<()> {
        let data = STANDARD.decode(message.data.as_deref().unwrap_or_default())?;
        let at = match self.body_timestamp {
            false => time::parse(&message.time).context("the message has no time")?,
            true => {
                let text = String::from_utf8_lossy(&data);
                let seconds = text.trim().parse().context("invalid timestamp body")?;
                Timestamp::from_second(seconds).context("invalid timestamp body")?
            }
        };
        let age = Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let seconds = |limit: Option<Duration>| limit.unwrap_or_default().as_secs_f64();
        outcome.measured(
            Measure::new(
                "age",
                (age.as_secs_f64() * 1e3).round() / 1e3,
                "The age of the message",
            )
            .in_unit("s")
            .within(seconds(self.age_warn), seconds(self.age_critical)),
        );
        let size = Measure::new("size", data.len() as f64, "The size of the message");
        outcome.measured(size.in_unit("B"));
        let is_over = |limit: Option<Duration>| limit.is_some_and(|l| !l.is_zero() && age > l);
        let text = format!("{} old", duration::human(age));
        if is_over(self.age_critical) {
            outcome.critical(text);
        } else if is_over(self.age_warn) {
            outcome.warning(text);
        }
        if !self.content.is_match(&data) {
            outcome.critical(format!("does not match regex: {}", self.content));
        }
        outcome.ok_if_fine(format!(
            "Valid message on {} > {}",
            self.stream, self.subject
        ));
        Ok(())
    }
}

//! `--schedule-…`: messages that a stream publishes later, once or again and again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::error::{Context, Error, Result};
use crate::output::duration;

/// When a message is to be published, and where.
#[derive(clap::Args)]
pub(crate) struct ScheduleArgs {
    /// Schedule the message after a certain duration (implies --jetstream)
    #[arg(long = "schedule-after", value_name = "DURATION", value_parser = duration::arg)]
    after: Option<Duration>,

    /// Schedule the message at a certain RFC3339 time (implies --jetstream)
    #[arg(long = "schedule-at", value_name = "TIME")]
    at: Option<String>,

    /// Cron definition for a scheduled message (implies --jetstream)
    #[arg(long = "schedule-cron", value_name = "CRON")]
    cron: Option<String>,

    /// Subject the message will publish to when the schedule fires (implies --jetstream)
    #[arg(long = "schedule-dest", value_name = "SUBJECT")]
    dest: Option<String>,

    /// Schedules the message every interval (implies --jetstream)
    #[arg(long = "schedule-every", value_name = "DURATION", value_parser = duration::arg)]
    every: Option<Duration>,

    /// Reads a specific subject when scheduling (implies --jetstream)
    #[arg(long = "schedule-source", value_name = "SUBJECT")]
    source: Option<String>,

    /// How long generated messages should live in the stream
    #[arg(long = "schedule-ttl", value_name = "DURATION", value_parser = duration::arg)]
    ttl: Option<Duration>,
}

impl ScheduleArgs {
    /// The headers that say so; `None` if nothing is scheduled.
    pub(super) fn headers(&self) -> Result<Option<Vec<(&'static str, String)>>> {
        let kinds = [
            self.after.is_some(),
            self.at.is_some(),
            self.cron.is_some(),
            self.every.is_some(),
        ];
        let given = kinds.iter().filter(|given| **given).count();
        let others = [
            self.dest.is_some(),
            self.source.is_some(),
            self.ttl.is_some(),
        ];
        if given == 0 && !others.contains(&true) {
            return Ok(None);
        }
        if given != 1 {
            return Err(Error::new(
                "a schedule needs one of --schedule-after, --schedule-at, --schedule-every, --schedule-cron",
            ));
        }
        let dest = self
            .dest
            .clone()
            .context("--schedule-dest is required: where the message goes when its time comes")?;
        let mut headers = vec![
            ("Nats-Schedule", self.pattern()?),
            ("Nats-Schedule-Target", dest),
        ];
        headers.extend(self.ttl.map(|ttl| ("Nats-Schedule-TTL", go_duration(ttl))));
        headers.extend(
            self.source
                .clone()
                .map(|source| ("Nats-Schedule-Source", source)),
        );
        Ok(Some(headers))
    }

    fn pattern(&self) -> Result<String> {
        let at = |at: Timestamp| format!("@at {}", at.strftime("%Y-%m-%dT%H:%M:%SZ"));
        if let Some(text) = &self.at {
            return Ok(at(text.parse().context(
                "--schedule-at is an RFC3339 time, such as 2026-07-01T12:00:00Z",
            )?));
        }
        if let Some(after) = self.after.filter(|after| !after.is_zero()) {
            let after = SignedDuration::try_from(after)?;
            // Whole seconds are written, so the time is rounded up rather than into the past.
            return Ok(at(
                Timestamp::now().checked_add(after + SignedDuration::from_millis(999))?
            ));
        }
        if let Some(every) = self.every.filter(|every| !every.is_zero()) {
            return Ok(format!("@every {}", go_duration(every)));
        }
        self.cron
            .clone()
            .context("a schedule's duration must be greater than 0")
    }
}

/// As the server reads it: Go's durations have no days.
fn go_duration(duration: Duration) -> String {
    match duration.subsec_nanos() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ns", duration.as_nanos()),
    }
}

//! `nats server check kv`: whether a bucket is there, has a key, and how many values it holds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::judge;
use super::outcome::{Measure, Outcome};
use crate::app::App;
use crate::error::Result;
use crate::jsm::{Jsm, StreamInfo, code};

/// Checks a NATS KV Bucket
#[derive(clap::Args)]
pub(super) struct KvCheck {
    /// Checks a specific bucket
    #[arg(long)]
    bucket: String,

    /// Critical threshold for number of values in the bucket
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    values_critical: i64,

    /// Warning threshold for number of values in the bucket
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    values_warn: i64,

    /// Requires a key to have any non-delete value set
    #[arg(long)]
    key: Option<String>,
}

impl KvCheck {
    pub(super) async fn run(&self, app: &App) -> Outcome {
        let mut outcome = Outcome::new("kv", &self.bucket);
        let Some(jsm) = outcome.or_critical(app.jsm().await, "connection failed") else {
            return outcome;
        };
        let loaded = jsm.stream_info(&format!("KV_{}", self.bucket)).await;
        if matches!(&loaded, Err(error) if error.api_code() == Some(code::STREAM_NOT_FOUND)) {
            outcome.critical(format!("bucket {} not found", self.bucket));
            return outcome;
        }
        let Some(info) = outcome.or_critical(loaded, "could not load bucket") else {
            return outcome;
        };
        outcome.ok(format!("bucket {}", self.bucket));
        outcome.measured(
            Measure::new(
                "values",
                info.state.messages as f64,
                "How many values are stored in the bucket",
            )
            .within(self.values_warn as f64, self.values_critical as f64),
        );
        if let Some(key) = &self.key {
            match operation(&jsm, &info, key).await {
                Ok(Operation::Put) => outcome.ok(format!("key {key} found")),
                Ok(Operation::Delete) => outcome.critical(format!("key {key} is deleted")),
                Ok(Operation::Purge) => outcome.critical(format!("key {key} is purged")),
                Err(error) if error.api_code() == Some(code::NO_MESSAGE) => {
                    outcome.critical(format!("key {key} not found"));
                }
                Err(error) => {
                    outcome.critical(format!("key {key} not loaded: {}", error.message()));
                }
            }
        }
        self.judge_values(info.state.messages, &mut outcome);
        let bytes = Measure::new(
            "bytes",
            info.state.bytes as f64,
            "Bytes stored in the bucket",
        );
        outcome.measured(bytes.in_unit("B"));
        outcome.measured(Measure::new(
            "replicas",
            info.config.num_replicas as f64,
            "",
        ));
        outcome
    }

    fn judge_values(&self, values: u64, outcome: &mut Outcome) {
        let limit = |limit: i64| (limit > -1).then_some(limit as f64);
        let (warning, critical) = (limit(self.values_warn), limit(self.values_critical));
        if warning.is_none() && critical.is_none() {
            return;
        }
        judge(values as f64, warning, critical).note(outcome, format!("{values} values"));
    }
}

/// What was last done with a key.
enum Operation {
    Put,
    Delete,
    Purge,
}

async fn operation(jsm: &Jsm, info: &StreamInfo, key: &str) -> Result<Operation> {
    let bucket = info.config.name.strip_prefix("KV_").unwrap_or_default();
    let query = json!({ "last_by_subj": format!("$KV.{bucket}.{key}") });
    let message = jsm.stored_message(&info.config.name, &query).await?;
    let headers = STANDARD.decode(message.hdrs.unwrap_or_default())?;
    let headers = String::from_utf8_lossy(&headers);
    let done = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("KV-Operation")
            .then(|| value.trim().to_owned())
    });
    Ok(match done.as_deref() {
        Some("DEL") => Operation::Delete,
        Some("PURGE") => Operation::Purge,
        _ => Operation::Put,
    })
}

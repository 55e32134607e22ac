//! `nats server check request`: whether a service answers, what, and how fast.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use regex::bytes::Regex;

use super::outcome::{Measure, Outcome};
use crate::app::App;
use crate::error::{Error, Result};
use crate::output::duration;

/// Checks a request-reply service
#[derive(clap::Args)]
pub(super) struct RequestCheck {
    /// The subject to send the request to
    #[arg(long)]
    subject: String,

    /// Payload to send in the request
    #[arg(long, default_value = "")]
    payload: String,

    /// Headers to publish in the request
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    headers: Vec<(String, String)>,

    /// Regular expression the response should match
    #[arg(long, value_name = "REGEX")]
    match_payload: Option<Regex>,

    /// Headers the response should have
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    match_headers: Vec<(String, String)>,

    /// Critical threshold for response time
    #[arg(long, value_parser = duration::arg)]
    response_critical: Option<Duration>,

    /// Warning threshold for response time
    #[arg(long, value_parser = duration::arg)]
    response_warn: Option<Duration>,
}

/// `key=value` or, as in messages, `key:value`.
fn pair(text: &str) -> std::result::Result<(String, String), String> {
    text.split_once(['=', ':'])
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .ok_or_else(|| format!("{text:?} is not KEY=VALUE"))
}

impl RequestCheck {
    pub(super) async fn run(&self, app: &App) -> Outcome {
        let mut outcome = Outcome::new("request", &self.subject);
        let Some(client) = outcome.or_critical(app.connect().await, "could not load info") else {
            return outcome;
        };
        let began = Instant::now();
        let answered = self.send(&client).await;
        let taken = began.elapsed();
        let seconds = |limit: Option<Duration>| limit.unwrap_or_default().as_secs_f64();
        outcome.measured(
            Measure::new(
                "time",
                (taken.as_secs_f64() * 1e3).round() / 1e3,
                "How long the request took",
            )
            .in_unit("s")
            .within(seconds(self.response_warn), seconds(self.response_critical)),
        );
        if let Some(answer) = outcome.or_critical(answered, "could not send request") {
            self.judge(&answer, taken, &mut outcome);
        }
        outcome
    }

    async fn send(&self, client: &async_nats::Client) -> Result<async_nats::Message> {
        let mut headers = HeaderMap::new();
        for (key, value) in &self.headers {
            let name: async_nats::HeaderName = key.parse()?;
            headers.append(name, value.parse::<async_nats::HeaderValue>()?);
        }
        let mut request = async_nats::Request::new().payload(self.payload.clone().into());
        if !self.headers.is_empty() {
            request = request.headers(headers);
        }
        client
            .send_request(self.subject.clone(), request)
            .await
            .map_err(|error| Error::new(error.to_string()))
    }

    fn judge(&self, answer: &async_nats::Message, taken: Duration, outcome: &mut Outcome) {
        if let Some(expected) = &self.match_payload
            && !expected.is_match(&answer.payload)
        {
            outcome.critical("response does not match regexp");
        }
        for (key, expected) in &self.match_headers {
            let headers = answer.headers.as_ref();
            let value = headers.and_then(|headers| headers.get(key.as_str()));
            let value = value.map_or("", |value| value.as_str());
            if value != expected {
                outcome.critical(format!("invalid header {key:?} = {value:?}"));
            }
        }
        let is_over = |limit: Option<Duration>| limit.is_some_and(|l| !l.is_zero() && taken > l);
        let text = format!("response took {}", duration::human(taken));
        if is_over(self.response_critical) {
            outcome.critical(text);
        } else if is_over(self.response_warn) {
            outcome.warning(text);
        }
        outcome.ok_if_fine("Valid response");
    }
}

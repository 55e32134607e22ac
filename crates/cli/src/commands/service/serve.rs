//! `service serve`: a service that answers with what it is sent, to try things out.
//!
//! Three subscriptions of its own answer discovery, on `$SRV.<verb>` and below; requests arrive in the
//! queue group `q`, so that several instances share them.

use std::pin::pin;
use std::time::{Duration, Instant};

use async_nats::{Client, HeaderMap, Message};
use futures_util::StreamExt;
use futures_util::stream::select_all;
use serde_json::{Value, json};

use crate::app::App;
use crate::commands::shared::{headers, pick, template};
use crate::connect;
use crate::error::{Context, Result};
use crate::note;
use crate::output::columns::Columns;

/// The queue group of requests.
const QUEUE: &str = "q";

#[derive(clap::Args)]
pub(super) struct ServeArgs {
    /// A name for the service to run on
    name: String,
    /// Headers to add to responses using K:V format
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    headers: Vec<String>,
}

/// The service and what it has done.
struct Service {
    name: String,
    id: String,
    url: String,
    headers: Vec<(String, String)>,
    started: String,
    requests: u64,
    busy: Duration,
    bytes: u64,
}

impl ServeArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        pick::check_name("service", &self.name)?;
        let mut service = Service {
            id: template::id(),
            url: connect::redact(&app.settings()?.servers().join(",")),
            headers: headers::sorted(&headers::parse(&self.headers)?),
            started: jiff::Timestamp::now().to_string(),
            name: self.name,
            requests: 0,
            busy: Duration::ZERO,
            bytes: 0,
        };
        let client = app.connect().await?;
        let mut discovery = Vec::new();
        for verb in ["PING", "INFO", "STATS"] {
            let (name, id) = (service.name.as_str(), service.id.as_str());
            for subject in [
                super::subject(verb, None, None),
                super::subject(verb, Some(name), None),
                super::subject(verb, Some(name), Some(id)),
            ] {
                discovery.push(client.subscribe(subject).await?);
            }
        }
        let mut discovery = select_all(discovery);
        let mut requests = client
            .queue_subscribe(service.subject(), QUEUE.to_owned())
            .await?;
        client.flush().await?;
        service.introduce();
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                question = discovery.next() => {
                    let question = question.context("the connection was closed")?;
                    service.describe(&client, &question).await?;
                }
                request = requests.next() => {
                    let request = request.context("the connection was closed")?;
                    service.echo(&client, &request).await?;
                }
                _ = &mut interrupted => return app.finish(&client).await,
            }
        }
    }
}

impl Service {
    fn subject(&self) -> String {
        format!("{}.echo", self.name)
    }

    fn introduce(&self) {
        let mut page = Columns::new(format!(
            "NATS CLI Service {} handler {} waiting for requests on {}",
            self.name,
            std::process::id(),
            self.url
        ));
        page.section("Listening Subjects")
            .row(self.subject(), "Echo Service");
        page.section("Custom Response Headers");
        for (key, value) in &self.headers {
            page.row(key, value);
        }
        page.print();
    }

    /// Answers `$SRV.<verb>…`.
    async fn describe(&self, client: &Client, question: &Message) -> Result<()> {
        let Some(reply) = question.reply.clone() else {
            return Ok(());
        };
        let document = match question.subject.split('.').nth(1) {
            Some("PING") => self.document("ping", json!({})),
            Some("INFO") => self.document(
                "info",
                json!({
                    "description": format!("NATS CLI Demo Service ({})", self.name),
                    "endpoints": [{
                        "name": "echo",
                        "subject": self.subject(),
                        "queue_group": QUEUE,
                        "metadata": {},
                    }],
                }),
            ),
            _ => self.document("stats", self.statistics()),
        };
        let body = serde_json::to_vec(&document)?;
        Ok(client.publish(reply, body.into()).await?)
    }

    fn statistics(&self) -> Value {
        let busy = u64::try_from(self.busy.as_nanos()).unwrap_or(u64::MAX);
        json!({
            "started": self.started,
            "endpoints": [{
                "name": "echo",
                "subject": self.subject(),
                "queue_group": QUEUE,
                "num_requests": self.requests,
                "num_errors": 0,
                "last_error": "",
                "processing_time": busy,
                "average_processing_time": busy / self.requests.max(1),
                "data": { "total_payload": self.bytes },
            }],
        })
    }

    fn document(&self, kind: &str, more: Value) -> Value {
        let mut document = json!({
            "type": format!("io.nats.micro.v1.{kind}_response"),
            "name": self.name,
            "id": self.id,
            "version": "1.0.0",
            "metadata": {},
        });
        if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
            document.extend(more);
        }
        document
    }

    async fn echo(&mut self, client: &Client, request: &Message) -> Result<()> {
        let began = Instant::now();
        note!("Handling request on subject {}", request.subject);
        let mut answer = HeaderMap::new();
        let about = [
            ("ConnectedUrl", self.url.clone()),
            ("Handler", std::process::id().to_string()),
            ("Subject", request.subject.to_string()),
            ("Timestamp", jiff::Timestamp::now().to_string()),
        ];
        for (key, value) in about {
            headers::add(&mut answer, key, &value)?;
        }
        let given = request.headers.as_ref().map(headers::sorted);
        for (key, value) in self.headers.iter().chain(given.iter().flatten()) {
            headers::add(&mut answer, key, value)?;
        }
        if let Some(reply) = request.reply.clone() {
            client
                .publish_with_headers(reply, answer, request.payload.clone())
                .await?;
        }
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(request.payload.len() as u64);
        self.busy += began.elapsed();
        Ok(())
    }
}

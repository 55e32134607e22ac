//! Questions to servers over the system account: one goes out, every server answers.
//!
//! How many answers to wait for is said by the caller, else asked of a server first. With neither the
//! wait ends a moment after the last answer, or with `--timeout`. A server's error in an answer is
//! kept apart from its document; nobody at all answering is an error that names the system account.

use std::time::{Duration, Instant};

use async_nats::Client;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::{Context, Error, Result};

/// The wait after an answer when nobody knows how many come.
const GAP: Duration = Duration::from_millis(300);

/// Answers that are kept of one question.
const MAX_ANSWERS: usize = 10_000;

/// The system account as one connection sees it.
#[derive(Clone)]
pub(crate) struct System {
    client: Client,
    timeout: Duration,
    trace: bool,
}

/// What one server said.
pub(crate) struct Answer {
    /// The text as it came.
    pub(crate) text: Vec<u8>,
    /// The same, read.
    pub(crate) document: Value,
    /// How long after the question.
    pub(crate) after: Duration,
}

impl Answer {
    /// Who answered.
    pub(crate) fn server(&self) -> &Value {
        self.document.at("server")
    }

    /// The document asked for.
    pub(crate) fn data(&self) -> &Value {
        self.document.at("data")
    }

    /// The server's refusal, if it is one.
    pub(crate) fn error(&self) -> Option<Error> {
        let error = self.document.get("error")?;
        let text = match (error.text("description"), error.count("code")) {
            ("", code) => format!("error {code}"),
            (text, code) => format!("{text} ({code})"),
        };
        let name = self.server().text("name").to_owned();
        Some(Error::new(format!("server {name} refused: {text}")))
    }
}

/// Which servers are asked.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Limit the report to a specific NATS server
    #[arg(long)]
    pub(crate) host: Option<String>,

    /// Limit the report to a specific Cluster
    #[arg(long)]
    pub(crate) cluster: Option<String>,

    /// Limit the report to nodes matching certain tags
    #[arg(long)]
    pub(crate) tags: Vec<String>,
}

impl Selection {
    /// Whether only some servers are meant.
    pub(crate) fn is_some(&self) -> bool {
        self.host.is_some() || self.cluster.is_some() || !self.tags.is_empty()
    }

    /// `body` with the selection in it.
    pub(crate) fn applied_to(&self, body: Value, domain: &str) -> Value {
        selected(
            body,
            self.host.as_deref(),
            None,
            self.cluster.as_deref(),
            &self.tags,
            domain,
        )
    }
}

/// A question's options together with which servers are meant.
pub(crate) fn selected(
    mut body: Value,
    name: Option<&str>,
    host: Option<&str>,
    cluster: Option<&str>,
    tags: &[String],
    domain: &str,
) -> Value {
    let mut filter = Map::new();
    for (key, value) in [("server_name", name), ("host", host), ("cluster", cluster)] {
        if let Some(value) = value {
            filter.insert(key.to_owned(), json!(value));
        }
    }
    if !tags.is_empty() {
        filter.insert("tags".to_owned(), json!(tags));
    }
    if !domain.is_empty() {
        filter.insert("domain".to_owned(), json!(domain));
    }
    if !filter.is_empty() {
        filter.insert("exact_match".to_owned(), json!(true));
    }
    if let Some(body) = body.as_object_mut() {
        body.extend(filter);
    }
    body
}

impl System {
    /// Connects as the user that flags and context name, which must be one of the system account.
    pub(crate) async fn connect(app: &App) -> Result<Self> {
        let client = app.connect().await?;
        Self::on(app, client)
    }

    /// The same on a connection there is already.
    pub(crate) fn on(app: &App, client: Client) -> Result<Self> {
        Ok(System {
            client,
            timeout: app.timeout()?,
            trace: app.settings()?.trace,
        })
    }

    /// The connection underneath.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The same with another wait.
    pub(crate) fn waiting(&self, timeout: Duration) -> Self {
        System {
            timeout,
            ..self.clone()
        }
    }

    /// How many servers there are, as one of them knows.
    pub(crate) async fn active_servers(&self) -> Result<usize> {
        let answers = self.ask("$SYS.REQ.SERVER.PING", &json!({}), 1).await?;
        let count = answers
            .first()
            .map_or(1, |answer| answer.document.count("statsz.active_servers"));
        Ok(usize::try_from(count).unwrap_or(1).max(1))
    }

    /// Asks all servers for a document and returns the answers in the order they came; `expect` is
    /// how many to wait for, 0 for as many as there are servers.
    pub(crate) async fn ask_all(
        &self,
        what: &str,
        body: &Value,
        expect: usize,
    ) -> Result<Vec<Answer>> {
        let is_filtered = body.get("exact_match").is_some();
        let expect = match expect {
            0 if is_filtered => 0,
            0 => self.active_servers().await?,
            expect => expect,
        };
        self.ask(&format!("$SYS.REQ.SERVER.PING.{what}"), body, expect)
            .await
    }

    /// [`System::ask_all`], and a refusal of one of them is an error.
    pub(crate) async fn documents(
        &self,
        what: &str,
        body: &Value,
        expect: usize,
    ) -> Result<Vec<Answer>> {
        all_given(self.ask_all(what, body, expect).await?)
    }

    /// Asks, and returns what came back: `expect` answers, or those that came in time. None at all is
    /// an error.
    pub(crate) async fn ask(
        &self,
        subject: &str,
        body: &Value,
        expect: usize,
    ) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        self.ask_each(subject, body, |answer| {
            answers.push(answer);
            expect
        })
        .await?;
        match answers.is_empty() {
            true if body.get("exact_match").is_some() => Err(Error::new(
                "no results received: no server matches, or none answered in time",
            )
            .hint("Names, hosts, clusters and tags have to match exactly: `nats server list` shows them.")),
            true => Err(nobody()),
            false => Ok(answers),
        }
    }

    /// Asks, and hands over each answer as it comes; what the handler returns is how many are
    /// expected from then on.
    pub(crate) async fn ask_each(
        &self,
        subject: &str,
        body: &Value,
        mut each: impl FnMut(Answer) -> usize,
    ) -> Result<()> {
        self.send(subject, serde_json::to_vec(body)?, |text, after| {
            let document = serde_json::from_slice(text)
                .context(format!("the answer to {subject} is not understood"))?;
            Ok(each(Answer {
                text: text.to_vec(),
                document,
                after,
            }))
        })
        .await
    }

    /// Sends a body as it is, and hands over answers as they are.
    pub(crate) async fn send_each(
        &self,
        subject: &str,
        body: Vec<u8>,
        expect: usize,
        mut each: impl FnMut(&[u8]),
    ) -> Result<()> {
        self.send(subject, body, |text, _| {
            each(text);
            Ok(expect)
        })
        .await
    }

    async fn send(
        &self,
        subject: &str,
        body: Vec<u8>,
        mut each: impl FnMut(&[u8], Duration) -> Result<usize>,
    ) -> Result<()> {
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await?;
        if self.trace {
            crate::note!(">>> {subject}: {}", String::from_utf8_lossy(&body));
        }
        let asked = Instant::now();
        self.client
            .publish_with_reply(subject.to_owned(), inbox, body.into())
            .await?;
        self.client.flush().await?;
        let end = asked + self.timeout;
        let mut until = end;
        let mut count = 0;
        while let Ok(Some(message)) = tokio::time::timeout_at(until.into(), answers.next()).await {
            if message.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
                return Err(nobody());
            }
            if self.trace {
                crate::note!("<<< {}", String::from_utf8_lossy(&message.payload));
            }
            count += 1;
            let expect = each(&message.payload, asked.elapsed())?;
            if count == expect || count >= MAX_ANSWERS {
                break;
            }
            if expect == 0 {
                until = end.min(Instant::now() + GAP);
            }
        }
        Ok(())
    }
}

fn nobody() -> Error {
    Error::new("no results received, ensure the account used has system privileges and appropriate permissions")
        .hint("Connect as a user of the system account: --user and --password, --creds or --context.")
}
/// The answers, or the refusal that one of them is.
pub(super) fn all_given(answers: Vec<Answer>) -> Result<Vec<Answer>> {
    match answers.iter().find_map(Answer::error) {
        Some(error) => Err(error),
        None => Ok(answers),
    }
}

//! `nats reply`: a service that answers with a text, with what it was sent, or with a command's output.

use std::process::Stdio;
use std::time::Duration;

use async_nats::{HeaderMap, Message};
use futures_util::StreamExt;

use crate::app::App;
use crate::commands::shared::template::{self, Fill, render, render_text};
use crate::commands::shared::{headers, translate};
use crate::error::{Context, Result};
use crate::output::{self, duration};
use crate::{note, say};

/// Generic service reply utility
///
/// The "command" can use parts of the subject the request came in on. When the subject listened to
/// is "weather.>", a request on "weather.london" can use the "london" part:
///
///   nats reply 'weather.>' --command "curl -s wttr.in/{{1}}?format=3"
///
/// {{.Request}} is the request body. The command has NATS_REQUEST_SUBJECT and NATS_REQUEST_BODY in
/// its environment. The body may use the templates of 'nats publish' and {{Request}}.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ReplyArgs {
    /// Subject to subscribe to
    subject: String,

    /// Reply body
    body: Option<String>,

    /// Echo back what is received
    #[arg(long)]
    echo: bool,

    /// Runs a command and responds with the output if exit code was 0
    #[arg(long)]
    command: Option<String>,

    /// Queue group name
    #[arg(short, long, default_value = "NATS-RPLY-22")]
    queue: String,

    /// Inject a random sleep delay between replies up to this duration max
    #[arg(long, value_name = "MAX", value_parser = duration::arg)]
    sleep: Option<Duration>,

    /// Adds headers to the message using K:V format
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    headers: Vec<String>,

    /// Quit after receiving this many messages
    #[arg(long, default_value_t = 0)]
    count: u64,
}

impl ReplyArgs {
    pub(crate) async fn run(mut self, app: &App) -> Result<()> {
        headers::parse(&self.headers)?;
        let client = app.connect().await?;
        if self.body.is_none() && self.command.is_none() && !self.echo {
            note!("No body or command supplied, enabling echo mode");
            self.echo = true;
        }
        let mut requests = client
            .queue_subscribe(self.subject.clone(), self.queue.clone())
            .await?;
        app.finish(&client).await?;
        note!("Listening on {:?} in group {:?}", self.subject, self.queue);
        let mut count = 0;
        while let Some(request) = requests.next().await {
            self.announce(&request, count);
            if let Some(max) = self.sleep.filter(|max| !max.is_zero()) {
                let nanos = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
                tokio::time::sleep(Duration::from_nanos(template::random() % nanos)).await;
            }
            if let Some(reply) = request.reply.clone() {
                match self.answer(&request, count).await {
                    Ok((headers, body)) if headers.is_empty() => {
                        client.publish(reply, body.into()).await?
                    }
                    Ok((headers, body)) => {
                        client
                            .publish_with_headers(reply, headers, body.into())
                            .await?
                    }
                    Err(error) => note!("{error}"),
                }
            }
            count += 1;
            if count == self.count {
                break;
            }
        }
        app.finish(&client).await
    }

    fn announce(&self, request: &Message, count: u64) {
        note!(
            "[#{count}] Received on subject {:?}:",
            request.subject.as_str()
        );
        for (key, value) in request
            .headers
            .as_ref()
            .map(headers::sorted)
            .unwrap_or_default()
        {
            note!("{key}: {value}");
        }
        say!();
        output::show_bytes(&request.payload);
        say!();
    }

    async fn answer(&self, request: &Message, count: u64) -> Result<(HeaderMap, Vec<u8>)> {
        let fill = Fill {
            count,
            request: Some(&request.payload),
        };
        let mut reply = HeaderMap::new();
        for (key, value) in headers::sorted(&headers::parse(&self.headers)?) {
            headers::add(&mut reply, &key, &render_text(&value, fill)?)?;
        }
        if self.echo {
            for (key, value) in request
                .headers
                .as_ref()
                .map(headers::sorted)
                .unwrap_or_default()
            {
                headers::add(&mut reply, &key, &value)?;
            }
            headers::add(&mut reply, "NATS-Reply-Counter", &count.to_string())?;
            return Ok((reply, request.payload.to_vec()));
        }
        let body = match &self.command {
            Some(command) => run(command, request, fill).await?,
            None => render(self.body.as_deref().unwrap_or_default().as_bytes(), fill)?,
        };
        Ok((reply, body))
    }
}

/// Runs the user's command and returns everything it prints. The command line is split before the
/// request is put into it, so a request is always one argument or part of one, whatever it holds.
async fn run(command: &str, request: &Message, fill: Fill<'_>) -> Result<Vec<u8>> {
    let mut words = Vec::new();
    for word in translate::split(&protect(command))? {
        let mut word = word.replace('\u{1}', " ");
        for (at, token) in request.subject.as_str().split('.').enumerate() {
            word = word.replace(&format!("{{{{{at}}}}}"), token);
        }
        words.push(render_text(&word, fill)?);
    }
    let (program, arguments) = words.split_first().context("the command is empty")?;
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .env("NATS_REQUEST_SUBJECT", request.subject.as_str())
        .env(
            "NATS_REQUEST_BODY",
            String::from_utf8_lossy(&request.payload).replace('\0', ""),
        )
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context(format!("command {program:?}"))?;
    if !output.status.success() {
        note!("Command {command:?} failed to run: {}", output.status);
    }
    Ok([output.stdout, output.stderr].concat())
}

/// Keeps blanks inside `{{ … }}` from splitting a word.
fn protect(command: &str) -> String {
    let mut out = String::with_capacity(command.len());
    let mut depth = 0_usize;
    let mut before = ' ';
    for c in command.chars() {
        match (before, c) {
            ('{', '{') => depth += 1,
            ('}', '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        out.push(if depth > 0 && c == ' ' { '\u{1}' } else { c });
        before = c;
    }
    out
}

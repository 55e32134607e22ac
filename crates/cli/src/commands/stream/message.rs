//! Single messages: `stream get` and `stream rmm`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::confirm_bucket;
use crate::app::App;
use crate::commands::shared::pick::{self, Choice};
use crate::commands::shared::translate;
use crate::error::{Context, Error, Result};
use crate::jsm::StoredMessage;
use crate::output::{self, json, prompt, time};
use crate::say;

#[derive(clap::Args)]
pub(super) struct GetArgs {
    /// Stream name
    stream: Option<String>,
    /// Message sequence to retrieve
    id: Option<u64>,
    /// Retrieves the last message for a specific subject
    #[arg(short = 'S', long, value_name = "SUBJECT", conflicts_with = "id")]
    last_for: Option<String>,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
    /// Translate the message data by running it through the given command before output
    #[arg(long)]
    translate: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct RmmArgs {
    /// Stream name
    stream: Option<String>,
    /// Message sequence to remove
    id: Option<u64>,
    /// Force removal without prompting
    #[arg(short, long)]
    force: bool,
}

impl GetArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let name = pick::stream_name(&jsm, self.stream.as_deref(), choice).await?;
        let query = match (self.id, &self.last_for) {
            (Some(id), _) => json!({ "seq": id }),
            (None, Some(subject)) => json!({ "last_by_subj": subject }),
            (None, None) => {
                let id = ask_sequence("Message Sequence to retrieve")?;
                json!({ "seq": id })
            }
        };
        let message = jsm
            .stored_message(&name, &query)
            .await
            .context(format!("could not retrieve a message of {name}"))?;
        if self.json {
            return json::print(&message);
        }
        let at = time::parse(&message.time);
        let ago = at.map(|at| output::duration::human(time::since(at)));
        say!(
            "Item: {name}#{} received {} ({}) on Subject {}\n",
            message.seq,
            time::local_text(&message.time),
            ago.unwrap_or_default(),
            message.subject
        );
        let headers = header_lines(&message)?;
        if !headers.is_empty() {
            say!("Headers:");
            headers.iter().for_each(|header| say!("  {header}"));
            say!();
        }
        print_body(&message, self.translate.as_deref()).await
    }
}

impl RmmArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let name = pick::stream(&jsm, self.stream.as_deref(), choice)
            .await?
            .config
            .name;
        let id = match self.id {
            Some(id) => id,
            None => ask_sequence("Message Sequence to remove")?,
        };
        confirm_bucket(&name, self.force)?;
        let question = format!("Really remove message {id} from Stream {name}?");
        prompt::confirm_or_stop(&question, self.force)?;
        jsm.delete_message(&name, id)
            .await
            .context(format!("could not remove message {id} from {name}"))
    }
}

fn ask_sequence(question: &str) -> Result<u64> {
    let flag = "the message's sequence as argument";
    prompt::ask_valid(question, "", flag, |answer| {
        let id = answer.parse::<u64>().ok().filter(|id| *id > 0);
        id.ok_or_else(|| Error::new("a sequence is a number from 1 on"))
    })
}

/// A stored message's headers, a line each.
pub(super) fn header_lines(message: &StoredMessage) -> Result<Vec<String>> {
    let bytes = STANDARD.decode(message.hdrs.as_deref().unwrap_or_default())?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.split("\r\n").skip(1).filter(|line| !line.is_empty());
    Ok(lines
        .map(|line| line.replacen(':', ": ", 1).replace(":  ", ": "))
        .collect())
}

/// Prints a stored message's data, as it is or translated.
pub(super) async fn print_body(message: &StoredMessage, command: Option<&str>) -> Result<()> {
    let body = STANDARD.decode(message.data.as_deref().unwrap_or_default())?;
    let mut body = match command {
        Some(command) => translate::translate(command, &message.subject, &body).await?,
        None => body,
    };
    if body.is_empty() {
        body = b"nil body".to_vec();
    }
    body.push(b'\n');
    output::show_bytes(&body);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_lines() {
        let message = StoredMessage {
            hdrs: Some(STANDARD.encode("NATS/1.0\r\nA:1\r\nB: x:y\r\n\r\n")),
            ..StoredMessage::default()
        };
        assert_eq!(header_lines(&message).expect("headers"), ["A: 1", "B: x:y"]);
    }
}

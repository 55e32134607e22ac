//! `--translate`: a message's data through a command of the user's.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::{Context, Error, Result};

/// Runs `command` with `data` on its standard input and returns what it prints. `{{Subject}}` in the
/// command stands for the subject.
pub(crate) async fn translate(command: &str, subject: &str, data: &[u8]) -> Result<Vec<u8>> {
    // The command line is split first: a subject may have quotes in it, and is never more than a part of
    // one argument.
    let put = |word: String| {
        word.replace("{{Subject}}", subject)
            .replace("{{.Subject}}", subject)
    };
    let words: Vec<String> = split(command)?.into_iter().map(put).collect();
    let (program, arguments) = words
        .split_first()
        .context("the command of --translate is empty")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("NATS_SUBJECT", subject)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context(program)?;
    let mut stdin = child
        .stdin
        .take()
        .context("the command has a standard input")?;
    let data = data.to_vec();
    let feed = async move {
        // A command need not read its input to the end.
        let _ = stdin.write_all(&data).await;
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    let output = output.context(program)?;
    if !output.status.success() {
        return Err(Error::new(format!("{program}: {}", output.status)));
    }
    Ok(output.stdout)
}

/// Splits a command line at blanks, with single and double quotes and backslashes, as a shell would.
pub(crate) fn split(command: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() {
        return Err(Error::new(format!("a quote is not closed in {command:?}")));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split() {
        let words = split(r#"jq -r '.a "b"' "c \"d\"" e\ f "" "#).expect("it splits");
        assert_eq!(words, ["jq", "-r", ".a \"b\"", "c \"d\"", "e f", ""]);
        assert!(split("a 'b").is_err());
    }
}

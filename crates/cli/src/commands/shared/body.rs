//! Where bodies come from: the argument, or standard input as a whole or line by line.

use std::io::{self, BufRead, IsTerminal, Read};

use crate::error::{Error, Result};

/// Bytes of standard input that are still one message.
const MAX_BODY_BYTES: u64 = 64 << 20;

/// Body, count and when to send, as `publish` and `request` take them.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct BodyArgs {
    /// Message body; standard input when absent and not a terminal
    pub(crate) body: Option<String>,

    /// Read the body from standard input even if there is an argument
    #[arg(long)]
    pub(crate) force_stdin: bool,

    /// When to send data from standard input
    #[arg(long, default_value = "eof", value_parser = ["newline", "eof"])]
    pub(crate) send_on: String,

    /// Send braces in body and subject as they are
    #[arg(long)]
    pub(crate) no_templates: bool,
}

impl BodyArgs {
    /// Calls `each` with every body: one, or one per line of standard input.
    pub(crate) async fn for_each(
        &self,
        mut each: impl AsyncFnMut(Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let from_stdin = self.force_stdin || (self.body.is_none() && !io::stdin().is_terminal());
        if !from_stdin {
            return each(self.body.clone().unwrap_or_default().into_bytes()).await;
        }
        if self.send_on == "eof" {
            let mut body = Vec::new();
            io::stdin()
                .lock()
                .take(MAX_BODY_BYTES + 1)
                .read_to_end(&mut body)?;
            check_size(&body)?;
            return each(body).await;
        }
        let mut stdin = io::BufReader::new(io::stdin());
        loop {
            let mut line = Vec::new();
            if (&mut stdin)
                .take(MAX_BODY_BYTES + 1)
                .read_until(b'\n', &mut line)?
                == 0
            {
                return Ok(());
            }
            check_size(&line)?;
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            each(line).await?;
        }
    }
}

fn check_size(body: &[u8]) -> Result<()> {
    if body.len() as u64 > MAX_BODY_BYTES {
        return Err(Error::new("standard input is too large for a message")
            .hint("`nats object put` stores large files."));
    }
    Ok(())
}

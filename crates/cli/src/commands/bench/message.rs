//! The messages that are published: bodies, headers, and subjects that change.

use std::path::PathBuf;

use super::job::CommonArgs;
use crate::commands::shared::{headers, template};
use crate::error::{Context, Result};
use crate::output::number;

/// Flags about messages.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct MessageArgs {
    /// Publish each message on a subject that includes its sequence number as a token
    #[arg(long)]
    pub(super) multisubject: bool,
    /// The maximum number of subjects in multi-subject mode (0 means no max)
    #[arg(long, default_value_t = 100_000)]
    multisubjectmax: u64,
    /// Choose subjects at random in multi-subject mode
    #[arg(long)]
    multisubjectrandomize: bool,
    #[command(flatten)]
    pub(super) content: ContentArgs,
}

/// Flags about what is in a message.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ContentArgs {
    /// File containing a message payload to send
    #[arg(long)]
    payload: Option<PathBuf>,
    /// Adds headers to the message using K:V format
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    headers: Vec<String>,
}

impl MessageArgs {
    /// What is shown at the start.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("multi-subject", self.multisubject.to_string()),
            ("multi-subject-max", number::grouped(self.multisubjectmax)),
            (
                "multi-subject-randomize",
                self.multisubjectrandomize.to_string(),
            ),
        ]
    }

    /// The subjects of one client's messages.
    pub(super) fn subjects(&self, base: &str, offset: u64) -> Subjects {
        let mut text = base.as_bytes().to_vec();
        if self.multisubject {
            text.push(b'.');
        }
        Subjects {
            base: text.len(),
            text,
            multi: self.multisubject,
            max: if self.multisubjectmax == 0 {
                u64::MAX
            } else {
                self.multisubjectmax
            },
            random: self.multisubjectrandomize,
            next: offset,
        }
    }
}

impl ContentArgs {
    /// The body of every message.
    pub(super) fn body(&self, common: &CommonArgs) -> Result<Vec<u8>> {
        match &self.payload {
            Some(path) => std::fs::read(path).context(path.display()),
            None => Ok((0..common.size()?)
                .map(|at| b'a' + (at % 26) as u8)
                .collect()),
        }
    }

    /// The header block of every message; empty without headers.
    pub(super) fn header_block(&self) -> Result<Vec<u8>> {
        let pairs = headers::sorted(&headers::parse(&self.headers)?);
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let mut block = b"NATS/1.0\r\n".to_vec();
        for (key, value) in pairs {
            block.extend_from_slice(format!("{key}: {value}\r\n").as_bytes());
        }
        block.extend_from_slice(b"\r\n");
        Ok(block)
    }
}

/// Subjects one after the other, in one buffer.
pub(super) struct Subjects {
    text: Vec<u8>,
    base: usize,
    multi: bool,
    max: u64,
    random: bool,
    next: u64,
}

impl Subjects {
    /// The next subject.
    pub(super) fn next(&mut self) -> &[u8] {
        if self.multi {
            let number = if self.random {
                template::random()
            } else {
                self.next
            } % self.max;
            self.next += 1;
            self.text.truncate(self.base);
            push_number(&mut self.text, number);
        }
        &self.text
    }
}

/// Appends a number in decimal, without allocating.
pub(super) fn push_number(text: &mut Vec<u8>, number: u64) {
    use std::io::Write;
    // Writing to a Vec cannot fail.
    let _ = write!(text, "{number}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_take_turns() {
        let content = ContentArgs {
            payload: None,
            headers: vec!["a:b".to_owned()],
        };
        let mut args = MessageArgs {
            multisubject: true,
            multisubjectmax: 2,
            multisubjectrandomize: false,
            content,
        };
        let mut subjects = args.subjects("x", 1);
        let seen: Vec<_> = (0..3)
            .map(|_| String::from_utf8_lossy(subjects.next()).into_owned())
            .collect();
        assert_eq!(seen, ["x.1", "x.0", "x.1"]);
        args.multisubject = false;
        assert_eq!(args.subjects("x", 1).next(), b"x");
        assert_eq!(
            args.content.header_block().ok().as_deref(),
            Some(&b"NATS/1.0\r\na: b\r\n\r\n"[..])
        );
    }
}

//! Reading stored messages directly, without a consumer: by sequence, or in batches.

use std::time::Instant;

use super::core::{inbox, nanos, reply};
use super::job::{Client, CommonArgs, Job, Sample};
use crate::app::App;
use crate::connect::raw::Frame;
use crate::error::{Error, Result};
use crate::output::histogram::Histogram;
use crate::output::number;

#[derive(clap::Args)]
pub(super) struct SyncArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The stream to use
    #[arg(long, default_value = "benchstream")]
    stream: String,
}

#[derive(clap::Args)]
pub(super) struct BatchArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The stream to use
    #[arg(long, default_value = "benchstream")]
    stream: String,
    /// Sets the max number of messages that are asked for at a time
    #[arg(long, default_value_t = 500)]
    batch: u64,
    /// Filter for the messages
    #[arg(long, default_value = ">")]
    filter: String,
}

/// What both need to know of a stream.
struct Source {
    subject: String,
    first: u64,
}

async fn source(app: &App, stream: &str, msgs: u64) -> Result<Source> {
    let jsm = app.jsm().await?;
    let info = jsm.stream_info(stream).await?;
    if !info.config.allow_direct {
        return Err(
            Error::new(format!("stream {stream} does not allow direct gets"))
                .hint("`nats stream edit --allow-direct` allows them."),
        );
    }
    if info.state.messages < msgs {
        let messages = number::grouped(info.state.messages);
        return Err(
            Error::new(format!("stream {stream} has {messages} messages only"))
                .hint("--msgs reads fewer, `nats bench js pub async SUBJECT` stores more."),
        );
    }
    Ok(Source {
        subject: jsm.subject(&format!("DIRECT.GET.{stream}")),
        first: info.state.first_seq,
    })
}

impl SyncArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let source = source(app, &self.stream, self.common.msgs).await?;
        let settings = vec![("stream", self.stream.clone())];
        let label = "JetStream synchronous getter";
        let job = Job {
            label,
            letter: 'G',
            verb: "expecting",
            settings,
            common: &self.common,
            each_gets_all: false,
        };
        job.run(app, |mut client| {
            let inbox = inbox(app, &mut client, "")?;
            let mut latencies = Histogram::default();
            let mut bytes = 0;
            client.start();
            for at in 0..client.msgs {
                let before = Instant::now();
                let body = format!("{{\"seq\":{}}}", source.first + client.offset + at);
                client.raw.publish(
                    source.subject.as_bytes(),
                    inbox.as_bytes(),
                    b"",
                    body.as_bytes(),
                )?;
                bytes += reply(&mut client.raw, |message| match message.status() {
                    // A message that was deleted is an answer too.
                    None | Some(200 | 404) => Ok(message.body.len() as u64),
                    Some(status) => Err(Error::new(format!("the stream answers {status}"))),
                })?;
                latencies.record(nanos(before));
                client.done(1);
            }
            Ok(client.sample(bytes, latencies))
        })
    }
}

impl BatchArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        if self.batch == 0 {
            return Err(Error::new("--batch must be at least 1"));
        }
        let source = source(app, &self.stream, self.common.msgs).await?;
        let settings = vec![
            ("batch", number::grouped(self.batch)),
            ("filter", self.filter.clone()),
            ("stream", self.stream.clone()),
        ];
        let label = "JetStream batched direct getter";
        let job = Job {
            label,
            letter: 'G',
            verb: "expecting",
            settings,
            common: &self.common,
            each_gets_all: true,
        };
        job.run(app, |client| self.get(app, client, &source))
    }

    fn get(&self, app: &App, mut client: Client<'_>, source: &Source) -> Result<Sample> {
        let inbox = inbox(app, &mut client, "")?;
        let mut latencies = Histogram::default();
        let (mut bytes, mut received, mut next) = (0, 0, source.first);
        client.start();
        while received < client.msgs {
            let count = self.batch.min(client.msgs - received);
            let body = format!(
                "{{\"seq\":{next},\"batch\":{count},\"next_by_subj\":{:?}}}",
                self.filter
            );
            let before = Instant::now();
            client.raw.publish(
                source.subject.as_bytes(),
                inbox.as_bytes(),
                b"",
                body.as_bytes(),
            )?;
            client.raw.flush()?;
            let mut got = 0;
            loop {
                let Some(Frame::Message(message)) = client.raw.next()? else {
                    continue;
                };
                match message.status() {
                    None | Some(200) => {
                        bytes += message.body.len() as u64;
                        next = sequence(message.headers).unwrap_or(next) + 1;
                        got += 1;
                    }
                    Some(204) => break,
                    Some(404) => {
                        return Err(Error::new(
                            "the stream has no more messages that match --filter",
                        ));
                    }
                    Some(status) => return Err(Error::new(format!("the stream answers {status}"))),
                }
            }
            if got == 0 {
                return Err(Error::new(
                    "the stream has no more messages that match --filter",
                ));
            }
            latencies.record(nanos(before));
            received += got;
            client.done(got);
        }
        Ok(client.sample(bytes, latencies))
    }
}

/// The value of `Nats-Sequence`.
fn sequence(headers: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"Nats-Sequence: ";
    let at = memchr::memmem::find(headers, NAME)? + NAME.len();
    let digits = headers
        .get(at..)?
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    digits.copied().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn sequences_are_read() {
        assert_eq!(
            super::sequence(b"NATS/1.0\r\nNats-Sequence: 42\r\n\r\n"),
            Some(42)
        );
        assert_eq!(super::sequence(b"NATS/1.0\r\n\r\n"), None);
    }
}

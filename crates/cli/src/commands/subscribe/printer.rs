//! Messages as text: pretty, raw, or as JSON into files.

use std::path::PathBuf;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::stream::summary;
use super::{Event, SubscribeArgs};
use crate::commands::shared::{headers, show, translate};
use crate::error::{Context, Result};
use crate::output::{self, duration};
use crate::say;

enum Dump {
    Stdout,
    Folder(PathBuf),
}

/// Prints messages.
pub(super) struct Printer {
    dump: Option<Dump>,
    raw: bool,
    headers_only: bool,
    subjects_only: bool,
    translate: Option<String>,
    timestamp: bool,
    delta_time: bool,
    started: Instant,
}

impl Printer {
    pub(super) fn new(args: &SubscribeArgs) -> Result<Self> {
        let dump = match args.dump.as_deref() {
            None => None,
            Some("-") => Some(Dump::Stdout),
            Some(folder) => {
                std::fs::create_dir_all(folder).context(folder)?;
                Some(Dump::Folder(folder.into()))
            }
        };
        Ok(Printer {
            dump,
            raw: args.raw,
            headers_only: args.headers_only,
            subjects_only: args.subjects_only,
            translate: args.translate.clone(),
            timestamp: args.timestamp,
            delta_time: args.delta_time,
            started: Instant::now(),
        })
    }

    /// Says from when on time is counted.
    pub(super) fn start(&mut self, at: Instant) {
        self.started = at;
    }

    pub(super) async fn print(
        &self,
        event: &Event,
        reply: Option<&Event>,
        count: u64,
    ) -> Result<()> {
        if let Some(dump) = &self.dump {
            let name = event
                .delivery
                .as_ref()
                .map_or(count, |delivery| delivery.stream_seq);
            self.dump(dump, event, &format!("{name}.json")).await?;
            return match reply {
                Some(reply) => self.dump(dump, reply, &format!("{name}_reply.json")).await,
                None => Ok(()),
            };
        }
        if self.raw {
            for event in [Some(event), reply].into_iter().flatten() {
                let mut body = self.body(event).await?;
                body.push(b'\n');
                output::print(&body);
            }
            return Ok(());
        }
        let stamp = self.stamp(event);
        match &event.delivery {
            Some(delivery) => say!(
                "[#{count}]{stamp} Received JetStream message: {}",
                summary(&event.subject, delivery)
            ),
            None => {
                let reply = event
                    .reply
                    .as_ref()
                    .map(|reply| format!(" with reply {reply:?}"))
                    .unwrap_or_default();
                say!("[#{count}]{stamp} Received on {:?}{reply}", event.subject);
            }
        }
        self.contents(event).await?;
        if let Some(reply) = reply {
            say!("[#{count}]{stamp} Matched reply on {:?}", reply.subject);
            self.contents(reply).await?;
        }
        Ok(())
    }

    async fn contents(&self, event: &Event) -> Result<()> {
        if self.subjects_only {
            return Ok(());
        }
        let body = self.body(event).await?;
        let mut text = show::message(event.headers.as_ref(), &body, self.headers_only);
        text.extend_from_slice(b"\n\n");
        output::show_bytes(&text);
        Ok(())
    }

    async fn body(&self, event: &Event) -> Result<Vec<u8>> {
        match &self.translate {
            Some(command) => translate::translate(command, &event.subject, &event.body).await,
            None => Ok(event.body.clone()),
        }
    }

    fn stamp(&self, event: &Event) -> String {
        let at = event.delivery.as_ref().map(|delivery| delivery.time);
        if self.timestamp {
            let at = at
                .unwrap_or_else(jiff::Timestamp::now)
                .to_zoned(jiff::tz::TimeZone::system());
            return format!(" @ {}", at.strftime("%b %e %H:%M:%S.%6f"));
        }
        if self.delta_time {
            let elapsed = at.map_or_else(|| self.started.elapsed(), output::time::since);
            return format!(" @ {}", duration::human(elapsed));
        }
        String::new()
    }

    /// A message as the official tool serialises it.
    async fn dump(&self, dump: &Dump, event: &Event, file: &str) -> Result<()> {
        let mut header = serde_json::Map::new();
        for (key, value) in event
            .headers
            .as_ref()
            .map(headers::sorted)
            .unwrap_or_default()
        {
            let values = header.entry(key).or_insert_with(|| json!([]));
            if let Some(values) = values.as_array_mut() {
                values.push(json!(value));
            }
        }
        let message = json!({
            "Subject": event.subject,
            "Reply": event.reply.as_deref().unwrap_or_default(),
            "Header": if header.is_empty() { json!(null) } else { header.into() },
            "Data": STANDARD.encode(self.body(event).await?),
            "Sub": null,
        });
        let mut text = serde_json::to_vec(&message)?;
        match dump {
            Dump::Stdout => {
                text.push(0);
                output::print(&text);
            }
            Dump::Folder(folder) => {
                let path = folder.join(file);
                std::fs::write(&path, &text).context(path.display())?;
            }
        }
        Ok(())
    }
}

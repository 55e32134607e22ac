//! Messages out of a stream by direct gets, a batch at a time, leaving no consumer behind.

use std::time::Duration;

use async_nats::{HeaderMap, Message};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{Event, Flow, Sink, SubscribeArgs};
use crate::error::{Error, Result};
use crate::jsm::{Delivery, Jsm, StreamInfo};
use crate::note;
use crate::output::{duration, time};

/// Messages asked for at a time.
const BATCH: u64 = 500;

/// How long the next message of a batch is waited for.
const ANSWER: Duration = Duration::from_secs(5);

/// Time between two looks at a stream that had nothing new.
const POLL: Duration = Duration::from_millis(500);

pub(super) async fn run(
    args: &SubscribeArgs,
    jsm: &Jsm,
    info: &StreamInfo,
    sink: &mut Sink,
) -> Result<()> {
    let filter = args.subjects.first().map_or(">", String::as_str);
    let mut next = start(args, info)?;
    if args.is_talkative() {
        note!("Subscribing to subject {filter} using direct gets from sequence {next}");
    }
    let call = format!("DIRECT.GET.{}", info.config.name);
    let mut idle = Duration::ZERO;
    loop {
        let body = request(args, filter, next);
        let inbox = jsm.client().new_inbox();
        let mut replies = jsm.client().subscribe(inbox.clone()).await?;
        jsm.client()
            .publish_with_reply(jsm.subject(&call), inbox, serde_json::to_vec(&body)?.into())
            .await?;
        let mut received = 0;
        loop {
            let message = tokio::time::timeout(ANSWER, replies.next()).await;
            // Without a last word there may be more than what came.
            let message = message.ok().flatten().ok_or_else(|| {
                Error::new(format!(
                    "the stream sent nothing for {}",
                    duration::human(ANSWER)
                ))
            })?;
            match message.status.map(|status| status.as_u16()) {
                None | Some(200) => {}
                Some(204 | 404) => break,
                Some(status) => {
                    let told = message.description.as_deref().unwrap_or_default();
                    return Err(Error::new(format!("the stream answers {status} {told}"))
                        .hint("Batches of direct gets need server 2.11."));
                }
            }
            let Some(event) = event(message, filter) else {
                continue;
            };
            received += 1;
            next = event
                .delivery
                .as_ref()
                .map_or(next, |delivery| delivery.stream_seq.saturating_add(1));
            if sink.take(event, None).await? == Flow::Done {
                return Ok(());
            }
        }
        sink.tick();
        let is_once = args.stream.last_per_subject || args.stream.terminate_at_end;
        match received {
            0 if is_once => return Ok(()),
            0 => {
                idle += POLL;
                if args.wait.is_some_and(|wait| idle >= wait) {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
            _ if args.stream.last_per_subject => return Ok(()),
            _ => idle = Duration::ZERO,
        }
    }
}

fn start(args: &SubscribeArgs, info: &StreamInfo) -> Result<u64> {
    if args.stream.since.is_some() {
        return Err(Error::new("--since is not supported with direct gets")
            .hint("Use --start-sequence or --all."));
    }
    Ok(match () {
        () if args.stream.new => info.state.last_seq.saturating_add(1),
        () if args.stream.last => info.state.last_seq.max(1),
        () => args
            .stream
            .start_sequence
            .unwrap_or(info.state.first_seq)
            .max(1),
    })
}

fn request(args: &SubscribeArgs, filter: &str, next: u64) -> Value {
    match args.stream.last_per_subject {
        true => json!({ "multi_last": [filter] }),
        false => json!({ "seq": next, "batch": BATCH, "next_by_subj": filter }),
    }
}

fn event(message: Message, filter: &str) -> Option<Event> {
    let headers = message.headers?;
    let text = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    let number = |name: &str| text(name)?.parse::<u64>().ok();
    let delivery = Delivery {
        stream: text("Nats-Stream")?,
        consumer: String::new(),
        deliveries: 1,
        stream_seq: number("Nats-Sequence")?,
        consumer_seq: 0,
        time: time::parse(&text("Nats-Time-Stamp")?)?,
        pending: number("Nats-Num-Pending").unwrap_or(0),
    };
    let subject = text("Nats-Subject")?;
    let is_own = |name: &str| {
        ![
            "Nats-Stream",
            "Nats-Subject",
            "Nats-Sequence",
            "Nats-Time-Stamp",
            "Nats-Num-Pending",
            "Nats-Last-Sequence",
            "Nats-UpTo-Sequence",
        ]
        .contains(&name)
    };
    let mut rest = HeaderMap::new();
    for (name, values) in headers.iter().filter(|(name, _)| is_own(name.as_ref())) {
        values
            .iter()
            .for_each(|value| rest.append(name.clone(), value.clone()));
    }
    let headers = (!rest.is_empty()).then_some(rest);
    Some(Event {
        subject,
        filter: filter.to_owned(),
        reply: None,
        headers,
        body: message.payload.to_vec(),
        delivery: Some(delivery),
    })
}

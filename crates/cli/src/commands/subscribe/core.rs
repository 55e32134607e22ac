//! Subscriptions to subjects, with or without matching requests to their replies.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_nats::{Client, Message};
use futures_util::{StreamExt, stream::select_all};

use super::{Event, Flow, Sink, SubscribeArgs, quiet};
use crate::app::App;
use crate::error::Result;
use crate::jsm::Delivery;
use crate::note;

/// Requests that wait for their replies at most; older ones are forgotten.
const MAX_WAITING: usize = 100_000;

/// Replies that wait for their requests at most: each subscription has a queue of its own, so a reply
/// may be seen a moment before the request. Most are replies to requests of others.
const MAX_EARLY: usize = 100;

pub(super) async fn run(
    args: &SubscribeArgs,
    app: &App,
    client: Client,
    sink: &mut Sink,
) -> Result<()> {
    let inboxes = match args.match_replies {
        true => Some(inbox_filter(app)?),
        false => None,
    };
    let mut streams = Vec::new();
    let filters = args.subjects.iter().map(|subject| (subject.clone(), false));
    for (filter, is_inbox) in filters.chain(inboxes.clone().map(|inbox| (inbox, true))) {
        let subscription = match &args.queue {
            Some(queue) if !is_inbox => {
                client
                    .queue_subscribe(filter.clone(), queue.clone())
                    .await?
            }
            _ => client.subscribe(filter.clone()).await?,
        };
        streams.push(
            subscription
                .map(move |message| (filter.clone(), is_inbox, message))
                .boxed(),
        );
    }
    app.finish(&client).await?;
    announce(args, inboxes.as_deref());
    let mut messages = select_all(streams);
    let mut requests: HashMap<String, Event> = HashMap::new();
    let mut early: HashMap<String, Event> = HashMap::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut last = Instant::now();
    loop {
        tokio::select! {
            _ = tick.tick() => sink.tick(),
            () = quiet(args.wait, last) => return Ok(()),
            next = messages.next() => {
                let Some((filter, is_inbox, message)) = next else { return Ok(()) };
                last = Instant::now();
                acknowledge(args, &client, &message).await?;
                let event = event(filter, message);
                let flow = match (is_inbox, &event.reply) {
                    (true, _) => match requests.remove(&event.subject) {
                        Some(request) => sink.take(request, Some(event)).await?,
                        None => {
                            remember(&mut early, event.subject.clone(), event, MAX_EARLY);
                            Flow::More
                        }
                    },
                    (false, Some(reply)) if args.match_replies => match early.remove(reply) {
                        Some(answer) => sink.take(event, Some(answer)).await?,
                        None => {
                            remember(&mut requests, reply.clone(), event, MAX_WAITING);
                            Flow::More
                        }
                    },
                    _ => sink.take(event, None).await?,
                };
                if flow == Flow::Done {
                    return Ok(());
                }
            }
        }
    }
}

fn remember(events: &mut HashMap<String, Event>, key: String, event: Event, most: usize) {
    if events.len() >= most {
        events.clear();
    }
    events.insert(key, event);
}

fn inbox_filter(app: &App) -> Result<String> {
    let prefix = &app.settings()?.context.inbox_prefix;
    Ok(if prefix.is_empty() {
        "_INBOX.>".to_owned()
    } else {
        format!("{prefix}.>")
    })
}

fn announce(args: &SubscribeArgs, inboxes: Option<&str>) {
    if !args.is_talkative() {
        return;
    }
    if let Some(inboxes) = inboxes {
        note!("Matching replies with inbox prefix {inboxes}");
    }
    let ignored = match args.ignore.as_slice() {
        [] => String::new(),
        ignore => format!("\nIgnored subjects: {}", ignore.join(", ")),
    };
    let acks = if args.ack {
        "with acknowledgement of JetStream messages "
    } else {
        ""
    };
    note!(
        "Subscribing on {} {acks}{ignored}",
        args.subjects.join(", ")
    );
}

async fn acknowledge(args: &SubscribeArgs, client: &Client, message: &Message) -> Result<()> {
    match &message.reply {
        Some(reply) if args.ack && Delivery::of(reply).is_some() => {
            Ok(client.publish(reply.clone(), Vec::new().into()).await?)
        }
        _ => Ok(()),
    }
}

fn event(filter: String, message: Message) -> Event {
    Event {
        subject: message.subject.to_string(),
        filter,
        reply: message.reply.map(|reply| reply.to_string()),
        headers: message.headers,
        body: message.payload.to_vec(),
        delivery: None,
    }
}

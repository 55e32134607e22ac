//! Messages out of a stream, by a consumer made for the purpose or a durable one there is.

use std::time::{Duration, Instant};

use async_nats::Client;
use jiff::{SignedDuration, Timestamp};

use super::{Event, Flow, Sink, SubscribeArgs, direct, quiet};
use crate::app::App;
use crate::error::{Context, Error, Result};
use crate::jsm::{ConsumerConfig, ConsumerInfo, Delivery, Jsm, code};
use crate::note;
use crate::output::{duration, number};

/// Messages asked for at a time.
const BATCH: u64 = 500;

/// How long the server keeps the consumer when nobody asks any more.
const INACTIVE: Duration = Duration::from_secs(60);

pub(super) async fn run(
    args: &SubscribeArgs,
    app: &App,
    client: Client,
    sink: &mut Sink,
) -> Result<()> {
    let jsm = app.jsm_on(client)?;
    let stream = stream_name(args, &jsm).await?;
    let info = jsm.stream_info(&stream).await?;
    let needs_direct = matches!(info.config.retention.as_str(), "workqueue" | "interest");
    if args.durable.is_none() && (args.stream.direct || needs_direct) {
        if !info.config.allow_direct {
            return Err(
                Error::new(format!("stream {stream} does not allow direct gets")).hint(
                    "`nats stream edit --allow-direct` allows them; --durable uses a consumer.",
                ),
            );
        }
        return direct::run(args, &jsm, &info, sink).await;
    }
    let consumer = consumer(args, &jsm, &stream).await?;
    let result = follow(args, &jsm, &consumer, sink).await;
    if args.durable.is_none() {
        // Best effort: the server removes it by itself when this fails.
        let _ = jsm.delete_consumer(&stream, &consumer.name).await;
    }
    result
}

async fn stream_name(args: &SubscribeArgs, jsm: &Jsm) -> Result<String> {
    if let Some(name) = &args.stream.name {
        return Ok(name.clone());
    }
    let subject = args.subjects.first().context("subject is required")?;
    let names = jsm.stream_names(Some(subject)).await?;
    names
        .into_iter()
        .next()
        .context(format!("no stream found with subject: {subject}"))
}

async fn consumer(args: &SubscribeArgs, jsm: &Jsm, stream: &str) -> Result<ConsumerInfo> {
    if let Some(durable) = &args.durable {
        match jsm.consumer_info(stream, durable).await {
            Err(error) if error.api_code() == Some(code::CONSUMER_NOT_FOUND) => {}
            result => return result,
        }
    }
    let mut config = starting(args)?;
    config.headers_only = args.headers_only || args.subjects_only;
    config.filter_subject = args.subjects.first().cloned().unwrap_or_default();
    if args.stream.last_per_subject && config.filter_subject.is_empty() {
        // Servers want to be told of which subjects.
        ">".clone_into(&mut config.filter_subject);
    }
    match &args.durable {
        Some(durable) => {
            config.durable_name.clone_from(durable);
            config.ack_policy = "explicit".into();
        }
        None => {
            config.ack_policy = "none".into();
            config.inactive_threshold = duration::nanos(INACTIVE);
            config.num_replicas = 1;
            config.mem_storage = true;
        }
    }
    jsm.create_consumer(stream, &config, "").await
}

/// Where in the stream to begin.
fn starting(args: &SubscribeArgs) -> Result<ConsumerConfig> {
    let mut config = ConsumerConfig {
        replay_policy: "instant".into(),
        ..ConsumerConfig::default()
    };
    let subject = args.subjects.first().map_or(">", String::as_str);
    let stream = &args.stream;
    let (policy, told) = match () {
        () if stream.start_sequence.is_some() => {
            config.opt_start_seq = stream.start_sequence.unwrap_or_default();
            (
                "by_start_sequence",
                format!("starting at sequence {}", config.opt_start_seq),
            )
        }
        () if stream.last => ("last", "from last received message".to_owned()),
        () if stream.new => ("new", "for new messages".to_owned()),
        () if stream.last_per_subject => (
            "last_per_subject",
            "for last message per subject".to_owned(),
        ),
        () => match stream.since {
            Some(since) => {
                let start = Timestamp::now().checked_sub(SignedDuration::try_from(since)?)?;
                config.opt_start_time = Some(start.to_string());
                ("by_start_time", format!("since {}", duration::human(since)))
            }
            None => ("all", "from first received message".to_owned()),
        },
    };
    config.deliver_policy = policy.into();
    if args.is_talkative() {
        note!("Subscribing to subject {subject} {told} ");
    }
    Ok(config)
}

async fn follow(
    args: &SubscribeArgs,
    jsm: &Jsm,
    consumer: &ConsumerInfo,
    sink: &mut Sink,
) -> Result<()> {
    let acknowledges = consumer.config.ack_policy.as_str() != "none";
    if args.stream.terminate_at_end && consumer.num_pending == 0 {
        return Ok(());
    }
    let batch = if args.count > 0 {
        args.count.min(BATCH)
    } else {
        BATCH
    };
    let mut messages = jsm.messages(consumer, batch).await?;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut last = Instant::now();
    loop {
        tokio::select! {
            _ = tick.tick(), if sink.live.is_some() => sink.tick(),
            () = quiet(args.wait, last) => return Ok(()),
            message = messages.next(None) => {
                let Some(message) = message? else { return Ok(()) };
                last = Instant::now();
                let reply = message.reply.clone();
                let delivery = reply.as_ref().and_then(|reply| Delivery::of(reply));
                let is_last = delivery.as_ref().is_some_and(|delivery| delivery.pending == 0);
                let event = Event {
                    subject: message.subject.to_string(),
                    filter: consumer.config.filter_subject.clone(),
                    reply: reply.as_ref().map(ToString::to_string),
                    headers: message.headers,
                    body: message.payload.to_vec(),
                    delivery,
                };
                let flow = sink.take(event, None).await?;
                if let Some(reply) = reply.filter(|_| acknowledges) {
                    jsm.client().publish(reply, Vec::new().into()).await?;
                }
                if flow == Flow::Done || (args.stream.terminate_at_end && is_last) {
                    return Ok(jsm.client().flush().await?);
                }
            }
        }
    }
}

/// How a stored message is told.
pub(super) fn summary(subject: &str, delivery: &Delivery) -> String {
    format!(
        "stream: {} seq: {} / pending: {} / subject: {subject} / time: {}",
        delivery.stream,
        number::grouped(delivery.stream_seq),
        number::grouped(delivery.pending),
        crate::output::time::local(delivery.time),
    )
}

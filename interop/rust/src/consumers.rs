//! Consumers on the server with JetStream.

use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, PullConsumer, PushConsumer, pull, push};
use async_nats::jetstream::stream::Config;
use async_nats::jetstream::{AckKind, Message};
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::timeout;

use crate::Result;
use crate::harness::{Report, WAIT, env, expect, options};
use crate::jetstream::{fill, fixture, refused};

pub async fn run(report: &mut Report) {
    report.check("js_pull_fetch", pull_fetch()).await;
    report.check("js_pull_consume", pull_consume()).await;
    report.check("js_push", push_consumer()).await;
    report.check("js_ordered", ordered()).await;
    report.check("js_ack_kinds", ack_kinds()).await;
    report.check("js_redelivery", redelivery()).await;
    report.check("js_consumer_manage", consumer_manage()).await;
}

/// A durable pull consumer, all else by default.
pub fn durable() -> pull::Config {
    pull::Config {
        durable_name: Some("durable".to_owned()),
        ..pull::Config::default()
    }
}

async fn pull_fetch() -> Result {
    let (js, stream) = fixture("fetch", Config::default()).await?;
    fill(&js, "rust.fetch.x", 25).await?;
    let mut consumer = stream.create_consumer(durable()).await?;
    let mut number = 0;
    for count in [10, 10, 5] {
        for message in fetch(&consumer, count).await? {
            expect(
                "payload",
                &message.payload[..],
                number.to_string().as_bytes(),
            )?;
            message.double_ack().await?;
            number += 1;
        }
    }
    let info = consumer.info().await?;
    let left = (
        info.num_pending,
        info.num_ack_pending,
        info.ack_floor.stream_sequence,
    );
    expect("left", left, (0, 0, 25))?;
    let empty = consumer.fetch().max_messages(5).messages().await?;
    expect("messages of an empty consumer", empty.count().await, 0)?;
    js.delete_stream("RUST_fetch").await?;
    Ok(())
}

async fn pull_consume() -> Result {
    const COUNT: usize = 2_000;
    let (js, stream) = fixture("consume", Config::default()).await?;
    let consumer = stream.create_consumer(durable()).await?;
    let mut messages = consumer
        .stream()
        .max_messages_per_batch(100)
        .messages()
        .await?;
    let publisher = js.clone();
    let publishing = tokio::spawn(async move {
        for number in 0..COUNT {
            let published = publisher
                .publish("rust.consume.x", number.to_string().into())
                .await;
            drop(published);
        }
    });
    for number in 0..COUNT {
        let message = timeout(WAIT, messages.next())
            .await?
            .ok_or("the consumer ended")??;
        expect(
            "payload",
            &message.payload[..],
            number.to_string().as_bytes(),
        )?;
        message.ack().await?;
    }
    publishing.await?;
    js.delete_stream("RUST_consume").await?;
    Ok(())
}

async fn push_consumer() -> Result {
    let (js, stream) = fixture("push", Config::default()).await?;
    let client = options().connect(env("JETSTREAM_URL")?).await?;
    let config = push::Config {
        durable_name: Some("pusher".to_owned()),
        deliver_subject: client.new_inbox(),
        flow_control: true,
        idle_heartbeat: Duration::from_secs(1),
        ..push::Config::default()
    };
    let mut consumer: PushConsumer = stream.create_consumer(config).await?;
    let mut messages = consumer.messages().await?;
    fill(&js, "rust.push.x", 200).await?;
    for number in 0..200 {
        let message = timeout(WAIT, messages.next())
            .await?
            .ok_or("the consumer ended")??;
        expect(
            "payload",
            &message.payload[..],
            number.to_string().as_bytes(),
        )?;
        message.ack().await?;
    }
    expect("push bound", consumer.info().await?.push_bound, true)?;
    js.delete_stream("RUST_push").await?;
    Ok(())
}

async fn ordered() -> Result {
    const COUNT: u64 = 2_000;
    let (js, stream) = fixture("ordered", Config::default()).await?;
    let mut acks = Vec::new();
    for _ in 0..COUNT {
        acks.push(js.publish("rust.ordered.x", vec![0; 100].into()).await?);
    }
    for ack in acks {
        ack.await?;
    }
    let client = options().connect(env("JETSTREAM_URL")?).await?;
    let config = push::OrderedConfig {
        deliver_subject: client.new_inbox(),
        ..push::OrderedConfig::default()
    };
    let mut pushed = stream.create_consumer(config).await?.messages().await?;
    let mut pulled = stream
        .create_consumer(pull::OrderedConfig::default())
        .await?
        .messages()
        .await?;
    for wanted in 1..=COUNT {
        let message = timeout(WAIT, pushed.next())
            .await?
            .ok_or("the push consumer ended")??;
        expect("pushed", message.info()?.stream_sequence, wanted)?;
        let message = timeout(WAIT, pulled.next())
            .await?
            .ok_or("the pull consumer ended")??;
        expect("pulled", message.info()?.stream_sequence, wanted)?;
    }
    js.delete_stream("RUST_ordered").await?;
    Ok(())
}

async fn ack_kinds() -> Result {
    let (js, stream) = fixture("acks", Config::default()).await?;
    fill(&js, "rust.acks.x", 4).await?;
    let mut consumer = stream.create_consumer(durable()).await?;
    let messages = fetch(&consumer, 4).await?;
    let [acked, naked, ended, slow] = &messages[..] else {
        return Err("not four messages".into());
    };
    acked.double_ack().await?;
    naked.ack_with(AckKind::Nak(None)).await?;
    ended.ack_with(AckKind::Term).await?;
    slow.ack_with(AckKind::Progress).await?;
    let again = fetch(&consumer, 1).await?.remove(0);
    expect("delivered again", delivery(&again)?, "1/2")?;
    again
        .ack_with(AckKind::Nak(Some(Duration::from_millis(300))))
        .await?;
    let later = fetch(&consumer, 1).await?.remove(0);
    expect("delivered after the delay", delivery(&later)?, "1/3")?;
    later.double_ack().await?;
    let info = consumer.info().await?;
    expect(
        "left",
        (info.num_ack_pending, info.ack_floor.stream_sequence),
        (1, 3),
    )?;
    js.delete_stream("RUST_acks").await?;
    Ok(())
}

async fn redelivery() -> Result {
    let (js, stream) = fixture("redeliver", Config::default()).await?;
    fill(&js, "rust.redeliver.x", 1).await?;
    let config = pull::Config {
        ack_wait: Duration::from_millis(500),
        max_deliver: 2,
        ..durable()
    };
    let consumer = stream.create_consumer(config).await?;
    for wanted in ["0/1", "0/2"] {
        expect(
            "delivery",
            delivery(&fetch(&consumer, 1).await?[0])?,
            wanted,
        )?;
    }
    let batch = consumer
        .fetch()
        .max_messages(1)
        .expires(Duration::from_millis(1200));
    let more = batch
        .messages()
        .await?
        .filter_map(async |message| message.ok())
        .count()
        .await;
    expect("deliveries beyond max_deliver", more, 0)?;
    js.delete_stream("RUST_redeliver").await?;
    Ok(())
}

async fn consumer_manage() -> Result {
    let (js, stream) = fixture("manage", Config::default()).await?;
    fill(&js, "rust.manage.a", 3).await?;
    fill(&js, "rust.manage.b", 2).await?;
    let config = pull::Config {
        filter_subjects: vec!["rust.manage.b".to_owned()],
        ..durable()
    };
    let consumer = stream.create_consumer(config.clone()).await?;
    expect("pending", consumer.cached_info().num_pending, 2)?;
    let edited = pull::Config {
        description: Some("second".to_owned()),
        filter_subjects: vec!["rust.manage.a".to_owned()],
        ..config
    };
    let consumer = stream.update_consumer(edited.clone()).await?;
    expect(
        "pending after the edit",
        consumer.cached_info().num_pending,
        3,
    )?;
    let other = pull::Config {
        deliver_policy: DeliverPolicy::New,
        ..edited
    };
    refused(
        "create over another",
        stream.create_consumer_strict(other).await,
        "already exists",
    )?;
    let names: Vec<String> = stream.consumer_names().try_collect().await?;
    expect("names", names, ["durable"])?;
    let until = time_from_now(Duration::from_secs(3600));
    expect(
        "paused",
        stream.pause_consumer("durable", until).await?.paused,
        true,
    )?;
    expect(
        "resumed",
        stream.resume_consumer("durable").await?.paused,
        false,
    )?;
    stream.delete_consumer("durable").await?;
    refused(
        "a deleted consumer",
        stream.consumer_info("durable").await,
        "consumer not found",
    )?;
    js.delete_stream("RUST_manage").await?;
    Ok(())
}

fn time_from_now(wait: Duration) -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc() + wait
}

/// Exactly `count` messages of a consumer.
pub async fn fetch(consumer: &PullConsumer, count: usize) -> Result<Vec<Message>> {
    let batch = consumer
        .fetch()
        .max_messages(count)
        .expires(WAIT)
        .messages()
        .await?;
    let messages: Vec<_> = batch.try_collect().await?;
    expect("messages fetched", messages.len(), count)?;
    Ok(messages)
}

/// Payload and number of deliveries.
fn delivery(message: &Message) -> Result<String> {
    let payload = String::from_utf8_lossy(&message.payload);
    Ok(format!("{payload}/{}", message.info()?.delivered))
}

//! Streams and publishing on the server with JetStream.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{self, Config, StorageType, Stream};
use async_nats::jetstream::{self, Context};
use futures_util::TryStreamExt;
use tokio::time::{Instant, sleep, timeout};

use crate::Result;
use crate::consumers;
use crate::harness::{Report, WAIT, control, env, expect, options};
use crate::mirror;

pub async fn run(report: &mut Report) {
    report.check("js_account", account()).await;
    report.check("js_stream_edit", stream_edit()).await;
    report.check("js_stream_purge", stream_purge()).await;
    report.check("js_stream_list", stream_list()).await;
    report.check("js_publish", publish()).await;
    report
        .check("js_publish_duplicate", publish_duplicate())
        .await;
    report
        .check("js_publish_expected", publish_expected())
        .await;
    report.check("js_messages", messages()).await;
    report.check("js_direct_get", direct_get()).await;
    report.check("js_errors", errors()).await;
    report.check("js_message_ttl", message_ttl()).await;
    report.check("js_counter", counter()).await;
    report.check("js_batch", batch()).await;
    report.check("js_survives_kill", survives_kill()).await;
    report.check("js_mirror", mirror::run()).await;
}

/// A context of a connection of its own.
pub async fn context() -> Result<Context> {
    Ok(jetstream::new(
        options().connect(env("JETSTREAM_URL")?).await?,
    ))
}

/// A fresh stream `RUST_<name>` on `rust.<name>.>`; what an earlier failure left is removed.
pub async fn fixture(name: &str, config: Config) -> Result<(Context, Stream)> {
    let js = context().await?;
    let full = format!("RUST_{name}");
    let _ = js.delete_stream(&full).await;
    let config = Config {
        name: full,
        subjects: vec![format!("rust.{name}.>")],
        ..config
    };
    let stream = js.create_stream(config).await?;
    Ok((js, stream))
}

/// Publishes `0`, `1`, … one after the other.
pub async fn fill(js: &Context, subject: &str, count: usize) -> Result {
    for number in 0..count {
        js.publish(subject.to_owned(), number.to_string().into())
            .await?
            .await?;
    }
    Ok(())
}

/// Fails unless the text tells of this error.
pub fn refused<T, E: std::error::Error>(
    what: &str,
    result: std::result::Result<T, E>,
    wanted: &str,
) -> Result {
    let Err(error) = result else {
        return Err(format!("{what}: accepted").into());
    };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    if text.contains(wanted) {
        return Ok(());
    }
    Err(format!("{what}: got {text:?}, want {wanted:?}").into())
}

async fn account() -> Result {
    let (js, _) = fixture("account", Config::default()).await?;
    let account = js.query_account().await?;
    expect("streams at least", account.streams >= 1, true)?;
    expect("api requests counted", account.requests.total > 0, true)?;
    js.delete_stream("RUST_account").await?;
    Ok(())
}

async fn stream_edit() -> Result {
    let (js, mut stream) = fixture("edit", Config::default()).await?;
    let config = Config {
        max_messages: 3,
        description: Some("edited".to_owned()),
        subjects: vec!["rust.edit.>".to_owned(), "rust.more".to_owned()],
        ..stream.cached_info().config.clone()
    };
    js.update_stream(config.clone()).await?;
    fill(&js, "rust.more", 5).await?;
    let info = stream.info().await?;
    expect(
        "description",
        info.config.description.as_deref(),
        Some("edited"),
    )?;
    let state = (
        info.state.messages,
        info.state.first_sequence,
        info.state.last_sequence,
    );
    expect("state", state, (3, 3, 5))?;
    let moved = Config {
        storage: StorageType::Memory,
        ..config
    };
    refused(
        "storage change",
        js.update_stream(moved).await,
        "can not change storage type",
    )?;
    js.delete_stream("RUST_edit").await?;
    Ok(())
}

async fn stream_purge() -> Result {
    let (js, mut stream) = fixture("purge", Config::default()).await?;
    fill(&js, "rust.purge.a", 5).await?;
    fill(&js, "rust.purge.b", 5).await?;
    stream.purge().filter("rust.purge.a").keep(1).await?;
    expect(
        "after a filtered purge",
        stream.info().await?.state.messages,
        6,
    )?;
    stream.purge().sequence(8).await?;
    expect(
        "after a purge up to a sequence",
        stream.info().await?.state.messages,
        3,
    )?;
    expect("purged", stream.purge().await?.purged, 3)?;
    let state = stream.info().await?.state.clone();
    expect(
        "state",
        (state.messages, state.first_sequence, state.last_sequence),
        (0, 11, 10),
    )?;
    js.delete_stream("RUST_purge").await?;
    Ok(())
}

async fn stream_list() -> Result {
    let (js, stream) = fixture("list", Config::default()).await?;
    fill(&js, "rust.list.a", 2).await?;
    fill(&js, "rust.list.b", 1).await?;
    expect(
        "by subject",
        js.stream_by_subject("rust.list.a").await?,
        "RUST_list",
    )?;
    let names: Vec<String> = js.stream_names().try_collect().await?;
    expect("listed", names.contains(&"RUST_list".to_owned()), true)?;
    let infos: Vec<stream::Info> = js.streams().try_collect().await?;
    expect(
        "info listed",
        infos.iter().any(|info| info.config.name == "RUST_list"),
        true,
    )?;
    let mut subjects: Vec<_> = stream.info_with_subjects(">").await?.try_collect().await?;
    subjects.sort();
    let wanted = [("rust.list.a".to_owned(), 2), ("rust.list.b".to_owned(), 1)];
    expect("subjects", subjects, wanted)?;
    js.delete_stream("RUST_list").await?;
    Ok(())
}

async fn publish() -> Result {
    let (js, _) = fixture("publish", Config::default()).await?;
    let ack = js.publish("rust.publish.one", "one".into()).await?.await?;
    expect(
        "ack",
        (ack.stream.as_str(), ack.sequence, ack.duplicate),
        ("RUST_publish", 1, false),
    )?;
    let mut acks = Vec::new();
    for _ in 0..500 {
        acks.push(js.publish("rust.publish.many", "m".into()).await?);
    }
    for (ack, wanted) in acks.into_iter().zip(2..) {
        expect("sequence", ack.await?.sequence, wanted)?;
    }
    let nowhere = js.publish("rust.nostream", "".into()).await?.await;
    let kind = nowhere.err().map(|error| error.kind());
    expect("no stream", kind, Some(PublishErrorKind::StreamNotFound))?;
    js.delete_stream("RUST_publish").await?;
    Ok(())
}

async fn publish_duplicate() -> Result {
    let (js, mut stream) = fixture("dupe", Config::default()).await?;
    for (duplicate, payload) in [(false, "1"), (true, "2")] {
        let message = PublishMessage::build()
            .message_id("id-1")
            .payload(payload.into());
        let ack = js.send_publish("rust.dupe.x", message).await?.await?;
        expect("ack", (ack.sequence, ack.duplicate), (1, duplicate))?;
    }
    expect("messages", stream.info().await?.state.messages, 1)?;
    js.delete_stream("RUST_dupe").await?;
    Ok(())
}

async fn publish_expected() -> Result {
    let (js, _) = fixture("expect", Config::default()).await?;
    let send = async |subject: &'static str, message: PublishMessage| {
        js.send_publish(subject, message).await?.await
    };
    let build = PublishMessage::build;
    send(
        "rust.expect.a",
        build().expected_stream("RUST_expect").message_id("first"),
    )
    .await?;
    send(
        "rust.expect.a",
        build()
            .expected_last_sequence(1)
            .expected_last_message_id("first"),
    )
    .await?;
    send("rust.expect.b", build().expected_last_subject_sequence(0)).await?;
    let wrong = send("rust.expect.a", build().expected_last_sequence(1)).await;
    refused("wrong last sequence", wrong, "wrong last sequence")?;
    let wrong = send("rust.expect.a", build().expected_last_subject_sequence(9)).await;
    expect(
        "wrong last subject sequence",
        wrong.err().map(|error| error.kind()),
        Some(PublishErrorKind::WrongLastSequence),
    )?;
    let wrong = send("rust.expect.a", build().expected_last_message_id("other")).await;
    let kind = wrong.err().map(|error| error.kind());
    expect(
        "wrong last id",
        kind,
        Some(PublishErrorKind::WrongLastMessageId),
    )?;
    let wrong = send("rust.expect.a", build().expected_stream("OTHER")).await;
    refused("wrong stream", wrong, "expected stream does not match")?;
    js.delete_stream("RUST_expect").await?;
    Ok(())
}

async fn messages() -> Result {
    let (js, mut stream) = fixture("msgs", Config::default()).await?;
    let mut headers = HeaderMap::new();
    // Of several values the client keeps the last one here.
    headers.insert("X-Key", "value");
    js.publish_with_headers("rust.msgs.a", headers.clone(), "1".into())
        .await?
        .await?;
    fill(&js, "rust.msgs.b", 2).await?;
    let first = stream.get_raw_message(1).await?;
    expect("headers", &first.headers, &headers)?;
    expect("payload", first.payload, "1")?;
    let last = stream
        .get_last_raw_message_by_subject("rust.msgs.b")
        .await?;
    expect("last by subject", last.sequence, 3)?;
    stream.delete_message(2).await?;
    refused(
        "a deleted message",
        stream.get_raw_message(2).await,
        "no message found",
    )?;
    expect("messages", stream.info().await?.state.messages, 2)?;
    js.delete_stream("RUST_msgs").await?;
    Ok(())
}

async fn direct_get() -> Result {
    let config = Config {
        allow_direct: true,
        ..Config::default()
    };
    let (js, stream) = fixture("direct", config).await?;
    fill(&js, "rust.direct.a", 3).await?;
    fill(&js, "rust.direct.b", 1).await?;
    let second = stream.direct_get(2).await?;
    expect(
        "by sequence",
        (second.subject.as_str(), &second.payload[..]),
        ("rust.direct.a", &b"1"[..]),
    )?;
    expect(
        "by subject",
        stream
            .direct_get_last_for_subject("rust.direct.b")
            .await?
            .sequence,
        4,
    )?;
    let next = stream
        .direct_get_next_for_subject("rust.direct.b", Some(2))
        .await?;
    expect("next by subject", next.sequence, 4)?;
    refused("missing", stream.direct_get(99).await, "not found")?;
    js.delete_stream("RUST_direct").await?;
    Ok(())
}

async fn errors() -> Result {
    let (js, stream) = fixture("errors", Config::default()).await?;
    refused(
        "no stream",
        js.get_stream("RUST_NONE").await,
        "stream not found",
    )?;
    let config = |name: &str, subject: &str| Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        ..Config::default()
    };
    let in_use = js.create_stream(config("RUST_errors", "rust.else")).await;
    refused("name in use", in_use, "stream name already in use")?;
    let overlap = js
        .create_stream(config("RUST_OTHER", "rust.errors.x"))
        .await;
    refused("overlap", overlap, "subjects overlap")?;
    let consumer = stream.get_consumer::<pull::Config>("none").await;
    expect(
        "no consumer",
        consumer
            .err()
            .is_some_and(|e| e.to_string().contains("consumer not found")),
        true,
    )?;
    js.delete_stream("RUST_errors").await?;
    Ok(())
}

async fn message_ttl() -> Result {
    let config = Config {
        allow_message_ttl: true,
        ..Config::default()
    };
    let (js, mut stream) = fixture("ttl", config).await?;
    let message = PublishMessage::build().ttl(Duration::from_secs(1));
    js.send_publish("rust.ttl.short", message).await?.await?;
    fill(&js, "rust.ttl.long", 1).await?;
    let deadline = Instant::now() + WAIT;
    while stream.info().await?.state.messages != 1 {
        if Instant::now() > deadline {
            return Err("the message did not expire".into());
        }
        sleep(Duration::from_millis(50)).await;
    }
    js.delete_stream("RUST_ttl").await?;
    Ok(())
}

async fn counter() -> Result {
    let config = Config {
        allow_message_counter: true,
        allow_direct: true,
        ..Config::default()
    };
    let (js, stream) = fixture("counter", config).await?;
    for (delta, total) in [("+5", "5"), ("-7", "-2")] {
        let message = PublishMessage::build().header("Nats-Incr", delta);
        let ack = js.send_publish("rust.counter.hits", message).await?.await?;
        expect("total in the ack", ack.value.as_deref(), Some(total))?;
    }
    let last = stream
        .direct_get_last_for_subject("rust.counter.hits")
        .await?;
    expect("stored", last.payload, r#"{"val":"-2"}"#)?;
    js.delete_stream("RUST_counter").await?;
    Ok(())
}

/// What a batch publisher would send: the client has none.
async fn batch() -> Result {
    let config = Config {
        allow_atomic_publish: true,
        ..Config::default()
    };
    let (js, mut stream) = fixture("batch", config).await?;
    let client = options().connect(env("JETSTREAM_URL")?).await?;
    let part = |sequence: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", "rust-batch");
        headers.insert("Nats-Batch-Sequence", sequence);
        headers
    };
    let opened = client
        .request_with_headers("rust.batch.1", part("1"), "1".into())
        .await?;
    expect("answer to the first", opened.payload, "")?;
    client
        .publish_with_headers("rust.batch.2", part("2"), "2".into())
        .await?;
    expect("before the commit", stream.info().await?.state.messages, 0)?;
    let mut last = part("3");
    last.insert("Nats-Batch-Commit", "1");
    let ack = client
        .request_with_headers("rust.batch.3", last, "3".into())
        .await?;
    let text = String::from_utf8_lossy(&ack.payload).into_owned();
    expect(
        "the whole batch acknowledged",
        text.contains(r#""count":3"#),
        true,
    )?;
    expect("after the commit", stream.info().await?.state.messages, 3)?;
    js.delete_stream("RUST_batch").await?;
    Ok(())
}

async fn survives_kill() -> Result {
    let client = async_nats::ConnectOptions::new()
        .reconnect_delay_callback(|_| Duration::from_millis(50))
        .connect(env("RESTART_URL")?)
        .await?;
    let js = jetstream::new(client);
    let config = Config {
        name: "RUST_KILL".to_owned(),
        subjects: vec!["rust.kill.>".to_owned()],
        ..Config::default()
    };
    let stream = js.create_stream(config).await?;
    let consumer = stream.create_consumer(consumers::durable()).await?;
    let numbered = |number: u32| {
        PublishMessage::build()
            .message_id(format!("kill-{number}"))
            .payload(number.to_string().into())
    };
    for number in 0..50 {
        js.send_publish("rust.kill.x", numbered(number))
            .await?
            .await?;
    }
    control("kill").await?;
    control("start").await?;
    let deadline = Instant::now() + WAIT;
    let again = loop {
        let sent = js.send_publish("rust.kill.x", numbered(49)).await?;
        match timeout(Duration::from_secs(1), sent).await {
            Ok(Ok(ack)) => break ack,
            _ if Instant::now() > deadline => return Err("no ack after the restart".into()),
            _ => sleep(Duration::from_millis(50)).await,
        }
    };
    expect(
        "a duplicate after the kill",
        (again.sequence, again.duplicate),
        (50, true),
    )?;
    for (message, number) in consumers::fetch(&consumer, 50).await?.iter().zip(0..) {
        expect(
            "payload",
            &message.payload[..],
            format!("{number}").as_bytes(),
        )?;
    }
    Ok(())
}

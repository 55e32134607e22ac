//! Core messaging on the plain server.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::client::{PublishErrorKind, RequestErrorKind};
use async_nats::{HeaderMap, Request};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::Result;
use crate::harness::{
    Report, WAIT, env, expect, fence, next, nothing_more, options, plain, received,
};

pub async fn run(report: &mut Report) {
    report.check("server_info", server_info()).await;
    report.check("flush_rtt", flush_rtt()).await;
    report.check("publish_subscribe", publish_subscribe()).await;
    report.check("order", order()).await;
    report.check("wildcards", wildcards()).await;
    report.check("queue_group", queue_group()).await;
    report.check("unsubscribe", unsubscribe()).await;
    report.check("auto_unsubscribe", auto_unsubscribe()).await;
    report.check("no_echo", no_echo()).await;
    report.check("headers", headers()).await;
    report.check("request_reply", request_reply()).await;
    report.check("request_many", request_many()).await;
    report.check("request_timeout", request_timeout()).await;
    report.check("no_responders", no_responders()).await;
    report.check("max_payload", max_payload()).await;
    report.check("subject_mapping", subject_mapping()).await;
}

async fn server_info() -> Result {
    let client = plain().await?;
    let info = client.server_info();
    expect("version", info.version.clone(), env("VERSION")?)?;
    expect("server name", info.server_name.as_str(), "interop-plain")?;
    expect("headers", info.headers, true)?;
    expect(
        "max_payload",
        info.max_payload.to_string(),
        env("MAX_PAYLOAD")?,
    )?;
    expect("auth_required", info.auth_required, false)?;
    expect("tls_required", info.tls_required, false)?;
    expect("client ip", info.client_ip.as_str(), "127.0.0.1")?;
    expect("server id length", info.server_id.len(), 56)?;
    expect("protocol", info.proto, 1)?;
    expect("a client id", info.client_id > 0, true)?;
    expect(
        "features of 2.11",
        client.is_server_compatible(2, 11, 0),
        true,
    )
}

async fn flush_rtt() -> Result {
    let client = plain().await?;
    let started = Instant::now();
    timeout(WAIT, client.flush()).await??;
    // The client has no RTT call; the way there and back is a message to ourselves.
    fence(&client).await?;
    expect("a round trip in time", started.elapsed() < WAIT, true)
}

async fn publish_subscribe() -> Result {
    let client = plain().await?;
    let mut subscriber = client.subscribe("rust.pubsub").await?;
    let wanted = ["first", "", "third \0\r\n"];
    for payload in wanted {
        client.publish("rust.pubsub", payload.into()).await?;
    }
    expect(
        "payloads",
        received(&mut subscriber, wanted.len()).await?,
        wanted,
    )
}

async fn order() -> Result {
    const COUNT: usize = 10_000;
    let client = plain().await?;
    let mut subscriber = client.subscribe("rust.order.*").await?;
    for number in 0..COUNT {
        client
            .publish(
                format!("rust.order.{}", number % 7),
                number.to_string().into(),
            )
            .await?;
    }
    client.flush().await?;
    for number in 0..COUNT {
        let message = next(&mut subscriber).await?;
        expect("message in order", message.payload, number.to_string())?;
    }
    Ok(())
}

async fn wildcards() -> Result {
    let client = plain().await?;
    let mut one = client.subscribe("rust.wild.*.end").await?;
    let mut rest = client.subscribe("rust.wild.>").await?;
    for subject in [
        "rust.wild",
        "rust.wild.a.end",
        "rust.wild.b.c.end",
        "rust.wild.d",
        "rust.wilder.a.end",
    ] {
        client.publish(subject, subject.into()).await?;
    }
    expect("by *", received(&mut one, 1).await?, ["rust.wild.a.end"])?;
    let by_rest = received(&mut rest, 3).await?;
    expect(
        "by >",
        by_rest,
        ["rust.wild.a.end", "rust.wild.b.c.end", "rust.wild.d"],
    )?;
    nothing_more(&client, &mut [&mut one, &mut rest]).await
}

async fn queue_group() -> Result {
    const COUNT: usize = 300;
    const MEMBERS: usize = 3;
    let client = plain().await?;
    let (sender, mut arrived) = mpsc::channel(2 * COUNT);
    for member in 0..MEMBERS {
        let mut subscriber = client
            .queue_subscribe("rust.queue", "workers".to_owned())
            .await?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while subscriber.next().await.is_some() {
                let _ = sender.send(member).await;
            }
        });
    }
    let mut observer = client.subscribe("rust.queue").await?;
    for _ in 0..COUNT {
        client.publish("rust.queue", "".into()).await?;
    }
    received(&mut observer, COUNT).await?;
    let mut per_member = BTreeMap::<usize, usize>::new();
    for done in 0..COUNT {
        let member = timeout(WAIT, arrived.recv())
            .await
            .map_err(|_| format!("the group has {done} of {COUNT} messages"))?;
        *per_member
            .entry(member.ok_or("all members ended")?)
            .or_default() += 1;
    }
    expect("members with messages", per_member.len(), MEMBERS)?;
    nothing_more(&client, &mut [&mut observer]).await?;
    // Two sends per message and the fence's one: a third copy would show here.
    let in_messages = client
        .statistics()
        .in_messages
        .load(std::sync::atomic::Ordering::Relaxed);
    expect(
        "messages sent by the server",
        in_messages,
        2 * COUNT as u64 + 1,
    )
}

async fn unsubscribe() -> Result {
    let client = plain().await?;
    let mut subscriber = client.subscribe("rust.unsub").await?;
    client.publish("rust.unsub", "seen".into()).await?;
    received(&mut subscriber, 1).await?;
    subscriber.unsubscribe().await?;
    client.publish("rust.unsub", "unseen".into()).await?;
    fence(&client).await?;
    let in_messages = client
        .statistics()
        .in_messages
        .load(std::sync::atomic::Ordering::Relaxed);
    expect(
        "messages sent by the server, the fence's included",
        in_messages,
        2,
    )
}

async fn auto_unsubscribe() -> Result {
    let client = plain().await?;
    let mut subscriber = client.subscribe("rust.auto").await?;
    subscriber.unsubscribe_after(3).await?;
    for _ in 0..10 {
        client.publish("rust.auto", "".into()).await?;
    }
    received(&mut subscriber, 3).await?;
    fence(&client).await?;
    // What the server sent is counted before the client's own limit cuts it.
    let in_messages = client
        .statistics()
        .in_messages
        .load(std::sync::atomic::Ordering::Relaxed);
    expect(
        "messages sent by the server, the fence's included",
        in_messages,
        4,
    )
}

async fn no_echo() -> Result {
    let other = plain().await?;
    let client = options().no_echo().connect(env("PLAIN_URL")?).await?;
    let mut subscriber = client.subscribe("rust.echo").await?;
    client.publish("rust.echo", "own".into()).await?;
    // A request without responders is a round trip that needs no echo.
    let fenced = client.request("rust.nobody", "".into()).await;
    expect(
        "the fence's answer",
        fenced.err().map(|e| e.kind()),
        Some(RequestErrorKind::NoResponders),
    )?;
    other.publish("rust.echo", "other".into()).await?;
    expect("messages", received(&mut subscriber, 1).await?, ["other"])
}

async fn headers() -> Result {
    let client = plain().await?;
    let mut subscriber = client.subscribe("rust.headers").await?;
    let mut headers = HeaderMap::new();
    headers.append("X-Multi", "one");
    headers.append("X-Multi", "two: with colon");
    headers.insert("x-lower", "grüße");
    for payload in ["body", ""] {
        client
            .publish_with_headers("rust.headers", headers.clone(), payload.into())
            .await?;
        let message = next(&mut subscriber).await?;
        expect("headers", message.headers.as_ref(), Some(&headers))?;
        expect("payload", message.payload, payload)?;
    }
    Ok(())
}

async fn request_reply() -> Result {
    let client = plain().await?;
    let mut service = client
        .queue_subscribe("rust.service", "service".to_owned())
        .await?;
    let responder = client.clone();
    tokio::spawn(async move {
        while let Some(message) = service.next().await {
            let Some(reply) = message.reply else { continue };
            let _ = responder
                .publish(reply, [b"re: ", &message.payload[..]].concat().into())
                .await;
        }
    });
    for number in 0..20 {
        let reply = client
            .request("rust.service", number.to_string().into())
            .await?;
        expect("reply", reply.payload, format!("re: {number}"))?;
    }
    Ok(())
}

async fn request_many() -> Result {
    let client = plain().await?;
    for name in ["a", "b", "c"] {
        let mut subscriber = client.subscribe("rust.many").await?;
        let client = client.clone();
        tokio::spawn(async move {
            while let Some(message) = subscriber.next().await {
                let Some(reply) = message.reply else { continue };
                let _ = client.publish(reply, name.into()).await;
            }
        });
    }
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(inbox.clone()).await?;
    client
        .publish_with_reply("rust.many", inbox, "".into())
        .await?;
    let mut names = received(&mut replies, 3).await?;
    names.sort();
    expect("replies", names, ["a", "b", "c"])?;
    nothing_more(&client, &mut [&mut replies]).await
}

async fn request_timeout() -> Result {
    let client = plain().await?;
    let _silent = client.subscribe("rust.silent").await?;
    let request = Request::new().timeout(Some(Duration::from_millis(200)));
    let outcome = client.send_request("rust.silent", request).await;
    expect(
        "error",
        outcome.err().map(|e| e.kind()),
        Some(RequestErrorKind::TimedOut),
    )
}

async fn no_responders() -> Result {
    let client = plain().await?;
    let outcome = client.request("rust.nobody", "anyone?".into()).await;
    expect(
        "error",
        outcome.err().map(|e| e.kind()),
        Some(RequestErrorKind::NoResponders),
    )
}

async fn max_payload() -> Result {
    let client = plain().await?;
    let mut subscriber = client.subscribe("rust.large").await?;
    let limit = client.max_payload();
    for size in [limit - 1, limit] {
        let payload: Vec<u8> = b"0123456789abcdef"
            .iter()
            .copied()
            .cycle()
            .take(size)
            .collect();
        client.publish("rust.large", payload.clone().into()).await?;
        let message = next(&mut subscriber).await?;
        expect("length", message.payload.len(), size)?;
        expect("the same bytes", message.payload == payload, true)?;
    }
    let outcome = client
        .publish("rust.large", vec![0; limit + 1].into())
        .await;
    let kind = outcome.err().map(|e| e.kind());
    expect(
        "one byte too many",
        kind,
        Some(PublishErrorKind::MaxPayloadExceeded),
    )?;
    fence(&client).await
}

async fn subject_mapping() -> Result {
    let client = plain().await?;
    let mut subscriber = client.subscribe("mapped.rust.>").await?;
    client.publish("map.rust.left.right", "x".into()).await?;
    let message = next(&mut subscriber).await?;
    expect(
        "mapped subject",
        message.subject.as_str(),
        "mapped.rust.right.left",
    )
}

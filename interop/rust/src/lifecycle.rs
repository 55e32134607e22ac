//! Draining, and a server that goes away and comes back.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Result;
use crate::harness::{
    Report, WAIT, control, env, event, expect, fence, options, plain, received, watch,
};

pub async fn run(report: &mut Report) {
    report
        .check("drain_subscription", drain_subscription())
        .await;
    report.check("drain_connection", drain_connection()).await;
    report.check("reconnect", reconnect("stop")).await;
    report
        .check("reconnect_after_kill", reconnect("kill"))
        .await;
    report.check("lame_duck", lame_duck()).await;
}

async fn drain_subscription() -> Result {
    const COUNT: usize = 100;
    let client = plain().await?;
    let mut subscriber = client.subscribe("rust.drain.sub").await?;
    for _ in 0..COUNT {
        client.publish("rust.drain.sub", "".into()).await?;
    }
    fence(&client).await?;
    subscriber.drain().await?;
    // The drain sends UNSUB; what comes after it must not arrive.
    client.publish("rust.drain.sub", "".into()).await?;
    let handled = timeout(WAIT, subscriber.count())
        .await
        .map_err(|_| "the drain did not end")?;
    expect("messages handled", handled, COUNT)
}

async fn drain_connection() -> Result {
    const COUNT: usize = 100;
    let observer = plain().await?;
    let mut echoes = observer.subscribe("rust.drain.echo").await?;
    fence(&observer).await?;
    let (options, mut events) = watch(options());
    let client = options.connect(env("PLAIN_URL")?).await?;
    let mut subscriber = client.subscribe("rust.drain.conn").await?;
    for _ in 0..COUNT {
        client.publish("rust.drain.conn", "x".into()).await?;
    }
    fence(&client).await?;
    client.drain().await?;
    let echo = observer.clone();
    let handler = tokio::spawn(async move {
        // What had arrived before the drain is still handed out, and then the stream ends.
        while let Some(message) = subscriber.next().await {
            let _ = echo.publish("rust.drain.echo", message.payload).await;
        }
    });
    event("closed connection", &mut events, |event| {
        matches!(event, Event::Closed).then_some(())
    })
    .await?;
    timeout(WAIT, handler)
        .await
        .map_err(|_| "the subscription did not end")??;
    received(&mut echoes, COUNT).await?;
    Ok(())
}

/// A connection to this program's own server that comes back quickly.
async fn reconnecting() -> Result<(Client, mpsc::Receiver<Event>)> {
    let options = ConnectOptions::new()
        .connection_timeout(WAIT)
        .reconnect_delay_callback(|_| Duration::from_millis(50));
    let (options, mut events) = watch(options);
    let client = options.connect(env("RESTART_URL")?).await?;
    connected(&mut events).await?;
    Ok((client, events))
}

async fn connected(events: &mut mpsc::Receiver<Event>) -> Result {
    event("connect event", events, |event| {
        matches!(event, Event::Connected).then_some(())
    })
    .await
}

async fn reconnect(how: &'static str) -> Result {
    let (client, mut events) = reconnecting().await?;
    let mut subscriber = client.subscribe("rust.reconnect").await?;
    fence(&client).await?;
    control(how).await?;
    let lost = event("disconnect event", &mut events, |event| {
        matches!(event, Event::Disconnected).then_some(())
    });
    let lost = lost.await;
    control("start").await?;
    lost?;
    connected(&mut events).await?;
    client.publish("rust.reconnect", "after".into()).await?;
    expect("messages", received(&mut subscriber, 1).await?, ["after"])
}

async fn lame_duck() -> Result {
    let (client, mut events) = reconnecting().await?;
    control("lame_duck").await?;
    let mut outcome = event("lame duck notice", &mut events, |event| {
        matches!(event, Event::LameDuckMode).then_some(())
    })
    .await;
    if outcome.is_ok() {
        // The grace period has only begun: the connection still works.
        outcome = fence(&client).await;
    }
    drop(client);
    control("start").await?;
    outcome
}

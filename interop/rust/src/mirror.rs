//! A mirror, and a stream with a source, before and after the server was killed.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, Source};
use async_nats::jetstream::{self, Context};
use tokio::time::{Instant, sleep, timeout};

use crate::Result;
use crate::harness::{WAIT, control, env, expect};

/// Both go on where they were.
pub async fn run() -> Result {
    let client = async_nats::ConnectOptions::new()
        .reconnect_delay_callback(|_| Duration::from_millis(50))
        .connect(env("RESTART_URL")?)
        .await?;
    let js = jetstream::new(client);
    js.create_stream(Config {
        name: "RUST_ORIGIN".to_owned(),
        subjects: vec!["rust.origin.*".to_owned()],
        ..Config::default()
    })
    .await?;
    publish(&js, 0, 20).await?;
    let origin = |filter: Option<&str>| Source {
        name: "RUST_ORIGIN".to_owned(),
        filter_subject: filter.map(str::to_owned),
        ..Source::default()
    };
    js.create_stream(Config {
        name: "RUST_MIRROR".to_owned(),
        mirror: Some(origin(None)),
        ..Config::default()
    })
    .await?;
    js.create_stream(Config {
        name: "RUST_SOURCED".to_owned(),
        sources: Some(vec![origin(Some("rust.origin.1"))]),
        ..Config::default()
    })
    .await?;
    copied(&js, 20).await?;
    control("kill").await?;
    control("start").await?;
    copied(&js, 20).await?;
    publish(&js, 20, 30).await?;
    copied(&js, 30).await
}

/// Publishes numbers, even and odd ones on subjects of their own.
async fn publish(js: &Context, from: u64, to: u64) -> Result {
    for number in from..to {
        let subject = format!("rust.origin.{}", number % 2);
        js.publish(subject, number.to_string().into())
            .await?
            .await?;
    }
    Ok(())
}

/// Waits until the copies have so many messages of the origin, and compares them.
async fn copied(js: &Context, count: u64) -> Result {
    let deadline = Instant::now() + WAIT;
    loop {
        let look = async {
            let mirror = js
                .get_stream("RUST_MIRROR")
                .await?
                .cached_info()
                .state
                .last_sequence;
            let sourced = js
                .get_stream("RUST_SOURCED")
                .await?
                .cached_info()
                .state
                .messages;
            Ok::<_, jetstream::context::GetStreamError>((mirror, sourced))
        };
        match timeout(Duration::from_secs(1), look).await {
            Ok(Ok(found)) if found == (count, count / 2) => break,
            _ if Instant::now() > deadline => return Err(format!("no copies of {count}").into()),
            _ => sleep(Duration::from_millis(50)).await,
        }
    }
    let mirror = js.get_stream("RUST_MIRROR").await?;
    for number in 0..count {
        let message = mirror.get_raw_message(number + 1).await?;
        expect(
            "mirrored",
            message.subject.as_str(),
            &format!("rust.origin.{}", number % 2),
        )?;
        expect(
            "mirrored",
            &message.payload[..],
            number.to_string().as_bytes(),
        )?;
    }
    let sourced = js.get_stream("RUST_SOURCED").await?;
    for place in 0..count / 2 {
        let message = sourced.get_raw_message(place + 1).await?;
        expect("sourced", message.subject.as_str(), "rust.origin.1")?;
        expect(
            "sourced",
            &message.payload[..],
            (2 * place + 1).to_string().as_bytes(),
        )?;
    }
    Ok(())
}

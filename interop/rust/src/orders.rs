//! A role in `../orders.py`: the dispatcher, a durable pull consumer that acknowledges twice.
//!
//! Invariant: `confirmed` is printed only after the server has confirmed the acknowledgement.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, AckKind, Message, kv};
use async_nats::{Client, ConnectOptions};
use futures_util::{StreamExt, future};
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::harness::env;

/// How long one step may take before it is tried again.
const STEP: Duration = Duration::from_secs(2);

pub async fn play(role: &str) -> Result {
    if role != "dispatch" {
        return Err(format!("unknown role {role}").into());
    }
    let total: u64 = env("ORDERS_TOTAL")?.parse()?;
    let client = ConnectOptions::new()
        .retry_on_initial_connect()
        .reconnect_delay_callback(|_| Duration::from_millis(50))
        .request_timeout(Some(STEP))
        .connect(env("ORDERS_URL")?)
        .await?;
    loop {
        // The server goes away in the middle of anything; then the round begins again.
        match dispatch(&client, total).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                eprintln!("round: {error}");
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Handles one batch. Returns whether all orders are done.
async fn dispatch(client: &Client, total: u64) -> Result<bool> {
    let context = jetstream::new(client.clone());
    let mut consumer: PullConsumer = context
        .get_consumer_from_stream("DISPATCH", "ORDERS")
        .await?;
    let states = context.get_key_value("order_state").await?;
    for _ in 0..100 {
        let batch = consumer
            .fetch()
            .max_messages(50)
            .expires(Duration::from_millis(500));
        let messages: Vec<_> = timeout(STEP, batch.messages().await?.collect()).await?;
        if messages.is_empty() {
            let info = consumer.info().await?;
            return Ok(info.ack_floor.stream_sequence == total && info.num_pending == 0);
        }
        future::join_all(
            messages
                .into_iter()
                .flatten()
                .map(|message| handle(&states, message)),
        )
        .await;
    }
    Ok(false)
}

/// Notes the order's state and acknowledges it; what fails is delivered again.
async fn handle(states: &kv::Store, message: Message) {
    let Ok(info) = message.info() else { return };
    let sequence = info.stream_sequence;
    let order = String::from_utf8_lossy(&message.payload).into_owned();
    println!("delivered {sequence} {order} {}", info.delivered);
    let noted = timeout(STEP, states.put(&order, "dispatched".into())).await;
    let Ok(Ok(revision)) = noted else { return };
    println!("state {order} {revision}");
    if let Ok(Ok(())) = timeout(STEP, message.double_ack_with(AckKind::Ack)).await {
        println!("confirmed {sequence} {order}");
    }
}

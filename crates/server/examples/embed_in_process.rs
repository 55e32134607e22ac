//! Messaging inside one process without any port: parts of a program publish, subscribe and
//! answer requests through a server that nobody outside can reach.
//!
//! ```sh
//! cargo run -p cognate-server --example embed_in_process
//! ```
//!
//! [`Server::connect_local`] gives a small client. For a NATS client library that can work over
//! any stream there is [`Server::connect_in_process`], the raw pipe below it.

use std::error::Error;
use std::time::Duration;

use cognate_server::{LocalClient, LocalError, Server};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let total = run().await?;
    println!("the sum of all orders is {total}");
    Ok(())
}

/// Runs a service and asks it; returns what it said.
pub(crate) async fn run() -> Result<u64, Box<dyn Error>> {
    let server = Server::builder().no_port().start().await?;

    // One part of the program keeps the sum of what is published on `orders.*`.
    let service = server.connect_local().await?;
    let mut orders = service.subscribe("orders.*").await?;
    let mut questions = service.subscribe("total").await?;
    let adding = tokio::spawn(async move {
        let mut total = 0u64;
        loop {
            tokio::select! {
                // What came first is dealt with first.
                biased;
                Some(order) = orders.next() => {
                    let amount: u64 = String::from_utf8_lossy(&order.payload).parse().unwrap_or(0);
                    total = total.saturating_add(amount);
                }
                Some(question) = questions.next() => answer(&service, question.reply, total).await,
                // Both subscriptions have ended: the server is gone.
                else => return,
            }
        }
    });

    // Another part publishes.
    let shop = server.connect_local().await?;
    for (customer, amount) in [("ann", 3), ("bob", 4), ("ann", 5)] {
        shop.publish(
            &format!("orders.{customer}"),
            format!("{amount}").as_bytes(),
        )
        .await?;
    }
    // Messages of one publisher arrive in order, so the answer includes all orders.
    let answer = timeout(Duration::from_secs(10), shop.request("total", b"")).await??;
    let total = String::from_utf8(answer.payload)?.parse()?;

    // A request that nobody can answer fails at once instead of running into a time limit.
    let nobody = shop.request("weather", b"").await;
    assert_eq!(nobody, Err(LocalError::NoResponders));

    server.shutdown().await;
    adding.await?;
    Ok(total)
}

async fn answer(service: &LocalClient, reply: Option<String>, total: u64) {
    if let Some(reply) = reply
        && let Err(error) = service.publish(&reply, total.to_string().as_bytes()).await
    {
        eprintln!("the answer is lost: {error}");
    }
}

//! How to test a program that uses NATS: each test has a server of its own, in the same process,
//! without a binary, a port to agree on, or anything left behind.
//!
//! ```sh
//! cargo run -p cognate-server --example embed_tests
//! ```
//!
//! In a real test suite the bodies below are `#[tokio::test]` functions, and the program under
//! test gets `server.client_url()`.

use std::error::Error;
use std::time::Duration;

use cognate_server::{LocalError, Server};
use tokio::time::timeout;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let passed = run().await?;
    println!("{passed} tests passed");
    Ok(())
}

/// Runs the tests at the same time, each with its own server; returns how many there were.
pub(crate) async fn run() -> Result<usize, Box<dyn Error>> {
    let tests = [
        tokio::spawn(servers_are_isolated()),
        tokio::spawn(a_small_limit_is_easy_to_reach()),
        tokio::spawn(a_server_goes_away_and_comes_back()),
    ];
    let count = tests.len();
    for test in tests {
        test.await?
            .map_err(|error| format!("a test failed: {error}"))?;
    }
    Ok(count)
}

/// The harness: a server that no other test shares. It stops when it is dropped.
async fn test_server() -> Result<Server, cognate_server::StartError> {
    Server::builder()
        .host("127.0.0.1")
        .free_port()
        .start()
        .await
}

async fn servers_are_isolated() -> Outcome {
    let (one, other) = (test_server().await?, test_server().await?);
    let mut seen = one.connect_local().await?.subscribe(">").await?;
    other
        .connect_local()
        .await?
        .publish("a", b"for the other")
        .await?;
    one.connect_local()
        .await?
        .publish("a", b"for the one")
        .await?;
    let message = timeout(Duration::from_secs(10), seen.next())
        .await?
        .ok_or("a message")?;
    assert_eq!(message.payload, b"for the one");
    Ok(())
}

async fn a_small_limit_is_easy_to_reach() -> Outcome {
    let builder = Server::builder().no_port();
    let server = builder
        .configure(|options| options.max_payload = 4)
        .start()
        .await?;
    let client = server.connect_local().await?;
    let refused = client.publish("a", b"12345").await;
    assert_eq!(refused, Err(LocalError::TooLarge { size: 5, max: 4 }));
    Ok(())
}

async fn a_server_goes_away_and_comes_back() -> Outcome {
    let server = test_server().await?;
    let address = server.client_addr().ok_or("it listens")?;
    let client = server.connect_local().await?;
    server.shutdown().await;
    assert!(client.flush().await.is_err(), "the connection has ended");
    // The port is free again: what is under test finds its server where it was.
    let again = Server::builder()
        .host("127.0.0.1")
        .port(address.port())
        .start()
        .await?;
    assert_eq!(again.client_addr(), Some(address));
    again.connect_local().await?.flush().await?;
    Ok(())
}

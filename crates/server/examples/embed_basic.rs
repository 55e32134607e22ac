//! A NATS server inside a program: it starts on a free port, prints its URL and serves until
//! Ctrl-C.
//!
//! ```sh
//! cargo run -p cognate-server --example embed_basic
//! ```
//!
//! With `--check` it stops at once, which shows that it can start.

use std::error::Error;

use cognate_process::Logger;
use cognate_server::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let check = std::env::args().any(|argument| argument == "--check");
    run(async {
        if !check {
            // Without signals there is nothing to wait for either.
            let _ = tokio::signal::ctrl_c().await;
        }
    })
    .await
    .map(drop)
}

/// Serves until `stop` is ready; returns the URL at which it served.
pub(crate) async fn run(stop: impl Future<Output = ()>) -> Result<String, Box<dyn Error>> {
    let server = Server::builder()
        .host("127.0.0.1")
        .free_port()
        .configure(|options| options.server_name = Some("embedded".to_owned()))
        // The log goes wherever the program wants it; without this line, nowhere.
        .logger(Logger::custom(|record| {
            eprintln!("[nats] {}", record.message)
        }))
        .start()
        .await?;
    // From here on clients can connect: there is nothing to wait for or to retry.
    let url = server
        .client_url()
        .ok_or("a server with a port has a URL")?;
    println!("{} is ready at {url}", server.name());

    tokio::select! {
        () = stop => {}
        // It may also stop for other reasons, lame duck mode for example.
        () = server.stopped() => {}
    }
    // Says goodbye to every client; returns when the port is free again.
    server.shutdown().await;
    Ok(url)
}

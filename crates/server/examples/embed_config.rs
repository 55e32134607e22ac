//! An embedded server configured by a text in NATS's configuration format, users included, and
//! reloaded while it runs.
//!
//! ```sh
//! cargo run -p cognate-server --example embed_config
//! ```
//!
//! The text is a constant here. It can come from a database, from flags or, with an
//! implementation of [`cognate_config::Source`], from files with their includes.

use std::error::Error;

use cognate_config::{MemorySource, Options, load};
use cognate_server::{LocalError, Server};

const CONFIGURATION: &str = r#"
server_name: configured
host: 127.0.0.1
port: -1
max_payload: 64KB

authorization {
    users: [
        { user: app, password: $APP_PASSWORD }
        { user: guest, password: guest, permissions: { publish: "guest.>", subscribe: "news.>" } }
    ]
}
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for line in run().await? {
        println!("{line}");
    }
    Ok(())
}

/// Starts, reloads and is refused; returns what happened.
pub(crate) async fn run() -> Result<Vec<String>, Box<dyn Error>> {
    let mut story = Vec::new();
    let server = Server::builder()
        .options(options(CONFIGURATION)?)
        .start()
        .await?;
    story.push(format!(
        "{} takes {} bytes",
        server.name(),
        server.options().max_payload
    ));

    let guest = server.connect_local_as("guest", "guest").await?;
    match guest.subscribe("secrets").await {
        Err(LocalError::Refused(text)) => story.push(text),
        other => return Err(format!("a guest sees secrets: {:?}", other.map(drop)).into()),
    }

    // Another text, put in force as a whole while clients stay connected. The guest is gone from
    // it, and so is the guest's connection.
    let shorter = CONFIGURATION.replace("64KB", "128KB");
    let shorter: Vec<&str> = shorter
        .lines()
        .filter(|line| !line.contains("guest"))
        .collect();
    for change in server.reload(options(&shorter.join("\n"))?)? {
        story.push(format!("reloaded {change}"));
    }
    while guest.flush().await.is_ok() {}
    story.push(format!("the guest: {:?}", guest.take_errors()));

    // What cannot change while it runs is refused; everything stays as it was.
    let other_host = CONFIGURATION.replace("127.0.0.1", "localhost");
    match server.reload(options(&other_host)?) {
        Err(failure) => story.push(failure.to_string()),
        Ok(changes) => return Err(format!("the host changed: {changes:?}").into()),
    }

    server.shutdown().await;
    Ok(story)
}

/// Options from a text. An error names line and column and shows the place.
fn options(text: &str) -> Result<Options, Box<dyn Error>> {
    let source = MemorySource::new()
        .with_file("embedded.conf", text)
        .with_env("APP_PASSWORD", "s3cret");
    let loaded = load("embedded.conf", &source)?;
    for warning in &loaded.warnings {
        eprintln!("{warning}");
    }
    Ok(loaded.options)
}

//! What every check uses: deadlines, connections, comparisons, the runner's control line.

use std::fmt::Debug;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, Subscriber};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Bounds everything a check waits for.
pub const WAIT: Duration = Duration::from_secs(8);
/// Bounds a whole check, whatever it hangs on.
const CHECK_DEADLINE: Duration = Duration::from_secs(30);

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T = ()> = std::result::Result<T, Error>;

/// Prints the outcome of each check and remembers whether one failed.
#[derive(Default)]
pub struct Report {
    failed: bool,
}

impl Report {
    /// Runs one check in a task of its own, so that a hang or a panic is a failure like any other.
    pub async fn check<F>(&mut self, name: &str, body: F)
    where
        F: Future<Output = Result> + Send + 'static,
    {
        let mut task = tokio::spawn(body);
        let outcome = match timeout(CHECK_DEADLINE, &mut task).await {
            Ok(Ok(outcome)) => outcome.map_err(|error| error.to_string()),
            Ok(Err(panic)) => Err(panic.to_string()),
            Err(_) => {
                task.abort();
                Err(format!("not finished within {CHECK_DEADLINE:?}"))
            }
        };
        match outcome {
            Ok(()) => println!("ok rust {name}"),
            Err(why) => {
                self.failed = true;
                println!("FAIL rust {name}: {}", why.replace('\n', " "));
            }
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        if self.failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// The value of `INTEROP_<name>`; the runner sets them all.
pub fn env(name: &str) -> Result<String> {
    let name = format!("INTEROP_{name}");
    std::env::var(&name).map_err(|_| format!("{name} is not set; start this through run.py").into())
}

/// The path of a file the runner made.
pub fn cert(file: &str) -> Result<PathBuf> {
    Ok(PathBuf::from(env("CERTS")?).join(file))
}

/// Options for a connection that gives up soon.
pub fn options() -> ConnectOptions {
    ConnectOptions::new()
        .name("interop-rust")
        .connection_timeout(WAIT)
        .request_timeout(Some(WAIT))
        .max_reconnects(1)
}

/// A connection to the plain server.
pub async fn plain() -> Result<Client> {
    Ok(options().connect(env("PLAIN_URL")?).await?)
}

/// Sends the client's events into a channel.
pub fn watch(options: ConnectOptions) -> (ConnectOptions, mpsc::Receiver<Event>) {
    let (sender, receiver) = mpsc::channel(64);
    let options = options.event_callback(move |event| {
        let sender = sender.clone();
        // A full channel means a check that has stopped looking; the event is not needed then.
        async move {
            let _ = sender.try_send(event);
        }
    });
    (options, receiver)
}

/// Waits for an event that `wanted` accepts, passing over others.
pub async fn event<T>(
    what: &str,
    events: &mut mpsc::Receiver<Event>,
    wanted: impl Fn(&Event) -> Option<T>,
) -> Result<T> {
    let found = timeout(WAIT, async {
        while let Some(event) = events.recv().await {
            if let Some(found) = wanted(&event) {
                return Some(found);
            }
        }
        None
    });
    match found.await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(format!("the client went away without {what}").into()),
        Err(_) => Err(format!("no {what} within {WAIT:?}").into()),
    }
}

/// The next message of a subscription.
pub async fn next(subscriber: &mut Subscriber) -> Result<async_nats::Message> {
    match timeout(WAIT, subscriber.next()).await {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err("the subscription ended".into()),
        Err(_) => Err(format!("no message within {WAIT:?}").into()),
    }
}

/// The payloads of the next `count` messages, as text.
pub async fn received(subscriber: &mut Subscriber, count: usize) -> Result<Vec<String>> {
    let mut payloads = Vec::with_capacity(count);
    for done in 0..count {
        let message = next(subscriber)
            .await
            .map_err(|error| format!("after {done} of {count} messages: {error}"))?;
        payloads.push(String::from_utf8(message.payload.to_vec())?);
    }
    Ok(payloads)
}

/// Fails if a message is left for any of the subscribers.
///
/// async-nats's flush only writes, so the fence is a message to ourselves: the
/// server sends it after everything it had for this connection.
pub async fn nothing_more(client: &Client, subscribers: &mut [&mut Subscriber]) -> Result {
    fence(client).await?;
    for subscriber in subscribers {
        if let Ok(Some(message)) = timeout(Duration::ZERO, subscriber.next()).await {
            return Err(format!("unexpected message on {}", message.subject).into());
        }
    }
    Ok(())
}

/// Returns once the server has handled all this client sent before.
pub async fn fence(client: &Client) -> Result {
    let inbox = client.new_inbox();
    let mut subscriber = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, "fence".into()).await?;
    next(&mut subscriber)
        .await
        .map_err(|error| format!("fence: {error}"))?;
    Ok(())
}

/// Compares, naming what was compared.
pub fn expect<T: PartialEq<U> + Debug, U: Debug>(what: &str, found: T, wanted: U) -> Result {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what}: got {found:?}, want {wanted:?}").into())
}

/// Asks the runner to do something to this program's own server.
pub async fn control(verb: &'static str) -> Result {
    let answer = tokio::task::spawn_blocking(move || {
        println!("CONTROL {verb}");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    expect(
        &format!("answer to CONTROL {verb}"),
        answer.await??.trim(),
        "done",
    )
}

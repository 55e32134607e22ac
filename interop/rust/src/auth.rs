//! Credentials, good and bad, and permissions.

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerError};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::Result;
use crate::harness::{Report, env, event, expect, fence, options, received, watch};

pub async fn run(report: &mut Report) {
    report
        .check("auth_token", async {
            accepted("TOKEN_URL", token(&env("TOKEN")?)).await
        })
        .await;
    report
        .check("auth_token_wrong", async {
            refused("TOKEN_URL", token("wrong")).await
        })
        .await;
    report
        .check("auth_missing", async {
            refused("TOKEN_URL", options()).await
        })
        .await;
    report
        .check("auth_user_password", async {
            accepted("USERS_URL", user("alice")?).await
        })
        .await;
    report.check("auth_password_wrong", password_wrong()).await;
    report.check("auth_bcrypt", bcrypt()).await;
    report.check("auth_no_auth_user", no_auth_user()).await;
    report
        .check("auth_nkey", async {
            accepted("NKEY_URL", nkey("NKEY_SEED")?).await
        })
        .await;
    let wrong = async { refused("NKEY_URL", nkey("WRONG_NKEY_SEED")?).await };
    report.check("auth_nkey_wrong", wrong).await;
    report
        .check("permission_publish", permission_publish())
        .await;
    report
        .check("permission_subscribe", permission_subscribe())
        .await;
    report.check("permission_queue", permission_queue()).await;
    report
        .check("permission_responses", permission_responses())
        .await;
}

fn token(token: &str) -> ConnectOptions {
    options().token(token.to_owned())
}

fn user(name: &str) -> Result<ConnectOptions> {
    Ok(options().user_and_password(name.to_owned(), env("PASSWORD")?))
}

fn nkey(seed: &str) -> Result<ConnectOptions> {
    Ok(options().nkey(env(seed)?))
}

async fn password_wrong() -> Result {
    refused(
        "USERS_URL",
        options().user_and_password("alice".to_owned(), "wrong".to_owned()),
    )
    .await
}

async fn bcrypt() -> Result {
    let password = env("BCRYPT_PASSWORD")?;
    accepted(
        "USERS_URL",
        options().user_and_password("hashed".to_owned(), password),
    )
    .await
}

/// These options let a client in, and the server serves it.
pub async fn accepted(url: &str, options: ConnectOptions) -> Result {
    usable(&options.connect(env(url)?).await?, "guest.rust.usable").await
}

/// These options end in the client's authorization error.
pub async fn refused(url: &str, options: ConnectOptions) -> Result {
    match options.connect(env(url)?).await {
        Ok(_) => Err("the server let us in".into()),
        Err(error) => expect(
            "error",
            error.kind(),
            ConnectErrorKind::AuthorizationViolation,
        ),
    }
}

/// Sends one message to ourselves.
async fn usable(client: &Client, subject: &str) -> Result {
    let mut subscriber = client.subscribe(subject.to_owned()).await?;
    client.publish(subject.to_owned(), "hello".into()).await?;
    expect("messages", received(&mut subscriber, 1).await?, ["hello"])
}

async fn no_auth_user() -> Result {
    let (options, mut events) = watch(options());
    let client = options.connect(env("USERS_URL")?).await?;
    usable(&client, "guest.rust").await?;
    // Being the guest shows in what the guest may not do.
    client.publish("ok.rust", "".into()).await?;
    violation(&mut events, r#"publish to "ok.rust""#).await
}

/// Awaits a permissions violation that names the operation.
async fn violation(events: &mut mpsc::Receiver<Event>, operation: &str) -> Result {
    let text = event("permissions violation", events, |event| match event {
        Event::ServerError(ServerError::Other(text)) => Some(text.to_lowercase()),
        _ => None,
    })
    .await?;
    let wanted = format!("permissions violation for {}", operation.to_lowercase());
    if text.contains(&wanted) {
        return Ok(());
    }
    Err(format!("got {text:?}, want {wanted:?}").into())
}

async fn limited() -> Result<(Client, mpsc::Receiver<Event>)> {
    let (options, events) = watch(user("limited")?);
    Ok((options.connect(env("USERS_URL")?).await?, events))
}

async fn alice() -> Result<Client> {
    Ok(user("alice")?.connect(env("USERS_URL")?).await?)
}

async fn permission_publish() -> Result {
    let (client, mut events) = limited().await?;
    for subject in ["other.rust", "ok.secret.rust"] {
        client.publish(subject, "".into()).await?;
        violation(&mut events, &format!("publish to \"{subject}\"")).await?;
    }
    usable(&client, "ok.rust.alive").await
}

async fn permission_subscribe() -> Result {
    let (client, mut events) = limited().await?;
    for subject in ["other.rust", "ok.secret.rust"] {
        let _refused = client.subscribe(subject).await?;
        violation(&mut events, &format!("subscription to \"{subject}\"")).await?;
    }
    usable(&client, "ok.rust.alive").await
}

async fn permission_queue() -> Result {
    let (client, mut events) = limited().await?;
    let _refused = client
        .queue_subscribe("q.rust", "others".to_owned())
        .await?;
    violation(
        &mut events,
        r#"subscription to "q.rust" using queue "others""#,
    )
    .await?;
    let mut workers = client
        .queue_subscribe("q.rust", "workers".to_owned())
        .await?;
    usable(&client, "ok.rust.alive").await?;
    let alice = alice().await?;
    alice.publish("q.rust", "job".into()).await?;
    expect("messages", received(&mut workers, 1).await?, ["job"])
}

async fn permission_responses() -> Result {
    let (options, mut events) = watch(user("responder")?);
    let client = options.connect(env("USERS_URL")?).await?;
    let mut service = client.subscribe("svc.rust").await?;
    // The responder may publish nothing of its own, so the fence is a violation.
    client.publish("fence.rust", "".into()).await?;
    violation(&mut events, r#"publish to "fence.rust""#).await?;
    tokio::spawn(async move {
        while let Some(message) = service.next().await {
            let Some(reply) = message.reply else { continue };
            // Two answers to a request that allows one: the second is the violation.
            let _ = client.publish(reply.clone(), "one".into()).await;
            let _ = client.publish(reply, "two".into()).await;
        }
    });
    let alice = alice().await?;
    let reply = alice.request("svc.rust", "".into()).await?;
    expect("reply", reply.payload, "one")?;
    violation(&mut events, r#"publish to "_INBOX."#).await?;
    fence(&alice).await
}

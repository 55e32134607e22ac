//! Connections without a socket: the raw pipe, and the client on top of it.

mod common;

use std::time::Duration;

use cognate_auth::nkey::{KeyPair, Kind};
use cognate_config::options::{Credential, Permissions, Secret, SubjectPermission, User};
use cognate_server::{Builder, LocalError, LocalLogin, LocalMessage, Server};
use cognate_wire::headers::HeaderBlock;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use common::{Client, socket, start, until, within};

async fn portless(change: impl FnOnce(Builder) -> Builder) -> Server {
    let builder = change(Server::builder().no_port());
    builder
        .start()
        .await
        .expect("a server without a port starts")
}

fn with_password(builder: Builder) -> Builder {
    builder.configure(|options| {
        options.authorization.credential = Credential::UserPassword {
            user: "ann".to_owned(),
            password: Secret::new("p\"w"),
        };
    })
}

#[tokio::test]
async fn the_pipe_speaks_the_protocol_from_the_first_byte() {
    let server = start(|builder| builder).await;
    let mut inside = Client::greeted(server.connect_in_process()).await;
    assert!(inside.info.contains("\"client_id\":1"), "{}", inside.info);
    // Without CONNECT, at a prompt: every operation is answered.
    inside.send("sub a.* 1\r\n").await;
    inside.expect("+OK").await;
    inside.send("ping\r\n").await;
    inside.expect("PONG").await;
    let mut outside = Client::connect(&server).await;
    outside
        .send("SUB b.> 9\r\nPUB a.x re.ply 3\r\nin!\r\n")
        .await;
    let message = inside.message().await;
    assert_eq!(
        (
            &*message.subject,
            &*message.sid,
            message.reply.as_deref(),
            &*message.payload
        ),
        ("a.x", "1", Some("re.ply"), &b"in!"[..])
    );
    outside.sync().await;
    inside.send("PUB b.y 4\r\nout!\r\n").await;
    inside.expect("+OK").await;
    outside.expect_payload("out!").await;
    inside.send("NONSENSE\r\n").await;
    assert_eq!(inside.rest().await, "-ERR 'Unknown Protocol Operation'\r\n");
}

#[tokio::test]
async fn logins_and_permissions_apply_inside_too() {
    let server = portless(with_password).await;
    let mut stranger = Client::greeted(server.connect_in_process()).await;
    assert!(
        stranger.info.contains("\"auth_required\":true"),
        "{}",
        stranger.info
    );
    stranger
        .send("CONNECT {\"user\":\"ann\",\"pass\":\"wrong\"}\r\n")
        .await;
    assert_eq!(stranger.rest().await, "-ERR 'Authorization Violation'\r\n");
    Client::with(
        server.connect_in_process(),
        r#","user":"ann","pass":"p\"w""#,
    )
    .await;
}

#[tokio::test]
async fn a_local_client_logs_in_with_a_token() {
    let server = portless(|builder| {
        builder.configure(|options| {
            options.authorization.credential = Credential::Token(Secret::new("p\"w"));
        })
    })
    .await;
    for (token, enters) in [("p\"w", true), ("wrong", false), ("", false)] {
        let login = LocalLogin::token(token);
        assert!(!format!("{login:?}").contains("\"w"), "{login:?}");
        let client = server.connect_local_with(login).await;
        assert_eq!(client.is_ok(), enters, "{token}");
    }
}

#[tokio::test]
async fn a_local_client_logs_in_with_an_nkey() {
    let pair = |byte| KeyPair::from_bytes(Kind::User, [byte; 32]).expect("a key");
    let (known, stranger) = (pair(1), pair(2));
    let key = known.public_key().to_string();
    let user = User::Nkey {
        nkey: key.clone(),
        permissions: None,
        allowed_connection_types: Vec::new(),
        proxy_required: false,
    };
    let server = portless(|builder| {
        builder.configure(|options| {
            options.authorization.credential = Credential::Users(vec![user]);
        })
    })
    .await;
    let refused = Err(LocalError::Closed("Authorization Violation".to_owned()));
    let login = LocalLogin::seed(&known.seed()).expect("a seed");
    let client = server.connect_local_with(login).await.expect("let in");
    let mut subscription = client.subscribe("a").await.expect("subscribed");
    client.publish("a", b"signed").await.expect("published");
    let message = within("the message", subscription.next()).await;
    assert_eq!(
        message.map(|message| message.payload),
        Some(b"signed".to_vec())
    );
    let login = LocalLogin::seed(&stranger.seed()).expect("a seed");
    let answer = server.connect_local_with(login).await;
    assert_eq!(answer.map(drop), refused);
    // The seed may be elsewhere; what is signed is the nonce and nothing else.
    let login = LocalLogin::nkey(&key, move |nonce| known.sign(nonce));
    assert!(server.connect_local_with(login).await.is_ok());
    let login = LocalLogin::nkey(&key, move |nonce| stranger.sign(nonce));
    let answer = server.connect_local_with(login).await;
    assert_eq!(answer.map(drop), refused);
    assert!(LocalLogin::seed("SUNOSEED").is_err());
}

#[tokio::test]
async fn closing_the_pipe_ends_the_connection_and_its_subscriptions() {
    let server = start(|builder| builder).await;
    let mut inside = Client::over(server.connect_in_process()).await;
    inside.send("SUB a 1\r\n").await;
    inside.sync().await;
    assert_eq!(server.connections(), 1);
    drop(inside);
    until(
        "the end of the connection",
        async || server.connections(),
        |n| *n == 0,
    )
    .await;
    let fields = r#","no_responders":true"#;
    let mut outside = Client::with(socket(&server).await, fields).await;
    outside.send("SUB r 1\r\nPUB a r 0\r\n\r\n").await;
    let answer = outside.message().await;
    let text = String::from_utf8_lossy(&answer.payload).into_owned();
    assert!(text.starts_with("NATS/1.0 503\r\n"), "{text}");
}

#[tokio::test]
async fn what_was_sent_before_the_pipe_was_closed_counts() {
    let server = start(|builder| builder).await;
    let mut outside = Client::connect(&server).await;
    outside.send("SUB a 1\r\n").await;
    outside.sync().await;
    let mut inside = Client::greeted(server.connect_in_process()).await;
    inside
        .send("CONNECT {\"verbose\":false}\r\nPUB a 4\r\nlast\r\n")
        .await;
    drop(inside);
    outside.expect_payload("last").await;
}

#[tokio::test]
async fn a_reader_inside_that_falls_behind_is_cut_off_alone() {
    let server =
        start(|builder| builder.configure(|options| options.max_pending = 512 * 1024)).await;
    let mut slow = Client::over(server.connect_in_process()).await;
    slow.send("SUB a 1\r\n").await;
    slow.sync().await;
    let mut healthy = Client::over(server.connect_in_process()).await;
    healthy.send("SUB a 1\r\n").await;
    healthy.sync().await;
    let mut publisher = Client::connect(&server).await;
    let payload = "x".repeat(64 * 1024);
    let frame = format!("PUB a {}\r\n{payload}\r\n", payload.len());
    for _ in 0..64 {
        publisher.send(&frame).await;
        healthy.expect_payload(&payload).await;
    }
    until("the cut", async || server.connections(), |n| *n == 2).await;
    let rest = slow.rest().await;
    assert!(
        rest.len() < 2 * 1024 * 1024,
        "it was sent {} bytes",
        rest.len()
    );
    healthy.sync().await;
    publisher.sync().await;
}

#[tokio::test]
async fn what_was_delivered_before_a_shutdown_still_arrives() {
    let server = start(|builder| builder).await;
    let mut inside = Client::over(server.connect_in_process()).await;
    let mut outside = Client::connect(&server).await;
    inside.send("SUB a 1\r\n").await;
    inside.sync().await;
    outside.send("SUB a 1\r\n").await;
    outside.sync().await;
    let mut publisher = Client::connect(&server).await;
    let payload = "x".repeat(500_000);
    let count = 16;
    for _ in 0..count {
        publisher
            .send(format!("PUB a {}\r\n{payload}\r\n", payload.len()))
            .await;
    }
    publisher.sync().await;
    let frame = format!("MSG a 1 {}\r\n{payload}\r\n", payload.len()).len();
    let (_, inside, outside) = tokio::join!(server.shutdown(), inside.rest(), outside.rest());
    assert_eq!(
        (inside.len() / frame, outside.len() / frame),
        (count, count)
    );
}

#[tokio::test]
async fn a_pipe_to_a_server_that_stopped_ends() {
    let server = portless(|builder| builder).await;
    within("shutdown", server.shutdown()).await;
    let mut pipe = server.connect_in_process();
    let mut said = Vec::new();
    within("the end", pipe.read_to_end(&mut said))
        .await
        .expect("a pipe does not fail");
    assert_eq!(server.connections(), 0);
    assert!(matches!(
        server.connect_local().await,
        Err(LocalError::Closed(_))
    ));
}

#[tokio::test]
async fn a_local_client_publishes_and_subscribes() {
    let server = start(|builder| builder).await;
    let local = server.connect_local().await.expect("everyone may connect");
    let mut all = local.subscribe("greet.>").await.expect("a valid filter");
    let mut outside = Client::connect(&server).await;
    outside.send("SUB greet.sue 1\r\n").await;
    outside.sync().await;
    local
        .publish("greet.sue", b"hello")
        .await
        .expect("a valid subject");
    outside.expect_payload("hello").await;
    let sent = LocalMessage {
        subject: "greet.joe".to_owned(),
        reply: Some("back".to_owned()),
        headers: Some(b"NATS/1.0\r\nKey: value\r\n\r\n".to_vec()),
        payload: b"with headers".to_vec(),
    };
    local.publish_message(&sent).await.expect("valid subjects");
    let plain = LocalMessage {
        subject: "greet.sue".to_owned(),
        payload: b"hello".to_vec(),
        ..LocalMessage::default()
    };
    assert_eq!(within("a message", all.next()).await, Some(plain));
    let received = within("a message", all.next())
        .await
        .expect("the connection lives");
    assert_eq!(received, sent);
    let block = received
        .headers
        .as_deref()
        .and_then(HeaderBlock::parse)
        .expect("headers");
    assert_eq!(block.first(b"Key"), Some(&b"value"[..]));
}

#[tokio::test]
async fn a_local_request_is_answered_or_refused() {
    let server = portless(|builder| builder).await;
    let client = server.connect_local().await.expect("everyone may connect");
    let nobody = within("the refusal", client.request("double", b"1")).await;
    assert_eq!(nobody, Err(LocalError::NoResponders));
    let service = server.connect_local().await.expect("everyone may connect");
    let mut requests = service
        .queue_subscribe("double", "workers")
        .await
        .expect("valid");
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let reply = request.reply.expect("a request has one");
            let payload = [request.payload.clone(), request.payload].concat();
            service
                .publish(&reply, &payload)
                .await
                .expect("the server runs");
        }
    });
    let answers = (0..100).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { (n, client.request("double", n.to_string().as_bytes()).await) })
    });
    for answer in answers.collect::<Vec<_>>() {
        let (n, answer) = within("an answer", answer).await.expect("no panic");
        assert_eq!(
            answer.expect("answered").payload,
            format!("{n}{n}").as_bytes()
        );
    }
    within("shutdown", server.shutdown()).await;
    within("the end of the service", answering)
        .await
        .expect("no panic");
    let after = within("an error", client.request("double", b"1")).await;
    assert!(matches!(after, Err(LocalError::Closed(_))), "{after:?}");
}

#[tokio::test]
async fn a_local_client_is_told_what_it_may_not_do() {
    let server = portless(|builder| {
        builder.configure(|options| {
            options.max_payload = 8;
            let may = |subject: &str| SubjectPermission {
                allow: Some([subject].into()),
                ..SubjectPermission::default()
            };
            options.authorization.credential = Credential::Users(vec![User::Password {
                user: "ann".to_owned(),
                password: Secret::new("p\"w\\\u{1}"),
                permissions: Some(Permissions {
                    publish: Some(may("out.>")),
                    subscribe: Some(may("in.>")),
                    ..Permissions::default()
                }),
                allowed_connection_types: Vec::new(),
                proxy_required: false,
            }]);
        })
    })
    .await;
    let refused = Err(LocalError::Closed("Authorization Violation".to_owned()));
    assert_eq!(server.connect_local().await.map(drop), refused);
    assert_eq!(
        server.connect_local_as("ann", "wrong").await.map(drop),
        refused
    );
    let ann = server
        .connect_local_as("ann", "p\"w\\\u{1}")
        .await
        .expect("the right password");

    let secret = "Permissions Violation for Subscription to \"secret\"";
    let refused = ann.subscribe("secret").await.map(drop);
    assert_eq!(refused, Err(LocalError::Refused(secret.to_owned())));
    ann.subscribe("in.a").await.map(drop).expect("allowed");
    for subject in ["", "a b", "a..b", "a\r\nPING", "out.*", ".a"] {
        let invalid = Err(LocalError::InvalidSubject(subject.to_owned()));
        assert_eq!(ann.publish(subject, b"").await, invalid);
    }
    assert_eq!(
        ann.publish("out.a", b"123456789").await,
        Err(LocalError::TooLarge { size: 9, max: 8 })
    );
    ann.publish("secret", b"")
        .await
        .expect("what the server thinks of it comes later");
    ann.flush().await.expect("the connection lives");
    let violation = "Permissions Violation for Publish to \"secret\"";
    assert_eq!(ann.take_errors(), [violation]);
    assert_eq!(ann.take_errors(), [""; 0]);
}

#[tokio::test]
async fn a_local_subscription_that_is_not_read_loses_messages_and_holds_nobody_up() {
    let server = portless(|builder| builder).await;
    let client = server.connect_local().await.expect("everyone may connect");
    let mut idle = client.subscribe("a").await.expect("valid");
    let mut read = client.subscribe("a").await.expect("valid");
    let count = 20_000u64;
    for start in (0..count).step_by(1000) {
        for n in start..start + 1000 {
            client
                .publish("a", n.to_string().as_bytes())
                .await
                .expect("the server runs");
        }
        for n in start..start + 1000 {
            let message = within("a message", read.next())
                .await
                .expect("the connection lives");
            assert_eq!(message.payload, n.to_string().as_bytes());
        }
    }
    client.flush().await.expect("the server runs");
    assert_eq!(read.dropped(), 0);
    let kept = count - idle.dropped();
    assert_eq!(kept, 8192);
    for n in 0..kept {
        let message = within("a message", idle.next()).await.expect("kept");
        assert_eq!(message.payload, n.to_string().as_bytes());
    }
}

#[tokio::test]
async fn dropping_ends_subscriptions_and_at_last_the_connection() {
    let server = portless(|builder| builder).await;
    let client = server.connect_local().await.expect("everyone may connect");
    let watcher = server.connect_local().await.expect("everyone may connect");
    let mut seen = watcher.subscribe("last").await.expect("valid");
    let subscription = client.subscribe("a").await.expect("valid");
    let pending = timeout(Duration::ZERO, client.request("a", b"")).await;
    assert!(pending.is_err(), "nobody answers");
    drop(subscription);
    client.flush().await.expect("the server runs");
    let nobody = within("the refusal", watcher.request("a", b"")).await;
    assert_eq!(nobody, Err(LocalError::NoResponders));
    for n in 0..1000 {
        client
            .publish("last", format!("{n}").as_bytes())
            .await
            .expect("the server runs");
    }
    drop(client);
    for n in 0..1000 {
        let message = within("a message", seen.next())
            .await
            .expect("the connection lives");
        assert_eq!(message.payload, format!("{n}").as_bytes());
    }
    until(
        "the end of the connection",
        async || server.connections(),
        |n| *n == 1,
    )
    .await;
    drop(watcher);
    assert_eq!(
        server.connections(),
        1,
        "a subscription keeps its connection"
    );
    drop(seen);
    until(
        "the end of the other",
        async || server.connections(),
        |n| *n == 0,
    )
    .await;
}

//! What a client that is let in cannot do: fill the server's memory. One test per resource whose bound
//! is the server's own; those that options set are tested by the conformance suite. The table of all
//! of them is in `docs/security.md`.

mod common;

use cognate_server::Server;
use common::{Client, options_from, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

/// Bytes that the ways back of one account may keep.
const WAYS_BYTES: usize = 64 * 1024 * 1024;

async fn server(config: &str) -> Server {
    let builder = Server::builder().options(options_from(config)).free_port();
    builder.start().await.expect("the configuration is good")
}

async fn login(server: &Server, user: &str) -> Client<DuplexStream> {
    let fields = format!(r#","user":"{user}","pass":"p""#);
    Client::with(server.connect_in_process(), &fields).await
}

/// Two accounts, a service of the first that the second imports.
fn service(latency: &str) -> String {
    format!(
        "accounts {{\n\
         A {{ users: [{{user: a, password: p}}], exports: [{{service: s{latency}}}, {{stream: l}}] }}\n\
         B {{ users: [{{user: b, password: p}}], imports: [{{service: {{account: A, subject: s}}}}] }} }}"
    )
}

/// Asks `count` times, each request weighing `bytes`, and answers only then; returns how many answers
/// find their way.
async fn answered(server: &Server, count: usize, reply: &str, headers: &str) -> usize {
    const BATCH: usize = 100;
    let mut service = login(server, "a").await;
    let mut asking = login(server, "b").await;
    service.send("SUB s 1\r\n").await;
    service.sync().await;
    asking.send("SUB inbox.> 1\r\n").await;
    asking.sync().await;
    let head = format!("NATS/1.0\r\n{headers}\r\n");
    let request = format!("HPUB s {reply} {0} {0}\r\n{head}\r\n", head.len());
    let mut ways = Vec::new();
    for _ in 0..count / BATCH {
        for _ in 0..BATCH {
            asking.send(&request).await;
        }
        for _ in 0..BATCH {
            ways.extend(service.message().await.reply);
        }
    }
    let mut seen = 0;
    for batch in ways.chunks(BATCH) {
        for way in batch {
            service.send(format!("PUB {way} 1\r\nm\r\n")).await;
        }
        service.sync().await;
        asking.send("PING\r\n").await;
        asking.drain(|_| seen += 1).await;
    }
    seen
}

#[tokio::test]
async fn requests_with_long_replies_do_not_pile_up() {
    let server = server(&service("")).await;
    let reply = format!("inbox.{}", "r".repeat(3990));
    let seen = answered(&server, 20_000, &reply, "").await;
    let room = WAYS_BYTES / reply.len();
    assert!((room * 9 / 10..=room).contains(&seen), "{seen} of {room}");
    server.shutdown().await;
}

#[tokio::test]
async fn requests_with_long_trace_headers_do_not_pile_up() {
    let latency = ", latency: {sampling: headers, subject: l}";
    let server = server(&service(latency)).await;
    let headers = format!(
        "Traceparent: 00-4b-00-01\r\nTracestate: {}\r\n",
        "t".repeat(200_000)
    );
    let seen = answered(&server, 500, "inbox.r", &headers).await;
    let room = WAYS_BYTES / 200_000;
    assert!((room * 9 / 10..=room).contains(&seen), "{seen} of {room}");
    server.shutdown().await;
}

#[tokio::test]
async fn subscriptions_of_ended_connections_are_forgotten() {
    let server = server("http: \"127.0.0.1:-1\"").await;
    let mut cids = Vec::new();
    // Each is remembered with about four megabytes.
    for _ in 0..20 {
        let mut client = Client::over(server.connect_in_process()).await;
        let cid = client.info.split("\"client_id\":").nth(1);
        let digits = |text: &str| {
            text.split(|c: char| !c.is_ascii_digit())
                .next()
                .map(str::to_owned)
        };
        cids.push(cid.and_then(digits).expect("a client_id in INFO"));
        let filter = "s".repeat(4000);
        for sid in 0..1024 {
            client.send(format!("SUB {filter}{sid} {sid}\r\n")).await;
        }
        client.sync().await;
        drop(client);
        common::until(
            "the client to be gone",
            async || server.connections(),
            |count| *count == 0,
        )
        .await;
    }
    for (at, is_remembered) in [(0, false), (19, true)] {
        let path = format!("/connz?state=closed&subs=1&cid={}", cids[at]);
        let body = get(&server, &path).await;
        assert_eq!(body.contains("ssssssss"), is_remembered, "connection {at}");
    }
    server.shutdown().await;
}

async fn get(server: &Server, path: &str) -> String {
    let address = server.monitor_addr().expect("monitoring is on");
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let mut body = Vec::new();
    within("monitoring", async {
        let mut stream = TcpStream::connect(address).await.expect("it accepts");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        stream.read_to_end(&mut body).await.expect("it answers");
    })
    .await;
    String::from_utf8_lossy(&body).into_owned()
}

/// Accounts in two columns: each imports the service of both of the row before, so that a request goes
/// twice as many ways with each row.
fn ladder(rows: usize) -> String {
    let mut config = "accounts {\n".to_owned();
    for row in 0..=rows {
        for side in ["l", "r"] {
            let imports = match row.checked_sub(1) {
                Some(before) => format!(
                    "imports: [{{service: {{account: l{before}, subject: s}}}}, \
                     {{service: {{account: r{before}, subject: s}}}}],"
                ),
                None => String::new(),
            };
            config += &format!(
                "{side}{row} {{ users: [{{user: {side}{row}, password: p}}], {imports} \
                 exports: [{{service: s}}] }}\n"
            );
        }
    }
    config + "}"
}

#[tokio::test]
async fn a_request_that_multiplies_comes_to_an_end() {
    const ROWS: usize = 40;
    const CROSSINGS: usize = 8192;
    let server = server(&ladder(ROWS)).await;
    let mut service = login(&server, "l0").await;
    service.send("SUB s 1\r\n").await;
    service.sync().await;
    let mut asking = login(&server, &format!("l{ROWS}")).await;
    asking.send("PUB s inbox 0\r\n\r\n").await;
    asking.sync().await;
    let mut requests = 0;
    service.send("PING\r\n").await;
    service.drain(|_| requests += 1).await;
    assert!((1..CROSSINGS).contains(&requests), "{requests}");
    server.shutdown().await;
}

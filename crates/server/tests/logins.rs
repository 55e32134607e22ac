//! Logins that fail, or that others decide about: what they cost, and what is left of them.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use cognate_server::Server;
use common::{Client, options_from, start, until, within};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

/// bcrypt of `s3cret`, cost 11: a tenth of a second and more for every login.
const HASH: &str = "$2b$11$D8YqLMWlVkrcB/73PhUylOCbj90DM4TK2Kz2HZfuCkaY5LS7DHq.u";

async fn server(config: &str) -> Server {
    let builder = Server::builder().options(options_from(config)).free_port();
    builder.start().await.expect("the configuration is good")
}

/// A connection from another address of this machine.
async fn socket_from(source: &str, server: &Server) -> TcpStream {
    let source: SocketAddr = source.parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(source).expect("an address of this machine");
    let to = server.client_addr().expect("the server listens");
    let connected = within("the connection", socket.connect(to)).await;
    connected.expect("the server accepts")
}

/// Everything that the server says to whoever says this.
async fn said_to(mut stream: TcpStream, connect: &str) -> String {
    use tokio::io::AsyncWriteExt as _;
    // It may be closed already.
    let _ = stream.write_all(connect.as_bytes()).await;
    let mut text = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut text)).await;
    String::from_utf8_lossy(&text).into_owned()
}

const WRONG: &str = "CONNECT {\"verbose\":false,\"auth_token\":\"wrong\"}\r\n";
const RIGHT: &str = r#","auth_token":"t""#;
const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_too_often_is_turned_away() {
    let config = "authorization { token: t }, max_failed_logins_per_source: 3";
    let server = server(config).await;
    let mut inside = Client::with(socket_from("127.0.0.1:0", &server).await, RIGHT).await;
    for _ in 0..3 {
        let said = said_to(socket_from("127.0.0.1:0", &server).await, WRONG).await;
        assert!(said.ends_with(VIOLATION), "{said}");
    }
    // It is counted when its end is recorded, which may be a moment after the client saw it.
    let turned_away = async || said_to(socket_from("127.0.0.1:0", &server).await, WRONG).await;
    let throttled = "-ERR 'Connection throttling is active. Please try again later.'\r\n";
    until("a closed door", turned_away, |said| said == throttled).await;
    // Others are let in, and who is in stays.
    let mut other = Client::with(socket_from("127.0.0.2:0", &server).await, RIGHT).await;
    other.sync().await;
    inside.sync().await;
    let mut local = Client::with(server.connect_in_process(), RIGHT).await;
    local.sync().await;
    let lifted = options_from("authorization { token: t }");
    let changes = server.reload(lifted).expect("the limit can change");
    assert_eq!(changes.len(), 1, "{changes:?}");
    let mut again = Client::with(socket_from("127.0.0.1:0", &server).await, RIGHT).await;
    again.sync().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_limit_nobody_is_turned_away() {
    let server = server("authorization { token: t }").await;
    for _ in 0..50 {
        let said = said_to(socket_from("127.0.0.1:0", &server).await, WRONG).await;
        assert!(said.ends_with(VIOLATION), "{said}");
    }
    server.shutdown().await;
}

/// Hashes are computed elsewhere, a few at a time: whoever is in notices nothing of many logins, and
/// those that are given up are not computed at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashes_of_many_logins_disturb_nobody() {
    let config = format!(
        "authorization {{ timeout: 60, users: [{{user: a, password: \"{HASH}\"}}, \
         {{user: b, password: p}}] }}"
    );
    let server = server(&config).await;
    let in_fields = r#","user":"b","pass":"p""#;
    let mut inside = Client::with(server.connect_in_process(), in_fields).await;
    let mut flood = Vec::new();
    for _ in 0..200 {
        let mut guess = Client::greeted(socket_from("127.0.0.1:0", &server).await).await;
        guess
            .send("CONNECT {\"verbose\":false,\"user\":\"a\",\"pass\":\"guess\"}\r\n")
            .await;
        flood.push(guess);
    }
    // One after the other they would take much longer than all of these together.
    let began = std::time::Instant::now();
    for _ in 0..20 {
        inside.sync().await;
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "20 pings took {took:?}");
    drop(flood);
    until(
        "all guesses to be forgotten",
        async || server.connections(),
        |count| *count == 1,
    )
    .await;
    // Not behind 200 others.
    let right = said_in_time(&server).await;
    assert!(right.ends_with(VIOLATION), "{right}");
    server.shutdown().await;
}

async fn said_in_time(server: &Server) -> String {
    let guess = "CONNECT {\"verbose\":false,\"user\":\"a\",\"pass\":\"guess\"}\r\n";
    said_to(socket_from("127.0.0.1:0", server).await, guess).await
}

const CALLOUT: &str = "accounts { AUTH { users: [{user: auth, password: p}] }, APP {} }\n\
     authorization { timeout: 60, auth_callout { account: AUTH, auth_users: [auth], issuer: \
     ABJHLOVMPA4CI6R5KLNGOB4GSLNIY7IOUPAJC4YFNDLQVIOBYQGUWVLA } }";

/// A service that hears questions and does not answer them.
async fn service(server: &Server) -> Client<tokio::io::DuplexStream> {
    let fields = r#","user":"auth","pass":"p","no_responders":true"#;
    let mut service = Client::with(server.connect_in_process(), fields).await;
    service
        .send("SUB $SYS.REQ.USER.AUTH 1\r\nSUB inbox 2\r\n")
        .await;
    service.sync().await;
    service
}

/// Whether anybody listens where the answer to a question goes.
async fn is_awaited(service: &mut Client<tokio::io::DuplexStream>, place: &str) -> bool {
    service
        .send(format!("PUB {place}.probe inbox 0\r\n\r\n"))
        .await;
    let nobody = service.message().await;
    assert!(nobody.payload.starts_with(b"NATS/1.0 503"), "{nobody:?}");
    service
        .send(format!("PUB {place} inbox 0\r\n\r\nPING\r\n"))
        .await;
    let mut is_awaited = true;
    service.drain(|_| is_awaited = false).await;
    is_awaited
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_its_question_along() {
    let server = server(CALLOUT).await;
    let mut service = service(&server).await;
    for more in ["", "PING\r\nSUB a 1\r\n"] {
        let mut client = Client::greeted(socket_from("127.0.0.1:0", &server).await).await;
        let connect = "CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\"}\r\n";
        client.send(format!("{connect}{more}")).await;
        let place = service.message().await.reply.expect("a question");
        drop(client);
        until(
            "it to be forgotten",
            async || server.connections(),
            |count| *count == 1,
        )
        .await;
        assert!(!is_awaited(&mut service, &place).await, "{more:?}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_forgotten_with_its_first_answer() {
    let server = server(CALLOUT).await;
    let mut service = service(&server).await;
    let connect = "CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\"}\r\n";
    let socket = socket_from("127.0.0.1:0", &server).await;
    let client = tokio::spawn(said_to(socket, connect));
    let place = service.message().await.reply.expect("a question");
    // Whoever listens there gets it, and it is no answer.
    assert!(is_awaited(&mut service, &place).await);
    let said = within("the refusal", client).await.expect("it ends");
    assert!(said.ends_with(VIOLATION), "{said}");
    assert!(!is_awaited(&mut service, &place).await);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_waits_for_no_answer() {
    let server = server(CALLOUT).await;
    let mut service = service(&server).await;
    let connect = "CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\"}\r\n";
    let socket = socket_from("127.0.0.1:0", &server).await;
    let client = tokio::spawn(said_to(socket, connect));
    service.message().await;
    within("the end", server.shutdown()).await;
    within("the client's end", client).await.expect("it ends");
}

/// Where nobody has to log in but a service decides, silence is no way in.
#[tokio::test(flavor = "multi_thread")]
async fn silence_is_no_way_around_the_service() {
    let server =
        start(|builder| builder.options(options_from(&format!("{CALLOUT}\nno_auth_user: auth"))))
            .await;
    // `auth` is let in without a question, silently too.
    let mut silent = Client::greeted(socket_from("127.0.0.1:0", &server).await).await;
    silent.sync().await;
    let other = CALLOUT.replace("password: p}]", "password: p}, {user: guest, password: p}]");
    let server =
        start(|builder| builder.options(options_from(&format!("{other}\nno_auth_user: guest"))))
            .await;
    let said = said_to(socket_from("127.0.0.1:0", &server).await, "PING\r\n").await;
    assert!(said.ends_with(VIOLATION), "{said}");
    server.shutdown().await;
}

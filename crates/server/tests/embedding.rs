//! The server as a library: ports, life cycle, several at once, logs, monitoring.

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cognate_config::options::{HttpOptions, Port};
use cognate_process::Logger;
use cognate_server::{COMPATIBLE_VERSION, Server, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use common::{Client, DEADLINE, options_from, socket, start, until, within};

async fn can_be_bound(address: SocketAddr) -> bool {
    // As a server binds: what recently used the port may still be in its last state.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("SO_REUSEADDR");
    socket.bind(address).is_ok() && socket.listen(1).is_ok()
}

/// A port that was free a moment ago.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
}

#[tokio::test]
async fn a_free_port_is_chosen_and_told() {
    let server = start(|builder| builder).await;
    let address = server.client_addr().expect("it listens");
    assert_ne!(address.port(), 0);
    assert_eq!(
        server.client_url(),
        Some(format!("nats://127.0.0.1:{}", address.port()))
    );
    let mut client = Client::connect(&server).await;
    assert!(
        client
            .info
            .contains(&format!("\"port\":{}", address.port())),
        "{}",
        client.info
    );
    assert!(client.info.contains(server.id()), "{}", client.info);
    assert_eq!(server.connections(), 1);
    client.send("SUB a 1\r\nPUB a 2\r\nhi\r\n").await;
    client.expect_payload("hi").await;
    within("shutdown", server.shutdown()).await;
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_chosen_port_is_taken_as_given() {
    let address = free_address().await;
    let builder = Server::builder().host("127.0.0.1").port(address.port());
    let server = builder.start().await.expect("the port is free");
    assert_eq!(server.client_addr(), Some(address));
    Client::connect(&server).await;
    within("shutdown", server.shutdown()).await;
}

#[tokio::test]
async fn without_a_port_nothing_listens() {
    let server = Server::builder()
        .no_port()
        .start()
        .await
        .expect("needs nothing");
    assert_eq!(server.client_addr(), None);
    assert_eq!(server.client_url(), None);
    assert_eq!(server.monitor_addr(), None);
    let mut client = Client::over(server.connect_in_process()).await;
    client.send("SUB a 1\r\nPUB a 2\r\nhi\r\n").await;
    client.expect_payload("hi").await;
    within("shutdown", server.shutdown()).await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn servers_in_one_process_know_nothing_of_each_other() {
    let mut servers = Vec::new();
    let mut clients = Vec::new();
    for n in 0..5 {
        let name = format!("server-{n}");
        let server =
            start(|builder| builder.configure(|options| options.server_name = Some(name))).await;
        let mut client = Client::connect(&server).await;
        client.send("SUB > 1\r\n").await;
        client.sync().await;
        servers.push(server);
        clients.push(client);
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert!(
            client
                .info
                .contains(&format!("\"server_name\":\"server-{n}\""))
        );
        client.send(format!("PUB a 1\r\n{n}\r\nPING\r\n")).await;
    }
    for (n, client) in clients.iter_mut().enumerate() {
        client.expect_payload(n.to_string()).await;
        client.expect("PONG").await;
    }
    let ids: std::collections::BTreeSet<&str> = servers.iter().map(Server::id).collect();
    assert_eq!(ids.len(), servers.len());
    within("the shutdown of one", servers[0].shutdown()).await;
    assert_eq!(clients[0].rest().await, "");
    for client in &mut clients[1..] {
        client.sync().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn shutdown_frees_the_ports_before_it_returns() {
    let mut address = free_address().await;
    for round in 0..40 {
        let http = HttpOptions {
            host: None,
            port: Port::Random,
            tls: false,
        };
        let builder = Server::builder().host("127.0.0.1").port(address.port());
        let builder = builder.configure(|options| options.http = Some(http));
        let server = builder
            .start()
            .await
            .unwrap_or_else(|e| panic!("round {round}: {e}"));
        let client = match round % 2 {
            0 => None,
            _ => Some(Client::connect(&server).await),
        };
        let monitor = server.monitor_addr().expect("monitoring listens");
        within("shutdown", server.shutdown()).await;
        if let Some(mut client) = client {
            assert_eq!(client.rest().await, "");
        }
        assert!(
            can_be_bound(monitor).await,
            "round {round}: monitoring still listens"
        );
        address = server.client_addr().expect("the address is remembered");
    }
}

#[tokio::test]
async fn a_dropped_server_stops_by_itself() {
    let server = start(|builder| builder).await;
    let address = server.client_addr().expect("it listens");
    let mut client = Client::connect(&server).await;
    let mut local = Client::over(server.connect_in_process()).await;
    drop(server);
    assert_eq!(client.rest().await, "");
    assert_eq!(local.rest().await, "");
    until(
        "the port",
        async || can_be_bound(address).await,
        |free| *free,
    )
    .await;
}

#[tokio::test]
async fn stopped_is_ready_for_everyone_once_the_server_stopped() {
    let server = Arc::new(start(|builder| builder).await);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let server = Arc::clone(&server);
        waiting.push(tokio::spawn(async move { server.stopped().await }));
    }
    let early = tokio::time::timeout(Duration::ZERO, server.stopped()).await;
    assert!(early.is_err(), "a running server has not stopped");
    // Two at once: both return when it is over.
    within("both shutdowns", async {
        tokio::join!(server.shutdown(), server.shutdown())
    })
    .await;
    for task in waiting {
        within("stopped()", task).await.expect("no panic");
    }
    within("stopped() afterwards", server.stopped()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_come_during_a_shutdown_do_not_outlive_it() {
    for _ in 0..1500 {
        let server = Arc::new(Server::builder().no_port().start().await.expect("starts"));
        let mut clients: Vec<_> = (0..8).map(|_| server.connect_in_process()).collect();
        let stop = tokio::spawn({
            let server = Arc::clone(&server);
            async move { server.shutdown().await }
        });
        clients.extend((0..8).map(|_| server.connect_in_process()));
        within("shutdown", stop).await.expect("no panic");
        assert_eq!(server.connections(), 0);
        for mut client in clients {
            let mut said = Vec::new();
            within("the end", client.read_to_end(&mut said))
                .await
                .expect("a pipe does not fail");
            // As nats-server does: whoever comes too late is sent INFO and nothing else.
            let said = String::from_utf8_lossy(&said);
            assert!(
                said.starts_with("INFO ") && !said.contains("-ERR"),
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("bound");
    let builder = Server::builder().host("127.0.0.1").port(address.port());
    let error = builder.start().await.err().expect("the port is taken");
    assert!(matches!(error, StartError::Listen { .. }), "{error:?}");
    let place = format!("127.0.0.1:{}", address.port());
    let text = format!(
        "Error listening on port: {place}, \"listen tcp {place}: bind: address already in use\""
    );
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn a_taken_monitoring_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let http = HttpOptions {
        host: None,
        port: Port::Number(port),
        tls: false,
    };
    let builder = Server::builder().host("127.0.0.1").free_port();
    let builder = builder.configure(|options| options.http = Some(http));
    let error = builder.start().await.err().expect("the port is taken");
    assert!(matches!(error, StartError::Monitor { .. }), "{error:?}");
    let text = format!(
        "Can't start monitoring: can't listen to the monitor port: \
         listen tcp 127.0.0.1:{port}: bind: address already in use"
    );
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn a_server_that_did_not_start_leaves_nothing_listening() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let monitor = free_address().await;
    let http = HttpOptions {
        host: None,
        port: Port::Number(monitor.port()),
        tls: false,
    };
    let builder = Server::builder().host("127.0.0.1").port(port);
    let builder = builder.configure(|options| options.http = Some(http));
    assert!(builder.start().await.is_err());
    until(
        "the monitoring port",
        async || can_be_bound(monitor).await,
        |free| *free,
    )
    .await;
}

#[tokio::test]
async fn options_that_cannot_be_used_are_refused_in_words() {
    let options = options_from("tls { cert_file: \"missing.pem\", key_file: \"missing.pem\" }");
    let error = Server::builder()
        .options(options)
        .start()
        .await
        .err()
        .expect("no certificate");
    assert!(matches!(error, StartError::Options(_)), "{error:?}");
    assert!(error.to_string().contains("missing.pem"), "{error}");
}

#[tokio::test]
async fn a_configuration_text_is_put_in_force() {
    let text = r#"
        server_name: configured
        max_payload: 1KB
        authorization { users: [ { user: ann, password: "p w\"1", permissions: { publish: "a.>" } } ] }
    "#;
    let server = Server::builder()
        .options(options_from(text))
        .start()
        .await
        .expect("it starts");
    assert_eq!(server.name(), "configured");
    let login = r#","user":"ann","pass":"p w\"1""#;
    let mut client = Client::with(socket(&server).await, login).await;
    assert!(
        client.info.contains("\"max_payload\":1024"),
        "{}",
        client.info
    );
    client.send("PUB b 0\r\n\r\n").await;
    client
        .expect("-ERR 'Permissions Violation for Publish to \"b\"'")
        .await;
    let mut stranger = Client::greeted(socket(&server).await).await;
    stranger
        .send("CONNECT {\"user\":\"bob\",\"pass\":\"x\"}\r\n")
        .await;
    assert_eq!(stranger.rest().await, "-ERR 'Authorization Violation'\r\n");
    within("shutdown", server.shutdown()).await;
}

#[tokio::test]
async fn log_lines_reach_a_closure() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log = Logger::custom(move |record| {
        sink.lock()
            .expect("no panic")
            .push(record.message.to_owned());
    });
    let server = start(|builder| builder.logger(log)).await;
    let port = server.client_addr().expect("it listens").port();
    within("shutdown", server.shutdown()).await;
    assert!(
        server.logger().flush(DEADLINE),
        "the log is written in time"
    );
    let lines = lines.lock().expect("no panic");
    let expected = [
        "Starting nats-server".to_owned(),
        format!("  Version:  {COMPATIBLE_VERSION}"),
        format!("Listening for client connections on 127.0.0.1:{port}"),
        "Server is ready".to_owned(),
        "Initiating Shutdown...".to_owned(),
        "Server Exiting..".to_owned(),
    ];
    let mut seen = lines.iter();
    for line in &expected {
        assert!(
            seen.any(|other| other == line),
            "no {line:?} in order in {lines:?}"
        );
    }
}

#[tokio::test]
async fn monitoring_answers_on_its_own_port() {
    let http = HttpOptions {
        host: None,
        port: Port::Random,
        tls: false,
    };
    let server =
        start(|builder| builder.configure(|options| options.http = Some(http.clone()))).await;
    let address = server.monitor_addr().expect("monitoring listens");
    let _client = Client::connect(&server).await;
    let mut request = TcpStream::connect(address)
        .await
        .expect("monitoring accepts");
    let text = "GET /varz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    request
        .write_all(text.as_bytes())
        .await
        .expect("the request is taken");
    let mut answer = String::new();
    within("the answer", request.read_to_string(&mut answer))
        .await
        .expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains(server.id()), "{answer}");
    assert!(answer.contains("\"connections\": 1,"), "{answer}");
    within("shutdown", server.shutdown()).await;
}

#[tokio::test]
async fn lame_duck_mode_warns_closes_and_stops() {
    let server = start(|builder| {
        builder.configure(|options| {
            options.lame_duck_grace_period = Duration::from_millis(50);
            options.lame_duck_duration = Duration::from_millis(250);
        })
    })
    .await;
    let address = server.client_addr().expect("it listens");
    let fields = r#","protocol":1"#;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Client::with(socket(&server).await, fields).await);
    }
    let mut inside = Client::with(server.connect_in_process(), fields).await;
    for client in &mut clients {
        // The INFO that answers CONNECT.
        client.incoming.line().await;
    }
    inside.incoming.line().await;
    assert!(!server.is_lame_duck());
    server.enter_lame_duck();
    server.enter_lame_duck();
    assert!(server.is_lame_duck());
    for client in &mut clients {
        let info = client.incoming.line().await;
        assert!(
            info.starts_with("INFO {") && info.contains("\"ldm\":true"),
            "{info}"
        );
        assert_eq!(client.rest().await, "");
    }
    let info = inside.incoming.line().await;
    assert!(info.contains("\"ldm\":true"), "{info}");
    assert_eq!(inside.rest().await, "");
    within("the end of lame duck mode", server.stopped()).await;
    assert!(can_be_bound(address).await, "the port is free");
}

#[tokio::test]
async fn a_shutdown_ends_lame_duck_mode_at_once() {
    let server = start(|builder| builder).await;
    let mut client = Client::connect(&server).await;
    server.enter_lame_duck();
    within("shutdown", server.shutdown()).await;
    client.rest().await;
    within("stopped()", server.stopped()).await;
}

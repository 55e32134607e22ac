//! Lame duck mode: no new clients, the old ones are told, then closed one by one.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use cognate_conformance::{Server, wait};

const CONFIG: &str = "lame_duck_duration: \"30s\", lame_duck_grace_period: \"3s\"";

#[test]
fn clients_are_told_and_closed_and_the_server_ends_with_success() {
    let mut server = Server::with_config(CONFIG);
    let mut told: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut told {
        client
            .send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\nPONG\r\n")
            .expect("PONG\r\n");
        client.read_info();
    }
    let mut old = server.connect();
    old.send("CONNECT {\"verbose\":false}\r\nSUB a 1\r\n")
        .sync();
    let start = Instant::now();
    server.signal("USR2");
    for client in &mut told {
        let info = client.line();
        assert!(
            info.starts_with("INFO ") && info.contains("\"ldm\":true"),
            "{info}"
        );
    }
    server.wait_log("Entering lame duck mode, stop accepting new clients");
    let addr = server.addr();
    wait::until("the listener to close", || TcpStream::connect(addr).err());
    assert_eq!(
        server.get("/healthz").status,
        500,
        "a load balancer must look elsewhere"
    );
    // During the grace period everything still works.
    told[0].send("PUB a 2\r\nhi\r\n");
    assert_eq!(
        old.line(),
        "MSG a 1 2",
        "a client of protocol 0 gets no INFO"
    );
    let mut ends = Vec::new();
    for client in told.iter_mut().chain(std::iter::once(&mut old)) {
        client.rest();
        ends.push(start.elapsed());
    }
    assert!(
        ends.iter().all(|end| *end >= Duration::from_secs(3)),
        "after the grace period: {ends:?}"
    );
    assert_eq!(server.wait_exit().code(), Some(0));
    let log = server.log();
    for line in [
        "Closing existing clients",
        "Initiating Shutdown...",
        "Server Exiting..",
    ] {
        assert!(log.contains(line), "{line} is missing in {log}");
    }
}

#[test]
fn without_clients_it_ends_at_once() {
    // The grace period is longer than anything here waits.
    let config = "lame_duck_duration: \"10m\", lame_duck_grace_period: \"5m\"";
    let mut server = Server::builder().config(config).start();
    server.signal("USR2");
    assert_eq!(server.wait_exit().code(), Some(0));
    assert!(server.log().contains("Entering lame duck mode"));
}

//! Pings, stale connections and the time allowed to authenticate.

use std::time::{Duration, Instant};

use cognate_conformance::Server;

use crate::support::QUIET;

#[test]
fn a_silent_client_is_pinged_and_then_closed_as_stale() {
    let server = Server::with_config("ping_interval: \"150ms\", ping_max: 2");
    let start = Instant::now();
    let mut client = server.connect();
    client.expect("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
    let took = start.elapsed();
    assert!(
        took > Duration::from_millis(300),
        "closed too early, after {took:?}"
    );
    let cid = client.cid();
    client.expect_close();
    assert_eq!(server.close_reason(cid), "Stale Connection");
    let varz = server.json("/varz");
    assert_eq!(varz["stale_connections"], 1);
    assert_eq!(varz["stale_connection_stats"]["clients"], 1);
}

#[test]
fn a_client_that_answers_pings_stays() {
    let server = Server::builder()
        .config("ping_interval: \"1s\", ping_max: 4")
        .start();
    let mut client = server.connect();
    client.send(QUIET);
    for _ in 0..6 {
        client.expect("PING\r\n").send("PONG\r\n");
    }
}

#[test]
fn the_first_ping_comes_soon_after_connecting() {
    // It measures the round trip, however long the ping interval is.
    let server = Server::with_config("ping_interval: \"10m\"");
    let mut client = server.connect();
    client.send(QUIET);
    client.expect("PING\r\n").send("PONG\r\n").sync();
    let connection = &server.json("/connz")["connections"][0];
    assert_ne!(connection["rtt"], "0s", "{connection}");
}

#[test]
fn a_client_that_does_not_authenticate_in_time_is_closed() {
    let server = Server::with_config("authorization { token: t, timeout: 0.3 }");
    let mut client = server.connect();
    let cid = client.cid();
    client
        .expect("-ERR 'Authentication Timeout'\r\n")
        .expect_close();
    assert_eq!(server.close_reason(cid), "Authentication Timeout");
}

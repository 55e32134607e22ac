//! TLS on the client port: who does not get through the handshake, and what it is told.

use std::time::{Duration, Instant};

use cognate_conformance::{Client, Server, wait};

use super::tls::{greet, prepare};
use crate::support::QUIET;
use crate::support::tls::{Authority, upgrade};

const THROTTLED: &str = "-ERR 'Connection throttling is active. Please try again later.'\r\n";

#[test]
fn plain_text_where_tls_is_required_is_refused_without_a_word() {
    let authority = Authority::new("ca");
    for first in [false, true] {
        let (builder, files) = prepare(&authority);
        // The handshake may take longer than anything here waits.
        let config = format!("tls {{ {files}, timeout: 600, handshake_first: {first} }}");
        let server = builder.config(&config).start();
        let mut client = Client::silent(server.addr());
        if !first {
            client.read_info();
        }
        let _ = client.try_send("CONNECT {\"verbose\":false}\r\nPING\r\n");
        assert_eq!(client.rest(), "", "handshake_first: {first}");
        let cid = newest(&server);
        assert_eq!(server.close_reason(cid), "TLS Handshake Failure");
    }
}

#[test]
fn a_handshake_that_does_not_end_in_time_is_ended_without_a_word() {
    let authority = Authority::new("ca");
    // Nothing, and the start of a handshake record.
    for sent in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
        for first in [false, true] {
            let (builder, files) = prepare(&authority);
            let config = format!("tls {{ {files}, timeout: 0.3, handshake_first: {first} }}");
            let server = builder.config(&config).start();
            let mut client = Client::silent(server.addr());
            let start = Instant::now();
            if !first {
                client.read_info();
            }
            client.send(sent);
            assert_eq!(client.rest(), "", "{sent:?}, handshake_first: {first}");
            assert!(start.elapsed() >= Duration::from_millis(200));
            let cid = newest(&server);
            assert_eq!(server.close_reason(cid), "TLS Handshake Failure");
        }
    }
}

/// The number of the last connection that ended.
fn newest(server: &Server) -> u64 {
    wait::until("a closed connection", || {
        let closed = server.json("/connz?state=closed&sort=stop");
        closed["connections"].as_array()?.last()?["cid"].as_u64()
    })
}

#[test]
fn handshakes_over_the_rate_limit_are_refused_and_counted_in_the_log() {
    let authority = Authority::new("ca");
    let (builder, files) = prepare(&authority);
    let config = format!("tls {{ {files}, connection_rate_limit: 2, timeout: 0.3 }}");
    let server = builder.config(&config).start();
    let start = Instant::now();
    let clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    // Who is let in says nothing, and hears nothing.
    let (refused, admitted): (Vec<_>, Vec<_>) = clients
        .into_iter()
        .map(|mut client| (client.rest(), client.cid()))
        .partition(|(rest, _)| rest == THROTTLED);
    assert!(admitted.iter().all(|(rest, _)| rest.is_empty()));
    let seconds = 1 + start.elapsed().as_secs() as usize;
    let (admitted, most) = (admitted.len(), 2 * seconds);
    assert!(
        (2..=most).contains(&admitted),
        "{admitted} in {seconds} seconds"
    );
    for (_, cid) in &refused {
        assert_eq!(server.close_reason(*cid), "Maximum Connections Exceeded");
    }
    wait::until("the log to count the refusals", || {
        let log = server.log();
        let counts = log.lines().filter_map(|line| {
            let (_, said) = line.split_once("[WRN] Rejected ")?;
            said.strip_suffix(" connections due to TLS rate limiting")?
                .parse::<usize>()
                .ok()
        });
        (counts.sum::<usize>() == refused.len()).then_some(())
    });
    let mut later = wait::until("room for another", || {
        let mut client = upgrade(server.addr(), authority.client_config(None));
        client.try_send(QUIET).ok().map(|()| client)
    });
    greet(&mut later);
}

#[test]
fn connections_over_the_maximum_are_turned_away_before_the_handshake() {
    let authority = Authority::new("ca");
    for first in [false, true] {
        let (builder, files) = prepare(&authority);
        let config = format!("max_connections: 1, tls {{ {files}, handshake_first: {first} }}");
        let server = builder.config(&config).start();
        // It counts although its handshake has not begun.
        let mut one = Client::silent(server.addr());
        if !first {
            one.read_info();
        }
        wait::until("the first to be in", || {
            let varz = server.json("/varz");
            (varz["connections"] == 1).then_some(())
        });
        let mut two = Client::silent(server.addr());
        if !first {
            two.read_info();
        }
        two.expect("-ERR 'maximum connections exceeded'\r\n")
            .expect_close();
        drop(one);
    }
}

#[test]
fn a_handshake_under_way_does_not_hold_up_the_end() {
    let authority = Authority::new("ca");
    let (builder, files) = prepare(&authority);
    let config = format!("tls {{ {files}, timeout: 600 }}");
    let mut server = builder.config(&config).start();
    let mut client = server.connect();
    client.send(b"\x16\x03\x01");
    server.signal("TERM");
    client.expect_close();
    server.wait_exit();
    let log = server.log();
    assert!(!log.contains("did not close in time"), "{log}");
}

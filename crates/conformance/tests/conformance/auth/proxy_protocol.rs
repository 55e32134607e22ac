//! PROXY protocol headers in front of clients: whose address counts, and what is no header.

use std::io::Write as _;
use std::net::TcpStream;

use cognate_conformance::{Client, Server};
use serde_json::{Value, json};

use super::tls::{greet, prepare};
use crate::support::QUIET;
use crate::support::tls::{Authority, wrap};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2.
fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("a short body");
    [SIGNATURE, &[command, family], &len.to_be_bytes(), body].concat()
}

/// 192.0.2.7:5000 to 192.0.2.1:4222, and TLVs.
fn over_ipv4(tlvs: &[u8]) -> Vec<u8> {
    let body = [
        &[192, 0, 2, 7, 192, 0, 2, 1][..],
        &5000_u16.to_be_bytes(),
        &4222_u16.to_be_bytes(),
        tlvs,
    ];
    binary(0x21, 0x11, &body.concat())
}

/// 2001:db8::7 port 5000 to 2001:db8::1 port 4222.
fn over_ipv6() -> Vec<u8> {
    let end = |last: u8| [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[last]].concat();
    let body = [
        end(7),
        end(1),
        5000_u16.to_be_bytes().to_vec(),
        4222_u16.to_be_bytes().to_vec(),
    ];
    binary(0x21, 0x21, &body.concat())
}

fn server() -> Server {
    Server::builder()
        .monitored()
        .config("proxy_protocol: true, debug: true")
        .start()
}

/// What monitoring shows of a client's place.
fn place(server: &Server, client: &Client) -> (Value, Value) {
    let path = format!("/connz?cid={}", client.cid());
    let shown = server.json(&path)["connections"][0].clone();
    (shown["ip"].clone(), shown["port"].clone())
}

#[test]
fn the_header_says_where_the_client_is() {
    let server = server();
    let mapped = "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 5000 4222\r\n";
    for (header, ip) in [
        (
            &b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 4222\r\n"[..],
            "192.0.2.7",
        ),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 4222\r\n",
            "2001:db8::7",
        ),
        (mapped.as_bytes(), "192.0.2.7"),
        (&over_ipv4(b""), "192.0.2.7"),
        (&over_ipv4(&[4, 0, 3, 1, 2, 3]), "192.0.2.7"),
        (&over_ipv6(), "2001:db8::7"),
    ] {
        let mut client = server.connect();
        // The proxy's own address is not told.
        assert!(
            client.info().get("client_ip").is_none(),
            "{}",
            client.info()
        );
        client.send(header).send(QUIET).sync();
        assert_eq!(
            place(&server, &client),
            (json!(ip), json!(5000)),
            "{header:?}"
        );
    }
}

#[test]
fn a_client_that_understands_it_is_told_its_address() {
    let server = server();
    let mut client = server.connect();
    client.send("PROXY TCP4 192.0.2.7 192.0.2.1 5000 4222\r\n");
    client.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    client.expect("PONG\r\n");
    assert_eq!(client.read_info()["client_ip"], "192.0.2.7");
}

#[test]
fn without_an_address_the_connections_own_counts() {
    let server = server();
    for header in [
        &b"PROXY UNKNOWN\r\n"[..],
        b"PROXY UNKNOWN what ever follows\r\n",
        &binary(0x20, 0x00, b""),
        &binary(0x20, 0x11, &[9; 40]),
        &binary(0x21, 0x01, &[9; 4]),
        b"",
    ] {
        let mut client = server.connect();
        let port = client.local_addr().port();
        client.send(header).send(QUIET).sync();
        let expected = (json!("127.0.0.1"), json!(port));
        assert_eq!(place(&server, &client), expected, "{header:?}");
    }
}

#[test]
fn a_header_may_come_in_pieces() {
    let server = server();
    for header in [
        b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 4222\r\n".to_vec(),
        over_ipv4(&[4; 600]),
    ] {
        let mut client = server.connect();
        for piece in header.chunks(header.len() / 8) {
            client.send(piece);
        }
        client.send(QUIET).sync();
        assert_eq!(place(&server, &client), (json!("192.0.2.7"), json!(5000)));
    }
}

#[test]
fn what_is_no_header_ends_the_connection() {
    let server = server();
    for header in [
        &b"PROXY TCP4 192.0.2.7 192.0.2.1 5000\r\n"[..],
        b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 4222 1\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 5000 4222\r\n",
        b"PROXY TCP6 192.0.2.7 192.0.2.1 5000 4222\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 65536\r\n",
        b"PROXY UDP4 192.0.2.7 192.0.2.1 5000 4222\r\n",
        &[&b"PROXY TCP4 "[..], &[b' '; 200]].concat(),
        &[SIGNATURE, &[0x31, 0x11, 0, 12], &[1; 12]].concat(),
        &[SIGNATURE, &[0x22, 0x11, 0, 12], &[1; 12]].concat(),
        &[SIGNATURE, &[0x21, 0x12, 0, 12], &[1; 12]].concat(),
        &[SIGNATURE, &[0x21, 0x31, 0, 12], &[1; 12]].concat(),
        &[SIGNATURE, &[0x21, 0x11, 0, 11], &[1; 11]].concat(),
        &[SIGNATURE, &[0x21, 0x21, 0, 12], &[1; 12]].concat(),
        b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\0",
    ] {
        let mut client = server.connect();
        client.send(header);
        let rest = client.rest();
        assert_eq!(rest, "", "{header:?}");
        let reason = server.close_reason(client.cid());
        assert_eq!(reason, "Protocol Violation", "{header:?}");
    }
    server.wait_log("Error reading PROXY protocol header from 127.0.0.1:");
}

#[test]
fn tls_begins_behind_the_header() {
    let authority = Authority::new("ca");
    for more in ["", "allow_non_tls: true,"] {
        let (builder, files) = prepare(&authority);
        let config = format!("proxy_protocol: true, {more} tls {{ {files} }}");
        let server = builder.config(&config).start();
        let plain = server.connect();
        let cid = plain.cid();
        let mut tcp = plain.into_tcp();
        tcp.write_all(&over_ipv4(b"")).expect("it is sent");
        let mut client = wrap(tcp, authority.client_config(None));
        greet(&mut client);
        let shown = server.json(&format!("/connz?cid={cid}"))["connections"][0].clone();
        assert_eq!(
            (&shown["ip"], &shown["tls_version"]),
            (&json!("192.0.2.7"), &json!("1.3"))
        );
        if !more.is_empty() {
            let mut client = server.connect();
            client.send(over_ipv4(b""));
            greet(&mut client);
        }
    }
}

#[test]
fn tls_may_come_first_behind_the_header() {
    let authority = Authority::new("ca");
    let (builder, files) = prepare(&authority);
    let server = builder
        .config(&format!(
            "proxy_protocol: true, tls {{ {files}, handshake_first: true }}"
        ))
        .start();
    for header in [over_ipv4(b""), Vec::new()] {
        let mut tcp = TcpStream::connect(server.addr()).expect("the server listens");
        tcp.write_all(&header).expect("it is sent");
        let mut client = wrap(tcp, authority.client_config(None));
        let ip = match header.is_empty() {
            true => "127.0.0.1",
            false => "192.0.2.7",
        };
        assert_eq!(client.read_info()["client_ip"], ip);
        greet(&mut client);
    }
}

#[test]
fn without_the_option_a_header_is_nonsense() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("PROXY TCP4 192.0.2.7 192.0.2.1 5000 4222\r\n");
    client
        .expect("-ERR 'Unknown Protocol Operation'\r\n")
        .expect_close();
}

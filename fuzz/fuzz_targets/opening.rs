//! How connections begin: PROXY headers of both versions, and whether TLS follows.
//!
//! Checks: never panics; every prefix needs more or says what the whole does, and none longer than
//! the bound needs more; lines agree with a reading word by word; a header that is put in front of any
//! bytes is read as it was written and leaves them alone; bytes that are taken for TLS are never an
//! operation of the client protocol, so that TLS-first detection misleads no client.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use cognate_fuzz::choose;
use cognate_wire::{
    Limits, MAX_PROXY_BYTES, ProxyError, ProxyStep, Step, begins_tls, parse_client, parse_proxy,
};
use libfuzzer_sys::fuzz_target;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    let check: fn(&[u8]) = choose(which, [raw, line, binary, written]);
    check(rest);
});

/// Any bytes.
fn raw(bytes: &[u8]) {
    let _ = look(bytes);
}

/// A header of version 1 with any words.
fn line(bytes: &[u8]) {
    let _ = look(&[b"PROXY ", bytes].concat());
}

/// A header of version 2 with any fields.
fn binary(bytes: &[u8]) {
    let _ = look(&[SIGNATURE, bytes].concat());
}

fn look(bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
    let whole = parse_proxy(bytes);
    for at in 0..=bytes.len().min(2 * MAX_PROXY_BYTES) {
        match parse_proxy(&bytes[..at]) {
            Ok(ProxyStep::NeedMore) => assert!(at < MAX_PROXY_BYTES, "the bound"),
            told => assert_eq!(told, whole, "{at} of {}", bytes.len()),
        }
    }
    match whole {
        Ok(ProxyStep::Present { source, len }) => {
            if bytes.starts_with(b"PROXY ") {
                let text = std::str::from_utf8(&bytes[..len]).expect("a line is text");
                assert!(text.ends_with("\r\n") && text.len() <= MAX_PROXY_BYTES);
                assert_eq!(source, naive(text), "{text:?}");
            }
            client(bytes.get(len..).unwrap_or_default());
        }
        Ok(ProxyStep::Absent) => client(bytes),
        _ => {}
    }
    whole
}

/// The source in a line, word by word.
fn naive(line: &str) -> Option<SocketAddr> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, protocol, source, _, port, _] = words.as_slice() else {
        assert_eq!(words.get(1), Some(&"UNKNOWN"));
        return None;
    };
    if *protocol == "UNKNOWN" {
        return None;
    }
    let ip: IpAddr = source.parse().expect("an address");
    assert_eq!(ip.is_ipv4(), *protocol == "TCP4");
    Some(SocketAddr::new(ip, port.parse().expect("a port")))
}

/// What follows a header is the client's own.
fn client(bytes: &[u8]) {
    if bytes.first().is_some_and(|first| begins_tls(*first)) {
        let step = parse_client(bytes, &Limits::default());
        assert!(!matches!(step, Step::Op { .. }), "{step:?}");
    }
}

/// A header as a proxy writes it, in front of any bytes.
fn written(bytes: &[u8]) {
    let Some((addresses, follows)) = bytes.split_first_chunk::<36>() else {
        return;
    };
    let port = u16::from_be_bytes([addresses[32], addresses[33]]);
    let v6: [u8; 16] = std::array::from_fn(|at| addresses[at]);
    let v4: [u8; 4] = std::array::from_fn(|at| addresses[at]);
    for (protocol, family, ip) in [
        ("TCP4", 0x11, IpAddr::from(v4)),
        ("TCP6", 0x21, IpAddr::from(v6)),
    ] {
        let text = format!("PROXY {protocol} {ip} {ip} {port} 4222\r\n");
        let mut body = match ip {
            IpAddr::V4(ip) => [ip.octets(), ip.octets()].concat(),
            IpAddr::V6(ip) => [ip.octets(), ip.octets()].concat(),
        };
        body.extend([port.to_be_bytes(), 4222_u16.to_be_bytes()].concat());
        let len = u16::try_from(body.len()).expect("short").to_be_bytes();
        let bytes = [SIGNATURE, &[0x21, family], &len, &body].concat();
        for header in [text.into_bytes(), bytes] {
            let len = header.len();
            let source = Some(SocketAddr::new(ip, port));
            let told = look(&[header, follows.to_vec()].concat());
            assert_eq!(told, Ok(ProxyStep::Present { source, len }));
        }
    }
}

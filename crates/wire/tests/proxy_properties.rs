//! PROXY headers: what is written is read back, whatever follows and however it arrives, and what is
//! no header is left to the client.

use std::net::{IpAddr, SocketAddr};

use cognate_wire::{MAX_PROXY_BYTES, ProxyError, ProxyStep, parse_proxy};
use proptest::prelude::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn line(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let protocol = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!(
        "PROXY {protocol} {from} {to} {} {}\r\n",
        source.port(),
        destination.port()
    )
    .into_bytes()
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// A header of version 2 around these addresses and TLVs.
fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &len, body].concat()
}

fn addresses(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    [
        octets(source.ip()),
        octets(destination.ip()),
        source.port().to_be_bytes().to_vec(),
        destination.port().to_be_bytes().to_vec(),
    ]
    .concat()
}

/// Two addresses of one family.
fn pairs() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = any::<([u8; 4], u16, [u8; 4], u16)>()
        .prop_map(|(a, p, b, q)| (SocketAddr::from((a, p)), SocketAddr::from((b, q))));
    let v6 = any::<([u8; 16], u16, [u8; 16], u16)>()
        .prop_map(|(a, p, b, q)| (SocketAddr::from((a, p)), SocketAddr::from((b, q))));
    prop_oneof![v4, v6]
}

/// Every beginning of the input either needs more or says what the whole does.
fn check_prefixes(bytes: &[u8]) -> Result<(), TestCaseError> {
    let whole = parse_proxy(bytes);
    for at in 0..bytes.len().min(2 * MAX_PROXY_BYTES) {
        match parse_proxy(&bytes[..at]) {
            Ok(ProxyStep::NeedMore) => prop_assert!(at < MAX_PROXY_BYTES),
            told => prop_assert_eq!(&told, &whole, "{} of {}", at, bytes.len()),
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (source, destination) in pairs(),
        tlvs in prop::collection::vec(any::<u8>(), 0..300),
        follows in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let family = if source.is_ipv4() { 0x11 } else { 0x21 };
        let body = [addresses(source, destination), tlvs].concat();
        for header in [line(source, destination), binary(0x21, family, &body)] {
            let len = header.len();
            let bytes = [header, follows.clone()].concat();
            let expected = ProxyStep::Present { source: Some(source), len };
            prop_assert_eq!(parse_proxy(&bytes), Ok(expected));
            check_prefixes(&bytes)?;
        }
    }

    #[test]
    fn whoever_speaks_for_itself_has_no_other_address(
        body in prop::collection::vec(any::<u8>(), 0..300),
        family: u8,
        words in "[ -~]{0,80}",
    ) {
        let local = binary(0x20, family, &body);
        let unspecified = binary(0x21, 0x01, &body);
        let unknown = format!("PROXY UNKNOWN {words}\r\n").into_bytes();
        for header in [local, unspecified, unknown] {
            let len = header.len();
            let expected = ProxyStep::Present { source: None, len };
            prop_assert_eq!(parse_proxy(&header), Ok(expected));
            check_prefixes(&header)?;
        }
    }

    #[test]
    fn anything_is_told_from_a_bounded_beginning(
        start in prop_oneof![Just(&b""[..]), Just(&b"PROXY "[..]), Just(SIGNATURE)],
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [start, &rest].concat();
        check_prefixes(&bytes)?;
        if bytes.len() >= MAX_PROXY_BYTES {
            prop_assert_ne!(parse_proxy(&bytes), Ok(ProxyStep::NeedMore));
        }
    }
}

#[test]
fn clients_of_their_own_are_left_alone() {
    for bytes in [
        "CONNECT {}\r\n",
        "PING\r\n",
        "\x16\x03\x01\x02\x00\x01",
        "PROXY\r\n",
    ] {
        assert_eq!(
            parse_proxy(bytes.as_bytes()),
            Ok(ProxyStep::Absent),
            "{bytes:?}"
        );
    }
    assert_eq!(parse_proxy(b"PROXY"), Ok(ProxyStep::NeedMore));
    assert_eq!(parse_proxy(b""), Ok(ProxyStep::NeedMore));
}

#[test]
fn wrong_lines_are_refused() {
    for text in [
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY \r\n",
    ] {
        let told = parse_proxy(text.as_bytes());
        assert!(
            matches!(told, Err(ProxyError::Invalid(_))),
            "{text:?}: {told:?}"
        );
    }
    let mapped = b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n";
    assert!(matches!(
        parse_proxy(mapped),
        Ok(ProxyStep::Present {
            source: Some(_),
            ..
        })
    ));
    let long = format!("PROXY TCP4 {:100}", "");
    assert_eq!(
        parse_proxy(long.as_bytes()),
        Err(ProxyError::Invalid("v1 line too long"))
    );
}

#[test]
fn wrong_binaries_are_refused() {
    let told = |command, family, len| parse_proxy(&binary(command, family, &vec![0; len]));
    assert_eq!(told(0x11, 0x11, 12), Err(ProxyError::Invalid("version")));
    assert_eq!(told(0x22, 0x11, 12), Err(ProxyError::Command(2)));
    assert!(
        matches!(told(0x21, 0x12, 12), Err(ProxyError::Unsupported(_))),
        "datagrams"
    );
    assert!(
        matches!(told(0x21, 0x31, 216), Err(ProxyError::Unsupported(_))),
        "UNIX"
    );
    assert_eq!(told(0x21, 0x11, 11), Err(ProxyError::Short(11)));
    assert_eq!(told(0x21, 0x21, 35), Err(ProxyError::Short(35)));
    let mut near = SIGNATURE.to_vec();
    near[8] = b'X';
    assert_eq!(parse_proxy(&near), Err(ProxyError::Invalid("signature")));
}

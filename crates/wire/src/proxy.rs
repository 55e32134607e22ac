//! How a connection begins: PROXY protocol headers, which say who a client behind a load balancer
//! really is (`proxy_protocol`), and TLS.
//!
//! ```text
//! v1   "PROXY TCP4 192.0.2.1 192.0.2.9 50000 4222\r\n"                      at most 107 bytes
//! v2   signature (12) │ version, command │ family, transport │ length (2) │ addresses, TLVs
//! ```
//!
//! [`parse_proxy`] looks at the first bytes of a connection, before anything else does, TLS included.
//! Invariants: pure, never panics, and what it says about a prefix of its input is never taken back:
//! more bytes only turn [`ProxyStep::NeedMore`] into something else. Bound: it never asks for more
//! than [`MAX_PROXY_BYTES`]; what follows the addresses of a version 2 header (TLVs) is skipped by
//! its length and not looked at. Accepts and refuses what nats-server 2.14.5 does.
//!
//! Absent: reading, time limits, and who may send such headers: whoever reaches the listener.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::fmt;

/// Bytes of a connection that are needed at most to understand its header.
pub const MAX_PROXY_BYTES: usize = V1_MAX;

/// Bytes that tell whether there is a header at all.
const PREFIX: usize = 6;
const V1_PREFIX: &[u8; PREFIX] = b"PROXY ";
/// A line of version 1 with its end.
const V1_MAX: usize = 107;
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// A header of version 2 without addresses.
const V2_FIXED: usize = 16;
const IPV4_BYTES: usize = 12;
const IPV6_BYTES: usize = 36;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyStep {
    /// That cannot be told from so few.
    NeedMore,
    /// No header: they are the client's own.
    Absent,
    /// A header of this length, which may reach beyond the bytes at hand; the client's own follow.
    Present {
        /// Where the client is. `None` if the proxy speaks for itself (health checks) or does not
        /// know: the connection's own address counts.
        source: Option<SocketAddr>,
        /// Bytes of the header.
        len: usize,
    },
}

/// Whether a connection begins with a TLS handshake whose first byte, behind any header, is this one:
/// the type of a handshake record. Nothing of the client protocol begins like that.
pub const fn begins_tls(first: u8) -> bool {
    first == 0x16
}

/// What is wrong with a header. Such a connection is closed without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// It is none of either version: says where.
    Invalid(&'static str),
    /// It is for another kind of connection.
    Unsupported(&'static str),
    /// Its command is not known.
    Command(u8),
    /// There is no room in it for the addresses of its family.
    Short(usize),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::Invalid(what) => write!(f, "invalid PROXY protocol header: {what}"),
            ProxyError::Unsupported(what) => {
                write!(f, "unsupported PROXY protocol feature: {what}")
            }
            ProxyError::Command(command) => {
                write!(f, "unknown PROXY protocol command: 0x{command:02x}")
            }
            ProxyError::Short(len) => write!(f, "address data too short: {len} bytes"),
        }
    }
}

impl std::error::Error for ProxyError {}

/// Looks at the first bytes of a connection.
///
/// # Errors
/// If they begin like a header and are none.
pub fn parse_proxy(bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else {
        return Ok(ProxyStep::NeedMore);
    };
    if prefix == V1_PREFIX {
        return line(bytes);
    }
    if V2_SIGNATURE.starts_with(prefix) {
        return binary(bytes);
    }
    Ok(ProxyStep::Absent)
}

fn line(bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
    let window = bytes.get(..V1_MAX).unwrap_or(bytes);
    let Some(end) = memchr::memmem::find(window, b"\r\n") else {
        return match bytes.len() < V1_MAX {
            true => Ok(ProxyStep::NeedMore),
            false => Err(ProxyError::Invalid("v1 line too long")),
        };
    };
    let text = window.get(PREFIX..end).unwrap_or_default();
    let text = std::str::from_utf8(text).map_err(|_| ProxyError::Invalid("v1 line is no text"))?;
    let mut words = text.split_whitespace();
    let protocol = words.next().ok_or(ProxyError::Invalid("v1 format"))?;
    let len = end + 2;
    if protocol == "UNKNOWN" {
        return Ok(ProxyStep::Present { source: None, len });
    }
    let mut word = || words.next().ok_or(ProxyError::Invalid("v1 format"));
    let (source, destination) = (word()?, word()?);
    let (source_port, destination_port) = (word()?, word()?);
    if words.next().is_some() {
        return Err(ProxyError::Invalid("v1 format"));
    }
    let ip = address(protocol, source)?;
    address(protocol, destination)?;
    port(destination_port)?;
    let source = Some(SocketAddr::new(ip, port(source_port)?));
    Ok(ProxyStep::Present { source, len })
}

/// An address as the protocol's name says it is written.
fn address(protocol: &str, text: &str) -> Result<IpAddr, ProxyError> {
    let ip = match protocol {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return Err(ProxyError::Invalid("protocol")),
    };
    ip.ok_or(ProxyError::Invalid("address"))
}

fn port(text: &str) -> Result<u16, ProxyError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.then(|| text.parse().ok()).flatten();
    port.ok_or(ProxyError::Invalid("port"))
}

fn binary(bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
    let known = bytes.len().min(V2_SIGNATURE.len());
    if bytes.get(..known) != V2_SIGNATURE.get(..known) {
        return Err(ProxyError::Invalid("signature"));
    }
    let Some(&[.., command, family, high, low]) = bytes.first_chunk::<V2_FIXED>() else {
        return Ok(ProxyStep::NeedMore);
    };
    if command & 0xf0 != 0x20 {
        return Err(ProxyError::Invalid("version"));
    }
    let room = usize::from(u16::from_be_bytes([high, low]));
    let len = V2_FIXED + room;
    let unknown = Ok(ProxyStep::Present { source: None, len });
    match command & 0x0f {
        0 => return unknown,
        1 => {}
        other => return Err(ProxyError::Command(other)),
    }
    if family & 0x0f != 1 {
        return Err(ProxyError::Unsupported("only STREAM protocol supported"));
    }
    let needed = match family & 0xf0 {
        0x00 => return unknown,
        0x10 => IPV4_BYTES,
        0x20 => IPV6_BYTES,
        _ => return Err(ProxyError::Unsupported("unsupported address family")),
    };
    if room < needed {
        return Err(ProxyError::Short(room));
    }
    let Some(addresses) = bytes.get(V2_FIXED..V2_FIXED + needed) else {
        return Ok(ProxyStep::NeedMore);
    };
    let source = source_of(addresses);
    Ok(ProxyStep::Present { source, len })
}

/// The source in the addresses of one of the two families, which their length tells apart.
fn source_of(addresses: &[u8]) -> Option<SocketAddr> {
    let (ip, port_at) = if addresses.len() == IPV4_BYTES {
        (IpAddr::from(*addresses.first_chunk::<4>()?), 8)
    } else {
        (IpAddr::from(*addresses.first_chunk::<16>()?), 32)
    };
    let port = addresses.get(port_at..)?.first_chunk::<2>()?;
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

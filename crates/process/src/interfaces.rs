//! The addresses of this machine's network interfaces.
//!
//! `ports_file` expands an unspecified address (`0.0.0.0`, `::`) with them, and the server does
//! so for `connect_urls`. Absent: choosing among them.

use std::net::{IpAddr, SocketAddr};

/// Addresses taken into account; a machine with more has its list cut.
const ADDRESSES_LIMIT: usize = 1024;

/// Every address of every interface, loopback and link-local included: interface by interface
/// in the system's order, IPv4 before IPv6. Empty if the system does not tell.
pub fn addresses() -> Vec<IpAddr> {
    let mut names: Vec<String> = Vec::new();
    let mut found: Vec<(usize, IpAddr)> = Vec::new();
    for interface in if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .take(ADDRESSES_LIMIT)
    {
        let rank = names
            .iter()
            .position(|name| *name == interface.name)
            .unwrap_or_else(|| {
                names.push(interface.name.clone());
                names.len() - 1
            });
        found.push((rank, interface.ip()));
    }
    found.sort_by_key(|(rank, ip)| (*rank, ip.is_ipv6()));
    found.into_iter().map(|(_, ip)| ip).collect()
}

/// The addresses a listener bound to `bound` can be reached at: itself, or one per address of
/// [`addresses`] when it is bound to all of them.
pub fn reachable(bound: SocketAddr) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    addresses()
        .into_iter()
        .map(|ip| SocketAddr::new(ip, bound.port()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specified_address_is_reached_as_it_is() {
        let bound: SocketAddr = "127.0.0.1:4222".parse().unwrap();
        assert_eq!(reachable(bound), [bound]);
    }

    #[test]
    fn an_unspecified_address_is_reached_through_every_interface() {
        let expanded = reachable("0.0.0.0:4222".parse().unwrap());
        assert!(
            expanded.contains(&"127.0.0.1:4222".parse().unwrap()),
            "{expanded:?}"
        );
        assert!(
            expanded
                .iter()
                .all(|address| !address.ip().is_unspecified())
        );
        assert!(expanded.iter().all(|address| address.port() == 4222));
    }
}

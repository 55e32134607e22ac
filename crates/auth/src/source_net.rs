//! Networks that a user may come from (`src` of user tokens).
//!
//! Owns CIDR notation and what lies within. An IPv4 address that is written as an IPv6 one is
//! the IPv4 address, on both sides. Called when claims are checked and when a user logs in.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses with a common beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Reads `192.168.2.0/24` or `2001:db8::/32`. `None` if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        // `parse` of a number would take a sign.
        if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let prefix_bits: u32 = bits.parse().ok()?;
        let address = address.parse().ok()?;
        let width = match address {
            IpAddr::V4(_) => Ipv4Addr::BITS,
            IpAddr::V6(_) => Ipv6Addr::BITS,
        };
        (prefix_bits <= width).then_some(Network {
            address,
            prefix_bits,
        })
    }

    /// Whether the address lies within.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = self.prefix_bits;
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(Ipv4Addr::BITS - bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(Ipv6Addr::BITS - bits).unwrap_or(0) == 0
            }
            // `::ffff:10.0.0.0/104` means IPv4 addresses.
            (IpAddr::V6(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_ipv6_mapped().to_bits();
                network.to_ipv4_mapped().is_some()
                    && differing.checked_shr(Ipv6Addr::BITS - bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }
}

/// Whether somebody at `address` (unknown for connections without one) may come in: from
/// anywhere if no networks are listed, else from one of them. A malformed network lets nobody
/// in, as claims that have one are not valid.
pub fn allows(networks: &[String], address: Option<IpAddr>) -> bool {
    if networks.is_empty() {
        return true;
    }
    let Some(address) = address else {
        return false;
    };
    for network in networks {
        match Network::parse(network) {
            None => return false,
            Some(network) if network.contains(address) => return true,
            Some(_) => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Network, allows};

    fn check(network: &str, address: &str, expected: Option<bool>) {
        let within = Network::parse(network).map(|n| n.contains(address.parse().unwrap()));
        assert_eq!(within, expected, "{network} {address}");
    }

    #[test]
    fn addresses_are_compared_by_prefix() {
        check("192.168.2.0/24", "192.168.2.255", Some(true));
        check("192.168.2.7/24", "192.168.2.255", Some(true));
        check("192.168.2.0/24", "192.168.3.0", Some(false));
        check("192.168.2.1/32", "192.168.2.1", Some(true));
        check("192.168.2.1/32", "192.168.2.0", Some(false));
        check("0.0.0.0/0", "8.8.8.8", Some(true));
        check("0.0.0.0/0", "::1", Some(false));
        check("0.0.0.0/0", "::ffff:8.8.8.8", Some(true));
        check("2001:db8::/32", "2001:db8::1", Some(true));
        check("2001:db8::/32", "2001:db9::1", Some(false));
        check("::/0", "2001:db8::1", Some(true));
        check("::1/128", "::1", Some(true));
        check("::/0", "8.8.8.8", Some(false));
        check("::ffff:10.0.0.0/104", "10.1.2.3", Some(true));
        check("::ffff:10.0.0.0/104", "11.1.2.3", Some(false));
        for malformed in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/8/8",
            "10.0.0.0/0008",
            "a/8",
            " 10.0.0.0/8",
        ] {
            check(malformed, "10.0.0.0", None);
        }
    }

    /// What nats-server says of the same networks (`testdata/server.json`).
    #[test]
    fn networks_are_those_of_the_go_server() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/server.json")).unwrap();
        for vector in vectors["sources"].as_array().unwrap() {
            let network = vector["network"].as_str().unwrap().to_owned();
            let address = vector["host"].as_str().unwrap().parse().ok();
            assert_eq!(
                allows(&[network], address),
                vector["ok"] == true,
                "{vector}"
            );
        }
    }

    #[test]
    fn one_network_is_enough_and_none_means_all() {
        let of = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let here = Some("10.0.0.1".parse().unwrap());
        assert!(allows(&[], None) && allows(&[], here));
        assert!(allows(&of(&["192.168.0.0/16", "10.0.0.0/8"]), here));
        assert!(!allows(&of(&["192.168.0.0/16"]), here));
        assert!(!allows(&of(&["10.0.0.0/8"]), None));
        assert!(!allows(&of(&["junk", "10.0.0.0/8"]), here));
    }
}

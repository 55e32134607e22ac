//! The types of connection that users can be limited to.

use std::fmt;
use std::str::FromStr;

/// How a client reached the server, with the names of the configuration and of user JWTs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnectionType {
    /// `STANDARD`: NATS over TCP or TLS.
    #[default]
    Standard,
    /// `WEBSOCKET`
    Websocket,
    /// `LEAFNODE`
    Leafnode,
    /// `LEAFNODE_WS`
    LeafnodeWs,
    /// `MQTT`
    Mqtt,
    /// `MQTT_WS`
    MqttWs,
    /// `IN_PROCESS`: without a socket, inside the embedding program.
    InProcess,
}

impl ConnectionType {
    /// All of them.
    pub const ALL: [ConnectionType; 7] = [
        ConnectionType::Standard,
        ConnectionType::Websocket,
        ConnectionType::Leafnode,
        ConnectionType::LeafnodeWs,
        ConnectionType::Mqtt,
        ConnectionType::MqttWs,
        ConnectionType::InProcess,
    ];

    /// The configured name.
    pub const fn name(self) -> &'static str {
        match self {
            ConnectionType::Standard => "STANDARD",
            ConnectionType::Websocket => "WEBSOCKET",
            ConnectionType::Leafnode => "LEAFNODE",
            ConnectionType::LeafnodeWs => "LEAFNODE_WS",
            ConnectionType::Mqtt => "MQTT",
            ConnectionType::MqttWs => "MQTT_WS",
            ConnectionType::InProcess => "IN_PROCESS",
        }
    }
}

/// A name that is no connection type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownConnectionType(
    /// The text given.
    pub String,
);

impl fmt::Display for UnknownConnectionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = ConnectionType::ALL.map(ConnectionType::name).join(", ");
        write!(
            f,
            "unknown connection type {:?}, expected one of {known}",
            self.0
        )
    }
}

impl std::error::Error for UnknownConnectionType {}

impl FromStr for ConnectionType {
    type Err = UnknownConnectionType;

    /// Reads a configured name, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownConnectionType> {
        ConnectionType::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownConnectionType(text.to_owned()))
    }
}

/// A set of connection types.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionTypes(u8);

impl ConnectionTypes {
    /// No type at all.
    pub const NONE: ConnectionTypes = ConnectionTypes(0);

    /// Whether the set has no types.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the set has this type.
    pub const fn contains(self, kind: ConnectionType) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// As `allowed_connection_types`: an empty set allows every type.
    pub const fn allows(self, kind: ConnectionType) -> bool {
        self.is_empty() || self.contains(kind)
    }
}

impl FromIterator<ConnectionType> for ConnectionTypes {
    fn from_iter<I: IntoIterator<Item = ConnectionType>>(kinds: I) -> Self {
        ConnectionTypes(
            kinds
                .into_iter()
                .fold(0, |bits, kind| bits | 1 << kind as u8),
        )
    }
}

impl fmt::Debug for ConnectionTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = ConnectionType::ALL
            .into_iter()
            .filter(|kind| self.contains(*kind));
        f.debug_set()
            .entries(held.map(ConnectionType::name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectionType, ConnectionTypes};

    #[test]
    fn names_are_read_in_any_case() {
        for kind in ConnectionType::ALL {
            assert_eq!(kind.name().to_lowercase().parse(), Ok(kind));
        }
        let error = "tcp".parse::<ConnectionType>().unwrap_err().to_string();
        assert!(
            error.starts_with("unknown connection type \"tcp\""),
            "{error}"
        );
    }

    #[test]
    fn an_empty_set_allows_everything_and_contains_nothing() {
        let some: ConnectionTypes = [ConnectionType::Mqtt].into_iter().collect();
        for kind in ConnectionType::ALL {
            assert!(ConnectionTypes::NONE.allows(kind) && !ConnectionTypes::NONE.contains(kind));
            assert_eq!(some.allows(kind), kind == ConnectionType::Mqtt);
        }
    }
}

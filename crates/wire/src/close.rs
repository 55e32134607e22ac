//! Why a connection ended: the closed list shown in connz and events.
//!
//! Called by everything that closes connections. Texts are compatible with
//! nats-server 2.14.5 and read by monitoring tools, so they never change.
//! Absent: what the client was told ([`crate::error_text`]).

use std::fmt;

macro_rules! close_reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The reason for which a connection ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseReason {
            $($(#[$doc])* $name,)*
        }

        impl CloseReason {
            /// Every reason, in the protocol's order.
            pub const ALL: &'static [CloseReason] = &[$(CloseReason::$name,)*];

            /// The exact text used in connz and in disconnect events.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(CloseReason::$name => $text,)*
                }
            }
        }
    };
}

close_reasons! {
    /// The client closed the connection.
    ClientClosed = "Client Closed",
    /// No CONNECT within the authentication timeout.
    AuthenticationTimeout = "Authentication Timeout",
    /// Bad or missing credentials.
    AuthenticationFailure = "Authentication Failure",
    /// The TLS handshake failed or timed out.
    TlsHandshakeFailure = "TLS Handshake Failure",
    /// More than `max_pending` bytes were waiting for the client.
    SlowConsumerPendingBytes = "Slow Consumer (Pending Bytes)",
    /// A write did not finish within `write_deadline`.
    SlowConsumerWriteDeadline = "Slow Consumer (Write Deadline)",
    /// The socket refused a write.
    WriteError = "Write Error",
    /// The socket failed on a read.
    ReadError = "Read Error",
    /// The client sent `-ERR`.
    ParseError = "Parse Error",
    /// Too many pings remained unanswered.
    StaleConnection = "Stale Connection",
    /// Bytes that are no valid operation.
    ProtocolViolation = "Protocol Violation",
    /// CONNECT asked for a protocol other than 0 and 1.
    BadClientProtocolVersion = "Bad Client Protocol Version",
    /// A client on a port for other kinds of connections.
    IncorrectPort = "Incorrect Port",
    /// The server's `max_connections` was reached.
    MaxConnectionsExceeded = "Maximum Connections Exceeded",
    /// The account's connection limit was reached.
    MaxAccountConnectionsExceeded = "Maximum Account Connections Exceeded",
    /// A message larger than `max_payload`.
    MaxPayloadExceeded = "Maximum Message Payload Exceeded",
    /// A control line longer than `max_control_line`.
    MaxControlLineExceeded = "Maximum Control Line Exceeded",
    /// More subscriptions than a lowered limit allows.
    MaxSubscriptionsExceeded = "Maximum Subscriptions Exceeded",
    /// A second route to the same server.
    DuplicateRoute = "Duplicate Route",
    /// A reload removed the route.
    RouteRemoved = "Route Removed",
    /// The server is stopping.
    ServerShutdown = "Server Shutdown",
    /// The user's or the account's credentials expired.
    AuthenticationExpired = "Authentication Expired",
    /// A gateway connection with an unexpected name.
    WrongGateway = "Wrong Gateway",
    /// The account does not exist.
    MissingAccount = "Missing Account",
    /// The user's credentials were revoked.
    CredentialsRevoked = "Credentials Revoked",
    /// An internal client that is no longer needed.
    InternalClient = "Internal Client",
    /// Headers used without support for them.
    MessageHeaderViolation = "Message Header Violation",
    /// CONNECT asked for `no_responders` without `headers`.
    NoRespondersRequiresHeaders = "No Responders Requires Headers",
    /// Two clusters of different names were joined.
    ClusterNameConflict = "Cluster Name Conflict",
    /// The same remote leaf node connected twice.
    DuplicateRemoteLeafNodeConnection = "Duplicate Remote LeafNode Connection",
    /// An MQTT client id in use by a newer connection.
    DuplicateClientId = "Duplicate Client ID",
    /// A server with the same name is already known.
    DuplicateServerName = "Duplicate Server Name",
    /// The peer's version is too old.
    MinimumVersionRequired = "Minimum Version Required",
    /// A leaf node whose cluster name equals the hub's.
    ClusterNamesIdentical = "Cluster Names Identical",
    /// An operator asked for it.
    Kicked = "Kicked",
    /// A proxy whose key is not among the trusted ones.
    ProxyNotTrusted = "Proxy Not Trusted",
    /// The user may only connect through a proxy.
    ProxyRequired = "Proxy Required",
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::CloseReason;

    /// The list of the reference, typed a second time: a changed text breaks
    /// monitoring tools.
    #[test]
    fn texts_are_those_of_the_protocol() {
        let expected = "Client Closed, Authentication Timeout, Authentication Failure, TLS Handshake Failure, Slow Consumer (Pending Bytes), Slow Consumer (Write Deadline), Write Error, Read Error, Parse Error, Stale Connection, Protocol Violation, Bad Client Protocol Version, Incorrect Port, Maximum Connections Exceeded, Maximum Account Connections Exceeded, Maximum Message Payload Exceeded, Maximum Control Line Exceeded, Maximum Subscriptions Exceeded, Duplicate Route, Route Removed, Server Shutdown, Authentication Expired, Wrong Gateway, Missing Account, Credentials Revoked, Internal Client, Message Header Violation, No Responders Requires Headers, Cluster Name Conflict, Duplicate Remote LeafNode Connection, Duplicate Client ID, Duplicate Server Name, Minimum Version Required, Cluster Names Identical, Kicked, Proxy Not Trusted, Proxy Required";
        let actual: Vec<String> = CloseReason::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(actual.join(", "), expected);
    }
}

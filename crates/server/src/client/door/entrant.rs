//! Somebody who wants to be let in, apart from what it says: what a login needs that goes on while
//! the door is elsewhere.

use std::net::IpAddr;
use std::sync::Arc;

use cognate_auth::proxy::ProxyCheck;
use cognate_auth::users::ConnectionType;

use super::ClientDoor;
use crate::data::Connection;
use crate::shared::Shared;

/// Somebody who wants to be let in.
pub(super) struct Entrant {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Arc<Connection>,
    /// What it was to sign.
    pub(super) nonce: Box<str>,
    pub(super) connection_type: ConnectionType,
    /// Where it comes from, if it has an address.
    pub(super) address: Option<IpAddr>,
    /// What its `proxy_sig` proved.
    pub(super) proxy: ProxyCheck,
}

impl ClientDoor {
    /// The client.
    pub(super) fn entrant(&self) -> Entrant {
        Entrant {
            shared: Arc::clone(&self.shared),
            connection: Arc::clone(&self.connection),
            nonce: self.nonce.clone(),
            connection_type: self.connection_type(),
            address: self.address(),
            proxy: self.proxy,
        }
    }
}

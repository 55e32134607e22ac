//! What streams and consumers have in common.

use cognate_model::{Nanos, Timestamp, json::IsEmpty, record};
use serde::Serialize;

/// Done; for everything that has nothing else to say: deletions of streams, consumers and messages,
/// steps down and removals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Success {
    success: bool,
}

impl Success {
    /// It is done.
    pub const DONE: Self = Self { success: true };
}

/// Done, for what says nothing at all: `CONSUMER.UNPIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Done {}

record! {
    /// The servers that keep an asset.
    pub struct ClusterInfo("ClusterInfo") {
        /// The cluster.
        name: String = "name" omit,
        /// The group of servers.
        raft_group: String = "raft_group" omit,
        /// The leading server; alone, a server names itself by its id.
        leader: String = "leader" omit,
        /// Since when it leads.
        leader_since: Option<Timestamp> = "leader_since" omit,
        /// Replication runs in the system account.
        system_account: bool = "system_account" omit,
        /// The account that replication runs in.
        traffic_account: String = "traffic_account" omit,
        /// The other servers.
        replicas: Vec<PeerInfo> = "replicas" omit,
    }
}

record! {
    /// A server that keeps an asset.
    pub struct PeerInfo("PeerInfo") {
        /// Its name.
        name: String = "name",
        /// It was seen lately, with everything up to date.
        current: bool = "current",
        /// It was not seen lately.
        offline: bool = "offline" omit,
        /// When it was last seen, before now.
        active: Nanos = "active",
        /// How many operations it is behind.
        lag: u64 = "lag" omit,
        /// Its id.
        peer: String = "peer",
    }
}

pub(super) fn is_empty<T: IsEmpty>(value: &T) -> bool {
    value.is_empty()
}

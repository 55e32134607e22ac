//! Advisories and metrics: what the server tells to whoever listens.
//!
//! An [`Event`] knows its subject and its type; ids and times are arguments, since nothing here has
//! a clock or randomness. Most events have nobody listening: ask for the subject first, encode only
//! if there is interest.

mod action;
mod cluster;
mod delivery;
mod snapshot;
mod system;

use cognate_model::{Timestamp, json};
use serde::Serialize;

pub use action::{
    Action, ConsumerAdvisory, ConsumerPause, GroupPinned, GroupUnpinned, StreamAdvisory,
};
pub use cluster::{
    ConsumerLeaderElected, ConsumerQuorumLost, DomainLeaderElected, StreamLeaderElected,
    StreamQuorumLost,
};
pub use delivery::{Acknowledged, BatchAbandoned, MaxDeliveries, Naked, StreamDamaged, Terminated};
pub use snapshot::{RestoreComplete, RestoreCreate, SnapshotComplete, SnapshotCreate};
pub use system::{ApiAudit, ApiLimitReached, ClientInfo, ServerOutOfStorage, ServerRemoved};

/// Something to tell.
pub trait Event: Serialize {
    /// The schema's name.
    const TYPE: &'static str;

    /// Where it is published.
    fn subject(&self) -> String;
}

#[derive(Serialize)]
struct Envelope<'a, E> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    timestamp: Timestamp,
    #[serde(flatten)]
    event: &'a E,
}

/// The JSON of an event. `id` is unique, in nats-server a NUID.
#[must_use]
pub fn encode<E: Event>(event: &E, id: &str, timestamp: Timestamp) -> Vec<u8> {
    json::to_vec(&Envelope {
        kind: E::TYPE,
        id,
        timestamp,
        event,
    })
}

/// Declares events: type, subject and members in the order they are written in. Empty texts and
/// lists that are marked `omit` are left out.
macro_rules! events {
    ($(
        $(#[$meta:meta])*
        $name:ident($kind:literal, $subject:literal $(, $token:ident)*) {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty = $json:literal $($omit:ident)? ),* $(,)?
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name<'a> {
            $( $(#[$field_meta])* pub $field: $type, )*
            /// The server's domain, if it has one.
            pub domain: &'a str,
        }

        impl serde::Serialize for $name<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                let mut map = serializer.serialize_map(None)?;
                $(
                    if !$crate::event::events!(@omit self.$field; $($omit)?) {
                        map.serialize_entry($json, &self.$field)?;
                    }
                )*
                if !self.domain.is_empty() {
                    map.serialize_entry("domain", self.domain)?;
                }
                map.end()
            }
        }

        impl $crate::event::Event for $name<'_> {
            const TYPE: &'static str = $kind;

            fn subject(&self) -> String {
                let parts: &[&str] = &[$subject $(, self.$token)*];
                parts.join(".")
            }
        }
    )* };
    (@omit $self:ident.$field:ident;) => { false };
    (@omit $self:ident.$field:ident; omit) => { $self.$field.is_empty() };
}
use events;

//! The one client that gets everything, of a consumer with the policy `pinned_client`.
//!
//! Owns its id and for how long it may be silent. Absent: which request is served (`pull_queue`).

use std::time::Duration;

use cognate_model::Timestamp;

use crate::host::{Advisory, ConsumerHost};
use crate::random::Random;

/// How long an id is; that of NATS's unique ids.
const ID_LEN: usize = 22;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pin {
    pinned: Option<Pinned>,
    random: Random,
}

/// A pinned client.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) id: Box<[u8]>,
    pub(crate) group: Box<[u8]>,
    pub(crate) since: Timestamp,
    pub(crate) expires: Timestamp,
}

impl Pin {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            pinned: None,
            random: Random(seed),
        }
    }

    pub(crate) fn pinned(&self) -> Option<&Pinned> {
        self.pinned.as_ref()
    }

    pub(crate) fn id(&self) -> Option<&[u8]> {
        self.pinned.as_ref().map(|pinned| &*pinned.id)
    }

    /// Pins the client of a request under a new id.
    pub(crate) fn assign(
        &mut self,
        group: &[u8],
        now: Timestamp,
        ttl: Duration,
        host: &mut impl ConsumerHost,
    ) -> Box<[u8]> {
        let mut id = Vec::with_capacity(ID_LEN);
        self.random.push_letters(&mut id, ID_LEN);
        let id: Box<[u8]> = id.into();
        host.advisory(Advisory::Pinned { group, id: &id });
        self.pinned = Some(Pinned {
            id: id.clone(),
            group: group.into(),
            since: now,
            expires: now.after(ttl),
        });
        id
    }

    /// The pinned client is there.
    pub(crate) fn renew(&mut self, now: Timestamp, ttl: Duration) {
        if let Some(pinned) = &mut self.pinned {
            pinned.expires = now.after(ttl);
        }
    }

    /// Unpins, and says why.
    pub(crate) fn unpin(&mut self, reason: &'static str, host: &mut impl ConsumerHost) -> bool {
        let Some(pinned) = self.pinned.take() else {
            return false;
        };
        let group = &pinned.group;
        host.advisory(Advisory::Unpinned { group, reason });
        true
    }

    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        self.pinned.as_ref().map(|pinned| pinned.expires)
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp, host: &mut impl ConsumerHost) {
        if self.next_timeout().is_some_and(|at| at <= now) {
            self.unpin("timeout", host);
        }
    }
}

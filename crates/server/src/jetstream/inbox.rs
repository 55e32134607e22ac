//! Where messages for a part of the server wait until it looks.
//!
//! To the data path an inbox is a connection like any other: publishers stage frames for it, and
//! they are queued because there is no socket to write them to. The owner takes all that waits at
//! once, as whole frames ([`cognate_wire::parse_delivered`]). Invariant: frames come out in the
//! order in which they were handed over.
//!
//! Bound: [`MAX_PENDING`]. Long before that, publishers pause for a crowded inbox as they do for a
//! crowded socket.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use cognate_router::{Subscription, SubscriptionSpec};

use crate::data::{Account, Birth, Connection, Outbound, Pending, Via};
use crate::shared::Shared;

/// Bytes that may wait. More cannot gather: whoever sends faster than this is slowed down first.
const MAX_PENDING: usize = 1 << 30;

/// An inbox and the subscriptions that fill it.
pub(crate) struct Inbox {
    connection: Arc<Connection>,
}

/// Why the owner of an inbox was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Frames arrived.
    Frames,
    /// Somebody asked it to look around.
    Signal,
    /// It was closed.
    Closed,
}

impl Inbox {
    /// An empty inbox that nothing leads to yet.
    pub(crate) fn new(shared: &Shared) -> Self {
        let outbound = Outbound::new(None, MAX_PENDING, Arc::clone(&shared.blocks));
        let birth = Birth {
            cid: 0,
            outbound,
            peer: None,
            via: Via::InProcess,
            started_at: SystemTime::now(),
        };
        let connection = Connection::new(birth, &shared.registry.slots);
        connection.set_takes_headers(true);
        Inbox {
            connection: Arc::new(connection),
        }
    }

    /// Leads what matches `subject` here; `sid` comes with every frame.
    pub(crate) fn subscribe(
        &self,
        account: &Account,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
    ) -> Arc<Subscription<Connection>> {
        let subscription = Arc::new(Subscription::new(SubscriptionSpec {
            destination: Arc::clone(&self.connection),
            subject,
            queue,
            sid,
            gate: None,
        }));
        account.subscribe(&subscription);
        subscription
    }

    /// The inbox as the data path sees it.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Makes the owner look around.
    pub(crate) fn signal(&self) {
        self.connection.outbound.signal();
    }

    /// Takes nothing more and tells the owner.
    pub(crate) fn close(&self) {
        self.connection
            .close(cognate_wire::CloseReason::ServerShutdown);
    }

    /// Appends everything that waits to `frames`, and says why the owner was woken.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, frames: &mut Vec<u8>) -> Poll<Woken> {
        let outbound = &self.connection.outbound;
        let (pending, signalled) = outbound.poll_pending(cx);
        match pending {
            Pending::Closed(_) => return Poll::Ready(Woken::Closed),
            Pending::Nothing if signalled => return Poll::Ready(Woken::Signal),
            Pending::Nothing => return Poll::Pending,
            Pending::Bytes => {}
        }
        if signalled {
            // Frames first; the signal is still there when they are taken.
            outbound.signal();
        }
        loop {
            let front = outbound.take_front();
            let before = frames.len();
            front.copy_to(frames);
            if outbound.drained(front, frames.len() - before) != Pending::Bytes {
                return Poll::Ready(Woken::Frames);
            }
        }
    }
}

//! Where messages for a part of the server wait until it looks.
//!
//! To the data path an inbox is a connection like any other: publishers stage frames for it, and
//! they are queued because there is no socket to write them to. The owner takes all that waits at
//! once, as whole frames ([`cognate_wire::parse_delivered`]). Invariant: frames come out in the
//! order in which they were handed over.
//!
//! Bounds: those of [`Bounds`]. What comes beyond them is refused, and whoever owns the inbox is told
//! through a [`Refuser`]; the inbox itself stays open. Long before that, publishers pause for a
//! crowded inbox as they do for a crowded socket.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use cognate_router::{Subscription, SubscriptionSpec};

use crate::data::{Account, Birth, Connection, Outbound, Pending, Refuser, Via};
use crate::shared::Shared;

/// What may wait in an inbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// What may wait in an inbox that has no bounds of its own.
const PLAIN: Bounds = Bounds {
    bytes: 64 * 1024 * 1024,
    messages: u64::MAX,
};

/// Lets go what there is no room for.
pub(crate) struct NoRefuser;

impl Refuser for NoRefuser {
    fn refuse(&self, _: &Connection, _: &[u8]) {}
}

/// What the owner of an inbox wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Frames, a signal, the end.
    Everything,
    /// Frames stay where they are.
    NoFrames,
}

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
    /// An empty inbox that nothing leads to yet. What comes beyond [`PLAIN`] is lost like messages to
    /// somebody who is not there.
    pub(crate) fn new(shared: &Shared) -> Self {
        Inbox::bounded(shared, PLAIN, Box::new(NoRefuser))
    }

    /// The same with bounds of its own, and somebody who is told what comes beyond them.
    pub(crate) fn bounded(shared: &Shared, bounds: Bounds, refuser: Box<dyn Refuser>) -> Self {
        let bytes = usize::try_from(bounds.bytes).unwrap_or(usize::MAX);
        let outbound = Outbound::new(None, bytes, Arc::clone(&shared.blocks));
        let outbound = outbound.refusing(bounds.messages);
        let birth = Birth {
            cid: 0,
            outbound,
            peer: None,
            via: Via::InProcess,
            started_at: SystemTime::now(),
        };
        let connection = Connection::new(birth, &shared.registry.slots).with_refuser(refuser);
        connection.set_takes_headers(true);
        connection.set_internal();
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
            tie: None,
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
        self.poll_wanted(cx, Want::Everything, frames)
    }

    /// The same, but frames are taken only if they are wanted.
    pub(crate) fn poll_wanted(
        &self,
        cx: &mut Context<'_>,
        want: Want,
        frames: &mut Vec<u8>,
    ) -> Poll<Woken> {
        let outbound = &self.connection.outbound;
        let (pending, signalled) = outbound.poll_pending(cx);
        match pending {
            Pending::Closed(_) => return Poll::Ready(Woken::Closed),
            Pending::Bytes if want == Want::Everything => {}
            _ if signalled => return Poll::Ready(Woken::Signal),
            _ => return Poll::Pending,
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

//! Client connections: from an accepted socket to the record of how it ended.
//!
//! ```text
//! accept ─▶ handshake (INFO, TLS) ─▶ task (one loop) ─▶ record
//! ```

mod door;
mod handshake;
mod input;
mod lockstep;
mod opening;
mod parting;
mod task;
mod throttle;
mod trace;
mod transport;

use std::sync::Arc;
use std::time::SystemTime;

use cognate_process::{debug, error};
use cognate_router::Subscription;
use cognate_wire::{CloseReason, error_text};

pub(crate) use handshake::{serve_in_process, serve_tcp};
pub(crate) use lockstep::Looker;

use crate::data::Connection;
use crate::registry::{Closed, ClosedSubscription};
use crate::shared::Shared;
use crate::system::Event;

/// Subscriptions of a closed connection that its record lists at most.
const RECORDED_SUBSCRIPTIONS: usize = 1024;

/// Takes a connection out of the registry and keeps what monitoring shows of it.
fn record_end(
    shared: &Shared,
    connection: &Arc<Connection>,
    subscriptions: &[Arc<Subscription<Connection>>],
    reason: CloseReason,
) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let listed = subscriptions
        .iter()
        .take(RECORDED_SUBSCRIPTIONS)
        .map(|sub| ClosedSubscription {
            subject: text(sub.subject()),
            queue: sub.queue().map(text).unwrap_or_default(),
            sid: text(sub.sid()),
            msgs: sub.delivered(),
            max: sub.max().unwrap_or(0),
        });
    let label = connection.label();
    match reason {
        CloseReason::BadClientProtocolVersion => {
            error!(
                shared.log,
                "{label} - {}",
                error_text::INVALID_CLIENT_PROTOCOL
            );
        }
        CloseReason::NoRespondersRequiresHeaders => {
            error!(
                shared.log,
                "{label} - {}",
                error_text::NO_RESPONDERS_REQUIRES_HEADERS
            );
        }
        _ => {}
    }
    debug!(shared.log, "{label} - Client connection closed: {reason}");
    throttle::note_failure(shared, connection, reason);
    if connection.is_traced() {
        subscriptions
            .iter()
            .for_each(|sub| trace::trace_end(shared, connection, sub.sid()));
    }
    if let Some(account) = connection.account() {
        let slow = matches!(
            reason,
            CloseReason::SlowConsumerPendingBytes | CloseReason::SlowConsumerWriteDeadline
        );
        account.remember(connection, slow);
    }
    shared.registry.leave(Closed {
        connection: Arc::clone(connection),
        stopped_at: SystemTime::now(),
        reason,
        subscriptions: listed.collect(),
    });
    let left = Event::Left(Arc::clone(connection), reason);
    shared.events.note(shared, left);
}

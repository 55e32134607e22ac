//! What a delivery by the server itself asks of it: the time, and who publishes.

use std::time::Duration;

use cognate_router::Subscription;
use cognate_wire::Publish;

use crate::client_info::{latency, write_request_info};
use crate::data::{Asks, Connection, Fate, Measured, Watch};
use crate::shared::Shared;

/// A delivery by the server.
pub(crate) struct Watching<'a> {
    shared: &'a Shared,
    now: Duration,
}

impl<'a> Watching<'a> {
    /// A delivery that begins now.
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Watching {
            shared,
            now: shared.now(),
        }
    }
}

impl Watch for Watching<'_> {
    fn now(&self) -> Duration {
        self.now
    }

    fn trace_message(&self, _: &Subscription<Connection>, _: &[u8], _: &Publish<'_>) {}

    fn write_request_info(&self, asks: &Asks<'_>, out: &mut Vec<u8>) {
        write_request_info(self.shared, None, asks, out);
    }

    fn latency(&self, measured: &Measured, fate: Fate, responder: Option<&Connection>) -> String {
        latency(self.shared, measured, fate, responder)
    }
}

//! What only a consumer has that pushes: somebody to push to, heartbeats and flow control.
//!
//! Called by `deliver`, `timeout` and the handlers of interest and of flow control answers. Absent:
//! the messages.

use cognate_model::Timestamp;

use crate::consumer::Identity;
use crate::flow_control::FlowControl;
use crate::host::ConsumerHost;
use crate::ledger::Position;
use crate::settings::PushSettings;
use crate::status;

/// See the module.
#[derive(Debug)]
pub(crate) struct Push {
    /// Somebody listens on the deliver subject.
    pub(crate) active: bool,
    pub(crate) flow: Option<FlowControl>,
    heartbeat_at: Option<Timestamp>,
    out: Vec<u8>,
}

impl Push {
    pub(crate) fn new(settings: &PushSettings, identity: &Identity, now: Timestamp) -> Self {
        let flow = || FlowControl::new(&identity.stream, &identity.consumer, identity.seed);
        Self {
            active: false,
            flow: settings.flow_control.then(flow),
            heartbeat_at: settings.heartbeat.map(|every| now.after(every)),
            out: Vec::new(),
        }
    }

    pub(crate) fn can_send(&self) -> bool {
        self.active && !self.flow.as_ref().is_some_and(FlowControl::is_stalled)
    }

    /// A message was sent; asks the client to confirm when it is time, or when `full` says that no
    /// more may be sent until it does.
    #[inline]
    pub(crate) fn sent(
        &mut self,
        settings: &PushSettings,
        now: Timestamp,
        size: u64,
        full: bool,
        host: &mut impl ConsumerHost,
    ) {
        if settings.heartbeat.is_some() {
            self.heartbeat_at = settings.heartbeat.map(|every| now.after(every));
        }
        if let Some(flow) = &mut self.flow {
            let due = flow.delivered(size);
            if due || (full && flow.outstanding().is_none()) {
                self.request_flow_control(settings, host);
            }
        }
    }

    pub(crate) fn request_flow_control(
        &mut self,
        settings: &PushSettings,
        host: &mut impl ConsumerHost,
    ) {
        if let Some(flow) = &mut self.flow {
            let block = status::plain(&mut self.out, b"100 FlowControl Request");
            host.status(&settings.subject, flow.request(), block);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        self.heartbeat_at
    }

    /// Sends a heartbeat that is due. Returns whether one was.
    pub(crate) fn handle_timeout(
        &mut self,
        settings: &PushSettings,
        now: Timestamp,
        seen: Position,
        host: &mut impl ConsumerHost,
    ) -> bool {
        let due = self.heartbeat_at.is_some_and(|at| at <= now);
        if due {
            self.heartbeat_at = settings.heartbeat.map(|every| now.after(every));
        }
        if due && self.active {
            let stalled = self.flow.as_ref().and_then(FlowControl::outstanding);
            let block = status::heartbeat(&mut self.out, seen.consumer, seen.stream, stalled);
            host.status(&settings.subject, b"", block);
        }
        due && self.active
    }
}

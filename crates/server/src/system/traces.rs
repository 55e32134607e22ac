//! Events that tell of the way of messages (ADR-41): whoever delivered one brings what is known, streams
//! bring what they made of it, and when all of it is there, or nothing came for too long, the event is
//! published where the message asked for it.
//!
//! Bound: [`MAX_WAITING`] messages wait for streams; of more of them the oldest is told incomplete.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cognate_wire::headers;

use super::System;
use super::encoding::encoded;
use crate::data::{Outgoing, Taken, Trace};

/// Messages that may wait for what streams make of them.
const MAX_WAITING: usize = 4096;

/// How long one waits at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// What waits for its other half.
#[derive(Default)]
pub(super) struct Traces {
    /// Messages that streams have not answered for yet, in the order in which they came.
    waiting: VecDeque<(Instant, Trace)>,
    /// What streams said of messages that are not known yet.
    early: VecDeque<(Instant, Taken)>,
}

impl System {
    /// The way of a message is known, but for what streams make of it.
    pub(super) fn traced(&self, mut trace: Trace) {
        let mut traces = self.traces.lock();
        traces.early.retain(|(_, taken)| !trace.complete(taken));
        if trace.open.is_empty() {
            drop(traces);
            return self.publish_trace(&trace);
        }
        let given_up = (traces.waiting.len() >= MAX_WAITING).then(|| traces.waiting.pop_front());
        traces.waiting.push_back((Instant::now(), trace));
        drop(traces);
        if let Some(Some((_, trace))) = given_up {
            self.publish_trace(&trace);
        }
    }

    /// A stream has made something of a message.
    pub(super) fn taken(&self, taken: &Taken) {
        let mut traces = self.traces.lock();
        let found = traces
            .waiting
            .iter_mut()
            .position(|(_, trace)| trace.complete(taken));
        let Some(at) = found else {
            // The stream was faster than whoever published.
            if traces.early.len() >= MAX_WAITING {
                traces.early.pop_front();
            }
            traces.early.push_back((Instant::now(), taken.clone()));
            return;
        };
        let is_complete = traces
            .waiting
            .get(at)
            .is_some_and(|(_, trace)| trace.open.is_empty());
        let done = if is_complete {
            traces.waiting.remove(at)
        } else {
            None
        };
        drop(traces);
        if let Some((_, trace)) = done {
            self.publish_trace(&trace);
        }
    }

    /// Publishes what has waited too long as it is.
    pub(super) fn give_up_traces(&self) {
        let now = Instant::now();
        let is_old = |since: &Instant| now.duration_since(*since) > PATIENCE;
        let mut traces = self.traces.lock();
        traces.early.retain(|(since, _)| !is_old(since));
        let old = traces
            .waiting
            .iter()
            .take_while(|(since, _)| is_old(since))
            .count();
        let given_up: Vec<_> = traces.waiting.drain(..old).collect();
        drop(traces);
        for (_, trace) in &given_up {
            self.publish_trace(trace);
        }
    }

    fn publish_trace(&self, trace: &Trace) {
        let heard = trace.account.has_interest(&trace.destination, None);
        if !heard {
            return;
        }
        let event = trace.record.to_json(&self.server_info().to_string());
        let payload = encoded(event.into_bytes(), trace.encoding);
        let mut block = Vec::new();
        if let Some(name) = trace.encoding.name() {
            headers::write_with(&mut block, &[], b"Content-Encoding", name.as_bytes());
        }
        let message = Outgoing {
            headers: &block,
            ..Outgoing::to(&trace.destination, &payload)
        };
        self.publish_message(&trace.account, &message);
    }
}

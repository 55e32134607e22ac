//! Pull requests: taken, refused, or put in the queue.
//!
//! Absent: serving them (`deliver`).

use std::time::Duration;

use cognate_model::MessageStore;
use cognate_wire::headers::HeaderBlock;

use crate::consumer::Consumer;
use crate::host::{ConsumerHost, Turn};
use crate::pull_queue::Waiting;
use crate::pull_request::{PullRequest, Refusal};
use crate::status;

/// The API level that requests may require.
const API_LEVEL: i64 = 4;
/// A full queue is searched for requests that are over at most this often.
const FULL_SWEEP_EVERY: Duration = Duration::from_secs(1);

impl<C> Consumer<C> {
    /// Takes a pull request: its headers (empty if none), body, and where messages are to go. A
    /// request without a reply asks for nothing.
    pub fn handle_pull<S, H>(
        &mut self,
        headers: &[u8],
        body: &[u8],
        reply: &[u8],
        turn: &mut Turn<'_, S, H>,
    ) where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        if reply.is_empty() {
            return;
        }
        if let Err(Some(refusal)) = self.try_pull(headers, body, reply, turn) {
            let block = status::plain(&mut self.scratch, &refusal.0);
            turn.host.status(reply, b"", block);
        }
    }

    /// The refusal is none if nothing is to be said.
    fn try_pull<S, H>(
        &mut self,
        headers: &[u8],
        body: &[u8],
        reply: &[u8],
        turn: &mut Turn<'_, S, H>,
    ) -> Result<(), Option<Refusal>>
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        if self.settings.is_push() {
            return Err(Some("409 Consumer is push based".into()));
        }
        if requires_newer_api(headers) {
            return Err(Some("412 Required Api Level".into()));
        }
        let request = PullRequest::parse(body, turn.now)?;
        request.check(&self.settings)?;
        self.check_pin(&request, turn)?;
        let room = self.settings.max_waiting;
        if self.pull.len() >= room && self.may_sweep_full(turn) {
            let seen = self.seen();
            self.pull.sweep(turn.now, false, seen, turn.host);
        }
        if request.body.no_wait {
            self.check_no_wait(&request, turn)?;
        }
        if self.pull.len() >= room {
            // A client that gets heartbeats notices that there are none; told at once, it would ask
            // again at once.
            let silent = request.body.heartbeat.0 > 0;
            return Err((!silent).then(|| "409 Exceeded MaxWaiting".into()));
        }
        self.activity.note(turn.now);
        let waiting = Waiting::new(reply, &request, turn.now);
        self.pull.push(waiting, self.settings.priority);
        Ok(())
    }

    fn check_pin<S, H>(
        &mut self,
        request: &PullRequest,
        turn: &Turn<'_, S, H>,
    ) -> Result<(), Refusal> {
        let id = request.body.id.as_bytes();
        match self.pin.id() {
            Some(pinned) if pinned == id => self.pin.renew(turn.now, self.settings.pinned_ttl),
            Some(_) if !id.is_empty() => return Err("423 Nats-Pin-Id mismatch".into()),
            _ => {}
        }
        Ok(())
    }

    fn may_sweep_full<S, H>(&mut self, turn: &Turn<'_, S, H>) -> bool {
        let last = self.full_sweep;
        let due = last.is_none_or(|last| turn.now.since(last) > FULL_SWEEP_EVERY);
        if due {
            self.full_sweep = Some(turn.now);
        }
        due
    }

    fn check_no_wait<S, H>(
        &mut self,
        request: &PullRequest,
        turn: &mut Turn<'_, S, H>,
    ) -> Result<(), Refusal>
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let queued = self.ledger.redelivery.len() as u64;
        let there = self.selection.remaining(turn.store).saturating_add(queued);
        if there == 0 && request.expires.is_none() {
            self.activity.note(turn.now);
            return Err("404 No Messages".into());
        }
        if there > 0 && !self.pull.is_empty() {
            let seen = self.seen();
            let wanted = self.pull.sweep(turn.now, false, seen, turn.host);
            if there < u64::try_from(wanted).unwrap_or(0) {
                self.activity.note(turn.now);
                return Err("408 Requests Pending".into());
            }
        }
        Ok(())
    }

    /// Ends all waiting requests with a status, such as `409 Consumer Deleted`.
    pub fn end_pulls<H: ConsumerHost>(&mut self, code: &[u8], host: &mut H) {
        self.pull.end_all(code, host);
    }
}

fn requires_newer_api(headers: &[u8]) -> bool {
    let Some(block) = HeaderBlock::parse(headers) else {
        return false;
    };
    let Some(level) = block.first(b"Nats-Required-Api-Level") else {
        return false;
    };
    let number = std::str::from_utf8(level)
        .ok()
        .and_then(|text| text.parse::<i64>().ok());
    // What is no number cannot be met.
    !level.is_empty() && number.is_none_or(|number| number > API_LEVEL)
}

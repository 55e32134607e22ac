//! What happens because of the time alone.
//!
//! Whoever drives the consumer asks when that is next, after every call. Absent: the clock.

use std::time::Duration;

use cognate_model::{MessageStore, Timestamp};

use crate::consumer::{Consumer, longest_wait};
use crate::host::{Advisory, ConsumerHost, Turn};
use crate::journal::Entry;

/// Acknowledgements are found overdue a little later, so that those of one burst are found together.
const ACK_WAIT_DELAY: Duration = Duration::from_millis(1);

impl<C> Consumer<C> {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest.
    pub fn next_timeout(&mut self) -> Option<Timestamp> {
        let acks = self.ledger.pending.next_deadline();
        [
            acks.map(|at| at.after(ACK_WAIT_DELAY)),
            self.pull.next_timeout(),
            self.push.as_ref().and_then(|push| push.next_timeout()),
            self.pace.next_timeout(),
            self.pin.next_timeout(),
            self.pause_end,
            self.activity.next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due. Messages may have become deliverable.
    pub fn handle_timeout<S, H>(&mut self, turn: &mut Turn<'_, S, H>)
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        self.requeue_overdue(turn);
        self.pace.handle_timeout(turn.now);
        self.pin.handle_timeout(turn.now, turn.host);
        self.end_pause(turn);
        if self.pull.next_timeout().is_some_and(|at| at <= turn.now) {
            // Whatever request was due, those that take only what is there end as well, also if it
            // is the consumer's acks that hold them up.
            self.sweep_if_due(turn, true);
        }
        self.send_heartbeat(turn);
        if self.activity.is_due(turn.now) {
            self.check_activity(turn);
        }
    }

    fn requeue_overdue<S, H>(&mut self, turn: &mut Turn<'_, S, H>)
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        for sequence in self.ledger.pending.take_due(turn.now) {
            self.requeue(sequence, turn);
        }
    }

    /// Queues a pending message for redelivery, or gives it up.
    pub(crate) fn requeue<S, H>(&mut self, sequence: u64, turn: &mut Turn<'_, S, H>)
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let deliveries = self
            .ledger
            .pending
            .get(sequence)
            .map(|slot| slot.deliveries());
        let is_last = self.settings.max_deliver.zip(deliveries);
        if is_last.is_some_and(|(max, deliveries)| deliveries >= max) {
            self.exhaust(sequence, turn);
        } else {
            self.commit(&Entry::Queued { sequence }, turn.host);
        }
    }

    fn end_pause<S, H>(&mut self, turn: &mut Turn<'_, S, H>)
    where
        H: ConsumerHost,
    {
        if self.pause_end.is_some_and(|until| until <= turn.now) {
            self.pause_end = None;
            turn.host.advisory(Advisory::Paused {
                until: self.settings.pause_until,
                paused: false,
            });
        }
    }

    fn send_heartbeat<S, H>(&mut self, turn: &mut Turn<'_, S, H>)
    where
        H: ConsumerHost,
    {
        let seen = self.seen();
        let (Some(push), Some(settings)) = (&mut self.push, &self.settings.push) else {
            return;
        };
        let sent = push.handle_timeout(settings, turn.now, seen, turn.host);
        // What is pending is only acknowledged if the client is asked.
        let stuck = self.settings.acks_by_flow_control && self.ledger.pending.len() > 0;
        let asked = push
            .flow
            .as_ref()
            .is_some_and(|flow| flow.outstanding().is_some());
        if sent && stuck && !asked {
            push.request_flow_control(settings, turn.host);
        }
    }

    /// The consumer was not used for its threshold; it may still be at work.
    fn check_activity<S, H>(&mut self, turn: &mut Turn<'_, S, H>)
    where
        H: ConsumerHost,
    {
        if let Some(push) = &self.push {
            if push.active {
                self.activity.suspend();
                return;
            }
        } else {
            let seen = self.seen();
            self.pull.sweep(turn.now, true, seen, turn.host);
            if !self.pull.is_empty() {
                self.activity.wait_until(turn.now);
                return;
            }
            // Clients may be working on messages without a word until these are overdue.
            let wait = longest_wait(self.ledger.pending.waits());
            let times = self.ledger.pending.iter().map(|slot| slot.time.after(wait));
            if let Some(last) = times.max().filter(|&last| last > turn.now) {
                self.activity.wait_until(last);
                return;
            }
        }
        self.activity.suspend();
        turn.host.inactive();
    }
}
